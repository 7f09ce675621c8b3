"""What of trimatte is public, as text: ``python tests/public_api.py`` writes it to public_api.txt.

Semantic versioning is about these names: those in ``__all__`` of the modules below, with their
parameters and public attributes, and the commands and options of the command line.
tests/package/test_public_api.py compares them with the recorded list, so that none changes by
accident.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trimatte.cli.main import _parser

MODULES = (
    "trimatte",
    "trimatte.compat.rembg",
    "trimatte.engines",
    "trimatte.inspector",
    "trimatte.ray",
    "trimatte.video",
)
RECORD = Path(__file__).with_name("public_api.txt")


def parameters(function: Any) -> str:
    """A signature without its types: names, kinds, defaults."""
    if getattr(function, "__module__", None) == "trimatte._core":  # its stub has it
        return "(...)"
    signature = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def described(name: str, value: Any) -> Iterator[str]:
    """Lines on one name. Fields of a dataclass without a default are among its parameters only."""
    if not inspect.isclass(value):
        yield name + (parameters(value) if inspect.isroutine(value) else "")
        return
    bases = [base.__name__ for base in value.__mro__[1:-1] if issubclass(base, BaseException)]
    if bases:
        yield f"{name}: {', '.join(bases)}"
        return
    yield f"class {name}{parameters(value)}"
    plain = {n for base in value.__mro__ if base.__module__ == "builtins" for n in vars(base)}
    for attribute in sorted(set(dir(value)) - plain):
        called = attribute in ("__call__", "__enter__", "__getitem__", "__dlpack__")
        if attribute.startswith("_") and not called:
            continue
        static = inspect.getattr_static(value, attribute)
        is_method = callable(getattr(value, attribute)) and not isinstance(static, property)
        yield f"  {name}.{attribute}{parameters(static) if is_method else ''}"


def options(parser: argparse.ArgumentParser, command: str) -> Iterator[str]:
    yield command
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from options(inner, f"{command} {name}")
        elif isinstance(action, argparse._HelpAction):
            continue
        elif action.option_strings:
            choices = f" {{{','.join(map(str, action.choices))}}}" if action.choices else ""
            yield f"  {', '.join(action.option_strings)}{choices}"
        else:
            yield f"  {action.metavar or action.dest}"


def public_api() -> str:
    lines = ["# Written by python tests/public_api.py", ""]
    for name in MODULES:
        module = importlib.import_module(name)
        for public in sorted(module.__all__):
            lines += described(f"{name}.{public}", getattr(module, public))
    lines += ["", *options(_parser()[0], "trimatte")]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    RECORD.write_text(public_api(), encoding="utf-8")

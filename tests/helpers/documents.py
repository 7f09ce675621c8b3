"""The code in README.md and docs/: where it is, how it is marked, and what can be checked of it
without running it.

A block is run unless a comment before it says why not or whose it is::

    <!-- not run: needs an NVIDIA GPU -->
    <!-- from: src/cpp/pixel/key.hpp -->
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import trimatte
from trimatte.cli.main import main

ROOT = Path(__file__).parents[2]
# benchmarks.md is written by a program and checked as such; rembg's and others' pages count too.
PAGES = sorted(path.relative_to(ROOT) for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
LANGUAGES = {"python", "sh", "cpp", "diff", "json", "math", "text", "toml"}  # the first two are run

_FENCE = re.compile(r"( *)(`{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.S | re.M)
_MARK = re.compile(r"<!-- (not run|from): ([^\n]+?) -->\s*\Z")
_OPERATORS = {"&&", "||", "|", ";"}
_REDIRECTIONS = re.compile(r" (<|>>?) *[^ ]+")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. why: it is not run; origin: the file that it quotes."""

    page: Path
    line: int
    language: str
    text: str
    why: str | None
    origin: str | None

    @property
    def is_run(self) -> bool:
        return self.language in ("python", "sh") and self.why is None and self.origin is None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        mark = _MARK.search(text, 0, match.start())
        kind, said = (mark[1], mark[2]) if mark else (None, None)
        indent = match[1]
        found.append(
            Block(
                page,
                text.count("\n", 0, match.start()) + 1,
                match[3].strip(),
                re.sub(f"^{indent}", "", match[4], flags=re.M),
                said if kind == "not run" else None,
                said if kind == "from" else None,
            )
        )
    return found


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures that are files of the repository, without what
    is within them."""
    prose = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return [target for target in re.findall(r"\]\(([^)\s#]+)", prose) if "://" not in target]


# --- Python ---


@dataclass(frozen=True)
class Instance:
    """Stands for an object of a class."""

    of: type


class Names(ast.NodeVisitor):
    """What the names in a page's Python stand for, as far as they are trimatte's: that they are
    there, and take the arguments they are called with. Blocks of a page are read in their order."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.problems: dict[tuple[int, int], str] = {}

    def read(self, block: Block) -> None:
        """Raises AssertionError on what is not so; SyntaxError on what is no Python."""
        self.problems.clear()
        self.visit(ast.parse(block.text, block.place))
        wrong = [f"line {block.line + line}: {text}" for (line, _), text in self.problems.items()]
        assert not wrong, f"{block.page}: {'; '.join(wrong)}"

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            module = _module(name.name)
            if name.asname is None and module is not None:
                module = _module(name.name.partition(".")[0])
            self.known[name.asname or name.name.partition(".")[0]] = module

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = _module(node.module or "")
        for name in node.names:
            self.known[name.asname or name.name] = self.attribute(node, module, name.name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self.bind(target, self.value(node.value))

    def visit_withitem(self, node: ast.withitem) -> None:
        self.generic_visit(node)
        if node.optional_vars is not None:
            self.bind(node.optional_vars, self.value(node.context_expr))

    def visit_For(self, node: ast.For) -> None:
        self.bind(node.target, None)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        kind = self.value(node.annotation) if node.annotation is not None else None
        self.known[node.arg] = Instance(kind) if isinstance(kind, type) else None

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        self.value(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        self.value(node)

    def bind(self, target: ast.expr, value: Any) -> None:
        for each in ast.walk(target):
            if isinstance(each, ast.Name):
                self.known[each.id] = value if each is target else None

    def value(self, node: ast.expr) -> Any:
        """What an expression stands for; None: nothing of trimatte's, or it cannot be told."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.Await):
            return self.value(node.value)
        if isinstance(node, ast.Attribute):
            return self.attribute(node, self.value(node.value), node.attr)
        if isinstance(node, ast.Call):
            return self.call(node)
        return None

    def attribute(self, node: Any, base: Any, name: str) -> Any:
        if base is None:
            return None
        kind = base.of if isinstance(base, Instance) else base
        if hasattr(kind, name):
            return getattr(kind, name)
        if inspect.ismodule(kind):
            return _module(f"{kind.__name__}.{name}") or self.complain(node, kind.__name__, name)
        if not isinstance(base, Instance) or not _sets(kind, name):
            self.complain(node, kind.__name__, name)
        return None

    def complain(self, node: Any, owner: str, name: str) -> None:
        self.problems[node.lineno, node.col_offset] = f"{owner} has no {name}"

    def call(self, node: ast.Call) -> Any:
        called = self.value(node.func)
        bound = isinstance(node.func, ast.Attribute) and isinstance(
            self.value(node.func.value), Instance
        )
        if isinstance(called, Instance):
            called, bound = getattr(called.of, "__call__", None), True  # noqa: B004
        if called is None or not (getattr(called, "__module__", "") or "").startswith("trimatte"):
            return None
        try:
            signature = inspect.signature(called)
        except ValueError:  # compiled
            return None
        given: list[Any] = [None] * (len(node.args) + bound)
        named = {each.arg: None for each in node.keywords if each.arg is not None}
        all_told = len(named) == len(node.keywords) and not any(
            isinstance(each, ast.Starred) for each in node.args
        )
        try:
            (signature.bind if all_told else signature.bind_partial)(*given, **named)
            _check_options(signature, named)
        except TypeError as error:
            self.problems[node.lineno, node.col_offset] = f"{called.__qualname__}: {error}"
        if inspect.isclass(called):
            return Instance(called)
        kind = _returned(called)
        return Instance(kind) if kind is not None else None


def _module(name: str) -> Any:
    """A module of trimatte's, or None."""
    if name.partition(".")[0] != "trimatte":
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _sets(kind: type, name: str) -> bool:
    """Whether objects of a class have an attribute that the class itself has not."""
    if name in {each for base in kind.__mro__ for each in getattr(base, "__annotations__", ())}:
        return True
    return re.search(rf"\bself\.{name}\b", inspect.getsource(kind)) is not None


def _check_options(signature: inspect.Signature, named: dict[str, Any]) -> None:
    """What goes through ``**options`` goes to `Remover`."""
    if not any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
        return
    options = inspect.signature(trimatte.Remover).parameters
    for name in named:
        if name not in signature.parameters and name not in options:
            raise TypeError(f"got an unexpected keyword argument {name!r}")


def _returned(function: Any) -> type | None:
    """The class of trimatte's that a function says it returns."""
    name = getattr(function, "__annotations__", {}).get("return")
    kind = getattr(sys.modules[function.__module__], str(name), None)
    return kind if inspect.isclass(kind) and kind.__module__.startswith("trimatte") else None


# --- the command line ---


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a shell block, as words; variables set for one are left out, and files that
    its input and output are redirected to."""
    for line in block.text.replace("\\\n", " ").splitlines():
        line = _REDIRECTIONS.sub("", line)
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word not in _OPERATORS:
                words.append(word)
                continue
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []


class _Parsed(BaseException):
    """The words make sense to the command line."""


def check_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises AssertionError where a command is wrong as far as this repository can tell."""
    if words[0] == "trimatte":
        parse = argparse.ArgumentParser.parse_args

        def parse_only(self: Any, *arguments: Any, **options: Any) -> None:
            parse(self, *arguments, **options)
            raise _Parsed

        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
            with pytest.raises(_Parsed):
                assert main(words[1:]) is None, f"{shlex.join(words)}: no such command line"
    elif words[:2] == ["pip", "install"]:
        told = re.findall(r"\[([\w,]+)\]", " ".join(words))
        unknown = {extra for each in told for extra in each.split(",")} - extras()
        assert not unknown, f"{shlex.join(words)}: no such extras"
    elif words[0] in ("python", "bash") and not words[1].startswith("-"):
        assert (ROOT / words[1]).is_file(), f"{shlex.join(words)}: no such file"
    elif words[:2] == ["python", "-m"] and words[2].startswith(("benchmarks.", "tests.")):
        file = ROOT / f"{words[2].replace('.', '/')}.py"
        assert file.is_file(), f"{shlex.join(words)}: no such module"


def extras() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = re.search(r"\[project.optional-dependencies\]\n(.*?)\n\n", text, re.S)
    assert section is not None
    return set(re.findall(r"^(\w+) = ", section[1], re.M))

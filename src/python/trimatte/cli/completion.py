"""The command line's ``trimatte completion``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from trimatte.optional import require

__all__ = ["add_completion"]

_NOTE = """\
It is a script for the shell to read, made of the commands and options of this version:

  bash   trimatte completion bash > ~/.local/share/bash-completion/completions/trimatte
  zsh    trimatte completion zsh > ~/.zfunc/_trimatte   (with fpath+=~/.zfunc before compinit)
  fish   trimatte completion fish > ~/.config/fish/completions/trimatte.fish

Only making it needs shtab: pip install shtab, or trimatte with its extra [cli].
"""


# What options and arguments of files and folders are called in usage.
_FILES = re.compile(r"\b(IN|OUT|FILE|IMAGE|DIR|FOLDER|M|T)\b")


def add_completion(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Adds the command to the command line's, whose parser is given."""
    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete commands, options and files",
        description="Prints the completion of commands, options and files for a shell.",
        epilog=_NOTE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=["bash", "zsh", "fish"])
    completion.set_defaults(run=partial(_completion, parser, commands))


def _completion(
    parser: argparse.ArgumentParser, commands: Any, arguments: argparse.Namespace
) -> int:
    shtab = require("shtab", extra="cli", purpose="the making of a completion")
    for action in commands.choices["remove"]._actions:  # `trimatte photo.jpg` takes them too
        if action.option_strings and "--help" not in action.option_strings:
            parser._add_action(action)
    for action in _actions(parser):
        if action is not commands and _FILES.search(str(action.metavar)):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    script = shtab.complete(parser, arguments.shell)
    # Where no command is meant it is a photo: what bash completes by itself.
    print(script.replace("complete -o bashdefault -F", "complete -o bashdefault -o default -F"))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options and arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)

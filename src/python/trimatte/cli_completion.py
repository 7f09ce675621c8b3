"""The command line's ``trimatte completion``."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from trimatte.engines.optional import require

__all__ = ["add_completion"]

_NOTE = """\
It is a script for the shell to read, made of the commands and options of this version:

  bash   trimatte completion bash > ~/.local/share/bash-completion/completions/trimatte
  zsh    trimatte completion zsh > ~/.zfunc/_trimatte   (with fpath+=~/.zfunc before compinit)
  fish   trimatte completion fish > ~/.config/fish/completions/trimatte.fish

It needs shtab to be made, and nothing to be used: pip install 'trimatte[cli]'.
"""


def add_completion(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Adds the command to the command line's, parser."""
    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete commands, options and files",
        description="Prints the completion of commands, options and files for a shell.",
        epilog=_NOTE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=["bash", "zsh", "fish"])
    completion.set_defaults(run=partial(_completion, parser))


def _completion(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    shtab = require("shtab", extra="cli", purpose="the making of a completion")
    print(shtab.complete(parser, arguments.shell))
    return 0

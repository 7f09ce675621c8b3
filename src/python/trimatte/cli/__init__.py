"""The command line; `trimatte.cli.main` is its entry point."""

from trimatte.cli.main import main

__all__ = ["main"]

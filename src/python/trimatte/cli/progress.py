"""Options and displays that the commands which load networks share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from trimatte import engines

__all__ = ["add_terms", "fetch", "find_tqdm", "progress"]


def add_terms(parser: Any) -> None:
    """Adds what is to be said of a model besides its name, to a parser or a group of one."""
    parser.add_argument(
        "--card", metavar="NAME|FILE", help="how an .onnx file without a card is run: as this model"
    )
    parser.add_argument(
        "--accept-license", action="store_true", help="use weights that are not free for every use"
    )


def find_tqdm() -> Any:
    """tqdm's progress bar, where it is installed and stderr is a terminal; else None."""
    if sys.stderr.isatty():
        with suppress(ImportError):
            return import_module("tqdm").tqdm
    return None


def fetch(card: engines.Card, accept_license: bool) -> Path:
    """The file of a model's weights, fetched if need be, with its `progress`."""
    with progress() as report:
        return engines.fetch(card, accept_license=accept_license, progress=report)


@contextmanager
def progress() -> Iterator[engines.Progress]:
    """A bar on a terminal, with tqdm; else a line for each thing that is begun, on stderr."""
    tqdm = find_tqdm()
    bars: dict[str, Any] = {}

    def report(what: str, done: float) -> None:
        if what not in bars:
            if tqdm is None:
                print(f"trimatte: {what}", file=sys.stderr)
            layout = "{l_bar}{bar}| {elapsed}<{remaining}"
            bars[what] = tqdm and tqdm(total=1.0, desc=what, bar_format=layout, file=sys.stderr)
        if bars[what] is not None:
            bars[what].update(done - bars[what].n)

    try:
        yield report
    finally:
        for bar in bars.values():
            if bar is not None:
                bar.close()

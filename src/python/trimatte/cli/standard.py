"""Standard streams, which daemons, cron and pythonw start programs without."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

__all__ = ["is_missing", "standard_streams"]

_MODES = {"stdin": "rb", "stdout": "wb", "stderr": "wb"}


class _Missing(io.TextIOWrapper):
    """The null device in place of a stream that is not there."""


def is_missing(stream: Any) -> bool:
    """Whether a standard stream is closed, or never was open."""
    return isinstance(stream, _Missing)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Gives the body all three streams: the null device for each that is closed or None."""
    with ExitStack() as stack:
        _fill_descriptors(stack)
        for name, mode in _MODES.items():
            stream = getattr(sys, name)
            if getattr(stream, "closed", stream is None):
                device = stack.enter_context(Path(os.devnull).open(mode))
                null = stack.enter_context(_Missing(device, "utf-8"))
                stack.callback(setattr, sys, name, stream)
                setattr(sys, name, null)
        yield


def _fill_descriptors(stack: ExitStack) -> None:
    """Opens the null device as each standard descriptor that is free: else the next file opened
    would become standard output, and libraries would print into it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            stack.callback(os.close, os.open(os.devnull, os.O_RDWR))

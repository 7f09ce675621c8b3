"""SIGTERM, by which a service is ended, handled while a command runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["sigterm_calls"]


@contextmanager
def sigterm_calls(handler: Callable[[int, Any], Any]) -> Iterator[None]:
    """SIGTERM calls the handler within the body, instead of ending the process."""
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

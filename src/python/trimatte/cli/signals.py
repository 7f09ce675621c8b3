"""Signals by which programs are ended, handled while a command runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["end_as_interrupted", "interrupted_status", "sigterm_calls"]

_ENDING = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Ended(KeyboardInterrupt):
    """The process is to end, and leaves as little behind as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def sigterm_calls(handler: Callable[[int, Any], Any]) -> Iterator[None]:
    """SIGTERM calls the handler within the body, instead of ending the process."""
    with _calling(handler, [signal.SIGTERM]):
        yield


@contextmanager
def end_as_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP interrupt the body as Ctrl-C does, unless they are ignored, as under
    nohup, or handled already. Only the main thread can be interrupted."""
    process = os.getpid()

    def end(number: int, _: object) -> None:
        if os.getpid() != process:  # forked, by what expects that a signal ends it
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise _Ended(number)

    free: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        numbers = [signal.Signals[name] for name in _ENDING]
        free = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    with _calling(end, free):
        yield


@contextmanager
def _calling(handler: Callable[[int, Any], Any], numbers: list[signal.Signals]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def interrupted_status(interrupt: KeyboardInterrupt) -> int:
    """The exit status after Ctrl-C, or after the signal that came in its place."""
    return 128 + (interrupt.number if isinstance(interrupt, _Ended) else signal.SIGINT)

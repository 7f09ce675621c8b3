"""Threads that work for somebody who waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from trimatte._core import Cancellation

__all__ = ["Worker", "mapping", "wait_for_all"]


class Worker(threading.Thread):
    """A thread that can be waited for again after Ctrl-C: until Python 3.13 a join that is
    interrupted takes the thread for ended.

    cancellation: ends the operation that the thread is in, and all that it calls from then on.
    """

    def __init__(self, work: Callable[[], None], cancellation: Cancellation | None = None) -> None:
        super().__init__(name=f"trimatte-{work.__name__}", daemon=True)
        self._work = work
        self._cancellation = cancellation
        self._over = threading.Event()

    def run(self) -> None:
        if self._cancellation is not None:
            self._cancellation.watch()
        try:
            self._work()
        finally:
            self._over.set()

    def wait(self) -> None:
        """Until it has ended."""
        self._over.wait()
        self.join()


def wait_for_all(workers: Iterable[Worker]) -> None:
    """Until all have ended, but the one that asks, if it is among them."""
    for worker in workers:
        if worker is not threading.current_thread():
            worker.wait()


@contextmanager
def mapping(threads: int, name: str) -> Iterator[Callable[..., Iterator[Any]]]:
    """What calls a function for each of several values, in order; by so many threads."""
    if threads == 1:
        yield map
        return
    pool = ThreadPoolExecutor(threads, name)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)

"""A queue between two threads that never holds much, and that either end can leave."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Channel"]

Item = TypeVar("Item")


class Channel(Generic[Item]):
    """At most `limit` items on their way from one thread to another."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._abandoned = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Wait for room and hand the item over; False where nobody takes items any more."""
        with self._changed:
            while len(self._items) >= self._limit and not self._abandoned:
                self._changed.wait()
            if not self._abandoned:
                self._items.append(item)
                self._changed.notify_all()
            return not self._abandoned

    def end(self, error: BaseException | None = None) -> None:
        """No item follows; an error is raised where the items are taken, after the last."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def abandon(self) -> None:
        """No item is taken any more."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    @property
    def abandoned(self) -> bool:
        """Whether anybody has left it."""
        return self._abandoned

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                while not self._items and not self._ended and not self._abandoned:
                    self._changed.wait()
                if not self._items:
                    if self._error is not None and not self._abandoned:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

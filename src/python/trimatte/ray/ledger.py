"""Who has begun what: how workers that die lose nothing, repeat nothing, and end at last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["MOST_ATTEMPTS", "Ledger"]

MOST_ATTEMPTS = 3
"""Times that an image is begun: once among others, and alone when the worker died of one of them.
One that is still not done then is held to be what kills workers."""

Record = dict[str, Any]


class Ledger:
    """Is told by workers what they begin and what became of it, and tells those that come after.

    An actor of its own, so that it outlives them. It forgets what the driver has written down; one
    that is lost itself costs nothing but work that is done twice, with the same result.
    """

    def __init__(self) -> None:
        self._attempts: Counter[str] = Counter()
        self._records: dict[str, Record] = {}
        self._broken: Exception | None = None

    def look(self, paths: Sequence[str]) -> list[tuple[int, Record | None]]:
        """Of each path, how often it was begun, and its record once it is done or has failed."""
        return [(self._attempts[path], self._records.get(path)) for path in paths]

    def begin(self, paths: Sequence[str]) -> list[int]:
        """Counts an attempt at each path; how many that makes."""
        self._attempts.update(paths)
        return [self._attempts[path] for path in paths]

    def end(self, records: Iterable[Record]) -> None:
        """What became of paths."""
        self._records.update((record["path"], record) for record in records)

    def forget(self, paths: Iterable[str]) -> None:
        """The driver has their records."""
        for path in paths:
            self._attempts.pop(path, None)
            self._records.pop(path, None)

    def is_broken(self, error: Exception) -> None:
        """A worker cannot start."""
        self._broken = error

    def why_broken(self) -> Exception | None:
        """Why a worker could not start, if one could not: of what it raises, Ray passes on no more
        than the text."""
        return self._broken

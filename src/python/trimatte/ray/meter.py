"""The service's counters, as Prometheus reads them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

__all__ = ["CONTENT_TYPE", "Meter", "ReplicaState", "resident_bytes"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of the text format of Prometheus."""

_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_OK = 200


class ReplicaState(NamedTuple):
    """What a replica says of itself: who it is, the batches and the images in them that it has cut
    out, and the memory it holds."""

    name: str
    batches: int
    images: int
    resident_bytes: int


class Meter:
    """Counts the answers of all replicas; Serve keeps one, beside them."""

    def __init__(self) -> None:
        self._answers: Counter[int] = Counter()
        self._seconds = 0.0
        self._within = [0] * (len(_BOUNDS) + 1)
        self._replicas: dict[str, ReplicaState] = {}

    def started(self, state: ReplicaState) -> None:
        """A replica is ready."""
        self._replicas[state.name] = state

    def answered(self, status: int, seconds: float, state: ReplicaState) -> None:
        """A request for a cutout was answered."""
        self._answers[status] += 1
        self._replicas[state.name] = state
        if status == _OK:
            self._seconds += seconds
            self._within[bisect_left(_BOUNDS, seconds)] += 1

    def text(self) -> str:
        """All of it."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _family(
            "trimatte_requests_total",
            "counter",
            "Requests for a cutout that a replica answered, by status",
            ((f'{{status="{status}"}}', n) for status, n in sorted(self._answers.items())),
        )
        name = "trimatte_request_seconds"
        yield from _family(name, "histogram", "Time to answer those with a cutout", ())
        bounds = (*(f"{bound:g}" for bound in _BOUNDS), "+Inf")
        for bound, count in zip(bounds, accumulate(self._within), strict=True):
            yield f'{name}_bucket{{le="{bound}"}} {count}'
        yield f"{name}_sum {self._seconds:.6f}"
        yield f"{name}_count {self._answers[_OK]}"
        replicas = [self._replicas[name] for name in sorted(self._replicas)]
        yield from _family(
            "trimatte_replicas_started_total",
            "counter",
            "Replicas that were started, also anew",
            [("", len(replicas))],
        )
        for field, kind, text in (
            ("batches", "counter", "Batches cut out"),
            ("images", "counter", "Images in them"),
            ("resident_bytes", "gauge", "Memory when it last answered"),
        ):
            suffix = "_total" if kind == "counter" else ""
            yield from _family(
                f"trimatte_replica_{field}{suffix}",
                kind,
                text,
                ((f'{{replica="{each.name}"}}', getattr(each, field)) for each in replicas),
            )


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, int]]) -> Iterator[str]:
    yield f"# HELP {name} {text}."
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{labels} {value}"


def resident_bytes() -> int:
    """The memory that this process holds now; 0 where there is no /proc."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")

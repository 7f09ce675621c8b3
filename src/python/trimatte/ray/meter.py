"""The service's counters, as Prometheus reads them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from trimatte.optional import require

__all__ = ["Meter", "ReplicaState", "content_type", "resident_bytes"]

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
    """Counts the answers of all replicas; Serve keeps one, in a process of its own."""

    def __init__(self) -> None:
        self._prometheus = _client("prometheus_client")
        self._core = _client("prometheus_client.core")
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
        """All metrics in the format that `content_type` names."""
        registry = self._prometheus.CollectorRegistry()
        registry.register(self)
        return self._prometheus.generate_latest(registry).decode()

    def collect(self) -> Iterator[Any]:
        """The metrics, as Prometheus' client asks a collector for them."""
        core = self._core
        requests = core.CounterMetricFamily(
            "trimatte_requests",
            "Requests for a cutout that a replica answered, by status.",
            labels=["status"],
        )
        for status, count in sorted(self._answers.items()):
            requests.add_metric([str(status)], count)
        yield requests
        bounds = (*(f"{bound:g}" for bound in _BOUNDS), "+Inf")
        yield core.HistogramMetricFamily(
            "trimatte_request_seconds",
            "Time to answer requests with a cutout.",
            buckets=list(zip(bounds, accumulate(self._within), strict=True)),
            sum_value=self._seconds,
        )
        yield core.CounterMetricFamily(
            "trimatte_replicas_started",
            "Replicas that were started, including restarts.",
            value=len(self._replicas),
        )
        for field, family, text in (
            ("batches", core.CounterMetricFamily, "Batches cut out."),
            ("images", core.CounterMetricFamily, "Images in these batches."),
            ("resident_bytes", core.GaugeMetricFamily, "Memory at the replica's last answer."),
        ):
            metric = family(f"trimatte_replica_{field}", text, labels=["replica"])
            for name, state in sorted(self._replicas.items()):
                metric.add_metric([name], getattr(state, field))
            yield metric


def content_type() -> str:
    """The media type of `Meter.text`."""
    return str(_client("prometheus_client").CONTENT_TYPE_LATEST)


def _client(module: str) -> Any:
    return require(module, extra="ray", purpose="counting requests")


def resident_bytes() -> int:
    """The memory that this process holds now; 0 where there is no /proc."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")

"""Streams of a GPU that images in flight take turns on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

from trimatte import _core
from trimatte.devices import cuda_available

__all__ = ["GpuStreams"]

_COUNT = 8  # hardly more images are in flight at once; those that share one take turns


class GpuStreams:
    """The copy and the work of an image on one do not wait for those of an image on another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[int, Iterator[_core.WorkStream]] = {}

    def next(self, device: Any, operation: str) -> _core.WorkStream | None:
        """A stream for the next image from the host; None where the CPU works on it.

        device: as of an operation.
        """
        if device in (None, "cpu") or (device == "auto" and not cuda_available()):
            return None
        gpu = _core.gpu_named("cuda" if device == "auto" else device, operation)
        with self._lock:
            if gpu not in self._turns:
                self._turns[gpu] = itertools.cycle([_core.WorkStream(gpu) for _ in range(_COUNT)])
            return next(self._turns[gpu])

"""Memory that images in flight may take: sizes in words, estimates, and a budget to keep to."""

from __future__ import annotations

import math
import re
import threading

from trimatte.arrays import is_number
from trimatte.errors import ArgumentError
from trimatte.io.reading import Header

__all__ = ["Budget", "Bytes", "check_fits", "in_words", "memory_of", "number_of_bytes"]

Bytes = int | str
"""A number of bytes, or ``"512MiB"``, ``"2 GB"``, ``"1.5GiB"``."""

_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?B|B|)\s*", re.IGNORECASE)


def number_of_bytes(value: Bytes, operation: str, name: str) -> int:
    """A size given as a number or in words.

    Raises ArgumentError: it is neither, or below 1.
    """
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    try:
        if found is not None:
            size = float(found[1]) * _UNITS[found[2].lower()]
        else:
            size = float(value) if is_number(value) else 0.0
    except OverflowError:
        size = math.inf
    if not 1 <= size < math.inf:
        raise ArgumentError(
            f"{operation}: {name} must be a number of bytes of at least 1, or as '512MiB' or "
            f"'2GB', got {value!r:.80}"
        )
    return int(size)


def in_words(size: float) -> str:
    """A number of bytes, rounded, in the largest unit that it has one of."""
    for unit in ("GiB", "MiB", "KiB"):
        if size >= _UNITS[unit.lower()]:
            return f"{size / _UNITS[unit.lower()]:.1f} {unit}"
    return f"{size:.0f} bytes"


# What an image takes at its peak, all of it unknown, measured by benchmarks/soak.py and
# rounded up: the solver's memory for each pixel of the level that it solves as a whole, and for
# each pixel of the image what is there beside it (image, alpha, trimap, mask), the same for
# every depth and by sample of it (image, foreground, cutout, each RGBA or less, the file of it).
_FIXED = 32 << 20
_SOLVED = 190
_BESIDE, _BESIDE_SAMPLE = 20, 15
_SOLVED_WHOLE = 8_500_000  # pixels; above, the solver works in tiles, from a level of half of that


def check_fits(header: Header | None, limit: int, operation: str) -> int:
    """`memory_of` an image; 0 where nothing is known of it.

    Raises ArgumentError: it is more than the limit.
    """
    needed = 0 if header is None else memory_of(*header)
    if header is not None and needed > limit:
        raise ArgumentError(
            f"{operation}: an image of {header.width} x {header.height} may take "
            f"{in_words(needed)}, more than max_memory={in_words(limit)}"
        )
    return needed


def memory_of(height: int, width: int, itemsize: int = 1) -> int:
    """Bytes that cutting out an image takes at most, from its file to the file of the cutout.

    Of the host: on a GPU it is less. The network, which is there once, is not among them.
    """
    pixels = solved = height * width
    if pixels > _SOLVED_WHOLE:
        while solved > _SOLVED_WHOLE / 2:
            solved //= 4
    beside = _BESIDE + _BESIDE_SAMPLE * itemsize
    return _FIXED + solved * _SOLVED + pixels * beside


class Budget:
    """A number of bytes that threads take parts of, and give back; None: no end of them."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._taken = 0
        self._changed = threading.Condition()
        self._closed = False

    @property
    def taken(self) -> int:
        """Bytes that are in use."""
        return self._taken

    def take(self, size: int) -> bool:
        """Waits until so much is free, and takes it; False where the budget is closed."""
        with self._changed:
            while not self._closed and not self._fits(size):
                self._changed.wait()
            if not self._closed:
                self._taken += size
            return not self._closed

    def resize(self, taken: int, size: int) -> bool:
        """Makes a part that was taken larger or smaller, without waiting; False where there is no
        room."""
        with self._changed:
            if size > taken and not self._fits(size - taken):
                return False
            self._taken += size - taken
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self.limit is None or self._taken + size <= self.limit

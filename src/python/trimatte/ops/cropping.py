"""Cutting an image down to what shows of it."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from trimatte import _core
from trimatte.arrays import (
    FULL_SCALES,
    Array,
    ArrayLike,
    as_alpha,
    is_number,
    on_host,
    window_on_host,
)
from trimatte.errors import ArgumentError

__all__ = ["Margin", "crop_box", "read_margin"]

Margin = float | str
"""Pixels, or as ``"5%"`` of the longer side of what shows."""

SHOWS = 0.05
"""The alpha that shows by default: networks leave a fainter haze."""

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*")


def crop_box(
    alpha: ArrayLike, margin: Margin = 0, *, threshold: float = SHOWS
) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle that holds all that shows of an alpha, and a
    margin around it: ``image[crop_box(alpha)]``.

    Args:
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        margin: pixels, or ``"5%"`` of the rectangle's longer side. It ends where the image does.
        threshold: the alpha, in [0, 1], above which a pixel shows; a fainter haze, as networks
            leave it, does not count. 0: whatever is not fully transparent shows.

    Returns:
        Slices of rows and of columns.

    Raises:
        ArgumentError: an argument is not what is listed above, or nothing shows.
    """
    value, is_part = read_margin(margin)
    if not (is_number(threshold) and 0 <= threshold < 1):
        raise ArgumentError(
            f"crop_box: threshold must be an alpha in [0, 1), got {threshold!r:.80}"
        )
    array = as_alpha(alpha, "crop_box", "alpha")
    _core.check(array, "crop_box", "alpha", color=False)
    plane = on_host(array)
    shows = plane > threshold * FULL_SCALES[plane.dtype.name]
    rows, columns = (np.flatnonzero(shows.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        raise ArgumentError(f"crop_box: nothing shows: alpha is nowhere above {threshold:g}")
    ends = [(int(found[0]), int(found[-1]) + 1) for found in (rows, columns)]
    if is_part:
        value *= max(end - begin for begin, end in ends) / 100
    around = round(min(value, max(plane.shape)))
    rows_kept, columns_kept = (
        slice(max(begin - around, 0), min(end + around, side))
        for (begin, end), side in zip(ends, plane.shape, strict=True)
    )
    return rows_kept, columns_kept


def read_margin(margin: Margin) -> tuple[float, bool]:
    """A margin's number, and whether that is percent.

    Raises ArgumentError: it is none.
    """
    found = _SIZE.fullmatch(margin) if isinstance(margin, str) else None
    value, is_part = (float(found[1]), bool(found[2])) if found else (math.nan, False)
    if not isinstance(margin, str) and is_number(margin):
        value = float(margin)
    if not 0 <= value < math.inf:
        raise ArgumentError(
            f"crop_box: margin must be pixels of at least 0, or as '5%', got {margin!r:.80}"
        )
    return value, is_part


def cropped(array: Any, box: tuple[slice, slice]) -> Array:
    """A copy of what is in the box, so that the rest can be let go of; NumPy's."""
    return np.ascontiguousarray(window_on_host(array, *box))

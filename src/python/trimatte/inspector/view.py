"""Which pixels of an image a page shows: all of them, a region, or every n-th."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from trimatte.arrays import Array, is_whole
from trimatte.errors import ArgumentError

__all__ = ["MAX_PIXELS", "Region", "View", "choose_view"]

Region = tuple[int, int, int, int]

# What a browser decodes in about a second and keeps in a few hundred megabytes.
MAX_PIXELS = 4_000_000


@dataclass(frozen=True)
class View:
    """Every step-th pixel, both ways, of a region of an image. Never a mean of several: what is
    shown are the image's own values.

    x, y: the first pixel. step: from 1. height, width: pixels shown.
    """

    x: int
    y: int
    step: int
    height: int
    width: int

    def of(self, array: Array) -> Array:
        """The pixels shown of an (H, W) or (H, W, C) array of the image's size."""
        rows = slice(self.y, self.y + self.height * self.step, self.step)
        columns = slice(self.x, self.x + self.width * self.step, self.step)
        return array[rows, columns]


def choose_view(
    height: int, width: int, *, region: Region | None = None, max_pixels: int = MAX_PIXELS
) -> View:
    """The view of an image of this size.

    region: (x, y, width, height) within the image; None: all of it. max_pixels: of those shown;
    of a larger region every n-th pixel is, both ways, with the least n that does.

    Raises ArgumentError: the region is not within the image, or max_pixels below 1.
    """
    if not is_whole(max_pixels) or max_pixels < 1:
        raise ArgumentError(
            f"inspector: max_pixels must be a whole number of at least 1, got {max_pixels!r:.80}"
        )
    x, y, across, down = _checked(region, height, width)
    step = max(1, math.ceil(math.sqrt(across * down / max_pixels)))
    while math.ceil(across / step) * math.ceil(down / step) > max_pixels:
        step += 1
    return View(x, y, step, math.ceil(down / step), math.ceil(across / step))


def _checked(region: Any, height: int, width: int) -> Region:
    if region is None:
        return 0, 0, width, height
    if isinstance(region, (tuple, list)) and len(region) == 4 and all(map(is_whole, region)):
        x, y, across, down = map(int, region)
        inside = 0 <= x < x + across <= width and 0 <= y < y + down <= height
        if inside:
            return x, y, across, down
    raise ArgumentError(
        "inspector: region must be (x, y, width, height) within the image of "
        f"{width} x {height} pixels, got {region!r:.80}"
    )

"""Definition of resizing: the passes of Pillow's `Image.resize`, with its integers for uint8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pixels import Array, full_scale, round_samples

FRACTION_BITS = 22  # of Pillow's weights for 8-bit images


def filter_value(x: float, name: str) -> float:
    """The filter at a distance from its centre: Lanczos with three lobes, a triangle or a box."""
    if name == "box":
        return float(-0.5 < x <= 0.5)
    if name == "bilinear":
        return max(1.0 - abs(x), 0.0)
    return float(np.sinc(x) * np.sinc(x / 3.0)) if -3.0 <= x < 3.0 else 0.0


def weight_matrix(old: int, new: int, name: str) -> NDArray[np.float64]:
    """Row i: how much each of `old` samples counts in sample i of `new` ones."""
    scale = old / new
    stretch = max(scale, 1.0)  # a reduction widens the filter, which is what prevents aliasing
    reach = stretch * {"box": 0.5, "bilinear": 1.0, "lanczos": 3.0}[name]
    weights = np.zeros((new, old))
    for i in range(new):
        center = (i + 0.5) * scale
        first = max(int(center - reach + 0.5), 0)
        last = min(int(center + reach + 0.5), old)
        for j in range(first, last):
            weights[i, j] = filter_value((j - center + 0.5) / stretch, name)
        weights[i] /= weights[i].sum()
    return weights


def resize_rows(image: Array, height: int, name: str) -> Array:
    """The pass that changes the number of rows; uint8 stays uint8, all else is float64."""
    weights = weight_matrix(image.shape[0], height, name)
    if image.dtype != np.uint8:
        return np.tensordot(weights, image.astype(np.float64), 1)
    fixed = np.trunc(weights * 2**FRACTION_BITS + np.copysign(0.5, weights)).astype(np.int64)
    sums = np.tensordot(fixed, image.astype(np.int64), 1) + 2 ** (FRACTION_BITS - 1)
    return (sums >> FRACTION_BITS).clip(0, 255).astype(np.uint8)


def resize_columns(image: Array, width: int, name: str) -> Array:
    """The pass that changes the number of columns."""
    return resize_rows(image.swapaxes(0, 1), width, name).swapaxes(0, 1)


def resize(image: Array, size: tuple[int, int], *, filter: str = "lanczos") -> Array:
    """An image (H, W) or (H, W, C) at another size; a side that stays has no pass."""
    (old_height, old_width), (height, width) = image.shape[:2], size
    passes = []
    if width != old_width:
        passes.append(lambda pixels: resize_columns(pixels, width, filter))
    if height != old_height:
        passes.append(lambda pixels: resize_rows(pixels, height, filter))
    # The order of Pillow 13; it matters to uint8, which is rounded and clipped between the passes.
    if old_height > height and old_height - height > 2 * (old_width - width):
        passes.reverse()
    result = image
    for one in passes:
        result = one(result)
    return round_samples(result.clip(0, full_scale(image.dtype)), image.dtype)

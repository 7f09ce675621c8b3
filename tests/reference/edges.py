"""Definitions of choke, feather, mattes that hold an alpha, and those that a mask is sure of."""

from __future__ import annotations

import math

import numpy as np

from .pixels import Array, full_scale, round_samples, to_unit
from .resize import resize
from .trimap import erode_square


def as_samples(alpha: Array) -> Array:
    """Alpha itself; of bool, uint8 of 0 and 255."""
    return alpha.astype(np.uint8) * np.uint8(255) if alpha.dtype == bool else alpha


def erode(samples: Array, radius: int) -> Array:
    """The least sample within a whole radius; outside there is none."""
    height, width = samples.shape
    padded = np.pad(samples, radius, constant_values=np.inf)
    result = samples.copy()
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dx * dx + dy * dy <= radius * radius:
                top, left = radius + dy, radius + dx
                np.minimum(result, padded[top : top + height, left : left + width], out=result)
    return result


def choke(alpha: Array, radius: float) -> Array:
    """Erosion of an alpha (H, W) by a disk, for a radius below 0 dilation."""
    alpha = as_samples(alpha)
    sign = -1.0 if radius < 0 else 1.0
    samples = sign * alpha.astype(np.float64)
    lower = math.floor(abs(radius))
    part = abs(radius) - lower
    result = erode(samples, lower)
    if part > 0:
        result = (1.0 - part) * result + part * erode(samples, lower + 1)
    return round_samples(sign * result, alpha.dtype)


def feather(alpha: Array, radius: float) -> Array:
    """An alpha (H, W) blurred by a Gaussian of this standard deviation."""
    alpha = as_samples(alpha)
    half = math.ceil(3.0 * radius)
    if half == 0 or alpha.size == 0:
        return alpha.copy()
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / radius) ** 2)
    weights /= weights.sum()
    result = alpha.astype(np.float64)
    for axis in (0, 1):
        pad = [(half, half) if i == axis else (0, 0) for i in range(2)]
        padded = np.pad(result, pad, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, weights.size, axis=axis)
        result = windows @ weights
    return round_samples(result.clip(0.0, full_scale(alpha.dtype)), alpha.dtype)


def hold_mattes(alpha: Array, *, garbage: Array | None = None, core: Array | None = None) -> Array:
    """max(min(alpha, 1 - garbage), core) of planes (H, W), in alpha's samples."""
    alpha = as_samples(alpha)
    result = to_unit(alpha)
    if garbage is not None:
        result = np.minimum(result, 1.0 - to_unit(as_samples(garbage)))
    if core is not None:
        result = np.maximum(result, to_unit(as_samples(core)))
    return round_samples(result * full_scale(alpha.dtype), alpha.dtype)


def sure_mattes(
    mask: Array, low: float, high: float, *, reach: int = 0, size: tuple[int, int] | None = None
) -> tuple[Array, Array]:
    """(garbage, core): 255 where a mask (H, W) is below `low`, or above `high`, all over the square
    that reaches so many pixels to every side; as the nearer of 0 and 255 at another size."""
    mask = as_samples(mask)
    height, width = size or mask.shape
    mattes = []
    bounds = np.array((low, high), mask.dtype if mask.dtype == np.float32 else np.float64)
    for sure in (mask < bounds[0], mask > bounds[1]):
        kept = erode_square(sure, 2 * reach + 1, outside=True)
        soft = np.zeros((height, width), np.uint8)
        if soft.size:
            soft = resize(as_samples(kept), (height, width), filter="bilinear")
        mattes.append(np.where(soft > 127, np.uint8(255), np.uint8(0)))
    return mattes[0], mattes[1]

"""Definition of the chroma key.

The hard rule is the one of the classic green-screen programs (a pixel is screen if its key channel
exceeds both others by more than a tolerance); the soft key is the colour difference of Vlahos
(US patent 3 595 987, 1971) as a ramp: d = min(k - a, k - b).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from .composite import cutout, premultiply
from .despill import despill as take_out_spill
from .pixels import Array, from_unit, full_scale, key_channel


def chroma_key(
    image: Array,
    *,
    key_color: str | tuple[float, float, float] = "green",
    tolerance: float = 30.0,
    softness: float = 0.0,
    dtype: DTypeLike | None = None,
) -> Array:
    """Alpha (H, W) of an image (H, W, 3 | 4); tolerance and softness in steps of 1/255."""
    step = full_scale(image.dtype) / 255.0  # 1, 257 or 1/255 in the image's own samples
    key = key_channel(key_color)
    samples = image.astype(np.float64)
    k, a, b = (samples[..., (key + shift) % 3] for shift in range(3))
    if softness == 0.0:
        keyed = (k > a + tolerance * step) & (k > b + tolerance * step)
        alpha = np.where(keyed, 0.0, 1.0)
    else:
        difference = np.minimum(k - a, k - b) / step
        alpha = 1.0 - np.clip((difference - tolerance) / softness, 0.0, 1.0)
    return from_unit(alpha, image.dtype if dtype is None else dtype)


def key_cutout(
    image: Array,
    *,
    key_color: str | tuple[float, float, float] = "green",
    tolerance: float = 30.0,
    softness: float = 0.0,
    despill: str | None = "average",
    despill_strength: float = 1.0,
    premultiplied: bool = False,
) -> Array:
    """RGBA of an image: its key, and its colours without spill; by the operations themselves."""
    alpha = chroma_key(image, key_color=key_color, tolerance=tolerance, softness=softness)
    colors = image
    if despill is not None:
        colors = take_out_spill(
            image, key_color=key_color, method=despill, strength=despill_strength
        )
    if premultiplied:
        return premultiply(np.concatenate([colors[..., :3], alpha[..., None]], axis=-1))
    return cutout(colors, alpha)

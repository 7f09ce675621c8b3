"""Definition of the chroma key.

The hard rule is the one of the classic green-screen programs (a pixel is screen if its key channel
exceeds both others by more than a tolerance); the soft key is the colour difference of Vlahos
(US patent 3 595 987, 1971) as a ramp: d = min(k - a, k - b).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .composite import cutout, premultiply
from .despill import despill as take_out_spill
from .key_soft import soft_alpha
from .pixels import Array, from_unit, full_scale, key_channel


def chroma_key(
    image: Array,
    *,
    key_color: str | tuple[float, float, float] = "green",
    method: str = "difference",
    tolerance: float | None = None,
    softness: float | None = None,
    plate: Array | None = None,
    screen: object | None = None,
    transfer: str | None = None,
    clip: tuple[float, float] = (0.0, 1.0),
    dtype: DTypeLike | None = None,
) -> Array:
    """Alpha (H, W) of an image (H, W, 3 | 4)."""
    if method == "difference":
        alpha = difference_alpha(
            image,
            key_channel(key_color),
            30.0 if tolerance is None else tolerance,
            0.0 if softness is None else softness,
        )
    else:
        alpha = soft_alpha(
            image,
            key_color=key_color,
            method=method,
            tolerance=tolerance,
            softness=softness,
            plate=plate,
            screen=screen,
            transfer=transfer,
        )
    alpha = np.clip((alpha - clip[0]) / (clip[1] - clip[0]), 0.0, 1.0)
    return from_unit(alpha, image.dtype if dtype is None else dtype)


def difference_alpha(image: Array, key: int, tolerance: float, softness: float) -> Array:
    """Alpha in [0, 1] by the hard rule or the ramp, in steps of 1/255."""
    step = full_scale(image.dtype) / 255.0  # 1, 257 or 1/255 in the image's own samples
    samples = image.astype(np.float64)
    k, a, b = (samples[..., (key + shift) % 3] for shift in range(3))
    if softness == 0.0:
        keyed = (k > a + tolerance * step) & (k > b + tolerance * step)
        return np.where(keyed, 0.0, 1.0)
    difference = np.minimum(k - a, k - b) / step
    return 1.0 - np.clip((difference - tolerance) / softness, 0.0, 1.0)


def key_cutout(
    image: Array,
    *,
    key_color: str | tuple[float, float, float] = "green",
    despill: str | None = "average",
    despill_strength: float = 1.0,
    premultiplied: bool = False,
    **options: Any,
) -> Array:
    """RGBA of an image: its key, and its colours without spill; by the operations themselves."""
    alpha = chroma_key(image, key_color=key_color, **options)
    screen = options.get("screen")
    colors = image
    if despill is not None:
        own = key_color if screen is None else screen.key_color
        colors = take_out_spill(image, key_color=own, method=despill, strength=despill_strength)
    if premultiplied:
        return premultiply(np.concatenate([colors[..., :3], alpha[..., None]], axis=-1))
    return cutout(colors, alpha)

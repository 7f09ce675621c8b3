"""Definition of spill removal: the key channel is limited by the two others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .pixels import CHANNELS, Array, key_channel, round_samples

# The limit, from the channel that counts twice in "double-average" and the other one.
LIMITS: dict[str, Callable[[Array, Array], Array]] = {
    "average": lambda twice, once: (twice + once) / 2.0,
    "double-average": lambda twice, once: (2.0 * twice + once) / 3.0,
    "max-limit": np.maximum,
}


def despill(
    image: Array,
    *,
    key_color: str | tuple[float, float, float] = "green",
    method: str = "average",
    strength: float = 1.0,
) -> Array:
    """The image (H, W, 3 | 4) with k' = k - strength max(0, k - limit); the rest is copied."""
    key = key_channel(key_color)
    twice = CHANNELS["green"] if key == CHANNELS["blue"] else CHANNELS["blue"]
    once = 3 - key - twice
    samples = image.astype(np.float64)
    k = samples[..., key]
    limit = LIMITS[method](samples[..., twice], samples[..., once])
    result = image.copy()
    result[..., key] = round_samples(k - strength * np.maximum(0.0, k - limit), image.dtype)
    return result

"""Definition of spill removal: the key channel is limited by the two others."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .edges import as_samples, choke, feather
from .foreground import known_background, subtract
from .pixels import (
    CHANNELS,
    Array,
    from_unit,
    full_scale,
    key_channel,
    round_samples,
    to_unit,
)

# The limit, from the channel that counts twice in "double-average" and the other one.
LIMITS: dict[str, Callable[[Array, Array], Array]] = {
    "average": lambda twice, once: (twice + once) / 2.0,
    "double-average": lambda twice, once: (2.0 * twice + once) / 3.0,
    "max-limit": np.maximum,
}


# What a channel adds to luminance, by Rec. 709.
LUMINANCE = (0.2126, 0.7152, 0.0722)


def opaque_inside(alpha: Array, reach: float) -> Array:
    """In [0, 1]: 1 from twice the reach on from what is below 1, 0 up to the reach; in 8 bits."""
    plane = np.where(to_unit(as_samples(alpha)) > 254.5 / 255.0, 255, 0).astype(np.uint8)
    rest = 1.5 * reach
    while rest > 0:
        plane = choke(plane, min(rest, 64.0))
        rest -= 64.0
    return to_unit(feather(plane, min(reach / 6.0, 64.0)))


def subtract_plate(image: Array, alpha: Array, plate: Array | tuple[int, int, int]) -> Array:
    """What is not the screen's of an image (H, W, 3 | 4)."""
    colors = to_unit(image[..., :3])
    screen = known_background(plate, colors.shape)
    front = subtract(colors, to_unit(as_samples(alpha)), colors, screen)
    result = image.copy()
    result[..., :3] = from_unit(front, image.dtype)
    return result


def despill(
    image: Array,
    alpha: Array | None = None,
    *,
    key_color: str | tuple[float, float, float] = "green",
    method: str = "average",
    strength: float = 1.0,
    restore: float = 0.0,
    reach: float | None = None,
    plate: Array | tuple[int, int, int] | None = None,
) -> Array:
    """The image (H, W, 3 | 4) with k' = k - strength max(0, k - limit), its luminance restored."""
    key = key_channel(key_color)
    twice = CHANNELS["green"] if key == CHANNELS["blue"] else CHANNELS["blue"]
    once = 3 - key - twice
    amount: Array | float = strength
    if method == "plate":
        assert alpha is not None
        assert plate is not None
        image = subtract_plate(image, alpha, plate)
        method = "average"
    if alpha is not None:
        reach = math.sqrt(alpha.size) / 100 if reach is None else reach
        amount = strength * (1.0 - opaque_inside(alpha, reach))
    samples = image[..., :3].astype(np.float64)
    k = samples[..., key]
    limit = LIMITS[method](samples[..., twice], samples[..., once])
    spill = amount * np.maximum(0.0, k - limit)
    samples[..., key] -= spill
    samples += restore * LUMINANCE[key] * spill[..., None]
    result = image.copy()
    result[..., :3] = round_samples(samples.clip(0.0, full_scale(image.dtype)), image.dtype)
    return result

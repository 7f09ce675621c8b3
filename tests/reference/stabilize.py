"""Definition of steadied alpha: a recursive mean over time whose gain follows motion."""

from __future__ import annotations

import numpy as np

from .pixels import Array, from_unit, to_unit
from .sampling import ten_bits


def neighbourhood(values: Array) -> Array:
    """The 3 x 3 values around each: (9, H, W); beyond the border the border is repeated."""
    height, width = values.shape
    padded = np.pad(values, 1, mode="edge")
    return np.stack([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])


def median_bin(values: Array) -> tuple[int, float]:
    """The lower median of whole numbers, and the median of what was rounded to them."""
    middle = int(np.sort(values, axis=None)[(values.size + 1) // 2 - 1])
    below, equal = np.count_nonzero(values < middle), np.count_nonzero(values == middle)
    return middle, middle - 0.5 + (values.size / 2 - below) / equal


def stabilize_alpha(
    image: Array,
    alpha: Array,
    previous_image: Array,
    previous_alpha: Array,
    *,
    strength: float = 0.75,
) -> Array:
    """a_prev + g (a - a_prev), of the alpha's dtype."""
    if image.shape[1] < 2 or image.shape[0] == 0:  # no pixel has one to its right
        return alpha.copy()
    steps = 1.0 if image.dtype == np.uint8 else 4.0  # of a difference, in 1/255
    now, before = (ten_bits(i[..., :3]) * steps / 4.0 for i in (image, previous_image))
    signed = now - before
    change = np.abs(signed).max(axis=-1).clip(max=255)
    rows = signed[::4]
    grain = np.abs(rows[:, 1:] - rows[:, :-1]).max(axis=-1).clip(max=255)
    noise = float(np.clip(0.742 * median_bin(grain)[1], 0.5 * steps, 16.0 * steps))
    if median_bin(change[::4, :-1])[0] > 2.0 * noise:
        return alpha.copy()
    motion = neighbourhood(neighbourhood(change).mean(axis=0)).max(axis=0)
    least = 1.0 - strength
    gain = (least + 4.0 * (motion / noise - 1.4)).clip(least, 1.0)
    new, old = to_unit(alpha), to_unit(previous_alpha)
    gain[(new == 0.0) | (new == 1.0)] = 1.0
    return from_unit(old + gain * (new - old), alpha.dtype)

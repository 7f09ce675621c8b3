"""Scales of the three sample types, and the way between samples and the unit interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

CHANNELS = {"red": 0, "green": 1, "blue": 2}


def full_scale(dtype: DTypeLike) -> float:
    """The sample that stands for 1.0: 255, 65535 or 1.0."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def to_unit(samples: Array) -> Array:
    """Samples as float64 in [0, 1]."""
    return samples.astype(np.float64) / full_scale(samples.dtype)


def round_samples(values: Array, dtype: DTypeLike) -> Array:
    """Values on the scale of a sample type as its samples; integers to nearest, halves upward."""
    return (np.floor(values + 0.5) if np.issubdtype(dtype, np.integer) else values).astype(dtype)


def from_unit(values: Array, dtype: DTypeLike) -> Array:
    """Values in [0, 1] as samples."""
    return round_samples(values * full_scale(dtype), dtype)


def key_channel(key_color: str | tuple[float, float, float]) -> int:
    """Index of the channel that a key colour stands for: named, or the dominant one of a triple."""
    return CHANNELS[key_color] if isinstance(key_color, str) else int(np.argmax(key_color))

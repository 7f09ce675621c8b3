"""Definition of linear light: IEC 61966-2-1 (sRGB)."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from .pixels import Array, from_unit, to_unit


def decode_srgb(encoded: Array) -> Array:
    """Linear light of sRGB-encoded values, both in [0, 1]."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encode_srgb(linear: Array) -> Array:
    """sRGB-encoded values of linear light, both in [0, 1]."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1.0 / 2.4) - 0.055)


def to_linear(image: Array) -> Array:
    """Linear light (H, W, 3 | 4) of an image; a fourth channel is scaled."""
    values = to_unit(image)
    values[..., :3] = decode_srgb(values[..., :3])
    return values.astype(np.float32)


def to_srgb(image: Array, *, dtype: DTypeLike = "uint8") -> Array:
    """The inverse."""
    values = image.astype(np.float64)
    values[..., :3] = encode_srgb(values[..., :3])
    return from_unit(values, dtype)

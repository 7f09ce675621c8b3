"""Between arrays of numbers in [0, 1], which composites are computed in, and Pillow's images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

__all__ = ["Floats", "blurred", "columns_and_rows", "floats_of", "image_of", "mixed", "resized"]

Floats = npt.NDArray[np.floating[Any]]
"""Numbers in [0, 1], of either width."""


def image_of(values: Floats) -> Image.Image:
    """An image of 8 bits, of (H, W), (H, W, 3) or (H, W, 4); what is beyond [0, 1] is clipped."""
    return Image.fromarray(np.clip(255 * values + 0.5, 0, 255).astype(np.uint8))


def floats_of(image: Image.Image) -> Floats:
    """(H, W) or (H, W, C) float32 in [0, 1]."""
    return np.asarray(image, np.float32) / np.float32(255)


def blurred(values: Floats, radius: float) -> Floats:
    """By a Gaussian of that standard deviation, in pixels."""
    return floats_of(image_of(values).filter(ImageFilter.GaussianBlur(radius)))


def resized(values: Floats, size: int) -> Floats:
    """(size, size) or (size, size, C)."""
    return floats_of(image_of(values).resize((size, size), Image.Resampling.BICUBIC))


def mixed(first: Floats, second: Floats, share: Floats | float) -> Floats:
    """Two images (H, W, 3) or a colour (3,); share: of the second, a number or (H, W)."""
    part = share[..., None] if isinstance(share, np.ndarray) else share
    return first * (1 - part) + second * part


def columns_and_rows(size: int) -> tuple[Floats, Floats]:
    """x and y of the pixels of a square, (size, size) each, from 0 to almost 1."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    return x, y

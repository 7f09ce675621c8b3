"""Definition of a network's two ends, as rembg has them (its sessions' normalize and predict)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from .pixels import Array, full_scale
from .resize import resize


def to_tensor(
    image: Array,
    size: tuple[int, int],
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    scale: float | str = 255,
    channels: str = "rgb",
    filter: str = "lanczos",
    dtype: DTypeLike = "float32",
) -> Array:
    """(1, 3, height, width) of an image (H, W, 3 | 4)."""
    small = resize(image[..., :3], size, filter=filter)
    if channels == "bgr":
        small = small[..., ::-1]
    colors = np.floor(small / full_scale(image.dtype) * 255.0 + 0.5)
    divisor = max(colors.max(), 1.0) if scale == "max" else 255.0
    tensor = (colors / divisor - mean) / std
    return tensor.transpose(2, 0, 1)[None].astype(dtype)


def class_probability(prediction: Array, classes: Sequence[int] | None = None) -> Array:
    """float32 (h, w) of logits (C, h, w): softmax, or the sigmoid of a single plane."""
    logits = np.where(np.isfinite(prediction), prediction, 0).astype(np.float64)
    if len(logits) == 1:
        return (1.0 / (1.0 + np.exp(-logits[0]))).astype(np.float32)
    powers = np.exp(logits - logits.max(0))
    return (powers[list(classes or ())].sum(0) / powers.sum(0)).astype(np.float32)


def matte_from_prediction(
    prediction: Array, size: tuple[int, int], *, min_max: bool = True, filter: str = "lanczos"
) -> Array:
    """uint8 (height, width) of a prediction (h, w); float32 as in rembg, for it truncates."""
    p = np.where(np.isfinite(prediction), prediction, 0).astype(np.float32)
    if not min_max:
        unit = p.clip(0, 1)
    elif p.max() > p.min():
        unit = (p - p.min()) / (p.max() - p.min())
    else:
        unit = np.zeros_like(p)
    return resize((unit * np.float32(255)).astype(np.uint8), size, filter=filter)

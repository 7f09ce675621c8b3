"""Definition of alpha between known colours: where on the line from B to F a pixel lies."""

from __future__ import annotations

import numpy as np

from .key_soft import bilinear
from .pixels import Array, to_unit


def project_alpha(
    image: Array,
    foreground: Array,
    plate: Array,
    trimap: Array,
    alpha: Array,
    *,
    noise: float = 0.0,
    cell: int | None = None,
) -> Array:
    """Alpha (H, W) of the pixels that the trimap leaves unknown."""
    back = bilinear(plate, *trimap.shape, cell or 0)
    d = to_unit(foreground[..., :3]) - back
    w = d - 0.75 * d.mean(axis=-1, keepdims=True)
    length = (w * d).sum(axis=-1)
    told = length >= 1e-6
    t = (w * (to_unit(image[..., :3]) - back)).sum(axis=-1) / np.where(told, length, 1.0)
    projected = ((t - noise) / (1.0 - 2.0 * noise)).clip(0.0, 1.0)
    unknown = np.where(told, projected, alpha)
    result = np.where(trimap < 26, 0.0, np.where(trimap > 229, 1.0, unknown))
    return result.astype(np.float32)

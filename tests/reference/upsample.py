"""Definition of a mask carried to a larger image along its edges: local regressions on colour.

He, Sun: Fast Guided Filter, arXiv 1505.00996, on the mask's own grid.
"""

from __future__ import annotations

import numpy as np

from .pixels import Array, to_unit
from .resize import resize

EPSILON = 1e-5


def windows(values: Array) -> Array:
    """(9, h, w, ...): each sample's 3x3 neighbours; beyond a border the last ones repeat."""
    height, width = values.shape[:2]
    rows, columns = np.indices((height, width))
    return np.stack(
        [
            values[(rows + dy).clip(0, height - 1), (columns + dx).clip(0, width - 1)]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
    )


def between(values: Array, size: tuple[int, int]) -> Array:
    """Bilinear between the middles of samples; beyond the outer ones, theirs."""
    for axis, count in enumerate(size):
        samples = values.shape[axis]
        place = ((np.arange(count) + 0.5) * samples / count - 0.5).clip(0, samples - 1)
        first = place.astype(int)
        second = np.minimum(first + 1, samples - 1)
        part = (place - first).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        near, far = np.take(values, first, axis), np.take(values, second, axis)
        values = near + part * (far - near)
    return values


def upsample_mask(image: Array, mask: Array) -> Array:
    """The mask in the image's size: a . I + b of the samples around a pixel, fitted to 3x3 of them,
    and within their range."""
    size = (image.shape[0], image.shape[1])
    colors = windows(to_unit(resize(image[..., :3], mask.shape, filter="box")))
    alphas = windows(to_unit(mask) if mask.dtype != bool else mask.astype(float))
    color, alpha = colors.mean(0), alphas.mean(0)
    spread = np.einsum("qyxi,qyxj->yxij", colors - color, colors - color) / 9
    together = np.einsum("qyxi,qyx->yxi", colors - color, alphas - alpha) / 9
    a = np.linalg.solve(spread + EPSILON * np.eye(3), together[..., None])[..., 0]
    b = alpha - (a * color).sum(-1)
    models = np.dstack([a, b, alphas.min(0), alphas.max(0)])
    at = between(models, size)
    result = (at[..., :3] * to_unit(image[..., :3])).sum(-1) + at[..., 3]
    return np.asarray(result.clip(at[..., 4], at[..., 5]).clip(0.0, 1.0).astype(np.float32))

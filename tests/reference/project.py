"""Definition of alpha between known colours: where on the line from B to F a pixel lies."""

from __future__ import annotations

import numpy as np

from .pixels import Array, to_unit


def along(pixels: int, cells: int, cell: int | None) -> tuple[Array, Array, Array]:
    """Of each pixel of a side the two cells that it lies between, and how far from the first."""
    scale = cells / max(pixels, 1) if cell is None else 1.0 / cell
    u = ((np.arange(pixels) + 0.5) * scale - 0.5).clip(0.0, cells - 1.0)
    low = np.floor(u).astype(int)
    return low, np.minimum(low + 1, cells - 1), u - low


def sample_grid(grid: Array, height: int, width: int, cell: int | None) -> Array:
    """A grid (h, w, C) interpolated bilinearly over an image."""
    top, bottom, down = along(height, grid.shape[0], cell)
    left, right, across = along(width, grid.shape[1], cell)
    down, across = down[:, None, None], across[None, :, None]
    rows = (1.0 - down) * grid[top] + down * grid[bottom]
    return np.asarray((1.0 - across) * rows[:, left] + across * rows[:, right])


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
    back = sample_grid(plate.astype(np.float64), *trimap.shape, cell)
    d = to_unit(foreground[..., :3]) - back
    w = d - 0.75 * d.mean(axis=-1, keepdims=True)
    length = (w * d).sum(axis=-1)
    told = length >= 1e-6
    t = (w * (to_unit(image[..., :3]) - back)).sum(axis=-1) / np.where(told, length, 1.0)
    projected = ((t - noise) / (1.0 - 2.0 * noise)).clip(0.0, 1.0)
    unknown = np.where(told, projected, alpha)
    result = np.where(trimap < 26, 0.0, np.where(trimap > 229, 1.0, unknown))
    return result.astype(np.float32)

"""Definition of the trimap: what is sure in a mask, less a band around every contour."""

from __future__ import annotations

import numpy as np

from .pixels import Array, to_unit

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255


def squared_distance(target: Array) -> Array:
    """Squared distance from every pixel to the nearest pixel of `target`; inf if there is none.

    Every pair of pixels is looked at: for small images only.
    """
    ys, xs = np.nonzero(target)
    if ys.size == 0:
        return np.full(target.shape, np.inf)
    rows = np.arange(target.shape[0])[:, None, None] - ys
    columns = np.arange(target.shape[1])[None, :, None] - xs
    return np.asarray((rows * rows + columns * columns).min(axis=-1), dtype=np.float64)


def erode_disk(sure: Array, radius: float) -> Array:
    """The pixels of `sure` with no other pixel of the image within the radius.

    If none would be left, those farthest from the others are kept: the largest radius that keeps
    some.
    """
    distance = squared_distance(~sure)
    kept = sure & (distance > radius * radius)
    if sure.any() and not kept.any():
        kept = distance == distance.max()
    return kept


def erode_square(sure: Array, size: int, *, outside: bool) -> Array:
    """scipy.ndimage.binary_erosion(sure, ones((size, size)), border_value=outside).

    The window of an even size reaches one pixel farther up and left than down and right:
    its offsets are -(size // 2) ... (size - 1) // 2.
    """
    before, after = size // 2, (size - 1) // 2
    padded = np.pad(sure, [(before, after), (before, after)], constant_values=outside)
    height, width = sure.shape
    kept = np.ones_like(sure)
    for dy in range(size):
        for dx in range(size):
            kept &= padded[dy : dy + height, dx : dx + width]
    return kept


def transition_width(background: Array, foreground: Array) -> float:
    """Pixels across which a mask goes from sure background to sure foreground, on average: the area
    between them by the mean length of their contours, pi / 4 for every pixel side."""
    sides = sum(
        np.count_nonzero(np.diff(sure, axis=axis))
        for sure in (background, foreground)
        for axis in (0, 1)
    )
    area = np.count_nonzero(~background & ~foreground)
    return area / (np.pi / 8 * sides) if sides else 0.0


def auto_radius(width: float) -> float:
    """Radius of a band beside an edge of this width, all in pixels of the network."""
    return min(max(0.75 * width, 3.0 - 1.25 * width), 4.0)


def make_trimap(
    mask: Array,
    radius: float | tuple[float, float] = 10.0,
    *,
    band: str | None = None,
    shape: str = "disk",
    thresholds: tuple[float, float] = (10 / 255, 240 / 255),
    network_size: int | tuple[int, int] | None = None,
) -> Array:
    """Trimap (H, W) uint8 of a mask (H, W).

    shape="rembg" is alpha_matting_cutout of rembg (bg.py): both classes are eroded by a square,
    the background as if it went on outside of the image, the foreground as if it did not.
    """
    if mask.dtype == bool:
        background, foreground = ~mask, mask
    else:
        values = to_unit(mask)
        background, foreground = values < thresholds[0], values > thresholds[1]
    if shape == "rembg":
        assert isinstance(radius, int)
        background = erode_square(background, radius, outside=True)
        foreground = erode_square(foreground, radius, outside=False)
    else:
        pixel = 1.0
        if network_size is not None or band == "auto":
            size = network_size or 320
            rows, columns = size if isinstance(size, tuple) else (size, size)
            pixel = np.sqrt((mask.shape[0] / rows) * (mask.shape[1] / columns))
        if band == "auto" and mask.size:
            width = transition_width(background, foreground) / pixel
            outside = inside = max(auto_radius(width) * pixel, 1.0)
        else:
            outside, inside = radius if isinstance(radius, tuple) else (radius, radius)
            outside, inside = outside * pixel, inside * pixel
        background = erode_disk(background, outside)
        foreground = erode_disk(foreground, inside)
    trimap = np.full(mask.shape, UNKNOWN, dtype=np.uint8)
    trimap[background] = BACKGROUND
    trimap[foreground] = FOREGROUND
    return trimap

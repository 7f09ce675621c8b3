"""Trimap: sure foreground, sure background, and the unknown band between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trimatte import _core
from trimatte.arrays import (
    FULL_SCALES,
    Array,
    ArrayLike,
    as_array,
    choice,
    is_number,
    number,
    warn_of_labels,
)
from trimatte.errors import ArgumentError, TrimapWarning, warn

__all__ = ["make_trimap"]


class _Default(float):
    """A default that can be told from the same number given."""


_RADIUS = _Default(10.0)
AUTO_NETWORK_SIZE = 320  # of U-2-Net and its kin


def make_trimap(
    mask: ArrayLike,
    radius: float | tuple[float, float] = _RADIUS,
    *,
    band: str | None = None,
    shape: str = "disk",
    thresholds: tuple[float, float] = (10 / 255, 240 / 255),
    network_size: int | tuple[int, int] | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Trimap of a mask or a coarse alpha.

    A pixel is sure foreground if no pixel within ``radius`` (Euclidean, exact, borders included)
    fails ``mask > thresholds[1]``, sure background if none within it fails ``mask <
    thresholds[0]``, and unknown otherwise. What lies outside of the image counts for nothing.

    Args:
        mask: (H, W) bool, uint8, uint16 or float32 in [0, 1]; full scale is foreground.
        radius: reach of the unknown band in pixels, >= 0; or (outside, inside): reach into the
            background and into the foreground. With ``shape="rembg"`` rembg's erode size, >= 1.
            Not to be given with ``band``.
        band: None: as wide as ``radius`` says. ``"auto"``: for a segmentation network's mask, as
            wide as its own softness asks for. With w, the mean width of the mask's transition
            between the thresholds (its area by its length) in network pixels, the radius is
            min(max(0.75 w, 3 - 1.25 w), 4) network pixels on both sides, at least one pixel of the
            mask. Fitted to photographs with known alpha: the wider a network's edge, the farther
            from it the true one lies; and an edge without softness has been cut out of a soft one.
        shape: ``"disk"``; or ``"rembg"``: both classes are eroded by a square of ``radius`` x
            ``radius`` exactly as rembg does it (scipy.ndimage.binary_erosion: an even square is off
            centre, and what lies outside of the image counts as background).
        thresholds: (low, high) as fractions of full scale; the default is rembg's 10 and 240 of
            255. A bool mask needs none.
        network_size: side, or (height, width), of the network that made the mask: ``radius`` then
            counts network pixels, and is scaled by sqrt((H / height) * (W / width)). Without it
            ``radius`` counts pixels of the mask; and ``band="auto"`` takes the network for one of
            320 x 320.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) uint8: 0 background, 128 unknown, 255 foreground.

    Raises:
        ArgumentError: an argument is not what is listed above.

    Warns:
        TrimapWarning: the mask has foreground (background), but none of it survives the radius;
            that side's radius is then reduced to the largest that keeps some. For an array on a
            GPU it is reduced as well, but nothing waits for it to say so.
        CutoutWarning: the mask looks like a map of labels, 0 and 1 in uint8.
    """
    array = as_array(mask, "make_trimap", "mask", stream)
    is_bool = array.dtype == np.bool_
    warn_of_labels(array, "mask")
    array = array.view(np.uint8) if is_bool else array
    low, high = _limits(thresholds, array, is_bool)
    is_square = choice({"disk": False, "rembg": True}, shape, "make_trimap", "shape")
    is_auto = band is not None and choice({"auto": True}, band, "make_trimap", "band")
    outside = inside = pixel = 0.0
    square = 0
    if is_auto:
        _refuse_beside_band(radius, is_square)
        pixel = network_pixel(AUTO_NETWORK_SIZE if network_size is None else network_size, array)
    elif is_square:
        square = _square(radius)
    else:
        outside, inside = _radii(radius, array, network_size)
    trimap, (background, foreground) = _core.make_trimap(
        array, low, high, outside, inside, square, pixel, "make_trimap", device, stream
    )
    _warn("foreground", None if is_auto else inside, foreground)
    _warn("background", None if is_auto else outside, background)
    return trimap


def _warn(side: str, asked: float | None, kept: float | None) -> None:
    if kept is None:
        return
    at = "beside the band" if asked is None else f"at radius {asked:g}"
    warn(f"make_trimap: no sure {side} would be left {at}; {kept:.1f} is used there", TrimapWarning)


def _refuse_beside_band(radius: Any, is_square: bool) -> None:
    if not isinstance(radius, _Default):
        raise ArgumentError(
            f"make_trimap: give radius or band='auto', not both, got radius {radius!r:.80}"
        )
    if is_square:
        raise ArgumentError("make_trimap: band='auto' is made of disks, got shape 'rembg'")


def _square(radius: Any) -> int:
    """rembg's erode size."""
    size = number(radius, "make_trimap", "radius")
    if not (size >= 1 and size == int(size) and size <= 2**20):
        raise ArgumentError(
            f"make_trimap: radius must be a whole number in [1, {2**20}] for shape='rembg', "
            f"got {radius!r:.80}"
        )
    return int(size)


def _limits(thresholds: Any, mask: Array, is_bool: bool) -> tuple[float, float]:
    """The thresholds in units of the mask's samples."""
    if is_bool:
        return 0.5, 0.5
    try:
        low, high = (float(t) for t in thresholds)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 <= low <= high <= 1:
        raise ArgumentError(
            "make_trimap: thresholds must be (low, high) with 0 <= low <= high <= 1, "
            f"got {thresholds!r:.80}"
        )
    scale = FULL_SCALES.get(mask.dtype.name, 1.0)  # other dtypes are refused by the core
    return low * scale, high * scale


def _radii(radius: Any, mask: Array, network_size: Any) -> tuple[float, float]:
    """(outside, inside) in pixels of the mask."""
    pair = tuple(radius) if isinstance(radius, (tuple, list, np.ndarray)) else (radius, radius)
    outside, inside = pair if len(pair) == 2 and all(map(is_number, pair)) else (math.nan, math.nan)
    if not (0 <= outside < math.inf and 0 <= inside < math.inf):
        raise ArgumentError(
            "make_trimap: radius must be a finite number >= 0 or a pair (outside, inside) of them, "
            f"got {radius!r:.80}"
        )
    pixel = 1.0 if network_size is None else network_pixel(network_size, mask)
    if mask.ndim != 2:
        return 0.0, 0.0  # the core says what is wrong with it
    diagonal = math.hypot(*mask.shape)  # nothing lies farther away
    return min(outside * pixel, diagonal), min(inside * pixel, diagonal)


def network_pixel(network_size: Any, mask: Array) -> float:
    """The side of a network's pixel in pixels of the mask."""
    size = tuple(network_size) if isinstance(network_size, (tuple, list)) else (network_size,) * 2
    rows, columns = size if len(size) == 2 and all(map(is_number, size)) else (0, 0)
    if not (1 <= rows < math.inf and 1 <= columns < math.inf):
        raise ArgumentError(
            "make_trimap: network_size must be a side or (height, width) in pixels, "
            f"got {network_size!r:.80}"
        )
    height, width = mask.shape[:2] if mask.ndim >= 2 else (rows, columns)
    return math.sqrt((height / rows) * (width / columns))

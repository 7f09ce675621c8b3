"""The edges of an alpha: choke, feather, and mattes that hold parts of it."""

from __future__ import annotations

from typing import Any

from trimatte import _core
from trimatte.arrays import FULL_SCALES, Array, ArrayLike, as_alpha, number, threshold
from trimatte.errors import ArgumentError

__all__ = ["choke", "feather", "hold_mattes", "sure_mattes"]

_LARGEST_CHOKE = 64.0
_LARGEST_REACH = 1000.0


def choke(
    alpha: ArrayLike, radius: float, *, device: str | None = None, stream: Any = None
) -> Array:
    """Tightens an alpha, or spreads it: grey-scale erosion, or dilation, by a disk.

    A pixel becomes the least (the greatest) of the pixels whose centres lie within the radius of
    its own. What is outside of the image does not count.

    Args:
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        radius: of the disk, in pixels, in [-64, 64]: above 0 alpha is eroded, below 0 dilated. A
            radius between two whole ones gives what lies between their results, in proportion.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) of alpha's dtype, of bool uint8; integers are rounded to nearest, half up.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.choke(
        as_alpha(alpha, "choke", "alpha", stream),
        number(radius, "choke", "radius"),
        "choke",
        device,
        stream,
    )


def feather(
    alpha: ArrayLike, radius: float, *, device: str | None = None, stream: Any = None
) -> Array:
    """Softens an alpha by a Gaussian blur.

    The window ends at ceil(3 radius) pixels; beyond the image its border repeats.

    Args:
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        radius: the standard deviation, in pixels, in [0, 64].
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) of alpha's dtype, of bool uint8; integers are rounded to nearest. Where the whole
        window is 0, or 1, it stays exactly that.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.feather(
        as_alpha(alpha, "feather", "alpha", stream),
        number(radius, "feather", "radius"),
        "feather",
        device,
        stream,
    )


def hold_mattes(
    alpha: ArrayLike,
    *,
    garbage: ArrayLike | None = None,
    core: ArrayLike | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """An alpha that mattes drawn by hand have the last word on: max(min(alpha, 1 - garbage), core).

    Args:
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        garbage: what is never foreground: 1 there. (H, W) of any of these dtypes, or None.
        core: what is always foreground: 1 there, also where the garbage matte is 1. Likewise.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) of alpha's dtype, of bool uint8; mattes are rounded to its samples.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    held = as_alpha(alpha, "hold_mattes", "alpha", stream)
    out = None if garbage is None else as_alpha(garbage, "hold_mattes", "garbage", stream)
    kept = None if core is None else as_alpha(core, "hold_mattes", "core", stream)
    if out is not None and kept is not None and out.dtype != kept.dtype:
        held, out = _core.hold_mattes(held, out, None, device, stream), None
    return _core.hold_mattes(held, out, kept, device, stream)


def sure_mattes(
    mask: ArrayLike,
    low: float,
    high: float,
    *,
    reach: int = 0,
    size: tuple[int, int] | None = None,
    device: str | None = None,
    stream: Any = None,
) -> tuple[Array, Array]:
    """Garbage and core matte of what a mask is sure of, for `hold_mattes`.

    Args:
        mask: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        low: garbage is where the mask is below it, in the mask's own samples.
        high: core is where the mask is above it.
        reach: both are eroded by a square that reaches so many pixels of the mask to every side.
            What is outside of the mask does not count.
        size: (height, width) of the mattes, or None: the mask's. They are resized bilinearly, and
            hardened at one half.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (garbage, core): (height, width) uint8, 0 or 255.
    """
    coarse = as_alpha(mask, "sure_mattes", "mask", stream)
    return _core.sure_mattes(coarse, low, high, reach, size or coarse.shape, device, stream)


def out_of_reach(alpha: Array, reach: float, operation: str, device: Any, stream: Any) -> Array:
    """Where the light from behind an alpha cannot have come: 255 from twice the reach on from what
    is not opaque in 8 bits, 0 up to the reach, and smooth between; (H, W) uint8."""
    if not 0.0 <= reach <= _LARGEST_REACH:
        raise ArgumentError(
            f"{operation}: reach must be in [0, {_LARGEST_REACH:g}] pixels, got {reach:g}"
        )
    opaque = 254.5 / 255.0 * FULL_SCALES[alpha.dtype.name]
    plane: Array = threshold(alpha, opaque, opaque, operation, stream)
    rest = 1.5 * reach  # to the middle of the fade; a Gaussian's window reaches half the reach
    while rest > 0.0:
        step = min(rest, _LARGEST_CHOKE)
        plane = _core.choke(plane, step, operation, device, stream)
        rest -= step
    return _core.feather(plane, min(reach / 6.0, _LARGEST_CHOKE), operation, device, stream)

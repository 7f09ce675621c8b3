"""Chroma key: which pixels are screen, by colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import (
    DESPILL_METHODS,
    Array,
    ArrayLike,
    as_array,
    choice,
    depth_code,
    key_channel,
    number,
)
from trimatte.errors import ArgumentError

__all__ = ["Probe", "chroma_key", "key_cutout", "probe"]

KeyColor = str | tuple[float, float, float]

_NAMES = ("red", "green", "blue")


def chroma_key(
    image: ArrayLike,
    *,
    key_color: KeyColor = "green",
    tolerance: float = 30.0,
    softness: float = 0.0,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Alpha by colour difference, hard or with a ramp.

    With k the key colour's channel and a, b the two others, the hard rule is::

        alpha = 0 if k > a + tolerance and k > b + tolerance else 1

    With ``softness > 0`` alpha falls linearly from 1 to 0 while the difference ``k - max(a, b)``
    rises from ``tolerance`` to ``tolerance + softness``: the colour-difference key of Vlahos (US
    3,158,477) with a black and a white point. The rule is applied to the values as they are
    encoded.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        key_color: ``"green"``, ``"blue"``, ``"red"``, or (r, g, b) in 0..255, of which the largest
            channel counts.
        tolerance: in [0, 255], in units of 1/255 of full scale whatever the image's dtype.
        softness: width of the ramp, in [0, 255], same units.
        dtype: of the result: uint8, uint16 or float32; None means the image's.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) alpha: 0 is screen, full scale (255, 65535 or 1.0) is kept. Integer results are
        rounded to nearest, half up.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    array = as_array(image, "chroma_key", "image", stream)
    return _key("chroma_key", array, key_color, tolerance, softness, dtype, device, stream)


def _key(
    operation: str,
    array: Array,
    key_color: KeyColor,
    tolerance: float,
    softness: float,
    dtype: npt.DTypeLike | None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """`chroma_key` under the name of the operation that a message should name."""
    # An image of a wrong dtype is refused by the core, which names it; any depth will do here.
    known = array.dtype.name in ("uint8", "uint16", "float32")
    return _core.chroma_key(
        array,
        channel=key_channel(key_color, operation),
        tolerance=number(tolerance, operation, "tolerance"),
        softness=number(softness, operation, "softness"),
        depth=depth_code(array.dtype if dtype is None and known else dtype or np.uint8, operation),
        operation=operation,
        device=device,
        stream=stream,
    )


def key_cutout(
    image: ArrayLike,
    *,
    key_color: KeyColor = "green",
    tolerance: float = 30.0,
    softness: float = 0.0,
    despill: str | None = "average",
    despill_strength: float = 1.0,
    premultiplied: bool = False,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Chroma key, de-spill and RGBA in one pass over the image: for live video, or where a hard or
    soft key is all that is wanted.

    The same as `chroma_key`, `despill` and `cutout` (and `premultiply`) one after the other.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        key_color, tolerance, softness: as for `chroma_key`.
        despill: the method of `trimatte.despill`; None leaves the colours.
        despill_strength: its strength, in [0, 1].
        premultiplied: multiply the colours by alpha; by default they are straight, and 0 where
            alpha is 0.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W, 4) of the image's dtype.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    method = "average" if despill is None else despill
    strength = number(despill_strength, "key_cutout", "despill_strength")
    return _core.key_cutout(
        as_array(image, "key_cutout", "image", stream),
        channel=key_channel(key_color, "key_cutout"),
        tolerance=number(tolerance, "key_cutout", "tolerance"),
        softness=number(softness, "key_cutout", "softness"),
        method=choice(DESPILL_METHODS, method, "key_cutout", "despill"),
        strength=0.0 if despill is None else strength,
        premultiplied=bool(premultiplied),
        device=device,
        stream=stream,
    )


@dataclass(frozen=True)
class Probe:
    """What the key saw at one pixel. r, g, b and the differences are in the image's own units;
    ``tolerance`` and ``softness`` in 1/255 of full scale, as given."""

    x: int
    y: int
    r: float
    g: float
    b: float
    key: str
    difference_1: float
    difference_2: float
    tolerance: float
    softness: float
    keyed: bool
    alpha: float

    def __str__(self) -> str:
        k = self.key[0]
        others = [name[0] for name in _NAMES if name != self.key]
        verdict = "screen" if self.keyed else "kept"
        return (
            f"({self.x}, {self.y}) r={self.r:g} g={self.g:g} b={self.b:g} "
            f"{k}-{others[0]}={self.difference_1:g} {k}-{others[1]}={self.difference_2:g} "
            f"tolerance={self.tolerance:g} softness={self.softness:g}: {verdict}, "
            f"alpha={self.alpha:.3f}"
        )


def probe(
    image: ArrayLike,
    x: int,
    y: int,
    *,
    key_color: KeyColor = "green",
    tolerance: float = 30.0,
    softness: float = 0.0,
) -> Probe:
    """Explains `chroma_key` at pixel (x, y): the values it read, its differences and its verdict.

    Args:
        image: as for `chroma_key`; one on a GPU is copied to the host.
        x: column, 0 <= x < W.
        y: row, 0 <= y < H.
        key_color, tolerance, softness: as for `chroma_key`.

    Returns:
        A `Probe`; for a green key ``difference_1`` is g - r and ``difference_2`` is g - b.
        ``keyed`` is True where alpha is 0.

    Raises:
        ArgumentError: as `chroma_key`, or (x, y) lies outside of the image.
    """
    array = as_array(image, "probe", "image")
    _core.check(array, "probe", "image", color=True)
    height, width = array.shape[:2] if array.ndim >= 2 else (0, 0)
    for name, value, size in (("x", x, width), ("y", y, height)):
        if not isinstance(value, (int, np.integer)) or not 0 <= value < size:
            raise ArgumentError(
                f"probe: {name} must be a whole number in [0, {size}) for an image of "
                f"{array.shape} {array.dtype}, got {value!r}"
            )
    if isinstance(array, DeviceArray):
        array = array.to_host()
    # The operation itself gives the verdict: what it says here is what it does to the image.
    pixel = array[y : y + 1, x : x + 1]
    alpha = _key("probe", pixel, key_color, tolerance, softness, np.float32)
    channel = key_channel(key_color, "probe")
    values = [v.item() for v in pixel[0, 0, :3]]
    first, second = (values[channel] - values[c] for c in range(3) if c != channel)
    return Probe(
        x=int(x),
        y=int(y),
        r=values[0],
        g=values[1],
        b=values[2],
        key=_NAMES[channel],
        difference_1=first,
        difference_2=second,
        tolerance=float(tolerance),
        softness=float(softness),
        keyed=bool(alpha[0, 0] == 0),
        alpha=float(alpha[0, 0]),
    )

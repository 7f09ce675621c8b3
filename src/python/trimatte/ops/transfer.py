"""Linear light and sRGB."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from trimatte import _core
from trimatte.arrays import Array, ArrayLike, as_array, depth_code

__all__ = ["to_linear", "to_srgb"]


def to_linear(image: ArrayLike, *, device: str | None = None, stream: Any = None) -> Array:
    """Linear light of an image in sRGB (IEC 61966-2-1).

    What light does, it does in proportion: blur, resizing, premultiplied colour and screens that
    light leaves uneven are right in linear light only.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            alpha, which is scaled to [0, 1] and not decoded.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        float32 of the image's shape, in [0, 1], to within 1e-6; `to_srgb` makes of it exactly the
        uint8 or uint16 image that it was.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.to_linear(as_array(image, "to_linear", "image", stream), device, stream)


def to_srgb(
    image: ArrayLike,
    *,
    dtype: npt.DTypeLike = "uint8",
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """An image in linear light encoded as sRGB (IEC 61966-2-1): the inverse of `to_linear`.

    Args:
        image: (H, W, 3) or (H, W, 4) float32 in [0, 1]; a fourth channel is alpha, which is scaled
            and not encoded.
        dtype: of the result: uint8, uint16 or float32.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        An array of the image's shape, of that dtype: clipped to its range, integers rounded to
        nearest, half up.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    light = as_array(image, "to_srgb", "image", stream)
    return _core.to_srgb(light, depth_code(dtype, "to_srgb"), device, stream)

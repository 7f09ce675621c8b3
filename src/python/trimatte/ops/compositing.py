"""Compositing: straight and premultiplied colour, cutouts, over."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import ImageColor

from trimatte import _core
from trimatte.arrays import Array, ArrayLike, as_alpha, as_array
from trimatte.errors import ArgumentError

__all__ = ["composite", "cutout", "limit_alpha", "premultiply", "unpremultiply"]


def premultiply(rgba: ArrayLike, *, device: str | None = None, stream: Any = None) -> Array:
    """Straight to premultiplied colour: each colour times alpha.

    Args:
        rgba: (H, W, 4), uint8, uint16 or float32 in [0, 1], straight.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W, 4) of the same dtype, premultiplied; integers are rounded to nearest.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.premultiply(as_array(rgba, "premultiply", "rgba", stream), True, device, stream)


def unpremultiply(rgba: ArrayLike, *, device: str | None = None, stream: Any = None) -> Array:
    """Premultiplied to straight colour: each colour divided by alpha, 0 where alpha is 0.

    Args:
        rgba: (H, W, 4), uint8, uint16 or float32 in [0, 1], premultiplied.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W, 4) of the same dtype, straight; integers are rounded to nearest, colours that exceed
        their alpha are clipped to full scale.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.premultiply(as_array(rgba, "unpremultiply", "rgba", stream), False, device, stream)


def cutout(
    foreground: ArrayLike, alpha: ArrayLike, *, device: str | None = None, stream: Any = None
) -> Array:
    """Foreground and alpha as one straight RGBA image; colour is 0 where nothing shows.

    Args:
        foreground: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W, 4) of the foreground's dtype.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.cutout(
        as_array(foreground, "cutout", "foreground", stream),
        as_alpha(alpha, "cutout", "alpha", stream),
        device,
        stream,
    )


def limit_alpha(
    alpha: ArrayLike, rgba: ArrayLike, *, device: str | None = None, stream: Any = None
) -> Array:
    """Alpha limited by an image's own: their product (Porter and Duff's "in").

    What is transparent in the image stays so in its cutout.

    Args:
        alpha: (H, W) float32 in [0, 1].
        rgba: (H, W, 4), uint8, uint16 or float32 in [0, 1], of the same size.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) float32.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.limit_alpha(
        as_array(alpha, "limit_alpha", "alpha", stream),
        as_array(rgba, "limit_alpha", "rgba", stream),
        device,
        stream,
    )


def composite(
    foreground: ArrayLike,
    alpha: ArrayLike,
    background: ArrayLike | str,
    *,
    linear: bool = False,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Foreground over background: alpha F + (1 - alpha) B (Porter and Duff, 1984).

    Args:
        foreground: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1], straight; a fourth
            channel is ignored.
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        background: an image of the foreground's size and dtype; or one colour: (r, g, b) in 0..255
            whatever the dtype, or a CSS name or ``"#rrggbb"``.
        linear: blend in linear light: the values are decoded from sRGB (IEC 61966-2-1), blended and
            encoded again. By default the encoded values are blended, as most image programs do.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W, 3) of the foreground's dtype; integers are rounded to nearest.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    color, plate = color_or_plate(background, "composite", stream)
    return _core.composite(
        as_array(foreground, "composite", "foreground", stream),
        as_alpha(alpha, "composite", "alpha", stream),
        plate,
        color,
        bool(linear),
        device,
        stream,
    )


def color_or_plate(
    background: ArrayLike | str, operation: str, stream: Any, *, name: str = "background"
) -> tuple[tuple[float, float, float], Array | None]:
    """A background as (colour in [0, 1], None) or (black, image)."""
    wanted = f"{operation}: {name} must be an image, (r, g, b) in 0..255 or a colour name"
    if isinstance(background, str):
        try:
            red, green, blue = ImageColor.getrgb(background)[:3]
        except ValueError:
            raise ArgumentError(f"{wanted}, got {background!r:.80}") from None
        return (red / 255, green / 255, blue / 255), None
    array = as_array(background, operation, name, stream)
    if array.ndim > 1:
        return (0.0, 0.0, 0.0), array
    rgb = array.astype(np.float64) if array.shape == (3,) and array.dtype.kind in "uif" else None
    if rgb is None or not np.all((rgb >= 0) & (rgb <= 255)):
        raise ArgumentError(f"{wanted}, got {background!r:.80}")
    return (float(rgb[0]) / 255, float(rgb[1]) / 255, float(rgb[2]) / 255), None

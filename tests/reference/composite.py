"""Definition of compositing: Porter and Duff, Compositing Digital Images, SIGGRAPH 1984."""

from __future__ import annotations

import numpy as np

from .pixels import Array, from_unit, full_scale, round_samples, to_unit
from .transfer import decode_srgb, encode_srgb

NAMED = {"white": (255.0, 255.0, 255.0), "black": (0.0, 0.0, 0.0)}


def premultiply(rgba: Array) -> Array:
    """Straight RGBA to premultiplied: colour times alpha."""
    values = to_unit(rgba)
    values[..., :3] *= values[..., 3:]
    return from_unit(values, rgba.dtype)


def unpremultiply(rgba: Array) -> Array:
    """Premultiplied RGBA to straight: colour over alpha, at most 1, and 0 where alpha is 0."""
    full = full_scale(rgba.dtype)
    colors = rgba[..., :3].astype(np.float64) * full
    alpha = rgba[..., 3:].astype(np.float64)
    straight = np.divide(colors, alpha, out=np.zeros_like(colors), where=alpha > 0.0)
    straight = round_samples(np.minimum(straight, full), rgba.dtype)
    return np.concatenate([straight, rgba[..., 3:]], axis=-1)


def cutout(foreground: Array, alpha: Array) -> Array:
    """Straight RGBA in the foreground's dtype; where its alpha is 0 the colour is 0 as well."""
    opacity = from_unit(to_unit(alpha), foreground.dtype)
    colors = np.where(opacity[..., None] == 0, 0, foreground[..., :3])
    return np.concatenate([colors, opacity[..., None]], axis=-1).astype(foreground.dtype)


def limit_alpha(alpha: Array, rgba: Array) -> Array:
    """Alpha (H, W) times the fourth channel of an image."""
    return np.asarray(to_unit(alpha) * to_unit(rgba[..., 3]), dtype=np.float32)


def composite(
    foreground: Array,
    alpha: Array,
    background: str | tuple[float, float, float] | Array,
    *,
    linear: bool = False,
) -> Array:
    """foreground (H, W, 3 | 4) over an image or one colour (0 ... 255), by alpha (H, W)."""
    if isinstance(background, np.ndarray):
        back = to_unit(background[..., :3])
    else:
        color = NAMED[background] if isinstance(background, str) else background
        back = np.asarray(color, dtype=np.float64) / 255.0
    front = to_unit(foreground[..., :3])
    opacity = to_unit(alpha)[..., None]
    if linear:
        light = opacity * decode_srgb(front) + (1.0 - opacity) * decode_srgb(back)
        result = encode_srgb(light)
    else:
        result = opacity * front + (1.0 - opacity) * back
    return from_unit(result, foreground.dtype)

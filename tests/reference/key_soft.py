"""Definition of the soft chroma keys.

"ffmpeg" is FFmpeg's libavfilter/vf_chromakey.c, "obs" OBS Studio's chroma_key_filter_v2.effect;
both with distances in units of the key colour's own. "vlahos" is the colour difference of Petro
Vlahos (US patent 3 595 987, 1971) as a part of the screen's.
"""

from __future__ import annotations

import numpy as np

from .composite import decode_srgb
from .pixels import Array, key_channel, to_unit

SCREENS = {"green": (0.0, 177.0, 64.0), "blue": (0.0, 71.0, 187.0), "red": (200.0, 16.0, 46.0)}

FFMPEG_UV = np.array([[-0.16874, -0.33126, 0.5], [0.5, -0.41869, -0.08131]])
OBS_CB_CR = np.array([[-0.100644, -0.338572, 0.439216], [0.439216, -0.398942, -0.040274]])


def key_rgb(key_color: str | tuple[float, float, float]) -> Array:
    """A key colour in [0, 1], encoded."""
    color = SCREENS[key_color] if isinstance(key_color, str) else key_color
    return np.asarray(color, dtype=np.float64) / 255.0


def in_space(values: Array, transfer: str) -> Array:
    return decode_srgb(values) if transfer == "linear" else values


def bilinear(grid: Array, height: int, width: int, cell: int = 0) -> Array:
    """Samples of a grid at pixels' centres: cells are squares, or span the image together."""

    def along(cells: int, pixels: int) -> tuple[Array, Array, Array]:
        scale = 1.0 / cell if cell else cells / max(pixels, 1)
        u = ((np.arange(pixels) + 0.5) * scale - 0.5).clip(0.0, cells - 1.0)
        low = np.floor(u).astype(int)
        return low, np.minimum(low + 1, cells - 1), u - low

    top, bottom, down = along(grid.shape[0], height)
    left, right, across = along(grid.shape[1], width)
    values = grid.astype(np.float64)
    down, across = down[:, None, None], across[:, None]
    rows = (1.0 - down) * values[top] + down * values[bottom]
    return (1.0 - across) * rows[:, left] + across * rows[:, right]


def shifted(array: Array, dy: int, dx: int) -> Array:
    """The array's pixel at (y + dy, x + dx); its borders go on outward."""
    height, width = array.shape[:2]
    rows = np.arange(dy, height + dy).clip(0, max(height - 1, 0))
    columns = np.arange(dx, width + dx).clip(0, max(width - 1, 0))
    return array[rows][:, columns]


def ffmpeg_distance(image: Array, key: Array) -> Array:
    """Mean distance of 3 x 3 pixels from the key in the plane of U and V, the key's own being 1.

    FFmpeg divides distances by sqrt(2), which cancels out.
    """
    chroma, own = image @ FFMPEG_UV.T, FFMPEG_UV @ key
    distance = np.linalg.norm(chroma - own, axis=-1) / np.linalg.norm(own)
    return np.mean([shifted(distance, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)], axis=0)


def obs_distance(image: Array, key: Array) -> Array:
    """Mean of the pixel's distance and twice those of four taps, each between two pixels."""
    own = OBS_CB_CR @ key

    def distance(colors: Array) -> Array:
        return np.linalg.norm(colors @ OBS_CB_CR.T - own, axis=-1) / np.linalg.norm(own)

    taps = (  # half a pixel off in one direction: a bilinear sampler reads the mean of two
        ((-1, -1), (0, -1)),
        ((0, 1), (1, 1)),
        ((1, -1), (1, 0)),
        ((-1, 0), (-1, 1)),
    )
    total = distance(image)
    for one, other in taps:
        total = total + 2.0 * distance((shifted(image, *one) + shifted(image, *other)) / 2.0)
    return total / 9.0


def ramp(distance: Array, tolerance: float, softness: float) -> Array:
    if softness == 0.0:
        return np.where(distance > tolerance, 1.0, 0.0)
    return np.clip((distance - tolerance) / softness, 0.0, 1.0)


def difference(colors: Array, channel: int) -> Array:
    return colors[..., channel] - np.delete(colors, channel, axis=-1).max(axis=-1)


def soft_alpha(
    image: Array,
    *,
    key_color: str | tuple[float, float, float],
    method: str,
    tolerance: float | None,
    softness: float | None,
    plate: Array | None,
    screen: object | None,
    transfer: str | None,
) -> Array:
    """Alpha (H, W) in [0, 1]."""
    space = transfer or getattr(screen, "transfer", "srgb")
    height, width = image.shape[:2]
    colors = in_space(to_unit(image[..., :3]), space)
    if method == "plate":
        m = bilinear(screen.model, height, width, screen.cell)  # type: ignore[attr-defined]
        return np.clip(np.sum(m[..., :3] * colors, axis=-1) + m[..., 3], 0.0, 1.0)
    key = in_space(key_rgb(key_color), space)
    if method == "vlahos":
        channel = key_channel(key_color)
        back = (
            key
            if plate is None
            else bilinear(in_space(to_unit(plate[..., :3]), space), height, width)
        )
        of = np.maximum(difference(back, channel), 1.0 / 255.0)
        return np.clip(1.0 - difference(colors, channel) / of, 0.0, 1.0)
    tolerance = 0.3 if tolerance is None else tolerance
    softness = 0.5 if softness is None else softness
    if method == "ffmpeg":
        return ramp(ffmpeg_distance(colors, key), tolerance, softness)
    return ramp(obs_distance(colors, key), tolerance, softness) ** 1.5

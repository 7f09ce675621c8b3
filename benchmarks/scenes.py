"""Procedural scenes with exactly known answers, for benchmarks and tests. NumPy only.

Everything is determined by the size and the seed. Lengths grow with the image, so that a scene
looks the same at every size. Colours are display-referred (sRGB) and blended as they are stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

BROWN = (92, 58, 34)
GREY_BLUE = (112, 138, 156)
SCREEN_GREEN = (38, 168, 56)
SKIN = (172, 118, 92)


@dataclass(frozen=True)
class Scene:
    """A composite and everything it was made of.

    image, foreground, background: uint8 (H, W, 3), sRGB; image = round(a F + (1 - a) B)
    trimap: uint8 (H, W), 0 / 128 / 255
    alpha: float32 (H, W) in [0, 1], the truth
    """

    image: UInt8Array
    trimap: UInt8Array
    alpha: FloatArray
    foreground: UInt8Array
    background: UInt8Array

    def alpha_error(self, alpha: npt.NDArray[np.floating]) -> float:
        """SAD over the unknown pixels in the field's unit: sum |a - a*| / 1000."""
        unknown = self.trimap == 128
        return float(np.abs(alpha - self.alpha)[unknown].sum()) / 1000

    def foreground_error(self, foreground: npt.NDArray[np.floating]) -> float:
        """Mean of a* |F - F*| over the soft pixels, colours in [0, 1]."""
        soft = (self.alpha > 0) & (self.alpha < 1)
        apart = np.abs(foreground[soft] - self.foreground[soft] / 255)
        return float(np.mean(self.alpha[soft, None] * apart))


def over_background(
    foreground: UInt8Array, alpha: FloatArray, background: UInt8Array, trimap: UInt8Array
) -> Scene:
    """A foreground with known alpha before another background, under the trimap given.

    What the trimap takes for known has alpha 0 or 1, so that the scene has one true answer.
    """
    known = np.where(trimap == 255, np.float32(1), np.where(trimap == 0, np.float32(0), alpha))
    image = _over(foreground, known, background)
    return Scene(image, trimap, known, foreground, background)


def texture(
    height: int, width: int, seed: int, *, color: tuple[int, int, int], contrast: float
) -> UInt8Array:
    """A textured surface around a colour: uint8 (H, W, 3)."""
    return _texture(height, width, np.random.default_rng(seed), color=color, contrast=contrast)


def hair_scene(height: int, width: int, seed: int, unknown: float = 0.15) -> Scene:
    """A textured head with loose strands of hair before a textured background.

    unknown: fraction of the image that the trimap leaves unknown. All soft pixels are unknown;
    the band around them is as wide as it takes, to the nearest pixel. A fraction smaller than
    that of the soft pixels alone gives exactly the soft pixels.
    """
    rng = np.random.default_rng(seed)
    alpha = _head_with_hair(height, width, rng)
    foreground = _texture(height, width, rng, color=BROWN, contrast=16.0)
    background = _texture(height, width, rng, color=GREY_BLUE, contrast=24.0)
    image = _over(foreground, alpha, background)
    return Scene(image, _trimap(alpha, unknown), alpha, foreground, background)


def green_screen(height: int, width: int, seed: int) -> UInt8Array:
    """A foreground covering about 35 % before an unevenly lit green screen: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    alpha = blob_mask(height, width, seed).astype(np.float32) / np.float32(255)
    foreground = _texture(height, width, rng, color=SKIN, contrast=30.0)
    screen = _texture(height, width, rng, color=SCREEN_GREEN, contrast=8.0)
    return _over(foreground, alpha, screen)


def blob_mask(
    height: int, width: int, seed: int, *, coverage: float = 0.35, speckle: float = 0.0
) -> UInt8Array:
    """A coarse mask as a network gives it: smooth blobs, some detail at the rim, soft edges.

    coverage: fraction of the image inside. speckle: fraction of the pixels then inverted at
    random, as a mask of a noisy recording has them. Returns uint8 (H, W).
    """
    rng = np.random.default_rng(seed)
    scale = min(height, width)
    surface = np.zeros((height, width, 1), np.float32)
    for divisor, weight in ((2, 1.0), (8, 0.25), (40, 0.05)):
        surface += weight * _smooth_noise(height, width, 1, max(2, scale // divisor), rng)
    level = np.quantile(surface[::4, ::4], 1 - coverage)
    mask = _to_uint8((surface[..., 0] - level) * 1200 + 127.5)
    flipped = rng.random((height, width), dtype=np.float32) < speckle
    mask[flipped] = 255 - mask[flipped]
    return mask


def _over(foreground: UInt8Array, alpha: FloatArray, background: UInt8Array) -> UInt8Array:
    opacity = alpha[..., None]
    return _to_uint8(opacity * foreground + (1 - opacity) * background)


def _to_uint8(values: npt.NDArray[np.floating]) -> UInt8Array:
    rounded: UInt8Array = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


# ------------------------------------------------------------------------------------- textures


def _texture(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    color: tuple[int, int, int],
    contrast: float,
) -> UInt8Array:
    """Noise of several sizes around a colour, mostly in brightness, with grain of one level."""
    texture = np.empty((height, width, 3), np.float32)
    texture[:] = color
    scale = min(height, width)
    for divisor, weight in ((5, 1.0), (20, 0.6), (80, 0.4), (320, 0.25)):
        cell = max(2, scale // divisor)
        texture += 0.6 * weight * contrast * _smooth_noise(height, width, 1, cell, rng)
        texture += 0.4 * weight * contrast * _smooth_noise(height, width, 3, cell, rng)
    texture += rng.standard_normal(texture.shape, dtype=np.float32)
    return _to_uint8(texture)


def _smooth_noise(
    height: int, width: int, channels: int, cell: int, rng: np.random.Generator
) -> FloatArray:
    """Normally distributed values on a grid of `cell` pixels, interpolated: (H, W, channels)."""
    points = (height // cell + 2, width // cell + 2, channels)
    grid = rng.standard_normal(points, dtype=np.float32)
    row, below = _grid_positions(height, cell)
    column, right = _grid_positions(width, cell)
    wide = grid[:, column] + (grid[:, column + 1] - grid[:, column]) * right[:, None]
    return wide[row] + (wide[row + 1] - wide[row]) * below[:, None, None]


def _grid_positions(length: int, cell: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """For each pixel, the grid point before it and its smoothed distance from it in [0, 1)."""
    index, offset = np.divmod(np.arange(length), cell)
    t = ((offset + 0.5) / cell).astype(np.float32)
    return index, t * t * (3 - 2 * t)


# ----------------------------------------------------------------------------------------- hair


def _head_with_hair(height: int, width: int, rng: np.random.Generator) -> FloatArray:
    radius = 0.26 * min(height, width)
    center = np.array([0.6 * height, 0.5 * width])
    y, x = np.ogrid[:height, :width]
    distance = np.hypot((y - center[0]) / 1.1, x - center[1]).astype(np.float32)
    alpha: FloatArray = np.clip(radius + 0.5 - distance, 0, 1)
    for _ in range(500):
        points = _strand(center, radius, rng)
        thickness = max(0.5, rng.choice((0.5, 0.8, 1.5)) * height / 720)
        _draw_strand(alpha, points, thickness, opacity=rng.uniform(0.45, 1.0))
    return alpha


def _strand(
    center: npt.NDArray[np.float64], radius: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Points half a pixel apart along one curved hair that leaves the head outwards: (n, 2)."""
    around = rng.uniform(0, 2 * np.pi)
    root = center + 0.97 * radius * np.array([1.1 * np.sin(around), np.cos(around)])
    length = rng.uniform(0.15, 0.5) * radius
    step = 0.5
    travelled = np.arange(max(2, int(length / step))) / (length / step)
    heading = around + rng.normal(0, 0.3) + rng.normal(0, 2.0) * travelled
    return root + step * np.cumsum(np.stack([np.sin(heading), np.cos(heading)], axis=1), axis=0)


def _draw_strand(
    alpha: FloatArray, points: npt.NDArray[np.float64], thickness: float, opacity: float
) -> None:
    """Raise `alpha` to the strand's coverage, anti-aliased over one pixel."""
    reach = int(np.ceil(thickness / 2 + 0.5))
    window = np.arange(-reach, reach + 1)
    nearest = np.rint(points).astype(int)
    rows = nearest[:, 0, None, None] + window[:, None]
    columns = nearest[:, 1, None, None] + window
    distance = np.hypot(rows - points[:, 0, None, None], columns - points[:, 1, None, None])
    coverage = opacity * np.clip(thickness / 2 + 0.5 - distance, 0, 1)
    height, width = alpha.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (coverage > 0)
    rows, columns = np.broadcast_arrays(rows, columns)
    np.maximum.at(alpha, (rows[inside], columns[inside]), coverage[inside].astype(np.float32))


# --------------------------------------------------------------------------------------- trimap


def _trimap(alpha: FloatArray, unknown: float) -> UInt8Array:
    soft = (alpha > 0) & (alpha < 1)
    # The unknown fraction grows with the size: bisect for the first one that reaches it.
    low, high = 0, 4 * max(alpha.shape)
    while low < high:
        middle = (low + high) // 2
        if _dilate(soft, middle).mean() < unknown:
            low = middle + 1
        else:
            high = middle
    size = min((max(low - 1, 0), low), key=lambda n: abs(_dilate(soft, n).mean() - unknown))
    known = np.where(alpha == 1, np.uint8(255), np.uint8(0))
    return np.where(_dilate(soft, size), np.uint8(128), known)


def _dilate(mask: BoolArray, size: int) -> BoolArray:
    """Dilation by the sum of four line segments, an octagon; `size` lengthens them in turn."""
    for turn, step in enumerate(((0, 1), (1, 0), (1, 1), (1, -1))):
        mask = _smear(mask, step, (size + 3 - turn) // 4)
    return mask


def _smear(mask: BoolArray, step: tuple[int, int], reach: int) -> BoolArray:
    """Dilation by a line of `reach` steps to both sides, each pass doubling what is covered."""
    covered = 0
    while covered < reach:
        shift = min(2 * covered + 1, reach - covered)
        dy, dx = step[0] * shift, step[1] * shift
        mask = mask | _shifted(mask, dy, dx) | _shifted(mask, -dy, -dx)
        covered += shift
    return mask


def _shifted(mask: BoolArray, dy: int, dx: int) -> BoolArray:
    result = np.zeros_like(mask)
    result[_span(dy), _span(dx)] = mask[_span(-dy), _span(-dx)]
    return result


def _span(shift: int) -> slice:
    return slice(shift, None) if shift >= 0 else slice(None, shift)

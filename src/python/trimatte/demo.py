"""A green-screen photograph made up by NumPy: somebody from behind, with a lot of loose hair.

Alpha, foreground and background are known exactly, so that a result can be judged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scene", "scene"]

Floats = NDArray[np.float32]

_SCREEN = (52.0, 168.0, 74.0)
_HAIR = np.array([112.0, 70.0, 42.0], np.float32)
_PULLOVER = np.array([132.0, 92.0, 158.0], np.float32)


class Scene(NamedTuple):
    """image = alpha * foreground + (1 - alpha) * background + noise, display-referred.

    image, foreground, background: (H, W, 3) uint8, the foreground straight and 0 where alpha
    is 0. alpha: (H, W) float32 in [0, 1].
    """

    image: NDArray[np.uint8]
    alpha: Floats
    foreground: NDArray[np.uint8]
    background: NDArray[np.uint8]


def scene(height: int = 540, width: int = 960, seed: int = 0) -> Scene:
    """Draw the scene: an unevenly lit green screen, sensor noise, 1,200 strands of hair.

    The same arguments give the same scene. Antialiasing is by 3 x 3 samples a pixel.
    """
    random = np.random.default_rng(seed)
    background = _screen(height, width, random)
    alpha, premultiplied = _person(height, width, random)

    image = premultiplied + (1 - alpha)[..., None] * background
    # Shot noise grows with the light, read noise does not.
    image += random.standard_normal(image.shape, np.float32) * np.sqrt(1 + image / 100)
    foreground = premultiplied / np.maximum(alpha, 1e-6)[..., None]
    return Scene(_bytes(image), alpha, _bytes(foreground), _bytes(background))


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    rounded: NDArray[Any] = np.clip(values + 0.5, 0, 255)
    return rounded.astype(np.uint8)


def _grid(height: int, width: int, samples: int = 1) -> tuple[Floats, Floats]:
    """Sample positions (y, x) in units of the height, x counted from the middle."""
    step = 1 / (height * samples)
    y = (np.arange(height * samples, dtype=np.float32) + 0.5) * np.float32(step)
    x = (np.arange(width * samples, dtype=np.float32) + 0.5) * np.float32(step)
    return y[:, None], x[None, :] - np.float32(width / height / 2)


def _screen(height: int, width: int, random: np.random.Generator) -> Floats:
    """A green cloth: a lamp on one side, darker corners, soft folds."""
    y, x = _grid(height, width)
    light = 0.86 + 0.26 * np.exp(-((x - 0.35) ** 2 + (y - 0.3) ** 2) / 0.3)
    light -= 0.16 * (x**2 + (y - 0.5) ** 2)
    for phase, waves in zip(random.uniform(0, 6.28, 3), (3.1, 5.3, 9.7), strict=True):
        light += 0.05 / waves * np.sin(6.28 * waves * (x + 0.08 * np.sin(3 * y)) + phase)
    return np.asarray(light[..., None] * np.array(_SCREEN), np.float32)


def _person(height: int, width: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Alpha (H, W) and the colour multiplied by it (H, W, 3)."""
    samples = 3
    y, x = _grid(height, width, samples)
    canvas = np.zeros((height * samples, width * samples, 4), np.float32)

    # A round-shouldered pullover with fine stripes.
    body = (np.abs(x) / 0.37) ** 3 + (np.clip(1.06 - y, 0, None) / 0.42) ** 3 < 1
    stripes = 0.94 + 0.06 * np.sin(110 * (y + 0.35 * x**2))
    shade = stripes * (0.72 + 0.4 * np.exp(-(((x - 0.12) / 0.2) ** 2) - ((y - 0.72) / 0.25) ** 2))
    _fill(canvas, body, shade, _PULLOVER)

    # The head from behind and the solid part of the hair: dark, the strands give it its light.
    head = (x / 0.14) ** 2 + ((y - 0.32) / 0.18) ** 2 < 1
    mane = (np.abs(x) < 0.14) & (y > 0.32) & (y < 0.66 + 0.03 * np.sin(60 * x))
    _fill(canvas, head | mane, np.full_like(shade, 0.5), _HAIR)

    for points, width_, colour, opacity in _strands(random):
        _stroke(canvas, points, width_ / 540, colour, opacity)

    blocks = canvas.reshape(height, samples, width, samples, 4)
    mean = blocks.mean(axis=(1, 3))
    # Sums of thirds are not exact: what is covered wholly or not at all is said so.
    alpha = np.clip(mean[..., 3], 0, 1)
    alpha[alpha > 0.9995] = 1
    alpha[alpha < 0.0005] = 0
    mean[alpha == 0] = 0
    return alpha, mean[..., :3]


def _fill(canvas: Floats, inside: NDArray[np.bool_], shade: Floats, colour: Floats) -> None:
    canvas[inside, :3] = np.broadcast_to(shade, inside.shape)[inside, None] * colour
    canvas[inside, 3] = 1


def _strands(
    random: np.random.Generator,
) -> list[tuple[NDArray[np.float64], float, Floats, float]]:
    """Strands of hair, lowest first: points (n, 2) as (y, x), width in pixels of a picture of
    540 lines, colours (n, 3), opacity."""
    t = np.linspace(0, 1, 40)
    bezier = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    strands = []
    for loose in np.sort(random.random(1200) < 0.3):
        # From the crown, over the side of the head, down the back; u is how far to the side.
        u = random.uniform(-1, 1) if not loose else random.choice([-1, 1]) * random.beta(3, 1)
        swell = 1 + (random.exponential(0.16) if loose else random.normal(0, 0.03))
        y = np.array([0.15 + 0.01 * random.random(), 0.115, 0.33, random.uniform(0.58, 0.72)])
        x = np.array([0.01 * u, 0.19 * u, 0.20 * u, 0.15 * u])
        y[1] -= 0.10 * (swell - 1)
        x[1:] *= swell
        x[3] += random.normal(0, 0.012)
        if loose:
            # Blown aside, most of all at the tip.
            x[2:] += np.sign(u) * np.abs(random.normal(0, [0.02, 0.09]))
            y[2:] += random.normal(0, [0.03, 0.09])
        y, x = y @ bezier, x @ bezier
        wave = t * random.uniform(0.001, 0.005) * (2 if loose else 1)
        x += wave * np.sin(random.uniform(6, 22) * t + random.uniform(0, 6.28))
        light = random.uniform(0.6, 1.25) + 0.6 * np.exp(-(((y - 0.24 - 0.5 * x**2) / 0.04) ** 2))
        colours = _HAIR * np.asarray(light, np.float32)[:, None]
        width = random.uniform(0.5, 1.7) if loose else random.uniform(1.0, 2.6)
        opacity = random.uniform(0.35, 1.0) if loose else random.uniform(0.6, 1.0)
        strands.append((np.stack([y, x], axis=1), width, colours, opacity))
    return strands


def _stroke(
    canvas: Floats, points: NDArray[np.float64], width: float, colours: Floats, opacity: float
) -> None:
    """Draw one strand over the canvas: every sample of the canvas once, thinner at the tip."""
    lines, columns = canvas.shape[:2]
    position = points * lines + [0, columns / 2]
    lengths = np.hypot(*np.diff(position, axis=0).T)
    along = np.concatenate([[0], np.cumsum(lengths)])
    dense = np.arange(0, along[-1], 0.7)
    y, x = (np.interp(dense, along, position[:, i]) for i in range(2))
    tint = np.stack([np.interp(dense, along, colours[:, i]) for i in range(3)], axis=1)

    # Across: as many parallel lines as fit into the width where it is largest.
    half = width * lines / 2 * np.sqrt(1 - (dense / along[-1]) ** 2 * 0.9)
    count = max(1, int(np.ceil(2 * half[0] / 0.7)))
    across = (np.arange(count) + 0.5) / count * 2 - 1
    slope_y, slope_x = np.gradient(y), np.gradient(x)
    norm = np.maximum(np.hypot(slope_y, slope_x), 1e-9)
    row = np.floor(y[:, None] + across * (half * slope_x / norm)[:, None]).astype(np.intp)
    column = np.floor(x[:, None] - across * (half * slope_y / norm)[:, None]).astype(np.intp)

    inside = (row >= 0) & (row < lines) & (column >= 0) & (column < columns)
    row, column = row[inside], column[inside]
    paint = np.broadcast_to(tint[:, None, :], (*inside.shape, 3))[inside]
    # Samples hit more than once all read the old value: no strand covers itself.
    old = canvas[row, column]
    canvas[row, column, :3] = opacity * paint + (1 - opacity) * old[:, :3]
    canvas[row, column, 3] = opacity + (1 - opacity) * old[:, 3]

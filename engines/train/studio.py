"""Drawn studios: sweeps of paper, tables, and the things that stand about and are background."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from .rasters import Floats, blurred, columns_and_rows, floats_of, image_of, mixed, resized
from .scenes import Random

__all__ = ["Patch", "clutter", "colour", "ink", "sweep", "table", "turntable"]

Patch = Callable[[], Floats]
"""Makes a part of some photograph, (S, S, 3) in [0, 1]."""

Ink = tuple[int, int, int]


def colour(random: Random, *, dull: bool = False) -> Floats:
    """(3,) in [0, 1]; every second one, or each if dull, is near a grey."""
    made = random.random(3)
    if dull or random.random() < 0.5:
        made = made.mean() + (made - made.mean()) * random.uniform(0, 0.4)
    return made * random.uniform(0.3, 1)


def ink(values: Floats) -> Ink:
    """A colour as Pillow's pens want it."""
    red, green, blue = (int(v) for v in np.clip(255 * values, 0, 255))
    return red, green, blue


def sweep(random: Random, size: int) -> Floats:
    """White, grey or coloured paper under uneven light, with a horizon at times.

    Returns:
        (size, size, 3) in [0, 1].
    """
    paper = _paper(random)
    x, y = columns_and_rows(size)
    light = _light(random, x, y)[..., None]
    image: Floats = paper * light
    if random.random() < 0.45:
        floor = colour(random) if random.random() < 0.3 else paper * random.uniform(0.7, 1.15)
        tilt = random.normal(0, 0.05) * (x - 0.5)
        below = _step(y - tilt - random.uniform(0.45, 0.85), random.uniform(0.003, 0.08))
        image = mixed(image, floor * light, below)
    return np.clip(image, 0, 1)


def table(random: Random, size: int, patch: Patch) -> Floats:
    """A table's top before a wall or a room out of focus, (size, size, 3) in [0, 1]."""
    wall = patch() if random.random() < 0.6 else sweep(random, size)
    wall = blurred(wall, random.uniform(0, 6))
    _, y = columns_and_rows(size)
    top = _grain(random, size) if random.random() < 0.5 else _cloth(random, patch)
    below = _step(y - random.uniform(0.35, 0.7), 0.004)
    return np.clip(mixed(wall, top, below), 0, 1)


def clutter(random: Random, image: Floats) -> Floats:
    """The image with one to four lamps, tripods, edges of backdrops or cables in it."""
    canvas = image_of(image)
    pen = ImageDraw.Draw(canvas)
    for _ in range(random.integers(1, 5)):
        draw = (_lamp, _tripod, _edge, _cable)[int(random.choice(4, p=(0.5, 0.25, 0.15, 0.1)))]
        x = random.choice([random.uniform(-0.05, 0.2), random.uniform(0.8, 1.05), random.random()])
        shade = ink(colour(random, dull=True) * random.choice([0.25, 1]))
        draw(random, pen, float(x) * canvas.width, canvas.width, shade)
    made = floats_of(canvas)
    return blurred(made, random.uniform(0.3, 3)) if random.random() < 0.6 else made


def turntable(random: Random, image: Floats, middle: float, base: float, half: float) -> Floats:
    """The image with a disc or a block for a product to stand on.

    Args:
        random: where chance comes from.
        image: (S, S, 3) in [0, 1].
        middle: the product's column.
        base: the row that it stands on.
        half: half its width.
    """
    canvas = image_of(image)
    pen = ImageDraw.Draw(canvas)
    plain = (random.uniform(0.8, 1), random.uniform(0.05, 0.3), random.uniform(0.3, 0.8))
    top = colour(random) if random.random() < 0.3 else np.full(3, random.choice(plain))
    side = top * random.uniform(0.5, 0.85)
    wide = half * random.uniform(1.05, 2)
    deep, thick = wide * random.uniform(0.12, 0.35), random.uniform(0.02, 0.12) * canvas.width
    left, right = middle - wide, middle + wide
    if random.random() < 0.75:
        pen.ellipse([left, base - deep + thick, right, base + deep + thick], fill=ink(side))
        pen.rectangle([left, base, right, base + thick], fill=ink(side))
        pen.ellipse([left, base - deep, right, base + deep], fill=ink(top))
    else:
        front = base + deep / 2
        pen.rectangle([left, base - deep, right, front], fill=ink(top))
        pen.rectangle([left, front, right, front + thick], fill=ink(side))
    return blurred(floats_of(canvas), 0.7)


def _paper(random: Random) -> Floats:
    kind = random.random()
    if kind < 0.45:
        return np.full(3, random.uniform(0.85, 1))
    if kind < 0.75:
        return random.uniform(0.1, 0.85) * (1 + random.normal(0, 0.03, 3))
    return colour(random)


def _light(random: Random, x: Floats, y: Floats) -> Floats:
    """A slope and a vignette, near 1."""
    angle = random.uniform(0, 2 * np.pi)
    slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    column, row = random.uniform(0.2, 0.8, 2)
    distance = (x - column) ** 2 + (y - row) ** 2
    return 1 + random.uniform(0, 0.35) * slope - random.uniform(0, 0.5) * distance


def _step(height: Floats, softness: float) -> Floats:
    """From 0 above to 1 below, over about four times the softness."""
    return 1 / (1 + np.exp(np.clip(-height / softness, -50, 50)))


def _grain(random: Random, size: int) -> Floats:
    """Streaks of one colour, as wood has them, along or across."""
    streaks = resized(random.random((size // 2, 8), dtype=np.float32), size)
    if random.random() < 0.5:
        streaks = streaks.T
    return colour(random) * (0.8 + 0.4 * streaks[..., None])


def _cloth(random: Random, patch: Patch) -> Floats:
    return mixed(blurred(patch(), random.uniform(0, 4)), colour(random), 0.5)


def _width(random: Random, size: int) -> int:
    return int(random.integers(1, max(2, size // 50)))


def _lamp(random: Random, pen: ImageDraw.ImageDraw, x: float, size: int, shade: Ink) -> None:
    y = random.uniform(0, 0.45) * size
    foot = (x + random.normal(0, 0.02) * size, size * random.uniform(0.7, 1.05))
    pen.line([(x, y), foot], fill=shade, width=_width(random, size))
    wide, high = random.uniform(0.03, 0.15, 2) * size
    glow = ink(np.array([1, 1, 0.96]) * random.choice([1, 1, 0.15]))
    if random.random() < 0.3:
        pen.ellipse([x - wide, y - high, x + wide, y + high], fill=glow, outline=shade)
        return
    upper, lower = y - high * random.uniform(0.5, 1), x + wide * random.uniform(0.6, 1)
    corners = [(x - wide, y - high), (x + wide, upper), (lower, y + high), (x - wide, y + high)]
    pen.polygon(corners, fill=glow, outline=shade)


def _tripod(random: Random, pen: ImageDraw.ImageDraw, x: float, size: int, shade: Ink) -> None:
    y, foot = random.uniform(0, 0.45) * size, random.uniform(0.75, 1) * size
    width = _width(random, size)
    for side in (-1, 0, 1):
        spread = side * random.uniform(0.04, 0.12) * size
        pen.line([(x, y), (x + spread, foot)], fill=shade, width=width)


def _edge(random: Random, pen: ImageDraw.ImageDraw, x: float, size: int, shade: Ink) -> None:
    pen.rectangle([x, 0, x + random.uniform(0.02, 0.2) * size, size], fill=shade)


def _cable(random: Random, pen: ImageDraw.ImageDraw, x: float, size: int, shade: Ink) -> None:
    points = [(x + random.normal(0, 0.1) * size, y * size) for y in np.linspace(0.3, 1, 5)]
    pen.line(points, fill=shade, width=_width(random, size))

"""Drawn scenes: surfaces and objects of any shape, for what no data set has photographs of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from .pictures import Pixels

__all__ = ["Random", "shade", "shape", "surface"]

Random = np.random.Generator
Floats = npt.NDArray[np.float32]


def surface(random: Random, size: int) -> Pixels:
    """A studio's backdrop, a cloudy wall, or a pattern of stripes or checks.

    Returns:
        (size, size, 3) uint8.
    """
    draw = (_backdrop, _clouds, _pattern)[int(random.choice(3, p=(0.4, 0.35, 0.25)))]
    mix = draw(random, size)[..., None]
    dark, light = _colours(random)
    return np.clip(dark + (light - dark) * mix, 0, 255).astype(np.uint8)


def shape(random: Random, size: int) -> Pixels:
    """The silhouette of an object: one to three rounded or angular lobes that overlap.

    Returns:
        (size, size) uint8, 255 inside; edges are antialiased.
    """
    scale = 2
    canvas = Image.new("L", (scale * size, scale * size))
    pen = ImageDraw.Draw(canvas)
    centre = random.uniform(0.35, 0.65, 2)
    for _ in range(random.integers(1, 4)):
        radius = random.uniform(0.1, 0.35)
        outline = centre + _outline(random) * radius
        pen.polygon([tuple(point) for point in outline * canvas.width], fill=255)
        centre = outline[random.integers(len(outline))].clip(0.15, 0.85)
    return np.array(canvas.resize((size, size), Image.Resampling.BOX))


def shade(random: Random, image: Pixels) -> Pixels:
    """Light that falls off in one direction, as on the side of a solid."""
    across = np.linspace(-1, 1, image.shape[0], dtype=np.float32)
    angle = random.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * across[:, None] + np.sin(angle) * across[None, :]
    light = 1 + random.uniform(0.1, 0.5) * slope
    return np.clip(image * light[..., None], 0, 255).astype(np.uint8)


def _outline(random: Random) -> npt.NDArray[np.float64]:
    """Points about the origin, at distances near 1: some corners, or a curve of a few waves."""
    angular = random.random() < 0.4
    angles = np.linspace(0, 2 * np.pi, random.integers(3, 8) if angular else 64, endpoint=False)
    waves = np.arange(1, 6)
    strengths = random.normal(0, 0.25, 5) / waves
    phases = random.uniform(0, 2 * np.pi, 5)
    radii = 1 + (np.cos(angles[:, None] * waves + phases) * strengths).sum(axis=1)
    stretch = np.exp(random.normal(0, 0.3, 2))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None] * stretch


def _colours(random: Random) -> tuple[Floats, Floats]:
    first, second = random.uniform(0, 255, (2, 3)).astype(np.float32)
    if random.random() < 0.35:  # greys and whites, as in studios
        first = np.full(3, first.mean(), np.float32)
        second = np.full(3, min(first[0] + random.uniform(0, 60), 255), np.float32)
    return first, second


def _backdrop(random: Random, size: int) -> Floats:
    x, y = np.meshgrid(*[np.linspace(0, 1, size, dtype=np.float32)] * 2)
    if random.random() < 0.5:
        column, row = random.uniform(0.2, 0.8, 2)
        return np.exp(-3 * ((x - column) ** 2 + (y - row) ** 2))
    angle = random.uniform(0, np.pi)
    return np.cos(angle) * x + np.sin(angle) * y


def _clouds(random: Random, size: int) -> Floats:
    total = np.zeros((size, size), np.float32)
    roughness = random.uniform(0.35, 0.75)
    for octave in range(1, 7):
        grid = Image.fromarray(random.random((2**octave,) * 2, dtype=np.float32))
        total += roughness**octave * np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))
    return (total - total.min()) / np.ptp(total)


def _pattern(random: Random, size: int) -> Floats:
    x, y = np.meshgrid(*[np.linspace(0, 2 * np.pi, size, dtype=np.float32)] * 2)
    angle, waves = random.uniform(0, np.pi), random.uniform(2, 20)
    along = np.sin(waves * (np.cos(angle) * x + np.sin(angle) * y))
    across = np.sin(waves * (np.sin(angle) * x - np.cos(angle) * y))
    wave = along * across if random.random() < 0.5 else along
    return np.clip(0.5 + random.uniform(0.5, 5) * wave, 0, 1)

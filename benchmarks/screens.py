"""Composites before screens with known alpha and foreground, for the keyer's figures and tests.

The subjects are those of `scenes.py` and `trimatte.demo`, and foregrounds of photographs and of
generated people where they are at hand. The light on the screen is uneven, the sensor noisy, and
the screen's light is on the foreground near it, which is what spill is. NumPy and SciPy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from benchmarks import scenes
from trimatte.demo import scene as demo_scene
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image

Floats = npt.NDArray[np.float32]

COLORS = {"green": (38, 168, 56), "blue": (36, 72, 186)}
SPILL = 0.25  # of the screen's light, on what is wholly surrounded by it


@dataclass(frozen=True)
class Subject:
    """alpha: (H, W) float32. foreground: (H, W, 3) float32 in [0, 1], encoded, straight."""

    name: str
    alpha: Floats
    foreground: Floats


@dataclass(frozen=True)
class Screened:
    """A subject before a screen. image: (H, W, 3) uint8. plate: the screen alone, in [0, 1],
    encoded. key: its colour's name. linear: whether it was mixed in linear light. noise: standard
    deviation in 1/255."""

    subject: Subject
    image: npt.NDArray[np.uint8]
    plate: Floats
    key: str
    linear: bool
    noise: float

    @property
    def name(self) -> str:
        space = "linear" if self.linear else "srgb"
        return f"{self.subject.name} {self.key} {space} {self.noise:g}/255"


def to_linear(v: Floats) -> Floats:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(v: Floats) -> Floats:
    v = np.maximum(v, 0)
    return np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055).astype(np.float32)


def drawn_subjects(height: int = 540, width: int = 960) -> Iterator[Subject]:
    demo = demo_scene(height, width, 1)
    yield Subject("pullover", demo.alpha, demo.foreground / np.float32(255))
    hair = scenes.hair_scene(height, width, 3)
    yield Subject("hair", hair.alpha, hair.foreground / np.float32(255))


def photographed_subjects(folder: Path) -> Iterator[Subject]:
    """Those of the composites in a folder that have ``.alpha.png`` and ``.foreground.png``."""
    for path in sorted(folder.glob("synth_*_green.foreground.png")):
        name = path.name.removeprefix("synth_").removesuffix("_green.foreground.png")
        alpha = read_mask(folder / f"synth_{name}_green.alpha.png") / np.float32(255)
        yield Subject(name, alpha, read_image(path)[..., :3] / np.float32(255))


def before_screen(
    subject: Subject, key: str, *, linear: bool, noise: float, seed: int, spill: float = SPILL
) -> Screened:
    """The composite; everything is determined by the arguments."""
    random = np.random.default_rng(seed)
    height, width = subject.alpha.shape
    plate = lit_screen(height, width, COLORS[key], random)
    foreground = with_spill(subject, plate, spill)
    alpha = subject.alpha[..., None]
    if linear:
        mixed = to_srgb(alpha * to_linear(foreground) + (1 - alpha) * to_linear(plate))
    else:
        mixed = alpha * foreground + (1 - alpha) * plate
    samples = 255 * mixed + noise * random.standard_normal(mixed.shape, np.float32)
    image = np.clip(np.rint(samples), 0, 255).astype(np.uint8)
    return Screened(subject, image, plate, key, linear, noise)


def lit_screen(
    height: int, width: int, color: tuple[int, int, int], random: np.random.Generator
) -> Floats:
    """A screen under one lamp, a quarter darker in its corners, with soft folds."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    lamp_y, lamp_x = random.uniform(-0.4, 0.4, 2)
    light = 1.05 - (0.25 / 1.5) * ((x - lamp_x) ** 2 + (y - lamp_y) ** 2)
    for waves in (2.3, 4.1):
        light += 0.03 * np.sin(3 * waves * x + random.uniform(0, 6.28) + 0.7 * np.sin(3 * y))
    own = to_linear(np.array(color, np.float32) / 255)
    return np.clip(to_srgb((own * light[..., None]).astype(np.float32)), 0, 1)


def with_spill(subject: Subject, plate: Floats, amount: float) -> Floats:
    """The foreground in the light of the screen, which reaches as far as it is seen around."""
    reach = 0.015 * np.sqrt(subject.alpha.size)
    around = gaussian_filter(1 - subject.alpha, max(2.0, reach))[..., None]
    own = to_linear(subject.foreground)
    reflects = 0.35 + own.mean(axis=2, keepdims=True)
    return np.clip(to_srgb(own + amount * around * to_linear(plate) * reflects), 0, 1)

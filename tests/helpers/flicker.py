"""Made-up videos whose alpha is known, and the two figures that they are judged by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Alpha = NDArray[np.float32]


class Layers(NamedTuple):
    """A subject before a background, of which a still or a video can be made: foreground and
    background (H, W, 3) in 0..255, alpha (H, W)."""

    foreground: NDArray[np.uint8]
    alpha: Alpha
    background: NDArray[np.uint8]

    def moved(self, columns: int) -> Layers:
        """The subject moved to the right, what leaves there coming in from the left."""
        foreground, alpha = (np.roll(a, columns, axis=1) for a in (self.foreground, self.alpha))
        return Layers(foreground, alpha, self.background)

    def photograph(self, rng: Generator, noise: float, light: float = 1.0) -> NDArray[np.uint8]:
        """The composite under some light, with normal noise in 1/255."""
        opacity = self.alpha[..., None]
        image = light * (opacity * self.foreground + (1 - opacity) * self.background)
        image += noise * rng.standard_normal(image.shape, np.float32)
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)

    def trimap(self, band: int = 3) -> NDArray[np.uint8]:
        """Unknown within `band` steps up, down and sideways of what is soft."""
        unknown = (self.alpha > 0) & (self.alpha < 1)
        for _ in range(band):
            grown = unknown.copy()
            grown[1:] |= unknown[:-1]
            grown[:-1] |= unknown[1:]
            grown[:, 1:] |= unknown[:, :-1]
            grown[:, :-1] |= unknown[:, 1:]
            unknown = grown
        return np.where(unknown, 128, np.where(self.alpha > 0.5, 255, 0)).astype(np.uint8)


class Frame(NamedTuple):
    image: NDArray[np.uint8]
    truth: Alpha
    estimate: Alpha  # frame by frame


def film(
    scenes: Sequence[Layers],
    noise: float,
    estimate: Callable[[NDArray[np.uint8], NDArray[np.uint8]], Alpha],
    seed: int,
    light: Callable[[int], float] = lambda _: 1.0,
) -> list[Frame]:
    """A frame of each scene, new noise in every one; estimate(image, trimap) is its alpha."""
    rng = np.random.default_rng(seed)
    frames = []
    for number, scene in enumerate(scenes):
        image = scene.photograph(rng, noise, light(number))
        frames.append(Frame(image, scene.alpha, estimate(image, scene.trimap())))
    return frames


def dtssd(alphas: Sequence[Alpha], truths: Sequence[Alpha]) -> float:
    """How much an alpha flickers: the root of the mean square of what it changes from frame to
    frame and the truth does not (Erofeev et al., BMVC 2015)."""
    errors = [a.astype(np.float64) - t for a, t in zip(alphas, truths, strict=True)]
    steps = [np.square(b - a).mean() for a, b in itertools.pairwise(errors)]
    return math.sqrt(np.mean(steps))


def sad(alphas: Sequence[Alpha], truths: Sequence[Alpha]) -> float:
    """Sum of absolute differences over all frames."""
    return float(sum(np.abs(a - t).sum() for a, t in zip(alphas, truths, strict=True)))

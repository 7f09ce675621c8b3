"""Examples from several sources, each chosen as often as its share says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trimatte.errors import ArgumentError

from .augmentation import Example, Source, finished, framed, one_of
from .pictures import Picture
from .scenes import Random

__all__ = ["Mixture", "Part", "Pictures"]


class Part(NamedTuple):
    """A source, and how many of the examples come from it, relative to others."""

    name: str
    share: float
    source: Source


class Pictures:
    """Makes examples of whole pictures and of parts of them.

    Raises:
        ArgumentError: there are none.
    """

    def __init__(self, name: str, pictures: Sequence[Picture]) -> None:
        if not pictures:
            raise ArgumentError(f"the set {name} has no pictures to train on")
        self._pictures = pictures

    def __call__(self, random: Random, size: int) -> Example:
        return framed(random, one_of(random, self._pictures), size)


class Mixture:
    """Makes examples of its parts, mirrored at times, in changing light, by changing cameras.

    Raises:
        ArgumentError: no part has a share.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = [part for part in parts if part.share > 0]
        if not self._parts:
            raise ArgumentError("a training needs a set, or composites, with a share above 0")
        total = sum(part.share for part in self._parts)
        self._shares = np.array([part.share / total for part in self._parts])

    @property
    def shares(self) -> dict[str, float]:
        """By the names of the parts; their sum is 1."""
        names = (part.name for part in self._parts)
        return dict(zip(names, self._shares.tolist(), strict=True))

    def __call__(self, random: Random, size: int) -> Example:
        part = self._parts[int(random.choice(len(self._parts), p=self._shares))]
        return finished(random, part.source(random, size))

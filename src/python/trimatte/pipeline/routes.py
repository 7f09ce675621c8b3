"""How an image is cut out where its caller has not said: by the screen it was taken before, or by
the built-in network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trimatte.arrays import Array
from trimatte.ops.screen_guard import Guard
from trimatte.ops.screen_search import Samples, find_screen, samples_of
from trimatte.pipeline.options import Key, Recipe
from trimatte.pipeline.segmenter import BUILT_IN_MODEL

__all__ = ["MASK", "TRIMAP", "Choice", "Route", "Shots", "asked_for", "choose", "same_shot"]

_OTHER_SHOT = 0.1  # the mean difference of two frames of it, of full scale


@dataclass(frozen=True)
class Route:
    """How an image was cut out.

    Attributes:
        kind: ``"network"``, ``"key"``, ``"key+network"``, ``"mask"`` or ``"trimap"``.
        why: a clause that says so of this image.
    """

    kind: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"


@dataclass(frozen=True)
class Choice:
    """How to cut an image out. guards: a network only corrects whole areas of the key; else it
    rules all that it is sure of."""

    key: Key | None
    network: bool
    route: Route
    guards: bool = False

    def without_network(self) -> Choice:
        """The key alone."""
        why = f"{self.route.why}; {BUILT_IN_MODEL} looked at a frame before"
        return replace(self, network=False, route=Route("key", why))

    def guarded_by(self, guard: Guard) -> Route:
        """The route, and what the network had to say to the key."""
        return replace(self.route, why=f"{self.route.why}; {BUILT_IN_MODEL} {guard}")


MASK = Choice(None, False, Route("mask", "a mask came with the image"))
TRIMAP = Choice(None, False, Route("trimap", "a trimap came with the image"))


def asked_for(recipe: Recipe, *, network: bool) -> Choice:
    """What options ask for that leave nothing to decide."""
    if recipe.key is None:
        return Choice(None, network, Route("network", "the options ask for a network"))
    kind, what = ("key+network", "a key and a network") if network else ("key", "a key")
    return Choice(recipe.key, network, Route(kind, f"the options ask for {what}"))


def choose(samples: Samples) -> Choice:
    """What is right for an image, of `samples_of` it: where it was certainly taken before a screen
    the key, guarded by the built-in network, and else that network."""
    seen = find_screen(samples)
    if seen is None:
        why = f"no screen is seen, so {BUILT_IN_MODEL} finds the subject"
        return Choice(None, True, Route("network", why))
    if not seen.certain:
        why = (
            f"{seen.hue} {seen.extent}, but {seen.doubt} for a screen, so {BUILT_IN_MODEL} finds "
            "the subject"
        )
        return Choice(None, True, Route("network", why))
    key = Key.chosen(seen.hue, None, None, None, None)
    route = Route("key+network", f"a {seen.hue} screen {seen.extent}")
    return Choice(key, True, route, guards=True)


def same_shot(samples: Samples, before: Samples) -> bool:
    """Whether a frame shows nearly what the one before showed, by `samples_of` both."""
    return float(np.abs(samples - before).sum()) <= _OTHER_SHOT * samples.size


class Shots:
    """How frames that follow each other are cut out: all of a shot as its first one says."""

    def __init__(self) -> None:
        self._choice: Choice | None = None
        self._before: Samples | None = None

    def __call__(self, pixels: Array) -> Choice:
        samples = samples_of(pixels)
        if self._choice is None or self._before is None or not same_shot(samples, self._before):
            self._choice = choose(samples)
        self._before = samples
        return self._choice

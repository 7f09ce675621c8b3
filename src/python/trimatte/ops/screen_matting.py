"""From a screen to alpha and foreground: a soft key, what of it is unsure, and the solve."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from trimatte.arrays import TRIMAP_LIMITS, Array, as_array
from trimatte.ops import edges
from trimatte.ops.key_rules import KeyRule, key_rule, run_key
from trimatte.ops.matting import estimate_alpha, estimate_foreground, project_alpha
from trimatte.ops.refining import Adjust, Radius, Refined, Stage
from trimatte.ops.screens import Screen
from trimatte.ops.transfer import to_linear, to_srgb
from trimatte.ops.trimap import make_trimap

__all__ = ["Mattes", "finish_alpha", "key_alpha", "screen_key", "solve_before_screen"]

_SURE = (0.02, 0.98)  # beyond these a soft key is believed, but for a rim of what it believes
_RIM_SIDE = 480  # that rim is a pixel wide for so many of the image's side
_NARROWEST_RIM = 2.0
_NOISE = 0.5  # of the key's that projected alphas have: the solve has smoothed it
_MOST_NOISE = 0.2


@dataclass(frozen=True)
class Mattes:
    """What is never foreground, and what always is: (H, W) each, or None."""

    garbage: Any = None
    core: Any = None

    def within(self, trimap: Array, stream: Any = None) -> Mattes:
        """These, and what a trimap knows; where the trimap lies."""
        sure = edges.sure_mattes(trimap, *TRIMAP_LIMITS["uint8"], stream=stream)
        return self.and_also(Mattes(*sure), stream)

    def and_also(self, others: Mattes, stream: Any = None) -> Mattes:
        """What is in either; where the others lie."""
        return Mattes(
            _either(others.garbage, self.garbage, stream), _either(others.core, self.core, stream)
        )

    def __bool__(self) -> bool:
        return self.garbage is not None or self.core is not None

    def hold(self, alpha: Array, stream: Any = None) -> Array:
        """The alpha that they leave."""
        if not self:
            return alpha
        return edges.hold_mattes(alpha, garbage=self.garbage, core=self.core, stream=stream)


def _either(one: Any, other: Any, stream: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return edges.hold_mattes(one, core=other, stream=stream)


def finish_alpha(
    alpha: Array, *, choke: float, feather: float, mattes: Mattes, stream: Any = None
) -> Array:
    """What is done to an alpha last: choke, feather, and the mattes' last word."""
    if choke:
        alpha = edges.choke(alpha, choke, stream=stream)
    if feather:
        alpha = edges.feather(alpha, feather, stream=stream)
    return mattes.hold(alpha, stream)


@dataclass(frozen=True)
class _Unsure:
    """A soft key and what of it is to be solved; light is the image in the screen's
    space."""

    screen: Screen
    light: Array
    mask: Array
    trimap: Array


def key_alpha(image: Array, rule: KeyRule, mattes: Mattes, *, stream: Any = None) -> Array:
    """Alpha of an image before the screen of a rule, (H, W) float32, where the image lies.

    The soft key says what is surely screen and surely foreground; between them alpha is solved by
    `estimate_alpha`, and then set to where the colour lies on the line from the screen's, which is
    known, to the foreground's, which that alpha tells.
    """
    unsure = _key(image, rule, mattes, None, stream, nullcontext)
    return _alpha(unsure, mattes, "balanced", stream)


def screen_key(image: Array, screen: Screen, mattes: Mattes, *, stream: Any = None) -> Array:
    """The soft key of a learnt screen alone, (H, W) uint8, where the image lies."""
    rule = key_rule("chroma_key", image, method="plate", screen=screen, stream=stream)
    return mattes.hold(run_key("chroma_key", image, rule, "uint8", stream=stream), stream)


def solve_before_screen(
    image: Array,
    screen: Screen,
    mattes: Mattes,
    *,
    radius: Radius | None = None,
    quality: str = "balanced",
    stream: Any = None,
    stage: Stage = nullcontext,
    adjust: Adjust | None = None,
) -> tuple[Array, Refined]:
    """The soft key, and alpha and foreground as `key_alpha` and the known screen tell them; each
    stage within stage(its name)."""
    image = as_array(image, "chroma_key", "image", stream)
    rule = key_rule("chroma_key", image, method="plate", screen=screen, stream=stream)
    unsure = _key(image, rule, mattes, radius, stream, stage)
    with stage("alpha"):
        alpha = _alpha(unsure, mattes, quality, stream)
    if adjust is not None:
        with stage("adjust"):
            alpha = adjust(image, alpha)
    with stage("foreground"):
        plate = screen.plate_of(unsure.light, stream=stream)
        foreground = estimate_foreground(unsure.light, alpha, background=plate, stream=stream)
        if screen.transfer == "linear":
            foreground = to_srgb(foreground, dtype=image.dtype.name, stream=stream)
    return unsure.mask, Refined(alpha, foreground, unsure.trimap)


def _key(
    image: Array,
    rule: KeyRule,
    mattes: Mattes,
    radius: Radius | None,
    stream: Any,
    stage: Stage,
) -> _Unsure:
    assert rule.screen is not None
    with stage("key"):
        light = to_linear(image, stream=stream) if rule.transfer == "linear" else image
        mask = mattes.hold(run_key("chroma_key", image, rule, "uint8", stream=stream), stream)
    with stage("trimap"):
        if radius is None:
            side = math.sqrt(mask.shape[0] * mask.shape[1])
            radius = max(_NARROWEST_RIM, side / _RIM_SIDE)
        trimap = make_trimap(mask, radius, thresholds=_SURE, stream=stream)
    return _Unsure(rule.screen, light, mask, trimap)


def _alpha(unsure: _Unsure, mattes: Mattes, quality: str, stream: Any) -> Array:
    screen, light, trimap = unsure.screen, unsure.light, unsure.trimap
    alpha = estimate_alpha(light, trimap, quality=quality, stream=stream)
    alpha = project_alpha(
        light,
        estimate_foreground(light, alpha, quality="fast", stream=stream),
        screen.beside("plate", light),
        trimap,
        alpha,
        noise=min(_NOISE * screen.noise, _MOST_NOISE),
        cell=screen.cell,
        stream=stream,
    )
    return mattes.hold(alpha, stream)

"""estimate_alpha with the rough mask that the trimap was made of: where the mask has the last word,
and where it has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trimatte
from tests.cases import Array

SIDE = 160
BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
Y, X = np.indices((SIDE, SIDE))
X = X / SIDE


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def textured(rng: np.random.Generator) -> Array:
    """Colours that tell nothing: the same noise everywhere."""
    return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def halves(unknown: float) -> Array:
    """A trimap: background on the left, foreground on the right, a band of that width between."""
    marks = np.where(X < 0.5, BACKGROUND, FOREGROUND)
    return np.where(np.abs(X - 0.5) < unknown / 2, UNKNOWN, marks).astype(np.uint8)


def torn(alpha: Array, mask: Array, trimap: Array) -> float:
    """The mean distance of alpha from a mask where it is unknown."""
    return float(np.abs(alpha - mask)[trimap == UNKNOWN].mean())


def grainy(rng: np.random.Generator, colors: Array, grain: int = 6) -> Array:
    return (colors + rng.integers(-grain, grain + 1, (SIDE, SIDE, 3))).astype(np.uint8)


def test_stripes_that_a_network_is_unsure_of_stay_one_thing(rng: np.random.Generator) -> None:
    """A cat of the background's colour and the foreground's: matting alone cuts it to stripes."""
    stripes = np.where(Y // 8 % 2, 200, 60)
    image = grainy(rng, np.select([X < 0.2, X > 0.8], [60, 200], stripes)[..., None])
    mask = np.select([X < 0.2, X > 0.8], [0.0, 1.0], 0.7).astype(np.float32)
    middle = np.abs(X - 0.5) < 0.12
    alone = trimatte.estimate_alpha(image, halves(0.6))[middle]
    leaning = trimatte.estimate_alpha(image, halves(0.6), mask=mask)[middle]
    assert alone.std() > 0.4
    assert leaning.std() < 0.1
    assert abs(leaning.mean() - 0.7) < 0.1


def test_a_thin_thing_without_known_foreground_is_kept(rng: np.random.Generator) -> None:
    pole, subject = np.abs(X - 0.25) < 0.02, np.abs(X - 0.8) < 0.1
    colors = np.full((SIDE, SIDE, 3), 110)
    colors[subject] += (80, 0, 0)
    colors[pole] += (0, 0, 20)
    trimap = np.where(np.abs(X - 0.8) < 0.08, FOREGROUND, BACKGROUND).astype(np.uint8)
    trimap[(np.abs(np.abs(X - 0.8) - 0.1) < 0.02) | (np.abs(X - 0.25) < 0.05)] = UNKNOWN
    image, mask = grainy(rng, colors, 15), (pole | subject).astype(np.float32)
    assert trimatte.estimate_alpha(image, trimap)[pole].mean() < 0.05
    assert trimatte.estimate_alpha(image, trimap, mask=mask)[pole].mean() > 0.6


def test_colours_that_lie_apart_are_believed_rather_than_the_mask(
    rng: np.random.Generator,
) -> None:
    truth = X > 0.515  # the soft mask's middle is off by 1.5 % of the side
    image = grainy(rng, np.where(truth[..., None], (210, 60, 40), (30, 90, 200)), 4)
    mask = np.clip((X - 0.5) * 10 + 0.5, 0, 1).astype(np.float32)
    alpha = trimatte.estimate_alpha(image, halves(0.2), mask=mask)
    assert np.abs(alpha - truth).mean() < 0.4 * np.abs(mask - truth).mean()


@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_masks_of_any_dtype_say_the_same(rng: np.random.Generator, quality: str) -> None:
    image, trimap = textured(rng), halves(0.5)
    small = rng.integers(0, 256, (40, 40), dtype=np.uint8)
    alphas = [
        trimatte.estimate_alpha(image, trimap, mask=mask, quality=quality)
        for mask in (small, small.astype(np.uint16) * 257, (small / 255).astype(np.float32))
    ]
    for other in alphas[1:]:
        np.testing.assert_allclose(other, alphas[0], atol=1e-5)
    known = trimap != UNKNOWN
    np.testing.assert_array_equal(alphas[0][known], (trimap[known] == FOREGROUND))


def test_a_large_mask_is_read_as_finely_as_networks_make_them(rng: np.random.Generator) -> None:
    image, trimap = textured(rng), halves(0.5)
    small = rng.random((320, 320), dtype=np.float32)
    large = np.kron(small, np.ones((2, 2), np.float32))
    np.testing.assert_allclose(
        trimatte.estimate_alpha(image, trimap, mask=large),
        trimatte.estimate_alpha(image, trimap, mask=small),
        atol=1e-5,
    )


@pytest.mark.parametrize("known", [BACKGROUND, FOREGROUND, UNKNOWN])
@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_where_one_side_is_not_known_the_mask_stands_in_for_it(
    rng: np.random.Generator, known: int, quality: str
) -> None:
    """A network that is nowhere sure still found something."""
    away = np.hypot(X - 0.5, Y / SIDE - 0.5)
    inside, around = away < 0.2, (away > 0.22) & (away < 0.3)
    image = grainy(rng, np.where(inside[..., None], (180, 90, 60), (60, 90, 150)))
    mask = np.where(inside, 0.85, 0.1).astype(np.float32)
    trimap = np.full((SIDE, SIDE), known, np.uint8)
    trimap[20:-20, 20:-20] = UNKNOWN
    alpha = trimatte.estimate_alpha(image, trimap, mask=mask, quality=quality)
    assert alpha[inside].mean() > 0.75
    assert alpha[around].mean() < 0.25


def test_the_exact_solution_does_without_it(rng: np.random.Generator) -> None:
    image, trimap = textured(rng), halves(0.3)
    np.testing.assert_array_equal(
        trimatte.estimate_alpha(image, trimap, mask=np.ones((8, 8), np.float32), quality="exact"),
        trimatte.estimate_alpha(image, trimap, quality="exact"),
    )


@pytest.mark.parametrize("method", ["shared", "guided"])
def test_other_methods_take_none(rng: np.random.Generator, method: str) -> None:
    with pytest.raises(trimatte.ArgumentError, match="mask must be None unless"):
        trimatte.estimate_alpha(
            textured(rng), halves(0.3), mask=np.ones((8, 8), np.float32), method=method
        )


def test_large_images_lean_on_it_as_well(rng: np.random.Generator) -> None:
    """Beyond 8.4 megapixels the finest levels are solved in tiles."""
    height, width = 2900, 3000
    x = np.arange(width) / width
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    trimap = np.full((height, width), BACKGROUND, np.uint8)
    trimap[:, x > 0.48] = UNKNOWN
    trimap[:, x > 0.52] = FOREGROUND
    mask = np.broadcast_to(x > 0.5, (300, width))[:, ::10].astype(np.float32)
    alone = trimatte.estimate_alpha(image, trimap, quality="fast")
    leaning = trimatte.estimate_alpha(image, trimap, mask=mask, quality="fast")
    full = np.broadcast_to(x > 0.5, (height, width)).astype(np.float32)
    assert torn(leaning, full, trimap) < 0.8 * torn(alone, full, trimap)


@pytest.mark.parametrize(
    "mask", [np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 2.0, np.float32), "mask.png"]
)
def test_what_is_no_mask_is_refused_by_name(rng: np.random.Generator, mask: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match="estimate_alpha: mask must"):
        trimatte.estimate_alpha(textured(rng), halves(0.3), mask=mask)


def test_an_empty_mask_says_nothing(rng: np.random.Generator) -> None:
    image, trimap = textured(rng), halves(0.3)
    np.testing.assert_array_equal(
        trimatte.estimate_alpha(image, trimap, mask=np.zeros((0, 0), np.float32)),
        trimatte.estimate_alpha(image, trimap),
    )


def test_a_mask_on_its_side_is_refused() -> None:
    image, trimap = np.zeros((40, 60, 3), np.uint8), np.full((40, 60), 128, np.uint8)
    with pytest.raises(trimatte.ArgumentError, match=r"estimate_alpha: mask must lie as the image"):
        trimatte.estimate_alpha(image, trimap, mask=np.zeros((30, 20), np.uint8))
    with pytest.warns(trimatte.CutoutWarning, match=r"another shape, \(20, 80\)"):
        trimatte.estimate_alpha(image, trimap, mask=np.zeros((20, 80), np.uint8))

"""Alpha between known colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.cases import Array


def a_mixture(rng: np.random.Generator, height: int, width: int) -> tuple[Array, ...]:
    """An image of a red before a green that differ from pixel to pixel, both, and alpha."""
    alpha = cases.soft_disc(rng, height, width).astype(np.float32)
    front = rng.uniform((0.6, 0.0, 0.0), (1.0, 0.3, 0.3), (height, width, 3)).astype(np.float32)
    back = rng.uniform((0.0, 0.5, 0.0), (0.2, 0.9, 0.2), (height, width, 3)).astype(np.float32)
    image = alpha[..., None] * front + (1.0 - alpha[..., None]) * back
    return image, front, back, alpha


UNKNOWN = np.full((60, 300), 128, np.uint8)


@pytest.mark.parametrize("cell", [None, 1])
def test_a_mixture_is_taken_apart(cell: int | None) -> None:
    image, front, back, alpha = a_mixture(np.random.default_rng(1), *UNKNOWN.shape)
    wrong = np.zeros_like(alpha)
    result = trimatte.project_alpha(image, front, back, UNKNOWN, wrong, cell=cell)
    np.testing.assert_allclose(result, alpha, rtol=0, atol=4e-6)


def test_light_counts_less_than_hue() -> None:
    front = np.full((1, 1, 3), (0.9, 0.7, 0.6), np.float32)
    back = np.full((1, 1, 3), (0.1, 0.6, 0.1), np.float32)
    unknown, zero = np.full((1, 1), 128, np.uint8), np.zeros((1, 1), np.float32)
    lit = trimatte.project_alpha(back + np.float32(0.2), front, back, unknown, zero)
    d = front - back
    plain = (d * 0.2).sum() / (d * d).sum()  # by the plain distance
    assert plain == pytest.approx(0.311, abs=1e-3)
    assert lit[0, 0] == pytest.approx(0.171, abs=1e-3)


def test_noise_takes_both_ends() -> None:
    image, front, back, alpha = a_mixture(np.random.default_rng(2), *UNKNOWN.shape)
    result = trimatte.project_alpha(image, front, back, UNKNOWN, alpha, noise=0.2)
    np.testing.assert_allclose(result, ((alpha - 0.2) / 0.6).clip(0.0, 1.0), rtol=0, atol=1e-5)


def test_colors_that_do_not_tell_leave_alpha() -> None:
    image, front, _, alpha = a_mixture(np.random.default_rng(3), *UNKNOWN.shape)
    result = trimatte.project_alpha(image, front, front, UNKNOWN, alpha)
    np.testing.assert_array_equal(result, alpha)


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_known_pixels_keep_what_the_trimap_says(dtype: str) -> None:
    rng = np.random.default_rng(4)
    height, width = UNKNOWN.shape
    trimap = rng.choice(np.array([0, 25, 26, 128, 229, 230, 255], np.uint8), (height, width))
    image, front = (cases.noise(rng, height, width, 3, dtype) for _ in range(2))
    alpha = rng.random((height, width), np.float32)
    result = trimatte.project_alpha(image, front, np.zeros((1, 1, 3), np.float32), trimap, alpha)
    np.testing.assert_array_equal(result[trimap < 26], 0.0)
    np.testing.assert_array_equal(result[trimap > 229], 1.0)
    assert np.all((result >= 0.0) & (result <= 1.0))


def test_an_even_plate_may_have_any_size() -> None:
    image, front, _, alpha = a_mixture(np.random.default_rng(5), *UNKNOWN.shape)
    color = np.array([0.1, 0.7, 0.2], np.float32)

    def project(shape: tuple[int, int], **options: Any) -> Array:
        plate = np.broadcast_to(color, (*shape, 3)).copy()
        return trimatte.project_alpha(image, front, plate, UNKNOWN, alpha, **options)

    whole = project(UNKNOWN.shape)
    for result in (
        project((1, 1)),
        project((7, 5)),
        project((200, 900)),
        project((8, 38), cell=8),
        project((2, 2), cell=2**24),
    ):
        np.testing.assert_array_equal(result, whole)


def test_a_ramp_is_interpolated_between_the_cells() -> None:
    """A plate that is linear in x gives back its own colours."""
    height, width, cell = 24, 160, 16
    middles = (np.arange(width // cell) + 0.5) * cell / width
    columns = (np.arange(width) + 0.5) / width
    inside = (columns >= middles[0]) & (columns <= middles[-1])
    plate = np.zeros((2, len(middles), 3), np.float32)
    plate[..., 1] = 0.3 + 0.6 * middles
    image = np.zeros((height, width, 3), np.float32)
    image[..., 1] = 0.3 + 0.6 * columns
    front = np.full_like(image, (0.9, 0.0, 0.1))
    unknown, ones = np.full((height, width), 128, np.uint8), np.ones((height, width), np.float32)
    for options in ({}, {"cell": cell}):
        alpha = trimatte.project_alpha(image, front, plate, unknown, ones, **options)
        np.testing.assert_allclose(alpha[:, inside], 0.0, atol=2e-6)

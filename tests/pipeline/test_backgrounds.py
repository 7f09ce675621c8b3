"""Backgrounds made of an image itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trimatte import ArgumentError, blurred_background, feather


def scene(dtype: str = "uint8") -> tuple[Any, Any]:
    """A red disk with a soft edge before a plain blue, and its alpha."""
    y, x = np.mgrid[:90, :120] - np.array([45, 60])[:, None, None]
    alpha = np.clip((30 - np.hypot(x, y)) / 10, 0, 1).astype(np.float32)
    full = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    red, blue = np.array([0.9, 0.1, 0.1]), np.array([0.2, 0.3, 0.8])
    mixed = alpha[..., None] * red + (1 - alpha[..., None]) * blue
    return (mixed * full).astype(dtype), alpha


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("radius", "most"), [(None, 0.03), (1.0, 0.07), (30.0, 0.01)])
def test_nothing_of_the_foreground_is_in_it(dtype: str, radius: float | None, most: float) -> None:
    """That is 0.7 off; a plain blur has half of it where alpha is one half."""
    image, alpha = scene(dtype)
    plate = blurred_background(image, alpha, radius=radius)
    assert plate.dtype == image.dtype
    full = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    off = np.abs(plate / full - (0.2, 0.3, 0.8))
    assert off[alpha < 1].max() < most
    assert off[alpha < 0.1].max() < most / 2


def test_where_there_is_no_foreground_it_is_a_gaussian_blur() -> None:
    image = np.random.default_rng(0).random((80, 96, 3), np.float32)
    plate = blurred_background(image, np.zeros((80, 96), np.uint8), radius=6)
    for channel in range(3):
        expected = feather(np.ascontiguousarray(image[:, :, channel]), 6)
        np.testing.assert_allclose(plate[:, :, channel], expected, atol=1e-6)


def test_a_large_blur_is_found_on_fewer_pixels() -> None:
    y, x = np.mgrid[:300, :360]
    image = (0.5 + 0.4 * np.sin(x / 17) * np.cos(y / 23))[:, :, None].astype(np.float32)
    plate = blurred_background(image.repeat(3, axis=2), np.zeros((300, 360), np.uint8), radius=30)
    np.testing.assert_allclose(plate[:, :, 1], feather(image[:, :, 0], 30), atol=0.02)


def test_the_default_follows_the_size() -> None:
    image, alpha = scene()
    side = np.sqrt(90 * 120)
    np.testing.assert_array_equal(
        blurred_background(image, alpha), blurred_background(image, alpha, radius=side / 40)
    )


def test_all_foreground_and_small_images() -> None:
    image = np.full((3, 2, 3), 77, np.uint8)
    assert (blurred_background(image, np.full((3, 2), 255, np.uint8)) == 0).all()
    assert (blurred_background(image, np.zeros((3, 2), np.uint8)) == 77).all()


def test_wrong_arguments_are_named() -> None:
    image, alpha = scene()
    for radius in (0, -1, float("inf"), "wide", True):
        with pytest.raises(ArgumentError, match="radius must be"):
            blurred_background(image, alpha, radius=radius)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="alpha must have the height and width"):
        blurred_background(image, alpha[1:])
    with pytest.raises(ArgumentError, match="image must"):
        blurred_background(alpha, alpha)

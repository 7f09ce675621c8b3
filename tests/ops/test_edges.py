"""What choke, feather, holding mattes and de-spill near edges mean, beside their definitions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.cases import Array

RNG_SEED = 11
every_dtype = pytest.mark.parametrize("dtype", cases.DTYPES)


def noise(dtype: str, height: int = 57, width: int = 83) -> Array:
    return cases.noise(np.random.default_rng(RNG_SEED), height, width, 1, dtype)[..., 0]


def inverted(alpha: Array) -> Array:
    full = np.iinfo(alpha.dtype).max if alpha.dtype.kind == "u" else 1.0
    return (full - alpha).astype(alpha.dtype)


@every_dtype
def test_choke_and_feather_by_nothing_change_nothing(dtype: str) -> None:
    alpha = noise(dtype)
    for operation in (trimatte.choke, trimatte.feather):
        np.testing.assert_array_equal(operation(alpha, 0), alpha, strict=True)


@every_dtype
@pytest.mark.parametrize("radius", [1, 2, 5, 9])
def test_dilation_is_erosion_of_the_inverse(dtype: str, radius: float) -> None:
    quarters = (noise("uint8") // 64 * 64).astype(np.float32) / 256  # 1 - v is exact
    alpha = quarters if dtype == "float32" else noise(dtype)
    spread = inverted(trimatte.choke(inverted(alpha), radius))
    np.testing.assert_array_equal(trimatte.choke(alpha, -radius), spread)


@every_dtype
def test_choke_is_ordered_by_its_radius(dtype: str) -> None:
    alpha = noise(dtype)
    tightened = [trimatte.choke(alpha, radius) for radius in (-4, -3.5, -1, 0, 0.5, 1, 2.25, 3)]
    for wide, narrow in itertools.pairwise(tightened):
        assert np.all(narrow <= wide)


@pytest.mark.parametrize("radius", [1, 2, 3, 7, 20])
def test_opening_twice_is_opening_once(radius: float) -> None:
    def opened(alpha: Array) -> Array:
        return trimatte.choke(trimatte.choke(alpha, radius), -radius)

    alpha = noise("uint8")
    np.testing.assert_array_equal(opened(opened(alpha)), opened(alpha))


@pytest.mark.parametrize("radius", [1, 2, 3, 10, 33, 64])
def test_a_dot_spreads_to_a_disk(radius: int) -> None:
    dot = np.zeros((140, 151), np.uint8)
    dot[70, 75] = 200
    y, x = np.indices(dot.shape)
    disk = (y - 70) ** 2 + (x - 75) ** 2 <= radius**2
    np.testing.assert_array_equal(trimatte.choke(dot, -radius), np.where(disk, 200, 0))


def test_the_border_is_no_edge() -> None:
    assert np.all(trimatte.choke(np.full((9, 12), True), 64) == 255)
    assert np.all(trimatte.choke(np.full((9, 12), False), -64) == 0)


@every_dtype
@pytest.mark.parametrize("radius", [0.1, 1.0, 2.0, 7.3, 64.0])
def test_feather_keeps_what_is_the_same_everywhere(dtype: str, radius: float) -> None:
    full = np.iinfo(dtype).max if dtype != "float32" else 1
    for value in (0, full):
        alpha = np.full((33, 41), value, dtype)
        np.testing.assert_array_equal(trimatte.feather(alpha, radius), alpha, strict=True)
    grey = np.full((33, 41), 0.7 if dtype == "float32" else full // 3, dtype)
    atol = 1e-6 if dtype == "float32" else 0
    np.testing.assert_allclose(trimatte.feather(grey, radius), grey, rtol=0, atol=atol)


def test_feather_keeps_the_sum_of_what_lies_inside() -> None:
    alpha = np.zeros((80, 90), np.float32)
    alpha[30:50, 40:50] = 1.0
    assert trimatte.feather(alpha, 4.0).sum(dtype=np.float64) == pytest.approx(200.0, rel=1e-6)


def test_feather_is_opencvs() -> None:
    cv2 = pytest.importorskip("cv2")
    alpha = noise("float32")
    for radius in (1.0, 2.0, 5.0):
        side = 2 * int(np.ceil(3 * radius)) + 1
        theirs = cv2.GaussianBlur(alpha, (side, side), radius, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(trimatte.feather(alpha, radius), theirs, atol=2e-6)


def test_mattes_have_the_last_word_and_core_the_very_last() -> None:
    alpha = np.array([[0, 100, 255]], np.uint8)
    half = np.array([[False, True, True]])
    np.testing.assert_array_equal(trimatte.hold_mattes(alpha), alpha)
    np.testing.assert_array_equal(trimatte.hold_mattes(alpha, garbage=half), [[0, 0, 0]])
    np.testing.assert_array_equal(trimatte.hold_mattes(alpha, core=half), [[0, 255, 255]])
    both = trimatte.hold_mattes(alpha, garbage=half, core=half)
    np.testing.assert_array_equal(both, [[0, 255, 255]])


# De-spill ----------------------------------------------------------------------------------------


def a_green_subject(dtype: str = "uint8") -> tuple[Array, Array]:
    """A square that is green inside, and its alpha: opaque up to 20 pixels from the border."""
    full = np.iinfo(dtype).max if dtype != "float32" else 1
    image = np.empty((120, 130, 3), np.float64)
    image[:] = np.array([0.2, 0.8, 0.2]) * full
    alpha = np.zeros((120, 130), np.float64)
    alpha[20:-20, 20:-20] = full
    return image.astype(dtype), alpha.astype(dtype)


@every_dtype
def test_colors_far_from_the_edge_are_left_alone(dtype: str) -> None:
    image, alpha = a_green_subject(dtype)
    everywhere = trimatte.despill(image)
    result = trimatte.despill(image, alpha=alpha, reach=6)
    near = trimatte.choke(alpha > 0, 5.99) == 0
    far = trimatte.choke(alpha > 0, 13) > 0
    np.testing.assert_array_equal(result[far], image[far])
    np.testing.assert_allclose(result[near], everywhere[near], rtol=1e-6)
    # Along a row from the edge inwards the change only fades.
    row = result[60, 20:60, 1].astype(np.float64)
    assert np.all(np.diff(row) >= 0)
    assert np.count_nonzero(np.diff(row)) > 4


def test_reach_follows_the_image() -> None:
    image, alpha = a_green_subject()
    reach = np.sqrt(alpha.size) / 100
    np.testing.assert_array_equal(
        trimatte.despill(image, alpha=alpha), trimatte.despill(image, alpha=alpha, reach=reach)
    )


@pytest.mark.parametrize("method", ["average", "double-average", "max-limit"])
@pytest.mark.parametrize("key", ["green", "blue", "red"])
def test_restored_luminance_is_the_images(method: str, key: str) -> None:
    rng = np.random.default_rng(RNG_SEED)
    image = rng.uniform(0.0, 0.6, (31, 47, 3)).astype(np.float32)
    result = trimatte.despill(image, key_color=key, method=method, restore=1.0)
    weights = (0.2126, 0.7152, 0.0722)
    np.testing.assert_allclose(result @ weights, image @ weights, atol=1e-6)
    # What is restored makes no new spill.
    again = trimatte.despill(result, key_color=key, method=method)
    np.testing.assert_allclose(again, result, atol=1e-6)


@pytest.mark.parametrize("as_color", [True, False])
def test_plate_subtraction_finds_the_foreground(as_color: bool) -> None:
    rng = np.random.default_rng(RNG_SEED)
    front = rng.uniform(0.3, 0.6, (24, 35, 1)).astype(np.float32).repeat(3, axis=2)  # no spill
    alpha = rng.uniform(0.1, 1.0, (24, 35)).astype(np.float32)
    screen = np.array([0.1, 0.7, 0.2], np.float32)
    image = alpha[..., None] * front + (1 - alpha[..., None]) * screen
    plate: Any = tuple(255 * screen) if as_color else np.broadcast_to(screen, image.shape)
    result = trimatte.despill(image, method="plate", alpha=alpha, plate=plate)
    np.testing.assert_allclose(result, front, atol=1e-5)


def test_plate_needs_what_it_needs() -> None:
    image, alpha = a_green_subject()
    with pytest.raises(trimatte.ArgumentError, match="despill: alpha must be given"):
        trimatte.despill(image, method="plate", plate="green")
    with pytest.raises(trimatte.ArgumentError, match="despill: plate must be given"):
        trimatte.despill(image, method="plate", alpha=alpha)
    with pytest.raises(trimatte.ArgumentError, match="despill: plate is for method 'plate'"):
        trimatte.despill(image, plate="green")

"""Samples of one depth in another."""

from __future__ import annotations

import numpy as np
import pytest

from trimatte.arrays import in_depth, with_alpha

DEEP = np.arange(65536, dtype=np.uint16)
LEVELS = np.arange(256, dtype=np.uint8)


def test_whole_numbers_are_rounded_to_the_nearest() -> None:
    expected = (DEEP.astype(np.uint32) + 128) // 257
    np.testing.assert_array_equal(in_depth(DEEP, np.uint8), expected.astype(np.uint8))
    np.testing.assert_array_equal(in_depth(LEVELS, "uint16"), LEVELS * np.uint16(257))
    assert in_depth(LEVELS, np.uint8) is LEVELS


@pytest.mark.parametrize("levels", [LEVELS, DEEP])
def test_floats_go_there_and_back(levels: np.ndarray) -> None:
    light = in_depth(levels, np.float32)
    assert (light.dtype, light.min(), light.max()) == (np.float32, 0, 1)
    np.testing.assert_array_equal(in_depth(light, levels.dtype), levels)
    beyond = in_depth(np.float32([-0.5, 1.5]), levels.dtype)
    np.testing.assert_array_equal(beyond, [0, levels[-1]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_alpha_is_added_where_there_is_none(dtype: type[np.generic]) -> None:
    pixels = np.zeros((2, 3, 3), dtype)
    full = in_depth(np.full((2, 3), 255, np.uint8), dtype)
    added = with_alpha(pixels)
    assert added.dtype == dtype
    np.testing.assert_array_equal(added[:, :, 3], full)
    assert with_alpha(added) is added

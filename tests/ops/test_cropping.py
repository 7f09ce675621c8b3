"""Cropping to what shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trimatte
from trimatte import ArgumentError, Remover, crop_box


def spot(dtype: str, *, faint: float = 0.0) -> Any:
    """An alpha of 30 by 50, opaque in rows 10 to 14 and columns 20 to 29, faint elsewhere."""
    full = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    alpha = np.full((30, 50), faint * full, dtype)
    alpha[10:15, 20:30] = full
    return alpha


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_box_holds_what_shows(dtype: str) -> None:
    for alpha in (spot(dtype), spot(dtype, faint=0.04)):
        assert crop_box(alpha) == (slice(10, 15), slice(20, 30))
        assert crop_box(alpha, 4) == (slice(6, 19), slice(16, 34))
        assert crop_box(alpha, "20%") == crop_box(alpha, 2) == (slice(8, 17), slice(18, 32))
        assert crop_box(alpha, 1e300) == (slice(0, 30), slice(0, 50))
    haze = spot(dtype, faint=0.1)
    assert crop_box(haze) == (slice(0, 30), slice(0, 50))
    assert crop_box(haze, threshold=0.2) == (slice(10, 15), slice(20, 30))
    assert crop_box(spot(dtype, faint=0.01), threshold=0) == (slice(0, 30), slice(0, 50))


@pytest.mark.parametrize("threshold", [-0.1, 1, float("nan"), "0.5", None])
def test_wrong_thresholds_are_named(threshold: Any) -> None:
    with pytest.raises(ArgumentError, match=r"threshold must be an alpha in \[0, 1\)"):
        crop_box(spot("uint8"), threshold=threshold)


def test_a_bool_alpha() -> None:
    assert crop_box(spot("uint8") > 0) == (slice(10, 15), slice(20, 30))


@pytest.mark.parametrize("margin", [-1, "-1", "5 %%", "", float("nan"), True, None, "1e3"])
def test_wrong_margins_are_named(margin: Any) -> None:
    with pytest.raises(ArgumentError, match="margin must be pixels"):
        crop_box(spot("uint8"), margin)


def test_nothing_shows() -> None:
    with pytest.raises(ArgumentError, match="nothing shows"):
        crop_box(np.zeros((4, 5), np.float32))
    with pytest.raises(ArgumentError, match="crop_box: alpha must"):
        crop_box(np.zeros((4, 5, 3), np.float32))


def test_a_result_is_cropped_whole() -> None:
    image = np.full((30, 50, 3), 90 * 257, np.uint16)
    result = Remover(model=None)(image, mask=spot("uint8"))
    box = crop_box(result.alpha, 2)
    cropped = result.crop(2)
    for name in ("rgba", "alpha", "foreground", "trimap", "mask"):
        whole, part = getattr(result, name), getattr(cropped, name)
        np.testing.assert_array_equal(part, whole[box])
        assert part.base is None  # the rest can be let go of
    assert cropped.image.size == (cropped.alpha.shape[1], cropped.alpha.shape[0])
    assert cropped.timings == result.timings
    np.testing.assert_array_equal(
        cropped.composite("white"),
        trimatte.composite(result.foreground, result.alpha, "white")[box],
    )

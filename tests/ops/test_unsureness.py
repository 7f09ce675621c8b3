"""How much of a subject a network is unsure of, as a figure of its mask."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import trimatte
import trimatte.demo
from trimatte.ops.unsureness import glance, unsure_share


def disc(side: int, soft: float) -> NDArray[Any]:
    """A disc of a quarter of the side, whose edge is so many pixels wide, as float32."""
    y, x = np.indices((side, side)) + 0.5
    inside = side / 4 - np.hypot(y - side / 2, x - side / 2)
    return (0.5 + inside / soft).clip(0, 1).astype(np.float32)


def share(mask: NDArray[Any]) -> float:
    return unsure_share(glance(mask))


@pytest.mark.parametrize("side", [200, 320, 900])
def test_of_a_soft_edge_nothing_is_unsure(side: int) -> None:
    assert share(disc(side, 6 * side / 320)) == 0.0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_it_is_the_part_of_the_subject_that_is_half_sure(dtype: Any) -> None:
    mask = disc(320, 1)
    mask[:, :160] *= 0.5
    full = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    assert share((full * mask).astype(dtype)) == pytest.approx(0.5, abs=0.02)


def test_it_does_not_depend_on_the_size_of_the_image_or_the_subject_within_it() -> None:
    torn = disc(640, 1)
    torn[:300] *= 0.4
    assert share(torn) == pytest.approx(share(torn[::2, ::2]), abs=0.02)
    assert share(np.pad(torn, 200)) == pytest.approx(share(torn), abs=0.02)


def test_a_mask_of_nothing_and_one_of_haze_alone() -> None:
    assert share(np.zeros((50, 40), np.uint8)) == 0.0
    assert share(np.full((50, 40), 128, np.uint8)) == 1.0


# --- of a result ---


def test_a_result_tells_it_of_the_networks_mask_and_keeps_it() -> None:
    result = trimatte.Remover(model="u2net-lite")(trimatte.demo.scene(90, 160).image)
    mask = result.mask
    assert mask is not None
    assert result.unsure == unsure_share(glance(mask))
    assert pickle.loads(pickle.dumps(result)).unsure == result.unsure


def test_a_cropped_result_tells_that_of_the_whole() -> None:
    drawn = trimatte.demo.scene(120, 200)
    result = trimatte.Remover(model="u2net-lite")(drawn.image)
    cropped = result.crop(threshold=0.5)
    assert cropped.alpha.shape != result.alpha.shape
    assert result.unsure is not None
    assert cropped.unsure == result.unsure


def test_without_a_network_nobody_is_unsure() -> None:
    drawn = trimatte.demo.scene(60, 80)
    mask = (255 * drawn.alpha).astype(np.uint8)
    assert trimatte.Remover()(drawn.image, mask=mask).unsure is None
    assert trimatte.Remover(model=None)(drawn.image).unsure is None


def test_a_key_beside_a_network_tells_the_networks() -> None:
    drawn = trimatte.demo.scene(60, 80)
    result = trimatte.Remover(model="u2net-lite", key_color="auto")(drawn.image)
    assert result.unsure == trimatte.Remover()(drawn.image).unsure

"""refine: a rough mask, of any size, to trimap, alpha and foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

import trimatte
from trimatte.demo import scene

SIZE = (135, 240)


@pytest.fixture(scope="module")
def drawn() -> Any:
    return scene(*SIZE, seed=1)


def network_mask(alpha: Any, side: int) -> Any:
    """What a network of this size would say: sure of an alpha that it saw reduced and blurred."""
    full = Image.fromarray(np.rint(255 * alpha).astype(np.uint8))
    small = full.resize((side, side), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(2))
    sure = 1.0 / (1.0 + np.exp(-14.0 * (np.asarray(small) / 255 - 0.45)))
    return np.rint(255 * (sure - sure.min()) / np.ptp(sure)).astype(np.uint8)


def test_it_is_its_three_operations(drawn: Any) -> None:
    mask = trimatte.resize(network_mask(drawn.alpha, 64), SIZE)
    refined = trimatte.refine(drawn.image, mask, quality="fast")
    trimap = trimatte.make_trimap(mask, band="auto", network_size=320)
    alpha = trimatte.estimate_alpha(drawn.image, trimap, mask=mask, quality="fast")
    np.testing.assert_array_equal(refined.trimap, trimap)
    np.testing.assert_array_equal(refined.alpha, alpha)
    np.testing.assert_array_equal(
        refined.foreground, trimatte.estimate_foreground(drawn.image, alpha)
    )


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32"])
def test_a_networks_own_mask_is_resized(drawn: Any, dtype: str) -> None:
    small = network_mask(drawn.alpha, 64)
    mask: Any = {
        "bool": small > 127,
        "uint8": small,
        "uint16": small.astype(np.uint16) * 257,
        "float32": small.astype(np.float32) / 255,
    }[dtype]
    refined = trimatte.refine(drawn.image, mask)
    plain = mask * np.uint8(255) if dtype == "bool" else mask
    wanted = trimatte.make_trimap(trimatte.resize(plain, SIZE), band="auto", network_size=64)
    np.testing.assert_array_equal(refined.trimap, wanted)


def test_radius_and_network_size(drawn: Any) -> None:
    small = network_mask(drawn.alpha, 64)
    mask = trimatte.resize(small, SIZE)
    for options in (
        {"radius": (6, 3)},
        {"radius": 5},
        {"radius": (2, 1), "network_size": 64},
    ):
        wanted = trimatte.make_trimap(mask, **options)
        for given in (small, mask):
            refined = trimatte.refine(drawn.image, given, **options)
            np.testing.assert_array_equal(refined.trimap, wanted)
    own = trimatte.refine(drawn.image, small)
    np.testing.assert_array_equal(
        trimatte.refine(drawn.image, mask, network_size=64).trimap, own.trimap
    )


def test_the_remover_goes_the_same_way(drawn: Any) -> None:
    small = network_mask(drawn.alpha, 64)
    refined = trimatte.refine(drawn.image, small)
    result = trimatte.Remover(model=None)(drawn.image, mask=small)
    for name in ("trimap", "alpha", "foreground"):
        np.testing.assert_array_equal(getattr(result, name), getattr(refined, name))
    assert result.mask is not None
    assert result.mask.shape == SIZE
    assert list(result.timings) == ["read", "trimap", "alpha", "foreground", "cutout"]


def patchy_mask(pixel: int, dtype: str) -> Any:
    """Of the left half, by a network of 160 x 160: unsure of a patch on either side, one that
    reaches over the edge, and at its edge."""
    mask = np.zeros((160, 160))
    mask[:, :80] = 1
    mask[:, 79:81] = 0.6, 0.4
    mask[20:60, 10:50] = 0.7
    mask[90:130, 110:150] = 0.3
    mask[100:140, 60:84] = 0.45
    full = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    return (mask * full).astype(dtype).repeat(pixel, 0).repeat(pixel, 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("pixel", [1, 2, 3])
def test_what_is_unsure_far_from_an_edge_is_on_its_side(pixel: int, dtype: str) -> None:
    """Far is a square of 20 pixels of this network to each side; nearer the band is as it was."""
    mask = patchy_mask(pixel, dtype)
    image = np.zeros((*mask.shape, 3), np.uint8)
    settled = trimatte.refine(image, mask, network_size=160).trimap
    band = trimatte.make_trimap(mask, band="auto", network_size=160)
    nearer, farther = (
        trimatte.make_trimap(mask, distance * pixel, thresholds=(0.5, 0.5)) for distance in (19, 30)
    )
    far, near = farther != 128, nearer == 128
    np.testing.assert_array_equal(settled[far], farther[far])
    np.testing.assert_array_equal(settled[near], band[near])
    assert (band[far] == 128).any()
    assert (settled[near] == 128).any()


@pytest.mark.parametrize("shape", [(700, 900), (333, 517)])
def test_a_trimap_has_three_values(shape: tuple[int, int]) -> None:
    mask = trimatte.resize(patchy_mask(1, "uint8"), shape)
    trimap = trimatte.refine(np.zeros((*shape, 3), np.uint8), mask, network_size=160).trimap
    assert set(np.unique(trimap)) == {0, 128, 255}


def test_the_remover_takes_bool_masks_of_the_images_size(drawn: Any) -> None:
    mask = drawn.alpha > 0.5
    result = trimatte.Remover(quality="fast")(drawn.image, mask=mask)
    wanted = trimatte.refine(drawn.image, mask, quality="fast")
    np.testing.assert_array_equal(result.alpha, wanted.alpha)


def test_a_band_that_is_asked_for_stays() -> None:
    mask = patchy_mask(1, "uint8")
    refined = trimatte.refine(np.zeros((160, 160, 3), np.uint8), mask, radius=2)
    np.testing.assert_array_equal(refined.trimap, trimatte.make_trimap(mask, 2))


def test_a_mask_that_is_sure_of_nothing_has_its_side(drawn: Any) -> None:
    for value, alpha in ((0.3, 0), (0.7, 1)):
        refined = trimatte.refine(drawn.image, np.full((32, 32), value, np.float32))
        assert (refined.alpha == alpha).all()


def test_shapes_and_dtypes(drawn: Any) -> None:
    for dtype, full in (("uint8", 255), ("uint16", 65535), ("float32", 1)):
        image = np.dstack((drawn.image, drawn.image[..., :1])) / 255 * full
        refined = trimatte.refine(image.astype(dtype), network_mask(drawn.alpha, 64))
        assert refined.alpha.shape == refined.trimap.shape == SIZE
        assert refined.foreground.shape == (*SIZE, 3)
        assert refined.foreground.dtype == dtype
        assert refined.alpha.dtype == np.float32
        assert refined.trimap.dtype == np.uint8


def test_an_empty_image() -> None:
    refined = trimatte.refine(np.zeros((0, 5, 3), np.uint8), np.zeros((0, 5), np.uint8))
    assert refined.foreground.shape == (0, 5, 3)


def test_a_mask_that_says_one_thing_only(drawn: Any) -> None:
    for value in (0, 255):
        refined = trimatte.refine(drawn.image, np.full((32, 32), value, np.uint8))
        assert (refined.alpha == value / 255).all()


def test_it_is_better_than_the_mask_alone(shared_data: Path) -> None:
    folders = sorted((shared_data / "matting").glob("am_GT0[1-6]"))
    if not folders:
        pytest.skip(f"no am_* image in {shared_data / 'matting'}")
    alone, refined, fixed = 0.0, 0.0, 0.0
    for folder in folders:
        image = np.asarray(Image.open(folder / "image.png").convert("RGB"))
        truth = np.asarray(Image.open(folder / "alpha.png").convert("L")) / np.float32(255)
        small = network_mask(truth, 320)
        mask = trimatte.resize(small, truth.shape)
        alone += np.abs(mask / 255 - truth).sum()
        refined += np.abs(trimatte.refine(image, small).alpha - truth).sum()
        wide = trimatte.refine(image, small, radius=(4, 2), network_size=320)
        fixed += np.abs(wide.alpha - truth).sum()
    assert refined < 0.85 * alone
    assert refined < 0.97 * fixed  # the band that was the default


@pytest.mark.parametrize("shape", [(30, 45), (20, 20), (61, 90), (39, 60)])
def test_masks_of_the_images_shape_or_square_are_taken(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 3 : -shape[0] // 3, shape[1] // 3 : -shape[1] // 3] = 255
    trimatte.refine(np.zeros((60, 90, 3), np.uint8), mask)


def test_a_mask_that_lies_on_its_side_is_refused() -> None:
    image, mask = np.zeros((60, 90, 3), np.uint8), np.full((45, 30), True)
    for cut in (trimatte.refine, lambda image, mask: trimatte.remove(image, mask=mask)):
        with pytest.raises(trimatte.ArgumentError, match="mask must lie as the image does"):
            cut(image, mask)


def test_a_mask_of_another_shape_is_told() -> None:
    mask = np.zeros((20, 60), np.uint8)
    mask[5:-5, 20:-20] = 255
    with pytest.warns(trimatte.CutoutWarning, match="another shape") as told:
        trimatte.refine(np.zeros((60, 90, 3), np.uint8), mask)
    assert len(told) == 1

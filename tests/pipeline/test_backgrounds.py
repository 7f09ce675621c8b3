"""Backgrounds: of the image itself, of another image in its colours, of a colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.icc import wide_profile
from tests.helpers.png import with_chunks
from trimatte import ArgumentError, MetadataWarning, Remover, Result, blurred_background, feather
from trimatte.imageio import encode_png
from trimatte.io.metadata import Metadata
from trimatte.io.profiles import adobe_rgb, converted
from trimatte.pipeline.backgrounds import fitted_background

# A background is seen best where nothing is before it.
pytestmark = pytest.mark.filterwarnings("ignore:nothing is left of the image")

PQ = {b"cICP": bytes([9, 16, 0, 1])}


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


# --- other images ---


def gradient(height: int, width: int) -> Any:
    y, x = np.mgrid[:height, :width] / (max(height, width) - 1)
    return np.rint(np.dstack([x, y, 0.5 + 0 * x]) * 40_000).astype(np.uint16)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (120, 90), (31, 200)])
def test_16_bits_are_kept_behind_16_bits(height: int, width: int) -> None:
    plate = gradient(height, width)
    deep = fitted_background(encode_png(plate))((60, 90), np.uint16)
    assert deep.dtype == np.uint16
    assert len(np.unique(deep[:, :, 0])) > 80
    eight_bits = fitted_background(encode_png(np.rint(plate / 257).astype(np.uint8)))
    np.testing.assert_allclose(deep / 257, eight_bits((60, 90), np.uint8), atol=1.1)
    if (height, width) == (60, 90):
        np.testing.assert_array_equal(deep, plate)
        same = Metadata(wide_profile())  # as the background's
        tagged = fitted_background(encode_png(plate, icc_profile=wide_profile()))
        np.testing.assert_array_equal(tagged((60, 90), np.uint16, same), plate)


@pytest.mark.parametrize("given", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("wanted", [np.uint8, np.uint16, np.float32])
def test_depths_are_scaled(given: Any, wanted: Any) -> None:
    scales = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
    plate = np.full((8, 8, 3), 0.6 * scales[given]).astype(given)
    got = fitted_background(plate)((4, 6), wanted)
    assert (got.shape, got.dtype) == ((4, 6, 3), wanted)
    np.testing.assert_allclose(got / scales[wanted], 0.6, atol=0.51 / 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_become_those_of_the_image(dtype: Any) -> None:
    scale = np.iinfo(dtype).max // 255
    sent = np.full((20, 30, 3), (200, 90, 60), np.uint8)
    in_adobe = converted(sent, None, adobe_rgb())
    assert np.abs(in_adobe.astype(int) - sent).max() > 10
    data = encode_png(in_adobe.astype(dtype) * scale, icc_profile=adobe_rgb())
    plate = fitted_background(data)
    for metadata, expected in (
        (None, sent),  # as frames of videos
        (Metadata(), sent),
        (Metadata(adobe_rgb()), in_adobe),
        (Metadata(wide_profile()), converted(sent, None, wide_profile())),
    ):
        got = plate((20, 30), np.uint8, metadata)
        np.testing.assert_allclose(got.astype(int), expected.astype(int), atol=2)
    described = {b"gAMA": (100_000).to_bytes(4, "big")}
    linear = fitted_background(with_chunks(encode_png(sent), described))((20, 30), np.uint8)
    np.testing.assert_allclose(linear[0, 0], [229, 160, 132], atol=1)


def test_16_bits_of_other_colours_get_no_steps() -> None:
    plate = np.repeat(np.arange(0, 65536, 16, dtype=np.uint16)[None], 4, axis=0)
    grey = np.ascontiguousarray(np.dstack([plate] * 3))
    data = with_chunks(encode_png(grey), {b"gAMA": (100_000).to_bytes(4, "big")})
    got = fitted_background(data)(plate.shape, np.uint16)[0, :, 1].astype(int)
    light = plate[0] / 65535
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    bright = light > 0.05  # below, the steps of 8 bits are far apart in linear light
    np.testing.assert_allclose(got[bright] / 65535, srgb[bright], atol=1.2 / 255)
    assert np.abs(np.diff(got[bright])).max() < 128  # half of a step


def test_a_background_may_be_transparent_where_the_result_may() -> None:
    plate = np.full((20, 30, 4), (10, 20, 200, 128), np.uint8)
    plate[:, 15:] = (255, 0, 0, 0)  # red that does not show
    with pytest.raises(ArgumentError, match=r"background .* has transparent parts"):
        fitted_background(plate)
    behind = fitted_background(plate, opaque=False)((20, 30), np.uint8)
    rgba = result_of(np.full((20, 30, 3), 100, np.uint8), alpha=0).composite(behind)
    np.testing.assert_array_equal(rgba[:, :15], behind[:, :15])
    assert (rgba[:, 15:] == 0).all()
    half = result_of(np.full((20, 30, 3), 100, np.uint8), alpha=128).composite(behind)
    a, b = 128 / 255, 127 / 255 * 128 / 255
    colour = (a * 100 + b * np.array([10, 20, 200])) / (a + b)
    np.testing.assert_allclose(half[3, 3], [*colour, 255 * (a + b)], atol=1)
    np.testing.assert_allclose(half[3, 25], [100, 100, 100, 128], atol=1)
    small = fitted_background(plate, opaque=False)((10, 15), np.uint8)
    np.testing.assert_allclose(small[:, :7, :3], np.full((10, 7, 3), [10, 20, 200]), atol=2)
    opaque = plate.copy()
    opaque[:, :, 3] = 255
    assert fitted_background(opaque)((20, 30), np.uint8).shape == (20, 30, 3)


def test_what_a_background_loses_is_told() -> None:
    plate = fitted_background(Image.new("CMYK", (8, 8), (255, 0, 0, 0)))
    with pytest.warns(MetadataWarning, match=r"background .* CMYK has no colour profile"):
        assert (plate((8, 8), np.uint8) == [0, 255, 255]).all()


def test_hdr_and_other_colours_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "plate.png"
    path.write_bytes(with_chunks(encode_png(gradient(8, 8)), PQ))
    hdr = Metadata(png_colour=(*PQ.items(), (b"cLLI", bytes(8))))
    with pytest.raises(ArgumentError, match=r"plate.png' is PQ, the image is not HDR"):
        fitted_background(str(path))((8, 8), np.uint16, Metadata())
    with pytest.raises(ArgumentError, match="is not HDR, the image is PQ"):
        fitted_background(gradient(8, 8))((8, 8), np.uint16, hdr)
    same = fitted_background(str(path))((8, 8), np.uint16, hdr)
    np.testing.assert_array_equal(same, gradient(8, 8))
    result = result_of(with_chunks(encode_png(gradient(8, 8)), PQ))
    with pytest.raises(ArgumentError, match=r"HDR \(PQ\), got a colour of sRGB"):
        result.composite("white")
    assert result.composite(gradient(8, 8)).shape == (8, 8, 3)


# --- colours ---


def result_of(image: Any, alpha: int = 0) -> Result:
    size = (8, 8) if isinstance(image, bytes) else image.shape[:2]
    return Remover(model=None, matting=False)(image, mask=np.full(size, alpha, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colour", ["tomato", (255, 99, 71), "#ff6347"])
def test_a_colour_looks_as_asked_for(dtype: Any, colour: Any) -> None:
    scale = np.iinfo(dtype).max / 255
    image = np.zeros((8, 8, 3), dtype)
    for profile in (adobe_rgb(), wide_profile()):
        over = result_of(encode_png(image, icc_profile=profile)).composite(colour)
        assert over.dtype == dtype
        eight_bits = np.rint(over / scale).astype(np.uint8)
        assert np.abs(eight_bits[0, 0].astype(int) - (255, 99, 71)).max() > 10
        shown = converted(eight_bits, profile, None)
        np.testing.assert_allclose(shown[0, 0], (255, 99, 71), atol=2)
    plain = result_of(encode_png(image)).composite(colour)
    np.testing.assert_array_equal(plain[0, 0], np.array([255, 99, 71]) * int(scale))


def test_a_profile_that_cannot_be_used_is_told() -> None:
    picture = Image.fromarray(np.full((8, 8, 3), 9, np.uint8))
    picture.info["icc_profile"] = adobe_rgb()[:140] + bytes(len(adobe_rgb()) - 140)
    result = Remover(model=None, matting=False)(picture, mask=np.zeros((8, 8), np.uint8))
    with pytest.warns(MetadataWarning, match="colours were not converted"):
        assert (result.composite("red") == [255, 0, 0]).all()
    with pytest.warns(MetadataWarning, match="colours were not converted"):
        assert (fitted_background(picture)((8, 8), np.uint8) == 9).all()

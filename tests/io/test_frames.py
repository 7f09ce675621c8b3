"""Animated images: frames with their times out of files and into files."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile, features

from tests.helpers.icc import wide_profile
from trimatte.errors import ArgumentError
from trimatte.imageio import (
    ImageFrame,
    encode_frames,
    encode_png,
    read_frames,
    read_image,
    write_frames,
)
from trimatte.io import reading
from trimatte.io.frames import frames_in
from trimatte.io.metadata import Metadata
from trimatte.io.profiles import to_srgb

SECONDS = [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("format", ["gif", "png", "webp", "avif"])
def test_animations_are_known_by_how_they_begin(format: str) -> None:
    if format == "avif" and not features.check("avif"):
        pytest.skip("test_frames: needs a Pillow that writes AVIF")
    data = io.BytesIO()
    pictures = [picture.convert("RGB") for picture in moving()]
    pictures[0].save(data, format, save_all=True, append_images=pictures[1:])
    assert frames_in(data.getvalue()) == 4
    pictures[0].save(still := io.BytesIO(), format)
    assert frames_in(still.getvalue()) == 1


def moving(opaque: bool = True) -> list[Image.Image]:
    """Four frames of a disk that moves, over green or over nothing."""
    frames = []
    for i in range(4):
        pixels = np.zeros((24, 40, 4), np.uint8)
        pixels[:] = (0, 190, 60, 255) if opaque else 0
        pixels[np.hypot(*np.ogrid[-12:12, -8 - 8 * i : 32 - 8 * i]) < 6] = (200, 40, 40, 255)
        frames.append(Image.fromarray(pixels))
    return frames


def file_of(frames: list[Image.Image], format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    times = [round(1000 * seconds) for seconds in SECONDS]
    frames[0].save(file, format, save_all=True, append_images=frames[1:], duration=times, **options)
    return file.getvalue()


def shown(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels, black where they are transparent: WebP's encoder puts there what it likes."""
    return pixels * (pixels[:, :, 3:] > 0)


@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize(
    ("format", "options", "loops"),
    [
        ("GIF", {"disposal": 2, "loop": 0}, 0),
        ("GIF", {"disposal": 2, "loop": 3}, 4),
        ("GIF", {"disposal": 2, "loop": 65535}, 65535),
        ("GIF", {"disposal": 2}, 1),
        ("PNG", {"loop": 3}, 3),
        ("PNG", {"loop": 100_000}, 65535),
        ("PNG", {"disposal": 1, "blend": 1}, 0),
        ("WEBP", {"lossless": True, "loop": 2}, 2),
    ],
)
def test_every_frame_is_the_picture_that_shows(
    opaque: bool, format: str, options: dict[str, Any], loops: int, tmp_path: Path
) -> None:
    path = tmp_path / "moving"
    path.write_bytes(file_of(moving(opaque), format, **options))
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        frames = read_frames(source)
        assert (len(frames), frames.loops, frames.size) == (4, loops, (24, 40))
        for _ in range(2):
            for frame, wanted, seconds in zip(frames, moving(opaque), SECONDS, strict=True):
                np.testing.assert_array_equal(shown(frame.pixels), np.asarray(wanted))
                assert frame.seconds == pytest.approx(seconds)


def test_a_picture_for_viewers_without_apng_is_no_frame() -> None:
    frames = read_frames(file_of(moving(), "PNG", default_image=True))
    assert len(frames) == 3
    np.testing.assert_array_equal(next(iter(frames)).pixels, np.asarray(moving()[1]))


def test_a_still_has_one_frame_as_it_is_read() -> None:
    deep = encode_png(np.full((3, 4, 3), 777, np.uint16))
    [frame] = read_frames(deep)
    np.testing.assert_array_equal(frame.pixels, read_image(deep))
    assert read_frames(deep).loops == 1


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG"])
def test_the_size_is_that_of_the_upright_picture(format: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = io.BytesIO()
    Image.new("RGB", (9, 4)).save(file, format, exif=exif)
    frames = read_frames(file.getvalue())
    [frame] = frames
    assert frames.size == frame.pixels.shape[:2] == (9, 4)


def test_a_broken_frame_is_named_when_it_comes() -> None:
    data = file_of(moving(), "WEBP", lossless=True)
    frames = iter(read_frames(file_of(moving(), "GIF", disposal=2)[:-60]))
    with pytest.raises(ArgumentError, match="cannot read the"):
        list(frames)
    with pytest.raises(ArgumentError, match="max_pixels=900"):
        read_frames(data, max_pixels=900)
    with pytest.raises(ArgumentError, match="path, bytes"):
        read_frames(3)  # type: ignore[arg-type]


def growing(width: int, height: int) -> bytes:
    """A GIF of 40 x 24 pixels whose second frame goes beyond them."""
    first, second = Image.new("P", (40, 24), 1), Image.new("P", (40, 24), 1)
    first.putpalette([9, 8, 7] * 256)
    second.putpalette([200, 100, 50] * 256)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=[second], disposal=2)
    data = bytearray(file.getvalue())
    place = data.rindex(struct.pack("<4H", 0, 0, 40, 24))
    data[place : place + 8] = struct.pack("<4H", 0, 0, width, height)
    return bytes(data)


def test_frames_that_go_beyond_a_gif_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    frames = list(read_frames(growing(60, 50), max_pixels=3000))
    assert [frame.pixels.shape for frame in frames] == [(24, 40, 4)] * 2
    assert tuple(frames[1].pixels[0, 0]) == (200, 100, 50, 255)


def test_frames_that_grow_beyond_the_limit_are_refused() -> None:
    frames = iter(read_frames(growing(3000, 3000), max_pixels="1M"))
    next(frames)
    with pytest.raises(ArgumentError, match="3000 x 3000 pixels, more than max_pixels=1000000"):
        next(frames)


def test_the_limit_is_that_of_stills_and_metadata_too(monkeypatch: pytest.MonkeyPatch) -> None:
    still = encode_png(np.zeros((24, 40, 3), np.uint8))
    monkeypatch.setattr(reading, "MAX_PIXELS", 900)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    for data in (still, file_of(moving(), "GIF", disposal=2)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            frames = read_frames(data, max_pixels=None)
            assert next(iter(frames)).pixels.shape[:2] == (24, 40)
            assert frames.metadata == Metadata()
    assert Image.MAX_IMAGE_PIXELS == 400


@pytest.mark.parametrize("format", ["gif", "png", "webp"])
def test_pillows_limit_is_not_that_of_what_is_written(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    assert len(read_frames(encode_frames(cutouts(), format))) == 4
    assert Image.MAX_IMAGE_PIXELS == 40


# --- writing ---


def cutouts() -> list[ImageFrame]:
    """Four frames of a soft red disk that moves over nothing, with a black rim."""
    frames = []
    for i, seconds in enumerate(SECONDS):
        distance = np.hypot(*np.ogrid[-12:12, -8 - 8 * i : 32 - 8 * i])
        pixels = np.zeros((24, 40, 4), np.uint8)
        pixels[distance < 6] = (200, 40 + i, 40, 255)
        pixels[distance < 3, 1] = 10 * np.arange((distance < 3).sum()) % 256
        pixels[:, :, 3] = np.clip((7 - distance) * 255, 0, 255)
        pixels[pixels[:, :, 3] == 0] = 0
        frames.append(ImageFrame(pixels, seconds))
    return frames


def hard(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels as a GIF holds them."""
    visible = pixels[:, :, 3:] >= 128
    return np.dstack([pixels[:, :, :3] * visible, np.where(visible, np.uint8(255), np.uint8(0))])


@pytest.mark.parametrize("loops", [0, 1, 5])
@pytest.mark.parametrize("suffix", [".gif", ".png", ".apng", ".webp"])
def test_frames_come_back_as_they_were_written(suffix: str, loops: int, tmp_path: Path) -> None:
    write_frames(tmp_path / f"a{suffix}", cutouts(), loops=loops)
    frames = read_frames(tmp_path / f"a{suffix}")
    assert (len(frames), frames.loops) == (4, loops)
    for got, wanted in zip(frames, cutouts(), strict=True):
        expected = hard(wanted.pixels) if suffix == ".gif" else wanted.pixels
        np.testing.assert_array_equal(shown(got.pixels), expected)
        assert got.seconds == pytest.approx(wanted.seconds)


@pytest.mark.parametrize("format", ["gif", "png", "webp"])
def test_opaque_and_grey_frames(format: str) -> None:
    ramp = np.tile(np.arange(40, dtype=np.uint8) * 6, (24, 1))
    for pixels in (ramp, np.dstack([ramp, ramp[::-1], 255 - ramp])):
        frames = [ImageFrame(pixels, 0), ImageFrame(pixels[:, ::-1], 0)]
        got = list(read_frames(encode_frames(frames, format)))
        assert len(got) == 2
        for frame, wanted in zip(got, frames, strict=True):
            colour = np.atleast_3d(wanted.pixels) + np.zeros(3, np.uint8)
            np.testing.assert_array_equal(frame.pixels[:, :, :3], colour)
            assert (frame.pixels[:, :, 3] == 255).all()


def test_a_webp_of_solid_rectangles_is_transparent_around_them() -> None:
    frames = []
    for i in range(3):
        pixels = np.zeros((24, 40, 4), np.uint8)
        pixels[4:20, 4 + 8 * i : 12 + 8 * i] = (9, 8, 7, 255)
        frames.append(ImageFrame(pixels, 0.1))
    for got, wanted in zip(read_frames(encode_frames(frames, "webp")), frames, strict=True):
        np.testing.assert_array_equal(got.pixels[:, :, 3], wanted.pixels[:, :, 3])


@pytest.mark.parametrize("format", ["gif", "png", "webp"])
def test_one_frame_is_a_still(format: str) -> None:
    [frame] = read_frames(encode_frames(cutouts()[:1], format))
    wanted = cutouts()[0].pixels
    np.testing.assert_array_equal(shown(frame.pixels), hard(wanted) if format == "gif" else wanted)


def test_what_cannot_be_written_as_frames(tmp_path: Path) -> None:
    small = ImageFrame(np.zeros((3, 4, 3), np.uint8), 0.1)
    for frames in ([], [*cutouts(), small]):
        with pytest.raises(ArgumentError, match="one or more of one size"):
            write_frames(tmp_path / "a.gif", frames)
    with pytest.raises(ArgumentError, match=r"does not hold several frames; use one of \.gif"):
        write_frames(tmp_path / "a.jpg", cutouts())
    with pytest.raises(ArgumentError, match="loops must be in"):
        encode_frames(cutouts(), "gif", loops=-1)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("format", ["gif", "png", "webp"])
def test_what_is_stored_beside_the_frames(format: str) -> None:
    wide = wide_profile()
    kept = Metadata(icc_profile=wide, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    metadata = replace(kept, text=(("Title", "a disk"),))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data = encode_frames(cutouts(), format, metadata=metadata)
    got = read_frames(data).metadata
    said = " ".join(str(each.message) for each in told)
    assert ("text (Title) was dropped" in said) == (format != "png")
    assert ("the XMP was dropped: GIF has no place for it" in said) == (format == "gif")
    if format == "gif":
        assert got == Metadata()
        disk = next(iter(read_frames(data))).pixels[7, 8, :3]
        opaque = Image.new("RGB", (1, 1), tuple(cutouts()[0].pixels[7, 8, :3]))
        converted = to_srgb(opaque, wide)
        assert converted is not None
        np.testing.assert_array_equal(disk, converted.getpixel((0, 0)))
        assert tuple(disk) != opaque.getpixel((0, 0))
    else:
        assert (got.icc_profile, got.xmp) == (wide, kept.xmp)
        assert got.text == (metadata.text if format == "png" else ())


def test_colours_of_a_png_stay_with_its_frames() -> None:
    colour = ((b"gAMA", (100_000).to_bytes(4, "big")),)
    data = encode_frames(cutouts(), "png", metadata=Metadata(png_colour=colour))
    assert read_frames(data).metadata.png_colour == colour

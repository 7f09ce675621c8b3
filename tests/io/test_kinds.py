"""Which files are images, and what is said of those that Pillow does not read."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from tests.helpers.icc import wide_profile
from trimatte.errors import ArgumentError, FramesWarning
from trimatte.imageio import read_image
from trimatte.io.kinds import begins_like_a_photo, has_image_name, unread_because
from trimatte.io.reading import load_picture


def tiff(*pages: dict[int, Any]) -> bytes:
    """A TIFF of pages with these tags."""
    file = io.BytesIO()
    images = [Image.new("RGB", (5, 4), (9, 8, number)) for number, _ in enumerate(pages)]
    for image, tags in zip(images, pages, strict=True):
        image.encoderinfo = {"tiffinfo": tags}
    images[0].save(file, "TIFF", save_all=True, append_images=images[1:], tiffinfo=pages[0])
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.PNG", "a.jfif", "a.j2k", "a.psd", "a.ico", "b.heic", "c.DNG"])
def test_names_of_images(name: str) -> None:
    assert has_image_name(name)
    assert has_image_name(Path("folder") / name)


@pytest.mark.parametrize("name", ["a.txt", "a.xmp", "a.pdf", "a.mpg", "a.mp4", "a.h5", "png", "a."])
def test_names_of_other_files(name: str) -> None:
    assert not has_image_name(name)


def test_files_that_begin_like_photos(tmp_path: Path) -> None:
    for format in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "JPEG2000"):
        Image.new("RGB", (5, 4)).save(tmp_path / "photo", format)
        assert begins_like_a_photo(tmp_path / "photo")
    (tmp_path / "photo").rename(tmp_path / "photo.part")
    (tmp_path / "text").write_bytes(b"RIFF, BM and ftyp")
    (tmp_path / "empty").touch()
    for name in ("photo.part", "text", "empty", "missing", ""):
        assert not begins_like_a_photo(tmp_path / name)


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {37398: b"\1\0\0\0"}, {254: 1}])
def test_the_preview_of_a_raw_file_is_not_read(tags: dict[int, Any]) -> None:
    with pytest.raises(ArgumentError, match="reads the preview only: develop it first"):
        read_image(tiff(tags))


def test_pages_are_counted_without_previews() -> None:
    with pytest.warns(FramesWarning, match=r"left out of the .*: 2 of 3 pages"):
        got = read_image(tiff({}, {}, {}))
    np.testing.assert_array_equal(got[0, 0], [9, 8, 0])
    assert read_image(tiff({}, {254: 1})).shape == (4, 5, 3)


def test_the_first_page_has_its_own_profile_only() -> None:
    file = io.BytesIO()
    first, second = Image.new("RGB", (5, 4)), Image.new("RGB", (5, 4))
    second.encoderinfo = {"icc_profile": wide_profile()}
    first.save(file, "TIFF", save_all=True, append_images=[second])
    with pytest.warns(FramesWarning, match="1 of 2 pages"):
        assert load_picture(file.getvalue()).metadata.icc_profile is None


def test_a_damaged_second_page_does_not_matter() -> None:
    data = tiff({})
    directory = struct.unpack_from("<I", data, 4)[0]
    (count,) = struct.unpack_from("<H", data, directory)
    link = directory + 2 + 12 * count
    for place in (len(data) + 1000, 8, 9, link, 2**32 - 1):
        changed = data[:link] + struct.pack("<I", place) + data[link + 4 :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_array_equal(read_image(changed), read_image(data))


def test_a_huge_second_page_is_not_looked_at() -> None:
    huge = bytearray(tiff({}, {}))
    for tag in (256, 257):  # width and height, in the second directory
        place = huge.rindex(struct.pack("<HHI", tag, 4, 1))
        huge[place + 8 : place + 12] = struct.pack("<I", 60_000)
    with pytest.warns(FramesWarning, match="1 of 2 pages") as told:
        read_image(bytes(huge))
    assert len(told) == 1


@pytest.mark.parametrize(("count", "told"), [(100, "99 of 100 pages"), (103, "more than 100 page")])
def test_pages_are_counted_up_to_a_hundred(count: int, told: str) -> None:
    with pytest.warns(FramesWarning, match=told):
        read_image(tiff(*[{}] * count))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_a_damaged_file_of_a_known_kind() -> None:
    file = io.BytesIO()
    Image.new("RGB", (50, 40)).save(file, "AVIF")
    for data in (file.getvalue()[:60], b"\0\0\0\x18ftypheic" + bytes(40)):
        with pytest.raises(ArgumentError, match="cannot read"):
            read_image(data)


@pytest.mark.parametrize(
    ("brand", "package"), [(b"avif", "'pillow>=11.3'"), (b"heic", "pillow-heif")]
)
def test_what_reads_a_file_of_a_phone_is_told(brand: bytes, package: str) -> None:
    because = unread_because(io.BytesIO(b"\0\0\0\x18ftyp" + brand + bytes(40)))
    assert because is not None
    assert because.endswith(f"pip install {package}, or trimatte with its extra [heif]")

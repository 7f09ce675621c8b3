"""Which files are images, and what is said of those that Pillow does not read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from trimatte.errors import ArgumentError, FramesWarning
from trimatte.imageio import read_image
from trimatte.io.kinds import begins_like_a_photo, has_image_name


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


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_a_damaged_file_of_a_known_kind() -> None:
    file = io.BytesIO()
    Image.new("RGB", (50, 40)).save(file, "AVIF")
    for data in (file.getvalue()[:60], b"\0\0\0\x18ftypheic" + bytes(40)):
        with pytest.raises(ArgumentError, match="cannot read"):
            read_image(data)

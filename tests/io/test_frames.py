"""Animated images: frames with their times out of files and into files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trimatte.errors import ArgumentError
from trimatte.imageio import encode_png, read_frames, read_image

SECONDS = [0.1, 0.2, 0.3, 0.4]


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
        ("GIF", {"disposal": 2}, 1),
        ("PNG", {"loop": 3}, 3),
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


def test_a_broken_frame_is_named_when_it_comes() -> None:
    data = file_of(moving(), "WEBP", lossless=True)
    frames = iter(read_frames(file_of(moving(), "GIF", disposal=2)[:-60]))
    with pytest.raises(ArgumentError, match="cannot read the"):
        list(frames)
    with pytest.raises(ArgumentError, match="max_pixels is 900"):
        read_frames(data, max_pixels=900)
    with pytest.raises(ArgumentError, match="path, bytes"):
        read_frames(3)  # type: ignore[arg-type]

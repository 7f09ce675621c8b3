"""Animated images: their frames out of files, with their times, and into files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from trimatte.io.kinds import first_frame, frame_count
from trimatte.io.limits import MAX_PIXELS, Pixels, check_size, number_of_pixels
from trimatte.io.metadata import Metadata, metadata_of, upright_size
from trimatte.io.reading import encoded, identified, load_picture, pixels_of
from trimatte.io.sources import Array, ImageSource, measurable

__all__ = ["Frames", "ImageFrame", "read_frames"]


class ImageFrame(NamedTuple):
    """One frame of an animation.

    pixels: (H, W, 4) uint8, straight alpha, the whole picture that shows at its time. seconds: how
    long it shows; 0 where the file does not say.
    """

    pixels: Array
    seconds: float


class Frames:
    """The frames of an animated image, decoded one by one, each time they are iterated over.

    Attributes:
        count: how many there are.
        loops: how often they are shown; 0: for ever.
        size: (height, width) of each.
        metadata: what is stored beside their pixels.
    """

    def __init__(self, source: ImageSource, *, max_pixels: Pixels | None = MAX_PIXELS) -> None:
        self._source = measurable(source)
        with encoded(self._source, "read_frames") as file, identified(file) as picture:
            check_size(picture.size, number_of_pixels(max_pixels, "read_frames"))
            self.count: int = frame_count(picture)
            self.loops: int = _loops(picture) if self.count > 1 else 1
            width, height = upright_size(picture)
            self.size: tuple[int, int] = (height, width)
            self.metadata: Metadata = metadata_of(picture, (width, height))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[ImageFrame]:
        if self.count == 1:
            yield ImageFrame(load_picture(self._source).pixels, 0.0)
            return
        with encoded(self._source, "read_frames") as file, identified(file) as picture:
            for number in range(self.count):
                picture.seek(first_frame(picture) + number)
                pixels = _with_alpha(pixels_of(picture).pixels)
                yield ImageFrame(pixels, picture.info.get("duration", 0) / 1000)


def read_frames(source: ImageSource, *, max_pixels: Pixels | None = MAX_PIXELS) -> Frames:
    """The frames of an animated GIF, PNG (APNG), WebP or AVIF image.

    source: a path, an encoded file's bytes or a binary file object. max_pixels: as for read_image,
    of one frame. A still image has one frame, as `read_image` gives it. Only one frame is in
    memory at a time; of 16 bits per channel Pillow gives 8.

    Raises ArgumentError naming the source and the cause, where a frame is broken when it comes.
    """
    return Frames(source, max_pixels=max_pixels)


def _loops(picture: Image.Image) -> int:
    """How often the frames are shown; 0: for ever."""
    loop = picture.info.get("loop")
    if picture.format == "GIF":  # how often they are repeated; not at all where nothing is said
        return 1 if loop is None else loop and loop + 1
    return int(loop or 0)


def _with_alpha(pixels: Array) -> Array:
    if pixels.shape[2] == 4:
        return pixels
    opaque = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    return np.dstack([pixels, opaque])

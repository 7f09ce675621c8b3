"""Animated images: their frames out of files, with their times, and into files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trimatte.arrays import is_whole, with_alpha
from trimatte.errors import ArgumentError, MetadataWarning, warn
from trimatte.io.kinds import first_frame, frame_count, may_be_animated
from trimatte.io.limits import MAX_PIXELS, Pixels, check_size, number_of_pixels, within_limits
from trimatte.io.metadata import Metadata, chosen, upright_size
from trimatte.io.png import ancillary_chunks
from trimatte.io.reading import encoded, identified, naming, pixels_of, read_image
from trimatte.io.sources import (
    Array,
    ImageSource,
    cause_of,
    measurable,
    name_of,
)
from trimatte.io.writing import (
    WEBP_EFFORT,
    Compression,
    file_in_place,
    for_gif,
    held,
    level_of,
    to_pillow,
)

__all__ = [
    "FRAME_FORMATS",
    "Frames",
    "ImageFrame",
    "encode_frames",
    "frame_format",
    "frames_in",
    "read_frames",
    "write_frames",
]

FRAME_FORMATS = {".gif": "gif", ".png": "png", ".apng": "png", ".webp": "webp"}
"""What holds several frames, by its suffix."""

_BACKGROUND = 2  # how a GIF's frame ends: what it showed is cleared
_MOST_LOOPS = 65535  # what a GIF and a WebP have room for
_WEBP_ALPHA = 0x10  # which libwebp sets only where a frame is transparent within its own rectangle
_SHORTEST = 1  # of a WebP's frames, in milliseconds; two at one time would be one


class ImageFrame(NamedTuple):
    """One frame of an animation.

    pixels: the whole picture that shows at its time; as read from an animation (H, W, 4) uint8 with
    straight alpha. seconds: how long it shows; 0 where the file does not say, which browsers take
    for 0.1.
    """

    pixels: Array
    seconds: float


class Frames:
    """The frames of an animated image, decoded one by one, each time they are iterated over.

    Attributes:
        count: how many there are.
        loops: how often they are shown; 0: for ever.
        size: (height, width) of each.
    """

    def __init__(self, source: ImageSource, *, max_pixels: Pixels | None = MAX_PIXELS) -> None:
        self._source = measurable(source)
        self._limit = number_of_pixels(max_pixels, "read_frames")
        with (
            encoded(self._source, "read_frames") as file,
            identified(file) as picture,
            within_limits(picture.size, self._limit),
        ):
            self.count: int = frame_count(picture)
            self.loops: int = _loops(picture) if self.count > 1 else 1
            width, height = upright_size(picture)
            self.size: tuple[int, int] = (height, width)

    @cached_property
    def metadata(self) -> Metadata:
        """What is stored beside their pixels; the first frame is decoded for it, once.

        Raises ArgumentError: that frame is broken.
        """
        with (
            encoded(self._source, "read_frames") as file,
            identified(file) as picture,
            within_limits(picture.size, self._limit),
        ):
            return pixels_of(picture).metadata

    def check_total(self, max_pixels: int | None) -> None:
        """Raises ArgumentError where all frames together have more pixels, as they have to be in
        memory to be written as an animation."""
        with naming(self._source, "read_frames"):
            check_size(self.size[::-1], max_pixels, self.count)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[ImageFrame]:
        if self.count == 1:
            yield ImageFrame(read_image(self._source, max_pixels=self._limit), 0.0)
            return
        height, width = self.size
        with encoded(self._source, "read_frames") as file, identified(file) as picture:
            for number in range(self.count):
                with within_limits(picture.size, self._limit):
                    picture.seek(first_frame(picture) + number)
                with within_limits(picture.size, self._limit):
                    pixels = with_alpha(pixels_of(picture).pixels)
                # Pillow lets a GIF grow by frames that go beyond it; browsers cut them off.
                pixels = pixels[:height, :width]
                yield ImageFrame(pixels, picture.info.get("duration", 0) / 1000)


def frames_in(source: ImageSource) -> int:
    """How many frames an encoded image has, by its header; 1 of what cannot be read, too."""
    try:
        with encoded(source, "read_frames") as file:
            if not may_be_animated(file):
                return 1
            with identified(file) as picture, within_limits(picture.size, None):
                return frame_count(picture)
    except ArgumentError:
        return 1


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
        loop = 1 if loop is None else loop and loop + 1
    return min(int(loop or 0), _MOST_LOOPS)


# --- writing ---


def write_frames(
    path: str | os.PathLike[str],
    frames: Iterable[ImageFrame],
    format: str | None = None,
    *,
    loops: int = 0,
    compression: Compression = "fast",
    metadata: Metadata | None = None,
) -> None:
    """Write an animated image, whole or not at all.

    frames: of one size, each the whole picture: nothing of the ones before shows through. pixels:
    (H, W), (H, W, 3) or (H, W, 4), stored with 8 bits per channel. format: "gif", "png" (APNG) or
    "webp" (lossless); by default the suffix of path decides. A GIF has 255 colours for each frame,
    and each of its pixels is opaque or transparent, which those with an alpha below 1/2 are.
    loops: how often the frames are shown; 0: for ever. compression: as for write_image. metadata:
    what is to be stored with it; for a GIF colours become those of sRGB. Equal frames that follow
    one another may be stored as one.

    Raises ArgumentError where there are no frames or they differ in size, where the format cannot
    hold them, and where the file cannot be written. Warns MetadataWarning, as write_image does.
    """
    kind = frame_format(path, format, "write_frames")
    data = _encoded(frames, kind, loops, compression, metadata, "write_frames")
    with file_in_place(path, "write_frames") as file:
        file.write(data)


def encode_frames(
    frames: Iterable[ImageFrame],
    format: str = "png",
    *,
    loops: int = 0,
    compression: Compression = "fast",
    metadata: Metadata | None = None,
) -> bytes:
    """Encode an animated image as the bytes of a file; arguments and errors as for write_frames."""
    kind = frame_format("", format, "encode_frames")
    return _encoded(frames, kind, loops, compression, metadata, "encode_frames")


def frame_format(path: str | os.PathLike[str], format: str | None, caller: str) -> str:
    """The format of frames that is meant, by its name or else by the suffix of a path.

    Raises ArgumentError: it does not hold frames.
    """
    suffix = Path(os.fsdecode(path)).suffix if format is None else f".{str(format).lstrip('.')}"
    kind = FRAME_FORMATS.get(suffix.lower())
    if kind is None:
        told = name_of(path) if format is None else f"format {format!r}"
        raise ArgumentError(
            f"{caller}: {told} does not hold several frames; use one of {', '.join(FRAME_FORMATS)}"
        )
    return kind


def _encoded(
    frames: Iterable[ImageFrame],
    kind: str,
    loops: int,
    compression: Compression,
    metadata: Metadata | None,
    caller: str,
) -> bytes:
    level = level_of(compression, caller)
    if not is_whole(loops) or not 0 <= loops <= _MOST_LOOPS:
        raise ArgumentError(f"{caller}: loops must be in 0..{_MOST_LOOPS}, got {loops!r:.80}")
    metadata, dropped = held(chosen(metadata, None, caller), kind)
    for sentence in dropped:
        warn(sentence, MetadataWarning)
    pictures, times = [], []
    for frame in frames:
        picture = to_pillow(frame.pixels)
        pictures.append(for_gif(picture, metadata.profile) if kind == "gif" else picture)
        times.append(round(1000 * frame.seconds))
    if len({picture.size for picture in pictures}) != 1:
        sizes = sorted({picture.size for picture in pictures})
        raise ArgumentError(f"{caller}: frames must be one or more of one size, got sizes {sizes}")
    options = _options(kind, times, loops, level, metadata)
    file = io.BytesIO()
    try:
        with within_limits(pictures[0].size, None):  # Pillow's, which has one for parts of frames
            pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], **options)
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{caller}: cannot encode as {kind}: {cause_of(error)}") from error
    data = bytearray(file.getbuffer())
    if data[12:16] == b"VP8X" and any(picture.mode == "RGBA" for picture in pictures):
        data[20] |= _WEBP_ALPHA
    return bytes(data)


def _options(
    kind: str, times: Sequence[int], loops: int, level: int, metadata: Metadata
) -> dict[str, Any]:
    """Pillow's save options for an animation. A single picture has no duration."""
    options: dict[str, Any] = {"duration": list(times)} if len(times) > 1 else {}
    if kind == "gif":
        options |= {"disposal": _BACKGROUND, "optimize": False}
        return options | ({} if loops == 1 else {"loop": max(0, loops - 1)})
    options["loop"] = loops
    if kind == "png":
        return options | {"compress_level": level, **_beside_png(metadata)}
    method, effort = WEBP_EFFORT[level]
    if "duration" in options:
        options["duration"] = [max(_SHORTEST, time) for time in times]
    options |= {"lossless": True, "method": method, "quality": effort, "exact": True}
    return options | metadata.with_dpi_in_exif().info


def _beside_png(metadata: Metadata) -> dict[str, Any]:
    """What Pillow is told to store in a PNG beside the pixels."""
    chunks = PngInfo()
    for name, data in ancillary_chunks(replace(metadata, icc_profile=None, dpi=None, exif=None)):
        chunks.add(name, data)
    by_name = {name: metadata.info.get(name) for name in ("exif", "dpi")}
    by_name["icc_profile"] = metadata.icc_profile
    return {"pnginfo": chunks} | {name: told for name, told in by_name.items() if told}

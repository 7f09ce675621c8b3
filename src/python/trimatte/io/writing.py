"""Images into files and bytes: PNG, WebP, TIFF and JPEG, whole or not at all.

Pillow cannot encode RGB of 16 bits per channel: PNG is encoded by `trimatte.io.png`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from trimatte.arrays import in_depth, is_whole, plain_array
from trimatte.errors import ArgumentError, MetadataWarning, warn
from trimatte.io.atomic import replacing
from trimatte.io.colour_chunks import SRGB_CICP
from trimatte.io.iptc import photoshop_segment
from trimatte.io.metadata import Metadata, chosen
from trimatte.io.png import write_png
from trimatte.io.profiles import to_srgb
from trimatte.io.sources import PATH_ERRORS, Array, cause_of, is_path, name_of
from trimatte.io.tiff import write_tiff

__all__ = [
    "COMPRESSION",
    "FORMATS",
    "WEBP_EFFORT",
    "Compression",
    "check_output",
    "encode_image",
    "encode_png",
    "file_in_place",
    "for_gif",
    "held",
    "level_of",
    "target_of",
    "to_pillow",
    "write_image",
]


Compression = int | str
"""How small a file is to be made, and so how long it takes: a name of COMPRESSION or a level in
0..9, of which 0 is for the largest file. No level changes a pixel, of JPEG neither."""

COMPRESSION = {"fast": 1, "balanced": 4, "small": 9}
"""The names of levels of compression."""

_OVERSHOOT = 1 / 255  # of floats, beyond [0, 1]: as operations take them

_TIFF_MOST = 0xFF00_0000  # bytes that 32-bit offsets reach, with room for metadata

_VISIBLE = 128  # of 255: a GIF's pixel shows where at least half of it is covered
_TRANSPARENT = 255  # the place in a GIF's palette

_JPEG_SEGMENT = 65_490  # bytes of a segment, less the names of what it holds


# Of lossless WebP by level, libwebp's method and quality (there: effort). Between method 0 and the
# next is most of the time, so that "fast" has it too.
WEBP_EFFORT = (
    *((0, 0), (0, 0), (1, 20), (3, 30), (4, 50)),
    *((4, 75), (4, 90), (5, 75), (5, 90), (6, 100)),
)

FORMATS = {
    ".png": "png",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".gif": "gif",
    ".apng": "png",
}
"""What is written, by its suffix."""


def write_image(
    path: str | os.PathLike[str],
    array: Array,
    format: str | None = None,
    *,
    compression: Compression = "fast",
    icc_profile: bytes | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Write an image file, whole or not at all.

    array: (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16, float32 in [0, 1] (stored with 16
    bits) or bool (stored as 0 and 255). format: "png", "webp" (lossless), "tiff", "jpeg"
    (quality 95, without alpha only) or "gif" (255 colours, each pixel opaque or transparent); by
    default the suffix of path decides. 16 bits fit into PNG and TIFF; a GIF is made of 8.
    compression: "fast", "balanced", "small", or a level in 0..9, which trades time for size and
    never a pixel; TIFF knows 0 (none) and one more. metadata: what is to be stored with it, that of
    a `Result` or `load_picture`. icc_profile: another colour profile than that.

    The file is written beside path under another name and then renamed, so that path is never
    half a file and is left as it was on failure.

    Raises ArgumentError where the format cannot hold the array, where the folder of path is
    missing, and where the file cannot be written. Warns MetadataWarning, in one sentence for each,
    of metadata that the format cannot hold: WebP has no place for text and IPTC, JPEG for text and
    for parts of more than 64 kB, TIFF for text, and all three for the colours of HDR.
    """
    if not is_path(path):
        raise ArgumentError(
            f"write_image: path must be a str or a path, got {type(path).__name__}; encode_image "
            "(of a Result: encode) gives the bytes of a file"
        )
    kind = _kind(path, format, "write_image")
    encode = _encoder(
        array, kind, compression, chosen(metadata, icc_profile, "write_image"), "write_image"
    )
    with file_in_place(path, "write_image") as file:
        encode(file)


@contextmanager
def file_in_place(path: str | os.PathLike[str], caller: str) -> Iterator[BinaryIO]:
    """`replacing`, of what a user names.

    Raises ArgumentError: the file cannot be written.
    """
    try:
        with replacing(target_of(path)) as file:
            yield file
    except PATH_ERRORS as error:
        raise ArgumentError(f"{caller}: cannot write {name_of(path)}: {cause_of(error)}") from error


def encode_image(
    array: Array,
    format: str = "png",
    *,
    compression: Compression = "fast",
    icc_profile: bytes | None = None,
    metadata: Metadata | None = None,
) -> bytes:
    """Encode an image as the bytes of a file.

    array, format, compression, icc_profile, metadata: as for write_image.

    Raises ArgumentError where the format is not known or cannot hold the array. Warns
    MetadataWarning, as write_image does.
    """
    kind = _kind("", format, "encode_image")
    encode = _encoder(
        array, kind, compression, chosen(metadata, icc_profile, "encode_image"), "encode_image"
    )
    buffer = io.BytesIO()
    try:
        encode(buffer)
    except OSError as error:
        raise ArgumentError(f"encode_image: cannot encode as {kind}: {cause_of(error)}") from error
    return buffer.getvalue()


def encode_png(
    array: Array,
    *,
    compression: Compression = "fast",
    icc_profile: bytes | None = None,
    metadata: Metadata | None = None,
) -> bytes:
    """Encode an image as the bytes of a PNG file: `encode_image` with its default format.

    array: as for write_image. uint16 and float32 arrays give 16 bits per channel.
    """
    return encode_image(
        array, "png", compression=compression, icc_profile=icc_profile, metadata=metadata
    )


def check_output(caller: str, format: str = "png", compression: Compression = "fast") -> None:
    """Raise ArgumentError where encode_image knows no such format, or no such compression."""
    _kind("", format, caller)
    level_of(compression, caller)


def to_pillow(array: Array, metadata: Metadata | None = None) -> Image.Image:
    """The array as a Pillow image of 8 bits per channel (Pillow has no RGB of 16 bits), with the
    metadata in its ``info``."""
    picture = Image.fromarray(_eight_bits(array))
    if metadata is not None:
        picture.info.update(dict(metadata.text) | metadata.info)
    return picture


def _storable(array: Array, caller: str) -> Array:
    """The array as contiguous uint8 or uint16, (H, W), (H, W, 3) or (H, W, 4)."""
    array = plain_array(array, caller, "array")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ArgumentError(
            f"{caller}: array must be (H, W), (H, W, 3) or (H, W, 4), got {array.shape}"
        )
    if array.size == 0:
        raise ArgumentError(f"{caller}: the image is empty: {array.shape}")
    if array.dtype == np.bool_:
        return np.ascontiguousarray(np.multiply(array, 255, dtype=np.uint8))
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())  # nan, if there is one
        if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):
            wrong = low if not low >= -_OVERSHOOT else high
            hint = "; divide a 0..255 image by 255" if 2 < wrong <= 255 else ""
            raise ArgumentError(f"{caller}: array must be float32 in [0, 1], got {wrong:g}{hint}")
        stored = np.rint(np.clip(array, 0, 1) * np.float64(65535))
        return _without_hidden(np.ascontiguousarray(stored, np.uint16))
    if array.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise ArgumentError(
            f"{caller}: array must be uint8, uint16, float32 in [0, 1] or bool, got {array.dtype}"
        )
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _eight_bits(array: Array) -> Array:
    """The array as uint8, rounded to the nearest of 256 levels."""
    array = _storable(array, "to_pillow")
    if array.dtype == np.uint8:
        return array
    return _without_hidden(in_depth(array, np.uint8))


def _without_hidden(reduced: Array) -> Array:
    """The array, just made of one of more depth: no colour is left under an alpha that is now 0."""
    if reduced.ndim == 3 and reduced.shape[2] == 4:
        reduced[reduced[:, :, 3] == 0] = 0
    return reduced


def target_of(path: str | os.PathLike[str]) -> Path:
    """Where the file is to be; a link stays a link: what it points to is replaced."""
    target = Path(os.fsdecode(path)).resolve()
    if not target.parent.is_dir():
        raise OSError(f"there is no folder {str(target.parent)!r}")
    if target.is_dir():
        raise OSError("it is a folder")
    if target.exists() and not target.is_file():
        raise OSError("it is not an ordinary file")
    return target


def _kind(name: str | os.PathLike[str], format: str | None, caller: str) -> str:
    """The kind of file that a format stands for, or the suffix of a name where none is given."""
    given = Path(os.fsdecode(name)).suffix if format is None else f".{str(format).lstrip('.')}"
    kind = FORMATS.get(given.lower())
    if kind is None:
        known = ", ".join(FORMATS)
        told = name_of(name) if format is None else f"format {format!r}"
        raise ArgumentError(f"{caller}: cannot tell what to write for {told}; use one of {known}")
    return kind


def _encoder(
    array: Array, kind: str, compression: Compression, metadata: Metadata, caller: str
) -> Callable[[BinaryIO], None]:
    """What writes the array into a file, once all that can be refused has been."""
    level = level_of(compression, caller)
    array = _storable(array, caller)
    unfit = _unfit(array, kind)
    if unfit is not None:
        raise ArgumentError(f"{caller}: {unfit}")
    metadata, dropped = held(metadata, kind)
    for sentence in dropped:
        warn(sentence, MetadataWarning)
    write = {"png": write_png, "webp": _write_webp, "tiff": write_tiff, "jpeg": _write_jpeg,
             "gif": _write_gif}[kind]  # fmt: skip
    return lambda file: write(file, array, level, metadata)


def _unfit(array: Array, kind: str) -> str | None:
    """Why a format cannot hold the array, or None."""
    longest = max(array.shape[:2])
    deep = array.dtype != np.uint8
    if kind == "webp" and deep:
        return "WebP holds 8 bits per channel; write .png instead"
    if kind == "webp" and longest > 16383:
        return "WebP holds 16383 x 16383 pixels; write .png instead"
    if kind == "gif" and longest > 65535:
        return "GIF holds 65535 x 65535 pixels; write .png instead"
    if kind == "tiff" and array.nbytes > _TIFF_MOST:
        return "TIFF holds 4 GB; write .png instead"
    if kind == "jpeg" and array.ndim == 3 and array.shape[2] == 4:
        return "JPEG has no alpha; write .png, .webp or .tif, or composite over a background first"
    if kind == "jpeg" and deep:
        return "JPEG holds 8 bits per channel; write .png instead"
    if kind == "jpeg" and longest > 65500:
        return "JPEG holds 65500 x 65500 pixels; write .png instead"
    return None


def level_of(compression: Compression, caller: str) -> int:
    """The level in 0..9 that is meant."""
    if isinstance(compression, str) and compression in COMPRESSION:
        return COMPRESSION[compression]
    if is_whole(compression) and 0 <= int(compression) <= 9:
        return int(compression)
    names = ", ".join(map(repr, COMPRESSION))
    raise ArgumentError(
        f"{caller}: compression must be {names} or a level in 0..9, got {compression!r:.80}"
    )


def held(metadata: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """Split metadata into what the format can store and messages about the rest."""
    if kind == "png":
        return metadata, []
    name = {"gif": "GIF", "webp": "WebP", "tiff": "TIFF", "jpeg": "JPEG"}[kind]
    no_place, no_room = f"{name} has no place for it", f"{name} has room for 64 kB"
    dropped: list[str] = []
    is_told = metadata.profile is not None or metadata.cicp is None or metadata.cicp in SRGB_CICP
    if metadata.hdr or not is_told:
        colours = f"HDR ({metadata.hdr})" if metadata.hdr else "unusual"
        dropped.append(
            f"cICP, which says that colours are {colours}, was dropped: {no_place}, and they will "
            "look wrong without"
        )
    kept: dict[str, Any] = {
        "icc_profile": metadata.profile,
        "png_colour": (),
        "text": tuple(
            (key, text)
            for key, text in metadata.text
            if kind == "jpeg" and key == "Comment" and len(text.encode()) <= _JPEG_SEGMENT
        ),
    }
    if lost := ", ".join(key for key, text in metadata.text if (key, text) not in kept["text"]):
        dropped.append(f"text ({lost:.80}) was dropped: {no_place}")
    for part in ("exif", "xmp", "iptc"):
        size = len(getattr(metadata, part) or b"")
        if kind == "jpeg" and size > _JPEG_SEGMENT:
            problem = no_room
        elif size and (kind == "gif" or (kind == "webp" and part == "iptc")):
            problem = no_place
        else:
            continue
        dropped.append(f"the {part.upper()} was dropped: {problem}")
        kept[part] = None
    return replace(metadata, **kept), dropped


def _write_webp(file: BinaryIO, array: Array, level: int, metadata: Metadata) -> None:
    method, effort = WEBP_EFFORT[level]
    options = {"lossless": True, "method": method, "quality": effort, "exact": True}
    beside = metadata.with_dpi_in_exif().info
    Image.fromarray(array).save(file, "WEBP", **options, **beside)


def _write_gif(file: BinaryIO, array: Array, level: int, metadata: Metadata) -> None:
    for_gif(to_pillow(array), metadata.profile).save(file, "GIF", optimize=False)


def for_gif(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in 255 colours of sRGB that are chosen by its visible pixels, without dithering,
    which would flicker, and transparent where it is less than half opaque."""
    if picture.mode == "L":
        return picture
    colours = picture.convert("RGB")
    colours = to_srgb(colours, profile) or colours
    if picture.mode == "RGB":
        return colours.quantize(dither=Image.Dither.NONE)
    visible = np.asarray(picture)[:, :, 3] >= _VISIBLE
    indices = np.full(visible.shape, _TRANSPARENT, np.uint8)
    palette: list[int] = []
    if visible.any():
        row = Image.fromarray(np.asarray(colours)[visible][None]).quantize(
            _TRANSPARENT, dither=Image.Dither.NONE
        )
        indices[visible] = np.asarray(row)[0]
        palette = row.getpalette() or []
    picture = Image.fromarray(indices, "P")
    picture.putpalette(palette + [0] * (3 * 256 - len(palette)))
    # On each frame, so that Pillow tells transparent from black where it compares two.
    picture.info["transparency"] = _TRANSPARENT
    return picture


def _write_jpeg(file: BinaryIO, array: Array, level: int, metadata: Metadata) -> None:
    # The same coefficients, with tables of their own, and in the order that makes them smallest.
    options: dict[str, Any] = {"optimize": level > COMPRESSION["fast"], "progressive": level == 9}
    beside = metadata.info
    if metadata.iptc is not None:
        beside["extra"] = photoshop_segment(metadata.iptc)
    for _, comment in metadata.text:
        beside["comment"] = comment.encode()
    # Pillow writes to a file's descriptor, and takes no notice where a full disk takes less.
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=95, subsampling=0, **options, **beside)
    file.write(buffer.getbuffer())

"""Images from files, bytes and Pillow: everything that Pillow reads.

Orientation is applied; palettes, grey and CMYK become RGB; an alpha channel or a transparent
colour becomes the fourth channel; 16 bits per channel stay 16.

Pillow decodes RGB files of 16 bits per channel to 8. Here they are decoded twice, once for each
byte of a sample. JPEG is decoded by `trimatte.io.codecs` where a faster decoder is installed, to
the same pixels.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from trimatte.arrays import plain_array
from trimatte.errors import ArgumentError, FramesWarning, warn
from trimatte.io.codecs import decode_jpeg
from trimatte.io.colour_chunks import colour_chunks
from trimatte.io.kinds import (
    MOST_PAGES,
    check_no_preview,
    frame_count,
    load_plugin,
    page_count,
    unread_because,
)
from trimatte.io.limits import MAX_PIXELS, Pixels, number_of_pixels, picture_in, within_limits
from trimatte.io.metadata import Metadata, metadata_of, orientation_of
from trimatte.io.profiles import colour_space, to_srgb
from trimatte.io.sources import (
    Array,
    ImageSource,
    Spooled,
    cause_of,
    is_path,
    name_of,
    opened,
    rest_of,
)

__all__ = [
    "Header",
    "Picture",
    "array_of",
    "decode_source",
    "encoded",
    "identified",
    "load_picture",
    "naming",
    "pixels_of",
    "read_header",
    "read_image",
]


# What a broken file can make a decoder raise.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    ImageCms.PyCMSError,
)


# Tags of TIFF, and values of them.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2
_PHOTOMETRICS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}


_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The same for an array of which a pixel is one item, (H, W).
_TURN: dict[int, Callable[[Array], Array]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).T,
    8: np.rot90,
}


class Picture(NamedTuple):
    """Decoded pixels, and what was stored beside them."""

    pixels: Array
    metadata: Metadata


class Header(NamedTuple):
    """What is known of an image before it is decoded: its size, and the bytes of a sample."""

    height: int
    width: int
    itemsize: int


def read_image(source: ImageSource, *, max_pixels: Pixels | None = MAX_PIXELS) -> Array:
    """Read an image as straight RGB or RGBA.

    source: a path, an encoded file's bytes, a binary file object, a Pillow image or an array.
    Returns (H, W, 3), or (H, W, 4) where the source has an alpha channel or a transparent
    colour: uint8, or uint16 where the file holds 16 bits per channel (PNG, TIFF). Values are as
    stored (display-referred); only what is not RGB is converted: CMYK and grey through their colour
    profile if they have one. The EXIF orientation is applied. Of an animation, or of a file of
    several pages, the first is read, with a FramesWarning (`read_frames` reads all frames); of a
    Pillow image the one that it shows. Arrays are passed on without a copy, (H, W) ones as three
    equal channels.

    max_pixels: a number, or text such as ``"200M"``; images of more are refused before they are
    decoded, arrays are not. None: no limit. Pillow's own limit does not apply.

    Raises ArgumentError naming the source and the cause: missing, a folder, truncated, no image,
    too large, of a kind that would lose something.
    """
    return load_picture(source, max_pixels=max_pixels).pixels


def load_picture(source: ImageSource, *, max_pixels: Pixels | None = MAX_PIXELS) -> Picture:
    """read_image, with what is stored beside the pixels of the source."""
    array = array_of(source, "read_image")
    if array is None:
        return decode_source(source, "read_image", max_pixels)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise ArgumentError(
            "read_image: image must be (H, W), (H, W, 3) or (H, W, 4), got "
            f"{array.shape}{_advice(array.shape)}"
        )
    if array.dtype.newbyteorder("=") not in (np.uint8, np.uint16, np.float32):
        raise ArgumentError(
            f"read_image: image must be uint8, uint16 or float32 in [0, 1], got {array.dtype}"
            f"{_conversion(array.dtype)}"
        )
    return Picture(array.astype(array.dtype.newbyteorder("="), copy=False), Metadata())


def read_header(source: object) -> Header | None:
    """The header of an image, which is not decoded for it; None where there is no telling without,
    as of most file objects, and of what is no image: to decode it says why."""
    try:
        shape = getattr(source, "shape", None)
        if shape is not None:
            return Header(int(shape[0]), int(shape[1]), int(source.dtype.itemsize))  # type: ignore[attr-defined]
        if isinstance(source, Image.Image):
            return _header_of(source)
        if isinstance(source, (bytes, bytearray, memoryview, Spooled)):
            data = source.getbuffer() if isinstance(source, Spooled) else source
            with identified(io.BytesIO(data)) as picture:
                return _header_of(picture)
        if is_path(source):
            with opened(source) as file, identified(file) as picture:  # type: ignore[arg-type]
                return _header_of(picture)
    except Exception:  # of decoders, and of what only looks like an array
        return None
    return None


# --- reading ---


def _header_of(picture: Image.Image) -> Header:
    if picture.mode == "F":
        return Header(picture.height, picture.width, 4)
    deep = picture.mode.startswith("I") or ";16" in _raw_mode(picture)
    return Header(picture.height, picture.width, 2 if deep else 1)


def array_of(source: object, caller: str) -> Array | None:
    """The source as an array if it is one already, else None."""
    if isinstance(source, (Image.Image, str, os.PathLike, bytes, bytearray, memoryview)):
        return None
    if any(hasattr(source, way) for way in ("__array_interface__", "__array__", "__dlpack__")):
        return plain_array(source, caller, "image")
    return None


def _conversion(dtype: np.dtype[Any]) -> str:
    """How an array of another dtype becomes an image."""
    if dtype.kind == "f":
        return "; image.astype('float32') if it is in [0, 1]"
    if dtype.kind in "iu":
        return "; image.astype('uint8') if it is in 0..255"
    return "; 255 * image.astype('uint8') is black and white" if dtype.kind == "b" else ""


def _advice(shape: tuple[int, ...]) -> str:
    """How an array of a shape that is no image's becomes one."""
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        return "; permute(1, 2, 0) takes channels from the front to the end"
    return "; take one image of a batch" if len(shape) == 4 else ""


def decode_source(
    source: object, caller: str, max_pixels: Pixels | None, *, managed: bool = True
) -> Picture:
    """Decode a path, bytes, file object or Pillow image; every failure names the source.

    managed: whether a profile of greys is applied.
    """
    most = number_of_pixels(max_pixels, caller)
    if isinstance(source, Image.Image):
        with naming(source, caller), within_limits(source.size, most):
            return pixels_of(source, managed)
    with (
        encoded(source, caller) as file,
        identified(file) as picture,
        within_limits(picture.size, most),
    ):
        frames, format = frame_count(picture), picture.format
        decoded = _decode(file, picture, managed)
        _warn_of_others(frames, page_count(file, format), name_of(source))
        return decoded


def _warn_of_others(frames: int, pages: int, name: str) -> None:
    if frames > 1:
        told = f"left out of {name}: {frames - 1} of {frames} frames"
        message = f"{told}; .gif, .webp and .png hold all (in Python: imageio.read_frames)"
    elif pages > MOST_PAGES:
        message = f"left out of {name}: all but the first of more than {MOST_PAGES} pages"
    elif pages > 1:
        message = f"left out of {name}: {pages - 1} of {pages} pages"
    else:
        return
    warn(message, FramesWarning)


@contextmanager
def encoded(source: object, caller: str) -> Iterator[BinaryIO]:
    """A path, bytes or the rest of a file object as a seekable file; what fails while it is open
    names the source."""
    if isinstance(source, (str, os.PathLike)):
        with naming(source, caller), opened(source) as file:
            yield file
    elif isinstance(source, (bytes, bytearray, memoryview, Spooled)):
        with naming(source, caller):
            yield io.BytesIO(source.getbuffer() if isinstance(source, Spooled) else source)
    elif hasattr(source, "read"):
        with naming(source, caller):
            # To the end: it may be a pipe, and 16 bits need two passes.
            yield io.BytesIO(rest_of(source))
    else:
        advice = "; await it" if hasattr(source, "__await__") else ""
        raise ArgumentError(
            f"{caller}: an image must be a path, bytes, a binary file object, a Pillow image or an "
            f"array, got {type(source).__name__}{advice}"
        )


@contextmanager
def naming(source: object, caller: str) -> Iterator[None]:
    """What a decoder raises is raised as an ArgumentError that names the source."""
    try:
        yield
    except _DECODER_ERRORS as error:
        raise ArgumentError(
            f"{caller}: cannot read {name_of(source)}: {cause_of(error)}"
        ) from error


def identified(file: BinaryIO) -> Image.Image:
    """The picture of a file, of which only the head is read.

    Raises ValueError or UnidentifiedImageError: it is of a kind that nothing here reads.
    """
    try:
        picture = picture_in(file)
    except UnidentifiedImageError:
        if not load_plugin(file):
            raise _unidentified(file) from None
        picture = picture_in(file)
    check_no_preview(file, picture)
    return picture


def _unidentified(file: BinaryIO) -> Exception:
    """What to say of a file that Pillow does not know."""
    because = unread_because(file)
    file.seek(0)
    if not file.read(1):
        return ValueError("it is empty")
    file.seek(0)
    if because is None and (head := file.read(8))[:4] in _TIFF_HEADS:
        kind = _tiff_kind(file, head)
        because = "it is a damaged TIFF"
        if kind:
            because = f"Pillow cannot read this kind of TIFF{kind}; save it as RGB of 8 or 16 bits"
    return UnidentifiedImageError() if because is None else ValueError(because)


def _tiff_kind(file: BinaryIO, head: bytes) -> str:
    """How a TIFF stores its pixels, for a sentence; empty where that is damaged."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        tags = ImageFileDirectory_v2(head if head[2] in b"*\0" else head + file.read(8))
        file.seek(tags.next)
        tags.load(file)
        bits, kind = tags.get(_BITS_PER_SAMPLE, (1,)), tags.get(_SAMPLE_FORMAT, (1,))[0]
        colours = _PHOTOMETRICS.get(tags[_PHOTOMETRIC], f"photometric {tags[_PHOTOMETRIC]}")
        numbers = {2: " signed", 3: " floating-point"}.get(kind, "")
        return f" ({colours}, {len(bits)} x {bits[0]}{numbers} bits)"
    except Exception:  # of a damaged file
        return ""


def _decode(file: BinaryIO, picture: Image.Image, managed: bool) -> Picture:
    """Decode an encoded image from a seekable file, of which the head is read."""
    jpeg = _decode_jpeg(file, picture, managed)
    if jpeg is not None:
        return jpeg
    raw = _raw_mode(picture)
    if ";16" not in raw or picture.mode.startswith("I"):
        return pixels_of(picture, managed)
    transparent = picture.info.get("transparency")
    if raw.startswith("LA;16"):
        # Four bytes a pixel: read as RGBA they are both bytes of grey and both of alpha.
        both, metadata = _decode_raw(file, "RGBA")
        pair = both.view(">u2").astype(np.uint16)
        return _with_grey_profile(pair[:, :, [0, 0, 0, 1]], metadata, managed)
    kind, _, order = raw.partition(";16")
    if kind not in ("RGB", "RGBA", "RGBX") or order not in ("B", "L", "N"):
        raise ValueError(f"16 bits per channel stored as {raw!r}; save it as an RGB or RGBA PNG")
    # Pillow unpacks only the high byte of a sample. Told the other byte order it gives the low.
    native = "L" if sys.byteorder == "little" else "B"
    swapped = {"B": "L", "L": "B"}[native if order == "N" else order]
    high, metadata = _decode_raw(file, raw)
    pixels = high.astype(np.uint16) << 8
    pixels |= _decode_raw(file, f"{kind};16{swapped}")[0]
    return Picture(_with_transparent_colour(pixels, transparent), _of_rgb(metadata))


def _decode_jpeg(file: BinaryIO, picture: Image.Image, managed: bool) -> Picture | None:
    """What `pixels_of` would give of a JPEG file, sooner; None for what is left to it: other
    formats, CMYK, files that are damaged, and all where there is no fast decoder.

    picture: what Pillow has read of the file's head; it has judged its size, too.
    """
    if picture.format not in ("JPEG", "MPO") or picture.mode not in ("RGB", "L"):
        return None
    place = file.tell()
    file.seek(0)
    pixels = decode_jpeg(file.read())
    file.seek(place)
    if pixels is None or pixels.shape[1::-1] != picture.size:
        return None
    turn = _TURN.get(orientation_of(picture))
    if turn is not None:
        # Three times as fast as an item for each channel.
        turned = np.ascontiguousarray(turn(pixels.view("V3")[:, :, 0]))
        pixels = turned.view(np.uint8).reshape(*turned.shape, 3)
    metadata = metadata_of(picture, (pixels.shape[1], pixels.shape[0]))
    if picture.mode == "L":
        return _with_grey_profile(pixels, metadata, managed)
    return Picture(pixels, _of_rgb(metadata))


def _raw_mode(picture: Image.Image) -> str:
    """How the file stores a pixel, in Pillow's words ("RGB;16B"); empty where it is not told."""
    for tile in getattr(picture, "tile", ()):
        codec, _, _, args = tile
        if codec.startswith("ppm") and picture.mode == "RGB" and args[-1] > 255:
            raise ValueError("PPM of 16 bits per channel; save it as PNG")
        mode = args[0] if isinstance(args, tuple) and args else args
        mode = mode if isinstance(mode, str) else ""
        if ";16" not in mode and not picture.mode.startswith("I") and _tiff_depth(picture) == 16:
            raise ValueError("16 bits per channel in separate planes; save them interleaved")
        return mode
    return ""


def _tiff_depth(picture: Image.Image) -> int | None:
    """Bits of a TIFF's sample; None of other files."""
    tags = getattr(picture, "tag_v2", None)
    bits = tags.get(_BITS_PER_SAMPLE) if tags else None
    return max(bits) if isinstance(bits, tuple) and bits else None


def _decode_raw(file: BinaryIO, raw_mode: str) -> tuple[Array, Metadata]:
    """Decode the file's pixels as if they were stored as raw_mode; upright."""
    file.seek(0)
    with identified(file) as opened:
        picture: Any = opened
        tiles = []
        for tile in picture.tile:
            args = (raw_mode, *tile[3][1:]) if isinstance(tile[3], tuple) else raw_mode
            tiles.append(tile._replace(args=args) if hasattr(tile, "_replace") else
                         (*tile[:3], args))  # fmt: skip
        picture.tile = tiles
        chunks = colour_chunks(picture)
        picture.load()
        upright = _upright(picture)
        return np.array(upright), metadata_of(picture, upright.size, chunks)


def pixels_of(picture: Image.Image, managed: bool = True) -> Picture:
    """The pixels of a Pillow image as RGB or RGBA, upright."""
    tags = getattr(picture, "tag_v2", None) or {}
    if _SIGNED in np.atleast_1d(tags.get(_SAMPLE_FORMAT, ())):
        raise ValueError("its samples are signed numbers, which have no white point")
    chunks = colour_chunks(picture)
    picture.load()
    transparent = picture.info.get("transparency")
    mode = picture.mode
    upright = _upright(picture)
    metadata = metadata_of(picture, upright.size, chunks)

    if mode.startswith("I;16") or (mode == "I" and picture.format in ("PNG", "PPM")):
        # Pillow's own conversion to 8 bits would clip at 255.
        grey = np.asarray(upright).astype(np.uint16)
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # which Pillow inverts of 8 bits only
            grey = ~grey
        pixels = np.repeat(grey[:, :, None], 3, axis=2)
        return _with_grey_profile(_with_transparent_colour(pixels, transparent), metadata, managed)
    if mode == "F":
        grey = np.asarray(upright)
        if not (grey.min() >= 0 and grey.max() <= 1):
            raise ValueError("its values are not in [0, 1]; scale it first")
        return _with_grey_profile(np.repeat(grey[:, :, None], 3, axis=2), metadata, managed)
    if mode == "I":
        raise ValueError("32-bit integers have no white point; convert it to 8 or 16 bits first")

    if mode == "CMYK":
        srgb = to_srgb(upright, metadata.icc_profile)
        metadata = metadata.with_profile(None)
        if srgb is None:
            srgb = upright.convert("RGB")
            metadata = metadata.without(
                "its CMYK has no colour profile that can be used, so colours are approximate"
            )
        return Picture(np.array(srgb), metadata)
    if mode == "La":
        upright = upright.convert("LA")  # Pillow knows no other way
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or transparent is not None:
        pixels = np.array(upright.convert("RGBA"))
    else:
        pixels = np.array(upright.convert("RGB"))
    if mode in ("1", "L", "LA", "La"):
        return _with_grey_profile(pixels, metadata, managed)
    if mode == "LAB":  # which Pillow has converted to sRGB
        return Picture(pixels, metadata.with_profile(None))
    return Picture(pixels, _of_rgb(metadata))


def _upright(picture: Image.Image) -> Image.Image:
    """A loaded picture turned as its EXIF orientation says."""
    if picture.format == "TIFF":
        return picture  # Pillow has turned it when it was loaded.
    method = _TRANSPOSE.get(orientation_of(picture))
    return picture if method is None else picture.transpose(method)


def _with_transparent_colour(pixels: Array, colour: object) -> Array:
    """Add the alpha channel that one transparent colour of a 16-bit PNG stands for."""
    if not isinstance(colour, (int, tuple)):
        return pixels
    opaque = (pixels != np.asarray(colour)).any(axis=2)
    return np.dstack([pixels, np.where(opaque, np.uint16(65535), np.uint16(0))])


# --- colour profiles ---


def _of_rgb(metadata: Metadata) -> Metadata:
    """Without a profile that is not of RGB: beside RGB it would be an error in the file."""
    space = colour_space(metadata.icc_profile)
    if metadata.icc_profile is None or space == b"RGB ":
        return metadata
    problem = f"it is one of {space.decode('latin-1').strip()}" if space else "it is damaged"
    return replace(metadata, icc_profile=None).without(
        f"the colour profile was dropped: {problem}, and the pixels are RGB, taken as sRGB"
    )


def _with_grey_profile(pixels: Array, metadata: Metadata, managed: bool) -> Picture:
    """Three equal channels, which a profile of greys takes to sRGB; what that makes of 256 greys
    says it for those between."""
    curve = _grey_curve(metadata.icc_profile) if managed else None
    if curve is None:
        return Picture(pixels, _of_rgb(metadata))
    full = 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)
    greys = np.linspace(0, full, len(curve))
    corrected = np.interp(pixels[:, :, 0], greys, curve * (full / 255))
    if pixels.dtype != np.float32:
        corrected = np.rint(corrected)
    pixels[:, :, :3] = corrected[:, :, None]
    return Picture(pixels, metadata.with_profile(None))


def _grey_curve(profile: bytes | None) -> NDArray[np.float64] | None:
    """What a profile of greys makes of each of 256 in sRGB; None: there is none that works."""
    if colour_space(profile) != b"GRAY":
        return None
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    converted = to_srgb(ramp, profile)
    return None if converted is None else np.asarray(converted)[0, :, 1].astype(np.float64)

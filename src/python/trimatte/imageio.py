"""Images in and out of files, bytes and Pillow.

Read: whatever Pillow reads. Orientation is applied, palettes, grey and CMYK become RGB, an
alpha channel or a transparent colour becomes the fourth channel, 16 bits per channel stay 16.
Write: PNG, WebP, TIFF and JPEG, whole or not at all.

Pillow decodes RGB files of 16 bits per channel to 8 and cannot encode them. Here they are
decoded twice, once for each byte of a sample, and PNG is encoded by `trimatte.png`. JPEG is
decoded by `trimatte.codecs` where a faster decoder is installed, to the same pixels.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from trimatte.arrays import is_number, is_whole, plain_array
from trimatte.atomic import replacing
from trimatte.codecs import decode_jpeg
from trimatte.errors import ArgumentError
from trimatte.metadata import Metadata, chosen, metadata_of, orientation_of
from trimatte.png import write_png
from trimatte.tiff import write_tiff

__all__ = [
    "COMPRESSION",
    "FORMATS",
    "IMAGE_SUFFIXES",
    "Compression",
    "ImageSource",
    "encode_image",
    "encode_png",
    "read_image",
    "read_mask",
    "write_image",
]

Array = NDArray[Any]
ImageSource = Union[
    str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO, Image.Image, Array
]
"""What an image can be given as: a path, an encoded file's bytes, an open binary file,
a Pillow image, or an array (anything with ``__array_interface__``)."""

Compression = int | str
"""How small a file is to be made, and so how long it takes: a name of COMPRESSION or a level in
0..9, of which 0 is for the largest file. No level changes a pixel, of JPEG neither."""

COMPRESSION = {"fast": 1, "balanced": 4, "small": 9}
"""The names of levels of compression."""

IMAGE_SUFFIXES = {
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
}
"""The files of a folder that are taken for images."""

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

# What a name can make the system raise: ValueError of a NUL in it, RuntimeError of a ring of links.
_PATH_ERRORS = (OSError, ValueError, RuntimeError)

_NONBLOCKING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# Tags of TIFF, and values of them.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2
_OVERSHOOT = 1 / 255  # of floats, beyond [0, 1]: as operations take them

_TIFF_MOST = 0xFF00_0000  # bytes that 32-bit offsets reach, with room for metadata
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_JPEG_SEGMENT = 65_500  # bytes of EXIF or XMP, less their names

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

# Of lossless WebP by level, libwebp's method and quality (there: effort). Between method 0 and the
# next is most of the time, so that "fast" has it too.
_WEBP_EFFORT = (
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
}
"""What is written, by its suffix."""


class Picture(NamedTuple):
    """Decoded pixels, and what was stored beside them."""

    pixels: Array
    metadata: Metadata


class Header(NamedTuple):
    """What is known of an image before it is decoded: its size, and the bytes of a sample."""

    height: int
    width: int
    itemsize: int


def read_image(source: ImageSource, *, max_pixels: int | None = None) -> Array:
    """Read an image as straight RGB or RGBA.

    source: a path, an encoded file's bytes, a binary file object, a Pillow image or an array.
    Returns (H, W, 3), or (H, W, 4) where the source has an alpha channel or a transparent
    colour: uint8, or uint16 where the file holds 16 bits per channel (PNG, TIFF). Values are as
    stored (display-referred); only what is not RGB is converted: CMYK and grey through their colour
    profile if they have one. The EXIF orientation is applied. Of an animation, or of a file of
    several pages, the first is read; of a Pillow image the one that it shows. Arrays are passed
    on without a copy, (H, W) ones as three equal channels.

    max_pixels: more than these are refused, before there is memory for them; of an array any number
    is taken. None: Pillow's own limit, twice ``PIL.Image.MAX_IMAGE_PIXELS`` (178 956 970), which
    always holds.

    Raises ArgumentError naming the source and the cause: missing, a folder, truncated, no image,
    too large, of a kind that would lose something.
    """
    return load_picture(source, max_pixels=max_pixels).pixels


def read_mask(source: ImageSource, *, max_pixels: int | None = None) -> Array:
    """Read a mask, trimap or alpha matte as (H, W).

    source: as for read_image. An image with an alpha channel that is not opaque everywhere
    (a cutout) gives that channel; any other gives its luminance. uint8 or uint16, orientation
    applied, a profile of greys not: their numbers are what is meant. Arrays (H, W) or (H, W, 1) are
    passed on as they are (bool and float32 included). max_pixels: as for read_image.

    Raises ArgumentError naming the source and the cause.
    """
    array = _as_array(source, "read_mask")
    if array is not None:
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        if array.ndim != 2:
            raise ArgumentError(
                f"read_mask: mask must be (H, W), got {array.shape}; take one channel: mask[..., 0]"
            )
        return array
    pixels = _decode_source(source, "read_mask", max_pixels, managed=False).pixels
    if pixels.shape[2] == 4 and pixels[:, :, 3].min() < np.iinfo(pixels.dtype).max:
        return np.ascontiguousarray(pixels[:, :, 3])
    red, green, blue = (pixels[:, :, i] for i in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.ascontiguousarray(red)
    # Rec. 601, as Pillow's convert("L"), in integers so that white stays white.
    weighted: NDArray[np.uint32] = pixels[:, :, :3] @ np.array([19595, 38470, 7471], np.uint32)
    return np.asarray((weighted + 0x8000) >> 16, pixels.dtype)


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
    bits) or bool (stored as 0 and 255). format: "png", "webp" (lossless), "tiff" or "jpeg"
    (quality 95, without alpha only); by default the suffix of path decides. 16 bits fit into
    PNG and TIFF. compression: "fast", "balanced", "small", or a level in 0..9, which
    trades time for size and never a pixel; TIFF knows 0 (none) and one more. metadata: what is to
    be stored with it, that of a `Result` or `load_picture`. icc_profile: another colour profile
    than that. JPEG has no room for EXIF or XMP of more than 64 kB, and goes without.

    The file is written beside path under another name and then renamed, so that path is never
    half a file and is left as it was on failure.

    Raises ArgumentError where the format cannot hold the array, where the folder of path is
    missing, and where the file cannot be written.
    """
    if not is_path(path):
        raise ArgumentError(
            f"write_image: path must be a str or a path, got {type(path).__name__}; encode_image "
            "gives the bytes of a file"
        )
    name = _name_of(path)
    kind = _kind(path, format, "write_image")
    encode = _encoder(
        array, kind, compression, chosen(metadata, icc_profile, "write_image"), "write_image"
    )
    try:
        with replacing(_target(path)) as file:
            encode(file)
    except _PATH_ERRORS as error:
        raise ArgumentError(f"write_image: cannot write {name}: {_cause(error)}") from error


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

    Raises ArgumentError where the format is not known or cannot hold the array.
    """
    kind = _kind("", format, "encode_image")
    encode = _encoder(
        array, kind, compression, chosen(metadata, icc_profile, "encode_image"), "encode_image"
    )
    buffer = io.BytesIO()
    try:
        encode(buffer)
    except OSError as error:
        raise ArgumentError(f"encode_image: cannot encode as {kind}: {_cause(error)}") from error
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
    _level(compression, caller)


def is_path(source: object) -> bool:
    """True for what read_image would open as a file by its name."""
    return isinstance(source, (str, os.PathLike))


def to_pillow(array: Array, metadata: Metadata | None = None) -> Image.Image:
    """The array as a Pillow image of 8 bits per channel (Pillow has no RGB of 16 bits), with the
    metadata in its ``info``."""
    picture = Image.fromarray(_eight_bits(array))
    if metadata is not None:
        picture.info.update(metadata.info)
    return picture


def load_picture(source: ImageSource, *, max_pixels: int | None = None) -> Picture:
    """read_image, with what is stored beside the pixels of the source."""
    array = _as_array(source, "read_image")
    if array is None:
        return _decode_source(source, "read_image", max_pixels)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise ArgumentError(
            f"read_image: image must be (H, W), (H, W, 3) or (H, W, 4), got {array.shape}"
        )
    if array.dtype.newbyteorder("=") not in (np.uint8, np.uint16, np.float32):
        raise ArgumentError(
            f"read_image: image must be uint8, uint16 or float32 in [0, 1], got {array.dtype}; "
            "convert it with image.astype(...)"
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
        if isinstance(source, (bytes, bytearray, memoryview, _Spooled)):
            data = source.getbuffer() if isinstance(source, _Spooled) else source
            with Image.open(io.BytesIO(data)) as picture:
                return _header_of(picture)
        if is_path(source):
            with _opened(source) as file, Image.open(file) as picture:  # type: ignore[arg-type]
                return _header_of(picture)
    except Exception:  # of decoders, and of what only looks like an array
        return None
    return None


def measurable(source: Any) -> Any:
    """The source, or of a file object one that a header can be read of, and then the rest."""
    return _Spooled(source) if hasattr(source, "read") and not is_path(source) else source


class _Spooled(io.BytesIO):
    """The rest of a file object in memory, by the same name."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            super().__init__(_rest_of(file))
        except (TypeError, ValueError, OSError) as error:  # as read_image has it
            raise ArgumentError(
                f"read_image: cannot read {_name_of(file)}: {_cause(error)}"
            ) from error
        self.name = getattr(file, "name", None)


# --- reading ---


def _header_of(picture: Image.Image) -> Header:
    if picture.mode == "F":
        return Header(picture.height, picture.width, 4)
    deep = picture.mode.startswith("I") or ";16" in _raw_mode(picture)
    return Header(picture.height, picture.width, 2 if deep else 1)


def _as_array(source: object, caller: str) -> Array | None:
    """The source as an array if it is one already, else None."""
    if isinstance(source, (Image.Image, str, os.PathLike, bytes, bytearray, memoryview)):
        return None
    if isinstance(source, np.ndarray) or hasattr(source, "__array_interface__"):
        return plain_array(source, caller, "image")
    return np.asarray(source) if hasattr(source, "__array__") else None


def _decode_source(
    source: object, caller: str, max_pixels: int | None, *, managed: bool = True
) -> Picture:
    """Decode a path, bytes, file object or Pillow image; every failure names the source.

    managed: whether a profile of greys is applied.
    """
    if max_pixels is not None and not (is_number(max_pixels) and max_pixels >= 1):
        raise ArgumentError(
            f"{caller}: max_pixels must be a number of at least 1, or None, got {max_pixels!r:.80}"
        )
    name = _name_of(source)
    decode = partial(_decode, max_pixels=max_pixels, managed=managed)
    try:
        if isinstance(source, Image.Image):
            _check_size(source, max_pixels)
            return _pixels_of(source, managed)
        if isinstance(source, (str, os.PathLike)):
            with _opened(source) as file:
                return decode(file)
        if isinstance(source, (bytes, bytearray, memoryview)):
            return decode(io.BytesIO(source))
        if hasattr(source, "read"):
            # To the end: it may be a pipe, and 16 bits need two passes.
            return decode(io.BytesIO(_rest_of(source)))
    except _DECODER_ERRORS as error:
        raise ArgumentError(f"{caller}: cannot read {name}: {_cause(error)}") from error
    raise ArgumentError(
        f"{caller}: an image must be a path, bytes, a binary file object, a Pillow image or an "
        f"array, got {type(source).__name__}"
    )


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    """An ordinary file. To open a pipe might be to wait for ever, and to read a device too."""
    descriptor = os.open(path, os.O_RDONLY | _NONBLOCKING)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError("it is not an ordinary file; open it, and give the file object")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _rest_of(file: Any) -> bytes:
    """What is left to be read of a file object."""
    data = file.read()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(
        f"its read() gave {type(data).__name__}, not bytes; open it in binary mode ('rb')"
    )


def _name_of(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return _shortened(repr(os.fsdecode(source)))
    if isinstance(source, Image.Image):
        return f"the Pillow image of mode {source.mode}"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the {len(source)} bytes given"
    name = getattr(source, "name", None)
    return _shortened(repr(name)) if isinstance(name, str) else "the file object"


def _shortened(name: str, most: int = 300) -> str:
    return name if len(name) <= most else f"{name[: most // 2]}...{name[-most // 2 :]}"


def _cause(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a kind that Pillow does not know"
    if isinstance(error, UnicodeError):
        return "its name cannot be written in the system's encoding"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _identified(file: BinaryIO) -> Image.Image:
    """The picture of a file, of which only the head is read."""
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        if file.read(4) in _TIFF_HEADS:
            raise ValueError(
                "a TIFF of a kind that Pillow does not know, as floats in colour are; give the "
                "array that another reader makes of it, or save it with 16 bits"
            ) from None
        raise


def _check_size(picture: Image.Image, max_pixels: int | None) -> None:
    width, height = picture.size
    if max_pixels is not None and width * height > max_pixels:
        raise ValueError(f"it has {width} x {height} pixels; max_pixels is {max_pixels}")


def _decode(file: BinaryIO, *, max_pixels: int | None = None, managed: bool = True) -> Picture:
    """Decode an encoded image from a seekable file."""
    with _identified(file) as picture:
        _check_size(picture, max_pixels)
        jpeg = _decode_jpeg(file, picture, managed)
        if jpeg is not None:
            return jpeg
        raw = _raw_mode(picture)
        if ";16" not in raw or picture.mode.startswith("I"):
            return _pixels_of(picture, managed)
        transparent = picture.info.get("transparency")
    if raw.startswith("LA;16"):
        # Four bytes a pixel: read as RGBA they are both bytes of grey and both of alpha.
        both, metadata = _decode_raw(file, "RGBA")
        pair = both.view(">u2").astype(np.uint16)
        return _with_grey_profile(pair[:, :, [0, 0, 0, 1]], metadata, managed)
    kind, _, order = raw.partition(";16")
    if kind not in ("RGB", "RGBA") or order not in ("B", "L", "N"):
        raise ValueError(f"16 bits per channel stored as {raw!r}; save it as an RGB or RGBA PNG")
    # Pillow unpacks only the high byte of a sample. Told the other byte order it gives the low.
    native = "L" if sys.byteorder == "little" else "B"
    swapped = {"B": "L", "L": "B"}[native if order == "N" else order]
    high, metadata = _decode_raw(file, raw)
    pixels = high.astype(np.uint16) << 8
    pixels |= _decode_raw(file, f"{kind};16{swapped}")[0]
    return Picture(_with_transparent_colour(pixels, transparent), _of_rgb(metadata))


def _decode_jpeg(file: BinaryIO, picture: Image.Image, managed: bool) -> Picture | None:
    """What `_pixels_of` would give of a JPEG file, sooner; None for what is left to it: other
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
    with Image.open(file) as opened:
        picture: Any = opened
        tiles = []
        for tile in picture.tile:
            args = (raw_mode, *tile[3][1:]) if isinstance(tile[3], tuple) else raw_mode
            tiles.append(tile._replace(args=args) if hasattr(tile, "_replace") else
                         (*tile[:3], args))  # fmt: skip
        picture.tile = tiles
        picture.load()
        upright = _upright(picture)
        return np.array(upright), metadata_of(picture, upright.size)


def _pixels_of(picture: Image.Image, managed: bool) -> Picture:
    """The pixels of a Pillow image as RGB or RGBA, upright."""
    tags = getattr(picture, "tag_v2", None) or {}
    if _SIGNED in np.atleast_1d(tags.get(_SAMPLE_FORMAT, ())):
        raise ValueError("its samples are signed numbers, which have no white point")
    picture.load()
    transparent = picture.info.get("transparency")
    mode = picture.mode
    upright = _upright(picture)
    metadata = metadata_of(picture, upright.size)

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
        return Picture(
            np.array(_cmyk_to_rgb(upright, metadata.icc_profile)), metadata.with_profile(None)
        )
    if mode == "La":
        upright = upright.convert("LA")  # Pillow knows no other way
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or transparent is not None:
        pixels = np.array(upright.convert("RGBA"))
    else:
        pixels = np.array(upright.convert("RGB"))
    if mode in ("1", "L", "LA", "La"):
        return _with_grey_profile(pixels, metadata, managed)
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


def _colour_space(profile: bytes | None) -> bytes:
    """What a profile is of, by its header (ICC.1, 7.2): "RGB ", "GRAY", "CMYK"; else empty."""
    is_profile = profile is not None and len(profile) >= 128 and profile[36:40] == b"acsp"
    return profile[16:20] if profile is not None and is_profile else b""


def _of_rgb(metadata: Metadata) -> Metadata:
    """Without a profile that is not of RGB: beside RGB it would be an error in the file."""
    is_rgb = _colour_space(metadata.icc_profile) == b"RGB "
    return metadata if is_rgb else metadata.with_profile(None)


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
    if _colour_space(profile) != b"GRAY":
        return None
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    converted = _to_srgb(ramp, profile)
    return None if converted is None else np.asarray(converted)[0, :, 1].astype(np.float64)


def _cmyk_to_rgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    return _to_srgb(picture, profile) or picture.convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The picture through its profile; None: there is none, it is broken, or Pillow came without
    colour management."""
    if not profile:
        return None
    try:
        return ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ImportError):
        return None


# --- writing ---


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
    return _without_hidden(((array.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _without_hidden(reduced: Array) -> Array:
    """The array, just made of one of more depth: no colour is left under an alpha that is now 0."""
    if reduced.ndim == 3 and reduced.shape[2] == 4:
        reduced[reduced[:, :, 3] == 0] = 0
    return reduced


def _target(path: str | os.PathLike[str]) -> Path:
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
        told = _name_of(name) if format is None else f"format {format!r}"
        raise ArgumentError(f"{caller}: cannot tell what to write for {told}; use one of {known}")
    return kind


def _encoder(
    array: Array, kind: str, compression: Compression, metadata: Metadata, caller: str
) -> Callable[[BinaryIO], None]:
    """What writes the array into a file, once all that can be refused has been."""
    level = _level(compression, caller)
    array = _storable(array, caller)
    unfit = _unfit(array, kind)
    if unfit is not None:
        raise ArgumentError(f"{caller}: {unfit}")
    write = {"png": write_png, "webp": _write_webp, "tiff": write_tiff, "jpeg": _write_jpeg}[kind]
    return lambda file: write(file, array, level, metadata)


def _unfit(array: Array, kind: str) -> str | None:
    """Why a format cannot hold the array, or None."""
    longest = max(array.shape[:2])
    deep = array.dtype != np.uint8
    if kind == "webp" and deep:
        return "WebP holds 8 bits per channel; write .png instead"
    if kind == "webp" and longest > 16383:
        return "WebP holds 16383 x 16383 pixels; write .png instead"
    if kind == "tiff" and array.nbytes > _TIFF_MOST:
        return "TIFF holds 4 GB; write .png instead"
    if kind == "jpeg" and array.ndim == 3 and array.shape[2] == 4:
        return "JPEG has no alpha; write .png, .webp or .tif, or composite over a background first"
    if kind == "jpeg" and deep:
        return "JPEG holds 8 bits per channel; write .png instead"
    if kind == "jpeg" and longest > 65500:
        return "JPEG holds 65500 x 65500 pixels; write .png instead"
    return None


def _level(compression: Compression, caller: str) -> int:
    """The level in 0..9 that is meant."""
    if isinstance(compression, str) and compression in COMPRESSION:
        return COMPRESSION[compression]
    if is_whole(compression) and 0 <= int(compression) <= 9:
        return int(compression)
    names = ", ".join(map(repr, COMPRESSION))
    raise ArgumentError(
        f"{caller}: compression must be {names} or a level in 0..9, got {compression!r}"
    )


def _write_webp(file: BinaryIO, array: Array, level: int, metadata: Metadata) -> None:
    method, effort = _WEBP_EFFORT[level]
    options = {"lossless": True, "method": method, "quality": effort, "exact": True}
    beside = metadata.with_dpi_in_exif().info
    Image.fromarray(array).save(file, "WEBP", **options, **beside)


def _write_jpeg(file: BinaryIO, array: Array, level: int, metadata: Metadata) -> None:
    # The same coefficients, with tables of their own, and in the order that makes them smallest.
    options: dict[str, Any] = {"optimize": level > COMPRESSION["fast"], "progressive": level == 9}
    beside = metadata.info
    for name in ("exif", "xmp"):
        if len(beside.get(name, b"")) > _JPEG_SEGMENT:
            del beside[name]
    # Pillow writes to a file's descriptor, and takes no notice where a full disk takes less.
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=95, subsampling=0, **options, **beside)
    file.write(buffer.getbuffer())

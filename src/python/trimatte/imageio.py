"""Images in and out of files, bytes and Pillow.

Read: whatever Pillow reads. Orientation is applied, palettes, grey and CMYK become RGB, an
alpha channel or a transparent colour becomes the fourth channel, 16 bits per channel stay 16.
Write: PNG, WebP, TIFF and JPEG, whole or not at all.

Pillow decodes RGB files of 16 bits per channel to 8 and cannot encode them. Here they are
decoded twice, once for each byte of a sample, and PNG is encoded by `trimatte.png`. JPEG is
decoded by `trimatte.codecs` where a faster decoder is installed, to the same pixels.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from trimatte.atomic import replacing
from trimatte.codecs import decode_jpeg
from trimatte.errors import ArgumentError
from trimatte.png import write_png

__all__ = [
    "COMPRESSION",
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

_ORIENTATION_TAG = 0x0112
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

_FORMATS = {
    ".png": "png",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
}


class Picture(NamedTuple):
    """Decoded pixels and the colour profile that says what they mean (None: sRGB assumed)."""

    pixels: Array
    icc_profile: bytes | None


class Header(NamedTuple):
    """What is known of an image before it is decoded: its size, and the bytes of a sample."""

    height: int
    width: int
    itemsize: int


def read_image(source: ImageSource) -> Array:
    """Read an image as straight RGB or RGBA.

    source: a path, an encoded file's bytes, a binary file object, a Pillow image or an array.
    Returns (H, W, 3), or (H, W, 4) where the source has an alpha channel or a transparent
    colour: uint8, or uint16 where the file holds 16 bits per channel (PNG, TIFF). Values are as
    stored (display-referred); only CMYK is converted, through its colour profile if it has one.
    The EXIF orientation is applied. Of an animation the first frame is read. Arrays are passed
    on without a copy, (H, W) ones as three equal channels.

    Raises ArgumentError naming the source and the cause: missing, a folder, truncated, no image.
    """
    return load_picture(source).pixels


def read_mask(source: ImageSource) -> Array:
    """Read a mask, trimap or alpha matte as (H, W).

    source: as for read_image. An image with an alpha channel that is not opaque everywhere
    (a cutout) gives that channel; any other gives its luminance. uint8 or uint16, orientation
    applied; arrays (H, W) or (H, W, 1) are passed on as they are (bool and float32 included).

    Raises ArgumentError naming the source and the cause.
    """
    array = _as_array(source)
    if array is not None:
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        if array.ndim != 2:
            raise ArgumentError(
                f"read_mask: mask must be (H, W), got {array.shape}; take one channel: mask[..., 0]"
            )
        return array
    pixels = _decode_source(source, "read_mask").pixels
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
) -> None:
    """Write an image file, whole or not at all.

    array: (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16, float32 in [0, 1] (stored with 16
    bits) or bool (stored as 0 and 255). format: "png", "webp" (lossless), "tiff" or "jpeg"
    (quality 95, without alpha only); by default the suffix of path decides. 16 bits fit into
    PNG, and (H, W) into TIFF. compression: "fast", "balanced", "small", or a level in 0..9, which
    trades time for size and never a pixel; TIFF knows 0 (none) and one more. icc_profile: the
    colour profile to store with it.

    The file is written beside path under another name and then renamed, so that path is never
    half a file and is left as it was on failure.

    Raises ArgumentError where the format cannot hold the array, where the folder of path is
    missing, and where the file cannot be written.
    """
    name = os.fspath(path)
    kind = _kind(name, format, "write_image")
    encode = _encoder(array, kind, compression, "write_image")

    # A link stays a link: what it points to is replaced.
    target = Path(path).resolve()
    refused = f"write_image: cannot write {name!r}"
    if not target.parent.is_dir():
        raise ArgumentError(f"{refused}: there is no folder {str(target.parent)!r}")
    if target.is_dir():
        raise ArgumentError(f"{refused}: it is a folder")
    if target.exists() and not target.is_file():
        raise ArgumentError(f"{refused}: it is not an ordinary file")

    try:
        with replacing(target) as file:
            encode(file, icc_profile)
    except OSError as error:
        raise ArgumentError(f"{refused}: {_cause(error)}") from error


def encode_image(
    array: Array,
    format: str = "png",
    *,
    compression: Compression = "fast",
    icc_profile: bytes | None = None,
) -> bytes:
    """Encode an image as the bytes of a file.

    array, format, compression, icc_profile: as for write_image.

    Raises ArgumentError where the format is not known or cannot hold the array.
    """
    kind = _kind("", format, "encode_image")
    encode = _encoder(array, kind, compression, "encode_image")
    buffer = io.BytesIO()
    try:
        encode(buffer, icc_profile)
    except OSError as error:
        raise ArgumentError(f"encode_image: cannot encode as {kind}: {_cause(error)}") from error
    return buffer.getvalue()


def encode_png(
    array: Array, *, compression: Compression = "fast", icc_profile: bytes | None = None
) -> bytes:
    """Encode an image as the bytes of a PNG file: `encode_image` with its default format.

    array: as for write_image. uint16 and float32 arrays give 16 bits per channel.
    """
    return encode_image(array, "png", compression=compression, icc_profile=icc_profile)


def check_output(caller: str, format: str = "png", compression: Compression = "fast") -> None:
    """Raise ArgumentError where encode_image knows no such format, or no such compression."""
    _kind("", format, caller)
    _level(compression, caller)


def is_path(source: object) -> bool:
    """True for what read_image would open as a file by its name."""
    return isinstance(source, (str, os.PathLike))


def to_pillow(array: Array, icc_profile: bytes | None = None) -> Image.Image:
    """The array as a Pillow image of 8 bits per channel (Pillow has no RGB of 16 bits)."""
    picture = Image.fromarray(_eight_bits(array))
    if icc_profile is not None:
        picture.info["icc_profile"] = icc_profile
    return picture


def load_picture(source: ImageSource) -> Picture:
    """read_image, with the colour profile of the source."""
    array = _as_array(source)
    if array is None:
        return _decode_source(source, "read_image")
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
    return Picture(array.astype(array.dtype.newbyteorder("="), copy=False), None)


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
            with Path(source).open("rb") as file, Image.open(file) as picture:  # type: ignore[arg-type]
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
        data = file.read()
        if not isinstance(data, bytes):  # as read_image has it
            raise ArgumentError("read_image: a file object must be open in binary mode ('rb')")
        super().__init__(data)
        self.name = getattr(file, "name", None)


# --- reading ---


def _header_of(picture: Image.Image) -> Header:
    if picture.mode == "F":
        return Header(picture.height, picture.width, 4)
    deep = picture.mode.startswith("I") or ";16" in _raw_mode(picture)
    return Header(picture.height, picture.width, 2 if deep else 1)


def _as_array(source: object) -> Array | None:
    """The source as an array if it is one already, else None."""
    if isinstance(source, np.ndarray):
        return source
    if isinstance(source, (Image.Image, str, os.PathLike, bytes, bytearray, memoryview)):
        return None
    if hasattr(source, "__array_interface__") or hasattr(source, "__array__"):
        return np.asarray(source)
    return None


def _decode_source(source: object, caller: str) -> Picture:
    """Decode a path, bytes, file object or Pillow image; every failure names the source."""
    name = _name_of(source)
    try:
        if isinstance(source, Image.Image):
            return _pixels_of(source)
        if isinstance(source, (str, os.PathLike)):
            with Path(source).open("rb") as file:
                return _decode(file)
        if isinstance(source, (bytes, bytearray, memoryview)):
            return _decode(io.BytesIO(source))
        read = getattr(source, "read", None)
        if read is not None:
            # Read to the end: it may be a pipe, and 16 bits need two passes.
            data = read()
            if not isinstance(data, bytes):
                raise TypeError("it is not open in binary mode ('rb')")
            return _decode(io.BytesIO(data))
    except _DECODER_ERRORS as error:
        raise ArgumentError(f"{caller}: cannot read {name}: {_cause(error)}") from error
    raise ArgumentError(
        f"{caller}: an image must be a path, bytes, a binary file object, a Pillow image or an "
        f"array, got {type(source).__name__}"
    )


def _name_of(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return repr(os.fsdecode(source))
    if isinstance(source, Image.Image):
        return "the Pillow image"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the {len(source)} bytes given"
    name = getattr(source, "name", None)
    return repr(name) if isinstance(name, str) else "the file object"


def _cause(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a kind that Pillow does not know"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _decode(file: BinaryIO) -> Picture:
    """Decode an encoded image from a seekable file."""
    with Image.open(file) as picture:
        jpeg = _decode_jpeg(file, picture)
        if jpeg is not None:
            return jpeg
        raw = _raw_mode(picture)
        if ";16" not in raw or picture.mode.startswith("I"):
            return _pixels_of(picture)
        profile = picture.info.get("icc_profile")
        transparent = picture.info.get("transparency")
    if raw.startswith("LA;16"):
        # Four bytes a pixel: read as RGBA they are both bytes of grey and both of alpha.
        pair = _decode_raw(file, "RGBA").view(">u2").astype(np.uint16)
        return Picture(pair[:, :, [0, 0, 0, 1]], profile)
    kind, _, order = raw.partition(";16")
    if kind not in ("RGB", "RGBA") or order not in ("B", "L", "N"):
        raise ValueError(f"16 bits per channel stored as {raw!r}; save it as an RGB or RGBA PNG")
    # Pillow unpacks only the high byte of a sample. Told the other byte order it gives the low.
    native = "L" if sys.byteorder == "little" else "B"
    swapped = {"B": "L", "L": "B"}[native if order == "N" else order]
    pixels = _decode_raw(file, raw).astype(np.uint16) << 8
    pixels |= _decode_raw(file, f"{kind};16{swapped}")
    return Picture(_with_transparent_colour(pixels, transparent), profile)


def _decode_jpeg(file: BinaryIO, picture: Image.Image) -> Picture | None:
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
    turn = _TURN.get(_orientation(picture))
    if turn is not None:
        # Three times as fast as an item for each channel.
        turned = np.ascontiguousarray(turn(pixels.view("V3")[:, :, 0]))
        pixels = turned.view(np.uint8).reshape(*turned.shape, 3)
    return Picture(pixels, picture.info.get("icc_profile"))


def _raw_mode(picture: Image.Image) -> str:
    """How the file stores a pixel, in Pillow's words ("RGB;16B"); empty where it is not told."""
    for tile in getattr(picture, "tile", ()):
        codec, _, _, args = tile
        if codec.startswith("ppm") and picture.mode == "RGB" and args[-1] > 255:
            raise ValueError("PPM of 16 bits per channel; save it as PNG")
        mode = args[0] if isinstance(args, tuple) and args else args
        return mode if isinstance(mode, str) else ""
    return ""


def _decode_raw(file: BinaryIO, raw_mode: str) -> Array:
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
        return np.array(_upright(picture))


def _pixels_of(picture: Image.Image) -> Picture:
    """The pixels of a Pillow image as RGB or RGBA, upright."""
    picture.load()
    profile = picture.info.get("icc_profile")
    transparent = picture.info.get("transparency")
    mode = picture.mode
    upright = _upright(picture)

    if mode.startswith("I;16") or (mode == "I" and picture.format in ("PNG", "PPM")):
        # Pillow's own conversion to 8 bits would clip at 255.
        grey = np.asarray(upright).astype(np.uint16)
        pixels = np.repeat(grey[:, :, None], 3, axis=2)
        return Picture(_with_transparent_colour(pixels, transparent), profile)
    if mode == "F":
        grey = np.asarray(upright)
        if not (grey.min() >= 0 and grey.max() <= 1):
            raise ValueError("its values are not in [0, 1]; scale it first")
        return Picture(np.repeat(grey[:, :, None], 3, axis=2), profile)
    if mode == "I":
        raise ValueError("32-bit integers have no white point; convert it to 8 or 16 bits first")

    if mode == "CMYK":
        return Picture(np.array(_cmyk_to_rgb(upright, profile)), None)
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or transparent is not None:
        return Picture(np.array(upright.convert("RGBA")), profile)
    return Picture(np.array(upright.convert("RGB")), profile)


def _upright(picture: Image.Image) -> Image.Image:
    """A loaded picture turned as its EXIF orientation says."""
    if picture.format == "TIFF":
        return picture  # Pillow has turned it when it was loaded.
    method = _TRANSPOSE.get(_orientation(picture))
    return picture if method is None else picture.transpose(method)


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) where there is none."""
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG)
    except Exception:  # Broken metadata does not make the pixels unreadable.
        return 1
    return orientation if isinstance(orientation, int) else 1


def _with_transparent_colour(pixels: Array, colour: object) -> Array:
    """Add the alpha channel that one transparent colour of a 16-bit PNG stands for."""
    if not isinstance(colour, (int, tuple)):
        return pixels
    opaque = (pixels != np.asarray(colour, dtype=pixels.dtype)).any(axis=2)
    return np.dstack([pixels, np.where(opaque, np.uint16(65535), np.uint16(0))])


def _cmyk_to_rgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ImportError):
            converted = None  # A broken profile, or a Pillow without colour management.
        if converted is not None:
            return converted
    return picture.convert("RGB")


# --- writing ---


def _storable(array: Array, caller: str) -> Array:
    """The array as contiguous uint8 or uint16, (H, W), (H, W, 3) or (H, W, 4)."""
    array = np.asarray(array)
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


def _kind(name: str, format: str | None, caller: str) -> str:
    """The kind of file that a format stands for, or the suffix of a name where none is given."""
    given = Path(name).suffix if format is None else f".{str(format).lstrip('.')}"
    kind = _FORMATS.get(given.lower())
    if kind is None:
        known = ", ".join(_FORMATS)
        told = repr(name) if format is None else f"format {format!r}"
        raise ArgumentError(f"{caller}: cannot tell what to write for {told}; use one of {known}")
    return kind


def _encoder(
    array: Array, kind: str, compression: Compression, caller: str
) -> Callable[[BinaryIO, bytes | None], None]:
    """What writes the array into a file, with a profile, once all that can be refused has been."""
    level = _level(compression, caller)
    array = _storable(array, caller)
    unfit = _unfit(array, kind)
    if unfit is not None:
        raise ArgumentError(f"{caller}: {unfit}")
    write = {"png": write_png, "webp": _write_webp, "tiff": _write_tiff, "jpeg": _write_jpeg}[kind]
    return lambda file, icc_profile: write(file, array, level, icc_profile)


def _unfit(array: Array, kind: str) -> str | None:
    """Why a format cannot hold the array, or None."""
    longest = max(array.shape[:2])
    deep = array.dtype != np.uint8
    if kind == "webp" and deep:
        return "WebP holds 8 bits per channel; write .png instead"
    if kind == "webp" and longest > 16383:
        return "WebP holds 16383 x 16383 pixels; write .png instead"
    if kind == "tiff" and deep and array.ndim == 3:
        return "colour TIFF is written with 8 bits per channel only; write .png instead"
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
    is_level = isinstance(compression, (int, np.integer)) and not isinstance(compression, bool)
    if is_level and 0 <= int(compression) <= 9:
        return int(compression)
    names = ", ".join(map(repr, COMPRESSION))
    raise ArgumentError(
        f"{caller}: compression must be {names} or a level in 0..9, got {compression!r}"
    )


def _write_webp(file: BinaryIO, array: Array, level: int, icc_profile: bytes | None) -> None:
    method, effort = _WEBP_EFFORT[level]
    options = {"lossless": True, "method": method, "quality": effort, "exact": True}
    Image.fromarray(array).save(file, "WEBP", icc_profile=icc_profile, **options)


def _write_tiff(file: BinaryIO, array: Array, level: int, icc_profile: bytes | None) -> None:
    # libtiff closes nothing and seeks a lot: it gets memory, the file gets the result.
    buffer = io.BytesIO()
    compression = "tiff_adobe_deflate" if level else "raw"
    Image.fromarray(array).save(buffer, "TIFF", compression=compression, icc_profile=icc_profile)
    file.write(buffer.getbuffer())


def _write_jpeg(file: BinaryIO, array: Array, level: int, icc_profile: bytes | None) -> None:
    # The same coefficients, with tables of their own, and in the order that makes them smallest.
    options = {"optimize": level > COMPRESSION["fast"], "progressive": level == 9}
    Image.fromarray(array).save(
        file, "JPEG", quality=95, subsampling=0, icc_profile=icc_profile, **options
    )

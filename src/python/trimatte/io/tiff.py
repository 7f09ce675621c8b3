"""TIFF files (TIFF 6.0, with Adobe's deflate): 8 and 16 bits per channel, EXIF and all.

Pillow encodes no colour of 16 bits, and no compressed file with EXIF. It writes the directories
here; the rows are differences of neighbours, deflated in strips on all threads.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from trimatte.arrays import Array
from trimatte.devices import get_num_threads
from trimatte.io.iptc import TIFF_IPTC
from trimatte.io.metadata import Metadata, parsed_exif
from trimatte.threads import mapping

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

__all__ = ["write_tiff"]

_STRIP = 1 << 20  # bytes of rows in a strip

_STORED = 0
_FASTEST = 1
_USUAL = 6  # zlib's

# Tags and values of TIFF 6.0.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 277, 278, 279
_PREDICTOR, _EXTRA_SAMPLES = 317, 338
_XMP, _ICC_PROFILE = 700, 34675
_UNCOMPRESSED, _DEFLATE = 1, 8
_BLACK_IS_ZERO, _RGB = 1, 2
_DIFFERENCES = 2
_STRAIGHT_ALPHA = 2
_LONG = 4  # the type of a tag

_HEAD = 8  # bytes before the first directory
_DIRECTORIES = (0x8769, 0x8825)  # of EXIF and of GPS


def write_tiff(file: BinaryIO, array: Array, level: int, metadata: Metadata) -> None:
    """Write an image as TIFF.

    array: contiguous (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16, not empty. level: 0 stores;
    1 is zlib's fastest, all others its usual one. metadata: stored with it.

    Raises OSError, of the file.
    """
    height, width = array.shape[:2]
    channels = array.shape[2] if array.ndim == 3 else 1
    rows = max(1, _STRIP // (width * channels * array.dtype.itemsize))
    tops = range(0, height, rows)
    with mapping(min(get_num_threads(), len(tops)), "trimatte-tiff") as each:
        strips = list(each(partial(_strip, array, rows, level), tops))

    directory = _described_by(metadata)
    directory[_WIDTH], directory[_HEIGHT] = width, height
    directory[_BITS] = (8 * array.dtype.itemsize,) * channels
    directory[_SAMPLES] = channels
    directory[_PHOTOMETRIC] = _BLACK_IS_ZERO if channels == 1 else _RGB
    if channels == 4:
        directory[_EXTRA_SAMPLES] = _STRAIGHT_ALPHA
    directory[_COMPRESSION] = _UNCOMPRESSED if level == _STORED else _DEFLATE
    if level != _STORED:
        directory[_PREDICTOR] = _DIFFERENCES
    directory[_ROWS_PER_STRIP] = rows
    sizes = [len(strip) for strip in strips]
    directory[_STRIP_BYTES] = tuple(sizes)
    # From the end of the directory, where Pillow has them begin.
    directory.tagtype[_STRIP_OFFSETS] = directory.tagtype[_STRIP_BYTES] = _LONG
    directory[_STRIP_OFFSETS] = tuple(int(end) for end in np.cumsum([0, *sizes[:-1]]))
    file.write(directory._get_ifh() + directory.tobytes(_HEAD))
    for strip in strips:
        file.write(strip)


def _described_by(metadata: Metadata) -> ImageFileDirectory_v2:
    """A directory of little-endian TIFF that says what is said beside the pixels."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2  # which Pillow itself loads when asked

    directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    exif = parsed_exif(metadata.with_dpi_in_exif().exif)
    for tag, value in exif.items():
        directory[tag] = exif.get_ifd(tag) if tag in _DIRECTORIES else value
    if metadata.xmp is not None:
        directory[_XMP] = metadata.xmp
    if metadata.iptc is not None:
        directory[TIFF_IPTC] = metadata.iptc
    if metadata.icc_profile is not None:
        directory[_ICC_PROFILE] = metadata.icc_profile
    return directory


def _strip(array: Array, rows: int, level: int, top: int) -> bytes:
    """The rows from `top` on as they are stored."""
    part = array[top : top + rows]
    stored = part.astype(part.dtype.newbyteorder("<"), copy=False)
    if level == _STORED:
        return stored.tobytes()
    differences = stored.copy()
    differences[:, 1:] -= stored[:, :-1]
    packed = differences.reshape(-1).view(np.uint8).data
    return zlib.compress(packed, _FASTEST if level == _FASTEST else _USUAL)

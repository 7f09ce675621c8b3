"""PNG files (ISO/IEC 15948): rows are filtered and deflated in stripes, on all threads.

A stripe is deflated by itself and ended at a byte's limit, as pigz does it, so that the stripes in
a row are one zlib stream. What a file holds does not depend on the number of threads.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimatte.devices import get_num_threads
from trimatte.io.codecs import ISA_L
from trimatte.io.iptc import IPTC_TEXT, iptc_text
from trimatte.io.metadata import Metadata
from trimatte.threads import mapping

__all__ = ["write_png"]

Array = NDArray[Any]
Bytes = NDArray[np.uint8]

# Filtered bytes in a stripe: they stay in the cache, and what deflate forgets between two stripes,
# 32 KiB, makes the file larger by less than a hundredth.
_STRIPE = 1 << 20

_NONE, _SUB, _UP, _AVERAGE = range(4)  # filter types; Paeth's gains under 1 % on photographs
_STORED = 0
_FASTEST = 1
_THOROUGH = 4  # from here on repeats are searched for as well


_METRES_PER_INCH = 0.0254
_LONG_TEXT = 1024  # characters; longer text is deflated


def write_png(file: BinaryIO, array: Array, level: int, metadata: Metadata) -> None:
    """Write an image as PNG.

    array: contiguous (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16, not empty. level: 0 stores;
    1 is fastest: the "up" filter, and ISA-L where it is installed; from 2 on each row has the
    filter that fits it best. Up to 3 zlib looks for runs only, which are most of what a filtered
    photograph has to give; from 4 to 9 it searches for repeats as well, longer and longer.
    metadata: stored with it.

    Raises OSError, of the file.
    """
    height, width = array.shape[:2]
    channels = array.shape[2] if array.ndim == 3 else 1
    colour_type = {1: 0, 3: 2, 4: 6}[channels]
    depth = 8 * array.dtype.itemsize

    file.write(b"\x89PNG\r\n\x1a\n")
    _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    for kind, data in _ancillary(metadata):
        _write_chunk(file, kind, data)
    adler = 1
    file_rows = max(1, _STRIPE // (width * channels * array.dtype.itemsize + 1))
    tops = range(0, height, file_rows)
    with mapping(min(get_num_threads(), len(tops)), "trimatte-png") as each:
        for stripe in each(partial(_deflated, array, file_rows, level), tops):
            adler = _joined(adler, stripe.adler, stripe.size)
            first, last = stripe.top == 0, stripe.top == tops[-1]
            head = b"\x78\x01" if first else b""
            tail = struct.pack(">I", adler) if last else b""
            _write_chunk(file, b"IDAT", head + stripe.data + tail)
    _write_chunk(file, b"IEND", b"")


def _ancillary(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that say what is said beside the pixels; all of them may stand before these."""
    if metadata.icc_profile is not None:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc_profile)
    yield from metadata.png_colour
    if metadata.dpi is not None:
        per_metre = (max(1, round(dpi / _METRES_PER_INCH)) for dpi in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", *per_metre, 1)
    if metadata.exif is not None:
        yield b"eXIf", metadata.exif
    if metadata.xmp is not None:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp
    if metadata.text or metadata.iptc is not None:
        yield from _text(metadata)


def _text(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    from PIL.PngImagePlugin import PngInfo  # which Pillow itself loads when asked

    text = PngInfo()
    for keyword, value in metadata.text:
        text.add_text(keyword, value, zip=len(value) > _LONG_TEXT)
    if metadata.iptc is not None:
        text.add_text(IPTC_TEXT, iptc_text(metadata.iptc), zip=True)
    yield from (chunk[:2] for chunk in text.chunks)


class _Stripe(NamedTuple):
    """Rows of an image, deflated: the row they begin with; the size and the Adler-32 checksum of
    what was deflated."""

    top: int
    data: bytes
    size: int
    adler: int


def _deflated(array: Array, rows: int, level: int, top: int) -> _Stripe:
    """The stripe of so many rows, or what is left of them, from the row `top` on."""
    pixel = array.dtype.itemsize * (array.shape[2] if array.ndim == 3 else 1)
    stored = _stored_bytes(array[max(0, top - 1) : top + rows])
    above = stored[:-1] if top else np.vstack([np.zeros_like(stored[:1]), stored[:-1]])
    lines = stored[1:] if top else stored
    filtered = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
    if level == _STORED:
        filtered[:, 0] = _NONE
        filtered[:, 1:] = lines
    elif level == _FASTEST:
        filtered[:, 0] = _UP
        np.subtract(lines, above, out=filtered[:, 1:])
    else:
        _filter_best(lines, above, pixel, filtered)

    flat = filtered.reshape(-1).data
    end = zlib.Z_FINISH if top + rows >= array.shape[0] else zlib.Z_SYNC_FLUSH
    packed = (each.compress(flat) + each.flush(end) for each in _deflaters(level))
    return _Stripe(top, min(packed, key=len), filtered.size, (ISA_L.module or zlib).adler32(flat))


def _deflaters(level: int) -> Iterator[Any]:
    """What deflates at a level, each by itself; the smallest result is kept."""
    isal = ISA_L.module if level == _FASTEST else None
    if isal is not None:
        yield isal.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        return
    raw = partial(zlib.compressobj, level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    yield raw(zlib.Z_RLE)
    if level >= _THOROUGH:
        yield raw(zlib.Z_FILTERED)


def _stored_bytes(rows: Array) -> Bytes:
    """The rows as PNG stores them, (H, bytes of a row)."""
    if rows.dtype == np.uint16:
        rows = rows.astype(">u2")
    return rows.view(np.uint8).reshape(len(rows), -1)


def _filter_best(lines: Bytes, above: Bytes, pixel: int, filtered: Bytes) -> None:
    """Filter each line by what leaves the smallest sum of absolute values, libpng's rule.

    lines, above: (H, N) bytes, and those of the rows above them. pixel: bytes of a pixel.
    filtered: (H, N + 1), the filter's type before each line.
    """
    left = np.zeros_like(lines)
    left[:, pixel:] = lines[:, :-pixel]
    average = (left & above) + ((left ^ above) >> 1)
    best = np.full(len(lines), np.iinfo(np.uint64).max, np.uint64)
    candidates = {_NONE: lines, _SUB: lines - left, _UP: lines - above, _AVERAGE: lines - average}
    for kind, candidate in candidates.items():
        # -128 has no absolute value in 8 bits; as uint8 it is the 128 that is meant.
        size = np.abs(candidate.view(np.int8)).view(np.uint8).sum(axis=1, dtype=np.uint64)
        better = size < best
        best[better] = size[better]
        filtered[better, 0] = kind
        filtered[better, 1:] = candidate[better]


def _joined(first: int, second: int, size: int) -> int:
    """Adler-32 (RFC 1950) of two strings in a row, from that of each and the second's size."""
    base = 65521
    low = (first & 0xFFFF) - 1
    joined_low = (low + (second & 0xFFFF)) % base
    return ((first >> 16) + (second >> 16) + size * low) % base << 16 | joined_low


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    crc32 = (ISA_L.module or zlib).crc32
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", crc32(data, crc32(kind))))

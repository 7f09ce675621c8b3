"""Bytes as image files: read, cut out, written. Whatever they are, there is an image of the size
that the header said, or an ArgumentError."""

from __future__ import annotations

import contextlib
import io
import itertools
import struct
import zlib
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

from tests.fuzz.harness import fuzz
from tests.helpers.png import with_chunks
from trimatte import ArgumentError, Remover
from trimatte.io.frames import read_frames
from trimatte.io.iptc import photoshop_segment
from trimatte.io.masks import read_mask
from trimatte.io.metadata import Metadata
from trimatte.io.reading import load_picture, read_header, read_image

MOST_PIXELS = 1 << 14

XMP = (
    b'<r xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/" h:Version="1.0"><c:Directory '
    b'xmlns:c="http://ns.google.com/photos/1.0/container/">GainMap</c:Directory></r>'
)

_REMOVERS: list[Remover] = []


def check(data: bytes) -> str:
    """Takes bytes through all that reads files; says how far they came."""
    _frames_of(data)
    header = read_header(data)
    shapes: dict[Any, Any] = {}
    for read in (read_image, read_mask):
        try:
            pixels = read(data, max_pixels=MOST_PIXELS)
        except ArgumentError as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            cannot = "take" if "for a mask: " in refusal else "read"
            begin = f"{read.__name__}: cannot {cannot} the {len(data)} bytes given"
            assert refusal.startswith(begin), refusal
            continue
        assert pixels.dtype in (np.uint8, np.uint16, np.float32), pixels.dtype
        if pixels.dtype == np.float32:
            assert ((pixels >= 0) & (pixels <= 1)).all()
        assert header is not None
        assert sorted(pixels.shape[:2]) == sorted((header.height, header.width))
        assert 0 < pixels.shape[0] * pixels.shape[1] <= MOST_PIXELS
        shapes[read] = pixels.shape[:2]
    assert len(set(shapes.values())) <= 1
    if read_image not in shapes:
        assert not shapes
        return "refused"
    _cut_out(data, data if read_mask in shapes else np.ones(shapes[read_image], bool))
    return "cut out"


def _frames_of(data: bytes) -> None:
    """Each frame is refused or of the size that was said."""
    with contextlib.suppress(ArgumentError):
        frames = read_frames(data, max_pixels=MOST_PIXELS)
        for frame in itertools.islice(frames, 20):
            assert frame.pixels.shape[:2] == frames.size
        assert isinstance(frames.metadata, Metadata)


def _cut_out(data: bytes, mask: Any) -> None:
    if not _REMOVERS:
        _REMOVERS.append(Remover(model=None))
    (remover,) = _REMOVERS
    result = remover(data, mask=mask)
    for format in ("png", "tiff") if result.rgba.dtype == np.uint8 else ("png",):
        again, metadata = load_picture(result.encode(format))
        if result.rgba.dtype != np.float32:
            np.testing.assert_array_equal(again, result.rgba)
        assert metadata.profile == result.icc_profile
    if result.rgba.dtype == np.uint8:
        result.encode("webp")
    if not result.metadata.hdr:
        result.composite("white")
    written = Image.open(io.BytesIO(result.encode()))
    assert written.getexif().get(ExifTags.Base.Orientation, 1) == 1


def seeds() -> list[bytes]:
    """Small drawn images as files of all kinds."""
    ramp = (np.indices((9, 8)).sum(axis=0) * 13).astype(np.uint8)
    colour = Image.fromarray(np.dstack([ramp, ramp[::-1], ramp[:, ::-1] // 2]))
    alpha = colour.copy()
    alpha.putalpha(Image.fromarray(255 - ramp))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "somebody"
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 12.0, 3.0)}
    exif[ExifTags.IFD.Exif] = {0x9003: "2024:01:02 03:04:05", 0xA002: 8, 0xA003: 9}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    beside: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": profile}
    deep = Image.fromarray(ramp.astype(np.uint16) * 257)
    grey = colour.convert("L")
    pictures: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (colour, "PNG", {**beside, "dpi": (300, 300)}),
        (alpha, "PNG", {}),
        (grey, "PNG", {}),
        (colour.quantize(6), "PNG", {"transparency": 2}),
        (colour.convert("1"), "PNG", {}),
        (deep, "PNG", {}),
        (colour, "JPEG", {**beside, "quality": 90}),
        (colour, "JPEG", {"progressive": True}),
        (grey, "JPEG", {}),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour, "TIFF", beside),
        (alpha, "TIFF", {"compression": "tiff_lzw"}),
        (deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (Image.fromarray(ramp / np.float32(255)), "TIFF", {}),
        (colour.convert("LAB"), "TIFF", {}) if hasattr(ImageCms, "core") else (colour, "TIFF", {}),
        (colour, "WEBP", {**beside, "lossless": True}),
        (alpha, "WEBP", {"quality": 80}),
        (colour, "GIF", {"save_all": True, "append_images": [alpha.convert("RGB")]}),
        (colour, "BMP", {}),
        (colour, "PPM", {}),
        (colour, "TGA", {}),
        (colour, "JPEG2000", {}),
        (colour, "AVIF", {}),
        (alpha, "ICO", {"sizes": [(8, 9)]}),
        (colour, "MPO", {"save_all": True, "append_images": [grey], "comment": b"c"}),
        (colour, "JPEG", {"xmp": XMP, "extra": photoshop_segment(b"\x1c\x02\x69\0\1t")}),
    ]
    coloured = {
        b"cICP": bytes([12, 13, 0, 1]),
        b"gAMA": struct.pack(">I", 100_000),
        b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000),
        b"tEXt": b"Raw profile type iptc\0\niptc\n 6\n1c0269000174\n",
        b"iTXt": b"Title\0\0\0en\0\0t",
    }
    return [
        *(_encoded(*each) for each in pictures if _can_write(each[1])),
        *map(_png16, (3, 2, 4)),
        with_chunks(_encoded(colour, "PNG", {}), coloured),
    ]


def _can_write(format: str) -> bool:
    Image.init()
    return format in Image.SAVE


def _encoded(picture: Image.Image, format: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def _png16(channels: int) -> bytes:
    """A PNG of 16 bits per channel, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    rows = (b"\0" + bytes(range(2 * 5 * channels)) for _ in range(4))
    header = struct.pack(">IIBBBBB", 5, 4, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


if __name__ == "__main__":
    fuzz(check, seeds())

"""The chunks by which a PNG says what its colours mean (PNG 3, 11.3.2), and what says the same in
files of other formats. Pillow tells some of them only, and not as they are."""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL import Image

__all__ = ["COLOUR_CHUNKS", "CREDENTIALS_CHUNK", "SRGB_CICP", "colour_chunks"]

COLOUR_CHUNKS = {b"cICP": 4, b"mDCV": 24, b"cLLI": 8, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32}
"""Their names, with the size of their data."""

CREDENTIALS_CHUNK = b"caBX"
"""Signed content credentials (C2PA)."""

SRGB_CICP = frozenset(bytes((1, transfer, 0, 1)) for transfer in (1, 6, 13, 14, 15))
"""The data of cICP that mean sRGB, or are shown as it: those of SDR video."""

_UNKNOWN = 2  # in ITU-T H.273

_HEIF_HEAD = 1 << 16  # bytes within which a file says its colours


def colour_chunks(picture: Image.Image) -> dict[bytes, bytes]:
    """The data of the chunks, by name, of a picture that is not loaded yet; that of
    CREDENTIALS_CHUNK is left out.

    Of a loaded PNG: what Pillow has told of it. Of HEIF and AVIF: cICP, where it is not sRGB.
    """
    file = getattr(picture, "fp", None)
    if picture.format in ("HEIF", "AVIF"):
        return _of_heif(picture, file)
    if picture.format == "PNG" and file is not None:
        return _of_png(file)
    return _told(picture)


def _of_png(file: BinaryIO) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    place = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
            size, name = struct.unpack(">I4s", head)
            end = file.tell() + size + 4
            if size == COLOUR_CHUNKS.get(name):
                found[name] = file.read(size)
            elif name == CREDENTIALS_CHUNK:
                found[name] = b""
            file.seek(end)
    finally:
        file.seek(place)
    return found


def _of_heif(picture: Image.Image, file: BinaryIO | None) -> dict[bytes, bytes]:
    """By what pillow-heif tells, or of AVIF by the file's first box of colours."""
    nclx = picture.info.get("nclx_profile")
    primaries = transfer = _UNKNOWN
    if isinstance(nclx, dict):
        primaries, transfer = nclx["color_primaries"], nclx["transfer_characteristics"]
    elif picture.format == "AVIF" and file is not None:
        place = file.tell()
        file.seek(0)
        _, box, numbers = file.read(_HEIF_HEAD).partition(b"colrnclx")
        file.seek(place)
        if box and len(numbers) >= 4:
            primaries, transfer = struct.unpack_from(">HH", numbers)
    if _UNKNOWN in (primaries, transfer) or max(primaries, transfer) > 255:
        return {}
    cicp = bytes((primaries, transfer, 0, 1))
    return {} if cicp in SRGB_CICP else {b"cICP": cicp}


def _told(picture: Image.Image) -> dict[bytes, bytes]:
    """By what Pillow tells of a PNG that has been loaded."""
    told: dict[bytes, bytes] = {}
    gamma, chromaticity = picture.info.get("gamma"), picture.info.get("chromaticity")
    try:
        if "srgb" in picture.info:
            told[b"sRGB"] = bytes([picture.info["srgb"]])
        if gamma is not None:
            told[b"gAMA"] = struct.pack(">I", round(100_000 * gamma))
        if chromaticity is not None:
            told[b"cHRM"] = struct.pack(">8I", *(round(100_000 * value) for value in chromaticity))
    except (TypeError, ValueError, OverflowError, struct.error):  # not Pillow's own
        return {}
    return told

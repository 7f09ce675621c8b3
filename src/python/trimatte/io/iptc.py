"""Where files keep the records of IPTC-IIM: JPEG in a block of Photoshop's, TIFF in a tag, PNG, by
ImageMagick's convention, in a text chunk."""

from __future__ import annotations

import struct
from typing import Any

from PIL import Image

__all__ = ["IPTC_TEXT", "TIFF_IPTC", "iptc_of", "iptc_text", "photoshop_segment"]

TIFF_IPTC = 33723
"""The tag of TIFF."""

IPTC_TEXT = "Raw profile type iptc"
"""The keyword of PNG."""

_PHOTOSHOP_IPTC = 0x0404
_BLOCK_HEAD = b"8BIM" + struct.pack(">HH", _PHOTOSHOP_IPTC, 0)
_RECORD = b"\x1c"  # what each begins with


def iptc_of(picture: Image.Image) -> bytes | None:
    """The records that came with a picture; None: there are none.

    Raises ValueError: they are damaged.
    """
    tags: Any = getattr(picture, "tag_v2", None) or {}
    text, photoshop = picture.info.get(IPTC_TEXT), picture.info.get("photoshop")
    records: Any = None
    if isinstance(photoshop, dict):
        records = photoshop.get(_PHOTOSHOP_IPTC)
    elif TIFF_IPTC in tags:
        records = tags[TIFF_IPTC]
        if isinstance(records, tuple):  # stored as numbers of 32 bits
            order = "<" if tags.prefix == b"II" else ">"
            records = struct.pack(f"{order}{len(records)}I", *records)
    elif isinstance(text, str):
        _, _, *lines = text.strip().splitlines()  # their name, and how many bytes
        records = bytes.fromhex("".join(lines))
        if records.startswith(_BLOCK_HEAD):
            (size,) = struct.unpack_from(">I", records, len(_BLOCK_HEAD))
            records = records[len(_BLOCK_HEAD) + 4 :][:size]
    if not records:
        return None
    if not isinstance(records, bytes) or not records.startswith(_RECORD):
        raise ValueError("no records of IPTC-IIM")
    return records


def photoshop_segment(records: bytes) -> bytes:
    """The APP13 segment of a JPEG, which has room for 65 490 bytes."""
    data = b"Photoshop 3.0\0" + _block(records)
    return b"\xff\xed" + struct.pack(">H", len(data) + 2) + data


def iptc_text(records: bytes) -> str:
    """The text of a PNG's chunk."""
    block = _block(records)
    return f"\niptc\n{len(block):8}\n{block.hex()}\n"


def _block(records: bytes) -> bytes:
    return _BLOCK_HEAD + struct.pack(">I", len(records)) + records + bytes(len(records) % 2)

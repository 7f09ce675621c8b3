"""PNG files with chunks that no library writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

__all__ = ["chunks_of", "with_chunks"]

_HEADER_END = 33


def with_chunks(data: bytes, chunks: Mapping[bytes, bytes]) -> bytes:
    """The file with more chunks after its header."""
    made = b""
    for name, body in chunks.items():
        check = struct.pack(">I", zlib.crc32(name + body))
        made += struct.pack(">I", len(body)) + name + body + check
    return data[:_HEADER_END] + made + data[_HEADER_END:]


def chunks_of(data: bytes) -> dict[bytes, bytes]:
    """The chunks of a file by name, the last of each."""
    return dict(_chunks(data))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        yield name, data[place + 8 : place + 8 + size]
        place += 12 + size

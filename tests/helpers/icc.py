"""Colour profiles made by hand (ICC.1:2001), as files have them that are not of sRGB."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

__all__ = ["cmyk_profile", "grey_profile", "wide_profile"]

_D50 = (0.9642, 1.0, 0.8249)
# Display P3's primaries, adapted to D50.
_P3 = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}


def grey_profile(gamma: float) -> bytes:
    """Of a grey whose light is value ** gamma."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _curve(gamma)})


def wide_profile() -> bytes:
    """Of an RGB with more colours than sRGB."""
    tags = {name: _xyz(value) for name, value in _P3.items()}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(2.2))
    return _profile(b"mntr", b"RGB ", b"XYZ ", {b"wtpt": _xyz(_D50), **tags, **curves})


def cmyk_profile(lab: NDArray[np.uint8]) -> bytes:
    """Of inks whose mixtures have the colours `lab`, (2, 2, 2, 2, 3) of no or full C, M, Y, K: L
    of 255, a and b about 128."""
    straight = np.arange(256, dtype=np.uint8).tobytes()
    table = (
        b"mft1\0\0\0\0"
        + bytes([4, 3, 2, 0])
        + struct.pack(">9i", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
        + straight * 4
        + lab.tobytes()
        + straight * 3
    )
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(_D50), b"A2B0": table})


def _profile(device: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    said = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": said, b"cprt": b"text\0\0\0\0none\0", **tags}
    at = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    size = at + len(bodies)
    head = struct.pack(">I4sI", size, b"none", 0x02400000) + device + space + pcs
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(65536 * value) for value in _D50))
    return head + bytes(128 - len(head)) + table + bodies


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * part) for part in value))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma))

"""Colour profiles (ICC.1): what they describe, conversion between them, and profiles for colours
that a file describes in other words.

Conversion is Pillow's (LittleCMS), which knows RGB of 8 bits only.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from trimatte.arrays import Array

__all__ = [
    "BT2020",
    "HDR_TRANSFERS",
    "adobe_rgb",
    "colour_space",
    "converted",
    "profile_of_chunks",
    "to_srgb",
]

# Where light is a power of (a value + b), or c times the value below d: g, a, b, c, d (ICC.1's
# parametric curve of type 3).
_Curve = tuple[float, float, float, float, float]
_SRGB_CURVE: _Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

# The x and y of white, red, green and blue (CIE 1931).
_Chromaticities = tuple[float, ...]
_D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES: _Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)

BT2020 = 9
"""The primaries of ITU-R BT.2020 by their number in ITU-T H.273."""

# By their numbers in ITU-T H.273, which cICP uses.
_PRIMARIES: dict[int, _Chromaticities] = {
    1: _SRGB_PRIMARIES,
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    BT2020: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_CURVES: dict[int, _Curve] = {
    **dict.fromkeys((1, 6, 13, 14, 15), _SRGB_CURVE),  # those of video are shown so
    4: (2.2, 1, 0, 0, 0),
    5: (2.8, 1, 0, 0, 0),
    8: (1, 1, 0, 0, 0),
}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""The transfer functions of HDR by their numbers in ITU-T H.273."""

_MOST = 32767  # that ICC.1 has room for in a number
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def colour_space(profile: bytes | None) -> bytes:
    """The colours that a profile describes, by its header: "RGB ", "GRAY", "CMYK"; else empty."""
    is_profile = profile is not None and len(profile) >= 128 and profile[36:40] == b"acsp"
    return profile[16:20] if profile is not None and is_profile else b""


# --- conversion ---


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The picture through its profile; None: there is none, it is broken, or Pillow came without
    colour management."""
    if not profile:
        return None
    try:
        return ImageCms.profileToProfile(picture, _opened(profile), _opened(None), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ImportError):
        return None


def converted(pixels: Array, source: bytes | None, target: bytes | None) -> Array | None:
    """RGB from the colours of one profile to those of another; None is sRGB.

    pixels: (H, W, 3), uint8, uint16 or float32 in [0, 1]. Returns the same array where the profiles
    agree, else an array of the same shape and dtype, to within about 1/255; None: one of them
    cannot be used.
    """
    if source == target:
        return pixels
    try:
        transform = ImageCms.buildTransform(_opened(source), _opened(target), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ImportError):
        return None

    def through(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
        picture = ImageCms.applyTransform(Image.fromarray(levels), transform)
        return np.asarray(picture, np.float32)

    steps = np.linspace(0, 255, 18).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(18, -1, 3)
    if np.abs(through(lattice) - lattice).max() <= 1:
        return pixels  # two profiles of the same colours
    if pixels.dtype == np.uint8:
        return through(np.ascontiguousarray(pixels)).astype(np.uint8)
    # Between the levels of 8 bits that Pillow converts, along each channel: no gradient gets steps.
    scale = np.float32(257 if pixels.dtype == np.uint16 else 1 / 255)
    exact = pixels / scale
    levels = np.minimum(exact, 254).astype(np.uint8)
    start = through(levels)
    result = start.copy()
    for i, unit in enumerate(np.eye(3, dtype=np.uint8)):
        share = exact[:, :, i : i + 1] - levels[:, :, i : i + 1]
        result += share * (through(levels + unit) - start)
    result = np.clip(result, 0, 255) * scale
    return result if pixels.dtype == np.float32 else np.rint(result).astype(np.uint16)


def _opened(profile: bytes | None) -> ImageCms.ImageCmsProfile:
    """The profile as Pillow takes it; None is sRGB."""
    if profile is None:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


# --- profiles for what files say in other words ---


def profile_of_chunks(chunks: Mapping[bytes, bytes]) -> bytes | None:
    """A profile of the colours that the cICP, sRGB, gAMA and cHRM chunks of a PNG describe, by
    PNG's order of precedence.

    chunks: their data, of valid length. None: they describe sRGB, nothing, or what no profile of
    this kind can (HDR).
    """
    if b"cICP" in chunks:
        primaries, transfer, matrix, full_range = chunks[b"cICP"]
        if primaries not in _PRIMARIES or transfer not in _CURVES or (matrix, full_range) != (0, 1):
            return None
        return _profile(_PRIMARIES[primaries], _CURVES[transfer])
    if b"sRGB" in chunks or not chunks.keys() & {b"gAMA", b"cHRM"}:
        return None
    chromaticities, curve = _SRGB_PRIMARIES, _SRGB_CURVE
    if b"cHRM" in chunks:
        chromaticities = tuple(value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"]))
    if b"gAMA" in chunks:
        gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100_000
        # One of about 1/2.2 stands for sRGB's curve, and nobody means one beyond these.
        if 0.1 <= gamma <= 10 and abs(gamma * 2.2 - 1) > 0.02:
            curve = (1 / gamma, 1, 0, 0, 0)
    return _profile(chromaticities, curve)


def adobe_rgb() -> bytes:
    """A profile of Adobe RGB (1998)."""
    profile = _profile((*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), (563 / 256, 1, 0, 0, 0))
    assert profile is not None
    return profile


@lru_cache(maxsize=64)
def _profile(chromaticities: _Chromaticities, curve: _Curve) -> bytes | None:
    """A profile (ICC.1:2010) of three primaries and one curve; None: sRGB, or no such colours."""
    is_srgb = np.allclose(chromaticities, _SRGB_PRIMARIES, atol=0.002) and curve == _SRGB_CURVE
    colorants = None if is_srgb else _colorants(chromaticities)
    if colorants is None:
        return None
    primaries, adaptation = colorants
    if not np.abs(colorants).max() < _MOST:
        return None
    tags = {
        b"desc": _text("RGB of primaries and a curve"),
        b"cprt": _text("CC0"),
        b"wtpt": _numbers(b"XYZ ", _D50),
        b"chad": _numbers(b"sf32", adaptation.ravel()),
    }
    for i, channel in enumerate((b"r", b"g", b"b")):
        tags[channel + b"XYZ"] = _numbers(b"XYZ ", primaries[:, i])
        tags[channel + b"TRC"] = _numbers(b"para", curve, head=struct.pack(">HH", 3, 0))
    place = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, place + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = struct.pack(
        ">I4sI4s4s4s6H4s28s3i48s",
        *(place + len(bodies), b"", 0x0420_0000, b"mntr", b"RGB ", b"XYZ "),
        *(2026, 1, 1, 0, 0, 0),
        *(b"acsp", b"", *map(_fixed, _D50), b""),
    )
    return head + table + bodies


def _colorants(
    chromaticities: _Chromaticities,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """XYZ of red, green and blue as columns, adapted to D50, and the matrix that adapts; None:
    they span no colours."""
    xy = np.reshape(chromaticities, (4, 2)).T
    if not (xy[1] > 0).all():
        return None
    white, *_ = xyz = (np.vstack([xy, 1 - xy.sum(axis=0)]) / xy[1]).T
    primaries = xyz[1:].T
    if abs(np.linalg.det(primaries)) < 1e-6:
        return None
    cones, wanted = _BRADFORD @ white, _BRADFORD @ _D50
    if np.abs(cones).min() < 1e-6:
        return None
    adaptation = np.linalg.inv(_BRADFORD) @ np.diag(wanted / cones) @ _BRADFORD
    return adaptation @ primaries * np.linalg.solve(primaries, white), adaptation


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(data), 28) + data


def _numbers(kind: bytes, values: Iterable[float], head: bytes = b"") -> bytes:
    return kind + bytes(4) + head + b"".join(struct.pack(">i", _fixed(value)) for value in values)


def _fixed(value: float) -> int:
    """A number as ICC.1 stores it, in 1/65536."""
    return round(65536 * float(value))

"""What a file says beside its pixels: colour profile, EXIF, XMP, resolution.

All of it is kept by default, GPS position and owner too, as a photographer expects; ``"strip"``
leaves out all but the colour profile, without which the colours would be others.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image

from trimatte.arrays import choice
from trimatte.errors import ArgumentError

__all__ = [
    "METADATA",
    "Metadata",
    "chosen",
    "metadata_of",
    "orientation_of",
    "parsed_exif",
    "upright_size",
]

METADATA = {"keep": True, "strip": False}
"""What may become of it in a file that is written."""

_EXIF_HEAD = b"Exif\0\0"

_ORIENTATION = 0x0112
_UPRIGHT = 1
_LYING = range(5, 9)  # orientations whose rows are columns

# What says something of the photograph. The rest of a TIFF's tags are of how it was stored.
_DESCRIPTIVE = frozenset(
    {
        0x010D,  # DocumentName
        0x010E,  # ImageDescription
        0x010F,  # Make
        0x0110,  # Model
        0x0131,  # Software
        0x0132,  # DateTime
        0x013B,  # Artist
        0x013C,  # HostComputer
        0x4746,  # Rating
        0x4749,  # RatingPercent
        0x8298,  # Copyright
        *range(0x9C9B, 0x9CA0),  # Windows' title, comment, author, keywords, subject
    }
)
_RESOLUTION = (0x011A, 0x011B, 0x0128)  # across, down, and their unit
_PER_INCH = 2
# Where a small picture of the whole may lie, which would show the background still: what only the
# camera's maker can read, and XMP's; EXIF's own, in another directory, is not looked for.
_MAKER_NOTE = 0x927C
_XMP_THUMBNAILS = re.compile(rb"<(\w+:Thumbnails)\b.*?</\1\s*>", re.DOTALL)

_DIMENSIONS = (0xA002, 0xA003)  # width and height of the picture, in the Exif directory

_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:=["\']|>)\s*)[0-9]')

_LONGEST_DPI = 1e6


@dataclass(frozen=True)
class Metadata:
    """What is stored beside the pixels of an image.

    icc_profile: the colour profile that says what they mean; None: sRGB is assumed. exif: a TIFF
    structure, of an upright picture. xmp: a packet of XML. Neither has a thumbnail. dpi: pixels per
    inch across and down. Of each, None: there is none, or none that can be read.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    png_colour: tuple[tuple[bytes, bytes], ...] = ()

    def under(self, policy: str, caller: str) -> Metadata:
        """What is to be written of it: ``"keep"`` or ``"strip"``."""
        keeps = choice(METADATA, policy, caller, "metadata")
        return self if keeps else Metadata(icc_profile=self.icc_profile)

    def with_profile(self, icc_profile: bytes | None) -> Metadata:
        return replace(self, icc_profile=icc_profile)

    def with_dpi_in_exif(self) -> Metadata:
        """The same for a format that has no other place for the resolution."""
        if self.dpi is None:
            return self
        exif = parsed_exif(self.exif)
        exif.update(dict(zip(_RESOLUTION, (*self.dpi, _PER_INCH), strict=True)))
        return replace(self, exif=_stored(exif))

    def of_size(self, width: int, height: int) -> Metadata:
        """The same for a picture that was cut to another size."""
        if self.exif is None:
            return self
        exif = parsed_exif(self.exif)
        details = dict(exif.get_ifd(ExifTags.IFD.Exif))
        _set_size(details, (width, height))
        if details:
            exif[ExifTags.IFD.Exif] = details
        return replace(self, exif=_stored(exif))

    @property
    def info(self) -> dict[str, Any]:
        """As Pillow names it in ``Image.info``."""
        exif = None if self.exif is None else _EXIF_HEAD + self.exif
        told = {"icc_profile": self.icc_profile, "exif": exif, "xmp": self.xmp, "dpi": self.dpi}
        return {name: value for name, value in told.items() if value is not None}


def chosen(metadata: Metadata | None, icc_profile: bytes | None, caller: str) -> Metadata:
    """What a caller gave in two arguments; the profile is the one of icc_profile where it is
    given."""
    if metadata is not None and not isinstance(metadata, Metadata):
        raise ArgumentError(
            f"{caller}: metadata must be a Metadata, as of a Result, or None, got {metadata!r:.80}"
        )
    if icc_profile is not None and not isinstance(icc_profile, (bytes, bytearray)):
        raise ArgumentError(
            f"{caller}: icc_profile must be the bytes of one, or None, got {icc_profile!r:.80}"
        )
    metadata = metadata or Metadata()
    _check_exif(metadata.exif, caller)
    return metadata if icc_profile is None else metadata.with_profile(bytes(icc_profile))


def parsed_exif(exif: bytes | None) -> Image.Exif:
    """The EXIF of a `Metadata`; empty where there is none."""
    parsed = Image.Exif()
    if exif is not None:
        parsed.load(_EXIF_HEAD + exif)
    return parsed


def _check_exif(exif: bytes | None, caller: str) -> None:
    if exif is None:
        return
    try:
        parsed_exif(exif).tobytes()
    except Exception as error:  # Pillow raises almost anything here
        raise ArgumentError(
            f"{caller}: metadata.exif must be a TIFF structure, got {exif!r:.80}"
        ) from error


def metadata_of(picture: Image.Image, size: tuple[int, int]) -> Metadata:
    """What is said beside a picture that is to be stored upright, in this (width, height).

    What is broken is left out: it does not make the pixels unreadable.
    """
    profile = picture.info.get("icc_profile")
    return Metadata(
        profile if isinstance(profile, bytes) and profile else None,
        _exif_of(picture, size),
        _xmp_of(picture),
        _dpi_of(picture),
    )


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) where there is none."""
    try:
        orientation = picture.getexif().get(_ORIENTATION)
    except Exception:  # Broken metadata does not make the pixels unreadable.
        return _UPRIGHT
    return orientation if isinstance(orientation, int) else _UPRIGHT


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """(width, height) of a picture that is not loaded yet, once it is turned upright."""
    width, height = picture.size
    return (height, width) if orientation_of(picture) in _LYING else (width, height)


def _exif_of(picture: Image.Image, size: tuple[int, int]) -> bytes | None:
    try:
        given = picture.getexif()
        kept: dict[int, Any] = {tag: given[tag] for tag in _DESCRIPTIVE if tag in given}
        for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            directory = dict(given.get_ifd(tag))
            directory.pop(ExifTags.IFD.Interop, None)  # a place in the old file
            directory.pop(_MAKER_NOTE, None)
            if directory:
                kept[tag] = directory
        if not kept and _ORIENTATION not in given:
            return None
        _set_size(kept.get(ExifTags.IFD.Exif, {}), size)
        exif = Image.Exif()
        exif.update(kept)
        exif[_ORIENTATION] = _UPRIGHT
        return _stored(exif)
    except Exception:  # of what was given; Pillow raises almost anything here
        return None


def _set_size(directory: dict[int, Any], size: tuple[int, int]) -> None:
    for dimension, length in zip(_DIMENSIONS, size, strict=True):
        if dimension in directory:
            directory[dimension] = length


def _stored(exif: Image.Exif) -> bytes:
    return exif.tobytes().removeprefix(_EXIF_HEAD)


def _xmp_of(picture: Image.Image) -> bytes | None:
    packet = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "surrogatepass")
    if not isinstance(packet, bytes) or not packet.strip(b"\0 "):
        return None
    return _XMP_ORIENTATION.sub(rb"\g<1>1", _XMP_THUMBNAILS.sub(b"", packet))


def _dpi_of(picture: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in picture.info["dpi"])
        if orientation_of(picture) in _LYING:
            across, down = down, across
    except Exception:  # none, or none that is two numbers
        return None
    usable = all(math.isfinite(dpi) and 0 < dpi < _LONGEST_DPI for dpi in (across, down))
    return (across, down) if usable else None

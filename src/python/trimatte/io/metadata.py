"""What a file says beside its pixels: colours, EXIF, XMP, IPTC, text, resolution.

All of it is kept by default, GPS position and owner too, as a photographer expects; ``"strip"``
leaves out all but what the colours mean. What cannot be kept, or would no longer be true, is named
in `Metadata.dropped`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image

from trimatte.arrays import choice
from trimatte.errors import ArgumentError
from trimatte.io.colour_chunks import COLOUR_CHUNKS, CREDENTIALS_CHUNK
from trimatte.io.iptc import IPTC_TEXT, iptc_of
from trimatte.io.profiles import HDR_TRANSFERS, adobe_rgb, profile_of_chunks
from trimatte.io.xmp import kept_xmp

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
_SAMPLES_PER_PIXEL = 277
# Where a small picture of the whole may lie, which would show the background still: what only the
# camera's maker can read. EXIF's own, in another directory, is not looked for.
_MAKER_NOTE = 0x927C

_DIMENSIONS = (0xA002, 0xA003)  # width and height of the picture, in the Exif directory

# How cameras say that a photograph without a profile has the colours of Adobe RGB (DCF 2.0; some
# older ones by 2 as the colour space).
_COLOUR_SPACE, _INTEROPERABILITY = 0xA001, 1
_ADOBE_RGB, _UNCALIBRATED = (2, "R03"), 0xFFFF

_IPTC_PREVIEW = b"\x1c\x02\xca"
# EXIF and others as ImageMagick stores them in text of a PNG.
_RAW_PROFILE = "Raw profile type "
_READ_RAW_PROFILES = (f"{_RAW_PROFILE}exif", f"{_RAW_PROFILE}APP1", IPTC_TEXT)
_LONGEST_DPI = 1e6


@dataclass(frozen=True)
class Metadata:
    """What is stored beside the pixels of an image.

    icc_profile: the colour profile that says what they mean. exif: a TIFF structure, of an upright
    picture. xmp: a packet of XML. Neither has a thumbnail. dpi: pixels per inch across and down.
    iptc: records of IPTC-IIM. Of each, None: there is none, or none that can be read.
    text: keywords and text, as PNG has them. png_colour: names and data of the chunks by which a
    PNG says what its colours mean. dropped: a sentence on each thing that the file had and that is
    not here, because it cannot be kept or is no longer true.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    iptc: bytes | None = None
    text: tuple[tuple[str, str], ...] = ()
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def profile(self) -> bytes | None:
        """The colour profile, or one made of what the PNG says instead; None: sRGB, or HDR."""
        return self.icc_profile or profile_of_chunks(dict(self.png_colour))

    @property
    def cicp(self) -> bytes | None:
        """The numbers of the colours in ITU-T H.273, as PNG's cICP has them, or None."""
        return dict(self.png_colour).get(b"cICP")

    @property
    def hdr(self) -> str | None:
        """The transfer function of HDR colours, "PQ" or "HLG"; None of all others."""
        return None if self.cicp is None else HDR_TRANSFERS.get(self.cicp[1])

    def under(self, policy: str, caller: str) -> Metadata:
        """What is to be written of it: ``"keep"`` or ``"strip"``."""
        keeps = choice(METADATA, policy, caller, "metadata")
        return self if keeps else Metadata(icc_profile=self.icc_profile, png_colour=self.png_colour)

    def with_profile(self, icc_profile: bytes | None) -> Metadata:
        """A copy with this ICC profile; None: sRGB."""
        return replace(self, icc_profile=icc_profile, png_colour=())

    def without(self, *sentences: str) -> Metadata:
        """The same, with sentences on what is not kept."""
        return replace(self, dropped=(*self.dropped, *sentences))

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
        """What Pillow takes when it saves, by its names; text is not among it."""
        exif = None if self.exif is None else _EXIF_HEAD + self.exif
        told = {"icc_profile": self.profile, "exif": exif, "xmp": self.xmp, "dpi": self.dpi}
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


def metadata_of(
    picture: Image.Image, size: tuple[int, int], chunks: dict[bytes, bytes] | None = None
) -> Metadata:
    """What is said beside a picture that is to be stored upright, in this (width, height).

    chunks: those of `colour_chunks`. What is broken is left out: it does not make the pixels
    unreadable.
    """
    chunks = chunks or {}
    dropped = list(_other_data(picture, chunks))
    exif, has_adobe_rgb = _exif_of(picture, size, dropped)
    profile = picture.info.get("icc_profile")
    profile = profile if isinstance(profile, bytes) and profile else None
    colour = tuple((name, chunks[name]) for name in COLOUR_CHUNKS if name in chunks)
    if profile is None and not colour and has_adobe_rgb:
        profile = adobe_rgb()
    return Metadata(
        profile,
        exif,
        _xmp_of(picture, dropped),
        _dpi_of(picture),
        _iptc_of(picture, dropped),
        tuple(_text_of(picture, dropped)),
        colour,
        tuple(dict.fromkeys(dropped)),
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
    width, height = getattr(picture, "_tile_size", picture.size)  # newer Pillow turns a TIFF's size
    return (height, width) if orientation_of(picture) in _LYING else (width, height)


def _exif_of(
    picture: Image.Image, size: tuple[int, int], dropped: list[str]
) -> tuple[bytes | None, bool]:
    """The EXIF of the upright picture, and whether it says that the colours are Adobe RGB's."""
    try:
        given = picture.getexif()
        kept: dict[int, Any] = {tag: given[tag] for tag in _DESCRIPTIVE if tag in given}
        is_adobe_rgb = False
        for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            directory = dict(given.get_ifd(tag))
            if directory.pop(ExifTags.IFD.Interop, None) is not None:  # a place in the old file
                index = given.get_ifd(ExifTags.IFD.Interop).get(_INTEROPERABILITY)
                is_adobe_rgb |= index in _ADOBE_RGB
            if directory.get(_COLOUR_SPACE) in _ADOBE_RGB:
                is_adobe_rgb, directory[_COLOUR_SPACE] = True, _UNCALIBRATED  # a profile says it
            directory.pop(_MAKER_NOTE, None)
            if directory:
                kept[tag] = directory
        if not kept and _ORIENTATION not in given:
            return None, is_adobe_rgb
        _set_size(kept.get(ExifTags.IFD.Exif, {}), size)
        exif = Image.Exif()
        exif.update(kept)
        exif[_ORIENTATION] = _UPRIGHT
        return _stored(exif), is_adobe_rgb
    except Exception:  # of what was given; Pillow raises almost anything here
        dropped.append("the EXIF was dropped: it is damaged")
        return None, False


def _set_size(directory: dict[int, Any], size: tuple[int, int]) -> None:
    for dimension, length in zip(_DIMENSIONS, size, strict=True):
        if dimension in directory:
            directory[dimension] = length


def _stored(exif: Image.Exif) -> bytes:
    return exif.tobytes().removeprefix(_EXIF_HEAD)


def _xmp_of(picture: Image.Image, dropped: list[str]) -> bytes | None:
    packet = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "surrogatepass")
    if not isinstance(packet, bytes) or not packet.strip(b"\0 "):
        return None
    try:
        kept, data = kept_xmp(packet)
    except ValueError as error:
        dropped.append(f"the XMP was dropped: {error}")
        return None
    dropped += [_left_behind(name) for name in data]
    return kept or None


def _left_behind(name: str) -> str:
    return f"the {name} was dropped: it belongs to the original file"


def _other_data(picture: Image.Image, chunks: dict[bytes, bytes]) -> Iterator[str]:
    """Sentences on pictures and signatures in the file that a cutout does not have."""
    markers = getattr(picture, "applist", ())
    if any(data.startswith(b"urn:iso:std:iso:ts:21496") for _, data in markers):
        yield _left_behind("HDR gain map")
    if CREDENTIALS_CHUNK in chunks or any(
        name == "APP11" and data.startswith(b"JP") and b"c2pa" in data for name, data in markers
    ):
        yield "the content credentials (C2PA) were dropped: they sign the original pixels"
    others = getattr(picture, "n_frames", 1) - 1 if picture.format == "MPO" else 0
    if others:
        yield (
            f"{others} more picture{'s' * (others > 1)} in the MPO file (as a gain map, a depth "
            f"map or a second view) {'were' if others > 1 else 'was'} dropped: the first one is cut"
        )
    tags = getattr(picture, "tag_v2", None) or {}
    extra = tags.get(_SAMPLES_PER_PIXEL, 1) - len(picture.getbands())
    if extra > 0:
        yield (
            f"{extra} channel{'s' * (extra > 1)} of the TIFF beyond its colours "
            f"{'were' if extra > 1 else 'was'} dropped: the file does not call it transparency"
        )
    auxiliary = picture.info.get("aux"), picture.info.get("depth_images")
    if any("hdrgainmap" in str(name).lower() for name in auxiliary[0] or ()):
        yield _left_behind("HDR gain map")
    if auxiliary[1]:
        yield _left_behind("depth map")


def _text_of(picture: Image.Image, dropped: list[str]) -> Iterator[tuple[str, str]]:
    """The text of a PNG, or the comment of another file."""
    if picture.format == "PNG":
        for name, text in getattr(picture, "text", {}).items():
            if name.startswith(_RAW_PROFILE):
                if name not in _READ_RAW_PROFILES:
                    dropped.append(f"text ({name:.80}) was dropped: its meaning is unknown")
            elif name != "XML:com.adobe.xmp":
                yield name, text
    comment = picture.info.get("comment")
    if isinstance(comment, bytes) and comment.strip(b"\0 "):
        try:
            yield "Comment", comment.decode().strip("\0")
        except UnicodeDecodeError:
            yield "Comment", comment.decode("latin-1").strip("\0")


def _iptc_of(picture: Image.Image, dropped: list[str]) -> bytes | None:
    try:
        records = iptc_of(picture)
    except (ValueError, TypeError, struct.error):
        dropped.append("the IPTC was dropped: it is damaged")
        return None
    if records is not None and _IPTC_PREVIEW in records:
        dropped.append("the IPTC was dropped: it holds a preview, which shows the background")
        return None
    return records


def _dpi_of(picture: Image.Image) -> tuple[float, float] | None:
    tags = getattr(picture, "tag_v2", None)
    if tags is not None and _RESOLUTION[0] not in tags:
        return None  # Pillow says 1 where a TIFF says nothing.
    try:
        across, down = (float(value) for value in picture.info["dpi"])
        if orientation_of(picture) in _LYING:
            across, down = down, across
    except Exception:  # none, or none that is two numbers
        return None
    usable = all(math.isfinite(dpi) and 0 < dpi < _LONGEST_DPI for dpi in (across, down))
    return (across, down) if usable else None

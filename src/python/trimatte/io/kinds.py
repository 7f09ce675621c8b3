"""Which files are images, by their names and by how they begin, and how to read those that Pillow
alone does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from trimatte.io.limits import picture_in
from trimatte.optional import advice, imported

__all__ = [
    "MOST_PAGES",
    "begins_like_a_photo",
    "check_no_preview",
    "first_frame",
    "frame_count",
    "has_image_name",
    "load_plugin",
    "may_be_animated",
    "page_count",
    "unread_because",
]

_HEAD = 512  # bytes of a file that tell its kind

# Formats that Pillow identifies but does not decode, or that are measurements, not pictures.
_NO_PICTURES = frozenset({"BUFR", "FITS", "GRIB", "HDF5", "MPEG"})

# What browsers and copying programs call a file that is not whole yet.
_PARTIAL_SUFFIXES = frozenset(
    {".crdownload", ".download", ".filepart", ".opdownload", ".part", ".partial", ".tmp", ".temp"}
)

_COMMON_HEADS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"8BPS"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  \r\n\x87\n"),
)
_RAW_HEADS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_JXL_HEADS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")

# Formats whose further pictures are frames in time, not pages, views or sizes.
_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "FLI"})

_PAGED = frozenset({"DCX", "HEIF", "TIFF"})

MOST_PAGES = 100
"""To how many pages are counted."""

# Tags of a camera's raw file that is also a TIFF: its first picture is a small preview.
_DNG_VERSION, _TIFF_EP, _SUBFILE = 50706, 37398, 254
_REDUCED, _MASK = 1, 4


_DEVELOP = "develop it first, with darktable, RawTherapee or rawpy"


@dataclass(frozen=True)
class _Kind:
    """A kind of images that Pillow alone does not read.

    begins: whether a file that begins so is one. remedy: what to do. plugin: the module by which
    Pillow reads it, if there is one.
    """

    name: str
    suffixes: str
    begins: Callable[[bytes], bool]
    remedy: str
    plugin: str = ""


_KINDS = (
    _Kind(
        "AVIF",
        ".avif .avifs",
        lambda head: head[4:8] == b"ftyp" and b"avi" in head[:64],
        advice("PIL", "heif"),
        "PIL._avif",
    ),
    _Kind(
        "HEIF (HEIC)",
        ".heic .heics .heif .heifs .hif",
        lambda head: _is_brand(head, b"hei", b"hev", b"mif", b"msf"),
        advice("pillow_heif", "heif"),
        "pillow_heif",
    ),
    _Kind(
        "JPEG XL",
        ".jxl",
        lambda head: head.startswith(_JXL_HEADS),
        "pip install pillow-jxl-plugin",
        "pillow_jxl",
    ),
    _Kind(
        "a camera's raw file",
        ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf "
        ".pef .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f",
        lambda head: head.startswith(_RAW_HEADS) or head[8:10] == b"CR" or _is_brand(head, b"crx"),
        _DEVELOP,
    ),
    _Kind(
        "a picture of high dynamic range",
        ".exr .hdr .jxr .wdp",
        lambda head: head.startswith((b"v/1\x01", b"#?RADIANCE", b"II\xbc")),
        "save it as PNG or TIFF of 16 bits",
    ),
    _Kind(
        "a drawing in layers",
        ".kra .ora .psb .xcf",
        lambda head: head.startswith((b"8BPS\0\2", b"gimp xcf")),
        "export it as PNG",
    ),
    _Kind("SVG", ".svg .svgz", lambda head: b"<svg" in head, "export it as PNG"),
)
_FOREIGN_SUFFIXES = frozenset(suffix for kind in _KINDS for suffix in kind.suffixes.split())


def has_image_name(name: str | os.PathLike[str]) -> bool:
    """Whether a file's suffix is an image's: of what Pillow opens with the plug-ins that are
    loaded, or of what other programs know as images."""
    suffix = Path(os.fsdecode(name)).suffix.lower()
    formats = Image.registered_extensions()
    by_pillow = formats.get(suffix) in Image.OPEN and formats[suffix] not in _NO_PICTURES
    return by_pillow or suffix in _FOREIGN_SUFFIXES


def begins_like_a_photo(path: Path) -> bool:
    """Whether a file, whatever its name, begins as an image does; one that is still being
    downloaded does not count."""
    if path.suffix.lower() in _PARTIAL_SUFFIXES:
        return False
    try:
        if not path.is_file():  # to open a pipe might be to wait for ever
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    kind = _kind_of(head)
    return webp or head.startswith(_COMMON_HEADS) or (kind is not None and kind.name != "SVG")


def load_plugin(file: BinaryIO) -> bool:
    """Loads the plug-in that makes Pillow read a file; False: there is none, or none installed."""
    kind = _kind_of(_head_of(file))
    module = imported(kind.plugin, "heif")[0] if kind is not None and kind.plugin else None
    register = getattr(module, "register_heif_opener", None)  # others do it when imported
    if register is not None:
        register()
    return module is not None


def unread_because(file: BinaryIO) -> str | None:
    """Of which kind a file is that Pillow cannot read, and what to do; None: nobody knows."""
    head = _head_of(file)
    kind = _kind_of(head)
    if kind is None and _begins_like_a_video(head):
        return (
            "it is a video: `trimatte video` cuts it out (in Python: trimatte.video.remove_video)"
        )
    return None if kind is None else f"it is {kind.name}, which Pillow does not read: {kind.remedy}"


def may_be_animated(file: BinaryIO) -> bool:
    """Whether a file begins as formats do that can hold an animation."""
    head = _head_of(file)
    return (
        head.startswith((b"GIF8", b"\x89PNG"))
        or head[8:12] == b"WEBP"
        or head[4:8] == b"ftyp"  # AVIF
        or head[4:6] in (b"\x11\xaf", b"\x12\xaf")  # FLI and FLC
    )


def check_no_preview(file: BinaryIO, picture: Image.Image) -> None:
    """Raises ValueError where Pillow would read the small preview of a camera's raw file."""
    if picture.format != "TIFF":
        return
    tags = picture.tag_v2  # type: ignore[attr-defined]
    is_dng = _DNG_VERSION in tags or _TIFF_EP in tags
    if is_dng or tags.get(_SUBFILE, 0) & _REDUCED or _head_of(file)[8:10] == b"CR":
        raise ValueError(
            f"it is a camera's raw file, of which Pillow reads the preview only: {_DEVELOP}"
        )


def frame_count(picture: Image.Image) -> int:
    """How many frames an animation has; 1 of any other image."""
    if picture.format not in _ANIMATED:
        return 1
    return int(getattr(picture, "n_frames", 1)) - first_frame(picture)


def first_frame(picture: Image.Image) -> int:
    """The number of an animation's first frame: an APNG may begin with a picture for viewers that
    do not know APNG."""
    return int(getattr(picture, "default_image", False))


def page_count(file: BinaryIO, format: str | None) -> int:
    """How many pages or pictures a file of this format of Pillow holds, a TIFF's without previews
    and masks of others; 1 of formats whose further pictures are something else.

    MOST_PAGES and one where there are more; a damaged page and those behind it do not count.
    """
    if format == "TIFF":
        return min(1 + sum(_further_pages(file)), MOST_PAGES + 1)
    return int(getattr(picture_in(file), "n_frames", 1)) if format in _PAGED else 1


def _further_pages(file: BinaryIO) -> Iterator[bool]:
    """Of each picture in a TIFF but the first, whether it is a page."""
    try:
        file.seek(0)
        picture = TiffImageFile(file)  # another one: it moves from page to page
        for number in range(1, MOST_PAGES + 1):
            picture.seek(number)
            yield not picture.tag_v2.get(_SUBFILE, 0) & (_REDUCED | _MASK)
    except Exception:  # of a damaged directory, and at the end
        return


def _kind_of(head: bytes) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.begins(head)), None)


def _begins_like_a_video(head: bytes) -> bool:
    """Whether a file begins as MP4 and MOV, Matroska and WebM, AVI or an MPEG transport stream."""
    is_mpegts = head[:1] == b"G" and head[188:189] == b"G"
    is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return head[4:8] == b"ftyp" or head.startswith(b"\x1aE\xdf\xa3") or is_avi or is_mpegts


def _is_brand(head: bytes, *brands: bytes) -> bool:
    """Whether a file of ISO's base media format has one of these brands."""
    return head[4:8] == b"ftyp" and head[8:11] in brands


def _head_of(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(_HEAD)

"""Which codecs read and write files: the fast ones of the extra ``fast`` where they are installed.

None of them changes a pixel: without them the same is done by zlib and Pillow, in more time.
`in_use` says what does it here, and what would be faster; ``trimatte doctor`` prints it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from trimatte.optional import advice, imported

__all__ = ["ISA_L", "SIMPLEJPEG", "FastCodec", "decode_jpeg", "in_use"]


@dataclass(frozen=True)
class FastCodec:
    """A codec that may be installed or not.

    package: as it is installed. module_name: its module. gain: what it is good for, in a few words.
    """

    package: str
    module_name: str
    gain: str

    @property
    def module(self) -> Any | None:
        """The module, or None where it cannot be had."""
        return imported(self.module_name, "fast")[0]

    @property
    def missing(self) -> str:
        """Why there is no module, and what it would be good for; empty where there is one."""
        problem = imported(self.module_name, "fast")[1]
        return f"{self.gain} by {self.package}, {problem}" if problem else ""


# ISA-L reads memory that it has not written (valgrind): now and then it packs the same bytes
# otherwise. They are unpacked to the same.
ISA_L = FastCodec("isal", "isal.isal_zlib", "written in a third of the time")
SIMPLEJPEG = FastCodec("simplejpeg", "simplejpeg", "read in half of the time")


def in_use() -> dict[str, str]:
    """What reads and writes the files of a format here, and what would be faster, and is not there.

    Returns a sentence for each of PNG, JPEG, WebP, TIFF, AVIF and HEIC.
    """
    deflate = "zlib " + zlib.ZLIB_RUNTIME_VERSION if ISA_L.missing else _named("ISA-L", ISA_L)
    decoder = "Pillow" if SIMPLEJPEG.missing else _named("libjpeg-turbo", SIMPLEJPEG)
    pillow = f"Pillow {PIL.__version__}"
    return {
        "PNG": "; ".join(filter(None, [f"read by Pillow, written by {deflate}", ISA_L.missing])),
        "JPEG": "; ".join(filter(None, [f"read by {decoder}", SIMPLEJPEG.missing])),
        "WebP": pillow if features.check("webp") else f"not in this {pillow}",
        "TIFF": f"read by {pillow}, written by zlib",
        "AVIF": f"read by {pillow}" if features.check("avif") else f"not in this {pillow}",
        "HEIC": "read by pillow-heif"
        if imported("pillow_heif", "heif")[0]
        else f"not read ({advice('pillow_heif', 'heif')})",
    }


def decode_jpeg(data: bytes) -> NDArray[np.uint8] | None:
    """The pixels of a JPEG file of one or three components, with the GIL released.

    Returns (H, W, 3) uint8 as stored, not turned upright, or None where there is no fast decoder,
    or where it has anything to say against the file: then Pillow decides what that means.
    """
    if (decoder := SIMPLEJPEG.module) is None:
        return None
    try:
        pixels: NDArray[np.uint8] = decoder.decode_jpeg(data, "RGB", strict=True)
    except ValueError:
        return None
    return pixels


def _named(library: str, codec: FastCodec) -> str:
    from importlib.metadata import PackageNotFoundError, version  # a fifth of `import trimatte`

    try:
        return f"{library} ({codec.package} {version(codec.package)})"
    except PackageNotFoundError:  # It can be imported, from a place without metadata.
        return f"{library} ({codec.package})"

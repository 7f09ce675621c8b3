"""Pictures with their mattes, as they are kept in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from trimatte.errors import ArgumentError

__all__ = ["Picture", "Pixels", "picture", "split"]

Pixels = npt.NDArray[np.uint8]


class Picture(NamedTuple):
    """A photograph and what of it is foreground.

    name: of its file; source: of its data set; image: (H, W, 3) uint8, sRGB; matte: (H, W) uint8,
    255 where foreground.
    """

    name: str
    source: str
    image: Pixels
    matte: Pixels


def picture(
    name: str, source: str, image: Image.Image, matte: Image.Image, longest: int
) -> Picture:
    """A picture, reduced until no side is longer than ``longest`` pixels.

    Raises:
        ArgumentError: the matte is not as large as the image.
    """
    if image.size != matte.size:
        raise ArgumentError(
            f"{source}: the image of {name} has (width, height) {image.size}, its mask {matte.size}"
        )
    small, mask = image.convert("RGB"), matte.convert("L")
    small.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    if mask.size != small.size:
        mask = mask.resize(small.size, Image.Resampling.BILINEAR)
    return Picture(name, source, np.array(small), np.array(mask))


def split(pictures: Iterable[Picture], share: float = 0.08) -> tuple[list[Picture], list[Picture]]:
    """To train on, and to hold out: by a hash of the name, so that more pictures move none.

    Args:
        pictures: of any sources.
        share: about how many are held out, 0 to 1.
    """
    parts: tuple[list[Picture], list[Picture]] = ([], [])
    for one in pictures:
        key = zlib.crc32(f"{one.source}/{one.name}".encode())
        parts[key < share * 2**32].append(one)
    return parts

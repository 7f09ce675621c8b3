"""How many pixels an image may have."""

from __future__ import annotations

import math
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from trimatte.arrays import is_number
from trimatte.errors import ArgumentError

__all__ = [
    "MAX_PIXELS",
    "Pixels",
    "check_size",
    "number_of_pixels",
    "picture_in",
    "unlimited_pillow",
    "within_limits",
]

Pixels = int | str
"""A number of pixels, or ``"200M"``, ``"1.5G"``."""

MAX_PIXELS = 500_000_000
"""The default: 1.5 GB of RGB, more than any camera's photo, and far less than a small malicious
file can claim."""

_COUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)\s*", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def number_of_pixels(value: Pixels | None, operation: str, name: str = "max_pixels") -> int | None:
    """A limit given as a number or in words; None: there is none.

    Raises ArgumentError: it is neither, or below 1.
    """
    if value is None:
        return None
    found = _COUNT.fullmatch(value) if isinstance(value, str) else None
    count = float(found[1]) * _UNITS[found[2].lower()] if found else value
    if not (is_number(count) and 1 <= float(count) < math.inf):
        raise ArgumentError(
            f"{operation}: {name} must be a number of pixels of at least 1, text such as '200M', "
            f"or None for no limit, got {value!r:.80}"
        )
    return int(count)


def check_size(size: tuple[int, int], max_pixels: int | None, frames: int = 1) -> None:
    """Raises ValueError where an image of this (width, height), or so many of them, is more."""
    width, height = size
    if max_pixels is not None and width * height * frames > max_pixels:
        each = f"{frames} frames of " if frames > 1 else ""
        raise ValueError(
            f"it has {each}{width} x {height} pixels, more than max_pixels={max_pixels}; raise "
            "that if the file is to be trusted"
        )


_lifting = threading.Lock()
_lifted = 0  # how many threads need Pillow without its limit
_usual: int | None = None
_WITHOUT: Any = float("inf")  # known by its identity: the application may set a limit meanwhile


@contextmanager
def within_limits(size: tuple[int, int], max_pixels: int | None) -> Iterator[None]:
    """To decode an image of this (width, height), unless it has more than max_pixels."""
    check_size(size, max_pixels)
    with _lifting:
        pillows = _usual if Image.MAX_IMAGE_PIXELS is _WITHOUT else Image.MAX_IMAGE_PIXELS
    beyond = pillows is not None and size[0] * size[1] > pillows
    with unlimited_pillow() if beyond else nullcontext():
        yield


@contextmanager
def unlimited_pillow() -> Iterator[None]:
    """Pillow without its own limit on pixels, which is one of the process: `check_size` has the
    say, and other threads are to be without it as briefly as can be."""
    global _lifted, _usual
    with _lifting:
        if Image.MAX_IMAGE_PIXELS is not _WITHOUT:
            _usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, _WITHOUT
        _lifted += 1
    try:
        yield
    finally:
        with _lifting:
            _lifted -= 1
            if not _lifted and Image.MAX_IMAGE_PIXELS is _WITHOUT:
                Image.MAX_IMAGE_PIXELS = _usual


def picture_in(file: BinaryIO) -> Image.Image:
    """What `Image.open` gives, without a look at Pillow's limit, of which it would warn.

    Raises UnidentifiedImageError: it is of no kind that Pillow knows.
    """
    try:
        return _picture_in(file)
    except Image.DecompressionBombError:  # some plug-ins look at the limit themselves
        with unlimited_pillow():
            return _picture_in(file)


def _picture_in(file: BinaryIO) -> Image.Image:
    file.seek(0)
    head = file.read(16)
    tried: set[str] = set()
    for register in (Image.preinit, Image.init):  # the usual plug-ins, then all
        register()
        for name in [each for each in Image.ID if each not in tried]:
            tried.add(name)
            factory, accepts = Image.OPEN[name]
            try:
                accepted = accepts is None or accepts(head)
                if accepted and not isinstance(accepted, str):  # a text says what is amiss
                    file.seek(0)
                    return factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue
    raise UnidentifiedImageError

"""Numbered images and animated ones, as a video."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from trimatte.arrays import Array, in_depth, with_alpha
from trimatte.errors import ArgumentError
from trimatte.io.frames import frames_in, read_frames
from trimatte.io.kinds import begins_like_a_photo, has_image_name
from trimatte.io.metadata import Metadata
from trimatte.io.profiles import BT2020, converted
from trimatte.io.reading import Picture, load_picture
from trimatte.io.sources import name_of
from trimatte.ops.resizing import resize
from trimatte.video.colours import Colours
from trimatte.video.frames import Clip, Frame, Unit
from trimatte.video.reading import Range, VideoFile, read_range

__all__ = ["Pictures", "open_clip"]

_USUAL_RATE = Fraction(25)
_USUAL_SECONDS = Fraction(1, 10)  # that browsers show a frame of which the file does not say it
_MILLISECONDS = Fraction(1, 1000)
_SRGB = Colours(matrix=1, full_range=True, primaries=1, transfer=1)
_NUMBER = re.compile(r"%0?(\d*)d")


def open_clip(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    start: float | None = None,
    end: float | None = None,
    audio: bool = True,
    fps: float | Fraction | None = None,
) -> Clip:
    """A video, an animated image, or several images: named by a pattern, frames/%04d.png, or all
    in a folder, in the order of the numbers in their names.

    fps: of several images; None: 25.

    Raises ArgumentError: there is no such thing, or it is none of these.
    """
    if fps is not None and not (isinstance(fps, Real) and 0.001 <= fps <= 1000):
        raise ArgumentError(f"video: fps must be a number in 0.001..1000, got {fps!r:.80}")
    rate = _USUAL_RATE if fps is None else _exactly(fps).limit_denominator(100_000)
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    several = None if path is None else _several(path)
    if several is not None:
        return Pictures(name_of(source), _Numbered(several, rate), 1 / rate, start, end)
    if fps is not None:
        raise ArgumentError(
            f"video: fps must be left out with {name_of(source)}, which has its own times"
        )
    if path is not None and _is_picture(path):
        return Pictures(name_of(source), _Animated(path), _MILLISECONDS, start, end)
    return VideoFile(source, start=start, end=end, audio=audio)


def _exactly(number: float | Fraction) -> Fraction:
    """A real number, also one of NumPy's, as a fraction."""
    return number if isinstance(number, Fraction) else Fraction(float(number))


class _Shown(NamedTuple):
    """A picture, or why there is none; when it shows and for how long, in seconds."""

    picture: Picture | ArgumentError
    begins: Fraction
    lasts: Fraction


class _Numbered:
    """Image files that follow one another at a rate."""

    def __init__(self, paths: Sequence[Path], rate: Fraction) -> None:
        self._paths = paths
        self.rate = rate
        self.count = len(paths)

    def __iter__(self) -> Iterator[_Shown]:
        for number, path in enumerate(self._paths):
            picture: Picture | ArgumentError
            try:
                picture = load_picture(path)
            except ArgumentError as error:
                picture = error
            yield _Shown(picture, number / self.rate, 1 / self.rate)


class _Animated:
    """The frames of one image file."""

    def __init__(self, path: Path) -> None:
        self._frames = read_frames(path)
        self.count = self._frames.count
        first = next(iter(self._frames)).seconds
        self.rate = 1 / (Fraction(first).limit_denominator(1000) or _USUAL_SECONDS)

    def __iter__(self) -> Iterator[_Shown]:
        begins = Fraction(0)
        try:
            for frame in self._frames:
                lasts = Fraction(frame.seconds).limit_denominator(1000) or _USUAL_SECONDS
                yield _Shown(Picture(frame.pixels, self._frames.metadata), begins, lasts)
                begins += lasts
        except ArgumentError as error:
            yield _Shown(error, begins, Fraction(0))


class Pictures:
    """Images as a `Clip`: of four channels, in the size and the depth of the first, in sRGB unless
    the first is HDR. One that cannot be read leaves a gap."""

    def __init__(
        self,
        name: str,
        shown: _Numbered | _Animated,
        time_base: Fraction,
        start: float | None,
        end: float | None,
    ) -> None:
        self.name = name
        self.rate: Fraction | None = shown.rate
        self.audio: list[Any] = []
        self.notes: list[str] = []
        self._shown = shown
        self._time_base = time_base
        self._range: Range = read_range(start, end, Fraction(0))

    @property
    def total(self) -> int | None:
        """How many frames are to come."""
        start, end = self._range
        if start is None and end is None:
            return self._shown.count
        return sum(
            self._range.has(number / self._shown.rate) for number in range(self._shown.count)
        )

    def units(self) -> Iterator[Unit]:
        """A frame in each.

        Raises ArgumentError: none can be read.
        """
        first: Array | None = None
        colours = _SRGB
        broken: list[ArgumentError] = []
        resized, mistaken = False, 0
        for picture, begins, lasts in self._shown:
            if not self._range.has(begins):
                continue
            if isinstance(picture, ArgumentError):
                broken.append(picture)
                continue
            pixels = _in_srgb(picture)
            if pixels is None:
                pixels, mistaken = picture.pixels, mistaken + 1
            if first is None:
                colours = _colours(picture.metadata)
            if first is not None and pixels.shape[:2] != first.shape[:2] and not resized:
                resized = True
                height, width = first.shape[:2]
                self.notes.append(
                    f"its images differ in size: they are scaled to {width} x {height}, the size "
                    "of the first"
                )
            pixels = _like(pixels, pixels if first is None else first)
            first = pixels if first is None else first
            pts = (begins - (self._range.start or 0)) / self._time_base
            duration = lasts / self._time_base
            yield Unit(Frame(pixels, round(pts), round(duration), self._time_base, colours))
        if broken and first is None:
            raise ArgumentError(f"video: cannot read {self.name}: {broken[0]}") from broken[0]
        if mistaken:
            self.notes.append(f"colours of {mistaken} images may be off: their profile is damaged")
        if broken:
            self.notes.append(f"{len(broken)} images cannot be read and are missing: {broken[0]}")

    def stop(self) -> None:
        """Reading an image never waits."""

    def close(self) -> None:
        """Nothing is open."""


def _colours(metadata: Metadata) -> Colours:
    """Those of an image, once its profile is applied."""
    if metadata.cicp is None or metadata.hdr is None:
        return _SRGB
    primaries, transfer = metadata.cicp[:2]
    return Colours(BT2020 if primaries == BT2020 else _SRGB.matrix, True, primaries, transfer)


def _in_srgb(picture: Picture) -> Array | None:
    """The pixels through their profile; those of HDR as they are; None: the profile is damaged."""
    pixels, metadata = picture
    if metadata.profile is None:
        return pixels
    colours = converted(pixels[:, :, :3], metadata.profile, None)
    return None if colours is None else np.dstack([colours, pixels[:, :, 3:]])


def _like(pixels: Array, first: Array) -> Array:
    """The pixels with alpha, in the first's size and depth, of 16 bits at most."""
    size = first.shape[0], first.shape[1]
    pixels = with_alpha(in_depth(pixels, np.uint8 if first.dtype == np.uint8 else np.uint16))
    return pixels if pixels.shape[:2] == size else np.asarray(resize(pixels, size))


def _is_picture(path: Path) -> bool:
    """Whether a file is an image, still or animated; a stream of JPEGs begins like one, too."""
    return begins_like_a_photo(path) and (has_image_name(path) or frames_in(path) > 1)


def _several(path: Path) -> list[Path] | None:
    """The images that a pattern or a folder names, in order; None: the path is neither.

    Raises ArgumentError: there are none.
    """
    if path.is_dir():
        named = re.compile(r"[^.].*")  # not hidden
        folder = path
    elif _NUMBER.search(path.name) and not path.exists():
        named = _pattern(path.name)
        folder = path.parent
    else:
        return None
    files = folder.iterdir() if folder.is_dir() else []
    found = [f for f in files if named.fullmatch(f.name) and has_image_name(f) and f.is_file()]
    if not found:
        raise ArgumentError(f"video: cannot read {name_of(path)}: there are no such images")
    return sorted(found, key=_natural)


def _pattern(name: str) -> re.Pattern[str]:
    """What names match that a pattern such as %04d.png stands for."""
    before, after = _NUMBER.split(name, maxsplit=1)[::2]
    width = _NUMBER.search(name)
    assert width is not None
    digits = rf"\d{{{width[1]},}}" if width[1] else r"\d+"
    return re.compile(re.escape(before) + digits + re.escape(after))


def _natural(path: Path) -> list[str | int]:
    """By the numbers in the name: 2 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]

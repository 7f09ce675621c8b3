"""Numbered images and animated ones, as a video."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor, gcd
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
from trimatte.io.sources import cause_of, name_of
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
_MOST_NAMED = 5  # of several files or numbers in a message
_VIDEO_NAME = re.compile(
    r".+\.(3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|nut|ogv|ts|webm|wmv)", re.IGNORECASE
)


def open_clip(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    start: float | None = None,
    end: float | None = None,
    audio: bool = True,
    fps: float | Fraction | None = None,
) -> Clip:
    """A video, an animated image, or several images: named by a pattern, frames/%04d.png, or all
    in a folder, whose names differ in one number. A number that is missing leaves a gap.

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
    if path is not None and not path.exists():
        is_wild = any(sign in path.name for sign in "*?[")
        hint = "; instead of * and ? give the folder, or frames/%04d.png" if is_wild else ""
        raise ArgumentError(f"video: cannot read {name_of(path)}: no such file{hint}")
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

    picture: Picture | str
    begins: Fraction
    lasts: Fraction


class _Numbered:
    """Image files, by their numbers, that follow one another at a rate. begins: when each shows."""

    def __init__(self, paths: Mapping[int, Path], rate: Fraction) -> None:
        numbers = sorted(paths)
        step = gcd(*(later - number for number, later in pairwise(numbers))) or 1
        self._paths = [paths[number] for number in numbers]
        self.rate = rate
        self.begins = [Fraction(number - numbers[0], step) / rate for number in numbers]
        self.notes = list(_about_gaps(numbers, step))

    def __iter__(self) -> Iterator[_Shown]:
        for path, begins in zip(self._paths, self.begins, strict=True):
            picture: Picture | str
            try:
                picture = load_picture(path)
            except ArgumentError as error:
                picture = f"{name_of(path)}: {cause_of(error.__cause__ or error)}"
            yield _Shown(picture, begins, 1 / self.rate)


def _about_gaps(numbers: Sequence[int], step: int) -> Iterator[str]:
    """Says which numbers are missing, if any is."""
    gaps = [
        f"{number + step}" if later == number + 2 * step else f"{number + step}-{later - step}"
        for number, later in pairwise(numbers)
        if later > number + step
    ]
    if gaps:
        yield f"numbers are missing, which leaves gaps: {_listed(gaps)}"


class _Animated:
    """The frames of one image file. begins: when each shows, were they all as long as the first."""

    def __init__(self, path: Path) -> None:
        self._frames = read_frames(path)
        first = next(iter(self._frames)).seconds
        self.rate = 1 / (Fraction(first).limit_denominator(1000) or _USUAL_SECONDS)
        self.begins = [number / self.rate for number in range(self._frames.count)]
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[_Shown]:
        begins, read = Fraction(0), 0
        try:
            for frame in self._frames:
                lasts = Fraction(frame.seconds).limit_denominator(1000) or _USUAL_SECONDS
                yield _Shown(Picture(frame.pixels, self._frames.metadata), begins, lasts)
                begins += lasts
                read += 1
        except ArgumentError as error:  # of a frame, on which those behind it build
            cause = cause_of(error.__cause__ or error)
            self.notes.append(f"it is damaged behind frame {read}, where it ends now: {cause}")


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
        self.notes = shown.notes
        self._shown = shown
        self._time_base = time_base
        self._range: Range = read_range(start, end, Fraction(0))

    @property
    def total(self) -> int | None:
        """How many frames are to come."""
        start, end = self._range
        if start is None and end is None:
            return len(self._shown.begins)
        return sum(self._range.has(begins) for begins in self._shown.begins)

    def units(self) -> Iterator[Unit]:
        """A frame in each.

        Raises ArgumentError: none can be read.
        """
        first: Array | None = None
        colours = _SRGB
        broken: list[str] = []
        resized, mistaken = False, 0
        for picture, begins, lasts in self._shown:
            if not self._range.has(begins):
                continue
            if isinstance(picture, str):
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
            # Not rounded to even, which would give two neighbours one time.
            ticks = floor(pts + Fraction(1, 2))
            yield Unit(Frame(pixels, ticks, round(duration), self._time_base, colours))
        if broken and first is None:
            raise ArgumentError(f"video: cannot read {self.name}: {broken[0]}")
        if mistaken:
            self.notes.append(f"colours of {mistaken} images may be off: their profile is damaged")
        if broken:
            self.notes.append(f"{len(broken)} of {self.total} frames cannot be read: {broken[0]}")

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


def _several(path: Path) -> dict[int, Path] | None:
    """The images that a pattern or a folder names, by their numbers; None: the path is neither.

    Raises ArgumentError: there are none, or not all are frames of one sequence.
    """
    is_folder = path.is_dir()
    if not is_folder and (path.exists() or not _NUMBER.search(path.name)):
        return None
    folder = path if is_folder else path.parent
    files = folder.iterdir() if folder.is_dir() else []
    names = sorted(f.name for f in files if not f.name.startswith(".") and f.is_file())
    if is_folder:
        videos = [name for name in names if _VIDEO_NAME.fullmatch(name)]
        _refuse(path, "there are videos in it, which are read one at a time", videos)
    images = [name for name in names if has_image_name(name)]
    numbered = _usual_name(images) if is_folder else _pattern(path.name)
    found: dict[int, Path] = {}
    others, repeated = [], []
    for name in images:
        match = numbered.fullmatch(name)
        if match is None:
            others.append(name)
        elif int(match[1]) in found:
            repeated.append(name)
        else:
            found[int(match[1])] = folder / name
    if is_folder:
        model = f" as {next(iter(found.values())).name} is" if found else ""
        _refuse(path, f"these names are not numbered{model}", others)
    _refuse(path, "the numbers of these are there already", repeated)
    animated = [file.name for file in found.values() if frames_in(file) > 1]
    _refuse(path, "these are animations, which are read one at a time", animated)
    if not found:
        raise ArgumentError(f"video: cannot read {name_of(path)}: there are no such images")
    return found


def _refuse(path: Path, why: str, names: Sequence[str]) -> None:
    """Raises ArgumentError where files are no frames of the sequence."""
    if names:
        raise ArgumentError(
            f"video: cannot read {name_of(path)} as a sequence of images: {why}: {_listed(names)}"
        )


def _listed(words: Sequence[str]) -> str:
    """The first of the words, and how many more there are."""
    more = len(words) - _MOST_NAMED
    return ", ".join(words[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _pattern(name: str) -> re.Pattern[str]:
    """What names match that a pattern such as %04d.png stands for; its group is the number."""
    before, after = _NUMBER.split(name, maxsplit=1)[::2]
    width = _NUMBER.search(name)
    assert width is not None
    digits = rf"(\d{{{width[1]},}})" if width[1] else r"(\d+)"
    return re.compile(re.escape(before) + digits + re.escape(after))


def _usual_name(names: Iterable[str]) -> re.Pattern[str]:
    """What most of the names match, in one number of which they differ: the last one in doubt."""
    around: Counter[tuple[str, str]] = Counter()
    for name in names:
        for number in reversed([*re.finditer(r"\d+", Path(name).stem)]):
            around[name[: number.start()].lower(), name[number.end() :].lower()] += 1
    if not around:
        return re.compile(r"(\d+)")
    before, after = max(around, key=around.__getitem__)
    return re.compile(re.escape(before) + r"(\d+)" + re.escape(after), re.IGNORECASE)

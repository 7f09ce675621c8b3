"""Images of the command line through a Remover and into their files."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimatte.cli.files import FileJob
from trimatte.cli.options import UsageError, background_of, check_linear
from trimatte.cli.paths import is_file
from trimatte.errors import ArgumentError, MetadataWarning, warn
from trimatte.io.frames import (
    FRAME_FORMATS,
    Frames,
    ImageFrame,
    encode_frames,
    frame_format,
    frames_in,
    read_frames,
    write_frames,
)
from trimatte.io.metadata import Metadata
from trimatte.io.reading import load_picture
from trimatte.io.sources import ImageSource
from trimatte.io.writing import encode_image, write_image
from trimatte.ops.cropping import SHOWS, crop_box
from trimatte.pipeline.backgrounds import blurred_background, fitted_background
from trimatte.pipeline.budget import in_words
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.scheduler import number_at_work, unnamed

__all__ = ["Behind", "CutoutWriter", "Outcome", "Written", "background_behind"]

_KEPT = 12  # bytes that a pixel of an animation takes until all frames are written: measured

_BAD_EXIF = "what could not be read of its EXIF was dropped: it is damaged"

Behind = Callable[[Result, ImageSource], Any]
"""What gives the background of a result and the image it was made of, as `composite` takes it."""


@dataclass(frozen=True)
class Written:
    """A result that is in its files. size: (width, height) of the cutout. seconds: by stage.
    unknown: pixels that were solved. data: what goes to standard output, if that does. frames: of
    an animation, all together; their sizes are one."""

    size: tuple[int, int]
    seconds: dict[str, float]
    device: str
    engine: str | None
    unknown: int
    data: bytes | None
    frames: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of a job: what was written, or what it failed of; what was warned of; and what
    was dropped of the image's metadata."""

    job: FileJob
    result: Written | BaseException
    warnings: Sequence[str]
    dropped: Sequence[str]


@dataclass(frozen=True)
class _FrameMade:
    """What is kept of a frame of an animation until all are there."""

    output: NDArray[Any]
    alpha: NDArray[Any]
    trimap: NDArray[Any]
    written: Written


class CutoutWriter:
    """Cuts images out and writes them as the options say: stills by one stream, each animation
    whose OUT can hold all frames by its own.

    behind: the background, or None. beside: mask, trimap, garbage and core mattes for every image.
    """

    def __init__(
        self,
        remover: Remover,
        arguments: argparse.Namespace,
        behind: Behind | None,
        *,
        beside: dict[str, Any] | None = None,
        makes_folders: bool = False,
    ) -> None:
        self._remover = remover
        self._behind = behind
        self._beside = beside or {}
        self._makes_folders = makes_folders
        self._crop: str | None = arguments.crop
        self._shows: float = SHOWS if arguments.crop_threshold is None else arguments.crop_threshold
        self._only_mask: bool = arguments.only_mask
        self._linear: bool = arguments.linear
        self._format: str | None = arguments.format
        self._compression = arguments.compression
        self._first_frame: bool = arguments.frames == "first"
        self._max_pixels: int = arguments.max_pixels
        self._read: bytes | None = None  # of standard input

    def __call__(self, jobs: Sequence[FileJob]) -> Iterator[Outcome]:
        """Does the jobs, decoding and writing beside the cutting, and yields their outcomes in
        their order; whatever happens to one of them, the others are done."""
        rest = deque(jobs)
        while rest:
            if self._is_animation(rest[0]):
                yield self._animation(rest.popleft())
            else:
                yield from self._stills(rest)

    def _stills(self, rest: deque[FileJob]) -> Iterator[Outcome]:
        """Takes the jobs before the next animation off the rest, and does them."""
        jobs: list[FileJob] = []

        def sources() -> Iterator[ImageSource]:
            while rest and not self._is_animation(rest[0]):
                jobs.append(rest.popleft())
                yield self._source(jobs[-1])

        def write(result: Result) -> Written:
            number = number_at_work()
            assert number is not None
            return self._write(jobs[number], result)

        stream = self._remover.stream(sources(), finish=write, **self._beside)
        with _heard() as heard, closing(stream) as results:  # type: ignore[type-var]
            for number, result in enumerate(results):
                if isinstance(result, Exception):
                    result = unnamed(result)  # the report names the image
                yield self._outcome(jobs[number], result, heard.pop(number, []))

    def _outcome(
        self, job: FileJob, result: Written | Exception, heard: Sequence[Warning]
    ) -> Outcome:
        if isinstance(result, Written) and result.data is not None:
            sys.stdout.buffer.write(result.data)
            sys.stdout.buffer.flush()
        said = {str(each): type(each) for each in heard}
        dropped = [text for text, kind in said.items() if kind is MetadataWarning]
        return Outcome(job, result, [text for text in said if text not in dropped], dropped)

    def _source(self, job: FileJob) -> ImageSource:
        if job.source is not None:
            return job.source
        if self._read is None:
            self._read = sys.stdin.buffer.read()
        return self._read

    # --- stills ---

    def _write(self, job: FileJob, result: Result) -> Written:
        start = time.perf_counter()
        plate = None if self._behind is None else self._behind(result, self._source(job))
        if self._crop is not None:
            box = crop_box(result.alpha, self._crop, threshold=self._shows)
            result = result.crop(self._crop, threshold=self._shows)
            plate = plate[box] if isinstance(plate, np.ndarray) and plate.ndim > 1 else plate
        self._make_folders(job)
        how: dict[str, Any] = {"compression": self._compression}
        if job.alpha is not None:
            write_image(job.alpha, result.rgba[:, :, 3], **how)
        if job.trimap is not None:
            write_image(job.trimap, result.trimap, **how)
        pixels = self._picture(result, plate)
        if not self._only_mask:
            how["metadata"] = _told(result.metadata)
        data = _stored(job.output, self._format, pixels, **how)
        return self._written(result, start, data)

    def _picture(self, result: Result, plate: Any) -> NDArray[Any]:
        """The pixels of OUT."""
        if plate is not None:
            return result.composite(plate, linear=self._linear)
        return result.rgba[:, :, 3] if self._only_mask else result.rgba

    def _written(self, result: Result, start: float, data: bytes | None = None) -> Written:
        height, width = result.alpha.shape
        return Written(
            (width, height),
            {**result.timings, "write": time.perf_counter() - start},
            result.device,
            result.engine,
            int(np.count_nonzero(result.trimap == 128)),
            data,
        )

    def _make_folders(self, job: FileJob) -> None:
        if self._makes_folders:
            for path in job.targets():
                path.parent.mkdir(parents=True, exist_ok=True)

    # --- animations ---

    def _is_animation(self, job: FileJob) -> bool:
        """Whether all frames of an image go into OUT."""
        if self._first_frame or self._suffix_of(job) not in FRAME_FORMATS:
            return False
        return frames_in(self._source(job)) > 1

    def _suffix_of(self, job: FileJob) -> str:
        """OUT's, or the one that stands for its format."""
        if self._format is not None or job.output is None:
            return f".{self._format or 'png'}"
        return job.output.suffix.lower()

    def _animation(self, job: FileJob) -> Outcome:
        with _heard(alone=True) as heard:
            try:
                result: Written | Exception = self._write_animation(job)
            except Exception as error:
                result = error
        return self._outcome(job, result, [text for texts in heard.values() for text in texts])

    def _write_animation(self, job: FileJob) -> Written:
        frames = read_frames(self._source(job), max_pixels=self._max_pixels)
        frames.check_total(self._max_pixels)
        self._check_memory(frames)
        for path in job.targets():
            frame_format(path, self._format if path == job.output else None, "write_frames")
        made, seconds = self._cut_frames(frames)
        start = time.perf_counter()
        box = np.s_[:, :]
        if self._crop is not None:
            shown = reduce(np.maximum, (each.alpha for each in made))
            box = crop_box(shown, self._crop, threshold=self._shows)
        self._make_folders(job)
        how: dict[str, Any] = {"loops": frames.loops, "compression": self._compression}

        def animated(name: str) -> list[ImageFrame]:
            pictures = (getattr(each, name)[box] for each in made)
            return [ImageFrame(*pair) for pair in zip(pictures, seconds, strict=True)]

        if job.alpha is not None:
            write_frames(job.alpha, animated("alpha"), **how)
        if job.trimap is not None:
            write_frames(job.trimap, animated("trimap"), **how)
        height, width = made[0].alpha[box].shape
        if not self._only_mask:
            how["metadata"] = _told(frames.metadata).of_size(width, height)
        data = _stored_frames(job.output, self._format, animated("output"), **how)
        spent = {"write": time.perf_counter() - start}
        for each in made:
            for stage, took in each.written.seconds.items():
                spent[stage] = spent.get(stage, 0.0) + took
        return replace(
            made[0].written,
            size=(width, height),
            seconds=spent,
            unknown=sum(each.written.unknown for each in made),
            data=data,
            frames=len(made),
        )

    def _check_memory(self, frames: Frames) -> None:
        """Raises ArgumentError where the frames may take more than --max-memory together."""
        limit = self._remover.resources.max_memory
        needed = len(frames) * frames.size[0] * frames.size[1] * _KEPT
        if limit is not None and needed > limit:
            raise ArgumentError(
                f"Remover: {len(frames)} frames may take {in_words(needed)} together, and "
                f"max_memory= is {in_words(limit)}"
            )

    def _cut_frames(self, frames: Frames) -> tuple[list[_FrameMade], list[float]]:
        """Every frame cut out, of 8 bits, and how long each shows."""
        seconds: list[float] = []
        shown: dict[int, NDArray[Any]] = {}  # frames in work, for a background made of them

        def sources() -> Iterator[ImageSource]:
            for number, frame in enumerate(frames):
                seconds.append(frame.seconds)
                shown[number] = frame.pixels
                yield frame.pixels

        def finish(result: Result) -> _FrameMade:
            start = time.perf_counter()
            number = number_at_work()
            assert number is not None
            pixels = shown.pop(number)
            result.metadata = frames.metadata  # whose colours a background takes
            plate = None if self._behind is None else self._behind(result, pixels)
            output = self._picture(result, plate)
            written = self._written(result, start)
            return _FrameMade(output, result.rgba[:, :, 3], result.trimap, written)

        made: list[_FrameMade] = []
        stream = self._remover.stream(sources(), finish=finish, **self._beside)
        with closing(stream) as results:  # type: ignore[type-var]
            for number, each in enumerate(results, 1):
                if isinstance(each, Exception):
                    raise ArgumentError(f"frame {number}: {unnamed(each)}") from each
                made.append(each)
        return made, seconds


def _told(metadata: Metadata) -> Metadata:
    """The metadata, after a warning of each thing that is not kept."""
    for sentence in metadata.dropped:
        warn(sentence, MetadataWarning)
    return metadata


def _stored(path: Path | None, format: str | None, pixels: Any, **how: Any) -> bytes | None:
    """Writes an image; returns its bytes if it is for standard output."""
    if path is None:
        return encode_image(pixels, format or "png", **how)
    write_image(path, pixels, format, **how)
    return None


def _stored_frames(
    path: Path | None, format: str | None, frames: Sequence[ImageFrame], **how: Any
) -> bytes | None:
    """The same of frames."""
    if path is None:
        return encode_frames(frames, format or "png", **how)
    write_frames(path, frames, format, **how)
    return None


def background_behind(arguments: argparse.Namespace, *, opaque: bool) -> Behind | None:
    """The background that is asked for, if one is. opaque: it has to be.

    Raises UsageError: it makes no sense; ArgumentError: its image cannot be read, or
    is not opaque.
    """
    check_linear(arguments)
    given: str | None = arguments.background
    if given is None:
        return None
    if arguments.only_mask:
        raise UsageError("--only-mask has nothing to put --background behind: drop one of them")
    if given == "blur" and not is_file(given):
        most: int = arguments.max_pixels

        def blurred(result: Result, source: ImageSource) -> NDArray[Any]:
            return blurred_background(load_picture(source, max_pixels=most).pixels, result.alpha)

        return blurred
    fitted = fitted_background(background_of(given), opaque=opaque)
    return lambda result, source: fitted(result.alpha.shape[:2], result.rgba.dtype, result.metadata)


@contextmanager
def _heard(*, alone: bool = False) -> Iterator[dict[int | None, list[Warning]]]:
    """The warnings of the images of a stream, by their numbers. alone: also those of no image, as
    there is one."""
    heard: dict[int | None, list[Warning]] = {}
    tell = warnings.showwarning

    def hear(
        message: Warning | str, category: type[Warning], filename: str, *more: Any, **named: Any
    ) -> None:
        number = number_at_work()
        if number is None and not alone:
            tell(message, category, filename, *more, **named)
        elif category.__module__.startswith("trimatte"):
            said = category(message) if isinstance(message, str) else message
            heard.setdefault(number, []).append(said)
        elif Path(filename).name == "TiffImagePlugin.py":  # by which Pillow reads EXIF, too
            heard.setdefault(number, []).append(MetadataWarning(_BAD_EXIF))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = hear
        yield heard

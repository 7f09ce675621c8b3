"""Images of the command line through a Remover and into their files."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from trimatte.cli.animations import AnimationWriter
from trimatte.cli.files import FileJob
from trimatte.cli.outputs import Behind, Outputs, Written, told
from trimatte.errors import MetadataWarning
from trimatte.io.frames import FRAME_FORMATS, frames_in
from trimatte.io.sources import ImageSource
from trimatte.io.writing import write_image
from trimatte.ops.cropping import crop_box
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.scheduler import number_at_work, unnamed

__all__ = ["CutoutWriter", "Outcome"]

_BAD_EXIF = "what could not be read of its EXIF was dropped: it is damaged"


@dataclass(frozen=True)
class Outcome:
    """What became of a job: what was written, or what it failed of; what was warned of; and what
    was dropped of the image's metadata."""

    job: FileJob
    result: Written | BaseException
    warnings: Sequence[str]
    dropped: Sequence[str]


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
        self._beside = beside or {}
        self._outputs = Outputs.of(arguments, behind, makes_folders=makes_folders)
        self._first_frame: bool = arguments.frames == "first"
        self._write_animation = AnimationWriter(
            remover, self._outputs, self._beside, arguments.max_pixels
        )
        self._read: bytes | None = None  # of standard input

    def __call__(self, jobs: Iterable[FileJob]) -> Iterator[Outcome]:
        """Does the jobs, decoding and writing beside the cutting, and yields their outcomes in
        their order; whatever happens to one of them, the others are done."""
        for are_animations, alike in groupby(jobs, self._is_animation):
            if are_animations:
                yield from map(self._animation, alike)
            else:
                yield from self._stills(alike)

    def _is_animation(self, job: FileJob) -> bool:
        """Whether all frames of an image go into OUT."""
        if self._first_frame or self._outputs.suffix_of(job) not in FRAME_FORMATS:
            return False
        return frames_in(self._source(job)) > 1

    def _animation(self, job: FileJob) -> Outcome:
        with _heard(alone=True) as heard:
            try:
                result: Written | Exception = self._write_animation(job, self._source(job))
            except Exception as error:
                result = error
        return self._outcome(job, result, [text for texts in heard.values() for text in texts])

    def _stills(self, given: Iterable[FileJob]) -> Iterator[Outcome]:
        jobs: list[FileJob] = []

        def sources() -> Iterator[ImageSource]:
            for job in given:
                jobs.append(job)
                yield self._source(job)

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

    def _write(self, job: FileJob, result: Result) -> Written:
        start = time.perf_counter()
        outputs = self._outputs
        plate = outputs.plate(result, self._source(job))
        if outputs.crop is not None:
            box = crop_box(result.alpha, outputs.crop, threshold=outputs.shows)
            result = result.crop(outputs.crop, threshold=outputs.shows)
            plate = plate[box] if isinstance(plate, np.ndarray) and plate.ndim > 1 else plate
        outputs.make_folders(job)
        if job.alpha is not None:
            write_image(job.alpha, result.rgba[:, :, 3], compression=outputs.compression)
        if job.trimap is not None:
            write_image(job.trimap, result.trimap, compression=outputs.compression)
        metadata = None if outputs.only_mask else told(result.metadata)
        data = outputs.store(job, outputs.picture(result, plate), metadata)
        return Written.of(result, start, data)


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

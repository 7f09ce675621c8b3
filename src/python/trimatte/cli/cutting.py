"""Images of the command line through a Remover and into their files."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimatte.cli.files import FileJob
from trimatte.cli.options import UsageError, background_of, check_linear
from trimatte.errors import MetadataWarning, warn
from trimatte.io.reading import load_picture
from trimatte.io.sources import ImageSource
from trimatte.io.writing import encode_image, write_image
from trimatte.ops.cropping import crop_box
from trimatte.pipeline.backgrounds import blurred_background, fitted_background
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.scheduler import number_at_work, unnamed

__all__ = ["Behind", "CutoutWriter", "Outcome", "Written", "background_behind"]

Behind = Callable[[Result, ImageSource], Any]
"""What gives the background of a result and the image it was made of, as `composite` takes it."""


@dataclass(frozen=True)
class Written:
    """A result that is in its files. size: (width, height) of the cutout. seconds: by stage.
    unknown: pixels that were solved. data: what goes to standard output, if that does."""

    size: tuple[int, int]
    seconds: dict[str, float]
    device: str
    engine: str | None
    unknown: int
    data: bytes | None


@dataclass(frozen=True)
class Outcome:
    """What became of a job: what was written, or what it failed of; what was warned of; and what
    was dropped of the image's metadata."""

    job: FileJob
    result: Written | BaseException
    warnings: Sequence[str]
    dropped: Sequence[str]


class CutoutWriter:
    """Cuts images out and writes them as the options say.

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
        self._only_mask: bool = arguments.only_mask
        self._linear: bool = arguments.linear
        self._format: str | None = arguments.format
        self._compression = arguments.compression
        self._read: bytes | None = None  # of standard input

    def __call__(self, jobs: Sequence[FileJob]) -> Iterator[Outcome]:
        """Does the jobs, decoding and writing beside the cutting, and yields their outcomes in
        their order; whatever happens to one of them, the others are done."""

        def write(result: Result) -> Written:
            number = number_at_work()
            assert number is not None
            return self._write(jobs[number], result)

        sources = (self._source(job) for job in jobs)
        stream = self._remover.stream(sources, finish=write, **self._beside)
        with _heard() as heard, closing(stream) as results:  # type: ignore[type-var]
            for number, job in enumerate(jobs):
                result = next(results)
                if isinstance(result, Exception):
                    result = unnamed(result)  # the report names the image
                said = {str(each): type(each) for each in heard.pop(number, [])}
                dropped = [text for text, kind in said.items() if kind is MetadataWarning]
                if isinstance(result, Written) and result.data is not None:
                    sys.stdout.buffer.write(result.data)
                    sys.stdout.buffer.flush()
                yield Outcome(job, result, [text for text in said if text not in dropped], dropped)

    def _source(self, job: FileJob) -> ImageSource:
        if job.source is not None:
            return job.source
        if self._read is None:
            self._read = sys.stdin.buffer.read()
        return self._read

    def _write(self, job: FileJob, result: Result) -> Written:
        start = time.perf_counter()
        plate = None if self._behind is None else self._behind(result, self._source(job))
        if self._crop is not None:
            box = crop_box(result.alpha, self._crop)
            result = result.crop(self._crop)
            plate = plate[box] if isinstance(plate, np.ndarray) and plate.ndim > 1 else plate
        if self._makes_folders:
            for path in job.targets():
                path.parent.mkdir(parents=True, exist_ok=True)
        if job.alpha is not None:
            write_image(job.alpha, result.rgba[:, :, 3], compression=self._compression)
        if job.trimap is not None:
            write_image(job.trimap, result.trimap, compression=self._compression)
        data = self._write_output(job.output, result, plate)
        height, width = result.alpha.shape
        return Written(
            (width, height),
            {**result.timings, "write": time.perf_counter() - start},
            result.device,
            result.engine,
            int(np.count_nonzero(result.trimap == 128)),
            data,
        )

    def _write_output(self, path: Path | None, result: Result, plate: Any) -> bytes | None:
        """Writes OUT; returns it if it is for standard output."""
        if not self._only_mask:
            for sentence in result.dropped:
                warn(sentence, MetadataWarning)
        how: dict[str, Any] = {"compression": self._compression}
        if not self._only_mask and plate is None:
            if path is None:
                return result.encode(self._format or "png", **how)
            result.save(path, self._format, **how)
            return None
        pixels: NDArray[Any] = result.rgba[:, :, 3]
        if plate is not None:
            pixels = result.composite(plate, linear=self._linear)
            how["metadata"] = result.metadata
        if path is None:
            return encode_image(pixels, self._format or "png", **how)
        write_image(path, pixels, self._format, **how)
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
    if given == "blur" and not Path(given).is_file():
        return lambda result, source: blurred_background(load_picture(source).pixels, result.alpha)
    fitted = fitted_background(background_of(given), opaque=opaque)
    return lambda result, source: fitted(result.alpha.shape[:2], result.rgba.dtype, result.metadata)


@contextmanager
def _heard() -> Iterator[dict[int, list[Warning]]]:
    """The warnings of the images of a stream, by their numbers."""
    heard: dict[int, list[Warning]] = {}
    tell = warnings.showwarning

    def hear(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        number = number_at_work()
        if number is None:
            tell(message, category, *more, **named)
        else:
            said = category(message) if isinstance(message, str) else message
            heard.setdefault(number, []).append(said)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = hear
        yield heard

"""Animated images of the command line through a Remover and into animated files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimatte.cli.files import FileJob
from trimatte.cli.outputs import Outputs, Written, told
from trimatte.errors import ArgumentError
from trimatte.io.frames import Frames, ImageFrame, frame_format, read_frames, write_frames
from trimatte.io.sources import ImageSource
from trimatte.ops.cropping import crop_box
from trimatte.pipeline.budget import in_words
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.scheduler import number_at_work, unnamed

__all__ = ["AnimationWriter"]

_KEPT = 12  # bytes that a pixel of an animation takes until all frames are written: measured


@dataclass(frozen=True)
class _FrameMade:
    """What is kept of a frame of an animation until all are there."""

    output: NDArray[Any]
    alpha: NDArray[Any]
    trimap: NDArray[Any]
    written: Written


class AnimationWriter:
    """Cuts all frames of an animation out and writes them as one.

    beside: mask, trimap, garbage and core mattes for every frame. max_pixels: of all frames.
    """

    def __init__(
        self, remover: Remover, outputs: Outputs, beside: Mapping[str, Any], max_pixels: int
    ) -> None:
        self._remover = remover
        self._outputs = outputs
        self._beside = beside
        self._max_pixels = max_pixels

    def __call__(self, job: FileJob, source: ImageSource) -> Written:
        """Does a job, whose image is the source.

        Raises ArgumentError: a frame cannot be read or cut out, the frames are too many or too
        large, or a file cannot be written.
        """
        outputs = self._outputs
        frames = read_frames(source, max_pixels=self._max_pixels)
        frames.check_total(self._max_pixels)
        self._check_memory(frames)
        for path in job.targets():
            frame_format(path, outputs.format if path == job.output else None, "write_frames")
        made, seconds = self._cut_out(frames)
        start = time.perf_counter()
        box = np.s_[:, :]
        if outputs.crop is not None:
            shown = reduce(np.maximum, (each.alpha for each in made))
            box = crop_box(shown, outputs.crop, threshold=outputs.shows)
        outputs.make_folders(job)

        def animated(name: str) -> list[ImageFrame]:
            pictures = (getattr(each, name)[box] for each in made)
            return [ImageFrame(*pair) for pair in zip(pictures, seconds, strict=True)]

        how: dict[str, Any] = {"loops": frames.loops, "compression": outputs.compression}
        if job.alpha is not None:
            write_frames(job.alpha, animated("alpha"), **how)
        if job.trimap is not None:
            write_frames(job.trimap, animated("trimap"), **how)
        height, width = made[0].alpha[box].shape
        metadata = None if outputs.only_mask else told(frames.metadata).of_size(width, height)
        data = outputs.store_frames(job, animated("output"), metadata, frames.loops)
        spent = {"write": time.perf_counter() - start}
        for each in made:
            for stage, took in each.written.seconds.items():
                spent[stage] = spent.get(stage, 0.0) + took
        unsure = [share for each in made if (share := each.written.unsure) is not None]
        return replace(
            made[0].written,
            size=(width, height),
            seconds=spent,
            unknown=sum(each.written.unknown for each in made),
            unsure=None if not unsure else sum(unsure) / len(unsure),
            data=data,
            frames=len(made),
        )

    def _check_memory(self, frames: Frames) -> None:
        """Raises ArgumentError where the frames may take more than --max-memory together."""
        limit = self._remover.resources.max_memory
        needed = len(frames) * frames.size[0] * frames.size[1] * _KEPT
        if limit is not None and needed > limit:
            raise ArgumentError(
                f"Remover: {len(frames)} frames may take {in_words(needed)} together, more than "
                f"max_memory={in_words(limit)}"
            )

    def _cut_out(self, frames: Frames) -> tuple[list[_FrameMade], list[float]]:
        """Every frame cut out, of 8 bits, and how long each shows."""
        seconds: list[float] = []
        shown: dict[int, NDArray[Any]] = {}  # frames in work, for a background made of them

        def sources() -> Iterator[NDArray[Any]]:
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
            output = self._outputs.picture(result, self._outputs.plate(result, pixels))
            written = Written.of(result, start)
            return _FrameMade(output, result.rgba[:, :, 3], result.trimap, written)

        made: list[_FrameMade] = []
        stream = self._remover._stream_by_shots(sources(), finish=finish, **self._beside)
        with closing(stream) as results:  # type: ignore[type-var]
            for number, each in enumerate(results, 1):
                if isinstance(each, Exception):
                    raise ArgumentError(f"frame {number}: {unnamed(each)}") from each
                made.append(each)
        return made, seconds

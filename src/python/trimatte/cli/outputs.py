"""How the results of the command line become pictures and files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimatte.cli.files import FileJob
from trimatte.cli.options import UsageError, background_of, check_linear
from trimatte.cli.paths import is_file
from trimatte.errors import MetadataWarning, warn
from trimatte.io.frames import ImageFrame, encode_frames, write_frames
from trimatte.io.metadata import Metadata
from trimatte.io.reading import load_picture
from trimatte.io.sources import ImageSource
from trimatte.io.writing import Compression, encode_image, write_image
from trimatte.ops.cropping import SHOWS
from trimatte.pipeline.backgrounds import blurred_background, fitted_background
from trimatte.pipeline.result import Result
from trimatte.pipeline.routes import Route

__all__ = ["Behind", "Outputs", "Written", "background_behind", "told"]

Behind = Callable[[Result, ImageSource], Any]
"""What gives the background of a result and the image it was made of, as `composite` takes it."""


@dataclass(frozen=True)
class Written:
    """A result that is in its files. size: (width, height) of the cutout. seconds: by stage.
    unknown: pixels that were solved. unsure: see `Result`; of an animation the mean of its frames.
    data: what goes to standard output, if that does. frames: of an animation, all together; their
    sizes are one."""

    size: tuple[int, int]
    seconds: dict[str, float]
    device: str
    engine: str | None
    unknown: int
    unsure: float | None
    data: bytes | None
    route: Route | None = None
    frames: int = 1

    @classmethod
    def of(cls, result: Result, start: float, data: bytes | None = None) -> Written:
        """What there is to say of a result; start: when its writing began, by `perf_counter`."""
        height, width = result.alpha.shape
        return cls(
            (width, height),
            {**result.timings, "write": time.perf_counter() - start},
            result.device,
            result.engine,
            int(np.count_nonzero(result.trimap == 128)),
            result.unsure,
            data,
            result.route,
        )


@dataclass(frozen=True)
class Outputs:
    """How results become files, as the options say.

    behind: the background, or None. crop: the margin around what shows, or None. shows: the alpha
    above which a pixel does.
    """

    behind: Behind | None
    crop: str | None
    shows: float
    only_mask: bool
    linear: bool
    format: str | None
    compression: Compression
    makes_folders: bool

    @classmethod
    def of(
        cls, arguments: argparse.Namespace, behind: Behind | None, *, makes_folders: bool
    ) -> Outputs:
        """As the options say."""
        return cls(
            behind,
            arguments.crop,
            SHOWS if arguments.crop_threshold is None else arguments.crop_threshold,
            arguments.only_mask,
            arguments.linear,
            arguments.format,
            arguments.compression,
            makes_folders,
        )

    def plate(self, result: Result, source: ImageSource) -> Any:
        """The background of a result; None: there is none."""
        return None if self.behind is None else self.behind(result, source)

    def picture(self, result: Result, plate: Any) -> NDArray[Any]:
        """The pixels of OUT."""
        if plate is not None:
            return result.composite(plate, linear=self.linear)
        return result.rgba[:, :, 3] if self.only_mask else result.rgba

    def suffix_of(self, job: FileJob) -> str:
        """OUT's, or the one that stands for its format."""
        if self.format is not None or job.output is None:
            return f".{self.format or 'png'}"
        return job.output.suffix.lower()

    def make_folders(self, job: FileJob) -> None:
        """Makes the folders of a job's files, where that is asked for."""
        if self.makes_folders:
            for path in job.targets():
                path.parent.mkdir(parents=True, exist_ok=True)

    def store(self, job: FileJob, pixels: NDArray[Any], metadata: Metadata | None) -> bytes | None:
        """Writes a still OUT; returns its bytes if it is for standard output."""
        how: dict[str, Any] = {"compression": self.compression, "metadata": metadata}
        if job.output is None:
            return encode_image(pixels, self.format or "png", **how)
        write_image(job.output, pixels, self.format, **how)
        return None

    def store_frames(
        self, job: FileJob, frames: Sequence[ImageFrame], metadata: Metadata | None, loops: int = 0
    ) -> bytes | None:
        """Writes an animated OUT; returns its bytes if it is for standard output."""
        how: dict[str, Any] = {"compression": self.compression, "metadata": metadata}
        if job.output is None:
            return encode_frames(frames, self.format or "png", loops=loops, **how)
        write_frames(job.output, frames, self.format, loops=loops, **how)
        return None


def told(metadata: Metadata) -> Metadata:
    """The metadata, after a warning of each thing that is not kept."""
    for sentence in metadata.dropped:
        warn(sentence, MetadataWarning)
    return metadata


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

"""What a worker does with images, one place for the data set and the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimatte.devices import set_num_threads
from trimatte.errors import ArgumentError
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.scheduler import unnamed

__all__ = ["MEDIA_TYPES", "BatchRemover", "checked_format"]

MEDIA_TYPES = {"png": "image/png", "webp": "image/webp", "tiff": "image/tiff"}
"""What cutouts can be encoded as, and its media type; the first is the default."""


class BatchRemover:
    """A `Remover` in a worker, which has so many cores, and perhaps a GPU, to itself.

    Args:
        options: of the Remover; its device is the worker's unless they name one.
        cpus: its threads.
        gpus: those that the worker holds.
        batch_size: images that the network sees at once on a GPU, unless the options say it.
    """

    def __init__(
        self, options: Mapping[str, Any], *, cpus: int, gpus: float, batch_size: int | None = None
    ) -> None:
        set_num_threads(cpus)
        on_gpu = {"device": "cuda", "batch_size": batch_size} if gpus else {}
        self._remover = Remover(**on_gpu | dict(options))
        segmenter = self._remover.segmenter  # loaded now: a worker that cannot says so at once
        self.model = None if segmenter is None else segmenter.card.name
        """The name of the network; None where none is run."""

    def cut(self, images: Sequence[bytes]) -> list[Result | Exception]:
        """A Result of each encoded image, or the exception that it raised, without its number in
        this batch, which means nothing to the caller."""
        results = self._remover.remove_batch(images, on_error="return")
        return [unnamed(each) if isinstance(each, Exception) else each for each in results]


def checked_format(format: Any, caller: str) -> str:
    """format, if cutouts can be encoded as it."""
    if format not in MEDIA_TYPES:
        raise ArgumentError(
            f"{caller}: format must be one of {', '.join(MEDIA_TYPES)}, got {format!r:.80}"
        )
    return str(format)

"""What a worker does with images, one place for the data set and the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimatte.devices import set_num_threads
from trimatte.errors import ArgumentError
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.scheduler import unnamed
from trimatte.pipeline.segmenter import BUILT_IN_MODEL, Model

__all__ = ["MEDIA_TYPES", "BatchRemover", "checked_format", "name_of_network"]

MEDIA_TYPES = {"png": "image/png", "webp": "image/webp", "tiff": "image/tiff"}
"""What cutouts can be encoded as, and its media type; the first is the default."""


class BatchRemover:
    """A `Remover`, or one for each of several networks, in a worker, which has so many cores, and
    perhaps a GPU, to itself.

    Args:
        options: of the Remover; its device is the worker's unless they name one.
        cpus: its threads.
        gpus: those that the worker holds.
        batch_size: images that the network sees at once on a GPU, unless the options say it.
        also_models: further networks, run as the options say but for ``card`` and ``classes``.

    Attributes:
        models: the names of the networks; the first is that of the options, ``"auto"`` where each
            image decides, or None without one. Beside ``"auto"`` there is always its network alone.

    Raises:
        ArgumentError: two networks have one name.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        cpus: int,
        gpus: float,
        batch_size: int | None = None,
        also_models: Sequence[Model] = (),
    ) -> None:
        set_num_threads(cpus)
        on_gpu = {"device": "cuda", "batch_size": batch_size} if gpus else {}
        first = on_gpu | dict(options)
        rest = {name: first[name] for name in first.keys() - {"card", "classes"}}
        self._removers: dict[str | None, Remover] = {}
        for each in (first, *(rest | {"model": model} for model in also_models)):
            remover = Remover(**each)
            name = name_of_network(remover)
            if name in self._removers:
                raise ArgumentError(f"service: also_models must differ in name, got {name!r} twice")
            self._removers[name] = remover
        if "auto" in self._removers:  # its network alone, which is loaded already
            named = rest | {"model": BUILT_IN_MODEL}
            self._removers.setdefault(BUILT_IN_MODEL, Remover(**named))
        self.models = tuple(self._removers)

    def cut(
        self, images: Sequence[bytes], models: Sequence[str | None] | None = None
    ) -> list[Result | Exception]:
        """A Result of each encoded image, or the exception that it raised, without its number in
        this batch, which means nothing to the caller.

        models: of `models`, for each image; None: the first.
        """
        wanted = [self.models[0]] * len(images) if models is None else models
        results: dict[int, Result | Exception] = {}
        for model in dict.fromkeys(wanted):
            numbers = [number for number, each in enumerate(wanted) if each == model]
            done = self._removers[model].remove_batch(
                [images[number] for number in numbers], on_error="return"
            )
            results |= zip(numbers, done, strict=True)
        ordered = (results[number] for number in range(len(images)))
        return [unnamed(each) if isinstance(each, Exception) else each for each in ordered]


def name_of_network(remover: Remover) -> str | None:
    """What requests call a Remover's network, which is loaded now: a worker that cannot says so at
    once. ``"auto"`` where each image decides; None without one."""
    segmenter = remover.segmenter
    if remover.recipe.looks_for_screen:
        return "auto"
    return None if segmenter is None else segmenter.card.name


def checked_format(format: Any, caller: str) -> str:
    """format, if cutouts can be encoded as it."""
    if format not in MEDIA_TYPES:
        raise ArgumentError(
            f"{caller}: format must be one of {', '.join(MEDIA_TYPES)}, got {format!r:.80}"
        )
    return str(format)

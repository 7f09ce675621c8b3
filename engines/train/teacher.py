"""Mattes of photographs that nobody has drawn: another network's, which teaches the one in training
(distillation: Hinton, Vinyals and Dean, 2015, arXiv 1503.02531)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from trimatte.errors import ArgumentError

from ..session import Session
from ..sessions import open_session
from ..weights.cards import Card, InputSpec, find_card
from ..weights.fetch import fetch
from .pictures import Picture, Pixels

__all__ = ["KeptMattes", "Teacher", "is_sure", "taught"]

_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}

_UNSURE = (0.2, 0.8)  # of full scale
_MOST_UNSURE = 0.15  # of the pixels
_LEAST, _MOST = 0.02, 0.9  # of them inside


class Teacher:
    """A network with one class whose mattes are taken for true.

    Args:
        model: a name that `find_card` knows, or an ONNX file.
        card: of a file without one, a name or a file.

    Raises:
        ArgumentError: the network tells several classes apart.
        EngineError: it cannot be had, or cannot be run.
    """

    def __init__(self, model: str | Path, card: str | Path | None = None) -> None:
        self._card: Card = find_card(model, card=card)
        if self._card.output.classes:
            raise ArgumentError(f"{self._card.name} tells classes apart, and cannot teach a matte")
        self._session: Session = open_session(
            fetch(self._card), device="cpu", size=self._card.input.sizes
        )

    def __call__(self, image: Pixels) -> Pixels:
        """The matte of an image (H, W, 3), (H, W) uint8: the mean of the image's own and its
        mirror's, mirrored back."""
        height, width = image.shape[:2]
        one = _tensor(image, self._card.input)
        plain, mirrored = (self._predict(each) for each in (one, one[..., ::-1]))
        mean = Image.fromarray((plain + mirrored[:, ::-1]) / 2)
        matte = np.asarray(mean.resize((width, height), Image.Resampling.BILINEAR))
        return np.rint(255 * matte).astype(np.uint8)

    def _predict(self, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        outlet = self._card.output
        batch = np.ascontiguousarray(tensor, self._session.inputs[0].dtype)
        plane = np.float32(self._session.run(batch, output=outlet.index)).reshape(tensor.shape[2:])
        if outlet.activation == "sigmoid":
            plane = 1 / (1 + np.exp(-plane))
        return plane.clip(0, 1)


class KeptMattes:
    """A teacher's mattes in a folder, each made once.

    Args:
        folder: of the mattes, made if need be.
        teacher: makes the teacher, when the first matte is made; a teacher makes (H, W) uint8 of an
            image (H, W, 3) uint8.
    """

    def __init__(self, folder: Path, teacher: Callable[[], Callable[[Pixels], Pixels]]) -> None:
        self._folder, self._teacher = folder, cache(teacher)

    def __call__(self, source: str, name: str, image: Pixels) -> Pixels:
        """The matte of an image, by the name of its set and its own there."""
        file = self._folder / source / f"{name}.png"
        if file.is_file():
            with Image.open(file) as kept:
                if kept.size == (image.shape[1], image.shape[0]):
                    return np.array(kept)
        matte = self._teacher()(image)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        Image.fromarray(matte).save(unfinished, "PNG")
        unfinished.replace(file)
        return matte


def taught(photographs: Iterable[Picture], teacher: Any) -> Iterator[Picture]:
    """Photographs with the teacher's mattes, but those that it is not sure of.

    teacher: makes (H, W) uint8 of an image (H, W, 3) uint8.
    """
    for one in photographs:
        matte = teacher(one.image)
        if is_sure(matte):
            yield one._replace(matte=matte)


def is_sure(matte: Pixels) -> bool:
    """Whether a matte, (H, W) uint8, is of use: it shows something, not everything, and most of it
    is clearly one or the other."""
    low, high = (255 * limit for limit in _UNSURE)
    unsure, inside = ((matte > low) & (matte < high)).mean(), (matte > 127).mean()
    return bool(unsure <= _MOST_UNSURE and _LEAST <= inside <= _MOST)


def _tensor(image: Pixels, source: InputSpec) -> npt.NDArray[np.float32]:
    """An image as the network's input (1, 3, h, w)."""
    height, width = source.network_size(*image.shape[:2])
    values = np.asarray(Image.fromarray(image).resize((width, height), _FILTERS[source.filter]))
    scale = max(int(values.max()), 1) if source.scale == "max" else int(source.scale)
    normal = (values / scale - np.array(source.mean)) / np.array(source.std)
    planes = normal[..., ::-1] if source.channels == "bgr" else normal
    return np.asarray(planes.transpose(2, 0, 1)[None], np.float32)

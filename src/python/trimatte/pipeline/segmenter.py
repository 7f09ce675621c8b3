"""Segmentation: a network's opinion on what is foreground, for an image of any size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte.arrays import Array, ArrayLike, as_array, check_count, is_whole, on_host
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError, EngineError
from trimatte.ops.resizing import class_probability, matte_from_prediction, to_tensor

if TYPE_CHECKING:
    from trimatte.engines import Card, InputSpec, Session

__all__ = ["BUILT_IN_MODEL", "Classes", "Model", "Segmenter", "named_model", "network_input"]

BUILT_IN_MODEL = "u2net-lite"
"""The network whose weights come with the package."""

Model = str | os.PathLike[str]
Classes = str | int | Sequence[str | int]


class Segmenter:
    """A segmentation network, loaded: images go in, what is foreground comes out.

    Its weights are found or fetched, checked against their hash, and loaded once. Threads may
    share it. With ``with``, or by `close`, its memory is given back.

    Args:
        model: a model card's name (``trimatte engines list``; by default the network that comes
            with the package), or the path of an ONNX file with a card of its own beside it
            (``mine.onnx``, ``mine.toml``), or of that card.
        card: of an ONNX file without one beside it: the name of a model that is run alike, or the
            path of a card.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        runtime: ``"auto"``, ``"tensorrt"``, ``"tensorrt_rtx"``, ``"onnxruntime"`` or
            ``"openvino"``. What is asked for by name is used, or EngineError says why it cannot be.
        precision: ``"fp32"``, ``"fp16"``, ``"bf16"`` or ``"int8"``; None: the model's own.
        accept_license: True, or the licence's name, where weights are not free for every use.
        batch_size: how many images an engine of TensorRT is built to see at once, at most: that
            takes time and memory once. Other runtimes are not bound to a number.
        progress: told (what is being done, how much of it is, 0 to 1) while weights are fetched and
            engines are built; what it raises cancels.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: the model cannot be had, the file is not sound, or no runtime can run it.
    """

    def __init__(
        self,
        model: Model = BUILT_IN_MODEL,
        *,
        card: Model | None = None,
        device: str = "auto",
        runtime: str = "auto",
        precision: str | None = None,
        accept_license: bool | str = False,
        batch_size: int = 1,
        progress: Callable[[str, float], None] | None = None,
    ) -> None:
        # First, as locals() are then the options and nothing else; a pickle holds them.
        self._options = {name: value for name, value in locals().items() if name != "self"}
        from trimatte import engines

        check_count(batch_size, "Segmenter", "batch_size")
        if progress is not None and not callable(progress):
            raise ArgumentError(f"Segmenter: progress must be callable, got {progress!r:.80}")
        found = engines.find_card(
            named_model(model, "model"), card=None if card is None else named_model(card, "card")
        )
        path = engines.fetch(found, accept_license=accept_license, progress=progress)
        self._card: Card = found
        self._may_move = device == "auto"
        self._session: Session = engines.open_session(
            path,
            runtime=runtime,
            device=device,
            precision=precision,
            size=found.input.sizes,
            batch=None if batch_size == 1 else (1, batch_size, batch_size),
            progress=progress,
        )
        self._closed = False
        self._check_card()

    @property
    def card(self) -> Card:
        """What is known of the model: input, output, licence, training data."""
        return self._card

    @property
    def session(self) -> Session:
        """What runs it: runtime, device, precision, and why these."""
        return self._session

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def engine(self) -> str:
        """What runs it and why, in a sentence."""
        session = self._session
        return f"{session.runtime} on {session.device} in {session.precision}: {session.why}"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of what the network sees of an image of this size."""
        return self._card.input.network_size(height, width)

    def __call__(
        self, image: ArrayLike, *, classes: Classes | None = None, stream: Any = None
    ) -> Array:
        """The coarse alpha of an image.

        Args:
            image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1], display-referred
                (sRGB); a fourth channel is ignored.
            classes: of a network that tells classes apart, those that are foreground: names or
                numbers; None: its card's choice.
            stream: see `trimatte.devices`.

        Returns:
            (H, W) uint8, 0 background, 255 foreground, where the image lies.

        Raises:
            ArgumentError: an argument is not what is listed above.
            EngineError: the network failed, or the segmenter is closed.
        """
        return self._mattes([image], classes, stream)[0]

    def batch(
        self, images: Iterable[ArrayLike], *, classes: Classes | None = None, stream: Any = None
    ) -> list[Array]:
        """The coarse alphas of several images: the network sees those at once that it sees at one
        size, as many as it can. On a CPU they are to the bit those of calls with each.

        Args:
            images: of any sizes, each as of a call.
            classes, stream: as of a call.

        Returns:
            For each image what a call returns.

        Raises:
            ArgumentError, EngineError: as a call does.
        """
        return self._mattes(list(images), classes, stream)

    def _mattes(self, images: list[ArrayLike], classes: Classes | None, stream: Any) -> list[Array]:
        pixels = [_checked(image, stream) for image in images]
        chosen = self.planes(classes)
        tensors = [self._tensor(each, stream) for each in pixels]
        predictions = self._predictions(tensors, stream)
        masks = [
            self._matte(prediction, each.shape, chosen, stream)
            for prediction, each in zip(predictions, pixels, strict=True)
        ]
        return [
            mask if isinstance(each, DeviceArray) else on_host(mask)
            for mask, each in zip(masks, pixels, strict=True)
        ]

    def _tensor(self, pixels: Array, stream: Any) -> Array:
        """The network's input: where the pixels lie, if that is a GPU, else where the network
        does."""
        if not isinstance(pixels, DeviceArray):
            pixels = _core.place(pixels, self._session.device, "segment")
        dtype = self._session.inputs[0].dtype
        return network_input(pixels, self._card.input, dtype=dtype, stream=stream)

    def _predictions(self, tensors: list[Array], stream: Any) -> list[Array]:
        """The network's output for each tensor, (1, ...); those of one shape go in together."""
        predictions: list[Array] = [None] * len(tensors)  # type: ignore[list-item]
        for numbers in _alike(tensors, self._session.largest_batch):
            batch = [tensors[number] for number in numbers]
            output = self._predict(_joined(batch, stream), stream)
            self._check_finite(output)
            if len(batch) == 1:
                predictions[numbers[0]] = output
                continue
            if len(output) != len(batch):
                raise EngineError(
                    f"{self._card.name}: the network makes {output.shape} of a batch of "
                    f"{len(batch)}: it takes one image at a time"
                )
            for place, number in enumerate(numbers):
                predictions[number] = _part(output, place)
        return predictions

    def _matte(
        self, prediction: Array, shape: tuple[int, ...], classes: list[int] | None, stream: Any
    ) -> Array:
        """The coarse alpha of an image of this shape, where the prediction lies."""
        outlet = self._card.output
        if outlet.activation != "none":
            prediction = class_probability(prediction, classes, stream=stream)
        return matte_from_prediction(
            prediction,
            (shape[0], shape[1]),
            min_max=outlet.min_max,
            filter=outlet.filter,
            stream=stream,
        )

    def _check_finite(self, output: Array) -> None:
        """Raises EngineError where a prediction on the host has values that are no numbers. For one
        on a GPU nothing waits; they count as 0 there."""
        if isinstance(output, DeviceArray):
            return
        # A softmax takes -inf.
        wrong = ~np.isfinite(output) if self._card.output.activation == "none" else np.isnan(output)
        if count := int(np.count_nonzero(wrong)):
            precision = self._session.precision
            remedy = "" if precision == "fp32" else "; precision='fp32' may help"
            raise EngineError(
                f"{self._card.name}: {count} of the {output.size} numbers that the network made in "
                f"{precision} are NaN or infinite{remedy}"
            )

    def _predict(self, tensor: Array, stream: Any) -> Array:
        """The network's output where its input lies."""
        output = self._card.output.index
        if not isinstance(tensor, DeviceArray) or self._session.device != "cpu":
            return self._session.run(tensor, output=output, stream=stream)
        if not self._may_move:
            raise ArgumentError(
                f"segment: image must lie on the host, as the network does, got one on "
                f"{tensor.device}; device='auto' takes it there"
            )
        prediction = self._session.run(tensor.to_host(), output=output)
        return _core.to_device(prediction, tensor.device, stream)

    def planes(self, classes: Classes | None) -> list[int] | None:
        """The planes of the network's output that are foreground; None where there is only one.

        Raises ArgumentError: the model has no such class, or tells none apart.
        """
        names = self._card.output.classes
        if not names:
            if classes is None:
                return None
            raise ArgumentError(
                f"segment: classes must be None: {self._card.name} tells none apart, got "
                f"{classes!r:.80}"
            )
        wanted = self._card.output.default if classes is None else classes
        listed = [wanted] if isinstance(wanted, str) or not np.iterable(wanted) else list(wanted)
        numbers = [_plane(one, names) for one in listed]
        if not numbers or not all(0 <= number < len(names) for number in numbers):
            raise ArgumentError(
                f"segment: classes must be some of {', '.join(names)}, or their numbers from 0, "
                f"got {classes!r:.80}"
            )
        return numbers

    def _check_card(self) -> None:
        """Whether the network is one that the card describes."""
        card, session = self._card, self._session
        if card.output.index >= len(session.outputs):
            raise EngineError(
                f"{card.name}: its card takes output {card.output.index}, the network has "
                f"{len(session.outputs)}"
            )
        sides = session.inputs[0].shape[2:]
        fixed = card.input.size if card.input.fit == "squash" else (None, None)
        if any(side not in (None, one) for side, one in zip(sides, fixed, strict=True)):
            raise EngineError(
                f"{card.name}: its card says that the network sees {fixed}, the network takes "
                f"{sides}"
            )
        shape = session.outputs[card.output.index].shape
        planes = len(card.output.classes) or 1
        if len(shape) == 4 and shape[1] not in (None, planes):
            raise EngineError(
                f"{card.name}: its card tells {planes} classes apart, the network's output is "
                f"{shape}"
            )

    def close(self) -> None:
        """Gives the network's memory back; the segmenter can no longer be called."""
        self._closed = True
        self._session.close()

    def __reduce__(self) -> Any:
        """Another process gets a Segmenter of its own, which loads the network there."""
        return partial(type(self), **self._options | {"progress": None}), ()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        session = self._session
        state = "closed" if self._closed else f"{session.precision} by {session.runtime}"
        return f"<trimatte.Segmenter {self._card.name}, {state} on {session.device}>"


def _checked(image: ArrayLike, stream: Any) -> Array:
    pixels = as_array(image, "segment", "image", stream)
    _core.check(pixels, "segment", "image", color=True)
    if 0 in pixels.shape:
        raise ArgumentError(f"segment: image must have no side of 0, got {pixels.shape}")
    return pixels


def _alike(tensors: list[Array], most: int | None) -> Iterator[list[int]]:
    """The numbers of tensors that are of one shape in one place, so many at most."""
    groups: dict[Any, list[int]] = {}
    for number, tensor in enumerate(tensors):
        place = tensor.device if isinstance(tensor, DeviceArray) else "cpu"
        groups.setdefault((place, tuple(tensor.shape)), []).append(number)
    for numbers in groups.values():
        step = most or len(numbers)
        yield from (numbers[first : first + step] for first in range(0, len(numbers), step))


def _joined(tensors: list[Array], stream: Any) -> Array:
    """(N, ...) of N tensors (1, ...), where they lie."""
    first = tensors[0]
    if len(tensors) == 1:
        return first
    if isinstance(first, DeviceArray):
        return _core.WorkStream(first, stream, "segment").joined(tensors)
    return np.concatenate(tensors)


def _part(output: Array, place: int) -> Array:
    """(1, ...) of (N, ...), without a copy."""
    if isinstance(output, DeviceArray):
        return output.part(place, place + 1)
    return output[place : place + 1]


def network_input(
    image: ArrayLike,
    source: InputSpec,
    *,
    dtype: npt.DTypeLike = "float32",
    stream: Any = None,
) -> Array:
    """An image as a model's card says that its network wants it: `to_tensor`."""
    pixels = as_array(image, "segment", "image", stream)
    return to_tensor(
        pixels,
        source.network_size(*pixels.shape[:2]),
        mean=source.mean,
        std=source.std,
        scale=source.scale,
        channels=source.channels,
        filter=source.filter,
        dtype=dtype,
        stream=stream,
    )


def named_model(model: Any, argument: str) -> str | Path:
    """A path that was given as one stays one: it is not a model's name."""
    if isinstance(model, (str, os.PathLike)) and Path(model).name:
        return model if isinstance(model, str) else Path(model)
    raise ArgumentError(
        f"segment: {argument} must be a model's name, the path of an ONNX file or of a model card, "
        f"or a Segmenter, got {model!r:.80}"
    )


def _plane(one: Any, names: Sequence[str]) -> int:
    """The number of a class; -1 for what is none."""
    if isinstance(one, str):
        return names.index(one) if one in names else -1
    return int(one) if is_whole(one) else -1

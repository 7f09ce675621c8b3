"""The words in which every network is written, and what they mean for shapes.

A network is a function ``define(net, image)`` over `Layers`. Who carries it out decides what comes
of it: `Shapes` lists its parameters, `onnx_graph.Graph` writes it as an ONNX graph, and
`torch_module.TorchLayers` runs and trains it. A layer that has parameters takes their name first;
``net / "stage1"`` is the same net with that prefix before the names.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from trimatte.errors import ArgumentError

__all__ = ["Layers", "Parameter", "Shapes", "T", "Value"]

BATCH_NORM_EPSILON = 1e-5
INSTANCE_NORM_EPSILON = 1e-5


class Shaped(Protocol):
    @property
    def shape(self) -> Any: ...


T = TypeVar("T", bound=Shaped)


class Layers(ABC, Generic[T]):
    """The vocabulary. Values are (N, C, H, W); every layer takes the channels it gets."""

    training: bool
    """Whether the outputs that only training needs are wanted."""

    @abstractmethod
    def __truediv__(self, name: str) -> Layers[T]:
        """This net, with ``name.`` before the names of its parameters."""

    @abstractmethod
    def conv(
        self,
        name: str,
        x: T,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        padding: int | None = None,
    ) -> T:
        """A convolution; without ``padding`` a stride of 1 keeps the sides, padded with zeros."""

    @abstractmethod
    def linear(self, name: str, x: T, channels: int) -> T:
        """A matrix over the channels of every pixel, without bias; its weight has two axes."""

    @abstractmethod
    def batch_norm(self, name: str, x: T, channels: slice = slice(None)) -> T:
        """Batch normalisation, right after a convolution; other channels pass unchanged."""

    @abstractmethod
    def instance_norm(self, x: T, channels: slice = slice(None)) -> T:
        """Zero mean and unit variance of each channel of each image; others pass unchanged."""

    @abstractmethod
    def relu(self, x: T, ceiling: float = math.inf) -> T:
        """``min(max(x, 0), ceiling)``."""

    @abstractmethod
    def sigmoid(self, x: T) -> T: ...

    @abstractmethod
    def dropout(self, x: T, probability: float) -> T:
        """In training, zero with this probability, else scaled up; nothing afterwards."""

    @abstractmethod
    def max_pool(self, x: T, kernel: int) -> T:
        """Halves the sides, rounded up: windows of 2 side by side, or of 3 about every second."""

    @abstractmethod
    def mean(self, x: T) -> T:
        """Mean of every channel, (N, C, 1, 1)."""

    @abstractmethod
    def resize(self, x: T, like: T) -> T:
        """Bilinear, to the sides of ``like``; pixels are areas (align_corners is false)."""

    @abstractmethod
    def pad(self, x: T, width: int) -> T:
        """A border of zeros."""

    @abstractmethod
    def concat(self, *values: T) -> T:
        """One behind the other along the channels."""

    @abstractmethod
    def add(self, x: T, y: T) -> T: ...

    @abstractmethod
    def multiply(self, x: T, y: T) -> T:
        """Element by element; ``y`` may be (N, C, 1, 1)."""


@dataclass(frozen=True)
class Parameter:
    """A tensor of a network's weights.

    trainable: false for the running statistics of batch normalisation, which are no parameters in
    the published counts. deviation, fill: how it begins, random with that standard deviation, or
    everywhere this number where that is 0.
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool = True
    deviation: float = 0.0
    fill: float = 0.0

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Value:
    """What is known of a value.

    shape: (N, C, H, W), None for any. mean, variance: of its numbers, with seeded weights. name: by
    which a graph knows it.
    """

    shape: tuple[int | None, ...]
    mean: float = 0.0
    variance: float = 1.0
    name: str = ""

    @property
    def channels(self) -> int:
        channels = self.shape[1]
        assert channels is not None
        return channels


class Shapes(Layers[Value]):
    """Works out shapes and lists the parameters in the order of their layers.

    Weights begin with the deviation that gives their layer's output a variance of 1 (He et al.,
    "Delving Deep into Rectifiers", https://arxiv.org/abs/1502.01852, with mean and variance
    followed through sums and concatenations instead of assumed), so that the running statistics 0
    and 1 of batch normalisation hold.
    """

    def __init__(self, *, training: bool = True) -> None:
        self.training = training
        self.parameters: list[Parameter] = []
        self._prefix = ""

    def __truediv__(self, name: str) -> Shapes:
        inner = copy.copy(self)
        inner._prefix = f"{self._prefix}{name}."
        return inner

    def conv(
        self,
        name: str,
        x: Value,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        padding: int | None = None,
    ) -> Value:
        self._weight(name, x, (channels, x.channels // groups, kernel, kernel))
        if bias:
            self._add(f"{name}.bias", channels)
        beyond = 2 * same_padding(kernel, dilation, padding) - dilation * (kernel - 1)
        sides = [
            None if side is None else (side + beyond - 1) // stride + 1 for side in x.shape[2:]
        ]
        if any(side is not None and side < 1 for side in sides):
            raise ArgumentError(f"an image of this size leaves nothing after {self._prefix}{name}")
        return Value((x.shape[0], channels, *sides))

    def linear(self, name: str, x: Value, channels: int) -> Value:
        self._weight(name, x, (channels, x.channels))
        return Value((x.shape[0], channels, *x.shape[2:]))

    def batch_norm(self, name: str, x: Value, channels: slice = slice(None)) -> Value:
        count = len(range(x.channels)[channels])
        self._add(f"{name}.weight", count, fill=1.0)
        self._add(f"{name}.bias", count)
        self._add(f"{name}.running_mean", count, trainable=False)
        self._add(f"{name}.running_var", count, trainable=False, fill=1.0)
        return x

    def instance_norm(self, x: Value, channels: slice = slice(None)) -> Value:
        return replace(x, mean=0.0, variance=1.0)

    def relu(self, x: Value, ceiling: float = math.inf) -> Value:
        """Moments of a rectified normal distribution; the ceiling is thought to be out of reach."""
        deviation = math.sqrt(x.variance)
        z = x.mean / deviation
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        positive = (1 + math.erf(z / math.sqrt(2))) / 2
        mean = x.mean * positive + deviation * density
        square = (x.mean**2 + x.variance) * positive + x.mean * deviation * density
        return replace(x, mean=mean, variance=square - mean**2)

    def sigmoid(self, x: Value) -> Value:
        return replace(x, mean=0.5, variance=x.variance / 16)

    def dropout(self, x: Value, probability: float) -> Value:
        return x

    def max_pool(self, x: Value, kernel: int) -> Value:
        height, width = (None if side is None else -(-side // 2) for side in x.shape[2:])
        return replace(x, shape=(*x.shape[:2], height, width))

    def mean(self, x: Value) -> Value:
        return replace(x, shape=(*x.shape[:2], 1, 1), variance=x.variance / 16)

    def resize(self, x: Value, like: Value) -> Value:
        return replace(x, shape=(*x.shape[:2], *like.shape[2:]))

    def pad(self, x: Value, width: int) -> Value:
        sides = (None if side is None else side + 2 * width for side in x.shape[2:])
        return replace(x, shape=(*x.shape[:2], *sides))

    def concat(self, *values: Value) -> Value:
        channels = sum(value.channels for value in values)
        shares = [value.channels / channels for value in values]
        mean = sum(share * value.mean for share, value in zip(shares, values, strict=True))
        variance = sum(
            share * (value.variance + (value.mean - mean) ** 2)
            for share, value in zip(shares, values, strict=True)
        )
        shape = values[0].shape
        return Value((shape[0], channels, *shape[2:]), mean, variance)

    def add(self, x: Value, y: Value) -> Value:
        return replace(x, mean=x.mean + y.mean, variance=x.variance + y.variance)

    def multiply(self, x: Value, y: Value) -> Value:
        return replace(x, mean=x.mean * y.mean, variance=x.variance * y.mean**2)

    def _weight(self, name: str, x: Value, shape: tuple[int, ...]) -> None:
        square = x.mean**2 + x.variance
        deviation = 1 / math.sqrt(math.prod(shape[1:]) * square)
        self._add(f"{name}.weight", *shape, deviation=deviation)

    def _add(
        self,
        name: str,
        *shape: int,
        trainable: bool = True,
        deviation: float = 0.0,
        fill: float = 0.0,
    ) -> None:
        parameter = Parameter(f"{self._prefix}{name}", shape, trainable, deviation, fill)
        if not all(isinstance(side, int) and side > 0 for side in shape):
            raise ArgumentError(f"{parameter.name} cannot have the shape {shape}")
        self.parameters.append(parameter)


def same_padding(kernel: int, dilation: int, padding: int | None) -> int:
    """Zeros on each side of a convolution's input: those asked for, or those that keep its size."""
    return dilation * (kernel - 1) // 2 if padding is None else padding

"""Weights of a network as a start for the same network with more channels.

Every channel that the narrow network has keeps its weights, and hears nothing of the new ones,
which begin at random: at first the wide network computes the same function.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte.errors import EngineError

from ..networks import Network
from ..networks.layers import Layers

__all__ = ["start_weights"]

Tensors = Mapping[str, npt.NDArray[Any]]
Weights = dict[str, npt.NDArray[np.float32]]


def start_weights(network: Network, tensors: Tensors, seed: int = 0) -> Weights:
    """Weights of a network to begin a training with, out of its own or of a narrower one's.

    Args:
        network: what is trained.
        tensors: by name, as `read_checkpoint` returns them. Each may have fewer channels than the
            network's.
        seed: of the weights of channels that are new.

    Raises:
        EngineError: the tensors are of another network, or the network has layers that cannot be
            widened.
    """
    wanted = {parameter.name: parameter.shape for parameter in network.parameters}
    given = {name: np.asarray(tensors[name]) for name in wanted if name in tensors}
    narrow = len(given) == len(wanted) and all(
        given[name].ndim == len(shape) and all(np.less_equal(given[name].shape, shape))
        for name, shape in wanted.items()
    )
    if not narrow or all(given[name].shape == shape for name, shape in wanted.items()):
        return network.load(tensors)  # which says what does not fit
    weights = network.seeded(seed)
    height, width = network.size or (64, 64)
    network.define(_Widener(given, weights), _Channels((1, 3, height, width), np.arange(3)))
    return network.load(weights)


@dataclass(frozen=True)
class _Channels:
    """A value of the wide network, and which of its channels are the narrow network's, in order."""

    shape: tuple[int, int, int, int]
    old: npt.NDArray[np.intp]


class _Widener(Layers[_Channels]):
    """Writes the narrow network's tensors into the wide one's, layer by layer."""

    training = True

    def __init__(self, narrow: Tensors, wide: Weights) -> None:
        self._narrow, self._wide, self._prefix = narrow, wide, ""

    def __truediv__(self, name: str) -> _Widener:
        inner = copy.copy(self)
        inner._prefix = f"{self._prefix}{name}."
        return inner

    def conv(
        self,
        name: str,
        x: _Channels,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        padding: int | None = None,
    ) -> _Channels:
        if groups > 1:
            raise self._cannot(name)
        if bias:
            own = self._narrow[f"{self._prefix}{name}.bias"]
            self._wide[f"{self._prefix}{name}.bias"][: len(own)] = own
        return self._weight(name, x)

    def linear(self, name: str, x: _Channels, channels: int) -> _Channels:
        return self._weight(name, x)

    def batch_norm(self, name: str, x: _Channels, channels: slice = slice(None)) -> _Channels:
        if channels != slice(None):
            raise self._cannot(name)
        for part in ("weight", "bias", "running_mean", "running_var"):
            own = self._narrow[f"{self._prefix}{name}.{part}"]
            if len(own) != len(x.old):
                raise self._cannot(name)
            self._wide[f"{self._prefix}{name}.{part}"][x.old] = own
        return x

    def instance_norm(self, x: _Channels, channels: slice = slice(None)) -> _Channels:
        if channels != slice(None):
            raise self._cannot("an instance norm")
        return x

    def relu(self, x: _Channels, ceiling: float = math.inf) -> _Channels:
        return x

    def sigmoid(self, x: _Channels) -> _Channels:
        return x

    def dropout(self, x: _Channels, probability: float) -> _Channels:
        return x

    def max_pool(self, x: _Channels, kernel: int) -> _Channels:
        return x

    def mean(self, x: _Channels) -> _Channels:
        return x

    def resize(self, x: _Channels, like: _Channels) -> _Channels:
        return x

    def pad(self, x: _Channels, width: int) -> _Channels:
        return x

    def concat(self, *values: _Channels) -> _Channels:
        starts = np.cumsum([0, *(value.shape[1] for value in values)])
        old = [value.old + start for value, start in zip(values, starts, strict=False)]
        return _Channels(_with_channels(values[0], int(starts[-1])), np.concatenate(old))

    def add(self, x: _Channels, y: _Channels) -> _Channels:
        if not np.array_equal(x.old, y.old):
            raise self._cannot("a sum")
        return x

    def multiply(self, x: _Channels, y: _Channels) -> _Channels:
        return self.add(x, y)

    def _weight(self, name: str, x: _Channels) -> _Channels:
        own = self._narrow[f"{self._prefix}{name}.weight"]
        weight = self._wide[f"{self._prefix}{name}.weight"]
        count = len(own)
        if own.shape[1:] != (len(x.old), *weight.shape[2:]):
            raise self._cannot(name)
        weight[:count] = 0  # of the new channels; those of the old ones follow
        weight[:count, x.old] = own
        return _Channels(_with_channels(x, len(weight)), np.arange(count))

    def _cannot(self, what: str) -> EngineError:
        return EngineError(
            f"{self._prefix}{what} cannot be widened: begin with weights of the same widths"
        )


def _with_channels(value: _Channels, count: int) -> tuple[int, int, int, int]:
    return (value.shape[0], count, *value.shape[2:])

"""Hints: a teacher's maps within, which a network of the same stages learns to make as well.

Romero et al., "FitNets: Hints for Thin Deep Nets", 2015, https://arxiv.org/abs/1412.6550. As long
as hints are forced, each stage works on the teacher's maps and learns its part by itself; later the
stages work on each other's.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from trimatte.errors import EngineError

from ..networks import Network
from ..networks.torch_module import TorchLayers

__all__ = ["Followed", "Hints"]

torch: Any = importlib.import_module("torch")

_LAST = "stage2d"
"""The last stage whose map is taken: more than half of U²-NetP's time is spent after it."""


class Hints:
    """Gives the hints of a teacher to a network that is trained.

    Args:
        network: the teacher's, a U²-Net.
        weights: its weights, see `Network.load`.
        device: PyTorch's name of where to run it.
        layers: of the module of PyTorch that it becomes.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, npt.NDArray[Any]],
        device: Any,
        layers: type[TorchLayers] = TorchLayers,
    ) -> None:
        self._network, self._layers = network, layers
        self._module = network.to_torch(weights).to(device, memory_format=torch.channels_last)

    def maps(self, image: Any) -> dict[str, Any]:
        """The teacher's maps of images (N, 3, H, W), by the names of its stages."""
        found: dict[str, Any] = {}

        def keep(stage: str, x: Any) -> Any:
            found[stage] = x
            if stage == _LAST:
                raise _Enough
            return x

        with torch.no_grad(), contextlib.suppress(_Enough):
            self._network.define(self._layers(self._module, training=False), image, tap=keep)
        return found


class _Enough(Exception):
    """The maps that are wanted are there."""


class Followed:
    """A ``tap`` of a network in training, which measures how far its maps are from the teacher's.

    Args:
        maps: the teacher's, see `Hints.maps`.
        forced: whether the network goes on with the teacher's maps instead of its own.
    """

    def __init__(self, maps: Mapping[str, Any], *, forced: bool) -> None:
        self._maps, self._forced = maps, forced
        self._errors: list[Any] = []

    def __call__(self, stage: str, x: Any) -> Any:
        hint = self._maps.get(stage)
        if hint is None or hint.shape != x.shape:  # a stage of another width is left to itself
            return x
        self._errors.append(_error(x, hint))
        return hint if self._forced else x

    @property
    def loss(self) -> Any:
        """The mean over the stages; 1 is the error of maps that do not depend on the image."""
        if not self._errors:
            raise EngineError("no stage of the network has the width of the teacher's")
        return torch.stack(self._errors).mean()


def _error(x: Any, hint: Any) -> Any:
    """Squared error beside the variance of the hint, channel by channel; quiet channels less."""
    x, hint = x.float(), hint.float()
    spread = hint.var(dim=(0, 2, 3))
    error = (x - hint).square().mean(dim=(0, 2, 3))
    return (error / (spread + 0.1 * spread.mean())).mean()

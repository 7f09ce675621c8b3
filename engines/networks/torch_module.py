"""A network as a PyTorch module, to be trained. Imported only where PyTorch is wanted."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .layers import BATCH_NORM_EPSILON, INSTANCE_NORM_EPSILON, Layers, same_padding

__all__ = ["NetworkModule", "TorchLayers"]

torch: Any = importlib.import_module("torch")
nn: Any = torch.nn
functional: Any = torch.nn.functional


class NetworkModule(nn.Module):  # type: ignore[misc]
    """The definition of a network with its layers, under the published names.

    The layers are plain `Conv2d`, `Linear` and `BatchNorm2d`, so that what walks over modules
    (weight decay, frozen or synchronised batch norm, quantisation) finds them.

    Args:
        define: the network.
        weights: its parameters by name, as `Network.load` returns them.
        aliases: prefixes of names under which the published weights hold a part once more.
    """

    def __init__(
        self,
        define: Callable[[Layers[Any], Any], tuple[Any, ...]],
        weights: Mapping[str, npt.NDArray[np.float32]],
        aliases: Mapping[str, str],
    ) -> None:
        super().__init__()
        self._define = define
        self(torch.empty(2, 3, 64, 64, device="meta"))
        tensors = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
        for name in self.state_dict():
            if name.endswith(".num_batches_tracked"):
                tensors[name] = torch.zeros((), dtype=torch.int64)
        self.load_state_dict(tensors, assign=True)
        for alias, name in aliases.items():
            parent, _, last = alias.rpartition(".")
            self.get_submodule(parent).add_module(last, self.get_submodule(name))

    def forward(self, image: Any) -> tuple[Any, ...]:
        """Logits, the matte's first.

        Args:
            image: (N, 3, H, W), normalised as the network expects it.

        Returns:
            What the network's definition lists; outputs that only training needs, in training.
        """
        return self._define(TorchLayers(self, training=self.training), image)


class TorchLayers(Layers[Any]):
    """Runs a network with the layers found in a module; makes those that it lacks."""

    def __init__(self, module: Any, *, training: bool) -> None:
        self.training = training
        self._module = module

    def __truediv__(self, name: str) -> TorchLayers:
        module = self._module
        for part in name.split("."):
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        return type(self)(module, training=self.training)

    def conv(
        self,
        name: str,
        x: Any,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        padding: int | None = None,
    ) -> Any:
        def make() -> Any:
            return nn.Conv2d(
                x.shape[1],
                channels,
                kernel,
                stride=stride,
                dilation=dilation,
                groups=groups,
                bias=bias,
                padding=same_padding(kernel, dilation, padding),
                device=x.device,
            )

        return self._layer(name, make)(x)

    def linear(self, name: str, x: Any, channels: int) -> Any:
        layer = self._layer(
            name, lambda: nn.Linear(x.shape[1], channels, bias=False, device=x.device)
        )
        return layer(x.movedim(1, -1)).movedim(-1, 1)

    def batch_norm(self, name: str, x: Any, channels: slice = slice(None)) -> Any:
        before, these, after = _parts(x, channels)
        layer = self._layer(
            name,
            lambda: nn.BatchNorm2d(these.shape[1], eps=BATCH_NORM_EPSILON, device=x.device),
        )
        return _joined(before, layer(these), after)

    def instance_norm(self, x: Any, channels: slice = slice(None)) -> Any:
        before, these, after = _parts(x, channels)
        normed = functional.instance_norm(these, eps=INSTANCE_NORM_EPSILON)
        return _joined(before, normed, after)

    def relu(self, x: Any, ceiling: float = math.inf) -> Any:
        return functional.relu(x) if math.isinf(ceiling) else functional.hardtanh(x, 0.0, ceiling)

    def sigmoid(self, x: Any) -> Any:
        return torch.sigmoid(x)

    def dropout(self, x: Any, probability: float) -> Any:
        return functional.dropout(x, probability, training=self.training)

    def max_pool(self, x: Any, kernel: int) -> Any:
        return functional.max_pool2d(x, kernel, 2, (kernel - 1) // 2, ceil_mode=kernel == 2)

    def mean(self, x: Any) -> Any:
        return functional.adaptive_avg_pool2d(x, 1)

    def resize(self, x: Any, like: Any) -> Any:
        return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)

    def pad(self, x: Any, width: int) -> Any:
        return functional.pad(x, (width,) * 4)

    def concat(self, *values: Any) -> Any:
        return torch.cat(values, dim=1)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def multiply(self, x: Any, y: Any) -> Any:
        return x * y

    def _layer(self, name: str, make: Callable[[], Any]) -> Any:
        """The layer of this name, which may have a path before it ("conv.0")."""
        path, _, last = name.rpartition(".")
        module = (self / path)._module if path else self._module
        if last not in module._modules:
            module.add_module(last, make())
        return module._modules[last]


def _parts(x: Any, channels: slice) -> tuple[Any, Any, Any]:
    start, stop, _ = channels.indices(x.shape[1])
    return x[:, :start], x[:, start:stop], x[:, stop:]


def _joined(*parts: Any) -> Any:
    filled = [part for part in parts if part.shape[1]]
    return filled[0] if len(filled) == 1 else torch.cat(filled, dim=1)

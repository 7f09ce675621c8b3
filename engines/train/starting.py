"""Weights out of ONNX files, to train on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte.errors import EngineError
from trimatte.optional import require

from ..networks import Network
from ..networks.layers import BATCH_NORM_EPSILON
from ..onnx_files.half import load_stored

__all__ = ["unfolded", "with_norms"]

Weights = dict[str, npt.NDArray[np.float32]]


def unfolded(network: Network, path: str | Path) -> Weights:
    """Weights of a network out of an ONNX file in which batch norms are folded into convolutions.

    Args:
        network: whose layers the file holds, in their order.
        path: of the file.

    Raises:
        EngineError: the file has other layers, or onnx is not installed.
    """
    onnx = require("onnx", extra="export", purpose="weights out of an ONNX file")
    graph = load_stored(onnx.load(str(path))).graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    folded = [
        tensors[name] for node in graph.node if node.op_type == "Conv" for name in node.input[1:]
    ]
    weights, left = network.seeded(0), iter(folded)
    try:
        for parameter in network.parameters:
            part = parameter.name.rpartition(".")[2]
            if ".bn_" not in parameter.name:
                weights[parameter.name] = next(left)
            elif part == "running_var":  # the norm does nothing
                weights[parameter.name].fill(1 - BATCH_NORM_EPSILON)
    except StopIteration:
        raise EngineError(f"{path} has fewer layers than {network.name}") from None
    if next(left, None) is not None:
        raise EngineError(f"{path} has more layers than {network.name}")
    return network.load(weights)


def with_norms(
    network: Network, weights: Mapping[str, npt.NDArray[Any]], images: Iterable[Any]
) -> Weights:
    """Weights whose batch norms do nothing as a start for training, in which norms use the
    statistics of the batch: the norms get the statistics of images, and scales that undo them.

    Args:
        network: whose weights they are.
        weights: as `unfolded` returns them.
        images: batches (N, 3, H, W) as the network is fed, at least one.

    Returns:
        Weights that compute the same.
    """
    torch = require("torch", extra="train", purpose="training")
    module = network.to_torch(weights)
    moments: dict[str, list[Any]] = {}

    def watch(name: str) -> Any:
        def measure(_: Any, inputs: Any) -> None:
            x = inputs[0]
            mean, square = x.mean(dim=(0, 2, 3)), x.square().mean(dim=(0, 2, 3))
            moments.setdefault(name, []).append(torch.stack([mean, square]))

        return measure

    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.register_forward_pre_hook(watch(name))
    with torch.inference_mode():
        for batch in images:
            module(batch)
    started = {name: np.array(tensor) for name, tensor in weights.items()}
    for name, found in moments.items():
        mean, square = torch.stack(found).double().mean(dim=0).numpy(force=True)
        variance = np.maximum(square - mean**2, 0)
        started[f"{name}.running_mean"] = mean
        started[f"{name}.running_var"] = variance
        # What the norm takes away, scale and shift give back.
        started[f"{name}.weight"] = np.sqrt(variance + BATCH_NORM_EPSILON)
        started[f"{name}.bias"] = mean
    return network.load(started)

"""ONNX files of the networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trimatte.errors import ArgumentError, EngineError
from trimatte.io.atomic import replacing

from ..onnx_files.half import store_half, to_half
from ..weights.checkpoints import read_checkpoint
from .catalogue import NETWORKS
from .network import Network, Size

__all__ = ["export", "write_model"]


def export(
    network: str | Network,
    path: str | Path,
    *,
    checkpoint: str | Path | None = None,
    seed: int | None = None,
    precision: str = "fp32",
    storage: str = "fp32",
    size: Size = "default",
    outputs: str = "matte",
) -> Path:
    """Writes a network as an ONNX file; nothing is left of a file that could not be finished.

    Args:
        network: one of `NETWORKS`, by name or itself, or with other options: `Network.configured`.
        path: of the file, which may exist.
        checkpoint: path of its weights, see `read_checkpoint`.
        seed: instead of a checkpoint, see `Network.seeded`.
        precision: ``"fp32"``, or ``"fp16"``: see `to_half`.
        storage: ``"fp32"``, or ``"fp16"`` for a file of half the size: see `store_half`.
        size, outputs: see `Network.to_onnx`.

    Returns:
        The path.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: the checkpoint is none of this network, a package is not installed, or the file
            cannot be written.
    """
    if isinstance(network, str):
        network = _named(network)
    for name, value in (("precision", precision), ("storage", storage)):
        if value not in ("fp32", "fp16"):
            raise ArgumentError(f"export: {name} must be 'fp32' or 'fp16', got {value!r:.80}")
    if checkpoint is not None and seed is None:
        weights, source = network.load(read_checkpoint(checkpoint)), Path(checkpoint).name
    elif seed is not None and checkpoint is None:
        weights, source = network.seeded(seed), f"seed {seed}"
    else:
        raise ArgumentError(
            f"export: either checkpoint or seed must be given, got {checkpoint!r} and {seed!r}"
        )
    model = network.to_onnx(weights, size=size, outputs=outputs, source=source)
    if precision == "fp16":
        model = to_half(model)
    if storage == "fp16":
        model = store_half(model)
    return write_model(model, path)


def _named(name: str) -> Network:
    if name not in NETWORKS:
        raise ArgumentError(
            f"export: network must be one of {', '.join(NETWORKS)}, got {name!r:.80}"
        )
    return NETWORKS[name]


def write_model(model: Any, path: str | Path) -> Path:
    """Writes an `onnx.ModelProto`; nothing is left of a file that could not be finished.

    Raises:
        EngineError: the file cannot be written.
    """
    path = Path(path)
    try:
        with replacing(path) as file:
            file.write(model.SerializeToString())
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error}") from error
    return path

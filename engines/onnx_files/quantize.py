"""Networks whose convolutions multiply whole numbers of 8 bits."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import require

from ..session import check_batch
from .half import load_stored
from .model_file import ModelFile
from .onnx_layers import last_nodes

__all__ = ["quantize"]

_FEW_CHANNELS = 8


def quantize(
    model: Any, calibration: Iterable[npt.NDArray[Any]], *, precision: str = "int8"
) -> Any:
    """Quantises a network, by ONNX Runtime's static quantisation.

    Weights become int8, by channel; maps uint8, over the range that they have on the calibration
    batches. The graph says so by pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime
    and OpenVINO both turn into int8 arithmetic. The last layer before each output stays in float32,
    and what comes after it; and so do layers between maps of at most eight channels, such as the
    side outputs of U²-Net: they cost little, and a quarter of the loss came from there. (The first
    layer in float32 cost a tenth of the time and saved nothing that could be measured.) On x86
    without VNNI, ONNX Runtime adds products in 16 bits, which may saturate.

    Args:
        model: a float32 `onnx.ModelProto` with its weights inside, or the path or bytes of one; it
            is not changed.
        calibration: batches as the network will see them, (N, C, H, W) float32, of one size; some
            ten images, unlike each other, are enough.
        precision: ``"int8"``.

    Returns:
        A new `onnx.ModelProto`, for `open_session`.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: the model cannot be quantised, or a package is not installed; see also
            `ModelFile`.
    """
    if precision != "int8":
        raise ArgumentError(f"quantize: precision must be 'int8', got {precision!r:.80}")
    onnx = require("onnx", extra="export", purpose="quantising a network")
    require("onnxruntime", extra="cpu", purpose="quantising a network")
    is_proto = isinstance(model, onnx.ModelProto)
    file = ModelFile(model.SerializeToString() if is_proto else model)
    if file.precision != "fp32" or file.external:
        raise EngineError(f"{file.name} must have float32 weights, inside of it, to be quantised")
    named = _named(load_stored(onnx.load_from_string(file.data)))
    properties = {each.key: each.value for each in named.metadata_props} | {"precision": "int8"}
    try:
        result = _quantize(onnx, named, _checked(calibration, file))
    except ArgumentError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise EngineError(f"{file.name} cannot be quantised: {error}") from error
    onnx.helper.set_model_props(result, properties)
    return result


def _quantize(onnx: Any, model: Any, batches: Iterator[Mapping[str, npt.NDArray[Any]]]) -> Any:
    quantization: Any = importlib.import_module("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Mapping[str, npt.NDArray[Any]] | None:
            return next(batches, None)

    # Networks come folded and simplified; without the mark ONNX Runtime would log advice to do so.
    quantization.quant_utils.add_pre_process_metadata(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        quantization.quantize_static(
            model,
            path,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=sorted(_kept(onnx, model)),
        )
        return onnx.load(path)


def _named(model: Any) -> Any:
    """Gives nodes names, by which they are told apart."""
    names = {node.name for node in model.graph.node}
    if len(names) < len(model.graph.node) or "" in names:
        for index, node in enumerate(model.graph.node):
            node.name = f"{node.op_type.lower()}.{index}"
    return model


def _checked(
    calibration: Iterable[npt.NDArray[Any]], file: ModelFile
) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
    """The batches as ONNX Runtime takes them; at least one."""
    batch = None
    for batch in calibration:
        if not isinstance(batch, np.ndarray):
            raise ArgumentError(
                f"quantize: calibration must be NumPy arrays, got {type(batch).__name__}"
            )
        check_batch(batch, file.image, "quantize: each batch of calibration")
        yield {file.image.name: batch}
    if batch is None:
        raise ArgumentError("quantize: calibration must be at least one batch, got none")


def _kept(onnx: Any, model: Any) -> set[str]:
    """Names of the nodes that stay in float32."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    channels = {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in (*graph.value_info, *graph.output)
        if len(value.type.tensor_type.shape.dim) == 4
    }
    nodes = last_nodes(graph, lambda name: 0 < channels.get(name, 0) <= _FEW_CHANNELS)
    return {node.name for node in nodes}

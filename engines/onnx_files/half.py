"""A float32 network in half precision, layer by layer, where half precision is enough.

The types are written into the graph, as the strongly typed networks of TensorRT want it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import require

from .onnx_layers import last_nodes

__all__ = ["HALF_OPERATORS", "load_stored", "store_half", "to_half"]

HALF_OPERATORS = frozenset(
    """
    Abs Add AveragePool Clip Concat Conv ConvTranspose DepthToSpace Dropout Expand Flatten Gather
    Gemm HardSigmoid HardSwish Identity LeakyRelu MatMul Max MaxPool Min Mul Neg PRelu Pad Relu
    Reshape Resize Slice SpaceToDepth Split Squeeze Sub Tanh Tile Transpose Unsqueeze
    """.split()  # noqa: SIM905
)
"""Operators of one float type that lose little by half precision.

All others stay in float32: means and norms (their sums are large), sigmoids, softmaxes and
exponentials, divisions and roots, and what another domain defines.
"""

_ALWAYS_FLOAT = {"Resize": (1, 2)}  # inputs that are float32 whatever the data is: region, scales
_LARGEST = float(np.finfo(np.float16).max)
_MARGIN = 4.0  # other images may drive a map further than the sample did


def to_half(
    model: Any,
    *,
    keep: Collection[str] = (),
    keep_io: bool = True,
    sample: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Any:
    """Converts a network to float16 weights and arithmetic.

    In float32 stay: operators that are not in `HALF_OPERATORS`, the last layer before each output,
    layers with a weight beyond 65504 or a constant that would become zero, whatever a branch or a
    loop reaches into, and what `keep` names. Other values are rounded to nearest.

    Args:
        model: an `onnx.ModelProto` with its weights inside; it is not changed.
        keep: names of nodes or of operators that stay in float32.
        keep_io: whether inputs and outputs stay float32 too.
        sample: inputs by name. ONNX Runtime then runs the float32 network on them, and layers
            whose maps come within a quarter of 65504 stay in float32. Without it, large maps
            overflow.

    Returns:
        A new `onnx.ModelProto`, with ``precision`` = ``fp16`` in its metadata.

    Raises:
        ArgumentError: the model has no node and no operator of a name in `keep`.
        EngineError: the model cannot be converted, or a package is not installed.
    """
    onnx = require("onnx", extra="export", purpose="converting a network to half precision")
    result = load_stored(model)
    known = {text for node in model.graph.node for text in (node.name, node.op_type)}
    if unknown := sorted(set(keep) - known):
        raise ArgumentError(f"to_half: keep names {unknown!r:.80}, which the model does not have")
    if any(onnx.external_data_helper.uses_external_data(t) for t in model.graph.initializer):
        raise EngineError("to_half: the model's weights are in another file; load them first")
    try:
        large = _large_values(onnx, result, sample) if sample is not None else set()
        _Conversion(onnx, result.graph, _element_types(onnx, result), set(keep), large).run(keep_io)
        properties = {p.key: p.value for p in model.metadata_props} | {"precision": "fp16"}
        onnx.helper.set_model_props(result, properties)
        onnx.checker.check_model(result)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise EngineError(f"to_half: the model cannot be converted: {error}") from error
    return result


def store_half(model: Any) -> Any:
    """Keeps a network's filters in float16, for a file of half the size; it computes as before.

    They are cast to the float32 that they were in, which runtimes do once, when they load the
    network. Biases and what float16 cannot hold stay as they are.

    Args:
        model: an `onnx.ModelProto` with its weights inside; it is not changed.

    Returns:
        A new `onnx.ModelProto`.

    Raises:
        EngineError: onnx is not installed.
    """
    onnx = require("onnx", extra="export", purpose="storing a network in half precision")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    casts = []
    for tensor in result.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim > 1 and _fits(array):
            name, stored = tensor.name, f"{tensor.name}.half"
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), stored))
            casts.append(
                onnx.helper.make_node(
                    "Cast", [stored], [name], name=f"{name}.cast", to=onnx.TensorProto.FLOAT
                )
            )
    nodes = [*casts, *result.graph.node]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    onnx.checker.check_model(result)
    return result


def load_stored(model: Any) -> Any:
    """A network whose weights are what they are cast to, as before `store_half`.

    Args:
        model: an `onnx.ModelProto`; it is not changed.

    Returns:
        A new `onnx.ModelProto`.

    Raises:
        EngineError: onnx is not installed.
    """
    onnx = require("onnx", extra="export", purpose="converting a network")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes, loaded = [], {}
    for node in graph.node:
        to = {attribute.name: attribute.i for attribute in node.attribute}.get("to")
        if node.op_type != "Cast" or to != onnx.TensorProto.FLOAT or node.input[0] not in stored:
            nodes.append(node)
            continue
        array = onnx.numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        loaded[node.input[0]] = onnx.numpy_helper.from_array(array, node.output[0])
    used = {name for node in nodes for name in node.input}
    used.update(_captured(nodes), (value.name for value in graph.output))
    kept = [tensor for name, tensor in stored.items() if name not in loaded or name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *loaded.values()])
    return result


class _Conversion:
    """Goes through the nodes in order and writes each anew, in float32 or in half."""

    def __init__(
        self, onnx: Any, graph: Any, types: Mapping[str, int], keep: set[str], large: set[str]
    ) -> None:
        self._onnx = onnx
        self._float, self._half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
        self._graph = graph
        self._types = types
        self._keep = keep
        self._float_values = large | set(_captured(graph.node))
        self._last = {name for node in last_nodes(graph) for name in node.output}
        self._weights = {t.name: t for t in graph.initializer}
        self._now: dict[str, int] = {}  # the type that each float value has by now
        self._nodes: list[Any] = []
        self._casts: dict[tuple[str, int], str] = {}
        self._taken = {*types, *(node.name for node in graph.node)}

    def run(self, keep_io: bool) -> None:
        graph = self._graph
        for value in graph.input:
            if not keep_io and self._is_float(value.name) and value.name not in self._float_values:
                value.type.tensor_type.elem_type = self._half
                self._now[value.name] = self._half
        for node in graph.node:
            self._convert(node)
        for value in graph.output:
            if self._is_float(value.name):
                if not keep_io:
                    value.type.tensor_type.elem_type = self._half
                self._deliver(value.name, value.type.tensor_type.elem_type)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        used.update(_captured(self._nodes), (value.name for value in graph.output))
        kept = [tensor for tensor in self._weights.values() if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)

    def _is_float(self, name: str) -> bool:
        return self._types.get(name) == self._float

    def _convert(self, node: Any) -> None:
        wanted = self._half if self._takes_half(node) else self._float
        converted = self._onnx.NodeProto()
        converted.CopyFrom(node)
        for index, name in enumerate(node.input):
            if self._is_float(name):
                fixed = index in _ALWAYS_FLOAT.get(node.op_type, ())
                converted.input[index] = self._as(name, self._float if fixed else wanted)
        self._nodes.append(converted)
        self._now.update((name, wanted) for name in node.output if self._is_float(name))

    def _takes_half(self, node: Any) -> bool:
        names = [name for name in (*node.input, *node.output) if name]
        return (
            node.op_type in HALF_OPERATORS
            and node.domain in ("", "ai.onnx")
            and not self._keep & {node.name, node.op_type}
            and not self._last & set(node.output)
            and not self._float_values.intersection(names)
            and all(name in self._types for name in names)
            and all(_fits(self._array(name)) for name in node.input if name in self._weights)
        )

    def _as(self, name: str, wanted: int) -> str:
        """The name of a value in the wanted type; it is cast, once, if it is not of it."""
        if self._now.get(name, self._float) == wanted:
            return name
        key = (name, wanted)
        if key not in self._casts:
            result = self._fresh(f"{name}.{'half' if wanted == self._half else 'float'}")
            self._casts[key] = result
            if name in self._weights:
                array = self._array(name).astype(np.float16)
                self._weights[result] = self._onnx.numpy_helper.from_array(array, result)
            else:
                self._nodes.append(self._cast(name, result, wanted))
        return self._casts[key]

    def _deliver(self, name: str, wanted: int) -> None:
        """Makes an output of the graph be of its type; inside, it goes by another name."""
        if self._now.get(name, self._float) == wanted:
            return
        inner = self._fresh(f"{name}.inner")
        for node in self._nodes:
            for names in (node.input, node.output):
                for index, known in enumerate(names):
                    if known == name:
                        names[index] = inner
        self._nodes.append(self._cast(inner, name, wanted))

    def _cast(self, name: str, result: str, wanted: int) -> Any:
        label = self._fresh(f"{result}.cast")
        return self._onnx.helper.make_node("Cast", [name], [result], name=label, to=wanted)

    def _fresh(self, name: str) -> str:
        """That name, longer if it is taken."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _array(self, name: str) -> npt.NDArray[Any]:
        return self._onnx.numpy_helper.to_array(self._weights[name])


def _fits(array: npt.NDArray[Any]) -> bool:
    """Whether half precision keeps an array: no infinities, and no lone number lost to zero."""
    if array.dtype != np.float32 or not array.size:
        return True
    lost = array.size == 1 and array.item() != 0 and np.float16(array.item()) == 0
    return not lost and float(np.abs(array).max()) <= _LARGEST


def _element_types(onnx: Any, model: Any) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for values in (graph.input, graph.output, graph.value_info)
        for value in values
    }
    types.update((tensor.name, tensor.data_type) for tensor in graph.initializer)
    return {name: kind for name, kind in types.items() if kind}


def _captured(nodes: Any) -> Iterator[str]:
    """What the branches and loops of nodes read from outside or define within."""
    for node in nodes:
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                for inner in graph.node:
                    yield from inner.input
                yield from (value.name for value in graph.output)
                yield from _captured(graph.node)


def _large_values(onnx: Any, model: Any, sample: Mapping[str, npt.NDArray[Any]]) -> set[str]:
    """The float32 values that come near the end of half precision's range on a sample."""
    runtime = require("onnxruntime", extra="cpu", purpose="measuring the range of a network's maps")
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    types = _element_types(onnx, model)
    names = [
        name
        for node in model.graph.node
        for name in node.output
        if types.get(name) == onnx.TensorProto.FLOAT
    ]
    make = onnx.helper.make_node
    for name in names:
        peak = f"{name}.peak"
        probed.graph.node.append(make("Abs", [name], [f"{name}.abs"]))
        probed.graph.node.append(make("ReduceMax", [f"{name}.abs"], [peak], keepdims=0))
        probed.graph.output.append(
            onnx.helper.make_tensor_value_info(peak, onnx.TensorProto.FLOAT, [])
        )
    try:
        session = runtime.InferenceSession(
            probed.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        peaks = session.run([f"{name}.peak" for name in names], dict(sample))
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        raise EngineError(f"to_half: the sample cannot be run: {error}") from error
    return {
        name
        for name, peak in zip(names, peaks, strict=True)
        if not float(peak) * _MARGIN <= _LARGEST
    }

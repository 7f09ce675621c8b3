"""A network as an ONNX graph, with batch normalisation folded into the convolution before it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte.optional import require

from .layers import BATCH_NORM_EPSILON, INSTANCE_NORM_EPSILON, Shapes, Value, same_padding

__all__ = ["Graph"]

OPSET = 18  # the first whose Resize takes the sides alone (attribute axes)
IR_VERSION = 8  # what ONNX had when it had that opset: readable by every runtime since

_OUT = ".out"  # keeps the names of values apart from those of the model's outputs

Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


class Graph(Shapes):
    """Writes the layers of a network as nodes; `model` makes a file's content of those needed.

    Args:
        weights: the parameters by name, as `Network.load` returns them.
        training: whether outputs are wanted that only training needs.
    """

    def __init__(self, weights: Weights, *, training: bool) -> None:
        super().__init__(training=training)
        self._weights = weights
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._nodes: list[_Node] = []

    def image(self, channels: int, size: tuple[int, int] | None) -> Value:
        """The network's input: of any batch size, and of any sides unless they are given."""
        return Value((None, channels, *(size or (None, None))), name="input")

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
        result = super().conv(
            name,
            x,
            channels,
            kernel,
            stride=stride,
            dilation=dilation,
            groups=groups,
            bias=bias,
            padding=padding,
        )
        zeros = np.zeros(channels, np.float32)
        return self._conv(
            name,
            x,
            result,
            self._weight_of(name, "weight"),
            self._weight_of(name, "bias") if bias else zeros,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            dilations=[dilation] * 2,
            group=groups,
            pads=[same_padding(kernel, dilation, padding)] * 4,
        )

    def linear(self, name: str, x: Value, channels: int) -> Value:
        result = super().linear(name, x, channels)
        weight = self._weight_of(name, "weight")[:, :, None, None]
        return self._conv(name, x, result, weight, np.zeros(channels, np.float32))

    def batch_norm(self, name: str, x: Value, channels: slice = slice(None)) -> Value:
        conv = self._nodes[-1]
        assert (conv.operator, conv.output) == ("Conv", x.name)
        variance = self._weight_of(name, "running_var").astype(np.float64)
        scale = self._weight_of(name, "weight") / np.sqrt(variance + BATCH_NORM_EPSILON)
        mean, shift = self._weight_of(name, "running_mean"), self._weight_of(name, "bias")
        weight, bias = (self._arrays[key].copy() for key in conv.inputs[1:])
        weight[channels] = weight[channels] * scale[:, None, None, None]
        bias[channels] = (bias[channels] - mean) * scale + shift
        self._arrays.update(zip(conv.inputs[1:], (weight, bias), strict=True))
        return super().batch_norm(name, x, channels)

    def instance_norm(self, x: Value, channels: slice = slice(None)) -> Value:
        result = super().instance_norm(x, channels)
        start, stop, _ = channels.indices(x.channels)
        parts = [
            self._part(x, 0, start),
            self._normed(self._part(x, start, stop)),
            self._part(x, stop, x.channels),
        ]
        return self._node("Concat", [part for part in parts if part.channels], result, axis=1)

    def relu(self, x: Value, ceiling: float = math.inf) -> Value:
        result = super().relu(x, ceiling)
        if math.isinf(ceiling):
            return self._node("Relu", [x], result)
        bounds = [
            self._constant("zero", np.float32(0)),
            self._constant(f"{ceiling:g}", np.float32(ceiling)),
        ]
        return self._node("Clip", [x, *bounds], result)

    def sigmoid(self, x: Value) -> Value:
        return self._node("Sigmoid", [x], super().sigmoid(x))

    def max_pool(self, x: Value, kernel: int) -> Value:
        return self._node(
            "MaxPool",
            [x],
            super().max_pool(x, kernel),
            kernel_shape=[kernel] * 2,
            strides=[2, 2],
            pads=[(kernel - 1) // 2] * 4,
            ceil_mode=int(kernel == 2),
        )

    def mean(self, x: Value) -> Value:
        return self._node("GlobalAveragePool", [x], super().mean(x))

    def resize(self, x: Value, like: Value) -> Value:
        # ONNX Runtime keeps its blocked layout with constant scales (a third of U²-Net's time).
        # Sides come from a Shape even where they are known: TensorRT refuses them as a constant.
        ratios = _whole_ratios(x, like)
        nothing = Value(())
        if ratios:
            name = "scale.{}x{}".format(*ratios)
            to = [self._constant(name, np.array([1, 1, *ratios], np.float32))]
            axes: dict[str, Any] = {}
        else:
            to = [nothing, self._node("Shape", [like], like, start=2)]
            axes = {"axes": [2, 3]}
        return self._node(
            "Resize",
            [x, nothing, *to],
            super().resize(x, like),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
            **axes,
        )

    def pad(self, x: Value, width: int) -> Value:
        border = np.array([0, 0, width, width] * 2, np.int64)
        return self._node(
            "Pad", [x, self._constant(f"border.{width}", border)], super().pad(x, width)
        )

    def concat(self, *values: Value) -> Value:
        return self._node("Concat", values, super().concat(*values), axis=1)

    def add(self, x: Value, y: Value) -> Value:
        return self._node("Add", [x, y], super().add(x, y))

    def multiply(self, x: Value, y: Value) -> Value:
        return self._node("Mul", [x, y], super().multiply(x, y))

    def model(self, image: Value, outputs: Mapping[str, Value], metadata: Mapping[str, str]) -> Any:
        """The nodes that the outputs need, as an `onnx.ModelProto`.

        Args:
            image: what `image` returned.
            outputs: the outputs by the names that they are to have.
            metadata: kept in the model, see `metadata_props` of ONNX.

        Raises:
            EngineError: the package onnx is not installed.
        """
        onnx = require("onnx", extra="export", purpose="writing an ONNX graph")
        names = {value.name: name for name, value in outputs.items()}
        nodes = self._needed(names)
        used = {name for node in nodes for name in node.inputs}
        graph = onnx.helper.make_graph(
            [
                onnx.helper.make_node(
                    node.operator,
                    [names.get(name, name) for name in node.inputs],
                    [names.get(node.output, node.output)],
                    name=node.output.removesuffix(_OUT),
                    **node.attributes,
                )
                for node in nodes
            ],
            metadata["network"],
            [_declare(onnx, "input", image)],
            [_declare(onnx, name, value) for name, value in outputs.items()],
            [
                onnx.numpy_helper.from_array(array, name)
                for name, array in self._arrays.items()
                if name in used
            ],
        )
        model = onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="trimatte",
        )
        onnx.helper.set_model_props(model, dict(metadata))
        return model

    def _needed(self, outputs: Iterable[str]) -> list[_Node]:
        wanted, kept = set(outputs), []
        for node in reversed(self._nodes):
            if node.output in wanted:
                kept.append(node)
                wanted.update(node.inputs)
        return kept[::-1]

    def _conv(
        self,
        name: str,
        x: Value,
        result: Value,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        **attributes: Any,
    ) -> Value:
        inputs = [
            x,
            self._constant(f"{self._prefix}{name}.weight", weight),
            self._constant(f"{self._prefix}{name}.bias", bias),
        ]
        return self._node("Conv", inputs, result, label=name, **attributes)

    def _part(self, x: Value, start: int, stop: int) -> Value:
        """Some of the channels."""
        bounds = [
            self._constant(f"channel.{bound}", np.array([bound], np.int64))
            for bound in (start, stop)
        ]
        axis = self._constant("axis.channels", np.array([1], np.int64))
        part = replace(x, shape=(x.shape[0], stop - start, *x.shape[2:]))
        return self._node("Slice", [x, *bounds, axis], part)

    def _normed(self, x: Value) -> Value:
        ones = self._constant(f"ones.{x.channels}", np.ones(x.channels, np.float32))
        zeros = self._constant(f"zeros.{x.channels}", np.zeros(x.channels, np.float32))
        return self._node(
            "InstanceNormalization", [x, ones, zeros], x, epsilon=INSTANCE_NORM_EPSILON
        )

    def _weight_of(self, layer: str, name: str) -> npt.NDArray[np.float32]:
        return self._weights[f"{self._prefix}{layer}.{name}"]

    def _constant(self, name: str, array: npt.NDArray[Any] | np.generic) -> Value:
        self._arrays[name] = np.asarray(array)
        return Value((), name=name)

    def _node(
        self,
        operator: str,
        inputs: Sequence[Value],
        result: Value,
        *,
        label: str | None = None,
        **attributes: Any,
    ) -> Value:
        label = label or f"{operator.lower()}.{len(self._nodes)}"
        name = f"{self._prefix}{label}{_OUT}"
        self._nodes.append(_Node(operator, tuple(x.name for x in inputs), name, attributes))
        return replace(result, name=name)


def _declare(onnx: Any, name: str, value: Value) -> Any:
    prefix = "" if name in ("input", "output") else f"{name}_"
    symbols = ("batch", "channels", f"{prefix}height", f"{prefix}width")
    shape = [
        symbol if side is None else side for side, symbol in zip(value.shape, symbols, strict=True)
    ]
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _whole_ratios(x: Value, like: Value) -> list[int] | None:
    """By how much the sides grow, where these are whole numbers."""
    ratios = []
    for side, target in zip(x.shape[2:], like.shape[2:], strict=True):
        if side is None or target is None or target % side:
            return None
        ratios.append(target // side)
    return ratios

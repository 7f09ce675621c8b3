"""Networks in int8: near the float32 ones, by both runtimes, with the last layers left alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimatte.engines.onnx_files.model_file import ModelFile
from trimatte.engines.onnx_files.quantize import quantize
from trimatte.engines.sessions import OnnxRuntimeSession, open_session

from trimatte import ArgumentError, EngineError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Array = Any


def a_network(*, named: bool = True) -> Any:
    """Two wide layers, a narrow one, and a last one of the narrow one's two maps."""
    rng = np.random.default_rng(1)

    def layer(name: str, x: str, channels: tuple[int, int]) -> Any:
        shape = (channels[1], channels[0], 3, 3)
        weight = rng.standard_normal(shape) / np.sqrt(channels[0] * 9)
        weights.append(onnx.numpy_helper.from_array(weight.astype(np.float32), f"{name}.w"))
        return onnx.helper.make_node(
            "Conv", [x, f"{name}.w"], [name], name=name if named else "", pads=[1, 1, 1, 1]
        )

    weights: list[Any] = []
    nodes = [
        layer("first", "image", (3, 16)),
        onnx.helper.make_node("Relu", ["first"], ["a"], name="relu" if named else ""),
        layer("second", "a", (16, 16)),
        layer("side", "second", (16, 2)),
        layer("last", "side", (2, 1)),
        onnx.helper.make_node("Sigmoid", ["last"], ["matte"], name="sigmoid" if named else ""),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "a network",
        [info("image", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [info("matte", onnx.TensorProto.FLOAT, ["n", 1, "h", "w"])],
        weights,
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.helper.set_model_props(model, {"source": "here", "precision": "fp32"})
    return model


def images(count: int, *shape: int) -> list[Array]:
    rng = np.random.default_rng(2)
    return [rng.standard_normal(shape or (1, 3, 24, 20)).astype(np.float32) for _ in range(count)]


@pytest.fixture(scope="module")
def quantized() -> Any:
    return quantize(a_network(), images(4))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_masks_are_near_those_of_float32(quantized: Any, runtime: str) -> None:
    pytest.importorskip(runtime)
    (image,) = images(1, 2, 3, 40, 33)
    expected = OnnxRuntimeSession(a_network().SerializeToString()).run(image)
    with open_session(quantized.SerializeToString(), runtime=runtime) as session:
        assert session.precision == "int8"
        apart = np.abs(session.run(image) - expected)
    assert 0 < apart.mean() < 0.01
    assert apart.max() < 0.1  # 0.01 here; sums of 16 bits saturate where there is no VNNI


def test_int8_is_given_to_openvino_where_that_is_installed(quantized: Any) -> None:
    pytest.importorskip("openvino")
    for precision in (None, "int8"):
        with open_session(quantized.SerializeToString(), precision=precision) as session:
            assert session.runtime == "openvino"
    with pytest.raises(EngineError, match="int8"):
        open_session(quantized.SerializeToString(), precision="fp32")


def test_layers_that_matter_for_the_mask_stay_in_float32(quantized: Any) -> None:
    inputs = {node.name: node.input[0] for node in quantized.graph.node}
    makers = {node.output[0]: node.op_type for node in quantized.graph.node}
    dtypes = {tensor.name: tensor.data_type for tensor in quantized.graph.initializer}
    assert {dtypes[f"{name}.w"] for name in ("side", "last")} == {onnx.TensorProto.FLOAT}
    for name in ("first", "second"):
        assert makers[inputs[name]] == "DequantizeLinear"
        assert dtypes[f"{name}.w_quantized"] == onnx.TensorProto.INT8
        (scales,) = [t for t in quantized.graph.initializer if t.name == f"{name}.w_scale"]
        assert list(scales.dims) == [16]


def test_the_model_is_left_alone_and_its_metadata_kept() -> None:
    model = a_network()
    before = model.SerializeToString()
    result = quantize(model, images(1))
    assert model.SerializeToString() == before
    properties = {each.key: each.value for each in result.metadata_props}
    assert properties == {"source": "here", "precision": "int8"}


@pytest.mark.parametrize("named", [True, False])
def test_paths_and_bytes_give_the_same(named: bool, tmp_path: Path) -> None:
    model = a_network(named=named)
    path = tmp_path / "network.onnx"
    path.write_bytes(model.SerializeToString())
    results = [quantize(each, images(1)) for each in (model, path, str(path), path.read_bytes())]
    assert len({result.SerializeToString(deterministic=True) for result in results}) == 1
    assert list(tmp_path.iterdir()) == [path]
    assert ModelFile(results[0].SerializeToString()).precision == "int8"


def test_logging_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    handlers = list(logging.root.handlers)
    quantize(a_network(), images(1))
    assert logging.root.handlers == handlers
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        ([], "at least one"),
        ([[1.0]], "must be NumPy arrays, got list"),
        (images(1, 1, 24, 20, 3), "channels are last"),
        ([np.zeros((1, 3, 8, 8))], "of float64"),
    ],
)
def test_other_images_are_refused(calibration: list[Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=f"calibration.*{words}"):
        quantize(a_network(), calibration)


def test_other_precisions_are_refused() -> None:
    with pytest.raises(ArgumentError, match="precision must be 'int8', got 'int4'"):
        quantize(a_network(), images(1), precision="int4")


def test_what_cannot_be_quantised(quantized: Any) -> None:
    with pytest.raises(EngineError, match="must have float32 weights"):
        quantize(quantized, images(1))
    model = a_network()
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(EngineError, match="cannot be quantised"):
        quantize(model, images(1))
    with pytest.raises(EngineError, match="no ONNX file"):
        quantize(b"\x12", images(1))

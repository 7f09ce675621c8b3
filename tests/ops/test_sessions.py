"""Sessions as a method of estimate_alpha, and the one for ONNX networks."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimatte.engines import TrimapNetwork

import trimatte
from tests import cases

Array = Any
WEIGHTS = (0.2, -0.1, 0.15, 0.6)
BIAS = 0.2


def a_photo(dtype: str = "uint8", channels: int = 3) -> tuple[Array, Array]:
    return cases.a_photo_and_trimap(dtype, channels)(np.random.default_rng(1), 37, 50)


class Session:
    """Returns what it was made with, and keeps what it was given."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def estimate_alpha(self, image: Array, trimap: Array) -> Any:
        self.image, self.trimap = image, trimap
        return self.result


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_session_gets_the_image_and_a_trimap_of_three_values(dtype: str, channels: int) -> None:
    image, trimap = a_photo(dtype, channels)
    given = np.where(trimap == 128, 60, trimap).astype(np.uint8)
    given[given == 255] = 240
    session = Session(np.full(trimap.shape, 0.25, np.float32))
    assert isinstance(session, trimatte.MattingSession)
    alpha = trimatte.estimate_alpha(image[::-1], given[::-1], method=session)
    np.testing.assert_array_equal(session.image, image[::-1, :, :3], strict=True)
    np.testing.assert_array_equal(session.trimap, trimap[::-1], strict=True)
    assert session.image.flags.c_contiguous
    expected = np.where(trimap == 128, 0.25, trimap / 255)[::-1]
    np.testing.assert_array_equal(alpha, expected.astype(np.float32), strict=True)


def test_result_is_clipped_and_left_alone() -> None:
    image, trimap = a_photo()
    result = np.linspace(-1, 2, trimap.size, dtype=np.float32).reshape(trimap.shape)
    copy = result.copy()
    alpha = trimatte.estimate_alpha(image, trimap, method=Session(result))
    np.testing.assert_array_equal(result, copy)
    np.testing.assert_array_equal(alpha[trimap == 128], np.clip(result, 0, 1)[trimap == 128])


def test_info_of_a_session() -> None:
    image, trimap = a_photo()
    session = Session(np.zeros(trimap.shape, np.float32))
    _, info = trimatte.estimate_alpha(image, trimap, method=session, return_info=True)
    assert info.unknown == np.count_nonzero(trimap == 128)
    assert (info.iterations, info.residual, info.levels) == (0, 0.0, 0)


@pytest.mark.parametrize(
    ("result", "came"),
    [
        (None, "NoneType"),
        ([[0.5]], "list"),
        (np.zeros((37, 49), np.float32), "(37, 49) float32"),
        (np.zeros((37, 50, 1), np.float32), "(37, 50, 1) float32"),
        (np.zeros((37, 50)), "(37, 50) float64"),
        (np.full((37, 50), np.nan, np.float32), "nan"),
        (np.full((37, 50), -np.inf, np.float32), "-inf"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_results_are_refused_by_name(result: Any, came: str) -> None:
    image, trimap = a_photo()
    with pytest.raises(trimatte.ArgumentError) as caught:
        trimatte.estimate_alpha(image, trimap, method=Session(result))
    assert "test_sessions.Session must return (37, 50) float32" in str(caught.value)
    assert f"got {came}" in str(caught.value)


def test_arguments_are_checked_before_the_session_is_asked() -> None:
    image, trimap = a_photo()
    session = Session(None)
    for arguments, options, message in (
        ((image[..., 0], trimap), {}, "image must be"),
        ((image, trimap[1:]), {}, "trimap must have the height and width of image"),
        ((image, trimap), {"quality": "best"}, "quality"),
        ((image, trimap), {"device": "cpu"}, "device must be None"),
    ):
        with pytest.raises(trimatte.ArgumentError, match=message):
            trimatte.estimate_alpha(*arguments, method=session, **options)
    assert not hasattr(session, "image")


@pytest.mark.gpu
@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
def test_session_of_arrays_on_a_gpu() -> None:
    image, trimap = a_photo()
    session = Session(np.full(trimap.shape, 0.25, np.float32))
    arrays = trimatte.to_device(image), trimatte.to_device(trimap)
    alpha, info = trimatte.estimate_alpha(*arrays, method=session, return_info=True)
    assert isinstance(alpha, trimatte.DeviceArray)
    np.testing.assert_array_equal(session.image, image)
    np.testing.assert_array_equal(
        alpha.to_host(), trimatte.estimate_alpha(image, trimap, method=session)
    )
    assert info.unknown == np.count_nonzero(trimap == 128)


# The network: alpha = WEIGHTS . (r, g, b, trimap) + BIAS of what it is given ----------------------


def tiny_network(name: str = "pixel_values", shape: tuple[Any, ...] = (1, 1, "h", "w")) -> bytes:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Conv", [name, "weights", "bias"], ["alphas"], kernel_shape=[1, 1])],
        "tiny",
        [helper.make_tensor_value_info(name, kind, (1, 4, "h", "w"))],
        [helper.make_tensor_value_info("alphas", kind, shape)],
        [
            helper.make_tensor("weights", kind, (1, 4, 1, 1), WEIGHTS),
            helper.make_tensor("bias", kind, (1,), (BIAS,)),
        ],
    )
    opsets = [helper.make_opsetid("", 13)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_network_sees_normalised_colours_and_the_trimap(dtype: str, tmp_path: Path) -> None:
    model = tiny_network()
    image, trimap = a_photo(dtype)
    scale = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    path = tmp_path / "tiny.onnx"
    path.write_bytes(model)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for source, options, centre, spread in (
        (model, {}, 0.5, 0.5),
        (path, {"mean": mean, "std": std, "output_name": "alphas"}, mean, std),
        (str(path), {"multiple": 7}, 0.5, 0.5),
    ):
        colors = (image / scale - centre) / spread
        expected = colors @ WEIGHTS[:3] + WEIGHTS[3] * trimap / 255 + BIAS
        network = TrimapNetwork(source, **options)
        raw = network.estimate_alpha(image, trimap)
        np.testing.assert_allclose(raw, expected, atol=1e-5)
        alpha = trimatte.estimate_alpha(image, trimap, method=network)
        expected = np.where(trimap == 128, np.clip(expected, 0, 1), trimap / 255)
        np.testing.assert_allclose(alpha, expected, atol=1e-5)


def test_network_is_given_whole_multiples(monkeypatch: pytest.MonkeyPatch) -> None:
    network = TrimapNetwork(tiny_network(), multiple=32)
    seen = []
    run = network._session.run

    class Spy:
        def run(self, names: Any, inputs: Any) -> Any:
            seen.append(inputs["pixel_values"])
            return run(names, inputs)

    monkeypatch.setattr(network, "_session", Spy())
    image, trimap = a_photo()
    trimatte.estimate_alpha(image, trimap, method=network)
    assert seen[0].shape == (1, 4, 64, 64)
    assert not seen[0][:, :, 37:].any()
    assert not seen[0][..., 50:].any()


def test_empty_images_do_not_reach_the_network() -> None:
    network = TrimapNetwork(tiny_network())
    empty = np.zeros((0, 5, 3), np.uint8), np.zeros((0, 5), np.uint8)
    assert trimatte.estimate_alpha(*empty, method=network).shape == (0, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_name": "image"}, r"input_name must be one of the network's \['pixel_values'\]"),
        ({"output_name": "mask"}, r"output_name must be one of the network's \['alphas'\]"),
        ({"mean": (0.5, 0.5)}, "mean must be three numbers"),
        ({"std": (0.5, 0.5, 0.0)}, "std must be above 0"),
        ({"multiple": 0}, "multiple must be a whole number above 0"),
        ({"multiple": 2.0}, "multiple must be a whole number above 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_options_of_a_network(options: dict[str, Any], message: str) -> None:
    with pytest.raises(trimatte.ArgumentError, match=f"TrimapNetwork: {message}"):
        TrimapNetwork(tiny_network(), **options)


def test_models_that_cannot_be_loaded(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(trimatte.EngineError, match="cannot load 4 bytes"):
        TrimapNetwork(b"onnx")
    with pytest.raises(trimatte.EngineError, match=r"cannot load .*missing\.onnx"):
        TrimapNetwork(tmp_path / "missing.onnx")


def test_network_of_another_kind_is_refused() -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["pixel_values"], ["out"])],
        "relu",
        [helper.make_tensor_value_info("pixel_values", kind, (1, 4, "h", "w"))],
        [helper.make_tensor_value_info("out", kind, (1, 4, "h", "w"))],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    ).SerializeToString()
    with pytest.raises(trimatte.EngineError, match=r"must be \(1, 1, H, W\), got \(1, 4, 64, 64\)"):
        trimatte.estimate_alpha(*a_photo(), method=TrimapNetwork(model))


def test_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without_onnxruntime(name: str, *arguments: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", without_onnxruntime)
    with pytest.raises(trimatte.EngineError, match=r"pip install onnxruntime, or .*\[cpu\]"):
        TrimapNetwork(b"")

"""ONNX files that are broken, or that lie, end in EngineError: nothing hangs, nothing is run."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimatte.engines import TensorInfo
from trimatte.engines.onnx_files.model_file import ModelFile, model_file
from trimatte.engines.sessions import OnnxRuntimeSession

from trimatte import ArgumentError, EngineError

onnx = pytest.importorskip("onnx")
FLOAT = onnx.TensorProto.FLOAT
Sides = list[Any]


def tensor(name: str, shape: Sides | None, dtype: int = FLOAT) -> Any:
    return onnx.helper.make_tensor_value_info(name, dtype, shape)


def a_network(
    inputs: list[Any] | None = None,
    outputs: list[Any] | None = None,
    weights: Any = None,
    nodes: list[Any] | None = None,
) -> Any:
    """A convolution of one weight; anything of it may be replaced."""
    if weights is None:
        weights = onnx.numpy_helper.from_array(np.full((1, 3, 1, 1), 0.5, np.float32), "weights")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["image", "weights"], ["matte"])]
        if nodes is None
        else nodes,
        "a network",
        [tensor("image", ["n", 3, "h", "w"])] if inputs is None else inputs,
        [tensor("matte", ["n", 1, "h", "w"])] if outputs is None else outputs,
        [weights],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )


def serialized(**parts: Any) -> bytes:
    data: bytes = a_network(**parts).SerializeToString()
    return data


def external(location: str, offset: int = 0, length: int = 12) -> Any:
    """A network whose weights lie in another file."""
    model = a_network()
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        weights.external_data.add(key=key, value=str(value))
    return model


def refused(model: Any, *words: str) -> None:
    """By ModelFile, and so by every session."""
    for make in (ModelFile, OnnxRuntimeSession):
        with pytest.raises(EngineError) as caught:
            make(model)
        assert all(word in str(caught.value) for word in words), caught.value


# ------------------------------------------------------------------------------------- good files


def test_what_a_file_says(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(serialized())
    for file in (ModelFile(path), ModelFile(str(path)), ModelFile(path.read_bytes())):
        assert file.inputs == (TensorInfo("image", (None, 3, None, None), np.dtype("float32")),)
        assert file.outputs == (TensorInfo("matte", (None, 1, None, None), np.dtype("float32")),)
        assert file.image is file.inputs[0]
        assert file.precision == "fp32"
        assert file.external == ()
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert model_file(file) is file


@pytest.mark.parametrize(
    ("dtype", "precision"), [("float32", "fp32"), ("float16", "fp16"), ("int8", "int8")]
)
def test_precision_is_that_of_most_weights(dtype: str, precision: str) -> None:
    weights = onnx.numpy_helper.from_array(np.ones((4, 3, 1, 1), dtype), "weights")
    assert ModelFile(serialized(weights=weights)).precision == precision


def test_weights_listed_among_the_inputs_are_none() -> None:
    inputs = [tensor("image", [1, 3, 8, 8]), tensor("weights", [1, 3, 1, 1])]
    assert [each.name for each in ModelFile(serialized(inputs=inputs)).inputs] == ["image"]


def test_an_output_of_unknown_shape() -> None:
    assert ModelFile(serialized(outputs=[tensor("matte", None)])).outputs[0].shape == ()


def test_as_onnx_reads_it() -> None:
    """Many sides and names, against the library of the format."""
    rng = random.Random(1)
    for _ in range(50):
        shape = [rng.choice([rng.randint(1, 200), "any", None]) for _ in range(3)]
        shape.insert(rng.randrange(4), rng.randint(128, 256))
        dtype = rng.choice([FLOAT, onnx.TensorProto.FLOAT16])
        model = a_network(inputs=[tensor("é" * rng.randint(1, 300), shape, dtype)])
        file = ModelFile(model.SerializeToString())
        read = onnx.load_from_string(file.data).graph.input[0]
        kind = read.type.tensor_type
        known = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        assert file.image == TensorInfo(
            read.name, tuple(known), onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        )


# ------------------------------------------------------------------------------ what a file claims


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"inputs": []}, ("one input", "none")),
        ({"inputs": [tensor("a", [1, 3, 8, 8]), tensor("b", [1, 3, 8, 8])]}, ("'a', 'b'",)),
        ({"outputs": []}, ("no outputs",)),
        ({"inputs": [tensor("image", [1, 3, 8])]}, ("'image'", "(N, C, H, W)", "(1, 3, 8)")),
        ({"inputs": [tensor("image", None)]}, ("'image'", "(N, C, H, W)")),
        ({"inputs": [tensor("image", [1, 3, 8, 8], 8)]}, ("'image'", "no tensor of numbers")),
        ({"inputs": [tensor("image", [1, 3, 8, 8], 7)]}, ("'image'", "float16", "int64")),
        ({"inputs": [tensor("image", [1, 3, 10**12, 8])]}, ("'image'", "1000000000000")),
        ({"inputs": [tensor("image", [1, 3, 2**62, 2**62])]}, ("'image'", "declared")),
        ({"inputs": [tensor("image", [1, 65536, 65536, 8])]}, ("'image'", "declared")),
        ({"inputs": [tensor("image", [1, 3, -8, 8])]}, ("'image'", "-8")),
        ({"inputs": [tensor("image", [1, 3, 0, 8])]}, ("'image'", "declared")),
        ({"outputs": [tensor("matte", [1, 1, 10**12, 8])]}, ("'matte'", "1000000000000")),
        ({"outputs": [tensor("matte", [1, 1], 8)]}, ("'matte'", "no tensor of numbers")),
    ],
)
def test_what_is_no_network_for_images_is_refused(
    parts: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(serialized(**parts))
    refused(path, str(path), *words)


@pytest.mark.parametrize("shape", [(10**12,), (2**40, 2**40), (-1, 3)])
def test_weights_that_cannot_be_are_refused(shape: tuple[int, ...]) -> None:
    weights = onnx.TensorProto(name="weights", data_type=FLOAT, dims=shape, raw_data=b"1234")
    refused(serialized(weights=weights), "'weights'", str(shape[0]))


def test_sequences_are_no_tensors() -> None:
    sequence = onnx.helper.make_tensor_sequence_value_info("image", FLOAT, [1, 3, 8, 8])
    refused(serialized(inputs=[sequence]), "'image'", "no tensor")


# ----------------------------------------------------------------------------------- broken files


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "missing.onnx", "missing.onnx", "No such file")
    refused(tmp_path, str(tmp_path))
    refused("a\0b", "null")
    empty = tmp_path / "empty.onnx"
    empty.touch()
    refused(empty, str(empty), "0 bytes")
    for model in (None, 3, [b""]):
        with pytest.raises(ArgumentError, match="path of an ONNX file or its bytes"):
            ModelFile(model)  # type: ignore[arg-type]


def test_pipes_and_devices_do_not_keep_us_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    refused(pipe, "no regular file")
    refused("/dev/zero", "no regular file")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole: it takes no room
    refused(path, str(path), str(2**40))


@pytest.mark.parametrize("data", [b"<!DOCTYPE html>", b"version https://git-lfs", b"\x93NUMPY\x01"])
def test_the_beginning_of_another_file_is_shown(data: bytes) -> None:
    refused(data * 3, "no ONNX file", repr(data[:16])[2:10])


def test_endless_empty_fields_are_not_counted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimatte.engines.onnx_files.model_file.MOST_FIELDS", 10_000)
    refused(b"\x12\x00" * 10_001, "10000")


def test_messages_in_messages_do_not_use_up_the_stack() -> None:
    data = b"location"
    for _ in range(3000):  # a graph in an attribute of a node in a graph
        for number in (6, 5, 1):
            data = bytes([number << 3 | 2]) + varint(len(data)) + data
    good = serialized()
    refused(good + b"\x3a" + varint(len(data)) + data)


def varint(number: int) -> bytes:
    digits = []
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


@settings(max_examples=80, deadline=None)
@given(at=st.integers(0, len(serialized()) - 1))
def test_a_file_that_is_cut_off_is_refused(at: int) -> None:
    refused(serialized()[:at], "cut off")


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    refused(data)


@settings(max_examples=150, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(serialized()) - 1), st.integers(0, 255)),
        min_size=1,
        max_size=4,
    )
)
def test_changed_bytes_end_in_a_session_or_an_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(serialized())
    for at, byte in changes:
        data[at] = byte
    try:
        session = OnnxRuntimeSession(bytes(data), threads=1)
    except EngineError:
        return
    sides = [side or 4 for side in session.inputs[0].shape]
    if np.prod(sides) > 2**20:
        return
    try:
        session.run(np.zeros(sides, session.inputs[0].dtype))
    except EngineError:
        return


# ---------------------------------------------------------------------------------- external data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a model, beside which lies what it must not read."""
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    inner = tmp_path / "models"
    inner.mkdir()
    (inner / "weights.bin").write_bytes(np.array([1, 2, 3], np.float32).tobytes())
    return inner


def saved(folder: Path, model: Any) -> Path:
    path = folder / "network.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_beside_the_file_are_used(folder: Path) -> None:
    path = saved(folder, external("weights.bin"))
    file = ModelFile(path)
    assert file.external == ((folder / "weights.bin").resolve(),)
    first = file.sha256
    with OnnxRuntimeSession(path) as session:
        result = session.run(np.ones((1, 3, 2, 2), np.float32))
    np.testing.assert_array_equal(result, np.full((1, 1, 2, 2), 6, np.float32))
    (folder / "weights.bin").write_bytes(bytes(12))
    assert ModelFile(path).sha256 != first


def link_to_secret(folder: Path) -> str:
    (folder / "link.bin").symlink_to(folder.parent / "secret.bin")
    return "link.bin"


def link_to_folder(folder: Path) -> str:
    (folder / "inside").symlink_to(folder.parent)
    return "inside/secret.bin"


def link_to_itself(folder: Path) -> str:
    (folder / "circle").symlink_to(folder / "circle")
    return "circle"


def a_pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return "pipe"


@pytest.mark.parametrize(
    "location",
    [
        lambda folder: "../secret.bin",
        lambda folder: "a/../../secret.bin",
        lambda folder: "..\\secret.bin",
        lambda folder: "C:secret.bin",
        lambda folder: "\\\\server\\share\\secret.bin",
        lambda folder: str(folder.parent / "secret.bin"),
        lambda folder: str(folder / "weights.bin"),
        lambda folder: "/dev/zero",
        lambda folder: "",
        lambda folder: ".",
        lambda folder: "missing.bin",
        lambda folder: "weights.bin\0",
        lambda folder: "x" * 5000,
        lambda folder: "*/_ORT_MEM_ADDR_/*",
        link_to_secret,
        link_to_folder,
        link_to_itself,
        a_pipe,
    ],
)
def test_data_elsewhere_are_refused(folder: Path, location: Callable[[Path], str]) -> None:
    refused(saved(folder, external(location(folder))), "network.onnx", "external data")


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 13), (12, 1), (-4, 8), (0, -1), (2**70, 2**70), ("x", 1)]
)
def test_data_behind_the_end_of_their_file_are_refused(
    folder: Path, offset: Any, length: int
) -> None:
    refused(saved(folder, external("weights.bin", offset, length)), "network.onnx")


def test_data_of_bytes_have_no_folder() -> None:
    refused(external("weights.bin").SerializeToString(), "without a folder")


def subgraph(weights: Any) -> Any:
    return onnx.helper.make_graph([], "inner", [], [], [weights])


@pytest.mark.parametrize(
    "hide",
    [
        lambda weights: onnx.helper.make_node("Constant", [], ["c"], value=weights),
        lambda weights: onnx.helper.make_node("X", [], ["c"], values=[weights, weights]),
        lambda weights: onnx.helper.make_node("If", ["b"], ["c"], then_branch=subgraph(weights)),
        lambda weights: onnx.helper.make_node("X", [], ["c"], graphs=[subgraph(weights)]),
    ],
)
def test_references_are_found_in_attributes_and_subgraphs(
    folder: Path, hide: Callable[[Any], Any]
) -> None:
    model = a_network()
    weights = external("../secret.bin").graph.initializer[0]
    model.graph.node.insert(0, hide(weights))
    refused(saved(folder, model), "../secret.bin")
    model = a_network()
    function = model.functions.add(name="f", domain="d")
    function.node.append(hide(weights))
    refused(saved(folder, model), "../secret.bin")


def test_nothing_is_written(folder: Path) -> None:
    before = sorted(folder.parent.rglob("*"))
    saved(folder, external("../secret.bin"))
    refused(folder / "network.onnx")
    (folder / "network.onnx").unlink()
    assert sorted(folder.parent.rglob("*")) == before


def test_reading_needs_no_other_library() -> None:
    code = (
        "import sys; from trimatte.engines.onnx_files.model_file import ModelFile;"
        "ModelFile(sys.stdin.buffer.read());"
        "assert not {'onnx', 'onnxruntime', 'google.protobuf'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], input=serialized(), check=True)

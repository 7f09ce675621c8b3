"""Sessions of every runtime against ONNX Runtime by itself, and the choice among them."""

from __future__ import annotations

import importlib
import logging
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from trimatte.engines import Session
from trimatte.engines.sessions import (
    OnnxRuntimeSession,
    OpenVinoSession,
    choose,
    open_session,
    runtimes,
    status,
)
from trimatte.engines.sessions import onnxruntime as onnxruntime_session

from trimatte import ArgumentError, EngineError, _core

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

Array = Any
RUNTIMES = {"onnxruntime": OnnxRuntimeSession, "openvino": OpenVinoSession}


def a_network(
    dtype: str = "float32", sides: tuple[Any, ...] = ("n", 3, "h", "w"), times: int = 1
) -> bytes:
    """Two convolutions. Outputs: a matte, repeated so many times along each side, and its maps."""
    rng = np.random.default_rng(1)

    def tensor(name: str, array: Array) -> Any:
        return onnx.numpy_helper.from_array(array, name)

    node = onnx.helper.make_node
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            node("Conv", ["image", "w1"], ["a"], pads=[1, 1, 1, 1]),
            node("Relu", ["a"], ["maps"]),
            node("Conv", ["maps", "w2"], ["b"], pads=[1, 1, 1, 1]),
            node("Sigmoid", ["b"], ["c"]),
            node("Tile", ["c", "times"], ["matte"]),
        ],
        "a network",
        [info("image", kind, sides)],
        [
            info("matte", kind, [sides[0], 1, None, None]),
            info("maps", kind, [sides[0], 3, *sides[2:]]),
        ],
        [
            tensor("w1", (rng.standard_normal((3, 3, 3, 3)) / 3).astype(dtype)),
            tensor("w2", (rng.standard_normal((1, 3, 3, 3)) / 3).astype(dtype)),
            tensor("times", np.array([1, times, times, times])),
        ],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    data: bytes = model.SerializeToString()
    return data


def batches(*shapes: tuple[int, ...], dtype: str = "float32") -> list[Array]:
    rng = np.random.default_rng(2)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def plain(network: bytes, batch: Array, output: int = 0) -> Array:
    """What ONNX Runtime returns by itself."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return session.run([session.get_outputs()[output].name], {"image": batch})[0]


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture
def session(runtime: str) -> Iterator[Session]:
    with open_session(a_network(), runtime=runtime, threads=2) as opened:
        yield opened


# --------------------------------------------------------------------------- what every one keeps


def test_what_a_session_says_of_itself(session: Session, runtime: str) -> None:
    assert isinstance(session, Session)
    said = (session.runtime, session.device, session.precision)
    assert said == (runtime, "cpu", "fp32")
    assert session.why == "asked for by name"
    assert [each.name for each in session.inputs] == ["image"]
    assert [each.shape for each in session.outputs] == [(None, c, None, None) for c in (1, 3)]


@pytest.mark.parametrize("output", [0, 1])
def test_outputs_are_those_of_onnxruntime(session: Session, output: int) -> None:
    for batch in batches((1, 3, 9, 16), (3, 3, 32, 20), (1, 3, 9, 16)):
        expected = plain(a_network(), batch, output)
        result = session.run(batch, output=output)
        assert (result.dtype, result.shape) == (np.float32, expected.shape)
        if session.runtime == "onnxruntime":
            np.testing.assert_array_equal(result, expected)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_results_stay_when_the_session_runs_again(session: Session) -> None:
    first, second = batches((1, 3, 8, 8), (1, 3, 8, 8))
    result = session.run(first)
    copy = result.copy()
    session.run(second)
    session.close()
    np.testing.assert_array_equal(result, copy)


def test_a_batch_is_its_images(session: Session) -> None:
    (batch,) = batches((3, 3, 16, 16))
    singles = [session.run(batch[i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(session.run(batch), np.concatenate(singles), rtol=1e-5, atol=1e-6)


def test_strided_batches_and_their_contents_are_left_alone(session: Session) -> None:
    (batch,) = batches((2, 6, 16, 16))
    copy = batch.copy()
    view = batch[::-1, ::2, :, ::-1]
    np.testing.assert_array_equal(session.run(view), session.run(np.ascontiguousarray(view)))
    np.testing.assert_array_equal(batch, copy)
    batch.flags.writeable = False
    session.run(batch[:, :3])


def test_eight_threads_get_what_one_gets(session: Session) -> None:
    inputs = batches(*[(1 + i % 2, 3, 16 + i % 5, 24) for i in range(64)])
    expected = [session.run(batch) for batch in inputs]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(session.run, inputs))
    for result, alone in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, alone)


def test_runs_under_way_end_well_when_the_session_is_closed(session: Session) -> None:
    (batch,) = batches((1, 3, 64, 64))
    expected = session.run(batch)
    runs = threading.Semaphore(0)

    def run() -> str:
        while True:
            try:
                np.testing.assert_array_equal(session.run(batch), expected)
            except EngineError as error:
                return str(error)
            runs.release()

    with ThreadPoolExecutor(4) as pool:
        ends = [pool.submit(run) for _ in range(4)]
        for _ in range(100):
            assert runs.acquire(timeout=120)
        session.close()
    assert all("is closed" in end.result() for end in ends)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_stays_flat_over_changing_sizes() -> None:
    """What the largest image needed is used again for the others."""
    rng = np.random.default_rng(3)
    with OnnxRuntimeSession(a_network(), threads=2) as session:
        session.run(np.zeros((1, 3, 640, 640), np.float32))
        grown = []
        for _ in range(3):
            before = resident()
            for height, width in rng.integers(100, 640, (30, 2)):
                session.run(np.zeros((1, 3, height, width), np.float32))
            grown.append(resident() - before)
        assert grown[0] < 2**25  # its arena may take one more chunk, of 2**24
        assert min(grown[1:]) < 2**22  # what it takes by and by comes to an end


def test_numbers_that_are_none_do_no_harm(session: Session) -> None:
    good, bad = batches((1, 3, 8, 8), (1, 3, 8, 8))
    expected = session.run(good)
    bad[0, 0, 3, 3] = np.nan
    bad[0, 1, 5, 5] = np.inf
    assert session.run(bad).shape == (1, 1, 8, 8)
    np.testing.assert_array_equal(session.run(good), expected)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (np.zeros((1, 8, 8, 3), np.float32), "its channels are last"),
        (np.zeros((1, 4, 8, 8), np.float32), r"float32, got \(1, 4, 8, 8\)"),
        (np.zeros((3, 8, 8), np.float32), r"got \(3, 8, 8\)"),
        (np.zeros((0, 3, 8, 8), np.float32), r"got \(0, 3, 8, 8\)"),
        (np.zeros((1, 3, 8, 8)), "of float32, got .* of float64"),
        (np.zeros((1, 3, 8, 8), np.uint8), "got .* of uint8"),
        (np.zeros((1, 3, 8, 8), ">f4"), "got .* of >f4"),
        ([[0.0]], "a NumPy array .* got list"),
    ],
)
def test_other_batches_are_refused(session: Session, batch: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=f"batch must be .*{words}"):
        session.run(batch)


def test_other_arguments_are_refused(session: Session) -> None:
    (batch,) = batches((1, 3, 8, 8))
    for output in (-1, 2, "matte", 0.0):
        with pytest.raises(ArgumentError, match="output must be a whole number from 0 to 1"):
            session.run(batch, output=output)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="stream must be None"):
        session.run(batch, stream=7)


def test_fixed_sides_are_asked_for(runtime: str) -> None:
    network = a_network(sides=(1, 3, 8, 16))
    with open_session(network, runtime=runtime) as session:
        session.run(np.zeros((1, 3, 8, 16), np.float32))
        with pytest.raises(ArgumentError, match="N=1, C=3, H=8, W=16"):
            session.run(np.zeros((2, 3, 8, 16), np.float32))


def test_a_closed_session_refuses_to_run(session: Session) -> None:
    session.close()
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.run(*batches((1, 3, 8, 8)))


def test_what_a_runtime_raises_is_an_engine_error(runtime: str) -> None:
    """The network is asked for more memory than there is."""
    session = open_session(a_network(times=2**14), runtime=runtime)
    with pytest.raises(EngineError, match=rf"{runtime} failed .* \(1, 3, 8, 8\)"):
        session.run(np.zeros((1, 3, 8, 8), np.float32))


def test_fp16_files_are_computed_in_fp32_on_a_cpu(runtime: str) -> None:
    network = a_network("float16")
    with open_session(network, runtime=runtime) as session:
        assert session.inputs[0].dtype == np.float16
        assert session.precision == "fp32"
        (batch,) = batches((1, 3, 8, 8), dtype="float16")
        result = session.run(batch)
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, plain(network, batch), atol=2e-3)


def test_a_network_that_the_runtime_cannot_load(runtime: str, tmp_path: Path) -> None:
    model = onnx.load_from_string(a_network())
    model.graph.node[0].op_type = "NoSuchOperator"
    path = tmp_path / "network.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(EngineError, match=re.escape(str(path))):
        RUNTIMES[runtime](path)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two", True, 5000])
def test_other_numbers_of_threads_are_refused(runtime: str, threads: Any) -> None:
    with pytest.raises(ArgumentError, match="threads must be None or a whole number"):
        RUNTIMES[runtime](a_network(), threads=threads)


def test_opening_imports_only_the_runtime(runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(a_network())
    code = f"""
import sys
from trimatte.engines.sessions import open_session
loaded = {{"onnx", "onnxruntime", "openvino", "torch", "scipy"}}
assert not loaded & set(sys.modules)
open_session({str(path)!r}, runtime={runtime!r}).close()
assert loaded & set(sys.modules) == {{{runtime!r}}}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_told_to_anybody(runtime: str, tmp_path: Path) -> None:
    """By themselves both leave an identity in the home folder, and OpenVINO tells Google."""
    log = tmp_path / "log"
    home = tmp_path / "home"
    home.mkdir()
    code = f"""
import sys
def note(event, arguments):
    if event.startswith("socket.") or event in ("os.fork", "subprocess.Popen"):
        with open({str(log)!r}, "a") as file:
            print(event, arguments, file=file)
sys.addaudithook(note)
from trimatte.engines.sessions import open_session
open_session(sys.stdin.buffer.read(), runtime={runtime!r}).close()
import os
assert "openvino_telemetry" not in sys.modules and "ORT_DISABLE_TELEMETRY" not in os.environ
"""
    # Where these are set they are silent anyhow.
    silent = ("CI", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY")
    environment = {key: value for key, value in os.environ.items() if key not in silent}
    environment["HOME"] = str(home)
    command = [sys.executable, "-c", code]
    subprocess.run(command, input=a_network(), env=environment, check=True)
    assert not log.exists(), log.read_text()
    assert list(home.iterdir()) == []


# -------------------------------------------------------------------------------------- precisions


def test_bf16_is_for_openvino() -> None:
    openvino = pytest.importorskip("openvino")
    able = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    (batch,) = batches((1, 3, 32, 32))
    network = a_network()
    if not able:
        with pytest.raises(EngineError, match="bf16"):
            open_session(network, precision="bf16")
        return
    with open_session(network, precision="bf16") as session:
        assert (session.runtime, session.precision) == ("openvino", "bf16")
        apart = np.abs(session.run(batch) - plain(network, batch)).max()
    assert 1e-5 < apart < 0.05


@pytest.mark.parametrize("precision", ["bf16", "fp16", "int8"])
def test_onnxruntime_computes_in_the_precision_of_the_file(precision: str) -> None:
    with pytest.raises(EngineError, match=f"in fp32, not in {precision}"):
        OnnxRuntimeSession(a_network(), precision=precision)


def test_openvino_does_not_pretend_to_int8(runtime: str) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(EngineError, match="cannot be computed in int8"):
        OpenVinoSession(a_network(), precision="int8")
    with pytest.raises(EngineError, match="not in fp16"):
        OpenVinoSession(a_network(), precision="fp16")


# ----------------------------------------------------------------------------------------- choice


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes modules look as if they were not installed."""

    def hide(*names: str) -> None:
        real = importlib.import_module

        def found(name: str, package: str | None = None) -> ModuleType:
            if name in names:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return real(name, package)

        monkeypatch.setattr(importlib, "import_module", found)

    return hide


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """As if nothing had been said yet."""
    choose._say_once.cache_clear()
    caplog.set_level(logging.INFO, "trimatte")
    return caplog


def test_onnxruntime_is_the_first_choice_on_a_cpu(log: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with open_session(a_network()) as session:
            assert session.runtime == "onnxruntime"
    assert session.why == "the best for cpu that works"
    (record,) = log.records
    assert record.levelno == logging.INFO
    assert "onnxruntime on cpu in fp32" in record.getMessage()


def test_openvino_stands_in_and_says_why(without: Any) -> None:
    pytest.importorskip("openvino")
    without("onnxruntime")
    with open_session(a_network()) as session:
        assert session.runtime == "openvino"
    assert "onnxruntime: running a network by ONNX Runtime needs onnxruntime" in session.why


def test_what_is_asked_for_by_name_is_not_replaced(without: Any) -> None:
    without("onnxruntime")
    with pytest.raises(
        EngineError, match=r"No module named .*pip install onnxruntime, or .*\[cpu\]"
    ):
        open_session(a_network(), runtime="onnxruntime")
    without("onnxruntime", "openvino")
    with pytest.raises(
        EngineError, match=r"onnxruntime: .*\[cpu\].*install openvino.*\[openvino\]"
    ):
        open_session(a_network())
    with pytest.raises(EngineError, match="not in bf16: that needs openvino"):
        OnnxRuntimeSession(a_network(), precision="bf16")


@pytest.mark.parametrize("runtime", ["tensorrt", "tensorrt_rtx"])
def test_runtimes_that_do_not_run_there(runtime: str) -> None:
    with pytest.raises(EngineError, match=f"{runtime} does not run networks in fp32 on cpu"):
        open_session(a_network(), runtime=runtime, device="cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("runtime", "onnx"),
        ("runtime", None),
        ("device", "gpu"),
        ("device", "cuda:-1"),
        ("device", "cuda:"),
        ("device", None),
        ("precision", "half"),
        ("threads", 0),
    ],
)
def test_other_wishes_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{name} must be"):
        open_session(a_network(), **{name: value})


def test_without_a_gpu_none_is_used(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_core, "cuda_status", lambda: (False, "There is no driver."))
    for device in ("cuda", "cuda:1"):
        with pytest.raises(EngineError, match=r"no GPU: There is no driver\."):
            open_session(a_network(), device=device)
    with open_session(a_network(), device="auto") as session:
        assert session.device == "cpu"
    assert "There is no driver." in session.why
    assert [record.levelno for record in log.records] == [logging.INFO]


def not_installed(model: Any, **settings: Any) -> Any:
    raise EngineError("TensorRT is not installed")


def test_a_gpu_that_no_runtime_can_use_is_said_aloud(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    """This onnxruntime may be one for the CPU, or one whose CUDA finds no GPU."""
    monkeypatch.setattr(_core, "cuda_status", lambda: (True, "There is a GPU."))
    monkeypatch.setitem(
        sys.modules,
        "trimatte.engines.sessions.tensorrt",
        fake("tensorrt", TensorRTSession=not_installed),
    )
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(EngineError, match=r"tensorrt: TensorRT is not installed; .*for the CPU"):
        open_session(a_network(), device="cuda")
    with open_session(a_network(), device="auto") as session:
        assert session.device == "cpu"
    assert [record.levelno for record in log.records] == [logging.WARNING]
    assert "TensorRT is not installed" in log.records[0].getMessage()


def fake(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(contents)
    return module


def test_tensorrt_comes_first_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    asked: list[dict[str, Any]] = []
    reasons: list[str] = []

    def session_of(model: Any, **settings: Any) -> Any:
        reasons.append(settings.pop("why"))
        asked.append({"model": model.data, **settings})
        if settings["flavour"] == "tensorrt":
            raise EngineError("tensorrt is not installed")
        return SimpleNamespace(
            runtime="tensorrt_rtx", device="cuda:1", precision="fp32", why=reasons[-1]
        )

    def progress(what: str, share: float) -> None: ...

    monkeypatch.setattr(_core, "cuda_status", lambda: (True, "There is a GPU."))
    monkeypatch.setitem(
        sys.modules, "trimatte.engines.sessions.tensorrt", fake("x", TensorRTSession=session_of)
    )
    network = a_network()
    session = open_session(network, device="cuda:1", progress=progress, batch=(1, 4, 8))
    assert session.runtime == "tensorrt_rtx"
    common = {"model": network, "device": "cuda:1", "progress": progress, "batch": (1, 4, 8)}
    assert asked == [{**common, "flavour": name} for name in ("tensorrt", "tensorrt_rtx")]
    assert "passed over: tensorrt: tensorrt is not installed" in session.why
    assert session.why in log.text


# ------------------------------------------------------------- onnxruntime on a GPU, as documented


class FakeGpu:
    """ONNX Runtime's interface for CUDA, without CUDA: keeps what it is asked."""

    __version__ = "1.32.0"
    __file__ = "/nowhere/onnxruntime/__init__.py"
    SessionOptions = onnxruntime.SessionOptions

    def __init__(self, *, works: bool) -> None:
        self.works = works
        self.calls: list[tuple[Any, ...]] = []

    def get_available_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def preload_dlls(self) -> None:
        self.calls.append(("preload_dlls",))

    def InferenceSession(
        self, model: Any, options: Any, *, providers: list[Any], enable_fallback: int
    ) -> FakeGpu:
        assert enable_fallback == 0
        self.calls.append(("open", providers[0]))
        return self

    def get_providers(self) -> list[str]:
        return self.get_available_providers()[0 if self.works else 1 :]

    def io_binding(self) -> FakeGpu:
        return self

    def get_outputs(self) -> list[Any]:
        return [FakeValue()]

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))


class FakeValue:
    def data_type(self) -> str:
        return "tensor(float)"

    def shape(self) -> list[int]:
        return [1, 1, 8, 16]

    def data_ptr(self) -> int:
        return 4096


class FakeArray:
    """As much of a DeviceArray as is looked at."""

    device, dtype, shape, ndim = "cuda:1", np.dtype("float32"), (1, 3, 8, 16), 4
    strides = (1536, 512, 64, 4)

    def __init__(self, *, packed: bool = True) -> None:
        strides = None if packed else self.strides
        self.__cuda_array_interface__ = {"data": (512, False), "strides": strides}


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(*, works: bool) -> FakeGpu:
        module = FakeGpu(works=works)
        monkeypatch.setattr(_core, "cuda_status", lambda: (True, "There is a GPU."))
        monkeypatch.setattr("trimatte.engines.sessions.base.DeviceArray", FakeArray)
        monkeypatch.setattr(onnxruntime_session, "require", lambda *_, **__: module)
        return module

    return put


def test_onnxruntime_is_asked_for_cuda_as_documented(
    fake_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fake_gpu(works=True)
    borrowed: list[Any] = []
    monkeypatch.setattr(
        onnxruntime_session._core, "borrow", lambda *arguments: borrowed.append(arguments)
    )
    session = OnnxRuntimeSession(a_network(), device="cuda:1")
    assert (session.device, session.precision) == ("cuda:1", "fp32")
    session.run(FakeArray(), stream=77)
    preload, opened, bound, out, before, ran, after = module.calls
    assert preload == ("preload_dlls",)
    assert opened[1][0] == "CUDAExecutionProvider"
    assert opened[1][1]["device_id"] == "1"
    assert bound == ("bind_input", "image", "cuda", 1, np.dtype("float32"), (1, 3, 8, 16), 512)
    assert out == ("bind_output", "matte", "cuda", 1)
    assert before == ("synchronize_inputs",)
    assert ran[0] == "run_with_iobinding"
    assert after == ("synchronize_outputs",)
    ((value, stream, *_),) = borrowed
    assert stream == 77
    interface = value.__cuda_array_interface__
    assert (interface["shape"], interface["typestr"]) == ((1, 1, 8, 16), "<f4")
    assert interface["data"] == (4096, False)
    for batch in (FakeArray(packed=False), np.zeros((1, 3, 8, 16), np.float32)):
        with pytest.raises(ArgumentError, match="batch must be"):
            session.run(batch)


def test_falling_back_to_the_cpu_is_an_error(
    fake_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gpu(works=False)
    missing = "libcublasLt.so.12: cannot open shared object file"
    monkeypatch.setattr(onnxruntime_session, "cuda_complaint", lambda: missing)
    with pytest.raises(EngineError, match=f"fell back to the CPU.*{missing}"):
        OnnxRuntimeSession(a_network(), device="cuda")


def test_the_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel whose library for CUDA is not there at all."""
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "libonnxruntime_providers_shared.so" in str(onnxruntime_session.cuda_complaint())


# ----------------------------------------------------------------------------------------- status


def a_wheel(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def found(name: str) -> Any:
    return {each.name: each for each in runtimes()}[name]


def test_runtimes_are_listed() -> None:
    names = [each.name for each in runtimes()]
    assert names == ["tensorrt", "tensorrt_rtx", "onnxruntime", "openvino"]
    ours = found("onnxruntime")
    assert ours.version == onnxruntime.__version__
    assert ours.location == Path(onnxruntime.__file__).parent
    assert "cpu" in ours.devices


def test_what_is_not_installed_is_said(without: Any) -> None:
    without("onnxruntime", "openvino", "tensorrt", "tensorrt_rtx")
    for name, extra in (
        ("onnxruntime", "cpu"),
        ("openvino", "openvino"),
    ):
        ours = found(name)
        assert (ours.version, ours.location, ours.devices) == (None, None, ())
        assert f"pip install {name}, or trimatte with its extra [{extra}]" in ours.problems[0]
    for name in ("tensorrt", "tensorrt_rtx"):
        assert f"{name} is not installed" in found(name).problems[0]


@pytest.mark.parametrize("other", ["onnxruntime-gpu", "onnxruntime_openvino", "OnnxRuntime.QNN"])
def test_wheels_that_shadow_each_other_are_named(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_wheel(tmp_path, "onnxruntime", "1.32.0")
    a_wheel(tmp_path, other, "1.30.0")
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = found("onnxruntime").problems
    name = other.lower().replace("_", "-").replace(".", "-")
    assert f"{name} 1.30.0" in problem
    goes = "onnxruntime" if name == "onnxruntime-gpu" else name
    assert f"pip uninstall {goes}, " in problem


def test_a_folder_left_behind_by_a_wheel(without: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(EngineError, match="--force-reinstall"):
        open_session(a_network(), runtime="onnxruntime")


def test_a_tensorrt_without_its_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorrt").mkdir()
    (tmp_path / "tensorrt" / "__init__.py").write_text("raise ImportError('libnvinfer.so.10')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    (problem,) = found("tensorrt").problems
    assert "libnvinfer.so.10" in problem


@pytest.mark.parametrize(
    ("providers", "complaint", "devices", "problem"),
    [
        (["CPUExecutionProvider"], None, ("cpu",), "for the CPU"),
        (["CUDAExecutionProvider"], "libcudnn.so.9: cannot open", ("cpu",), "libcudnn.so.9"),
        (["CUDAExecutionProvider"], None, ("cpu", "cuda"), None),
    ],
)
def test_why_onnxruntime_cannot_use_a_gpu(
    providers: list[str],
    complaint: str | None,
    devices: tuple[str, ...],
    problem: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_core, "cuda_status", lambda: (True, "There is a GPU."))
    monkeypatch.setattr(status, "cuda_complaint", lambda: complaint)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(status, "_wheels", dict)
    ours = found("onnxruntime")
    assert ours.devices == devices
    assert [problem in each for each in ours.problems] == ([True] if problem else [])

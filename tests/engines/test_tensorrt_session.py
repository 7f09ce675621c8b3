"""TensorRT's session on a GPU. Under the stand-in, TensorRT is tests/helpers/fake_tensorrt.py."""

from __future__ import annotations

import gc
import importlib.util
import logging
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from trimatte.engines.session import Session

import trimatte
from tests.helpers.gpu import IS_SHIM, Driver, Late, Shim
from tests.helpers.lending import PROTOCOLS, InterfaceArray, Lent, pointer

onnx = pytest.importorskip("onnx")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]
only_fake = pytest.mark.skipif(not IS_SHIM, reason="only the stand-in of TensorRT can be told to")

Array = Any
WEIGHTS = np.array([[0.5, -0.25, 1.0], [2.0, 0.0, -1.0]], np.float32)
BIASES = np.array([0.125, -3.0], np.float32)
STREAM_KINDS = ["legacy", "own"]


def a_model(outputs: int = 2, **changes: Any) -> bytes:
    """Outputs "y0" and so on: the channels weighed and summed."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = changes.get("shape", ("n", 3, "h", "w"))
    info = helper.make_tensor_value_info
    nodes, values = [], []
    for i in range(outputs):
        nodes.append(helper.make_node("Conv", ["x", f"w{i}", f"b{i}"], [f"y{i}"]))
        values.append(helper.make_tensor(f"w{i}", kind, (1, 3, 1, 1), WEIGHTS[i]))
        values.append(helper.make_tensor(f"b{i}", kind, (1,), BIASES[i : i + 1]))
    result = changes.get("result", kind)
    results = [info(f"y{i}", result, (shape[0], 1, *shape[2:])) for i in range(outputs)]
    graph = helper.make_graph(nodes, "mix", [info("x", kind, shape)], results, values)
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def expected(batch: Array, output: int = 0) -> Array:
    mixed = np.einsum("c,nchw->nhw", WEIGHTS[output], batch) + BIASES[output]
    return mixed[:, None].astype(np.float32)


def assert_close(result: Any, batch: Array, output: int = 0) -> None:
    np.testing.assert_allclose(result.to_host(), expected(batch, output), rtol=1e-5, atol=1e-5)


def a_batch(seed: int = 0, shape: tuple[int, ...] = (2, 3, 6, 7)) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module; under the stand-in with its `counts` and `faults`."""
    if not IS_SHIM:
        if not importlib.util.find_spec("tensorrt"):
            pytest.importorskip("tensorrt_rtx")
        yield None
        return
    from tests.helpers import fake_tensorrt

    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt.MODULE)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", fake_tensorrt.RTX_MODULE)
    fake_tensorrt.counts.clear()
    yield fake_tensorrt
    fake_tensorrt.faults.clear()


Open = Callable[..., Any]


@pytest.fixture
def open_session(trt: Any, tmp_path: Path) -> Iterator[Open]:
    from trimatte.engines.sessions.tensorrt import TensorRTSession

    sessions = []

    def make(**options: Any) -> Any:
        shapes = {"batch": (1, 2, 4), "size": ((1, 1), (6, 7), (64, 64)), "cache": tmp_path}
        model = options.pop("model", None) or a_model()
        sessions.append(TensorRTSession(model, **{**shapes, **options}))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture(params=STREAM_KINDS)
def stream(request: pytest.FixtureRequest, new_stream: Callable[[], int]) -> int:
    return new_stream() if request.param == "own" else 0


# What it is ---------------------------------------------------------------------------------------


def test_a_session_says_what_it_is(open_session: Open) -> None:
    session = open_session()
    assert isinstance(session, Session)
    assert session.runtime in ("tensorrt", "tensorrt_rtx")
    assert (session.device, session.precision) == ("cuda:0", "fp32")
    assert "compute capability" in session.why
    assert "asked for by name; tensorrt" in session.why
    assert "to build" in session.why
    (given,) = session.inputs
    assert (given.name, given.shape) == ("x", (None, 3, None, None))
    assert [info.name for info in session.outputs] == ["y0", "y1"]
    assert {info.dtype for info in (given, *session.outputs)} == {np.dtype(np.float32)}
    assert "was in the cache" in open_session().why


# Results ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("output", [0, 1])
def test_results(open_session: Open, graphs: bool, output: int, stream: int) -> None:
    session = open_session(graphs=graphs)
    results = []
    for seed in range(5):
        batch = trimatte.to_device(a_batch(seed), stream=stream)
        results.append(session.run(batch, output=output))
        assert results[-1].stream == stream
    for seed, result in enumerate(results):
        assert_close(result, a_batch(seed), output)


def test_the_largest_batch_is_that_of_the_engine(open_session: Open) -> None:
    session = open_session()
    assert session.largest_batch == 4
    session.run(trimatte.to_device(a_batch(0, (4, 3, 6, 7))))
    with pytest.raises(trimatte.ArgumentError, match="for which the engine was built"):
        session.run(trimatte.to_device(a_batch(0, (5, 3, 6, 7))))


def test_shapes_take_turns(open_session: Open, stream: int) -> None:
    session = open_session(contexts=1)
    shapes = [(2, 3, 6, 7), (1, 3, 5, 5), (4, 3, 64, 64)]
    turns = [shapes[i] for i in (0, 0, 0, 1, 1, 0, 2, 2, 2, 1, 0, 0)]
    results = [
        session.run(trimatte.to_device(a_batch(seed, shape), stream=stream))
        for seed, shape in enumerate(turns)
    ]
    for (seed, shape), result in zip(enumerate(turns), results, strict=True):
        assert_close(result, a_batch(seed, shape))


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_arrays_of_others(open_session: Open, kind: type[Lent], new_stream: Any) -> None:
    """Strided ones, and ones that begin anywhere."""
    session = open_session()
    whole = a_batch(1, (3, 3, 9, 8))
    for view in (whole[1:, :, 3:, 1:], whole.transpose(0, 1, 3, 2)[:2], whole[1:]):
        for _ in range(3):
            array = kind(view)
            gone = weakref.ref(array)
            result = session.run(array, stream=new_stream())
            del array
            assert_close(result, view)
        trimatte.synchronize()
        assert gone() is None


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_arrays_that_begin_where_tensorrt_reads_none(open_session: Open, kind: type[Lent]) -> None:
    session = open_session(graphs=False)
    whole = a_batch(1, (3, 3, 6, 7))
    array = kind(whole)
    array.shape = (2, 3, 6, 7)
    array.offset += whole.strides[0]
    assert array.pointer % 256 != 0
    assert_close(session.run(array), whole[1:])


# Streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graphs", [False, True])
def test_late_batches_are_waited_for(
    open_session: Open,
    late: Late,
    graphs: bool,
    new_stream: Callable[[], int],
) -> None:
    session = open_session(graphs=graphs)
    for seed in range(4):
        batch = late(a_batch(seed), new_stream())
        assert_close(session.run(batch, stream=new_stream()), a_batch(seed))


@pytest.mark.parametrize("contexts", [1, 3])
@pytest.mark.parametrize("graphs", [False, True])
def test_runs_on_many_streams_do_not_mix(
    open_session: Open, graphs: bool, contexts: int, new_stream: Callable[[], int]
) -> None:
    session = open_session(graphs=graphs, contexts=contexts)
    streams = [0, new_stream(), new_stream()]
    results = []
    for seed in range(24):
        batch = trimatte.to_device(a_batch(seed), stream=streams[seed % 3])
        results.append(session.run(batch, stream=streams[seed % 3]))
    for seed in reversed(range(24)):
        assert_close(results[seed], a_batch(seed))


@pytest.mark.parametrize("graphs", [False, True])
def test_one_context_changes_stream_and_shape(
    open_session: Open, graphs: bool, gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    """What the first stream has not come to yet needs what the second has no use for."""
    session = open_session(graphs=graphs, contexts=1)
    slow, fast = new_stream(), new_stream()
    batch = trimatte.to_device(a_batch(), stream=slow)
    session.run(batch).to_host()
    gpu.delay(slow)
    results = [session.run(batch) for _ in range(3)]
    for side in (4, 5, 6):
        other = a_batch(side, (1, 3, side, side))
        for _ in range(3):
            assert_close(session.run(trimatte.to_device(other, stream=fast)), other)
    for result in results:
        assert_close(result, a_batch())


@pytest.mark.parametrize("graphs", [False, True])
def test_no_run_waits(
    open_session: Open, graphs: bool, gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    session, ours = open_session(graphs=graphs), new_stream()
    batch = trimatte.to_device(a_batch(), stream=ours)
    for _ in range(3):
        session.run(batch)
    with gpu.nothing_waits(ours):
        result = session.run(batch)
        if IS_SHIM:
            result = session.run(batch, stream=0)
    assert_close(result, a_batch())


def test_a_batch_may_go_at_once(
    open_session: Open, gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    session, theirs, ours = open_session(), new_stream(), new_stream()
    for seed in range(4):
        batch = trimatte.to_device(a_batch(seed), stream=theirs)
        gpu.delay(ours)
        result = session.run(batch, stream=ours)
        nbytes = batch.nbytes
        del batch
        gc.collect()
        gpu.synchronize(theirs)
        trimatte.to_device(np.full(nbytes, 77, np.uint8), stream=theirs)
        gpu.synchronize(theirs)
        assert_close(result, a_batch(seed))


@pytest.mark.parametrize("graphs", [False, True])
def test_closing_leaves_work_alone(
    open_session: Open, graphs: bool, gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    ours = new_stream()
    session = open_session(graphs=graphs)
    batch = trimatte.to_device(a_batch(), stream=ours)
    gpu.delay(ours)
    results = [session.run(batch) for _ in range(4)]
    with session:
        pass
    with pytest.raises(trimatte.EngineError, match=r"the session of .* is closed"):
        session.run(batch)
    session.close()
    del session
    gc.collect()
    for result in results:
        assert_close(result, a_batch())


@pytest.mark.parametrize("graphs", [False, True])
def test_many_runs_take_no_memory(
    open_session: Open, graphs: bool, gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    session, ours = open_session(graphs=graphs), new_stream()

    def runs(count: int) -> int:
        for i in range(count):
            shape = (1 + i // 3 % 3, 3, 6, 7)
            session.run(trimatte.to_device(a_batch(0, shape), stream=ours))
        trimatte.synchronize()
        gpu.synchronize(ours)
        gc.collect()
        trimatte.synchronize()
        gpu.synchronize(ours)
        return gpu.allocated()

    before = runs(18)
    assert runs(90) <= before


# Threads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contexts", [1, 2, 8])
@pytest.mark.parametrize("shared", [False, True], ids=["own-streams", "one-stream"])
def test_eight_threads(
    open_session: Open, contexts: int, shared: bool, new_stream: Callable[[], int]
) -> None:
    session = open_session(contexts=contexts)
    streams = [new_stream()] * 8 if shared else [new_stream() for _ in range(8)]

    def work(number: int) -> None:
        for turn in range(8):
            batch = a_batch(turn, (1 + (turn + number) // 4 % 2, 3, 6, 7))
            on_gpu = trimatte.to_device(batch, stream=streams[number])
            assert_close(session.run(on_gpu, output=number % 2), batch, number % 2)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result()


@only_fake
def test_contexts_are_made_when_needed(open_session: Open, trt: Any, new_stream: Any) -> None:
    session = open_session(contexts=3)
    assert trt.counts["contexts"] == 0
    one = trimatte.to_device(a_batch(), stream=new_stream())
    for _ in range(4):
        session.run(one)
    assert trt.counts["contexts"] == 1
    for _ in range(5):
        session.run(one, stream=new_stream())
    assert 1 < trt.counts["contexts"] <= 3


def test_who_waits_for_a_context_hears_of_the_end(trt: Any) -> None:
    from trimatte.engines.sessions.tensorrt import _Lanes

    lanes = _Lanes(lambda: SimpleNamespace(shape=(1,), stream=0), 1)

    def wait() -> None:
        with lanes.one((1,), 0):
            raise AssertionError("there is no context left")

    with ThreadPoolExecutor(2) as pool, lanes.one((1,), 0):
        waiting = [pool.submit(wait) for _ in range(2)]
        time.sleep(0.05)
        assert not any(each.done() for each in waiting)
        lanes.close()
        for each in waiting:
            with pytest.raises(trimatte.EngineError, match="the session is closed"):
                each.result(timeout=120)


# Graphs -------------------------------------------------------------------------------------------


@only_fake
def test_the_second_run_of_a_shape_is_recorded(open_session: Open, trt: Any) -> None:
    session = open_session(contexts=1)
    one, other = trimatte.to_device(a_batch()), trimatte.to_device(a_batch(1, (1, 3, 4, 4)))
    for _ in range(6):
        session.run(one)
    assert trt.counts["runs"] == 2
    for _ in range(6):
        result = session.run(other)
    assert trt.counts["runs"] == 4
    assert_close(result, a_batch(1, (1, 3, 4, 4)))


@only_fake
def test_without_graphs_each_run_is_tensorrts(open_session: Open, trt: Any) -> None:
    session = open_session(graphs=False)
    batch = trimatte.to_device(a_batch())
    for _ in range(6):
        session.run(batch)
    assert trt.counts["runs"] == 6


@only_fake
@pytest.mark.parametrize("fault", ["spoils capture", "not capturable"])
def test_where_recording_fails_runs_go_on(
    open_session: Open, trt: Any, fault: str, stream: int, caplog: pytest.LogCaptureFixture
) -> None:
    session = open_session(contexts=2)
    trt.faults.add(fault)
    with caplog.at_level(logging.WARNING, "trimatte"):
        for seed in range(6):
            batch = trimatte.to_device(a_batch(seed), stream=stream)
            assert_close(session.run(batch), a_batch(seed))
    (record,) = caplog.records
    assert "runs without CUDA graphs" in record.message


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "options", "message"),
    [
        (a_batch(), {"place": False}, "must be a DeviceArray on cuda:0, got ndarray on"),
        (a_batch().astype(np.float16), {}, "must be .* of float32, got .* of float16"),
        (a_batch(0, (5, 3, 6, 7)), {}, r"from \(1, 3, 1, 1\) to \(4, 3, 64, 64\), .* got \(5, 3"),
        (a_batch(0, (1, 3, 65, 7)), {}, r"got \(1, 3, 65, 7\)"),
        (a_batch(0, (1, 4, 6, 7)), {}, r"got \(1, 4, 6, 7\)"),
        (a_batch(0, (0, 3, 6, 7)), {}, r"got \(0, 3, 6, 7\)"),
        (a_batch()[0], {}, r"got \(3, 6, 7\)"),
        (a_batch(), {"output": 2}, "output must be a whole number from 0 to 1, got 2"),
        (a_batch(), {"output": -1}, "output must be .* got -1"),
        (a_batch(), {"stream": "s"}, "stream must be a CUDA stream"),
    ],
    ids=lambda value: value[:25] if isinstance(value, str) else "",
)
def test_wrong_arguments(open_session: Open, batch: Array, options: Any, message: str) -> None:
    session = open_session()
    place = options.pop("place", True)
    given = trimatte.to_device(batch) if place else batch
    with pytest.raises(trimatte.ArgumentError, match=f"run: .*{message}"):
        session.run(given, **options)
    assert_close(session.run(trimatte.to_device(a_batch())), a_batch())


@pytest.mark.skipif(not IS_SHIM, reason="needs two GPUs")
def test_the_second_gpu(open_session: Open) -> None:
    session = open_session(device="cuda:1")
    assert session.device == "cuda:1"
    with pytest.raises(trimatte.ArgumentError, match=r"on cuda:1, got DeviceArray on cuda:0"):
        session.run(trimatte.to_device(a_batch()))
    for seed in range(4):
        result = session.run(trimatte.to_device(a_batch(seed), "cuda:1"))
        assert result.device == "cuda:1"
        assert_close(result, a_batch(seed))
    with pytest.raises(trimatte.DeviceError, match="cuda:9"):
        open_session(device="cuda:9")
    with pytest.raises(trimatte.ArgumentError, match="device must be"):
        open_session(device="cpu")


@only_fake
@pytest.mark.parametrize("fault", ["no context", "no shape", "shape of data", "fails"])
def test_what_tensorrt_refuses(open_session: Open, trt: Any, fault: str) -> None:
    session = open_session(contexts=1)
    batch = trimatte.to_device(a_batch())
    trt.faults.add(fault)
    message = {
        "no context": "cannot make an execution context on CUDA shim .*no memory for a context",
        "no shape": r"does not take the shape \(2, 3, 6, 7\)",
        "shape of data": "the shape of 'y0' depends on what the batch contains",
        "fails": "tensorrt 10.0.fake failed to run on CUDA shim .*the GPU is on fire",
    }[fault]
    for _ in range(3):
        with pytest.raises(trimatte.EngineError, match=message):
            session.run(batch)
    trt.faults.clear()
    for seed in range(4):
        assert_close(session.run(trimatte.to_device(a_batch(seed))), a_batch(seed))


@only_fake
def test_a_gpu_that_the_flavour_refuses_is_named(open_session: Open, trt: Any) -> None:
    trt.faults.add("other GPU")
    message = (
        r"tensorrt 10\.0\.fake cannot load its engine on CUDA shim \(compute capability 9\.0\): "
        "built for another GPU"
    )
    with pytest.raises(trimatte.EngineError, match=message):
        open_session()


@only_fake
def test_networks_that_no_session_can_be_for(open_session: Open) -> None:
    with pytest.raises(trimatte.EngineError, match="the output 'y0' is int64, and arrays"):
        open_session(model=a_model(result=onnx.TensorProto.INT64))
    with pytest.raises(trimatte.ArgumentError, match="contexts must be a number of at least 1"):
        open_session(contexts=0)


def test_a_session_of_one_shape(open_session: Open) -> None:
    session = open_session(model=a_model(shape=(2, 3, 6, 7)), batch=None, size=None)
    for seed in range(4):
        assert_close(session.run(trimatte.to_device(a_batch(seed))), a_batch(seed))
    message = r"must be \(N=2, C=3, H=6, W=7\) of float32, got \(1, 3, 6, 7\)"
    with pytest.raises(trimatte.ArgumentError, match=message):
        session.run(trimatte.to_device(a_batch(0, (1, 3, 6, 7))))


@only_fake
@pytest.mark.parametrize("graphs", [False, True])
def test_kernels_of_tensorrt_rtx_are_kept(
    open_session: Open, trt: Any, graphs: bool, tmp_path: Path, caplog: Any
) -> None:
    def use() -> int:
        before = trt.counts["kernels known"]
        session = open_session(flavour="tensorrt_rtx", graphs=graphs)
        assert session.runtime == "tensorrt_rtx"
        assert_close(session.run(trimatte.to_device(a_batch())), a_batch())
        session.close()
        return int(trt.counts["kernels known"] - before)

    assert use() == 0
    (path,) = tmp_path.glob("*.kernels")
    assert use() == len(b"kernels")
    path.write_bytes(path.read_bytes()[:-1])
    assert use() == 0
    assert "is made anew: it is cut short" in caplog.text
    assert use() == len(b"kernels")
    trt.faults.add("other kernels")
    assert use() == len(b"kernels")
    assert trt.counts["EAGER" if graphs else "LAZY"] == trt.counts["contexts"] == 5
    assert trt.counts["REQUIRE_USER_ALLOCATION"] == trt.counts["build"] == 1


@only_fake
def test_a_gpu_that_tensorrt_rtx_refuses(open_session: Open, trt: Any) -> None:
    trt.faults.add("other GPU")
    message = (
        r"tensorrt_rtx 1\.0\.fake cannot load its engine on CUDA shim \(compute capability 9\.0\): "
        r"UNSUPPORTED_CC; built for another GPU \(this flavour is for SM75, SM86\)"
    )
    with pytest.raises(trimatte.EngineError, match=message):
        open_session(flavour="tensorrt_rtx")


@only_fake
def test_what_was_measured_is_used_again(open_session: Open, trt: Any) -> None:
    open_session()
    assert trt.counts["timings known"] == 0
    open_session(model=a_model(1))
    assert trt.counts["timings known"] == 1


# The parts of it ----------------------------------------------------------------------------------


def test_recordings_that_fail(gpu: Shim | Driver) -> None:
    from trimatte import _core

    own = _core.WorkStream(0)
    array, other = own.empty((4,), "float32"), own.empty((4,), "float32")

    def fails() -> None:
        own.copy(array, other)
        raise KeyError("as asked")

    with pytest.raises(KeyError, match="as asked"):
        own.record(fails)
    ones = trimatte.to_device(np.ones(4, np.float32), stream=own.handle)
    graph = own.record(lambda: own.copy(array, ones))
    own.launch(graph)
    own.keep([graph])
    np.testing.assert_array_equal(array.to_host(), np.ones(4, np.float32))
    with pytest.raises(trimatte.DeviceError, match="begin to record"):
        _core.WorkStream(array, 0, "test").record(fails)
    with pytest.raises(trimatte.ArgumentError, match="copy: the arrays must be alike"):
        own.copy(array, own.empty((5,), "float32"))
    with pytest.raises(trimatte.ArgumentError, match="empty: dtype must be"):
        own.empty((5,), "int64")


def test_copies_of_strided_arrays(new_stream: Callable[[], int]) -> None:
    from trimatte import _core

    view = a_batch(3, (2, 3, 8, 9))[:, ::2, 1::3, ::-1]
    ours = new_stream()
    borrowed = _core.borrow(InterfaceArray(view), ours, "test", "view")
    work = _core.WorkStream(borrowed, ours, "test")
    to = work.empty(view.shape, "float32")
    work.copy(to, borrowed)
    done = work.keep([borrowed])
    np.testing.assert_array_equal(to.to_host(), view)
    assert done.done
    assert pointer(to) != 0

"""Streams: work goes where it was asked to, waits for what it reads and for nothing else; and
memory is used by nobody else until it is done.

`late` arrays get their contents after a while: who does not wait for them reads what was there.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.cases import Array, Case
from tests.gpu.test_gpu import SOME, assert_same, on_gpu, some_by_id, to_host
from tests.helpers.gpu import IS_SHIM, Driver, Late, Shim
from tests.helpers.lending import PROTOCOLS, InterfaceArray, Lent, Taken, VersionedArray, pointer
from tests.ops.test_parity import make_arguments, run
from trimatte import _core

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]

IMAGE = cases.noise(np.random.default_rng(1), 40, 50, 3, "uint8")
DESPILLED = trimatte.despill(IMAGE)

# What a stream is ---------------------------------------------------------------------------------


class ByMethod(SimpleNamespace):
    def __cuda_stream__(self) -> Any:
        return self.answer


class ByProperty(SimpleNamespace):
    @property
    def __cuda_stream__(self) -> Any:
        return self.answer


KINDS: dict[str, Callable[[int], Any]] = {
    "number": lambda handle: handle,
    "c_void_p": ctypes.c_void_p,
    "method": lambda handle: ByMethod(answer=(0, handle)),
    "property": lambda handle: ByProperty(answer=(0, handle)),
    "PyTorch": lambda handle: SimpleNamespace(cuda_stream=handle),
    "CuPy": lambda handle: SimpleNamespace(ptr=handle),
    "PyCUDA": lambda handle: SimpleNamespace(handle=handle),
    "Numba": lambda handle: SimpleNamespace(handle=ctypes.c_void_p(handle)),
    "protocol-first": lambda handle: ByMethod(answer=(0, handle), ptr=1, handle="no"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_streams(kind: str, new_stream: Callable[[], int]) -> None:
    handle = new_stream()
    stream = KINDS[kind](handle)
    array = trimatte.to_device(IMAGE, stream=stream)
    assert array.stream == handle
    result = trimatte.despill(trimatte.to_device(IMAGE), stream=stream)
    assert result.stream == handle
    np.testing.assert_array_equal(result.to_host(), DESPILLED)


@pytest.mark.parametrize(
    ("stream", "handle"),
    [
        (0, 0),
        (1, 0),
        (2, 2),
        (ctypes.c_void_p(), 0),
        (SimpleNamespace(handle=None), 0),
        (SimpleNamespace(ptr=0), 0),
        (SimpleNamespace(cuda_stream=2), 2),
        (ByMethod(answer=(0, 1)), 0),
    ],
    ids=str,
)
def test_default_streams(stream: Any, handle: int) -> None:
    result = trimatte.despill(trimatte.to_device(IMAGE), stream=stream)
    assert result.stream == handle
    np.testing.assert_array_equal(result.to_host(), DESPILLED)


@pytest.mark.parametrize(
    "stream",
    [
        "legacy",
        1.5,
        True,
        -1,
        2**64,
        [1],
        object(),
        IMAGE,
        SimpleNamespace(ptr="1"),
        SimpleNamespace(handle=-1),
        ByMethod(answer=5),
        ByMethod(answer=(0,)),
        ByMethod(answer=(0, "1")),
        ByProperty(answer=None),
    ],
    ids=lambda stream: type(stream).__name__,
)
def test_what_is_no_stream(stream: Any) -> None:
    array = trimatte.to_device(IMAGE)
    message = "stream must be a CUDA stream .*handle as a number"
    with pytest.raises(trimatte.ArgumentError, match=f"despill: {message}"):
        trimatte.despill(array, stream=stream)
    with pytest.raises(trimatte.ArgumentError, match=f"despill: {message}"):
        trimatte.despill(IMAGE, device="cuda", stream=stream)
    with pytest.raises(trimatte.ArgumentError, match=f"despill: {message}"):
        trimatte.despill(InterfaceArray(IMAGE), stream=stream)
    with pytest.raises(trimatte.ArgumentError, match=f"to_device: {message}"):
        trimatte.to_device(IMAGE, stream=stream)


def test_a_result_keeps_its_stream() -> None:
    class Stream:
        ptr = 0

    stream = Stream()
    gone = weakref.ref(stream)
    result = trimatte.despill(trimatte.to_device(IMAGE), stream=stream)
    taken = Taken(result.__dlpack__())
    del stream, result
    gc.collect()
    assert gone() is not None
    taken.release()
    trimatte.synchronize()
    assert gone() is None


# Which stream -------------------------------------------------------------------------------------


def test_work_goes_to_the_stream_of_the_first_array(new_stream: Callable[[], int]) -> None:
    first, second = new_stream(), new_stream()
    image = trimatte.to_device(IMAGE, stream=first)
    alpha = trimatte.to_device(IMAGE[..., 0].copy(), stream=second)
    assert trimatte.cutout(image, alpha).stream == first
    assert trimatte.cutout(image, alpha, stream=second).stream == second
    assert trimatte.cutout(InterfaceArray(IMAGE), alpha).stream == 0


@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_what_a_library_calls_current_is_the_default(
    name: str, new_stream: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    current = SimpleNamespace(ptr=new_stream())
    asked_for = []

    def current_stream(device: Any = None) -> Any:
        asked_for.append(device)
        return current

    cuda = SimpleNamespace(current_stream=current_stream, get_current_stream=current_stream)
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(cuda=cuda))  # type: ignore[arg-type]
    theirs = type("Tensor", (VersionedArray,), {"__module__": f"{name}.somewhere"})(IMAGE)
    theirs.device = "theirs"
    result = trimatte.despill(theirs)
    assert result.stream == current.ptr
    assert asked_for == ["theirs" if name == "torch" else None]
    assert trimatte.despill(theirs, stream=0).stream == 0
    np.testing.assert_array_equal(result.to_host(), DESPILLED)


@some_by_id
def test_numpy_arrays_with_a_stream(case: Case, new_stream: Callable[[], int]) -> None:
    arguments = make_arguments(case, 12, 17)
    plain = run(case, arguments, device="cuda")
    assert_same(run(case, arguments, device="cuda", stream=new_stream()), plain)


def test_the_cpu_has_no_streams() -> None:
    with pytest.raises(trimatte.ArgumentError, match="stream must be None for work on the CPU"):
        trimatte.despill(IMAGE, stream=1)
    with pytest.raises(trimatte.ArgumentError, match="stream must be None for work on the CPU"):
        trimatte.cutout(IMAGE, IMAGE[..., 0] > 9, stream=1)


# Waiting for what is read, and for nothing else ---------------------------------------------------


@some_by_id
def test_arrays_of_other_streams_are_waited_for(
    case: Case, late: Late, new_stream: Callable[[], int]
) -> None:
    arguments = make_arguments(case, 12, 17)
    plain = to_host(run(case, on_gpu(arguments)))
    arrays = tuple(late(a, new_stream()) if isinstance(a, np.ndarray) else a for a in arguments)
    assert_same(to_host(run(case, arrays, stream=new_stream())), plain)


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("layout", [np.copy, cases.planes])
def test_borrowed_arrays_of_other_streams_are_waited_for(
    kind: type[Lent], layout: Callable[[Array], Array], late: Late, new_stream: Callable[[], int]
) -> None:
    array = kind(layout(IMAGE))
    array.memory = late(array.memory.to_host(), new_stream())
    result = trimatte.despill(array, stream=new_stream())
    np.testing.assert_array_equal(result.to_host(), DESPILLED)


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_who_takes_a_capsule_need_not_wait(
    version: Any, gpu: Shim | Driver, late: Late, new_stream: Callable[[], int]
) -> None:
    theirs = new_stream()
    result = trimatte.despill(late(IMAGE, new_stream()))
    taken = Taken(result.__dlpack__(stream=theirs, max_version=version))
    copy = trimatte.to_device(np.zeros_like(IMAGE), stream=theirs)
    gpu.copy(pointer(copy), taken.pointer, copy.nbytes, theirs)
    np.testing.assert_array_equal(copy.to_host(), DESPILLED)
    taken.release()


@some_by_id
def test_no_operation_waits(case: Case, gpu: Shim | Driver, new_stream: Callable[[], int]) -> None:
    stream = new_stream()
    arguments = on_gpu(make_arguments(case, 12, 17), stream=stream)
    plain = to_host(run(case, arguments))
    with gpu.nothing_waits(stream):
        results = run(case, arguments)
    assert_same(to_host(results), plain)


@pytest.mark.skipif(not IS_SHIM, reason="only the stand-in counts")
def test_what_the_host_sees_is_waited_for(gpu: Shim) -> None:
    image, trimap = cases.a_photo_and_trimap("uint8")(np.random.default_rng(2), 12, 17)
    _, on_cpu = trimatte.estimate_alpha(image, trimap, return_info=True)
    arrays = trimatte.to_device(image), trimatte.to_device(trimap)
    before = gpu.waits()
    _, info = trimatte.estimate_alpha(*arrays, return_info=True)
    assert gpu.waits() > before
    assert (info.unknown, info.levels) == (on_cpu.unknown, on_cpu.levels)
    before = gpu.waits()
    trimatte.despill(image, device="cuda")
    assert gpu.waits() > before


# Memory that is in use ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("layout", [np.copy, cases.planes])
def test_a_borrowed_array_may_go_at_once(
    kind: type[Lent],
    layout: Callable[[Array], Array],
    gpu: Shim | Driver,
    new_stream: Callable[[], int],
) -> None:
    theirs, ours = new_stream(), new_stream()
    array = kind(layout(IMAGE), stream=theirs)
    gone = weakref.ref(array)
    gpu.delay(ours)
    result = trimatte.despill(array, stream=ours)
    del array
    overwrite(gpu, theirs)
    np.testing.assert_array_equal(result.to_host(), DESPILLED)
    trimatte.synchronize()
    assert gone() is None


@some_by_id
def test_arrays_of_other_streams_may_go_at_once(
    case: Case, gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    theirs, ours = new_stream(), new_stream()
    arguments = make_arguments(case, 12, 17)
    plain = to_host(run(case, on_gpu(arguments)))
    arrays = on_gpu(arguments, stream=theirs)
    gpu.delay(ours)
    results = run(case, arrays, stream=ours)
    del arrays
    overwrite(gpu, theirs)
    assert_same(to_host(results), plain)


def overwrite(gpu: Shim | Driver, stream: int) -> None:
    """Lets a stream free what it may, and writes into all that it then gets."""
    gc.collect()
    gpu.synchronize(stream)
    for nbytes in (100, 200, 1000, IMAGE.nbytes, 2 * IMAGE.nbytes):
        trimatte.to_device(np.full(nbytes, 77, np.uint8), stream=stream)
    gpu.synchronize(stream)


def test_arrays_of_many_streams_are_joined(
    gpu: Shim | Driver, late: Late, new_stream: Callable[[], int]
) -> None:
    theirs = [new_stream() for _ in range(3)]
    ours = _core.WorkStream(0)
    gpu.delay(ours.handle)
    values = [np.full((1 + i, 5), i, np.float32) for i in range(3)]
    arrays = [late(array, stream) for array, stream in zip(values, theirs, strict=True)]
    joined = ours.joined(arrays)
    assert joined.stream == ours.handle
    del arrays
    for stream in theirs:
        overwrite(gpu, stream)
    np.testing.assert_array_equal(joined.to_host(), np.concatenate(values))
    others: list[Any] = [np.zeros((1, 4), np.float32), np.zeros((1, 5), np.uint8), np.float32(1)]
    for other in others:
        with pytest.raises(trimatte.ArgumentError, match="joined: the arrays must be alike"):
            ours.joined([joined, trimatte.to_device(other)])
    with pytest.raises(trimatte.ArgumentError, match="at least one"):
        ours.joined([])


def test_a_thousand_arrays_under_way(new_stream: Callable[[], int]) -> None:
    """Chains of operations whose inputs nobody keeps."""
    streams = [new_stream() for _ in range(3)]
    image = trimatte.to_device(IMAGE, stream=streams[0])
    for i in range(1000):
        image = trimatte.despill(image, strength=0.0, stream=streams[i % 3])
    np.testing.assert_array_equal(image.to_host(), IMAGE)


def memory_in_use() -> int:
    """Of this process on the host, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_thousand_calls_take_no_memory(
    gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    theirs, ours = new_stream(), new_stream()
    image = cases.noise(np.random.default_rng(3), 6, 8, 3, "uint8")
    lender = InterfaceArray(cases.planes(image), stream=theirs)
    array, alpha = trimatte.to_device(image), trimatte.to_device(image[..., 0].copy())

    def calls(count: int) -> tuple[int, int]:
        for i in range(count):
            keyed = trimatte.despill(lender, stream=ours)
            trimatte.chroma_key(array, stream=ours)
            rgba = trimatte.cutout(keyed, alpha, stream=theirs)
            Taken(rgba.__dlpack__(stream=ours)).release()
            if i % 25 == 0:
                rgba.to_host()
                trimatte.despill(image, device="cuda")
        del keyed, rgba
        trimatte.synchronize()
        for stream in (0, theirs, ours):
            gpu.synchronize(stream)
        gc.collect()
        return gpu.allocated(), memory_in_use()

    device_before, host_before = calls(200)
    device_after, host_after = calls(500)  # of four operations
    assert device_after == device_before
    assert host_after - host_before < 4 << 20


# Threads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True], ids=["own-streams", "one-stream"])
@pytest.mark.parametrize("threads", [2, 8])
def test_threads(threads: int, shared: bool, new_stream: Callable[[], int]) -> None:
    chosen = SOME[:: max(1, len(SOME) // 8)]
    arguments = [make_arguments(case, 12, 17) for case in chosen]
    plain = [to_host(run(case, on_gpu(a))) for case, a in zip(chosen, arguments, strict=True)]
    streams = [new_stream()] * threads if shared else [new_stream() for _ in range(threads)]

    def work(number: int) -> None:
        stream = streams[number]
        for turn in range(len(chosen)):
            i = (turn + number) % len(chosen)
            arrays = on_gpu(arguments[i], stream=stream)
            assert_same(to_host(run(chosen[i], arrays)), plain[i])
            assert_same(run(chosen[i], arguments[i], device="cuda", stream=stream), plain[i])

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, number) for number in range(threads)]:
            done.result()


def test_a_thread_may_synchronize_while_others_work(new_stream: Callable[[], int]) -> None:
    theirs = new_stream()
    streams = [new_stream() for _ in range(3)]

    def work(stream: int) -> None:
        for _ in range(60):
            result = trimatte.despill(InterfaceArray(IMAGE, stream=theirs), stream=stream)
        np.testing.assert_array_equal(result.to_host(), DESPILLED)

    def wait(_: int) -> None:
        for _ in range(120):
            trimatte.synchronize()

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(job, stream) for job in (work, wait) for stream in streams]
        for done in jobs:
            done.result()


def test_arrays_go_from_thread_to_thread(late: Late, new_stream: Callable[[], int]) -> None:
    def work(array: Any) -> Any:
        return trimatte.despill(array, stream=new_stream())

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        result = one.submit(work, late(IMAGE, new_stream())).result()
        result = other.submit(work, result).result()
    np.testing.assert_array_equal(result.to_host(), trimatte.despill(DESPILLED))

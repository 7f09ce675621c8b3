"""Arrays of CuPy, PyTorch, JAX, Numba and PyCUDA: in and out without a copy, in the order of their
streams, and alive for as long as they are used.

Runs with those that are installed and find a GPU; elsewhere tests/helpers/lending.py stands in.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.helpers.gpu import IS_SHIM, Driver
from tests.helpers.lending import Array, pointer
from trimatte import _core

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
    pytest.mark.skipif(IS_SHIM, reason="the stand-in has no GPU that other libraries could use"),
]

IMAGE = cases.noise(np.random.default_rng(1), 300, 401, 3, "uint8")
DESPILLED = trimatte.despill(IMAGE)


def no_context(_: Any) -> AbstractContextManager[Any]:
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Library:
    """What the tests do with a library. Streams are its own objects."""

    to_gpu: Callable[[Array], Any]
    to_host: Callable[[Any], Array]
    pointer: Callable[[Any], int]
    take: Callable[[trimatte.DeviceArray], Any]
    new_stream: Callable[[], Any] | None = None
    handle: Callable[[Any], int] = int
    on_stream: Callable[[Any], AbstractContextManager[Any]] = no_context


def cupy_library() -> Library:
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("CuPy finds no GPU")
    return Library(
        to_gpu=cupy.asarray,
        to_host=cupy.asnumpy,
        pointer=lambda array: array.data.ptr,
        take=cupy.from_dlpack,
        new_stream=lambda: cupy.cuda.Stream(non_blocking=True),
        handle=lambda stream: stream.ptr,
        on_stream=lambda stream: stream,
    )


def torch_library() -> Library:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch finds no GPU")
    return Library(
        to_gpu=lambda array: torch.from_numpy(array.copy()).cuda(),
        to_host=lambda tensor: tensor.cpu().numpy(),
        pointer=lambda tensor: tensor.data_ptr(),
        take=torch.from_dlpack,
        new_stream=torch.cuda.Stream,
        handle=lambda stream: stream.cuda_stream,
        on_stream=torch.cuda.stream,
    )


def jax_library() -> Library:
    jax = pytest.importorskip("jax")
    try:
        device = jax.devices("cuda")[0]
    except RuntimeError:
        pytest.skip("JAX finds no GPU")
    return Library(
        to_gpu=lambda array: jax.device_put(array, device).block_until_ready(),
        to_host=np.asarray,
        pointer=lambda array: array.unsafe_buffer_pointer(),
        take=jax.dlpack.from_dlpack,
    )


def numba_library() -> Library:
    cuda = pytest.importorskip("numba.cuda")
    if not cuda.is_available():
        pytest.skip("Numba finds no GPU")
    return Library(
        to_gpu=cuda.to_device,
        to_host=lambda array: array.copy_to_host(),
        pointer=pointer,
        take=cuda.as_cuda_array,
        new_stream=cuda.stream,
        handle=lambda stream: int(getattr(stream.handle, "value", stream.handle)),
    )


def pycuda_library() -> Library:
    pytest.importorskip("pycuda")
    # The context of the runtime, which is trimatte's too.
    pytest.importorskip("pycuda.autoprimaryctx")
    from pycuda import driver, gpuarray

    return Library(
        to_gpu=gpuarray.to_gpu,
        to_host=lambda array: array.get(),
        pointer=lambda array: int(array.gpudata),
        take=lambda a: gpuarray.GPUArray(a.shape, a.dtype, gpudata=pointer(a), base=a),
        new_stream=driver.Stream,
        handle=lambda stream: stream.handle,
    )


@pytest.fixture(params=["CuPy", "PyTorch", "JAX", "Numba", "PyCUDA"])
def library(request: pytest.FixtureRequest, gpu: Driver) -> Library:
    made = {
        "CuPy": cupy_library,
        "PyTorch": torch_library,
        "JAX": jax_library,
        "Numba": numba_library,
        "PyCUDA": pycuda_library,
    }
    return made[request.param]()


def with_streams(library: Library) -> Any:
    if library.new_stream is None:
        pytest.skip("the library has no streams to choose from")
    return library.new_stream()


def wait(library: Library, gpu: Driver, *streams: Any) -> None:
    for stream in streams:
        gpu.synchronize(library.handle(stream))


def test_arrays_come_without_a_copy(library: Library) -> None:
    theirs = library.to_gpu(IMAGE)
    borrowed = _core.borrow(theirs, None, "test", "array")
    assert pointer(borrowed) == library.pointer(theirs)
    assert (borrowed.shape, borrowed.dtype) == (IMAGE.shape, IMAGE.dtype)
    result = trimatte.despill(theirs)
    assert isinstance(result, trimatte.DeviceArray)
    np.testing.assert_array_equal(result.to_host(), DESPILLED)


def test_results_go_without_a_copy(library: Library) -> None:
    result = trimatte.despill(library.to_gpu(IMAGE))
    theirs = library.take(result)
    assert library.pointer(theirs) == pointer(result)
    np.testing.assert_array_equal(library.to_host(theirs), DESPILLED)
    again = trimatte.despill(theirs, strength=0.0)  # and back
    np.testing.assert_array_equal(again.to_host(), DESPILLED)


def test_results_outlive_us(library: Library, gpu: Driver) -> None:
    result = trimatte.despill(library.to_gpu(IMAGE))
    theirs = library.take(result)
    del result
    overwrite(gpu)
    np.testing.assert_array_equal(library.to_host(theirs), DESPILLED)


def test_late_arrays_are_waited_for(library: Library, gpu: Driver) -> None:
    stream, other = with_streams(library), with_streams(library)
    handle = library.handle(stream)
    with library.on_stream(stream):
        source, late = library.to_gpu(IMAGE), library.to_gpu(np.zeros_like(IMAGE))
        wait(library, gpu, stream)
        gpu.delay(handle)
        gpu.copy(library.pointer(late), library.pointer(source), IMAGE.nbytes, handle)
        # A library that knows no current stream cannot say that somebody writes there.
        knows = library.on_stream is not no_context
        result = trimatte.despill(late, stream=other if knows else stream)
        assert result.stream == library.handle(other if knows else stream)
        theirs = library.take(result)
        np.testing.assert_array_equal(result.to_host(), DESPILLED)
        np.testing.assert_array_equal(library.to_host(theirs), DESPILLED)


def test_the_current_stream_is_the_default(library: Library) -> None:
    if library.on_stream is no_context:
        pytest.skip("the library has no current stream")
    stream = with_streams(library)
    with library.on_stream(stream):
        result = trimatte.despill(library.to_gpu(IMAGE))
    assert result.stream == library.handle(stream)
    np.testing.assert_array_equal(result.to_host(), DESPILLED)


def test_who_takes_a_late_result_waits(library: Library, gpu: Driver) -> None:
    stream = with_streams(library)
    array = library.to_gpu(IMAGE)
    wait(library, gpu, stream)
    gpu.delay(library.handle(stream))
    theirs = library.take(trimatte.despill(array, stream=stream))
    np.testing.assert_array_equal(library.to_host(theirs), DESPILLED)


def test_arrays_may_go_at_once(library: Library, gpu: Driver) -> None:
    stream = with_streams(library)
    array = library.to_gpu(IMAGE)
    gpu.delay(library.handle(stream))
    result = trimatte.despill(array, stream=stream)
    del array
    gc.collect()
    for _ in range(8):  # on the memory that would be free now
        library.to_gpu(np.full_like(IMAGE, 77))
    np.testing.assert_array_equal(result.to_host(), DESPILLED)


def overwrite(gpu: Driver) -> None:
    gc.collect()
    for _ in range(8):
        trimatte.to_device(np.full_like(IMAGE, 77))
    gpu.synchronize(0)

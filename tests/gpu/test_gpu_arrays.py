"""`DeviceArray`: what it says of itself, and how it is lent to other libraries."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import trimatte
from tests.helpers.gpu import Driver, Shim
from tests.helpers.lending import (
    READ_ONLY,
    UNVERSIONED,
    VERSIONED,
    CapsuleArray,
    InterfaceArray,
    Lent,
    Taken,
    VersionedArray,
    lent,
    name_of,
    pointer,
)
from trimatte import _core

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint16).reshape(4, 5, 3)
DTYPES = ("bool", "uint8", "uint16", "float16", "float32")


def borrow(array: Any, stream: Any = None) -> trimatte.DeviceArray:
    return _core.borrow(array, stream, "test", "array")


@pytest.fixture
def array() -> trimatte.DeviceArray:
    return trimatte.to_device(IMAGE)


@pytest.fixture
def memory_is_returned(gpu: Shim | Driver) -> Any:
    """At the end of the test no more GPU memory is in use than before it."""
    if not isinstance(gpu, Shim):
        pytest.skip("only the stand-in tells what is in use, as opposed to kept")
    shim = gpu

    def in_use() -> int:
        gc.collect()
        trimatte.synchronize()
        shim.synchronize(0)
        return shim.allocated()

    before = in_use()
    yield
    assert in_use() == before


# What it says of itself ---------------------------------------------------------------------------


def test_attributes(array: trimatte.DeviceArray) -> None:
    assert array.shape == IMAGE.shape
    assert array.strides == IMAGE.strides
    assert array.dtype == IMAGE.dtype
    assert array.ndim == 3
    assert array.size == IMAGE.size
    assert array.nbytes == IMAGE.nbytes
    assert array.device == "cuda:0"
    assert array.stream == 0
    assert len(array) == 4
    assert repr(array) == "<trimatte.DeviceArray (4, 5, 3) uint16 on cuda:0>"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (7,), (3, 0), (2, 3, 4), (2, 3, 4, 5)])
def test_there_and_back(shape: tuple[int, ...], dtype: str) -> None:
    values = (np.random.default_rng(1).random(shape) * 2).astype(dtype)
    array = trimatte.to_device(values)
    assert (array.shape, array.dtype, array.nbytes) == (shape, values.dtype, values.nbytes)
    np.testing.assert_array_equal(array.to_host(), values, strict=True)


def test_what_lies_strided_on_the_host_is_packed_on_the_gpu() -> None:
    strided = IMAGE[::2, ::-1].swapaxes(0, 1)
    array = trimatte.to_device(strided)
    assert array.strides == np.ascontiguousarray(strided).strides
    np.testing.assert_array_equal(array.to_host(), strided)


def test_to_device_reads_lists_and_copies() -> None:
    values = np.full((3, 3), 7, np.uint8)
    array = trimatte.to_device(values)
    values[:] = 0  # after the call
    np.testing.assert_array_equal(array.to_host(), np.full((3, 3), 7))
    one = trimatte.to_device([True, False])
    assert one.dtype == np.bool_


@pytest.mark.parametrize("mebibytes", [1, 9, 70])
def test_large_arrays_are_copied_as_they_are_at_the_call(mebibytes: int) -> None:
    """By way of pinned memory, of which there is less than the largest of these."""
    values = np.random.default_rng(2).integers(0, 256, (mebibytes << 20) + 3, np.uint8)
    wanted = values.copy()
    array = trimatte.to_device(values, stream=_core.WorkStream(0))
    values[:] = 0
    np.testing.assert_array_equal(array.to_host(), wanted)
    trimatte.free_memory()
    np.testing.assert_array_equal(array.to_host(), wanted)


def test_threads_share_pinned_memory() -> None:
    def there_and_back(seed: int) -> bool:
        values = np.random.default_rng(seed).integers(0, 256, 13 << 20, np.uint8)
        array = trimatte.to_device(values, stream=_core.WorkStream(0))
        return bool((array.to_host() == values).all())

    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(there_and_back, range(24)))


def test_part_is_the_same_memory() -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    array = trimatte.to_device(values)
    part = array.part(1, 3)
    assert part.shape == (2, 2, 3)
    start = array.__cuda_array_interface__["data"][0]
    assert part.__cuda_array_interface__["data"][0] == start + values[:1].nbytes
    np.testing.assert_array_equal(part.to_host(), values[1:3])
    assert array.part(4, 4).size == 0
    for first, last in ((-1, 2), (2, 1), (0, 5)):
        with pytest.raises(trimatte.ArgumentError, match="part: first and last must be in"):
            array.part(first, last)


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex64", "object", ">f4"])
def test_to_device_refuses_other_samples(dtype: str) -> None:
    with pytest.raises(trimatte.ArgumentError, match="to_device: array must be bool, uint8"):
        trimatte.to_device(np.zeros(3, dtype))


def test_view_is_the_same_memory() -> None:
    mask = trimatte.to_device(np.array([True, False]))
    view = mask.view(np.uint8)
    assert view.dtype == np.uint8
    assert pointer(view) == pointer(mask)
    where = pointer(mask)
    del mask
    assert pointer(view) == where
    np.testing.assert_array_equal(view.to_host(), [1, 0])
    with pytest.raises(trimatte.ArgumentError, match="view: dtype must be of the size of uint8"):
        view.view(np.uint16)
    with pytest.raises(trimatte.ArgumentError, match="view: dtype"):
        view.view(np.int8)


def test_reshape_is_the_same_memory() -> None:
    array = trimatte.to_device(np.arange(24, dtype=np.uint8).reshape(1, 4, 6))
    flat = array.reshape((8, 3))
    assert pointer(flat) == pointer(array)
    np.testing.assert_array_equal(flat.to_host(), np.arange(24).reshape(8, 3))
    for shape in ((23,), (5, 5), (-4, -6), (2**62, 2**62), (0, 24)):
        with pytest.raises(trimatte.ArgumentError, match="reshape: shape must have as many items"):
            array.reshape(shape)
    columns = borrow(CapsuleArray(IMAGE[:, ::2]))
    np.testing.assert_array_equal(columns.reshape((columns.size,)).to_host(), IMAGE[:, ::2].ravel())


def test_no_sides_no_length() -> None:
    with pytest.raises(TypeError, match="len"):
        len(trimatte.to_device(np.float32(0.5)))


@pytest.mark.parametrize("take", [np.asarray, np.array, lambda a: np.asarray(a, np.float32)])
def test_numpy_gets_no_copy_unasked(
    array: trimatte.DeviceArray, take: Callable[[Any], Any]
) -> None:
    with pytest.raises(TypeError, match="to_host"):
        take(array)


# __cuda_array_interface__ -------------------------------------------------------------------------


def test_interface(array: trimatte.DeviceArray, new_stream: Callable[[], int]) -> None:
    interface = array.__cuda_array_interface__
    assert interface["version"] == 3
    assert interface["shape"] == (4, 5, 3)
    assert interface["typestr"] == "<u2"
    assert interface["strides"] is None
    assert interface["stream"] == 1  # the legacy default; 0 would be ambiguous
    address, read_only = interface["data"]
    assert address != 0
    assert read_only is False
    stream = new_stream()
    assert trimatte.to_device(IMAGE, stream=stream).__cuda_array_interface__["stream"] == stream


@pytest.mark.parametrize("dtype", DTYPES)
def test_interface_names_samples_as_numpy_does(dtype: str) -> None:
    array = trimatte.to_device(np.zeros(2, dtype))
    assert array.__cuda_array_interface__["typestr"] == np.dtype(dtype).str


def test_interface_of_a_borrowed_array() -> None:
    strided = InterfaceArray(IMAGE[::-1], read_only=True)
    interface = borrow(strided).__cuda_array_interface__
    assert interface["data"] == (strided.pointer, True)
    assert interface["strides"] == IMAGE[::-1].strides


def test_interface_of_an_empty_array() -> None:
    assert trimatte.to_device(np.zeros((0, 3), np.uint8)).__cuda_array_interface__["data"][0] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"typestr": "<f8"}, "test: array must be bool, uint8, .* got <f8"),
        ({"typestr": ">u2"}, "test: array must be bool, uint8, .* got >u2"),
        ({"mask": object()}, "mask"),
        ({"data": (IMAGE.ctypes.data, False)}, "memory of a GPU"),
    ],
)
def test_interfaces_that_are_refused(changes: dict[str, Any], message: str) -> None:
    array = InterfaceArray(IMAGE)
    array.changes = changes
    with pytest.raises(trimatte.ArgumentError, match=message):
        borrow(array)


def test_interface_before_version_3_has_no_stream() -> None:
    array = InterfaceArray(IMAGE)
    array.changes = {"version": 2, "stream": None}
    np.testing.assert_array_equal(borrow(array).to_host(), IMAGE)


# __dlpack__: lent to others -----------------------------------------------------------------------


def test_dlpack_device(array: trimatte.DeviceArray) -> None:
    assert array.__dlpack_device__() == (2, 0)


@pytest.mark.parametrize(
    ("version", "name"),
    [(None, UNVERSIONED), ((0, 8), UNVERSIONED), ((1, 0), VERSIONED), ((2, 3), VERSIONED)],
)
def test_capsule(array: trimatte.DeviceArray, version: Any, name: bytes) -> None:
    capsule = array.__dlpack__(max_version=version)
    assert name_of(capsule) == name
    taken = Taken(capsule)
    assert taken.pointer == pointer(array)
    assert (taken.shape, taken.strides) == ((4, 5, 3), (15, 3, 1))
    assert taken.dtype == (1, 16, 1)
    assert taken.device == (2, 0)
    if name == VERSIONED:
        assert (taken.managed.major, taken.managed.flags) == (1, 0)
    taken.release()


@pytest.mark.parametrize(
    ("dtype", "code"),
    list(zip(DTYPES, [(6, 8), (1, 8), (1, 16), (2, 16), (2, 32)], strict=True)),
)
def test_capsule_names_samples(dtype: str, code: tuple[int, int]) -> None:
    taken = Taken(trimatte.to_device(np.zeros(3, dtype)).__dlpack__())
    assert taken.dtype == (*code, 1)
    taken.release()


def test_capsule_of_a_borrowed_array() -> None:
    array = borrow(VersionedArray(IMAGE[::-1], read_only=True))
    with pytest.raises(BufferError, match="read-only"):
        array.__dlpack__()
    taken = Taken(array.__dlpack__(max_version=(1, 0)))
    assert taken.managed.flags == READ_ONLY
    assert (taken.pointer, taken.strides) == (pointer(array), (-15, 3, 1))
    taken.release()


def test_capsule_of_an_empty_array() -> None:
    taken = Taken(trimatte.to_device(np.zeros((3, 0, 4), np.float32)).__dlpack__())
    assert taken.shape == (3, 0, 4)
    taken.release()


@pytest.mark.parametrize("stream", [None, -1, 1, 2])
def test_capsule_for_a_stream(array: trimatte.DeviceArray, stream: int | None) -> None:
    Taken(array.__dlpack__(stream=stream)).release()


@pytest.mark.parametrize("stream", [0, -2, "1", 1.5, [1], object()])
def test_capsule_for_no_stream(array: trimatte.DeviceArray, stream: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match="__dlpack__: stream must be None, -1, 1, 2"):
        array.__dlpack__(stream=stream)


def test_capsule_stays_where_it_is(array: trimatte.DeviceArray) -> None:
    Taken(array.__dlpack__(dl_device=(2, 0), copy=False)).release()
    for device in ((1, 0), (2, 1), (3, 0)):
        with pytest.raises(BufferError, match="stays on cuda:0"):
            array.__dlpack__(dl_device=device)
    with pytest.raises(BufferError, match="never copied"):
        array.__dlpack__(copy=True)


@pytest.mark.usefixtures("memory_is_returned")
@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_capsule_that_nobody_takes_frees_its_memory(version: Any) -> None:
    capsule = trimatte.to_device(IMAGE).__dlpack__(max_version=version)
    assert name_of(capsule)
    del capsule


@pytest.mark.usefixtures("memory_is_returned")
@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_capsule_keeps_its_memory(version: Any, gpu: Shim | Driver) -> None:
    array = trimatte.to_device(IMAGE)
    taken = Taken(array.__dlpack__(max_version=version))
    del array
    gc.collect()
    gpu.synchronize(0)
    owner = InterfaceArray(IMAGE)
    owner.changes = {"data": (taken.pointer, False)}
    np.testing.assert_array_equal(borrow(owner).to_host(), IMAGE)
    taken.release()


@pytest.mark.usefixtures("memory_is_returned")
def test_a_deleter_may_be_called_without_the_gil() -> None:
    """From a thread that Python knows nothing of, while this one has the GIL or not."""
    libc = ctypes.CDLL(None)
    taken = [Taken(trimatte.to_device(IMAGE).__dlpack__()) for _ in range(8)]
    threads = []
    for one in taken:
        thread = ctypes.c_ulong()
        start = libc.pthread_create
        start.argtypes = [ctypes.c_void_p] * 4
        assert start(ctypes.addressof(thread), None, one.deleter, one.address) == 0
        threads.append(thread)
    for thread in threads:
        libc.pthread_join(thread, None)


# __dlpack__: borrowed from others -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [CapsuleArray, VersionedArray])
def test_a_borrowed_capsule_is_given_back_once(kind: type[Lent]) -> None:
    before = len(lent)
    array = borrow(kind(IMAGE))
    view = array.view("float16")
    assert len(lent) == before + 1
    np.testing.assert_array_equal(array.to_host(), IMAGE)
    del array
    assert len(lent) == before + 1
    del view
    assert len(lent) == before


def test_a_capsule_is_taken_once() -> None:
    array = CapsuleArray(IMAGE)
    capsule = array.__dlpack__()

    class Twice:
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

        def __dlpack__(self, **_: Any) -> Any:
            return capsule

    borrow(Twice())
    assert name_of(capsule) == b"used_dltensor"
    with pytest.raises(trimatte.ArgumentError, match="nobody has taken yet"):
        borrow(Twice())


def test_a_capsule_of_another_version_is_left_alone() -> None:
    array = VersionedArray(IMAGE)
    array.version = (2, 0)
    before = len(lent)
    with pytest.raises(trimatte.ArgumentError, match="comes as DLPack 2"):
        borrow(array)
    assert len(lent) == before + 1  # not deleted by who did not take it
    lent.clear()


@pytest.mark.parametrize("kind", [CapsuleArray, VersionedArray])
def test_a_capsule_of_other_samples_is_given_back(kind: type[Lent]) -> None:
    before = len(lent)
    with pytest.raises(trimatte.ArgumentError, match=r"must be bool, uint8, .* got int32"):
        borrow(kind(np.zeros((3, 4), np.int32)))
    assert len(lent) == before


def test_errors_of_the_lender_pass() -> None:
    class Refuses(CapsuleArray):
        def __dlpack__(self, **_: Any) -> Any:
            raise BufferError("requires grad")

    with pytest.raises(BufferError, match="requires grad"):
        trimatte.despill(Refuses(IMAGE))


@pytest.mark.parametrize("kind", [InterfaceArray, CapsuleArray, VersionedArray])
def test_the_lender_is_let_go_when_the_work_is_done(kind: type[Lent]) -> None:
    array = kind(IMAGE)
    gone = threading.Event()
    weakref.finalize(array, gone.set)
    result = trimatte.despill(array)
    del array
    gc.collect()
    result.to_host()
    trimatte.synchronize()
    assert gone.is_set()

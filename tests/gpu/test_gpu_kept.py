"""How long arrays of other libraries stay alive, which stream work on them is put on, and how
little of an array on a GPU is copied to the host.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.helpers.gpu import Driver, Shim
from tests.helpers.lending import InterfaceArray, VersionedArray
from trimatte import _core
from trimatte.ops.cropping import cropped
from trimatte.ops.screen_matting import Mattes

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]

IMAGE = cases.noise(np.random.default_rng(1), 40, 50, 3, "uint8")
DESPILLED = trimatte.despill(IMAGE)


# Arrays that work still reads ---------------------------------------------------------------------


def lent_to_work(gpu: Shim | Driver, stream: int) -> tuple[trimatte.DeviceArray, Any]:
    """The result of work that is not done yet, and what tells whether its array is gone."""
    array = InterfaceArray(IMAGE)
    gone = weakref.ref(array)
    gpu.delay(stream)
    result: Any = trimatte.despill(array, stream=stream)
    del array
    gc.collect()
    assert gone() is not None
    return result, gone


def test_a_copy_to_the_host_releases_what_was_read(
    gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    result, gone = lent_to_work(gpu, new_stream())
    np.testing.assert_array_equal(result.to_host(), DESPILLED)
    assert gone() is None


def test_the_end_of_a_result_releases_what_was_read(
    gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    stream = new_stream()
    result, gone = lent_to_work(gpu, stream)
    gpu.synchronize(stream)
    assert gone() is not None  # nobody has called trimatte since
    del result
    assert gone() is None


def test_the_end_of_a_result_does_not_release_what_is_still_read(
    gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    result, gone = lent_to_work(gpu, new_stream())
    del result
    assert gone() is not None
    trimatte.synchronize()
    assert gone() is None


def test_the_next_operation_releases_what_was_read(
    gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    stream = new_stream()
    result, gone = lent_to_work(gpu, stream)
    gpu.synchronize(stream)
    again = trimatte.choke(trimatte.to_device(IMAGE[..., 0].copy()), 1)
    assert gone() is None
    assert (result.shape, again.shape) == (IMAGE.shape, IMAGE.shape[:2])


def test_arrays_may_end_while_work_is_recorded(
    gpu: Shim | Driver, new_stream: Callable[[], int]
) -> None:
    result, gone = lent_to_work(gpu, new_stream())
    own = _core.WorkStream(0)
    source = trimatte.to_device(IMAGE, stream=own.handle)
    target, other = own.empty(IMAGE.shape, np.uint8), [result]
    del result

    def work() -> None:
        other.clear()
        own.copy(target, source)

    graph = own.record(work)
    own.launch(graph)
    np.testing.assert_array_equal(target.to_host(), IMAGE)
    trimatte.synchronize()
    assert gone() is None


# The stream of a library --------------------------------------------------------------------------


def a_tensor_of(module: str, *bases: type) -> Any:
    return type("Tensor", bases or (VersionedArray,), {"__module__": module})


def test_a_subclass_of_another_library_has_its_bases_stream(
    new_stream: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    current = SimpleNamespace(cuda_stream=new_stream())
    torch: Any = SimpleNamespace(cuda=SimpleNamespace(current_stream=lambda device: current))
    monkeypatch.setitem(sys.modules, "torch", torch)
    mask = a_tensor_of("torchvision.tv_tensors", a_tensor_of("torch"))(IMAGE)
    mask.device = "cuda:0"
    assert trimatte.despill(mask).stream == current.cuda_stream


def test_warps_stream_is_the_default(
    new_stream: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = {"cuda:0": SimpleNamespace(cuda_stream=new_stream())}
    warp: Any = SimpleNamespace(get_stream=streams.__getitem__)
    monkeypatch.setitem(sys.modules, "warp", warp)
    array = a_tensor_of("warp.types", InterfaceArray)(IMAGE)
    array.device = "cuda:0"
    assert trimatte.despill(array).stream == streams["cuda:0"].cuda_stream


@pytest.mark.parametrize("per_thread", [0, 1])
def test_numbas_default_stream_is_the_default(
    per_thread: int, new_stream: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_this_thread = SimpleNamespace(handle=new_stream())
    numba: Any = SimpleNamespace(
        config=SimpleNamespace(CUDA_PER_THREAD_DEFAULT_STREAM=per_thread),
        cuda=SimpleNamespace(per_thread_default_stream=lambda: of_this_thread),
    )
    monkeypatch.setitem(sys.modules, "numba", numba)
    array = a_tensor_of("numba.cuda.cudadrv.devicearray", InterfaceArray)(IMAGE)
    assert trimatte.despill(array).stream == (of_this_thread.handle if per_thread else 0)


def test_an_array_may_name_its_stream(new_stream: Callable[[], int]) -> None:
    stream = new_stream()

    class Named(VersionedArray):
        def __cuda_stream__(self) -> tuple[int, int]:
            return 0, stream

    assert trimatte.despill(Named(IMAGE)).stream == stream
    assert trimatte.despill(Named(IMAGE), stream=0).stream == 0


# Copies to the host -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(None, None, 3), slice(None, None, 4)),
        (slice(5, 17), slice(2, 3)),
        (slice(-9, None, 2), slice(None, None, -1)),
        (slice(4, 4), slice(None)),
    ],
)
def test_a_window_is_numpys(rows: slice, columns: slice) -> None:
    window = _core.window(trimatte.to_device(IMAGE), rows, columns)
    np.testing.assert_array_equal(window.to_host(), IMAGE[rows, columns])
    plane = _core.window(trimatte.to_device(IMAGE[..., 1].copy()), rows, columns)
    np.testing.assert_array_equal(plane.to_host(), IMAGE[rows, columns, 1])


def test_a_window_has_two_sides() -> None:
    line = trimatte.to_device(np.zeros(5, np.uint8))
    with pytest.raises(trimatte.ArgumentError, match="window: array must have two sides"):
        _core.window(line, slice(None), slice(None))


def test_a_crop_of_a_gpus_array() -> None:
    box = slice(3, 20), slice(11, 40)
    np.testing.assert_array_equal(cropped(trimatte.to_device(IMAGE), box), IMAGE[box])


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_a_screen_of_a_gpus_image_is_the_same(dtype: str) -> None:
    image = np.full((1200, 1501, 3), (40, 180, 60), np.uint8)
    image += cases.noise(np.random.default_rng(2), 1200, 1501, 3, "uint8") // 16
    image[400:, 500:900] = (200, 60, 50)
    samples = cases.samples(image / 255, dtype)
    known, found = trimatte.fit_screen(samples), trimatte.fit_screen(trimatte.to_device(samples))
    np.testing.assert_array_equal(found.model, known.model)
    np.testing.assert_array_equal(found.plate, known.plate)
    assert (found.key_color, found.noise, found.cell) == (known.key_color, known.noise, known.cell)
    assert found.cell == 16  # every other pixel was looked at


@pytest.mark.parametrize("matte_dtype", [None, "bool", *cases.DTYPES])
def test_mattes_within_a_trimap(matte_dtype: str | None) -> None:
    rng = np.random.default_rng(3)
    trimap = cases.noise(rng, 31, 47, 1, "uint8")[..., 0]
    mattes = Mattes()
    if matte_dtype is not None:
        mattes = Mattes(
            cases.coarse_mask(rng, 31, 47, matte_dtype), cases.coarse_mask(rng, 31, 47, matte_dtype)
        )
    known = mattes.within(trimap)
    on_gpu = Mattes(
        *(None if m is None else trimatte.to_device(m) for m in (mattes.garbage, mattes.core))
    ).within(trimatte.to_device(trimap))
    for matte, other in ((known.garbage, on_gpu.garbage), (known.core, on_gpu.core)):
        np.testing.assert_array_equal(other.to_host(), matte)
    if matte_dtype is None:
        np.testing.assert_array_equal(known.garbage, 255 * (trimap < 26).astype(np.uint8))
        np.testing.assert_array_equal(known.core, 255 * (trimap > 229).astype(np.uint8))

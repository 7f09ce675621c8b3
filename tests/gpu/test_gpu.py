"""The CUDA backend against the definitions: every case, whoever lends the arrays and however they
lie in memory.

Runs where a GPU can be used, and in CI against the stand-in of tests/cuda_shim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.cases import CASES, LAYOUTS, Array, Case
from tests.helpers.lending import (
    PROTOCOLS,
    CapsuleArray,
    InterfaceArray,
    Lent,
    VersionedArray,
    pointer,
)
from tests.ops.test_parity import assert_parity, by_id, expected, make_arguments, run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]


def an_array_moved_by_a_sample(array: Array) -> Array:
    """Aligned to its samples, and to no vector of them."""
    memory = np.zeros(array.size + 1, array.dtype)[1:]
    result = memory.reshape(array.shape)
    result[...] = array
    return result


ON_GPU_LAYOUTS = (
    *(layout for layout in LAYOUTS if layout is not cases.misaligned),
    an_array_moved_by_a_sample,
)


def one_of_each() -> list[Case]:
    """The first case of every operation and dtypes of its arrays."""
    found: dict[Any, Case] = {}
    for case in CASES:
        arguments = make_arguments(case, 3, 3)
        kinds = tuple(a.dtype.str if isinstance(a, np.ndarray) else "" for a in arguments)
        found.setdefault((case.operation, kinds), case)
    return list(found.values())


SOME = one_of_each()
some_by_id = pytest.mark.parametrize("case", SOME, ids=[case.id for case in SOME])


def on_gpu(arguments: tuple[Any, ...], **options: Any) -> tuple[Any, ...]:
    return tuple(
        trimatte.to_device(a, **options) if isinstance(a, np.ndarray) else a for a in arguments
    )


def to_host(results: list[Any]) -> list[Array]:
    assert all(isinstance(result, trimatte.DeviceArray) for result in results)
    return [result.to_host() for result in results]


def lend(kind: type[Lent], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(kind(a) if isinstance(a, np.ndarray) else a for a in arguments)


def assert_same(results: list[Array], others: list[Array]) -> None:
    for result, other in zip(results, others, strict=True):
        np.testing.assert_array_equal(result, other, strict=True)


@by_id
def test_operation_is_its_definition(case: Case) -> None:
    for height, width in case.shapes():
        arguments = make_arguments(case, height, width)
        results = run(case, on_gpu(arguments))
        assert_parity(case, to_host(results), expected(case, arguments))


@by_id
def test_numpy_in_gives_numpy_out(case: Case) -> None:
    arguments = make_arguments(case, *case.shapes()[-1])
    results = run(case, arguments, device="cuda")
    assert all(isinstance(result, np.ndarray) for result in results)
    assert_same(results, to_host(run(case, on_gpu(arguments))))


@some_by_id
def test_inputs_are_left_alone(case: Case) -> None:
    arguments = on_gpu(make_arguments(case, 23, 34))
    arrays = [a for a in arguments if isinstance(a, trimatte.DeviceArray)]
    copies = [a.to_host() for a in arrays]
    results = run(case, arguments)
    assert_same([a.to_host() for a in arrays], copies)
    assert not {pointer(a) for a in arrays} & {pointer(result) for result in results}


@some_by_id
def test_results_repeat_to_the_bit(case: Case) -> None:
    arguments = on_gpu(make_arguments(case, 23, 34))
    assert_same(to_host(run(case, arguments)), to_host(run(case, arguments)))


@some_by_id
@pytest.mark.parametrize("layout", ON_GPU_LAYOUTS, ids=lambda layout: layout.__name__)
def test_memory_layout_does_not_matter(case: Case, layout: Callable[[Array], Array]) -> None:
    arguments = make_arguments(case, 11, 37)
    plain = to_host(run(case, on_gpu(arguments)))
    laid_out = lend(InterfaceArray, cases.with_layout(layout, arguments))
    assert_same(to_host(run(case, laid_out)), plain)


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("layout", ON_GPU_LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_every_protocol_tells_the_layout(
    kind: type[Lent], layout: Callable[[Array], Array], dtype: str
) -> None:
    image = cases.noise(np.random.default_rng(3), 11, 37, 4, dtype)
    result = trimatte.despill(kind(layout(image)))
    np.testing.assert_array_equal(
        result.to_host(), trimatte.despill(trimatte.to_device(image)).to_host()
    )


@pytest.mark.parametrize("kind", [CapsuleArray, VersionedArray, InterfaceArray])
def test_no_strides_means_packed(kind: type[Lent]) -> None:
    image = cases.noise(np.random.default_rng(4), 9, 10, 3, "uint16")
    array = kind(an_array_moved_by_a_sample(image))
    array.strides = None
    np.testing.assert_array_equal(
        trimatte.chroma_key(array).to_host(),
        trimatte.chroma_key(trimatte.to_device(image)).to_host(),
    )


@pytest.mark.parametrize("kind", [VersionedArray, InterfaceArray])
@pytest.mark.parametrize("layout", [np.copy, cases.planes])
def test_read_only_arrays_are_read(kind: type[Lent], layout: Callable[[Array], Array]) -> None:
    image = layout(cases.noise(np.random.default_rng(4), 9, 10, 3, "uint8"))
    result = trimatte.despill(kind(image, read_only=True))
    np.testing.assert_array_equal(
        result.to_host(), trimatte.despill(trimatte.to_device(image)).to_host()
    )
    assert result.__cuda_array_interface__["data"][1] is False


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_bool_masks(kind: type[Lent]) -> None:
    mask = np.random.default_rng(5).random((20, 21)) < 0.5
    image = cases.noise(np.random.default_rng(5), 20, 21, 3, "uint8")
    for layout in (np.copy, cases.planes, cases.upside_down):
        trimap = trimatte.make_trimap(kind(layout(mask)), 1)
        np.testing.assert_array_equal(trimap.to_host(), trimatte.make_trimap(mask, 1))
        rgba = trimatte.cutout(trimatte.to_device(image), kind(layout(mask)))
        np.testing.assert_array_equal(rgba.to_host(), trimatte.cutout(image, mask))


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("stride", [None, 1], ids=["start", "stride"])
def test_misaligned_samples_are_refused(dtype: str, stride: int | None) -> None:
    image = cases.noise(np.random.default_rng(6), 6, 7, 3, dtype)
    array = InterfaceArray(cases.misaligned(image) if stride is None else np.copy(image))
    if stride is not None:  # every side's stride counts, not only the rows'
        array.strides = (image.strides[0], image.strides[1] + stride, image.strides[2])
        array.shape = (6, 3, 3)
    with pytest.raises(trimatte.ArgumentError, match="aligned to its samples"):
        trimatte.despill(array)


@pytest.mark.parametrize("lend", [trimatte.to_device, *PROTOCOLS])
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_probe_looks_at_the_gpu(lend: Callable[[Array], Any], dtype: str) -> None:
    image = cases.noise(np.random.default_rng(7), 6, 7, 3, dtype)
    array = lend(image)
    for y, x in ((0, 0), (2, 5), (5, 6)):
        assert trimatte.probe(array, x, y) == trimatte.probe(image, x, y)
    with pytest.raises(trimatte.ArgumentError, match="probe: x must be a whole number"):
        trimatte.probe(array, 7, 0)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("kind", PROTOCOLS)
def test_empty_images(kind: type[Lent], shape: tuple[int, int]) -> None:
    result = trimatte.chroma_key(kind(np.zeros((*shape, 3), np.uint8)))
    assert result.shape == shape
    assert result.to_host().shape == shape


def test_screen_is_copied_to_a_gpu_once() -> None:
    screen = cases.a_screen((4, 6), 8)
    image = cases.noise(np.random.default_rng(1), 32, 48, 3, "uint8")
    ours = trimatte.to_device(image)
    assert screen.beside("model", ours) is screen.beside("model", ours)
    options: dict[str, Any] = {"method": "plate", "screen": screen}
    alpha = trimatte.chroma_key(ours, **options)
    difference = alpha.to_host().astype(int) - trimatte.chroma_key(image, **options)
    assert np.abs(difference).max() <= 1

"""GPU memory from another library's pool."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.helpers.gpu import Driver, Shim, run_python

RNG = np.random.default_rng(7)
IMAGE = cases.noise(RNG, 60, 70, 3, "uint8")
TRIMAP = np.repeat(np.array([0, 128, 255], np.uint8), (25, 20, 25))[None].repeat(60, 0)
ALIGNMENT = 256


class Slab:
    """A pool: pieces of one array, which are given out once each."""

    def __init__(self, size: int = 1 << 25) -> None:
        self.array = trimatte.to_device(np.zeros(size, np.uint8))
        self.next: int = self.array.__cuda_array_interface__["data"][0]
        self.end = self.next + size
        self.given: dict[int, int] = {}
        self.calls: list[tuple[int, int]] = []  # (device, stream)

    def allocate(self, size: int, device: int, stream: int) -> int:
        pointer = -(-self.next // ALIGNMENT) * ALIGNMENT
        self.next = pointer + size
        if self.next > self.end:
            raise MemoryError("the slab is used up")
        self.given[pointer] = size
        self.calls.append((device, stream))
        return pointer

    def release(self, pointer: int, size: int, device: int, stream: int) -> None:
        assert self.given.pop(pointer) == size
        self.calls.append((device, stream))


@pytest.fixture
def slab() -> Iterator[Slab]:
    pool = Slab()
    trimatte.set_allocator(pool.allocate, pool.release)
    yield pool
    trimatte.set_allocator(None)


def matted() -> tuple[Any, Any]:
    alpha = trimatte.estimate_alpha(IMAGE, TRIMAP, device="cuda")
    return alpha, trimatte.estimate_foreground(IMAGE, alpha, device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
class TestOnAGpu:
    def test_results_and_work_memory_come_from_it_and_go_back(self, slab: Slab) -> None:
        alpha, foreground = matted()
        assert slab.calls
        assert not slab.given
        trimatte.set_allocator(None)
        count = len(slab.calls)
        for ours, theirs in zip(matted(), (alpha, foreground), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert len(slab.calls) == count

    def test_a_result_lies_in_it(self, slab: Slab) -> None:
        result = trimatte.to_device(IMAGE)
        assert result.__cuda_array_interface__["data"][0] in slab.given
        assert {device for device, _ in slab.calls} == {0}
        np.testing.assert_array_equal(result.to_host(), IMAGE)
        del result
        trimatte.synchronize()
        assert not slab.given

    def test_memory_goes_back_to_where_it_came_from(self, slab: Slab) -> None:
        theirs = trimatte.to_device(IMAGE)
        trimatte.set_allocator(None)
        ours = trimatte.to_device(IMAGE)
        assert len(slab.given) == 1
        second = Slab()
        trimatte.set_allocator(second.allocate, second.release)
        del theirs, ours
        trimatte.synchronize()
        assert not slab.given
        assert not second.calls

    def test_the_stream_is_told(self, slab: Slab, gpu: Shim | Driver) -> None:
        stream = gpu.new_stream()
        result = trimatte.to_device(IMAGE, stream=stream)
        assert slab.calls == [(0, stream)]
        del result
        assert slab.calls == [(0, stream), (0, stream)]
        gpu.synchronize(stream)
        gpu.destroy_stream(stream)

    def test_its_errors_are_the_operation_s(self, slab: Slab) -> None:
        def refuse(size: int, device: int, stream: int) -> int:
            raise KeyError(size)

        trimatte.set_allocator(refuse, slab.release)
        with pytest.raises(KeyError, match=str(IMAGE.size)):
            trimatte.to_device(IMAGE)
        with pytest.raises(KeyError):
            matted()

    @pytest.mark.parametrize("made", [None, 0, "nothing", -1, 2**70, 1.5, True])
    def test_what_is_no_address_is_refused(self, slab: Slab, made: Any) -> None:
        trimatte.set_allocator(lambda size, device, stream: made, slab.release)
        with pytest.raises(trimatte.DeviceError, match="allocate must return the address"):
            trimatte.to_device(IMAGE)

    def test_what_is_not_aligned_is_given_back(self, slab: Slab) -> None:
        def unaligned(size: int, device: int, stream: int) -> int:
            pointer = slab.allocate(size + 8, device, stream)
            slab.given[pointer + 8] = slab.given.pop(pointer) - 8
            return pointer + 8

        trimatte.set_allocator(unaligned, slab.release)
        with pytest.raises(trimatte.DeviceError, match="a multiple of 256"):
            trimatte.to_device(IMAGE)
        assert not slab.given

    def test_memory_that_is_given_twice_is_refused(self, slab: Slab) -> None:
        held = trimatte.to_device(IMAGE)
        at = held.__cuda_array_interface__["data"][0]
        trimatte.set_allocator(lambda size, device, stream: at, slab.release)
        with pytest.raises(trimatte.DeviceError, match="memory that is in use"):
            trimatte.to_device(IMAGE)
        del held
        trimatte.synchronize()
        assert not slab.given

    def test_errors_of_release_are_reported(
        self, slab: Slab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", lambda raised: seen.append(raised.exc_type))

        def release(pointer: int, size: int, device: int, stream: int) -> None:
            raise KeyError(pointer)

        trimatte.set_allocator(slab.allocate, release)
        result = trimatte.to_device(IMAGE)
        del result
        trimatte.synchronize()
        assert seen == [KeyError]

    def test_the_interpreter_may_end_with_memory_out(self) -> None:
        done = run_python(
            "import numpy as np, trimatte\n"
            "slab = trimatte.to_device(np.zeros(4096, np.uint8))\n"
            "at = slab.__cuda_array_interface__['data'][0]\n"
            "at = -(-at // 256) * 256\n"
            "trimatte.set_allocator(lambda n, d, s: at, lambda p, n, d, s: None)\n"
            "held = trimatte.to_device(np.zeros((4, 5, 3), np.uint8))\n"
            "print(held.shape)\n"
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "(4, 5, 3)\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((print,), "given together"),
        ((None, print), "given together"),
        ((1, print), "allocate must be callable, got 1"),
        ((print, "x"), "release must be callable, got 'x'"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(trimatte.ArgumentError, match=f"set_allocator: .*{message}"):
        trimatte.set_allocator(*arguments)


def test_our_own_pool_can_be_asked_for_on_any_build() -> None:
    trimatte.set_allocator(None)

"""Float samples are scanned without the GIL, and not at all within `_core.trusted()`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import trimatte
from trimatte import _core

WRONG = np.full((4, 5, 3), np.nan, np.float32)


def check(array: np.ndarray) -> None:
    _core.check(array, "test", "image", color=True)


def assert_scanned() -> None:
    with pytest.raises(trimatte.ArgumentError, match=r"float samples in \[0, 1\], got nan"):
        check(WRONG)


def test_a_scope_within_may_scan_again() -> None:
    with _core.trusted():
        with _core.trusted(False):
            assert_scanned()
        check(WRONG)
    assert_scanned()


def test_samples_are_not_scanned_in_the_scope() -> None:
    assert_scanned()
    with _core.trusted():
        check(WRONG)
        with _core.trusted():
            check(WRONG)
        check(WRONG)
    assert_scanned()


def test_the_scope_ends_with_an_exception() -> None:
    with pytest.raises(KeyError), _core.trusted(), _core.trusted():
        raise KeyError
    assert_scanned()


def test_shapes_and_dtypes_are_checked_in_the_scope() -> None:
    with _core.trusted():
        with pytest.raises(trimatte.ArgumentError, match=r"must be \(H, W, 3\)"):
            check(WRONG[0])
        with pytest.raises(trimatte.ArgumentError, match="float64"):
            check(WRONG.astype(np.float64))


def test_other_threads_are_not_affected() -> None:
    with ThreadPoolExecutor(1) as other:
        with _core.trusted():
            other.submit(assert_scanned).result()
        other.submit(_core.trusted().__enter__).result()
        other.submit(check, WRONG).result()
        assert_scanned()


@pytest.fixture
def threads_never_preempted() -> Iterator[None]:
    """A thread runs Python code until it releases the GIL by itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_never_preempted")
def test_other_threads_run_during_the_scan() -> None:
    image = np.zeros((1000, 1000, 3), np.float32)
    ran = []
    go = threading.Lock()

    def other() -> None:
        with go:
            ran.append(True)

    go.acquire()
    thread = threading.Thread(target=other)
    thread.start()
    go.release()
    for _ in range(1000):
        check(image)
        if ran:
            break
    assert ran
    thread.join()

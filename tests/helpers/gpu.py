"""What the tests do to a GPU beside trimatte: streams, copies and late work of others.

On a real GPU by the driver's calls; in a build against the stand-in of tests/cuda_shim by its door.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import trimatte
from trimatte import _core

IS_SHIM = trimatte.build_info()["cuda_architectures"] == "shim"
Handle = ctypes.c_void_p
Array = NDArray[Any]
Late = Callable[[Array, int], trimatte.DeviceArray]


def function(library: ctypes.CDLL, name: str, *types: Any, returns: Any = ctypes.c_int) -> Any:
    found = getattr(library, name)
    found.argtypes, found.restype = types, returns
    return found


class Shim:
    """The stand-in: a stream's work runs when somebody waits for it, which is late enough."""

    def __init__(self) -> None:
        door = ctypes.CDLL(_core.__file__)
        number, size = ctypes.c_uint64, ctypes.c_size_t
        self._create = function(door, "cuda_shim_stream_create", returns=Handle)
        self._destroy = function(door, "cuda_shim_stream_destroy", Handle)
        self._synchronize = function(door, "cuda_shim_stream_synchronize", Handle)
        self._copy = function(door, "cuda_shim_copy", Handle, Handle, size, Handle)
        self.set_device = function(door, "cuda_shim_set_device", ctypes.c_int)
        self.waits: Callable[[], int] = function(door, "cuda_shim_waits", returns=number)
        self.allocated: Callable[[], int] = function(door, "cuda_shim_allocated", returns=size)
        self._limit = function(door, "cuda_shim_set_memory_limit", size, returns=size)
        self._break = function(door, "cuda_shim_break", ctypes.c_int, returns=None)

    def new_stream(self) -> int:
        return int(self._create())

    def destroy_stream(self, stream: int) -> None:
        assert self._destroy(stream) == 0

    def synchronize(self, stream: int) -> None:
        assert self._synchronize(stream) == 0

    def copy(self, to: int, source: int, nbytes: int, stream: int) -> None:
        assert self._copy(to, source, nbytes, stream) == 0

    def delay(self, stream: int) -> None:
        """Makes what the stream is given from now on come late."""

    @contextmanager
    def nothing_waits(self, stream: int) -> Iterator[None]:
        """Fails if a call within waits for the GPU."""
        before = self.waits()
        yield
        assert self.waits() == before

    @contextmanager
    def room_for(self, nbytes: int) -> Iterator[None]:
        """Memory is scarce."""
        before = self._limit(self.allocated() + nbytes)
        yield
        self._limit(before)

    def break_context(self) -> None:
        """What a kernel's access to an illegal address leaves behind."""
        self._break(700)


class Driver:
    """A real GPU, by libcuda, in the context that trimatte uses."""

    def __init__(self) -> None:
        trimatte.to_device([True]).to_host()  # makes the context of this thread
        self._cuda = ctypes.CDLL("libcuda.so.1")

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._cuda, name)(*arguments)
        assert status == 0, f"{name}: CUresult {status}"

    def set_device(self, device: int) -> int:
        context = Handle()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        return 0

    def new_stream(self) -> int:
        stream, context = Handle(), Handle()
        self._call("cuCtxGetCurrent", ctypes.byref(context))
        if not context:  # a new thread has none
            self.set_device(0)
        self._call("cuStreamCreate", ctypes.byref(stream), 1)  # waits for no default stream
        return int(stream.value or 0)

    def destroy_stream(self, stream: int) -> None:
        self._call("cuStreamDestroy_v2", Handle(stream))

    def synchronize(self, stream: int) -> None:
        self._call("cuStreamSynchronize", Handle(stream))

    def copy(self, to: int, source: int, nbytes: int, stream: int) -> None:
        self._call(
            "cuMemcpyDtoDAsync_v2",
            ctypes.c_uint64(to),
            ctypes.c_uint64(source),
            ctypes.c_size_t(nbytes),
            Handle(stream),
        )

    def delay(self, stream: int) -> None:
        """Makes what the stream is given from now on come a quarter of a second late."""
        usleep = ctypes.CDLL(None).usleep
        self._call("cuLaunchHostFunc", Handle(stream), usleep, Handle(250_000))

    @contextmanager
    def nothing_waits(self, stream: int) -> Iterator[None]:
        """Fails if a call within waits for the stream, which is held up until all have returned."""
        libc = ctypes.CDLL(None)
        semaphore = (ctypes.c_long * 4)()
        libc.sem_init(semaphore, 0, 0)
        hung = threading.Event()

        def let_go() -> None:
            hung.set()
            libc.sem_post(semaphore)

        guard = threading.Timer(60, let_go)
        self._call("cuLaunchHostFunc", Handle(stream), libc.sem_wait, semaphore)
        guard.start()
        try:
            yield
        finally:
            guard.cancel()
            libc.sem_post(semaphore)
            self.synchronize(stream)
        assert not hung.is_set(), "a call waited for the stream"

    def allocated(self) -> int:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return total.value - free.value

    @contextmanager
    def room_for(self, nbytes: int) -> Iterator[None]:
        """Memory is scarce: somebody else has all but that much, roughly."""
        trimatte.free_memory()
        free, total, taken = ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_uint64()
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        size = ctypes.c_size_t(free.value - nbytes)
        self._call("cuMemAlloc_v2", ctypes.byref(taken), size)
        yield
        self._call("cuMemFree_v2", taken)

    def break_context(self) -> None:
        """A kernel that fails: nothing runs in this context any more."""
        program = b".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k() { trap; }\0"
        module, kernel = Handle(), Handle()
        self._call("cuModuleLoadData", ctypes.byref(module), program)
        self._call("cuModuleGetFunction", ctypes.byref(kernel), module, b"k")
        self._call("cuLaunchKernel", kernel, 1, 1, 1, 1, 1, 1, 0, None, None, None)
        assert self._cuda.cuCtxSynchronize() != 0


def open_gpu() -> Shim | Driver:
    return Shim() if IS_SHIM else Driver()


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, which may import what the tests may."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-X", "faulthandler", "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )

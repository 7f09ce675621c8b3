"""What was built, what runs here, and where operations run.

Every operation takes ``device`` and ``stream``.

``device=None``: where its arrays lie. NumPy arrays (and anything array-like) are worked on by
the CPU; an array on a GPU (`DeviceArray`, or one of CuPy, PyTorch, JAX, Numba or PyCUDA) by that
GPU, without a copy, and the result is a `DeviceArray` there. ``"cuda"`` or ``"cuda:1"`` with
NumPy arrays: they are copied to the GPU, the result is copied back and complete when the call
returns; where the GPU cannot be used a `DeviceError` says why. ``"auto"``: the GPU where one can
be used, else the CPU; the logger ``trimatte`` says once which, and why. ``"cpu"`` with an array
on a GPU is refused: nothing is copied unasked.

``stream=None``: the stream of the first array: a `DeviceArray`'s own; the current stream of
PyTorch, CuPy or Warp; the stream that an array names by ``__cuda_stream__``; Numba's default
stream; else (JAX, PyCUDA and others) the legacy default stream. A stream is an object with
``__cuda_stream__``, ``.cuda_stream`` (PyTorch), ``.ptr`` (CuPy) or ``.handle`` (PyCUDA, Numba), or
its handle as a number. Work is put on the stream and not waited for, and arrays made on other
streams are waited for on the GPU. The object keeps its stream alive for as long as results made on
it need it; a stream given as a number is the caller's to keep that long.

Arrays that are read stay alive until the work is done. No thread watches for that moment: arrays
whose work is done are released whenever an operation on a GPU is called, an array is copied to the
host or a `DeviceArray` is freed. A program that does none of these keeps the arrays that it lent
last; `synchronize` waits for the work and releases them all.

The samples of float arrays on a GPU are not looked at before the work, as those of NumPy arrays
are: those outside of [0, 1] give results without meaning, NaN too.

Errors: `ArgumentError` for what is not accepted; `DeviceError` for what the GPU refuses; running
out of GPU memory is a ``MemoryError`` that names the bytes, and leaves the GPU usable. CUDA does
not survive a fork: a child that was forked after CUDA's first use gets a `DeviceError`; start
workers with ``spawn`` or ``forkserver``.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.errors import ArgumentError

__all__ = [
    "DeviceArray",
    "build_info",
    "cpu_target",
    "cuda_available",
    "cuda_status",
    "free_memory",
    "get_num_threads",
    "set_allocator",
    "set_num_threads",
    "synchronize",
    "to_device",
    "when_memory_is_freed",
]

_FREED: list[Callable[[], None]] = []


def cuda_available() -> bool:
    """Whether the CUDA backend was built and finds a GPU that it can use."""
    return bool(_core.cuda_status()[0])


def cuda_status() -> str:
    """One sentence on what the CUDA backend found, or why it cannot be used."""
    return str(_core.cuda_status()[1])


def to_device(array: npt.ArrayLike, device: str = "cuda", *, stream: Any = None) -> DeviceArray:
    """Copies an array to a GPU.

    Args:
        array: bool, uint8, uint16, float16 or float32.
        device: ``"cuda"``, which is the current GPU, or ``"cuda:1"``.
        stream: as for every operation.

    Returns:
        A `DeviceArray` of the same shape and dtype; its ``to_host()`` is the way back.

    Raises:
        ArgumentError: an argument is not what is listed above.
        DeviceError: there is no such GPU, or it cannot be used; the message says why.
        MemoryError: it has no room.
    """
    return _core.to_device(np.asarray(array), device, stream)


def synchronize() -> None:
    """Waits until the GPU has read everything that operations were given, and lets go of it."""
    _core.collect(True)


def free_memory() -> None:
    """Gives memory that trimatte keeps for later calls back: at most 512 MiB of the host's to the
    system, the GPU's to the driver, and the models that `segment` and `Remover` share."""
    for free in _FREED:
        free()
    _core.collect(True)
    _core.free_memory()


def set_allocator(
    allocate: Callable[[int, int, int], int] | None,
    release: Callable[[int, int, int, int], object] | None = None,
) -> None:
    """Takes GPU memory from another library's pool, so that one pool serves the whole process.

    Results (`DeviceArray`) and work memory come from it from then on; what was taken before goes
    back to where it came from. Both functions are called from any thread, with that GPU as the
    current one. While an allocator is set, operations must not be recorded into a CUDA graph.

    Args:
        allocate: ``allocate(size, device, stream)`` returns the address of at least ``size`` bytes
            on GPU number ``device``, a multiple of 256, for work on ``stream`` (a ``cudaStream_t``
            as a number, 0 for the default stream). What it raises, the operation raises; where
            there is no room that should be a MemoryError. None: our own pool again.
        release: ``release(pointer, size, device, stream)`` takes them back. Work that was put on
            the stream before may still use them. What it raises is reported and otherwise ignored.

    Raises:
        ArgumentError: one of the two is no function, or only one of them is given.
        DeviceError: by operations, later: ``allocate`` returned something else than an address.
    """
    if (allocate is None) != (release is None):
        raise ArgumentError("set_allocator: allocate and release must be given together")
    for name, function in (("allocate", allocate), ("release", release)):
        if function is not None and not callable(function):
            raise ArgumentError(f"set_allocator: {name} must be callable, got {function!r:.80}")
    _core.set_allocator(allocate, release)


def when_memory_is_freed(free: Callable[[], None]) -> None:
    """Adds a function that `free_memory` calls first, for the caches of the floors above."""
    _FREED.append(free)


def cpu_target() -> str:
    """The instruction set that the CPU backend runs with: "avx512", "avx2" or "baseline".

    ``TRIMATTE_CPU_TARGET`` in the environment lowers it.
    """
    return str(_core.cpu_target())


def get_num_threads() -> int:
    """How many threads an operation may use on the CPU."""
    return int(_core.get_num_threads())


def set_num_threads(count: int | None) -> None:
    """Sets how many threads an operation may use; results do not depend on it.

    None returns to the default: ``TRIMATTE_NUM_THREADS``, or all cores that the process may use.
    """
    if count is not None and (not isinstance(count, int) or not 1 <= count <= 4096):
        raise ArgumentError(
            f"set_num_threads: count must be None or a whole number in [1, 4096], got {count!r:.80}"
        )
    _core.set_num_threads(count or 0)


def build_info() -> dict[str, Any]:
    """Facts about this build: version, compiler, CUDA architectures and CPU target.

    ``cuda_architectures`` is "" where the CUDA backend was not built.
    """
    return {
        "version": _core.__version__,
        "compiler": _core.compiler,
        "cuda_architectures": _core.cuda_architectures,
        "cpu_target": cpu_target(),
    }


# Borrowed arrays go back to their libraries while those are still there.
atexit.register(_core.collect, False)

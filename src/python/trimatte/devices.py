"""What was built and what runs here."""

from __future__ import annotations

from typing import Any

from trimatte import _core
from trimatte.errors import ArgumentError

__all__ = [
    "build_info",
    "cpu_target",
    "cuda_available",
    "cuda_status",
    "get_num_threads",
    "set_num_threads",
]


def cuda_available() -> bool:
    """Whether the CUDA backend was built and finds a GPU that it can use."""
    return bool(_core.cuda_status()[0])


def cuda_status() -> str:
    """One sentence on what the CUDA backend found, or why it cannot be used."""
    return str(_core.cuda_status()[1])


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
            f"set_num_threads: count must be None or a whole number in [1, 4096], got {count!r}"
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

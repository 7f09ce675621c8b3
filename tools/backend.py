"""Build backend: scikit-build-core, plus the CUDA compiler's wheels where they are wanted.

``TRIMATTE_CUDA=ON`` asks for the CUDA backend, ``OFF`` refuses it. The default, ``AUTO``, builds it
where the machine has an NVIDIA driver (the compiler then comes from PyPI if it is not installed) or
a CUDA compiler. So ``pip install .`` gives a GPU host its kernels with no extra step, and a machine
without a GPU fetches nothing for it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from scikit_build_core import build as _backend
from scikit_build_core.build import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

# 13.0: device code of a newer minor version is refused by older drivers of the 13 series.
_CUDA_WHEELS = [
    f"nvidia-{part}==13.0.*"
    for part in ("cuda-nvcc", "cuda-crt", "nvvm", "cuda-runtime", "cuda-cccl")
]


def _has_compiler() -> bool:
    if "CUDACXX" in os.environ or shutil.which("nvcc"):
        return True
    homes = (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda")
    return any(home and (Path(home) / "bin" / "nvcc").exists() for home in homes)


def _has_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _cuda_requires() -> list[str]:
    wish = os.environ.get("TRIMATTE_CUDA", "AUTO").upper()
    wanted = wish == "ON" or (wish == "AUTO" and _has_driver())
    if not wanted or _has_compiler() or not sys.platform.startswith("linux"):
        return []
    return list(_CUDA_WHEELS)


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    return [*_backend.get_requires_for_build_wheel(config_settings), *_cuda_requires()]


def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    return [*_backend.get_requires_for_build_editable(config_settings), *_cuda_requires()]

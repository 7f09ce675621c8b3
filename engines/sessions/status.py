"""What runtimes are installed here, and why one cannot be used."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trimatte.devices import cuda_available, cuda_status
from trimatte.errors import EngineError

from ..tensorrt_build.flavours import tensorrt_module
from .onnxruntime import CUDA, cuda_complaint, import_onnxruntime
from .openvino import import_openvino

__all__ = ["RuntimeStatus", "runtimes"]

# Wheels that are imported as onnxruntime, the one to keep first.
_ONNXRUNTIMES = (
    "onnxruntime-gpu",
    "onnxruntime",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-training",
    "onnxruntime-rocm",
    "onnxruntime-migraphx",
    "onnxruntime-qnn",
)


@dataclass(frozen=True)
class RuntimeStatus:
    """A runtime as it is found.

    name: as `open_session` takes it. version: None where it is not installed or does not load.
    location: its folder, likewise. devices: of ``"cpu"`` and ``"cuda"``, what it can be used on;
    none where it cannot be used. problems: a sentence for each, with what to do.
    """

    name: str
    version: str | None = None
    location: Path | None = None
    devices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def runtimes() -> tuple[RuntimeStatus, ...]:
    """The runtimes that `open_session` knows, the best for a GPU first.

    Imports each that is installed, which may take seconds.
    """
    wheels = _wheels()
    return (
        _status("tensorrt", wheels, partial(tensorrt_module, "tensorrt"), _on_gpu),
        _status("tensorrt_rtx", wheels, partial(tensorrt_module, "tensorrt_rtx"), _on_gpu),
        _status("onnxruntime", wheels, import_onnxruntime, _onnxruntime_devices),
        _status("openvino", wheels, import_openvino, lambda module: (("cpu",), ())),
    )


Found = tuple[tuple[str, ...], tuple[str, ...]]
"""Devices that a runtime can be used on, and problems."""


def _status(
    name: str, wheels: Mapping[str, str], load: Callable[[], Any], look: Callable[[Any], Found]
) -> RuntimeStatus:
    shadows = _shadows(wheels) if name == "onnxruntime" else ()
    try:
        module = load()
    except EngineError as error:
        return RuntimeStatus(name, problems=(str(error), *shadows))
    devices, problems = look(module)
    return RuntimeStatus(
        name, module.__version__, Path(module.__file__).parent, devices, (*problems, *shadows)
    )


def _wheels() -> dict[str, str]:
    """Versions of what pip has installed, by names in lower case with "-"."""
    found = importlib.metadata.distributions()
    named = [(each.metadata["Name"], each.version) for each in found]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in named if name}


def _shadows(wheels: Mapping[str, str]) -> tuple[str, ...]:
    """What to do where several wheels have put their files into the one folder onnxruntime."""
    rivals = [name for name in _ONNXRUNTIMES if name in wheels]
    if len(rivals) < 2:
        return ()
    keep, *others = rivals
    both = " and ".join(f"{name} {wheels[name]}" for name in rivals)
    return (
        f"{both} are installed into the same folder, and which one is imported is chance: "
        f"pip uninstall {' '.join(others)}, then pip install --force-reinstall --no-deps {keep}",
    )


def _on_gpu(module: Any) -> Found:
    if cuda_available():
        return ("cuda",), ()
    return (), (cuda_status(),)


def _onnxruntime_devices(module: Any) -> Found:
    if not cuda_available():
        return ("cpu",), ()
    if CUDA not in module.get_available_providers():
        return ("cpu",), ("this wheel is for the CPU; onnxruntime-gpu, in its place, has CUDA",)
    complaint = cuda_complaint()
    if complaint:
        return ("cpu",), (f"its CUDA cannot be used: {complaint}",)
    return ("cpu", "cuda"), ()

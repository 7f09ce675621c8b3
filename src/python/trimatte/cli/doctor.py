"""The command line's ``trimatte doctor``."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import PIL

import trimatte
from trimatte import engines
from trimatte.devices import build_info, cpu_target, cuda_status, get_num_threads
from trimatte.io import codecs
from trimatte.optional import advice

__all__ = ["add_doctor"]


def add_doctor(commands: Any) -> None:
    """Adds the command to the command line's."""
    doctor = commands.add_parser(
        "doctor",
        help="what was built, what runs here, and why not",
        description="Prints what was built, what runs on this machine, and what does not and why.",
    )
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    built = build_info()
    architectures = built.get("cuda_architectures") or ""
    rows = {
        "trimatte": f"{trimatte.__version__} in {Path(trimatte.__file__).parent}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}), "
        f"{sys.executable}",
        "platform": platform.platform(),
        "compiler": str(built.get("compiler", "unknown")),
        "CPU": f"{cpu_target()} kernels, {get_num_threads()} threads",
        "CUDA": f"built for {architectures}" if architectures else "not built",
        "GPU": cuda_status(),
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
        **codecs.in_use(),
        "tqdm": _version("tqdm") or f"not installed: no progress bar ({advice('tqdm', 'cli')})",
        "shtab": _version("shtab") or f"not installed: no completion ({advice('shtab', 'cli')})",
        "PyAV": _version("av") or f"not installed: no videos ({advice('av', 'video')})",
        "models": f"kept in {engines.models_folder()}",
    }
    for name, value in rows.items():
        print(f"{name:<12} {value}")
    for runtime in engines.runtimes():
        version = (runtime.version or "").partition("-")[0]
        used = [f"{version} on {', '.join(runtime.devices)}"] if runtime.devices else []
        print(f"{runtime.name:<12} {'; '.join([*used, *runtime.problems])}")
    return 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

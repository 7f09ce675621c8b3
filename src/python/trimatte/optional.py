"""Packages that trimatte does without until they are asked for."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from trimatte.errors import EngineError

__all__ = ["NO_TELEMETRY", "advice", "imported", "require"]

_IMPORTING = threading.RLock()  # one thread at a time, or one would undo what another needs

NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
"""What the environment must say before onnxruntime is imported."""

_REQUIREMENTS = {
    "PIL": "'pillow>=11.3'",
    "ray": "'ray[data,serve]'",
    "prometheus_client": "prometheus-client",
    "pillow_heif": "pillow-heif",
    "python_multipart": "python-multipart",
}


def advice(module: str, extra: str) -> str:
    """How to install a missing package, for a message: its own name is right wherever trimatte came
    from, an index or a checkout.

    Args:
        module: its top-level module.
        extra: the extra of trimatte that brings it.
    """
    package = _REQUIREMENTS.get(module, module)
    return f"pip install {package}, or trimatte with its extra [{extra}]"


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Imports a module of an optional package, which then tells nobody that it was.

    OpenVINO would report its import to Google Analytics from a process that it forks; it and ONNX
    Runtime would leave an identity in the home folder.

    Args:
        module: its name.
        extra: what of trimatte's extras brings it.
        purpose: what it is needed for, as in "writing ONNX files".

    Raises:
        EngineError: it is not installed, or does not load; the message says what to install.
    """
    try:
        return _import(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise EngineError(
            f"{purpose} needs {package}, which does not load ({error}): {advice(package, extra)}"
        ) from error


@cache
def imported(module: str, extra: str) -> tuple[Any | None, str]:
    """A module of an optional package, and no problem; or None, and why there is none, to follow
    the package's name.

    Args:
        module: its name.
        extra: what of trimatte's extras brings it.
    """
    package = module.partition(".")[0]
    try:
        return _import(module), ""
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == package:
            return None, f"which is not installed ({advice(package, extra)})"
        return None, f"which cannot be loaded: {error}"
    except (ImportError, OSError) as error:
        return None, f"which cannot be loaded: {error}"


def _import(module: str) -> Any:
    with _IMPORTING, _without_telemetry():
        return importlib.import_module(module)


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """ONNX Runtime is told by the environment; for OpenVINO, which has a stand-in for it, its
    package for telemetry is not installed as long as this lasts."""
    unset = NO_TELEMETRY.keys() - os.environ.keys()
    os.environ.update({name: NO_TELEMETRY[name] for name in unset})
    hidden = "openvino_telemetry" not in sys.modules
    if hidden:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it cannot be imported
    try:
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)
        if hidden:
            sys.modules.pop("openvino_telemetry", None)

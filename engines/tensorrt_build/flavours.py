"""TensorRT as Python finds it: ``tensorrt``, or ``tensorrt_rtx`` with the same interface.

TensorRT has one logger in a process. What it says goes to the logger "trimatte"; what is an error
also goes to whoever is `listening`, for the text of an exception.
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trimatte.errors import ArgumentError, EngineError

__all__ = ["FLAVOURS", "listening", "logger_of", "tensorrt_module"]

FLAVOURS = ("tensorrt", "tensorrt_rtx")
_PACKAGES = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx"}

_log = logging.getLogger("trimatte")


def tensorrt_module(flavour: str | None = None) -> Any:
    """The module of TensorRT.

    Args:
        flavour: ``"tensorrt"``, ``"tensorrt_rtx"``, or None: the first of these that loads.

    Raises:
        ArgumentError: the flavour is none of these.
        EngineError: it does not load; the message says what of it is missing.
    """
    if flavour is not None and flavour not in FLAVOURS:
        raise ArgumentError(f"flavour must be None or one of {FLAVOURS}, got {flavour!r:.80}")
    reasons: list[str] = []
    for name in FLAVOURS if flavour is None else (flavour,):
        found = _load(name)
        if not isinstance(found, str):
            if reasons and "not installed" not in reasons[0]:
                _log.warning("%s; %s is used", reasons[0], name)
            return found
        reasons.append(found)
    raise EngineError("TensorRT cannot be used: " + "; ".join(reasons))


def _load(name: str) -> Any:
    """The module, or why there is none."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return f"{name} is not installed: pip install {_PACKAGES[name]}"
        return (
            f"{name} is installed without {error.name}, as by a wheel that only names others: "
            f"pip install --force-reinstall {_PACKAGES[name]}"
        )
    except (ImportError, OSError) as error:  # a shared library that the loader does not find
        return f"{name} is installed, but a library of it does not load: {error}"
    if not hasattr(module, "Builder") or not hasattr(module, "Runtime"):
        return f"{name} is not NVIDIA's, or not whole: it has no Builder or no Runtime"
    return module


@functools.cache
def logger_of(trt: Any) -> Any:
    """The logger of all objects of that module."""
    severity = trt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.INFO,  # those that matter become exceptions
        severity.ERROR: logging.INFO,
        severity.WARNING: logging.INFO,
        severity.INFO: logging.DEBUG,
    }
    errors = (severity.INTERNAL_ERROR, severity.ERROR)

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.listeners: dict[int, list[str]] = {}

        def log(self, severity: Any, message: str) -> None:
            if severity in levels:
                _log.log(levels[severity], "%s: %s", trt.__name__, message)
            if severity in errors:
                for listener in list(self.listeners.values()):
                    listener.append(message.strip())

    return Logger()


@contextmanager
def listening(trt: Any) -> Iterator[list[str]]:
    """The errors that TensorRT reports meanwhile, in whatever thread."""
    listeners = logger_of(trt).listeners
    heard: list[str] = []
    listeners[id(heard)] = heard
    try:
        yield heard
    finally:
        del listeners[id(heard)]

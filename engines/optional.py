"""Packages that trimatte does without until they are asked for."""

from __future__ import annotations

import importlib
from typing import Any

from trimatte.errors import EngineError

__all__ = ["require"]


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Imports a module of an optional package.

    Args:
        module: its name.
        extra: what of trimatte's extras brings it.
        purpose: what it is needed for, as in "writing ONNX files".

    Raises:
        EngineError: it is not installed, or does not load; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise EngineError(
            f"{purpose} needs {package}, which does not load ({error}): "
            f"pip install 'trimatte[{extra}]'"
        ) from error

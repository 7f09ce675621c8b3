"""Paths as users write them, and where trimatte keeps its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from trimatte.errors import ArgumentError

__all__ = ["expanded", "user_folder"]


def expanded(path: str | Path, what: str) -> Path:
    """A path with ``~`` and ``~user`` replaced.

    Raises:
        ArgumentError: there is no such user; `what` says whose path it is.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ArgumentError(f"{what}: there is no such user, got {str(path)!r:.200}") from None


def user_folder(kind: Literal["cache", "data"]) -> Path:
    """The user's folder for trimatte's files, as the platform has it; it need not exist.

    ``XDG_CACHE_HOME`` and ``XDG_DATA_HOME`` apply, also with a ``~`` or relative to the current
    folder, which the XDG specification would ignore.

    Raises:
        ArgumentError: the variable names a user that does not exist.
    """
    variable = f"XDG_{kind.upper()}_HOME"
    if home := os.environ.get(variable):
        return expanded(home, variable) / "trimatte"
    import platformdirs  # here: importing trimatte does not need it

    folders = platformdirs.PlatformDirs("trimatte", appauthor=False)
    return folders.user_cache_path if kind == "cache" else folders.user_data_path

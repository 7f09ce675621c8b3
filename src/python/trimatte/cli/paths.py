"""What lies where the command line's words say, whatever those are: `Path.exists` raises for names
that the system does not take."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from trimatte.io.sources import PATH_ERRORS

__all__ = ["exists", "is_file", "is_folder"]


def exists(path: str | os.PathLike[str]) -> bool:
    return _mode(path) != 0


def is_file(path: str | os.PathLike[str]) -> bool:
    return stat.S_ISREG(_mode(path))


def is_folder(path: str | os.PathLike[str]) -> bool:
    return stat.S_ISDIR(_mode(path))


def _mode(path: str | os.PathLike[str]) -> int:
    """What and whose a file is; 0: there is none, or its name is none."""
    try:
        return Path(path).stat().st_mode
    except PATH_ERRORS:
        return 0

"""Files that kill the process that touches them, in a module that Ray's workers import."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

__all__ = ["DeadlyFiles"]


class DeadlyFiles(LocalFileSystem):  # type: ignore[misc]
    """Local files. One of them kills, so many times.

    graves: a folder in which each death leaves a file. at: when it kills, "read" or "moved". name:
    of the file. times: how often.
    """

    cachable = False

    def __init__(self, graves: str, at: str, name: str, times: int) -> None:
        super().__init__()
        self.graves = graves
        self.at = at
        self.name = name
        self.times = times

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        self._kill("read", path)
        return super()._open(path, mode, **options)

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        super().mv(path1, path2, **options)
        self._kill("moved", path2)

    def _kill(self, at: str, path: str) -> None:
        deaths = len(list(Path(self.graves).iterdir()))
        if at == self.at and Path(path).name == self.name and deaths < self.times:
            Path(self.graves, str(deaths)).touch()
            os.kill(os.getpid(), signal.SIGKILL)

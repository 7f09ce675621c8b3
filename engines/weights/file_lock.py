"""One process at a time: a lock that dies with its holder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trimatte.errors import EngineError
from trimatte.optional import require

__all__ = ["LockError", "file_lock"]

_POLL = 0.05  # seconds


class LockError(EngineError):
    """A lock file cannot be created or locked."""


@contextmanager
def file_lock(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Holds a lock while the body runs; other processes and threads wait for it.

    The operating system releases the lock when its holder ends, however it ends. Never delete the
    file: a process that waits for the deleted file and one that creates a new file of that name
    would both get the lock.

    Args:
        path: the lock file, in a folder that exists.
        waiting: called repeatedly with the name of the lock's holder; an exception that it raises
            ends the waiting.

    Raises:
        LockError: the file cannot be created or locked.
        EngineError: filelock is not installed.
    """
    filelock = require("filelock", extra="models", purpose="locking a file")
    lock = filelock.FileLock(path)
    while not _acquired(filelock, lock, path):
        waiting(_holder(path))
        time.sleep(_POLL)
    try:
        with contextlib.suppress(OSError):  # Windows lets nobody write to a locked file
            path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


def _acquired(filelock: Any, lock: Any, path: Path) -> bool:
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    except (OSError, NotImplementedError) as error:  # no permission, or no locks on the file system
        raise LockError(f"{path}: cannot be written: {error}") from error
    return True


def _holder(path: Path) -> str:
    """The process whose number is in the lock file; Windows keeps others from reading it."""
    number = ""
    with contextlib.suppress(OSError):
        number = path.read_text(encoding="ascii", errors="replace")[:20]
    return f"process {number}" if number else "another process"

"""One process at a time: a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from trimatte.errors import EngineError

__all__ = ["LockError", "file_lock"]

_POLL = 0.05  # seconds


class LockError(EngineError):
    """A lock's file cannot be made, or not be locked."""


@contextmanager
def file_lock(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Holds a lock while the body runs; other processes and threads wait for it.

    The lock is the kernel's (flock): it is gone as soon as its holder is, however that ended. The
    file itself stays, since removing it would let two processes hold two files of one name.

    Args:
        path: of the lock's file, in a folder that exists.
        waiting: told again and again who holds the lock; what it raises ends the waiting.

    Raises:
        LockError: the file cannot be made or locked.
    """
    try:
        file = path.open("a+")
    except OSError as error:
        raise LockError(f"{path}: cannot be written: {error}") from error
    with file:
        while not _taken(file, path):
            waiting(_holder(file))
            time.sleep(_POLL)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(file: IO[str], path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise LockError(f"{path}: cannot be locked: {error}") from error
    return True


def _holder(file: IO[str]) -> str:
    file.seek(0)
    number = file.read(20)
    return f"process {number}" if number else "another process"

"""Files that take long to make and are valid here only: engines, and what TensorRT measured.

A file is a line that names its kind, a line of JSON with all that its contents depend on, their
length and SHA-256, and the contents. Whatever of that is not as expected, the file is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trimatte.io.atomic import replacing

from ..weights.file_lock import LockError, file_lock
from ..weights.folders import expanded, user_folder

__all__ = ["CachedEngine", "EngineCache", "engine_cache"]

_FORMAT = 1
_KIND = b"trimatte engine cache\n"
_DELETED = (".engine", ".timing", ".kernels", ".part")  # a lock file must stay while others wait
_LONGEST_HEADER = 1 << 16

_log = logging.getLogger("trimatte")

Facts = dict[str, Any]
"""All that a file's contents depend on, as JSON can say it."""


@dataclass(frozen=True)
class CachedEngine:
    """An engine in the cache: its file, what it was built from and for, its size in bytes."""

    path: Path
    facts: Facts
    bytes: int


def engine_cache(folder: str | Path | None = None) -> EngineCache:
    """The cache in that folder; None: ``TRIMATTE_CACHE`` of the environment, or else ``engines`` in
    the platform's cache folder (on Linux ``$XDG_CACHE_HOME/trimatte`` or ``~/.cache/trimatte``)."""
    if folder is None:
        folder = os.environ.get("TRIMATTE_CACHE") or user_folder("cache") / "engines"
    return EngineCache(expanded(folder, "the cache of engines"))


def key_of(facts: Facts) -> str:
    """SHA-256 of the facts, in hexadecimal."""
    text = json.dumps({**facts, "format": _FORMAT}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class EngineCache:
    """A folder of such files. Iterating lists its engines.

    No failure of the file system is an error: without a cache engines are built each time, and the
    logger "trimatte" says why.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[CachedEngine]:
        for path in sorted(self.folder.glob("*.engine")):
            with contextlib.suppress(OSError, _ForeignFileError), path.open("rb") as file:
                header = _read_header(file)
                yield CachedEngine(path, header["facts"], header["bytes"])

    def clear(self) -> int:
        """Deletes everything in the cache, valid or not, except the lock files; returns the bytes
        freed."""
        freed = 0
        for path in self.folder.glob("*"):
            if path.suffix in _DELETED and path.is_file():
                freed += path.stat().st_size
                path.unlink()
        return freed

    def path(self, name: str, facts: Facts, suffix: str) -> Path:
        """Where the file for these facts is, or would be."""
        readable = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)[:60]
        return self.folder / f"{readable}-{key_of(facts)[:16]}{suffix}"

    def read(self, path: Path, facts: Facts) -> memoryview | None:
        """The contents of a file, verified; None: it is to be made."""
        try:
            with path.open("rb") as file:
                header = _read_header(file)
                if header["facts"] != facts:
                    raise _ForeignFileError("is of something else")
                contents = file.read()
            if len(contents) != header["bytes"]:
                raise _ForeignFileError("is cut short, or too long")
            if hashlib.sha256(contents).hexdigest() != header["sha256"]:
                raise _ForeignFileError("is damaged")
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("the cache file %s cannot be read: %s", path, error)
            return None
        except _ForeignFileError as error:
            _log.warning("the cache file %s is made anew: it %s", path, error)
            return None
        return memoryview(contents)

    def write(self, path: Path, facts: Facts, contents: bytes | memoryview) -> bool:
        """Writes a file as a whole, or not at all; whether it did."""
        header = {
            "format": _FORMAT,
            "facts": facts,
            "bytes": len(contents),
            "sha256": hashlib.sha256(contents).hexdigest(),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(_KIND + json.dumps(header).encode() + b"\n")
                file.write(contents)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            _log.warning("%s is not kept, and will be made anew: %s", path, error)
            return False
        return True

    @contextmanager
    def alone(self, path: Path, waiting: Callable[[], None]) -> Iterator[None]:
        """As the only one of all processes and threads that makes or reads this file.

        `waiting` is called again and again while another is; what it raises ends that. Where there
        can be no lock, two processes may both make it.
        """
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):  # `write` will say so
                self.folder.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(file_lock(path.with_suffix(".lock"), lambda holder: waiting()))
            except LockError as error:  # some network file systems have no locks
                _log.debug("%s", error)
            yield


class _ForeignFileError(Exception):
    """A file is not what the cache writes; the text goes on "it ..."."""


def _read_header(file: IO[bytes]) -> dict[str, Any]:
    if file.read(len(_KIND)) != _KIND:
        raise _ForeignFileError("is no file of this cache")
    try:
        header = json.loads(file.readline(_LONGEST_HEADER))
        if header["format"] != _FORMAT or not {"facts", "bytes", "sha256"} <= header.keys():
            raise _ForeignFileError("is of another version of trimatte")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _ForeignFileError("has a damaged header") from None
    return dict(header)

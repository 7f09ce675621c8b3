"""Files that were hashed once and are not hashed again until they change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from trimatte.io.atomic import replacing

__all__ = ["Verified", "digest"]

_BLOCK = 1 << 20


class Verified:
    """Which files hold the content that has a hash.

    A hash of a gigabyte takes most of a second, so each file that has the content is noted with its
    size and its time of change, and counts as verified for as long as both stay as they are. That
    finds damage and mix-ups; whoever may write the file on purpose may write the note as well. What
    is only known by its MD5 is noted with the SHA-256 of the first file that had it, and from then
    on must have that too: trust on first use.

    Args:
        folder: of the notes, one JSON file for each content; it is made when it is needed. If it
            cannot be written, nothing is noted.
        sha256, md5: of the content; one at least.
    """

    def __init__(self, folder: Path, *, sha256: str | None, md5: str | None) -> None:
        self._note = folder / f"{sha256 or md5}.json"
        pinned = self._read().get("sha256")
        self.algorithm = "sha256" if sha256 or pinned else "md5"
        self.expected: str = sha256 or pinned or md5 or ""

    def has(self, path: Path) -> bool:
        """Whether the file has the content. OSError: it cannot be read."""
        if self._read().get("files", {}).get(str(path.absolute())) == _state(path):
            return True
        if digest(path, self.algorithm) != self.expected:
            return False
        self.remember(path)
        return True

    def remember(self, path: Path) -> None:
        """Notes a file whose hash was checked just now."""
        state = _state(path)
        note = self._read()
        known = self.expected if self.algorithm == "sha256" else digest(path, "sha256")
        files = {**note.get("files", {}), str(path.absolute()): state}
        try:
            self._write({"sha256": known, "files": files})
        except OSError:
            return  # a folder that is only read costs a hash at each start, nothing else

    def _read(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) and isinstance(note.get("files"), dict) else {}

    def _write(self, note: dict[str, Any]) -> None:
        self._note.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._note) as file:
            file.write(json.dumps(note, indent=1).encode())


def digest(path: Path, algorithm: str) -> str:
    """The hash of a file in hexadecimal digits."""
    hashed = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
    return hashed.hexdigest()


def _state(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]

"""Folders that lie anywhere: on a disk, in a bucket, behind any file system that pyarrow knows."""

from __future__ import annotations

import os
import posixpath
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimatte.errors import ArgumentError
from trimatte.io.kinds import has_image_name
from trimatte.optional import require

__all__ = ["HOUSEKEEPING", "SourceFile", "Store", "open_store"]

HOUSEKEEPING = ".trimatte"
"""The folder within a sink that holds its manifest, and files that are not whole yet."""

_PARTS = f"{HOUSEKEEPING}/parts"

# File systems whose files appear whole, when they are closed: what others need a rename for.
_PUT_WHOLE = ("s3", "gcs", "abfs")


@dataclass(frozen=True)
class SourceFile:
    """A file of a store: its path below it, its bytes, and when it was written, in nanoseconds (0:
    the file system does not say)."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True)
class Store:
    """A folder of a file system; it goes to workers as it is. Paths are below the folder, with
    "/" between their parts."""

    filesystem: Any
    folder: str

    def files(self) -> Iterator[SourceFile]:
        """All files below it but hidden ones and those in hidden folders; none where there is no
        folder."""
        fs = require_fs()
        selector = fs.FileSelector(self.folder, allow_not_found=True, recursive=True)
        for info in self.filesystem.get_file_info(selector):
            path = posixpath.relpath(info.path, self.folder)
            if info.type == fs.FileType.File and not _is_hidden(path):
                yield SourceFile(path, info.size or 0, info.mtime_ns or 0)

    def images(self) -> Iterator[SourceFile]:
        """The files that are taken for images."""
        for file in self.files():
            if has_image_name(file.path):
                yield file

    def exists(self) -> bool:
        """Whether there is such a folder."""
        fs = require_fs()
        return self.filesystem.get_file_info(self.folder).type == fs.FileType.Directory

    def names(self, folder: str) -> list[str]:
        """The files directly in one of its folders, sorted; hidden or not."""
        fs = require_fs()
        selector = fs.FileSelector(self._whole(folder), allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted(info.base_name for info in found if info.type == fs.FileType.File)

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        with self.filesystem.open_input_stream(self._whole(path), compression=None) as file:
            return bytes(file.read())

    def write(self, path: str, data: bytes) -> None:
        """Write a file, whole or not at all; one that is there is replaced.

        Where a file appears when it is closed, as in S3, it is put. Elsewhere it is written in the
        store's own housekeeping and renamed: a worker that dies leaves a part there, and nothing
        else.
        """
        whole = self._whole(path)
        if self._puts_whole():
            self._put(whole, data)
            return
        part = self._whole(f"{_PARTS}/{secrets.token_hex(8)}.part")
        for place in (whole, part):
            self.filesystem.create_dir(posixpath.dirname(place), recursive=True)
        try:
            self._put(part, data)
            self.filesystem.move(part, whole)
        except BaseException:
            self._forget(part)
            raise

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        self._forget(self._whole(path))

    def clear_parts(self) -> None:
        """Delete what workers that died have left."""
        fs = require_fs()
        parts = self._whole(_PARTS)
        if self.filesystem.get_file_info(parts).type == fs.FileType.Directory:
            self.filesystem.delete_dir(parts)

    def holds(self, other: Store) -> str | None:
        """The other store's path below this one ("" if they are the same), or None."""
        if not self.filesystem.equals(other.filesystem):
            return None
        path = posixpath.relpath(other.folder or "/", self.folder or "/")
        if path == ".":
            return ""
        return None if path.split("/")[0] == ".." else path

    def _whole(self, path: str) -> str:
        return f"{self.folder}/{path}" if self.folder else path

    def _put(self, whole: str, data: bytes) -> None:
        with self.filesystem.open_output_stream(whole, compression=None) as file:
            file.write(data)

    def _forget(self, whole: str) -> None:
        fs = require_fs()
        try:
            if self.filesystem.get_file_info(whole).type == fs.FileType.File:
                self.filesystem.delete_file(whole)
        except OSError:
            pass  # it is of no use, and of no harm

    def _puts_whole(self) -> bool:
        filesystem = self.filesystem
        while filesystem.type_name == "subtree":
            filesystem = filesystem.base_fs
        return filesystem.type_name in _PUT_WHOLE


def require_fs() -> Any:
    """pyarrow's file systems."""
    return require("pyarrow.fs", extra="ray", purpose="trimatte.ray")


def open_store(place: Any, filesystem: Any, caller: str) -> Store:
    """The store at a place.

    Args:
        place: a folder's path, or "s3://bucket/folder" and its like; with a filesystem, a path in
            that.
        filesystem: pyarrow's, or fsspec's; None: the place says it.
        caller: the function and argument that errors name.

    Raises:
        ArgumentError: it is none of these.
    """
    if not isinstance(place, (str, os.PathLike)):
        raise ArgumentError(
            f"{caller} must be a folder's path, or 's3://bucket/folder' and its like, got "
            f"{place!r:.80}"
        )
    path = os.fspath(place)
    fs = require_fs()
    if filesystem is not None:
        filesystem = _as_pyarrow(filesystem, fs, caller)
    elif "://" in path:
        try:
            filesystem, path = fs.FileSystem.from_uri(path)
        except (OSError, ValueError) as error:  # pyarrow's own are among these
            raise ArgumentError(f"{caller}: {path!r} cannot be opened: {error}") from error
    else:
        filesystem, path = fs.LocalFileSystem(), str(Path(path).resolve())
    return Store(filesystem, filesystem.normalize_path(path).rstrip("/"))


def _as_pyarrow(filesystem: Any, fs: Any, caller: str) -> Any:
    if isinstance(filesystem, fs.FileSystem):
        return filesystem
    if hasattr(filesystem, "protocol") and hasattr(filesystem, "ls"):  # fsspec's
        return fs.PyFileSystem(fs.FSSpecHandler(filesystem))
    raise ArgumentError(
        f"{caller}_filesystem must be pyarrow's or fsspec's, got {type(filesystem).__name__}"
    )


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))

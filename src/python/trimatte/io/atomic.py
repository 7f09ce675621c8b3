"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["adding_to", "replacing", "replacing_path"]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path`, in its folder, that takes its place when the body has ended well.

    What the body raises leaves `path` as it was, and nothing beside it.

    Raises:
        OSError: the file cannot be made, written or renamed.
    """
    # "x": created with the usual permissions, which tempfile would narrow to the owner.
    with replacing_path(path) as partial, partial.open("xb") as file:
        yield file


@contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """`replacing`, for what is written by its name: one that nothing has yet, for the body to make
    a file of."""
    partial = path.with_name(_part_name())
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


@contextmanager
def adding_to(folder: Path) -> Iterator[Path]:
    """An empty folder within `folder`, made where it is missing, whose files move up into it when
    the body has ended well. Nothing else there is touched.

    What the body raises leaves the folder as it was, if only now made then not at all.

    Raises:
        OSError: a folder cannot be made, a file not moved, or its name is taken.
    """
    made = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    # Within, not beside: the folder may be a mount point, or the only place that may be written.
    partial = folder / _part_name()
    names: list[str] = []
    try:
        partial.mkdir()
        yield partial
        names += sorted(file.name for file in partial.iterdir())
        _move(names, partial, folder)
        partial.rmdir()
    except BaseException:
        _take_back(names, partial, folder)
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _part_name() -> str:
    return f".trimatte-{os.urandom(8).hex()}.part"


def _move(names: Sequence[str], partial: Path, folder: Path) -> None:
    for name in names:
        # What came meanwhile is another's; renaming would replace it.
        if os.path.lexists(folder / name):
            raise FileExistsError(errno.EEXIST, f"there is a {name} already")
        (partial / name).rename(folder / name)


def _take_back(names: Sequence[str], partial: Path, folder: Path) -> None:
    """Delete what was made: of these names, those that have left `partial` are in `folder`."""
    for name in names:
        if partial.is_dir() and not os.path.lexists(partial / name):
            with contextlib.suppress(OSError):
                (folder / name).unlink()
    shutil.rmtree(partial, ignore_errors=True)

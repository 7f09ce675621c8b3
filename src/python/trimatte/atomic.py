"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["replacing", "replacing_path"]


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
    a file or a folder of."""
    partial = path.with_name(f".trimatte-{secrets.token_hex(8)}.part")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                partial.unlink()
        raise

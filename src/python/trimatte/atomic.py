"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path`, in its folder, that takes its place when the body has ended well.

    What the body raises leaves `path` as it was, and nothing beside it.

    Raises:
        OSError: the file cannot be made, written or renamed.
    """
    partial = path.with_name(f".trimatte-{secrets.token_hex(8)}.part")
    try:
        # "x": created with the usual permissions, which tempfile would narrow to the owner.
        with partial.open("xb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise

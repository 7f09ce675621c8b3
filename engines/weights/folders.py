"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from trimatte.errors import ArgumentError

__all__ = ["expanded"]


def expanded(path: str | Path, what: str) -> Path:
    """A path with ``~`` and ``~user`` replaced.

    Raises:
        ArgumentError: there is no such user; `what` says whose path it is.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ArgumentError(f"{what}: there is no such user, got {str(path)!r:.200}") from None

"""The exceptions and warnings of trimatte.

``Error`` is the base of all. ``ArgumentError`` is also a ``ValueError``; ``DeviceError`` and
``EngineError`` are also ``RuntimeError``. Running out of memory is a ``MemoryError``.
"""

from __future__ import annotations

import sys
import warnings

from trimatte._core import ArgumentError, DeviceError, EngineError, Error

__all__ = [
    "ArgumentError",
    "CutoutWarning",
    "DeviceError",
    "EngineError",
    "Error",
    "FramesWarning",
    "MetadataWarning",
    "QueueFullError",
    "ScreenError",
    "TrimapWarning",
    "VideoWarning",
    "warn",
]


class ScreenError(ArgumentError):
    """An image shows no screen of the colour that was asked for."""


class QueueFullError(Error):
    """As many images wait for a `Remover` as may."""


class CutoutWarning(UserWarning):
    """A cutout is probably not the one that was meant: it is empty, nothing was keyed out, or a
    mask looks like a map of labels."""


class FramesWarning(UserWarning):
    """An image has frames or pages besides the first, which are not read."""


class MetadataWarning(UserWarning):
    """A file cannot hold something that was stored beside the pixels of an image."""


class TrimapWarning(UserWarning):
    """A trimap could not be made as asked without losing all sure foreground or background."""


class VideoWarning(UserWarning):
    """A video has something that its cutout will not look right with."""


def warn(message: str, category: type[Warning]) -> None:
    """Warns of the caller's line, however deep within trimatte it was noticed.

    In a thread of trimatte's own that is where the thread began.
    """
    frame, depth = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "trimatte":
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)

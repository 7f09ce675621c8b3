"""The exceptions and warnings of trimatte.

``Error`` is the base of all. ``ArgumentError`` is also a ``ValueError``; ``DeviceError`` and
``EngineError`` are also ``RuntimeError``. Running out of memory is a ``MemoryError``.
"""

from __future__ import annotations

from trimatte._core import ArgumentError, DeviceError, EngineError, Error

__all__ = [
    "ArgumentError",
    "DeviceError",
    "EngineError",
    "Error",
    "MetadataWarning",
    "QueueFullError",
    "ScreenError",
    "TrimapWarning",
    "VideoWarning",
]


class ScreenError(ArgumentError):
    """An image shows no screen of the colour that was asked for."""


class QueueFullError(Error):
    """As many images wait for a `Remover` as may."""


class MetadataWarning(UserWarning):
    """A file cannot hold something that was stored beside the pixels of an image."""


class TrimapWarning(UserWarning):
    """A trimap could not be made as asked without losing all sure foreground or background."""


class VideoWarning(UserWarning):
    """A video has something that its cutout will not look right with."""

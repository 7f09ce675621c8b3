"""What videos are read as, whatever they come from: frames with their times, and packets of
sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from trimatte.arrays import Array
from trimatte.video.colours import Colours

__all__ = ["Clip", "Frame", "Unit"]


@dataclass(frozen=True)
class Frame:
    """A decoded frame. pixels: (H, W, 3 or 4) uint8 or uint16, upright. pts, duration: in units of
    time_base seconds. aspect: the width of a pixel over its height; None: square."""

    pixels: Array
    pts: int
    duration: int
    time_base: Fraction
    colours: Colours
    aspect: Fraction | None = None


@dataclass
class Unit:
    """What is handed from thread to thread: a frame, or None, and the packets of sound that were
    read with it."""

    frame: Frame | None = None
    packets: list[Any] = field(default_factory=list)


class Clip(Protocol):
    """An open source of frames, all of one size, depth and number of channels.

    name: for messages. rate: frames a second, None where it is not known. audio: tracks whose
    packets come with the frames. notes: sentences about what is lost, more while it is read.
    """

    name: str
    rate: Fraction | None
    audio: list[Any]
    notes: list[str]

    @property
    def total(self) -> int | None:
        """How many frames are to come, as far as the source tells it."""

    def units(self) -> Iterator[Unit]:
        """Every frame in the order of its time, pts rising, and every packet of sound in the order
        of the source, near the frames that it belongs to; to be called once.

        Raises ArgumentError: not one frame can be read; what is lost of others is in the notes.
        """

    def stop(self) -> None:
        """A read that waits in another thread is given up."""

    def close(self) -> None:
        """Its file is closed."""

"""A video file as upright arrays with their times, and its sound as packets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

from trimatte.arrays import Array
from trimatte.errors import ArgumentError
from trimatte.optional import require
from trimatte.video.colours import Colours, Converter, orientation, upright

__all__ = ["Clip", "Frame", "Unit", "cause", "load_av"]

# Formats whose clock starts anywhere: theirs begins at 0 in what is written.
_BROADCAST = {"mpegts", "mpeg"}

# Packets of sound that wait for a frame of the picture, at most.
_MOST_PACKETS = 256


def load_av() -> Any:
    """PyAV, or an EngineError that says what to install."""
    return require("av", extra="video", purpose="reading and writing videos")


def cause(error: BaseException) -> str:
    """An error of PyAV or of the system in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@dataclass(frozen=True)
class Frame:
    """A decoded frame. pixels: (H, W, 3 or 4) uint8 or uint16, upright. pts, duration: in units of
    time_base seconds. interlaced: made of two half pictures. aspect: the width of a pixel over its
    height; None: square."""

    pixels: Array
    pts: int
    duration: int
    time_base: Fraction
    colours: Colours
    interlaced: bool
    aspect: Fraction | None


@dataclass
class Unit:
    """What is handed from thread to thread: a frame, or None, and the packets of sound that were
    read with it."""

    frame: Frame | None = None
    packets: list[Any] = field(default_factory=list)


class _Range(NamedTuple):
    """Seconds of the file's clock."""

    start: Fraction | None
    end: Fraction | None

    def has(self, seconds: Fraction) -> bool:
        return (self.start is None or seconds >= self.start) and (
            self.end is None or seconds < self.end
        )


class Clip:
    """A video file, open. To be used from one thread at a time, and closed.

    start, end: seconds after the file's first moment; frames and packets in [start, end) are given,
    and the time of start becomes 0.

    Raises ArgumentError: not a video, or start and end say nothing that it has.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        start: float | None = None,
        end: float | None = None,
        audio: bool = True,
    ) -> None:
        self._av = load_av()
        self.name: str = os.fspath(path)
        if not Path(path).exists():
            raise ArgumentError(f"video: cannot read {self.name!r}: no such file")
        try:
            self._container: Any = self._av.open(self.name)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise self._unreadable(error) from error
        try:
            self._prepare(start, end, audio)
        except BaseException:
            self.close()
            raise

    def _prepare(self, start: float | None, end: float | None, audio: bool) -> None:
        stream = self._container.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise ArgumentError(f"video: there is no picture in {self.name!r} that can be decoded")
        stream.thread_type = "AUTO"
        self._stream = stream
        self.audio: list[Any] = list(self._container.streams.audio) if audio else []
        self.rate: Fraction | None = stream.average_rate or stream.guessed_rate
        self._zero = self._first_moment()
        self._range = _range(start, end, self._zero, self.name)

    def _first_moment(self) -> Fraction:
        begins = self._container.start_time
        broadcast = _BROADCAST & set(self._container.format.name.split(","))
        return Fraction(begins, self._av.time_base) if broadcast and begins else Fraction(0)

    @property
    def total(self) -> int | None:
        """How many frames are to come, as far as the file tells it."""
        start, end = self._range
        length = self._container.duration
        if start is None and end is None and self._stream.frames:
            return int(self._stream.frames)
        if length is None or self.rate is None:
            return None
        last = self._zero + Fraction(length, self._av.time_base)
        last = last if end is None else min(end, last)
        first = self._zero if start is None else start
        return max(1, round((last - first) * self.rate))

    def units(self) -> Iterator[Unit]:
        """Every frame and every packet of sound, in the order of the file.

        Raises ArgumentError: the file is broken.
        """
        try:
            yield from self._units()
        except (self._av.FFmpegError, OSError) as error:
            raise self._unreadable(error) from error

    def _units(self) -> Iterator[Unit]:
        self._seek()
        unit = Unit()
        converter = Converter(self._av)
        previous: int | None = None
        # Tracks that have not come to the end asked for: one may lie far behind the others.
        going = {stream.index for stream in (self._stream, *self.audio)}
        for packet in self._container.demux(self._stream, *self.audio):
            if packet.stream.index not in going:
                continue
            if packet.stream.type == "audio":
                if self._is_past(packet.pts, packet.time_base):
                    going.remove(packet.stream.index)
                elif packet.size and self._wanted(packet):
                    unit.packets.append(packet)
                if len(unit.packets) >= _MOST_PACKETS:
                    yield unit
                    unit = Unit()
            else:
                for decoded in packet.decode():
                    previous = pts = self._pts(decoded, previous)
                    if self._is_past(pts, self._stream.time_base):
                        going.remove(self._stream.index)
                        break
                    if self._range.has(pts * self._stream.time_base):
                        unit.frame = self._frame(decoded, pts, converter)
                        yield unit
                        unit = Unit()
            if not going:
                break
        yield unit

    def _is_past(self, pts: int | None, time_base: Fraction) -> bool:
        end = self._range.end
        return pts is not None and end is not None and pts * time_base >= end

    def _seek(self) -> None:
        if self._range.start is not None:
            # A file that cannot be sought is read from its beginning.
            with suppress(self._av.FFmpegError):
                self._container.seek(int(self._range.start * self._av.time_base), backward=True)

    def _wanted(self, packet: Any) -> bool:
        """Whether the packet lies in the range; its times are made the output's."""
        if packet.pts is not None and not self._range.has(packet.pts * packet.time_base):
            return False
        shift = self._shift(packet.time_base)
        if packet.pts is not None:
            packet.pts -= shift
        if packet.dts is not None:
            packet.dts -= shift
        return True

    def _shift(self, time_base: Fraction) -> int:
        return round((self._range.start or self._zero) / time_base)

    def _pts(self, decoded: Any, previous: int | None) -> int:
        """The frame's own time, or one after the previous frame's where it has none or an old
        one: every frame is kept."""
        if decoded.pts is not None and (previous is None or decoded.pts > previous):
            return int(decoded.pts)
        if previous is None:
            return 0
        if decoded.pts is not None:
            return previous + 1
        return previous + max(1, decoded.duration or self._usual_duration())

    def _usual_duration(self) -> int:
        return 0 if self.rate is None else round(1 / (self.rate * self._stream.time_base))

    def _frame(self, decoded: Any, pts: int, converter: Converter) -> Frame:
        turned = orientation(decoded)
        aspect = self._stream.sample_aspect_ratio
        if not aspect or aspect == 1:
            aspect = None
        elif turned.transposed:
            aspect = 1 / aspect
        return Frame(
            upright(converter.to_array(decoded), turned),
            pts - self._shift(self._stream.time_base),
            decoded.duration or self._usual_duration(),
            self._stream.time_base,
            Colours.of(decoded),
            bool(decoded.interlaced_frame),
            aspect,
        )

    def _unreadable(self, error: BaseException) -> ArgumentError:
        return ArgumentError(f"video: cannot read {self.name!r}: {cause(error)}")

    def close(self) -> None:
        self._container.close()


def _range(start: float | None, end: float | None, zero: Fraction, name: str) -> _Range:
    for which, value in (("start", start), ("end", end)):
        if value is not None and not (isinstance(value, Real) and 0 <= value < float("inf")):
            raise ArgumentError(f"video: {which} must be seconds, 0 or more, got {value!r}")
    if start is not None and end is not None and end <= start:
        raise ArgumentError(f"video: end must come after start, got {start!r} to {end!r}")
    return _Range(
        None if not start else zero + Fraction(float(start)).limit_denominator(1_000_000),
        None if end is None else zero + Fraction(float(end)).limit_denominator(1_000_000),
    )

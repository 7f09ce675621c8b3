"""A video file as upright arrays with their times, and its sound as packets."""

from __future__ import annotations

import io
import os
import re
import select
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from trimatte.errors import ArgumentError
from trimatte.io.sources import name_of
from trimatte.optional import require
from trimatte.video.colours import Colours, Converter, Turn, layout_of, orientation, upright
from trimatte.video.frames import Frame, Unit

__all__ = ["Range", "VideoFile", "cause", "load_av", "read_range"]

# Formats whose clock starts anywhere: theirs begins at 0 in what is written.
_BROADCAST = {"mpegts", "mpeg"}

# Packets of sound that wait for a frame of the picture, at most.
_MOST_PACKETS = 256

# Formats that tell how long the picture is, and not only the longest track.
_TELLING = {"mov", "matroska", "webm"}

# FFmpeg's own decoders of these leave out the alpha that WebM keeps beside the picture.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

# The kinds of boxes that MP4 and MOV files begin with.
_MOV_BEGINS = {b"ftyp", b"mdat", b"moov", b"wide", b"free", b"skip", b"pnot"}

_NO_INDEX = "its index (moov) is missing: it is cut short, or its recording was not ended"

_MATROSKA_TIME = re.compile(r"(\d+):(\d+):([\d.]+)")

_JITTER = 0.25  # seconds that a clock may go back without being set back
_SILENCE = 10.0  # seconds of a broadcast without a packet of a track: its clock was set

_PATIENCE = 200  # milliseconds between two looks at whether a pipe is still to be read


def load_av() -> Any:
    """PyAV, or an EngineError that says what to install."""
    return require("av", extra="video", purpose="reading and writing videos")


def cause(error: BaseException) -> str:
    """An error of PyAV or of the system in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Range(NamedTuple):
    """Seconds of the file's clock."""

    start: Fraction | None
    end: Fraction | None

    def has(self, seconds: Fraction) -> bool:
        return (self.start is None or seconds >= self.start) and (
            self.end is None or seconds < self.end
        )


class _First(NamedTuple):
    """What the first frame settles for all. size: (height, width), upright."""

    layout: str
    size: tuple[int, int]
    colours: Colours


class _Source:
    """A binary file object as PyAV is to see it: it would close the file itself, and a pipe that
    nothing is written to would hold its reader for ever."""

    def __init__(self, file: BinaryIO) -> None:
        self._read = getattr(file, "read1", file.read)
        self._stopped = threading.Event()
        self.error: BaseException | None = None  # of the last read
        self._head = b""  # what was read already
        self._pipe = _raw_pipe(file)
        if self._pipe is not None:
            if isinstance(file, io.BufferedReader):  # whose descriptor says nothing of its buffer
                self._head = file.read(len(file.peek()))
            self._read = self._pipe.read
        elif file.seekable():
            self.seek, self.tell = file.seek, file.tell

    @property
    def is_pipe(self) -> bool:
        return not hasattr(self, "seek")

    def read(self, size: int) -> bytes:
        if self.error is not None:  # which FFmpeg takes for an end, behind which it looks again
            return b""
        if self._head:
            given, self._head = self._head[:size], self._head[size:]
            return given
        try:
            if self._pipe is not None and not self._can_be_read(self._pipe):
                return b""
            return bytes(self._read(size) or b"")
        except BaseException as error:  # KeyboardInterrupt too, or it would be lost in FFmpeg
            self.error = error
            return b""

    def _can_be_read(self, pipe: io.FileIO) -> bool:
        """Waits for the pipe's writer; False: reading was stopped."""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while not poll.poll(_PATIENCE):
            if self._stopped.is_set():
                return False
        return True

    def stop(self) -> None:
        self._stopped.set()


def _raw_pipe(file: BinaryIO) -> io.FileIO | None:
    """The pipe that a file reads, if nothing but Python's own buffer can lie between them: only
    then does its descriptor tell whether there is more to read."""
    raw: object = file.raw if type(file) is io.BufferedReader else file
    if os.name != "posix" or type(raw) is not io.FileIO:
        return None
    return raw if stat.S_ISFIFO(os.fstat(raw.fileno()).st_mode) else None


@dataclass
class _Tally:
    """What became of the packets of the picture. end: the end of the last one, in seconds. failure:
    why nothing could be read behind it. fields: whether a packet may be half a frame. whole:
    whether all were read, each for a frame."""

    packets: int = 0
    frames: int = 0
    refused: int = 0
    corrupt_packets: int = 0
    corrupt_frames: int = 0
    end: Fraction = Fraction(0)
    failure: str | None = None
    fields: bool = False
    whole: bool = False

    def notes(self, stated_end: Fraction | None, tolerance: Fraction) -> Iterator[str]:
        """What is to be said of it."""
        lost = self.packets - self.frames if self.whole and not self.fields else self.refused
        corrupt = max(self.corrupt_packets, self.corrupt_frames)
        if lost > 0:
            yield f"{lost} of {self.packets} frames cannot be decoded"
        if corrupt:
            yield f"{corrupt} of {self.packets} frames may show errors"
        if self.failure is not None:
            yield f"nothing can be read beyond {float(self.end):.2f} s ({self.failure})"
        elif stated_end is not None and self.end + tolerance < stated_end:
            yield f"it ends at {float(self.end):.2f} s instead of {float(stated_end):.2f} s"


class _Clock:
    """Lets the times of packets run on where those of a file begin again, as in recordings that
    were put one behind the other.

    most: seconds that a track may have nothing to say.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._shifts = [Fraction(0)]  # of each part
        self._parts: dict[int, int] = {}  # that a track is in
        self._last: dict[int, Fraction] = {}  # time of a track, as the file says it
        self._end = Fraction(0)

    def straighten(self, packet: Any) -> None:
        """Changes the packet's times to those of one long recording."""
        if packet.dts is None:
            return
        track, unit = packet.stream_index, packet.time_base
        time = packet.dts * unit
        part = self._parts.get(track, 0)
        if not -_JITTER <= time - self._last.get(track, time) <= self._most:
            part += 1
            if part == len(self._shifts):
                self._shifts.append(self._end - time)
        self._parts[track], self._last[track] = part, time
        shift = round(self._shifts[part] / unit)
        if shift:
            packet.dts += shift
            if packet.pts is not None:
                packet.pts += shift
        self._end = max(self._end, packet.dts * unit + (packet.duration or 0) * unit)


class VideoFile:
    """A video file, open: a `Clip`. To be used from one thread at a time, and closed.

    source: a path, or a binary file object, which need not be seekable and is not closed. start,
    end: seconds after the file's first moment; frames and packets in [start, end) are given, and
    the time of start becomes 0.

    Raises ArgumentError: not a video, or start and end say nothing that it has.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        start: float | None = None,
        end: float | None = None,
        audio: bool = True,
    ) -> None:
        self._av = load_av()
        self.notes: list[str] = []
        self._opened: BinaryIO | None = None
        self._piped: _Source | None = None
        self._container: Any = None
        self._lacks_index = False
        try:
            self._open(source)
            self._prepare(start, end, audio)
        except BaseException:
            self.close()
            raise

    def _open(self, source: str | os.PathLike[str] | BinaryIO) -> None:
        self.name: str = name_of(source)
        try:
            if isinstance(source, (str, os.PathLike)):
                path = Path(source)
                if not path.is_fifo():
                    self._lacks_index = _lacks_index(path)
                    self._container = self._av.open(os.fspath(path))
                    return
                source = self._opened = path.open("rb", buffering=0)
            self._piped = _Source(source)
            try:
                self._container = self._av.open(self._piped)
            finally:
                if isinstance(self._piped.error, KeyboardInterrupt):
                    raise self._piped.error
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def _prepare(self, start: float | None, end: float | None, audio: bool) -> None:
        streams = self._container.streams
        stream = streams.best("video")
        if stream is None or stream.codec_context is None:
            if self._lacks_index:
                raise ArgumentError(f"video: cannot read {self.name}: {_NO_INDEX}")
            raise ArgumentError(f"video: there is no picture in {self.name} that can be decoded")
        # Not by frames: a frame that cannot be decoded would take those behind it along.
        stream.thread_type = "SLICE"
        self._stream = stream
        self._codec_name: str = stream.codec_context.codec.canonical_name
        self._decoder = self._alpha_decoder() or stream.codec_context
        self.audio: list[Any] = [s for s in streams.audio if _is_known(s)] if audio else []
        self.rate: Fraction | None = stream.average_rate or stream.guessed_rate
        self._zero = self._first_moment()
        self._range = read_range(start, end, self._zero)
        self._note_what_stays(audio)
        self._tally = _Tally()
        self._first: _First | None = None
        self._resized = False
        self._error: BaseException | None = None  # the decoder's last

    def _alpha_decoder(self) -> Any:
        """A decoder of VP8 or VP9 with alpha; None: the picture has none, or the usual one gives
        it."""
        codec = self._stream.codec_context
        name = _ALPHA_DECODERS.get(self._codec_name)
        if name is None or self._stream.metadata.get("alpha_mode") != "1":
            return None
        try:
            decoder = self._av.CodecContext.create(name, "r")
        except ValueError:
            self.notes.append(f"its alpha is not read: this FFmpeg has no decoder {name!r}")
            return None
        decoder.extradata = codec.extradata
        return decoder

    def _note_what_stays(self, audio: bool) -> None:
        """Notes tracks that are not passed on: one picture is, and sound that can be decoded."""
        used = {self._stream.index, *(track.index for track in self.audio)}
        left = Counter(
            _kind(stream)
            for stream in self._container.streams
            if stream.index not in used and (audio or stream.type != "audio")
        )
        if left:
            kinds = ", ".join(f"{count} {kind}" for kind, count in left.items())
            self.notes.append(f"tracks that are not passed on: {kinds}")

    def _first_moment(self) -> Fraction:
        begins = self._container.start_time
        return (
            Fraction(begins or 0, self._av.time_base)
            if self._is_one_of(_BROADCAST)
            else Fraction(0)
        )

    def _is_one_of(self, formats: set[str]) -> bool:
        return bool(formats & set(self._container.format.name.split(",")))

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
        """Every frame and every packet of sound, in the order of the file, as far as they can be
        read; notes say what cannot.

        Raises ArgumentError: no frame can.
        """
        self._seek()
        unit = Unit()
        converter = Converter(self._av)
        previous: int | None = None
        # Tracks that have not come to the end asked for: one may lie far behind the others.
        going = {stream.index for stream in (self._stream, *self.audio)}
        for packet in chain(self._packets(), [None]):
            index = self._stream.index if packet is None else packet.stream_index
            if index not in going:
                continue
            if packet is not None and index != self._stream.index:
                if self._is_past(packet.pts, packet.time_base):
                    going.remove(index)
                elif self._wanted(packet):
                    unit.packets.append(packet)
                if len(unit.packets) >= _MOST_PACKETS:
                    yield unit
                    unit = Unit()
            else:
                for decoded in self._decoded(packet):
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
        if self._first is None and self._error is not None:
            raise self._unreadable(self._error) from self._error
        yield unit
        damage = "; ".join(self._tally.notes(self._stated_end(), self._tolerance()))
        if damage:
            self.notes.append(f"it is damaged: {damage}")

    def _packets(self) -> Iterator[Any]:
        """Those of the file, up to its end or to where it cannot be read any more."""
        clock = _Clock(_SILENCE if self._is_one_of(_BROADCAST) else float("inf"))
        try:
            for packet in self._container.demux(self._stream, *self.audio):
                if packet.size:
                    clock.straighten(packet)
                    yield packet
            if self._piped is not None and self._piped.error is not None:
                self._tally.failure = cause(self._piped.error)
        except (self._av.FFmpegError, OSError) as error:
            if self._first is None:
                raise self._unreadable(error) from error
            self._tally.failure = cause(error)

    def _decoded(self, packet: Any) -> list[Any]:
        """The frames that a packet completes; None: those that the decoder holds back."""
        tally = self._tally
        if packet is None:
            # VP8 has packets without a frame, and a decoder that begins in the middle leaves some.
            tally.whole = self._range.start is None and self._codec_name != "vp8"
        else:
            tally.packets += not packet.is_discard
            tally.corrupt_packets += packet.is_corrupt
            begins = packet.dts if packet.pts is None else packet.pts
            if begins is not None:
                end = (begins + (packet.duration or 0)) * packet.time_base
                tally.end = max(tally.end, end)
        try:
            decoded: list[Any] = self._decoder.decode(packet)
        except EOFError:
            return []
        except self._av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            tally.refused += 1
            self._error = error
            return []
        tally.frames += len(decoded)
        tally.fields |= any(frame.interlaced_frame for frame in decoded)
        tally.corrupt_frames += sum(frame.is_corrupt for frame in decoded)
        return decoded

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
        first = self._first = self._first or self._begin(decoded, turned)
        size = first.size[::-1] if turned.transposed else first.size
        if (decoded.height, decoded.width) != size and not self._resized:
            self._resized = True
            seconds = float(pts * self._stream.time_base - self._zero)
            self.notes.append(
                f"its size changes at {seconds:.2f} s: frames are scaled to "
                f"{first.size[1]} x {first.size[0]}, the size of the first"
            )
        aspect = self._stream.sample_aspect_ratio
        if not aspect or aspect == 1:
            aspect = None
        elif turned.transposed:
            aspect = 1 / aspect
        return Frame(
            upright(converter.to_array(decoded, first.layout, size), turned),
            pts - self._shift(self._stream.time_base),
            decoded.duration or self._usual_duration(),
            self._stream.time_base,
            first.colours,
            aspect,
        )

    def _begin(self, decoded: Any, turned: Turn) -> _First:
        """What the first frame settles for all."""
        if decoded.interlaced_frame:
            self.notes.append(
                "it is interlaced: moving edges are combs; deinterlace it first (ffmpeg -vf bwdif)"
            )
        has_alpha = self._decoder is not self._stream.codec_context
        size = (decoded.height, decoded.width)
        return _First(
            layout_of(decoded, alpha=has_alpha),
            size[::-1] if turned.transposed else size,
            Colours.of(decoded),
        )

    def _stated_end(self) -> Fraction | None:
        """The second that the picture is to end at, as the file says."""
        if self._range.end is not None or not self._is_one_of(_TELLING):
            return None
        stream = self._stream
        if stream.duration is not None:
            return Fraction((stream.start_time or 0) + stream.duration) * stream.time_base
        parts = _MATROSKA_TIME.fullmatch(stream.metadata.get("DURATION", ""))
        if parts is None:
            return None
        hours, minutes, seconds = parts.groups()
        return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)

    def _tolerance(self) -> Fraction:
        """A frame and a half: what a file that is whole may lack of what it says."""
        return Fraction(3, 2) / (self.rate or 10)

    def _unreadable(self, error: BaseException) -> ArgumentError:
        hint = ""
        if self._piped is not None:
            error = self._piped.error or error
            if self._piped.is_pipe and self._piped.error is None:
                hint = "; an MP4 or MOV file can be read from a pipe only with its index in front"
        why = _NO_INDEX if self._lacks_index else cause(error)
        return ArgumentError(f"video: cannot read {self.name}: {why}{hint}")

    def stop(self) -> None:
        """A read that waits for a pipe is given up."""
        if self._piped is not None:
            self._piped.stop()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        if self._opened is not None:
            self._opened.close()


def _lacks_index(path: Path) -> bool:
    """Whether a file is an MP4 or MOV without a whole index, which mostly stands at its end."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while len(head := file.read(16)) >= 8:
            kind, length = head[4:8], int.from_bytes(head[:4], "big")
            if length == 1:  # it did not fit
                length = int.from_bytes(head[8:], "big")
            if place == 0 and kind not in _MOV_BEGINS:
                return False
            if kind == b"moov":
                return place + length > size
            if length < 8:  # up to the end of the file
                break
            place += length
            file.seek(place)
    return place > 0


def _is_known(track: Any) -> bool:
    """Whether FFmpeg knows what the sound of a track is."""
    codec = track.codec_context
    return codec is not None and codec.sample_rate > 0 and codec.layout.nb_channels > 0


def _kind(stream: Any) -> str:
    """What a track is, in a word or two."""
    if stream.type == "audio":
        return "sound of an unknown codec"
    return "timecode" if "timecode" in stream.metadata else stream.type or "unknown"


def read_range(start: float | None, end: float | None, zero: Fraction) -> Range:
    """The moments from start to end, in seconds after zero.

    Raises ArgumentError: there are none.
    """
    for which, value in (("start", start), ("end", end)):
        if value is not None and not (isinstance(value, Real) and 0 <= value < float("inf")):
            raise ArgumentError(f"video: {which} must be seconds, 0 or more, got {value!r:.80}")
    if start is not None and end is not None and end <= start:
        raise ArgumentError(f"video: end must come after start, got {start!r:.80} to {end!r}")
    return Range(
        None if not start else zero + Fraction(float(start)).limit_denominator(1_000_000),
        None if end is None else zero + Fraction(float(end)).limit_denominator(1_000_000),
    )

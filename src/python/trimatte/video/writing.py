"""Cutouts into a file or a folder: containers, codecs, sound."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from trimatte.arrays import Array
from trimatte.errors import ArgumentError
from trimatte.io.atomic import adding_to, replacing, replacing_path
from trimatte.io.frames import ImageFrame, encode_frames
from trimatte.io.limits import MAX_PIXELS
from trimatte.io.metadata import Metadata
from trimatte.io.sources import name_of
from trimatte.io.writing import to_pillow, write_image
from trimatte.video.colours import Colours, Converter
from trimatte.video.frames import Clip, Frame
from trimatte.video.reading import cause

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Sink", "Target", "open_sink"]


@dataclass(frozen=True)
class _Codec:
    """An encoder, its pixel format for cutouts (None: it has none) and for opaque pictures, for
    8 bits and for more, and its options."""

    encoder: str
    alpha: tuple[str, str] | None
    opaque: tuple[str, str]
    options: dict[str, str]


_CODECS = {
    "prores": _Codec(
        "prores_ks",
        ("yuva444p10le", "yuva444p10le"),
        ("yuv444p10le", "yuv444p10le"),
        {"profile": "4444", "vendor": "apl0", "alpha_bits": "16"},
    ),
    "vp9": _Codec(
        "libvpx-vp9",
        ("yuva420p", "yuva420p"),
        ("yuv420p", "yuv420p"),
        # Frames that are not shown, of which one would be counted, are of no use to alpha.
        {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
        | {"auto-alt-ref": "0"},
    ),
    "ffv1": _Codec(
        "ffv1", ("bgra", "gbrap16le"), ("bgr0", "gbrp16le"), {"level": "3", "slicecrc": "1"}
    ),
    "h264": _Codec("libx264", None, ("yuv420p", "yuv420p"), {"crf": "18", "preset": "medium"}),
    "hevc": _Codec(
        "libx265",
        None,
        ("yuv420p", "yuv420p10le"),
        {"crf": "20", "x265-params": "log-level=error"},
    ),
}


@dataclass(frozen=True)
class _Container:
    """FFmpeg's name, the codecs (of those that can do what is asked the first is taken), and the
    sound that it takes as it is (empty: any), what other sound becomes, whether times before 0
    can be told, and whether a pipe can hold it."""

    format: str
    codecs: tuple[str, ...]
    sound: frozenset[str]
    sound_encoder: str
    negative_times: bool
    streams: bool


_PCM = {f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "f32le")}
_CONTAINERS = {
    ".mov": _Container(
        "mov",
        ("prores", "h264", "hevc"),
        frozenset({"aac", "ac3", "alac", "eac3", "mp3", *_PCM}),
        "pcm_s16le",
        True,
        False,
    ),
    ".webm": _Container("webm", ("vp9",), frozenset({"opus", "vorbis"}), "libopus", False, True),
    ".mp4": _Container(
        "mp4",
        ("h264", "hevc"),
        frozenset({"aac", "ac3", "alac", "eac3", "mp3", "opus"}),
        "aac",
        True,
        False,
    ),
    ".mkv": _Container(
        "matroska", ("h264", "hevc", "ffv1", "vp9", "prores"), frozenset(), "aac", False, True
    ),
    ".nut": _Container(
        "nut", ("h264", "hevc", "ffv1", "vp9", "prores"), frozenset(), "pcm_s16le", False, True
    ),
}

_STANDARD = Colours(matrix=1, full_range=False, primaries=1, transfer=1)

# Animated images, by suffix, and their formats' names.
_ANIMATIONS = {".gif": "gif", ".webp": "webp", ".apng": "png"}
_GIF_FASTEST = Fraction(1, 50)  # seconds: browsers show what is to last less for a tenth

# FFmpeg's usual layouts of so many channels, from 1 on.
_LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")

_NUMBERED = re.compile(r"\d{6}\.png")


@dataclass(frozen=True)
class Target:
    """Where pictures go and as what.

    path: of a file or folder that appears when it is whole, or of a pipe; None: it is `file`.
    container: None: a folder of PNG files. sound: with it.
    """

    name: str
    path: Path | None
    file: BinaryIO | None
    container: str | None
    codec: str
    alpha: bool
    sound: bool = True

    @property
    def is_pipe(self) -> bool:
        """Whether it is written as it comes."""
        return self.path is None or _is_pipe(self.path)

    @property
    def mixes_colours(self) -> bool:
        """Whether neighbours share their colour: what is transparent then colours what is not."""
        layouts = _CODECS[self.codec].alpha if self.codec in _CODECS and self.alpha else None
        return layouts is not None and "420" in layouts[0]

    @classmethod
    def of(
        cls,
        output: str | os.PathLike[str] | BinaryIO,
        codec: str | None = None,
        format: str | None = None,
        *,
        alpha: bool = True,
        sound: bool = True,
    ) -> Target:
        """By the name of the output or its format, and its codec if one is asked for.

        Raises ArgumentError: no such container or codec, or it cannot hold what it should.
        """
        name = name_of(output)
        if not isinstance(output, (str, os.PathLike)):
            file, path, suffix = output, None, ""
        else:
            file, path, suffix = None, Path(output), Path(output).suffix.lower()
            is_folder = path.is_dir() or os.fspath(output).endswith(("/", os.sep))
            if is_folder or (not suffix and format is None):
                for option, given in (("codec", codec), ("format", format)):
                    if given is not None:
                        raise ArgumentError(
                            f"video: {option} must be left out with a folder of PNG files, got "
                            f"{given!r}"
                        )
                return cls(name, _free_folder(path), None, None, "png", alpha, sound)
            path = path if _is_pipe(path) else path.resolve()
            if not path.parent.is_dir():
                folder = str(path.parent)
                raise ArgumentError(f"video: cannot write {name}: there is no folder {folder!r}")
        suffix = suffix if format is None else f".{format}"
        if suffix in _ANIMATIONS:
            if codec is not None:
                raise ArgumentError(f"video: {suffix} has no choice of codecs, got {codec!r:.80}")
            return cls(name, path, file, suffix, _ANIMATIONS[suffix], alpha, sound)
        container = _CONTAINERS.get(suffix)
        if container is None:
            known = ", ".join([*_CONTAINERS, *_ANIMATIONS])
            raise ArgumentError(
                f"video: format must be one of {known.replace('.', '')}, got {format!r:.80}"
                if path is None or format is not None
                else f"video: cannot tell what to write for {name}; use {known}, or a folder for "
                "PNG files"
            )
        if (path is None or _is_pipe(path)) and not container.streams:
            streams = [each for each, kind in _CONTAINERS.items() if kind.streams]
            able = ", ".join(each[1:] for each in [*streams, *_ANIMATIONS])
            raise ArgumentError(
                f"video: format must be one of {able} for a pipe, which {suffix[1:]} cannot be "
                "written to"
            )
        return cls(name, path, file, suffix, _codec(container, codec, alpha, suffix), alpha, sound)


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _codec(container: _Container, codec: str | None, alpha: bool, suffix: str) -> str:
    """The one asked for, or the first that can do what is asked."""
    able = [c for c in container.codecs if not alpha or _CODECS[c].alpha is not None]
    if codec is not None and codec not in container.codecs:
        raise ArgumentError(
            f"video: {suffix} is written with {' or '.join(container.codecs)}, got codec={codec!r}"
        )
    if not able or (codec is not None and codec not in able):
        raise ArgumentError(
            f"video: {codec or suffix} holds no transparency: write .mov (ProRes 4444) or .webm "
            "(VP9), or give a background to put behind"
        )
    return codec or able[0]


class Sink(Protocol):
    """Where frames and sound are written. Each method raises ArgumentError, OSError or PyAV's
    FFmpegError where that fails; `open_sink` makes ArgumentErrors of them."""

    def picture(self, frame: Frame, pixels: Array) -> None:
        """Writes what was made of a frame: (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16, all of
        one shape and dtype; frames come in the order of their pts."""

    def sound(self, packets: Sequence[Any]) -> None:
        """Writes packets of the clip's tracks, in the order of each; also before the first
        picture. What has no place for sound ignores them."""

    def finish(self) -> None:
        """Writes what is held back; called once, after all else, unless something failed."""


@contextmanager
def open_sink(target: Target, clip: Clip, av: Any) -> Iterator[Sink]:
    """What writes to the target, which has its name when the body has ended well.

    Raises ArgumentError: it cannot be written. BrokenPipeError: nobody reads the pipe any more.
    """
    try:
        if target.container is None:
            assert target.path is not None
            with adding_to(target.path) as folder:
                yield _Folder(folder)
        elif target.container in _ANIMATIONS:
            animation = _Animation(target.codec, clip)
            yield animation
            if target.is_pipe:
                with _Pipe(target) as pipe:
                    pipe.write(animation.data)
            else:
                assert target.path is not None
                with replacing(target.path) as place:
                    place.write(animation.data)
        elif target.is_pipe:
            with _Pipe(target) as pipe, _opened(pipe, target, clip, av) as file:
                yield file
        else:
            assert target.path is not None
            with replacing_path(target.path) as partial, _opened(partial, target, clip, av) as file:
                yield file
    except BrokenPipeError:
        raise
    except (av.FFmpegError, OSError) as error:
        raise ArgumentError(f"video: cannot write {target.name}: {cause(error)}") from error


class _Pipe:
    """A pipe or file object as PyAV is to see it, which would close it, and seek in it, and lose
    its errors."""

    def __init__(self, target: Target) -> None:
        self._file: BinaryIO = target.file or target.path.open("wb")  # type: ignore[union-attr]
        self._is_ours = target.file is None
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            rest = memoryview(data)
            while rest and self._error is None:
                rest = rest[self._taken(rest) :]
        except OSError as error:
            self._error = error
        except ValueError as error:  # it is closed
            self._error = OSError(str(error))
        return len(data)

    def _taken(self, data: memoryview) -> int:
        """How many bytes the file took."""
        count: int | None = self._file.write(data)
        if count is None and not isinstance(self._file, io.RawIOBase):
            return len(data)  # a class of the user's, which does not say
        if not count:
            raise BlockingIOError(errno.EAGAIN, "it takes no more at the moment")
        return count

    def check(self) -> None:
        """Raises what `write` could not."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.check()
            if hasattr(self._file, "flush"):
                self._file.flush()
        if self._is_ours:
            with suppress(OSError):  # of what is still to be written, once that has failed
                self._file.close()


@contextmanager
def _opened(place: Any, target: Target, clip: Clip, av: Any) -> Iterator[_File]:
    file = _File(place, target, clip, av)
    try:
        yield file
    finally:
        file.close()


# --- folders ---


def _free_folder(path: Path) -> Path:
    path = path.resolve()
    if path.exists() and not path.is_dir():
        raise ArgumentError(
            f"video: {str(path)!r} is a file; a video needs a suffix, a folder none"
        )
    if path.is_dir() and any(_NUMBERED.fullmatch(file.name) for file in path.iterdir()):
        raise ArgumentError(
            f"video: {str(path)!r} has numbered frames already; name another folder or empty it"
        )
    return path


def _colours(frame: Frame, pixels: Array) -> Colours:
    """Those of what is written of a frame: a matte has none, so that no player makes light of
    its numbers."""
    is_matte = pixels.ndim == 2
    return _STANDARD if is_matte and frame.colours.hdr else frame.colours


def _png_colours(colours: Colours) -> Metadata | None:
    """The cICP chunk for HDR colours; None for SDR."""
    if colours.hdr is None:
        return None
    rgb, full_range = 0, 1
    cicp = bytes([colours.primaries, colours.transfer, rgb, full_range])
    return Metadata(png_colour=((b"cICP", cicp),))


class _Folder:
    """PNG files, numbered from 1."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def picture(self, frame: Frame, pixels: Array) -> None:
        self._count += 1
        write_image(
            self._folder / f"{self._count:06d}.png",
            pixels,
            metadata=_png_colours(_colours(frame, pixels)),
        )

    def sound(self, packets: Sequence[Any]) -> None:
        """There is no place for it."""

    def finish(self) -> None:
        """Every file is written already."""


# --- animated images ---


class _Animation:
    """Frames of an animated image, all of them in memory: their times are told in front. format:
    its name in `trimatte.io.frames`. data: the file, once it is finished."""

    def __init__(self, format: str, clip: Clip) -> None:
        self._format = format
        self._clip = clip
        self._pictures: list[Array] = []
        self._times: list[Fraction] = []  # when each begins, and when the last ends
        self.data = b""

    def picture(self, frame: Frame, pixels: Array) -> None:
        hdr = _colours(frame, pixels).hdr
        if hdr and not self._pictures:
            self._clip.notes.append(f"its {hdr} looks dull in an animated image")
        self._check_total(pixels)
        self._pictures.append(np.asarray(to_pillow(pixels)))  # of 8 bits, as they are stored
        begins = frame.pts * frame.time_base
        self._times[-1:] = [begins, begins + frame.duration * frame.time_base]

    def _check_total(self, pixels: Array) -> None:
        """Raises ArgumentError where the frames will be, or are, too many to be held."""
        height, width = pixels.shape[:2]
        count = len(self._pictures) + 1
        if count == 1:
            count = max(count, self._clip.total or 0)
        if count * height * width > MAX_PIXELS:
            raise ArgumentError(
                f"video: {count} frames of {width} x {height} are too many for an animated image, "
                f"which is held in memory: they may have {MAX_PIXELS} pixels together; give start= "
                "and end=, or write a video"
            )

    def sound(self, packets: Sequence[Any]) -> None:
        """There is no place for it."""

    def finish(self) -> None:
        ticks = 100 if self._format == "gif" else 1000
        # Each moment is rounded, not each time: what is rounded off does not add up.
        moments = [round(time * ticks) for time in self._times]
        shown = [
            ImageFrame(pixels, (end - begin) / ticks)
            for pixels, begin, end in zip(self._pictures, moments, moments[1:], strict=False)
        ]
        if self._format == "gif" and len(shown) > 1:
            mean = (self._times[-1] - self._times[0]) / len(shown)
            if mean < _GIF_FASTEST:
                self._clip.notes.append(
                    f"{1 / float(mean):.0f} frames a second are too many for a GIF, which browsers "
                    "show slowly above 50"
                )
        self.data = encode_frames(shown, self._format) if shown else b""


# --- files ---


class _File:
    """A video file; its header is written with the first frame."""

    def __init__(self, place: Any, target: Target, clip: Clip, av: Any) -> None:
        self._av = av
        self._place = place
        assert target.container is not None
        self._codec = _CODECS[target.codec]
        self._alpha = target.alpha
        self._container_kind = _CONTAINERS[target.container]
        try:
            av.codec.Codec(self._codec.encoder, "w")
        except ValueError:
            raise ArgumentError(
                f"video: this FFmpeg has no encoder {self._codec.encoder!r}; another codec= or "
                "another kind of file may do"
            ) from None
        self._clip = clip
        self._audio = clip.audio if target.sound else []
        self._converter = Converter(av)
        self._layout = ""
        self._stream: Any = None
        self._tracks: dict[int, _Track] = {}
        self._early: list[Any] = []  # sound that came before the first picture
        self._output: Any = av.open(place, "w", format=self._container_kind.format)

    def picture(self, frame: Frame, pixels: Array) -> None:
        if self._stream is None:
            self._begin(frame, pixels)
        encoded = self._converter.to_frame(
            self._fitted(pixels), self._layout, _colours(frame, pixels)
        )
        encoded.pts, encoded.time_base = frame.pts, frame.time_base
        encoded.duration = frame.duration
        self._output.mux(self._stream.encode(encoded))
        if isinstance(self._place, _Pipe):
            self._place.check()

    def _begin(self, frame: Frame, pixels: Array) -> None:
        layouts = self._codec.alpha if self._alpha else self._codec.opaque
        assert layouts is not None
        self._layout = layouts[pixels.dtype == np.uint16]
        stream = self._output.add_stream(
            self._codec.encoder, rate=self._clip.rate, options=dict(self._codec.options)
        )
        stream.height, stream.width = self._fitted(pixels).shape[:2]
        stream.pix_fmt = self._layout
        # Not one over the frame rate, as usual: every frame has its time to the tick.
        stream.codec_context.time_base = frame.time_base
        stream.thread_type = "AUTO"
        layout = self._av.VideoFormat(self._layout)
        colours = _colours(frame, pixels)
        colours.tag(stream.codec_context, is_rgb=layout.is_rgb)
        if colours.hdr and layout.components[0].bits == 8:
            self._clip.notes.append(
                f"its {colours.hdr} is stored with 8 bits, in which it shows bands: prores, "
                "ffv1 and, behind which is a background, hevc keep more"
            )
        if frame.aspect is not None:
            stream.codec_context.sample_aspect_ratio = frame.aspect
        self._stream = stream
        self._tracks = {source.index: self._track(source) for source in self._audio}
        self.sound(self._early)

    def _track(self, source: Any) -> _Track:
        kind = self._container_kind
        name = source.codec_context.codec.canonical_name
        # A pipe's header cannot be completed later, and without ADTS headers AAC needs one.
        lacks_header = (
            name == "aac" and not source.codec_context.extradata and isinstance(self._place, _Pipe)
        )
        if not lacks_header and (not kind.sound or name in kind.sound):
            # Of a container that takes any, there are kinds that PyAV knows better about.
            with suppress(ValueError):
                return _Copied(self._output, source, kind.negative_times, self._av)
        return _Encoded(self._output, source, kind.sound_encoder, self._av)

    def _fitted(self, pixels: Array) -> Array:
        """H.264 and H.265 of 4:2:0 have even sizes: the last column and row are repeated."""
        if self._layout.startswith("yuv420p") and self._codec.encoder != "libvpx-vp9":
            spare = [(0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)]
            if spare[0][1] or spare[1][1]:
                return np.pad(pixels, spare[: pixels.ndim], mode="edge")
        return pixels

    def sound(self, packets: Sequence[Any]) -> None:
        if self._stream is None:
            self._early.extend(packets)
            return
        for packet in packets:
            self._tracks[packet.stream.index].write(packet)

    def finish(self) -> None:
        if self._stream is not None:
            self._output.mux(self._stream.encode(None))
            for track in self._tracks.values():
                track.finish()
            self._output.close()
            lost = sum(track.lost for track in self._tracks.values())
            if lost:
                self._clip.notes.append(f"{lost} packets of its sound are damaged and left out")

    def close(self) -> None:
        self._output.close()


class _Track(Protocol):
    lost: int  # packets

    def write(self, packet: Any) -> None: ...

    def finish(self) -> None: ...


class _Copied:
    """Sound passed on as it is."""

    lost = 0

    def __init__(self, output: Any, source: Any, negative_times: bool, av: Any) -> None:
        self._av = av
        self._output = output
        self._last: int | None = None  # packet's time
        self._end = 0
        self._negative_times = negative_times
        self._stream = output.add_stream_from_template(source)
        _copy_notes(source, self._stream)

    def write(self, packet: Any) -> None:
        early = packet.pts is not None and packet.pts < 0
        if early and not self._negative_times and packet.pts + (packet.duration or 0) <= 0:
            return  # What decoders warm up with: for its sake all times would be moved.
        self._put_in_order(packet)
        packet.stream = self._stream
        try:
            self._output.mux(packet)
        except self._av.InvalidDataError:  # of what repacks AAC
            self.lost += 1

    def _put_in_order(self, packet: Any) -> None:
        """Damaged files have packets without a time, or at one that has passed, which no container
        takes."""
        time = packet.dts if packet.dts is not None else packet.pts
        if time is None or (self._last is not None and time <= self._last):
            time = self._end
        if packet.pts is None or packet.dts != time:
            packet.pts = packet.dts = time
        self._last, self._end = time, time + max(packet.duration or 0, 1)

    def finish(self) -> None:
        """Nothing is held back."""


class _Encoded:
    """Sound that the container does not take as it is."""

    lost = 0

    def __init__(self, output: Any, source: Any, encoder: str, av: Any) -> None:
        self._av = av
        self._output = output
        self._source = source
        self._last: int | None = None  # frame's time
        self._end = 0
        opus = encoder == "libopus"
        # Opus has its own rates; of more than two channels it wants layouts that sources lack.
        rate = 48000 if opus else source.codec_context.sample_rate
        self._stream = output.add_stream(encoder, rate=rate)
        self._stream.layout = _layout(source.codec_context.layout, 2 if opus else len(_LAYOUTS))
        if not encoder.startswith("pcm"):
            self._stream.bit_rate = 96_000 * self._stream.codec_context.layout.nb_channels
        _copy_notes(source, self._stream)

    def write(self, packet: Any) -> None:
        try:
            frames = packet.decode()
        except self._av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self.lost += 1
        else:
            self._encode(frames)

    def _encode(self, frames: Sequence[Any]) -> None:
        for frame in frames:
            if frame.pts is not None and self._last is not None and frame.pts <= self._last:
                frame.pts = self._end
            if frame.pts is not None:
                length = Fraction(frame.samples, frame.sample_rate)
                self._last, self._end = frame.pts, frame.pts + round(length / frame.time_base)
            self._output.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._encode(self._source.decode(None))
        self._output.mux(self._stream.encode(None))


def _layout(given: Any, most: int) -> str:
    """The name of a layout that encoders know; some formats tell only the number of channels."""
    if given.nb_channels > most:
        return "stereo"
    named = not given.name.endswith("channels")
    return given.name if named else _LAYOUTS[given.nb_channels - 1]


def _copy_notes(source: Any, stream: Any) -> None:
    if "language" in source.metadata:
        stream.metadata["language"] = source.metadata["language"]

"""A whole video: decode, cut out and encode, each in its own thread."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from trimatte.arrays import Array
from trimatte.errors import ArgumentError, VideoWarning, warn
from trimatte.io.sources import ImageSource, is_path
from trimatte.ops.compositing import composite
from trimatte.pipeline.backgrounds import blurred_background, fitted_background
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.routes import Route
from trimatte.threads import Worker, wait_for_all
from trimatte.video.channel import Channel
from trimatte.video.frames import Clip, Frame, Unit
from trimatte.video.hdr import in_hdr
from trimatte.video.live import Steadier, VideoRemover
from trimatte.video.pictures import open_clip
from trimatte.video.reading import load_av
from trimatte.video.writing import Sink, Target, open_sink

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from trimatte.pipeline.options import RemoverOptions

__all__ = ["Progress", "Shot", "VideoSummary", "remove_video"]

PathName = str | os.PathLike[str]
Progress = Callable[[int, "int | None"], object]
"""Is told how many frames are done, and how many there are as far as the file says."""

# Frames that wait between two threads: enough to even out slow ones, and little memory.
_WAITING = 4


class Shot(NamedTuple):
    """Frames of a video that were cut out alike: the number of the first, from 0, and how."""

    first: int
    route: Route


@dataclass(frozen=True)
class VideoSummary:
    """What `remove_video` did: frames written, the seconds it took, where they are (None: in the
    file object that was given). timings: seconds by stage; decoding and encoding ran beside the
    others. shots: how its frames were cut out, and why so; a new one where that was decided anew,
    or everything learnt so far was dropped. unsure: `Result.unsure`, the mean of the frames that a
    network alone cut out; None: there are none."""

    frames: int
    seconds: float
    output: Path | None
    timings: dict[str, float] = field(default_factory=dict)
    shots: tuple[Shot, ...] = ()
    unsure: float | None = None

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds if self.seconds else 0.0


class _Stopped(Exception):
    """Whoever is told of the progress wants no more; its cause says why."""


class _Cut(NamedTuple):
    """A unit, and the picture for each sink."""

    unit: Unit
    pictures: tuple[Array, ...]


def remove_video(
    source: PathName | BinaryIO,
    output: PathName | BinaryIO,
    *,
    remover: Remover | VideoRemover | None = None,
    background: ImageSource | tuple[float, float, float] | None = None,
    linear: bool = False,
    matte: PathName | None = None,
    format: str | None = None,
    codec: str | None = None,
    audio: bool = True,
    start: float | None = None,
    end: float | None = None,
    fps: float | Fraction | None = None,
    stabilize: bool | Steadier = True,
    progress: Progress | None = None,
    on_frame: Callable[[int, Result], object] | None = None,
    **options: Unpack[RemoverOptions],
) -> VideoSummary:
    """Cut the foreground out of every frame of a video.

    Without options each shot decides how, by its first frame: see `VideoRemover`.

    Every decoded frame gives one frame, with its time; sound is copied where the container takes
    it and encoded anew where not. Frames are turned upright; of more than 8 bits they are worked on
    in 16. The output takes its name when it is whole. Ctrl-C, or whatever `progress` raises, ends
    it after the frames so far, playable, and is raised again; a second Ctrl-C while the file is
    being finished, or any other failure, leaves nothing.

    Args:
        source: a video file, or a binary file object, which may be a pipe and is not closed; an
            animated image; numbered images, as "frames/%04d.png" or as their folder, in which there
            are no others. A number that is missing leaves a gap.
        output: .mov (ProRes 4444 with alpha), .webm (VP9 with alpha), .mkv or .nut (FFV1 with
            alpha), a folder (PNG files from 000001.png, no sound), .gif, .webp or .apng (no sound,
            all of it in memory: 500 million pixels at most), or with a background also .mp4
            (H.264). A binary file object, or a pipe, takes mkv, webm, nut or an animated image.
        remover: cuts out the frames; None: one made of options.
        background: what to put behind: (r, g, b) in 0..255, a colour's name, or an image, which is
            cropped to fit, or "blur", the video itself out of focus; the output then has no alpha.
            Behind HDR (PQ, HLG) the white of a colour or an image is 203 cd/m2, as in ITU-R
            BT.2408.
        linear: blend with it in linear light.
        matte: where to write alpha as a grey video, or as a folder of PNG files.
        format: the output's, as its suffix without the dot; None: by its name.
        codec: "prores", "vp9", "ffv1", "h264" or "hevc"; None: the container's first.
        audio: keep the sound.
        start, end: seconds; frames in [start, end) are taken, and start becomes 0.
        fps: frames a second of numbered images, 25 by default; all else has its own times.
        stabilize: as for `VideoRemover`; of no use with one.
        progress: called with the frames done and their number, None where the file does not say it;
            the number is a guess where the file only tells its length.
        on_frame: called with the number of each frame, from 0, and its `Result`.
        options: of `Remover`.

    Returns:
        A `VideoSummary`.

    Raises:
        ArgumentError: the source is no video, the output cannot be written or cannot hold what it
            should, an option is out of range.
        EngineError: PyAV is missing, or as `Remover` does.
        BrokenPipeError: nobody reads the output any more.

    Warns:
        VideoWarning: frames are interlaced, change in size, are missing or cannot be decoded; a
            track is not passed on.
    """
    begun = time.perf_counter()
    _check_names(source=source, output=output, matte=matte)
    if linear and background is None:
        raise ArgumentError("video: linear requires background")
    cut = _video_remover(remover, stabilize, options)
    targets = [Target.of(output, codec, format, alpha=background is None)]
    if matte is not None:
        targets.append(Target.of(matte, alpha=False, sound=False))
    _keep_apart([name for name in (source, background) if is_path(name)], targets)
    behind = None if background is None else _Behind(background, linear)
    av = load_av()
    clip = open_clip(source, start=start, end=end, audio=audio, fps=fps)
    try:
        _warn_of(clip)
        with ExitStack() as stack:
            sinks = [stack.enter_context(open_sink(target, clip, av)) for target in targets]
            job = _Job(
                clip, cut, sinks, behind, linear, targets[0].mixes_colours, progress, on_frame
            )
            job.run()
    finally:
        clip.close()
    _warn_of(clip)
    if job.interrupted is not None:
        raise job.interrupted
    seconds = time.perf_counter() - begun
    return VideoSummary(
        job.done,
        seconds,
        targets[0].path,
        job.timings,
        tuple(job.shots),
        sum(job.unsure) / len(job.unsure) if job.unsure else None,
    )


def _warn_of(clip: Clip) -> None:
    """Warns of what the clip has noted since it was last asked."""
    for note in clip.notes:
        warn(f"{clip.name}: {note}", VideoWarning)
    clip.notes.clear()


def _check_names(**names: object) -> None:
    for which, name in names.items():
        takes_files = which != "matte"
        method = "write" if which == "output" else "read"
        is_file = hasattr(name, method) and not isinstance(name, io.TextIOBase)
        is_name = is_path(name) and bool(str(name)) and "\0" not in str(name)
        optional = which == "matte" and name is None
        if not (optional or is_name or (takes_files and is_file)):
            kinds = "a path or a binary file object" if takes_files else "a path"
            raise ArgumentError(f"video: {which} must be {kinds}, got {name!r:.80}")


def _video_remover(
    remover: Remover | VideoRemover | None, stabilize: bool | Steadier, options: RemoverOptions
) -> VideoRemover:
    if not isinstance(remover, VideoRemover):
        return VideoRemover(remover, stabilize=stabilize, **options)
    if options:
        raise ArgumentError(f"video: give {', '.join(options)} to the Remover that you pass")
    remover.reset()
    return remover


def _keep_apart(read: Sequence[Any], targets: Sequence[Target]) -> None:
    """Refuse to write onto what is read, or twice onto the same."""
    paths = [target.path for target in targets if target.path is not None]
    for name in read:
        for path in paths:
            if path == Path(name).resolve() or (path.exists() and _same_file(path, Path(name))):
                raise ArgumentError(f"video: {str(path)!r} is read: name another output")
    if len(set(paths)) < len(paths):
        raise ArgumentError(f"video: output and matte are both {str(paths[0])!r}")


def _same_file(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


class _Behind:
    """What is put behind the frames of one video, all of one size and depth.

    Raises ArgumentError: it is neither a colour nor an image.
    """

    def __init__(self, background: ImageSource | tuple[float, float, float], linear: bool) -> None:
        self._blurs = background == "blur" and not Path("blur").is_file()
        self._linear = linear
        self._plate: Array | None = None
        if not self._blurs:
            self._fitted = fitted_background(background)
            self._made((1, 1), np.dtype(np.uint8))  # a colour may be none

    def __call__(self, frame: Frame, result: Result) -> Array:
        """That of a frame, in its colours."""
        if frame.colours.hdr and self._linear:
            raise ArgumentError(
                f"video: linear must be left out with {frame.colours.hdr}: it is about sRGB's light"
            )
        if self._blurs:
            return blurred_background(frame.pixels, result.alpha)
        if self._plate is None:
            plate = self._made(result.alpha.shape, result.rgba.dtype)
            self._plate = in_hdr(plate, frame.colours) if frame.colours.hdr else plate
        return self._plate

    def _made(self, size: tuple[int, int], dtype: np.dtype[Any]) -> Array:
        nothing = np.zeros((*size, 3), dtype)
        return composite(nothing, np.zeros(size, np.float32), self._fitted(size, dtype))


class _Job:
    """The frames of one clip, through three threads: this one cuts out."""

    def __init__(
        self,
        clip: Clip,
        cut: VideoRemover,
        sinks: Sequence[Sink],
        background: _Behind | None,
        linear: bool,
        mixes_colours: bool,
        progress: Progress | None,
        on_frame: Callable[[int, Result], object] | None,
    ) -> None:
        self._clip = clip
        self._cut = cut
        self._sinks = sinks
        self._background = background
        self._linear = linear
        self._mixes_colours = mixes_colours
        self._progress = progress
        self._on_frame = on_frame
        self._decoded: Channel[Unit] = Channel(_WAITING)
        self._ready: Channel[_Cut] = Channel(_WAITING)
        self._failure: BaseException | None = None
        self.done = 0
        self.interrupted: BaseException | None = None
        self.timings: dict[str, float] = {"decode": 0.0}
        self.shots: list[Shot] = []
        self.unsure: list[float] = []
        self._shot: int | None = None

    def run(self) -> None:
        """Do it all. What interrupts it is kept in `interrupted`, if any frame is done."""
        threads = [Worker(work) for work in (self._decode, self._encode)]
        for thread in threads:
            thread.start()
        try:
            try:
                self._work()
            except KeyboardInterrupt as interrupt:
                self.interrupted = interrupt
            except _Stopped as stopped:
                self.interrupted = stopped.__cause__
            try:
                self._finish(threads)
            except KeyboardInterrupt as interrupt:
                # The file is nearly whole: only who insists loses it.
                self.interrupted = interrupt
                self._finish(threads)
        finally:
            # Whatever came: nobody waits for anybody, and nobody uses the files any more.
            self._stop_decoding()
            self._ready.abandon()
            wait_for_all(threads)
        if self._failure is not None:
            raise self._failure
        if not self.done:
            if self.interrupted is not None:
                raise self.interrupted
            raise ArgumentError(f"video: there are no frames to take of {self._clip.name}")

    def _finish(self, threads: Sequence[Worker]) -> None:
        """Wait until all that is ready is written."""
        self._stop_decoding()
        self._ready.end()
        wait_for_all(threads)

    def _stop_decoding(self) -> None:
        self._decoded.abandon()
        self._clip.stop()

    def _decode(self) -> None:
        try:
            units = self._clip.units()
            while True:
                begun = time.perf_counter()
                unit = next(units, None)
                self.timings["decode"] += time.perf_counter() - begun
                if unit is None or not self._decoded.put(unit):
                    break
            self._decoded.end()
        except BaseException as error:
            self._decoded.end(error)

    def _work(self) -> None:
        total = self._clip.total
        for unit in self._decoded:
            pictures = () if unit.frame is None else self._pictures(unit.frame)
            if not self._ready.put(_Cut(unit, pictures)):
                return
            if unit.frame is not None:
                self.done += 1
                self._report(total)

    def _pictures(self, frame: Frame) -> tuple[Array, ...]:
        """What each sink is to get of a frame."""
        result = self._cut(frame.pixels)
        if self._cut.shot != self._shot and result.route is not None:
            self._shot = self._cut.shot
            self.shots.append(Shot(self.done, result.route))
        if result.route is not None and result.route.kind == "network":
            self.unsure += [] if result.unsure is None else [result.unsure]
        for stage, seconds in result.timings.items():
            self.timings[stage] = self.timings.get(stage, 0.0) + seconds
        if self._on_frame is not None:
            self._on_frame(self.done, result)
        if self._background is None and self._mixes_colours:
            # The foreground goes on beyond the edge; the cutout is black there.
            pixels = np.dstack([result.foreground, result.rgba[:, :, 3]])
        elif self._background is None:
            pixels = result.rgba
        else:
            begun = time.perf_counter()
            behind = self._background(frame, result)
            pixels = result.composite(behind, linear=self._linear)
            spent = time.perf_counter() - begun
            self.timings["composite"] = self.timings.get("composite", 0.0) + spent
        return (pixels, result.rgba[:, :, 3]) if len(self._sinks) > 1 else (pixels,)

    def _report(self, total: int | None) -> None:
        if self._progress is not None:
            try:
                self._progress(self.done, None if total is None else max(total, self.done))
            except BaseException as error:
                raise _Stopped from error

    def _encode(self) -> None:
        spent = 0.0
        try:
            for unit, pictures in self._ready:
                begun = time.perf_counter()
                for sink, pixels in zip(self._sinks, pictures, strict=bool(pictures)):
                    assert unit.frame is not None
                    sink.picture(unit.frame, pixels)
                self._sinks[0].sound(unit.packets)
                spent += time.perf_counter() - begun
            if not self._ready.abandoned:
                begun = time.perf_counter()
                for sink in self._sinks:
                    sink.finish()
                spent += time.perf_counter() - begun
        except BaseException as error:
            self._failure = error
            self._ready.abandon()
        self.timings["encode"] = spent

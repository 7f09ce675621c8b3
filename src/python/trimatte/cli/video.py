"""The command line's ``trimatte video``."""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from trimatte.cli.advice import advice
from trimatte.cli.files import Stamp
from trimatte.cli.options import (
    KEY_BAND,
    LOOKS_FOR_SCREEN,
    MASK_BAND,
    add_matting,
    add_network,
    add_output,
    add_screen,
    background_name,
    background_of,
    check_linear,
    check_matting,
    check_standard,
    usual_remover,
)
from trimatte.cli.parsing import UsageError, as_typed, reader
from trimatte.cli.progress import find_tqdm
from trimatte.cli.signals import interrupted_status
from trimatte.video import remove_video

__all__ = ["add_video"]

_EXAMPLES = """\
OUT says what is written:
  .mov      ProRes 4444 with alpha        .webm     VP9 with alpha
  .mkv      FFV1 with alpha, lossless     folder/   PNG files from 000001.png, no sound
  .mp4      H.264, with --background; so can the others but folders be opaque too
  .gif, .webp, .apng    animated images, no sound
  -         standard output: Matroska with FFV1, or --format webm or nut

examples:
  trimatte video clip.mp4 -o cutout.mov
  trimatte video clip.mp4 -o cutout.webm --key-color blue --tolerance 20
  trimatte video clip.mp4 -o frames/ --start 1:30 --end 1:35.5
  trimatte video clip.mp4 -o on-beach.mp4 --background beach.jpg
  trimatte video clip.mp4 -o cutout.mov --model u2net --device cuda
  trimatte video clip.mp4 -o cutout.mov --matte matte.mp4
  trimatte video frames/%04d.png --fps 24 -o cutout.webm
  trimatte video dance.gif -o cutout.webp
  ffmpeg ... -f matroska - | trimatte video - -o - | ffmpeg -i - ...

Every frame gives one frame, with its time. Ctrl-C leaves what is done so far, playable.
"""

_TIME = "seconds, m:ss or h:mm:ss"


def add_video(commands: Any) -> None:
    """Adds the command to the command line's."""
    parser = commands.add_parser(
        "video",
        help="cut out every frame of a video, with its sound",
        description="Cuts out every frame of a video: in a shot before a green or blue screen by "
        "its colour, else by a network.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "input",
        metavar="IN",
        help="video, animated image, numbered images (frames/%%04d.png, or their folder), or - for "
        "standard input",
    )
    add_output(
        parser,
        "OUT",
        "video (.mov, .webm, .mkv, .nut, .mp4), animated image (.gif, .webp, .apng), folder for "
        "PNG files, or - for standard output",
    )
    video = parser.add_argument_group("the video")
    video.add_argument(
        "--start",
        type=reader(_seconds, _TIME),
        metavar="T",
        help=f"begin at: {_TIME}",
    )
    video.add_argument("--end", type=reader(_seconds, _TIME), metavar="T", help="end before")
    video.add_argument(
        "--fps",
        type=reader(_rate, "frames a second in 0.001..1000, as 25 or 30000/1001"),
        metavar="N",
        help="frames a second of numbered images (default: 25)",
    )
    video.add_argument("--no-audio", action="store_true", help="leave the sound out")
    video.add_argument(
        "--format",
        choices=["mov", "webm", "mkv", "nut", "mp4", "gif", "webp", "apng"],
        help="of OUT (default: by its suffix; mkv to standard output, which mov and mp4 cannot be "
        "written to)",
    )
    video.add_argument(
        "--codec",
        choices=["prores", "vp9", "ffv1", "h264", "hevc"],
        help="of OUT (default: by its suffix)",
    )
    video.add_argument(
        "--background",
        "--bg",
        type=background_name,
        metavar="COLOR|IMAGE|blur",
        help="put this behind it: a name, r,g,b, #rrggbb, an image, cropped to fit, or blur, the "
        "video itself out of focus; behind HDR, white is 203 cd/m2",
    )
    video.add_argument(
        "--linear", action="store_true", help="blend with the background in linear light"
    )
    video.add_argument("--matte", metavar="OUT", help="write alpha as a grey video or PNG files")
    video.add_argument(
        "--no-stabilize",
        action="store_true",
        help="each frame for itself: alpha may flicker where nothing moves",
    )
    add_screen(parser)
    add_network(
        parser,
        default=None,
        without=f"in each shot, {LOOKS_FOR_SCREEN}; none where an option of the screen is given",
    )
    add_matting(parser, band=f"{KEY_BAND}; of a network's mask, {MASK_BAND}")
    parser.set_defaults(run=_video)


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(text) from None
    if not Fraction(1, 1000) <= rate <= 1000:
        raise ValueError(text)
    return rate


def _seconds(text: str) -> float:
    parts = text.split(":")
    if len(parts) > 3 or not all(part.isdecimal() for part in parts[:-1]):
        raise ValueError(text)
    seconds = float(parts[-1])
    if not 0 <= seconds < float("inf"):  # Not of the sum: 1:-30 is no time.
        raise ValueError(text)
    for power, part in enumerate(reversed(parts[:-1]), 1):
        seconds += 60**power * int(part)
    return seconds


def _video(arguments: argparse.Namespace) -> int:
    check_linear(arguments)
    check_matting(arguments)
    reads, writes = arguments.input == "-", arguments.output == "-"
    check_standard(reads, writes)
    if arguments.matte == "-":
        raise UsageError("--matte must be a file or a folder: standard output is for -o -")
    background: Any = arguments.background
    if background not in (None, "blur"):
        background = background_of(background)
    remover = usual_remover(arguments)
    before = None if writes else _stamp(arguments.output)
    with _progress(arguments) as report:
        try:
            summary = remove_video(
                sys.stdin.buffer if reads else arguments.input,
                sys.stdout.buffer if writes else arguments.output,
                remover=remover,
                background=background,
                linear=arguments.linear,
                matte=arguments.matte,
                format=arguments.format or ("mkv" if writes else None),
                codec=arguments.codec,
                audio=not arguments.no_audio,
                start=arguments.start,
                end=arguments.end,
                fps=arguments.fps,
                stabilize=not arguments.no_stabilize,
                progress=report,
            )
        except KeyboardInterrupt as interrupt:
            # A second Ctrl-C may have come before they were; an older file is no sign of them.
            kept = writes or _stamp(arguments.output) not in (None, before)
            place = "standard output" if writes else arguments.output
            said = f"the first {report.done} frames are in {place}"
            print(
                f"trimatte: interrupted; {said if kept else 'nothing is written'}", file=sys.stderr
            )
            return interrupted_status(interrupt)
    if summary.unsure is not None and not arguments.quiet:
        segmenter = remover.segmenter
        card = None if segmenter is None else segmenter.card
        if text := advice([summary.unsure], card, several=False):
            print(f"trimatte: {text}", file=sys.stderr)
    if arguments.verbose:
        stages = ", ".join(
            f"{name} {1000 * seconds / summary.frames:.1f}"
            for name, seconds in summary.timings.items()
        )
        print(
            f"{arguments.input} -> {arguments.output}: {summary.frames} frames in "
            f"{summary.seconds:.1f} s, {summary.fps:.1f} fps; ms a frame: {stages}",
            file=sys.stderr,
        )
        for shot in summary.shots:
            print(f"from frame {shot.first} on: {shot.route}", file=sys.stderr)
    return 0


def _stamp(output: str) -> Stamp | None:
    """That of a file, or of a folder's first frame; None: there is none."""
    path = Path(output)
    return Stamp.of(path / "000001.png" if path.is_dir() else path)


class _Report:
    """Says on stderr how far it is and how long it will take, as far as somebody looks."""

    def __init__(self, quiet: bool) -> None:
        self._visible = not quiet and sys.stderr.isatty()
        self._begun = time.perf_counter()
        self._said = 0.0
        self._bar: Any = None
        self.done = 0

    def __call__(self, done: int, total: int | None) -> None:
        self.done = done
        if not self._visible:
            return
        if done == 1:
            tqdm = find_tqdm()
            self._bar = tqdm and tqdm(unit="frame", file=sys.stderr)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        else:
            self._line(done, total)

    def _line(self, done: int, total: int | None) -> None:
        now = time.perf_counter()
        if now - self._said < 0.2 and done != total:
            return
        self._said = now
        rate = done / max(now - self._begun, 1e-9)
        left = "" if total is None else f", {(total - done) / rate:.0f} s left"
        of = "" if total is None else f"/{total}"
        print(f"\r[{done}{of}] {rate:.1f} fps{left}   ", end="", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr)

    def close(self) -> None:
        """The last line is ended."""
        if self._bar is not None:
            self._bar.close()
        elif self._visible and self.done:
            print(file=sys.stderr)


@contextmanager
def _progress(arguments: argparse.Namespace) -> Iterator[_Report]:
    """The report of a run, which also says its warnings, those that differ in numbers only once: a
    frame may warn as all others do."""
    report = _Report(arguments.quiet)
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        kind = re.sub(r"\d+", "", str(message))
        if kind not in said:
            said.add(kind)
            report.say(f"trimatte: {as_typed(str(message), arguments)}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if arguments.quiet else "always")
        warnings.showwarning = show
        try:
            yield report
        finally:
            report.close()

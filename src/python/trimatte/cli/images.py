"""The command line's ``trimatte remove``, ``key`` and ``matte``: images and folders of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from trimatte.cli.cutting import CutoutWriter
from trimatte.cli.files import FilePlan, plan_jobs
from trimatte.cli.options import (
    KEY_BAND,
    LOOKS_FOR_SCREEN,
    MASK_BAND,
    UsageError,
    add_matting,
    add_network,
    add_output,
    add_screen,
    background_name,
    check_matting,
    check_standard,
    key_remover,
    pixels,
    usual_remover,
)
from trimatte.cli.outputs import background_behind
from trimatte.cli.parsing import reader
from trimatte.cli.report import Report, reporting
from trimatte.cli.standard import is_missing
from trimatte.cli.watch import watch, watched_folders
from trimatte.errors import ArgumentError
from trimatte.io.frames import FRAME_FORMATS
from trimatte.io.limits import MAX_PIXELS
from trimatte.io.writing import COMPRESSION, FORMATS, Compression
from trimatte.ops.cropping import SHOWS, read_margin
from trimatte.pipeline.remover import Remover

__all__ = ["add_images"]

_KEY_EXAMPLES = """\
The screen's colour and light are learnt from the image. What they do not decide, a narrow band, is
solved for its opacity; the foreground's own colour is estimated, and what is left of the screen's
light is taken out of it. There is nothing to tune; --method names plainer keys that can be tuned.

examples:
  trimatte key photo.jpg -o cutout.png
  trimatte key photo.jpg -o cutout.webp --alpha alpha.png --trimap-out trimap.png
  trimatte key photo.jpg -o on-beach.jpg --bg beach.jpg
  trimatte key shots/ -r -o cutouts/ --key-color blue
  trimatte key dance.gif -o dance.webp            every frame
  trimatte key photo.jpg -o cutout.png --garbage rig.png --core shirt.png
  trimatte key photo.jpg -o cutout.png --tolerance 20 --radius 12,4       the plain difference
  trimatte key photo.jpg -o cutout.png --hard     no matting: the bare rule, opaque or not

An output is never written onto an input. Files of the same name but of different kinds (a.jpg,
a.png) become a.jpg.png and a.png.png.
"""

_REMOVE_EXAMPLES = """\
A green or blue screen is looked for, and keyed where there certainly is one; a network finds all
other subjects, and all of them with --model. -v and --json say what was done, and why. The
network's mask is coarse: a band around it, as wide as the mask is unsure, is solved for its
opacity, down to the hair. The network of the default comes with trimatte; the weights of others are
fetched once, and checked. `trimatte photo.jpg` is short for `trimatte remove photo.jpg`.

examples:
  trimatte remove photo.jpg
  trimatte remove photo.jpg -o cutout.png --crop 5%
  trimatte remove photo.jpg -o portrait.jpg --bg blur
  trimatte remove - < photo.jpg > cutout.png
  trimatte remove inbox/ -o cutouts/ --watch --json >> log
  trimatte remove photos/ -r -o cutouts/ --model isnet-general-use
  trimatte remove street.jpg -o cat.png --model mine.onnx --card modnet
  trimatte remove street.jpg -o cat.png --model deeplabv3plus-resnet101 --classes cat
  trimatte remove photo.jpg -o cutout.png --model u2net --device cuda -v
"""

_MATTE_EXAMPLES = """\
examples:
  trimatte matte photo.jpg --trimap trimap.png -o cutout.png
  trimatte matte photo.jpg --mask mask.png --radius 20,8 -o cutout.png --alpha alpha.png

A trimap says what is known: black is background, white is foreground, grey is to be solved. It has
the photo's size. A mask is a rough outline, of which a band of --radius is to be solved. It has any
size, as a network's own.
"""


def add_images(commands: Any) -> None:
    """Adds the commands to the command line's."""
    raw = argparse.RawDescriptionHelpFormatter
    key = commands.add_parser(
        "key",
        help="cut out what stands before a green, blue or red screen",
        description="Cuts out what stands before a screen of one colour.",
        epilog=_KEY_EXAMPLES,
        formatter_class=raw,
    )
    _add_inputs(key)
    screen = add_screen(key)
    screen.add_argument(
        "--hard",
        action="store_true",
        help="only the rule: opaque or transparent, no matting, and no despill by default",
    )
    screen.add_argument(
        "--garbage", type=Path, metavar="M", help="white where nothing is ever foreground"
    )
    screen.add_argument("--core", type=Path, metavar="M", help="white where all of it always is")
    add_matting(key, band=KEY_BAND)
    _add_results(key)
    _add_folders(key)
    _add_limits(key)
    key.set_defaults(run=_key)

    remove = commands.add_parser(
        "remove",
        help="cut out the subject: before a screen by its colour, else by a network",
        description="Cuts out the subject: what stands before a green or blue screen where there "
        "certainly is one, else what a segmentation network holds to be foreground.",
        epilog=_REMOVE_EXAMPLES,
        formatter_class=raw,
    )
    _add_inputs(remove)
    add_network(remove, default=None, without=LOOKS_FOR_SCREEN)
    add_matting(remove, band=f"{MASK_BAND}; before a screen, {KEY_BAND}")
    _add_results(remove)
    _add_folders(remove)
    _add_limits(remove)
    remove.set_defaults(run=_remove)

    matte = commands.add_parser(
        "matte",
        help="cut out with a trimap or a mask",
        description="Cuts out what a trimap or a rough mask says, down to the hair.",
        epilog=_MATTE_EXAMPLES,
        formatter_class=raw,
    )
    matte.add_argument("input", nargs=1, metavar="IN", help="image, or - for standard input")
    given = matte.add_mutually_exclusive_group(required=True)
    given.add_argument("--trimap", type=Path, metavar="T", help="black, grey and white image")
    given.add_argument("--mask", type=Path, metavar="M", help="rough mask, white is foreground")
    add_output(matte, "OUT", "image (.png, .webp, .tif, .gif), or - for standard output")
    add_matting(matte, band=f"{MASK_BAND}; a trimap has none")
    _add_results(matte, folders=False)
    _add_limits(matte)
    matte.set_defaults(run=_matte, watch=False, recursive=False)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", nargs="+", metavar="IN", help="image, folder of images, or - for standard input"
    )
    add_output(
        parser,
        "OUT",
        "image (.png, .webp, .tif, .gif), folder for several, or - for standard output (default: "
        "IN.cutout.png beside IN, or IN.mask.png with --only-mask; of - also -)",
        required=False,
    )


def _add_folders(parser: argparse.ArgumentParser) -> None:
    folders = parser.add_argument_group("folders")
    folders.add_argument(
        "-r", "--recursive", action="store_true", help="with sub-folders, mirrored below OUT"
    )
    folders.add_argument(
        "-w",
        "--watch",
        action="store_true",
        help="go on with images as they come or change, until Ctrl-C; those whose cutout is there "
        "and newer are passed over at the start",
    )
    folders.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="images that are cut out at once; others are read and written beside them (default: "
        "enough to use every core)",
    )
    folders.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="what all images in flight may take together, e.g. 2GiB (default: few are in flight)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument_group("limits").add_argument(
        "--max-pixels",
        type=pixels,
        default=MAX_PIXELS,
        metavar="N",
        help="the largest image that is read, as 200M or 1.5G; of an animation all frames count "
        "(default: %(default)s)",
    )


def _add_results(parser: argparse.ArgumentParser, *, folders: bool = True) -> None:
    """Adds what is written and told. folders: whether OUT can be one."""
    where = " (a folder where OUT is one)" if folders else ""
    results = parser.add_argument_group("what to write")
    results.add_argument(
        "-om",
        "--only-mask",
        action="store_true",
        help="OUT is the alpha matte, in grey, and not the cutout",
    )
    results.add_argument(
        "--background",
        "--bg",
        type=background_name,
        metavar="COLOR|IMAGE|blur",
        help="put this behind it: a name, r,g,b, #rrggbb (of sRGB), an image, cropped to fit, or "
        "blur, the photo itself out of focus; OUT then has no alpha (but what the image has) and "
        "may be .jpg",
    )
    results.add_argument(
        "--linear", action="store_true", help="blend with the background in linear light"
    )
    results.add_argument(
        "--crop",
        nargs="?",
        type=_margin,
        const="0",
        metavar="N|N%",
        help="cut all that is written down to what shows, with so many pixels around it, or so "
        "much of its longer side",
    )
    results.add_argument(
        "--crop-threshold",
        type=reader(_opacity, "an opacity of at least 0 and below 1"),
        metavar="A",
        help=f"with --crop: the opacity, 0..1, above which a pixel shows (default: {SHOWS:g})",
    )
    results.add_argument("--alpha", metavar="FILE", help=f"write the alpha matte as well{where}")
    results.add_argument(
        "--trimap-out", metavar="FILE", help=f"write the trimap that was solved as well{where}"
    )
    results.add_argument(
        "--format",
        choices=[suffix.removeprefix(".") for suffix in FORMATS],
        help=f"of OUT (default: by its suffix; png {'in folders and ' if folders else ''}to "
        "standard output); jpg only with --background or --only-mask",
    )
    results.add_argument(
        "--frames",
        choices=["all", "first"],
        help="of an animated image: all frames, with their times, or the first alone (default: all "
        "where OUT is .gif, .webp or .png, else the first, with a warning). Every pixel of a GIF "
        "is opaque or transparent",
    )
    results.add_argument(
        "--compression",
        type=_compression,
        default="fast",
        metavar="LEVEL",
        help=f"of all these files: {', '.join(COMPRESSION)}, or 0 (largest) to 9 (smallest, slow); "
        "never changes a pixel (default: %(default)s)",
    )
    told = parser.add_argument_group("what to tell").add_mutually_exclusive_group()
    told.add_argument(
        "--json",
        action="store_true",
        help="a line of JSON for each image on standard output: files, size, seconds by stage, "
        "device, engine, route, unknown pixels, the share that the network was unsure of, error, "
        "warnings, what was dropped of its metadata",
    )
    told.add_argument("--json-file", metavar="FILE", help="the same into a file")


def _compression(text: str) -> Compression:
    if text not in COMPRESSION and text not in map(str, range(10)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {', '.join(COMPRESSION)} and not in 0..9"
        )
    return int(text) if text.isdecimal() else text


def _margin(text: str) -> str:
    try:
        read_margin(text)
    except ArgumentError:
        raise argparse.ArgumentTypeError(
            f"must be pixels or percent, as 20 or 5%, got {text!r}; before IN, write --crop=0"
        ) from None
    return text


def _opacity(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError(text)
    return value


# --- the commands ---


def _key(arguments: argparse.Namespace) -> int:
    if arguments.hard:
        _check_hard(arguments)
        arguments.method, arguments.matting = "difference", False
        arguments.despill = arguments.despill or "none"
    else:
        check_matting(arguments)
    return _run(arguments, lambda: key_remover(arguments), "garbage", "core")


def _check_hard(arguments: argparse.Namespace) -> None:
    for name in ("trimap_out", "radius"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--hard makes no trimap: drop --{name.replace('_', '-')}")
    if arguments.device != "cpu":
        raise UsageError("--hard runs on the CPU: drop --device")
    if arguments.softness:
        raise UsageError("--hard has no soft ramp: drop --softness")
    for name in ("garbage", "core", "choke", "feather"):
        if getattr(arguments, name):
            raise UsageError(f"--hard is the bare rule: drop --{name}")
    if arguments.method not in (None, "difference"):
        raise UsageError(f"--hard is the method difference: drop --method {arguments.method}")


def _remove(arguments: argparse.Namespace) -> int:
    check_matting(arguments)
    return _run(arguments, lambda: usual_remover(arguments))


def _matte(arguments: argparse.Namespace) -> int:
    if arguments.trimap is not None and arguments.radius is not None:
        raise UsageError("--radius is for --mask: a trimap says itself what is unknown")
    if arguments.trimap is not None and arguments.matting is not None:
        raise UsageError("--no-matting is for --mask: what a trimap leaves open has to be solved")
    check_matting(arguments)
    return _run(
        arguments,
        lambda: key_remover(arguments),
        "mask",
        "trimap",
    )


def _run(arguments: argparse.Namespace, remover: Callable[[], Remover], *beside: str) -> int:
    """Cut out what the options name; remover makes what does it, once nothing else is wrong.

    beside: the options that name what is given beside every image.
    """
    _check_standard(arguments)
    if arguments.crop_threshold is not None and arguments.crop is None:
        raise UsageError("--crop-threshold is about --crop: give that too")
    folders = watched_folders(arguments) if arguments.watch else None
    plan = FilePlan(makes_folders=True) if folders else plan_jobs(arguments)
    jpeg = _check_formats(arguments, plan)
    behind = background_behind(arguments, opaque=jpeg)
    given = {name: getattr(arguments, name) for name in beside}
    engine = remover()
    network = None if engine.segmenter is None else engine.segmenter.card
    writer = CutoutWriter(
        engine,
        arguments,
        behind,
        beside={name: path for name, path in given.items() if path is not None},
        makes_folders=plan.makes_folders,
    )
    several = plan.makes_folders or len(plan.jobs) > 1
    with reporting(arguments, None if folders else len(plan.jobs)) as report:
        if folders is not None:
            watch(arguments, folders, writer, report)
        else:
            try:
                _run_plan(plan, writer, report)
            except KeyboardInterrupt:
                report.summary(counts=several, network=network)
                raise
    return report.summary(counts=several, network=network)


def _run_plan(plan: FilePlan, writer: CutoutWriter, report: Report) -> None:
    for note in plan.notes:
        report.note(note)
    report.pass_over(plan.others)
    for path, cause in plan.failures:
        report.refuse(path, cause)
    with closing(writer(plan.jobs)) as outcomes:  # type: ignore[type-var]
        for outcome in outcomes:
            report.tell(outcome)


def _check_standard(arguments: argparse.Namespace) -> None:
    """Whether standard input and output can be used as is asked."""
    reads = "-" in arguments.input
    writes = arguments.output == "-" or (reads and arguments.output is None)
    if arguments.json and is_missing(sys.stdout):
        raise UsageError("--json writes to standard output, which is closed: use --json-file")
    check_standard(reads, writes)
    if writes and arguments.json:
        raise UsageError("--json and -o - would mix on standard output: use --json-file")


def _check_formats(arguments: argparse.Namespace, plan: FilePlan) -> bool:
    """Whether OUT is a JPEG.

    Raises UsageError: its format cannot hold alpha, or the frames that are asked for.
    """
    suffixes = {job.output.suffix.lower() for job in plan.jobs if job.output is not None}
    if arguments.format is not None:
        suffixes = {f".{arguments.format}"}
    named = {"-o": suffixes}
    for option, name in (("--alpha", "alpha"), ("--trimap-out", "trimap")):
        paths = (getattr(job, name) for job in plan.jobs)
        named[option] = {path.suffix.lower() for path in paths if path is not None}
    for option, given in named.items():
        if unknown := given - FORMATS.keys():
            raise UsageError(
                f"{option}: its suffix must be one of {', '.join(FORMATS)}, got "
                f"{min(unknown) or 'none'}"
            )
    if arguments.frames == "all" and (still := suffixes - FRAME_FORMATS.keys()):
        raise UsageError(
            f"--frames all: {', '.join(sorted(still))} holds one picture: write .gif, .webp or .png"
        )
    jpeg = any(FORMATS.get(suffix) == "jpeg" for suffix in suffixes)
    if jpeg and arguments.background is None and not arguments.only_mask:
        raise UsageError("JPEG has no alpha: write .png, .webp or .tif, or give --bg or -om")
    return jpeg

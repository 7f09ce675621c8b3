"""Options that several commands of the command line have, and what they ask for."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from trimatte.arrays import DESPILL_METHODS, screen_kind
from trimatte.cli.parsing import UsageError, as_typed, reader
from trimatte.cli.paths import is_file
from trimatte.cli.progress import add_terms, progress
from trimatte.cli.standard import is_missing
from trimatte.errors import ArgumentError
from trimatte.io.limits import number_of_pixels
from trimatte.io.sources import shortened
from trimatte.ops.key_rules import KEY_DEFAULTS, KEY_METHODS
from trimatte.ops.matting import QUALITIES
from trimatte.pipeline.backgrounds import read_colour
from trimatte.pipeline.options import RemoverOptions
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.segmenter import BUILT_IN_MODEL, Segmenter

__all__ = [
    "KEYED_ONLY_WITH",
    "KEY_BAND",
    "LOOKS_FOR_SCREEN",
    "MASK_BAND",
    "UsageError",
    "add_matting",
    "add_network",
    "add_output",
    "add_screen",
    "background_name",
    "background_of",
    "check_linear",
    "check_matting",
    "check_standard",
    "key_remover",
    "network_remover",
    "pixels",
    "remover_options",
    "usual_remover",
]


KEYED_ONLY_WITH = "--key-color, --method, --tolerance, --softness or --transfer"
"""The options of which one makes a command key that else runs a network."""

LOOKS_FOR_SCREEN = f"where a screen is found the key, else {BUILT_IN_MODEL}"
"""What a command takes without --model, in the words of the help."""

KEY_BAND = "grows with the image"
MASK_BAND = "as wide as the mask is soft"
"""The width of the band to solve, without --radius."""


def add_output(
    parser: argparse.ArgumentParser, metavar: str, text: str, *, required: bool = True
) -> None:
    """Adds the output, and how much is said of the way there."""
    parser.add_argument("-o", "--output", required=required, metavar=metavar, help=text)
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="no progress, no warnings")
    loudness.add_argument("-v", "--verbose", action="store_true", help="time of every stage")


def add_screen(parser: argparse.ArgumentParser, *, only_with: str | None = None) -> Any:
    """Adds the options of a colour key, as a group, and returns that.

    only_with: the words for when a screen is keyed at all, where the command may do without.
    """
    hard, soft = KEY_DEFAULTS["difference"], KEY_DEFAULTS["ffmpeg"]
    note = only_with and f"Nothing is keyed without {only_with}."
    screen = parser.add_argument_group("the screen", note)
    screen.add_argument(
        "--key-color",
        type=reader(_key_color, "auto, a colour's name, r,g,b or #rrggbb"),
        metavar="COLOR",
        help="auto, green, blue, red, magenta, cyan, yellow, white, gray, black, or the screen's "
        "own colour as r,g,b or #rrggbb (default: auto, the commonest of the borders, for the "
        "method plate; green for the others)",
    )
    screen.add_argument(
        "--method",
        choices=KEY_METHODS,
        help="plate learns the screen and has nothing to tune; the others are formulas (default: "
        "plate; difference with --tolerance or --softness)",
    )
    screen.add_argument(
        "--tolerance",
        type=float,
        metavar="N",
        help="difference: how far the key channel exceeds the others on the screen, 0..255 "
        f"(default: {hard[0]:g}); ffmpeg, obs: distance from the key colour (default: {soft[0]:g})",
    )
    screen.add_argument(
        "--softness",
        type=float,
        metavar="N",
        help="difference, ffmpeg, obs: width of the ramp above the tolerance "
        f"(default: {hard[1]:g}; ffmpeg, obs: {soft[1]:g})",
    )
    screen.add_argument(
        "--transfer",
        choices=["srgb", "linear"],
        help="the space that foreground and screen were mixed in (default: the one that fits, for "
        "the method plate; srgb for the others)",
    )
    screen.add_argument(
        "--choke",
        type=float,
        default=0.0,
        metavar="N",
        help="tighten alpha by so many pixels; below 0 spreads it (default: %(default)g)",
    )
    screen.add_argument(
        "--feather",
        type=float,
        default=0.0,
        metavar="N",
        help="soften its edge by so many (default: %(default)g)",
    )
    screen.add_argument(
        "--despill",
        choices=[*DESPILL_METHODS, "none"],
        help="how to take the screen's light out of the foreground (default: average)",
    )
    screen.add_argument(
        "--despill-strength",
        type=float,
        default=1.0,
        metavar="S",
        help="0..1 (default: %(default)g)",
    )
    return screen


def add_network(
    parser: argparse.ArgumentParser, *, default: str | None, without: str = "%(default)s"
) -> None:
    """Adds the options of a segmentation network. default: the model without --model. without: the
    words for that in the help."""
    network = parser.add_argument_group("the network")
    network.add_argument(
        "-m",
        "--model",
        default=default,
        metavar="NAME|FILE",
        help="a name of `trimatte engines list`, or an .onnx file with its card "
        f"(default: {without})",
    )
    add_terms(network)
    network.add_argument(
        "--classes", metavar="A[,B]", help="what is foreground, of a model that tells classes apart"
    )
    network.add_argument(
        "--runtime",
        choices=["auto", "tensorrt", "tensorrt_rtx", "onnxruntime", "openvino"],
        default="auto",
        help="what runs it (default: %(default)s)",
    )
    network.add_argument(
        "--precision",
        choices=["fp32", "fp16", "bf16", "int8"],
        help="of its arithmetic (default: the model's own)",
    )


def add_matting(parser: argparse.ArgumentParser, *, band: str = MASK_BAND) -> None:
    """Adds how opacity is solved, and where. band: the words for its width without --radius."""
    matting = parser.add_argument_group("matting")
    matting.add_argument(
        "--radius",
        type=reader(_radius, "N, or N,N: outside and inside, in 0..1000000"),
        metavar="N[,N]",
        help="pixels around the rough outline to solve, or those outside,inside of it "
        f"(default: {band})",
    )
    matting.add_argument(
        "--no-matting",
        action="store_const",
        const=False,
        dest="matting",
        help="solve nothing: the mask is the opacity; a coarse one's edges follow the image's",
    )
    matting.add_argument(
        "--quality",
        choices=QUALITIES,
        default="balanced",
        help="of the opacity (default: %(default)s)",
    )
    matting.add_argument(
        "--device",
        default="cpu",
        metavar="D",
        help="cpu, cuda, cuda:1 and so on, or auto: a GPU where there is one "
        "(default: %(default)s)",
    )


def _pixels(text: str) -> int:
    count = number_of_pixels(text, "--max-pixels")
    assert count is not None
    return count


pixels = reader(_pixels, "a number of pixels of at least 1, such as 50000000, 200M or 1.5G")
"""The type of --max-pixels."""


def _radius(text: str) -> float | tuple[float, float]:
    values = [float(part) for part in text.split(",")]
    if len(values) > 2 or not all(0 <= value <= 1e6 for value in values):
        raise ValueError(text)
    return values[0] if len(values) == 1 else (values[0], values[1])


def _key_color(text: str) -> str | tuple[float, float, float]:
    if text.lower() == "auto":
        return "auto"
    return screen_kind(text) or read_colour(text)


def remover_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `Remover` that were given, or that the command has a default for.

    An option of the command line has the name of the Remover's: here is the only place that knows
    which there are.
    """
    options = {
        name: value
        for name, value in vars(arguments).items()
        if name in RemoverOptions.__optional_keys__ and value is not None
    }
    if "despill" in arguments:
        options["despill"] = _despill(arguments.despill)
    if "classes" in options:
        options["classes"] = _classes(options["classes"])
    return options


def key_remover(arguments: argparse.Namespace) -> Remover:
    """The Remover that the options of the screen ask for."""
    try:
        return Remover(model=None, **remover_options(arguments))
    except ArgumentError as error:
        raise UsageError(as_typed(error, arguments)) from error


def usual_remover(arguments: argparse.Namespace) -> Remover:
    """The Remover of a command whose network need not be named: where no option names one, nor a
    key, each image decides, as it does in Python."""
    if arguments.model not in (None, "auto"):
        return network_remover(arguments)
    try:
        remover = Remover(**remover_options(arguments))
        segmenter = remover.segmenter if remover.recipe.looks_for_screen else None  # loaded now
    except ArgumentError as error:
        raise UsageError(as_typed(error, arguments)) from error
    _tell_engine(arguments, segmenter)
    return remover


def network_remover(arguments: argparse.Namespace) -> Remover:
    """The Remover that the options of the network ask for."""
    options = remover_options(arguments)
    session = {"card", "runtime", "precision", "accept_license"} & options.keys()
    try:
        with progress() as report:
            segmenter = Segmenter(
                options.pop("model"),
                device=arguments.device,
                progress=None if arguments.quiet else report,
                **{name: options.pop(name) for name in session},
            )
        remover = Remover(model=segmenter, **options)
    except ArgumentError as error:
        raise UsageError(as_typed(error, arguments)) from error
    _tell_engine(arguments, segmenter)
    return remover


def _tell_engine(arguments: argparse.Namespace, segmenter: Segmenter | None) -> None:
    if arguments.verbose and segmenter is not None:
        print(f"trimatte: {segmenter.engine}", file=sys.stderr)


def _classes(given: str) -> list[int | str]:
    """--classes: numbers and names."""
    parts = given.split(",")
    return [int(part) if part.strip().isdecimal() else part.strip() for part in parts]


def _despill(given: str | None) -> str | None:
    """--despill as a Remover takes it; given: None without the option."""
    return None if given == "none" else given or "average"


def check_matting(arguments: argparse.Namespace) -> None:
    """Raises UsageError where there is --no-matting and an option of what is solved."""
    if arguments.matting is None:
        return
    if arguments.radius is not None:
        raise UsageError("--no-matting solves no band: drop --radius")
    if arguments.quality != "balanced":
        raise UsageError("--no-matting solves nothing: drop --quality")


def check_linear(arguments: argparse.Namespace) -> None:
    """Raises UsageError where there is --linear but no --background."""
    if arguments.linear and arguments.background is None:
        raise UsageError("--linear requires --background")


def check_standard(reads: bool, writes: bool) -> None:
    """Raises UsageError where standard input or output is to be used but is closed or a
    terminal."""
    if reads and is_missing(sys.stdin):
        raise UsageError("'-' is standard input, which is closed")
    if writes and is_missing(sys.stdout):
        raise UsageError("-o - is standard output, which is closed: name a file")
    if reads and sys.stdin.isatty():
        raise UsageError("'-' is standard input, and nothing is piped into it")
    if writes and sys.stdout.isatty():
        raise UsageError(
            "-o - is standard output, which is a terminal: redirect it, or name a file"
        )


def background_name(text: str) -> str:
    """The type of --background."""
    return "blur" if text.lower() == "blur" and not is_file(text) else text


def background_of(given: str) -> str | tuple[float, float, float]:
    """--background: a file's name or a colour."""
    if is_file(given):
        return given
    try:
        return read_colour(given)
    except ValueError:
        raise UsageError(
            f"--background: {shortened(repr(given))} is neither a file, nor blur, nor an "
            "opaque colour (a name, r,g,b or #rrggbb)"
        ) from None

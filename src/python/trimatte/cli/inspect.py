"""The command line's ``trimatte inspect``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimatte import engines
from trimatte.cli.files import in_a_line
from trimatte.cli.options import (
    KEY_BAND,
    KEYED_ONLY_WITH,
    LOOKS_FOR_SCREEN,
    MASK_BAND,
    UsageError,
    add_matting,
    add_network,
    add_screen,
    check_matting,
    remover_options,
)
from trimatte.cli.parsing import as_typed, reader
from trimatte.cli.progress import fetch
from trimatte.errors import ArgumentError
from trimatte.ops.key_rules import KEY_DEFAULTS
from trimatte.pipeline.remover import Remover

if TYPE_CHECKING:
    from trimatte.inspector.view import Region

__all__ = ["add_inspect"]

_EXAMPLES = """\
The page holds all it shows and fetches nothing: it can be kept, sent and opened anywhere. With
--serve Python stays behind it, and method, model, band and despill can be changed in the page.

examples:
  trimatte inspect photo.jpg                      into photo.inspect.html, and into the browser
  trimatte inspect photo.jpg -o page.html --no-open --model u2net
  trimatte inspect greenscreen.jpg --key-color auto
  trimatte inspect greenscreen.jpg --tolerance 20 --radius 12,4
  trimatte inspect photo.jpg --region 1200,800,900,600      a part of a large photo
  trimatte inspect photo.jpg --serve              until Ctrl-C
"""


def add_inspect(commands: Any) -> None:
    """Adds the command to the command line's."""
    parser = commands.add_parser(
        "inspect",
        help="a page that shows what became of every pixel",
        description="Cuts an image out and shows every stage of it in a browser, pixel by pixel.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="image")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help=".html (default: IN.inspect.html beside IN)",
    )
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--serve", action="store_true", help="keep Python behind the page, on this machine only"
    )
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--region",
        type=reader(_region, "X,Y,W,H, four whole numbers"),
        metavar="X,Y,W,H",
        help="this part of the image (default: all)",
    )
    shown.add_argument(
        "--max-pixels",
        dest="shown_pixels",
        type=int,
        metavar="N",
        help="show every n-th pixel of an image of more than so many (default: 4 million); unlike "
        "that of other commands it refuses none",
    )
    add_screen(parser, only_with=KEYED_ONLY_WITH)
    add_network(
        parser,
        default=None,
        without=f"{LOOKS_FOR_SCREEN}; none, but a key, where {KEYED_ONLY_WITH} is given",
    )
    add_matting(parser, band=f"{MASK_BAND}; of a key, {KEY_BAND}")
    parser.set_defaults(run=_inspect)


def _region(text: str) -> Region:
    x, y, width, height = (int(part) for part in text.split(","))
    return x, y, width, height


def _inspect(arguments: argparse.Namespace) -> int:
    import webbrowser

    from trimatte.inspector import serve, write_page  # a server too: not for every command

    check_matting(arguments)
    options = {"model": "auto"} | remover_options(arguments)
    shown: dict[str, Any] = {"region": arguments.region}
    if arguments.shown_pixels is not None:
        shown["max_pixels"] = arguments.shown_pixels
    if arguments.serve:
        if arguments.output is not None:
            raise UsageError("--serve writes no file: drop --output")
        _remover(arguments, options)  # says what is wrong with them, as without --serve
        serve(arguments.input, open_browser=not arguments.no_open, **shown, **options)
        return 0

    output = arguments.output or arguments.input.with_suffix(".inspect.html")
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output: {str(output)!r} must end in .html")
    remover = _remover(arguments, options)
    result = remover(arguments.input)
    hard = remover.recipe.keys_by_difference
    tolerance, softness = KEY_DEFAULTS["difference"]
    if hard and arguments.tolerance is not None:
        tolerance = arguments.tolerance
    if hard and arguments.softness is not None:
        softness = arguments.softness
    write_page(
        output,
        arguments.input,
        result,
        key_color=arguments.key_color,
        tolerance=tolerance,
        softness=softness,
        **shown,
    )
    print(in_a_line(output))
    if not arguments.no_open:
        webbrowser.open(output.resolve().as_uri())
    return 0


def _remover(arguments: argparse.Namespace, options: dict[str, Any]) -> Remover:
    """The Remover of the options, whose network has been fetched."""
    try:
        if options["model"] != "auto":
            card = engines.find_card(options["model"], card=options.get("card"))
            fetch(card, options["accept_license"])
        return Remover(**options)
    except ArgumentError as error:
        raise UsageError(as_typed(error, arguments)) from error

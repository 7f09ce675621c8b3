"""The command line: ``trimatte PHOTO``, ``trimatte key | remove | matte | video | serve | inspect |
engines | demo | doctor | completion``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trimatte import __version__
from trimatte.cli.completion import add_completion
from trimatte.cli.demo import add_demo
from trimatte.cli.doctor import add_doctor
from trimatte.cli.engines import add_engines
from trimatte.cli.images import add_images
from trimatte.cli.inspect import add_inspect
from trimatte.cli.parsing import Parser, UsageError, as_typed, options_as_typed
from trimatte.cli.paths import exists
from trimatte.cli.serve import add_serve
from trimatte.cli.signals import end_as_interrupted, interrupted_status
from trimatte.cli.standard import standard_streams
from trimatte.cli.video import add_video
from trimatte.errors import Error
from trimatte.io.sources import cause_of, shortened

__all__ = ["main"]

_EXAMPLES = """\
examples:
  trimatte photo.jpg                              cut out, into photo.cutout.png
  trimatte photos/ -o cutouts/ --model u2net      a folder, by a larger network
  trimatte key photo.jpg -o cutout.png            green screen to transparent PNG
  trimatte key photos/ -o cutouts/                a folder; one bad file does not stop the rest
  trimatte key photos/ -r -o cutouts/             with its sub-folders
  trimatte key a.jpg b.jpg --key-color blue -o cutouts/
  trimatte key photo.jpg --bg white -o photo-on-white.jpg
  trimatte photo.jpg --bg blur -o portrait.jpg    its own background, out of focus
  trimatte - < photo.jpg > cutout.png             from standard input to standard output
  trimatte inbox/ --watch -o cutouts/             images as they come into a folder
  trimatte matte photo.jpg --trimap trimap.png -o cutout.png
  trimatte matte photo.jpg --mask rough-mask.png -o cutout.png
  trimatte video clip.mp4 -o cutout.mov           a video, with alpha and sound
  trimatte serve                                  images in, cutouts out, over HTTP
  trimatte inspect photo.jpg                      a page that shows every pixel's way
  trimatte demo                                   a made-up scene, and what becomes of it
  trimatte doctor                                 what was built and what runs here

exit status: 0 done, 1 something failed (it is named on stderr), 2 wrong usage, 130 interrupted
  (129, 143: by SIGHUP, SIGTERM), 141 nobody reads the output
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status.

    argv: the arguments without the program's name; None takes sys.argv's.
    """
    with standard_streams(), end_as_interrupted():
        return _main(argv)


def _main(argv: list[str] | None) -> int:
    parser, commands = _parser()
    arguments = argparse.Namespace()
    try:
        words = sys.argv[1:] if argv is None else argv
        if _begins_with_image(words, commands):
            words = ["remove", *words]
        arguments = parser.parse_args(words)
        run: Callable[[argparse.Namespace], int] = arguments.run
        with _warnings_as_typed(arguments):
            status = run(arguments)
            sys.stdout.flush()
            return status
    except SystemExit as leaving:  # --help and --version
        return leaving.code if isinstance(leaving.code, int) else 0
    except UsageError as error:
        print(f"trimatte: {options_as_typed(str(error), arguments)}", file=sys.stderr)
        return 2
    except Error as error:
        print(f"trimatte: {as_typed(error, arguments)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print("trimatte: interrupted", file=sys.stderr)
        return interrupted_status(interrupt)
    except BrokenPipeError:  # as of `| head`; the interpreter would write once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.filename is None:  # the interpreter would write once more here, too
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            place = "cannot write to standard output"
        else:  # a name that the system does not take
            place = shortened(repr(str(error.filename)))
        print(f"trimatte: {place}: {cause_of(error)}", file=sys.stderr)
        return 1


@contextmanager
def _warnings_as_typed(arguments: argparse.Namespace) -> Iterator[None]:
    """Our warnings as lines of the command line's, without the place in the code."""
    tell = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        if not category.__module__.startswith("trimatte"):
            if sys.warnoptions:  # else it is of no use to who cannot change the code
                tell(message, category, *more, **named)
        elif not getattr(arguments, "quiet", False):
            print(f"trimatte: {as_typed(str(message), arguments)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _begins_with_image(words: Sequence[str], commands: Collection[str]) -> bool:
    """Whether the words begin with an image, or options of one, and not with a command."""
    if not words or words[0] in (*commands, "-h", "--help", "--version"):
        return False
    first = Path(words[0])
    looks_so = words[0].startswith("-") or bool({"/", os.sep} & {*words[0]}) or bool(first.suffix)
    return looks_so or exists(first)


def _parser() -> tuple[argparse.ArgumentParser, Collection[str]]:
    """The parser, and the names of its commands."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        prog="trimatte",
        description="Removes backgrounds: chroma key, trimap, alpha matting, despill.",
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    parser.add_argument("--version", action="version", version=f"trimatte {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    add_images(commands)
    add_video(commands)
    add_serve(commands)
    add_inspect(commands)
    add_engines(commands)
    add_demo(commands)
    add_doctor(commands)
    add_completion(commands, parser)
    return parser, commands.choices

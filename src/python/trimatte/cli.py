"""The command line: ``trimatte PHOTO``, ``trimatte key | remove | matte | video | serve | engines |
demo | doctor``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from trimatte import __version__, codecs, engines
from trimatte.backgrounds import Background, fitted_background
from trimatte.cli_engines import add_engines
from trimatte.cli_options import (
    UsageError,
    add_matting,
    add_network,
    add_output,
    add_screen,
    background_of,
    key_remover,
    network_remover,
)
from trimatte.cli_serve import add_serve
from trimatte.cli_video import add_video
from trimatte.compositing import cutout, limit_alpha
from trimatte.demo import scene
from trimatte.devices import build_info, cpu_target, cuda_status, get_num_threads
from trimatte.errors import ArgumentError, Error
from trimatte.imageio import (
    COMPRESSION,
    IMAGE_SUFFIXES,
    Compression,
    load_picture,
    to_pillow,
    write_image,
)
from trimatte.keying import chroma_key
from trimatte.matting import despill
from trimatte.pipeline import Remover, Result
from trimatte.segmenting import BUILT_IN_MODEL

__all__ = ["main"]

Array = NDArray[Any]
Size = tuple[int, int]

_EXAMPLES = """\
examples:
  trimatte photo.jpg                              cut out, into photo.cutout.png
  trimatte photos/ -o cutouts/ --model u2net      a folder, by a larger network
  trimatte key photo.jpg -o cutout.png            green screen to transparent PNG
  trimatte key photos/ -o cutouts/                a folder; one bad file does not stop the rest
  trimatte key photos/ -r -o cutouts/             with its sub-folders
  trimatte key a.jpg b.jpg --key-color blue -o cutouts/
  trimatte key photo.jpg --background white -o photo-on-white.jpg
  trimatte matte photo.jpg --trimap trimap.png -o cutout.png
  trimatte matte photo.jpg --mask rough-mask.png -o cutout.png
  trimatte video clip.mp4 -o cutout.mov           a video, with alpha and sound
  trimatte serve                                  images in, cutouts out, over HTTP
  trimatte demo                                   a made-up scene, and what becomes of it
  trimatte doctor                                 what was built and what runs here

exit status: 0 done, 1 something failed (it is named on stderr), 2 wrong usage, 130 interrupted
"""

_KEY_EXAMPLES = """\
The screen's colour and light are learnt from the image. What they do not decide, a narrow band, is
solved for its opacity; the foreground's own colour is estimated, and what is left of the screen's
light is taken out of it. There is nothing to tune; --method names plainer keys that can be tuned.

examples:
  trimatte key photo.jpg -o cutout.png
  trimatte key photo.jpg -o cutout.webp --alpha alpha.png --trimap-out trimap.png
  trimatte key photo.jpg -o on-beach.jpg --background beach.jpg
  trimatte key shots/ -r -o cutouts/ --key-color blue
  trimatte key photo.jpg -o cutout.png --garbage rig.png --core shirt.png
  trimatte key photo.jpg -o cutout.png --tolerance 20 --radius 12,4       the plain difference
  trimatte key photo.jpg -o cutout.png --hard     no matting: the bare rule, opaque or not

An output is never written onto an input. Files of the same name but of different kinds (a.jpg,
a.png) become a.jpg.png and a.png.png.
"""

_REMOVE_EXAMPLES = """\
The network's mask is coarse: a band around it, as wide as the mask is unsure, is solved for its
opacity, down to the hair. The network of the default comes with trimatte; the weights of others are
fetched once, and checked. `trimatte photo.jpg` is short for `trimatte remove photo.jpg`.

examples:
  trimatte remove photo.jpg
  trimatte remove photo.jpg -o cutout.png
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


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status.

    argv: the arguments without the program's name; None takes sys.argv's.
    """
    parser, commands = _parser()
    try:
        words = sys.argv[1:] if argv is None else argv
        if _begins_with_image(words, commands):
            words = ["remove", *words]
        arguments = parser.parse_args(words)
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except SystemExit as leaving:  # --help, --version and argparse's own usage errors
        return leaving.code if isinstance(leaving.code, int) else 0
    except UsageError as error:
        print(f"trimatte: {error}", file=sys.stderr)
        return 2
    except Error as error:
        print(f"trimatte: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("trimatte: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as of `| head`; the interpreter would write once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


# --- what can be asked for ---


def _begins_with_image(words: Sequence[str], commands: Collection[str]) -> bool:
    """Whether the words begin with an image, or options of one, and not with a command."""
    if not words or words[0] in (*commands, "-h", "--help", "--version"):
        return False
    first = Path(words[0])
    return words[0].startswith("-") or bool(first.suffix) or first.exists()


def _parser() -> tuple[argparse.ArgumentParser, Collection[str]]:
    """The parser, and the names of its commands."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="trimatte",
        description="Removes backgrounds: chroma key, trimap, alpha matting, despill.",
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    parser.add_argument("--version", action="version", version=f"trimatte {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    key = commands.add_parser(
        "key",
        help="cut out what stands before a green, blue or red screen",
        description="Cuts out what stands before a screen of one colour.",
        epilog=_KEY_EXAMPLES,
        formatter_class=raw,
    )
    _add_images(key)
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
    add_matting(key)
    _add_results(key)
    _add_folders(key)
    key.set_defaults(run=_key)

    remove = commands.add_parser(
        "remove",
        help="cut out what a network holds to be foreground",
        description="Cuts out what a segmentation network holds to be foreground.",
        epilog=_REMOVE_EXAMPLES,
        formatter_class=raw,
    )
    _add_images(remove)
    add_network(remove, default=BUILT_IN_MODEL)
    add_matting(remove)
    _add_results(remove)
    _add_folders(remove)
    remove.set_defaults(run=_remove)

    matte = commands.add_parser(
        "matte",
        help="cut out with a trimap or a mask",
        description="Cuts out what a trimap or a rough mask says, down to the hair.",
        epilog=_MATTE_EXAMPLES,
        formatter_class=raw,
    )
    matte.add_argument("input", type=Path, metavar="IN", help="image")
    given = matte.add_mutually_exclusive_group(required=True)
    given.add_argument("--trimap", type=Path, metavar="T", help="black, grey and white image")
    given.add_argument("--mask", type=Path, metavar="M", help="rough mask, white is foreground")
    add_output(matte, "OUT", "image (.png, .webp, .tif)")
    add_matting(matte)
    _add_results(matte)
    matte.set_defaults(run=_matte)

    add_video(commands)
    add_serve(commands)
    add_engines(commands)

    demo = commands.add_parser(
        "demo",
        help="make up a green-screen photograph with hair and cut it out",
        description="Draws a green-screen photograph with hair, cuts it out, and writes scene.png, "
        "trimap.png, alpha.png, cutout.png, composite.png and demo.png, which shows them all.",
    )
    demo.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("trimatte-demo"),
        metavar="DIR",
        help="folder (default: trimatte-demo)",
    )
    demo.add_argument("--height", type=_size, default=540, metavar="N", help="lines (default: 540)")
    demo.add_argument(
        "--width", type=_size, default=960, metavar="N", help="columns (default: 960)"
    )
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="other hair (default: 0)")
    demo.set_defaults(run=_demo)

    doctor = commands.add_parser(
        "doctor",
        help="what was built, what runs here, and why not",
        description="Prints what was built, what runs on this machine, and what does not and why.",
    )
    doctor.set_defaults(run=_doctor)
    return parser, commands.choices


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", nargs="+", type=Path, metavar="IN", help="image, or folder of images"
    )
    add_output(
        parser,
        "OUT",
        "image (.png, .webp, .tif), or folder for several (default: IN.cutout.png beside IN)",
        required=False,
    )


def _add_folders(parser: argparse.ArgumentParser) -> None:
    folders = parser.add_argument_group("folders")
    folders.add_argument(
        "-r", "--recursive", action="store_true", help="with sub-folders, mirrored below OUT"
    )
    folders.add_argument(
        "--format",
        choices=["png", "webp", "tif", "jpg"],
        default="png",
        help="of the files in OUT (default: png; jpg only with --background)",
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    results = parser.add_argument_group("what else to write (folders where OUT is one)")
    results.add_argument(
        "--background",
        metavar="COLOR|IMAGE",
        help="put this behind it (a name, r,g,b, #rrggbb, or an image, cropped to fit): OUT then "
        "has no alpha and may be .jpg",
    )
    results.add_argument(
        "--linear", action="store_true", help="blend with the background in linear light"
    )
    results.add_argument("--alpha", metavar="FILE", help="write the alpha matte")
    results.add_argument("--trimap-out", metavar="FILE", help="write the trimap that was solved")
    results.add_argument(
        "--compression",
        type=_compression,
        default="fast",
        metavar="LEVEL",
        help=f"of all these files: {', '.join(COMPRESSION)}, or 0 (largest) to 9 (smallest, slow); "
        "never changes a pixel (default: fast)",
    )


def _compression(text: str) -> Compression:
    if text not in COMPRESSION and text not in map(str, range(10)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {', '.join(COMPRESSION)} and not in 0..9"
        )
    return int(text) if text.isdecimal() else text


def _size(text: str) -> int:
    value = int(text)
    if not 32 <= value <= 8192:
        raise argparse.ArgumentTypeError(f"{value} is not in 32..8192")
    return value


# --- key and matte ---


@dataclass(frozen=True)
class _Job:
    """One image and where its results go (None: not asked for)."""

    source: Path
    output: Path
    alpha: Path | None
    trimap: Path | None

    def targets(self) -> Iterator[Path]:
        yield from (path for path in (self.output, self.alpha, self.trimap) if path is not None)


@dataclass
class _Plan:
    """What is to be done, what cannot be and why, and what was passed over."""

    jobs: list[_Job] = field(default_factory=list)
    failures: list[tuple[Path, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    makes_folders: bool = False


def _key(arguments: argparse.Namespace) -> int:
    method = arguments.despill or ("none" if arguments.hard else "average")
    if arguments.hard:
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
        arguments.method = "difference"
    remover = key_remover(arguments, method)
    background = _background(arguments)
    plan = _plan(arguments)
    cut: Callable[[Path], Result] = remover
    if arguments.garbage is not None or arguments.core is not None:
        cut = partial(remover, garbage=arguments.garbage, core=arguments.core)
    if arguments.hard:
        cut = lambda source: _hard_key(source, remover)  # noqa: E731
    return _work(plan, cut, background, arguments)


def _remove(arguments: argparse.Namespace) -> int:
    plan = _plan(arguments)
    background = _background(arguments)
    remover = network_remover(arguments)
    return _work(plan, remover, background, arguments)


def _matte(arguments: argparse.Namespace) -> int:
    if arguments.trimap is not None and arguments.radius is not None:
        raise UsageError("--radius is for --mask: a trimap says itself what is unknown")
    remover = Remover(
        model=None, radius=arguments.radius, quality=arguments.quality, device=arguments.device
    )
    background = _background(arguments)
    job = _Job(
        arguments.input,
        _file_in(arguments.output, arguments.input),
        _optional(arguments.alpha),
        _optional(arguments.trimap_out),
    )
    plan = _Plan()
    _admit(plan, [job], _also_read(arguments))
    return _work(
        plan,
        lambda source: remover(source, mask=arguments.mask, trimap=arguments.trimap),
        background,
        arguments,
    )


def _hard_key(source: Path, remover: Remover) -> Result:
    """The bare rule, without matting."""
    start = time.perf_counter()
    pixels, icc_profile = load_picture(source)
    read = time.perf_counter()
    color = remover.color_of(pixels)
    mask = chroma_key(pixels, key_color=color, tolerance=remover.tolerance, dtype=np.uint8)
    alpha = np.divide(mask, 255, dtype=np.float32)
    if pixels.shape[2] == 4:
        alpha = limit_alpha(alpha, pixels)
    foreground = pixels[:, :, :3]
    if remover.despill is not None:
        foreground = despill(
            foreground,
            key_color=color,
            method=remover.despill,
            strength=remover.despill_strength,
        )
    arrays = {
        "rgba": cutout(foreground, alpha),
        "alpha": alpha,
        "foreground": foreground,
        "trimap": mask,
        "mask": mask,
    }
    timings = {"read": read - start, "key": time.perf_counter() - read}
    return Result(arrays, timings, icc_profile=icc_profile)


def _work(
    plan: _Plan,
    cut: Callable[[Path], Result],
    background: Background | None,
    arguments: argparse.Namespace,
) -> int:
    """Do the jobs; whatever happens to one of them, the others are done."""
    failures = list(plan.failures)
    done = 0
    with _progress(len(plan.jobs), arguments.quiet) as report:
        for note in plan.notes:
            if not arguments.quiet:
                report.say(f"trimatte: {note}")
        for job in plan.jobs:
            start = time.perf_counter()
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    result = cut(job.source)
                    start_writing = time.perf_counter()
                    if plan.makes_folders:
                        for path in job.targets():
                            path.parent.mkdir(parents=True, exist_ok=True)
                    _write(job, result, background, arguments)
            except Exception as error:
                # Also what is not ours, such as a MemoryError: the next image may be smaller.
                known = isinstance(error, (Error, OSError))
                failures.append((job.source, str(error) if known else f"{error!r}"))
                report.step(None)
                continue
            done += 1
            end = time.perf_counter()
            if not arguments.quiet:
                for text in dict.fromkeys(str(warning.message) for warning in caught):
                    report.say(f"trimatte: {job.source}: {text}")
            if arguments.verbose:
                stages = {**result.timings, "write": end - start_writing}
                times = ", ".join(f"{name} {1000 * value:.0f}" for name, value in stages.items())
                report.say(f"{job.source}: {times} ms")
            report.step(f"{job.source} -> {job.output} ({end - start:.2f} s)")
    if failures:
        count = done + len(failures)
        print(f"trimatte: {len(failures)} of {count} failed:", file=sys.stderr)
        for path, cause in failures:
            print(f"  {path}: {cause}", file=sys.stderr)
        return 1
    return 0


def _write(
    job: _Job, result: Result, background: Background | None, arguments: argparse.Namespace
) -> None:
    write = partial(write_image, compression=arguments.compression)
    if job.alpha is not None:
        write(job.alpha, result.rgba[:, :, 3])
    if job.trimap is not None:
        write(job.trimap, result.trimap)
    if background is None:
        result.save(job.output, compression=arguments.compression)
        return
    behind = background(result.alpha.shape[:2], result.rgba.dtype)
    pixels = result.composite(behind, linear=arguments.linear)
    write(job.output, pixels, icc_profile=result.icc_profile)


def _background(arguments: argparse.Namespace) -> Background | None:
    """What gives the background for an image of a size and dtype, if one is asked for."""
    given: str | None = arguments.background
    if given is None:
        if arguments.linear:
            raise UsageError("--linear is about --background: give one")
        return None
    return fitted_background(background_of(given))


# --- which file goes where ---


def _plan(arguments: argparse.Namespace) -> _Plan:
    """Pair the inputs with their outputs."""
    inputs: list[Path] = arguments.input
    if arguments.output is None:
        return _plan_beside(arguments)
    into_folder = (
        len(inputs) > 1
        or any(path.is_dir() for path in inputs)
        or Path(arguments.output).is_dir()
        or _ends_like_a_folder(arguments.output)
    )
    plan = _Plan()
    if not into_folder:
        job = _Job(
            inputs[0],
            Path(arguments.output),
            _optional(arguments.alpha),
            _optional(arguments.trimap_out),
        )
        _admit(plan, [job], _also_read(arguments))
        return plan

    plan.makes_folders = True
    folders = {"output": Path(arguments.output)}
    for option in ("alpha", "trimap_out"):
        if getattr(arguments, option) is not None:
            folders[option] = Path(getattr(arguments, option))
    for option, folder in folders.items():
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                f"--{option.replace('_', '-')}: {str(folder)!r} must be a folder, as OUT is"
            )
    if len({folder.resolve() for folder in folders.values()}) < len(folders):
        raise UsageError("--output, --alpha and --trimap-out must be different folders")

    skipped = {folder.resolve() for folder in folders.values()}
    sources: list[tuple[Path, Path]] = []  # and its name below OUT, without a new suffix
    for path in inputs:
        if path.is_dir():
            found = sorted(_images_in(path, arguments.recursive, skipped, plan))
            if not found:
                plan.failures.append((path, "there are no images in this folder"))
            sources += [(file, file.relative_to(path)) for file in found]
        else:
            sources.append((path, Path(path.name)))

    suffix = f".{arguments.format}"
    taken: dict[str, int] = {}
    for _, name in sources:
        place = str(name.with_suffix("")).casefold()
        taken[place] = taken.get(place, 0) + 1
    jobs = []
    for source, name in sources:
        shared = taken[str(name.with_suffix("")).casefold()] > 1
        stem = name.parent / (name.name if shared else name.stem)

        def below(option: str, suffix: str, stem: Path = stem) -> Path | None:
            return folders[option] / f"{stem}{suffix}" if option in folders else None

        jobs.append(
            _Job(
                source,
                folders["output"] / f"{stem}{suffix}",
                below("alpha", ".png"),
                below("trimap_out", ".png"),
            )
        )
    _admit(plan, jobs, _also_read(arguments))
    return plan


def _plan_beside(arguments: argparse.Namespace) -> _Plan:
    """Each output beside its input."""
    inputs: list[Path] = arguments.input
    for path in inputs:
        if path.is_dir():
            raise UsageError(f"{str(path)!r} is a folder: give -o, the folder of the cutouts")
    if len(inputs) > 1 and (arguments.alpha or arguments.trimap_out):
        raise UsageError("--alpha and --trimap-out of several images: give -o, a folder as well")
    alpha, trimap = _optional(arguments.alpha), _optional(arguments.trimap_out)
    jobs = [
        _Job(path, path.with_name(f"{path.stem}.cutout.{arguments.format}"), alpha, trimap)
        for path in inputs
    ]
    plan = _Plan()
    _admit(plan, jobs, _also_read(arguments))
    return plan


def _images_in(folder: Path, recursive: bool, skipped: set[Path], plan: _Plan) -> Iterator[Path]:
    """Images of a folder; hidden files and the folders written to are passed over."""
    below = 0
    for root, folders, files in os.walk(folder):
        place = Path(root)
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and (place / name).resolve() not in skipped
        ]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield place / name
        if not recursive:
            below = len(folders)
            folders.clear()
    if below:
        count = "1 sub-folder" if below == 1 else f"{below} sub-folders"
        plan.notes.append(f"{folder}: {count} skipped; -r takes them too")


def _admit(plan: _Plan, jobs: Sequence[_Job], also_read: Sequence[Path]) -> None:
    """Take the jobs that write neither onto an input nor onto each other's results."""
    inputs = {_identity(path) for path in [*(job.source for job in jobs), *also_read]}
    written: set[object] = set()
    for job in jobs:
        cause = None
        for path in job.targets():
            if _identity(path) in inputs:
                cause = f"would be overwritten: {path} is an input; name another output"
            elif _name_key(path) in written:
                cause = f"{path} is the output of something else already"
            written.add(_name_key(path))
        if cause is None:
            plan.jobs.append(job)
        else:
            plan.failures.append((job.source, cause))


def _also_read(arguments: argparse.Namespace) -> list[Path]:
    """The files read besides IN."""
    read = ("mask", "trimap", "garbage", "core", "background", "model")
    names = (getattr(arguments, name, None) for name in read)
    return [Path(name) for name in names if name is not None]


def _identity(path: Path) -> object:
    """Equal for two names of the same file, also through links."""
    try:
        status = path.stat()
    except OSError:
        return _name_key(path)
    return status.st_dev, status.st_ino


def _name_key(path: Path) -> str:
    return os.path.normcase(path.resolve())


def _ends_like_a_folder(name: str) -> bool:
    return name.endswith(("/", os.sep))


def _file_in(output: str, source: Path) -> Path:
    """The output file: output itself, or a file named after the source if it is a folder."""
    path = Path(output)
    if path.is_dir() or _ends_like_a_folder(output):
        return path / f"{source.stem}.png"
    return path


def _optional(name: str | None) -> Path | None:
    return None if name is None else Path(name)


# --- progress ---


class _Report:
    """Says on stderr what happens, as far as somebody looks."""

    def __init__(self, total: int, quiet: bool, bar: Any) -> None:
        self.total = total
        self.visible = not quiet and sys.stderr.isatty()
        self.bar = bar
        self.count = 0

    def step(self, text: str | None) -> None:
        """One image is done; text is None where it failed."""
        self.count += 1
        if self.bar is not None:
            self.bar.update()
        elif self.visible and text is not None:
            print(f"[{self.count}/{self.total}] {text}", file=sys.stderr)

    def say(self, text: str) -> None:
        if self.bar is None:
            print(text, file=sys.stderr)
        else:
            self.bar.write(text, file=sys.stderr)


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[_Report]:
    """A bar where tqdm is there and several images are, on a terminal; else lines, or nothing."""
    bar: Any = None
    if total > 1 and not quiet and sys.stderr.isatty():
        with suppress(ImportError):
            bar = import_module("tqdm").tqdm(total=total, unit="image", file=sys.stderr)
    try:
        yield _Report(total, quiet, bar)
    finally:
        if bar is not None:
            bar.close()


# --- demo and doctor ---


def _demo(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.output
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output: {str(folder)!r} is not a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"demo: cannot make {str(folder)!r}: {error.strerror}") from error

    drawn = scene(arguments.height, arguments.width, arguments.seed)
    result = Remover(model=None)(drawn.image)
    composite = result.composite(_dusk(*drawn.alpha.shape))
    pictures = {
        "scene": drawn.image,
        "trimap": result.trimap,
        "alpha": result.rgba[:, :, 3],
        "cutout": result.rgba,
        "composite": composite,
    }
    for name, pixels in pictures.items():
        write_image(folder / f"{name}.png", pixels)
    write_image(folder / "demo.png", _contact_sheet(pictures))

    hard = chroma_key(drawn.image, dtype=np.float32)
    lines, columns = drawn.alpha.shape
    print(f"{folder.resolve()}: {', '.join(f'{name}.png' for name in pictures)}, demo.png")
    print(f"{columns} x {lines} pixels, {float((result.trimap == 128).mean()):.1%} of them unknown")
    for stage, seconds in result.timings.items():
        print(f"  {stage:<10} {1000 * seconds:8.1f} ms")
    print(f"  {'total':<10} {1000 * sum(result.timings.values()):8.1f} ms")
    print("sum of absolute differences (SAD) from the true alpha, in thousands:")
    print(f"  hard key   {_sad(hard, drawn.alpha):8.2f}")
    print(f"  result     {_sad(result.alpha, drawn.alpha):8.2f}")
    return 0


def _sad(alpha: Array, truth: Array) -> float:
    return float(np.abs(alpha - truth).sum(dtype=np.float64)) / 1000


def _dusk(height: int, width: int) -> NDArray[np.uint8]:
    """A background without any green to hide behind: violet above, warm below."""
    above, below = np.array([58.0, 44.0, 92.0]), np.array([244.0, 172.0, 128.0])
    ramp = np.linspace(0, 1, height)[:, None, None] ** 1.5
    rows = (above + (below - above) * ramp + 0.5).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)))


def _contact_sheet(pictures: dict[str, Array]) -> NDArray[np.uint8]:
    """The pictures side by side in two rows, with their names; transparency over a chequer."""
    height, width = pictures["scene"].shape[:2]
    columns = 640
    lines = round(columns * height / width)
    margin, caption = 12, 28
    step = (columns + margin, lines + caption + margin)
    sheet = Image.new("RGB", (3 * step[0] + margin, 2 * step[1] + margin), (30, 30, 32))
    draw = ImageDraw.Draw(sheet)
    hair = np.s_[height * 5 // 16 : height * 9 // 16, width // 2 : width * 3 // 4]
    cells = {**pictures, "detail of the composite": pictures["composite"][hair]}
    for i, (name, pixels) in enumerate(cells.items()):
        corner = margin + i % 3 * step[0], margin + i // 3 * step[1]
        draw.text((corner[0], corner[1] + 6), name, fill=(225, 225, 225))
        picture = to_pillow(pixels).resize((columns, lines), Image.Resampling.BICUBIC)
        place = (corner[0], corner[1] + caption)
        if picture.mode == "RGBA":
            sheet.paste(_chequer(lines, columns), place)
            sheet.paste(picture, place, picture)
        else:
            sheet.paste(picture, place)
    return np.array(sheet)


def _chequer(height: int, width: int) -> Image.Image:
    y, x = np.indices((height, width)) // 12
    return Image.fromarray(np.where((x + y) % 2 == 0, 205, 160).astype(np.uint8)).convert("RGB")


def _doctor(arguments: argparse.Namespace) -> int:
    built = build_info()
    architectures = built.get("cuda_architectures") or ""
    rows = {
        "trimatte": f"{__version__} in {Path(__file__).parent}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}), "
        f"{sys.executable}",
        "platform": platform.platform(),
        "compiler": str(built.get("compiler", "unknown")),
        "CPU": f"{cpu_target()} kernels, {get_num_threads()} threads",
        "CUDA": f"built for {architectures}" if architectures else "not built",
        "GPU": cuda_status(),
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
        **codecs.in_use(),
        "tqdm": _version("tqdm") or "not installed: no progress bar (pip install 'trimatte[cli]')",
        "PyAV": _version("av") or "not installed: no videos (pip install 'trimatte[video]')",
        "models": f"kept in {engines.models_folder()}",
    }
    for name, value in rows.items():
        print(f"{name:<12} {value}")
    for runtime in engines.runtimes():
        version = (runtime.version or "").partition("-")[0]
        used = [f"{version} on {', '.join(runtime.devices)}"] if runtime.devices else []
        print(f"{runtime.name:<12} {'; '.join([*used, *runtime.problems])}")
    return 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

"""The claims about reading and writing image files, measured on this machine.

    python -m benchmarks.image_files                        everything, about 3 minutes
    python -m benchmarks.image_files --quick                at 2 megapixels, under a minute
    python -m benchmarks.image_files --smoke                tiny images: does it run at all
    python -m benchmarks.image_files --only png --json FILE --markdown FILE

Prints each section and whether its bars are met; exits with 1 where one is missed. What is written
is read by Pillow, and what is read is compared with what Pillow reads, before either is timed.
Codecs that are not installed and photographs that are not there are named.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image, ImageOps

import trimatte
from benchmarks import alphamatting, scenes
from benchmarks.measuring import (
    NOT_INSTALLED,
    Array,
    calls,
    importable,
    load,
    others_share,
    processor_seconds,
    take_turns,
)
from benchmarks.reporting import Bar, Program, Section
from trimatte.io import codecs
from trimatte.io.reading import read_image
from trimatte.io.writing import COMPRESSION, encode_image, encode_png

MOST_TURNS = 9
SUBJECTS = ("comp_human2", "am_GT04")  # a figure before nothing much; hair, and half of the image

# What is asked: at least so many times the speed of Pillow as it is called by default.
PNG_SPEED = 10.0
JPEG_SPEED = 2.0

Call = Callable[[], object]


@dataclass(frozen=True)
class Effort:
    """How much is measured: the size of the images, and the seconds for each."""

    height: int = 3000
    width: int = 4000
    seconds: float = 20.0
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(height=1200, width=1600, seconds=5.0, left_out=("12 MP: left out by --quick",))
SMOKE = Effort(
    height=60,
    width=80,
    seconds=0.0,
    left_out=("bars: tiny images say nothing",),
    judge=False,
)


# ----------------------------------------------------------------------------------------- images


def cutouts(effort: Effort, data: Path, section: Section) -> Iterator[tuple[str, Array]]:
    """Cutouts (H, W, 4) as a camera of that many pixels would give them: photographs with alpha,
    enlarged, with a sensor's noise; colour is 0 where alpha is. Then one drawn from scratch."""
    for name in SUBJECTS:
        folder = data / name
        found = [folder / file for file in ("foreground.png", "image.png")]
        found = [path for path in found if path.is_file()]
        if not found:
            section.left_out.append(f"{name}: not in {data}")
            continue
        alpha = enlarged(folder / "alpha.png", effort)
        yield name, trimatte.cutout(grained(enlarged(found[0], effort)), alpha)
    drawn = scenes.hair_scene(effort.height, effort.width, seed=1)
    yield "drawn", trimatte.cutout(grained(drawn.foreground), drawn.alpha)


def photograph(effort: Effort, data: Path, section: Section) -> Array:
    """One that fills its frame, (H, W, 3), made as those of the cutouts."""
    path = data / SUBJECTS[-1] / "image.png"
    if path.is_file():
        return grained(enlarged(path, effort))
    section.left_out.append(f"{path.parent.name}: not in {data}; drawn instead")
    return grained(scenes.hair_scene(effort.height, effort.width, seed=1).image)


def enlarged(path: Path, effort: Effort) -> Array:
    with Image.open(path) as picture:
        size = (effort.width, effort.height)
        return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def grained(colours: Array) -> Array:
    noise = np.random.default_rng(1).normal(0, 1.5, colours.shape)
    return np.clip(np.rint(colours + noise), 0, 255).astype(np.uint8)


# -------------------------------------------------------------------------------------------- png


def png(effort: Effort, options: argparse.Namespace) -> Section:
    """A cutout into the bytes of a PNG file."""
    section = Section(
        f"PNG, {megapixels(effort)}, RGBA of 8 bits to the bytes of a file",
        ("image", "by", "ms", "MB", "ratio", "others"),
    )
    say_what_is_missing(section, codecs.ISA_L)
    for name, image in cutouts(effort, options.data, section):
        sides: dict[str, Callable[[], bytes]] = {
            "Pillow": lambda image=image: by_pillow(image),
            "Pillow, level 1": lambda image=image: by_pillow(image, compress_level=1),
            "trimatte": lambda image=image: encode_png(image),
            "trimatte, zlib only": without_fast_codecs(lambda image=image: encode_png(image)),
        }
        if importable("cv2"):
            sides["OpenCV"] = lambda image=image: by_opencv(image)
        sizes = {}
        for by, encode in sides.items():
            data = encode()
            sizes[by] = len(data) / 1e6
            if not np.array_equal(np.asarray(Image.open(io.BytesIO(data))), image):
                raise SystemExit(f"{name} by {by}: what was written is not what is read")
        ratios = race(section, name, sides, effort, sizes)
        if name != "drawn":
            section.bars.append(
                Bar(f"{name}: speed beside Pillow", ratios["trimatte"], PNG_SPEED, at_least=True)
            )
    if not importable("cv2"):
        section.left_out.append(f"OpenCV: {NOT_INSTALLED}")
    return section


def by_pillow(image: Array, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", **options)
    return buffer.getvalue()


def by_opencv(image: Array) -> bytes:
    """With the conversion to its order of channels, which somebody has to do."""
    cv2 = load("cv2")
    return bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA))[1])


def without_fast_codecs(call: Callable[[], bytes]) -> Callable[[], bytes]:
    """The call as it would be where the extra `fast` is not installed."""

    def slow() -> bytes:
        with mock.patch.object(codecs, "imported", return_value=(None, "left out")):
            return call()

    return slow


# ------------------------------------------------------------------------------------------- jpeg


def jpeg(effort: Effort, options: argparse.Namespace) -> Section:
    """The bytes of a JPEG file into pixels."""
    section = Section(
        f"JPEG, {megapixels(effort)}, bytes of a file to upright RGB; equal in every value",
        ("file", "by", "ms", "MB", "ratio", "others"),
    )
    say_what_is_missing(section, codecs.SIMPLEJPEG)
    picture = Image.fromarray(photograph(effort, options.data, section))
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {
        "4:2:0, quality 90": {"quality": 90},
        "4:4:4, quality 95": {"quality": 95, "subsampling": 0},
        "turned": {"quality": 90, "exif": turned},
        "progressive": {"quality": 90, "progressive": True},
    }
    for name, stored in files.items():
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", **stored)
        data = buffer.getvalue()
        sides: dict[str, Call] = {
            "Pillow": lambda data=data: decoded_by_pillow(data),
            "trimatte": lambda data=data: read_image(data),
        }
        if importable("cv2"):
            sides["OpenCV"] = lambda data=data: decoded_by_opencv(data)
        expected = decoded_by_pillow(data)
        for by, decode in sides.items():
            if not np.array_equal(np.asarray(decode()), expected):
                raise SystemExit(f"{name} by {by}: not Pillow's pixels")
        ratios = race(section, name, sides, effort, dict.fromkeys(sides, len(data) / 1e6))
        if name.startswith("4:"):
            section.bars.append(
                Bar(f"{name}: speed beside Pillow", ratios["trimatte"], JPEG_SPEED, at_least=True)
            )
    return section


def decoded_by_pillow(data: bytes) -> Array:
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def decoded_by_opencv(data: bytes) -> Array:
    cv2 = load("cv2")
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


# ----------------------------------------------------------------------------------------- levels


def levels(effort: Effort, options: argparse.Namespace) -> Section:
    """What each level of compression takes and gives, a call each."""
    section = Section(
        f"Levels of compression, {megapixels(effort)}, one call each",
        ("format", "compression", "ms", "MB"),
    )
    name, image = next(cutouts(effort, options.data, section))
    section.title += f", {name}"
    for format in ("png", "webp"):
        for level in (0, *COMPRESSION):
            start = time.perf_counter()
            data = encode_image(image, format, compression=level)
            took = time.perf_counter() - start
            section.rows.append((format, str(level), 1000 * took, len(data) / 1e6))
    start = time.perf_counter()
    data = by_pillow(image)
    section.rows.append(
        ("png", "Pillow's default", 1000 * (time.perf_counter() - start), len(data) / 1e6)
    )
    return section


# -------------------------------------------------------------------------------------------- run


def race(
    section: Section, name: str, sides: dict[str, Call], effort: Effort, sizes: dict[str, float]
) -> dict[str, float]:
    """The sides in turns, a row each; the ratios of Pillow's median to theirs."""
    before = processor_seconds()
    turns = take_turns(list(sides.values()), MOST_TURNS, effort.seconds)
    others = others_share(before, processor_seconds())
    medians = {by: statistics.median(calls(its)) for by, its in zip(sides, turns, strict=True)}
    ratios = {by: medians["Pillow"] / median for by, median in medians.items()}
    for by, median in medians.items():
        row = (name, by, 1000 * median, sizes[by], f"{ratios[by]:.1f}x", f"{others:.0%}")
        section.rows.append(row)
    return ratios


def megapixels(effort: Effort) -> str:
    return f"{effort.height * effort.width / 1e6:.3g} MP"


def say_what_is_missing(section: Section, codec: codecs.FastCodec) -> None:
    if codec.missing:
        section.left_out.append(codec.missing)


SECTIONS: dict[str, Callable[[Effort, argparse.Namespace], Section]] = {
    "png": png,
    "jpeg": jpeg,
    "levels": levels,
}

PROGRAM = Program(
    title="Image files",
    about=__doc__ or "",
    sections=SECTIONS,
    full=FULL,
    quick=QUICK,
    smoke=SMOKE,
    quick_means="at 2 megapixels",
    data=alphamatting.DATA,
    data_means="folder of photographs with alpha, each a folder",
)


if __name__ == "__main__":
    sys.exit(PROGRAM.run())

"""Draws the pictures of docs/ with the library itself; ``--check`` only says which are not current.

Everything in them is docs/images/astronaut.jpg (NASA, public domain) or the scene that `trimatte
demo` draws, so that anybody can draw them again.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import trimatte
from trimatte.demo import Scene, scene

IMAGES = Path(__file__).parent.parent / "docs" / "images"
WIDTH = 1200  # of a picture
GAP = 8
LABEL = 44
PAPER, INK = (255, 255, 255), (30, 30, 30)
UNKNOWN = (255, 96, 0)
MAGENTA = (200, 60, 160)
# Of 255, in the mean, between what is drawn and what is kept: instruction sets and versions of WebP
# are below, another band, colour or label is above.
MOST_APART = 1.0

Array = NDArray[Any]


class Panel(NamedTuple):
    label: str
    image: Array


class Crop(NamedTuple):
    """A part of an image, to be shown enlarged."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: Array) -> Array:
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


HAIR = Crop(150, 560, 150, 200)  # of the demo scene: loose strands before the screen
HEAD = Crop(0, 120, 150, 200)  # of the astronaut


@cache
def photo() -> Array:
    with Image.open(IMAGES / "astronaut.jpg") as image:
        return np.asarray(image.convert("RGB"))


@cache
def cutout() -> trimatte.Result:
    return trimatte.Remover()(photo())


@cache
def studio() -> Scene:
    return scene(540, 960)


@cache
def keyed() -> trimatte.Result:
    return trimatte.Remover(key_color="auto")(studio().image)


# --- pictures ---


def stages() -> Image.Image:
    result = cutout()
    return sheet(
        [
            Panel("photo", photo()),
            Panel("mask: a rough idea", result.mask),
            Panel("trimap: what is known", result.trimap),
            Panel("alpha: opacity, solved", result.alpha),
            Panel("foreground: its own colours", result.foreground),
            Panel("composite: over anything", result.composite(evening(*result.alpha.shape))),
        ],
        columns=3,
    )


def unknown_only() -> Image.Image:
    image, result = photo(), cutout()
    unknown = result.trimap == 128
    tint = image // 3 + 150
    tint[unknown] = image[unknown]
    marked = image.copy()
    marked[unknown] = image[unknown] // 2 + np.array(UNKNOWN, np.uint8) // 2
    return sheet(
        [
            Panel(f"unknown: {unknown.mean():.0%} of all", marked),
            Panel("all that the solver looks at", tint),
            Panel("alpha", result.alpha),
        ],
        columns=3,
    )


def band() -> Image.Image:
    image, mask = photo(), cutout().mask
    panels = []
    for label, trimap in (
        ("too narrow: 2 pixels", trimatte.make_trimap(mask, 2)),
        ("band='auto'", trimatte.make_trimap(mask, band="auto")),
        ("too wide: 60 pixels", trimatte.make_trimap(mask, 60)),
    ):
        panels.append((label, trimap, trimatte.estimate_alpha(image, trimap)))
    return sheet(
        [
            *(Panel(label, HEAD.of(trimap)) for label, trimap, _ in panels),
            *(Panel("alpha", HEAD.of(alpha)) for *_, alpha in panels),
        ],
        columns=3,
    )


def keys() -> Image.Image:
    image = studio().image
    key = (42, 137, 60)
    alphas = {
        "hard rule": trimatte.chroma_key(image, tolerance=30),
        "difference with a ramp": trimatte.chroma_key(image, tolerance=10, softness=60),
        "method='obs'": trimatte.chroma_key(image, method="obs", key_color=key),
        "method='vlahos'": trimatte.chroma_key(image, method="vlahos", key_color=key),
        "'fast': screen learnt": trimatte.chroma_key(image, key_color="auto", quality="fast"),
        "'best': and solved": trimatte.chroma_key(image, key_color="auto", quality="best"),
    }
    return sheet([Panel(name, HAIR.of(alpha)) for name, alpha in alphas.items()], columns=3)


def hair() -> Image.Image:
    image, result = studio().image, keyed()
    return sheet(
        [
            Panel("photo, enlarged", HAIR.of(image)),
            Panel("key", HAIR.of(result.mask)),
            Panel("trimap", HAIR.of(result.trimap)),
            Panel("alpha", HAIR.of(result.alpha)),
            Panel("true alpha, as drawn", HAIR.of(studio().alpha)),
            Panel("over magenta", HAIR.of(result.composite(MAGENTA))),
        ],
        columns=3,
    )


def methods() -> Image.Image:
    image, trimap = studio().image, keyed().trimap
    alphas = {
        "true alpha, as drawn": studio().alpha,
        "closed form, fast": trimatte.estimate_alpha(image, trimap, quality="fast"),
        "closed form, balanced": trimatte.estimate_alpha(image, trimap),
        "closed form, exact": trimatte.estimate_alpha(image, trimap, quality="exact"),
        "shared sampling": trimatte.estimate_alpha(image, trimap, method="shared"),
        "guided, a preview": trimatte.estimate_alpha(image, trimap, method="guided"),
    }
    return sheet([Panel(name, HAIR.of(alpha)) for name, alpha in alphas.items()], columns=3)


def foreground() -> Image.Image:
    image, alpha = studio().image, keyed().alpha
    estimated = trimatte.estimate_foreground(image, alpha)
    known = trimatte.estimate_foreground(image, alpha, background=studio().background)
    return sheet(
        [
            Panel(name, HAIR.of(trimatte.composite(colors, alpha, "white")))
            for name, colors in (
                ("the image's own colours", image),
                ("estimate_foreground", estimated),
                ("background= known", known),
            )
        ],
        columns=3,
    )


def despill() -> Image.Image:
    """The scene's subject under light that the screen throws back."""
    drawn = studio()
    lit = drawn.foreground.astype(np.float32)
    lit += drawn.alpha[..., None] * np.array((0, 46, 8), np.float32)  # green light from all sides
    spilt = np.clip(lit, 0, 255).astype(np.uint8)
    panels = [Panel("green light on it", spilt)]
    panels += [
        Panel(f"{method}", trimatte.despill(spilt, method=method))
        for method in ("max-limit", "average", "double-average")
    ]
    part = Crop(60, 330, 240, 300)
    return sheet(
        [
            Panel(name, part.of(trimatte.composite(colors, drawn.alpha, "white")))
            for name, colors in panels
        ],
        columns=4,
    )


def light() -> Image.Image:
    result = keyed()
    return sheet(
        [
            Panel("encoded (default)", HAIR.of(result.composite("white"))),
            Panel("linear=True", HAIR.of(result.composite("white", linear=True))),
            Panel("encoded", HAIR.of(result.composite("black"))),
            Panel("linear=True", HAIR.of(result.composite("black", linear=True))),
        ],
        columns=4,
    )


PICTURES: dict[str, Callable[[], Image.Image]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        stages,
        hair,
        unknown_only,
        band,
        keys,
        methods,
        foreground,
        despill,
        light,
    )
}


# --- how they look ---


def evening(height: int, width: int) -> Array:
    """A sky to stand before."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top, bottom = np.array((38, 42, 96), np.float32), np.array((244, 156, 96), np.float32)
    row = (1 - down) * top + down * bottom
    return np.broadcast_to(row, (height, width, 3)).astype(np.uint8)


def sheet(panels: Sequence[Panel], *, columns: int) -> Image.Image:
    """Panels of one shape in rows, each below its label."""
    width = (WIDTH - (columns - 1) * GAP) // columns
    height = round(width * panels[0].image.shape[0] / panels[0].image.shape[1])
    rows = -(-len(panels) // columns)
    page = Image.new("RGB", (WIDTH, rows * (LABEL + height + GAP) - GAP), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=28 if columns < 4 else 21)
    for number, panel in enumerate(panels):
        left = number % columns * (width + GAP)
        top = number // columns * (LABEL + height + GAP)
        draw.text((left + 2, top + LABEL / 2), panel.label, INK, font=font, anchor="lm")
        enlarged = panel.image.shape[1] < width
        shown = picture(panel.image).resize(
            (width, height), Image.Resampling.BICUBIC if enlarged else Image.Resampling.LANCZOS
        )
        page.paste(shown, (left, top + LABEL))
    return page


def picture(image: Array) -> Image.Image:
    """Colours, or an alpha in grey."""
    if image.dtype == np.float32:
        image = (image * 255 + 0.5).astype(np.uint8)
    return Image.fromarray(image).convert("RGB")


def stored(page: Image.Image) -> bytes:
    file = io.BytesIO()
    page.save(file, "WEBP", quality=80, method=6)
    return file.getvalue()


def apart(one: bytes, other: bytes) -> float:
    """Mean difference of two pictures, of 255; of different sizes, 255."""
    pixels = [
        np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), np.int16) for each in (one, other)
    ]
    if pixels[0].shape != pixels[1].shape:
        return 255.0
    return float(np.abs(pixels[0] - pixels[1]).mean())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(PICTURES)} (default: all)")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    stale = []
    for name in options.name or PICTURES:
        path = IMAGES / f"{name}.webp"
        drawn = stored(PICTURES[name]())
        if not options.check:
            path.write_bytes(drawn)
            print(f"{path.name}: {len(drawn) / 1000:.0f} kB")
        elif not path.exists() or apart(drawn, path.read_bytes()) > MOST_APART:
            stale.append(name)
    if stale:
        print(f"not current: {', '.join(stale)}; python tools/make_pictures.py draws them anew")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())

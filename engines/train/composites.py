"""Composites: one to four cut-outs before studios, tables and photographs, with exact alpha.

What is no subject is background, and stays so: shadows, reflections, turntables, lamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from trimatte.errors import ArgumentError

from .augmentation import Example, empty_part, one_of, random_box
from .pictures import Picture, Pixels
from .products import product
from .rasters import Floats, blurred, floats_of, image_of, mixed
from .scenes import Random
from .studio import clutter, sweep, table, turntable

__all__ = ["Composites", "Placed", "Subjects", "recomposed", "trimmed"]

_FEWEST = 50  # pixels that a cut-out shows at least


class Subjects(NamedTuple):
    """A kind of subject.

    cutouts: (H, W, 4) uint8 each, as `trimmed` returns them; none: drawn products. studio,
    elsewhere: how often it is chosen, relative to other kinds. cropped: every second one is cut
    off by the frame's lower edge, as people are.
    """

    cutouts: Sequence[Pixels] = ()
    studio: float = 1.0
    elsewhere: float = 1.0
    cropped: bool = False


class Placed(NamedTuple):
    """A subject in the frame.

    layer: (S, S, 4) in [0, 1]; left, top, width, height: of its box in pixels, which may reach
    beyond the frame; cut: whether the frame's lower edge cuts it off.
    """

    layer: Floats
    left: int
    top: int
    width: int
    height: int
    cut: bool

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def base(self) -> int:
        """The row that it stands on."""
        return self.top + self.height


class Composites:
    """Makes examples of cut-outs.

    Args:
        kinds: of subjects.
        backgrounds: pictures, whose parts without foreground are backgrounds; any part of them may
            be a print on a product, or lie on a table.

    Raises:
        ArgumentError: there is no kind or no background, or no kind can be chosen in studios, or
            elsewhere.
    """

    def __init__(self, kinds: Sequence[Subjects], backgrounds: Sequence[Picture]) -> None:
        self._kinds, self._backgrounds = kinds, backgrounds
        shares = np.array([(kind.studio, kind.elsewhere) for kind in kinds])
        if not backgrounds or not kinds or not (shares.sum(axis=0) > 0).all():
            raise ArgumentError(
                "Composites: a background, a kind of subject for studios and one for elsewhere are "
                f"needed, got {len(backgrounds)} backgrounds and the shares {shares.tolist()}"
            )
        self._shares = shares / shares.sum(axis=0)

    def __call__(self, random: Random, size: int) -> Example:
        """A composite with sides of so many pixels; the same stream makes the same one."""
        studio = random.random() < 0.6
        image = self._studio(random, size) if studio else self._elsewhere(random, size)
        alpha = np.zeros((size, size), np.float32)
        count = int(random.choice([1, 1, 1, 2, 3, 4]))
        height = random.uniform(0.35, 0.9) if count == 1 else random.uniform(0.25, 0.6)
        ground, alike = random.uniform(0.65, 0.98), random.random() < 0.5
        kind = self._kind(random, studio)
        for i in range(count):
            if i and not alike:
                kind = self._kind(random, studio)
            middle = random.uniform(0.25, 0.75)
            if count > 1:
                middle = (i + 0.5) / count + random.normal(0, 0.06)
            base = ground + random.normal(0, 0.03) if studio else random.uniform(0.55, 1.02)
            one = _placed(random, self._cutout(random, kind, size), size, height, (middle, base))
            if studio and i == 0 and not one.cut and random.random() < 0.22:
                image = turntable(random, image, one.middle, one.base - 1, one.width / 2)
            image = _grounded(random, image, one, studio)
            image, alpha = recomposed(one.layer, image, alpha)
        return Example(np.asarray(image_of(image)), np.asarray(image_of(alpha)))

    def _kind(self, random: Random, studio: bool) -> Subjects:
        shares = self._shares[:, 0 if studio else 1]
        return self._kinds[int(random.choice(len(self._kinds), p=shares))]

    def _cutout(self, random: Random, kind: Subjects, size: int) -> tuple[Pixels, bool]:
        """RGBA, and whether it is cut off below."""
        if not kind.cutouts:
            drawn = product(random, size, lambda: self._patch(random, size, 0.1, 0.4))
            return trimmed(drawn), False
        chosen = kind.cutouts[int(random.integers(len(kind.cutouts)))]
        if not kind.cropped or random.random() < 0.5:
            return chosen, False
        return chosen[: max(8, round(len(chosen) * random.uniform(0.25, 0.7)))], True

    def _studio(self, random: Random, size: int) -> Floats:
        if random.random() < 0.58:
            image = sweep(random, size)
        else:
            image = table(random, size, lambda: self._patch(random, size, 0.15, 0.6))
        return clutter(random, image) if random.random() < 0.35 else image

    def _elsewhere(self, random: Random, size: int) -> Floats:
        """A part of a photograph, out of focus at times, or faintly over a sweep."""
        picture = one_of(random, self._backgrounds)
        box = empty_part(random, picture.matte, 0.4)
        if box is None:
            return sweep(random, size)
        part = _part(picture, box, size)
        if random.random() < 0.25:
            return mixed(sweep(random, size), part, random.uniform(0, 0.4))
        return blurred(part, random.uniform(0.5, 6)) if random.random() < 0.4 else part

    def _patch(self, random: Random, size: int, smallest: float, largest: float) -> Floats:
        """A part of a photograph with anything in it."""
        picture = one_of(random, self._backgrounds)
        return _part(picture, random_box(random, picture.matte.shape, smallest, largest), size)


def recomposed(layer: Floats, under: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    """A layer over an image, and the alpha of all layers together.

    Args:
        layer: (H, W, 4) in [0, 1], not premultiplied.
        under: (H, W, 3).
        alpha: (H, W) of the layers before.
    """
    own = layer[..., 3]
    return mixed(under, layer[..., :3], own), own + (1 - own) * alpha


def trimmed(cutout: Pixels) -> Pixels:
    """The part of a cut-out (H, W, 4) that shows something.

    Raises:
        ArgumentError: it shows next to nothing.
    """
    seen = cutout[..., 3] > 40
    if np.count_nonzero(seen) < _FEWEST:
        raise ArgumentError(f"a cut-out must show at least {_FEWEST} pixels")
    rows, columns = (np.nonzero(seen.any(axis=axis))[0] for axis in (1, 0))
    return cutout[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _part(picture: Picture, box: tuple[float, float, float, float], size: int) -> Floats:
    image = Image.fromarray(picture.image)
    return floats_of(image.resize((size, size), Image.Resampling.BILINEAR, box))


def _placed(
    random: Random,
    cutout: tuple[Pixels, bool],
    size: int,
    share: float,
    at: tuple[float, float],
) -> Placed:
    """A cut-out in the frame.

    share: of its height in the frame's, about; at: its middle column and the row that it stands
    on, as shares of the frame's sides.
    """
    pixels, cut = cutout
    height = size * share * random.uniform(0.75, 1.25)
    width = height * pixels.shape[1] / pixels.shape[0] * np.exp(random.normal(0, 0.08))
    shrink = min(1.0, size / width)
    wide, high = max(6, round(width * shrink)), max(10, round(height * shrink))
    part = Image.fromarray(pixels).resize((wide, high), Image.Resampling.BILINEAR)
    base = size if cut else round(at[1] * size)
    left, top = round(at[0] * size - wide / 2), base - high
    frame = Image.new("RGBA", (size, size))
    frame.paste(part, (left, top))
    return Placed(floats_of(frame), left, top, wide, high, cut)


def _grounded(random: Random, image: Floats, one: Placed, studio: bool) -> Floats:
    """The image with the subject's shadow and reflection in it."""
    if random.random() < (0.75 if studio else 0.3):
        shape = _flat_shadow(random, one) if random.random() < 0.6 else _cast_shadow(random, one)
        radius = random.uniform(1, 0.06 * shape.width)
        dark = floats_of(shape.filter(ImageFilter.GaussianBlur(radius)))
        image = image * (1 - random.uniform(0.15, 0.7) * dark[..., None])
    if studio and not one.cut and random.random() < 0.12:
        image = _reflected(random, image, one)
    return image


def _flat_shadow(random: Random, one: Placed) -> Image.Image:
    """The silhouette pressed to the ground at the subject's foot."""
    size = one.layer.shape[0]
    alpha = image_of(one.layer[..., 3])
    high = max(2, round(one.height * random.uniform(0.06, 0.4)))
    whole = (one.left, one.top, one.left + one.width, one.base)
    flat = alpha.crop(whole).resize((one.width, high))
    shadow = Image.new("L", (size, size))
    left = one.left + random.normal(0, 0.08) * one.width
    shadow.paste(flat, (round(left), round(one.base - high * random.uniform(0.4, 0.8))))
    return shadow


def _cast_shadow(random: Random, one: Placed) -> Image.Image:
    """The silhouette on what is behind: moved and sheared."""
    size = one.layer.shape[0]
    moved = random.normal(0, (0.06, 0.05)) * size
    matrix = (1, random.normal(0, 0.3), moved[0], 0, 1, moved[1])
    return image_of(one.layer[..., 3]).transform((size, size), Image.Transform.AFFINE, matrix)


def _reflected(random: Random, image: Floats, one: Placed) -> Floats:
    """The subject upside down below its base, fading away."""
    size = image.shape[0]
    below = 2 * one.base - 1 - np.arange(size)  # the row that each row mirrors
    mirrored = one.layer[np.clip(below, 0, size - 1)]
    depth = np.arange(size) - one.base
    fade = np.clip(1 - depth / (0.3 * size), 0, 1) * (depth >= 0) * (below >= 0)
    strength = (fade * random.uniform(0.1, 0.4))[:, None] * mirrored[..., 3]
    return mixed(image, mirrored[..., :3], strength)

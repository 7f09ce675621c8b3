"""Training examples: crops of photographs, subjects on new backgrounds, drawn scenes.

An example is a function of the pictures and of a random stream, nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from trimatte.errors import ArgumentError

from .pictures import Picture, Pixels
from .scenes import Random, shade, shape, surface

__all__ = [
    "Box",
    "Example",
    "Source",
    "cleaned",
    "empty_part",
    "example",
    "examples_of",
    "finished",
    "framed",
    "one_of",
    "random_box",
]

Box = tuple[float, float, float, float]


class Example(NamedTuple):
    """image: (S, S, 3) uint8; matte: (S, S) uint8."""

    image: Pixels
    matte: Pixels


Source = Callable[[Random, int], Example]
"""Makes an example of a size, in pixels; the same stream makes the same example."""


def examples_of(subjects: Sequence[Picture], backgrounds: Sequence[Picture]) -> Source:
    """A source of `example` of these pictures.

    Raises:
        ArgumentError: there are no subjects or backgrounds.
    """
    if not subjects or not backgrounds:
        raise ArgumentError("training: there are no pictures to train on")
    return partial(example, subjects=subjects, backgrounds=backgrounds)


def example(
    random: Random, size: int, subjects: Sequence[Picture], backgrounds: Sequence[Picture]
) -> Example:
    """A training example.

    Args:
        random: where chance comes from; the same stream makes the same example.
        size: sides of the example, in pixels.
        subjects: pictures with a foreground.
        backgrounds: pictures whose background may be taken; the subjects may be among them.
    """
    kind = random.random()
    if kind < 0.6:
        made = photograph(random, one_of(random, subjects), size)
    elif kind < 0.92:
        made = composite(random, subjects, backgrounds, size)
    else:
        made = scene(random, backgrounds, size)
    return finished(random, made)


def finished(random: Random, made: Example) -> Example:
    """Mirrored at times; light and camera changed."""
    if random.random() < 0.5:
        made = Example(made.image[:, ::-1], made.matte[:, ::-1])
    return Example(_camera(random, _light(random, made.image)), made.matte)


def framed(random: Random, picture: Picture, size: int) -> Example:
    """A picture, or in most cases a part of it with most of its foreground."""
    box: Box = (0, 0, *picture.matte.shape[::-1])
    if random.random() < 0.7:
        box = _telling_part(random, picture.matte, smallest=0.6, seen=0.7) or box
    image, matte = Image.fromarray(picture.image), Image.fromarray(picture.matte)
    return Example(_resized(image, size, box), _resized(matte, size, box))


def photograph(random: Random, picture: Picture, size: int) -> Example:
    """A picture or a part of it, turned a little at times."""
    image, matte = Image.fromarray(picture.image), Image.fromarray(picture.matte)
    box = _crop(random, picture.matte)
    if random.random() < 0.2:
        angle = random.normal(0, 8)
        image = image.rotate(angle, Image.Resampling.BILINEAR)
        matte = matte.rotate(angle, Image.Resampling.BILINEAR)
    return Example(_resized(image, size, box), _resized(matte, size, box))


def composite(
    random: Random, subjects: Sequence[Picture], backgrounds: Sequence[Picture], size: int
) -> Example:
    """One or two subjects before a background from elsewhere."""
    made = Example(background(random, backgrounds, size), np.zeros((size, size), np.uint8))
    for _ in range(1 + (random.random() < 0.3)):
        made = _pasted(random, made, one_of(random, subjects))
    return made


def scene(random: Random, backgrounds: Sequence[Picture], size: int) -> Example:
    """A drawn object with a surface of its own, and its shadow at times."""
    image = background(random, backgrounds, size)
    matte = shape(random, size)
    own = surface(random, size) if random.random() < 0.5 else _patch(random, backgrounds, size)
    if random.random() < 0.5:
        image = _shadowed(random, image, matte)
    return Example(_over(shade(random, own), matte, image), matte)


def background(random: Random, backgrounds: Sequence[Picture], size: int) -> Pixels:
    """A surface, or a part of a picture without foreground, out of focus at times."""
    if random.random() < 0.25:
        return surface(random, size)
    picture = one_of(random, backgrounds)
    box = empty_part(random, picture.matte)
    if box is None:
        return surface(random, size)
    image = Image.fromarray(_resized(Image.fromarray(picture.image), size, box))
    if random.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 0.03 * size)))
    return np.asarray(image)


def one_of(random: Random, pictures: Sequence[Picture]) -> Picture:
    return pictures[int(random.integers(len(pictures)))]


def _patch(random: Random, pictures: Sequence[Picture], size: int) -> Pixels:
    """A small part of a picture, whatever it shows."""
    picture = one_of(random, pictures)
    box = random_box(random, picture.matte.shape, 0.1, 0.4)
    return _resized(Image.fromarray(picture.image), size, box)


def _pasted(random: Random, under: Example, picture: Picture) -> Example:
    """The subject over an example, whole or cut off by the frame's lower edge or sides."""
    size = under.matte.shape[0]
    rows, columns = _extent(picture.matte)
    cut = rows.stop == picture.matte.shape[0]
    if random.random() < 0.4:  # to the waist or the shoulders
        rows = slice(rows.start, rows.start + _at_least(rows, random.uniform(0.25, 0.7)))
        cut = True
    image, matte = picture.image[rows, columns], cleaned(picture.matte[rows, columns])
    part = Image.fromarray(np.dstack([image, matte]))

    height = size * random.uniform(0.4, 1.15)
    width = height * part.width / part.height * np.exp(random.normal(0, 0.15))
    shrink = min(1.0, 1.2 * size / width)
    part = part.resize((max(2, round(width * shrink)), max(2, round(height * shrink))))
    left = round(random.uniform(-0.15, 1.15) * (size - part.width))
    top = size - part.height if cut else round(random.uniform(0, 1) * (size - part.height))

    placed = Image.new("RGBA", (size, size))
    placed.paste(part, (left, top))
    layer = np.asarray(placed)
    alpha = layer[..., 3]
    image = _over(layer[..., :3], alpha, under.image)
    return Example(image, np.maximum(alpha, under.matte))


def cleaned(matte: Pixels) -> Pixels:
    """Without the outermost pixel, whose colour is the old background's in part, and softened."""
    inner = Image.fromarray(matte).filter(ImageFilter.MinFilter(3))
    return np.asarray(inner.filter(ImageFilter.GaussianBlur(0.7)))


def _over(image: Pixels, alpha: Pixels, under: Pixels) -> Pixels:
    return np.asarray(
        Image.composite(Image.fromarray(image), Image.fromarray(under), Image.fromarray(alpha))
    )


def _shadowed(random: Random, image: Pixels, matte: Pixels) -> Pixels:
    size = matte.shape[0]
    moved = np.roll(matte, random.integers(-size // 10, size // 10 + 1, 2), axis=(0, 1))
    soft = Image.fromarray(moved).filter(
        ImageFilter.GaussianBlur(random.uniform(0.01, 0.05) * size)
    )
    strength = random.uniform(0.2, 0.7)
    return (image * (1 - strength / 255 * np.asarray(soft)[..., None])).astype(np.uint8)


def _crop(random: Random, matte: Pixels) -> Box:
    """A part of a picture in (left, top, right, bottom): all of it, a portrait, or any part."""
    height, width = matte.shape
    kind = random.random()
    if kind < 0.3:
        return (0, 0, width, height)
    rows, columns = _extent(matte)
    tall = rows.stop - rows.start > 1.6 * (columns.stop - columns.start)
    if kind < 0.65 and tall:
        return _portrait(random, matte, rows)
    return _telling_part(random, matte, smallest=0.45, seen=0.5) or (0, 0, width, height)


def _telling_part(random: Random, matte: Pixels, *, smallest: float, seen: float) -> Box | None:
    """A part with sides of at least that share, that shows more than that share of the foreground;
    None if none was found."""
    whole = np.count_nonzero(matte > 127)
    for _ in range(8):
        box = random_box(random, matte.shape, smallest, 1.0)
        left, top, right, bottom = (round(edge) for edge in box)
        if np.count_nonzero(matte[top:bottom, left:right] > 127) > seen * whole:
            return box
    return None


def _portrait(random: Random, matte: Pixels, rows: slice) -> Box:
    """The head and some of the body of somebody who stands."""
    width = matte.shape[1]
    part = _at_least(rows, random.uniform(0.2, 0.65))
    top = max(0.0, rows.start - part * random.uniform(0.02, 0.5))
    bottom = rows.start + part
    middle = np.nonzero(matte[rows.start : bottom])[1].mean()
    half = (bottom - top) * random.uniform(0.6, 1.5) / 2
    middle += half * random.uniform(-0.3, 0.3)
    return (max(0.0, middle - half), top, min(float(width), middle + half), bottom)


def empty_part(random: Random, matte: Pixels, smallest: float = 0.25) -> Box | None:
    """A part without foreground, with sides of at least that share; None if none was found."""
    for _ in range(16):
        box = random_box(random, matte.shape, smallest, 1.0)
        left, top, right, bottom = (round(edge) for edge in box)
        if not (matte[top:bottom, left:right] > 127).any():
            return box
    return None


def random_box(random: Random, shape: tuple[int, ...], smallest: float, largest: float) -> Box:
    """Of sides that are each such a share of the picture's."""
    height, width = shape[0], shape[1]
    h, w = random.uniform(smallest, largest, 2) * (height, width)
    left, top = random.uniform(0, width - w), random.uniform(0, height - h)
    return (left, top, left + w, top + h)


def _extent(matte: Pixels) -> tuple[slice, slice]:
    """Rows and columns that hold foreground; all of them where there is none."""
    inside = matte > 127
    if not inside.any():
        return slice(0, matte.shape[0]), slice(0, matte.shape[1])
    rows, columns = (np.nonzero(inside.any(axis=axis))[0] for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _at_least(rows: slice, share: float, smallest: int = 8) -> int:
    return min(rows.stop - rows.start, max(smallest, round(share * (rows.stop - rows.start))))


def _resized(image: Image.Image, size: int, box: Box) -> Pixels:
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box))


def _light(random: Random, image: Pixels) -> Pixels:
    """Exposure, contrast, white balance, saturation; black and white at times."""
    table = np.linspace(0, 1, 256, dtype=np.float32)[:, None] * np.exp(
        random.normal(0, 0.06, 3).astype(np.float32)
    )
    table = np.clip((table - 0.5) * np.exp(random.normal(0, 0.15)) + 0.5, 0, 1)
    table = table ** np.exp(random.normal(0, 0.25)) * np.exp(random.normal(0, 0.1))
    levels = np.clip(255 * table + 0.5, 0, 255).astype(np.uint8)
    lit = np.stack([levels[image[..., c], c] for c in range(3)], axis=-1)
    saturation = 0.0 if random.random() < 0.06 else np.exp(random.normal(0, 0.25))
    grey = lit.mean(axis=-1, keepdims=True, dtype=np.float32)
    return np.clip(grey + (lit - grey) * np.float32(saturation), 0, 255).astype(np.uint8)


def _camera(random: Random, image: Pixels) -> Pixels:
    """What lens, sensor and file do: blur, few pixels, noise, JPEG."""
    size = image.shape[0]
    picture = Image.fromarray(image)
    if random.random() < 0.12:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.5)))
    if random.random() < 0.12:
        small = round(size * random.uniform(0.35, 0.9))
        picture = picture.resize((small, small), Image.Resampling.BILINEAR)
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    if random.random() < 0.2:
        noise = random.normal(0, random.uniform(1, 12), (size, size, 3))
        picture = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    if random.random() < 0.3:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(random.integers(30, 95)))
        picture = Image.open(file)
    return np.asarray(picture)

"""Drawn products, as cut-outs: boxes in perspective; bottles, jars and cups, turned on a lathe."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .pictures import Pixels
from .rasters import Floats, floats_of, image_of, mixed, resized
from .scenes import Random
from .studio import Patch, colour, ink

__all__ = ["box", "product", "turned"]

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]

_FACE = 96  # side of a printed face, in pixels


def product(random: Random, size: int, patch: Patch) -> Pixels:
    """A box or a turned body, at times tilted.

    Args:
        random: where chance comes from.
        size: side of the image, in pixels.
        patch: makes a part of a photograph, for prints.

    Returns:
        (size, size, 4) uint8: colours and alpha, not premultiplied.
    """
    made = (box if random.random() < 0.5 else turned)(random, size, patch)
    if random.random() < 0.65:
        return made
    angle = random.normal(0, 12) if random.random() < 0.8 else random.uniform(0, 360)
    return np.asarray(Image.fromarray(made).rotate(angle, Image.Resampling.BICUBIC))


def box(random: Random, size: int, patch: Patch) -> Pixels:
    """A box that shows its front, a side, and its top if seen from above; as `product`."""
    front, side, top = _faces(random, size)
    image, alpha = Image.new("RGB", (size, size)), Image.new("L", (size, size))
    for quad in (top, side, front) if top else (side, front):
        printed = _face(random, patch, random.uniform(0.55, 1))
        shape = _filled(quad, size)
        image.paste(_projected(printed, quad, size), (0, 0), shape)
        alpha.paste(255, (0, 0), shape)
    return np.dstack([np.asarray(image), np.asarray(alpha)])


def turned(random: Random, size: int, patch: Patch) -> Pixels:
    """A body of revolution with a label, a cap or a handle at times; as `product`."""
    height = round(size * random.uniform(0.4, 0.8))
    half = _profile(random, height) * size
    top = (size - height) // 2
    rows = slice(top, top + height)
    x = np.arange(size, dtype=np.float32) - size / 2
    alpha, across = (np.zeros((size, size), np.float32) for _ in range(2))
    alpha[rows] = np.clip(half[:, None] - np.abs(x) + 0.5, 0, 1)
    across[rows] = np.clip(x / np.maximum(half[:, None], 1), -1, 1)
    image = _lit(random, _skin(random, size, rows, patch), across)
    if random.random() < 0.2:
        alpha = _with_handle(random, alpha, half[height // 2])
    return np.asarray(image_of(np.dstack([np.clip(image, 0, 1), alpha])))


def _faces(random: Random, size: int) -> tuple[Quad, Quad, Quad | None]:
    """Corners of the front, of a side and of the top, clockwise from the upper left."""
    width, height, depth = random.uniform((0.2, 0.15, 0.05), (0.55, 0.7, 0.35)) * size
    taper, tilt = random.uniform(0.75, 1), random.uniform(0, 0.5)
    middle, upper, lower = size / 2, (size - height) / 2, (size + height) / 2
    wide, narrow = width / 2, width / 2 * taper
    front = (
        (middle - wide, upper),
        (middle + wide, upper),
        (middle + narrow, lower),
        (middle - narrow, lower),
    )
    to_right = random.random() < 0.5
    dx, dy = depth if to_right else -depth, -depth * tilt
    near_top, near_bottom = (front[1], front[2]) if to_right else (front[0], front[3])
    far_top = (near_top[0] + dx, near_top[1] + dy)
    far_bottom = (near_bottom[0] + dx * taper, near_bottom[1] + dy - 0.15 * depth)
    side = (
        (near_top, far_top, far_bottom, near_bottom)
        if to_right
        else (far_top, near_top, near_bottom, far_bottom)
    )
    if tilt < 0.05:
        return front, side, None
    back = ((front[0][0] + dx, front[0][1] + dy), (front[1][0] + dx, front[1][1] + dy))
    return front, side, (*back, front[1], front[0])


def _filled(quad: Quad, size: int) -> Image.Image:
    """The quadrilateral in white, antialiased."""
    large = Image.new("L", (2 * size, 2 * size))
    ImageDraw.Draw(large).polygon([(2 * x, 2 * y) for x, y in quad], fill=255)
    return large.resize((size, size), Image.Resampling.BOX)


def _projected(face: Image.Image, quad: Quad, size: int) -> Image.Image:
    """A face as it is seen on the quadrilateral, in perspective."""
    corners = ((0, 0), (face.width, 0), (face.width, face.height), (0, face.height))
    rows, values = [], []
    for (x, y), (u, v) in zip(quad, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solved = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    transform = Image.Transform.PERSPECTIVE
    return face.transform((size, size), transform, solved, Image.Resampling.BILINEAR)


def _face(random: Random, patch: Patch, shade: float) -> Image.Image:
    """A printed side: a photograph, a colour, white or black, with bars and spots on it."""
    kind = random.random()
    if kind < 0.4:
        ground = resized(patch(), _FACE)
    elif kind < 0.7:
        ground = _plain(colour(random), _FACE)
    else:
        grey = random.choice([random.uniform(0.75, 1), random.uniform(0.02, 0.3)])
        ground = _plain(np.full(3, grey), _FACE)
    face = image_of(ground * shade)
    pen = ImageDraw.Draw(face)
    for _ in range(random.integers(0, 5)):
        x, y = random.integers(0, 80, 2)
        width, height = random.integers(4, 70, 2)
        draw = pen.rectangle if random.random() < 0.7 else pen.ellipse
        draw([x, y, x + width, y + height], fill=ink(colour(random) * shade))
    return face


def _plain(one: Floats, size: int) -> Floats:
    return np.broadcast_to(one, (size, size, 3)).copy()


def _profile(random: Random, height: int) -> Floats:
    """Half the width at every row, as a share of the image's side."""
    knots = random.integers(3, 7)
    at = np.sort(random.random(knots))
    at[0], at[-1] = 0, 1
    wide = random.uniform(0.06, 0.3, knots)
    if random.random() < 0.5:  # a neck and a straight body
        wide[-2:], wide[:2] = wide.max(), random.uniform(0.03, 0.1)
    if random.random() < 0.35:
        wide[:] = wide[0]
    half = np.interp(np.linspace(0, 1, height), at, wide)
    if random.random() < 0.6:
        reach = int(height * random.uniform(0.01, 0.12))
        window = np.ones(2 * reach + 1) / (2 * reach + 1)
        half = np.convolve(np.pad(half, reach, mode="edge"), window, "valid")
    return half


def _skin(random: Random, size: int, rows: slice, patch: Patch) -> Floats:
    """Colours of the whole image; those in the rows of the body are seen."""
    grey = np.full(3, random.choice([0.95, 0.05, 0.5]))
    skin = _plain(colour(random) if random.random() < 0.6 else grey, size)
    if random.random() < 0.5:
        skin = mixed(skin, resized(patch(), size), 0.7)
    height = rows.stop - rows.start
    if random.random() < 0.6:
        first, last = np.sort(random.random(2))
        label = slice(rows.start + int(first * height), rows.start + int(last * height))
        skin[label] = resized(floats_of(_face(random, patch, 1)), size)[label]
    if random.random() < 0.4:
        skin[rows.start : rows.start + int(height * random.uniform(0.05, 0.25))] = colour(random)
    return skin


def _lit(random: Random, skin: Floats, across: Floats) -> Floats:
    """A cylinder's shading and gloss; across: -1 at the left edge, 1 at the right."""
    turn = across - random.uniform(-0.8, 0.8)
    shading = 0.45 + 0.65 * np.clip(np.cos(turn * random.uniform(0.9, 1.5)), 0, 1)
    lit = skin * shading[..., None]
    for _ in range(random.integers(0, 3)):
        distance = (across - random.uniform(-0.8, 0.8)) / random.uniform(0.03, 0.12)
        lit = lit + (random.uniform(0.1, 0.7) * np.exp(-(distance**2)))[..., None]
    return lit


def _with_handle(random: Random, alpha: Floats, half: float) -> Floats:
    canvas = Image.new("L", alpha.shape[::-1])
    middle, radius = canvas.width / 2, canvas.width * random.uniform(0.06, 0.14)
    x = middle + random.choice([-1, 1]) * half
    ImageDraw.Draw(canvas).ellipse(
        [x - radius, middle - radius, x + radius, middle + radius],
        outline=255,
        width=max(2, canvas.width // 40),
    )
    return np.maximum(alpha, floats_of(canvas))

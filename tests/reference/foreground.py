"""Definition of foreground and background estimation.

Germer, Uelwer, Conrad, Harmeling: Fast Multi-Level Foreground Estimation, ICPR 2020, with Jacobi
sweeps (all pixels at once) in place of Gauss-Seidel's, over the soft pixels only, a pyramid of
2 x 2 averages in place of nearest samples, and a last step that makes alpha F + (1 - alpha) B equal
to the image, or takes a known B off it.
"""

from __future__ import annotations

import numpy as np

from .pixels import Array, from_unit, to_unit

REGULARIZATION = 1e-5
SMALL_SIDE = 32
SMALL_SWEEPS, LARGE_SWEEPS, FAST_SWEEPS = 10, 4, 2
FEWEST_LEVELS = 3
START_SHARE = 1e-6
SURE_ALPHA = 0.1


def halve(image: Array) -> Array:
    """Means of 2 x 2 pixels; an odd side is made even by repeating its last pixel."""
    height, width = image.shape[:2]
    extra = [(0, height % 2), (0, width % 2)] + [(0, 0)] * (image.ndim - 2)
    even = np.pad(image, extra, mode="edge")
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, *image.shape[2:])
    result: Array = blocks.mean(axis=(1, 3))
    return result


def double(image: Array, height: int, width: int) -> Array:
    """Nearest upsampling to a given size: pixel (y, x) comes from (y // 2, x // 2)."""
    return image[np.arange(height)[:, None] // 2, np.arange(width)[None, :] // 2]


def neighbors(image: Array) -> list[Array]:
    """The images of the left, right, upper and lower neighbours; the border is its own."""
    padded = np.pad(image, [(1, 1), (1, 1)] + [(0, 0)] * (image.ndim - 2), mode="edge")
    return [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]


def sweep(image: Array, alpha: Array, front: Array, back: Array) -> tuple[Array, Array]:
    """One Jacobi sweep: each soft pixel's F and B solved with those of its neighbours held."""
    weights = [REGULARIZATION + np.abs(alpha - other) for other in neighbors(alpha)]
    total = sum(weights)
    a = alpha[..., None]
    a00 = (alpha * alpha + total)[..., None]
    a11 = ((1.0 - alpha) ** 2 + total)[..., None]
    a01 = a * (1.0 - a)
    right_front = a * image
    right_back = (1.0 - a) * image
    for weight, its_front, its_back in zip(weights, neighbors(front), neighbors(back), strict=True):
        right_front = right_front + weight[..., None] * its_front
        right_back = right_back + weight[..., None] * its_back
    determinant = a00 * a11 - a01 * a01
    soft = (a > 0.0) & (a < 1.0)
    return (
        np.where(soft, np.clip((a11 * right_front - a01 * right_back) / determinant, 0, 1), front),
        np.where(soft, np.clip((a00 * right_back - a01 * right_front) / determinant, 0, 1), back),
    )


def project(image: Array, alpha: Array, front: Array, back: Array) -> tuple[Array, Array]:
    """The nearest F and B in [0, 1] with alpha F + (1 - alpha) B = image, per pixel and channel."""
    a = np.broadcast_to(alpha[..., None], image.shape)
    b = 1.0 - a
    error = image - a * front - b * back
    moved = front + a * error / (a * a + b * b)
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = np.maximum(0.0, (image - b) / a)
        highest = np.minimum(1.0, image / a)
        moved = np.where(a > 0.0, np.clip(moved, lowest, highest), front)
        rest = np.clip((image - a * moved) / b, 0.0, 1.0)
    return np.where(a == 1.0, image, moved), np.where(a == 1.0, back, rest)


def subtract(image: Array, alpha: Array, front: Array, plate: Array) -> Array:
    """F before a known background: exact where alpha is sure, else blended with `front`."""
    a = alpha[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(a > 0.0, np.clip((image - (1.0 - a) * plate) / a, 0.0, 1.0), front)
    result: Array = front + np.minimum(a / SURE_ALPHA, 1.0) * (exact - front)
    return result


def start(image: Array, alpha: Array) -> tuple[Array, Array]:
    """What the coarsest level starts from: means of a small level; its mean where nothing shows."""
    mean = image.mean(axis=(0, 1))
    front, back = (
        ((weight * image).sum(axis=(0, 1)) + START_SHARE * mean) / (weight.sum() + START_SHARE)
        for weight in (alpha[..., None] ** 2, (1.0 - alpha[..., None]) ** 2)
    )
    return front[None, None], back[None, None]


def estimate_unit(image: Array, alpha: Array, *, fast: bool) -> tuple[Array, Array]:
    """F and B of an image (H, W, 3) and an alpha (H, W), all float64 in [0, 1]."""
    pyramid = [(image, alpha)]
    while len(pyramid) < FEWEST_LEVELS or max(pyramid[-1][1].shape) > 1:
        pyramid.append((halve(pyramid[-1][0]), halve(pyramid[-1][1])))
    front, back = start(*next(level for level in pyramid[2:] if max(level[1].shape) <= SMALL_SIDE))
    for level, (level_image, level_alpha) in reversed(list(enumerate(pyramid))):
        height, width = level_alpha.shape
        a = level_alpha[..., None]
        front = np.where(a == 1.0, level_image, double(front, height, width))
        back = np.where(a == 0.0, level_image, double(back, height, width))
        sweeps = FAST_SWEEPS if fast and level == 0 else LARGE_SWEEPS
        if max(height, width) <= SMALL_SIDE:
            sweeps = SMALL_SWEEPS
        for _ in range(sweeps):
            front, back = sweep(level_image, level_alpha, front, back)
    return project(image, alpha, front, back)


def known_background(background: Array | tuple[int, int, int], shape: tuple[int, ...]) -> Array:
    """A plate, or a colour in 0..255, as float64 in [0, 1] of a shape."""
    if isinstance(background, tuple):
        return np.broadcast_to(np.array(background) / 255.0, shape)
    return to_unit(background[..., :3])


def estimate_foreground(
    image: Array,
    alpha: Array,
    *,
    quality: str = "balanced",
    background: Array | tuple[int, int, int] | None = None,
    return_background: bool = False,
) -> Array | tuple[Array, Array]:
    """F (H, W, 3), or (F, B), in the dtype of an image (H, W, 3 | 4); alpha (H, W)."""
    front = back = colors = to_unit(image[..., :3])
    unit = to_unit(alpha)
    if alpha.size > 0:
        front, back = estimate_unit(colors, unit, fast=quality == "fast")
    if background is not None:
        back = known_background(background, colors.shape)
        front = subtract(colors, unit, front, back)
    front, back = from_unit(front, image.dtype), from_unit(back, image.dtype)
    return (front, back) if return_background else front

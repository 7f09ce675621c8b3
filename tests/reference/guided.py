"""Definition of guided alpha: local linear models of colour, fitted to the known pixels of windows.

He, Sun: Fast Guided Filter, arXiv 1505.00996, with a filter's input that counts where it is known.
"""

from __future__ import annotations

import numpy as np

from .pixels import Array, to_unit
from .sampling import BACKGROUND, FOREGROUND, SCALE, UNKNOWN, classify, ten_bits

CELLS = 100
RADIUS, MEAN_RADIUS = 10, 5
EPSILON = 3e-5
ONE_SIDED, BLIND = 1e-3, 1e-9  # weights of windows that know one class, or none


def cell_sums(values: Array, side: int) -> Array:
    """Sums over cells of side x side pixels; the last ones may be cut off by the image's border."""
    height, width = values.shape[:2]
    rows, columns = -(-height // side), -(-width // side)
    whole = np.zeros((rows * side, columns * side, *values.shape[2:]))
    whole[:height, :width] = values
    result: Array = whole.reshape(rows, side, columns, side, *values.shape[2:]).sum(axis=(1, 3))
    return result


def window_sums(values: Array, radius: int) -> Array:
    """Sums over the squares of cells around each, as far as they lie in the image."""
    for axis in (0, 1):
        index = np.arange(values.shape[axis])
        inside = np.abs(index[:, None] - index) <= radius
        values = np.moveaxis(np.tensordot(inside.astype(float), values, (1, axis)), 0, axis)
    return values


def regression(number: Array, color: Array, product: Array) -> Array:
    """(a, b) of alpha = a . I + b by the sums of both classes: number (2,), color (2, 3), product
    (2, 3, 3), foreground first. The larger class counts for less than its number."""
    if not number.any():
        return np.array([0.0, 0.0, 0.0, 0.5])
    likely = np.sqrt(number) / np.sqrt(number).sum()
    means = color / np.maximum(number, 1)[:, None]
    mean = likely @ means
    spread = np.tensordot(likely / np.maximum(number, 1), product, 1) - np.outer(mean, mean)
    covariance = likely.prod() * (means[0] - means[1])
    a = np.linalg.solve(spread + EPSILON * np.eye(3), covariance)
    return np.append(a, likely[0] - a @ mean)


def upsampled(models: Array, height: int, width: int, side: int) -> Array:
    """Bilinear between the middles of cells; beyond the outer ones, theirs."""
    for axis, size in ((0, height), (1, width)):
        place = ((np.arange(size) + 0.5) / side - 0.5).clip(0, models.shape[axis] - 1)
        first = place.astype(int)
        second = np.minimum(first + 1, models.shape[axis] - 1)
        part = (place - first).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        near, far = np.take(models, first, axis), np.take(models, second, axis)
        models = near + part * (far - near)
    return models


def guide_alpha(image: Array, trimap: Array) -> Array:
    """Alpha (H, W) float64 of an image (H, W, 3 | 4) with a trimap (H, W) uint8."""
    height, width = trimap.shape
    if trimap.size == 0:
        return np.zeros(trimap.shape)
    side = -(-max(height, width) // CELLS)
    classes = classify(trimap)
    colors = ten_bits(image[..., :3]) / SCALE
    member = np.stack([classes == FOREGROUND, classes == BACKGROUND], axis=-1).astype(float)

    number = cell_sums(member, side)
    color = cell_sums(member[..., None] * colors[..., None, :], side)
    # A cell's colours count as their mean.
    product = color[..., None] * color[..., None, :] / np.maximum(number, 1)[..., None, None]
    whole = [sums.sum(axis=(0, 1)) for sums in (number, color, product)]
    number, color, product = (window_sums(sums, RADIUS) for sums in (number, color, product))

    models, weights = np.zeros((*number.shape[:2], 4)), np.zeros(number.shape[:2])
    for at in np.ndindex(weights.shape):
        known = np.count_nonzero(number[at] > 0.5)
        weights[at] = (BLIND, ONE_SIDED, 1.0)[known]
        sums = [number[at].round(), color[at], product[at]] if known else whole
        models[at] = weights[at] * regression(sums[0], sums[1], sums[2])
    models = window_sums(models, MEAN_RADIUS)
    models = models / window_sums(weights[..., None], MEAN_RADIUS)
    models = upsampled(models, height, width, side)
    alpha = np.sum(models[..., :3] * to_unit(image[..., :3]), axis=-1) + models[..., 3]
    return np.where(classes == UNKNOWN, np.clip(alpha, 0.0, 1.0), 0.5 * classes)

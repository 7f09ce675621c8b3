"""Definition of shared sampling.

Gastal, Oliveira: Shared Sampling for Real-Time Alpha Matting, Eurographics 2010. Colours are whole
numbers of ten bits, and errors are rounded to float32 before they are compared, so that every
implementation chooses the same samples. What differs from the paper: the threshold of the
expansion; steps of a ray that grow with the distance; the pairs of a square of neighbours, unknown
ones only, are shared; no sample is replaced by the pixel's own colour.
"""

from __future__ import annotations

import numpy as np

from .pixels import Array, to_unit

SCALE = 1020
BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
EXPANSION_RADIUS, EXPANSION_DISTANCE = 10, 40
RAYS, REACH = 4, 4096
RADIUS = 5  # of sharing and of smoothing
SHARED = 3
SPREAD = 4.28
DECAY = 4.0
LEAST = 1e-5
LEAST_LENGTH = 0.5 / SCALE
OFFSETS = [(dy, dx) for dy in range(-RADIUS, RADIUS + 1) for dx in range(-RADIUS, RADIUS + 1)]


def ten_bits(image: Array) -> Array:
    """An image (H, W, 3) as whole numbers from 0 to 1020."""
    if image.dtype == np.float32:
        return np.rint(image.clip(0.0, 1.0) * np.float32(SCALE)).astype(np.int64)
    return np.floor(to_unit(image) * SCALE + 0.5).astype(np.int64)


def classify(trimap: Array) -> Array:
    return np.where(trimap < 26, BACKGROUND, np.where(trimap > 229, FOREGROUND, UNKNOWN))


def expand(colors: Array, classes: Array) -> Array:
    """Unknown pixels become what the nearest known pixel of nearly their colour is."""
    height, width = classes.shape
    result = classes.copy()
    radius = range(-EXPANSION_RADIUS, EXPANSION_RADIUS + 1)
    disk = sorted((dy * dy + dx * dx, dy, dx) for dy in radius for dx in radius)
    for square, dy, dx in disk:
        if square == 0 or square > EXPANSION_RADIUS**2:
            continue
        y, x = np.nonzero(result == UNKNOWN)
        inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
        y, x = y[inside], x[inside]
        other = classes[y + dy, x + dx]
        distance = np.sum((colors[y, x] - colors[y + dy, x + dx]) ** 2, axis=-1)
        found = (other != UNKNOWN) & (distance <= EXPANSION_DISTANCE**2)
        result[y[found], x[found]] = other[found]
    return result


def direction(y: int, x: int, ray: int) -> tuple[int, int]:
    """A ray's step in sixteenths of a pixel, (dy, dx): one whole pixel along the longer axis."""
    start = (7 * x + 12 * y) % 16
    dx, dy = (16, 2 * start + 1) if start < 8 else (31 - 2 * start, 16)
    for _ in range(ray):
        dx, dy = -dy, dx
    return dy, dx


def fit_errors(n: Array, d: Array, e: Array) -> Array:
    """Squared distance of colours to the segment from B to F: n = (I - B).(F - B), d = |F - B|^2,
    e = |I - B|^2."""
    n, d, e = (np.asarray(v, dtype=np.float64) for v in np.broadcast_arrays(n, d, e))
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = (e * d - n * n).astype(np.float32) / d.astype(np.float32)
    outside = np.where(n <= 0, e, e - 2 * n + d).astype(np.float32)
    return np.where((n <= 0) | (n >= d), outside, inside)


def gather(colors: Array, classes: Array, y: int, x: int, means: tuple[Array, Array]) -> Array:
    """The best pair (2, 3) of F and B that the rays of a pixel meet."""
    height, width = classes.shape
    # Per class: {ray: (colour, squared distance)} and the least energy of a way.
    samples: dict[int, dict[int, tuple[Array, int]]] = {FOREGROUND: {}, BACKGROUND: {}}
    energies = {FOREGROUND: np.inf, BACKGROUND: np.inf}
    for ray in range(RAYS):
        step_y, step_x = direction(y, x, ray)
        energy, last, step = 0, colors[y, x], 1
        while step <= REACH and any(ray not in found for found in samples.values()):
            dy, dx = (step * step_y + 8) // 16, (step * step_x + 8) // 16
            if not (0 <= y + dy < height and 0 <= x + dx < width):
                break
            color, kind = colors[y + dy, x + dx], int(classes[y + dy, x + dx])
            energy += int(np.sum((color - last) ** 2))
            last = color
            if kind != UNKNOWN and ray not in samples[kind]:
                samples[kind][ray] = color, dy * dy + dx * dx
                energies[kind] = min(energies[kind], energy)
            step += 1 + step // 32
    for kind, mean in zip((FOREGROUND, BACKGROUND), means, strict=True):
        if not samples[kind]:
            samples[kind][0], energies[kind] = (mean, 1), 0
    both = energies[FOREGROUND] + energies[BACKGROUND]
    likely = energies[BACKGROUND] / both if both > 0 else 0.5

    rows = np.clip(np.arange(y - 1, y + 2), 0, height - 1)
    columns = np.clip(np.arange(x - 1, x + 2), 0, width - 1)
    window = colors[np.ix_(rows, columns)].reshape(9, 3)
    best, least = np.zeros((2, 3)), np.inf
    for _, (front, front_square) in sorted(samples[FOREGROUND].items()):
        for _, (back, back_square) in sorted(samples[BACKGROUND].items()):
            d = np.sum((front - back) ** 2)
            n = (window - back) @ (front - back)
            errors = fit_errors(n, d, np.sum((window - back) ** 2, axis=-1))
            error = float(np.add.accumulate(errors)[-1])  # in order, in float32
            alpha = float(np.clip(np.float32(n[4]) / np.float32(d), 0, 1)) if d > 0 else 0.5
            unlikely = likely + (1.0 - 2.0 * likely) * alpha
            cost = error**3 * unlikely**2 * np.sqrt(front_square) * back_square**2
            if cost < least:
                best, least = np.array([front, back]), cost
    return best


def line_fit(image: Array, front: Array, back: Array) -> tuple[Array, Array, Array]:
    """alpha, how far off the line the colours lie, and |F - B|, for colours (..., 3) in [0, 1]. Too
    short a line tells no alpha."""
    along = front - back
    d = np.sum(along**2, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sum((image - back) * along, axis=-1) / d
    alpha = np.where(np.sqrt(d) > LEAST_LENGTH, np.clip(ratio, 0.0, 1.0), 0.5)
    off = image - back - alpha[..., None] * along
    return alpha, np.sqrt(np.sum(off**2, axis=-1)), np.sqrt(d)


def shifted(planes: Array, dy: int, dx: int) -> Array:
    """planes (H, W, ...) at (y + dy, x + dx); zeros beyond the image."""
    padded = np.pad(planes, [(RADIUS, RADIUS), (RADIUS, RADIUS)] + [(0, 0)] * (planes.ndim - 2))
    height, width = planes.shape[:2]
    return padded[RADIUS + dy :, RADIUS + dx :][:height, :width]


def share(colors: Array, unknown: Array, pairs: Array) -> Array:
    """Means (H, W, 2, 3) of the three pairs of each pixel's surroundings that explain it best."""
    height, width = unknown.shape
    costs = np.full((len(OFFSETS), height, width), np.inf)
    tried = np.zeros((len(OFFSETS), height, width, 2, 3))
    for i, (dy, dx) in enumerate(OFFSETS):
        tried[i] = shifted(pairs, dy, dx)
        front, back = tried[i, ..., 0, :], tried[i, ..., 1, :]
        n = np.sum((colors - back) * (front - back), axis=-1)
        errors = fit_errors(
            n, np.sum((front - back) ** 2, axis=-1), np.sum((colors - back) ** 2, axis=-1)
        )
        costs[i] = np.where(shifted(unknown, dy, dx), errors, np.inf)
    order = np.argsort(costs, axis=0, kind="stable")[:SHARED]
    chosen = np.take_along_axis(tried, order[..., None, None], axis=0)
    weight = np.isfinite(np.take_along_axis(costs, order, axis=0))[..., None, None]
    result: Array = np.sum(chosen * weight, axis=0) / np.maximum(np.sum(weight, axis=0), 1)
    return result


def sixteen_bits(values: Array) -> Array:
    return np.floor(values * 65535.0 + 0.5) / 65535.0


def smooth(image: Array, classes: Array, pairs: Array) -> tuple[Array, Array]:
    """Alpha and confidence of the unknown pixels; image and pairs in [0, 1]."""
    unknown = classes == UNKNOWN
    alpha, off, length = line_fit(image, pairs[..., 0, :], pairs[..., 1, :])
    alpha = np.where(unknown, sixteen_bits(alpha), 0.5 * classes)
    confidence = np.maximum(sixteen_bits(np.exp(-DECAY * off)), 1.0 / 65535.0) * unknown
    between = confidence * alpha * (1.0 - alpha)
    known = (~unknown).astype(np.float64)

    shape = unknown.shape
    front, back = np.zeros((*shape, 3)), np.zeros((*shape, 3))
    front_weight, back_weight, pair_weight, lengths, low, low_weight = np.zeros((6, *shape))
    for dy, dx in OFFSETS:
        near = np.exp(-(dy * dy + dx * dx) / SPREAD)
        its_alpha, its_pairs = shifted(alpha, dy, dx), shifted(pairs, dy, dx)
        weight = near * shifted(confidence, dy, dx)
        unlike = weight * (np.abs(alpha - its_alpha) + (dy == 0 and dx == 0))
        to_front = unlike * its_alpha + LEAST * weight
        to_back = unlike * (1.0 - its_alpha) + LEAST * weight
        front += to_front[..., None] * its_pairs[..., 0, :]
        back += to_back[..., None] * its_pairs[..., 1, :]
        front_weight += to_front
        back_weight += to_back
        pair_weight += shifted(between, dy, dx)
        lengths += shifted(between * length, dy, dx)
        around = weight + (near + 1.0) * shifted(known, dy, dx)
        low += around * its_alpha
        low_weight += around
    with np.errstate(divide="ignore", invalid="ignore"):
        front, back = front / front_weight[..., None], back / back_weight[..., None]
        low = low / low_weight
        alpha, off, length = line_fit(image, front, back)
        apart = np.where(length * pair_weight < lengths, length * pair_weight / lengths, 1.0)
    confidence = np.where(length > LEAST_LENGTH, apart * np.exp(-DECAY * off), 0.0)
    return np.clip(confidence * alpha + (1.0 - confidence) * low, 0.0, 1.0), confidence


def sample_alpha(image: Array, trimap: Array) -> tuple[Array, Array]:
    """Alpha and confidence (H, W) float64 of an image (H, W, 3 | 4) with a trimap (H, W) uint8."""
    colors, classes = ten_bits(image[..., :3]), classify(trimap)
    has_front, has_back = np.any(classes == FOREGROUND), np.any(classes == BACKGROUND)
    known = classes != UNKNOWN
    if not (has_front and has_back):
        alpha = 1.0 if has_front else 0.0 if has_back else 0.5
        sure = float(has_front or has_back)
        return np.where(known, 0.5 * classes, alpha), np.where(known, 1.0, sure)
    means = tuple(
        np.floor(colors[classes == kind].mean(axis=0) + 0.5).astype(np.int64)
        for kind in (FOREGROUND, BACKGROUND)
    )
    classes = expand(colors, classes)
    unknown = classes == UNKNOWN
    pairs = np.zeros((*classes.shape, 2, 3))
    for y, x in zip(*np.nonzero(unknown), strict=True):
        pairs[y, x] = gather(colors, classes, int(y), int(x), (means[0], means[1]))
    pairs = share(colors, unknown, pairs)
    alpha, confidence = smooth(colors / SCALE, classes, pairs / SCALE)
    return np.where(unknown, alpha, 0.5 * classes), np.where(unknown, confidence, 1.0)

"""Definition of closed-form alpha: a dense matrix and a direct solver, for small images only.

Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting, TPAMI 2008.
"""

from __future__ import annotations

import numpy as np

from .pixels import Array, to_unit

EPSILON = 1e-7  # PyMatting's default; per window it is divided by the number of its pixels
SIDE = 3
AREA = SIDE * SIDE
LOWEST_UNKNOWN, HIGHEST_UNKNOWN = 26, 229


def laplacian(image: Array) -> Array:
    """The matting Laplacian (H * W, H * W) of an image (H, W, 3) in [0, 1], eq. 12 of the paper.

    Only windows that lie in the image entirely contribute, so an image has at least 3 x 3 pixels.
    """
    height, width = image.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    result = np.zeros((height * width, height * width))
    for y in range(height - SIDE + 1):
        for x in range(width - SIDE + 1):
            window = np.s_[y : y + SIDE, x : x + SIDE]
            colors = image[window].reshape(AREA, 3)
            centered = colors - colors.mean(axis=0)
            covariance = centered.T @ centered / AREA
            inverse = np.linalg.inv(covariance + EPSILON / AREA * np.eye(3))
            pixels = index[window].ravel()
            result[np.ix_(pixels, pixels)] += (
                np.eye(AREA) - (1.0 + centered @ inverse @ centered.T) / AREA
            )
    return result


def estimate_alpha(image: Array, trimap: Array) -> Array:
    """Alpha (H, W) float64 of an image (H, W, 3 | 4) with a trimap (H, W) uint8.

    Solves L_U x_U = -L_UK x_K on the unknown pixels and clips the solution to [0, 1].
    A side of less than three pixels is made three by repeating its last pixel.
    """
    shape = trimap.shape
    if trimap.size == 0:
        return np.zeros(shape)
    grown = [(0, max(0, SIDE - side)) for side in shape]
    colors = np.pad(to_unit(image[..., :3]), [*grown, (0, 0)], mode="edge")
    marks = np.pad(trimap, grown, mode="edge").ravel()

    unknown = (marks >= LOWEST_UNKNOWN) & (marks <= HIGHEST_UNKNOWN)
    alpha = (marks > HIGHEST_UNKNOWN).astype(np.float64)
    if unknown.all():
        alpha[:] = 0.5  # every constant solves the equations
    elif unknown.any():
        matrix = laplacian(colors)
        rest = -matrix[np.ix_(unknown, ~unknown)] @ alpha[~unknown]
        alpha[unknown] = np.linalg.solve(matrix[np.ix_(unknown, unknown)], rest)
    alpha = np.clip(alpha, 0.0, 1.0).reshape(colors.shape[:2])
    return alpha[: shape[0], : shape[1]]

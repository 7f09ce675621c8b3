"""How good mattes are, by the measures of salient object detection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Scores", "mean_scores", "score"]


class Scores(NamedTuple):
    """iou: of the halves above 0.5, 1 where both are empty. f_measure: weighted to precision by
    beta² = 0.3 (Achanta et al., 2009), of the same halves. error: mean absolute. edge_error: the
    same within 1 % of the width (at least 2 pixels) of the true edge, 0 where there is none.
    """

    iou: float
    f_measure: float
    error: float
    edge_error: float


def score(predicted: npt.NDArray[np.float32], matte: npt.NDArray[np.uint8]) -> Scores:
    """Compares a predicted matte with the true one.

    Args:
        predicted: (H, W) in [0, 1].
        matte: (H, W) uint8, 255 where foreground.
    """
    found, true = predicted > 0.5, matte > 127
    both = np.count_nonzero(found & true)
    sizes = np.count_nonzero(found) + np.count_nonzero(true)
    difference = np.abs(predicted - matte / np.float32(255))
    band = _edge(true)
    return Scores(
        iou=both / (sizes - both) if sizes else 1.0,
        f_measure=1.3 * both / (np.count_nonzero(found) + 0.3 * np.count_nonzero(true))
        if sizes
        else 1.0,
        error=float(difference.mean()),
        edge_error=float(difference[band].mean()) if band.any() else 0.0,
    )


def mean_scores(scores: list[Scores]) -> Scores:
    """The mean over images."""
    return Scores(*np.mean(scores, axis=0).tolist())


def _edge(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels with some of both around them, in a square."""
    reach = max(2, round(0.01 * mask.shape[1]))
    counts, area = mask.astype(np.int32), np.ones(mask.shape, np.int32)
    for axis in (0, 1):
        counts, area = (_sums(each, reach, axis) for each in (counts, area))
    return (counts > 0) & (counts < area)


def _sums(values: npt.NDArray[np.int32], reach: int, axis: int) -> npt.NDArray[np.int32]:
    """Over so many neighbours to both sides, as far as there are any."""
    length = values.shape[axis]
    total = np.insert(values.cumsum(axis, dtype=np.int32), 0, 0, axis)
    at = np.arange(length)
    after, before = np.minimum(at + reach + 1, length), np.maximum(at - reach, 0)
    return total.take(after, axis) - total.take(before, axis)

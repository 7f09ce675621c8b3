"""How much of a subject a network is unsure of, by its mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimatte.arrays import FULL_SCALES, Array
from trimatte.ops.edges import choke
from trimatte.ops.resizing import resize

__all__ = ["glance", "unsure_share"]

_GRID = 320  # cells in each direction, whatever the image's size
_OUTSIDE, _INSIDE = 0.15, 0.85  # below the one and above the other a mask is sure
_REACH = 3.0  # cells: the radius of a disk that fits into no soft edge of a sure mask


def glance(mask: Array, stream: Any = None) -> Array:
    """A mask (H, W), no side 0, as the means of (320, 320) cells, of its dtype and where it lies:
    all that `unsure_share` needs of it."""
    return resize(mask, (_GRID, _GRID), filter="box", stream=stream)


def unsure_share(cells: Array) -> float:
    """How much of the subject the mask is unsure of, in [0, 1]: U / (U + S), S being the cells of
    more than 0.85, and U those from 0.15 to 0.85 less what is no wider than a soft edge (by an
    opening with a disk). 0 where the mask finds nothing. cells: by `glance`, NumPy's.

    By the subject, as a share of the image says much less about a mask's IoU.
    """
    full = FULL_SCALES[cells.dtype.name]
    inside = cells > _INSIDE * full
    between = (cells >= _OUTSIDE * full) & ~inside
    unsure = int(np.count_nonzero(choke(choke(between, _REACH), -_REACH)))
    both = unsure + int(np.count_nonzero(inside))
    return unsure / both if both else 0.0

"""What is known of a screen: its colour at every place, and a model of alpha before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import Array, ArrayLike
from trimatte.errors import ArgumentError

__all__ = ["Screen", "fit_screen"]


@dataclass(frozen=True, eq=False)
class Screen:
    """A screen on a coarse grid of square cells, in a working space of colours in [0, 1].

    Alpha at a pixel is ``clip(m0 R + m1 G + m2 B + m3)``, where m is bilinearly interpolated from
    ``model``; the screen's own colour there likewise from ``plate``. Pixel x lies at
    ``(x + 0.5) / cell - 0.5`` on the grid, held to the grid's ends.

    Attributes:
        key_color: (r, g, b) of the screen as a whole, 0..255, encoded.
        transfer: the working space: ``"srgb"``, colours as they are encoded, or ``"linear"`` light.
        cell: pixels a side of a cell.
        model: (h, w, 4) float32, (m0, m1, m2, m3) of every cell.
        plate: (h, w, 3) float32, the screen's colour in every cell, in the working space.
        noise: the standard deviation of the screen's samples, in the working space.
    """

    key_color: tuple[float, float, float]
    transfer: str
    cell: int
    model: Array
    plate: Array
    noise: float
    _placed: dict[tuple[str, str], Array] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.transfer not in ("srgb", "linear"):
            raise ArgumentError(
                f"Screen: transfer must be 'srgb' or 'linear', got {self.transfer!r:.80}"
            )
        if not isinstance(self.cell, (int, np.integer)) or self.cell < 1:
            raise ArgumentError(
                f"Screen: cell must be a whole number from 1, got {self.cell!r:.80}"
            )

    def beside(self, name: str, image: Array) -> Array:
        """``model`` or ``plate`` where an image lies; copied to a GPU once."""
        grid: Array = getattr(self, name)
        if not isinstance(image, DeviceArray) or isinstance(grid, DeviceArray):
            return grid
        key = name, image.device
        if key not in self._placed:
            self._placed[key] = _core.place(grid, image.device, "Screen")
        return self._placed[key]


def fit_screen(
    image: ArrayLike,
    *,
    key_color: Any = "green",
    plate: ArrayLike | None = None,
    transfer: str = "srgb",
) -> Screen:
    """The screen of an image."""
    raise NotImplementedError("fit_screen")

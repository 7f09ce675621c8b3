"""Screens: what a keyer learns of the background that it removes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trimatte import _core
from trimatte.arrays import (
    SCREEN_COLORS,
    Array,
    ArrayLike,
    KeyColor,
    KeyColorLike,
    as_array,
    as_key_color,
    choice,
    depth_code,
    is_number,
    key_channel,
    window_on_host,
)
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError, ScreenError

__all__ = ["Screen", "check_screen_options", "fit_screen"]


_MOST_PIXELS = 1.2e6  # that are looked at
_CELL = 8  # of those
_LARGEST_CELL = 2**24
_TRANSFERS = {"srgb": 0, "linear": 1, "auto": 2}


@dataclass(frozen=True, eq=False)
class Screen:
    """A screen as `fit_screen` finds it, on a coarse grid of square cells: all that
    ``chroma_key(method="plate")`` needs. It is one image's, for it knows where the foreground is;
    ``fit_screen(next_frame, like=screen)`` takes what the frames of a shot share to the next.

    Alpha at a pixel is ``clip(m0 R + m1 G + m2 B + m3)``, where m is bilinearly interpolated from
    ``model``; the screen's own colour there likewise from ``plate``. Pixel x lies at
    ``(x + 0.5) / cell - 0.5`` on the grid, held to the grid's ends.

    Attributes:
        key_color: (r, g, b) of the screen as a whole, 0..255, encoded.
        transfer: the working space of the rest: ``"srgb"``, colours as they are encoded, or
            ``"linear"`` light; colours in [0, 1].
        cell: pixels a side of a cell.
        model: (h, w, 4) float32, (m0, m1, m2, m3) of every cell.
        plate: (h, w, 3) float32, the screen's colour in every cell.
        noise: the standard deviation of alpha on the bare screen, from 0.
        share: of the image that is bare screen, in [0, 1].
    """

    key_color: tuple[float, float, float]
    transfer: str
    cell: int
    model: Array = field(repr=False)
    plate: Array = field(repr=False)
    noise: float
    share: float = 1.0
    _placed: dict[tuple[str, str], Array] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.transfer not in ("srgb", "linear"):
            raise ArgumentError(
                f"Screen: transfer must be 'srgb' or 'linear', got {self.transfer!r:.80}"
            )
        if not isinstance(self.cell, (int, np.integer)) or not 1 <= self.cell <= _LARGEST_CELL:
            raise ArgumentError(
                f"Screen: cell must be a whole number in [1, {_LARGEST_CELL}], got "
                f"{self.cell!r:.80}"
            )

        for name, values in (("model", 4), ("plate", 3)):
            object.__setattr__(self, name, _grid(getattr(self, name), name, values))
        if self.model.shape[:2] != self.plate.shape[:2]:
            raise ArgumentError(
                f"Screen: plate must have the model's grid {self.model.shape[:2]}, got "
                f"{self.plate.shape[:2]}"
            )
        if not (is_number(self.noise) and 0.0 <= self.noise < math.inf):
            raise ArgumentError(f"Screen: noise must be a number from 0, got {self.noise!r:.80}")
        color = as_key_color(self.key_color, "Screen", auto=False)
        object.__setattr__(self, "key_color", color)

    def beside(self, name: str, image: Array) -> Array:
        """``model`` or ``plate`` where an image lies; copied to a GPU once."""
        grid: Array = getattr(self, name)
        if not isinstance(image, DeviceArray) or isinstance(grid, DeviceArray):
            return grid
        key = name, image.device
        if key not in self._placed:
            self._placed[key] = _core.place(grid, image.device, "Screen")
        return self._placed[key]

    def plate_of(self, image: Array, *, stream: Any = None) -> Array:
        """The clean plate of an image, of its size and dtype, where it lies; in the working
        space."""
        height, width = image.shape[:2]
        return _core.plate_image(
            self.beside("plate", image),
            (height, width),
            self.cell,
            depth_code(image.dtype, "Screen"),
            None,
            stream,
        )


def fit_screen(
    image: ArrayLike,
    *,
    key_color: KeyColorLike = "auto",
    plate: ArrayLike | None = None,
    transfer: str = "auto",
    like: Screen | None = None,
) -> Screen:
    """Learns a screen from an image of it: its colour, how it is lit, and what tells it from the
    foreground.

    Between a screen's colour B and a foreground's F alpha is a linear function of the colour; of
    all such functions the one that noise and the foreground's texture move least is Fisher's linear
    discriminant (1936). B and F are means of what is surely screen and surely foreground, filled in
    by push and pull (Gortler et al., SIGGRAPH 1996): a plate of the screen as the image based
    keyer's (Foundry, IBK), and one of the foreground. Where nothing is soft alpha is a constant 0
    or 1, so that noise does not show; black and white points follow the noise.

    About a million pixels are looked at, every n-th of each n-th row of a larger image. Of an
    image on a GPU these are copied to the host, which waits for them.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel says no
            more than where the borders are.
        key_color: ``"auto"``: the commonest colour of the borders that is not red, yellow or a
            skin's, nor white, grey or black, and that the upper border has: subjects come in from
            below. ``"green"``, ``"blue"``, ``"red"``, ``"magenta"``, ``"cyan"``, ``"yellow"``,
            ``"white"``, ``"gray"``, ``"black"``: the commonest of that kind. (r, g, b) in 0..255,
            another CSS name or ``"#rrggbb"``: that one. The borders are those of what is not
            transparent.
        plate: a clean plate, the screen without anybody before it, of the image's size and dtype,
            or None: it is made of what is seen of the screen.
        transfer: the space in which foreground and screen were mixed: ``"linear"`` light, as in a
            camera, ``"srgb"``, of the encoded values, as image programs do; ``"auto"``: in which
            the mixtures lie nearer to straight lines.
        like: the screen of an earlier frame of the same shot: key colour, plate and transfer are
            its own, the plate following slowly what is seen of it now; key_color, plate and
            transfer say nothing then. The image has its image's size.

    Returns:
        A `Screen`.

    Raises:
        ArgumentError: an argument is not what is listed above.
        ScreenError: there is no such screen; an ArgumentError as well.
    """
    operation = "fit_screen"
    pixels = as_array(image, operation, "image")
    _core.check(pixels, operation, "image", color=True)
    if 0 in pixels.shape[:2]:
        raise ArgumentError(f"{operation}: image must not be empty, got {pixels.shape}")
    step = math.ceil(math.sqrt(pixels.shape[0] * pixels.shape[1] / _MOST_PIXELS))
    asked = as_key_color(key_color, operation)
    color, channel = _key(asked)
    mode = choice(_TRANSFERS, transfer, operation, "transfer")
    clean = None
    if plate is not None and like is None:
        clean = as_array(plate, operation, "plate")
        _core.check(clean, operation, "plate", color=True)
        clean = _every(clean, step)
    known = None
    if like is not None:
        if not isinstance(like, Screen):
            raise ArgumentError(f"{operation}: like must be a trimatte.Screen, got {like!r:.80}")
        known = _known_plate(like, pixels, step)
        color, channel = _key(like.key_color)
        mode = _TRANSFERS[like.transfer]
    seen = _every(pixels, step)
    if color is None and (shown := _shown(seen)).shape != seen.shape:
        r, g, b = _core.fit_screen(shown, None, None, channel, mode, None)[0]
        color = (r, g, b) if min(r, g, b) >= 0 else None
    key, linear, noise, share, model, own_plate = _core.fit_screen(
        seen, clean, color, channel, mode, known
    )
    if model.size == 0:
        part = f"only {share:.1%}" if share >= 0.0005 else "nothing"
        found = f"{part} of the image has "
        if asked == "auto":
            kind, found = "", f"{found}the colour of one"
        elif isinstance(asked, str):
            kind, found = f"{asked} ", f"{found}that colour"
        else:
            wanted = ", ".join(f"{value:g}" for value in asked)
            kind, found = "such ", f"{found}the colour ({wanted})"
        raise ScreenError(
            f"{operation}: no {kind}screen was found: {found}; key_color= takes its own colour"
        )
    return Screen(
        key_color=(round(255 * key[0], 3), round(255 * key[1], 3), round(255 * key[2], 3)),
        transfer="linear" if linear else "srgb",
        model=model,
        plate=own_plate,
        cell=_CELL * step,
        noise=noise,
        share=share,
    )


def _grid(given: Array, name: str, values: int) -> Array:
    """A grid of a Screen as the core reads it."""
    if isinstance(given, DeviceArray):
        return given
    wanted = f"Screen: {name} must be (h, w, {values}) float32, finite, not empty"
    try:
        grid = np.ascontiguousarray(given, np.float32)
    except (TypeError, ValueError):
        raise ArgumentError(f"{wanted}, got {given!r:.80}") from None
    if grid.ndim != 3 or grid.shape[2] != values or grid.size == 0 or not np.isfinite(grid).all():
        raise ArgumentError(f"{wanted}, got {grid.shape}")
    return grid


def check_screen_options(operation: str, key_color: KeyColorLike, transfer: str | None) -> None:
    """Raises ArgumentError where `fit_screen` would, whatever the image."""
    as_key_color(key_color, operation)
    if transfer is not None:
        choice(_TRANSFERS, transfer, operation, "transfer")


def _known_plate(like: Screen, image: Array, step: int) -> Array:
    rows, columns = (math.ceil(math.ceil(side / step) / _CELL) for side in image.shape[:2])
    if like.cell != _CELL * step or like.plate.shape != (rows, columns, 3):
        raise ArgumentError(
            f"fit_screen: like must be the screen of an image of {image.shape}, got one with a "
            f"plate of {like.plate.shape} and cells of {like.cell} pixels"
        )
    return like.plate


def _shown(image: Array) -> Array:
    """The rectangle of an image that is not transparent: its border says what is around it."""
    if image.shape[2] < 4:
        return image
    shows = image[:, :, 3] > 0
    rows, columns = (np.flatnonzero(shows.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return image
    return np.ascontiguousarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _every(array: Array, step: int) -> Array:
    """Every so many pixels, on the host."""
    every = slice(None, None, step)
    return np.ascontiguousarray(window_on_host(array, every, every))


def _key(key_color: KeyColor) -> tuple[tuple[float, float, float] | None, int]:
    """A key colour in [0, 1], or None where it is to be found; and its channel, or -1 for any."""
    if isinstance(key_color, str):
        return None, -1 if key_color == "auto" else list(SCREEN_COLORS).index(key_color)
    r, g, b = key_color
    return (r / 255, g / 255, b / 255), key_channel(key_color)

"""What a key is asked for: its method's options, looked up and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import (
    FULL_SCALES,
    Array,
    ArrayLike,
    KeyColor,
    KeyColorLike,
    as_array,
    as_key_channel,
    as_key_color,
    choice,
    color_of_key,
    depth_code,
    is_number,
    key_channel,
    number,
    sheds_spill,
)
from trimatte.errors import ArgumentError
from trimatte.ops.screens import Screen, fit_screen

__all__ = [
    "KEY_DEFAULTS",
    "KEY_METHODS",
    "KeyRule",
    "check_key_options",
    "key_rule",
    "run_key",
    "usual_method",
]

_LEAST_CHROMA = 5.0  # of 255, of a key colour that has a hue

_SOFT_METHODS = {"ffmpeg": 0, "obs": 1, "vlahos": 2, "plate": 3}
KEY_DEFAULTS = {
    "difference": (30.0, 0.0),
    "ffmpeg": (0.3, 0.5),
    "obs": (0.3, 0.5),
    "vlahos": (0.0, 0.0),
    "plate": (0.0, 0.0),
}
"""Tolerance and softness of every method, where they are not given."""

KEY_METHODS = ("plate", *(method for method in KEY_DEFAULTS if method != "plate"))
"""The best first."""

_OPTIONS = {
    "difference": ("tolerance", "softness"),
    "ffmpeg": ("tolerance", "softness"),
    "obs": ("tolerance", "softness"),
    "vlahos": ("plate",),
    "plate": ("plate", "screen"),
}


@dataclass(frozen=True)
class KeyRule:
    """The options of a key, looked up."""

    method: str
    channel: int
    color: tuple[float, float, float]  # encoded, in [0, 1]
    tolerance: float
    softness: float
    transfer: str
    clip: tuple[float, float]
    grid: Array | None = None  # where the image lies
    cell: int = 0
    screen: Screen | None = None

    @property
    def sheds_spill(self) -> bool:
        """See `trimatte.arrays.sheds_spill`."""
        r, g, b = (255 * value for value in self.color)
        return sheds_spill((r, g, b))

    def arguments(self) -> dict[str, Any]:
        """What `_core` takes."""
        given: dict[str, Any] = {
            "channel": self.channel,
            "tolerance": self.tolerance,
            "softness": self.softness,
            "clip": self.clip,
        }
        if self.method == "difference":
            return given
        return {
            **given,
            "method": _SOFT_METHODS[self.method],
            "grid": self.grid,
            "color": self.color,
            "linear": self.transfer == "linear",
            "cell": self.cell,
        }


def check_key_options(operation: str, method: str, **options: Any) -> None:
    """Raises ArgumentError where there is no such method, or where it has not what is given."""
    known = choice(_OPTIONS, method, operation, "method")
    for name, value in options.items():
        if value is not None and name not in known:
            raise ArgumentError(
                f"{operation}: {name} must be None for method={method!r}, which has none, got "
                f"{value!r:.80}"
            )


def key_rule(
    operation: str,
    image: Array,
    *,
    key_color: KeyColorLike = "green",
    method: str,
    tolerance: float | None = None,
    softness: float | None = None,
    plate: ArrayLike | None = None,
    screen: Screen | None = None,
    transfer: str | None = None,
    clip: tuple[float, float] = (0.0, 1.0),
    stream: Any = None,
) -> KeyRule:
    """The options of a key, and nothing that its method has not."""
    check_key_options(
        operation, method, tolerance=tolerance, softness=softness, plate=plate, screen=screen
    )
    defaults = KEY_DEFAULTS[method]
    color = as_key_color(key_color, operation)
    _check_color(operation, method, color)
    if method == "plate" and screen is None:
        choose = "auto" if transfer is None else transfer
        screen = fit_screen(image, key_color=color, plate=plate, transfer=choose)
        plate = None
    elif color == "auto":
        color = fit_screen(image).key_color
        _check_color(operation, method, color)
    space = _transfer(operation, method, transfer, screen)
    if method == "plate" and screen is not None:
        if plate is not None:
            raise ArgumentError(f"{operation}: plate must be None where a screen is given")
        color = screen.key_color
    found = KeyRule(
        method,
        key_channel(color),
        _encoded(color),
        defaults[0] if tolerance is None else number(tolerance, operation, "tolerance"),
        defaults[1] if softness is None else number(softness, operation, "softness"),
        space,
        _levels(operation, clip),
    )
    if screen is not None:
        model = screen.beside("model", image)
        return replace(found, grid=model, cell=int(screen.cell), screen=screen)
    if plate is not None:
        return replace(found, grid=_plate_grid(operation, image, plate, space, stream))
    return found


def _check_color(operation: str, method: str, color: KeyColor) -> None:
    """Raises ArgumentError: the method cannot key that colour."""
    if color == "auto":
        return
    if method in ("difference", "vlahos"):
        what = f"method={method!r} (method='plate' keys any colour)"
        as_key_channel(color, operation, what, alone=True)
    values = color_of_key(color)
    if method in ("ffmpeg", "obs") and max(values) - min(values) < _LEAST_CHROMA:
        raise ArgumentError(
            f"{operation}: key_color must not be grey for method={method!r}, which knows a screen "
            f"by its hue; method='plate' keys any colour; got {color!r}"
        )


def usual_method(screen: Screen | None) -> str:
    """The method where none is named."""
    return "difference" if screen is None else "plate"


def _transfer(operation: str, method: str, transfer: str | None, screen: Screen | None) -> str:
    if screen is not None and not isinstance(screen, Screen):
        raise ArgumentError(f"{operation}: screen must be a trimatte.Screen, got {screen!r:.80}")
    known = "srgb" if screen is None else screen.transfer
    if transfer is None:
        return known
    choice({"srgb": 0, "linear": 1}, transfer, operation, "transfer")
    if screen is not None and transfer != known:
        raise ArgumentError(
            f"{operation}: transfer must be the screen's, {known!r}, or None, got {transfer!r:.80}"
        )
    if method == "difference" and transfer != "srgb":
        raise ArgumentError(
            f"{operation}: transfer must be 'srgb' for method='difference', got {transfer!r:.80}"
        )
    return transfer


def _levels(operation: str, clip: Any) -> tuple[float, float]:
    """(black, white)"""
    if isinstance(clip, (tuple, list)) and len(clip) == 2 and all(map(is_number, clip)):
        black, white = float(clip[0]), float(clip[1])
        if 0.0 <= black < white <= 1.0:
            return black, white
    raise ArgumentError(
        f"{operation}: clip must be (black, white) with 0 <= black < white <= 1, got {clip!r:.80}"
    )


def _encoded(key_color: KeyColor) -> tuple[float, float, float]:
    """A key colour in [0, 1]."""
    r, g, b = color_of_key(key_color)
    return r / 255.0, g / 255.0, b / 255.0


def _plate_grid(
    operation: str, image: Array, plate: ArrayLike, transfer: str, stream: Any
) -> Array:
    """A clean plate as (h, w, 3) float32 of the working space, where the image lies."""
    array = as_array(plate, operation, "plate", stream)
    grid = _core.decode(
        array,
        linear=transfer == "linear",
        operation=operation,
        name="plate",
        device=None,
        stream=stream if isinstance(array, DeviceArray) else None,
    )
    return _core.place(grid, image.device, operation) if isinstance(image, DeviceArray) else grid


def run_key(
    operation: str,
    array: Array,
    rule: KeyRule,
    dtype: npt.DTypeLike | None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """`chroma_key` under the name of the operation that a message should name."""
    # An image of a wrong dtype is refused by the core, which names it; any depth will do here.
    known = array.dtype.name in FULL_SCALES
    run = _core.chroma_key if rule.method == "difference" else _core.soft_key
    return run(
        array,
        **rule.arguments(),
        depth=depth_code(array.dtype if dtype is None and known else dtype or np.uint8, operation),
        operation=operation,
        device=device,
        stream=stream,
    )

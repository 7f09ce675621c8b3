"""Chroma key: which pixels are screen, by colour alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import (
    DESPILL_METHODS,
    Array,
    ArrayLike,
    as_array,
    choice,
    depth_code,
    is_number,
    key_channel,
    number,
)
from trimatte.errors import ArgumentError
from trimatte.screens import Screen, fit_screen

__all__ = ["KeyRule", "chroma_key", "key_cutout", "key_rule", "run_key"]

KeyColor = str | tuple[float, float, float]

# What the names of screens stand for: the paints and cloths sold as chroma key green and blue.
SCREEN_COLORS = {
    "green": (0.0, 177.0, 64.0),
    "blue": (0.0, 71.0, 187.0),
    "red": (200.0, 16.0, 46.0),
}

_SOFT_METHODS = {"ffmpeg": 0, "obs": 1, "vlahos": 2, "plate": 3}
_DEFAULTS = {  # tolerance and softness
    "difference": (30.0, 0.0),
    "ffmpeg": (0.3, 0.5),
    "obs": (0.3, 0.5),
    "vlahos": (0.0, 0.0),
    "plate": (0.0, 0.0),
}
_OPTIONS = {
    "difference": ("tolerance", "softness"),
    "ffmpeg": ("tolerance", "softness"),
    "obs": ("tolerance", "softness"),
    "vlahos": ("plate",),
    "plate": ("plate", "screen"),
}


def chroma_key(
    image: ArrayLike,
    *,
    key_color: KeyColor = "green",
    method: str = "difference",
    tolerance: float | None = None,
    softness: float | None = None,
    plate: ArrayLike | None = None,
    screen: Screen | None = None,
    transfer: str | None = None,
    clip: tuple[float, float] = (0.0, 1.0),
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Alpha by colour: how much of a pixel is not screen.

    ``"difference"``, the default, is hard or has a ramp. With k the key colour's channel and a, b
    the two others, the hard rule is::

        alpha = 0 if k > a + tolerance and k > b + tolerance else 1

    With ``softness > 0`` alpha falls linearly from 1 to 0 while the difference ``k - max(a, b)``
    rises from ``tolerance`` to ``tolerance + softness``: the colour-difference key of Vlahos (US
    3,158,477) with a black and a white point. The rule is applied to the values as they are
    encoded.

    ``"ffmpeg"`` is FFmpeg's filter ``chromakey`` (vf_chromakey.c), and ``"obs"`` OBS Studio's
    chroma key (chroma_key_filter_v2.effect). Both take the distance of a pixel's chroma to the
    key's, averaged over 3 x 3 pixels, and let alpha rise from 0 to 1 while it goes from
    ``tolerance`` to ``tolerance + softness``; OBS's to the power of 1.5. Distances are counted in
    units of the key colour's own distance from grey, so that one setting does for any screen. To
    get there, divide FFmpeg's ``similarity`` and ``blend`` by ``hypot(u, v) / sqrt(2)``, where
    u = -0.16874 R - 0.33126 G + 0.5 B and v = 0.5 R - 0.41869 G - 0.08131 B of the key colour in
    [0, 1] (0.3775 for pure green); and OBS's ``similarity`` and ``smoothness``, over 1000, by
    ``hypot(cb, cr)``, where cb = -0.100644 R - 0.338572 G + 0.439216 B and cr = 0.439216 R -
    0.398942 G - 0.040274 B (0.5232 for pure green). At the image's border its outermost pixels go
    on outward (FFmpeg lets what it read last stand).

    ``"vlahos"`` sets the colour difference in relation to the screen's own, K::

        alpha = clip(1 - (k - max(a, b)) / (K_k - max(K_a, K_b)))

    K is the key colour, or with ``plate`` that picture's colour at the pixel. Where K's difference
    is below 1/255, it counts as that.

    ``"plate"`` is ``clip(m0 R + m1 G + m2 B + m3)`` with the model m of a `trimatte.Screen`.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        key_color: ``"green"``, ``"blue"``, ``"red"``, or (r, g, b) in 0..255. ``"difference"``
            only takes its largest channel; to the others the names mean (0, 177, 64), (0, 71, 187)
            and (200, 16, 46), the usual screens. A screen has its own.
        method: ``"difference"``, ``"ffmpeg"``, ``"obs"``, ``"vlahos"`` or ``"plate"``.
        tolerance: for ``"difference"`` in [0, 255], in units of 1/255 of full scale whatever the
            image's dtype, by default 30. For ``"ffmpeg"`` and ``"obs"`` in [0, 100], a fraction of
            the key colour's distance from grey, by default 0.3. The others have none.
        softness: width of the ramp, in the same units: by default 0, and 0.5.
        plate: (h, w, 3 or 4) of any size, uint8, uint16 or float32: the empty screen, stretched
            over the image; of low resolution it costs the least, and for an image on a GPU if it
            lies there too. For ``"vlahos"``, and for
            ``"plate"`` where no screen is given.
        screen: for ``"plate"``: the `trimatte.Screen`; None: `trimatte.fit_screen` finds it in the
            image.
        transfer: ``"linear"`` compares in linear light (IEC 61966-2-1), ``"srgb"`` values as they
            are encoded; None means the screen's, or ``"srgb"``, which is all that ``"difference"``
            has.
        clip: (black, white), 0 <= black < white <= 1: alphas that become 0 and 1, with those
            between spread out.
        dtype: of the result: uint8, uint16 or float32; None means the image's.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) alpha: 0 is screen, full scale (255, 65535 or 1.0) is kept. Integer results are
        rounded to nearest, half up.

    Raises:
        ArgumentError: an argument is not what is listed above, or one that the method has not.
    """
    array = as_array(image, "chroma_key", "image", stream)
    rule = key_rule(
        "chroma_key",
        array,
        key_color=key_color,
        method=method,
        tolerance=tolerance,
        softness=softness,
        plate=plate,
        screen=screen,
        transfer=transfer,
        clip=clip,
        stream=stream,
    )
    return run_key("chroma_key", array, rule, dtype, device, stream)


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


def key_rule(
    operation: str,
    image: Array,
    *,
    key_color: KeyColor = "green",
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
    defaults = choice(_DEFAULTS, method, operation, "method")
    given = {"tolerance": tolerance, "softness": softness, "plate": plate, "screen": screen}
    for name, value in given.items():
        if value is not None and name not in _OPTIONS[method]:
            raise ArgumentError(
                f"{operation}: {name} must be None for method={method!r}, which has none, got "
                f"{value!r:.80}"
            )
    if method == "plate" and screen is None:
        choose = "auto" if transfer is None else transfer
        screen = fit_screen(image, key_color=key_color, plate=plate, transfer=choose)
        plate = None
    space = _transfer(operation, method, transfer, screen)
    if method == "plate" and screen is not None:
        if plate is not None:
            raise ArgumentError(f"{operation}: plate must be None where a screen is given")
        key_color = screen.key_color
    found = KeyRule(
        method,
        key_channel(key_color, operation),
        _color(key_color),
        defaults[0] if tolerance is None else number(tolerance, operation, "tolerance"),
        defaults[1] if softness is None else number(softness, operation, "softness"),
        space,
        _levels(operation, clip),
    )
    if screen is not None:
        return replace(found, grid=screen.beside("model", image), cell=int(screen.cell))
    if plate is not None:
        return replace(found, grid=_plate_grid(operation, image, plate, space, stream))
    return found


def _transfer(operation: str, method: str, transfer: str | None, screen: Screen | None) -> str:
    if screen is not None and not isinstance(screen, Screen):
        raise ArgumentError(f"{operation}: screen must be a trimatte.Screen, got {screen!r:.80}")
    known = "srgb" if screen is None else screen.transfer
    if transfer is None:
        return known
    choice({"srgb": 0, "linear": 1}, transfer, operation, "transfer")
    if screen is not None and transfer != known:
        raise ArgumentError(
            f"{operation}: transfer must be the screen's, {known!r}, or None, got {transfer!r}"
        )
    if method == "difference" and transfer != "srgb":
        raise ArgumentError(
            f"{operation}: transfer must be 'srgb' for method='difference', got {transfer!r}"
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


def _color(key_color: KeyColor) -> tuple[float, float, float]:
    """A key colour, which `key_channel` has checked, in [0, 1]."""
    r, g, b = SCREEN_COLORS[key_color] if isinstance(key_color, str) else key_color
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
    known = array.dtype.name in ("uint8", "uint16", "float32")
    run = _core.chroma_key if rule.method == "difference" else _core.soft_key
    return run(
        array,
        **rule.arguments(),
        depth=depth_code(array.dtype if dtype is None and known else dtype or np.uint8, operation),
        operation=operation,
        device=device,
        stream=stream,
    )


def key_cutout(
    image: ArrayLike,
    *,
    key_color: KeyColor = "green",
    method: str = "difference",
    tolerance: float | None = None,
    softness: float | None = None,
    plate: ArrayLike | None = None,
    screen: Screen | None = None,
    transfer: str | None = None,
    clip: tuple[float, float] = (0.0, 1.0),
    despill: str | None = "average",
    despill_strength: float = 1.0,
    premultiplied: bool = False,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Chroma key, de-spill and RGBA in one pass over the image: for live video, or where a hard or
    soft key is all that is wanted.

    The same as `chroma_key`, `despill` and `cutout` (and `premultiply`) one after the other.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        key_color, method, tolerance, softness, plate, screen, transfer, clip: as for `chroma_key`.
        despill: the method of `trimatte.despill`; None leaves the colours.
        despill_strength: its strength, in [0, 1].
        premultiplied: multiply the colours by alpha; by default they are straight, and 0 where
            alpha is 0.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W, 4) of the image's dtype.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    array = as_array(image, "key_cutout", "image", stream)
    rule = key_rule(
        "key_cutout",
        array,
        key_color=key_color,
        method=method,
        tolerance=tolerance,
        softness=softness,
        plate=plate,
        screen=screen,
        transfer=transfer,
        clip=clip,
        stream=stream,
    )
    spill = "average" if despill is None else despill
    strength = number(despill_strength, "key_cutout", "despill_strength")
    run = _core.key_cutout if rule.method == "difference" else _core.soft_key_cutout
    return run(
        array,
        **rule.arguments(),
        despill=choice(DESPILL_METHODS, spill, "key_cutout", "despill"),
        strength=0.0 if despill is None else strength,
        premultiplied=bool(premultiplied),
        device=device,
        stream=stream,
    )

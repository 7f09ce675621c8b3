"""Chroma key: which pixels are screen, by colour alone."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import (
    DESPILL_METHODS,
    Array,
    ArrayLike,
    KeyColorLike,
    as_array,
    choice,
    depth_code,
    number,
)
from trimatte.errors import ArgumentError
from trimatte.ops.key_rules import key_rule, run_key, usual_method
from trimatte.ops.screen_matting import Mattes, finish_alpha, key_alpha
from trimatte.ops.screens import Screen

__all__ = ["chroma_key", "key_cutout"]

_FLOAT = depth_code("float32", "chroma_key")


def chroma_key(
    image: ArrayLike,
    *,
    key_color: KeyColorLike = "green",
    method: str | None = None,
    quality: str | None = None,
    tolerance: float | None = None,
    softness: float | None = None,
    plate: ArrayLike | None = None,
    screen: Screen | None = None,
    transfer: str | None = None,
    clip: tuple[float, float] = (0.0, 1.0),
    choke: float = 0.0,
    feather: float = 0.0,
    garbage: ArrayLike | None = None,
    core: ArrayLike | None = None,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Alpha by colour: how much of a pixel is not screen.

    ``chroma_key(image, key_color="auto", quality="best")`` has nothing to tune. It learns the
    screen by `fit_screen`, keys softly by the method ``"plate"``, and solves what that leaves
    unsure: `estimate_alpha` in a narrow band, then `project_alpha` from the screen's colour, which
    is known, to the foreground's. ``quality="fast"`` is the soft key alone.

    By method: ``"difference"``, the default, is hard or has a ramp. With k the key colour's channel
    and a, b the two others, the hard rule is:

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

    ``"vlahos"`` sets the colour difference in relation to the screen's own, K:

        alpha = clip(1 - (k - max(a, b)) / (K_k - max(K_a, K_b)))

    K is the key colour, or with ``plate`` that picture's colour at the pixel. Where K's difference
    is below 1/255, it counts as that.

    ``"plate"`` is ``clip(m0 R + m1 G + m2 B + m3)`` with the model m of a `trimatte.Screen`.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        key_color: ``"green"``, ``"blue"``, ``"red"``, ``"magenta"``, ``"cyan"``, ``"yellow"``,
            ``"white"``, ``"gray"`` or ``"black"``; any other colour as (r, g, b) in 0..255, a CSS
            name or ``"#rrggbb"``; or ``"auto"``: see `fit_screen`. To ``"plate"`` the names mean
            the commonest colour of that kind, to the others that colour itself: green, blue and red
            are (0, 177, 64), (0, 71, 187) and (200, 16, 46), the usual screens. ``"difference"``
            and ``"vlahos"`` need one channel above the others, ``"ffmpeg"`` and ``"obs"`` a hue. A
            screen has its own.
        method: ``"difference"``, ``"ffmpeg"``, ``"obs"``, ``"vlahos"`` or ``"plate"``. None:
            ``"plate"`` where a quality or a screen is given, else ``"difference"``.
        quality: ``"fast"`` or ``"best"``, both of the method ``"plate"``; or None.
        tolerance: for ``"difference"`` in [0, 255], in units of 1/255 of full scale whatever the
            image's dtype, by default 30. For ``"ffmpeg"`` and ``"obs"`` in [0, 100], a fraction of
            the key colour's distance from grey, by default 0.3. The others have none.
        softness: width of the ramp, in the same units: by default 0, and 0.5.
        plate: the empty screen, (h, w, 3 or 4), uint8, uint16 or float32. For ``"vlahos"`` of any
            size, stretched over the image; of low resolution it costs the least, and for an image
            on a GPU if it lies there too. For ``"plate"``, where no screen is given, of the image's
            size and dtype.
        screen: for ``"plate"``: the `trimatte.Screen`; None: `trimatte.fit_screen` finds it in the
            image.
        transfer: ``"linear"`` compares in linear light (IEC 61966-2-1), ``"srgb"`` values as they
            are encoded; None means the screen's (see `fit_screen`), or
            ``"srgb"``, which is all that ``"difference"`` has.
        clip: (black, white), 0 <= black < white <= 1: alphas that become 0 and 1, with those
            between spread out; with ``quality="best"`` those of the soft key.
        choke, feather: of the functions of that name, in pixels, after all that.
        garbage, core: of `hold_mattes`, last of all; ``"best"`` also heeds them in the solve.
        dtype: of the result: uint8, uint16 or float32; None means the image's. ``"best"`` gives
            float32.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) alpha: 0 is screen, full scale (255, 65535 or 1.0) is kept. Integer results are
        rounded to nearest, half up.

    Raises:
        ArgumentError: an argument is not what is listed above, or one that the method has not.
    """
    operation = "chroma_key"
    if quality is not None:
        choice({"fast": 0, "best": 1}, quality, operation, "quality")
        if method not in (None, "plate"):
            raise ArgumentError(
                f"{operation}: method must be None or 'plate' with a quality, got {method!r:.80}"
            )
        method = "plate"
    if quality == "best" and dtype is not None and depth_code(dtype, operation) != _FLOAT:
        raise ArgumentError(f"{operation}: dtype must be float32 or None with quality='best'")
    array = as_array(image, operation, "image", stream)
    _core.check(array, operation, "image", color=True)
    mattes = Mattes(garbage, core)
    edited = bool(choke or feather or mattes)
    here = array
    if edited or quality == "best":
        here = _core.place(array, device, operation)
        device = None
    rule = key_rule(
        operation,
        here,
        key_color=key_color,
        method=method or usual_method(screen),
        tolerance=tolerance,
        softness=softness,
        plate=plate,
        screen=screen,
        transfer=transfer,
        clip=clip,
        stream=stream,
    )
    if quality == "best":
        alpha = key_alpha(here, rule, mattes, stream=stream)
    else:
        alpha = run_key(operation, here, rule, dtype, device, stream)
    alpha = finish_alpha(alpha, choke=choke, feather=feather, mattes=mattes, stream=stream)
    moved = here is not array and not isinstance(array, DeviceArray)
    return alpha.to_host() if moved and isinstance(alpha, DeviceArray) else alpha


def key_cutout(
    image: ArrayLike,
    *,
    key_color: KeyColorLike = "green",
    method: str | None = None,
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
        despill: the method of `trimatte.despill`; None leaves the colours. So does a screen that
            lights two channels alike, as magenta does, or all three: there is nothing to limit.
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
        method=method or usual_method(screen),
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
        strength=strength if despill is not None and rule.sheds_spill else 0.0,
        premultiplied=bool(premultiplied),
        device=device,
        stream=stream,
    )

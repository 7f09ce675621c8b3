"""Matting: alpha on the unknown pixels, foreground colours, de-spill."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal, overload

from trimatte import _core
from trimatte.arrays import (
    DESPILL_METHODS,
    Array,
    ArrayLike,
    as_alpha,
    as_array,
    as_trimap,
    choice,
    key_channel,
    number,
)
from trimatte.compositing import color_or_plate
from trimatte.keying import KeyColor

__all__ = ["MattingInfo", "despill", "estimate_alpha", "estimate_foreground"]

_QUALITIES = {"fast": 0, "balanced": 1, "exact": 2}
_FOREGROUND_QUALITIES = {"fast": 0, "balanced": 1}


@dataclass(frozen=True)
class MattingInfo:
    """How a solve went: unknown pixels, conjugate-gradient iterations on the finest level, relative
    residual |b - A x| / |b| there, levels of the pyramid, seconds."""

    unknown: int
    iterations: int
    residual: float
    levels: int
    seconds: float


@overload
def estimate_alpha(
    image: ArrayLike,
    trimap: ArrayLike,
    *,
    quality: str = ...,
    return_info: Literal[False] = ...,
    device: str | None = ...,
    stream: Any = ...,
) -> Array: ...
@overload
def estimate_alpha(
    image: ArrayLike,
    trimap: ArrayLike,
    *,
    quality: str = ...,
    return_info: Literal[True],
    device: str | None = ...,
    stream: Any = ...,
) -> tuple[Array, MattingInfo]: ...
def estimate_alpha(
    image: ArrayLike,
    trimap: ArrayLike,
    *,
    quality: str = "balanced",
    return_info: bool = False,
    device: str | None = None,
    stream: Any = None,
) -> Array | tuple[Array, MattingInfo]:
    """Alpha of the unknown pixels by closed-form matting; known pixels come back as 0.0 and 1.0.

    Minimises alpha' L alpha over the unknown pixels, L being the matting Laplacian of Levin,
    Lischinski and Weiss (PAMI 2008) with 3x3 windows and epsilon 1e-7, on the colours as they are
    encoded. Solved by full multigrid: each level of a pyramid starts from the coarser level's local
    linear model alpha = a . I + b evaluated on its own image, and takes a few steps of conjugate
    gradients preconditioned by a V-cycle with the same prolongation.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        trimap: (H, W), uint8: 0 background, 128 unknown, 255 foreground (below 26 counts as
            background, above 229 as foreground); uint16 or float32 in [0, 1] likewise.
        quality: ``"fast"``: one step a level. ``"balanced"``: four, on photographs nearer to true
            alpha than the converged solution. ``"exact"``: converged (PyMatting's
            ``estimate_alpha_cf``), or after 100 steps on the finest level.
        return_info: also return a `MattingInfo`; on a GPU this waits for the work to end.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) float32 in [0, 1], or (alpha, info). Where the trimap has no known pixel at all there
        is nothing to go by: alpha is 0.5.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    started = time.perf_counter()
    alpha, info = _core.estimate_alpha(
        as_array(image, "estimate_alpha", "image", stream),
        as_trimap(trimap, "estimate_alpha", "trimap", stream),
        choice(_QUALITIES, quality, "estimate_alpha", "quality"),
        bool(return_info),
        device,
        stream,
    )
    if info is None:
        return alpha
    unknown, iterations, residual, levels = info
    seconds = time.perf_counter() - started
    return alpha, MattingInfo(unknown, iterations, residual, levels, seconds)


@overload
def estimate_foreground(
    image: ArrayLike,
    alpha: ArrayLike,
    *,
    quality: str = ...,
    background: ArrayLike | str | None = ...,
    return_background: Literal[False] = ...,
    device: str | None = ...,
    stream: Any = ...,
) -> Array: ...
@overload
def estimate_foreground(
    image: ArrayLike,
    alpha: ArrayLike,
    *,
    quality: str = ...,
    background: ArrayLike | str | None = ...,
    return_background: Literal[True],
    device: str | None = ...,
    stream: Any = ...,
) -> tuple[Array, Array]: ...
def estimate_foreground(
    image: ArrayLike,
    alpha: ArrayLike,
    *,
    quality: str = "balanced",
    background: ArrayLike | str | None = None,
    return_background: bool = False,
    device: str | None = None,
    stream: Any = None,
) -> Array | tuple[Array, Array]:
    """Foreground colours F (and background colours B) such that alpha F + (1 - alpha) B is the
    image.

    The multi-level method of Germer, Uelwer, Conrad and Harmeling (ICPR 2020), with Jacobi sweeps
    over the pixels whose alpha lies between 0 and 1 only, then a projection of each pixel onto the
    compositing equation within [0, 1]. Works on the colours as they are encoded; the result is
    straight (not premultiplied).

    Before a known background B the equation says what F is: (image - (1 - alpha) B) / alpha, within
    [0, 1]. Where alpha is below 0.1 the division would magnify what the image was rounded by: there
    it is blended, in the ratio alpha / 0.1, with the estimate that does without B.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        quality: ``"balanced"``: four sweeps a level. ``"fast"``: two on the finest.
        background: what is known to be behind the foreground: an image of the image's size and
            dtype, (H, W, 3) or (H, W, 4), a fourth channel is ignored; or one colour: (r, g, b) in
            0..255 whatever the dtype, or a CSS name or ``"#rrggbb"``. None: it is not known.
        return_background: also return B.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        F, or (F, B): (H, W, 3) of the image's dtype. F is the image where alpha is 1, B where it is
        0. A known background comes back as B. Where nothing of it is seen, a colour is that of the
        soft pixels nearby, of the finest level of the pyramid that has some.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    color, plate = None, None
    if background is not None:
        color, plate = color_or_plate(background, "estimate_foreground", stream)
    foreground, rest = _core.estimate_foreground(
        as_array(image, "estimate_foreground", "image", stream),
        as_alpha(alpha, "estimate_foreground", "alpha", stream),
        plate,
        color,
        choice(_FOREGROUND_QUALITIES, quality, "estimate_foreground", "quality"),
        bool(return_background),
        device,
        stream,
    )
    return foreground if rest is None else (foreground, rest)


def despill(
    image: ArrayLike,
    *,
    key_color: KeyColor = "green",
    method: str = "average",
    strength: float = 1.0,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Takes the key colour's light off the foreground.

    With k the key colour's channel, the part of it above a limit L of the two others is spill:
    ``k' = k - strength * max(0, k - L)``. Works on the values as they are encoded.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            copied.
        key_color: ``"green"``, ``"blue"``, ``"red"``, or (r, g, b) in 0..255, of which the largest
            channel counts.
        method: the limit: ``"average"``, the mean of the two others; ``"double-average"``, (2 b +
            r) / 3 for a green key, (2 g + r) / 3 for a blue one, (2 b + g) / 3 for a red one;
            ``"max-limit"``, the larger of the two.
        strength: in [0, 1].
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        An array of the image's shape and dtype; integers are rounded to nearest, half up.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.despill(
        as_array(image, "despill", "image", stream),
        key_channel(key_color, "despill"),
        choice(DESPILL_METHODS, method, "despill", "method"),
        number(strength, "despill", "strength"),
        device,
        stream,
    )

"""Matting: alpha on the unknown pixels, foreground colours, de-spill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import (
    DESPILL_METHODS,
    TRIMAP_LIMITS,
    Array,
    ArrayLike,
    KeyColorLike,
    as_alpha,
    as_array,
    as_key_channel,
    as_key_color,
    as_trimap,
    check_proportions,
    choice,
    is_whole,
    number,
    on_host,
)
from trimatte.errors import ArgumentError
from trimatte.ops.compositing import color_or_plate
from trimatte.ops.edges import out_of_reach
from trimatte.ops.matting_session import MattingSession, alpha_of_session
from trimatte.ops.resizing import resize

__all__ = ["MattingInfo", "despill", "estimate_alpha", "estimate_foreground", "project_alpha"]

_DESPILL_METHODS = {**DESPILL_METHODS, "plate": DESPILL_METHODS["average"]}
QUALITIES = {"fast": 0, "balanced": 1, "exact": 2}
_FOREGROUND_QUALITIES = {"fast": 0, "balanced": 1}
_LARGEST_CELL = 2**24
_MASK_SIDE = 320


@dataclass(frozen=True)
class MattingInfo:
    """How a solve went: unknown pixels, conjugate-gradient iterations on the finest level, relative
    residual |b - A x| / |b| there, levels of the pyramid, seconds in all and by level (the finest
    first; on a GPU nothing stops to tell: 0). Of methods that solve no equations the iterations,
    the residual and the levels are 0. Of an image solved in tiles the iterations and the residual
    are the largest of any tile."""

    unknown: int
    iterations: int
    residual: float
    levels: int
    seconds: float
    level_seconds: tuple[float, ...] = ()


@overload
def estimate_alpha(
    image: ArrayLike,
    trimap: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    method: str | MattingSession = ...,
    quality: str = ...,
    return_info: Literal[False] = ...,
    progress: Callable[[float], object] | None = ...,
    device: str | None = ...,
    stream: Any = ...,
) -> Array: ...
@overload
def estimate_alpha(
    image: ArrayLike,
    trimap: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    method: str | MattingSession = ...,
    quality: str = ...,
    return_info: Literal[True],
    progress: Callable[[float], object] | None = ...,
    device: str | None = ...,
    stream: Any = ...,
) -> tuple[Array, MattingInfo]: ...
def estimate_alpha(
    image: ArrayLike,
    trimap: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    method: str | MattingSession = "closed-form",
    quality: str = "balanced",
    return_info: bool = False,
    progress: Callable[[float], object] | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array | tuple[Array, MattingInfo]:
    """Alpha of the unknown pixels; known pixels come back as 0.0 and 1.0.

    ``"closed-form"`` minimises alpha' L alpha over the unknown pixels, L being the matting
    Laplacian of Levin, Lischinski and Weiss (PAMI 2008) with 3x3 windows and epsilon 1e-7, on the
    colours as they are encoded. Solved by full multigrid: each level of a pyramid starts from the
    coarser level's local linear model alpha = a . I + b evaluated on its own image, and takes a few
    steps of conjugate gradients preconditioned by a V-cycle with the same prolongation. Work memory
    grows with the unknown pixels up to 8.4 megapixels; larger images are solved as a whole on a
    coarse level and in tiles on the finer ones, which meet within 1/255.

    ``"shared"`` is the sampling of Gastal and Oliveira (Eurographics 2010): each unknown pixel
    follows four rays, up to 4096 pixels, to known foreground and background, keeps the pair of
    colours that explains it best, compares its neighbours' pairs and smooths what they say. Good in
    wide unknown regions, where closed-form matting drifts. Colours count to ten bits.

    ``"guided"`` is a preview: in windows of a fifth of the image's longer side alpha is a linear
    function of colour, fitted to the known pixels of at most 100 x 100 cells, after the fast guided
    filter of He and Sun (arXiv 1505.00996).

    A rough mask that the trimap was made of, as a network makes it, can have a say: the term
    w (alpha - mask)^2 is added to the energy. w is large where the mask is decided and the colours
    of both sides are alike, where it is half-sure over a wide area, which is no edge, and where
    nothing known of both sides is near. It is next to nothing where the colours tell the two sides
    apart, as at the hair before a wall.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        trimap: (H, W), uint8: 0 background, 128 unknown, 255 foreground (below 26 counts as
            background, above 229 as foreground); uint16 or float32 in [0, 1] likewise.
        mask: (h, w) of any size, stretched over the image: bool, uint8, uint16 or float32 in
            [0, 1]; or None. For ``"closed-form"`` only; ``"exact"`` does without it. A mask on its
            side is refused; one of another shape is stretched, with a `CutoutWarning`.
        method: ``"closed-form"``, ``"shared"``, ``"guided"``, or a `MattingSession`, which works
            on the host, wherever the arrays lie.
        quality: of ``"closed-form"``, without meaning to the others. ``"fast"``: one step a level.
            ``"balanced"``: three, and one on the finest level; where ``"shared"`` on a coarse level
            explains a pixel almost exactly, its alpha is a prior there. On photographs nearer to
            true alpha than the converged solution. ``"exact"``: no prior, converged (PyMatting's
            ``estimate_alpha_cf``), or the step of the smallest residual within 100 on the finest
            level.
        return_info: also return a `MattingInfo`; on a GPU this waits for the work to end.
        progress: called with the part of the work that is done, in [0, 1], now and then (on a GPU
            once, when the work has been handed over), on the calling thread; what it raises ends
            the work and comes out here. ``"closed-form"`` only.
        device: see `trimatte.devices`. A session chooses its own: leave it out.
        stream: likewise.

    Returns:
        (H, W) float32 in [0, 1], or (alpha, info). Where the trimap knows one side only alpha is of
        that side, and 0.5 where it knows neither, unless a mask says more.

    Raises:
        ArgumentError: an argument is not what is listed above, or a session returned something
            else than an alpha.

    Warns:
        CutoutWarning: the mask is neither square nor of the image's shape.
    """
    started = time.perf_counter()
    if progress is not None and not callable(progress):
        raise ArgumentError(
            f"estimate_alpha: progress must be None or a function of a number, got {progress!r:.80}"
        )
    effort = choice(QUALITIES, quality, "estimate_alpha", "quality")
    if method == "closed-form":
        return _closed_form_alpha(
            image, trimap, mask, effort, return_info, progress, device, stream, started
        )
    if mask is not None:
        raise ArgumentError(
            f"estimate_alpha: mask must be None unless method is 'closed-form', got a mask and "
            f"{method!r:.80}"
        )
    marks = as_trimap(trimap, "estimate_alpha", "trimap", stream)
    if isinstance(method, str) and method in _LOCAL_METHODS:
        pixels = as_array(image, "estimate_alpha", "image", stream)
        alpha = _LOCAL_METHODS[method](pixels, marks, device, stream)
    elif isinstance(method, MattingSession) and not isinstance(method, type):
        if device is not None:
            raise ArgumentError(
                "estimate_alpha: device must be None where method is a session, which chooses its "
                f"own, got {device!r:.80}"
            )
        alpha = alpha_of_session(method, image, marks, stream)
    else:
        names = ", ".join(repr(name) for name in ("closed-form", *_LOCAL_METHODS))
        raise ArgumentError(
            f"estimate_alpha: method must be one of {names} or a MattingSession, got {method!r:.80}"
        )
    if not return_info:
        return alpha
    unknown = _count_unknown(alpha, marks)
    return alpha, MattingInfo(unknown, 0, 0.0, 0, time.perf_counter() - started)


# Methods that look at a pixel's surroundings: (image, trimap, device, stream) -> alpha.
_LOCAL_METHODS = {
    "shared": lambda image, trimap, device, stream: _core.sample_alpha(
        image, trimap, False, device, stream
    )[0],
    "guided": _core.guide_alpha,
}


def _count_unknown(alpha: Array, trimap: Array) -> int:
    """Unknown pixels of a trimap, after all work on a GPU."""
    if isinstance(alpha, DeviceArray):
        _core.wait_for(alpha)
    marks = on_host(trimap)
    low, high = TRIMAP_LIMITS["uint8"]
    return int(np.count_nonzero((marks >= low) & (marks <= high)))


def _rough(mask: ArrayLike, pixels: Array, stream: Any) -> Array | None:
    """A mask as the solver reads it, no finer than a network's; None: there is nothing in it."""
    plane = as_alpha(mask, "estimate_alpha", "mask", stream)
    _core.check(plane, "estimate_alpha", "mask", color=False)
    _core.check(pixels, "estimate_alpha", "image", color=True)
    check_proportions(plane, pixels, "estimate_alpha")
    height, width = plane.shape
    if 0 in plane.shape:
        return None
    size = min(height, _MASK_SIDE), min(width, _MASK_SIDE)
    if size == plane.shape:
        return plane
    return resize(plane, size, filter="box", stream=stream)


def _closed_form_alpha(
    image: ArrayLike,
    trimap: ArrayLike,
    mask: ArrayLike | None,
    effort: int,
    return_info: bool,
    progress: Callable[[float], object] | None,
    device: str | None,
    stream: Any,
    started: float,
) -> Array | tuple[Array, MattingInfo]:
    pixels = as_array(image, "estimate_alpha", "image", stream)
    rough = None if mask is None else _rough(mask, pixels, stream)
    alpha, info = _core.estimate_alpha(
        pixels,
        as_trimap(trimap, "estimate_alpha", "trimap", stream),
        rough,
        effort,
        bool(return_info),
        progress,
        device,
        stream,
    )
    if info is None:
        return alpha
    unknown, iterations, residual, levels, by_level = info
    seconds = time.perf_counter() - started
    return alpha, MattingInfo(unknown, iterations, residual, levels, seconds, tuple(by_level))


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
    key_color: KeyColorLike = "green",
    method: str = "average",
    strength: float = 1.0,
    restore: float = 0.0,
    alpha: ArrayLike | None = None,
    reach: float | None = None,
    plate: ArrayLike | str | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Takes the key colour's light off the foreground.

    With k the key colour's channel, the part of it above a limit L of the two others is spill:
    ``k' = k - strength * max(0, k - L)``. That costs ``w (k - k')`` of luminance, w being the
    channel's weight by Rec. 709 (0.2126 red, 0.7152 green, 0.0722 blue); ``restore`` of that is
    then added to all three channels, which leaves the hue alone. Works on the values as they are
    encoded.

    With an alpha, only colours that the screen can have shone on are changed: fully where alpha is
    below 1 and within ``reach`` of there, less and less beyond, and not at all from twice the reach
    on. What is truly green inside a subject stays so.

    Where the screen shows through, ``method="plate"`` takes it away as what it is: first, with B
    the plate's colour, ``F = (I - (1 - alpha) B) / alpha``, for alphas below 0.1 in part only
    (there it would magnify noise), then the limit ``"average"`` on what is left, which is spill.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            copied.
        key_color: ``"green"``, ``"blue"``, ``"red"``, or a colour, of which the largest channel
            counts: (r, g, b) in 0..255, a CSS name or ``"#rrggbb"``.
        method: the limit: ``"average"``, the mean of the two others; ``"double-average"``, (2 b +
            r) / 3 for a green key, (2 g + r) / 3 for a blue one, (2 b + g) / 3 for a red one;
            ``"max-limit"``, the larger of the two; or ``"plate"``, which needs alpha and plate.
        strength: of the limit, in [0, 1].
        restore: how much of the luminance comes back, in [0, 1].
        alpha: the foreground's, (H, W), bool, uint8, uint16 or float32 in [0, 1]; or None: colours
            are changed everywhere. What 8 bits would show as 255 counts as 1.
        reach: in pixels, in [0, 1000]; None is a hundredth of the image's side, sqrt(H W). Without
            an alpha it says nothing.
        plate: the screen without its subject: an image of the image's size and dtype, or one
            colour: (r, g, b) in 0..255 whatever the dtype, or a CSS name or ``"#rrggbb"``. Only for
            ``method="plate"``.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        An array of the image's shape and dtype; integers are rounded to nearest, half up.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    pixels = as_array(image, "despill", "image", stream)
    limit = choice(_DESPILL_METHODS, method, "despill", "method")
    channel = as_key_channel(as_key_color(key_color, "despill", auto=False), "despill", "a limit")
    shown = None if alpha is None else as_alpha(alpha, "despill", "alpha", stream)
    if method == "plate":
        if shown is None:
            raise ArgumentError("despill: alpha must be given for method 'plate', got None")
        if plate is None:
            raise ArgumentError("despill: plate must be given for method 'plate', got None")
        color, screen = color_or_plate(plate, "despill", stream, name="plate")
        pixels = _core.subtract_plate(pixels, shown, screen, color, device, stream)
    elif plate is not None:
        raise ArgumentError(f"despill: plate is for method 'plate', got it with {method!r}")
    kept = None
    if shown is not None:
        _core.check(shown, "despill", "alpha", color=False)
        height, width = shown.shape
        if reach is None:
            reach = math.sqrt(height * width) / 100
        kept = out_of_reach(shown, number(reach, "despill", "reach"), "despill", device, stream)
    return _core.despill(
        pixels,
        channel,
        limit,
        number(strength, "despill", "strength"),
        number(restore, "despill", "restore"),
        kept,
        device,
        stream,
    )


def project_alpha(
    image: ArrayLike,
    foreground: ArrayLike,
    plate: ArrayLike,
    trimap: ArrayLike,
    alpha: ArrayLike,
    *,
    noise: float = 0.0,
    cell: int | None = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Alpha of the unknown pixels between known colours F of the foreground and B of the
    background.

    The point of the line from B to F that is nearest to the image's colour I, in a metric that
    counts the brightness less, for light and shade change that more than they do the hue: with
    d = F - B and w = d - 0.75 mean(d), mean over the three channels,
    ``t = w . (I - B) / (w . d)``, then ``alpha = clip((t - noise) / (1 - 2 noise), 0, 1)``. Where
    w . d < 1e-6, F and B do not tell: the given alpha stays. Works on the values as they are given;
    `to_linear` makes linear light of them.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        foreground: F, of the image's size and dtype, as `estimate_foreground` returns it;
            (H, W, 3) or (H, W, 4), a fourth channel is ignored.
        plate: B, (h, w, 3) float32 in [0, 1], not empty, of any size: interpolated bilinearly over
            the image, pixel x at column (x + 0.5) w / W - 0.5, rows likewise; beyond the middles of
            the outermost cells their colours go on.
        trimap: (H, W), as of `estimate_alpha`.
        alpha: (H, W) float32 in [0, 1].
        noise: in [0, 0.4]: of alpha, what lies as near to 0 or to 1 becomes that.
        cell: the plate's cells are squares of so many pixels, an int of at least 1, from the
            image's first pixel on: pixel x at column (x + 0.5) / cell - 0.5. None: they span the
            image.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) float32 in [0, 1]: 0 and 1 where the trimap knows.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.project_alpha(
        as_array(image, "project_alpha", "image", stream),
        as_array(foreground, "project_alpha", "foreground", stream),
        as_array(plate, "project_alpha", "plate", stream),
        as_trimap(trimap, "project_alpha", "trimap", stream),
        as_array(alpha, "project_alpha", "alpha", stream),
        number(noise, "project_alpha", "noise"),
        0 if cell is None else _cell(cell, "project_alpha"),
        device,
        stream,
    )


def _cell(value: Any, operation: str) -> int:
    """Pixels a side of a grid's cell."""
    if is_whole(value) and 1 <= value <= _LARGEST_CELL:
        return int(value)
    raise ArgumentError(
        f"{operation}: cell must be None or an int in [1, {_LARGEST_CELL}], got {value!r:.80}"
    )

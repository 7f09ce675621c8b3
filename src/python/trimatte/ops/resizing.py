"""Resizing, and the two ends of a network: an image as its input, its output as a matte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte.arrays import (
    Array,
    ArrayLike,
    as_alpha,
    as_array,
    choice,
    is_number,
    is_whole,
)
from trimatte.errors import ArgumentError

__all__ = ["class_probability", "matte_from_prediction", "resize", "to_tensor", "upsample_mask"]

_FILTERS = {"lanczos": 0, "bilinear": 1, "box": 2}
_MOST_CLASSES = 1024
_ORDERS = {"rgb": False, "bgr": True}
_HALF = {"float32": False, "float16": True}


def resize(
    image: ArrayLike,
    size: tuple[int, int],
    *,
    filter: str = "lanczos",
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Resamples an image, without aliasing where it is reduced, as Pillow's `Image.resize` does.

    uint8 images get exactly the values of Pillow 13. (Pillow before 13 makes its two passes always
    in one order; where the height falls by over twice as many pixels as the width, that may differ
    by rounding.) uint16 and float32 go through the same filter in float32, rounded once.

    Args:
        image: (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; no side may be 0.
            Each channel is resized by itself: of straight RGBA, `premultiply` it before and
            `unpremultiply` it after, as Pillow does unasked, or hidden colours shine through.
        size: (height, width) of the result, each at least 1.
        filter: ``"lanczos"`` (windowed sinc, 3 lobes), ``"bilinear"`` (triangle) or ``"box"`` (the
            mean of what a pixel covers; nearest where the image grows).
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        An image of that size, with the channels and dtype of the given one; uint16 is rounded to
        nearest, and overshoot of the filter is clipped to the range of the dtype, float32 to
        [0, 1].

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.resize(
        as_array(image, "resize", "image", stream),
        _size(size, "resize"),
        choice(_FILTERS, filter, "resize", "filter"),
        device,
        stream,
    )


def to_tensor(
    image: ArrayLike,
    size: tuple[int, int],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    scale: float | str = 255,
    channels: str = "rgb",
    filter: str = "lanczos",
    dtype: npt.DTypeLike = "float32",
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """An image as a network's input: resized, normalised, channels first.

    The image is resized as by `resize`, then rounded to 8 bits; each sample v of channel c becomes
    ``(v / scale - mean[c]) / std[c]``, in float64, rounded once: to the bit what rembg makes.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1], no side 0; a fourth
            channel is ignored.
        size: (height, width) of the network's input, each at least 1.
        mean: three numbers, for channels in [0, 1], in the order of ``channels``.
        std: three numbers above 0, likewise.
        scale: 255, or ``"max"``: the largest sample of the resized image's colours, at least 1.
        channels: ``"rgb"`` or ``"bgr"``: the order of the result's; the image's is RGB.
        filter: as of `resize`.
        dtype: float32 or float16.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (1, 3, height, width) of the dtype; float16 is rounded to nearest, halves to even.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    deviation = _three(std, "std")
    if np.float32(min(deviation)) <= 0.0:
        raise ArgumentError(f"to_tensor: std must be three numbers above 0, got {std!r:.80}")
    by_maximum = isinstance(scale, str) and scale == "max"
    if not by_maximum and not (is_number(scale) and scale == 255):
        raise ArgumentError(f"to_tensor: scale must be 255 or 'max', got {scale!r:.80}")
    return _core.preprocess(
        as_array(image, "to_tensor", "image", stream),
        _size(size, "to_tensor"),
        _three(mean, "mean"),
        deviation,
        by_maximum,
        choice(_ORDERS, channels, "to_tensor", "channels"),
        choice(_FILTERS, filter, "to_tensor", "filter"),
        choice(_HALF, _name(dtype), "to_tensor", "dtype"),
        device,
        stream,
    )


def class_probability(
    prediction: ArrayLike,
    classes: Sequence[int] | None = None,
    *,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """The probability of some of a network's classes, from its logits.

    Softmax over the planes, then the sum of those chosen; of a single plane its sigmoid. Logits
    that are not finite count as 0.

    Args:
        prediction: (C, h, w) or (1, C, h, w) float32 or float16, no side 0, C at most 1024.
        classes: the planes that count, each in 0..C - 1; None for a single plane.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (h, w) float32 in [0, 1].

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    operation = "class_probability"
    logits = as_array(prediction, operation, "prediction", stream)
    shape = logits.shape[1:] if logits.ndim == 4 and logits.shape[0] == 1 else logits.shape
    fits = len(shape) == 3 and 0 not in shape and shape[0] <= _MOST_CLASSES
    if not fits or _name(logits.dtype) not in _HALF:
        raise ArgumentError(
            f"{operation}: prediction must be (C, h, w) of float32 or float16, no side 0, C at "
            f"most {_MOST_CLASSES}, got {logits.shape} {logits.dtype}"
        )
    count, height, width = shape
    return _core.class_probability(
        logits.reshape((count * height, width)), count, _chosen(classes, count), device, stream
    )


def matte_from_prediction(
    prediction: ArrayLike,
    size: tuple[int, int],
    *,
    min_max: bool = True,
    filter: str = "lanczos",
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """A network's output as a uint8 matte of any size, as rembg makes it.

    Each prediction p becomes ``255 (p - min) / (max - min)``, truncated to uint8, in float32; then
    the image is resized as by `resize`. Numbers that are not finite count as 0. A prediction that
    is the same everywhere says nothing, and becomes 0 everywhere.

    Args:
        prediction: (h, w), (1, h, w) or (1, 1, h, w) float32 or float16, no side 0: one plane of
            the network's output.
        size: (height, width) of the matte, each at least 1.
        min_max: stretch the prediction to its whole range; False clips p to [0, 1] instead.
        filter: as of `resize`.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (height, width) uint8: 0 background, 255 foreground.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    plane = as_array(prediction, "matte_from_prediction", "prediction", stream)
    if plane.ndim in (3, 4) and plane.size == np.prod(plane.shape[-2:]):
        plane = plane.reshape(plane.shape[-2:])
    return _core.postprocess(
        plane,
        _size(size, "matte_from_prediction"),
        bool(min_max),
        choice(_FILTERS, filter, "matte_from_prediction", "filter"),
        device,
        stream,
    )


def upsample_mask(
    image: ArrayLike, mask: ArrayLike, *, device: str | None = None, stream: Any = None
) -> Array:
    """A small mask in the image's size, its edges along the image's.

    Around each sample of the mask, 3x3 of them are fitted as a linear function of colour, by the
    mean colours of what they cover; a pixel takes the function between the samples around it,
    within the range of those they were fitted to: what is half sure stays so. After the fast
    guided filter of He and Sun (arXiv 1505.00996).

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1], no side 0; a fourth
            channel is ignored.
        mask: (h, w), bool, uint8, uint16 or float32 in [0, 1], no side 0: the whole image, smaller.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    return _core.upsample_mask(
        as_array(image, "upsample_mask", "image", stream),
        as_alpha(mask, "upsample_mask", "mask", stream),
        device,
        stream,
    )


def _chosen(classes: Any, count: int) -> list[int]:
    """The planes that are asked for; of a single one it need not be said."""
    if classes is None and count == 1:
        return [0]
    chosen = list(classes) if isinstance(classes, (tuple, list, np.ndarray)) else []
    if not chosen or not all(map(is_whole, chosen)) or not all(0 <= c < count for c in chosen):
        raise ArgumentError(
            f"class_probability: classes must be whole numbers in 0..{count - 1}, at least one, "
            f"got {classes!r:.80}"
        )
    return [int(c) for c in chosen]


def _size(size: Any, operation: str) -> tuple[int, int]:
    """(height, width) as whole numbers; the compiled module checks their range."""
    sides = tuple(size) if isinstance(size, (tuple, list, np.ndarray)) else ()
    whole = len(sides) == 2 and all(map(is_whole, sides))
    if not whole or max(abs(int(side)) for side in sides) >= 2**63:
        raise ArgumentError(
            f"{operation}: size must be (height, width), two whole numbers of at least 1, "
            f"got {size!r:.80}"
        )
    return int(sides[0]), int(sides[1])


def _three(values: Any, name: str) -> tuple[float, float, float]:
    """Three finite numbers, one for each channel."""
    numbers = tuple(values) if isinstance(values, (tuple, list, np.ndarray)) else ()
    if len(numbers) != 3 or not all(is_number(v) and np.isfinite(v) for v in numbers):
        raise ArgumentError(f"to_tensor: {name} must be three numbers, got {values!r:.80}")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def _name(dtype: npt.DTypeLike) -> str:
    try:
        return np.dtype(dtype).name
    except TypeError:
        return repr(dtype)

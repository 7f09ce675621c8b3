"""Masks, trimaps and alpha mattes from files: the greys that a picture means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trimatte.arrays import FULL_SCALES, TRIMAP_LIMITS, largest_label
from trimatte.errors import ArgumentError, CutoutWarning, warn
from trimatte.io.limits import MAX_PIXELS, Pixels
from trimatte.io.reading import array_of, decode_source
from trimatte.io.sources import Array, ImageSource, name_of

__all__ = ["read_mask", "read_matte"]

_CHROMA_OF_GREY = 0.15  # of full scale: channels this far apart are no grey of a JPEG
_MOST_LABEL = {1: 3, 2: 255, 4: 0}  # by bytes: a mask of 8 bits is as dark in a file of 16
_LEAST_SEEN = 0.01  # of the pixels; fewer are noise
_PAINTED_IN_THREE = 0.9  # of the visible pixels of a painted layer; the rest are soft strokes
_FEW_VALUES, _BETWEEN = 8, slice(11, 240)  # beyond which make_trimap knows the side


def read_mask(source: ImageSource, *, max_pixels: Pixels | None = MAX_PIXELS) -> Array:
    """Read a mask, trimap or alpha matte as (H, W).

    source: as for read_image. A grey image gives its greys. An image with an alpha channel that is
    not opaque everywhere gives that channel (a cutout), unless black, white and grey are painted on
    its layer: then those, over black. uint8 or uint16, orientation applied, a profile of greys not:
    their numbers are what is meant. Arrays (H, W) or (H, W, 1) are passed on as they are (bool and
    float32 included). max_pixels: as for read_image.

    Raises ArgumentError naming the source and the cause: also of an image in colour, and of a map
    of labels 0, 1, 2 instead of 0 and 255.
    """
    array = _given(source, "mask")
    return _decoded(source, "mask", max_pixels) if array is None else array


def read_matte(source: ImageSource, name: str, *, max_pixels: Pixels | None = MAX_PIXELS) -> Array:
    """`read_mask` of what is given as a mask, trimap or other matte, by that name. Of a trimap that
    is painted in black and white on a transparent layer, what is transparent is unknown.

    Warns:
        CutoutWarning: a mask's few values look like labels; a trimap in a file has nothing unknown.
    """
    array = _given(source, name)
    if array is not None:
        return array
    matte = _decoded(source, name, max_pixels)
    if name == "mask":
        _warn_of_few_values(matte, name_of(source))
    elif name == "trimap":
        _warn_of_nothing_unknown(matte, name_of(source))
    return matte


def _given(source: ImageSource, name: str) -> Array | None:
    """What is an array already, (H, W); else None."""
    array = array_of(source, "read_mask")
    if array is not None and array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array is not None and array.ndim != 2:
        raise ArgumentError(
            f"read_mask: {name} must be (H, W), got {array.shape}; take one channel: {name}[..., 0]"
        )
    return array


def _decoded(source: ImageSource, name: str, max_pixels: Pixels | None) -> Array:
    matte = _matte_in(decode_source(source, "read_mask", max_pixels, managed=False).pixels, name)
    largest = largest_label(matte, _MOST_LABEL[matte.itemsize])
    if matte.shape[2:]:
        problem = "it is in colour, where black and white are wanted"
    elif largest and np.count_nonzero(matte) > _LEAST_SEEN * matte.size:
        white = np.iinfo(matte.dtype).max
        problem = (
            f"it holds nothing above {largest}, where white is {white}; labels have to become "
            "black, grey and white first"
        )
    else:
        return matte
    raise ArgumentError(f"read_mask: cannot take {name_of(source)} for a {name}: {problem}")


def _warn_of_few_values(mask: NDArray[Any], name: str) -> None:
    """Warns of a mask in a few values that are not black and white: other labels, or a trimap."""
    if mask.dtype != np.uint8:
        return
    counts = np.bincount(mask.ravel(), minlength=256)
    values = np.flatnonzero(counts)
    between = counts[_BETWEEN].sum()
    if len(values) <= _FEW_VALUES and between > _LEAST_SEEN * mask.size:
        warn(
            f"{name} holds {', '.join(map(str, values))} and nothing else: a mask is 255 where "
            "there is foreground, and 0 where there is none",
            CutoutWarning,
        )


def _warn_of_nothing_unknown(trimap: NDArray[Any], name: str) -> None:
    low, high = TRIMAP_LIMITS[trimap.dtype.name]
    if not ((trimap >= low) & (trimap <= high)).any():
        warn(
            f"{name} has no grey, which is unknown in a trimap, so no opacity is solved",
            CutoutWarning,
        )


def _matte_in(pixels: NDArray[Any], name: str) -> NDArray[Any]:
    """The mask that a picture means, (H, W), or the picture as it is where that is in colour."""
    colour, full = pixels[:, :, :3], FULL_SCALES[pixels.dtype.name]
    if pixels.shape[2] == 4 and pixels[:, :, 3].min() < full:
        opacity = pixels[:, :, 3]
        painted = _painted(colour[opacity > 0])
        if painted is None:
            return np.ascontiguousarray(opacity)
        if _chroma(painted).any():
            return pixels
        layer = colour[:, :, 0]
        if name == "trimap" and painted.min() == 0 and len(painted) == 2:
            return np.where(opacity > full / 2, layer, layer.dtype.type((full + 1) // 2))
        return _rounded(layer * (opacity / np.float32(full)), pixels.dtype)
    chroma = _chroma(colour)
    if not chroma.any():
        return np.ascontiguousarray(colour[:, :, 0])
    if (chroma > _CHROMA_OF_GREY * full).mean() > _LEAST_SEEN:
        return pixels
    return _luma(colour)


def _painted(visible: NDArray[Any]) -> NDArray[Any] | None:
    """The two or three colours, (n, 3) of 8 bits, that visible pixels, (N, 3), are painted in; None
    of a photograph, and of one colour alone, which says nothing: the strokes' shape does."""
    if not visible.size or visible.dtype.kind == "f":
        return None
    bytes_of = visible >> 8 * (visible.itemsize - 1)
    red, green, blue = (bytes_of[:, number].astype(np.uint32) for number in range(3))
    colours, counts = np.unique(red << 16 | green << 8 | blue, return_counts=True)
    order = np.argsort(counts)[::-1][:3]
    if counts[order].sum() < _PAINTED_IN_THREE * len(visible):
        return None
    kept = colours[order][counts[order] > _LEAST_SEEN * len(visible)]
    painted = np.stack([kept >> 16, kept >> 8 & 255, kept & 255], axis=1)
    return painted if len(painted) > 1 else None


def _luma(colour: NDArray[Any]) -> NDArray[Any]:
    """Rec. 601's, (H, W)."""
    if colour.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(colour)).convert("L"))
    red, green, blue = (colour[:, :, number].astype(np.float32) for number in range(3))
    return _rounded(0.299 * red + 0.587 * green + 0.114 * blue, colour.dtype)


def _rounded(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def _chroma(colour: NDArray[Any]) -> NDArray[Any]:
    """How far the channels of each pixel lie apart."""
    return np.asarray(colour.max(axis=-1) - colour.min(axis=-1))

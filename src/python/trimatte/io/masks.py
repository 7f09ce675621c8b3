"""Masks, trimaps and alpha mattes from files: the greys that a picture means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trimatte.arrays import FULL_SCALES, largest_label
from trimatte.errors import ArgumentError
from trimatte.io.limits import MAX_PIXELS, Pixels
from trimatte.io.reading import array_of, decode_source
from trimatte.io.sources import Array, ImageSource, name_of

__all__ = ["read_mask"]

# A mask may be a JPEG, whose greys are not quite grey: channels this far apart, as a part of full
# scale, on more than this part of the pixels are a mistake.
_CHROMA_OF_GREY, _MOST_COLOURED = 0.15, 0.01
_LEAST_LABELLED = 0.01  # of the pixels; fewer faint ones are the noise of an empty matte
_PAINTED_IN_THREE = 0.9  # of the visible pixels of a painted layer; the rest are soft strokes


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
    array = array_of(source, "read_mask")
    if array is not None:
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        if array.ndim != 2:
            raise ArgumentError(
                f"read_mask: mask must be (H, W), got {array.shape}; take one channel: mask[..., 0]"
            )
        return array
    mask = _mask_in(decode_source(source, "read_mask", max_pixels, managed=False).pixels)
    if mask.shape[2:]:
        problem = "it is in colour, where black and white are wanted"
    elif (largest := largest_label(mask)) and np.count_nonzero(mask) > _LEAST_LABELLED * mask.size:
        white = np.iinfo(mask.dtype).max
        problem = (
            f"it holds nothing above {largest}, where white is {white}; labels have to become "
            "black, grey and white first"
        )
    else:
        return mask
    raise ArgumentError(f"read_mask: cannot take {name_of(source)} for a mask: {problem}")


def _mask_in(pixels: NDArray[Any]) -> NDArray[Any]:
    """The mask that a picture means, (H, W), or the picture as it is where that is in colour."""
    colour, full = pixels[:, :, :3], FULL_SCALES[pixels.dtype.name]
    if pixels.shape[2] == 4 and pixels[:, :, 3].min() < full:
        opacity = pixels[:, :, 3]
        if not _is_painted(colour[opacity > 0]):
            return np.ascontiguousarray(opacity)
        return _rounded(colour[:, :, 0] * (opacity / np.float32(full)), pixels.dtype)
    chroma = _chroma(colour)
    if not chroma.any():
        return np.ascontiguousarray(colour[:, :, 0])
    if (chroma > _CHROMA_OF_GREY * full).mean() > _MOST_COLOURED:
        return pixels
    return _luma(colour)


def _luma(colour: NDArray[Any]) -> NDArray[Any]:
    """Rec. 601's, (H, W)."""
    if colour.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(colour)).convert("L"))
    red, green, blue = (colour[:, :, number].astype(np.float32) for number in range(3))
    return _rounded(0.299 * red + 0.587 * green + 0.114 * blue, colour.dtype)


def _rounded(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def _is_painted(visible: NDArray[Any]) -> bool:
    """Whether visible pixels, (N, 3), are strokes in two or three greys, rather than a photograph.
    One grey alone says nothing: the strokes' shape does."""
    if not visible.size or visible.dtype.kind == "f" or _chroma(visible).any():
        return False
    shift = 8 * (visible.itemsize - 1)
    counts = np.sort(np.bincount(visible[:, 0] >> shift, minlength=256))[::-1]
    return bool(counts[1] and counts[:3].sum() >= _PAINTED_IN_THREE * len(visible))


def _chroma(colour: NDArray[Any]) -> NDArray[Any]:
    """How far the channels of each pixel lie apart."""
    return np.asarray(colour.max(axis=-1) - colour.min(axis=-1))

"""What is put behind a cutout: a colour, an image fitted to its size, or its own photo blurred."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from trimatte import _core
from trimatte.arrays import (
    FULL_SCALES,
    Array,
    ArrayLike,
    as_alpha,
    as_array,
    in_depth,
    is_number,
    on_host,
)
from trimatte.errors import ArgumentError, MetadataWarning, warn
from trimatte.io.metadata import Metadata
from trimatte.io.profiles import converted
from trimatte.io.reading import load_picture
from trimatte.io.sources import ImageSource, name_of
from trimatte.ops.compositing import premultiply, unpremultiply
from trimatte.ops.edges import feather
from trimatte.ops.resizing import resize

__all__ = ["Background", "blurred_background", "fitted_background", "read_colour"]

_BLUR = 1 / 40  # of the square root of the area: about what a fast portrait lens makes of it
_STEEP = 16  # power of a pixel's share of background; fur that is half opaque would give a halo
_SMALL_SIGMA = 8.0  # pixels of the reduced image; a Gaussian hides what is finer
_WIDER = 4  # the next, coarser estimate where a window holds next to nothing of the background
_LITTLE = 1e-2


class Background(Protocol):
    """Gives the background of an image of this (height, width), as `composite` takes it: (r, g, b)
    in 0..255, or (H, W, 3) or, where it is not opaque, (H, W, 4) of the dtype in its full scale, in
    the colours that the image's metadata describe.

    dtype: uint8, uint16 or float32.

    Raises ArgumentError: it cannot be had in these colours.
    """

    def __call__(
        self, size: tuple[int, int], dtype: Any, metadata: Metadata | None = None, /
    ) -> Any: ...


def fitted_background(
    given: ImageSource | tuple[float, float, float], *, opaque: bool = True
) -> Background:
    """A background for images of any size: a colour, or an image that is cropped to fit.

    given: (r, g, b) in 0..255, a colour's name, or an image; text that names a file is an image.
    Its depth is kept as far as the image's own goes, and its colours become those of the image's
    profile. opaque: it must not have transparent parts.

    Raises ArgumentError: the image cannot be read, or is not opaque; when it is called: either it
    or the image is HDR, and the other is not. MetadataWarning, then, tells what the background
    loses.
    """
    colour = isinstance(given, tuple) or (isinstance(given, str) and not Path(given).is_file())
    if colour:
        return lambda size, dtype, metadata=None: given
    name = f"background {name_of(given)}"
    plate, own = load_picture(given)  # type: ignore[arg-type]
    if plate.shape[2] == 4 and plate[:, :, 3].min() == FULL_SCALES[plate.dtype.name]:
        plate = plate[:, :, :3]
    if plate.shape[2] == 4 and opaque:
        raise ArgumentError(
            f"{name} has transparent parts, for which the output has no alpha: put it over a "
            "colour first"
        )

    @lru_cache(maxsize=1)
    def coloured(wanted: Metadata) -> Array:
        for sentence in own.dropped:
            warn(f"{name}: {sentence}", MetadataWarning)
        if own.hdr or wanted.hdr:
            if own.cicp != wanted.cicp:
                raise ArgumentError(
                    f"{name} is {own.hdr or 'not HDR'}, the image is {wanted.hdr or 'not HDR'}: "
                    "convert one of them first"
                )
            return plate
        colours = converted(plate[:, :, :3], own.profile, wanted.profile)
        if colours is None:
            warn(
                f"{name}: its colours were not converted to the image's: one of the two colour "
                "profiles is damaged",
                MetadataWarning,
            )
            return plate
        return np.dstack([colours, plate[:, :, 3:]])

    def fitted(size: tuple[int, int], dtype: Any, metadata: Metadata | None = None, /) -> Array:
        wanted = (metadata or Metadata()).under("strip", "background")
        return in_depth(_cropped_to(coloured(wanted), size), dtype)

    return fitted


def read_colour(text: str) -> tuple[float, float, float]:
    """The opaque colour (r, g, b) in 0..255 that is written as a name, r,g,b or #rrggbb.

    Raises ValueError: it is none.
    """
    listed = "," in text and "(" not in text
    red, green, blue, *alpha = map(float, text.split(",") if listed else ImageColor.getrgb(text))
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError(f"{text!r} is not in 0..255")
    if alpha and (listed or alpha != [255]):
        raise ValueError(f"{text!r} is not opaque")
    return red, green, blue


def _cropped_to(plate: Array, size: tuple[int, int]) -> Array:
    """The middle of an image that has the shape of the size, in that size."""
    height, width = plate.shape[:2]
    scale = min(height / size[0], width / size[1])
    rows, columns = (max(1, round(length * scale)) for length in size)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = np.ascontiguousarray(plate[top : top + rows, left : left + columns])
    if part.shape[2] == 3:
        return resize(part, size)
    return unpremultiply(resize(premultiply(part), size))


def blurred_background(
    image: ArrayLike, alpha: ArrayLike, *, radius: float | None = None
) -> NDArray[Any]:
    """The image's own background out of focus, with nothing of the foreground in it: for
    `composite`.

    A normalised convolution (Knutsson and Westin, CVPR 1993): the Gaussian mean of the colours,
    each weighted by (1 - alpha)^16, so that what is a tenth foreground counts for a fifth: the
    foreground's colours do not bleed into what is around it, as those of a blurred photo do. Where
    the window holds no background, behind the foreground, a wider one has the say. Where nothing is
    background it is black.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1].
        radius: the standard deviation, in pixels, above 0. None: 1/40 of the image's side (of a
            square of its area).

    Returns:
        (H, W, 3) of the image's dtype, NumPy's.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    operation = "blurred_background"
    given = as_array(image, operation, "image")
    _core.check(given, operation, "image", color=True)
    opacity = as_alpha(alpha, operation, "alpha")
    _core.check(opacity, operation, "alpha", color=False)
    pixels, opacity = on_host(given)[:, :, :3], on_host(opacity)
    if opacity.shape != pixels.shape[:2] or 0 in opacity.shape:
        raise ArgumentError(
            f"{operation}: alpha must have the height and width of image {pixels.shape}, at least "
            f"1 each, got {opacity.shape}"
        )
    side = float(np.sqrt(opacity.size))
    sigma = _BLUR * side if radius is None else radius
    if not is_number(sigma) or not 0 < sigma < np.inf:
        raise ArgumentError(f"{operation}: radius must be a number above 0, got {radius!r:.80}")

    # What a blur leaves is far coarser than the pixels: it is found on fewer of them.
    scale = min(1.0, _SMALL_SIGMA / sigma)
    size = max(1, round(opacity.shape[0] * scale)), max(1, round(opacity.shape[1] * scale))
    small, covered = (_fraction(resize(each, size, filter="box")) for each in (pixels, opacity))
    share = (1 - covered) ** _STEEP
    means = _means([share * small[:, :, i] for i in range(3)], share, sigma * scale)
    result = np.empty(pixels.shape, pixels.dtype)
    full = np.float32(FULL_SCALES[pixels.dtype.name])
    for i, mean in enumerate(means):
        plane = resize(mean, opacity.shape, filter="bilinear")
        plane *= full
        result[:, :, i] = plane if pixels.dtype.kind == "f" else np.rint(plane, out=plane)
    return result


def _fraction(array: Array) -> NDArray[np.float32]:
    """Samples as parts of full scale."""
    return np.divide(array, FULL_SCALES[array.dtype.name], dtype=np.float32)


def _means(sums: list[Array], share: Array, sigma: float) -> list[Array]:
    """Gaussian means of colours, given as colour times share; black where there is no share at
    all."""
    share_around = feather(share, sigma)
    around = [feather(plane, sigma) for plane in sums]
    if share_around.min() > _LITTLE or share.size == 1:
        return [plane / np.maximum(share_around, np.float32(1e-9)) for plane in around]
    height, width = (-(-length // _WIDER) for length in share.shape)
    fewer = [resize(plane, (height, width), filter="box") for plane in (*sums, share)]
    wider = _means(fewer[:3], fewer[3], sigma)
    return [
        (plane + _LITTLE * resize(guess, share.shape, filter="bilinear")) / (share_around + _LITTLE)
        for plane, guess in zip(around, wider, strict=True)
    ]

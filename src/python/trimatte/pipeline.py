"""The whole way of an image: coarse mask, trimap, alpha, foreground, despill, cutout."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trimatte.arrays import as_trimap
from trimatte.compositing import composite, cutout
from trimatte.errors import ArgumentError
from trimatte.imageio import (
    ImageSource,
    encode_png,
    is_path,
    load_picture,
    read_mask,
    to_pillow,
    write_image,
)
from trimatte.keying import chroma_key
from trimatte.matting import despill as remove_spill
from trimatte.matting import estimate_alpha, estimate_foreground
from trimatte.trimap import make_trimap

__all__ = ["Remover", "Result", "remove"]

Array = NDArray[Any]
Radius = float | tuple[float, float]

# The default band, (outside, inside) the rough outline, in pixels of the image scaled to 320 x 320:
# hair grows with the image, so the band has to. Never less than the second pair, in real pixels.
_BAND = (4.0, 2.0)
_NARROWEST_BAND = (2.0, 1.0)
_BAND_SIDE = 320


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A cutout and what it was made from.

    rgba: (H, W, 4) straight alpha, dtype of the image; colour is 0 where alpha is 0.
    alpha: (H, W) float32 in [0, 1]. foreground: (H, W, 3), dtype of the image, spill removed.
    trimap: (H, W) uint8, 0 / 128 / 255. mask: the coarse mask the trimap was made from, (H, W);
    None where the trimap was given. timings: seconds by stage, in order. device: where it ran.
    icc_profile: the colour profile of the file read, which `image` and `save` pass on.
    """

    rgba: Array
    alpha: NDArray[np.float32]
    foreground: Array
    trimap: NDArray[np.uint8]
    mask: Array | None
    timings: dict[str, float]
    device: str = "cpu"
    icc_profile: bytes | None = field(default=None)

    @property
    def image(self) -> Image.Image:
        """The cutout as a Pillow image, RGBA of 8 bits per channel (Pillow has no more);
        `rgba` and `save` keep the depth of the image."""
        return to_pillow(self.rgba, self.icc_profile)

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write the cutout: PNG, WebP (lossless) or TIFF, by the suffix or by format.

        Raises ArgumentError, as write_image does.
        """
        write_image(path, self.rgba, format, icc_profile=self.icc_profile)

    def composite(self, background: Any, *, linear: bool = False) -> Array:
        """The cutout over a background: (H, W, 3) of the image's dtype.

        background: (r, g, b) in 0..255, a colour's name, or an image of the same size and dtype.
        """
        return composite(self.foreground, self.alpha, background, linear=linear)

    def __repr__(self) -> str:
        height, width = self.alpha.shape
        total = sum(self.timings.values())
        return f"<trimatte.Result {width} x {height} {self.rgba.dtype}, {total:.2f} s>"


class Remover:
    """Removes backgrounds: keyed out by their colour, or named by a mask or a trimap.

    key_color, tolerance, softness: of chroma_key, which makes the coarse mask.
    radius: the unknown band's width in pixels, a number or (outside, inside); None: 1/80 of the
    image's side outside and 1/160 inside (the side of a square of its area; at least 2 and 1).
    quality: of estimate_alpha. despill: the method of despill applied to the
    foreground of keyed images, or None. despill_strength in [0, 1]. device: None or "cpu".

    Raises ArgumentError for options out of range. A Remover holds no state of an image: it can
    be shared between threads.
    """

    def __init__(
        self,
        *,
        key_color: str | tuple[float, float, float] = "green",
        tolerance: float = 30.0,
        softness: float = 0.0,
        radius: Radius | None = None,
        quality: str = "balanced",
        despill: str | None = "average",
        despill_strength: float = 1.0,
        device: Any = None,
    ) -> None:
        self.key_color = key_color
        self.tolerance = tolerance
        self.softness = softness
        self.radius = radius
        self.quality = quality
        self.despill = despill
        self.despill_strength = despill_strength
        self.device = device
        self._try_options()

    def __call__(
        self,
        image: ImageSource,
        *,
        mask: ImageSource | None = None,
        trimap: ImageSource | None = None,
    ) -> Result:
        """Cut the foreground out of image.

        image: a path, an encoded file's bytes, a binary file object, a Pillow image or an array
        (read_image says more). mask: what is foreground, roughly; trimap: 0 background, 255
        foreground, the rest unknown. Either has the size of the image and replaces the colour
        key, and then no spill is removed. An image's own alpha limits the result's.

        Raises ArgumentError: image or mask unreadable, sizes that do not match, both given.
        """
        if mask is not None and trimap is not None:
            raise ArgumentError("Remover: give mask or trimap, not both")
        timings: dict[str, float] = {}

        with _timed(timings, "read"):
            pixels, icc_profile = load_picture(image)
            given = trimap if mask is None else mask
            coarse = None if given is None else read_mask(given)
        if coarse is not None and coarse.shape != pixels.shape[:2]:
            raise ArgumentError(
                f"Remover: the {'trimap' if mask is None else 'mask'} must have the image's size "
                f"{pixels.shape[:2]}, got {coarse.shape}"
            )

        if coarse is not None and mask is None:
            known = as_trimap(coarse, "Remover", "trimap")
            coarse = None
        else:
            if coarse is None:
                with _timed(timings, "key"):
                    coarse = chroma_key(
                        pixels,
                        key_color=self.key_color,
                        tolerance=self.tolerance,
                        softness=self.softness,
                        dtype=np.uint8,
                        device=self.device,
                    )
            radius = default_radius(*coarse.shape) if self.radius is None else self.radius
            with _timed(timings, "trimap"):
                known = make_trimap(coarse, radius, device=self.device)

        with _timed(timings, "alpha"):
            alpha = estimate_alpha(pixels, known, quality=self.quality, device=self.device)
        with _timed(timings, "foreground"):
            foreground = estimate_foreground(pixels, alpha, device=self.device)
        if given is None and self.despill is not None:
            with _timed(timings, "despill"):
                foreground = self._despilled(foreground, self.despill)
        with _timed(timings, "cutout"):
            alpha = own_alpha(pixels, alpha)
            rgba = cutout(foreground, alpha)

        return Result(
            rgba=rgba,
            alpha=alpha,
            foreground=foreground,
            trimap=known,
            mask=coarse,
            timings=timings,
            icc_profile=icc_profile,
        )

    def _despilled(self, foreground: Array, method: str) -> Array:
        return remove_spill(
            foreground,
            key_color=self.key_color,
            method=method,
            strength=self.despill_strength,
            device=self.device,
        )

    def _try_options(self) -> None:
        """Let every operation judge its options now, on two pixels, and not in the first call."""
        pixels = np.zeros((3, 3, 3), np.uint8)
        mask = chroma_key(
            pixels,
            key_color=self.key_color,
            tolerance=self.tolerance,
            softness=self.softness,
            device=self.device,
        )
        trimap = make_trimap(mask, 1 if self.radius is None else self.radius, device=self.device)
        estimate_alpha(pixels, trimap, quality=self.quality, device=self.device)
        if self.despill is not None:
            self._despilled(pixels, self.despill)


def remove(
    image: ImageSource,
    *,
    mask: ImageSource | None = None,
    trimap: ImageSource | None = None,
    **options: Any,
) -> Any:
    """Cut the foreground out of image and return the cutout in the kind of the input.

    image: an array gives an (H, W, 4) array of the same dtype; a Pillow image or a path gives a
    Pillow image (RGBA, 8 bits); bytes or a binary file object give the bytes of a PNG file.
    mask, trimap: as for Remover.__call__. options: those of Remover.

    Raises ArgumentError, as Remover and its call do.
    """
    result = Remover(**options)(image, mask=mask, trimap=trimap)
    if isinstance(image, Image.Image) or is_path(image):
        return result.image
    if isinstance(image, (bytes, bytearray, memoryview)) or hasattr(image, "read"):
        return encode_png(result.rgba, icc_profile=result.icc_profile)
    return result.rgba


def default_radius(height: int, width: int) -> tuple[float, float]:
    """The unknown band's (outside, inside) for an image of this size, in pixels."""
    scale = math.sqrt(height * width) / _BAND_SIDE
    outside, inside = (
        max(least, pixels * scale) for least, pixels in zip(_NARROWEST_BAND, _BAND, strict=True)
    )
    return outside, inside


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - start


def own_alpha(pixels: Array, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """alpha limited by the image's own: multiplied by its fourth channel, if it has one."""
    if pixels.shape[2] == 3:
        return alpha
    own = pixels[:, :, 3]
    full = 1 if own.dtype.kind == "f" else np.iinfo(own.dtype).max
    return alpha * np.divide(own, full, dtype=np.float32)

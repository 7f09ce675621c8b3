"""What is put behind a cutout: a colour, or an image fitted to its size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from trimatte.arrays import Array
from trimatte.imageio import ImageSource, load_picture, to_pillow

__all__ = ["Background", "fitted_background"]

Background = Callable[[tuple[int, int], Any], Any]
"""What gives the background for an (height, width) and a dtype, as `composite` takes it."""


def fitted_background(given: ImageSource | tuple[float, float, float]) -> Background:
    """A background for images of any size: a colour, or an image that is cropped to fit.

    given: (r, g, b) in 0..255, a colour's name, or an image; text that names a file is an image.

    Raises ArgumentError: the image cannot be read.
    """
    colour = isinstance(given, tuple) or (isinstance(given, str) and not Path(given).is_file())
    if colour:
        return lambda size, dtype: given
    plate = to_pillow(load_picture(given)[0][:, :, :3])  # type: ignore[arg-type]

    def fitted(size: tuple[int, int], dtype: Any) -> Array:
        pixels = np.asarray(ImageOps.fit(plate, (size[1], size[0]), Image.Resampling.LANCZOS))
        if dtype == np.uint8:
            return pixels
        if dtype == np.uint16:
            return np.asarray(pixels * np.uint16(257))
        return np.asarray(pixels / np.float32(255))

    return fitted

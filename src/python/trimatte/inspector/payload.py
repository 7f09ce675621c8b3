"""What a page knows: an image, what became of it, and how, as JSON with PNG files in it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageCms

from trimatte._core import __version__
from trimatte.arrays import Array, KeyColorLike, as_key_color, key_channel, number, on_host
from trimatte.errors import ArgumentError
from trimatte.inspector.view import View
from trimatte.io.reading import Picture
from trimatte.io.sources import ImageSource, is_path
from trimatte.io.writing import encode_png
from trimatte.ops.screens import Screen, fit_screen
from trimatte.pipeline.result import Result

__all__ = ["image_part", "key_part", "name_of", "plane", "result_part"]

Part = dict[str, Any]


def image_part(picture: Picture, name: str, view: View) -> Part:
    """The image: its size and colours as a whole, and the pixels shown."""
    height, width, channels = picture.pixels.shape
    return {
        "version": __version__,
        "name": name.encode(errors="replace").decode(),  # a file's name need be no text
        "height": height,
        "width": width,
        "channels": channels,
        "profile": _profile_name(picture.metadata.profile),
        "view": {"x": view.x, "y": view.y, "step": view.step},
        "pixels": plane(view.of(picture.pixels)[:, :, :3]),
    }


def key_part(
    pixels: Array,
    screen: Screen | None,
    key_color: KeyColorLike | None,
    tolerance: float,
    softness: float,
) -> Part:
    """Where the page's own hard key begins. key_color: None: the screen's, or green; ``"auto"``:
    the screen's, or what is found in the image.

    Raises ArgumentError: one of them is none that `chroma_key` takes.
    """
    color = None if key_color is None else as_key_color(key_color, "inspector")
    if screen is not None and color in (None, "auto"):
        color = screen.key_color
    elif color == "auto":
        color = fit_screen(pixels).key_color
    numbers = {"tolerance": tolerance, "softness": softness}
    for name, value in numbers.items():
        numbers[name] = number(value, "inspector", name)
        if not 0.0 <= numbers[name] <= 255.0:
            raise ArgumentError(f"inspector: {name} must be in [0, 255], got {value!r:.80}")
    return {"channel": key_channel(color or "green"), **numbers}


def result_part(result: Result, view: View, *, notes: tuple[str, ...] = ()) -> Part:
    """What became of the image: the pixels shown of every stage, counts of all pixels, and how long
    it took where. notes: what was warned of."""
    alpha, trimap = on_host(result.alpha), on_host(result.trimap)
    mask = None if result.mask is None else on_host(result.mask)
    unknown = int(np.count_nonzero((trimap > 0) & (trimap < 255)))
    return {
        "alpha": plane(view.of(alpha)),
        "foreground": plane(view.of(on_host(result.foreground))),
        "trimap": plane(view.of(trimap)),
        "mask": None if mask is None else plane(view.of(mask)),
        "counts": {
            "pixels": alpha.size,
            "unknown": unknown,
            "background": int(np.count_nonzero(trimap == 0)),
            "foreground": int(np.count_nonzero(trimap == 255)),
            "transparent": int(np.count_nonzero(alpha == 0.0)),
            "opaque": int(np.count_nonzero(alpha == 1.0)),
        },
        "screen": _screen_part(result.screen),
        "timings": {name: round(seconds, 6) for name, seconds in result.timings.items()},
        "device": result.device,
        "engine": result.engine,
        "route": None if result.route is None else asdict(result.route),
        "notes": list(notes),
    }


def plane(array: Array) -> Part:
    """An array as PNG files without loss, each opaque: integers as one, float32 as two of 16 bits,
    of the values' upper and of their lower halves.

    array: (h, w), (h, w, 3) or (h, w, 4), bool, uint8, uint16 or float32.
    """
    array = np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    bits = array
    halves = [bits]
    if array.dtype == np.float32:
        bits = array.view(np.uint32)
        halves = [(bits >> 16).astype(np.uint16), (bits & 0xFFFF).astype(np.uint16)]
    files = (encode_png(half) for half in halves)
    return {
        "dtype": array.dtype.name,
        "png": [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in files],
    }


def name_of(source: ImageSource) -> str:
    """What to call an image."""
    if is_path(source):
        return Path(source).name  # type: ignore[arg-type]
    name = getattr(source, "name", None) or getattr(source, "filename", None)
    return Path(name).name if isinstance(name, str) and name else "image"


def _screen_part(screen: Screen | None) -> Mapping[str, Any] | None:
    if screen is None:
        return None
    return {
        "key_color": [round(value, 1) for value in screen.key_color],
        "transfer": screen.transfer,
        "cell": int(screen.cell),
        "noise": screen.noise,
        "share": screen.share,
        "model": plane(on_host(screen.model)),
    }


def _profile_name(profile: bytes | None) -> str | None:
    if profile is None:
        return None
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        return "unreadable"

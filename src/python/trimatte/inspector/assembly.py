"""The page as one file: template, style, scripts and data, and a policy that allows no others."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from trimatte.arrays import KeyColorLike
from trimatte.errors import ArgumentError
from trimatte.inspector.payload import image_part, key_part, name_of, result_part
from trimatte.inspector.view import MAX_PIXELS, Region, choose_view
from trimatte.io.atomic import replacing
from trimatte.io.reading import load_picture
from trimatte.io.sources import ImageSource
from trimatte.pipeline.result import Result

__all__ = ["SCRIPTS", "assemble", "page", "policy", "write_page"]

SCRIPTS = ("png.js", "key.js", "layers.js", "stage.js", "panels.js", "page.js")
"""They are one script, in this order."""


def page(
    image: ImageSource,
    result: Result,
    *,
    name: str | None = None,
    key_color: KeyColorLike | None = None,
    tolerance: float = 30.0,
    softness: float = 0.0,
    region: Region | None = None,
    max_pixels: int = MAX_PIXELS,
) -> str:
    """The page on a result, as HTML: a document of its own that fetches nothing.

    Args:
        image: what the result was made of, as of a `Remover`.
        result: of a `Remover`.
        name: of the image; None: its file's.
        key_color, tolerance, softness: where the page's own hard key begins, as of `chroma_key`
            with ``method="difference"``. key_color None: that of the result's screen, or green;
            ``"auto"``: that, or what is found in the image.
        region: (x, y, width, height), the only pixels to show; None: all.
        max_pixels: of more than so many every n-th is shown, both ways. The page says so.

    Raises:
        ArgumentError: the image cannot be read or is not of the result's size, or an option is not
            what is listed above.
    """
    picture = load_picture(image)
    height, width = picture.pixels.shape[:2]
    if result.alpha.shape != (height, width):
        raise ArgumentError(
            f"inspector: the image must have the result's size {result.alpha.shape}, got "
            f"{(height, width)}"
        )
    view = choose_view(height, width, region=region, max_pixels=max_pixels)
    data = {
        "image": image_part(picture, name_of(image) if name is None else name, view),
        "key": key_part(picture.pixels, result.screen, key_color, tolerance, softness),
        "result": result_part(result, view),
        "serve": None,
    }
    return assemble(data)


def write_page(
    path: str | os.PathLike[str],
    image: ImageSource,
    result: Result,
    *,
    name: str | None = None,
    key_color: KeyColorLike | None = None,
    tolerance: float = 30.0,
    softness: float = 0.0,
    region: Region | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Write the page on a result, whole or not at all; all but path as of `page`.

    Raises ArgumentError: as `page` does, or the file cannot be written.
    """
    text = page(
        image,
        result,
        name=name,
        key_color=key_color,
        tolerance=tolerance,
        softness=softness,
        region=region,
        max_pixels=max_pixels,
    )
    data = text.encode()
    try:
        with replacing(Path(path)) as file:
            file.write(data)
    except OSError as error:
        raise ArgumentError(
            f"inspector: cannot write {os.fspath(path)!r}: {error.strerror or error}"
        ) from error


def assemble(data: Mapping[str, Any]) -> str:
    """The page with its data."""
    parts = {
        "policy": policy(served=data["serve"] is not None),
        "title": f"{data['image']['name']} - trimatte",
        "style": _file("page.css"),
        "data": json.dumps(data, allow_nan=False, separators=(",", ":")),
        "script": _script(),
    }
    # Data may hold whatever a file is called: in HTML text and attributes it is escaped as such,
    # within <script> no tag can begin. All at once, so that nothing put in is looked at again.
    parts["title"] = html.escape(parts["title"])
    parts["data"] = parts["data"].replace("<", "\\u003c")
    template = _file("page.html")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def policy(*, served: bool) -> str:
    """The page's Content-Security-Policy: this script and style, and no network; behind a server,
    its own."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(_script())}'",
            f"style-src '{_hash(_file('page.css'))}'",
            "img-src data:",
            "connect-src 'self'" if served else "connect-src 'none'",
            "form-action 'none'",
            "base-uri 'none'",
        ]
    )


@cache
def _file(name: str) -> str:
    return (files("trimatte.inspector") / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return "\n".join(['"use strict";', *map(_file, SCRIPTS)])


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

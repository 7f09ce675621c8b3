"""What a notebook shows of a result: a small preview, and how long it took where."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

from PIL import Image

from trimatte.arrays import on_host
from trimatte.imageio import to_pillow

if TYPE_CHECKING:
    from trimatte.pipeline import Result

__all__ = ["result_html"]

_SIDE = 360  # pixels of the preview's longer side: some tens of kilobytes at most
_MOST_BYTES = 30_000
_QUALITIES = (85, 60, 30, 5)

# A checker that transparency shows over, whatever the notebook's own background.
_CHECKER = "background:repeating-conic-gradient(#cdcdcd 0 25%,#a8a8a8 0 50%) 0 0/16px 16px"


def result_html(result: Result) -> str:
    """A `Result` as a fragment of HTML, with a reduced preview in it.

    The colour profile of the image goes along with the preview.
    """
    preview = to_pillow(on_host(result.rgba))  # pixels of a GPU are waited for
    width, height = preview.size
    preview.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    data = base64.b64encode(_webp(preview, result.icc_profile)).decode()
    total = sum(result.timings.values())
    stages = " · ".join(f"{name} {1000 * took:.0f}" for name, took in result.timings.items())
    facts = [
        f"{width} x {height} {result.rgba.dtype}, {total:.2f} s on {result.device}",
        f"{stages} ms",
        *([] if result.engine is None else [result.engine]),
    ]
    lines = "<br>".join(map(html.escape, facts))
    return (
        f'<figure style="margin:0;max-width:{_SIDE}px">'
        f'<img alt="cutout, {width} x {height} pixels" width="{preview.width}" '
        f'height="{preview.height}" style="{_CHECKER}" src="data:image/webp;base64,{data}">'
        f'<figcaption style="font:12px/1.5 system-ui,sans-serif">{lines}</figcaption></figure>'
    )


def _webp(preview: Image.Image, icc_profile: bytes | None) -> bytes:
    """As good as fits; noise takes a lot."""
    for quality in _QUALITIES:
        file = io.BytesIO()
        preview.save(file, "webp", quality=quality, icc_profile=icc_profile or b"")
        if file.tell() <= _MOST_BYTES:
            break
    return file.getvalue()

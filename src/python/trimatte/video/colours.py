"""Frames of a video as arrays, and arrays as frames: what their numbers mean.

Video is stored as luminance and two colour differences, by one of several matrices, in the full
range of its samples or in a part of it. Frames say which; where they do not, it is what players
take it for: Rec. 709 from 720 lines on, Rec. 601 below, in the part that broadcasting uses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trimatte.arrays import Array
from trimatte.io.profiles import BT2020, HDR_TRANSFERS

__all__ = ["Colours", "Converter", "Turn", "layout_of", "orientation", "upright"]

# FFmpeg's AVCOL_SPC_*; swscale's SWS_CS_* for them, and the AVCOL_PRI_* and AVCOL_TRC_* that go
# with them where a file does not say.
_BT709, _UNSPECIFIED, _BT601 = 1, 2, 6
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_PRIMARIES = {1: 1, 4: 4, 5: 5, 6: 6, 7: 7, 9: 9, 10: 9}
_TRANSFER = {1: 1, 4: 4, 5: 6, 6: 6, 7: 7, 9: 14, 10: 14}
_LIMITED, _FULL = 1, 2
_RGB = 0

# swscale's ACCURATE_RND, FULL_CHR_H_INT and FULL_CHR_H_INP with BICUBIC: without them it takes the
# nearest colour for every pixel.
_FILTER = 4 | 0x40000 | 0x2000 | 0x4000

# Layouts of arrays, for 8 bits and for more; those of the fourth channel are alpha's.
_PLAIN, _ALPHA = ("rgb24", "rgb48le"), ("rgba", "rgba64le")
_DEEP = {_PLAIN[1], _ALPHA[1]}

# Between YUV and 16 bits of RGB swscale takes white for 255 * 256.
_LEVELS = np.arange(65536)
_TO_SWSCALE = np.rint(_LEVELS * (65280 / 65535)).astype(np.uint16)
_FROM_SWSCALE = np.minimum(np.rint(_LEVELS * (65535 / 65280)), 65535).astype(np.uint16)


class Colours(NamedTuple):
    """FFmpeg's numbers for what colours mean."""

    matrix: int
    full_range: bool
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: Any) -> Colours:
        """What a frame says, completed."""
        is_rgb = frame.format.is_rgb
        matrix = int(frame.colorspace)
        if matrix not in _SWSCALE and int(frame.color_primaries) == BT2020:
            matrix = BT2020  # its matrix has the number of its primaries
        elif matrix not in _SWSCALE:
            matrix = _BT709 if is_rgb or frame.height >= 720 or frame.width >= 1280 else _BT601
        full = is_rgb or frame.format.name.startswith("yuvj") or int(frame.color_range) == _FULL
        primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
        return cls(
            matrix,
            full,
            _PRIMARIES[matrix] if primaries == _UNSPECIFIED else primaries,
            _TRANSFER[matrix] if transfer == _UNSPECIFIED else transfer,
        )

    @property
    def hdr(self) -> str | None:
        """The transfer function of HDR, "PQ" or "HLG"; None of all others."""
        return HDR_TRANSFERS.get(self.transfer)

    def tag(self, target: Any, *, is_rgb: bool) -> None:
        """Write it on a frame or a codec: RGB has the full range, all else that of broadcasts."""
        target.colorspace = _RGB if is_rgb else self.matrix
        target.color_range = _FULL if is_rgb else _LIMITED
        target.color_primaries = self.primaries
        target.color_trc = self.transfer


def layout_of(frame: Any, *, alpha: bool = False) -> str:
    """The layout of an array that holds all of a frame; alpha: also where this frame has none."""
    components = frame.format.components
    transparent = alpha or frame.format.name == "pal8" or any(c.is_alpha for c in components)
    return (_ALPHA if transparent else _PLAIN)[max(c.bits for c in components) > 8]


class Converter:
    """Between frames and arrays, with what swscale wants to keep from one to the next."""

    def __init__(self, av: Any) -> None:
        self._av = av
        self._scaler = av.video.reformatter.VideoReformatter()

    def to_array(
        self, frame: Any, layout: str | None = None, size: tuple[int, int] | None = None
    ) -> Array:
        """(H, W, 3) or (H, W, 4), uint8 or uint16, as the layout has it; scaled to a (height,
        width)."""
        colours = Colours.of(frame)
        layout = layout or layout_of(frame)
        height, width = size or (frame.height, frame.width)
        matrix = _SWSCALE[colours.matrix]
        converted = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format=layout,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_FULL if colours.full_range else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_FILTER,
        )
        pixels: Array = converted.to_ndarray()
        if layout in _DEEP and not frame.format.is_rgb:
            pixels = _levels(pixels, _FROM_SWSCALE)
        return pixels

    def to_frame(self, array: Array, layout: str, colours: Colours) -> Any:
        """A frame in a codec's pixel format of (H, W), (H, W, 3) or (H, W, 4)."""
        if array.ndim == 2:
            array = np.repeat(array[:, :, None], 3, axis=2)
        is_rgb = self._av.VideoFormat(layout).is_rgb
        deep = array.dtype == np.uint16
        if deep and not is_rgb:
            array = _levels(array, _TO_SWSCALE)
        given = {3: _PLAIN, 4: _ALPHA}[array.shape[2]][deep]
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(array), given)
        matrix = _SWSCALE[colours.matrix]
        converted = self._scaler.reformat(
            frame,
            format=layout,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_FULL,
            dst_color_range=_FULL if is_rgb else _LIMITED,
            interpolation=_FILTER,
        )
        colours.tag(converted, is_rgb=is_rgb)
        return converted


def _levels(pixels: Array, table: Array) -> Array:
    """The colours looked up in a table; alpha as it is."""
    changed = table[pixels]
    if pixels.shape[2] == 4:
        changed[:, :, 3] = pixels[:, :, 3]
    return changed


class Turn(NamedTuple):
    """Rows become columns, then columns and rows are reversed."""

    transposed: bool
    columns: bool
    rows: bool


def orientation(frame: Any) -> Turn:
    """How the frame is to be turned for display."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Turn(False, False, False)
    # (x, y) is displayed at (a x + c y, b x + d y), for the matrix a, b, _, c, d, _, ...
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return Turn(True, c < 0, b < 0)
    return Turn(False, a < 0, d < 0)


def upright(pixels: Array, turn: Turn) -> Array:
    """The pixels as they are to be displayed."""
    if turn.transposed:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[:: -1 if turn.rows else 1, :: -1 if turn.columns else 1])

"""What is meant for standard screens, in the numbers of HDR video (ITU-R BT.2100).

As ITU-R BT.2408 has it: its white is 203 cd/m2, which HLG takes on a screen of 1000 cd/m2; its
colours stay what they are (the primaries by ITU-R BT.2087).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimatte.arrays import FULL_SCALES, Array
from trimatte.io.profiles import BT2020
from trimatte.video.colours import Colours

__all__ = ["in_hdr"]

_WHITE = 203.0  # cd/m2
_PQ_PEAK, _HLG_PEAK = 10_000.0, 1000.0
_TO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])
_HLG_GAMMA = 1.2


def in_hdr(pixels: Array, colours: Colours) -> Array:
    """sRGB as it shows in HDR video.

    pixels: (H, W, 3), uint8 or uint16, of sRGB, whose white is to be 203 cd/m2. colours: of the
    frames, PQ or HLG. Returns the signal that the colours encode, non-linear R'G'B' in full range,
    of the same shape, dtype and full scale.
    """
    full = FULL_SCALES[pixels.dtype.name]
    encoded = pixels / np.float64(full)
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    if colours.primaries == BT2020:
        light = (light @ _TO_BT2020.T).clip(0)
    encode = _pq if colours.hdr == "PQ" else _hlg
    return np.asarray(np.rint(encode(_WHITE * light) * full), pixels.dtype)


def _pq(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084."""
    power = (nits / _PQ_PEAK) ** (2610 / 16384)
    base = (3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)
    return np.asarray(base ** (2523 / 32))


def _hlg(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """ARIB STD-B67, behind the inverse of what screens do to the scene's light."""
    shown = nits / _HLG_PEAK
    luminance = (shown @ _LUMINANCE)[..., None]
    scene = shown * np.maximum(luminance, 1e-9) ** (1 / _HLG_GAMMA - 1)
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    )

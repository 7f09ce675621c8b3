"""Whether an image has been taken before a screen: looked for on few pixels, and believed only
where it is certain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trimatte.arrays import CHANNELS, FULL_SCALES, Array, window_on_host

__all__ = ["Places", "Samples", "SeenScreen", "find_screen", "samples_of"]

Samples = npt.NDArray[np.float32]
Places = npt.NDArray[np.bool_]

_LONG_SIDE = 160  # samples at most: of larger images every n-th pixel of every n-th row is seen
_BORDER = 0.04  # of the short side
_HUES = ("green", "blue")  # red is too common to be taken for a screen unasked
_LEAST_LEAD, _LEAST_SATURATION = 0.06, 0.2  # of a sample that counts at all
_LEAST_BORDER = 0.1  # of samples that count, for a closer look
_LEAST_UPPER = 0.08  # of the upper half's border, likewise
_REACH = 0.2  # of a screen's chromaticities, around their median
_TURNS = 2  # the median is taken anew of what lies around the last one
_BLOCK = 6  # samples a side of a block, in which noise averages out
_WHOLE = 0.95  # of a block's samples, where it shows the screen alone
_FEWEST_BLOCKS = 4  # that are whole, as the next ones down and across are
_BLACK = 0.05

# What makes certain, by hue: the first four are the least that there must be, the others the most.
# Most photographs fail by far, and screens pass by far (benchmarks/screen_search.py); blue has to
# be told from skies, which are even and pale, or saturated and shaded towards the horizon.
_LIMITS: dict[str, dict[str, float]] = {
    "green": {
        "saturation": 0.42,
        "lead": 0.2,
        "border": 0.4,
        "share": 0.12,
        "ragged": 0.2,
        "drift": 0.046,
        "shade": 0.06,
    },
    "blue": {
        "saturation": 0.585,
        "lead": 0.25,
        "border": 0.5,
        "share": 0.15,
        "ragged": 0.2,
        "drift": 0.018,
        "shade": 0.045,
    },
}
_MOST = ("ragged", "drift", "shade")
_DOUBTS = {
    "saturation": "it is too pale",
    "lead": "it is too dark",
    "border": "that is too little of the border",
    "share": "that is too little of the image",
    "ragged": "it is too ragged",
    "drift": "its colour is too uneven",
    "shade": "its brightness is too uneven",
}


@dataclass(frozen=True)
class SeenScreen:
    """What of an image may be a screen, and what speaks for that.

    Attributes:
        hue: ``"green"`` or ``"blue"``.
        key_color: (r, g, b) in 0..255, the median.
        share: of the image, in [0, 1].
        border: of the image's border, in [0, 1].
        saturation: by how much its channel leads the two others, as a part of it, in [0, 1].
        lead: by how much its channel leads the two others, in [0, 1].
        ragged: how often it ends: pairs of neighbours of which one is screen, of those of which
            at least one is.
        drift: how much its chromaticity changes over 1/27 of the image's side, as a part of the
            saturation.
        shade: how much its brightness changes over that, as a part of it.
    """

    hue: str
    key_color: tuple[float, float, float]
    share: float
    border: float
    saturation: float
    lead: float
    ragged: float
    drift: float
    shade: float

    @property
    def margins(self) -> dict[str, float]:
        """How far each figure is on the right side of its limit: 1 is at it, 2 is twice as far."""
        limits = _LIMITS[self.hue]
        return {
            name: limit / max(getattr(self, name), 1e-6)
            if name in _MOST
            else getattr(self, name) / limit
            for name, limit in limits.items()
        }

    @property
    def certain(self) -> bool:
        """Whether it is a screen beyond doubt."""
        return min(self.margins.values()) >= 1.0

    @property
    def doubt(self) -> str | None:
        """The weightiest reason not to believe in it; None where it is certain."""
        if self.certain:
            return None
        margins = self.margins
        return _DOUBTS[min(margins, key=margins.__getitem__)]

    @property
    def extent(self) -> str:
        """How much of the image it covers, in words."""
        return f"covers {self.share:.0%} of the image and {self.border:.0%} of its border"


def samples_of(array: Array) -> Samples:
    """Every n-th pixel of every n-th row of an image, (h, w, 3), or of a matte, (h, w), as float32
    in [0, 1] on the host, 160 a side at most. Of an array on a GPU they are copied to the host,
    which waits for them."""
    step = max(1, math.ceil(max(array.shape[:2]) / _LONG_SIDE))
    every = slice(min(step, *array.shape[:2]) // 2, None, step)
    taken = window_on_host(array, every, every)
    scale = np.float32(1 / FULL_SCALES[taken.dtype.name])
    return np.multiply(taken[..., :3] if taken.ndim > 2 else taken, scale, dtype=np.float32)


def find_screen(samples: Samples) -> SeenScreen | None:
    """The green or blue that is likeliest a screen, of `samples_of` an image; None where hardly
    any of the border is green or blue.

    It is a screen only where it is ``certain``: a lawn, leaves, a sky and a wall are not.
    """
    if min(samples.shape[:2], default=0) < 2 * _BLOCK:
        return None
    border = _border_of(samples)
    seen = (_seen(samples, border, hue) for hue in _HUES)
    return max((each for each in seen if each is not None), key=_likelihood, default=None)


def _likelihood(seen: SeenScreen) -> float:
    return min(seen.margins.values())


def _border_of(samples: Samples) -> Places:
    height, width = samples.shape[:2]
    wide = max(1, round(_BORDER * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[wide:-wide, wide:-wide] = False
    return border


def _seen(samples: Samples, border: Places, hue: str) -> SeenScreen | None:
    channel = CHANNELS[hue]
    key = samples[:, :, channel]
    first, second = (samples[:, :, each] for each in range(3) if each != channel)
    lead = key - np.maximum(first, second)
    likely = (lead >= _LEAST_LEAD) & (lead >= _LEAST_SATURATION * key)
    if np.count_nonzero(likely & border) < _LEAST_BORDER * np.count_nonzero(border):
        return None
    upper = border.copy()
    upper[len(upper) // 2 :] = False
    if np.count_nonzero(likely & upper) < _LEAST_UPPER * np.count_nonzero(upper):
        return None  # subjects come in from below
    scale = 1 / np.maximum(key, _BLACK)
    chroma = np.stack([first * scale, second * scale])
    where = likely
    for _ in range(_TURNS):
        middle = np.median(chroma[:, where & border], axis=1)
        near = np.abs(chroma - middle[:, None, None]).max(axis=0) < _REACH
        where = likely & near
        if not np.any(where & border):
            return None
    drift, shade = _unevenness(samples, where, channel)
    saturation = float(np.median((lead * scale)[where]))
    red, green, blue = (255 * float(value) for value in np.median(samples[where], axis=0))
    return SeenScreen(
        hue,
        (round(red, 1), round(green, 1), round(blue, 1)),
        share=float(where.mean()),
        border=float(where[border].mean()),
        saturation=saturation,
        lead=float(np.median(lead[where])),
        ragged=_ragged(where),
        drift=drift / saturation,
        shade=shade,
    )


def _unevenness(samples: Samples, where: Places, channel: int) -> tuple[float, float]:
    """By how much chromaticity and brightness differ between neighbouring blocks, by the median;
    1 where too few blocks show the screen alone."""
    height, width = (side // _BLOCK for side in where.shape)
    whole = _blocks(where, height, width).mean(axis=(1, 3)) >= _WHOLE
    corner = whole[:-1, :-1] & whole[1:, :-1] & whole[:-1, 1:]
    if np.count_nonzero(corner) < _FEWEST_BLOCKS:
        return 1.0, 1.0
    means = _blocks(samples, height, width).mean(axis=(1, 3))
    key = np.maximum(means[:, :, channel], _BLACK)
    chroma = means / key[:, :, None]
    drift = _slope(chroma).max(axis=2)[corner]
    shade = (_slope(key) / key[:-1, :-1])[corner]
    return float(np.median(drift)), float(np.median(shade))


def _slope(plane: Array) -> Array:
    """How much each value differs from those below and beside it."""
    here = plane[:-1, :-1]
    return np.hypot(plane[1:, :-1] - here, plane[:-1, 1:] - here)


def _blocks(plane: Array, height: int, width: int) -> Array:
    """(height, side, width, side, ...) of a plane, less what is left over."""
    whole = plane[: height * _BLOCK, : width * _BLOCK]
    return whole.reshape(height, _BLOCK, width, _BLOCK, *plane.shape[2:])


def _ragged(where: Places) -> float:
    """Of the pairs down or of those across, which are more."""
    parts = []
    for one, other in (where[:-1], where[1:]), (where[:, :-1], where[:, 1:]):
        either = int(np.count_nonzero(one | other))
        parts.append(int(np.count_nonzero(one ^ other)) / max(1, either))
    return max(parts)

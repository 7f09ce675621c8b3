"""Where a network has the last word on a key: over whole areas that the two see differently.

At an edge, in hair and between an arm and the body a key before a screen sees more than a network
does. But it cannot know a shirt of the screen's colour, nor the wall beside the screen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trimatte.arrays import Array
from trimatte.ops.edges import choke, hold_mattes
from trimatte.ops.refining import beside
from trimatte.ops.resizing import resize
from trimatte.ops.screen_matting import Mattes
from trimatte.ops.screen_search import Places, samples_of

__all__ = ["Guard", "guard_of"]

_SURE = (0.1, 0.9)  # beyond these a network's mask is believed
_HALF = 0.5
_EDGE = 3  # samples from where it is not, in which the key is
_NARROWEST = 5  # samples that an area measures both ways


@dataclass(frozen=True)
class Guard:
    """Areas in which a network is sure of the contrary of the key, (h, w) bool each, of samples.

    keep: of the subject, but screen to the key. drop: foreground to the key, but no part of the
    subject, and goes on beyond the image.
    """

    keep: Places
    drop: Places

    def __bool__(self) -> bool:
        return bool(self.keep.any() or self.drop.any())

    def mattes(self, sure: Mattes, image: Array) -> Mattes:
        """Of the mattes of what a network is sure of, the part in these areas."""
        return Mattes(
            garbage=_within(sure.garbage, self.drop, image),
            core=_within(sure.core, self.keep, image),
        )

    def __str__(self) -> str:
        said = []
        if self.keep.any():
            said.append(f"keeps {self.keep.mean():.1%} of the image that has the screen's colour")
        if self.drop.any():
            said.append(f"drops {self.drop.mean():.1%} beside the screen")
        return " and ".join(said) or "has nothing to add"


def guard_of(key: Array, mask: Array) -> Guard:
    """Where a network's mask contradicts a key's, each (H, W)."""
    keyed, opinion = samples_of(key), samples_of(mask)
    low, high = _SURE
    inside = _eroded(opinion > high, _EDGE) & (keyed < _HALF)
    outside = _eroded(opinion < low, _EDGE) & (keyed > _HALF)
    return Guard(keep=_wide(inside), drop=_wide(_reaching_border(outside)))


def _within(matte: Array | None, area: Places, image: Array) -> Array | None:
    """A matte where an area of samples is, which is a little wider."""
    if matte is None or not area.any():
        return None
    height, width = matte.shape
    elsewhere = np.where(_dilated(area, _EDGE), np.uint8(0), np.uint8(255))
    elsewhere = resize(beside(elsewhere, image), (height, width), filter="bilinear")
    return hold_mattes(matte, garbage=elsewhere)


def _eroded(places: Places, reach: int) -> Places:
    return np.asarray(choke(places, reach)) > 0


def _dilated(places: Places, reach: int) -> Places:
    return np.asarray(choke(places, -reach)) > 0


def _wide(places: Places) -> Places:
    """Without what is narrow, and without small spots."""
    reach = _NARROWEST // 2
    return _dilated(_eroded(places, reach), reach + 1) & places


def _reaching_border(places: Places) -> Places:
    """What hangs together with the border."""
    reached = places.copy()
    reached[1:-1, 1:-1] = False
    count = 0
    while count != (now := int(np.count_nonzero(reached))):
        count = now
        reached = _dilated(reached, _EDGE - 1) & places
    return reached

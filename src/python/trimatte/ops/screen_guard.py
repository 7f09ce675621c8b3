"""Where a network has the last word on a key: over whole areas that the two see differently.

At an edge, in hair and between an arm and the body a key before a screen sees more than a network
does. But it cannot know a shirt of the screen's colour, nor the wall beside the screen. A network
errs over whole areas, too: it takes a gap that an arm encloses for the body, and loses a dark coat.
So it is not believed where what it keeps looks as the screen does, nor where what it drops hangs
together with the subject.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trimatte.arrays import Array
from trimatte.ops.edges import choke, hold_mattes
from trimatte.ops.refining import beside
from trimatte.ops.resizing import resize
from trimatte.ops.screen_matting import Mattes
from trimatte.ops.screen_search import Places, Samples, samples_of

__all__ = ["Guard", "guard_of"]

_SURE = (0.1, 0.9)  # beyond these a network's mask is believed
_HALF = 0.5
_EDGE = 3  # samples from where it is not, in which the key is
_NARROWEST = 5  # samples that an area measures both ways
_UNLIKE = 3.0  # standard deviations of the screen from its own gradient, of an area's mean colour
_LEAST_UNLIKE = 0.02  # of full scale


@dataclass(frozen=True)
class Guard:
    """Areas in which a network is sure of the contrary of the key, (h, w) bool each, of samples.

    keep: of the subject, but screen to the key, and of another shade than the screen. drop:
    foreground to the key, but no part of the subject and apart from it, and goes on beyond the
    image.
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


def guard_of(key: Array, mask: Array, image: Array) -> Guard:
    """Where a network's mask contradicts a key's, each (H, W), of an image (H, W, C)."""
    keyed, opinion = samples_of(key), samples_of(mask)
    low, high = _SURE
    foreground = keyed > _HALF
    inside = _eroded(opinion > high, _EDGE) & (keyed < _HALF)
    outside = _eroded(opinion < low, _EDGE) & foreground
    bare = (opinion < low) & (keyed < _HALF)
    subject = _joined((opinion > high) & foreground, foreground, 1)
    return Guard(
        keep=_of_another_shade(_wide(inside), samples_of(image), bare),
        drop=_wide(_reaching_border(outside)) & ~subject,
    )


def _of_another_shade(places: Places, colors: Samples, bare: Places) -> Places:
    """The areas whose mean colour is not the bare screen's, by a plane fitted to that."""
    if not places.any() or np.count_nonzero(bare) < 3:
        return places
    y, x = np.indices(places.shape, np.float32)
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    plane, *_ = np.linalg.lstsq(terms[bare], colors[bare], rcond=None)
    unlike = colors - terms @ plane
    limit = np.maximum(_UNLIKE * unlike[bare].std(axis=0), _LEAST_UNLIKE)
    kept, left = np.zeros_like(places), places.copy()
    while left.any():
        seed = np.zeros_like(places)
        seed.flat[int(left.argmax())] = True
        area = _joined(seed, left, 1)
        left &= ~area
        if (np.abs(unlike[area].mean(axis=0)) > limit).any():
            kept |= area
    return kept


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
    at_border = places.copy()
    at_border[1:-1, 1:-1] = False
    return _joined(at_border, places, _EDGE - 1)


def _joined(seed: Places, places: Places, reach: int) -> Places:
    """What hangs together with a seed, over gaps narrower than the reach."""
    reached, count = seed & places, 0
    while count != (now := int(np.count_nonzero(reached))):
        count = now
        reached = _dilated(reached, reach) & places
    return reached

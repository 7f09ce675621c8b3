"""Frames that follow each other, one at a time."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trimatte import _core
from trimatte.arrays import Array, as_array, is_on_gpu
from trimatte.errors import ArgumentError, ScreenError, VideoWarning, warn
from trimatte.io.reading import load_picture
from trimatte.ops.screen_search import Samples, samples_of
from trimatte.ops.screens import Screen
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.routes import Choice, choose, same_shot

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from trimatte.pipeline.options import RemoverOptions

__all__ = ["Steadier", "VideoRemover"]

_CUT = 0.6  # of the screen that was bare, at least, is so in the next frame
_LOOKS_EVERY = 12  # frames


class Steadier(Protocol):
    """What makes the alpha of a frame agree with those before, as `trimatte.Stabilizer` does."""

    def __call__(self, image: Array, alpha: Array, /) -> Array:
        """The frame's alpha, made steady."""

    def reset(self) -> None:
        """Forget the frames so far."""


class VideoRemover:
    """A `Remover` for the frames of one video, or of a camera, in their order.

    It keeps what it learns from one frame for the next, and starts anew where the size of the
    frames changes. One thread at a time can use it.

    Without options the first frame of a shot decides for all of it, as `Remover` decides for an
    image: it is keyed where it was certainly taken before a screen, and else the network finds the
    subject in every frame. A shot ends where the picture has become another, by the mean
    difference of its pixels. In a shot that is keyed the network looks at the first frame and then
    at every 12th, and where it corrects the key at every frame until it has found nothing to
    correct for as long: a keyed frame costs little more than by the key alone.

    Args:
        remover: what cuts out a single frame; None: one made of options.
        stabilize: keep alpha from flickering where nothing moves; or what does that, a `Steadier`.
        options: of the `Remover` to make.

    Raises:
        ArgumentError: an option is out of range, or options are given beside a remover.
        EngineError: as `Remover` does.
    """

    def __init__(
        self,
        remover: Remover | None = None,
        *,
        stabilize: bool | Steadier = True,
        **options: Unpack[RemoverOptions],
    ) -> None:
        if remover is not None and options:
            raise ArgumentError(
                f"VideoRemover: give {', '.join(options)} to the Remover that you pass"
            )
        self.remover: Remover = Remover(**options) if remover is None else remover
        self._steadier = _steadier(stabilize)
        self._shape: tuple[int, ...] | None = None
        self._screen: Screen | None = None
        self._decision: _Decision | None = None
        self.shot: int = -1  # the number of the one that the last frame is of

    def __call__(self, frame: Any) -> Result:
        """Cut the foreground out of the next frame, as `Remover` does of an image.

        The screen's colour and plate are those of the frame before, followed slowly; where much
        less of it is seen than there was, that was a cut, and everything starts anew.

        frame: as `Remover` takes images; usually (H, W, 3) uint8 or uint16 RGB.

        Raises ArgumentError and EngineError, as `Remover` does; but a frame that shows no screen,
        as a black one between two shots, is kept whole as it is, with a VideoWarning.
        """
        if not isinstance(frame, np.ndarray) and not is_on_gpu(frame):
            frame = load_picture(frame)[0]
        shape = tuple(frame.shape)
        if shape != self._shape:
            self.reset()
        self._look_at(frame)
        if self._screen is not None:
            with suppress(ScreenError):  # a cut
                result = self._cut(frame)
                if result.screen is None or result.screen.share > _CUT * self._screen.share:
                    self._screen = result.screen
                    return result
            self.reset()
            self._look_at(frame)
        if self._shape is None:
            self.shot += 1
        self._shape = shape
        try:
            result = self._cut(frame)
        except ScreenError as error:
            warn(f"{error}: such frames are kept whole", VideoWarning)
            return self.remover(frame, trimap=np.full(shape[:2], 255, np.uint8))
        self._screen = result.screen
        return result

    def reset(self) -> None:
        """Start anew: the next frame has nothing to do with those before."""
        self._shape = None
        self._screen = None
        self._decision = None
        if self._steadier is not None:
            self._steadier.reset()

    def _look_at(self, frame: Any) -> None:
        """Decides how a shot is cut out, by its first frame; starts anew where a frame shows
        another one that is to be cut out in another way."""
        if not self.remover.recipe.looks_for_screen:
            return
        pixels = as_array(frame, "Remover", "image")
        _core.check(pixels, "Remover", "image", color=True)
        samples = samples_of(pixels)
        if self._decision is not None and same_shot(samples, self._decision.samples):
            return
        choice = choose(samples)
        if self._decision is not None and self._decision.choice.key != choice.key:
            self.reset()
        if self._decision is None:
            self._decision = _Decision(choice, samples)
        self._decision.samples = samples

    def _cut(self, frame: Any) -> Result:
        """A frame, cut out as its shot is."""
        decision = self._decision
        choice = None if decision is None else decision.next_choice()
        known: dict[str, Any] = {} if self._screen is None else {"screen": self._screen}
        result, guarded = self.remover._cut_as(frame, choice, adjust=self._steadier, **known)
        if decision is not None:
            decision.count(guarded=guarded)
        return result


class _Decision:
    """How the frames of a shot are cut out, and `samples_of` the frame that says so."""

    def __init__(self, choice: Choice, samples: Samples) -> None:
        self.choice = choice
        self.samples = samples
        self._until_look = 0  # frames
        self._looks = 0  # at frames in a row, yet

    def next_choice(self) -> Choice:
        """That of the next frame: the network looks at some frames of a shot that is keyed."""
        looks = not self._until_look or self._looks
        return self.choice if looks or not self.choice.guards else self.choice.without_network()

    def count(self, *, guarded: bool) -> None:
        """Counts a frame; guarded: the network corrected its key."""
        self._looks = _LOOKS_EVERY if guarded else max(0, self._looks - 1)
        self._until_look = (self._until_look or _LOOKS_EVERY) - 1


def _steadier(stabilize: bool | Steadier) -> Steadier | None:
    if stabilize is True:
        from trimatte.ops.stabilizing import Stabilizer

        return Stabilizer()
    return None if stabilize is False else stabilize

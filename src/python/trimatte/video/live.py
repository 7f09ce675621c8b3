"""Frames that follow each other, one at a time."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trimatte.arrays import Array, is_on_gpu
from trimatte.errors import ArgumentError, ScreenError, VideoWarning, warn
from trimatte.io.reading import load_picture
from trimatte.ops.screens import Screen
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from trimatte.pipeline.options import RemoverOptions

__all__ = ["Steadier", "VideoRemover"]

_CUT = 0.6  # of the screen that was bare, at least, is so in the next frame


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

    Args:
        remover: what cuts out a single frame; None: one made of options.
        stabilize: keep alpha from flickering where nothing moves; or what does that, a `Steadier`.
        options: of the `Remover` to make; without a model, it keys.

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
        options.setdefault("model", None)
        self.remover: Remover = Remover(**options) if remover is None else remover
        self._steadier = _steadier(stabilize)
        self._shape: tuple[int, ...] | None = None
        self._screen: Screen | None = None

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
        if self._screen is not None:
            with suppress(ScreenError):  # a cut
                result = self.remover(frame, adjust=self._steadier, screen=self._screen)
                if result.screen is None or result.screen.share > _CUT * self._screen.share:
                    self._screen = result.screen
                    return result
            self.reset()
        self._shape = shape
        try:
            result = self.remover(frame, adjust=self._steadier)
        except ScreenError as error:
            warn(f"{error}: such frames are kept whole", VideoWarning)
            return self.remover(frame, trimap=np.full(shape[:2], 255, np.uint8))
        self._screen = result.screen
        return result

    def reset(self) -> None:
        """Start anew: the next frame has nothing to do with those before."""
        self._shape = None
        self._screen = None
        if self._steadier is not None:
            self._steadier.reset()


def _steadier(stabilize: bool | Steadier) -> Steadier | None:
    if stabilize is True:
        from trimatte.ops.stabilizing import Stabilizer

        return Stabilizer()
    return None if stabilize is False else stabilize

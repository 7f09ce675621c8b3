"""Alpha of a video without flicker: of a frame by the one before it, or of a sequence."""

from __future__ import annotations

from typing import Any

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import Array, ArrayLike, as_alpha, as_array, number
from trimatte.errors import ArgumentError

__all__ = ["Stabilizer", "stabilize_alpha"]


def stabilize_alpha(
    image: ArrayLike,
    alpha: ArrayLike,
    previous_image: ArrayLike,
    previous_alpha: ArrayLike,
    *,
    strength: float = 0.75,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """The alpha of a frame, steadied by the frame before: a mean over time where the image is
    still, the new alpha where it moves.

    ``a = a_prev + g (a_new - a_prev)``, the motion-adaptive recursive filter of noise reduction in
    television (Brailean et al., Proc. IEEE 83, 1995), with the gain

    ``g = clamp(g0 + 4 (m / n - 1.4), g0, 1)``, ``g0 = 1 - strength``.

    m is the motion: the difference of the frames, of each pixel that of the channel that changed
    most, its mean over 3 x 3 pixels and the largest of 3 x 3 such means (beyond the border the
    border is repeated). n is what m would be of noise alone, 0.742 times the median of the grain
    (0.742 is the mean of the largest of three normal magnitudes by their median, by sqrt 2): of a
    pixel, the largest of |d(x) - d(x + 1)| over the channels, d being the signed difference of the
    frames. Neighbours fade together, so that a change of the light is motion and not noise. n is at
    least 0.5/255 and at most 16/255. Both medians are taken of every fourth row.

    g is 1 everywhere, and the result the new alpha to the bit, after a cut: where the median
    difference of the frames is above 2 n. And g is 1 where the new alpha is exactly 0 or 1, so
    that what is known stays known.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored. Differences are taken in steps of 1/255 of uint8, of 1/1020 of others.
        alpha: (H, W), bool, uint8, uint16 or float32 in [0, 1]: the new frame's.
        previous_image: the frame before, of the image's shape and dtype.
        previous_alpha: what this returned for that frame, of the alpha's shape and dtype.
        strength: the part of the previous alpha where nothing moves, in [0, 1]; 0 does nothing.
            Noise that is new in every frame flickers (1 - strength) / sqrt((1 + strength) / 2)
            times as much: 0.27 times at 0.75.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        (H, W) of the alpha's dtype.

    Raises:
        ArgumentError: an argument is not what is listed above.
    """
    name = "stabilize_alpha"
    return _core.stabilize_alpha(
        as_array(image, name, "image", stream),
        as_alpha(alpha, name, "alpha", stream),
        as_array(previous_image, name, "previous_image", stream),
        as_alpha(previous_alpha, name, "previous_alpha", stream),
        number(strength, name, "strength"),
        device,
        stream,
    )


class Stabilizer:
    """`stabilize_alpha` over a sequence of frames: keeps what the next frame needs.

    A frame whose size, dtype, channels or GPU differ from the one before starts anew, as the first
    frame does: its alpha comes back as it is. One sequence, one stabilizer: it is not for several
    threads at once.

    Frames are NumPy arrays, of which a copy is kept, or arrays on a GPU, which are kept themselves:
    do not write to those before the next frame has been given.

    Args:
        strength: as of `stabilize_alpha`.

    Raises:
        ArgumentError: strength is no number in [0, 1].
    """

    def __init__(self, strength: float = 0.75) -> None:
        self.strength: float = number(strength, "Stabilizer", "strength")
        if not 0.0 <= self.strength <= 1.0:
            raise ArgumentError(f"Stabilizer: strength must be in [0.0, 1.0], got {strength!r:.80}")
        self._previous: tuple[Array, Array] | None = None

    def __call__(
        self,
        image: ArrayLike,
        alpha: ArrayLike,
        *,
        device: str | None = None,
        stream: Any = None,
    ) -> Array:
        """The frame's alpha, steadied; what `stabilize_alpha` returns and raises."""
        name = "Stabilizer"
        pixels = as_array(image, name, "image", stream)
        result = as_alpha(alpha, name, "alpha", stream)
        _core.check(pixels, name, "image", color=True)
        _core.check(result, name, "alpha", color=False)
        if result.shape != pixels.shape[:2]:
            raise ArgumentError(
                f"{name}: alpha must have the height and width of image {pixels.shape}, got "
                f"{result.shape}"
            )
        if self._previous is None or not self._follows(pixels, result):
            result = _kept(result)
        else:
            result = stabilize_alpha(
                pixels,
                result,
                *self._previous,
                strength=self.strength,
                device=device,
                stream=stream,
            )
        self._previous = _kept(pixels), _kept(result)
        return result

    def reset(self) -> None:
        """Forgets the frame before: the next one starts anew."""
        self._previous = None

    def _follows(self, image: Array, alpha: Array) -> bool:
        assert self._previous is not None
        return all(
            _kind(now) == _kind(before)
            for now, before in zip((image, alpha), self._previous, strict=True)
        )


def _kind(array: Array) -> tuple[Any, ...]:
    place = array.device if isinstance(array, DeviceArray) else "cpu"
    return place, array.shape, array.dtype


def _kept(array: Array) -> Array:
    return array if isinstance(array, DeviceArray) else array.copy()

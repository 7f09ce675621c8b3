"""Matting by something else than trimatte: a session, for instance of a network."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.arrays import Array, ArrayLike, as_array, on_host, three_valued
from trimatte.errors import ArgumentError

__all__ = ["MattingSession"]


@runtime_checkable
class MattingSession(Protocol):
    """What `estimate_alpha` takes as a method: anything that makes an alpha of an image and a
    trimap. `trimatte.engines.TrimapNetwork` is one.

    The session gets NumPy arrays, wherever the caller's lie, and need not keep to what the trimap
    knows: `estimate_alpha` sees to that, and clips the result to [0, 1].
    """

    def estimate_alpha(
        self, image: npt.NDArray[Any], trimap: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """Alpha of an image.

        Args:
            image: (H, W, 3), uint8, uint16 or float32 in [0, 1], as the caller gave it.
            trimap: (H, W), uint8: 0 background, 128 unknown, 255 foreground.

        Returns:
            (H, W), float32, finite.
        """
        ...


def alpha_of_session(
    session: MattingSession, image: ArrayLike, trimap: ArrayLike, stream: Any
) -> Array:
    """What a session makes of the arguments of `estimate_alpha`, where the image lies."""
    operation = "estimate_alpha"
    pixels = as_array(image, operation, "image", stream)
    marks = as_array(trimap, operation, "trimap", stream)
    _core.check(pixels, operation, "image", color=True)
    marks = three_valued(marks, operation, "trimap", stream)
    if marks.shape != pixels.shape[:2]:
        raise ArgumentError(
            f"{operation}: trimap must have the height and width of image {pixels.shape} "
            f"{pixels.dtype}, got {marks.shape} {marks.dtype}"
        )
    rgb, known = np.array(on_host(pixels)[..., :3], order="C"), on_host(marks)
    alpha = _checked(session, session.estimate_alpha(rgb, known), known)
    if isinstance(pixels, DeviceArray):
        return _core.to_device(alpha, pixels.device, stream)
    return alpha


def _checked(session: MattingSession, result: Any, trimap: Array) -> Array:
    """A session's result in [0, 1], and as the trimap has it where that knows."""
    name = f"{type(session).__module__}.{type(session).__qualname__}"
    wanted = f"estimate_alpha: the session {name} must return {trimap.shape} float32, finite"
    if not isinstance(result, np.ndarray):
        raise ArgumentError(f"{wanted}, got {type(result).__name__}")
    if result.shape != trimap.shape or result.dtype != np.float32:
        raise ArgumentError(f"{wanted}, got {result.shape} {result.dtype}")
    if not np.all(np.isfinite(result)):
        raise ArgumentError(f"{wanted}, got {result[~np.isfinite(result)][0]}")
    alpha = np.clip(result, 0.0, 1.0)
    alpha[trimap == 0] = 0.0
    alpha[trimap == 255] = 1.0
    return alpha

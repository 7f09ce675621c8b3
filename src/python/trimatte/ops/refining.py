"""From a rough mask, as a segmentation network makes it, to alpha and foreground."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from trimatte import _core
from trimatte.arrays import Array, ArrayLike, as_alpha, as_array, check_proportions, on_host
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError
from trimatte.ops.edges import hold_mattes, sure_mattes
from trimatte.ops.matting import estimate_alpha, estimate_foreground
from trimatte.ops.resizing import resize
from trimatte.ops.trimap import AUTO_NETWORK_SIZE, make_trimap, network_pixel

__all__ = ["Refined", "refine"]

# Where a mask is far from its edges is found on a grid of so many cells in each direction. So many
# cells are far, and as many of a network's own pixels where those are larger.
_GRID = 320
_FAR = 20.0

Radius = float | tuple[float, float]
Stage = Callable[[str], AbstractContextManager[object]]  # what a stage runs within
Adjust = Callable[[Any, Any], Any]  # (image, alpha) -> alpha


@dataclass(frozen=True, eq=False)
class Refined:
    """What `refine` made of a mask: alpha, (H, W) float32 in [0, 1]; foreground, (H, W, 3) of the
    image's dtype; trimap, (H, W) uint8, 0 / 128 / 255."""

    alpha: Array
    foreground: Array
    trimap: Array


def refine(
    image: ArrayLike,
    mask: ArrayLike,
    *,
    network_size: int | tuple[int, int] | None = None,
    radius: Radius | None = None,
    quality: str = "balanced",
    device: str | None = None,
    stream: Any = None,
) -> Refined:
    """Alpha and foreground colours of an image from a rough mask: `make_trimap` with
    ``band="auto"``, `estimate_alpha` and `estimate_foreground`, all where the image lies.

    The mask has its say in the alpha too (see `estimate_alpha`): hair and edges are solved, and a
    wide area that a network is half-sure of is not torn.

    What the mask is unsure of far from where it passes one half is no edge: beyond a sixteenth of
    the image's sides, and 20 network pixels, it is known to be on the side that the mask is on.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; a fourth channel is
            ignored.
        mask: what is foreground, roughly: (h, w) bool, uint8, uint16 or float32 in [0, 1]. If it is
            not of the image's size, as a network's own result, it is resized to it (`resize`,
            Lanczos) over the whole image. A NumPy mask of an image on a GPU is copied there.
        network_size: side, or (height, width), of the network that made the mask. None: the mask's
            own size if that is not the image's, else 320.
        radius: reach of the unknown band in pixels of the image, or (outside, inside), instead of
            one that follows the mask's softness. With a ``network_size`` it counts network pixels.
        quality: of `estimate_alpha`.
        device: see `trimatte.devices`.
        stream: likewise.

    Returns:
        A `Refined`; its arrays lie where the image lies.

    Raises:
        ArgumentError: an argument is not what is listed above; the message may name the operation
            of the three that the argument is for.

    Warns:
        TrimapWarning: as `make_trimap` does.
        CutoutWarning: the mask is neither square nor of the image's shape, or looks like a map of
            labels.
    """
    pixels = as_array(image, "refine", "image", stream)
    coarse = as_alpha(mask, "refine", "mask", stream)
    _core.check(pixels, "refine", "image", color=True)
    _core.check(coarse, "refine", "mask", color=False)
    check_proportions(coarse, pixels, "refine")
    moves = not isinstance(pixels, DeviceArray)
    if moves and isinstance(coarse, DeviceArray):
        raise ArgumentError(
            f"refine: the mask lies on {coarse.device} and the image does not; to_device() copies "
            "it there"
        )
    pixels = _core.place(pixels, device, "refine")
    if stream is not None and not isinstance(pixels, DeviceArray):
        raise ArgumentError(f"refine: stream must be None for work on the CPU, got {stream!r:.80}")
    with _core.trusted():  # both have been checked
        rough, trimap = trimap_of_mask(
            beside(coarse, pixels), pixels, network_size=network_size, radius=radius, stream=stream
        )
        refined = solve(pixels, trimap, mask=rough, quality=quality, stream=stream)
    return _to_host(refined) if moves else refined


def beside(array: Array, pixels: Array) -> Array:
    """A mask where the image lies; only NumPy's are copied."""
    on_gpu = isinstance(pixels, DeviceArray)
    return _core.place(array, pixels.device, "refine") if on_gpu else array


def trimap_of_mask(
    mask: Array,
    image: Array,
    *,
    network_size: int | tuple[int, int] | None = None,
    radius: Radius | None = None,
    stream: Any = None,
) -> tuple[Array, Array]:
    """The mask in the image's size, and the trimap of it; the arguments are those of `refine`."""
    height, width = image.shape[:2]
    if mask.shape != (height, width):
        if network_size is None and radius is None:
            network_size = mask.shape
        mask = resize(as_alpha(mask, "refine", "mask", stream), (height, width), stream=stream)
    if radius is not None:
        return mask, make_trimap(mask, radius, network_size=network_size, stream=stream)
    trimap = make_trimap(mask, band="auto", network_size=network_size, stream=stream)
    return mask, _settled(trimap, mask, network_size or AUTO_NETWORK_SIZE, stream)


def _settled(trimap: Array, mask: Array, network_size: int | tuple[int, int], stream: Any) -> Array:
    """The mask's trimap with nothing unknown that is far from any edge.

    An unsure network leaves whole patches half white, far wider than an edge. Alpha cannot be
    solved for without something known around: they come out half transparent, or on the wrong side.
    How far that is was fitted to masks of a small network; larger ones have hardly such patches.
    """
    if 0 in mask.shape:
        return trimap
    alpha = as_alpha(mask, "refine", "mask", stream)
    small = resize(alpha, (_GRID, _GRID), filter="box", stream=stream)
    half = 0.5 if small.dtype == np.float32 else np.iinfo(small.dtype).max / 2
    below_half = float(np.nextafter(np.float32(half), np.float32(0)))  # half itself is inside
    garbage, core = sure_mattes(
        small,
        half,
        below_half,
        reach=round(_FAR * max(1.0, network_pixel(network_size, small))),
        size=trimap.shape,
        stream=stream,
    )
    return hold_mattes(trimap, garbage=garbage, core=core, stream=stream)


def solve(
    image: Array,
    trimap: Array,
    *,
    mask: Array | None = None,
    quality: str = "balanced",
    stream: Any = None,
    stage: Stage = nullcontext,
    adjust: Adjust | None = None,
) -> Refined:
    """Alpha and foreground by a trimap, and by the mask that it was made of, each within
    stage(its name); between them alpha becomes adjust(image, alpha)."""
    with stage("alpha"):
        alpha = estimate_alpha(image, trimap, mask=mask, quality=quality, stream=stream)
    if adjust is not None:
        with stage("adjust"):
            alpha = adjust(image, alpha)
    with stage("foreground"):
        foreground = estimate_foreground(image, alpha, stream=stream)
    return Refined(alpha, foreground, trimap)


def _to_host(refined: Refined) -> Refined:
    arrays = (getattr(refined, field.name) for field in fields(refined))
    return Refined(*map(on_host, arrays))

"""What happens to ONE image: read, segmented, cut out, by functions of a `Recipe` and a `Frame`.

Arrays are checked where they come in. After that they are ours, and operations do not scan their
values again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trimatte import _core
from trimatte.arrays import (
    FULL_SCALES,
    Array,
    KeyColor,
    as_alpha,
    as_array,
    check_proportions,
    is_on_gpu,
    on_host,
    refuse_labels,
    three_valued,
)
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError, CutoutWarning, warn
from trimatte.io.masks import read_matte
from trimatte.io.metadata import Metadata
from trimatte.io.reading import Header, load_picture, read_header
from trimatte.io.sources import ImageSource, measurable
from trimatte.ops.compositing import cutout, limit_alpha
from trimatte.ops.edges import hold_mattes
from trimatte.ops.matting import estimate_foreground
from trimatte.ops.refining import Adjust, Refined, beside, solve, trimap_of_mask
from trimatte.ops.resizing import resize, upsample_mask
from trimatte.ops.screen_guard import guard_of
from trimatte.ops.screen_matting import Mattes, finish_alpha, screen_key, solve_before_screen
from trimatte.ops.screens import Screen, fit_screen
from trimatte.ops.trimap import make_trimap
from trimatte.ops.unsureness import glance
from trimatte.pipeline.budget import check_fits
from trimatte.pipeline.options import Key, Matting, Recipe
from trimatte.pipeline.result import Result
from trimatte.pipeline.routes import Choice, Route
from trimatte.pipeline.segmenter import Classes, Segmenter

__all__ = ["Frame", "Given", "cut", "default_radius", "load_given", "read_frame", "segment_frames"]

# The default band of a key, (outside, inside) its rough outline, in pixels of the image scaled to
# 320 x 320: hair grows with the image, so the band has to. Never less than the second pair, in real
# pixels.
_BAND = (4.0, 2.0)
_NARROWEST_BAND = (2.0, 1.0)
_BAND_SIDE = 320

_LEAST_SEEN = 0.02  # of full opacity


@dataclass(frozen=True)
class Given:
    """What came with an image: each (H, W), loaded, or None."""

    mask: Array | None = None
    trimap: Array | None = None
    garbage: Array | None = None
    core: Array | None = None


@dataclass
class Frame:
    """An image on its way through the stages, and what came with it.

    pixels: where they are worked on. on_host: whether results go back to the host. mask: given, or
    the network's; None where there is neither, or not yet. trimap: given. choice: how to cut it
    out; known when it has been looked at. segmenter: makes the mask; None where none is to be made
    by a network. guarded: whether a network has corrected the key; known when it has been cut out.
    glance: at the mask that the network has made, see `trimatte.ops.unsureness`.
    """

    pixels: Array
    metadata: Metadata
    on_host: bool
    mattes: Mattes
    mask: Array | None
    trimap: Array | None
    choice: Choice | None = None
    segmenter: Segmenter | None = None
    guarded: bool = False
    glance: Array | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def header(self) -> Header:
        """What its header should have said."""
        height, width = self.pixels.shape[:2]
        return Header(height, width, self.pixels.dtype.itemsize)

    @property
    def device(self) -> str:
        """Where its pixels lie."""
        return self.pixels.device if isinstance(self.pixels, DeviceArray) else "cpu"

    @property
    def network_shape(self) -> Hashable | None:
        """Equal for images that a network can see in one batch; None where none sees this one."""
        if self.segmenter is None:
            return None
        return self.device, self.segmenter.network_size(*self.pixels.shape[:2])

    @property
    def is_given(self) -> bool:
        """Whether mask or trimap came with the image."""
        return self.segmenter is None and (self.mask is not None or self.trimap is not None)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage, which may come twice, and in which every array has been checked."""
        start = time.perf_counter()
        with _core.trusted(True):
            yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


# --- reading ---


def load_given(
    sources: Mapping[str, ImageSource | None], most_bytes: int | None, max_pixels: int | None
) -> Given:
    """Masks, mattes and trimaps as arrays, which can be taken again and again.

    Raises ArgumentError: one is unreadable, has more than max_pixels, or may take more than
    most_bytes.
    """
    loaded = {
        name: _loaded(source, name, most_bytes, max_pixels) for name, source in sources.items()
    }
    return Given(**loaded)


def read_frame(image: ImageSource, given: Given, recipe: Recipe, stream: Any = None) -> Frame:
    """The image and what came with it, checked, where they are worked on.

    Raises ArgumentError: the image is unreadable, or something given is not of its size.
    """
    start = time.perf_counter()
    pixels, metadata = _pixels(image, recipe, stream)
    frame = Frame(
        pixels,
        metadata.under(recipe.metadata, "Remover"),
        on_host=not is_on_gpu(image),
        mattes=Mattes(
            _placed(given.garbage, pixels, "garbage", sized=True),
            _placed(given.core, pixels, "core", sized=True),
        ),
        mask=_placed(given.mask, pixels, "mask", sized=False),
        trimap=_placed(given.trimap, pixels, "trimap", sized=True),
    )
    frame.timings["read"] = time.perf_counter() - start
    return frame


def _pixels(image: ImageSource, recipe: Recipe, stream: Any) -> tuple[Array, Metadata]:
    pixels, metadata = (
        (image, Metadata())
        if is_on_gpu(image)
        else load_picture(image, max_pixels=recipe.max_pixels)
    )
    pixels = as_array(pixels, "Remover", "image")
    _core.check(pixels, "Remover", "image", color=True)
    return _core.place(pixels, recipe.device, "Remover", stream), metadata


def _loaded(
    source: ImageSource | None, name: str, most_bytes: int | None, max_pixels: int | None
) -> Array | None:
    if source is None:
        return None
    if is_on_gpu(source):
        return as_array(source, "Remover", name)
    if most_bytes is not None:
        source = measurable(source)
        check_fits(read_header(source), most_bytes, "Remover")
    return read_matte(source, name, max_pixels=max_pixels)


def _placed(array: Array | None, pixels: Array, name: str, *, sized: bool) -> Any:
    """A mask, matte or trimap where the pixels are, of their size if it has to be."""
    if array is None:
        return None
    if sized and array.shape != pixels.shape[:2]:
        raise ArgumentError(
            f"Remover: the {name} must have the image's size {pixels.shape[:2]}, got {array.shape}"
        )
    if name == "trimap":
        refuse_labels(array, "Remover", name)
    else:
        array = as_alpha(array, "Remover", name)
    if not sized:
        check_proportions(array, pixels, "Remover")
    _core.check(array, "Remover", name, color=False)
    return beside(array, pixels)


# --- the network ---


def segment_frames(frames: Sequence[Frame], classes: Classes | None) -> None:
    """Gives each frame its mask, by the network that all of them have; each is charged an equal
    share of the time."""
    segmenter = frames[0].segmenter
    assert segmenter is not None
    start = time.perf_counter()
    with _core.trusted():
        masks = segmenter.batch([frame.pixels for frame in frames], classes=classes)
        glances = [glance(mask) for mask in masks]
    share = (time.perf_counter() - start) / len(frames)
    for frame, mask, seen in zip(frames, masks, glances, strict=True):
        frame.mask, frame.glance = mask, seen
        frame.timings["segment"] = share


# --- from mask or screen to the cutout ---


@dataclass(frozen=True)
class _Cut:
    """Alpha and foreground, what they were made from, and what was keyed out."""

    refined: Refined
    mask: Array | None
    key_color: KeyColor | None = None
    screen: Screen | None = None


def cut(
    frame: Frame, recipe: Recipe, *, screen: Screen | None = None, adjust: Adjust | None = None
) -> Result:
    """Everything that comes after the network.

    screen, adjust: see `Remover`.

    Raises ArgumentError: a screen is given where none is learnt; adjust returned no alpha.
    """
    pixels = frame.pixels
    choice = frame.choice
    assert choice is not None
    key, route = None if frame.is_given else choice.key, choice.route
    if screen is not None and not (key and key.learns_screen):
        raise ArgumentError("Remover: screen must be left out where none is learnt")
    finish = _finish(recipe.matting, frame.mattes, adjust)
    if key is None:
        made = _given(frame, recipe.matting, finish)
    else:
        made, route = _keyed(frame, choice, key, recipe.matting, screen, finish)
    alpha, foreground = made.refined.alpha, made.refined.foreground
    if made.key_color is not None and recipe.matting.despill is not None:
        # A bare key tells too little of the edge to spare colours by their distance from it.
        near = alpha if recipe.matting.solve else None
        with frame.stage("despill"):
            foreground = recipe.matting.despilled(foreground, near, made.key_color)
    with frame.stage("cutout"):
        if pixels.shape[2] == 4:
            alpha = limit_alpha(alpha, pixels)
        rgba = cutout(foreground, alpha)
    arrays = {
        "rgba": rgba,
        "alpha": alpha,
        "foreground": foreground,
        "trimap": made.refined.trimap,
        "mask": made.mask,
    }
    result = Result(
        arrays,
        frame.timings,
        frame.device,
        on_host=frame.on_host,
        engine=None if frame.segmenter is None else frame.segmenter.engine,
        screen=made.screen,
        metadata=frame.metadata,
        route=route,
        glance=frame.glance,
    )
    if frame.on_host and frame.device != "cpu":
        with frame.stage("wait"):
            _ = result.rgba
    if frame.on_host:
        _warn_of_nothing(result.rgba[:, :, 3], frame, keyed=key is not None)
    return result


def _warn_of_nothing(alpha: Array, frame: Frame, *, keyed: bool) -> None:
    """Warns where nothing is left of an image, or nothing was keyed out of it."""
    full = FULL_SCALES[alpha.dtype.name]
    if not _any(alpha, lambda part: part > _LEAST_SEEN * full):
        pixels = frame.pixels
        if pixels.shape[2] == 4 and not _any(on_host(pixels)[:, :, 3], lambda part: part > 0):
            why = "it is transparent throughout"
        elif keyed:
            why = "all of it was keyed out"
        elif frame.segmenter is not None:
            why = f"{frame.segmenter.card.name} found no foreground"
        else:
            why = f"the {'mask' if frame.trimap is None else 'trimap'} has no foreground"
        warn(f"nothing is left of the image: {why}", CutoutWarning)
    elif keyed and not _any(alpha, lambda part: part < (1 - _LEAST_SEEN) * full):
        warn("nothing was keyed out: no pixel has the screen's colour", CutoutWarning)


def _any(plane: Array, condition: Callable[[Array], Array]) -> bool:
    """Whether any pixel meets the condition; in most images one of a few does."""
    return bool(condition(plane[::8, ::8]).any() or condition(plane).any())


def _given(frame: Frame, matting: Matting, finish: Adjust | None) -> _Cut:
    """By a trimap or a mask, given or the network's."""
    if not matting.solve:
        mask, alone = _mask_alone(frame) if frame.trimap is None else (None, frame.trimap)
        return _Cut(_unsolved(frame, alone, finish), mask)
    mask, trimap = _trimap(frame, matting)
    return _Cut(_solved(frame, trimap, matting, finish, mask), mask)


def _keyed(
    frame: Frame,
    choice: Choice,
    key: Key,
    matting: Matting,
    known: Screen | None,
    finish: Adjust | None,
) -> tuple[_Cut, Route]:
    """By a key, within the limits that a network sets, if there is one; and the route."""
    mattes, route = frame.mattes, choice.route
    if frame.segmenter is not None and not choice.guards:
        _, trimap = _trimap(frame, matting)
        mattes = mattes.within(trimap)  # in the key; the last word is the caller's own
    if not key.learns_screen:
        return _by_color(frame, key, mattes, matting, finish), route
    with frame.stage("screen"):
        screen = fit_screen(
            frame.pixels, key_color=key.color, transfer=key.transfer or "auto", like=known
        )
    if frame.segmenter is not None and choice.guards:
        mattes, route = _guarded(frame, choice, screen, matting)
    return _before_screen(frame, screen, mattes, matting, finish), route


def _guarded(
    frame: Frame, choice: Choice, screen: Screen, matting: Matting
) -> tuple[Mattes, Route]:
    """The mattes, with the areas in which a network corrects the key; and the route."""
    assert frame.mask is not None
    with frame.stage("guard"):
        key = screen_key(frame.pixels, screen, frame.mattes)
        guard = guard_of(key, frame.mask, frame.pixels)
    frame.guarded = bool(guard)
    if not frame.guarded:
        return frame.mattes, choice.guarded_by(guard)
    _, trimap = _trimap(frame, matting)
    areas = guard.mattes(Mattes().within(trimap), frame.pixels)
    return frame.mattes.and_also(areas), choice.guarded_by(guard)


def _by_color(
    frame: Frame, key: Key, mattes: Mattes, matting: Matting, finish: Adjust | None
) -> _Cut:
    """By a key that learns no screen."""
    with frame.stage("key"):
        color = key.color_in(frame.pixels)
        mask = mattes.hold(key.mask(frame.pixels, color))
    if not matting.solve:
        return _Cut(_unsolved(frame, mask, finish), mask, color)
    with frame.stage("trimap"):
        radius = default_radius(*mask.shape) if matting.radius is None else matting.radius
        trimap = make_trimap(mask, radius)
    return _Cut(_solved(frame, trimap, matting, finish), mask, color)


def _before_screen(
    frame: Frame, screen: Screen, mattes: Mattes, matting: Matting, finish: Adjust | None
) -> _Cut:
    if not matting.solve:
        with frame.stage("key"):
            mask = screen_key(frame.pixels, screen, mattes)
        return _Cut(_unsolved(frame, mask, finish), mask, screen.key_color, screen)
    mask, refined = solve_before_screen(
        frame.pixels,
        screen,
        mattes,
        radius=matting.radius,
        quality=matting.quality,
        stage=frame.stage,
        adjust=finish,
    )
    return _Cut(refined, mask, screen.key_color, screen)


def _trimap(frame: Frame, matting: Matting) -> tuple[Array | None, Array]:
    """The mask in the image's size, if there is one, and the trimap: given, or the mask's."""
    if frame.trimap is not None:
        return None, three_valued(frame.trimap, "Remover", "trimap")
    assert frame.mask is not None
    network_size = None
    if frame.segmenter is not None and matting.radius is None:
        network_size = frame.segmenter.network_size(*frame.mask.shape)
    with frame.stage("trimap"):
        return trimap_of_mask(
            frame.mask, frame.pixels, network_size=network_size, radius=matting.radius
        )


def _mask_alone(frame: Frame) -> tuple[Array, Array]:
    """The mask in the image's size, and as an alpha: that of fewer samples than the image has
    pixels, as networks make it, gets its edges from the image."""
    mask, (height, width) = frame.mask, frame.pixels.shape[:2]
    assert mask is not None
    with frame.stage("mask"):
        sized = mask if mask.shape == (height, width) else resize(mask, (height, width))
        rows, columns = mask.shape
        if frame.segmenter is not None:  # whose mask has been resized already
            rows, columns = frame.segmenter.network_size(height, width)
        if rows * columns >= height * width:
            return sized, sized
        coarse = mask if mask.shape == (rows, columns) else resize(mask, (rows, columns))
        return sized, upsample_mask(frame.pixels, coarse)


def _solved(
    frame: Frame,
    trimap: Array,
    matting: Matting,
    finish: Adjust | None,
    mask: Array | None = None,
) -> Refined:
    return solve(
        frame.pixels,
        trimap,
        mask=mask,
        quality=matting.quality,
        stage=frame.stage,
        adjust=finish,
    )


def _unsolved(frame: Frame, mask: Array, finish: Adjust | None) -> Refined:
    """A mask as the alpha, without matting."""
    with frame.stage("alpha"):
        trimap = three_valued(as_alpha(mask, "Remover", "mask"), "Remover", "mask")
        alpha = _as_float(mask)
    if finish is not None:
        with frame.stage("adjust"):
            alpha = finish(frame.pixels, alpha)
    with frame.stage("foreground"):
        foreground = estimate_foreground(frame.pixels, alpha)
    return Refined(alpha, foreground, trimap)


def _as_float(mask: Array) -> Array:
    """A mask of any depth as alpha in float32, where it lies."""
    nothing = np.zeros(mask.shape, np.float32)
    if isinstance(mask, DeviceArray):
        return hold_mattes(_core.place(nothing, mask.device, "Remover"), core=mask)
    return hold_mattes(nothing, core=mask)


def _finish(matting: Matting, mattes: Mattes, adjust: Adjust | None) -> Adjust | None:
    """The caller's adjustment, whose result is checked, and then the last touches."""
    touches = matting.choke or matting.feather or mattes
    if adjust is None and not touches:
        return None

    def finished(pixels: Array, alpha: Array) -> Array:
        if adjust is not None:
            with _core.trusted(False):
                alpha = as_array(adjust(pixels, alpha), "Remover", "adjust's alpha")
                _core.check(alpha, "Remover", "adjust's alpha", color=False)
        return finish_alpha(alpha, choke=matting.choke, feather=matting.feather, mattes=mattes)

    return finished


def default_radius(height: int, width: int) -> tuple[float, float]:
    """The unknown band's (outside, inside) for an image of this size, in pixels."""
    scale = math.sqrt(height * width) / _BAND_SIDE
    outside, inside = (
        max(least, pixels * scale) for least, pixels in zip(_NARROWEST_BAND, _BAND, strict=True)
    )
    return outside, inside

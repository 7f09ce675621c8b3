"""The whole way of an image: coarse mask, trimap, alpha, foreground, despill, cutout."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trimatte import _core
from trimatte.arrays import KeyColor, as_array, is_on_gpu, three_valued
from trimatte.compositing import composite, cutout, limit_alpha
from trimatte.devices import DeviceArray
from trimatte.edges import choke, feather
from trimatte.errors import ArgumentError
from trimatte.imageio import (
    Compression,
    ImageSource,
    check_output,
    encode_image,
    is_path,
    load_picture,
    read_mask,
    to_pillow,
    write_image,
)
from trimatte.key_rules import check_key_options
from trimatte.keyer import Mattes, finish_alpha, solve_before_screen
from trimatte.keying import chroma_key
from trimatte.matting import despill as remove_spill
from trimatte.matting import estimate_alpha
from trimatte.refining import Adjust, Radius, beside, solve, trimap_of_mask
from trimatte.screens import Screen, check_screen_options, fit_screen
from trimatte.segmenting import (
    BUILT_IN_MODEL,
    Classes,
    Model,
    Segmenter,
    as_segmenter,
    refuse_options,
)
from trimatte.trimap import make_trimap

__all__ = ["Remover", "Result", "remove"]

Array = NDArray[Any]

# The default band of a key, (outside, inside) its rough outline, in pixels of the image scaled to
# 320 x 320: hair grows with the image, so the band has to. Never less than the second pair, in real
# pixels.
_BAND = (4.0, 2.0)
_NARROWEST_BAND = (2.0, 1.0)
_BAND_SIDE = 320


class Result:
    """A cutout and what it was made from.

    rgba: (H, W, 4) straight alpha, dtype of the image; colour is 0 where alpha is 0.
    alpha: (H, W) float32 in [0, 1]. foreground: (H, W, 3), dtype of the image, spill removed.
    trimap: (H, W) uint8, 0 / 128 / 255. mask: the coarse mask the trimap was made from, (H, W);
    None where the trimap was given. engine: what ran the network that made the mask, and why it;
    None where none did. screen: what was learnt of the screen that was keyed out, or None.
    timings: seconds by stage, in order; on a GPU stages run on
    while the next is given to it, and the last one given here, "wait", is what was left of them.
    device: where it ran: "cpu", "cuda:0". icc_profile: the colour profile of the file read, which
    `image` and `save` pass on.

    Arrays are NumPy's, copied from a GPU when they are asked for; of an image that was a GPU's
    array they are `DeviceArray`.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array | None],
        timings: dict[str, float],
        device: str = "cpu",
        *,
        on_host: bool = True,
        engine: str | None = None,
        screen: Screen | None = None,
        icc_profile: bytes | None = None,
    ) -> None:
        self._arrays = dict(arrays)
        self._on_host = on_host
        self.timings = timings
        self.device = device
        self.engine = engine
        self.screen = screen
        self.icc_profile = icc_profile

    def _array(self, name: str) -> Any:
        array = self._arrays[name]
        if self._on_host and isinstance(array, DeviceArray):
            array = self._arrays[name] = array.to_host()
        return array

    @property
    def rgba(self) -> Array:
        """(H, W, 4) straight RGBA."""
        return self._array("rgba")

    @property
    def alpha(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1]."""
        return self._array("alpha")

    @property
    def foreground(self) -> Array:
        """(H, W, 3) straight colours without spill."""
        return self._array("foreground")

    @property
    def trimap(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 0, 128, 255."""
        return self._array("trimap")

    @property
    def mask(self) -> Array | None:
        """(H, W) the coarse mask, or None."""
        return self._array("mask")

    @property
    def image(self) -> Image.Image:
        """The cutout as a Pillow image, RGBA of 8 bits per channel (Pillow has no more);
        `rgba` and `save` keep the depth of the image."""
        return to_pillow(self.rgba, self.icc_profile)

    def save(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        compression: Compression = "fast",
    ) -> None:
        """Write the cutout: PNG, WebP (lossless) or TIFF, by the suffix or by format.

        compression: ``"fast"``, ``"balanced"``, ``"small"`` or a level in 0..9: time for size.

        Raises ArgumentError, as write_image does.
        """
        write_image(path, self.rgba, format, compression=compression, icc_profile=self.icc_profile)

    def encode(self, format: str = "png", *, compression: Compression = "fast") -> bytes:
        """The cutout as the bytes of a file, as `save` would write it.

        Raises ArgumentError where the format cannot hold it.
        """
        return encode_image(
            self.rgba, format, compression=compression, icc_profile=self.icc_profile
        )

    def composite(self, background: Any, *, linear: bool = False) -> Array:
        """The cutout over a background: (H, W, 3) of the image's dtype.

        background: (r, g, b) in 0..255, a colour's name, or an image of the same size and dtype.
        """
        return composite(self.foreground, self.alpha, background, linear=linear)

    def __repr__(self) -> str:
        rgba = self._arrays["rgba"]
        assert rgba is not None
        height, width = rgba.shape[:2]
        total = sum(self.timings.values())
        return f"<trimatte.Result {width} x {height} {rgba.dtype}, {total:.2f} s on {self.device}>"


class Remover:
    """Removes backgrounds: found by a network, keyed out by their colour, or named by a mask or a
    trimap.

    A Remover holds no state of an image: it can be shared between threads.

    Args:
        model: of a `Segmenter`, or one: it makes the coarse mask. None: `chroma_key` does.
            ``"auto"``: ``"u2net-lite"``, which comes with the package, loaded when first needed;
            but None where key_color, method, tolerance, softness or transfer is given.
        card, runtime, precision, accept_license: of the Segmenter.
        classes: those that are foreground, of a network that tells classes apart.
        key_color: of `chroma_key` or `fit_screen`. None: ``"auto"`` with the method ``"plate"``,
            else ``"green"``. Beside a model's name it asks for both: the network says what is
            surely inside and surely outside, where green clothes and the studio's walls are, and
            the key the rest.
        method: of `chroma_key`. None: ``"plate"``, the best, with nothing to tune; where a
            tolerance or softness is given, ``"difference"``.
        tolerance, softness, transfer: of `chroma_key`; transfer for ``"plate"`` of `fit_screen`.
        radius: the unknown band's width in pixels, a number or (outside, inside). None: beyond
            what a learnt screen leaves unsure 1/480 of the image's side (of a square of its area;
            at least 2); around another key 1/80 outside and 1/160 inside (at least 2 and 1); of a
            mask as wide as its softness asks for, see `make_trimap` with
            ``band="auto"``.
        quality: of `estimate_alpha`.
        choke, feather: of the functions of that name, for alpha, in pixels, in [-64, 64] and
            [0, 64].
        despill: the method of `despill` for the foreground of keyed images, or None.
        despill_strength: in [0, 1].
        device: None or ``"cpu"``; ``"cuda"`` or ``"cuda:1"``, where the whole frame stays from the
            one copy there to the copies back; ``"auto"``. An array that lies on a GPU is worked on
            there. None with a Segmenter: its device.

    Raises:
        ArgumentError: an option is out of range.
        EngineError: the model cannot be had, or not be run.
    """

    def __init__(
        self,
        *,
        model: Model | Segmenter | None = "auto",
        card: Model | None = None,
        classes: Classes | None = None,
        runtime: str = "auto",
        precision: str | None = None,
        accept_license: bool | str = False,
        key_color: KeyColor | None = None,
        method: str | None = None,
        tolerance: float | None = None,
        softness: float | None = None,
        transfer: str | None = None,
        radius: Radius | None = None,
        quality: str = "balanced",
        choke: float = 0.0,
        feather: float = 0.0,
        despill: str | None = "average",
        despill_strength: float = 1.0,
        device: Any = None,
    ) -> None:
        self.classes = classes
        tuned = tolerance is not None or softness is not None
        tells_of_key = tuned or method is not None or transfer is not None
        if built_in := model == "auto":
            model = None if tells_of_key or key_color is not None else BUILT_IN_MODEL
        self.method = method or ("difference" if tuned else "plate")
        self.keys = model is None or key_color is not None
        usual = "auto" if self.method == "plate" else "green"
        self.key_color = usual if key_color is None else key_color
        if not self.keys and tells_of_key:
            raise ArgumentError(
                "Remover: method, tolerance, softness and transfer must be left out with a model "
                "but where key_color asks for a key beside it"
            )
        self.tolerance = tolerance
        self.softness = softness
        self.transfer = transfer
        self.radius = radius
        self.quality = quality
        self.choke = choke
        self.feather = feather
        self.despill = despill
        self.despill_strength = despill_strength
        self.device = device
        self._try_options()
        self._model = model
        self._network: dict[str, Any] = {
            "card": card,
            "runtime": runtime,
            "precision": precision,
            "accept_license": accept_license,
        }
        if model is None:
            refuse_options("Remover", "without a model", classes=classes, **self._network)
        elif built_in:
            refuse_options("Remover", "with the built-in model", classes=classes, card=card)
        elif self.segmenter is not None:
            self.segmenter.planes(classes)
            if device is None and self.segmenter.session.device != "cpu":
                self.device = self.segmenter.session.device

    @cached_property
    def segmenter(self) -> Segmenter | None:
        """The network that makes the coarse mask, or None; loaded when it is first asked for."""
        if self._model is None:
            return None
        return as_segmenter(self._model, device=self.device or "cpu", **self._network)

    def __call__(
        self,
        image: ImageSource,
        *,
        mask: ImageSource | None = None,
        trimap: ImageSource | None = None,
        garbage: ImageSource | None = None,
        core: ImageSource | None = None,
        screen: Screen | None = None,
        adjust: Adjust | None = None,
    ) -> Result:
        """Cut the foreground out of image.

        image: a path, an encoded file's bytes, a binary file object, a Pillow image or an array
        (read_image says more). mask: what is foreground, roughly, as for `refine`; one of another
        size is resized to the image's. trimap: 0 background, 255 foreground, the rest unknown, of
        the image's size. Either replaces the model or the colour key; spill is only removed from
        keyed images. garbage, core: mattes of the image's size, of any depth, 1 (white) where there
        is never to be foreground, and where there always is; the last word. screen: that of an
        earlier frame of the same shot, which `fit_screen` then follows. An image's own alpha limits
        the result's.
        adjust: what alpha becomes before the foreground is estimated by it: adjust(pixels, alpha),
        both where the work is done, gives (H, W) float32 there.

        Raises ArgumentError: image or mask unreadable, sizes that do not match, both given;
        EngineError: the network failed.
        """
        if mask is not None and trimap is not None:
            raise ArgumentError("Remover: give mask or trimap, not both")
        timings: dict[str, float] = {}
        with _timed(timings, "read"):
            on_host = not is_on_gpu(image)
            pixels, icc_profile = self._pixels(image)
            given = trimap if mask is None else mask
            name = "trimap" if mask is None else "mask"
            coarse: Any = self._given(given, pixels, name, sized=mask is None)
            mattes = Mattes(
                self._given(garbage, pixels, "garbage", sized=True),
                self._given(core, pixels, "core", sized=True),
            )

        stage = partial(_timed, timings)
        adjust = self._finished(adjust, mattes)
        segmenter = self._segmenter_of(pixels) if given is None else None
        keys = given is None and self.keys
        if trimap is not None:
            known, coarse = three_valued(coarse, "Remover", "trimap"), None
        elif mask is not None:
            with _timed(timings, "trimap"):
                coarse, known = trimap_of_mask(coarse, pixels, radius=self.radius)
        elif segmenter is not None:
            coarse, known = self._segmented(segmenter, pixels, timings)
        color, learnt = self.key_color, None
        if screen is not None and not (keys and self.method == "plate"):
            raise ArgumentError("Remover: screen must be left out where none is learnt")
        if keys and self.method == "plate":
            if segmenter is not None:
                mattes = mattes.within(known)  # in the key; the last word is the caller's own
            with stage("screen"):
                learnt = fit_screen(
                    pixels,
                    key_color=self.key_color,
                    transfer=self.transfer or "auto",
                    like=screen,
                )
            coarse, solved = solve_before_screen(
                pixels,
                learnt,
                mattes,
                radius=self.radius,
                quality=self.quality,
                stage=stage,
                adjust=adjust,
            )
            known, color = solved.trimap, learnt.key_color
        else:
            if keys:
                with stage("key"):
                    color = self.color_of(pixels)
                    coarse = mattes.hold(self._chroma_key(pixels, color))
                with stage("trimap"):
                    known = self._band_around(coarse)
            solved = solve(pixels, known, quality=self.quality, stage=stage, adjust=adjust)
        alpha, foreground = solved.alpha, solved.foreground
        if keys and self.despill is not None:
            with _timed(timings, "despill"):
                foreground = self._despilled(foreground, alpha, color, self.despill)
        with _timed(timings, "cutout"):
            if pixels.shape[2] == 4:
                alpha = limit_alpha(alpha, pixels)
            rgba = cutout(foreground, alpha)

        arrays = {
            "rgba": rgba,
            "alpha": alpha,
            "foreground": foreground,
            "trimap": known,
            "mask": coarse,
        }
        device = pixels.device if isinstance(pixels, DeviceArray) else "cpu"
        engine = None if segmenter is None else segmenter.engine
        result = Result(
            arrays,
            timings,
            device,
            on_host=on_host,
            engine=engine,
            screen=learnt,
            icc_profile=icc_profile,
        )
        if on_host and device != "cpu":
            with _timed(timings, "wait"):
                _ = result.rgba
        return result

    def _segmenter_of(self, pixels: Array) -> Segmenter | None:
        """The network, or for an array on a GPU one that may run there, or come back from here."""
        follows = self.device is None and not isinstance(self._model, Segmenter)
        if self._model is None or not follows or not isinstance(pixels, DeviceArray):
            return self.segmenter
        return as_segmenter(self._model, device="auto", **self._network)

    def _segmented(
        self, segmenter: Segmenter, pixels: Array, timings: dict[str, float]
    ) -> tuple[Array, Array]:
        """The network's mask in the image's size, and the trimap of it."""
        with _timed(timings, "segment"):
            mask = segmenter(pixels, classes=self.classes)
        with _timed(timings, "trimap"):
            return trimap_of_mask(
                mask,
                pixels,
                network_size=segmenter.network_size(*mask.shape) if self.radius is None else None,
                radius=self.radius,
            )

    def _finished(self, adjust: Adjust | None, mattes: Mattes) -> Adjust | None:
        """`adjust`, and then what is done to an alpha last."""
        if not self.choke and not self.feather and not mattes:
            return adjust

        def finished(pixels: Array, alpha: Array) -> Array:
            alpha = alpha if adjust is None else adjust(pixels, alpha)
            return finish_alpha(alpha, choke=self.choke, feather=self.feather, mattes=mattes)

        return finished

    def _band_around(self, mask: Array) -> Array:
        """The trimap of the mask of a key that knows no screen."""
        radius = default_radius(*mask.shape) if self.radius is None else self.radius
        return make_trimap(mask, radius)

    def color_of(self, pixels: Array) -> KeyColor:
        """The key's colour, found in the image if it is to be."""
        return fit_screen(pixels).key_color if self.key_color == "auto" else self.key_color

    def _chroma_key(self, pixels: Array, key_color: KeyColor) -> Array:
        return chroma_key(
            pixels,
            key_color=key_color,
            method=self.method,
            tolerance=self.tolerance,
            softness=self.softness,
            transfer=self.transfer,
            dtype=np.uint8,
        )

    def _pixels(self, image: ImageSource) -> tuple[Array, bytes | None]:
        """The image where it is to be worked on, and its colour profile."""
        if is_on_gpu(image):
            pixels, icc_profile = as_array(image, "Remover", "image"), None
            _core.check(pixels, "Remover", "image", color=True)
        else:
            pixels, icc_profile = load_picture(image)
        return _core.place(pixels, self.device, "Remover"), icc_profile

    def _given(self, source: ImageSource | None, pixels: Array, name: str, *, sized: bool) -> Any:
        """A mask, matte or trimap beside the pixels, of their size if it has to be; or None."""
        if source is None:
            return None
        array = as_array(source, "Remover", name) if is_on_gpu(source) else read_mask(source)
        if sized and array.shape != pixels.shape[:2]:
            raise ArgumentError(
                f"Remover: the {name} must have the image's size {pixels.shape[:2]}, "
                f"got {array.shape}"
            )
        return beside(array, pixels)

    def _despilled(
        self, foreground: Array, alpha: Array, key_color: KeyColor, method: str
    ) -> Array:
        return remove_spill(
            foreground,
            key_color=key_color,
            method=method,
            strength=self.despill_strength,
            alpha=alpha,
        )

    def _try_options(self) -> None:
        """Let every operation judge its options now, on a few pixels, and not in the first call."""
        pixels = np.zeros((3, 3, 3), np.uint8)
        _core.place(pixels, self.device, "Remover")
        mask = np.zeros((3, 3), np.uint8)
        if self.method == "plate":
            check_screen_options("Remover", self.key_color, self.transfer)
            check_key_options(
                "Remover", self.method, tolerance=self.tolerance, softness=self.softness
            )
        else:
            mask = self._chroma_key(pixels, "green" if self.key_color == "auto" else self.key_color)
        trimap = make_trimap(mask, 1 if self.radius is None else self.radius)
        alpha = estimate_alpha(pixels, trimap, quality=self.quality)
        feather(choke(alpha, self.choke), self.feather)
        if self.despill is not None:
            self._despilled(pixels, alpha, "green", self.despill)


def remove(
    image: ImageSource,
    *,
    mask: ImageSource | None = None,
    trimap: ImageSource | None = None,
    format: str | None = None,
    compression: Compression | None = None,
    **options: Any,
) -> Any:
    """Cut the foreground out of image and return the cutout in the kind of the input.

    image: an array gives an (H, W, 4) array of the same dtype; a Pillow image or a path gives a
    Pillow image (RGBA, 8 bits); bytes or a binary file object give the bytes of a file.
    mask, trimap: as for Remover.__call__. format, compression: of that file, ``"png"`` and
    ``"fast"`` by default; see `Result.save`. options: those of Remover.

    Raises ArgumentError and EngineError, as Remover and its call do. The models of the last calls
    stay loaded.
    """
    gives_bytes = isinstance(image, (bytes, bytearray, memoryview)) or hasattr(image, "read")
    file: dict[str, Any] = {"format": format, "compression": compression}
    file = {name: value for name, value in file.items() if value is not None}
    if gives_bytes:
        check_output("remove", **file)
    elif file:
        raise ArgumentError(
            f"remove: {' and '.join(file)} must be left out where no file's bytes are returned; "
            "they are for an image given as bytes or as a file object"
        )
    result = Remover(**options)(image, mask=mask, trimap=trimap)
    if gives_bytes:
        return result.encode(**file)
    if isinstance(image, Image.Image) or is_path(image):
        return result.image
    return result.rgba


def default_radius(height: int, width: int) -> tuple[float, float]:
    """The unknown band's (outside, inside) for an image of this size, in pixels."""
    scale = math.sqrt(height * width) / _BAND_SIDE
    outside, inside = (
        max(least, pixels * scale) for least, pixels in zip(_NARROWEST_BAND, _BAND, strict=True)
    )
    return outside, inside


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - start

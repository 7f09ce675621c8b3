"""The whole way of an image: coarse mask, trimap, alpha, foreground, despill, cutout."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trimatte import _core
from trimatte.arrays import (
    KeyColor,
    KeyColorLike,
    as_array,
    as_key_color,
    choice,
    is_on_gpu,
    three_valued,
)
from trimatte.devices import DeviceArray, cuda_available, free_memory
from trimatte.errors import ArgumentError, EngineError
from trimatte.io.metadata import METADATA, Metadata
from trimatte.io.reading import Header, load_picture, read_header, read_mask
from trimatte.io.sources import ImageSource, is_path, measurable
from trimatte.io.writing import Compression, check_output
from trimatte.ops.compositing import cutout, limit_alpha
from trimatte.ops.edges import choke, feather
from trimatte.ops.key_rules import check_key_options
from trimatte.ops.keying import chroma_key
from trimatte.ops.matting import despill as remove_spill
from trimatte.ops.matting import estimate_alpha
from trimatte.ops.refining import Adjust, Radius, beside, solve, trimap_of_mask
from trimatte.ops.screen_matting import Mattes, finish_alpha, solve_before_screen
from trimatte.ops.screens import Screen, check_screen_options, fit_screen
from trimatte.ops.trimap import make_trimap
from trimatte.pipeline.budget import Budget, Bytes, check_fits, number_of_bytes
from trimatte.pipeline.gpu_streams import GpuStreams
from trimatte.pipeline.models import as_segmenter, refuse_options
from trimatte.pipeline.result import Result
from trimatte.pipeline.scheduler import Finish, Job, Pipeline, Plan, Stages, in_order
from trimatte.pipeline.segmenter import BUILT_IN_MODEL, Classes, Model, Segmenter

__all__ = ["Remover", "Result", "remove"]

Array = NDArray[Any]

# The default band of a key, (outside, inside) its rough outline, in pixels of the image scaled to
# 320 x 320: hair grows with the image, so the band has to. Never less than the second pair, in real
# pixels.
_BAND = (4.0, 2.0)
_NARROWEST_BAND = (2.0, 1.0)
_BAND_SIDE = 320

_SERVING = threading.Lock()  # a Remover's threads behind `aremove` are made once


@dataclass
class _Work:
    """An image on its way through the stages of a Remover.

    mask: given, or the network's; None where there is neither, or not yet. trimap: given.
    segmenter: what is to make the mask.
    """

    pixels: Array
    metadata: Metadata
    on_host: bool
    mattes: Mattes
    mask: Array | None
    trimap: Array | None
    segmenter: Segmenter | None
    timings: dict[str, float]

    @property
    def header(self) -> Header:
        """What its header should have said."""
        height, width = self.pixels.shape[:2]
        return Header(height, width, self.pixels.dtype.itemsize)

    @property
    def is_given(self) -> bool:
        """Whether mask or trimap came with the image."""
        return self.segmenter is None and (self.mask is not None or self.trimap is not None)


class Remover:
    """Removes backgrounds: found by a network, keyed out by their colour, or named by a mask or a
    trimap.

    A Remover holds no state of an image: it can be shared between threads. `remove_batch`, `stream`
    and `aremove` have threads of their own; with ``with``, or by `close`, all is given back.

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
        metadata: what of an image's goes into its Result, and from there into files: ``"keep"``:
            colour profile, EXIF (GPS position and owner too), XMP and resolution; ``"strip"``: the
            colour profile only. Thumbnails, and the maker's note, which may hold one, never are.
        device: None or ``"cpu"``; ``"cuda"`` or ``"cuda:1"``, where the whole frame stays from the
            one copy there to the copies back; ``"auto"``. An array that lies on a GPU is worked on
            there. None with a Segmenter: its device.
        workers: threads that segment and cut out in each `stream`, `remove_batch` and behind
            `aremove`, an image at a time; others decode and encode beside them. None: as many as
            keep all cores busy with the threads of `set_num_threads` each, so one by default. With
            one thread each, more images are under way and take more memory.
        batch_size: images of one network size that the network sees at once, at most, of those that
            wait for it in `stream`, `remove_batch` or behind `aremove`; an engine of TensorRT is
            built for so many. None: 1; on a CPU more bring nothing (benchmarks/throughput.py).
        max_memory: bytes, or as ``"2GiB"``: what the images in flight may take together in each
            `stream`, `remove_batch` and behind `aremove`, and each alone in a call. Counted is what
            an image of that size takes at most, so usually much less is used. None: no bound but
            that few are in flight.
        max_queue: images that may wait behind `aremove`.

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
        key_color: KeyColorLike | None = None,
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
        metadata: str = "keep",
        device: Any = None,
        workers: int | None = None,
        batch_size: int | None = None,
        max_memory: Bytes | None = None,
        max_queue: int = 64,
    ) -> None:
        Plan.of(workers, batch_size, "Remover")
        self.workers: int | None = workers
        self.batch_size: int | None = batch_size
        self.max_memory: int | None = _memory_limit(max_memory, "Remover")
        if not isinstance(max_queue, int) or isinstance(max_queue, bool) or max_queue < 1:
            raise ArgumentError(
                f"Remover: max_queue must be a whole number of at least 1, got {max_queue!r:.80}"
            )
        self.max_queue = max_queue
        self._closed = False
        self._pipelines: set[Pipeline] = set()
        self._gpu_streams = GpuStreams()
        self._serving: Pipeline | None = None
        self.classes = classes
        tuned = tolerance is not None or softness is not None
        tells_of_key = tuned or method is not None or transfer is not None
        if built_in := model == "auto":
            model = None if tells_of_key or key_color is not None else BUILT_IN_MODEL
        self.method: str = method or ("difference" if tuned else "plate")
        self.keys: bool = model is None or key_color is not None
        usual = "auto" if self.method == "plate" else "green"
        self.key_color = as_key_color(usual if key_color is None else key_color, "Remover")
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
        choice(METADATA, metadata, "Remover", "metadata")
        self.metadata = metadata
        self.device: Any = device
        self._try_options()
        if device == "cuda":  # the current GPU is this thread's, and others work as well
            self.device = f"cuda:{_core.gpu_named(device, 'Remover')}"
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
        self._check_open()
        if self._model is None:
            return None
        return self._load(self.device or "cpu")

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

        Args:
            image: a path, an encoded file's bytes, a binary file object, a Pillow image or an array
                (read_image says more). Its own alpha limits the result's.
            mask: what is foreground, roughly, as for `refine`; one of another size is resized to
                the image's. It replaces the model or the colour key, and so does a trimap; spill is
                only removed from keyed images.
            trimap: 0 background, 255 foreground, the rest unknown, of the image's size.
            garbage, core: mattes of the image's size, of any depth, 1 (white) where there is never
                to be foreground, and where there always is; the last word.
            screen: that of an earlier frame of the same shot, which `fit_screen` then follows.
            adjust: what alpha becomes before the foreground is estimated by it: adjust(pixels,
                alpha), both where the work is done, gives (H, W) float32 there.

        Returns:
            A `Result`.

        Raises:
            ArgumentError: image or mask unreadable, sizes that do not match, both given, more than
                max_memory needed.
            EngineError: the network failed, or the Remover is closed.
        """
        self._check_open()
        _check_given(mask, trimap)
        if self.max_memory is not None:
            image = measurable(image)
            check_fits(read_header(image), self.max_memory, "Remover")
        work = self._read(image, mask=mask, trimap=trimap, garbage=garbage, core=core)
        if self.max_memory is not None:
            check_fits(work.header, self.max_memory, "Remover")
        if work.segmenter is not None:
            self._segment([work])
        return self._cut(work, screen=screen, adjust=adjust)

    def remove_batch(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: str = "raise",
        finish: Finish | None = None,
        workers: int | None = None,
        batch_size: int | None = None,
        max_memory: Bytes | None = None,
    ) -> list[Any]:
        """The `Result` of each of several images, as of calls with each, in their order; see
        `stream`, which does not need room for all of them.

        on_error: ``"raise"``: what the first image that fails raises is raised, and those not begun
        by then are not; ``"return"``: the exception is in its place in the list.
        """
        results = self.stream(
            images,
            on_error=on_error,
            finish=finish,
            workers=workers,
            batch_size=batch_size,
            max_memory=max_memory,
        )
        return list(results)

    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        mask: ImageSource | None = None,
        trimap: ImageSource | None = None,
        garbage: ImageSource | None = None,
        core: ImageSource | None = None,
        on_error: str = "return",
        finish: Finish | None = None,
        workers: int | None = None,
        batch_size: int | None = None,
        max_memory: Bytes | None = None,
    ) -> Iterator[Any]:
        """The `Result` of each of many images, in their order, while the next are worked on.

        Some threads decode, some segment and cut out, some finish. Few images are in flight at a
        time: they are taken by the thread that asks for results, as these are asked for, and
        results wait until they are. Leaving early (``close`` of the iterator, or letting go of it)
        ends the work after the stages that run.

        Args:
            images: of any sizes and kinds that a call takes.
            mask, trimap, garbage, core: as of a call, the same for every image.
            on_error: ``"return"``: an image that fails gives its exception, as the call would raise
                it, with the image's number from 0 in front, and the rest go on. ``"raise"``: it is
                raised, and the rest are dropped.
            finish: gets each Result, on a thread of its own; what it returns comes instead of it:
                ``lambda result: result.encode()`` encodes beside the other work.
            workers, batch_size, max_memory: as of the Remover; None: its own.

        Raises:
            ArgumentError: an argument is not what is listed above.
            EngineError: the Remover is closed, now or while results are asked for.
        """
        self._check_open()
        on_failure = {"raise": False, "return": True}
        keep_errors = choice(on_failure, on_error, "stream", "on_error")
        several = not isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike))
        if not several or not np.iterable(images) or getattr(images, "ndim", 4) != 4:
            raise ArgumentError(
                "stream: images must be several, as a list or a generator of them, got "
                f"{type(images).__name__}"
            )
        _check_finish(finish, "stream")
        plan = self._plan(workers, batch_size)
        limit = _memory_limit(max_memory, "stream") or self.max_memory
        _check_given(mask, trimap)
        given = {"mask": mask, "trimap": trimap, "garbage": garbage, "core": core}
        stages = self._stages(**{name: self._loaded(each, name) for name, each in given.items()})
        return self._results(images, stages, plan, limit, finish, keep_errors)

    async def aremove(
        self,
        image: ImageSource,
        *,
        deadline: float | None = None,
        wait: bool = True,
        finish: Finish | None = None,
    ) -> Any:
        """The `Result` of an image, for asyncio: other coroutines go on meanwhile.

        All images that are asked for share the threads of `stream`, the network's batches too.
        Where the coroutine is cancelled or its deadline passes, an image that is not begun never
        is, and one that is gets no further than its stage.

        Args:
            image: as of a call.
            deadline: seconds from now.
            wait: with max_queue images waiting already, True: wait as they do, as long as the
                caller does; False: QueueFullError, at once.
            finish: as of `stream`.

        Raises:
            ArgumentError, EngineError: as a call does; the Remover is closed.
            QueueFullError: see wait.
            TimeoutError: the deadline has passed.
        """
        from trimatte.pipeline.aio import outcome  # asyncio is for those who use it

        _check_finish(finish, "aremove")
        job = Job(self._stages(), image, finish=finish)
        most = None if wait else self.max_queue
        return await outcome(self._server(), job, deadline=deadline, most_waiting=most)

    def close(self) -> None:
        """Gives back what is kept: threads, work memory, models (`free_memory`); not a Segmenter
        that was given, it is the giver's.

        Images behind `aremove` that are begun are done, all others get an EngineError, as does
        every call from now on.
        """
        with _SERVING:
            self._closed = True
            serving, self._serving = self._serving, None
        if serving is not None:
            serving.close()
        for pipeline in tuple(self._pipelines):
            pipeline.close(drop=True)
        self._model = None
        self.__dict__.pop("segmenter", None)
        free_memory()

    async def aclose(self) -> None:
        """`close`, for asyncio."""
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def __enter__(self) -> Remover:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Remover:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # --- many images ---

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("Remover: it is closed")

    def _stages(self, **given: Any) -> Stages:
        """What is done to an image; given: what `_read` takes beside it."""
        read = partial(self._read_beside, **given)
        return Stages(read, _header, self._network_shape, self._segment, self._cut)

    def _plan(self, workers: int | None, batch_size: int | None) -> Plan:
        """How to work on many images; on a GPU one at least waits while another is worked on."""
        workers = self.workers if workers is None else workers
        batch_size = self.batch_size if batch_size is None else batch_size
        plan = Plan.of(workers, batch_size, "stream")
        on_gpu = self.device not in (None, "cpu") and cuda_available()
        return replace(plan, workers=2) if on_gpu and workers is None else plan

    def _results(
        self,
        images: Iterable[ImageSource],
        stages: Stages,
        plan: Plan,
        limit: int | None,
        finish: Finish | None,
        keep_errors: bool,
    ) -> Iterator[Any]:
        self._check_open()
        pipeline = Pipeline(plan, Budget(limit))
        self._pipelines.add(pipeline)
        try:
            yield from in_order(
                pipeline,
                stages,
                images,
                most=plan.ahead + plan.workers,
                finish=finish,
                keep_errors=keep_errors,
            )
        finally:
            self._pipelines.discard(pipeline)
            pipeline.close(drop=True)

    def _server(self) -> Pipeline:
        """The threads behind `aremove`; they end when nobody has the Remover any more."""
        with _SERVING:
            self._check_open()
            if self._serving is None:
                self._serving = Pipeline(self._plan(None, None), Budget(self.max_memory))
                weakref.finalize(self, self._serving.stop)
            return self._serving

    # --- the stages ---

    def _read_beside(self, image: ImageSource, **given: Any) -> _Work:
        """`_read` of one of many images."""
        return self._read(image, **given, stream=self._gpu_streams.next(self.device, "Remover"))

    def _read(
        self,
        image: ImageSource,
        *,
        mask: ImageSource | None = None,
        trimap: ImageSource | None = None,
        garbage: ImageSource | None = None,
        core: ImageSource | None = None,
        stream: Any = None,
    ) -> _Work:
        """The image and what is given beside it, where they are to be worked on."""
        timings: dict[str, float] = {}
        with _timed(timings, "read"):
            on_host = not is_on_gpu(image)
            pixels, metadata = self._pixels(image, stream)
            mattes = Mattes(
                self._given(garbage, pixels, "garbage", sized=True),
                self._given(core, pixels, "core", sized=True),
            )
            work = _Work(
                pixels,
                metadata,
                on_host,
                mattes,
                mask=self._given(mask, pixels, "mask", sized=False),
                trimap=self._given(trimap, pixels, "trimap", sized=True),
                segmenter=None,
                timings=timings,
            )
        if mask is None and trimap is None:  # loading a network is no part of reading an image
            work.segmenter = self._segmenter_of(pixels)
        return work

    def _network_shape(self, work: _Work) -> Hashable | None:
        """What images have in common that the network can see at once."""
        if work.segmenter is None:
            return None
        place = work.pixels.device if isinstance(work.pixels, DeviceArray) else "cpu"
        return place, work.segmenter.network_size(*work.pixels.shape[:2])

    def _segment(self, works: list[_Work]) -> None:
        """Give each image its mask, by the network that all of them have."""
        segmenter = works[0].segmenter
        assert segmenter is not None
        start = time.perf_counter()
        masks = segmenter.batch([work.pixels for work in works], classes=self.classes)
        share = (time.perf_counter() - start) / len(works)
        for work, mask in zip(works, masks, strict=True):
            work.mask = mask
            work.timings["segment"] = share

    def _cut(
        self, work: _Work, *, screen: Screen | None = None, adjust: Adjust | None = None
    ) -> Result:
        """All that comes after the network."""
        pixels, mattes, timings = work.pixels, work.mattes, work.timings
        segmenter, coarse = work.segmenter, work.mask
        known: Any = work.trimap
        stage = partial(_timed, timings)
        adjust = self._finished(adjust, mattes)
        keys = self.keys and not work.is_given
        if known is not None:
            known = three_valued(known, "Remover", "trimap")
        elif coarse is not None:
            with stage("trimap"):
                coarse, known = self._trimap_of(coarse, work)
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
            with stage("despill"):
                foreground = self._despilled(foreground, alpha, color, self.despill)
        with stage("cutout"):
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
            on_host=work.on_host,
            engine=engine,
            screen=learnt,
            metadata=work.metadata,
        )
        if work.on_host and device != "cpu":
            with stage("wait"):
                _ = result.rgba
        return result

    def _segmenter_of(self, pixels: Array) -> Segmenter | None:
        """The network, or for an array on a GPU one that may run there, or come back from here."""
        follows = self.device is None and not isinstance(self._model, Segmenter)
        if self._model is None or not follows or not isinstance(pixels, DeviceArray):
            return self.segmenter
        return self._load("auto")

    def _load(self, device: str) -> Segmenter:
        assert self._model is not None
        at_once = 1 if device == "cpu" else self.batch_size or 1
        return as_segmenter(self._model, device=device, batch_size=at_once, **self._network)

    def _trimap_of(self, mask: Array, work: _Work) -> tuple[Array, Array]:
        """A mask in the image's size, and the trimap of it."""
        network_size = None
        if work.segmenter is not None and self.radius is None:
            network_size = work.segmenter.network_size(*mask.shape)
        return trimap_of_mask(mask, work.pixels, network_size=network_size, radius=self.radius)

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

    def _pixels(self, image: ImageSource, stream: Any) -> tuple[Array, Metadata]:
        """The image where it is to be worked on, and what of its metadata is kept."""
        if is_on_gpu(image):
            pixels, metadata = as_array(image, "Remover", "image"), Metadata()
            _core.check(pixels, "Remover", "image", color=True)
        else:
            pixels, metadata = load_picture(image)
        placed = _core.place(pixels, self.device, "Remover", stream)
        return placed, metadata.under(self.metadata, "Remover")

    def _loaded(self, source: ImageSource | None, name: str) -> Any:
        """A mask, matte or trimap as an array, which may be taken again and again; or None."""
        if source is None:
            return None
        if is_on_gpu(source):
            return as_array(source, "Remover", name)
        if self.max_memory is not None:
            source = measurable(source)
            check_fits(read_header(source), self.max_memory, "Remover")
        return read_mask(source)

    def _given(self, source: ImageSource | None, pixels: Array, name: str, *, sized: bool) -> Any:
        """A mask, matte or trimap beside the pixels, of their size if it has to be; or None."""
        array = self._loaded(source, name)
        if array is None:
            return None
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

    Args:
        image: as of a `Remover`'s call.
        mask, trimap: likewise.
        format: of the file whose bytes are returned: ``"png"`` (the default), ``"webp"`` or
            ``"tiff"``.
        compression: of that file, see `Result.save`; by default ``"fast"``.
        options: those of `Remover`. The models of the last calls stay loaded.

    Returns:
        For an array an (H, W, 4) array of its dtype; for a Pillow image or a path a Pillow image
        (RGBA, 8 bits); for bytes or a binary file object the bytes of a file.

    Raises:
        ArgumentError, EngineError: as `Remover` and its call do.
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


def _header(work: _Work) -> Header:
    return work.header


def _memory_limit(value: Bytes | None, operation: str) -> int | None:
    return None if value is None else number_of_bytes(value, operation, "max_memory")


def _check_given(mask: ImageSource | None, trimap: ImageSource | None) -> None:
    if mask is not None and trimap is not None:
        raise ArgumentError("Remover: give mask or trimap, not both")


def _check_finish(finish: Any, operation: str) -> None:
    if finish is not None and not callable(finish):
        raise ArgumentError(f"{operation}: finish must be callable, got {finish!r:.80}")


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - start

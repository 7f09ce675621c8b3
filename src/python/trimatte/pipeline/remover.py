"""Removes backgrounds from one image or from many: options, scheduling, lifetime.

What happens to one image is in `trimatte.pipeline.frame`.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, overload

import numpy as np

from trimatte import _core
from trimatte.arrays import Array, KeyColor, KeyColorLike, choice
from trimatte.devices import DeviceArray, cuda_available
from trimatte.errors import ArgumentError, EngineError
from trimatte.io.limits import MAX_PIXELS, Pixels, number_of_pixels
from trimatte.io.reading import read_header
from trimatte.io.sources import ImageSource, measurable
from trimatte.ops.refining import Adjust, Radius
from trimatte.ops.screen_search import samples_of
from trimatte.ops.screens import Screen
from trimatte.pipeline.budget import Budget, Bytes, check_fits
from trimatte.pipeline.frame import Frame, Given, cut, load_given, read_frame, segment_frames
from trimatte.pipeline.gpu_streams import GpuStreams
from trimatte.pipeline.models import release_models
from trimatte.pipeline.options import Key, Matting, Network, Recipe, Resources
from trimatte.pipeline.result import Result
from trimatte.pipeline.routes import MASK, TRIMAP, Choice, Shots, asked_for, choose
from trimatte.pipeline.scheduler import Job, Plan, Scheduler, Stages, in_order
from trimatte.pipeline.segmenter import Classes, Model, Segmenter

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from trimatte.pipeline.options import BatchOptions, StreamOptions

__all__ = ["Remover"]

R = TypeVar("R")
Raises = Literal["raise"]
Returns = Literal["return"]

_NOTHING = Given()


class _Chosen(NamedTuple):
    """A frame, and how to cut it out; None: that is to be found out."""

    pixels: Array
    choice: Choice | None


class Remover:
    """Removes backgrounds: found by a network, keyed out by their colour, or named by a mask or a
    trimap.

    A Remover holds no state of an image: threads can share it. `remove_batch`, `stream` and
    `aremove` have threads of their own; ``with``, or `close`, gives everything back. A pickle of it
    holds its options, and no network: each process loads its own.

    Args:
        model: name or path of the segmentation network, or a `Segmenter`; it makes the coarse mask.
            None: `chroma_key` does, and so it does with ``"auto"`` where key_color, method,
            tolerance, softness or transfer is given. Else ``"auto"`` looks at each image: where it
            was certainly taken before a green or blue screen, it is keyed, and a network only
            corrects whole areas (clothes of the screen's colour, the wall beside it); all other
            images are the network's. That is ``"u2net-lite"``, which comes with the package and is
            loaded when first needed. ``Result.route`` says what was done, and why.
        card: of an ONNX file without a card, as for `Segmenter`.
        classes: names or numbers of the classes that are foreground, of a network that tells
            classes apart.
        runtime: as for `Segmenter`.
        precision: as for `Segmenter`.
        accept_license: as for `Segmenter`.
        key_color: colour of the screen, as for `chroma_key` or `fit_screen`. None: ``"auto"`` with
            the method ``"plate"``, else ``"green"``. Together with a model it asks for both: the
            network says what is surely inside and surely outside (green clothes, the studio's
            walls), and the key decides the rest.
        method: as for `chroma_key`. None: ``"plate"``, the best, with nothing to tune; where a
            tolerance or softness is given, ``"difference"``.
        tolerance: as for `chroma_key`.
        softness: as for `chroma_key`.
        transfer: as for `chroma_key`; with ``"plate"`` as for `fit_screen`.
        matting: False: the coarse mask is the alpha; nothing is solved. The edges of one that is
            smaller than the image, or a network's that has seen a smaller image, follow the
            image's, and what it is half sure of stays so.
        radius: the unknown band's width in pixels, a number or (outside, inside). None: beyond
            what a learnt screen leaves unsure 1/480 of the image's side (of a square of its area;
            at least 2); around another key 1/80 outside and 1/160 inside (at least 2 and 1); of a
            mask as wide as its softness asks for, see `make_trimap` with ``band="auto"``.
        quality: as for `estimate_alpha`.
        choke: pixels by which alpha is tightened, in [-64, 64]; see `trimatte.choke`.
        feather: pixels by which alpha is softened, in [0, 64]; see `trimatte.feather`.
        despill: method of `trimatte.despill` for the foreground of keyed images, or None. Screens
            that light two channels alike, as magenta does, or all three have no spill to limit.
        despill_strength: in [0, 1].
        metadata: ``"keep"``: the Result, and files written from it, carry the image's colour
            profile, EXIF (GPS position and owner too), XMP and resolution; ``"strip"``: the colour
            profile only. Thumbnails and the MakerNote (which may embed one) are always dropped.
        device: None or ``"cpu"``; ``"cuda"`` or ``"cuda:1"``, where the whole frame stays from the
            one copy there to the copies back; ``"auto"``. An array that lies on a GPU is worked on
            there. None with a Segmenter: its device.
        workers: threads that segment and cut out, one image at a time each, in each `stream`,
            `remove_batch` and behind `aremove`; others decode and encode. None: enough to use every
            core with the threads of `set_num_threads` each, so one by default. With one thread
            each, more images are under way and take more memory.
        batch_size: most images of one network size that the network sees at once, of those that
            wait for it in `stream`, `remove_batch` or behind `aremove`; a TensorRT engine is built
            for that many. None: 1; on a CPU more bring nothing (benchmarks/throughput.py).
        max_memory: bytes, or text such as ``"2GiB"``: most that the images in flight may take
            together in each `stream`, `remove_batch` and behind `aremove`, and each alone in a
            call. The most that an image of its size can take is counted, so usually much less is
            used. None: no bound but that few are in flight.
        max_pixels: the largest image that is read, in pixels, or text such as ``"200M"``; files of
            more are refused before they are decoded, masks too. None: no limit.
        max_queue: most images that may wait behind `aremove`.

    Raises:
        ArgumentError: an option is out of range.
        EngineError: the model cannot be had, or cannot be run.
    """

    def __init__(
        self,
        *,
        # network
        model: Model | Segmenter | None = "auto",
        card: Model | None = None,
        classes: Classes | None = None,
        runtime: str = "auto",
        precision: str | None = None,
        accept_license: bool | str = False,
        # key
        key_color: KeyColorLike | None = None,
        method: str | None = None,
        tolerance: float | None = None,
        softness: float | None = None,
        transfer: str | None = None,
        # matting
        matting: bool = True,
        radius: Radius | None = None,
        quality: str = "balanced",
        choke: float = 0.0,
        feather: float = 0.0,
        despill: str | None = "average",
        despill_strength: float = 1.0,
        # output
        metadata: str = "keep",
        # resources
        device: Any = None,
        workers: int | None = None,
        batch_size: int | None = None,
        max_memory: Bytes | None = None,
        max_pixels: Pixels | None = MAX_PIXELS,
        max_queue: int = 64,
    ) -> None:
        # First, as locals() are then the options and nothing else; a pickle holds them.
        self._options = {name: value for name, value in locals().items() if name != "self"}
        self._lifetime = threading.Lock()  # of the next four
        self._closed = False
        self._segmenter: Segmenter | None = None
        self._schedulers: set[Scheduler] = set()
        self._serving: Scheduler | None = None
        self._gpu_streams = GpuStreams()
        self.resources = Resources.checked("Remover", workers, batch_size, max_memory, max_queue)
        tuned = any(option is not None for option in (method, tolerance, softness, transfer))
        self._network = Network.chosen(
            model,
            keys=tuned or key_color is not None,
            classes=classes,
            card=card,
            runtime=runtime,
            precision=precision,
            accept_license=accept_license,
            batch_size=batch_size,
        )
        keys = self._network.model is None or key_color is not None
        if tuned and not keys:
            raise ArgumentError(
                "Remover: method, tolerance, softness and transfer must be left out with a model "
                "unless key_color asks for a key as well"
            )
        self.recipe = Recipe(
            Key.chosen(key_color, method, tolerance, softness, transfer) if keys else None,
            Matting(matting, radius, quality, choke, feather, despill, despill_strength),
            classes,
            metadata,
            device,
            number_of_pixels(max_pixels, "Remover"),
            looks_for_screen=self._network.lazy and not keys,
        )
        self.recipe.check()
        self._asked = asked_for(self.recipe, network=self._network.model is not None)
        if device == "cuda":  # "the current GPU" is this thread's; other threads work as well
            self._settle_on(f"cuda:{_core.gpu_named(device, 'Remover')}")
        if self._network.model is not None and not self._network.lazy:
            self._judge_network(classes)

    def _judge_network(self, classes: Classes | None) -> None:
        """Loads the network now, so that a wrong option is an error of the constructor."""
        segmenter = self.segmenter
        assert segmenter is not None
        segmenter.planes(classes)
        if self.recipe.device is None and segmenter.session.device != "cpu":
            self._settle_on(segmenter.session.device)

    def _settle_on(self, device: str) -> None:
        self.recipe = replace(self.recipe, device=device)

    @property
    def device(self) -> Any:
        """Where images from the host are worked on; None: on the CPU."""
        return self.recipe.device

    @property
    def segmenter(self) -> Segmenter | None:
        """The network that makes the coarse mask, or None; loaded when it is first asked for."""
        self._check_open()
        if self._segmenter is None and self._network.model is not None:
            loaded = self._network.load(self.recipe.device or "cpu", user=self)
            with self._lifetime:
                self._check_open()  # another thread may have closed it meanwhile
                self._segmenter = loaded
        return self._segmenter

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
        """Cuts the foreground out of an image.

        Args:
            image: a path, an encoded file's bytes, a binary file object, a Pillow image or an array
                (`trimatte.imageio.read_image` says more). Its own alpha limits the result's.
            mask: rough foreground, as for `refine`; one of another size is resized to the image's.
                It replaces the model or the colour key, and so does a trimap; spill is only removed
                from keyed images.
            trimap: 0 background, 255 foreground, the rest unknown, of the image's size.
            garbage: matte of the image's size and any depth, 1 (white) where there is never
                foreground.
            core: matte of the image's size and any depth, 1 (white) where there is always
                foreground. The two mattes have the last word within the image's own alpha; core
                wins over garbage.
            screen: the screen of an earlier frame of the same shot, which `fit_screen` then
                follows.
            adjust: changes alpha before it is used to estimate the foreground: adjust(pixels,
                alpha), both where the work is done, returns (H, W) float32 there.

        Returns:
            A `Result`.

        Raises:
            ArgumentError: image or mask cannot be read, sizes do not match, mask and trimap are
                both given, or more than max_memory is needed.
            EngineError: the network failed, or the Remover is closed.

        Warns:
            CutoutWarning: nothing is left of the image, or nothing was keyed out of it; a mask
                looks like a map of labels. Of a result on a GPU it is not told.
        """
        self._check_open()
        _check_given(mask, trimap)
        limit = self.resources.max_memory
        if limit is not None:
            image = measurable(image)
            check_fits(read_header(image), limit, "Remover")
        given = load_given(
            {"mask": mask, "trimap": trimap, "garbage": garbage, "core": core},
            limit,
            self.recipe.max_pixels,
        )
        return self._finish(self._read(image, given=given), screen=screen, adjust=adjust)

    @overload
    def remove_batch(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Raises = ...,
        finish: None = ...,
        **options: Unpack[BatchOptions],
    ) -> list[Result]: ...
    @overload
    def remove_batch(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Raises = ...,
        finish: Callable[[Result], R],
        **options: Unpack[BatchOptions],
    ) -> list[R]: ...
    @overload
    def remove_batch(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Returns,
        finish: None = ...,
        **options: Unpack[BatchOptions],
    ) -> list[Result | Exception]: ...
    @overload
    def remove_batch(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Returns,
        finish: Callable[[Result], R],
        **options: Unpack[BatchOptions],
    ) -> list[R | Exception]: ...
    def remove_batch(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Raises | Returns = "raise",
        finish: Callable[[Result], Any] | None = None,
        workers: int | None = None,
        batch_size: int | None = None,
        max_memory: Bytes | None = None,
    ) -> list[Any]:
        """The `Result` of each of several images, in their order, as calls with each would return
        them. `stream` does the same without room for all of them.

        on_error: ``"raise"``: the exception of the first image that fails is raised, and images not
        begun by then are left; ``"return"``: the exception takes the image's place in the list.
        """
        results: Iterator[Any] = self.stream(
            images,
            on_error=on_error,
            finish=finish,
            workers=workers,
            batch_size=batch_size,
            max_memory=max_memory,
        )
        return list(results)

    @overload
    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Returns = ...,
        finish: None = ...,
        **options: Unpack[StreamOptions],
    ) -> Iterator[Result | Exception]: ...
    @overload
    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Returns = ...,
        finish: Callable[[Result], R],
        **options: Unpack[StreamOptions],
    ) -> Iterator[R | Exception]: ...
    @overload
    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Raises,
        finish: None = ...,
        **options: Unpack[StreamOptions],
    ) -> Iterator[Result]: ...
    @overload
    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        on_error: Raises,
        finish: Callable[[Result], R],
        **options: Unpack[StreamOptions],
    ) -> Iterator[R]: ...
    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        mask: ImageSource | None = None,
        trimap: ImageSource | None = None,
        garbage: ImageSource | None = None,
        core: ImageSource | None = None,
        on_error: Raises | Returns = "return",
        finish: Callable[[Result], Any] | None = None,
        workers: int | None = None,
        batch_size: int | None = None,
        max_memory: Bytes | None = None,
    ) -> Iterator[Any]:
        """The `Result` of each of many images, in their order, while the next are worked on.

        Some threads decode, some segment and cut out, some finish. Few images are in flight at a
        time: the thread that asks for results takes the images, as results are asked for, and
        results wait until they are. Leaving early (``close`` of the iterator, or dropping it) ends
        the work after the stages that run.

        Args:
            images: of any sizes and kinds that a call takes.
            mask: as in a call, the same for every image.
            trimap: as in a call, the same for every image.
            garbage: as in a call, the same for every image.
            core: as in a call, the same for every image.
            on_error: ``"return"``: an image that fails gives its exception, as the call would raise
                it, with the image's number from 0 in front and as its ``image_index``, and the rest
                go on. ``"raise"``: it is raised, and the rest are dropped.
            finish: gets each Result, on a thread of its own; its return value comes instead of the
                Result: ``lambda result: result.encode()`` encodes while other images are worked on.
            workers: as for Remover; None: its own.
            batch_size: as for Remover; None: its own.
            max_memory: as for Remover; None: its own.

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
        resources = self.resources.but(
            "stream", workers=workers, batch_size=batch_size, max_memory=max_memory
        )
        _check_given(mask, trimap)
        given = load_given(
            {"mask": mask, "trimap": trimap, "garbage": garbage, "core": core},
            resources.max_memory,
            self.recipe.max_pixels,
        )
        return self._results(images, self._stages(given), resources, finish, keep_errors)

    @overload
    async def aremove(
        self,
        image: ImageSource,
        *,
        deadline: float | None = ...,
        wait: bool = ...,
        finish: None = ...,
    ) -> Result: ...
    @overload
    async def aremove(
        self,
        image: ImageSource,
        *,
        deadline: float | None = ...,
        wait: bool = ...,
        finish: Callable[[Result], R],
    ) -> R: ...
    async def aremove(
        self,
        image: ImageSource,
        *,
        deadline: float | None = None,
        wait: bool = True,
        finish: Callable[[Result], Any] | None = None,
    ) -> Any:
        """The `Result` of an image, for asyncio: other coroutines go on meanwhile.

        All images that are asked for share the threads of `stream`, and the network's batches.
        Where the coroutine is cancelled or its deadline passes, work that has not started is
        skipped, and an image in work stops after its stage.

        Args:
            image: as in a call.
            deadline: seconds from now.
            wait: with max_queue images waiting already, True: wait as they do, as long as the
                caller does; False: QueueFullError, at once.
            finish: as for `stream`.

        Raises:
            ArgumentError: as a call does.
            EngineError: as a call does, or the Remover is closed.
            QueueFullError: see wait.
            TimeoutError: the deadline has passed.
        """
        from trimatte.pipeline.aio import outcome  # asyncio is for those who use it

        _check_finish(finish, "aremove")
        job = Job(self._stages(_NOTHING), image, finish=finish)
        most = None if wait else self.resources.max_queue
        return await outcome(self._server(), job, deadline=deadline, most_waiting=most)

    def close(self) -> None:
        """Ends its threads and gives its model back, unless other Removers use it or it is a
        Segmenter that was given. Work memory is kept for later calls: `free_memory` frees it.

        Images behind `aremove` that are begun are done; all others get an EngineError, as does
        every call from now on.
        """
        with self._lifetime:
            self._closed = True
            serving, self._serving = self._serving, None
            self._segmenter = None
        if serving is not None:
            serving.close()
        for scheduler in tuple(self._schedulers):
            scheduler.close(drop=True)
        release_models(self)
        self._gpu_streams = GpuStreams()

    async def aclose(self) -> None:
        """`close`, for asyncio."""
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def __reduce__(self) -> Any:
        """Another process gets a Remover of its own with the same options."""
        return partial(type(self), **self._options), ()

    def __enter__(self) -> Remover:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Remover:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def color_of(self, pixels: Array) -> KeyColor:
        """The key's colour, found in the image if it is to be.

        Raises ArgumentError: the Remover does not key.
        """
        if self.recipe.key is None:
            raise ArgumentError("Remover: color_of needs a key: give key_color")
        return self.recipe.key.color_in(pixels)

    # --- many images ---

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("Remover is closed")

    def _stages(self, given: Given) -> Stages:
        """The stages of each of many images; given: what comes with every one."""

        def read(image: ImageSource | _Chosen) -> Frame:
            stream = self._gpu_streams.next(self.recipe.device, "Remover")
            image, choice = image if isinstance(image, _Chosen) else (image, None)
            return self._read(image, given=given, stream=stream, choice=choice)

        return Stages(
            read,
            header=lambda frame: frame.header,
            shape=lambda frame: frame.network_shape,
            segment=self._segment,
            cut=self._cut,
        )

    # --- the stages of an image ---

    def _read(
        self,
        image: ImageSource,
        *,
        given: Given = _NOTHING,
        stream: Any = None,
        choice: Choice | None = None,
    ) -> Frame:
        """choice: how to cut it out; None: that is to be found out."""
        frame = read_frame(image, given, self.recipe, stream)
        if choice is None:
            choice = self._choice(frame, given)
        frame.choice = choice
        if choice.network:
            frame.segmenter = self._segmenter_for(frame.pixels)
        return frame

    def _choice(self, frame: Frame, given: Given) -> Choice:
        if given.trimap is not None:
            return TRIMAP
        if given.mask is not None:
            return MASK
        if not self.recipe.looks_for_screen:
            return self._asked
        with frame.stage("search"):
            return choose(samples_of(frame.pixels))

    def _cut_as(
        self, image: ImageSource, choice: Choice | None, **options: Any
    ) -> tuple[Result, bool]:
        """A frame of a shot cut out as was chosen for that, and whether a network corrected the
        key; options as of a call. For `trimatte.video`."""
        self._check_open()
        frame = self._read(image, choice=choice)
        return self._finish(frame, **options), frame.guarded

    def _stream_by_shots(
        self,
        frames: Iterable[Array],
        *,
        finish: Callable[[Result], R],
        **given: ImageSource,
    ) -> Iterator[R | Exception]:
        """`stream` of frames that follow each other, each cut out as its shot is. For
        animations."""
        self._check_open()
        resources = self.resources
        loaded = load_given(given, resources.max_memory, self.recipe.max_pixels)
        looks = self.recipe.looks_for_screen and loaded.mask is None and loaded.trimap is None
        shots = Shots()
        images = (_Chosen(frame, shots(frame) if looks else None) for frame in frames)
        return self._results(images, self._stages(loaded), resources, finish, True)

    def _finish(self, frame: Frame, **options: Any) -> Result:
        """What comes after reading one image alone."""
        limit = self.resources.max_memory
        if limit is not None:
            check_fits(frame.header, limit, "Remover")
        if frame.segmenter is not None:
            self._segment([frame])
        return self._cut(frame, **options)

    def _segment(self, frames: list[Frame]) -> None:
        segment_frames(frames, self.recipe.classes)

    def _cut(self, frame: Frame, **options: Any) -> Result:
        return cut(frame, self.recipe, **options)

    def _segmenter_for(self, pixels: Array) -> Segmenter | None:
        """The network; for an array on a GPU, one on that GPU, or one on the CPU whose mask returns
        to the GPU."""
        model, device = self._network.model, self.recipe.device
        follows = device is None and not isinstance(model, Segmenter)
        if model is None or not follows or not isinstance(pixels, DeviceArray):
            return self.segmenter
        return self._network.load("auto", user=self)

    def _plan(self, resources: Resources) -> Plan:
        """How to work on many images; on a GPU one at least waits while another is worked on."""
        plan = Plan.of(resources.workers, resources.batch_size, "stream")
        on_gpu = self.recipe.device not in (None, "cpu") and cuda_available()
        return replace(plan, workers=2) if on_gpu and resources.workers is None else plan

    def _results(
        self,
        images: Iterable[ImageSource | _Chosen],
        stages: Stages,
        resources: Resources,
        finish: Callable[[Result], Any] | None,
        keep_errors: bool,
    ) -> Iterator[Any]:
        plan = self._plan(resources)
        with self._lifetime:
            self._check_open()
            scheduler = Scheduler(plan, Budget(resources.max_memory))
            self._schedulers.add(scheduler)
        try:
            yield from in_order(
                scheduler,
                stages,
                images,
                most=plan.ahead + plan.workers,
                finish=finish,
                keep_errors=keep_errors,
            )
        finally:
            self._schedulers.discard(scheduler)
            scheduler.close(drop=True)

    def _server(self) -> Scheduler:
        """The threads behind `aremove`; they end when nobody has the Remover any more."""
        with self._lifetime:
            self._check_open()
            if self._serving is None:
                budget = Budget(self.resources.max_memory)
                self._serving = Scheduler(self._plan(self.resources), budget)
                weakref.finalize(self, self._serving.stop)
            return self._serving


def _check_given(mask: ImageSource | None, trimap: ImageSource | None) -> None:
    if mask is not None and trimap is not None:
        raise ArgumentError("Remover: give mask or trimap, not both")


def _check_finish(finish: Any, operation: str) -> None:
    if finish is not None and not callable(finish):
        raise ArgumentError(f"{operation}: finish must be callable, got {finish!r:.80}")

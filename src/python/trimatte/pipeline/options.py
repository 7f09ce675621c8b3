"""The options of a `Remover`: typed for checkers, grouped, and checked once when it is made.

The groups are what a reader can hold in mind: which network, which key, how to matte, what goes
into the result, and what may be spent on it. `Recipe` holds those that the stages of an image
read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from trimatte import _core
from trimatte.arrays import (
    Array,
    KeyColor,
    KeyColorLike,
    as_key_color,
    check_count,
    choice,
    is_whole,
    sheds_spill,
)
from trimatte.errors import ArgumentError
from trimatte.io.limits import Pixels
from trimatte.io.metadata import METADATA
from trimatte.io.sources import ImageSource
from trimatte.ops.edges import choke, feather
from trimatte.ops.key_rules import check_key_options
from trimatte.ops.keying import chroma_key
from trimatte.ops.matting import despill, estimate_alpha
from trimatte.ops.refining import Radius
from trimatte.ops.screens import check_screen_options, fit_screen
from trimatte.ops.trimap import make_trimap
from trimatte.pipeline.budget import Bytes, number_of_bytes
from trimatte.pipeline.models import as_segmenter, refuse_options
from trimatte.pipeline.segmenter import BUILT_IN_MODEL, Classes, Model, Segmenter

__all__ = [
    "BatchOptions",
    "Key",
    "KeyOptions",
    "Matting",
    "MattingOptions",
    "Network",
    "NetworkOptions",
    "OutputOptions",
    "Recipe",
    "RemoverOptions",
    "ResourceOptions",
    "Resources",
    "StreamOptions",
]


class NetworkOptions(TypedDict, total=False):
    """Which network makes the coarse mask, and what runs it."""

    model: Model | Segmenter | None
    card: Model | None
    classes: Classes | None
    runtime: str
    precision: str | None
    accept_license: bool | str


class KeyOptions(TypedDict, total=False):
    """How a screen is keyed out."""

    key_color: KeyColorLike | None
    method: str | None
    tolerance: float | None
    softness: float | None
    transfer: str | None


class MattingOptions(TypedDict, total=False):
    """How a coarse mask becomes alpha and foreground."""

    matting: bool
    radius: Radius | None
    quality: str
    choke: float
    feather: float
    despill: str | None
    despill_strength: float


class OutputOptions(TypedDict, total=False):
    """What goes into a result besides the cutout."""

    metadata: str


class ResourceOptions(TypedDict, total=False):
    """Where the work is done, and what it may take."""

    device: Any
    workers: int | None
    batch_size: int | None
    max_memory: Bytes | None
    max_pixels: Pixels | None
    max_queue: int


class RemoverOptions(
    NetworkOptions, KeyOptions, MattingOptions, OutputOptions, ResourceOptions, total=False
):
    """The keywords of `Remover`, for functions that pass them on; a test keeps the two equal."""


class BatchOptions(TypedDict, total=False):
    """What many images may take, instead of the Remover's own."""

    workers: int | None
    batch_size: int | None
    max_memory: Bytes | None


class StreamOptions(BatchOptions, total=False):
    """The same, and what comes with every image."""

    mask: ImageSource | None
    trimap: ImageSource | None
    garbage: ImageSource | None
    core: ImageSource | None


@dataclass(frozen=True)
class Network:
    """The network that was asked for; ``model`` is None where there is none."""

    model: Model | Segmenter | None
    card: Model | None
    runtime: str
    precision: str | None
    accept_license: bool | str
    batch_size: int | None
    lazy: bool  # the built-in one is loaded when it is first needed; a screen may be keyed instead

    @classmethod
    def chosen(
        cls,
        model: Model | Segmenter | None,
        *,
        keys: bool,
        classes: Classes | None,
        card: Model | None,
        batch_size: int | None,
        **session: Any,
    ) -> Network:
        """The network that a model and its options name.

        keys: an option of the key was given: then ``"auto"`` means no network.

        Raises ArgumentError: an option would have no effect.
        """
        built_in = isinstance(model, str) and model == "auto"
        if built_in:
            model = None if keys else BUILT_IN_MODEL
        if model is None:
            refuse_options("Remover", "without a model", classes=classes, card=card, **session)
        elif built_in:
            refuse_options("Remover", "with the built-in model", classes=classes, card=card)
            if session["runtime"] != "auto" or session["precision"] is not None:
                from trimatte.engines.sessions import check_runtime  # heavy, and seldom needed

                check_runtime("Remover", session["runtime"], session["precision"])
        return cls(model, card, batch_size=batch_size, lazy=built_in, **session)

    def load(self, device: str, user: object) -> Segmenter:
        """The Segmenter, shared with others who ask for the same; it stays loaded for its user."""
        assert self.model is not None
        return as_segmenter(
            self.model,
            card=self.card,
            device=device,
            batch_size=1 if device == "cpu" else self.batch_size or 1,
            user=user,
            runtime=self.runtime,
            precision=self.precision,
            accept_license=self.accept_license,
        )


@dataclass(frozen=True)
class Key:
    """The key of a screen: its colour, ``"auto"`` where it is to be found, and its method."""

    color: KeyColor
    method: str
    tolerance: float | None
    softness: float | None
    transfer: str | None

    @classmethod
    def chosen(
        cls,
        color: KeyColorLike | None,
        method: str | None,
        tolerance: float | None,
        softness: float | None,
        transfer: str | None,
    ) -> Key:
        """The key that these options name, with the usual values of those left out."""
        tuned = tolerance is not None or softness is not None
        method = method or ("difference" if tuned else "plate")
        if color is None:
            color = "auto" if method == "plate" else "green"
        return cls(as_key_color(color, "Remover"), method, tolerance, softness, transfer)

    @property
    def learns_screen(self) -> bool:
        """Whether a screen is learnt from the image."""
        return self.method == "plate"

    def color_in(self, pixels: Array) -> KeyColor:
        """The colour, found in the image where it is to be."""
        return fit_screen(pixels).key_color if self.color == "auto" else self.color

    def mask(self, pixels: Array, color: KeyColor, dtype: str = "uint8") -> Array:
        """The key's alpha, (H, W), by a method that learns no screen."""
        return chroma_key(
            pixels,
            key_color=color,
            method=self.method,
            tolerance=self.tolerance,
            softness=self.softness,
            transfer=self.transfer,
            dtype=dtype,
        )

    def try_on(self, pixels: Array) -> Array:
        """A mask of a few pixels, by which the operations judge their options.

        Raises ArgumentError: an option is out of range.
        """
        if not self.learns_screen:
            return self.mask(pixels, "green" if self.color == "auto" else self.color)
        check_screen_options("Remover", self.color, self.transfer)
        check_key_options("Remover", self.method, tolerance=self.tolerance, softness=self.softness)
        return np.zeros(pixels.shape[:2], np.uint8)


@dataclass(frozen=True)
class Matting:
    """How a coarse mask becomes alpha, and which spill is removed; ``solve`` False: the mask is
    the alpha."""

    solve: bool
    radius: Radius | None
    quality: str
    choke: float
    feather: float
    despill: str | None
    despill_strength: float

    def despilled(self, foreground: Array, alpha: Array | None, color: KeyColor) -> Array:
        """The foreground without the key colour's light, or as it is: if that is wanted, or if the
        screen lights no channel alone."""
        if self.despill is None or not sheds_spill(color):
            return foreground
        return despill(
            foreground,
            key_color=color,
            method=self.despill,
            strength=self.despill_strength,
            alpha=alpha,
        )

    def try_on(self, pixels: Array, mask: Array) -> None:
        """Lets every operation judge its options on a few pixels.

        Raises ArgumentError: an option is out of range.
        """
        trimap = make_trimap(mask, 1 if self.radius is None else self.radius)
        alpha = estimate_alpha(pixels, trimap, quality=self.quality)
        feather(choke(alpha, self.choke), self.feather)
        self.despilled(pixels, alpha, "green")


@dataclass(frozen=True)
class Recipe:
    """How one image is cut out: all options that its stages read, checked.

    key: None where nothing is keyed. classes: of the network that count as foreground. metadata:
    ``"keep"`` or ``"strip"``. device: where images from the host are worked on; None: the host.
    max_pixels: files of more are refused; None: none are. looks_for_screen: each image says whether
    it is keyed.
    """

    key: Key | None
    matting: Matting
    classes: Classes | None
    metadata: str
    device: Any
    max_pixels: int | None
    looks_for_screen: bool = False

    @property
    def keys_by_difference(self) -> bool:
        """Whether the plain difference of channels keys, which tolerance and softness tune."""
        return self.key is not None and self.key.method == "difference"

    def check(self) -> None:
        """Raises ArgumentError or DeviceError where an option is out of range."""
        choice(METADATA, self.metadata, "Remover", "metadata")
        if not isinstance(self.matting.solve, bool):
            raise ArgumentError(
                f"Remover: matting must be True or False, got {self.matting.solve!r:.80}"
            )
        if not self.matting.solve and self.matting.radius is not None:
            raise ArgumentError(
                "Remover: radius must be None where matting is False, which solves no band, "
                f"got {self.matting.radius!r:.80}"
            )
        if not self.matting.solve and self.matting.quality != "balanced":
            raise ArgumentError(
                "Remover: quality must be left out where matting is False, which solves nothing, "
                f"got {self.matting.quality!r:.80}"
            )
        pixels = np.zeros((3, 3, 3), np.uint8)
        _core.place(pixels, self.device, "Remover")
        mask = np.zeros((3, 3), np.uint8) if self.key is None else self.key.try_on(pixels)
        self.matting.try_on(pixels, mask)


@dataclass(frozen=True)
class Resources:
    """What images in flight may take: threads, places in a batch, bytes, places in the queue."""

    workers: int | None
    batch_size: int | None
    max_memory: int | None
    max_queue: int

    @classmethod
    def checked(
        cls,
        operation: str,
        workers: int | None,
        batch_size: int | None,
        max_memory: Bytes | None,
        max_queue: int,
    ) -> Resources:
        """Raises ArgumentError where one is out of range."""
        check_count(workers, operation, "workers", optional=True)
        check_count(batch_size, operation, "batch_size", optional=True)
        if not is_whole(max_queue) or max_queue < 1:
            raise ArgumentError(
                f"{operation}: max_queue must be a whole number of at least 1, "
                f"got {max_queue!r:.80}"
            )
        memory = (
            None if max_memory is None else number_of_bytes(max_memory, operation, "max_memory")
        )
        return cls(workers, batch_size, memory, max_queue)

    def but(
        self,
        operation: str,
        *,
        workers: int | None,
        batch_size: int | None,
        max_memory: Bytes | None,
    ) -> Resources:
        """These, with those that are given in their place."""
        given = Resources.checked(operation, workers, batch_size, max_memory, self.max_queue)
        return Resources(
            given.workers or self.workers,
            given.batch_size or self.batch_size,
            given.max_memory or self.max_memory,
            self.max_queue,
        )

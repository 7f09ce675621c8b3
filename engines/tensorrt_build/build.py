"""TensorRT engines from ONNX files, built once and kept.

Networks are strongly typed: each layer computes in the type that the graph gives it, and TensorRT
chooses no other, TF32 neither. ``"fp16"`` of a model in fp32 is its graph converted by `to_half`.

An engine of ``tensorrt`` belongs to the GPU, the driver and the version that it was built with.
One of ``tensorrt_rtx`` is built without a GPU, for all from compute capability 8.0 on; for a GPU of
7.5 it is built specially.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimatte import _core
from trimatte.devices import build_info, cuda_available
from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import require

from ..onnx_files.half import to_half
from ..onnx_files.model_file import ModelFile, ModelSource, model_file
from ..session import Progress, TensorInfo, gpu_index
from .engine_cache import EngineCache, Facts, engine_cache, key_of
from .flavours import listening, logger_of, tensorrt_module

__all__ = ["BuiltEngine", "Range", "Size", "Sizes", "build_engine", "parse_batch"]

Range = tuple[int, int, int]
"""The least, the one to optimise for, the most."""
Size = tuple[int, int]
"""(height, width)."""
Sizes = tuple[Size, Size, Size]


@dataclass(frozen=True)
class BuiltEngine:
    """What `build_engine` made or found.

    path: of the file in the cache; None where it could not be kept. seconds: what the call took.
    bytes: size of the plan. key: SHA-256 of all that the engine depends on. from_cache: whether it
    was there already. precision: ``"fp32"``, ``"fp16"``, ``"bf16"`` or ``"int8"``, what most
    weights are. plan: what TensorRT's runtime takes.
    """

    path: Path | None
    seconds: float
    bytes: int
    key: str
    from_cache: bool
    precision: str
    plan: memoryview = field(repr=False)


def parse_batch(text: str) -> Range:
    """``"1:8:32"`` as (1, 8, 32): least, usual and most images at once; ``"8"`` as (8, 8, 8).

    Raises:
        ArgumentError: the text is something else.
    """
    parts = text.split(":")
    if len(parts) in (1, 3) and all(part.isascii() and part.isdigit() for part in parts):
        numbers = [int(part) for part in parts]
        if 1 <= numbers[0] <= numbers[-1] and numbers == sorted(numbers):
            return numbers[0], numbers[len(parts) // 2], numbers[-1]
    raise ArgumentError(
        f"batch must be a number, or least:usual:most in ascending order, as 1:8:32, "
        f"got {text!r:.80}"
    )


def build_engine(
    model: ModelSource,
    *,
    precision: str | None = None,
    batch: int | Range | None = None,
    size: Size | Sizes | None = None,
    device: str = "cuda",
    cache: bool | str | Path = True,
    flavour: str | None = None,
    progress: Progress | None = None,
) -> BuiltEngine:
    """Builds an engine, or finds it in the cache.

    Args:
        model: path of an ONNX file, or its bytes; see `ModelFile` for what is accepted.
        precision: None: that of the model; or its name; ``"fp16"`` also for a model in fp32.
        batch: how many images a run may have, at least, usually and at most; a number is all three,
            and None is 1 where the model leaves it free.
        size: (height, width) of the images, or three of them likewise; needed where the model
            leaves it free.
        device: the GPU to build for; ``tensorrt_rtx`` does without one.
        cache: whether to keep engines; or the folder to keep them in, see `engine_cache`.
        flavour: see `tensorrt_module`.
        progress: told how far the building is; what it raises cancels it, and is raised.

    Raises:
        ArgumentError: an argument is not what is listed above, or not what the model leaves free.
        EngineError: the model is not accepted, or TensorRT is missing or refuses it; the text has
            TensorRT's own words.
        DeviceError: the flavour needs a GPU, and there is none that it can use.
    """
    start = time.perf_counter()
    source = model_file(model)
    order = _Order(source, _precision(source, precision), _Profile.of(batch, size))
    order.profile.shapes(source.image)  # says what does not fit before anything takes long
    trt = tensorrt_module(flavour)
    target = _Target.of(trt, device)
    facts = {**order.facts(), **target.facts}
    tell = progress or _silent

    def built(plan: memoryview, path: Path | None, from_cache: bool) -> BuiltEngine:
        seconds = time.perf_counter() - start
        key = key_of(facts)
        return BuiltEngine(path, seconds, plan.nbytes, key, from_cache, order.precision, plan)

    store = _store(cache)
    if store is None:
        return built(_build(trt, order, target, None, tell), None, False)
    path = store.path(source.path.stem if source.path else "model", facts, ".engine")
    waiting = "waiting for another process that builds this"
    with store.alone(path, lambda: tell(waiting, 0.0)):
        if plan := store.read(path, facts):
            return built(plan, path, True)
        plan = _build(trt, order, target, store, tell)
        return built(plan, path if store.write(path, facts, plan) else None, False)


def _silent(what: str, fraction: float) -> None:
    """Progress that nobody wants to see."""


def _store(cache: bool | str | Path) -> EngineCache | None:
    if cache is False:
        return None
    return engine_cache(None if cache is True else cache)


# What is asked for --------------------------------------------------------------------------------


def _precision(source: ModelFile, wanted: str | None) -> str:
    accepted = (source.precision, "fp16") if source.precision == "fp32" else (source.precision,)
    if wanted is not None and wanted not in accepted:
        raise ArgumentError(
            f"build_engine: precision must be {' or '.join(accepted)} for {source.name}, "
            f"got {wanted!r:.80}"
        )
    return wanted or source.precision


@dataclass(frozen=True)
class _Profile:
    """The shapes that an engine is for; None: as the model has them."""

    batch: Range | None
    size: Sizes | None

    @classmethod
    def of(cls, batch: Any, size: Any) -> _Profile:
        if _is_side(batch):
            batch = (batch, batch, batch)
        if isinstance(size, tuple) and all(_is_side(side) for side in size):
            size = (size, size, size)
        if batch is not None and not _is_range(batch):
            raise ArgumentError(
                "build_engine: batch must be None, a number of at least 1, or three in ascending "
                f"order, got {batch!r:.80}"
            )
        if size is not None and not (
            isinstance(size, tuple)
            and len(size) == 3
            and all(isinstance(each, tuple) and len(each) == 2 for each in size)
            and all(_is_range(sides) for sides in zip(*size, strict=True))
        ):
            raise ArgumentError(
                "build_engine: size must be None, (height, width) of at least 1, or three of them "
                f"in ascending order, got {size!r:.80}"
            )
        return cls(batch, size)

    def facts(self, image: TensorInfo) -> list[list[int | None]]:
        """What is built, however it was asked for."""
        shapes = self.shapes(image)
        return [list(shape) for shape in shapes] if shapes else [list(image.shape)]

    def shapes(self, image: TensorInfo) -> tuple[tuple[int, ...], ...] | None:
        """The least, usual and largest shape of a network's input; None where nothing is free."""
        batch = self.batch or ((1, 1, 1) if image.shape[0] is None else None)
        height, width = zip(*self.size, strict=True) if self.size else (None, None)
        arguments: tuple[tuple[str, Any], ...] = (
            ("batch", batch),
            ("model", None),
            ("size", height),
            ("size", width),
        )
        ranges = [
            _range(image, side, argument, wanted)
            for side, (argument, wanted) in zip(image.shape, arguments, strict=True)
        ]
        return tuple(zip(*ranges, strict=True)) if None in image.shape else None


def _range(image: TensorInfo, side: int | None, argument: str, wanted: Range | None) -> Range:
    """The range of a side of the input, as an argument wants it and the model allows it."""
    has = f"its input {image.name!r} is {_words_for(image.shape)}"
    if wanted is None:
        if side is None:
            raise ArgumentError(
                f"build_engine: {argument} must say what the model leaves free: {has}"
            )
        return side, side, side
    if side is not None and wanted != (side, side, side):
        raise ArgumentError(
            f"build_engine: {argument} must be what the model has: {has}, got {wanted}"
        )
    return wanted


@dataclass(frozen=True)
class _Order:
    """What is to be built."""

    source: ModelFile
    precision: str
    profile: _Profile

    @property
    def is_converted(self) -> bool:
        return self.precision != self.source.precision

    def facts(self) -> Facts:
        return {
            "model": self.source.sha256,
            "precision": self.precision,
            "converted by": build_info()["version"] if self.is_converted else None,
            "profile": self.profile.facts(self.source.image),
        }

    def converted(self) -> bytes:
        """The model as ONNX in the precision that is wanted."""
        onnx = require("onnx", extra="rtx", purpose="converting a network to fp16")
        given = self.source.data if self.source.path is None else str(self.source.path)
        load = onnx.load_model_from_string if isinstance(given, bytes) else onnx.load
        return bytes(to_half(load(given)).SerializeToString())


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and all(_is_side(side) for side in value)
        and list(value) == sorted(value)
    )


def _words_for(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if side is None else str(side) for side in shape) + ")"


@dataclass(frozen=True)
class _Target:
    """What an engine is built by and for. gpu: its index; None: for all that the flavour knows."""

    facts: Facts
    gpu: int | None
    turing: bool

    @classmethod
    def of(cls, trt: Any, device: str) -> _Target:
        if gpu_index(device) is None:
            raise ArgumentError(f"build_engine: device must be a GPU, as 'cuda', got {device!r}")
        made_by = {"flavour": trt.__name__, "version": trt.__version__}
        portable = trt.__name__ == "tensorrt_rtx"
        if portable and not cuda_available():
            return cls({**made_by, "gpu": "8.0 and later"}, None, False)
        gpu = _core.gpu_named(device, "build_engine")
        name, major, minor, driver = _core.gpu_facts(gpu)
        if portable:
            turing = (major, minor) == (7, 5)
            return cls({**made_by, "gpu": "7.5" if turing else "8.0 and later"}, None, turing)
        facts = {"gpu": name, "capability": f"{major}.{minor}", "driver": driver}
        return cls({**made_by, **facts}, gpu, False)

    @contextmanager
    def current(self) -> Iterator[None]:
        """The GPU is the current one."""
        with contextlib.nullcontext() if self.gpu is None else _core.WorkStream(self.gpu):
            yield


# TensorRT's part ----------------------------------------------------------------------------------


def _build(
    trt: Any, order: _Order, target: _Target, store: EngineCache | None, progress: Progress
) -> memoryview:
    converted = None
    if order.is_converted:
        progress(f"converting to {order.precision}", 0.0)
        converted = order.converted()
    with target.current(), listening(trt) as errors:

        def failed(what: str) -> EngineError:
            reasons = "; ".join(dict.fromkeys(errors)) or "TensorRT gives no reason"
            return EngineError(
                f"{trt.__name__} {trt.__version__} {what} {order.source.name}: {reasons}"
            )

        try:
            builder = trt.Builder(logger_of(trt))
        except Exception as error:  # a TypeError of the binding, where the library fails
            errors.append(str(error))
            raise failed("cannot start to build") from error
        network = builder.create_network(_strongly_typed(trt))
        parser = trt.OnnxParser(network, logger_of(trt))
        if not _parse(parser, order.source, converted):
            errors[:] = [_words_of(parser.get_error(i)) for i in range(parser.num_errors)] or errors
            raise failed("does not understand")
        config = builder.create_builder_config()
        _set_flags(trt, config, target)
        if shapes := order.profile.shapes(order.source.image):
            profile = builder.create_optimization_profile()
            profile.set_shape(order.source.image.name, *shapes)
            config.add_optimization_profile(profile)
        timing = _TimingCache.attached(trt, config, target, store)
        monitor = _monitor(trt, progress)
        config.progress_monitor = monitor
        with _interruptible(monitor):
            plan = builder.build_serialized_network(network, config)
        if monitor.raised is not None:
            raise monitor.raised
        if plan is None:
            raise failed("cannot build")
        if timing:
            timing.save()
    progress("engine built", 1.0)
    return memoryview(bytes(plan))


def _strongly_typed(trt: Any) -> int:
    # Where networks are always so, there is no flag for it.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(parser: Any, source: ModelFile, converted: bytes | None) -> bool:
    if converted is None and source.external:
        return bool(parser.parse_from_file(str(source.path)))
    return bool(parser.parse(converted or source.data))


def _words_of(error: Any) -> str:
    node = f"node {error.node()} {error.node_operator()}: " if error.node_operator() else ""
    return f"{node}{error.desc()}"


def _set_flags(trt: Any, config: Any, target: _Target) -> None:
    config.clear_flag(trt.BuilderFlag.TF32)
    # tensorrt_rtx records no graphs of engines that allocate for themselves.
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if target.turing:
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.SM75, 0)


@dataclass(frozen=True)
class _TimingCache:
    """What a builder has measured on this GPU, for the next one."""

    cache: Any
    store: EngineCache
    path: Path
    facts: Facts

    @classmethod
    def attached(
        cls, trt: Any, config: Any, target: _Target, store: EngineCache | None
    ) -> _TimingCache | None:
        """To a builder; None: there is nowhere to keep it, or the flavour measures nothing."""
        if store is None or trt.__name__ == "tensorrt_rtx":
            return None
        path = store.path("timing", target.facts, ".timing")
        cache = config.create_timing_cache(store.read(path, target.facts) or b"")
        if cache is None or not config.set_timing_cache(cache, False):
            return None
        return cls(cache, store, path, target.facts)

    def save(self) -> None:
        self.store.write(self.path, self.facts, bytes(self.cache.serialize()))


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Phases within phases as one fraction; TensorRT calls from threads of its own."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.raised: BaseException | None = None
            self._lock = threading.Lock()
            self._phases: dict[str, _Phase] = {}
            self._reached = 0.0

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            with self._lock:
                self._phases[phase] = _Phase(self._phases.get(parent or ""), max(steps, 1))

        def phase_finish(self, phase: str) -> None:
            with self._lock:
                self._phases.pop(phase, None)

        def step_complete(self, phase: str, step: int) -> bool:
            with self._lock:
                if self.raised is None and phase in self._phases:
                    self._tell(phase, step)
                return self.raised is None

        def _tell(self, phase: str, step: int) -> None:
            self._phases[phase].done = step + 1
            self._reached = max(self._reached, self._phases[phase].fraction())
            try:
                progress(f"building an engine: {phase}", self._reached)
            except BaseException as error:  # Ctrl-C too; TensorRT would swallow it
                self.raised = error

    return Monitor()


@contextmanager
def _interruptible(monitor: Any) -> Iterator[None]:
    """Ctrl-C cancels the build: in a callback of TensorRT's its exception would be swallowed.

    A program started with Ctrl-C ignored (nohup, cron) goes on ignoring it.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return

    def note(*_: object) -> None:
        monitor.raised = monitor.raised or KeyboardInterrupt()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


@dataclass
class _Phase:
    parent: _Phase | None
    steps: int
    done: int = 0

    def fraction(self) -> float:
        """How much of everything is done where this phase is the one under way."""
        phase: _Phase | None = self
        inner = 0.0
        while phase is not None:
            inner = min((phase.done + inner) / phase.steps, 1.0)
            phase = phase.parent
        return inner

"""TensorRT engines from ONNX files, built once and kept.

Networks are strongly typed: each layer computes in the type that the graph gives it, and TensorRT
chooses no other. ``"fp32"`` is the graph as it is, without TF32; ``"fp16"`` is the graph converted
by `half.to_half`.

An engine of ``tensorrt`` belongs to the GPU, the driver and the version that it was built with.
One of ``tensorrt_rtx`` is built without a GPU, for all from compute capability 8.0 on; for a GPU of
7.5 it is built specially.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
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

from .engine_cache import EngineCache, Facts, engine_cache, key_of
from .flavours import listening, logger_of, tensorrt_module
from .session import Progress

__all__ = ["PRECISIONS", "BuiltEngine", "build_engine", "parse_batch"]

PRECISIONS = ("fp32", "fp16")

Range = tuple[int, int, int]
"""The least, the one to optimise for, the most."""
Size = tuple[int, int]
"""(height, width)."""
Sizes = tuple[Size, Size, Size]
Model = str | Path | bytes


@dataclass(frozen=True)
class BuiltEngine:
    """What `build_engine` made or found.

    path: of the file in the cache; None where it could not be kept. seconds: what the call took.
    bytes: size of the plan. key: SHA-256 of all that the engine depends on. from_cache: whether it
    was there already. plan: what TensorRT's runtime takes.
    """

    path: Path | None
    seconds: float
    bytes: int
    key: str
    from_cache: bool
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
    model: Model,
    *,
    precision: str = "fp32",
    batch: int | Range | None = None,
    size: Size | Sizes | None = None,
    device: str = "cuda",
    cache: bool | str | Path = True,
    flavour: str | None = None,
    progress: Progress | None = None,
) -> BuiltEngine:
    """Builds an engine, or finds it in the cache.

    Args:
        model: path of an ONNX file, or its bytes.
        precision: ``"fp32"`` or ``"fp16"``, see above.
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
        EngineError: the model cannot be read, or TensorRT is missing or refuses it; the text has
            TensorRT's own words.
        DeviceError: the flavour needs a GPU, and there is none that it can use.
    """
    start = time.perf_counter()
    if precision not in PRECISIONS:
        raise ArgumentError(
            f"build_engine: precision must be one of {PRECISIONS}, got {precision!r:.80}"
        )
    trt = tensorrt_module(flavour)
    profile = _Profile.of(batch, size)
    source = _Source.read(model)
    target = _Target.of(trt, device)
    facts = {
        "model": source.digest(),
        "precision": precision,
        "trimatte": build_info()["version"] if precision == "fp16" else None,
        "profile": profile.facts(),
        **target.facts,
    }
    tell = progress or _silent
    store = _store(cache)
    path = store.path(source.name, facts, ".engine") if store else None

    def built(plan: memoryview, from_cache: bool, path: Path | None) -> BuiltEngine:
        seconds = time.perf_counter() - start
        return BuiltEngine(path, seconds, plan.nbytes, key_of(facts), from_cache, plan)

    if store is None or path is None:
        return built(_build(trt, source, precision, profile, target, None, tell), False, None)
    was_there = path.exists()
    if plan := store.read(path, facts):
        return built(plan, True, path)
    waiting = "waiting for another process that builds this"
    with store.alone(path, lambda: tell(waiting, 0.0)) as has_waited:
        if (has_waited or not was_there) and (plan := store.read(path, facts)):
            return built(plan, True, path)
        plan = _build(trt, source, precision, profile, target, store, tell)
        return built(plan, False, path if store.write(path, facts, plan) else None)


def _silent(what: str, fraction: float) -> None:
    """Progress that nobody wants to see."""


def _store(cache: bool | str | Path) -> EngineCache | None:
    if cache is False:
        return None
    return engine_cache(None if cache is True else cache)


# What is asked for --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """An ONNX model as its bytes; those of its tensors may be in files beside it."""

    name: str
    data: bytes = field(repr=False)
    path: Path | None

    @classmethod
    def read(cls, model: Model) -> _Source:
        if isinstance(model, bytes):
            return cls("model", model, None)
        path = Path(model)
        try:
            return cls(path.stem, path.read_bytes(), path)
        except OSError as error:
            raise EngineError(f"cannot read the model {path}: {error}") from error

    def digest(self) -> str:
        """SHA-256 of all its bytes."""
        digest = hashlib.sha256(self.data)
        for file in self.external_files():
            try:
                digest.update(hashlib.sha256(file.read_bytes()).digest())
            except OSError as error:
                raise EngineError(f"cannot read the weights of {self.path}: {error}") from error
        return digest.hexdigest()

    def external_files(self) -> list[Path]:
        """Files with the model's tensors; they must lie in its folder."""
        if b"location" not in self.data:  # the key that names such a file
            return []
        entries = [
            entry.value
            for tensor in _load_onnx(self.data).graph.initializer
            for entry in tensor.external_data
            if entry.key == "location"
        ]
        if entries and self.path is None:
            raise EngineError("a model with weights in other files must be given by its path")
        files = []
        for entry in sorted(set(entries)):
            folder = Path(self.path or "").resolve().parent
            file = (folder / entry).resolve()
            if not file.is_relative_to(folder):
                raise EngineError(f"{self.path} wants weights that lie elsewhere: {entry!r}")
            files.append(file)
        return files

    def to_half(self) -> _Source:
        """The same in fp16."""
        model = _load_onnx(self.data if self.path is None else self.path)
        converted = importlib.import_module("trimatte.engines.half").to_half(model)
        return _Source(self.name, converted.SerializeToString(), None)


def _load_onnx(model: bytes | Path) -> Any:
    try:
        onnx = importlib.import_module("onnx")
    except ImportError as error:
        raise EngineError(
            "reading ONNX models for TensorRT needs onnx: pip install 'trimatte[export]'"
        ) from error
    try:
        return onnx.load_model_from_string(model) if isinstance(model, bytes) else onnx.load(model)
    except Exception as error:  # protobuf's and onnx's own, which have no common base
        name = "the model" if isinstance(model, bytes) else model
        raise EngineError(f"{name} is no ONNX file: {error}") from error


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

    def facts(self) -> Facts:
        return {
            "batch": list(self.batch) if self.batch else None,
            "size": [list(each) for each in self.size] if self.size else None,
        }

    def shapes(self, tensor: Any) -> tuple[tuple[int, ...], ...] | None:
        """The least, usual and largest shape of an input; None where nothing of it is free.

        The first side is the batch's, the third and fourth of four are height and width.
        """
        sides = tuple(tensor.shape)
        given: list[tuple[str, Range | None]] = [("", None)] * len(sides)
        if sides:
            given[0] = ("batch", self.batch or ((1, 1, 1) if sides[0] < 0 else None))
        if len(sides) == 4:
            for axis in (2, 3):
                least, usual, most = self.size or (None, None, None)
                if least and usual and most:
                    given[axis] = ("size", (least[axis - 2], usual[axis - 2], most[axis - 2]))
                else:
                    given[axis] = ("size", None)
        ranges = []
        for side, (argument, wanted) in zip(sides, given, strict=True):
            if side < 0 and wanted is None:
                raise ArgumentError(
                    f"build_engine: {argument or 'the model'} must say what the model leaves free: "
                    f"its input {tensor.name!r} is {_free(sides)}"
                )
            if side >= 0 and wanted is not None and wanted != (side, side, side):
                raise ArgumentError(
                    f"build_engine: {argument} must be what the model has, {side}: its input "
                    f"{tensor.name!r} is {_free(sides)}, got {wanted}"
                )
            ranges.append(wanted or (side, side, side))
        return tuple(zip(*ranges, strict=True)) if min(sides, default=0) < 0 else None


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and all(_is_side(side) for side in value)
        and list(value) == sorted(value)
    )


def _free(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join("any" if side < 0 else str(side) for side in shape) + ")"


@dataclass(frozen=True)
class _Target:
    """What an engine is built by and for. gpu: its index; None: for all that the flavour knows."""

    facts: Facts
    gpu: int | None
    turing: bool

    @classmethod
    def of(cls, trt: Any, device: str) -> _Target:
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
    trt: Any,
    source: _Source,
    precision: str,
    profile: _Profile,
    target: _Target,
    store: EngineCache | None,
    progress: Progress,
) -> memoryview:
    if precision == "fp16":
        progress("converting to fp16", 0.0)
        source = source.to_half()
    with target.current(), listening(trt) as errors:

        def failed(what: str) -> EngineError:
            reasons = "; ".join(dict.fromkeys(errors)) or "TensorRT gives no reason"
            return EngineError(f"{trt.__name__} {trt.__version__} {what} {source.name}: {reasons}")

        try:
            builder = trt.Builder(logger_of(trt))
        except Exception as error:  # a TypeError of the binding, where the library fails
            errors.append(str(error))
            raise failed("cannot start to build") from error
        network = builder.create_network(_strongly_typed(trt))
        parser = trt.OnnxParser(network, logger_of(trt))
        if not _parse(parser, source):
            errors[:] = [_words_of(parser.get_error(i)) for i in range(parser.num_errors)] or errors
            raise failed("does not understand the model")
        config = builder.create_builder_config()
        _set_flags(trt, config, target)
        _add_profile(builder, config, network, profile)
        timing = _attach_timing_cache(trt, config, target, store)
        monitor = _monitor(trt, progress)
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
        if monitor.raised is not None:
            raise monitor.raised
        if plan is None:
            raise failed("does not build")
        if timing:
            timing()
    progress("engine built", 1.0)
    return memoryview(bytes(plan))


def _strongly_typed(trt: Any) -> int:
    # Where networks are always so, there is no flag for it.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(parser: Any, source: _Source) -> bool:
    if source.path is not None and source.external_files():
        return bool(parser.parse_from_file(str(source.path)))
    return bool(parser.parse(source.data))


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


def _add_profile(builder: Any, config: Any, network: Any, profile: _Profile) -> None:
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    shapes = {tensor.name: profile.shapes(tensor) for tensor in inputs}
    if not any(shapes.values()):
        return
    optimization = builder.create_optimization_profile()
    for name, three in shapes.items():
        if three:
            optimization.set_shape(name, *three)
    config.add_optimization_profile(optimization)


def _attach_timing_cache(trt: Any, config: Any, target: _Target, store: EngineCache | None) -> Any:
    """Lets the builder use what it measured before; what to call when it has measured more.

    tensorrt_rtx measures nothing when it builds.
    """
    if store is None or trt.__name__ != "tensorrt":
        return None
    path = store.path("timing", target.facts, ".timing")
    timing = config.create_timing_cache(store.read(path, target.facts) or b"")
    if timing is None or not config.set_timing_cache(timing, False):
        return None
    return lambda: store.write(path, target.facts, bytes(timing.serialize()))


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

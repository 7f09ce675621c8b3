"""Networks run by TensorRT on arrays of a GPU, in the order of the caller's stream.

Nothing is copied to the host, and nothing waits for the GPU. For each shape the first run is put on
the stream as TensorRT does it; the second is recorded as a CUDA graph, and launched from then on.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimatte import _core
from trimatte.arrays import as_array
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError, DeviceError, EngineError

from ..onnx_files.model_file import ModelFile, ModelSource, model_file
from ..session import Progress, TensorInfo
from ..tensorrt_build.build import BuiltEngine, Range, Size, Sizes, build_engine
from ..tensorrt_build.engine_cache import EngineCache, engine_cache
from ..tensorrt_build.flavours import listening, logger_of, tensorrt_module
from .base import BaseSession

__all__ = ["TensorRTSession", "tensorrt_module"]

_ALIGNMENT = 256  # what TensorRT asks of addresses
_DTYPES = ("float32", "float16", "uint8", "bool")  # of arrays here and of TensorRT's
_CLOSED = "TensorRTSession: the session is closed"

_log = logging.getLogger("trimatte")

Shape = tuple[int, ...]


class TensorRTSession(BaseSession):
    """A network as an engine of TensorRT, see `Session`.

    Threads may run it at the same time: each gets an execution context of its own, of `contexts` at
    most, and waits for one on the host only when other threads hold them all; on the GPU the work
    of two streams in one context takes turns.

    Args:
        model: path of an ONNX file, or its bytes; see `ModelFile` for what is accepted.
        device: ``"cuda"`` or ``"cuda:1"``.
        precision, batch, size, cache, flavour, progress: as of `build_engine`.
        graphs: whether to record and launch CUDA graphs. Where recording fails, the logger
            "trimatte" says so once, and runs go on without.
        contexts: each takes GPU memory for the network's largest shapes.
        why: see `Session`.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: TensorRT is missing, refuses the model, or refuses this GPU; the message names
            GPU, compute capability, flavour and version.
        DeviceError: there is no such GPU, or it cannot be used; the message says why.
    """

    def __init__(
        self,
        model: ModelSource,
        *,
        device: str = "cuda",
        precision: str | None = None,
        batch: int | Range | None = None,
        size: Size | Sizes | None = None,
        cache: bool | str | Path = True,
        graphs: bool = True,
        contexts: int = 2,
        flavour: str | None = None,
        progress: Progress | None = None,
        why: str = "asked for by name",
    ) -> None:
        if not isinstance(contexts, int) or contexts < 1:
            raise ArgumentError(
                f"TensorRTSession: contexts must be a number of at least 1, got {contexts!r:.80}"
            )
        gpu = _core.gpu_named(device, "TensorRTSession")
        trt = tensorrt_module(flavour)
        source = model_file(model)
        built = build_engine(
            source,
            precision=precision,
            batch=batch,
            size=size,
            device=f"cuda:{gpu}",
            cache=cache,
            flavour=trt.__name__,
            progress=progress,
        )
        origin = "was in the cache" if built.from_cache else f"took {built.seconds:.1f} s to build"
        super().__init__(
            source,
            runtime=trt.__name__,
            device=f"cuda:{gpu}",
            precision=built.precision,
            why=f"{why}; {trt.__name__} {trt.__version__} on {_name_of(gpu)}, its engine {origin}",
        )
        network = _Network(trt, source, built, gpu, graphs)
        self._network = network
        self._lanes = _Lanes(lambda: _Lane(network), contexts)

    @property
    def largest_batch(self) -> int:
        return self._network.largest_batch

    def run(self, batch: Any, *, output: int = 0, stream: Any = None) -> DeviceArray:
        """See `Session.run`; a batch of another library on this GPU is taken as it is."""
        taken = as_array(batch, "run", "batch", stream)
        return super().run(taken, output=output, stream=stream)

    def _infer(self, batch: DeviceArray, output: int, stream: Any) -> DeviceArray:
        shape = tuple(batch.shape)
        self._network.check(shape)
        work = _core.WorkStream(batch, stream, "run")
        with self._lanes.one(shape, work.handle) as lane:
            return lane.run(batch, output, work)

    def _release(self) -> None:
        """Work under way goes on, and keeps what it needs; nothing waits for it."""
        self._lanes.close()
        self._network.close()


def _name_of(gpu: int) -> str:
    name, major, minor, _ = _core.gpu_facts(gpu)
    return f"{name} (compute capability {major}.{minor})"


# The network --------------------------------------------------------------------------------------


class _Network:
    """An engine on a GPU, and what contexts of it have in common."""

    def __init__(
        self, trt: Any, source: ModelFile, built: BuiltEngine, gpu: int, graphs: bool
    ) -> None:
        self.trt, self.gpu, self.graphs = trt, gpu, graphs
        self.input, self.outputs = source.image, source.outputs
        for info in self.outputs:
            if info.dtype.name not in _DTYPES:
                raise EngineError(
                    f"TensorRTSession: the output {info.name!r} is {info.dtype}, and arrays on a "
                    f"GPU are {', '.join(_DTYPES)}"
                )
        with _core.WorkStream(gpu), listening(trt) as errors:
            self._runtime = trt.Runtime(logger_of(trt))
            self.engine = self._runtime.deserialize_cuda_engine(built.plan)
            if self.engine is None:
                raise EngineError(self._refusal(built.plan, errors))
            self._config, self._kernels = self._configure(built)
        least, _, most = self._profile()
        self._least, self._most = tuple(least), tuple(most)
        self._save = weakref.finalize(self, self._kernels.save)

    @property
    def largest_batch(self) -> int:
        return int(self._most[0])

    def check(self, shape: Shape) -> None:
        """Raises ArgumentError for a shape that the engine was not built for."""
        limits = zip(self._least, shape, self._most, strict=True)
        if not all(low <= side <= high for low, side, high in limits):
            raise ArgumentError(
                f"run: batch must have a shape from {self._least} to {self._most}, for which the "
                f"engine was built, got {shape}"
            )

    def close(self) -> None:
        """Contexts keep the engine as long as they are there."""
        self._save()
        self._runtime = self.engine = self._config = None

    def new_context(self) -> Any:
        engine, config = self.engine, self._config
        if engine is None:
            raise EngineError(_CLOSED)
        with listening(self.trt) as errors:
            if config is None:
                context = engine.create_execution_context()
            else:
                context = engine.create_execution_context(config)
            if context is None:
                raise self.failed("cannot make an execution context", errors)
        return context

    def failed(self, what: str, errors: list[str]) -> EngineError:
        reasons = "; ".join(dict.fromkeys(errors)) or "TensorRT gives no reason"
        return EngineError(
            f"TensorRTSession: {self.trt.__name__} {self.trt.__version__} {what} on "
            f"{_name_of(self.gpu)}: {reasons}"
        )

    def without_graphs(self, reason: Exception) -> None:
        if self.graphs:
            _log.warning("TensorRTSession: runs without CUDA graphs, none can be made: %s", reason)
        self.graphs = False

    def _refusal(self, plan: memoryview, errors: list[str]) -> str:
        """Why the engine does not load, in all words that can be had."""
        trt = self.trt
        reasons = list(errors)
        if hasattr(self._runtime, "get_engine_validity"):
            reasons.insert(0, str(self._runtime.get_engine_validity(plan)[1]))
        message = str(self.failed("cannot load its engine", reasons))
        if hasattr(trt, "ComputeCapability"):
            known = [name for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
            message += f" (this flavour is for {', '.join(known)})"
        return message

    def _configure(self, built: BuiltEngine) -> tuple[Any, _Kernels]:
        """How contexts are made: tensorrt_rtx compiles kernels then, and keeps them in a cache."""
        if not hasattr(self.trt, "IRuntimeCache"):
            return None, _Kernels(None, None, {}, "")
        config = self.engine.create_runtime_config()
        if self.graphs:
            # A graph must not hold kernels that stand in for better ones not yet compiled.
            strategy = self.trt.DynamicShapesKernelSpecializationStrategy
            config.dynamic_shapes_kernel_specialization_strategy = strategy.EAGER
        cache = config.create_runtime_cache()
        name, major, minor, driver = _core.gpu_facts(self.gpu)
        facts = {"engine": built.key, "gpu": name, "capability": f"{major}.{minor}"}
        store = engine_cache(built.path.parent) if built.path else None
        stem = built.path.stem.rpartition("-")[0] if built.path else ""
        kernels = _Kernels(cache, store, {**facts, "driver": driver}, stem)
        kernels.load()
        config.set_runtime_cache(cache)
        return config, kernels

    def _profile(self) -> Any:
        """The least, usual and largest shape of the input."""
        if None in self.input.shape:
            return self.engine.get_tensor_profile_shape(self.input.name, 0)
        return (self.input.shape,) * 3


@dataclass
class _Kernels:
    """Kernels that tensorrt_rtx has compiled for one engine on one GPU, kept from run to run."""

    cache: Any
    store: EngineCache | None
    facts: dict[str, Any]
    name: str
    known: bytes | None = None

    def load(self) -> None:
        if self.store is not None:
            found = self.store.read(self._path(self.store), self.facts)
            if found is not None and self.cache.deserialize(found):
                self.known = bytes(found)

    def save(self) -> None:
        if self.store is not None:
            now = bytes(self.cache.serialize())
            if now != self.known:
                self.store.write(self._path(self.store), self.facts, now)

    def _path(self, store: EngineCache) -> Path:
        return store.path(self.name, self.facts, ".kernels")


# Lanes --------------------------------------------------------------------------------------------


class _Lane:
    """An execution context for one shape at a time, and its graph.

    One thread uses it at a time. Its work on one stream waits, on the GPU, for that on the other:
    memory of the context, and the buffers that a graph reads and writes, are the same.
    """

    def __init__(self, network: _Network) -> None:
        self._network = network
        self._own = _core.WorkStream(network.gpu)
        with self._own:
            self._context = network.new_context()
        self._done = self._own.keep([])
        self._input: DeviceArray
        self._outputs: list[DeviceArray]
        self._graph: _core.Graph | None = None
        self._is_warm = False
        self.shape: Shape | None = None
        self.stream: int | None = None

    @property
    def is_idle(self) -> bool:
        return self._done.done

    def run(self, batch: DeviceArray, output: int, work: _core.WorkStream) -> DeviceArray:
        work.wait(self._done)
        self.stream = work.handle
        try:
            with work, listening(self._network.trt) as errors:
                return self._put(batch, output, work, errors)
        finally:
            self._done = work.keep([self, batch])

    def _put(
        self, batch: DeviceArray, output: int, work: _core.WorkStream, errors: list[str]
    ) -> DeviceArray:
        shape = tuple(batch.shape)
        if shape != self.shape:
            self._reshape(shape, work, errors)
        result = work.empty(self._outputs[output].shape, self._outputs[output].dtype)
        if self._network.graphs and self._is_warm and self._graph is None:
            self._record(errors)
        if self._graph is not None:
            work.copy(self._input, batch)
            work.launch(self._graph)
            work.copy(result, self._outputs[output])
        else:
            self._enqueue(batch, result, output, work, errors)
        return result

    def _reshape(self, shape: Shape, work: _core.WorkStream, errors: list[str]) -> None:
        """Makes ready for another shape; what was for the last one goes when its work is done."""
        if self.shape is not None:
            work.keep([self._graph, self._input, *self._outputs])
        self._graph, self._is_warm, self.shape = None, False, None
        network, context = self._network, self._context
        if not context.set_input_shape(network.input.name, shape):
            raise network.failed(f"does not take the shape {shape}", errors)
        self._input = self._own.empty(shape, network.input.dtype)
        self._outputs = [self._new_output(info) for info in network.outputs]
        work.wait(self._own.keep([]))
        self.shape = shape

    def _new_output(self, info: TensorInfo) -> DeviceArray:
        shape = tuple(self._context.get_tensor_shape(info.name))
        if min(shape, default=0) < 0:
            raise EngineError(
                f"TensorRTSession: the shape of {info.name!r} depends on what the batch contains"
            )
        return self._own.empty(shape, info.dtype)

    def _enqueue(
        self,
        batch: DeviceArray,
        result: DeviceArray,
        output: int,
        work: _core.WorkStream,
        errors: list[str],
    ) -> None:
        source = batch
        if not _is_plain(batch):
            source = self._input
            work.copy(source, batch)
        outputs = [result if i == output else held for i, held in enumerate(self._outputs)]
        self._address(source, outputs)
        if work.handle != 0:
            self._execute(work.handle, errors)
        else:  # on the legacy default stream TensorRT would wait for the GPU
            self._own.wait(work.keep([]))
            try:
                self._execute(self._own.handle, errors)
            finally:
                work.wait(self._own.keep([]))
        self._is_warm = True

    def _record(self, errors: list[str]) -> None:
        self._address(self._input, self._outputs)
        try:
            if not getattr(self._context, "is_stream_capturable", _always)(self._own.handle):
                raise EngineError("TensorRT says that this network cannot be captured")
            self._graph = self._own.record(lambda: self._execute(self._own.handle, errors))
        except (EngineError, DeviceError) as error:
            self._network.without_graphs(error)

    def _address(self, source: DeviceArray, outputs: list[DeviceArray]) -> None:
        network = self._network
        self._context.set_tensor_address(network.input.name, _pointer(source))
        for info, array in zip(network.outputs, outputs, strict=True):
            self._context.set_tensor_address(info.name, _pointer(array))

    def _execute(self, stream: int, errors: list[str]) -> None:
        if not self._context.execute_async_v3(stream):
            raise self._network.failed("failed to run", errors)


def _always(stream: int) -> bool:
    """What TensorRT without `is_stream_capturable` answers."""
    return True


def _pointer(array: DeviceArray) -> int:
    return int(array.__cuda_array_interface__["data"][0])


def _is_plain(array: DeviceArray) -> bool:
    """Whether TensorRT can read the array where it is."""
    interface = array.__cuda_array_interface__
    return interface["strides"] is None and interface["data"][0] % _ALIGNMENT == 0


class _Lanes:
    """Lanes of a session: made when they are needed, `most` of them."""

    def __init__(self, make: Callable[[], _Lane], most: int) -> None:
        self._make, self._most = make, most
        self._changed = threading.Condition()
        self._free: list[_Lane] = []  # the one that was used last comes last
        self._made = 0
        self._is_closed = False

    @contextmanager
    def one(self, shape: Shape, stream: int) -> Iterator[_Lane]:
        """A lane for this thread, if possible one that need not wait or change its shape."""
        lane = self._take(shape, stream)
        try:
            if lane is None:
                lane = self._make()
            yield lane
        finally:
            with self._changed:
                if lane is None:
                    self._made -= 1
                elif not self._is_closed:
                    self._free.append(lane)
                self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._free.clear()
            self._changed.notify_all()

    def _take(self, shape: Shape, stream: int) -> _Lane | None:
        """A free lane, out of the list; None: one is to be made."""
        with self._changed:
            while True:
                if self._is_closed:
                    raise EngineError(_CLOSED)
                of_shape = [lane for lane in self._free if lane.shape == shape]
                ready = [lane for lane in of_shape if lane.stream == stream or lane.is_idle]
                if not ready and self._made < self._most:
                    self._made += 1
                    return None
                if self._free:
                    lane = (ready or of_shape or self._free)[0]
                    self._free.remove(lane)
                    return lane
                self._changed.wait()

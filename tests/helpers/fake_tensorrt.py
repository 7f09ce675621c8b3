"""As much of TensorRT as trimatte uses, for GPUs that are the stand-in of tests/cuda_shim.

It takes networks whose outputs are 1 x 1 convolutions of the input to one channel. An "engine" is
the ONNX model behind a line of JSON. `MODULE` and `RTX_MODULE` go into ``sys.modules``; `counts`
says how often what was called, and `faults` makes calls fail.
"""

from __future__ import annotations

import collections
import ctypes
import enum
import json
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from tests.helpers.gpu import function
from trimatte import _core

HEADER = b"fake plan "
counts: collections.Counter[str] = collections.Counter()
faults: set[str] = set()


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def log(self, severity: Severity, message: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    """Only a base."""


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class BuilderFlag(enum.IntEnum):
    TF32 = 6


class RtxBuilderFlag(enum.IntEnum):
    TF32, REQUIRE_USER_ALLOCATION = 6, 28


class ComputeCapability(enum.Enum):
    CURRENT, SM75, SM86 = range(3)


class DynamicShapesKernelSpecializationStrategy(enum.Enum):
    LAZY, EAGER = range(2)


class Tensor:
    def __init__(self, info: Any) -> None:
        sides = info.type.tensor_type.shape.dim
        self.name, self.shape = info.name, tuple(side.dim_value or -1 for side in sides)


class Network:
    def __init__(self, flags: int) -> None:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        self.model: Any = None

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    def get_input(self, index: int) -> Tensor:
        return Tensor(self.model.graph.input[index])


class ParserError:
    def node(self) -> int:
        return 0

    def node_operator(self) -> str:
        return ""

    def desc(self) -> str:
        return "no ONNX model"


class OnnxParser:
    num_errors = 1

    def __init__(self, network: Network, logger: ILogger) -> None:
        self.network = network

    def parse(self, data: bytes) -> bool:
        counts["parse"] += 1
        try:
            self.network.model = onnx.load_model_from_string(data)
        except Exception:  # protobuf's
            return False
        return True

    def get_error(self, index: int) -> ParserError:
        return ParserError()


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, *three: Any) -> None:
        self.shapes[name] = three


class TimingCache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return self.data + b"t"


class Config:
    progress_monitor: Any = None

    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def clear_flag(self, flag: BuilderFlag) -> None:
        assert flag.name == "TF32"

    def set_flag(self, flag: RtxBuilderFlag) -> None:
        counts[flag.name] += 1

    def add_optimization_profile(self, profile: Profile) -> None:
        self.shapes = profile.shapes

    def create_timing_cache(self, data: Any) -> TimingCache:
        counts["timings known"] += len(data)
        return TimingCache(bytes(data))

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        return not ignore_mismatch


class Builder:
    def __init__(self, logger: ILogger) -> None:
        if "no builder" in faults:
            raise TypeError("factory function returned nullptr")
        self.logger = logger

    def create_network(self, flags: int) -> Network:
        return Network(flags)

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        counts["build"] += 1
        monitor = config.progress_monitor
        monitor.phase_start("all", None, 2)
        for step in range(2):
            monitor.phase_start("one", "all", 4)
            if not all(monitor.step_complete("one", inner) for inner in range(4)):
                self.logger.log(ILogger.Severity.ERROR, "cancelled")
                return None
            monitor.phase_finish("one")
            monitor.step_complete("all", step)
        monitor.phase_finish("all")
        header = json.dumps({"shapes": config.shapes}).encode()
        return HEADER + header + b"\n" + network.model.SerializeToString()


class Engine:
    """Weights are those of the model; each output has its own."""

    def __init__(self, plan: bytes, logger: ILogger) -> None:
        header, _, model = plan.removeprefix(HEADER).partition(b"\n")
        graph = onnx.load_model_from_string(model).graph
        self.shapes = json.loads(header)["shapes"]
        self.logger = logger
        self.tensors = {info.name: Tensor(info) for info in (*graph.input, *graph.output)}
        self.inputs = [info.name for info in graph.input]
        arrays = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        self.weights = {
            node.output[0]: np.append(arrays[node.input[1]].ravel(), arrays[node.input[2]])
            for node in graph.node
        }

    def get_tensor_profile_shape(self, name: str, profile: int) -> Any:
        return self.shapes[name]

    def create_runtime_config(self) -> RuntimeConfig:
        return RuntimeConfig()

    def create_execution_context(self, config: RuntimeConfig | None = None) -> Context | None:
        counts["contexts"] += 1
        if config is not None:
            assert config.cache is not None
            counts[config.dynamic_shapes_kernel_specialization_strategy.name] += 1
        if "no context" in faults:
            self.logger.log(ILogger.Severity.ERROR, "no memory for a context")
            return None
        return Context(self)


class IRuntimeCache:
    def deserialize(self, data: Any) -> bool:
        counts["kernels known"] += len(data)
        return "other kernels" not in faults

    def serialize(self) -> bytes:
        return b"kernels"


class RuntimeConfig:
    """As tensorrt_rtx has it."""

    dynamic_shapes_kernel_specialization_strategy = DynamicShapesKernelSpecializationStrategy.LAZY
    cache: IRuntimeCache | None = None

    def create_runtime_cache(self) -> IRuntimeCache:
        return IRuntimeCache()

    def set_runtime_cache(self, cache: IRuntimeCache) -> bool:
        self.cache = cache
        return True


class Context:
    """As TensorRT's: for one thread and one piece of work at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] = ()
        self.is_used = False
        door = ctypes.CDLL(_core.__file__)
        pointer, number = ctypes.c_void_p, ctypes.c_ssize_t
        types = (pointer, pointer, number, number, ctypes.c_int, pointer, pointer)
        self.mix = function(door, "cuda_shim_mix", *types)
        self.synchronize = function(door, "cuda_shim_stream_synchronize", pointer)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return "no shape" not in faults

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        sides = self.engine.tensors[name].shape
        if "shape of data" in faults:
            return sides
        return (self.shape[0], sides[1], *self.shape[2:])

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address % 256 == 0
        self.addresses[name] = address
        return True

    def is_stream_capturable(self, stream: int) -> bool:
        return "not capturable" not in faults

    def execute_async_v3(self, stream: int) -> bool:
        assert stream != 0, "TensorRT would wait for the GPU"
        assert not self.is_used, "two threads use one context"
        self.is_used = True
        counts["runs"] += 1
        if "spoils capture" in faults:
            self.synchronize(stream)
        source = self.addresses[self.engine.inputs[0]]
        images, channels, height, width = self.shape
        for name, weights in self.engine.weights.items():
            row = weights.astype(np.float32)
            status = self.mix(
                source,
                self.addresses[name],
                images,
                height * width,
                channels,
                row.ctypes.data,
                stream,
            )
            assert status == 0
        self.is_used = False
        if "fails" in faults:
            self.engine.logger.log(ILogger.Severity.ERROR, "the GPU is on fire")
        return "fails" not in faults


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, plan: Any) -> Engine | None:
        counts["load"] += 1
        data = bytes(plan)
        if "other GPU" in faults or not data.startswith(HEADER):
            self.logger.log(ILogger.Severity.ERROR, "built for another GPU")
            return None
        return Engine(data, self.logger)


class RtxRuntime(Runtime):
    def get_engine_validity(self, plan: Any) -> tuple[Any, Any]:
        return None, "UNSUPPORTED_CC"


_RTX_ONLY = (ComputeCapability, DynamicShapesKernelSpecializationStrategy, IRuntimeCache)
_COMMON = {
    name: value
    for name, value in globals().items()
    if isinstance(value, type) and value not in _RTX_ONLY
}

MODULE = ModuleType("tensorrt")
MODULE.__dict__.update(_COMMON, __version__="10.0.fake")

RTX_MODULE = ModuleType("tensorrt_rtx")
RTX_MODULE.__dict__.update(
    {**_COMMON, **{kind.__name__: kind for kind in _RTX_ONLY}},
    __version__="1.0.fake",
    BuilderFlag=RtxBuilderFlag,
    Runtime=RtxRuntime,
)

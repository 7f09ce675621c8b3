"""Networks run by OpenVINO, on the CPU."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from trimatte.errors import EngineError
from trimatte.optional import require

from ..onnx_files.model_file import ModelFile, ModelSource, model_file
from ..session import gpu_index
from .base import BaseSession, thread_count

__all__ = ["OpenVinoSession", "import_openvino"]

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # of layers that are not quantised


class OpenVinoSession(BaseSession):
    """A network run by OpenVINO on the CPU; see `trimatte.engines.Session`.

    Args:
        model: path of an ONNX file, or its bytes.
        device: ``"cpu"``.
        precision: ``"fp32"``; ``"bf16"``, where the processor can multiply in it; ``"int8"``, of a
            network from `trimatte.engines.quantize`. None: ``"int8"`` for such a network, else
            ``"fp32"``, also where OpenVINO by itself would take bf16.
        threads: None: as many as trimatte's operations use.
        why: see `Session.why`.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: OpenVINO is not installed, cannot load the network, or the processor or the
            network cannot do the precision; see also `ModelFile`.
    """

    def __init__(
        self,
        model: ModelSource,
        *,
        device: str = "cpu",
        precision: str | None = None,
        threads: int | None = None,
        why: str = "asked for by name",
    ) -> None:
        if gpu_index(device) is not None:
            raise EngineError(f"openvino runs networks on the CPU, not on {device}")
        threads = thread_count(threads)
        file = model_file(model)
        quantized = file.precision == "int8"
        precision = precision or ("int8" if quantized else "fp32")
        if precision not in _HINTS:
            raise EngineError(f"openvino computes in fp32, bf16 or int8, not in {precision}")
        if quantized != (precision == "int8"):
            how = "" if quantized else "; `trimatte engines quantize` makes a network for int8"
            raise EngineError(
                f"{file.name} is in {file.precision} and cannot be computed in {precision}{how}"
            )
        self._requests: _Requests | None = _Requests(_compile(file, precision, threads))
        super().__init__(file, runtime="openvino", device="cpu", precision=precision, why=why)

    def _infer(self, batch: Any, output: int, stream: Any) -> Any:
        requests = self._requests
        if requests is None:
            raise self._closed_error()
        with requests.one() as request:
            request.infer({0: np.ascontiguousarray(batch)}, share_inputs=True)
            # The next run with this request overwrites its memory.
            return request.get_output_tensor(output).data.copy()

    def _release(self) -> None:
        self._requests = None


class _Requests:
    """A compiled network's requests: as many as there ever were runs at once."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._free: list[Any] = []

    @contextmanager
    def one(self) -> Iterator[Any]:
        """A request that no other thread uses."""
        try:
            request = self._free.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._free.append(request)


def import_openvino() -> Any:
    """The module.

    Raises:
        EngineError: it is not installed, or does not load; the message says what to install.
    """
    return require("openvino", extra="openvino", purpose="running a network by OpenVINO")


@functools.cache
def _core_of(openvino: Any) -> Any:
    return openvino.Core()


def _compile(file: ModelFile, precision: str, threads: int) -> Any:
    core = _core_of(import_openvino())
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise EngineError("this processor cannot multiply in bf16; precision 'fp32' works")
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        # Threads of two sessions must not be tied to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        return core.compile_model(
            core.read_model(file.data if file.path is None else str(file.path)), "CPU", settings
        )
    except Exception as error:  # whatever OpenVINO raises
        raise EngineError(f"OpenVINO cannot load {file.name}: {error}") from error

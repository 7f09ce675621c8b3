"""Networks run by ONNX Runtime, on the CPU or an NVIDIA GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from trimatte import _core
from trimatte.devices import cuda_available, cuda_status
from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import NO_TELEMETRY, require

from ..onnx_files.model_file import ModelFile, ModelSource, model_file
from ..session import gpu_index
from .base import BaseSession, thread_count

__all__ = ["OnnxRuntimeSession", "cuda_complaint", "import_onnxruntime"]

CUDA = "CUDAExecutionProvider"
_HOW = {
    "fp32": "such a file is computed in what it is written in",
    "fp16": "that needs a GPU, and a file in fp16",
    "bf16": "that needs openvino",
    "int8": "that needs a network from `trimatte engines quantize`",
}
_FOR_GPU = "pip uninstall onnxruntime, then pip install onnxruntime-gpu"
# ONNX Runtime only logs which library it misses. The loader names it; in a process of its own, as
# a library that loads after all is not made to be loaded like this.
_LOAD_PROVIDER = """
import ctypes, os, sys, onnxruntime
folder = os.path.join(os.path.dirname(onnxruntime.__file__), "capi")
if hasattr(onnxruntime, "preload_dlls"):
    onnxruntime.preload_dlls()
try:
    ctypes.CDLL(os.path.join(folder, "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(os.path.join(folder, "libonnxruntime_providers_cuda.so"))
except OSError as error:
    sys.stderr.write(str(error))
"""


class OnnxRuntimeSession(BaseSession):
    """A network run by ONNX Runtime; see `trimatte.engines.Session`.

    On the CPU its results are those of ONNX Runtime by itself, to the bit. On a GPU a run waits
    for all work of that GPU, before and after: ONNX Runtime works on a stream of its own.

    Args:
        model: path of an ONNX file, or its bytes.
        device: ``"cpu"``, ``"cuda"`` (the first GPU) or ``"cuda:1"``.
        precision: that of the file or None: ONNX Runtime computes in what the file is written in,
            on the CPU in fp32 where that is fp16.
        threads: on the CPU; None: as many as trimatte's operations use.
        why: see `Session.why`.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: ONNX Runtime is not installed, or cannot load the network or use the GPU; see
            also `ModelFile`.
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
        gpu = gpu_index(device)
        threads = thread_count(threads)
        file = model_file(model)
        computed = file.precision
        if gpu is None and computed == "fp16":
            computed = "fp32"
        if precision not in (None, computed):
            raise EngineError(
                f"ONNX Runtime computes {file.name} in {computed}, not in {precision}: "
                f"{_HOW[precision]}"
            )
        self._gpu = gpu
        self._ort = import_onnxruntime() if gpu is None else import_onnxruntime_for_gpu()
        self._session: Any = self._open(file, threads)
        super().__init__(
            file,
            runtime="onnxruntime",
            device="cpu" if gpu is None else f"cuda:{gpu}",
            precision=computed,
            why=why,
        )

    def _open(self, file: ModelFile, threads: int) -> Any:
        options = self._ort.SessionOptions()
        options.log_severity_level = 4  # what is an error is raised, too
        options.intra_op_num_threads = threads
        # Threads that spin after a run take the cores from what comes next: 40 ms of two cores in
        # the 100 ms after it, and the run is no faster for it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A file that calls itself ONNX is read as one, not as a dump of ONNX Runtime's memory.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # Plans of memory, one for every size of the image, leave more of it in use, 224 MiB instead
        # of 167 after 200 sizes of a U2-NetP's image, and make a run no faster.
        options.enable_mem_pattern = False
        source = file.data if file.path is None else str(file.path)
        try:
            session = self._ort.InferenceSession(
                source, options, providers=self._providers(), enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise EngineError(f"ONNX Runtime cannot load {file.name}: {error}") from error
        if self._gpu is not None and CUDA not in session.get_providers():
            raise EngineError(
                f"ONNX Runtime fell back to the CPU, as it cannot use the GPU: "
                f"{cuda_complaint() or 'its log, on stderr, may say why'}"
            )
        return session

    def _providers(self) -> list[Any]:
        if self._gpu is None:
            return ["CPUExecutionProvider"]
        return [
            (
                CUDA,
                {
                    "device_id": str(self._gpu),
                    "use_tf32": "0",  # fp32 is to mean fp32
                    "arena_extend_strategy": "kSameAsRequested",
                },
            ),
            "CPUExecutionProvider",
        ]

    def _infer(self, batch: Any, output: int, stream: Any) -> Any:
        session, name = self._session, self._outputs[output].name
        if session is None:
            raise self._closed_error()
        if self._gpu is None:
            given = {self._inputs[0].name: np.ascontiguousarray(batch)}
            return session.run([name], given)[0]
        binding = session.io_binding()
        binding.bind_input(
            self._inputs[0].name,
            "cuda",
            self._gpu,
            batch.dtype,
            batch.shape,
            batch.__cuda_array_interface__["data"][0],
        )
        binding.bind_output(name, "cuda", self._gpu)
        binding.synchronize_inputs()  # CUDA's provider waits for the whole GPU
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return _core.borrow(_OnGpu(binding.get_outputs()[0]), stream, "run", "output")

    def _check_place(self, batch: Any, stream: Any) -> None:
        super()._check_place(batch, stream)
        if self._gpu is not None and batch.__cuda_array_interface__["strides"] is not None:
            raise ArgumentError(
                f"run: batch must be contiguous, got {batch.shape} with strides of "
                f"{batch.strides} bytes"
            )

    def _release(self) -> None:
        self._session = None


class _OnGpu:
    """Lends the memory of a value of ONNX Runtime, which is complete, as others can take it."""

    def __init__(self, value: Any) -> None:
        self._value = value
        kind = value.data_type().removeprefix("tensor(").removesuffix(")")
        dtype = np.dtype({"float": "float32", "double": "float64"}.get(kind, kind))
        self.__cuda_array_interface__ = {
            "shape": tuple(value.shape()),
            "typestr": dtype.str,
            "data": (value.data_ptr(), False),
            "version": 3,
            "strides": None,
            "stream": None,
        }


def import_onnxruntime() -> Any:
    """The module.

    Raises:
        EngineError: it is not installed, or does not load; the message says what to install.
    """
    module = require("onnxruntime", extra="cpu", purpose="running a network by ONNX Runtime")
    if not hasattr(module, "InferenceSession"):
        raise EngineError(
            "ONNX Runtime is a folder without its files, as is left where one of two wheels was "
            "uninstalled: pip install --force-reinstall, of the one that is there"
        )
    return module


def import_onnxruntime_for_gpu() -> Any:
    """The module, with the libraries of CUDA that pip brought loaded for it.

    Raises:
        EngineError: it is not installed, or cannot use a GPU; the message says why.
    """
    module = import_onnxruntime()
    if CUDA not in module.get_available_providers():
        raise EngineError(
            f"ONNX Runtime {module.__version__} in {Path(module.__file__).parent} is one for the "
            f"CPU: {_FOR_GPU}"
        )
    if not cuda_available():
        raise EngineError(f"ONNX Runtime cannot use a GPU here: {cuda_status()}")
    if hasattr(module, "preload_dlls"):  # since 1.21
        module.preload_dlls()
    return module


def cuda_complaint() -> str | None:
    """What the loader says of ONNX Runtime's library for CUDA, with the name of what is missing;
    None where it loads."""
    done = subprocess.run(
        [sys.executable, "-c", _LOAD_PROVIDER],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **NO_TELEMETRY},
        text=True,
        check=False,
    )
    return done.stderr.strip() or None

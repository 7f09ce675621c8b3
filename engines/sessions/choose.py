"""Which runtime a network is given to."""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trimatte.arrays import choice
from trimatte.devices import cuda_available, cuda_status
from trimatte.errors import DeviceError, EngineError

from ..onnx_files.model_file import ModelFile, ModelSource, model_file
from ..session import Progress, Session, gpu_index
from .onnxruntime import OnnxRuntimeSession
from .openvino import OpenVinoSession

__all__ = ["check_runtime", "open_session"]

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
# Of a device, and for bf16 or int8 or not: the best first.
_ORDER: dict[tuple[str, bool], tuple[str, ...]] = {
    ("cuda", False): ("tensorrt", "tensorrt_rtx", "onnxruntime"),
    ("cuda", True): ("onnxruntime",),
    ("cpu", False): ("onnxruntime", "openvino"),
    ("cpu", True): ("openvino", "onnxruntime"),
}

Size = tuple[int, int]

_log = logging.getLogger("trimatte")


def open_session(
    model: ModelSource,
    *,
    runtime: str = "auto",
    device: str = "cpu",
    precision: str | None = None,
    threads: int | None = None,
    batch: int | tuple[int, int, int] | None = None,
    size: Size | tuple[Size, Size, Size] | None = None,
    cache: bool | str | Path | None = None,
    progress: Progress | None = None,
) -> Session:
    """Loads a network.

    ``runtime="auto"`` takes the first of these that is installed and loads the network. On a GPU:
    tensorrt, tensorrt_rtx, onnxruntime. On the CPU: onnxruntime, openvino: in fp32 they are
    equally fast, and the former is what others' results come from, to the bit; for bf16 and int8,
    openvino, onnxruntime. The logger ``trimatte`` says once which it is.

    What is asked for by name is never replaced by something else.

    Args:
        model: path of an ONNX file, or its bytes; see `ModelFile` for what is accepted.
        runtime: ``"auto"``, ``"onnxruntime"``, ``"openvino"``, ``"tensorrt"`` or
            ``"tensorrt_rtx"``.
        device: ``"cpu"``; ``"cuda"`` or ``"cuda:1"``; ``"auto"``: a GPU where trimatte and one of
            the runtimes can use it, else the CPU.
        precision: ``"fp32"``, ``"fp16"``, ``"bf16"`` or ``"int8"``; None: that of the file.
        threads: on the CPU; None: as many as trimatte's operations use.
        batch, size, cache: for TensorRT, see `TensorRTSession`; None: its defaults.
        progress: told of what takes long: building an engine for a GPU.

    Returns:
        A `Session`; its ``why`` tells why this runtime, and why not those before it.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: the file is refused, or no runtime that is allowed can load it; the message
            gives the cause for each, and what to install.
    """
    operation = "open_session"
    check_runtime(operation, runtime, precision)
    if device != "auto":
        gpu_index(device)
    wish = _Wish(model_file(model), precision, threads, batch, size, cache, progress)
    computed = precision or wish.model.precision
    passed_over: list[str] = []
    for place in ("cuda", "cpu") if device == "auto" else (device,):
        names = _candidates(runtime, place, computed)
        if place != "cpu" and not cuda_available():
            passed_over.append(f"no GPU: {cuda_status()}")
            names = ()
        elif not names:
            passed_over.append(f"{runtime} does not run networks in {computed} on {place}")
        for name in names:
            why = "asked for by name" if runtime == name else f"the best for {place} that works"
            if passed_over:
                why += f" (passed over: {'; '.join(passed_over)})"
            try:
                session = _OPENERS[name](wish, place, why)
            except (EngineError, DeviceError) as error:
                passed_over.append(f"{name}: {error}")
                continue
            hoped = device == runtime == "auto" and cuda_available()
            _say(session, hoped_for_gpu=hoped)
            return session
    raise EngineError(f"no runtime can load {wish.model.name}: {'; '.join(passed_over)}")


def check_runtime(operation: str, runtime: str, precision: str | None) -> None:
    """Raises ArgumentError unless runtime and precision are among the names of `open_session`."""
    choice({**_OPENERS, "auto": None}, runtime, operation, "runtime")
    if precision is not None:
        choice(dict.fromkeys(PRECISIONS), precision, operation, "precision")


@dataclass(frozen=True)
class _Wish:
    """What `open_session` was asked for."""

    model: ModelFile
    precision: str | None
    threads: int | None
    batch: int | tuple[int, int, int] | None
    size: Size | tuple[Size, Size, Size] | None
    cache: bool | str | Path | None
    progress: Progress | None


def _candidates(runtime: str, device: str, precision: str) -> tuple[str, ...]:
    """The runtimes that may be tried on a device, the best first."""
    order = _ORDER["cpu" if device == "cpu" else "cuda", precision in ("bf16", "int8")]
    return tuple(name for name in order if runtime in ("auto", name))


def _open_onnxruntime(wish: _Wish, device: str, why: str) -> Session:
    return OnnxRuntimeSession(
        wish.model, device=device, precision=wish.precision, threads=wish.threads, why=why
    )


def _open_openvino(wish: _Wish, device: str, why: str) -> Session:
    return OpenVinoSession(
        wish.model, device=device, precision=wish.precision, threads=wish.threads, why=why
    )


def _open_tensorrt(flavour: str, wish: _Wish, device: str, why: str) -> Session:
    module = importlib.import_module(".tensorrt", __package__)
    given = {
        "precision": wish.precision,
        "batch": wish.batch,
        "size": wish.size,
        "cache": wish.cache,
    }
    session: Session = module.TensorRTSession(
        wish.model,
        device=device,
        flavour=flavour,
        progress=wish.progress,
        why=why,
        **{name: value for name, value in given.items() if value is not None},
    )
    return session


_OPENERS: dict[str, Callable[[_Wish, str, str], Session]] = {
    "tensorrt": functools.partial(_open_tensorrt, "tensorrt"),
    "tensorrt_rtx": functools.partial(_open_tensorrt, "tensorrt_rtx"),
    "onnxruntime": _open_onnxruntime,
    "openvino": _open_openvino,
}


def _say(session: Session, *, hoped_for_gpu: bool) -> None:
    # A user who has a GPU should see without asking that it is not used.
    level = logging.WARNING if hoped_for_gpu and session.device == "cpu" else logging.INFO
    _say_once(
        level,
        f"networks run by {session.runtime} on {session.device} in {session.precision}: "
        f"{session.why}",
    )


@functools.lru_cache(maxsize=256)
def _say_once(level: int, sentence: str) -> None:
    _log.log(level, sentence)

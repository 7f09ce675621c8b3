"""What the sessions of all runtimes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

import numpy as np

from trimatte.devices import DeviceArray, get_num_threads
from trimatte.errors import ArgumentError, EngineError, Error

from ..onnx_files.model_file import ModelFile
from ..session import TensorInfo, check_batch

__all__ = ["BaseSession", "thread_count"]


class BaseSession(ABC):
    """Checks what `run` is given, and turns what a runtime raises into `EngineError`; see
    `trimatte.engines.Session` for what a session promises.

    Args:
        model: the network.
        runtime, device, precision, why: see `Session`.
    """

    def __init__(
        self, model: ModelFile, *, runtime: str, device: str, precision: str, why: str
    ) -> None:
        self._name = model.name
        self._inputs, self._outputs = model.inputs, model.outputs
        self._runtime, self._device = runtime, device
        self._precision, self._why = precision, why
        self._closed = False

    @property
    def runtime(self) -> str:
        return self._runtime

    @property
    def device(self) -> str:
        return self._device

    @property
    def precision(self) -> str:
        return self._precision

    @property
    def why(self) -> str:
        return self._why

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self._outputs

    @property
    def largest_batch(self) -> int | None:
        return self._inputs[0].shape[0]

    def run(self, batch: Any, *, output: int = 0, stream: Any = None) -> Any:
        """See `Session.run`."""
        if self._closed:
            raise self._closed_error()
        if not isinstance(output, int) or not 0 <= output < len(self._outputs):
            raise ArgumentError(
                f"run: output must be a whole number from 0 to {len(self._outputs) - 1}, "
                f"got {output!r:.80}"
            )
        self._check_place(batch, stream)
        check_batch(batch, self._inputs[0])
        try:
            return self._infer(batch, output, stream)
        except (Error, MemoryError):
            raise
        except Exception as error:  # the runtimes' exceptions have no common base
            raise EngineError(
                f"run: {self._runtime} failed on {self._name} with a batch of {batch.shape}: "
                f"{error}"
            ) from error

    def close(self) -> None:
        """See `Session.close`; a run that another thread has begun still ends well."""
        self._closed = True
        self._release()

    def __enter__(self) -> BaseSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self._device}, {self._precision}"
        return f"<{type(self).__name__} of {self._name}: {state}>"

    def _check_place(self, batch: Any, stream: Any) -> None:
        """Whether the batch lies where the network does."""
        if self._device == "cpu":
            if not isinstance(batch, np.ndarray):
                raise ArgumentError(
                    "run: batch must be a NumPy array for a session on the CPU, "
                    f"got {type(batch).__name__}"
                )
            if stream is not None:
                raise ArgumentError(
                    f"run: stream must be None for a session on the CPU, got {stream!r:.80}"
                )
        elif not isinstance(batch, DeviceArray) or batch.device != self._device:
            place = getattr(batch, "device", "the CPU")
            raise ArgumentError(
                f"run: batch must be a DeviceArray on {self._device}, "
                f"got {type(batch).__name__} on {place}"
            )

    def _closed_error(self) -> EngineError:
        return EngineError(f"run: the session of {self._name} is closed")

    @abstractmethod
    def _infer(self, batch: Any, output: int, stream: Any) -> Any:
        """The output for a batch that was checked; another thread may close the session."""

    @abstractmethod
    def _release(self) -> None:
        """Lets go of the network."""


def thread_count(threads: int | None) -> int:
    """How many threads a network may use: as many as trimatte's operations, unless it is said."""
    if threads is None:
        return get_num_threads()
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= 4096:
        raise ArgumentError(
            f"threads must be None or a whole number in [1, 4096], got {threads!r:.80}"
        )
    return threads

"""What every runtime offers: a loaded network that turns batches into predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from trimatte.arrays import Array
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError

__all__ = ["Progress", "Session", "TensorInfo", "check_batch", "gpu_index"]

Progress = Callable[[str, float], None]
"""Told (what is being done, how much of it is, 0 to 1); what it raises cancels."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a network: its name, its sides (None: any), its dtype."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


@runtime_checkable
class Session(Protocol):
    """A loaded network. `open_session` makes one; several threads may run one at a time each.

    runtime: ``"onnxruntime"``, ``"openvino"``, ``"tensorrt"`` or ``"tensorrt_rtx"``.
    device: ``"cpu"`` or ``"cuda:0"``. precision: ``"fp32"``, ``"fp16"``, ``"bf16"`` or ``"int8"``,
    what the weights are multiplied in. why: one sentence on why this runtime was taken.
    largest_batch: images that it sees at once, at most; None: any number.
    """

    @property
    def runtime(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def inputs(self) -> tuple[TensorInfo, ...]: ...
    @property
    def outputs(self) -> tuple[TensorInfo, ...]: ...
    @property
    def largest_batch(self) -> int | None: ...

    def run(self, batch: Any, *, output: int = 0, stream: Any = None) -> Any:
        """One output of the network.

        Args:
            batch: (N, C, H, W), of the dtype of the first input: a NumPy array for a session on the
                CPU, a `trimatte.DeviceArray` for one on a GPU.
            output: which of `outputs`.
            stream: of a session on a GPU: the work is put on it and not waited for.

        Returns:
            The output, (N, ...), where the batch lies.

        Raises:
            ArgumentError: the batch is not what is listed above.
            EngineError: the runtime failed, or the session is closed.
        """
        ...

    def close(self) -> None:
        """Gives the memory of the network back; a closed session raises EngineError when run."""
        ...

    def __enter__(self) -> Session: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def check_batch(batch: Array | DeviceArray, image: TensorInfo, what: str = "run: batch") -> None:
    """Raises ArgumentError unless the batch is what the network takes."""
    sides = ("N", "C", "H", "W")
    wanted = ", ".join(
        letter if side is None else f"{letter}={side}"
        for letter, side in zip(sides, image.shape, strict=True)
    )
    fits = batch.ndim == 4 and all(
        got > 0 and side in (None, got) for got, side in zip(batch.shape, image.shape, strict=True)
    )
    if fits and batch.dtype == image.dtype:
        return
    channels = image.shape[1]
    last = batch.ndim == 4 and batch.shape[1] != channels and batch.shape[3] == channels
    raise ArgumentError(
        f"{what} must be ({wanted}) of {image.dtype}, got {batch.shape} of {batch.dtype}"
        + ("; its channels are last, they must come before the rows" if last else "")
    )


def gpu_index(device: str) -> int | None:
    """Which GPU a device names, 0 for "cuda"; None for "cpu"."""
    if device == "cpu":
        return None
    kind, _, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind == "cuda" and (index.isdecimal() or device == "cuda"):
        return int(index or 0)
    raise ArgumentError(
        f"device must be 'cpu', 'cuda', 'cuda:0' and so on, or 'auto', got {device!r:.80}"
    )

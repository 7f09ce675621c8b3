"""Trimap-based matting networks in the ONNX format, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import require

__all__ = ["TrimapNetwork"]

Triple = tuple[float, float, float]


class TrimapNetwork:
    """A matting network of ViTMatte's kind as a session for `trimatte.estimate_alpha`.

    Its input is (1, 4, H, W) float32: red, green and blue in [0, 1], less the mean and over the
    standard deviation, and the trimap as 0, 0.5 (128 / 255) and 1. Sides are padded with zeros to
    a multiple of a number, the result is cut back. The image is not scaled. Its output is alpha as
    (1, 1, H, W).

    Args:
        model: path of an ONNX file, or its bytes. Weights are not part of trimatte; mind their
            licence.
        input_name: of the network's input.
        output_name: of its output; None means its first.
        mean, std: of red, green and blue; ViTMatte's are 0.5.
        multiple: the sides of what the network sees are whole multiples of this.
        providers: ONNX Runtime's execution providers, the preferred first.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: ONNX Runtime is not installed, or cannot load or run the network.
    """

    def __init__(
        self,
        model: str | Path | bytes,
        *,
        input_name: str = "pixel_values",
        output_name: str | None = None,
        mean: Triple = (0.5, 0.5, 0.5),
        std: Triple = (0.5, 0.5, 0.5),
        multiple: int = 32,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        self._mean, self._std = _triple(mean, "mean"), _triple(std, "std")
        if np.any(self._std <= 0):
            raise ArgumentError(f"TrimapNetwork: std must be above 0, got {std!r}")
        if not isinstance(multiple, int) or multiple < 1:
            raise ArgumentError(
                f"TrimapNetwork: multiple must be a whole number above 0, got {multiple!r}"
            )
        self._multiple = multiple
        self._session = _load(model, providers)
        self._input = _find(self._session.get_inputs(), input_name, "input_name")
        outputs = self._session.get_outputs()
        wanted = outputs[0].name if output_name is None else output_name
        self._output = _find(outputs, wanted, "output_name")

    def estimate_alpha(
        self, image: npt.NDArray[Any], trimap: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """Alpha of an image, see `trimatte.MattingSession`."""
        height, width = trimap.shape
        if trimap.size == 0:
            return np.zeros(trimap.shape, np.float32)
        try:
            (result,) = self._session.run(
                [self._output], {self._input: self._network_input(image, trimap)}
            )
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise EngineError(f"TrimapNetwork: the network failed: {error}") from error
        if result.ndim != 4 or result.shape[:2] != (1, 1):
            raise EngineError(
                f"TrimapNetwork: the output {self._output!r} must be (1, 1, H, W), "
                f"got {result.shape}"
            )
        alpha: npt.NDArray[np.float32] = result[0, 0, :height, :width].astype(np.float32)
        return alpha

    def _network_input(
        self, image: npt.NDArray[Any], trimap: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        height, width = trimap.shape
        full_scale = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
        padded = [-(-side // self._multiple) * self._multiple for side in (height, width)]
        tensor = np.zeros((1, 4, *padded), np.float32)
        colors = (image / np.float32(full_scale) - self._mean) / self._std
        tensor[0, :3, :height, :width] = colors.transpose(2, 0, 1)
        tensor[0, 3, :height, :width] = trimap / np.float32(255)
        return tensor


def _triple(values: Triple, name: str) -> npt.NDArray[np.float32]:
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        array = np.empty(0, np.float32)
    if array.shape != (3,) or not np.all(np.isfinite(array)):
        raise ArgumentError(f"TrimapNetwork: {name} must be three numbers, got {values!r:.80}")
    return array


def _load(model: str | Path | bytes, providers: Sequence[str]) -> Any:
    runtime = require("onnxruntime", extra="cpu", purpose="TrimapNetwork")
    source = model if isinstance(model, bytes) else str(model)
    try:
        return runtime.InferenceSession(source, providers=list(providers))
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        name = f"{len(model)} bytes" if isinstance(model, bytes) else str(model)
        raise EngineError(f"TrimapNetwork: cannot load {name}: {error}") from error


def _find(nodes: Sequence[Any], name: str, argument: str) -> str:
    names = [node.name for node in nodes]
    if name not in names:
        raise ArgumentError(
            f"TrimapNetwork: {argument} must be one of the network's {names}, got {name!r}"
        )
    return name

"""trimatte for Triton's Python backend; config.pbtxt, a folder up, says what goes in and out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as triton  # Triton has it

from trimatte import Remover


class TritonPythonModel:
    """What Triton makes one of for each instance."""

    def initialize(self, args: dict[str, str]) -> None:
        """args: Triton's, with the configuration as JSON."""
        parameters = json.loads(args["model_config"])["parameters"]
        on_gpu = args["model_instance_kind"] == "GPU"
        self.remover = Remover(
            model=parameters["model"]["string_value"],
            device=f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu",
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """A response to each request, of one image or several; a bad image fails its own request
        only."""
        return [self._response(request) for request in requests]

    def _response(self, request: Any) -> Any:
        images = triton.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        try:
            cutouts = [self._cutout(image) for image in images.ravel()]
        except Exception as error:  # whatever it is, the other requests are answered
            return triton.InferenceResponse(error=triton.TritonError(str(error)))
        tensor = triton.Tensor("CUTOUT", np.array(cutouts, np.object_).reshape(images.shape))
        return triton.InferenceResponse(output_tensors=[tensor])

    def _cutout(self, image: bytes) -> bytes:
        return self.remover(image).encode()

"""The example of a model repository for Triton, with a stand-in for what Triton gives it."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimatte import Remover
from trimatte.demo import scene
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png

REPOSITORY = Path(__file__).parents[2] / "docs" / "triton" / "trimatte"


class Tensor:
    """Triton's, of the Python backend."""

    def __init__(self, name: str, array: Any) -> None:
        self.name = name
        self.array = array

    def as_numpy(self) -> Any:
        return self.array


def request(*images: bytes) -> dict[str, Tensor]:
    return {"IMAGE": Tensor("IMAGE", np.array(images, np.object_).reshape(-1, 1))}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model as Triton starts it, with what config.pbtxt says."""
    triton: Any = types.ModuleType("triton_python_backend_utils")
    triton.Tensor = Tensor
    triton.TritonError = ValueError
    triton.InferenceResponse = types.SimpleNamespace
    triton.get_input_tensor_by_name = lambda request, name: request[name]
    monkeypatch.setitem(sys.modules, triton.__name__, triton)
    spec = importlib.util.spec_from_file_location("model", REPOSITORY / "1" / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (REPOSITORY / "config.pbtxt").read_text(encoding="utf-8")
    found = re.findall(r'parameters { key: "(\w+)", value: { string_value: "(.*?)" } }', text)
    config = {"parameters": {key: {"string_value": value} for key, value in found}}
    model = module.TritonPythonModel()
    model.initialize(
        {
            "model_config": json.dumps(config),
            "model_instance_kind": "CPU",
            "model_instance_device_id": "0",
        }
    )
    return model


def test_requests_of_one_image_and_of_several(model: Any) -> None:
    images = [scene(48, 64, seed=seed).image for seed in range(3)]
    first, second, third = (encode_png(image) for image in images)
    one, bad, two = model.execute([request(first), request(b"no image"), request(second, third)])
    assert "not an image" in str(bad.error)
    [single], [pair] = one.output_tensors, two.output_tensors
    assert single.name == pair.name == "CUTOUT"
    assert (single.array.shape, pair.array.shape) == ((1, 1), (2, 1))
    remover = Remover(model="u2net-lite")
    for image, cutout in zip(images, [*single.array.flat, *pair.array.flat], strict=True):
        np.testing.assert_array_equal(read_image(cutout), remover(image).rgba)

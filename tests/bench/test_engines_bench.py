"""The benchmark of engines runs in every section; its figures mean nothing at this size."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.benchmarks import run_benchmark

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package)


def smoke(data: Path, report: Path, only: str) -> dict[str, Any]:
    """The report's only section."""
    files = ("--json", report, "--markdown", report.with_suffix(".md"))
    done = run_benchmark("engines", "--smoke", "--only", only, "--data", data, *files)
    assert done.returncode == 0, done.stderr
    (section,) = json.loads(report.read_text(encoding="utf-8"))["sections"]
    assert section["title"] in report.with_suffix(".md").read_text(encoding="utf-8")
    return section


@pytest.mark.parametrize("name", ["ends", "overhead"])
def test_speed_is_measured(tmp_path: Path, name: str) -> None:
    section = smoke(tmp_path, tmp_path / "report.json", name)
    assert section["rows"]
    assert section["bars"] == []


def test_every_precision_is_measured(tmp_path: Path) -> None:
    for name in ("a", "b"):
        samples = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(samples).save(tmp_path / f"{name}.jpg")
    section = smoke(tmp_path, tmp_path / "report.json", "precision")
    measured = {tuple(row[1:3]): row for row in section["rows"]}
    openvino = importlib.util.find_spec("openvino") is not None
    expected = {("onnxruntime", "fp32"), ("onnxruntime", "int8")}
    expected |= {("openvino", "fp32"), ("openvino", "int8")} if openvino else set()
    assert expected <= set(measured)
    assert len(measured) + len(section["left_out"]) == 5
    assert measured["onnxruntime", "fp32"][4:] == [1, 0, 0, 1]
    assert section["bars"] == []


def test_missing_photographs_are_named(tmp_path: Path) -> None:
    section = smoke(tmp_path, tmp_path / "report.json", "precision")
    assert section["rows"] == []
    assert any(str(tmp_path) in line for line in section["left_out"])

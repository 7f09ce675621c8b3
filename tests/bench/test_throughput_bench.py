"""The benchmarks of many images run in every section; their figures mean nothing at this size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.benchmarks import run_benchmark

pytest.importorskip("onnxruntime")


# Another rembg: the network's mask is black.
STAND_IN = """
import io
from PIL import Image

def new_session(name, model_path):
    assert name == "u2net_custom"
    return open(model_path, "rb").read()[:0]

def remove(data, session, alpha_matting=False, only_mask=False):
    print("noise")
    picture = Image.open(io.BytesIO(data))
    buffer = io.BytesIO()
    Image.new("L", picture.size, MASK).save(buffer, "PNG")
    return buffer.getvalue()
"""


def smoke(report: Path, only: str, *options: str) -> subprocess.CompletedProcess[str]:
    return run_benchmark("throughput", "--smoke", "--only", only, "--json", report, *options)


def section_of(report: Path) -> dict[str, Any]:
    (section,) = json.loads(report.read_text(encoding="utf-8"))["sections"]
    return dict(section)


@pytest.mark.parametrize(
    ("only", "rows"),
    [
        pytest.param("streams", 7, marks=pytest.mark.slow),
        pytest.param("batches", 4, marks=pytest.mark.slow),
        ("growth", 1),
    ],
)
def test_every_section_runs(tmp_path: Path, only: str, rows: int) -> None:
    done = smoke(tmp_path / "report.json", only)
    assert done.returncode == 0, done.stderr
    section = section_of(tmp_path / "report.json")
    assert len(section["rows"]) == rows
    if only == "batches":
        assert section["details"] == [{"equal to the bit": True}]


def test_rembg_that_is_not_there_is_named(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = smoke(report, "rembg", "--rembg", str(tmp_path / "python"))
    assert done.returncode == 0, done.stderr
    assert section_of(report)["rows"] == []
    assert "--rembg names its Python" in section_of(report)["left_out"][0]


def test_sides_that_disagree_are_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rembg.py").write_text(STAND_IN.replace("MASK", "0"))
    (tmp_path / "rembg-9.0.dist-info").mkdir()
    (tmp_path / "rembg-9.0.dist-info" / "METADATA").write_text("Name: rembg\nVersion: 9.0\n")
    package = Path(sys.modules["trimatte"].__file__ or "").parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{package}")
    done = smoke(tmp_path / "report.json", "rembg")
    assert done.returncode == 1
    assert "the masks of the two sides are" in done.stderr


@pytest.mark.parametrize("way", [pytest.param("calls", marks=pytest.mark.slow), "stream", "async"])
def test_the_soak_runs(tmp_path: Path, way: str) -> None:
    report = tmp_path / "soak.json"
    done = run_benchmark("soak", "--images", 8, "--way", way, "--json", report)
    assert done.returncode in (0, 1), done.stderr  # so few images say nothing of memory
    found = json.loads(report.read_text(encoding="utf-8"))
    assert (found["way"], found["images"]) == (way, 8)
    assert 0 < found["before"][0] <= found["before"][1]
    assert 0 < found["after"][0] <= found["after"][1]
    assert done.returncode == int(found["growth"] > 1.05)

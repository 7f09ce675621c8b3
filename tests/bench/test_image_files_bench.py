"""The benchmark of image files runs in every section; its figures mean nothing at this size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import image_files
from tests.helpers.benchmarks import run_benchmark


def test_every_section_measures(tmp_path: Path) -> None:
    data, report = tmp_path / "data", tmp_path / "report.json"
    samples = np.random.default_rng(1).integers(0, 256, (40, 50, 4), np.uint8)
    for name in image_files.SUBJECTS:
        (data / name).mkdir(parents=True)
        Image.fromarray(samples[:, :, :3]).save(data / name / "image.png")
        Image.fromarray(samples[:, :, 3]).save(data / name / "alpha.png")
    done = run_benchmark("image_files", "--smoke", "--data", data, "--json", report)
    assert done.returncode == 0, done.stderr
    sections = json.loads(report.read_text(encoding="utf-8"))["sections"]
    png, jpeg, levels = (section["rows"] for section in sections)
    assert {row[0] for row in png} == {*image_files.SUBJECTS, "drawn"}
    assert {"Pillow", "trimatte", "trimatte, zlib only"} <= {row[1] for row in png}
    assert {row[1] for row in jpeg} >= {"Pillow", "trimatte"}
    assert {row[0] for row in levels} == {"png", "webp"}
    assert all(section["bars"] == [] for section in sections)


def test_missing_photographs_are_named(tmp_path: Path) -> None:
    done = run_benchmark("image_files", "--smoke", "--only", "png", "--data", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"left out: comp_human2: not in {tmp_path}" in done.stdout
    assert "drawn" in done.stdout

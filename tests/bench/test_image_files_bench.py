"""The benchmark of image files runs in every section; its figures mean nothing at this size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import image_files

BENCHMARK = Path(image_files.__file__)


def test_every_section_measures(tmp_path: Path) -> None:
    data, report = tmp_path / "data", tmp_path / "report.json"
    samples = np.random.default_rng(1).integers(0, 256, (40, 50, 4), np.uint8)
    for name in image_files.SUBJECTS:
        (data / name).mkdir(parents=True)
        Image.fromarray(samples[:, :, :3]).save(data / name / "image.png")
        Image.fromarray(samples[:, :, 3]).save(data / name / "alpha.png")
    command = [sys.executable, "-W", "error", BENCHMARK, "--smoke", "--data", data]
    done = subprocess.run([*command, "--json", report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sections = json.loads(report.read_text(encoding="utf-8"))["sections"]
    png, jpeg, levels = (section["rows"] for section in sections)
    assert {row[0] for row in png} == {*image_files.SUBJECTS, "drawn"}
    assert {"Pillow", "trimatte", "trimatte, zlib only"} <= {row[1] for row in png}
    assert {row[1] for row in jpeg} >= {"Pillow", "trimatte"}
    assert {row[0] for row in levels} == {"png", "webp"}
    assert all(section["bars"] == [] for section in sections)


def test_missing_photographs_are_named(tmp_path: Path) -> None:
    command = [sys.executable, BENCHMARK, "--smoke", "--only", "png", "--data", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"left out: comp_human2: not in {tmp_path}" in done.stdout
    assert "drawn" in done.stdout

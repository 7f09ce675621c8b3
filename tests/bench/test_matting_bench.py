"""The benchmark of matting runs in every section; its figures mean nothing at this size."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from tests import cases
from tests.helpers.benchmarks import run_benchmark

SECTIONS = ("speed", "memory", "quality", "composites", "foreground", "gpu")


def smoke(data: Path, report: Path, *names: str) -> dict[str, dict[str, Any]]:
    """The report's sections by their names."""
    markdown = report.with_suffix(".md")
    files = ("--json", report, "--markdown", markdown)
    done = run_benchmark("matting", "--smoke", "--only", ",".join(names), "--data", data, *files)
    assert done.returncode == 0, done.stderr
    sections = json.loads(report.read_text(encoding="utf-8"))["sections"]
    assert all(section["title"] in markdown.read_text(encoding="utf-8") for section in sections)
    return dict(zip(names, sections, strict=True))


def save(folder: Path, **layers: np.ndarray[Any, Any]) -> None:
    folder.mkdir()
    for name, layer in layers.items():
        Image.fromarray(layer).save(folder / f"{name}.png")


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """One photograph and one foreground, in the places where the benchmark looks for them."""
    rng = np.random.default_rng(1)
    image, trimap = cases.a_photo_and_trimap("uint8")(rng, 40, 50)
    alpha = cases.samples(cases.soft_disc(rng, 40, 50), "uint8")
    data = tmp_path / "data"
    data.mkdir()
    save(data / "am_GT01", image=image, alpha=alpha, trimap=trimap, trimap2=trimap)
    save(data / "comp_human1", foreground=image, alpha=alpha, trimap=trimap, background=image)
    return data


def test_every_section_is_measured(tiny_data: Path, tmp_path: Path) -> None:
    sections = smoke(tiny_data, tmp_path / "report.json", *SECTIONS)
    counts = {name: len(section["rows"]) for name, section in sections.items()}
    has_peer = importlib.util.find_spec("pymatting") is not None
    # Memory: both qualities and a large image, the peer's; quality: two trimaps and three means;
    # composites: hair, the foreground before two textures, the sum.
    expected = {"speed": 1, "memory": 3 + has_peer, "quality": 5, "composites": 4, "foreground": 1}
    assert counts == {**expected, "gpu": 2 if trimatte.cuda_available() else 0}
    assert all(
        len(row) == len(each["header"]) for each in sections.values() for row in each["rows"]
    )
    assert not any(section["bars"] for section in sections.values())
    for name in ("speed", "memory", "composites", "foreground"):
        named = any("PyMatting" in line for line in sections[name]["left_out"])
        assert named != has_peer


def test_missing_data_are_named(tmp_path: Path) -> None:
    names = ("quality", "composites", "gpu")
    sections = smoke(tmp_path / "nothing", tmp_path / "report.json", *names)
    assert any("am_*" in line for line in sections["quality"]["left_out"])
    for name in ("comp_human1", "comp_human2", "lemur"):
        assert any(line.startswith(name) for line in sections["composites"]["left_out"])
    if not trimatte.cuda_available():
        assert any(trimatte.cuda_status() in line for line in sections["gpu"]["left_out"])


@pytest.mark.gpu
@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
def test_the_gpu_is_measured(tmp_path: Path) -> None:
    section = smoke(tmp_path, tmp_path / "report.json", "gpu")["gpu"]
    assert [row[0] for row in section["rows"]] == ["balanced", "fast"]
    assert section["left_out"] == []


def test_an_unknown_section_is_refused() -> None:
    done = run_benchmark("matting", "--only", "speed,sped")
    assert done.returncode == 2
    assert "sped" in done.stderr

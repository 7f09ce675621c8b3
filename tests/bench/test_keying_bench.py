"""The benchmark of keying runs in every section; its figures mean nothing at this size."""

from __future__ import annotations

import argparse
import importlib.util
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("scipy")

import trimatte
from benchmarks import keying, screens
from tests.helpers.benchmarks import run_benchmark


def smoke(data: Path, report: Path, only: str, *arguments: str | Path) -> dict[str, Any]:
    """The report's only section."""
    files = ("--json", report, "--markdown", report.with_suffix(".md"))
    done = run_benchmark("keying", "--smoke", "--only", only, "--data", data, *files, *arguments)
    assert done.returncode == 0, done.stderr
    (section,) = json.loads(report.read_text(encoding="utf-8"))["sections"]
    assert section["title"] in report.with_suffix(".md").read_text(encoding="utf-8")
    assert all(len(row) == len(section["header"]) for row in section["rows"])
    assert section["bars"] == []
    return dict(section)


def drawn() -> screens.Screened:
    subject = next(screens.drawn_subjects(108, 192))
    return screens.before_screen(subject, "green", linear=False, noise=1.0, seed=1)


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """A photograph and a composite with its layers, named as the benchmark looks for them."""
    made, data = drawn(), tmp_path / "data"
    data.mkdir()
    layers = {
        "somebody": made.image,
        "synth_a_green": made.image,
        "synth_a_green.alpha": np.rint(255 * made.subject.alpha).astype(np.uint8),
        "synth_a_green.foreground": np.rint(255 * made.subject.foreground).astype(np.uint8),
    }
    for name, layer in layers.items():
        Image.fromarray(layer).save(data / f"{name}.png")
    return data


def test_every_scene_is_judged(tiny_data: Path, tmp_path: Path) -> None:
    section = smoke(tiny_data, tmp_path / "report.json", "quality")
    # Two drawn subjects and a photographed one, in two colours and two spaces; one as it is.
    assert len(section["details"]) == 3 * 2 * 2 + 1
    # A row for each subject and colour, the one as it is, three groups, and the sums.
    assert len(section["rows"]) == 3 * 2 + 1 + 3 + 2
    assert section["left_out"] == []
    for scene in section["details"]:
        assert set(scene["peers"]) == {"ffmpeg", "obs"}
        assert set(scene["sad"]) == {"fast", "best"}


def test_missing_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = tmp_path / "nothing"
    (left_out,) = smoke(nothing, tmp_path / "report.json", "real")["left_out"]
    assert left_out.startswith("photographs")
    assert str(nothing) in left_out

    composites = keying.composites  # of which one will do
    monkeypatch.setattr(keying, "composites", lambda *given: islice(composites(*given), 1))
    section = keying.quality(keying.SMOKE, argparse.Namespace(data=nothing))
    (left_out,) = section.left_out
    assert left_out.startswith("photographed")
    assert str(nothing) in left_out


def test_the_sheet_has_four_panels_for_each_photograph(tiny_data: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    section = smoke(tiny_data, tmp_path / "report.json", "real", "--sheet", sheet)
    assert [row[0] for row in section["rows"]] == ["somebody"]
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 480, 480 * 108 // 192)


def test_speed_is_measured(tmp_path: Path) -> None:
    section = smoke(tmp_path, tmp_path / "report.json", "speed")
    has_peer = importlib.util.find_spec("av") is not None
    assert len(section["rows"]) == 3 + 2 * has_peer + 2
    assert any("PyAV" in line for line in section["left_out"]) != has_peer


@pytest.mark.parametrize("method", ["ffmpeg", "obs"])
def test_peers_are_tuned_as_well_as_by_trying(method: str) -> None:
    """One map of distances, and a table of costs, find what the key itself finds by two loops."""
    made = drawn()
    truth = made.subject.alpha
    scene = keying.Scene(
        "drawn", "", "green", False, 1.0, made.image, truth, made.subject.foreground
    )

    def tried(tolerance: float, softness: float) -> float:
        alpha = trimatte.chroma_key(
            made.image,
            key_color=scene.screen_color,
            method=method,
            tolerance=tolerance,
            softness=softness,
            dtype="float32",
        )
        return keying.sad(alpha, truth)

    tuned = keying.tune(keying.distance_map(scene, method), truth, keying.PEERS[method])
    assert tuned.sad == pytest.approx(tried(tuned.tolerance, tuned.softness), rel=1e-4)
    least = min(
        tried(tolerance, softness)
        for tolerance in np.linspace(0, 1, 41)
        for softness in np.linspace(0.025, 1.5, 60)
    )
    assert tuned.sad <= least * 1.002


def test_what_is_left_of_spill() -> None:
    """A foreground with more green than the truth by 10/255 where nothing is soft, and red."""
    alpha = np.ones((4, 5), np.float32)
    truth = np.full((4, 5, 3), 0.5, np.float32)
    scene = keying.Scene("drawn", "", "green", False, 1.0, truth, alpha, truth)
    cutout = np.dstack([truth, alpha])
    cutout[..., 1] += np.float32(10 / 255)
    assert keying.spill_residue(cutout, scene) == pytest.approx(10, rel=1e-4)
    cutout[..., 0] += np.float32(20 / 255)
    assert keying.spill_residue(cutout, scene) == 0
    assert keying.color_error(cutout, scene) == 0

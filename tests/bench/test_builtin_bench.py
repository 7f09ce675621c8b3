"""The benchmark of the built-in network runs in all sections; tiny images prove nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("scipy")

from trimatte.engines.train.metrics import Scores

from benchmarks import builtin
from tests.helpers.benchmarks import run_benchmark
from trimatte import engines
from trimatte.demo import scene

CARD = """\
[input]
size = [320, 320]
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
"""


DRAWN = list(builtin.DRAWN)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "seeded.onnx"
    path.with_suffix(".toml").write_text(CARD, encoding="utf-8")
    return engines.export("u2net-lite", path, seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of every kind, named as the benchmark looks for them."""
    data, drawn = tmp_path_factory.mktemp("data"), scene(60, 90, seed=1)
    alpha = np.rint(255 * drawn.alpha).astype(np.uint8)
    published = "references/u2net_repo"
    layers = {
        **{f"validation/{group}/1.jpg": drawn.image for group in builtin.GENERAL},
        **{f"validation/{group}/1.png": alpha for group in builtin.GENERAL},
        **{f"segmentation/{group}_1.jpg": drawn.image for group in builtin.PEOPLE_AND_CATS},
        **{f"segmentation/{group}_1.png": alpha for group in builtin.PEOPLE_AND_CATS},
        "greenscreen/synth_a_green.png": drawn.image,
        "greenscreen/synth_a_green.alpha.png": alpha,
        f"{published}/u2net/images/a.jpg": drawn.image,
        f"{published}/u2net/u2net_results/a.png": alpha,
        f"{published}/u2net/u2netp_results/a.png": alpha,
        f"{published}/u2net_human_seg/images/b.jpg": drawn.image,
        f"{published}/u2net_human_seg/u2net_test_human_images_results/b.png": alpha,
    }
    for name in ("comp_human1", "lemur", "am_GT01"):
        layers[f"matting/{name}/image.png"] = drawn.image
        layers[f"matting/{name}/alpha.png"] = alpha
    for name, layer in layers.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(layer).save(data / name)
    return data


def smoke(data: Path, model: Path, report: Path, only: str, *arguments: str | Path) -> Any:
    """The report's sections, by name."""
    files = ("--json", report, "--markdown", report.with_suffix(".md"))
    given = ("--smoke", "--only", only, "--data", data, "--model", model)
    done = run_benchmark("builtin", *given, *files, *arguments)
    assert done.returncode == 0, done.stderr
    sections = json.loads(report.read_text(encoding="utf-8"))["sections"]
    for section in sections:
        assert section["title"] in report.with_suffix(".md").read_text(encoding="utf-8")
        assert all(len(row) == len(section["header"]) for row in section["rows"])
        assert section["bars"] == []
    return dict(zip(only.split(","), sections, strict=True))


def test_every_section_measures(data: Path, model: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.jpg"
    only = ",".join(builtin.SECTIONS)
    given = ("--sheet", sheet, "--peer", model)
    sections = smoke(data, model, tmp_path / "report.json", only, *given)
    assert [row[0] for row in sections["masks"]["rows"]] == DRAWN
    assert all(
        0 <= row[column] <= 1 for row in sections["masks"]["rows"] for column in (2, 3, 5, 6)
    )
    assert {each["network"] for each in sections["masks"]["details"]} == {"ours", "U²-NetP"}
    # U²-NetP is compared with U²-Net as well.
    assert [row[2] for row in sections["peers"]["rows"]] == ["seeded", "u2netp", "seeded"]
    agreement = {row[2]: row[4] for row in sections["peers"]["rows"]}
    assert agreement["u2netp"] == 1
    groups = ["composites", "lemur", "alphamatting.com", *DRAWN]
    assert [row[0] for row in sections["edges"]["rows"] if row[1] == "all"] == [
        f"{group}, {network}" for network in ("ours", "U²-NetP") for group in groups
    ]
    assert [row[:3] for row in sections["unsure"]["rows"]] == [
        [network, group, 1 if group != "all" else len(DRAWN)]
        for network in ("ours", "U²-NetP")
        for group in (*DRAWN, "all")
    ]
    lanczos, along_edges = sections["mask-alone"]["rows"][1][2:4]  # of true alpha
    assert along_edges < lanczos
    assert [row[:3] for row in sections["routes"]["rows"]] == [
        ["screens", 1, 1],
        ["photographs", len(DRAWN), len(DRAWN)],  # which are the screen here
    ]
    assert [row[0] for row in sections["speed"]["rows"]] == ["u2netp", "seeded"]
    assert [row[0] for row in sections["sheet"]["rows"]] == ["comp_human1 (Apache-2.0)"]
    left_out = [line for section in sections.values() for line in section["left_out"]]
    assert all(line.startswith("rembg") for line in left_out)
    with Image.open(sheet) as picture:
        assert picture.size == (3 * 240, 14 + 240 * 60 // 90)


def test_missing_images_are_named(model: Path, tmp_path: Path) -> None:
    given = ("--peer", tmp_path / "none.onnx")
    sections = smoke(tmp_path, model, tmp_path / "report.json", "masks,peers,edges", *given)
    lines = (len(DRAWN) + 1, 2, len(DRAWN) + 3)  # U²-NetP's weights are missing too
    for section, count in zip(sections.values(), lines, strict=True):
        assert section["rows"] == []
        assert sum(str(tmp_path) in line for line in section["left_out"]) == count


def square(left: int, right: int) -> np.ndarray[Any, Any]:
    """White columns of an image 1000 wide, so that a pixel is a thousandth of its width."""
    half = np.zeros((40, 1000), bool)
    half[:, left:right] = True
    return half


def test_how_far_an_edge_is_off() -> None:
    true = square(200, 600)
    assert builtin.offset(true, true) == 0
    assert builtin.offset(square(207, 607), true) == 7
    assert builtin.offset(square(0, 0), true) == np.inf
    assert builtin.offset(true, square(0, 0)) == 0  # no edge to be off
    # Something else that was found as well does not make the edge worse.
    assert builtin.offset(true | square(900, 950), true) == 0


def judged(
    mask: tuple[float, float] = (1, 0), alpha: tuple[float, float] = (1, 0), unsure: float = 0
) -> builtin.Judged:
    """mask, alpha: IoU and boundary error."""
    scores = (Scores(iou, 0, 0, edge) for iou, edge in (mask, alpha))
    return builtin.Judged("", "", *scores, 0, 0, unsure, 100)


def test_what_matting_leaves_is_weighed_by_the_error() -> None:
    some = [judged((1, 0.3), (1, 0.1)), judged((1, 0.1), (1, 0.1))]
    assert builtin.edge_share(some) == pytest.approx(0.5)


def test_how_often_bad_masks_are_told() -> None:
    figures = [(0.3, 0.9), (0.5, 0.2), (0.7, 0.3), (0.9, 0.4), (0.95, 0.1), (1.0, 0.0)]
    told = builtin.told([judged((iou, 0), unsure=unsure) for iou, unsure in figures])
    assert told[0] == 6
    assert told[1] == pytest.approx(-0.7714, abs=1e-4)
    assert told[2:] == (2, 0.5, 3, pytest.approx(1 / 3))
    assert builtin.told([judged()]) == (1, None, 0, None, 1, 0)


def test_the_sheet_stays_small() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
    image = Image.fromarray(noise)
    best = builtin.small_jpeg(image)
    smaller = builtin.small_jpeg(image, len(best) // 2)
    assert len(smaller) <= len(best) // 2 < len(best) <= builtin.SHEET_BYTES

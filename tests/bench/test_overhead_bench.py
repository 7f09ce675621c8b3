"""The benchmark of Remover's own cost runs; tiny images prove nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import overhead
from tests.helpers.benchmarks import run_benchmark


def test_it_runs(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run_benchmark("overhead", "--smoke", "--json", report)
    (section,) = json.loads(report.read_text())["sections"]
    assert len(section["rows"]) == 4


def test_different_cutouts_are_not_timed() -> None:
    black, white = np.zeros((2, 2, 4), np.uint8), np.full((2, 2, 4), 255, np.uint8)
    with pytest.raises(SystemExit, match="different cutouts"):
        overhead.compared(lambda: black, lambda: white, overhead.PROGRAM.full)

"""The GPU benchmark runs and finds every result right; its times mean nothing at this size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import trimatte
from tests.helpers.benchmarks import run_benchmark

pytestmark = pytest.mark.gpu


@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
def test_every_operation_is_right(tmp_path: Path) -> None:
    done = run_benchmark("gpu_bench", "--quick", "--json", tmp_path / "bench.json")
    report = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert len(report["lines"]) > 20
    assert [each["name"] for each in report["lines"] if not each["right"]] == [], done.stderr
    assert all(each["times"]["median_ms"] > 0 for each in report["lines"])
    assert all(each["right"] for each in report["chains"])


def test_nothing_is_recorded_of_the_stand_in(tmp_path: Path) -> None:
    (tmp_path / "steps.tsv").write_text("build\t0\t3\n", encoding="utf-8")
    status = {"status": "The CUDA backend runs on CUDA shim (compute capability 9.0)."}
    (tmp_path / "bench.json").write_text(json.dumps(status), encoding="utf-8")
    done = run_benchmark("gpu_record", tmp_path, tmp_path / "results")
    assert done.returncode == 2
    assert not (tmp_path / "results").exists()

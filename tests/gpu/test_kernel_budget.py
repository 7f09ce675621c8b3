"""No kernel takes more registers or shared memory than benchmarks/kernel_budget.toml allows.

TRIMATTE_KERNEL_LOG names the output of a build with -DTRIMATTE_KERNEL_REPORT=ON: so CI compiles
nothing twice. The budget holds for each architecture of that build.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "tools" / "kernel_report.py"


def report(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, REPORT, *arguments], capture_output=True, text=True, check=False
    )


def ptxas_says(spills: int, registers: int = 20, kernel: str = "10key_kernel") -> str:
    symbol = f"_ZN8trimatte44_GLOBAL__N__ded97b11_6_key_cu_c28f8a50_3526{kernel}ILi3EhEEvi"
    return f"""
  ptxas info    : Compiling entry function '{symbol}' for 'sm_90'
  ptxas info    : Function properties for {symbol}
      0 bytes stack frame, {spills} bytes spill stores, 0 bytes spill loads
  ptxas info    : Used {registers} registers, used 1 barriers, 64 bytes smem
"""


def test_kernels_are_within_their_budget() -> None:
    log = os.environ.get("TRIMATTE_KERNEL_LOG")
    if not log:
        pytest.skip("TRIMATTE_KERNEL_LOG names no build's output (see tools/kernel_report.py)")
    done = report("--check", "--log", log)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (ptxas_says(spills=8), "key.key_kernel: spills 8, and the budget is 0"),
        (ptxas_says(0, registers=255), "key.key_kernel: registers 255, and the budget is"),
        (ptxas_says(0, kernel="10new_kernel"), "key.new_kernel: has no line"),
        (
            ptxas_says(0),
            "despill.despill_kernel: has a line in kernel_budget.toml, and there is no such",
        ),
        ("", "no kernel was compiled for [90]"),
        ("Compiling entry function 'what' for 'sm_90'", "not what ptxas prints of a kernel"),
    ],
)
def test_report_finds_it(log: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "build.log"
    path.write_text(log, encoding="utf-8")
    done = report("--check", "--architectures", "90", "--log", path)
    assert done.returncode != 0
    assert complaint in done.stderr

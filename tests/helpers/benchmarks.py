"""Benchmarks as programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_benchmark(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """``python -m benchmarks.NAME ARGUMENTS``; a warning is an error."""
    command = [sys.executable, "-W", "error", "-m", f"benchmarks.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

"""Puts the outcome of gpu_check.sh's steps into one JSON file and one Markdown page.

    python -m benchmarks.gpu_record WORK RESULTS

WORK has steps.tsv (name, status, seconds), NAME.log of each step, and bench.json and bench.md where
the benchmark ended. Exits with 1 where a step failed, 2 where the device is the tests' stand-in:
nothing is written of that, for it is no GPU.
"""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHIM = "CUDA shim"
LAST_LINES = 15


@dataclass(frozen=True)
class Step:
    name: str
    status: str
    seconds: int
    log: str

    @property
    def words(self) -> str:
        known = {"0": "passed", "124": "FAILED: out of time", "137": "FAILED: killed"}
        if self.status.isdigit():
            return known.get(self.status, f"FAILED: status {self.status}")
        return f"NOT RUN: {self.status}"


def read_steps(work: Path) -> list[Step]:
    steps = []
    for line in (work / "steps.tsv").read_text(encoding="utf-8").splitlines():
        name, status, seconds = line.split("\t")
        log = work / f"{name}.log"
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        steps.append(Step(name, status, int(seconds), "\n".join(text.splitlines()[-LAST_LINES:])))
    return steps


def output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def machine() -> dict[str, str]:
    smi = output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    name, _, driver = (smi.splitlines() or [""])[0].partition(", ")
    release = re.search(r"release (\S+),", output("nvcc", "--version"))
    return {
        "device": name,
        "driver": driver,
        "nvcc": release[1] if release else "",
        "commit": output("git", "describe", "--always", "--dirty", "--abbrev=12"),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def markdown(record: dict[str, Any], steps: list[Step], bench: str) -> str:
    facts = record["machine"]
    lines = [
        f"# trimatte on {facts['device']}",
        "",
        f"Driver {facts['driver']}, nvcc {facts['nvcc']}, commit {facts['commit'] or 'unknown'}, "
        f"{facts['date']}; made by `benchmarks/gpu_check.sh`.",
        "",
        "| step | outcome | seconds |",
        "|---|---|---|",
        *(f"| {step.name} | {step.words} | {step.seconds} |" for step in steps),
        "",
        bench or "The benchmark did not end.",
    ]
    return "\n".join(lines)


def main() -> int:
    work, results = map(Path, sys.argv[1:])
    steps, facts = read_steps(work), machine()
    for step in steps:
        print(f"{step.name:10} {step.words} ({step.seconds} s)")
    bench = work / "bench.json"
    numbers = json.loads(bench.read_text(encoding="utf-8")) if bench.exists() else {}
    if not facts["device"] or SHIM in numbers.get("status", ""):
        print("there is no GPU here: nothing is written", file=sys.stderr)
        return 2
    record = {"machine": facts, "steps": [asdict(step) for step in steps], "bench": numbers}
    slug = re.sub(r"[^a-z0-9]+", "-", facts["device"].lower()).strip("-")
    path = results / f"{slug}-{facts['date']}"
    results.mkdir(parents=True, exist_ok=True)
    tables = work / "bench.md"
    page = markdown(record, steps, tables.read_text(encoding="utf-8") if tables.exists() else "")
    Path(f"{path}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    Path(f"{path}.md").write_text(page, encoding="utf-8")
    print(f"written: {path}.json, {path}.md")
    return 0 if all(step.status == "0" for step in steps) else 1


if __name__ == "__main__":
    sys.exit(main())

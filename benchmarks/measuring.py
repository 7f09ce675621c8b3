"""What the benchmarks share: peers and threads, calls in turns, the machine, tables."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import trimatte

Array = npt.NDArray[Any]

COPIED_BYTES = 256_000_000
REPORTED = (
    "numpy",
    "pillow",
    "scipy",
    "pymatting",
    "numba",
    "opencv-python-headless",
    "isal",
    "simplejpeg",
    "onnxruntime",
    "openvino",
)
NOT_INSTALLED = "not installed (pip install --group bench .)"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

# A side's turn lasts at least this long, so that operations of half a millisecond are not only
# ever measured right after the other side has emptied the caches and put the threads to sleep.
TURN_SECONDS = 0.02
# Threads of OpenMP and OpenBLAS spin on for a while when their work is done: the side that comes
# next must not have to share the cores with them.
PAUSE_SECONDS = 0.05
FEWEST_TURNS = 3


# ------------------------------------------------------------------------------- peers, threads


def load(module: str) -> Any:
    """A peer's module, imported where it is used: not every one need be installed."""
    return importlib.import_module(module)


@cache
def importable(name: str) -> bool:
    try:
        load(name)
    except ImportError:
        return False
    return True


def use_threads(threads: int) -> None:
    trimatte.set_num_threads(threads)
    if importable("cv2"):
        load("cv2").setNumThreads(threads)
    if importable("numba"):
        load("numba").set_num_threads(threads)


def start_with_threads(threads: int) -> None:
    """Start the program anew unless BLAS and Numba, which read it once, were told how many."""
    wanted = dict.fromkeys(THREAD_VARIABLES, str(threads))
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | wanted)


# --------------------------------------------------------------------------------- measurement


def turn(call: Callable[[], object]) -> list[float]:
    """Call for TURN_SECONDS, at least once; the seconds of each call."""
    time.sleep(PAUSE_SECONDS)
    seconds: list[float] = []
    while sum(seconds) < TURN_SECONDS:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def take_turns(
    sides: Sequence[Callable[[], object]], turns: int, budget: float, fewest: int = FEWEST_TURNS
) -> list[list[list[float]]]:
    """The sides one after the other, `turns` times or until `budget` seconds are spent, at least
    `fewest` times: for each side, the seconds of its calls, turn by turn."""
    taken: list[list[list[float]]] = [[] for _ in sides]
    started = time.perf_counter()
    gc.disable()
    try:
        while len(taken[0]) < turns:
            for side, its_turns in zip(sides, taken, strict=True):
                its_turns.append(turn(side))
            if len(taken[0]) >= fewest and time.perf_counter() - started > budget:
                break
    finally:
        gc.enable()
    return taken


def calls(turns: list[list[float]]) -> list[float]:
    return [seconds for each in turns for seconds in each]


def processor_seconds() -> tuple[float, float, float]:
    """So far: all processors' seconds, those of them that were busy, those that were ours."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
    idle = ticks[3] + ticks[4]
    per_second = os.sysconf("SC_CLK_TCK")
    own = os.times()
    return sum(ticks) / per_second, (sum(ticks) - idle) / per_second, own.user + own.system


def others_share(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    total, busy, own = (end - start for start, end in zip(before, after, strict=True))
    return max(0.0, busy - own) / total


@cache
def copy_arrays() -> tuple[Array, Array]:
    source = np.ones(COPIED_BYTES // 8)
    return np.zeros_like(source), source


def copy_bandwidth(threads: int) -> float:
    """GB/s, read and written, of NumPy copying in equal parts by so many threads: best of 9."""
    parts = list(zip(*(np.array_split(each, threads) for each in copy_arrays()), strict=True))
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(9):
            start = time.perf_counter()
            list(pool.map(lambda part: np.copyto(*part), parts))
            seconds.append(time.perf_counter() - start)
    return 2 * COPIED_BYTES / min(seconds) / 1e9


# -------------------------------------------------------------------------------------- machine


@dataclass(frozen=True)
class Machine:
    """Where and with what the figures were taken."""

    cpu: str
    cores: int
    threads: int
    system: str
    versions: dict[str, str]
    commit: str
    cpu_target: str
    load: float

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.threads} threads used, {self.system}, "
            f"load average before {self.load:.1f}\n"
            f"{versions}; commit {self.commit}; kernels {self.cpu_target}"
        )


def describe_machine(threads: int) -> Machine:
    return Machine(
        cpu=cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        threads=threads,
        system=f"{platform.system()} {platform.release()}",
        versions=dict(installed_versions()),
        commit=current_commit(),
        cpu_target=trimatte.cpu_target(),
        load=os.getloadavg()[0],
    )


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def installed_versions() -> Iterator[tuple[str, str]]:
    yield "Python", platform.python_version()
    yield "trimatte", str(trimatte.build_info()["version"])
    for name in REPORTED:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def current_commit() -> str:
    """The commit this file stands in, "+" after it where the working tree differs from it."""
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=here,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


# --------------------------------------------------------------------------------------- tables


def table(lines: Sequence[Sequence[str]]) -> str:
    """Markdown, in columns of equal width; the first line is the header."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in (lines[0], rule, *lines[1:])
    )

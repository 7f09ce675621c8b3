"""The memory that one call takes, in a process of its own: bytes and seconds as JSON.

    python -m benchmarks.peak_memory SCENE.npz SIDE THREADS

SCENE.npz holds an image and a trimap, uint8; SIDE is one of trimatte's qualities or "pymatting".
What counts is the peak during the call beyond what the process held before it: with the scene in
the form that the side reads and everything imported and called once, on a tiny image.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import trimatte
from benchmarks import scenes
from benchmarks.measuring import Array, load, use_threads


def resident(what: str) -> int:
    """Bytes, of /proc/self/status: VmRSS now, VmHWM at most. getrusage's ru_maxrss would not do:
    a new process starts with the peak of the one that started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return 1024 * int(value.split()[0])
    raise OSError(f"/proc/self/status says nothing of {what}")


def estimate(side: str, image: Array, trimap: Array) -> Array:
    if side == "pymatting":
        return np.asarray(load("pymatting").estimate_alpha_cf(image, trimap))
    return trimatte.estimate_alpha(image, trimap, quality=side)


def read(side: str, image: Array, trimap: Array) -> tuple[Array, Array]:
    """The scene in the form that the side reads: PyMatting wants float64."""
    return (image / 255, trimap / 255) if side == "pymatting" else (image, trimap)


def measure(path: Path, side: str) -> dict[str, Any]:
    tiny = scenes.hair_scene(32, 32, seed=1)
    estimate(side, *read(side, tiny.image, tiny.trimap))
    with np.load(path) as stored:
        inputs = read(side, stored["image"], stored["trimap"])
    before = resident("VmRSS")
    started = time.perf_counter()
    alpha = estimate(side, *inputs)
    seconds = time.perf_counter() - started
    return {
        "bytes": resident("VmHWM") - before,
        "result": alpha.nbytes,
        "inputs": sum(each.nbytes for each in inputs),
        "seconds": seconds,
    }


def main() -> None:
    path, side, threads = sys.argv[1:]
    use_threads(int(threads))
    with contextlib.redirect_stdout(sys.stderr):  # PyMatting says there how it gets on
        found = measure(Path(path), side)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

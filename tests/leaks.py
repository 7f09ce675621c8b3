"""Memory that calls leave behind: a thousand of each operation, and of calls that are refused.

    python -m tests.leaks           # by Python's blocks and the process's memory; a minute
    python -m tests.leaks --lsan    # by LeakSanitizer, with a build of TRIMATTE_SANITIZE=address

What a process allocates once is no leak, and CPython does so all over: LeakSanitizer's records
count where the compiled module has allocated and as many objects are lost as a case was called.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.cases import Case

CALLS, FEWEST = 1000, 100  # of an operation over all of its cases, and of one case
SHAPE = (20, 29)
# What an operation may leave: caches grow, a little, but one block a call of one case is a leak.
MOST_BYTES, MOST_BLOCKS = 512 << 10, FEWEST // 2


def resident() -> int:
    """Bytes of memory that the process holds."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


# trimatte is imported by what calls it only: a build with the sanitizer loads beside its runtime.
def call(case: Case, times: int) -> None:
    arguments = case.make(np.random.default_rng(7), *SHAPE)
    for _ in range(times):
        case.call(case.function, arguments, **case.options)


def refused(case: Case, times: int) -> None:
    """The same with a first argument that no operation takes."""
    import trimatte

    _, *others = case.make(np.random.default_rng(7), *SHAPE)
    for wrong in (np.zeros((2, 2, 2, 2), np.uint8), np.full((20, 29, 3), np.nan, np.float32)):
        for _ in range(times):
            with contextlib.suppress(trimatte.ArgumentError):
                case.call(case.function, (wrong, *others), **case.options)


def by_operation() -> list[tuple[str, int, int]]:
    """(operation, bytes, Python's blocks) that its calls left behind."""
    import trimatte
    from tests.cases import CASES

    warnings.simplefilter("ignore", trimatte.TrimapWarning)
    left = []
    for operation in sorted({case.operation for case in CASES}):
        mine = [case for case in CASES if case.operation == operation]
        times = max(CALLS // len(mine), FEWEST)
        rounds = []
        for _ in range(3):
            gc.collect()
            before, blocks = resident(), sys.getallocatedblocks()
            for case in mine:
                call(case, times)
                refused(case, FEWEST)
            gc.collect()
            rounds.append((resident() - before, sys.getallocatedblocks() - blocks))
        # The first makes what is made once; a leak is in every one.
        left.append((operation, *(min(kind) for kind in zip(*rounds[1:], strict=True))))
    return left


def lost_by_calls(report: str) -> list[str]:
    """Those of LeakSanitizer's records that calls of the compiled module have lost."""
    records = re.findall(r"(?:Direct|Indirect) leak of .*?(?:\n\n|\Z)", report, re.S)
    lost = []
    for record in records:
        objects = int(re.search(r"in (\d+) object", record)[1])  # type: ignore[index]
        frames = record.splitlines()[1:]
        ours = next((i for i, frame in enumerate(frames) if "_core." in frame), None)
        python = next((i for i, frame in enumerate(frames) if "python3" in frame), len(frames))
        if ours is not None and ours < python and objects >= FEWEST:
            lost.append(record)
    return lost


def under_sanitizer() -> int:
    paths = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(paths),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=1:exitcode=0:malloc_context_size=40",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.leaks", "--only-call"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if "LeakSanitizer" not in done.stderr:
        print(done.stderr[-3000:], "LeakSanitizer said nothing: is this a build with it?", sep="\n")
        return 1
    lost = lost_by_calls(done.stderr)
    total = len(re.findall(r"leak of", done.stderr))
    print(*lost, f"{total} records, {len(lost)} of them lost by calls of trimatte", sep="\n")
    return len(lost) > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lsan", action="store_true", help="run again under LeakSanitizer")
    parser.add_argument("--only-call", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.lsan:
        return under_sanitizer()
    worst = 0
    for operation, size, blocks in by_operation():
        leaks = not options.only_call and (size > MOST_BYTES or blocks > MOST_BLOCKS)
        worst |= leaks
        print(f"{operation:24} {size:12,} bytes {blocks:8,} blocks{'  leaks' if leaks else ''}")
    return worst


if __name__ == "__main__":
    sys.exit(main())

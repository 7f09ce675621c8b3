"""How many threads the core uses: within the process's share of the cores, and of its threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def printed(code: str) -> str:
    """What a program prints that has no wish for a number of threads."""
    environment = {k: v for k, v in os.environ.items() if k != "TRIMATTE_NUM_THREADS"}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ON_ONE_CORE = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import trimatte
from trimatte import _core
print(trimatte.get_num_threads(), _core.cpu_count())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_the_default_is_within_the_affinity() -> None:
    assert printed(ON_ONE_CORE) == "1 1"


# A thread's stack has no room: none can be started.
WITHOUT_THREADS = """
import os, resource
import numpy as np
import trimatte

image = np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8)
trimatte.set_num_threads(1)
alone = trimatte.chroma_key(image)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (16 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
before = len(os.listdir("/proc/self/task"))
trimatte.set_num_threads(4)
assert np.array_equal(trimatte.chroma_key(image), alone)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_work_is_done_where_no_thread_can_be_started() -> None:
    # The default size of stacks is that of the limit at the program's start.
    code = f"""
import resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
sys.exit(subprocess.run([sys.executable, "-c", {WITHOUT_THREADS!r}]).returncode)
"""
    assert printed(code) == "0"

"""The service at saturation, with bad requests among the good: is every one answered?

    python -m benchmarks.service_soak                   10 minutes
    python -m benchmarks.service_soak --seconds 30      a short one
    python -m benchmarks.service_soak --replicas 2 --cpus 1 --clients 80

Starts ``trimatte serve`` on a free port of the loopback interface, asks it from so many threads
that some are always turned away, and ends it. Prints statuses by kind of request, latencies of
cutouts, and the memory of the service's processes after each tenth of the time. Exits with 1 where
a request was not answered, or with another status than it had to be, or a process of the service
died. It needs `pip install 'trimatte[ray]'`.
"""

from __future__ import annotations

import argparse
import http.client
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import IO

import numpy as np

from benchmarks.measuring import describe_machine, table
from trimatte.demo import scene
from trimatte.io.writing import encode_png

BATCH = 8
QUEUE = 16
MAX_BYTES = 1 << 20
TIME_LIMIT = 60
GIVEN_UP_AFTER = TIME_LIMIT + 30  # a request without an answer by then never gets one
STARTS_WITHIN = 120
SIZES = ((96, 128), (128, 96), (180, 240), (240, 320))
BUSY = 503
BUSY_PAUSE = 0.25  # seconds that a client waits who was turned away, lest refusals are all there is


@dataclass(frozen=True)
class Ask:
    """A kind of request, how often it is made, and the statuses that are right."""

    kind: str
    weight: float
    bodies: tuple[bytes, ...]
    right: tuple[int, ...]
    method: str = "POST"
    hangs_up: bool = False


@dataclass
class Tally:
    """What became of the requests."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def asks() -> list[Ask]:
    """All kinds of request; eight in ten are good."""
    images = tuple(
        encode_png(scene(height, width, seed=seed).image)
        for seed, (height, width) in enumerate(SIZES)
    )
    image = images[0]
    header = b"IHDR" + b"\x00\x00\xff\xff" * 2 + image[24:29]  # PNG's width and height
    huge = image[:12] + header + zlib.crc32(header).to_bytes(4, "big") + image[33:]
    noise = np.random.default_rng(0).bytes(5000)
    return [
        Ask("image", 80, images, (200, 504)),
        Ask("truncated", 4, tuple(each[: len(each) // 2] for each in images), (422,)),
        Ask("not an image", 4, (noise, b"<svg/>", b"http://127.0.0.1/photo.jpg"), (415,)),
        Ask("huge header", 3, (huge,), (413,)),
        Ask("empty", 3, (b"",), (400,)),
        Ask("too long", 2, (bytes(MAX_BYTES + 1),), (413,)),
        Ask("wrong method", 2, images, (405,), method="PUT"),
        Ask("hangs up", 2, images, (), hangs_up=True),
    ]


# ------------------------------------------------------------------------------------- clients


def ask(port: int, wanted: Ask, body: bytes) -> int | None:
    """The status that a request is answered with; None: nobody waited for it."""
    if wanted.hangs_up:
        with socket.create_connection(("127.0.0.1", port), GIVEN_UP_AFTER) as client:
            head = f"POST /remove HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body[: len(body) // 2])
        return None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVEN_UP_AFTER)
    try:
        connection.request(wanted.method, "/remove", body)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def client(port: int, kinds: list[Ask], seed: int, end: float, tally: Tally) -> None:
    """Ask one thing after the other until the end."""
    chance = random.Random(seed)
    weights = [kind.weight for kind in kinds]
    while time.monotonic() < end:
        [wanted] = chance.choices(kinds, weights)
        begun = time.perf_counter()
        try:
            status = ask(port, wanted, chance.choice(wanted.bodies))
        except Exception as error:  # whatever it is, there was no answer
            with tally.lock:
                tally.wrong.append(f"{wanted.kind}: no answer: {error!r}")
            continue
        with tally.lock:
            tally.statuses[wanted.kind, status or 0] += 1
            if status == 200:
                tally.seconds.append(time.perf_counter() - begun)
            elif status is not None and status not in (*wanted.right, BUSY):
                tally.wrong.append(f"{wanted.kind}: answered with {status}")
        if status == BUSY:
            time.sleep(BUSY_PAUSE)


# ------------------------------------------------------------------------------------- service


@contextmanager
def service(arguments: argparse.Namespace, log: IO[str]) -> Iterator[tuple[int, subprocess.Popen]]:
    """The command, on a free port; ended by SIGTERM."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    options = {
        "port": port,
        "replicas": arguments.replicas,
        "cpus": arguments.cpus,
        "batch": BATCH,
        "queue": QUEUE,
        "max-bytes": MAX_BYTES,
        "timeout": TIME_LIMIT,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "trimatte", "serve", *words]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        begun = time.monotonic()
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() - begun > STARTS_WITHIN:
                raise SystemExit("the service did not start")
            time.sleep(0.2)
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_ready(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with suppress(OSError):
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        return False
    finally:
        connection.close()


def memory(parent: int) -> dict[int, tuple[str, int]]:
    """Name and resident bytes of Serve's processes below a process."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
    below = [parent]
    for each in below:
        below += [child for child, its in parents.items() if its == each]
    found = {}
    for each in below:
        with suppress(OSError):
            name = Path(f"/proc/{each}/cmdline").read_text().partition("\0")[0]
            status = Path(f"/proc/{each}/status").read_text()
            if name.startswith(("ray::ServeReplica", "ray::ProxyActor")):
                [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
                found[each] = (name.removeprefix("ray::").strip(), int(line.split()[1]) * 1024)
    return found


# -------------------------------------------------------------------------------------- report


def report(tally: Tally, seconds: float) -> None:
    kinds = dict.fromkeys(kind for kind, _ in tally.statuses)
    lines = [["request", "number", "statuses"]]
    for kind in kinds:
        statuses = {status: n for (its, status), n in sorted(tally.statuses.items()) if its == kind}
        told = ", ".join(f"{status or 'none'}: {n}" for status, n in statuses.items())
        lines.append([kind, str(sum(statuses.values())), told])
    print(table(lines))
    print(f"\n{sum(tally.statuses.values())} requests and {len(tally.seconds)} cutouts", end="")
    print(f" in {seconds:.0f} s: {len(tally.seconds) / seconds:.1f} cutouts a second")
    if len(tally.seconds) > 1:
        cuts = quantiles(tally.seconds, n=100, method="inclusive")
        told = ", ".join(f"p{which} {cuts[which - 1]:.2f} s" for which in (50, 95, 99))
        print(f"time to a cutout: {told}, longest {max(tally.seconds):.2f} s")


def report_memory(samples: list[dict[int, tuple[str, int]]]) -> None:
    """The memory of each process after each tenth of the time, and what it grew by from the first
    of these to the last."""
    lines = [["process", *(f"{10 * tenth} %" for tenth in range(1, len(samples) + 1)), "growth"]]
    for process, (name, _) in sorted(samples[0].items()):
        sizes = [sample[process][1] for sample in samples if process in sample]
        growth = f"{100 * (sizes[-1] / sizes[0] - 1):.1f} %"
        lines.append([name, *(f"{size / 1e6:.0f}" for size in sizes), growth])
    print("\nMB resident after so much of the time:\n\n" + table(lines))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600, help="of asking (default: 600)")
    parser.add_argument("--clients", type=int, default=36, help="threads that ask (default: 36)")
    parser.add_argument("--replicas", type=int, default=1, help="of the service (default: 1)")
    parser.add_argument("--cpus", type=int, default=1, help="cores of each (default: 1)")
    arguments = parser.parse_args()

    tally, kinds = Tally(), asks()
    with tempfile.TemporaryFile("w+") as log:
        with service(arguments, log) as (port, process):
            begun = time.monotonic()
            end = begun + arguments.seconds
            threads = [
                threading.Thread(target=client, args=(port, kinds, seed, end, tally))
                for seed in range(arguments.clients)
            ]
            for thread in threads:
                thread.start()
            samples = []
            for tenth in range(1, 11):
                time.sleep(max(0.0, begun + tenth / 10 * arguments.seconds - time.monotonic()))
                samples.append(memory(process.pid))
            for thread in threads:
                thread.join()
            seconds = time.monotonic() - begun
            if process.poll() is not None or not is_ready(port):
                tally.wrong.append("the service is gone")
            if not samples[0] or any(sample.keys() != samples[0].keys() for sample in samples):
                tally.wrong.append(f"processes died: {samples[0]} became {samples[-1]}")
        if not tally.seconds:
            tally.wrong.append("no cutout came")
        if process.returncode != 0:
            tally.wrong.append(f"the service ended with {process.returncode}")
        log.seek(0)
        said = log.read()

    print(f"{describe_machine(arguments.cpus)}\n{arguments.clients} clients, ", end="")
    print(f"{arguments.replicas} replicas of {arguments.cpus} threads, batches up to {BATCH}\n")
    report(tally, seconds)
    report_memory(samples)
    if tally.wrong:
        print("\nWRONG:")
        for line, count in Counter(tally.wrong).most_common(20):
            print(f"  {count} x {line}")
        print(f"\nthe service said at last:\n{said[-3000:]}")
        return 1
    print("\nevery request was answered as it had to be; no process died")
    return 0


if __name__ == "__main__":
    sys.exit(main())

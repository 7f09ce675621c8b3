"""From the bytes of a JPEG to the bytes of a PNG: images a second, latency, stages, beside rembg.

    python -m benchmarks.throughput                         everything, about 6 minutes
    python -m benchmarks.throughput --quick                 smaller images, about 2 minutes
    python -m benchmarks.throughput --smoke                 tiny images: does it run at all
    python -m benchmarks.throughput --only rembg --rembg OTHER/bin/python --json FILE

Prints each section and whether its bars are met; exits with 1 where one is missed. Both sides of
`rembg` have the same weights, the built-in network's, run as rembg runs a U²-Net, by ONNX Runtime
in as many threads. rembg may be installed elsewhere: `--rembg` names the Python that has it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import trimatte
from benchmarks.measuring import Array, calls, take_turns
from benchmarks.reporting import Bar, Program, Section
from trimatte import engines
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png
from trimatte.pipeline.segmenter import BUILT_IN_MODEL

PHOTO = Path(__file__).parents[1] / "docs" / "images" / "astronaut.jpg"
CARD = "u2netp"  # of a network that rembg runs as it does one of the caller's own
STAGES = ("read", "segment", "trimap", "alpha", "foreground", "cutout", "encode")

# What is asked: so many times rembg's speed, with alpha matting and without.
WITH_MATTING, WITHOUT = 30.0, 3.0


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    beside: megapixels of the image that both sides get. matting_calls: of rembg with matting, each
    of half a minute at 12 MP. stream: megapixels of the images of a stream, and how many there are.
    growth: megapixels. turns: of what takes turns.
    """

    beside: float = 12.0
    matting_calls: int = 2
    stream: tuple[float, int] = (1.5, 24)
    growth: tuple[float, ...] = (0.25, 1.0, 3.0, 8.0, 12.0, 24.0, 50.0)
    turns: int = 7
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(
    beside=3.0,
    matting_calls=1,
    stream=(0.5, 12),
    growth=(0.25, 1.0, 3.0),
    turns=3,
    left_out=("12 MP and more, and bars, which are for 12 MP: left out by --quick",),
    judge=False,
)
SMOKE = Effort(
    beside=0.01,
    matting_calls=1,
    stream=(0.01, 4),
    growth=(0.01,),
    turns=1,
    left_out=("bars: tiny images say nothing",),
    judge=False,
)


def jpeg(megapixels: float) -> bytes:
    """A photograph of a person, 4 : 3, scaled."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    size = round(height * 4 / 3), height
    with Image.open(PHOTO) as photo:
        scaled = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    scaled.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def as_png(result: trimatte.Result) -> bytes:
    return encode_png(result.rgba, icc_profile=result.icc_profile)


def network() -> Path:
    return Path(engines.fetch(engines.find_card(BUILT_IN_MODEL)))


@contextmanager
def remover_of(threads: int, **options: Any) -> Iterator[trimatte.Remover]:
    """One whose network and operations use so many threads."""
    before = trimatte.get_num_threads()
    trimatte.set_num_threads(threads)
    try:
        with (
            trimatte.Segmenter(network(), card=CARD, device="cpu") as segmenter,
            trimatte.Remover(model=segmenter, **options) as remover,
        ):
            yield remover
    finally:
        trimatte.set_num_threads(before)


# ---------------------------------------------------------------------------------------- rembg


class Rembg:
    """rembg in its process."""

    def __init__(self, python: str, folder: Path) -> None:
        self._source, self._target = folder / "source.jpg", folder / "target.png"
        model = Path(shutil.copy(network(), folder))
        command = [python, str(Path(__file__).with_name("rembg_side.py")), str(model)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "U2NET_HOME": str(folder)},  # where it takes models from
            text=True,
        )
        self.version = str(self._answer().get("version"))

    def __call__(self, data: bytes, **options: Any) -> tuple[float, bytes]:
        """The seconds of a call, and the PNG."""
        assert self._process.stdin is not None
        self._source.write_bytes(data)
        question = {"source": str(self._source), "target": str(self._target), **options}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"]), self._target.read_bytes()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ModuleNotFoundError("rembg does not run there")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self._process.communicate()


def beside_rembg(effort: Effort, options: argparse.Namespace) -> Section:
    """In turns: rembg's call, then ours."""
    section = Section(
        f"JPEG to PNG of {effort.beside:g} MP, one image at a time, {options.threads} threads each",
        ("", "rembg", "rembg s", "ours s", "ratio", "calls of rembg"),
    )
    data = jpeg(effort.beside)
    with tempfile.TemporaryDirectory() as folder, remover_of(options.threads) as remover:
        try:
            rembg = Rembg(options.rembg, Path(folder))
        except (OSError, ModuleNotFoundError) as error:
            section.left_out.append(f"rembg: {options.rembg}: {error} (--rembg names its Python)")
            return section
        try:
            agree(section, rembg, remover, data)
            duels = (
                ("mask as alpha", False, partial(masked, remover), WITHOUT, effort.turns),
                ("matting", True, partial(whole, remover), WITH_MATTING, effort.matting_calls),
            )
            for name, matting, ours, limit, turns in duels:
                if not matting:
                    rembg(data)  # both sides are warm: agree() was ours
                theirs_s, ours_s = [], []
                for _ in range(turns):
                    theirs_s.append(rembg(data, alpha_matting=matting)[0])
                    for _ in range(2 if matting else 1):  # ours takes little beside it
                        start = time.perf_counter()
                        ours(data)
                        ours_s.append(time.perf_counter() - start)
                theirs, own = statistics.median(theirs_s), statistics.median(ours_s)
                section.rows.append((name, rembg.version, theirs, own, theirs / own, str(turns)))
                what = f"{name}: times as fast as rembg {rembg.version}"
                section.bars.append(Bar(what, theirs / own, limit, at_least=True))
        finally:
            rembg.close()
    return section


def masked(remover: trimatte.Remover, data: bytes) -> bytes:
    """What rembg does without matting: the network's mask is alpha."""
    pixels = read_image(data)
    assert remover.segmenter is not None
    return encode_png(trimatte.cutout(pixels, remover.segmenter(pixels)))


def whole(remover: trimatte.Remover, data: bytes) -> bytes:
    return as_png(remover(data))


def agree(section: Section, rembg: Rembg, remover: trimatte.Remover, data: bytes) -> None:
    """Both sides see the same: their masks are equal but for rounding of the networks' runs."""
    theirs = read_image(rembg(data, only_mask=True)[1])[:, :, 0].astype(int)
    ours = read_image(masked(remover, data))[:, :, 3].astype(int)
    whole(remover, data)
    apart = float(np.abs(theirs - ours).mean())
    section.details.append({"masks apart in the mean, of 255": apart})
    if apart > 0.5:
        raise ValueError(f"the masks of the two sides are {apart:.2f} of 255 apart in the mean")


# --------------------------------------------------------------------------------------- streams


def streams(effort: Effort, options: argparse.Namespace) -> Section:
    """Images a second and latency: calls one after the other, then streams."""
    megapixels, count = effort.stream
    cores = options.threads
    section = Section(
        f"{count} images of {megapixels:g} MP, JPEG to PNG, {cores} cores",
        ("", "images/s", "ratio", "latency p50 ms", "p95 ms", "p99 ms"),
    )
    data = [jpeg(megapixels)] * count
    plans: list[tuple[str, int, dict[str, Any] | None]] = [
        (f"calls, {cores} threads", cores, None),
        ("calls, 1 thread", 1, None),
        (f"stream, {cores} threads", cores, {}),
        (f"stream, {cores} workers of 1 thread", 1, {"workers": cores}),
        *(
            (f"the same, batches of {size}", 1, {"workers": cores, "batch_size": size})
            for size in (2, 4, 8)
        ),
    ]
    baseline = None
    for name, threads, plan in plans:
        with remover_of(threads) as remover:
            run(remover, data[:4], plan)
            best = min((run(remover, data, plan) for _ in range(2)), key=lambda each: each[0])
        seconds, latencies = best
        rate = count / seconds
        baseline = baseline or rate
        at = np.percentile(np.array(latencies) * 1000, (50, 95, 99))
        section.rows.append((name, rate, rate / baseline, *map(float, at)))
    return section


def run(
    remover: trimatte.Remover, data: list[bytes], plan: dict[str, Any] | None
) -> tuple[float, list[float]]:
    """The seconds of it all, and of each image from being taken to its PNG."""
    begun: list[float] = []
    latencies = []

    def taken() -> Iterator[bytes]:
        for each in data:
            begun.append(time.perf_counter())
            yield each

    def done() -> Iterator[bytes]:
        if plan is None:
            yield from (as_png(remover(each)) for each in taken())
        else:
            yield from remover.stream(taken(), finish=as_png, on_error="raise", **plan)

    start = time.perf_counter()
    for number, _ in enumerate(done()):
        latencies.append(time.perf_counter() - begun[number])
    return time.perf_counter() - start, latencies


# --------------------------------------------------------------------------------------- batches


def batches(effort: Effort, options: argparse.Namespace) -> Section:
    """The network alone, in turns: eight images in runs of 1, 2, 4 and 8."""
    section = Section(
        f"the network alone on a CPU, {options.threads} threads: ms an image",
        ("images in a run", "ms an image", "ratio to runs of 1"),
    )
    rng = np.random.default_rng(0)
    tensors = rng.random((8, 3, 320, 320), np.float32)
    sizes = (1, 2, 4, 8)
    with engines.open_session(network(), device="cpu", threads=options.threads) as session:

        def in_runs_of(size: int) -> Array:
            return np.concatenate(
                [session.run(tensors[first : first + size]) for first in range(0, 8, size)]
            )

        equal = all(np.array_equal(in_runs_of(size), in_runs_of(1)) for size in sizes)
        taken = take_turns([partial(in_runs_of, size) for size in sizes], effort.turns, 60.0, 1)
    single = statistics.median(calls(taken[0])) / 8
    for size, turns in zip(sizes, taken, strict=True):
        each = statistics.median(calls(turns)) / 8
        section.rows.append((str(size), each * 1000, single / each))
    section.details.append({"equal to the bit": equal})
    return section


# ---------------------------------------------------------------------------------------- stages


def growth(effort: Effort, options: argparse.Namespace) -> Section:
    """Where the time goes, from small images to large ones."""
    section = Section(
        f"cost by size and stage, {options.threads} threads: ms",
        ("MP", "all", "all for a MP", *STAGES),
    )
    with remover_of(options.threads) as remover:
        whole(remover, jpeg(min(effort.growth)))
        for megapixels in effort.growth:
            data = jpeg(megapixels)
            found = [stages(remover, data) for _ in range(3 if megapixels < 20 else 1)]
            medians = {name: statistics.median(each[name] for each in found) for name in STAGES}
            total = sum(medians.values())
            each = [1000 * medians[name] for name in STAGES]
            section.rows.append((f"{megapixels:g}", 1000 * total, 1000 * total / megapixels, *each))
    return section


def stages(remover: trimatte.Remover, data: bytes) -> dict[str, float]:
    result = remover(data)
    start = time.perf_counter()
    as_png(result)
    return {**result.timings, "encode": time.perf_counter() - start}


# ------------------------------------------------------------------------------------------- main


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rembg", default=sys.executable, metavar="PYTHON", help="the Python that has rembg"
    )


PROGRAM = Program(
    title="Throughput",
    about=__doc__ or "",
    sections={"rembg": beside_rembg, "streams": streams, "batches": batches, "growth": growth},
    full=FULL,
    quick=QUICK,
    smoke=SMOKE,
    quick_means="smaller images, nothing is judged",
    data=PHOTO,
    data_means="not used: the photograph comes with the repository",
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(PROGRAM.run())

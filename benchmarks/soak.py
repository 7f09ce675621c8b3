"""Memory that stays flat: thousands of calls with images of mixed sizes, and bad ones among them.

    python -m benchmarks.soak                       2,000 images, about 6 minutes
    python -m benchmarks.soak --images 300          fewer
    python -m benchmarks.soak --way stream --json FILE

Memory that is kept for later calls grows with the most that was ever in use at once, so the
largest images come first, in all threads. Then resident memory is looked at after every tenth
image. It goes up and down with what is in flight, so it is like with like that is compared: the
second half of the images with the quarter before it, the first quarter being warm-up as well.
Neither the largest nor the median may be 5 % more. Exits with 1 where one is, or where an image was
not answered as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import trimatte
from benchmarks.measuring import describe_machine
from benchmarks.peak_memory import resident
from benchmarks.throughput import as_png, jpeg

GROWTH = 1.05
EVERY = 10
MEGAPIXELS = (0.01, 0.6)
BAD = 0.05  # of the images are none
LARGEST_FIRST = 24  # images, which are not among those that are counted


@dataclass(frozen=True)
class Soaked:
    """What a soak found. before, after: (median, largest) of the bytes that were resident in the
    second quarter, and in the second half. bad: images that were none, and were told so."""

    way: str
    images: int
    bad: int
    seconds: float
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def growth(self) -> float:
        return max(late / early for early, late in zip(self.before, self.after, strict=True))

    def __str__(self) -> str:
        verdict = "flat" if self.growth <= GROWTH else "GROWS"
        early, late = (
            f"{median / 2**20:.0f} MiB in the median, {most / 2**20:.0f} at most"
            for median, most in (self.before, self.after)
        )
        return (
            f"{self.way}: {self.images} images ({self.bad} bad) in {self.seconds:.0f} s; resident "
            f"{early}, then {late}: {self.growth:.3f} times as much at the worst, {verdict}"
        )


def sources(count: int, largest_first: int) -> Iterator[bytes]:
    """JPEGs of many sizes, in no order, some of which are cut off; before them some of the
    largest."""
    yield from [jpeg(MEGAPIXELS[1])] * largest_first
    rng = np.random.default_rng(0)
    files = [jpeg(float(size)) for size in rng.uniform(*MEGAPIXELS, 60)]
    for _ in range(count):
        data = files[rng.integers(len(files))]
        yield data[: len(data) // 3] if rng.random() < BAD else data


def by_calls(remover: trimatte.Remover, images: Iterator[bytes]) -> Iterator[Any]:
    for image in images:
        try:
            yield as_png(remover(image))
        except trimatte.ArgumentError as error:
            yield error


def by_stream(remover: trimatte.Remover, images: Iterator[bytes]) -> Iterator[Any]:
    yield from remover.stream(images, finish=as_png, workers=2)


def by_async(remover: trimatte.Remover, images: Iterator[bytes]) -> Iterator[Any]:
    """Sixteen requests at a time."""
    loop = asyncio.new_event_loop()

    async def some(batch: list[bytes]) -> list[Any]:
        requests = (remover.aremove(image, finish=as_png) for image in batch)
        return await asyncio.gather(*requests, return_exceptions=True)

    try:
        while batch := [image for _, image in zip(range(16), images, strict=False)]:
            yield from loop.run_until_complete(some(batch))
    finally:
        loop.close()


WAYS: dict[str, Callable[[trimatte.Remover, Iterator[bytes]], Iterator[Any]]] = {
    "calls": by_calls,
    "stream": by_stream,
    "async": by_async,
}


def soak(way: str, count: int) -> Soaked:
    bad, held = 0, []
    start = time.perf_counter()
    first = min(LARGEST_FIRST, count)
    number = -1
    with trimatte.Remover() as remover:
        for number, answer in enumerate(WAYS[way](remover, sources(count, first)), -first):
            if isinstance(answer, trimatte.ArgumentError):
                bad += 1
            elif not (isinstance(answer, bytes) and answer.startswith(b"\x89PNG")):
                raise TypeError(f"image {number} was answered with {answer!r:.80}")
            if number >= 0 and (number % EVERY == 0 or count < 4 * EVERY):
                held.append(resident("VmRSS"))
    if number != count - 1:
        raise ValueError(f"{count} images gave {number + 1} answers")
    seconds = time.perf_counter() - start
    quarter = len(held) // 4
    early, late = held[quarter : 2 * quarter], held[2 * quarter :]
    return Soaked(way, count, bad, seconds, summary(early), summary(late))


def summary(sizes: list[int]) -> tuple[int, int]:
    return round(statistics.median(sizes)), max(sizes)


def main(arguments: list[str] | None = None) -> int:
    """1 where memory grows, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=2000, metavar="N", help="at least 4")
    parser.add_argument("--way", choices=tuple(WAYS), default="stream")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.images < 4:
        parser.error("--images: at least 4")
    machine = describe_machine(trimatte.get_num_threads())
    print(machine, flush=True)
    found = soak(options.way, options.images)
    print(found)
    if options.json:
        content = {"machine": asdict(machine), **asdict(found), "growth": found.growth}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return int(found.growth > GROWTH)


if __name__ == "__main__":
    sys.exit(main())

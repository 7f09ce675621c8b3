"""Whether screens are told from photographs, and what the default costs beside the key alone.

    python -m benchmarks.screen_search SCREENS... --photographs FILES...

Prints how many of each are taken for a screen, the one nearest to the limit on either side, and
the time of a keyed frame by the default in that by the key alone. Exits with 1 where a photograph
is keyed or a screen is not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measuring import Array
from trimatte.io.reading import read_image
from trimatte.ops.screen_search import find_screen, samples_of
from trimatte.video import VideoRemover

FRAMES = 24  # two looks of the network
SIZE = (1080, 1920)


@dataclass(frozen=True)
class Judged:
    """An image, and by how much it is a screen: 1 is the limit."""

    path: Path
    margin: float

    @property
    def keyed(self) -> bool:
        return self.margin >= 1.0


def judged(paths: Iterable[Path]) -> list[Judged]:
    """Images by how much they are screens, the least first."""
    found = []
    for path in paths:
        seen = find_screen(samples_of(read_image(path)))
        found.append(Judged(path, 0.0 if seen is None else min(seen.margins.values())))
    return sorted(found, key=lambda each: each.margin)


def frame_ratio(image: Array, frames: int = FRAMES) -> float:
    """The time of frames before a screen by the default, in that by the key alone; the subject is
    moved, and the grain is new in each. The two take turns."""
    random = np.random.default_rng(0)
    clip = [np.roll(image, 3 * number, axis=1) for number in range(frames)]
    grain = random.integers(0, 4, image.shape, np.uint8)
    clip = [np.maximum(frame, grain) - np.roll(grain, n, axis=0) for n, frame in enumerate(clip)]
    both = VideoRemover(), VideoRemover(model=None)
    for remover in both:
        remover(clip[0])  # loads the network
        remover.reset()
    spent = [0.0, 0.0]
    for frame in clip:
        for which, remover in enumerate(both):
            begun = time.perf_counter()
            remover(frame)
            spent[which] += time.perf_counter() - begun
    return spent[0] / spent[1]


def enlarged(image: Array) -> Array:
    """An image as a frame of that size."""
    rows, columns = (np.arange(n) * s // n for n, s in zip(SIZE, image.shape, strict=False))
    return np.ascontiguousarray(image[rows][:, columns])


def search_seconds(height: int = 3000, width: int = 4000, turns: int = 30) -> float:
    """The median time to look for a screen in an image in memory."""
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    times = []
    for _ in range(turns):
        begun = time.perf_counter()
        find_screen(samples_of(image))
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("screens", nargs="+", type=Path)
    parser.add_argument("--photographs", nargs="+", type=Path, default=[])
    given = parser.parse_args()
    screens, photographs = judged(given.screens), judged(given.photographs)
    for name, images in (("screens", screens), ("photographs", photographs)):
        print(f"{name} keyed: {sum(each.keyed for each in images)} of {len(images)}")
    print(f"the least of the screens: {screens[0].margin:.2f} of the limit, {screens[0].path.name}")
    if photographs:
        nearest = photographs[-1]
        print(f"the nearest photograph: {nearest.margin:.2f} of the limit, {nearest.path.name}")
    print(f"search, 12 MP: {1e3 * search_seconds():.1f} ms")
    ratio = frame_ratio(enlarged(read_image(screens[-1].path)[:, :, :3]))
    print(f"a keyed frame, 1080p: {ratio:.2f} of the key alone")
    wrong = any(each.keyed for each in photographs) or not all(each.keyed for each in screens)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())

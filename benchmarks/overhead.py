"""The cost of `Remover` over calling its operations by hand, on this machine.

    python -m benchmarks.overhead                   under a minute
    python -m benchmarks.overhead --smoke           tiny images: does it run at all
    python -m benchmarks.overhead --json FILE --markdown FILE

Both sides make the same cutout, which is checked before anything is timed. README.md in this
folder describes how times are taken.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import trimatte
from benchmarks.measuring import Array, calls, take_turns
from benchmarks.reporting import Bar, Program, Section
from trimatte.demo import scene

RADIUS = (6.0, 3.0)
SIZES = {"64 x 64": (64, 64), "1080p": (1080, 1920)}
MOST_OVERHEAD = {"64 x 64": 2.0, "1080p": 1.02}  # Remover's time in that of the calls by hand


@dataclass(frozen=True)
class Effort:
    """How many turns each side takes, in how many seconds at most; smoke: tiny images only."""

    turns: int
    budget: float
    judge: bool = True
    left_out: tuple[str, ...] = ()


def overhead(effort: Effort, options: argparse.Namespace) -> Section:
    """Remover and the same operations by hand, from a mask and from a screen."""
    section = Section(
        "Remover, in the time of its operations called by hand",
        ("from", "image", "by hand, ms", "Remover, ms", "Remover / by hand"),
    )
    for size, (height, width) in SIZES.items():
        if not effort.judge and size != "64 x 64":
            continue
        for dtype in ("uint8", "float32"):
            drawn = scene(height, width)
            image = as_dtype(drawn.image, dtype)
            mask = as_dtype(255 * (drawn.alpha > 0.5).astype(np.uint8), dtype)
            for name, by_hand, remover in (
                ("mask", partial(from_mask, image, mask), partial(removed, MASKED, image, mask)),
                ("green", partial(from_green, image), partial(removed, GREEN, image, None)),
            ):
                row = compared(by_hand, remover, effort)
                section.rows.append((name, f"{size}, {dtype}", *row))
                section.bars.append(
                    Bar(f"{name}, {size}, {dtype}: Remover / by hand", row[2], MOST_OVERHEAD[size])
                )
    return section


MASKED = trimatte.Remover(model=None, radius=RADIUS, quality="fast")
GREEN = trimatte.Remover(
    model=None, key_color="green", method="difference", radius=RADIUS, quality="fast"
)


def removed(remover: trimatte.Remover, image: Array, mask: Array | None) -> Array:
    return remover(image, mask=mask).rgba


def from_mask(image: Array, mask: Array) -> Array:
    trimap = trimatte.make_trimap(mask, RADIUS)
    alpha = trimatte.estimate_alpha(image, trimap, mask=mask, quality="fast")
    return trimatte.cutout(trimatte.estimate_foreground(image, alpha), alpha)


def from_green(image: Array) -> Array:
    mask = trimatte.chroma_key(image, key_color="green", method="difference", dtype="uint8")
    trimap = trimatte.make_trimap(mask, RADIUS)
    alpha = trimatte.estimate_alpha(image, trimap, quality="fast")
    foreground = trimatte.estimate_foreground(image, alpha)
    return trimatte.cutout(trimatte.despill(foreground, key_color="green", alpha=alpha), alpha)


def compared(
    by_hand: Callable[[], Array], remover: Callable[[], Array], effort: Effort
) -> tuple[float, float, float]:
    """Milliseconds of both, and the ratio."""
    if not np.array_equal(by_hand(), remover()):
        raise SystemExit("Remover and the operations called by hand make different cutouts")
    hand, ours = (
        1000 * statistics.median(calls(turns))
        for turns in take_turns((by_hand, remover), effort.turns, effort.budget)
    )
    return hand, ours, ours / hand


def as_dtype(image: Array, dtype: str) -> Array:
    return image if dtype == "uint8" else np.divide(image, 255, dtype=np.float32)


PROGRAM = Program(
    title="The cost of Remover",
    about=__doc__ or "",
    sections={"overhead": overhead},
    full=Effort(turns=25, budget=8.0),
    quick=Effort(turns=9, budget=3.0),
    smoke=Effort(turns=3, budget=0.1, judge=False),
    quick_means="fewer turns",
    data=Path(),
    data_means="not used",
)


if __name__ == "__main__":
    sys.exit(PROGRAM.run())

"""Times of trimatte's operations by themselves, under pytest-benchmark.

    pytest benchmarks/bench_ops.py --benchmark-enable
    pytest benchmarks/bench_ops.py --benchmark-enable -k trimap --benchmark-autosave
    pytest benchmarks/bench_ops.py --benchmark-enable --benchmark-compare

4K uint8, unless the name of the case says otherwise. The bytes an operation has to move and what
that makes in GB/s at the median stand in the saved file's extra_info.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import trimatte
from benchmarks import scenes

Array = npt.NDArray[Any]

HEIGHT, WIDTH = 2160, 3840


@dataclass(frozen=True)
class Case:
    """An operation, the arrays it reads and its options."""

    name: str
    operation: Callable[..., Array]
    inputs: Callable[[], tuple[Array, ...]]
    options: dict[str, Any]


@cache
def image() -> Array:
    return scenes.green_screen(HEIGHT, WIDTH, seed=1)


@cache
def mask() -> Array:
    return scenes.blob_mask(HEIGHT, WIDTH, seed=2)


@cache
def small() -> Array:
    return scenes.blob_mask(320, 320, seed=2)


@cache
def background() -> Array:
    return np.ascontiguousarray(image()[::-1])


@cache
def rgba() -> Array:
    return np.dstack((image(), mask()))


@cache
def hair() -> scenes.Scene:
    return scenes.hair_scene(1000, 1000, seed=7)


CASES = (
    Case("key hard", trimatte.chroma_key, lambda: (image(),), {}),
    Case("key soft", trimatte.chroma_key, lambda: (image(),), {"softness": 40.0}),
    Case("trimap r=10", trimatte.make_trimap, lambda: (mask(),), {"radius": 10}),
    Case("despill average", trimatte.despill, lambda: (image(),), {"method": "average"}),
    Case("premultiply", trimatte.premultiply, lambda: (rgba(),), {}),
    Case("composite", trimatte.composite, lambda: (image(), mask(), background()), {}),
    Case("cutout", trimatte.cutout, lambda: (image(), mask()), {}),
    Case("resize to 320", trimatte.resize, lambda: (image(),), {"size": (320, 320)}),
    Case("resize mask from 320", trimatte.resize, lambda: (small(),), {"size": (HEIGHT, WIDTH)}),
    Case(
        "to_tensor 320",
        trimatte.to_tensor,
        lambda: (image(),),
        {"size": (320, 320), "scale": "max", "mean": (0.485, 0.456, 0.406), "std": (1, 1, 1)},
    ),
    Case(
        "matte_from_prediction 320",
        trimatte.matte_from_prediction,
        lambda: (small() / np.float32(255),),
        {"size": (HEIGHT, WIDTH)},
    ),
    Case(
        "estimate_foreground 1 MP",
        trimatte.estimate_foreground,
        lambda: (hair().image, hair().alpha),
        {},
    ),
    Case("estimate_alpha 1 MP", trimatte.estimate_alpha, lambda: (hair().image, hair().trimap), {}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_speed(benchmark: BenchmarkFixture, case: Case) -> None:
    inputs = case.inputs()
    result = benchmark(case.operation, *inputs, **case.options)
    moved = sum(each.nbytes for each in inputs) + result.nbytes
    benchmark.extra_info["bytes_moved"] = moved
    if benchmark.stats is not None:  # None under --benchmark-disable
        benchmark.extra_info["gb_per_s"] = moved / benchmark.stats.stats.median / 1e9

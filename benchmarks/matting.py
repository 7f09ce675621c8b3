"""The claims about matting, measured on this machine: speed, memory, quality, colours, GPU.

    python -m benchmarks.matting                            everything, about 12 minutes
    python -m benchmarks.matting --quick                    without 12 and 100 MP, about 4 minutes
    python -m benchmarks.matting --smoke                    tiny images: does it run at all
    python -m benchmarks.matting --only speed,memory --json FILE --markdown FILE

Prints each section and whether its bars are met; exits with 1 where one is missed. A peer that is
not installed, data that are not there and a GPU that cannot be used are named. README.md in this
folder describes what is measured and how.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import trimatte
from benchmarks import alphamatting, gpu_bench, scenes
from benchmarks.measuring import (
    FEWEST_TURNS,
    NOT_INSTALLED,
    Array,
    calls,
    importable,
    load,
    others_share,
    processor_seconds,
    take_turns,
)
from benchmarks.reporting import Bar, Cell, Program, Section

QUALITIES = ("balanced", "fast")
HUMANS = ("comp_human1", "comp_human2")
MOST_TURNS = 15
NO_PYMATTING = f"PyMatting: {NOT_INSTALLED}"


@dataclass(frozen=True)
class Size:
    """A scene of hair: its name in the tables, its pixels, its seed, how much is unknown."""

    name: str
    height: int
    width: int
    seed: int
    unknown: float = 0.15


ONE = Size("1 MP", 1000, 1000, 7)
TWO = Size("2 MP", 1152, 1728, 8)
TWELVE = Size("12 MP", 3000, 4000, 9)
TINY = Size("tiny", 40, 60, 7)

# What is asked: of the speed by size, at least so many times PyMatting's.
ALPHA_SPEED = {ONE: 40.0, TWO: 80.0, TWELVE: 200.0}
FOREGROUND_SPEED = {TWELVE: 10.0}
FOREGROUND_ERROR = 1.05
MEMORY_SHARE = {TWELVE: 1 / 20}
LARGE_MEMORY_GB = 1.5
PHOTOGRAPHS = {"balanced": 0.90, "fast": 0.96}
COMPOSITES = {"balanced": 1.00}
GPU_MS = 2.0
GPU_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    patch: the large image is so many times it in each direction. seconds: for each comparison.
    """

    alpha: tuple[Size, ...] = (ONE, TWO, TWELVE)
    foreground: tuple[Size, ...] = (TWO, TWELVE)
    memory: Size = TWELVE
    patch: Size = Size("6 MP", 2500, 2500, 10)
    tiles: int = 4
    hair: tuple[Size, ...] = (
        Size("hair 960 x 540", 540, 960, 1, 0.1),
        Size("hair 1280 x 720", 720, 1280, 2),
        Size("hair 1280 x 720, wide trimap", 720, 1280, 3, 0.3),
        Size("hair 1000 x 1000", 1000, 1000, 4),
        Size("hair 1920 x 1080", 1080, 1920, 5, 0.1),
    )
    seconds: float = 20.0
    gpu: Size = Size("4K", 2160, 3840, 7, 0.1)
    batches: gpu_bench.Effort = gpu_bench.FULL
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(
    alpha=(ONE, TWO),
    foreground=(TWO,),
    memory=TWO,
    tiles=0,
    seconds=6.0,
    left_out=("12 MP and 100 MP: left out by --quick, and with them their bars",),
)
SMOKE = Effort(
    alpha=(TINY,),
    foreground=(TINY,),
    memory=TINY,
    patch=TINY,
    tiles=2,
    hair=(TINY,),
    seconds=0.0,
    gpu=TINY,
    batches=gpu_bench.QUICK,
    left_out=("bars: tiny images say nothing",),
    judge=False,
)


def ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or under is None else over / under


def columns(*what: str, qualities: tuple[str, ...] = QUALITIES) -> Iterator[str]:
    return (f"{quality} {each}" for quality in qualities for each in what)


@functools.cache
def hair(size: Size) -> scenes.Scene:
    return scenes.hair_scene(size.height, size.width, size.seed, size.unknown)


# ------------------------------------------------------------------------------------------ sides


class Side:
    """A call that keeps its result, so that what was timed is also what is judged."""

    def __init__(self, call: Callable[[], Array]) -> None:
        self._call = call
        self.result: Array = np.empty(0)

    def __call__(self) -> None:
        self.result = self._call()


def our_alpha(scene: scenes.Scene, quality: str) -> Side:
    return Side(lambda: trimatte.estimate_alpha(scene.image, scene.trimap, quality=quality))


def pymatting_alpha(scene: scenes.Scene) -> Side:
    """estimate_alpha_cf with its defaults, on float64 inputs made beforehand."""
    estimate = load("pymatting").estimate_alpha_cf
    image, trimap = scene.image / 255, scene.trimap / 255
    return Side(lambda: np.asarray(estimate(image, trimap)))


def our_foreground(scene: scenes.Scene) -> Side:
    return Side(lambda: trimatte.estimate_foreground(scene.image, scene.alpha))


def pymatting_foreground(scene: scenes.Scene) -> Side:
    """estimate_foreground_ml with its defaults, on float32 inputs, the type it works in."""
    estimate, image = load("pymatting").estimate_foreground_ml, scene.image / np.float32(255)
    return Side(lambda: np.asarray(estimate(image, scene.alpha)))


def compile_pymatting() -> bool:
    """Whether PyMatting is there; Numba then has compiled it."""
    if not importable("pymatting"):
        return False
    tiny = hair(TINY)
    pymatting_alpha(tiny)()
    pymatting_foreground(tiny)()
    return True


def race(theirs: Side | None, ours: list[Side], seconds: float) -> tuple[float | None, list[float]]:
    """Median seconds of the peer and of each of ours, in turns. A peer that takes longer than
    `seconds` is called once; ours are called a few times more then."""
    for side in ours:
        side()
    if theirs is None:
        return None, list(map(median, take_turns(ours, MOST_TURNS, seconds)))
    its_turns, *our_turns = take_turns((theirs, *ours), MOST_TURNS, seconds, fewest=1)
    if len(its_turns) < FEWEST_TURNS:
        more = take_turns(ours, FEWEST_TURNS, seconds)
        our_turns = [some + others for some, others in zip(our_turns, more, strict=True)]
    return median(its_turns), list(map(median, our_turns))


def median(turns: list[list[float]]) -> float:
    return statistics.median(calls(turns))


# ------------------------------------------------------------------------------------------ speed


def speed(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Alpha: time beside PyMatting's estimate_alpha_cf, 15 % unknown",
        ("scene", "unknown", "PyMatting s", "SAD", *columns("s", "ratio", "SAD"), "others"),
    )
    has_peer = compile_pymatting()
    if not has_peer:
        section.left_out.append(NO_PYMATTING)
    for size in effort.alpha:
        scene = hair(size)
        theirs = pymatting_alpha(scene) if has_peer else None
        ours = [our_alpha(scene, quality) for quality in QUALITIES]
        before = processor_seconds()
        peer_seconds, seconds = race(theirs, ours, effort.seconds)
        others = others_share(before, processor_seconds())
        cells: list[Cell] = []
        for side, its_seconds in zip(ours, seconds, strict=True):
            cells += [its_seconds, ratio(peer_seconds, its_seconds)]
            cells.append(scene.alpha_error(side.result))
        unknown = f"{np.mean(scene.trimap == 128):.1%}"
        peer_error = scene.alpha_error(theirs.result) if theirs else None
        section.rows.append((size.name, unknown, peer_seconds, peer_error, *cells, f"{others:.0%}"))
        if peer_seconds and size in ALPHA_SPEED:
            what = f"times as fast as PyMatting, balanced, {size.name}"
            section.bars.append(Bar(what, peer_seconds / seconds[0], ALPHA_SPEED[size], True))
    return section


# ----------------------------------------------------------------------------------------- memory


def save_scene(path: Path, size: Size, tiles: int = 1) -> None:
    scene = hair(size)
    image, trimap = np.tile(scene.image, (tiles, tiles, 1)), np.tile(scene.trimap, (tiles, tiles))
    np.savez(path, image=image, trimap=trimap)


def peak_memory(path: Path, side: str, threads: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.peak_memory", str(path), side, str(threads)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def memory(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Alpha: peak memory beyond the inputs, 15 % unknown",
        ("scene", "side", "MB", "of it the result", "share of PyMatting's", "s"),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.npz"
        save_scene(path, effort.memory)
        peer = None
        if importable("pymatting"):
            peer = peak_memory(path, "pymatting", options.threads)
            enter_memory(section, effort.memory.name, "PyMatting", peer, None)
        else:
            section.left_out.append(NO_PYMATTING)
        for quality in QUALITIES:
            ours = peak_memory(path, quality, options.threads)
            enter_memory(section, effort.memory.name, quality, ours, peer)
            if peer and effort.memory in MEMORY_SHARE:
                what = f"share of PyMatting's memory, {quality}, {effort.memory.name}"
                share = ours["bytes"] / peer["bytes"]
                section.bars.append(Bar(what, share, MEMORY_SHARE[effort.memory]))
        if effort.tiles:
            save_scene(path, effort.patch, effort.tiles)
            ours = peak_memory(path, "balanced", options.threads)
            name = f"{effort.patch.height * effort.patch.width * effort.tiles**2 / 1e6:.0f} MP"
            enter_memory(section, name, "balanced", ours, None)
            beyond = (ours["bytes"] - ours["result"]) / 1e9
            what = f"GB beyond the image and the result, balanced, {name}"
            section.bars.append(Bar(what, beyond, LARGE_MEMORY_GB))
    return section


def enter_memory(
    section: Section,
    size: str,
    side: str,
    found: dict[str, float],
    peer: dict[str, float] | None,
) -> None:
    share = found["bytes"] / peer["bytes"] if peer else None
    megabytes = [f"{found[name] / 1e6:.1f}" for name in ("bytes", "result")]
    section.rows.append((size, side, *megabytes, share, found["seconds"]))


# ---------------------------------------------------------------------------------------- quality


def quality(effort: Effort, options: argparse.Namespace) -> Section:
    ours = columns("SAD", "ratio", "MSE", "grad", qualities=alphamatting.QUALITIES)
    section = Section(
        "Alpha on alphamatting.com's photographs: SAD / 1000, MSE x 1000, gradient error / 1000",
        ("image", "trimap", "PyMatting SAD", "MSE", "grad", *ours),
    )
    try:
        rows = list(alphamatting.compare(options.data))
    except FileNotFoundError as error:
        section.left_out.append(f"photographs: {error}; --data can name their folder")
        return section
    means = alphamatting.means(rows)
    for row in (*rows, *means):
        cells: list[Cell] = [row.peer.sad, 1e3 * row.peer.mse, row.peer.gradient]
        for errors in row.ours.values():
            cells += [errors.sad, errors.sad / row.peer.sad, 1e3 * errors.mse, errors.gradient]
        section.rows.append((row.name, row.trimap_name, *cells))
    for each, limit in PHOTOGRAPHS.items():
        what = f"SAD in sum over {len(rows)} trimaps, of PyMatting's, {each}"
        section.bars.append(Bar(what, means[-1].ours[each].sad / means[-1].peer.sad, limit))
    return section


# ------------------------------------------------------------------------------------- composites


def read_layer(folder: Path, name: str, mode: str, size: tuple[int, int] | None = None) -> Array:
    image = Image.open(folder / f"{name}.png").convert(mode)
    return np.asarray(image.resize(size, Image.Resampling.BOX) if size else image)


def backgrounds(data: Path, name: str, height: int, width: int) -> Iterator[tuple[str, Array]]:
    """Two textures, calm and busy, and the photographs behind the other foregrounds."""
    blue, brown = scenes.GREY_BLUE, scenes.BROWN
    yield "calm", scenes.texture(height, width, 11, color=blue, contrast=20.0)
    yield "busy", scenes.texture(height, width, 12, color=brown, contrast=60.0)
    for other in (each for each in HUMANS if each != name):
        if (data / other / "background.png").is_file():
            yield other, read_layer(data / other, "background", "RGB", (width, height))


def composite_scenes(effort: Effort, data: Path) -> Iterator[tuple[str, scenes.Scene] | str]:
    """Named scenes with known alpha, and what of the data is not there."""
    for size in effort.hair:
        yield size.name, hair(size)
    for name in (*HUMANS, "lemur"):
        folder = data / name
        if not (folder / "foreground.png").is_file():
            yield f"{name}: there is no {folder}/foreground.png; --data can name its folder"
            continue
        foreground = read_layer(folder, "foreground", "RGB")
        trimap = read_layer(folder, "trimap", "L")
        alpha = (read_layer(folder, "alpha", "L") / 255).astype(np.float32)
        for behind, background in backgrounds(data, name, *alpha.shape):
            scene = scenes.over_background(foreground, alpha, background, trimap)
            yield f"{name} before {behind}", scene


@dataclass(frozen=True)
class Outcome:
    """Error and seconds of each side, PyMatting's under "peer" if it is there."""

    errors: dict[str, float]
    seconds: dict[str, float]

    def cells(self) -> list[Cell]:
        """The peer's error and seconds, then each quality's with the ratio of the errors."""
        peer_error = self.errors.get("peer")
        cells: list[Cell] = [peer_error, self.seconds.get("peer")]
        for quality in QUALITIES:
            error = self.errors[quality]
            cells += [error, ratio(error, peer_error), self.seconds[quality]]
        return cells


def try_all(scene: scenes.Scene, has_peer: bool) -> Outcome:
    """One call of each side."""
    sides = {quality: our_alpha(scene, quality) for quality in QUALITIES}
    if has_peer:
        sides["peer"] = pymatting_alpha(scene)
    errors, seconds = {}, {}
    for name, side in sides.items():
        started = time.perf_counter()
        side()
        seconds[name] = time.perf_counter() - started
        errors[name] = scene.alpha_error(side.result)
    return Outcome(errors, seconds)


def sum_of(outcomes: list[Outcome]) -> Outcome:
    sides = outcomes[0].errors
    return Outcome(
        {side: sum(each.errors[side] for each in outcomes) for side in sides},
        {side: sum(each.seconds[side] for each in outcomes) for side in sides},
    )


def composites(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Alpha of composites whose alpha is known: SAD / 1000 and time",
        ("scene", "unknown", "PyMatting SAD", "s", *columns("SAD", "ratio", "s")),
    )
    has_peer = compile_pymatting()
    if not has_peer:
        section.left_out.append(NO_PYMATTING)
    outcomes = []
    for each in composite_scenes(effort, options.data):
        if isinstance(each, str):
            section.left_out.append(each)
            continue
        name, scene = each
        outcomes.append(try_all(scene, has_peer))
        unknown = f"{np.mean(scene.trimap == 128):.1%}"
        section.rows.append((name, unknown, *outcomes[-1].cells()))
    total = sum_of(outcomes)
    section.rows.append((f"sum of {len(outcomes)}", "", *total.cells()))
    if has_peer:
        for quality, limit in COMPOSITES.items():
            what = f"SAD in sum over {len(outcomes)} composites, of PyMatting's, {quality}"
            section.bars.append(Bar(what, total.errors[quality] / total.errors["peer"], limit))
    return section


# ------------------------------------------------------------------------------------- foreground


def foreground(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Foreground colours beside PyMatting's estimate_foreground_ml, true alpha",
        (
            "scene",
            "PyMatting s",
            "ours s",
            "ratio",
            "PyMatting error",
            "our error",
            "of PyMatting's",
        ),
    )
    has_peer = compile_pymatting()
    if not has_peer:
        section.left_out.append(NO_PYMATTING)
    for size in effort.foreground:
        scene = hair(size)
        theirs, ours = pymatting_foreground(scene) if has_peer else None, our_foreground(scene)
        peer_seconds, (seconds,) = race(theirs, [ours], effort.seconds)
        error = scene.foreground_error(ours.result / 255)
        peer_error = scene.foreground_error(theirs.result) if theirs else None
        faster, worse = ratio(peer_seconds, seconds), ratio(error, peer_error)
        section.rows.append((size.name, peer_seconds, seconds, faster, peer_error, error, worse))
        if faster and size in FOREGROUND_SPEED:
            what = f"times as fast as PyMatting, {size.name}"
            section.bars.append(Bar(what, faster, FOREGROUND_SPEED[size], True))
        if worse:
            what = f"mean alpha |F - F*|, of PyMatting's, {size.name}"
            section.bars.append(Bar(what, worse, FOREGROUND_ERROR))
    return section


# -------------------------------------------------------------------------------------------- GPU


def gpu(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        f"Alpha on the GPU, {effort.gpu.name}, {effort.gpu.unknown:.0%} unknown",
        ("quality", "ms", "best ms", "host ms", "mean difference from CPU", "largest"),
    )
    if not trimatte.cuda_available():
        section.left_out.append(f"no GPU: {trimatte.cuda_status()}")
        return section
    clock = gpu_bench.best_clock()
    section.title += f", by {clock.name}"
    scene = hair(effort.gpu)
    inputs = (scene.image, scene.trimap)
    for quality in QUALITIES:
        call = functools.partial(trimatte.estimate_alpha, quality=quality)
        operation = gpu_bench.Operation(quality, call, inputs)
        on_gpu = [trimatte.to_device(each, stream=clock.stream) for each in inputs]
        result = operation.call(*on_gpu, stream=clock.stream).to_host()
        apart = np.abs(result - operation.call(*inputs, device="cpu"))
        batch = gpu_bench.batch_of(operation, clock.stream, effort.batches.calls)
        times = gpu_bench.measure(clock, batch, effort.batches)
        found = (times.median_ms, times.best_ms, times.host_ms)
        section.rows.append((quality, *found, float(apart.mean()), float(apart.max())))
        if quality == "balanced":
            section.bars.append(Bar("ms, balanced", times.median_ms, GPU_MS))
            difference = Bar("mean difference from the CPU's", float(apart.mean()), GPU_DIFFERENCE)
            section.bars.append(difference)
    return section


# -------------------------------------------------------------------------------------------- run


SECTIONS: dict[str, Callable[[Effort, argparse.Namespace], Section]] = {
    "speed": speed,
    "memory": memory,
    "quality": quality,
    "composites": composites,
    "foreground": foreground,
    "gpu": gpu,
}


PROGRAM = Program(
    title="Matting",
    about=__doc__ or "",
    sections=SECTIONS,
    full=FULL,
    quick=QUICK,
    smoke=SMOKE,
    quick_means="without 12 and 100 MP",
    data=alphamatting.DATA,
    data_means="folder with am_GT01, comp_human1, ...",
)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error", trimatte.TrimapWarning)
        sys.exit(PROGRAM.run())

"""The claims about keying, measured on this machine: alpha before screens, photographs, speed.

    python -m benchmarks.keying                             everything, about 3 minutes
    python -m benchmarks.keying --quick                     half of the scenes, about 2 minutes
    python -m benchmarks.keying --smoke                     tiny images: does it run at all
    python -m benchmarks.keying --only real --sheet FILE    a contact sheet of the photographs

Prints each section and whether its bars are met; exits with 1 where one is missed. PyAV that is not
installed and images that are not there are named. README.md in this folder describes what is
measured and how.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import trimatte
from benchmarks import alphamatting, screens
from benchmarks.measuring import (
    Array,
    calls,
    copy_bandwidth,
    importable,
    load,
    others_share,
    processor_seconds,
    take_turns,
)
from benchmarks.reporting import Bar, Cell, Program, Section
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image

MOST_TURNS = 15
PANEL_WIDTH = 480
BEHIND = ("magenta", "white")
QUALITIES = ("fast", "best")

# The powers of the peers' ramps.
PEERS = {"ffmpeg": 1.0, "obs": 1.5}
FAR = 16.0  # beyond any distance, in units of the key colour's own distance from grey
BINS = 1024
LEVELS = 256
GRID = 40
ROUNDS = 4

# What is asked: of the sum of SAD, at most this share of the better peer's.
FAST_SHARE = 0.5
BEST_SHARE = 0.25
BEST_NOISE = 1.0
READY_MADE_NOISE = 1.5  # what is measured in them where alpha is 1
# What is asked of the fused soft key: times FFmpeg's speed, share of a copy's bandwidth.
PEER_SPEED = {"chromakey,despill": 100.0, "colorkey,despill": 30.0}
COPY_SHARE = 0.6
CUTOUT_BYTES = 3 + 4


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    height, width: of the drawn subjects. tiles: the image of `speed` is so many of them in each
    direction. seconds: for each comparison of times.
    """

    height: int = 540
    width: int = 960
    noises: tuple[float, ...] = (1.0, 4.0)
    tiles: tuple[int, ...] = (2, 4)
    seconds: float = 20.0
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(
    noises=(1.0,), seconds=8.0, left_out=("scenes with a noise of 4/255: left out by --quick",)
)
SMOKE = Effort(
    height=108,
    width=192,
    noises=(1.0,),
    tiles=(1,),
    seconds=0.0,
    left_out=("bars: tiny images say nothing",),
    judge=False,
)


# ----------------------------------------------------------------------------------------- scenes


@dataclass(frozen=True)
class Scene:
    """A composite and its truth: alpha and the clean foreground, straight and encoded, [0, 1]."""

    group: str
    subject: str
    key: str
    linear: bool
    noise: float
    image: Array
    alpha: Array
    foreground: Array

    @property
    def screen_color(self) -> tuple[float, float, float]:
        """The screen's median colour, in 0..255."""
        red, green, blue = np.median(self.image[self.alpha <= 0], axis=0)
        return float(red), float(green), float(blue)


def composites(effort: Effort, data: Path) -> Iterator[Scene]:
    subjects = [
        *(("drawn", each) for each in screens.drawn_subjects(effort.height, effort.width)),
        *(("photographed", each) for each in screens.photographed_subjects(data)),
    ]
    choices = itertools.product(subjects, screens.COLORS, (False, True))
    for seed, ((group, subject), key, linear) in enumerate(choices):
        for noise in effort.noises:
            made = screens.before_screen(subject, key, linear=linear, noise=noise, seed=seed)
            truth = (subject.alpha, subject.foreground)
            yield Scene(group, subject.name, key, linear, noise, made.image, *truth)


def ready_made(data: Path) -> Iterator[Scene]:
    """The composites of the folder as they are: mixed in encoded values, without spill."""
    for path in sorted(data.glob("synth_*.foreground.png")):
        name = path.name.removesuffix(".foreground.png")
        subject, key = name.removeprefix("synth_").rsplit("_", 1)
        image = read_image(data / f"{name}.png")[..., :3]
        alpha = read_mask(data / f"{name}.alpha.png") / np.float32(255)
        foreground = read_image(path)[..., :3] / np.float32(255)
        yield Scene("ready-made", subject, key, False, READY_MADE_NOISE, image, alpha, foreground)


# ----------------------------------------------------------------------------------- tuned peers


@dataclass(frozen=True)
class Tuned:
    """A peer's formula with the options that suit a scene best; sad in thousands."""

    tolerance: float
    softness: float
    sad: float


def sad(alpha: Array, truth: Array) -> float:
    """Sum of absolute differences, in thousands."""
    return float(np.abs(alpha - truth).sum(dtype=np.float64) / 1e3)


def distance_map(scene: Scene, method: str) -> Array:
    """The peer's distance of each pixel to the key colour, of which alpha is a ramp."""
    ramp = trimatte.chroma_key(
        scene.image,
        key_color=scene.screen_color,
        method=method,
        tolerance=0.0,
        softness=FAR,
        dtype="float32",
    )
    return np.asarray(FAR * ramp ** (1 / PEERS[method]), np.float32)


def ramp(distance: Array, tolerance: Array | float, softness: Array | float, power: float) -> Array:
    """The peers' alpha."""
    return np.asarray(np.clip((distance - tolerance) / softness, 0, 1) ** power)


def tune(distance: Array, truth: Array, power: float) -> Tuned:
    """The options of least SAD: over a grid of both, then over finer ones around its best."""
    width = float(distance.max()) / (BINS - 1)
    middles = width * np.arange(BINS)
    costs = cost_table(np.rint(distance / width).astype(np.intp), truth)
    reach = np.array([0.5, 0.5]) * middles[-1]
    best = reach
    for _ in range(ROUNDS):
        tolerances, softnesses = (
            np.linspace(max(least, at - around), at + around, GRID)
            for least, at, around in zip((0.0, width), best, reach, strict=True)
        )
        alpha = ramp(middles, tolerances[:, None, None], softnesses[:, None], power)
        levels = np.rint((LEVELS - 1) * alpha).astype(np.intp)
        sums = costs[np.arange(BINS), levels].sum(axis=-1)
        row, column = np.unravel_index(sums.argmin(), sums.shape)
        best = np.array([tolerances[row], softnesses[column]])
        reach = reach * (4 / GRID)
    tolerance, softness = map(float, best)
    return Tuned(tolerance, softness, sad(ramp(distance, tolerance, softness, power), truth))


def cost_table(bins: Array, truth: Array) -> Array:
    """(BINS, LEVELS): the SAD of the pixels of each distance if they got each level of alpha."""
    levels = np.rint((LEVELS - 1) * truth).astype(np.intp)
    counts = np.bincount((bins * LEVELS + levels).ravel(), minlength=BINS * LEVELS)
    level = np.arange(LEVELS)
    return counts.reshape(BINS, LEVELS) @ np.abs(level[:, None] - level).astype(np.float64)


# ---------------------------------------------------------------------------------------- quality


@dataclass(frozen=True)
class Outcome:
    """A scene's figures. peers: by method. sad, holes, leak, seconds: by quality.

    holes: mean 1 - alpha where the truth is 1. leak: mean alpha where it is 0. spill, color: of
    `Remover`, in 1/255; see `spill_residue` and `color_error`.
    """

    group: str
    subject: str
    key: str
    linear: bool
    noise: float
    peers: dict[str, Tuned]
    sad: dict[str, float]
    holes: dict[str, float]
    leak: dict[str, float]
    seconds: dict[str, float]
    spill: float
    color: float
    transfer: str

    @property
    def transfer_found(self) -> bool:
        return self.linear == (self.transfer == "linear")


def mean_of(values: Array) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else 0.0


def spill_residue(cutout: Array, scene: Scene) -> float:
    """How much more the key's channel exceeds the others in premultiplied (H, W, 4) than in the
    truth: a mean over what is not screen."""
    premultiplied = cutout[..., :3] * cutout[..., 3:]
    truth = scene.foreground * scene.alpha[..., None]
    more = excess(premultiplied, scene.key) - excess(truth, scene.key)
    return 255 * mean_of(more[scene.alpha > 0.02])


def excess(colors: Array, key: str) -> Array:
    channel = ("red", "green", "blue").index(key)
    others = np.delete(colors, channel, axis=2).max(axis=2)
    return np.asarray(np.maximum(colors[..., channel] - others, 0))


def color_error(cutout: Array, scene: Scene) -> float:
    """Mean of alpha |F - F*| over the soft pixels, alpha being the true one."""
    soft = (scene.alpha > 0.02) & (scene.alpha < 0.98)
    apart = np.abs(cutout[..., :3] - scene.foreground).mean(axis=2)
    return 255 * mean_of((scene.alpha * apart)[soft])


def judge(scene: Scene) -> Outcome:
    """Both peers at their best, ours as it comes."""
    tuned = {
        method: tune(distance_map(scene, method), scene.alpha, power)
        for method, power in PEERS.items()
    }
    alphas, seconds = {}, {}
    for quality in QUALITIES:
        started = time.perf_counter()
        alphas[quality] = trimatte.chroma_key(
            scene.image, key_color="auto", quality=quality, dtype="float32"
        )
        seconds[quality] = time.perf_counter() - started
    inside, outside = scene.alpha >= 1, scene.alpha <= 0
    result = trimatte.Remover(model=None)(scene.image)
    cutout = np.dstack([result.foreground / np.float32(255), result.alpha])
    return Outcome(
        scene.group,
        scene.subject,
        scene.key,
        scene.linear,
        scene.noise,
        tuned,
        sad={each: sad(alpha, scene.alpha) for each, alpha in alphas.items()},
        holes={each: mean_of(1 - alpha[inside]) for each, alpha in alphas.items()},
        leak={each: mean_of(alpha[outside]) for each, alpha in alphas.items()},
        seconds=seconds,
        spill=spill_residue(cutout, scene),
        color=color_error(cutout, scene),
        transfer=trimatte.fit_screen(scene.image).transfer,
    )


def better_peer(outcomes: list[Outcome]) -> float:
    """The sum of the peer that has the smaller one."""
    return min(sum(each.peers[method].sad for each in outcomes) for method in PEERS)


def share_of_peer(outcomes: list[Outcome], quality: str) -> float:
    return sum(each.sad[quality] for each in outcomes) / better_peer(outcomes)


def summary(name: tuple[str, str, str], outcomes: list[Outcome]) -> tuple[Cell, ...]:
    """A row: means of the outcomes."""
    cells: list[Cell] = [
        statistics.fmean(each.peers[method].sad for each in outcomes) for method in PEERS
    ]
    for quality in QUALITIES:
        cells.append(statistics.fmean(each.sad[quality] for each in outcomes))
        cells.append(share_of_peer(outcomes, quality))
    for quality in QUALITIES:
        cells.append(1e3 * statistics.fmean(each.holes[quality] for each in outcomes))
        cells.append(1e3 * statistics.fmean(each.leak[quality] for each in outcomes))
    cells.append(statistics.fmean(each.spill for each in outcomes))
    cells.append(statistics.fmean(each.color for each in outcomes))
    found = sum(each.transfer_found for each in outcomes)
    return (*name, *cells, f"{found}/{len(outcomes)}")


def grouped(
    outcomes: Iterable[Outcome], key: Callable[[Outcome], tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], list[Outcome]]]:
    """In the order of first appearance."""
    groups: dict[tuple[Any, ...], list[Outcome]] = {}
    for each in outcomes:
        groups.setdefault(key(each), []).append(each)
    yield from groups.items()


def quality(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Alpha before screens: SAD / 1000 beside FFmpeg's and OBS's formulas at their best, holes "
        "and leak in 1/1000, spill and colours in 1/255; means",
        (
            *(
                "subject",
                "key",
                "noise",
                "FFmpeg",
                "OBS",
                "fast",
                "fast of peer",
                "best",
                "best of peer",
            ),
            *(
                "holes fast",
                "leak fast",
                "holes best",
                "leak best",
                "spill",
                "colour",
                "transfer found",
            ),
        ),
    )
    scenes = itertools.chain(composites(effort, options.data), ready_made(options.data))
    outcomes = [judge(scene) for scene in scenes]
    section.details += [asdict(each) for each in outcomes]
    if not any(each.group == "ready-made" for each in outcomes):
        section.left_out.append(
            f"photographed foregrounds: there is no synth_*.foreground.png in {options.data}; "
            "--data can name its folder"
        )
    for name, some in grouped(outcomes, lambda o: (o.group, o.subject, o.key, o.noise)):
        subject = name[1] if name[0] != "ready-made" else f"{name[1]}, {name[0]}"
        section.rows.append(summary((subject, name[2], f"{name[3]:g}"), some))
    for (group, noise), some in grouped(outcomes, lambda o: (o.group, o.noise)):
        section.rows.append(summary((f"all {group}", "", f"{noise:g}"), some))
    quiet = [each for each in outcomes if each.noise < max(FULL.noises)]
    section.rows.append(summary(("all", "", "below 4"), quiet))
    section.rows.append(summary(("all", "", ""), outcomes))
    what = "sum of SAD, of the better tuned peer's"
    section.bars += [
        Bar(f"{what}, fast, all {len(outcomes)}", share_of_peer(outcomes, "fast"), FAST_SHARE),
        Bar(f"{what}, best, {len(quiet)} below 4", share_of_peer(quiet, "best"), BEST_SHARE),
    ]
    return section


# ------------------------------------------------------------------------------------------- real


def photographs(data: Path) -> list[Path]:
    return [path for path in sorted(data.glob("*.png")) if not path.name.startswith("synth_")]


def panels(path: Path, result: trimatte.Result) -> Iterator[Image.Image]:
    """The photograph, its alpha, and the cutout before each of BEHIND."""
    yield Image.fromarray(read_image(path)[..., :3])
    yield Image.fromarray(np.rint(255 * result.alpha).astype(np.uint8)).convert("RGB")
    for color in BEHIND:
        behind = Image.new("RGBA", result.image.size, color)
        yield Image.alpha_composite(behind, result.image).convert("RGB")


def contact_sheet(strips: list[list[Image.Image]]) -> Image.Image:
    """Panels of equal width, a strip for each photograph."""
    heights = [round(PANEL_WIDTH * strip[0].height / strip[0].width) for strip in strips]
    sheet = Image.new("RGB", (PANEL_WIDTH * len(strips[0]), sum(heights)))
    tops = itertools.accumulate(heights, initial=0)
    for strip, height, top in zip(strips, heights, tops, strict=False):
        for column, panel in enumerate(strip):
            small = panel.resize((PANEL_WIDTH, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (PANEL_WIDTH * column, top))
    return sheet


def real(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Photographs before screens, which have no truth",
        ("photograph", "key colour found", "transfer", "screen's share", "noise"),
    )
    strips = []
    for path in photographs(options.data):
        try:
            result = trimatte.Remover(model=None)(path)
        except trimatte.ArgumentError as error:
            section.left_out.append(f"{path.name}: {error}")
            continue
        strips.append(list(panels(path, result)))
        found = trimatte.fit_screen(read_image(path))
        color = ", ".join(f"{channel:.0f}" for channel in found.key_color)
        section.rows.append((path.stem, color, found.transfer, f"{found.share:.0%}", found.noise))
    if not section.rows:
        section.left_out.append(f"photographs: none in {options.data}; --data can name its folder")
    elif options.sheet:
        contact_sheet(strips).save(options.sheet)
    return section


# ------------------------------------------------------------------------------------------ speed


def large_image(effort: Effort, tiles: int) -> Array:
    """The first drawn subject before green, repeated."""
    subject = next(screens.drawn_subjects(effort.height, effort.width))
    made = screens.before_screen(subject, "green", linear=True, noise=1.0, seed=0)
    return np.tile(made.image, (tiles, tiles, 1))


def cutouts(image: Array) -> dict[str, Callable[[], object]]:
    """Key, de-spill and RGBA in one pass, by method; what is learnt is learnt beforehand."""
    screen = trimatte.fit_screen(image)
    rules: dict[str, dict[str, Any]] = {
        "difference, ramp": {"softness": 40.0},
        "vlahos": {"method": "vlahos", "key_color": screen.key_color},
        "plate": {"method": "plate", "screen": screen},
    }
    return {
        f"key_cutout, {name}": partial(trimatte.key_cutout, image, **rule)
        for name, rule in rules.items()
    }


def ffmpeg_chains(image: Array, threads: int) -> dict[str, Callable[[], object]]:
    """FFmpeg's filters fed with what they take; despill takes RGB, into which the graph converts
    chromakey's planes."""
    green = "0x{:02x}{:02x}{:02x}".format(*screens.COLORS["green"])
    key = f"color={green}:similarity=0.1:blend=0.1"
    return {
        f"{name},despill": filter_graph(image, layout, {name: key, "despill": "green"}, threads)
        for name, layout in (("chromakey", "yuv444p"), ("colorkey", "rgba"))
    }


def filter_graph(
    image: Array, layout: str, filters: dict[str, str], threads: int
) -> Callable[[], object]:
    """A call that pushes a frame through and pulls it."""
    av = load("av")
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=layout)
    graph = load("av.filter").Graph()
    graph.threads = threads
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base="1/25"
    )
    steps = [graph.add(name, arguments) for name, arguments in filters.items()]
    graph.link_nodes(source, *steps, graph.add("buffersink")).configure()

    def through() -> object:
        graph.push(frame)
        return graph.pull()

    return through


def median(turns: list[list[float]]) -> float:
    return statistics.median(calls(turns))


def shortest(turns: list[list[float]]) -> float:
    return min(calls(turns))


def speed(effort: Effort, options: argparse.Namespace) -> Section:
    image = large_image(effort, effort.tiles[-1])
    height, width = image.shape[:2]
    section = Section(
        f"Key, de-spill and RGBA, {width} x {height} uint8, {options.threads} threads, beside "
        "FFmpeg's filters; what is learnt, by itself",
        (
            "what",
            "ms",
            "best ms",
            "GB/s",
            "of copy",
            *(f"x {peer}" for peer in PEER_SPEED),
            "others",
        ),
    )
    ours = cutouts(image)
    peers: dict[str, Callable[[], object]] = {}
    if importable("av"):
        peers = ffmpeg_chains(image, options.threads)
    else:
        section.left_out.append("FFmpeg: PyAV: not installed (pip install '.[video]')")
    both = {**peers, **ours}
    for call in both.values():
        call()
    copied = copy_bandwidth(options.threads)
    before = processor_seconds()
    turns = take_turns(list(both.values()), MOST_TURNS, effort.seconds)
    others = f"{others_share(before, processor_seconds()):.0%}"
    seconds = dict(zip(both, map(median, turns), strict=True))
    least = dict(zip(both, map(shortest, turns), strict=True))
    for name, its_seconds in seconds.items():
        bandwidth = CUTOUT_BYTES * height * width / its_seconds / 1e9 if name in ours else None
        times = [seconds[peer] / its_seconds if peer in peers else None for peer in PEER_SPEED]
        of_copy = None if bandwidth is None else bandwidth / copied
        section.rows.append(
            (name, 1e3 * its_seconds, 1e3 * least[name], bandwidth, of_copy, *times, others)
        )
    fused = seconds["key_cutout, difference, ramp"]
    section.bars += [
        Bar(f"fused soft key, times as fast as {peer}", seconds[peer] / fused, limit, True)
        for peer, limit in PEER_SPEED.items()
        if peer in peers
    ]
    share = CUTOUT_BYTES * height * width / fused / 1e9 / copied
    section.bars.append(Bar("fused soft key, of a copy's bandwidth", share, COPY_SHARE, True))
    section.rows += learning(effort)
    return section


def learning(effort: Effort) -> Iterator[tuple[Cell, ...]]:
    """Rows of what has no peer."""
    for tiles in effort.tiles:
        image = large_image(effort, tiles)
        sides: dict[str, Callable[[], object]] = {
            "fit_screen": partial(trimatte.fit_screen, image),
            "chroma_key, best": partial(
                trimatte.chroma_key, image, key_color="auto", quality="best"
            ),
        }
        for call in sides.values():
            call()
        before = processor_seconds()
        turns = take_turns(list(sides.values()), MOST_TURNS, effort.seconds)
        others = f"{others_share(before, processor_seconds()):.0%}"
        for name, its_turns in zip(sides, turns, strict=True):
            size = f"{image.shape[1]} x {image.shape[0]}"
            nothing = (None,) * (2 + len(PEER_SPEED))
            both = (1e3 * median(its_turns), 1e3 * shortest(its_turns))
            yield (f"{name}, {size}", *both, *nothing, others)


# -------------------------------------------------------------------------------------------- run


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="contact sheet of `real`")


SECTIONS: dict[str, Callable[[Effort, argparse.Namespace], Section]] = {
    "quality": quality,
    "real": real,
    "speed": speed,
}

PROGRAM = Program(
    title="Keying",
    about=__doc__ or "",
    sections=SECTIONS,
    full=FULL,
    quick=QUICK,
    smoke=SMOKE,
    quick_means="half of the scenes",
    data=alphamatting.DATA.parent / "greenscreen",
    data_means="folder of photographs before screens and of composites with their layers",
    add_options=add_options,
)


if __name__ == "__main__":
    sys.exit(PROGRAM.run())

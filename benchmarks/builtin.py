"""The claims about the built-in network, measured on this machine: masks, edges, time.

    python -m benchmarks.builtin                            everything, about 8 minutes
    python -m benchmarks.builtin --quick                    10 images of a group, about 1 minute
    python -m benchmarks.builtin --smoke                    an image of a group: does it run at all
    python -m benchmarks.builtin --model mine.onnx          another network, with a card beside it
    python -m benchmarks.builtin --only sheet --sheet FILE  a contact sheet of free photographs

Prints each section and whether its bars are met; exits with 1 where one is missed. Images that are
not there are named. README.md in this folder describes what is measured and how.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import accumulate, islice
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage, stats
from trimatte.engines.train.metrics import Scores, mean_scores, score

import trimatte
from benchmarks import alphamatting, screen_search
from benchmarks.measuring import (
    Array,
    calls,
    importable,
    load,
    others_share,
    processor_seconds,
    take_turns,
)
from benchmarks.reporting import Bar, Program, Section
from trimatte import engines
from trimatte.cli.advice import UNSURE
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image
from trimatte.ops.resizing import upsample_mask

MOST_TURNS = 30
NETWORK = (320, 320)
FOUND = 0.8  # the least IoU of a mask that has found its subject
LOST = 0.5  # below this it has found something else
BAD, GOOD = 0.6, 0.9  # IoU of masks that a warning is wanted for, and is not

GENERAL = ("weizmann", "icoseg-objects", "icoseg-people", "davis20", "pascal-s")
PEOPLE_AND_CATS = ("hsd", "cat", "ccp")
DRAWN = (*GENERAL, *PEOPLE_AND_CATS)
"""Groups whose truth is a mask of hard edges."""
TRUE_ALPHA = {"composites": "comp_*", "lemur": "lemur", "alphamatting.com": "am_*"}
"""Groups whose truth is alpha, and their folders."""

# The bars: of a set's mean IoU, and of the mean over the general ones; of the IoU that matting may
# cost a mask; of the sum of absolute differences and the boundary error, beside the mask's; of
# U²-NetP's time; of the key's alone; of the file's size.
LEAST_IOU = {"ccp": 0.95, "cat": 0.875}
LEAST_GENERAL_IOU = 0.77
MOST_LOST = 0.003
WORST_SAD = 1.03
EDGE_SHARE = 0.7
DRAWN_EDGE_SHARE = 1.0
TIME_SHARE = 0.5
KEYED_SHARE = 1.15
MOST_BYTES = 6_000_000

# What others' networks made of photographs without a truth: pairs of results to compare, and ours.
PUBLISHED = {
    "u2net": {"u2net": "u2net_results", "u2netp": "u2netp_results"},
    "u2net_human_seg": {"u2net_human_seg": "u2net_test_human_images_results"},
}

# Of scikit-image's own photographs those that anyone may pass on, by what its docstrings say.
FREE_PHOTOGRAPHS = {
    "astronaut": "NASA, public domain",
    "chelsea": "Stefan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
    "rocket": "SpaceX, public domain",
}
PANEL = (240, 180)
LINE = 14
BEHIND = "magenta"
SHEET_BYTES = 300_000


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    most: images of each group. seconds: for the comparison of times.
    """

    most: int | None = None
    seconds: float = 30.0
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(
    most=10, seconds=10.0, left_out=("all but 10 images of each group: left out by --quick",)
)
SMOKE = Effort(most=1, seconds=0.0, left_out=("bars: single images say nothing",), judge=False)


# ------------------------------------------------------------------------------------------ images


@dataclass(frozen=True)
class Picture:
    """A photograph, (H, W, 3) uint8, and what of it is foreground, (H, W) uint8."""

    group: str
    name: str
    image: Array
    truth: Array


def picture(group: str, image: Path, truth: Path) -> Picture:
    name = image.parent.name if image.stem == "image" else image.stem
    return Picture(group, name, read_image(image)[..., :3], read_mask(truth))


def files_of(data: Path, group: str) -> list[Path]:
    """Photographs whose truth is a mask."""
    if group in GENERAL:
        return sorted((data / "validation" / group).glob("*.jpg"))
    return sorted((data / "segmentation").glob(f"{group}_*.jpg"))


def pictures_of(data: Path, group: str) -> Iterator[Picture]:
    """Those of a group of `TRUE_ALPHA` or `DRAWN`."""
    if group == "composites":
        return composed(data)
    if group in TRUE_ALPHA:
        return matted(data, group, TRUE_ALPHA[group])
    return segmented(data, group)


def segmented(data: Path, group: str) -> Iterator[Picture]:
    """Those photographs with their masks: of hard edges, as exact as people draw them."""
    for path in files_of(data, group):
        yield picture(group, path, path.with_suffix(".png"))


def matted(data: Path, group: str, folders: str) -> Iterator[Picture]:
    for path in sorted((data / "matting").glob(f"{folders}/image.png")):
        yield picture(group, path, path.with_name("alpha.png"))


def composed(data: Path) -> Iterator[Picture]:
    """Images mixed of layers, so that their alpha is exact."""
    yield from matted(data, "composites", "comp_*")
    for path in sorted((data / "greenscreen").glob("synth_*.alpha.png")):
        yield picture("composites", path.with_name(path.name.replace(".alpha", "")), path)


def free_photographs(data: Path) -> Iterator[tuple[str, Array, Array | None]]:
    """Those that may be passed on: their licence, and alpha where it is known."""
    for licence, folders in (("Apache-2.0", "comp_*"), ("Mathias Appel, CC0", "lemur")):
        for each in matted(data, "", folders):
            yield f"{each.name} ({licence})", each.image, each.truth
    couple = data / "greenscreen" / "couple_skimage.png"
    if couple.is_file():
        yield "couple (scikit-image tutorials, CC0)", read_image(couple)[..., :3], None
    if importable("skimage"):
        for name, licence in FREE_PHOTOGRAPHS.items():
            yield f"{name} ({licence})", getattr(load("skimage.data"), name)(), None


def missing(what: str, data: Path) -> str:
    return f"{what}: none in {data}; --data can name its folder"


# ------------------------------------------------------------------------------------------- masks


@dataclass(frozen=True)
class Judged:
    """A picture's scores in a network's mask, and in the alpha that Remover makes of it.

    mask_offset, alpha_offset: see `offset`. unsure: `Result.unsure`. pixels: of the image.
    """

    group: str
    name: str
    mask: Scores
    alpha: Scores
    mask_offset: float
    alpha_offset: float
    unsure: float
    pixels: int

    @property
    def sad_share(self) -> float:
        """What matting leaves of the sum of absolute differences."""
        return self.alpha.error / self.mask.error


def judged(each: Picture, remover: trimatte.Remover) -> Judged:
    result = remover(each.image)
    assert result.mask is not None
    assert result.unsure is not None
    mask = as_unit(result.mask)
    return Judged(
        each.group,
        each.name,
        score(mask, each.truth),
        score(result.alpha, each.truth),
        offset(mask > 0.5, each.truth > 127),
        offset(result.alpha > 0.5, each.truth > 127),
        result.unsure,
        each.truth.size,
    )


class Findings:
    """What the networks make of the pictures, each found once for all sections.

    Args:
        data: the folder of the pictures.
        model: the network that is measured.
        peer: U²-NetP's weights; without the file, it is not measured.
        most: pictures of each group.
    """

    def __init__(self, data: Path, model: str, peer: Path, most: int | None) -> None:
        self._data, self._most = data, most
        self._removers = {"ours": trimatte.Remover(model=model)}
        if peer.is_file():
            self._removers["U²-NetP"] = trimatte.Remover(model=str(peer), card="u2netp")
        self._found: dict[tuple[str, str], list[Judged]] = {}

    @property
    def networks(self) -> list[str]:
        return list(self._removers)

    def pictures(self, group: str) -> list[Picture]:
        return list(islice(pictures_of(self._data, group), self._most))

    def of(self, network: str, group: str) -> list[Judged]:
        if (network, group) not in self._found:
            remover = self._removers[network]
            some = [judged(each, remover) for each in self.pictures(group)]
            self._found[network, group] = some
        return self._found[network, group]


def findings(effort: Effort, options: argparse.Namespace) -> Findings:
    return _findings(options.data, options.model, options.peer, effort.most)


@cache
def _findings(data: Path, model: str, peer: Path, most: int | None) -> Findings:
    return Findings(data, model, peer, most)


def masks(effort: Effort, options: argparse.Namespace) -> Section:
    """The networks' masks in the images' sizes, and what matting makes of them, beside drawn
    ones."""
    section = Section(
        "Mean IoU of masks in the image's size, and of the alpha that Remover makes of them",
        (
            *("group", "images", "IoU", "U²-NetP", "rembg, U²-NetP's weights"),
            *("matted", "U²-NetP, matted", f"IoU below {LOST}", "least IoU"),
        ),
    )
    made = findings(effort, options)
    if len(made.networks) == 1:
        section.left_out.append(f"U²-NetP: no weights in {options.peer}; --peer can name them")
    rembg = rembg_masks(options) if len(made.networks) > 1 else None
    if rembg is None:
        section.left_out.append("rembg: not installed, or without U²-NetP's weights")
    general = []
    for group in DRAWN:
        found = {name: made.of(name, group) for name in made.networks}
        count = len(found["ours"])
        if not count:
            section.left_out.append(missing(group, options.data))
            continue
        section.details += [
            {"network": name, **asdict(each)} for name, some in found.items() for each in some
        ]
        means = {
            name: tuple(
                mean_scores([getattr(each, plane) for each in some]).iou
                for plane in ("mask", "alpha")
            )
            for name, some in found.items()
        }
        theirs = None
        if rembg is not None:
            theirs = statistics.fmean(
                score(rembg(each), each.truth).iou for each in made.pictures(group)
            )
        overlaps = [each.mask.iou for each in found["ours"]]
        peer = means.get("U²-NetP", (None, None))
        section.rows.append(
            (
                *(group, count, means["ours"][0], peer[0], theirs, means["ours"][1]),
                *(peer[1], sum(bool(overlap < LOST) for overlap in overlaps), min(overlaps)),
            )
        )
        if group in LEAST_IOU:
            section.bars.append(Bar(f"mean IoU, {group}", means["ours"][0], LEAST_IOU[group], True))
        elif peer[0] is not None:
            section.bars.append(
                Bar(f"mean IoU of U²-NetP's, {group}", means["ours"][0] / peer[0], 1.0, True)
            )
        for name, (before, after) in means.items():
            section.bars.append(
                Bar(f"IoU lost by matting, {name}, {group}", before - after, MOST_LOST)
            )
        if group in GENERAL:
            general.append(means["ours"][0])
    if len(general) == len(GENERAL):
        mean = statistics.fmean(general)
        section.bars.append(Bar("mean IoU over the general groups", mean, LEAST_GENERAL_IOU, True))
    size = engines.fetch(engines.find_card(options.model)).stat().st_size
    section.bars.append(Bar("bytes of the file", size, MOST_BYTES))
    return section


def rembg_masks(options: argparse.Namespace) -> Callable[[Picture], Array] | None:
    """rembg's own mask by U²-NetP's weights; None where rembg is not installed."""
    if not importable("rembg"):
        return None
    rembg = load("rembg")
    peer = options.peer.resolve()
    with mock.patch.dict(os.environ, U2NET_HOME=str(peer.parent)):  # where it takes models from
        session = rembg.new_session("u2net_custom", model_path=str(peer))

    def mask_of(each: Picture) -> Array:
        found = rembg.remove(Image.fromarray(each.image), session=session, only_mask=True)
        return as_unit(np.asarray(found))

    return mask_of


def as_unit(mask: Array) -> Array:
    return np.asarray(mask / np.float32(255), np.float32)


# ------------------------------------------------------------------------------------------- peers


def peers(effort: Effort, options: argparse.Namespace) -> Section:
    """What is no claim, but a yardstick: by how much published networks agree with one another."""
    section = Section(
        "IoU with what published networks made of their authors' photographs, of which no truth is "
        "known",
        ("photographs", "images", "mask", "beside", "mean IoU", "median IoU"),
    )
    segmenter = trimatte.Segmenter(options.model)
    for name, folders in PUBLISHED.items():
        root = options.data / "references" / "u2net_repo" / name
        rows = list(islice(published(root, folders, segmenter), effort.most))
        if not rows:
            section.left_out.append(missing(name, root))
            continue
        reference, *others = folders
        for mask in (Path(options.model).stem, *others):
            overlaps = [
                score(as_unit(row.get(mask, row["ours"])), row[reference]).iou for row in rows
            ]
            section.rows.append(
                (
                    name,
                    len(rows),
                    mask,
                    reference,
                    statistics.fmean(overlaps),
                    statistics.median(overlaps),
                )
            )
    return section


def published(
    root: Path, folders: dict[str, str], segmenter: trimatte.Segmenter
) -> Iterator[dict[str, Array]]:
    """For each photograph the published results, by network, and "ours"."""
    for path in sorted((root / "images").glob("*")):
        results = {name: root / folder / f"{path.stem}.png" for name, folder in folders.items()}
        if all(file.is_file() for file in results.values()):
            theirs = {name: read_mask(file) for name, file in results.items()}
            yield {"ours": segmenter(read_image(path)[..., :3]), **theirs}


# ------------------------------------------------------------------------------------------- edges


def offset(found: Array, true: Array) -> float:
    """How far a mask's edge is from the true one: the median along the true one, in thousandths of
    the image's width; infinite where there is none."""
    edge, other = contour(true), contour(found)
    if not edge.any() or not other.any():
        return np.inf if edge.any() else 0.0
    away = ndimage.distance_transform_edt(~other)
    return float(1e3 * np.median(away[edge]) / true.shape[1])


def contour(half: Array) -> Array:
    """The pixels on the near side of an edge; the image's border is none."""
    return np.asarray(half & ~ndimage.binary_erosion(half, border_value=1))


def edge_share(some: list[Judged]) -> float:
    """What matting leaves of the boundary error."""
    before, after = (
        sum(getattr(each, plane).edge_error for each in some) for plane in ("mask", "alpha")
    )
    return after / before


def summary(group: str, images: str, some: list[Judged]) -> tuple[str | float, ...]:
    mask, alpha = (
        mean_scores([getattr(each, plane) for each in some]) for plane in ("mask", "alpha")
    )
    return (
        *(group, images, len(some), mask.edge_error, alpha.edge_error, edge_share(some)),
        statistics.median(each.mask_offset for each in some),
        statistics.median(each.alpha_offset for each in some),
        *(mask.error, alpha.error),
    )


def edges(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Boundary error of the mask and of the alpha that Remover makes of it; offsets in "
        "thousandths of the width, medians",
        (
            *("truth", "images", "n", "mask", "alpha", "alpha of mask"),
            *("offset, mask", "offset, alpha", "mean error, mask", "mean error, alpha"),
        ),
    )
    made = findings(effort, options)
    for network in made.networks:
        refined = {group: made.of(network, group) for group in (*TRUE_ALPHA, *DRAWN)}
        for group, some in refined.items():
            if not some:
                section.left_out += [missing(group, options.data)] * (network == "ours")
                continue
            section.rows.append(summary(f"{group}, {network}", "all", some))
            found = [each for each in some if each.mask.iou >= FOUND]
            if found:
                section.rows.append(summary(f"{group}, {network}", "found", found))
            if group not in TRUE_ALPHA:
                what = f"boundary error, of the mask's, {group}, {network}"
                section.bars.append(Bar(what, edge_share(some), DRAWN_EDGE_SHARE))
        if refined["composites"]:
            what = f"boundary error, of the mask's, composites, {network}"
            section.bars.append(Bar(what, edge_share(refined["composites"]), EDGE_SHARE))
        section.bars += sad_bars(network, [each for group in TRUE_ALPHA for each in refined[group]])
    return section


def sad_bars(network: str, some: list[Judged]) -> list[Bar]:
    """Sums of absolute differences from true alpha, beside the mask's: of all, and the worst."""
    if not some:
        return []
    before, after = (
        sum(getattr(each, plane).error * each.pixels for each in some)
        for plane in ("mask", "alpha")
    )
    worst = max(some, key=lambda each: each.sad_share)
    return [
        Bar(f"sum of absolute differences, of the mask's, {network}", after / before, 1.0),
        Bar(f"the same of the worst image, {worst.name}, {network}", worst.sad_share, WORST_SAD),
    ]


# ------------------------------------------------------------------------------------------ unsure


def unsure(effort: Effort, options: argparse.Namespace) -> Section:
    """Whether `Result.unsure` tells which masks are bad, from the limit of the command line on."""
    section = Section(
        f"Result.unsure, and how good the masks are; {UNSURE:g} is where the command line says so",
        (
            *("network", "group", "images", "rank correlation with IoU"),
            *(f"IoU below {BAD}", "of them told", f"IoU from {GOOD} on", "of them told, wrongly"),
        ),
    )
    made = findings(effort, options)
    for network in made.networks:
        by_group = {group: made.of(network, group) for group in DRAWN}
        everything = [each for some in by_group.values() for each in some]
        for group, some in (*by_group.items(), ("all", everything)):
            if some:
                section.rows.append((network, group, *told(some)))
    section.left_out += [
        missing(group, options.data) for group in DRAWN if not made.of("ours", group)
    ]
    return section


def told(some: list[Judged]) -> tuple[float | None, ...]:
    overlaps, shares = [each.mask.iou for each in some], [each.unsure for each in some]
    row: list[float | None] = [len(some)]
    row.append(float(stats.spearmanr(overlaps, shares)[0]) if len(set(shares)) > 1 else None)
    for is_one in (lambda overlap: overlap < BAD, lambda overlap: overlap >= GOOD):
        these = [each.unsure > UNSURE for each in some if is_one(each.mask.iou)]
        row += [len(these), sum(these) / len(these) if these else None]
    return tuple(row)


# -------------------------------------------------------------------------------------- mask alone


def mask_alone(effort: Effort, options: argparse.Namespace) -> Section:
    """Edges of a small mask carried along the image's, beside a plain Lanczos resize."""
    section = Section(
        "Masks without matting: sum of absolute differences from true alpha, in thousands, and "
        "error of gradient, means over the images",
        (
            *("masks", "images", "SAD, Lanczos", "SAD, along edges"),
            *("gradient, Lanczos", "gradient, along edges"),
        ),
    )
    pictures = [each for group in TRUE_ALPHA for each in findings(effort, options).pictures(group)]
    if not pictures:
        section.left_out.append(missing("images with alpha", options.data))
        return section
    kinds: dict[str, Callable[[Picture], Array]] = {
        f"of {Path(options.model).stem}": network_masks(options.model),
        "of true alpha": lambda each: small(each.truth),
        "of true alpha, blurred by 1.2 cells": lambda each: ndimage.gaussian_filter(
            small(each.truth), 1.2
        ),
    }
    if options.peer.is_file():
        kinds["of U²-NetP"] = network_masks(str(options.peer), card="u2netp")
    for kind, mask_of in kinds.items():
        errors = np.array([carried(each, mask_of(each)) for each in pictures])
        section.rows.append((kind, len(pictures), *errors.mean(axis=0).tolist()))
    return section


def network_masks(model: str, **options: str) -> Callable[[Picture], Array]:
    """A network's own prediction, not resized to the image."""
    segmenter = trimatte.Segmenter(model, **options)
    return lambda each: as_unit(segmenter(trimatte.resize(each.image, NETWORK)))


def small(truth: Array) -> Array:
    return np.asarray(trimatte.resize(as_unit(truth), NETWORK, filter="box"))


def carried(each: Picture, mask: Array) -> tuple[float, ...]:
    """Both errors of both ways to carry a mask to an image."""
    truth = as_unit(each.truth)
    ways = (
        trimatte.resize(mask, truth.shape).clip(0, 1),
        upsample_mask(each.image, mask),
    )
    sums = [float(np.abs(way - truth).sum() / 1e3) for way in ways]
    slope = alphamatting.gradient_magnitude(truth.astype(np.float64))
    gradients = [
        float(np.sum((alphamatting.gradient_magnitude(way.astype(np.float64)) - slope) ** 2) / 1e3)
        for way in ways
    ]
    return (*sums, *gradients)


# ------------------------------------------------------------------------------------------ routes


def routes(effort: Effort, options: argparse.Namespace) -> Section:
    """What the default keys, and what a keyed frame of a video costs beside the key alone."""
    section = Section(
        "Images that the default takes for screens; 1 is the limit",
        ("images", "n", "keyed", "nearest to the limit"),
    )
    data = options.data
    screens = screen_search.judged(islice(screens_of(data), effort.most))
    groups = DRAWN
    files = (path for group in groups for path in islice(files_of(data, group), effort.most))
    photographs = screen_search.judged(files)
    for name, some, nearest in (("screens", screens, 0), ("photographs", photographs, -1)):
        if not some:
            section.left_out.append(missing(name, data))
            continue
        keyed = sum(each.keyed for each in some)
        section.rows.append((name, len(some), keyed, some[nearest].margin))
        wrong = len(some) - keyed if name == "screens" else keyed
        section.bars.append(Bar(f"{name} that take the wrong route", wrong, 0))
    if screens:
        image = screen_search.enlarged(read_image(screens[-1].path)[..., :3])
        frames = screen_search.FRAMES if effort.judge else 2
        ratio = screen_search.frame_ratio(image, frames)
        section.bars.append(Bar("time of a keyed frame, of the key's alone", ratio, KEYED_SHARE))
    return section


def screens_of(data: Path) -> Iterator[Path]:
    for path in sorted((data / "greenscreen").glob("*.png")):
        if not path.stem.endswith((".alpha", ".foreground")):
            yield path


# -------------------------------------------------------------------------------------------- time


def speed(effort: Effort, options: argparse.Namespace) -> Section:
    """By ONNX Runtime, in turns; the time of U²-NetP does not depend on its weights."""
    section = Section(
        f"Time at {NETWORK[1]} x {NETWORK[0]}, ONNX Runtime, {options.threads} threads",
        ("network", "ms", "best ms", "of u2netp", "best of best", "others"),
    )
    tensor = np.random.default_rng(0).standard_normal((1, 3, *NETWORK), np.float32)
    own = engines.fetch(engines.find_card(options.model))
    with tempfile.TemporaryDirectory() as folder:
        peer = engines.export("u2netp", Path(folder) / "u2netp.onnx", seed=0)
        sessions = [
            engines.open_session(path, runtime="onnxruntime", device="cpu", threads=options.threads)
            for path in (peer, own)
        ]
    for session in sessions:
        session.run(tensor)
    before = processor_seconds()
    turns = take_turns(
        [lambda session=session: session.run(tensor) for session in sessions],
        MOST_TURNS,
        effort.seconds,
    )
    others = f"{others_share(before, processor_seconds()):.0%}"
    medians = [statistics.median(calls(its_turns)) for its_turns in turns]
    least = [min(calls(its_turns)) for its_turns in turns]
    for name, middle, best in zip(
        ("u2netp", Path(options.model).stem), medians, least, strict=True
    ):
        section.rows.append(
            (name, 1e3 * middle, 1e3 * best, middle / medians[0], best / least[0], others)
        )
    section.bars.append(Bar("time, of U²-NetP's", medians[1] / medians[0], TIME_SHARE))
    return section


# ------------------------------------------------------------------------------------------- sheet


def fitted(panel: Image.Image) -> Image.Image:
    """Scaled to fit into PANEL."""
    scale = min(PANEL[0] / panel.width, PANEL[1] / panel.height)
    size = max(1, round(scale * panel.width)), max(1, round(scale * panel.height))
    return panel.resize(size, Image.Resampling.LANCZOS)


def strip(caption: str, image: Array, result: trimatte.Result) -> Image.Image:
    """Photograph, the network's mask and the cutout over a colour, under a caption."""
    assert result.mask is not None
    panels = [
        fitted(Image.fromarray(panel).convert("RGB"))
        for panel in (image, result.mask, result.composite(BEHIND))
    ]
    row = Image.new("RGB", (len(panels) * PANEL[0], LINE + panels[0].height), "white")
    ImageDraw.Draw(row).text((2, 1), caption, fill="black")
    for column, panel in enumerate(panels):
        row.paste(panel, (column * PANEL[0], LINE))
    return row


def stacked(strips: list[Image.Image]) -> Image.Image:
    tops = list(accumulate((each.height for each in strips), initial=0))
    whole = Image.new("RGB", (strips[0].width, tops[-1]), "white")
    for each, top in zip(strips, tops, strict=False):
        whole.paste(each, (0, top))
    return whole


def small_jpeg(image: Image.Image, most: int = SHEET_BYTES) -> bytes:
    """Of the best quality that stays within so many bytes."""
    for quality in range(90, 10, -5):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= most:
            break
    return file.getvalue()


def sheet(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "Photographs that may be passed on",
        ("photograph", "IoU", "boundary error, mask", "boundary error, alpha"),
    )
    remover = trimatte.Remover(model=options.model)
    strips = []
    for name, image, truth in islice(free_photographs(options.data), effort.most):
        result = remover(image)
        figures: tuple[float | None, ...] = (None, None, None)
        caption = name
        if truth is not None:
            assert result.mask is not None
            before: Scores = score(as_unit(result.mask), truth)
            figures = (before.iou, before.edge_error, score(result.alpha, truth).edge_error)
            caption += f": IoU {before.iou:.2f}"
        section.rows.append((name, *figures))
        strips.append(strip(caption, image, result))
    if not strips:
        section.left_out.append(missing("photographs", options.data))
    elif options.sheet:
        options.sheet.write_bytes(small_jpeg(stacked(strips)))
    return section


# --------------------------------------------------------------------------------------------- run


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default="u2net-lite",
        help="a model's name, or an ONNX file with a card beside it",
    )
    parser.add_argument(
        "--peer",
        type=Path,
        default=alphamatting.DATA.parent.parent / "models" / "u2netp.onnx",
        help="published weights of U²-NetP, an ONNX file",
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="contact sheet, a JPEG file")


SECTIONS: dict[str, Callable[[Effort, argparse.Namespace], Section]] = {
    "masks": masks,
    "peers": peers,
    "edges": edges,
    "unsure": unsure,
    "mask-alone": mask_alone,
    "routes": routes,
    "speed": speed,
    "sheet": sheet,
}

PROGRAM = Program(
    title="Built-in network",
    about=__doc__ or "",
    sections=SECTIONS,
    full=FULL,
    quick=QUICK,
    smoke=SMOKE,
    quick_means="10 images of each group",
    data=alphamatting.DATA.parent,
    data_means="folder of MANIFEST.md",
    add_options=add_options,
)


if __name__ == "__main__":
    for category in (trimatte.CutoutWarning, trimatte.TrimapWarning):
        warnings.simplefilter("ignore", category)  # a mask of nothing, or of no edge, is judged too
    sys.exit(PROGRAM.run())

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
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
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
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image

MOST_TURNS = 30
NETWORK = (320, 320)
FOUND = 0.8  # the least IoU of a mask that has found its subject
LOST = 0.5  # below this it has found something else

GENERAL = ("weizmann", "icoseg-objects", "icoseg-people", "davis20", "pascal-s")
PEOPLE_AND_CATS = ("hsd", "cat", "ccp")

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
    """A picture's scores in a network's mask, and its IoU in the alpha that Remover makes of it."""

    group: str
    name: str
    mask: Scores
    matted: float


def judged(each: Picture, remover: trimatte.Remover) -> Judged:
    result = remover(each.image)
    assert result.mask is not None
    matted = score(result.alpha, each.truth).iou
    return Judged(each.group, each.name, score(as_unit(result.mask), each.truth), matted)


def networks(options: argparse.Namespace) -> dict[str, trimatte.Remover]:
    """The network that is measured, and U²-NetP where its weights are at hand."""
    removers = {"ours": trimatte.Remover(model=options.model)}
    if options.peer.is_file():
        removers["U²-NetP"] = trimatte.Remover(model=str(options.peer), card="u2netp")
    return removers


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
    removers = networks(options)
    if len(removers) == 1:
        section.left_out.append(f"U²-NetP: no weights in {options.peer}; --peer can name them")
    rembg = rembg_masks(options) if len(removers) > 1 else None
    if rembg is None:
        section.left_out.append("rembg: not installed, or without U²-NetP's weights")
    general = []
    for group in (*GENERAL, *PEOPLE_AND_CATS):
        pictures = list(islice(segmented(options.data, group), effort.most))
        if not pictures:
            section.left_out.append(missing(group, options.data))
            continue
        found = {
            name: [judged(each, remover) for each in pictures] for name, remover in removers.items()
        }
        for name, some in found.items():
            section.details += [
                {"network": name, "group": group, "name": each.name, "matted": each.matted}
                | each.mask._asdict()
                for each in some
            ]
        means = {
            name: (mean_scores([each.mask for each in some]).iou, fmean_of_matted(some))
            for name, some in found.items()
        }
        theirs = None
        if rembg is not None:
            theirs = statistics.fmean(score(rembg(each), each.truth).iou for each in pictures)
        overlaps = [each.mask.iou for each in found["ours"]]
        peer = means.get("U²-NetP", (None, None))
        section.rows.append(
            (
                *(group, len(pictures), means["ours"][0], peer[0], theirs, means["ours"][1]),
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


def fmean_of_matted(some: list[Judged]) -> float:
    return statistics.fmean(each.matted for each in some)


def rembg_masks(options: argparse.Namespace) -> Callable[[Picture], Array] | None:
    """rembg's own mask by U²-NetP's weights; None where rembg is not installed."""
    if not importable("rembg"):
        return None
    rembg = load("rembg")
    session = rembg.new_session("u2net_custom", model_path=str(options.peer.resolve()))

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


@dataclass(frozen=True)
class Edges:
    """How well an alpha knows a true edge.

    error: mean difference within 1 % of the width (at least 2 pixels) of it, on either side.
    offset: the distance from it to where alpha passes one half, the median along it, in thousandths
    of the image's width; infinite where alpha passes it nowhere.
    """

    error: float
    offset: float


def edges_of(alpha: Array, truth: Array) -> Edges:
    return Edges(score(alpha, truth).edge_error, offset(alpha > 0.5, truth > 127))


def offset(found: Array, true: Array) -> float:
    edge, other = contour(true), contour(found)
    if not edge.any() or not other.any():
        return np.inf if edge.any() else 0.0
    away = ndimage.distance_transform_edt(~other)
    return float(1e3 * np.median(away[edge]) / true.shape[1])


def contour(half: Array) -> Array:
    """The pixels on the near side of an edge; the image's border is none."""
    return np.asarray(half & ~ndimage.binary_erosion(half, border_value=1))


@dataclass(frozen=True)
class Refinement:
    """A picture's edges in the network's mask and in the alpha made of it. iou: of the mask."""

    group: str
    name: str
    iou: float
    before: Edges
    after: Edges
    mean_error_before: float
    mean_error_after: float
    sad_before: float
    sad_after: float


def refinement(each: Picture, remover: trimatte.Remover) -> Refinement:
    result = remover(each.image)
    assert result.mask is not None
    mask = as_unit(result.mask)
    before, after = score(mask, each.truth), score(result.alpha, each.truth)
    return Refinement(
        each.group,
        each.name,
        before.iou,
        edges_of(mask, each.truth),
        edges_of(result.alpha, each.truth),
        before.error,
        after.error,
        before.error * each.truth.size / 1e3,
        after.error * each.truth.size / 1e3,
    )


def edge_share(some: list[Refinement]) -> float:
    """What refinement leaves of the boundary error."""
    return sum(each.after.error for each in some) / sum(each.before.error for each in some)


def summary(group: str, images: str, some: list[Refinement]) -> tuple[str | float, ...]:
    def of(value: Callable[[Refinement], float]) -> float:
        return statistics.fmean(map(value, some))

    return (
        group,
        images,
        len(some),
        of(lambda each: each.before.error),
        of(lambda each: each.after.error),
        edge_share(some),
        statistics.median(each.before.offset for each in some),
        statistics.median(each.after.offset for each in some),
        of(lambda each: each.mean_error_before),
        of(lambda each: each.mean_error_after),
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
    data = options.data
    true = {
        "composites": composed(data),
        "lemur": matted(data, "lemur", "lemur"),
        "alphamatting.com": matted(data, "alphamatting.com", "am_*"),
    }
    drawn = {group: segmented(data, group) for group in (*GENERAL, *PEOPLE_AND_CATS)}
    everything = {
        group: list(islice(pictures, effort.most)) for group, pictures in (true | drawn).items()
    }
    section.left_out += [missing(group, data) for group, some in everything.items() if not some]
    for network, remover in networks(options).items():
        refined = {
            group: [refinement(each, remover) for each in pictures]
            for group, pictures in everything.items()
            if pictures
        }
        for group, some in refined.items():
            section.details += [{"network": network, **asdict(each)} for each in some]
            section.rows.append(summary(f"{group}, {network}", "all", some))
            found = [each for each in some if each.iou >= FOUND]
            if found:
                section.rows.append(summary(f"{group}, {network}", "found", found))
            if group in drawn:
                what = f"boundary error, of the mask's, {group}, {network}"
                section.bars.append(Bar(what, edge_share(some), DRAWN_EDGE_SHARE))
        if "composites" in refined:
            what = f"boundary error, of the mask's, composites, {network}"
            section.bars.append(Bar(what, edge_share(refined["composites"]), EDGE_SHARE))
        section.bars += sad_bars(
            network, [each for group in true for each in refined.get(group, [])]
        )
    return section


def sad_bars(network: str, some: list[Refinement]) -> list[Bar]:
    """Sums of absolute differences from true alpha, beside the mask's: of all, and the worst."""
    if not some:
        return []
    whole = sum(each.sad_after for each in some) / sum(each.sad_before for each in some)
    worst = max(some, key=lambda each: each.sad_after / each.sad_before)
    return [
        Bar(f"sum of absolute differences, of the mask's, {network}", whole, 1.0),
        Bar(
            f"the same of the worst image, {worst.name}, {network}",
            worst.sad_after / worst.sad_before,
            WORST_SAD,
        ),
    ]


# ------------------------------------------------------------------------------------------ routes


def routes(effort: Effort, options: argparse.Namespace) -> Section:
    """What the default keys, and what a keyed frame of a video costs beside the key alone."""
    section = Section(
        "Images that the default takes for screens; 1 is the limit",
        ("images", "n", "keyed", "nearest to the limit"),
    )
    data = options.data
    screens = screen_search.judged(islice(screens_of(data), effort.most))
    groups = (*GENERAL, *PEOPLE_AND_CATS)
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
    for told in (trimatte.CutoutWarning, trimatte.TrimapWarning):
        warnings.simplefilter("ignore", told)  # a mask of nothing, or of no edge, is judged too
    sys.exit(PROGRAM.run())

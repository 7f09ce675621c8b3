"""trimatte beside what one would use instead, on this machine.

    python -m benchmarks.peers                          every comparison
    python -m benchmarks.peers --only key,trimap        some
    python -m benchmarks.peers --json FILE --markdown FILE

Both sides get the same inputs. Their results are compared first, and only then timed: a
comparison whose results disagree is reported and not timed, and the command exits with 1.
Nothing is installed: a peer that cannot be imported is reported and left out. README.md in this
folder describes what is measured and how.
"""

# The peers' modules are untyped, and so is what they return.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import trimatte
from benchmarks import scenes
from benchmarks.measuring import (
    FEWEST_TURNS,
    NOT_INSTALLED,
    Machine,
    calls,
    copy_bandwidth,
    describe_machine,
    importable,
    load,
    others_share,
    processor_seconds,
    table,
    take_turns,
    use_threads,
)

Array = npt.NDArray[Any]

HEIGHT_4K, WIDTH_4K = 2160, 3840
HEIGHT_12MP, WIDTH_12MP = 3000, 4000
TOLERANCE = 30
SPECKLE = 2e-4  # of the noisy mask's pixels: 6 % of the image lies within 10 px of one
DISAGREE = "NOT TIMED, results disagree"


class DisagreementError(Exception):
    """The two sides do not compute the same thing."""


@dataclass(frozen=True)
class Duel:
    """Both sides on their inputs, ready to be called.

    agree: compares the results, returns what it found, raises DisagreementError.
    moved: bytes that the operation has to read and to write, each pixel once.
    """

    theirs: Callable[[], object]
    ours: Callable[[], object]
    agree: Callable[[], str]
    moved: int


@dataclass(frozen=True)
class Comparison:
    """A line of the table. `bar` is the ratio asked of us, None where none is."""

    topic: str
    operation: str
    size: str
    peer: str
    needs: tuple[str, ...]
    bar: float | None
    prepare: Callable[[], Duel]


@dataclass(frozen=True)
class Row:
    """What a comparison gave: medians, and the fastest call of each side.

    copy_gb_per_s: of this machine right before; on a shared one it changes by the minute.
    others: the share of the machine's processor time that other processes took meanwhile.
    """

    topic: str
    operation: str
    size: str
    peer: str
    bar: float | None
    agreement: str
    peer_ms: float
    ours_ms: float
    ratio: float
    ratio_of_best: float
    peer_best_ms: float
    ours_best_ms: float
    ours_first_of_turn_ms: float
    ours_gb_per_s: float
    copy_gb_per_s: float
    others: float
    calls: tuple[int, int]


COMPARISONS: list[Comparison] = []


def comparison(
    topic: str, operation: str, size: str, peer: str, *needs: str, bar: float | None = None
) -> Callable[[Callable[[], Duel]], Callable[[], Duel]]:
    """Enter the function, which builds the duel, as a line of the table."""

    def enter(prepare: Callable[[], Duel]) -> Callable[[], Duel]:
        COMPARISONS.append(Comparison(topic, operation, size, peer, needs, bar, prepare))
        return prepare

    return enter


# ----------------------------------------------------------------------------------- agreement


def equal(ours: Array, theirs: Array) -> str:
    wrong = int(np.count_nonzero(ours != theirs))
    if wrong:
        raise DisagreementError(f"{wrong} of {ours.size} values differ")
    return "equal"


def within_one(ours: Array, theirs: Array) -> str:
    largest = int(np.abs(ours.astype(np.int16) - theirs.astype(np.int16)).max())
    if largest > 1:
        raise DisagreementError(f"largest difference {largest} levels")
    return f"largest difference {largest} of 255"


def no_worse(name: str, ours: float, theirs: float, *, allowance: float) -> str:
    """Compare errors against the truth: ours may be `allowance` times the peer's."""
    finding = f"{name}: ours {ours:.4g}, theirs {theirs:.4g}"
    if ours > allowance * theirs:
        raise DisagreementError(finding)
    return finding


# ------------------------------------------------------------------------------------------ key


@cache
def green_screen() -> Array:
    return scenes.green_screen(HEIGHT_4K, WIDTH_4K, seed=1)


def numpy_key(image: Array) -> Array:
    """The expression one writes in NumPy; int16, because uint8 sums wrap around.

    Widened channel by channel: half the time of widening the interleaved image.
    """
    red, green, blue = (image[..., channel].astype(np.int16) for channel in range(3))
    keyed = (green > red + TOLERANCE) & (green > blue + TOLERANCE)
    return np.where(keyed, np.uint8(0), np.uint8(255))


def opencv_key(image: Array) -> Array:
    """The fastest correct OpenCV recipe found: planes, and subtraction that saturates at 0."""
    cv2 = load("cv2")
    red, green, blue = cv2.split(image)
    difference = cv2.subtract(green, cv2.max(red, blue))
    return cv2.threshold(difference, TOLERANCE, 255, cv2.THRESH_BINARY_INV)[1]


def key_against(recipe: Callable[[Array], Array]) -> Duel:
    image = green_screen()

    def ours() -> Array:
        return trimatte.chroma_key(image, tolerance=TOLERANCE)

    return Duel(
        theirs=lambda: recipe(image),
        ours=ours,
        agree=lambda: equal(ours(), recipe(image)),
        moved=image.nbytes + image.nbytes // 3,
    )


@comparison("key", "hard key", "4K uint8", "NumPy int16 expression", bar=25)
def key_numpy() -> Duel:
    return key_against(numpy_key)


@comparison("key", "hard key", "4K uint8", "OpenCV split, max, threshold", "cv2", bar=5)
def key_opencv() -> Duel:
    return key_against(opencv_key)


# --------------------------------------------------------------------------------------- trimap


@cache
def mask_12mp(speckle: float) -> Array:
    return scenes.blob_mask(HEIGHT_12MP, WIDTH_12MP, seed=2, speckle=speckle)


def opencv_trimap(mask: Array, kernel: Array) -> Array:
    """Erode the sure foreground, dilate the not-background, as OpenCV's users write it."""
    cv2 = load("cv2")
    foreground = cv2.threshold(mask, 240, 255, cv2.THRESH_BINARY)[1]
    not_background = cv2.threshold(mask, 9, 255, cv2.THRESH_BINARY)[1]
    inner = cv2.erode(foreground, kernel)
    outer = cv2.dilate(not_background, kernel)
    return cv2.max(inner, cv2.min(outer, 128))


def opencv_distance_trimap(mask: Array, radius: float) -> Array:
    """The exact disk by OpenCV's exact distance transform: its time knows no radius."""
    cv2 = load("cv2")

    def sure(inside: Array) -> Array:
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return cv2.compare(distance, radius, cv2.CMP_GT)

    foreground = sure(cv2.threshold(mask, 240, 255, cv2.THRESH_BINARY)[1])
    background = sure(cv2.threshold(mask, 9, 255, cv2.THRESH_BINARY_INV)[1])
    return cv2.max(foreground, cv2.min(cv2.bitwise_not(background), 128))


def rembg_trimap(mask: Array, size: int) -> Array:
    """What rembg does before matting: rembg/bg.py, alpha_matting_cutout, its defaults."""
    binary_erosion = load("scipy.ndimage").binary_erosion
    structure = np.ones((size, size), dtype=np.uint8)
    is_foreground = binary_erosion(mask > 240, structure=structure)
    is_background = binary_erosion(mask < 10, structure=structure, border_value=1)
    trimap = np.full(mask.shape, dtype=np.uint8, fill_value=128)
    trimap[is_foreground] = 255
    trimap[is_background] = 0
    return trimap


def ellipse(radius: int) -> Array:
    cv2 = load("cv2")
    size = 2 * radius + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def exact_disk(radius: int) -> Array:
    """What OpenCV's ellipse only comes near to: every offset of length <= radius."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)


def trimap_against_ellipse(radius: int, speckle: float) -> Duel:
    mask = mask_12mp(speckle)
    part = np.ascontiguousarray(mask[: HEIGHT_12MP // 3, : WIDTH_12MP // 3])
    kernel = ellipse(radius)

    def ours() -> Array:
        return trimatte.make_trimap(mask, radius)

    def agree() -> str:
        exact = equal(trimatte.make_trimap(part, radius), opencv_trimap(part, exact_disk(radius)))
        apart = np.mean(ours() != opencv_trimap(mask, kernel))
        return f"{exact} with the exact disk as kernel; the ellipse itself differs on {apart:.2%}"

    return Duel(lambda: opencv_trimap(mask, kernel), ours, agree, 2 * mask.nbytes)


def enter_ellipse(radius: int, kind: str, speckle: float, bar: float | None) -> None:
    @comparison(
        "trimap", f"trimap r={radius}, {kind} mask", "12 MP uint8", "OpenCV ellipse", "cv2", bar=bar
    )
    def prepare() -> Duel:
        return trimap_against_ellipse(radius, speckle)


for each_radius, each_bar in ((10, 15), (25, None), (50, 100)):
    enter_ellipse(each_radius, "smooth", 0.0, each_bar)
    enter_ellipse(each_radius, "noisy", SPECKLE, each_bar)


@comparison("trimap", "trimap r=10, smooth mask", "12 MP uint8", "OpenCV erode, dilate only", "cv2")
def trimap_morphology_only() -> Duel:
    """The ellipse again without the thresholds before and the merge after: the strictest count."""
    cv2 = load("cv2")
    duel = trimap_against_ellipse(10, 0.0)
    kernel = ellipse(10)
    foreground = cv2.threshold(mask_12mp(0.0), 240, 255, cv2.THRESH_BINARY)[1]
    not_background = cv2.threshold(mask_12mp(0.0), 9, 255, cv2.THRESH_BINARY)[1]

    def theirs() -> tuple[Array, Array]:
        return cv2.erode(foreground, kernel), cv2.dilate(not_background, kernel)

    return Duel(theirs, duel.ours, duel.agree, duel.moved)


@comparison("trimap", "trimap r=50, smooth mask", "12 MP uint8", "OpenCV exact distance", "cv2")
def trimap_distance() -> Duel:
    mask = mask_12mp(0.0)

    def theirs() -> Array:
        return opencv_distance_trimap(mask, 50)

    def ours() -> Array:
        return trimatte.make_trimap(mask, 50)

    return Duel(theirs, ours, lambda: equal(ours(), theirs()), 2 * mask.nbytes)


@comparison("trimap", "trimap, rembg's 10 x 10", "12 MP uint8", "rembg's SciPy", "scipy", bar=200)
def trimap_rembg() -> Duel:
    mask = mask_12mp(0.0)

    def theirs() -> Array:
        return rembg_trimap(mask, 10)

    def ours() -> Array:
        return trimatte.make_trimap(mask, 10, shape="rembg")

    return Duel(theirs, ours, lambda: equal(ours(), theirs()), 2 * mask.nbytes)


# -------------------------------------------------------------------------- de-spill, composite


@comparison("despill", "de-spill, average", "4K uint8", "OpenCV split, min, merge", "cv2", bar=3)
def despill_opencv() -> Duel:
    """Limit green to the mean of red and blue, plane by plane."""
    cv2 = load("cv2")
    image = green_screen()

    def theirs() -> Array:
        red, green, blue = cv2.split(image)
        limit = cv2.addWeighted(red, 0.5, blue, 0.5, 0)
        return cv2.merge((red, cv2.min(green, limit), blue))

    def ours() -> Array:
        return trimatte.despill(image, method="average")

    return Duel(theirs, ours, lambda: within_one(ours(), theirs()), 2 * image.nbytes)


@comparison("composite", "composite over image", "4K uint8", "Pillow alpha_composite", bar=8)
def composite_pillow() -> Duel:
    """Pillow starts from RGBA images made beforehand; ours from foreground, alpha, background."""
    foreground = green_screen()
    background = np.ascontiguousarray(foreground[::-1])
    alpha = scenes.blob_mask(HEIGHT_4K, WIDTH_4K, seed=3)
    over = Image.fromarray(np.dstack((foreground, alpha)))
    under = Image.fromarray(background).convert("RGBA")

    def ours() -> Array:
        return trimatte.composite(foreground, alpha, background)

    def agree() -> str:
        return within_one(ours(), np.asarray(Image.alpha_composite(under, over))[..., :3])

    moved = 3 * foreground.nbytes + alpha.nbytes
    return Duel(lambda: Image.alpha_composite(under, over), ours, agree, moved)


# --------------------------------------------------------------------------- alpha, foreground


@cache
def hair_1mp() -> scenes.Scene:
    return scenes.hair_scene(1000, 1000, seed=7, unknown=0.15)


@cache
def hair_2mp() -> scenes.Scene:
    return scenes.hair_scene(1152, 1728, seed=8, unknown=0.15)


def alpha_against_pymatting(quality: str, allowance: float) -> Duel:
    """estimate_alpha_cf with its defaults, on float64 inputs made beforehand."""
    pymatting = load("pymatting")
    scene = hair_1mp()
    image, trimap = scene.image / 255, scene.trimap / 255
    unknown = scene.trimap == 128

    def theirs() -> Array:
        return np.asarray(pymatting.estimate_alpha_cf(image, trimap))

    def ours() -> Array:
        return trimatte.estimate_alpha(scene.image, scene.trimap, quality=quality)

    def agree() -> str:
        mine, other = ours(), theirs()
        sad = (scene.alpha_error(mine), scene.alpha_error(other))
        finding = no_worse("SAD / 1000 to the truth", *sad, allowance=allowance)
        apart = np.abs(mine - other)[unknown].mean()
        return f"{finding}; {unknown.mean():.1%} unknown, there {apart:.4f} apart on average"

    moved = scene.image.nbytes + scene.trimap.nbytes + scene.alpha.nbytes
    return Duel(theirs, ours, agree, moved)


def enter_alpha(quality: str, bar: float | None, allowance: float) -> None:
    @comparison(
        "alpha", f"alpha, {quality}", "1 MP, 15 % unknown", "PyMatting cf", "pymatting", bar=bar
    )
    def prepare() -> Duel:
        return alpha_against_pymatting(quality, allowance)


for each_quality, each_bar, each_allowance in (
    ("fast", None, 1.5),
    ("balanced", 10, 1.1),
    ("exact", None, 1.02),
):
    enter_alpha(each_quality, each_bar, each_allowance)


@comparison("foreground", "foreground colours", "2 MP uint8", "PyMatting ml", "pymatting")
def foreground_pymatting() -> Duel:
    """estimate_foreground_ml with its defaults, on float32 inputs, the type it works in."""
    pymatting = load("pymatting")
    scene = hair_2mp()
    image = scene.image / np.float32(255)

    def theirs() -> Array:
        return np.asarray(pymatting.estimate_foreground_ml(image, scene.alpha))

    def ours() -> Array:
        return trimatte.estimate_foreground(scene.image, scene.alpha)

    def agree() -> str:
        errors = [scene.foreground_error(each) for each in (ours() / 255, theirs())]
        return no_worse("mean alpha |F - truth| where soft", *errors, allowance=1.1)

    moved = 2 * scene.image.nbytes + scene.alpha.nbytes
    return Duel(theirs, ours, agree, moved)


# --------------------------------------------------------------------------------- measurement


def measure(what: Comparison, turns: int, budget: float, threads: int) -> Row:
    duel = what.prepare()
    agreement = duel.agree()
    bandwidth = copy_bandwidth(threads)
    before = processor_seconds()
    duel.theirs(), duel.ours()
    their_turns, our_turns = take_turns((duel.theirs, duel.ours), turns, budget)
    others = others_share(before, processor_seconds())
    theirs, ours = calls(their_turns), calls(our_turns)
    peer_median, our_median = statistics.median(theirs), statistics.median(ours)
    return Row(
        topic=what.topic,
        operation=what.operation,
        size=what.size,
        peer=what.peer,
        bar=what.bar,
        agreement=agreement,
        peer_ms=1e3 * peer_median,
        ours_ms=1e3 * our_median,
        ratio=peer_median / our_median,
        ratio_of_best=min(theirs) / min(ours),
        peer_best_ms=1e3 * min(theirs),
        ours_best_ms=1e3 * min(ours),
        ours_first_of_turn_ms=1e3 * statistics.median(each[0] for each in our_turns),
        ours_gb_per_s=duel.moved / our_median / 1e9,
        copy_gb_per_s=bandwidth,
        others=others,
        calls=(len(theirs), len(ours)),
    )


def missing(what: Comparison) -> list[str]:
    return [name for name in what.needs if not importable(name)]


# --------------------------------------------------------------------------------------- report


HEADER = (
    *("operation", "size", "peer", "peer ms", "ours ms", "ratio", "of best", "bar"),
    *("GB/s", "of copy", "others"),
)


def cells(row: Row) -> tuple[str, ...]:
    return (
        row.operation,
        row.size,
        row.peer,
        f"{row.peer_ms:.2f}",
        f"{row.ours_ms:.2f}",
        f"{row.ratio:.1f}x",
        f"{row.ratio_of_best:.1f}x",
        verdict(row),
        f"{row.ours_gb_per_s:.1f}",
        f"{row.ours_gb_per_s / row.copy_gb_per_s:.0%} of {row.copy_gb_per_s:.0f}",
        f"{row.others:.0%}",
    )


def verdict(row: Row) -> str:
    if row.bar is None:
        return "-"
    return f"{row.bar:g}x {'met' if row.ratio >= row.bar else 'MISSED'}"


def result_table(rows: list[Row]) -> str:
    return table([HEADER, *(cells(row) for row in rows)])


def write_markdown(path: Path, machine: Machine, rows: list[Row], left_out: list[str]) -> None:
    agreements = "\n".join(f"- {row.operation} / {row.peer}: {row.agreement}" for row in rows)
    omissions = "".join(f"\n- {line}" for line in left_out)
    path.write_text(
        "# trimatte beside its peers\n\n"
        + str(machine).replace("\n", "  \n")
        + f"\n\n{result_table(rows)}\n\nAgreement, checked before timing:\n\n"
        + f"{agreements}\n"
        + (f"\nLeft out:\n{omissions}\n" if left_out else "")
    )


def write_json(path: Path, machine: Machine, rows: list[Row], left_out: list[str]) -> None:
    content = {
        "machine": asdict(machine),
        "rows": [asdict(row) for row in rows],
        "left_out": left_out,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


# ------------------------------------------------------------------------------------------ run


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    topics = list(dict.fromkeys(each.topic for each in COMPARISONS))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", metavar="TOPICS", help=f"comma-separated, of {', '.join(topics)}")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--repeat", type=int, default=15, metavar="N", help="turns of each side")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of each side")
    parser.add_argument("--quick", action="store_true", help=f"{FEWEST_TURNS} turns of each side")
    options = parser.parse_args(arguments)
    options.topics = options.only.split(",") if options.only else topics
    unknown = sorted(set(options.topics) - set(topics))
    if unknown:
        parser.error(f"--only: no such topic: {', '.join(unknown)}; there are {', '.join(topics)}")
    return options


def compare(what: Comparison, turns: int, budget: float, threads: int) -> Row | str:
    """The comparison's line, or why there is none."""
    name = f"{what.operation} / {what.peer}"
    if missing(what):
        return f"{name}: {', '.join(missing(what))} {NOT_INSTALLED}"
    try:
        row = measure(what, turns, budget, threads)
    except DisagreementError as disagreement:
        return f"{name}: {DISAGREE}: {disagreement}"
    print(f"{name}: {row.ratio:.1f}x; {row.agreement}", file=sys.stderr, flush=True)
    return row


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    turns = FEWEST_TURNS if options.quick else max(FEWEST_TURNS, options.repeat)
    budget = 2.0 if options.quick else 12.0
    use_threads(options.threads)
    machine = describe_machine(options.threads)
    print(machine, flush=True)
    chosen = [each for each in COMPARISONS if each.topic in options.topics]
    results = [compare(each, turns, budget, options.threads) for each in chosen]
    rows = [each for each in results if isinstance(each, Row)]
    left_out = [each for each in results if isinstance(each, str)]
    print(f"\n{result_table(rows)}", *left_out, sep="\n")
    if options.markdown:
        write_markdown(options.markdown, machine, rows, left_out)
    if options.json:
        write_json(options.json, machine, rows, left_out)
    return int(any(DISAGREE in line for line in left_out))


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error", trimatte.TrimapWarning)
        sys.exit(main())

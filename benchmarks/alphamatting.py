"""Closed-form alpha of trimatte beside PyMatting's on the alphamatting.com training images.

    python -m benchmarks.alphamatting                   table of fast, balanced and exact
    python -m benchmarks.alphamatting --write-golden    recompute PyMatting's errors (minutes)

The images (Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, CVPR
2009) are not part of this repository: --data names the folder with am_GT01, am_GT02, ...
PyMatting's errors stand in tests/golden/pymatting_cf_sad.json, so neither the table nor
tests/ops/test_alphamatting.py needs PyMatting.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
GOLDEN = REPOSITORY / "tests" / "golden" / "pymatting_cf_sad.json"
DATA = REPOSITORY.parent / "shared" / "data" / "matting"
TRIMAPS = ("trimap", "trimap2")  # the narrow band and the wide one
QUALITIES = ("fast", "balanced", "exact")
ERRORS = ("sad", "mse", "gradient")
UNKNOWN = 128

Array = NDArray[Any]


@dataclass(frozen=True)
class Scene:
    """One photograph with one of its trimaps and its true alpha in [0, 1]."""

    name: str
    trimap_name: str
    image: Array
    trimap: Array
    truth: Array


@dataclass(frozen=True)
class Errors:
    """Errors over the unknown pixels, in the benchmark's units.

    sad: sum |a - a*| / 1000; mse: mean (a - a*)^2;
    gradient: sum (|grad a| - |grad a*|)^2 / 1000, derivatives of a Gaussian of sigma 1.4.
    """

    sad: float
    mse: float
    gradient: float


def load_scenes(data: Path, trimaps: tuple[str, ...] = TRIMAPS) -> Iterator[Scene]:
    """Yield every am_* image under `data` with each of the named trimaps, in a fixed order."""
    for folder in sorted(data.glob("am_*")):
        image = np.asarray(Image.open(folder / "image.png").convert("RGB"))
        truth = np.asarray(Image.open(folder / "alpha.png").convert("L")) / 255.0
        for trimap_name in trimaps:
            trimap = np.asarray(Image.open(folder / f"{trimap_name}.png").convert("L"))
            yield Scene(folder.name, trimap_name, image, trimap, truth)


def _convolve_rows(image: Array, kernel: Array) -> Array:
    """Convolve along the second axis, edges replicated, size kept."""
    half = len(kernel) // 2
    padded = np.pad(image, [(0, 0), (half, half)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=1)
    return np.asarray(windows @ kernel[::-1])


def gradient_magnitude(alpha: Array, sigma: float = 1.4) -> Array:
    """|grad alpha| by derivatives of a Gaussian, cut where it has fallen to 1 %."""
    half = int(np.ceil(sigma * np.sqrt(-2.0 * np.log(np.sqrt(2.0 * np.pi) * sigma * 0.01))))
    position = np.arange(-half, half + 1, dtype=np.float64)
    smooth = np.exp(-(position**2) / (2.0 * sigma**2)) / (sigma * np.sqrt(2.0 * np.pi))
    slope = -position * smooth / sigma**2
    # Rhemann et al. normalise the two-dimensional kernel to unit energy.
    energy = np.sqrt(np.sum(smooth**2) * np.sum(slope**2))
    across = _convolve_rows(_convolve_rows(alpha, slope).T, smooth).T / energy
    down = _convolve_rows(_convolve_rows(alpha, smooth).T, slope).T / energy
    return np.asarray(np.hypot(across, down))


def measure(alpha: Array, scene: Scene) -> Errors:
    """Errors of `alpha` over the unknown pixels of the scene's trimap."""
    unknown = scene.trimap == UNKNOWN
    difference = (alpha.astype(np.float64) - scene.truth)[unknown]
    slopes = gradient_magnitude(alpha.astype(np.float64)) - gradient_magnitude(scene.truth)
    return Errors(
        sad=float(np.abs(difference).sum() / 1000.0),
        mse=float(np.mean(difference**2)),
        gradient=float(np.sum(slopes[unknown] ** 2) / 1000.0),
    )


def run(
    data: Path, estimate: Callable[[Scene], Array], trimaps: tuple[str, ...] = TRIMAPS
) -> Iterator[tuple[Scene, Errors, float]]:
    """Yield (scene, errors, seconds) of one estimator over all scenes."""
    for scene in load_scenes(data, trimaps):
        start = time.perf_counter()
        alpha = estimate(scene)
        yield scene, measure(alpha, scene), time.perf_counter() - start


def write_golden(data: Path, path: Path) -> None:
    """Run PyMatting's closed form over all scenes and record its errors and version."""
    import importlib.metadata

    from pymatting import estimate_alpha_cf  # type: ignore[import-untyped, unused-ignore]

    def estimate(scene: Scene) -> Array:
        result: Array = estimate_alpha_cf(scene.image / 255.0, scene.trimap / 255.0)
        return result

    images: dict[str, dict[str, dict[str, float]]] = {}
    for scene, errors, seconds in run(data, estimate):
        images.setdefault(scene.name, {})[scene.trimap_name] = {
            "unknown": int(np.count_nonzero(scene.trimap == UNKNOWN)),
            **{key: round(value, 6) for key, value in asdict(errors).items()},
        }
        row = f"{scene.name} {scene.trimap_name:8} SAD {errors.sad:7.3f} {seconds:5.1f} s"
        print(row, flush=True)
    if not images:
        raise FileNotFoundError(f"no am_* folder in {data}")
    golden = {
        "estimator": "pymatting.estimate_alpha_cf, its defaults",
        "pymatting": importlib.metadata.version("pymatting"),
        "units": "sad: sum |a - truth| over the unknown pixels / 1000",
        "images": images,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(golden, indent=1) + "\n")


@dataclass(frozen=True)
class Row:
    """A scene's errors: PyMatting's as recorded, ours and the seconds they took, by quality."""

    name: str
    trimap_name: str
    peer: Errors
    ours: dict[str, Errors]
    seconds: dict[str, float]


def compare(
    data: Path, golden: Path = GOLDEN, qualities: tuple[str, ...] = QUALITIES
) -> Iterator[Row]:
    """Yield each scene's row. Raises FileNotFoundError where there is none."""
    import trimatte

    recorded = json.loads(golden.read_text())["images"]
    scene = None
    for scene in load_scenes(data):
        peer = {key: recorded[scene.name][scene.trimap_name][key] for key in ERRORS}
        ours, seconds = {}, {}
        for quality in qualities:
            start = time.perf_counter()
            alpha = trimatte.estimate_alpha(scene.image, scene.trimap, quality=quality)
            seconds[quality] = time.perf_counter() - start
            ours[quality] = measure(alpha, scene)
        yield Row(scene.name, scene.trimap_name, Errors(**peer), ours, seconds)
    if scene is None:
        raise FileNotFoundError(f"no am_* folder in {data}")


def mean_of(rows: list[Row], trimap_name: str) -> Row:
    """The means of the rows' errors and seconds."""

    def mean(errors: Iterable[Errors]) -> Errors:
        return Errors(*np.mean([astuple(each) for each in errors], axis=0).tolist())

    qualities = rows[0].ours
    return Row(
        "mean",
        trimap_name,
        mean(row.peer for row in rows),
        {quality: mean(row.ours[quality] for row in rows) for quality in qualities},
        {quality: float(np.mean([row.seconds[quality] for row in rows])) for quality in qualities},
    )


def means(rows: list[Row]) -> list[Row]:
    """Over each of the trimaps, then over both."""
    by_trimap = [[row for row in rows if row.trimap_name == name] for name in TRIMAPS]
    return [mean_of(some, some[0].trimap_name) for some in by_trimap] + [mean_of(rows, "both")]


def print_table(data: Path, golden: Path, qualities: tuple[str, ...]) -> None:
    """Print every scene's errors for each quality beside PyMatting's, then the means."""
    version = json.loads(golden.read_text())["pymatting"]
    print(f"SAD, MSE x 1000 and gradient error; ratios to PyMatting {version} (SAD)")
    heading = "".join(f" | {quality:>7}: SAD ratio   MSE   grad     s" for quality in qualities)
    print(f"{'image':8} {'trimap':8} | PyMatting: SAD   MSE   grad{heading}")
    rows = []
    for row in compare(data, golden, qualities):
        rows.append(row)
        print(_format_row(row), flush=True)
    for row in means(rows):
        print(_format_row(row))


def _format_row(row: Row) -> str:
    peer = row.peer
    text = f"{row.name:8} {row.trimap_name:8} | {peer.sad:14.3f} {1000 * peer.mse:5.1f}"
    text += f" {peer.gradient:6.2f}"
    for quality, ours in row.ours.items():
        text += (
            f" | {ours.sad:12.3f} {ours.sad / peer.sad:5.3f} {1000 * ours.mse:5.1f}"
            f" {ours.gradient:6.2f} {row.seconds[quality]:5.2f}"
        )
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder with am_GT01, am_GT02, ...")
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="PyMatting's recorded errors")
    parser.add_argument("--write-golden", action="store_true", help="recompute them with PyMatting")
    parser.add_argument(
        "--quality", nargs="+", choices=QUALITIES, default=QUALITIES, help="which to run"
    )
    options = parser.parse_args()
    try:
        if options.write_golden:
            write_golden(options.data, options.golden)
        else:
            print_table(options.data, options.golden, tuple(options.quality))
    except (OSError, ImportError) as error:
        print(f"alphamatting: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

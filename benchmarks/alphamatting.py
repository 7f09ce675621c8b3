"""Closed-form alpha of trimatte beside PyMatting's on the alphamatting.com training images.

    python benchmarks/alphamatting.py                   table of fast, balanced and exact
    python benchmarks/alphamatting.py --write-golden    recompute PyMatting's errors (minutes)

The images (Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, CVPR
2009) are not part of this repository: --data names the folder with am_GT01, am_GT02, ...
PyMatting's errors stand in tests/golden/pymatting_cf_sad.json, so neither the table nor
tests/test_alphamatting.py needs PyMatting.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
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
    return np.hypot(across, down)


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

    from pymatting import estimate_alpha_cf

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


def print_table(data: Path, golden_path: Path, qualities: tuple[str, ...]) -> None:
    """Print every scene's errors for each quality beside PyMatting's, then the means."""
    import trimatte

    golden = json.loads(golden_path.read_text())
    print(f"SAD, MSE x 1000 and gradient error; ratios to PyMatting {golden['pymatting']} (SAD)")
    heading = "".join(f" | {quality:>7}: SAD ratio   MSE   grad     s" for quality in qualities)
    print(f"{'image':8} {'trimap':8} | PyMatting: SAD   MSE   grad{heading}")
    rows: dict[str, list[list[float]]] = {name: [] for name in TRIMAPS}
    for scene in load_scenes(data):
        peer = golden["images"][scene.name][scene.trimap_name]
        row = [peer["sad"], peer["mse"], peer["gradient"]]
        for quality in qualities:
            start = time.perf_counter()
            alpha = trimatte.estimate_alpha(scene.image, scene.trimap, quality=quality)
            seconds = time.perf_counter() - start
            errors = measure(alpha, scene)
            row += [errors.sad, errors.mse, errors.gradient, seconds]
        rows[scene.trimap_name].append(row)
        print(_format_row(scene.name, scene.trimap_name, row), flush=True)
    if not rows[TRIMAPS[0]]:
        raise FileNotFoundError(f"no am_* folder in {data}")
    for name in TRIMAPS:
        print(_format_row("mean", name, list(np.mean(rows[name], axis=0))))
    both = [row for name in TRIMAPS for row in rows[name]]
    print(_format_row("mean", "both", list(np.mean(both, axis=0))))


def _format_row(name: str, trimap_name: str, row: list[float]) -> str:
    sad, mse, gradient = row[:3]
    text = f"{name:8} {trimap_name:8} | {sad:14.3f} {1000 * mse:5.1f} {gradient:6.2f}"
    for first in range(3, len(row), 4):
        its_sad, its_mse, its_gradient, seconds = row[first : first + 4]
        text += (
            f" | {its_sad:12.3f} {its_sad / sad:5.3f} {1000 * its_mse:5.1f}"
            f" {its_gradient:6.2f} {seconds:5.2f}"
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

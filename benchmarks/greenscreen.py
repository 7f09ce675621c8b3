"""Errors of the whole pipeline on green and blue screens with known alpha and foreground.

    python benchmarks/greenscreen.py [--data ../shared/data/greenscreen] [--quality balanced]

For each ``NAME.png`` beside which ``NAME.alpha.png`` and ``NAME.foreground.png`` lie: the sum of
absolute differences (SAD, thousands) of the hard key and of the pipeline from the true alpha, and
the mean of alpha |F - F*| over the soft pixels, in 1/255, of the image as it is, of the estimated
foreground and of that after de-spill.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import trimatte
from trimatte.imageio import read_image, read_mask

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "greenscreen"


def color_error(
    colors: NDArray[np.uint8], truth: NDArray[np.uint8], alpha: NDArray[np.float64]
) -> float:
    soft = (alpha > 0.02) & (alpha < 0.98)
    difference = np.abs(colors[..., :3].astype(np.float64) - truth[..., :3]).mean(axis=2)
    return float((alpha * difference)[soft].mean()) if soft.any() else 0.0


def measure(path: Path, quality: str) -> tuple[float, float, float, float, float]:
    image = read_image(path)
    alpha = read_mask(path.with_suffix(".alpha.png")) / 255.0
    truth = read_image(path.with_suffix(".foreground.png"))
    key = "blue" if "blue" in path.name else "green"
    hard = trimatte.chroma_key(image, key_color=key) / 255.0
    plain = trimatte.Remover(key_color=key, quality=quality, despill=None)(image)
    clean = trimatte.Remover(key_color=key, quality=quality)(image)
    return (
        float(np.abs(hard - alpha).sum() / 1e3),
        float(np.abs(clean.alpha - alpha).sum() / 1e3),
        color_error(image, truth, alpha),
        color_error(plain.foreground, truth, alpha),
        color_error(clean.foreground, truth, alpha),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--quality", default="balanced", choices=("fast", "balanced", "exact"))
    options = parser.parse_args()
    paths = [p for p in sorted(options.data.glob("*.png")) if p.with_suffix(".alpha.png").exists()]
    if not paths:
        parser.error(f"no image with a true alpha beside it in {options.data}")
    print(f"{'':24}{'SAD, thousands':>18}{'alpha |F - F*|, 1/255':>32}")
    print(f"{'image':24}{'hard key':>9}{'ours':>9}{'image':>12}{'estimated':>11}{'de-spill':>9}")
    for path in paths:
        hard, ours, raw, plain, clean = measure(path, options.quality)
        print(f"{path.stem:24}{hard:9.2f}{ours:9.2f}{raw:12.2f}{plain:11.2f}{clean:9.2f}")


if __name__ == "__main__":
    main()

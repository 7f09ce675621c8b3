"""How good a training's network is on pictures held out, in figures and to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from .metrics import Scores, mean_scores, score
from .pictures import Picture

__all__ = ["contact_sheet", "evaluate"]


def evaluate(pictures: Sequence[Picture], mattes: npt.NDArray[np.float32]) -> Mapping[str, Scores]:
    """Mean scores of the pictures of each source, and of the sources as ``"all"``.

    Args:
        pictures: with their true mattes.
        mattes: (N, H, W) in [0, 1], of the pictures squashed to that size.
    """
    by_source: dict[str, list[Scores]] = {}
    for picture, matte in zip(pictures, mattes, strict=True):
        true = np.asarray(Image.fromarray(picture.matte).resize(matte.shape[::-1]))
        by_source.setdefault(picture.source, []).append(score(matte, true))
    means = {source: mean_scores(scores) for source, scores in sorted(by_source.items())}
    return {**means, "all": mean_scores(list(means.values()))}


def contact_sheet(
    path: Path, pictures: Sequence[Picture], mattes: npt.NDArray[np.float32], side: int = 160
) -> None:
    """Writes a PNG of pictures with the predicted and the true mattes beside them, five a row."""
    columns = 5
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * 3 * side, rows * side))
    for i, (picture, matte) in enumerate(zip(pictures, mattes, strict=True)):
        predicted = (255 * matte + 0.5).astype(np.uint8)
        for j, cell in enumerate((picture.image, predicted, picture.matte)):
            corner = ((3 * (i % columns) + j) * side, i // columns * side)
            sheet.paste(Image.fromarray(cell).resize((side, side)), corner)
    sheet.save(path)

"""Pictures from annotations in COCO's format: https://cocodataset.org/#format-data."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from trimatte.errors import ArgumentError

from .pictures import Picture, picture

__all__ = ["ANIMATE", "read_coco", "run_lengths", "segment_mask"]

ANIMATE = (
    *("person", "bird", "cat", "dog", "horse", "sheep"),
    *("cow", "elephant", "bear", "zebra", "giraffe"),
)
"""COCO's people and animals."""


def read_coco(
    annotations: Path,
    images: Path,
    *,
    categories: Collection[str] | None = ANIMATE,
    smallest: float = 0.03,
    longest: int = 512,
) -> Iterator[Picture]:
    """Images whose foreground is what some of their annotations outline together.

    Args:
        annotations: an instances file.
        images: the folder of its images.
        categories: names of those that are foreground; None for all.
        smallest: share of an image that its foreground covers at least, 0 to 1; what has less,
            or a crowd among it, is passed over.
        longest: pictures are reduced until no side is longer, in pixels.

    Raises:
        ArgumentError: the file is no such file.
    """
    for name, size, segmentations in _outlined(annotations, categories):
        inside = np.logical_or.reduce([segment_mask(one, size) for one in segmentations])
        if inside.mean() >= smallest:
            with Image.open(images / name) as image:
                yield picture(name, images.name, image, Image.fromarray(inside), longest)


def _outlined(
    annotations: Path, categories: Collection[str] | None
) -> list[tuple[str, tuple[int, int], list[Any]]]:
    """Names of files, their (height, width), and the outlines in them."""
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
        wanted = {
            category["id"]
            for category in content["categories"]
            if categories is None or category["name"] in categories
        }
        images = {image["id"]: image for image in content["images"]}
        outlines: dict[int, list[Any]] = {}
        crowded = set()
        for one in content["annotations"]:
            if one["category_id"] in wanted:
                outlines.setdefault(one["image_id"], []).append(one["segmentation"])
                if one.get("iscrowd"):
                    crowded.add(one["image_id"])
        return [
            (images[i]["file_name"], (images[i]["height"], images[i]["width"]), segmentations)
            for i, segmentations in outlines.items()
            if i not in crowded
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(f"{annotations} is no COCO instances file: {error!r}") from error


def segment_mask(segmentation: Any, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The pixels of one annotation.

    Args:
        segmentation: polygons, each a list x0, y0, x1, y1, ...; or run lengths down the columns,
            ``{"size": [height, width], "counts": ...}``, as numbers or in COCO's text form.
        size: (height, width) of the image.

    Returns:
        (height, width), true inside.

    Raises:
        ArgumentError: the runs do not fill the image.
    """
    height, width = size
    if isinstance(segmentation, list):
        canvas = Image.new("1", (width, height))
        pen = ImageDraw.Draw(canvas)
        for polygon in segmentation:
            pen.polygon(polygon, fill=1)
        return np.array(canvas)
    counts = segmentation["counts"]
    runs = run_lengths(counts) if isinstance(counts, str) else counts
    if sum(runs) != height * width or min(runs) < 0:
        raise ArgumentError(f"runs of {sum(runs)} pixels do not fill {height} x {width}")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def run_lengths(text: str) -> Sequence[int]:
    """Run lengths out of their text form.

    A number is in groups of five bits, lowest first, in characters from "0" on; bit 5 says that
    more follow, bit 4 of the last is the sign. From the fourth on a number is the difference to the
    run two before it.
    """
    runs: list[int] = []
    number = shift = 0
    for character in text:
        group = ord(character) - 48
        number |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    return runs

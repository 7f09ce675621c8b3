"""A user's code, as type checkers see it: tools/check_wheel.py runs them, nothing runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import trimatte
from trimatte import Remover, Result


def keyed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = trimatte.chroma_key(image, key_color="green", tolerance=30)
    trimap = trimatte.make_trimap(alpha, radius=(6, 3))
    alpha = trimatte.estimate_alpha(image, trimap, quality="fast")
    foreground = trimatte.despill(trimatte.estimate_foreground(image, alpha), method="average")
    rgba: NDArray[np.uint8] = trimatte.cutout(foreground, alpha)
    return rgba


def removed(path: Path) -> Result:
    with Remover(max_memory="2GiB") as remover:
        result = remover(path)
        result.save(path.with_suffix(".png"), compression="small")
        return result


def of_any_kind(data: bytes, picture: Image.Image, path: str) -> None:
    for source in (data, picture, path):
        trimatte.remove(source)


async def served(remover: Remover, data: bytes) -> bytes:
    result: Result = await remover.aremove(data, deadline=10)
    return result.encode("png", compression="balanced")


def of_errors() -> str:
    try:
        trimatte.chroma_key(np.zeros((2, 2), np.uint8))
    except trimatte.ArgumentError as error:
        return str(error)
    return trimatte.__version__

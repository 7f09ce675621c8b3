"""A user's code, as type checkers see it: it must pass; nothing runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import trimatte
from trimatte import Remover, Result
from trimatte.video import VideoRemover, remove_video


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


def of_each_kind(
    data: bytes, picture: Image.Image, path: Path, image: NDArray[np.uint8]
) -> tuple[bytes, Image.Image, Image.Image, NDArray[np.uint8]]:
    return (
        trimatte.remove(data, format="webp", compression=4),
        trimatte.remove(picture, quality="fast"),
        trimatte.remove(path, model=None, key_color=(0, 177, 64)),
        trimatte.remove(image, device="auto"),
    )


def of_many(remover: Remover, paths: Sequence[Path]) -> list[bytes]:
    for path, result in zip(paths, remover.stream(paths, on_error="raise"), strict=True):
        result.save(path.with_suffix(".png"))
    for path, result_or_error in zip(paths, remover.stream(paths), strict=True):
        if isinstance(result_or_error, Exception):
            raise result_or_error
        result_or_error.save(path.with_suffix(".png"))
    results: list[Result] = remover.remove_batch(paths)
    files: list[bytes] = remover.remove_batch(paths, finish=lambda result: result.encode())
    return files + [result.encode() for result in results]


async def served(remover: Remover, data: bytes) -> bytes:
    result = await remover.aremove(data, deadline=10)
    result.save("cutout.png")
    return await remover.aremove(data, finish=lambda result: result.encode())


def of_videos(frame: NDArray[np.uint8]) -> float:
    remover = VideoRemover(key_color="green", quality="fast")
    remover(frame).save("frame.png")
    return remove_video("clip.mp4", "cutout.mov", key_color="blue").fps


def of_errors() -> str:
    try:
        trimatte.chroma_key(np.zeros((2, 2), np.uint8))
    except trimatte.ArgumentError as error:
        return str(error)
    return trimatte.__version__

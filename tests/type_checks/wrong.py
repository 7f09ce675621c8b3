"""A user's mistakes: a type checker must find one in every line marked so; nothing runs it."""

from __future__ import annotations

from pathlib import Path

import trimatte
from trimatte.video import VideoRemover, remove_video


def misspelt(path: Path) -> None:
    trimatte.Remover(key_colour="green")  # wrong
    trimatte.remove(path, qualty="fast")  # wrong
    VideoRemover(stabilise=False)  # wrong
    remove_video("clip.mp4", "cutout.mov", modle="u2net")  # wrong


def of_another_type(path: Path, data: bytes) -> None:
    trimatte.remove(path, radius="wide")  # wrong
    trimatte.remove(path).encode()  # wrong
    trimatte.remove(data).save("cutout.png")  # wrong
    trimatte.remove(path, format="webp")  # wrong


def unlooked_at(remover: trimatte.Remover, paths: list[Path]) -> None:
    for result in remover.stream(paths):
        result.save("cutout.png")  # wrong
    remover.remove_batch(paths, on_error="ignore")  # wrong

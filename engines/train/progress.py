"""Follows a training: lines of progress, evaluations, checkpoints."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimatte.errors import ArgumentError

from .evaluation import contact_sheet, evaluate
from .metrics import Scores
from .pictures import Picture

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["follow"]

_STEPS_PER_LINE = 20
_SHOWN = 40


def follow(trainer: Trainer, held_out: Sequence[Picture], *, minutes: float) -> None:
    """Trains to the end of the plan.

    Every so often, and at the end, the training is saved and the averaged weights are judged on
    pictures held out, at the sides of the phase: the scores go to ``log.csv`` of the training's
    folder, one row for each source, and a part of the mattes to ``sheet.png``.

    Args:
        trainer: what is trained.
        held_out: pictures to evaluate on, at least one.
        minutes: between evaluations.

    Raises:
        ArgumentError: no pictures are held out.
    """
    if not held_out:
        raise ArgumentError("follow: no pictures are held out; there are too few of them")
    first, seconds = trainer.step, trainer.seconds
    evaluated, losses = time.monotonic(), []
    for loss in trainer.steps():
        losses.append(loss)
        if trainer.step % _STEPS_PER_LINE == 0:
            pace = (trainer.seconds - seconds) / (trainer.step - first)
            print(
                f"step {trainer.step}, {min(trainer.done, 1):.1%} done: loss {loss:.3f}, "
                f"{pace:.2f} s a step",
                flush=True,
            )
        if trainer.done >= 1 or time.monotonic() - evaluated > 60 * minutes:
            _evaluate(trainer, held_out, sum(losses) / len(losses))
            evaluated, losses = time.monotonic(), []


def _evaluate(trainer: Trainer, held_out: Sequence[Picture], loss: float) -> None:
    size = trainer.size
    mattes = trainer.predict(held_out, size)
    scores = evaluate(held_out, mattes)
    trainer.save_best(size, scores["all"].iou)
    trainer.save()
    _log(trainer.folder / "log.csv", (trainer.step, size, round(loss, 5)), scores)
    shown = slice(None, None, -(-len(held_out) // _SHOWN))
    contact_sheet(trainer.folder / "sheet.png", held_out[shown], mattes[shown])
    print(f"step {trainer.step}, {size} px: mean loss {loss:.4f}")
    for source, values in scores.items():
        print(f"  {source}:", ", ".join(f"{k} {v:.4f}" for k, v in values._asdict().items()))


def _log(path: Path, columns: tuple[float, ...], scores: Mapping[str, Scores]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(("time", "step", "size", "loss", "source", *Scores._fields))
        for source, values in scores.items():
            numbers = (round(value, 5) for value in values)
            writer.writerow((int(time.time()), *columns, source, *numbers))

"""What a training does, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from trimatte.errors import ArgumentError

__all__ = ["Phase", "Plan"]


class Phase(NamedTuple):
    """A part of a training: sides of its examples in pixels, examples per step, steps."""

    size: int
    batch: int
    steps: int

    @classmethod
    def parse(cls, text: str) -> Phase:
        """``"160x16x4500"``: size, batch, steps, each at least 1."""
        parts = text.split("x")
        if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
            raise ArgumentError(f"a phase is SIZExBATCHxSTEPS, as in 160x16x4500, got {text!r:.80}")
        return cls(*map(int, parts))


@dataclass(frozen=True)
class Plan:
    """All that the outcome of a training depends on, beside the network and the pictures.

    phases: one after the other; small images first teach most per second. rate: the highest
    learning rate, reached after ``warm_up`` steps; a cosine leads from it to 0 at the last step.
    decay: AdamW's, of weights of more than one axis. averaging: how much of the moving average of
    the weights stays at each step. bfloat16: see `MixedLayers`; else all is
    float32.
    """

    phases: tuple[Phase, ...]
    seed: int = 0
    rate: float = 2e-3
    warm_up: int = 200
    decay: float = 0.02
    averaging: float = 0.998
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if not self.phases or not self.rate > 0:
            raise ArgumentError(
                f"Plan: at least one phase and a rate above 0 are needed, got {self}"
            )

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def phase_of(self, step: int) -> Phase:
        """The phase that a step belongs to; steps are counted from 0."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        return self.phases[-1]

    def rate_of(self, step: int) -> float:
        """The learning rate of a step."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / (self.steps - self.warm_up)
        return self.rate * (1 + math.cos(math.pi * done)) / 2

    def averaging_of(self, step: int) -> float:
        """How much of the average stays; less at first, when the weights are still far off."""
        return min(self.averaging, (1 + step) / (10 + step))

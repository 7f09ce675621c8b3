"""What a training does, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate
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
    """All that the outcome of a training depends on, beside the network and the examples.

    phases: one after the other; small images first teach most per second. seed: of the examples
    and the first weights. rate: the highest learning rate; over ``warm_up`` steps it rises to a
    cosine that leads from it to 0 at the end. decay: AdamW's, of weights of more than one axis.
    averaging: how much of the moving average of the weights stays at each step. side_maps: how
    much a network's side maps weigh together, where the matte's own weighs 1. clip: the largest
    norm of a step's gradient. bfloat16: see `MixedLayers`; else all is float32. budget: minutes
    after which the training ends, which the phases then share as they would share the steps; such
    a training depends on the machine too.
    """

    phases: tuple[Phase, ...]
    seed: int = 0
    rate: float = 2e-3
    warm_up: int = 200
    decay: float = 0.02
    averaging: float = 0.998
    side_maps: float = 6.0
    clip: float = 5.0
    bfloat16: bool = True
    budget: float | None = None

    def __post_init__(self) -> None:
        if not self.steps or not self.rate > 0:
            raise ArgumentError(
                f"Plan: at least one phase and a rate above 0 are needed, got {self}"
            )
        if self.budget is not None and not 0 < self.budget < math.inf:
            raise ArgumentError(f"Plan: budget must be minutes above 0, got {self.budget!r:.80}")

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def lasting(self, steps: int) -> Plan:
        """The same plan with so many steps in all, without a budget."""
        if steps < 1:
            raise ArgumentError(f"Plan: steps must be at least 1, got {steps!r:.80}")
        ends = [round(steps * end / self.steps) for end in self._ends()]
        phases = tuple(
            phase._replace(steps=end - begin)
            for phase, begin, end in zip(self.phases, [0, *ends], ends, strict=False)
        )
        return replace(self, phases=phases, budget=None)

    def done_of(self, step: int, seconds: float) -> float:
        """The share of the training that lies behind, 0 to 1 and beyond.

        Args:
            step: the number of steps made.
            seconds: that they took.
        """
        return step / self.steps if self.budget is None else seconds / (60 * self.budget)

    def phase_at(self, done: float) -> Phase:
        """The phase at a share of the training."""
        for phase, end in zip(self.phases, self._ends(), strict=True):
            if done < end / self.steps:
                return phase
        return self.phases[-1]

    def rate_of(self, step: int, done: float) -> float:
        """The learning rate of a step, counted from 0, at a share of the training."""
        risen = min(1.0, (step + 1) / max(self.warm_up, 1))
        return self.rate * risen * (1 + math.cos(math.pi * min(done, 1.0))) / 2

    def averaging_of(self, step: int) -> float:
        """How much of the average stays; less at first, when the weights are still far off."""
        return min(self.averaging, (1 + step) / (10 + step))

    def _ends(self) -> list[int]:
        """The number of steps up to the end of each phase."""
        return list(accumulate(phase.steps for phase in self.phases))

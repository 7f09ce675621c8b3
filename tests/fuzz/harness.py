"""What fuzzers have in common: choices made by bytes, mutations, and the loop."""

from __future__ import annotations

import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_INTERESTING = (0, 1, 7, 8, 16, 32, 64, 100, 127, 128, 254, 255)


class Choices:
    """Decisions that bytes stand for, so that a fuzzer can change one of them; zeros when they are
    used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, count: int) -> int:
        return self.byte() % count

    def once_in(self, count: int) -> bool:
        return self.below(count) == count - 1

    def of(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]

    def generator(self) -> np.random.Generator:
        return np.random.default_rng(self.byte())


def mutated(seeds: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Seeds with some bytes changed, cut, repeated, or taken from another of them; endless."""
    generator = random.Random(seed)
    while True:
        data = bytearray(generator.choice(seeds))
        for _ in range(generator.randint(1, 6)):
            at = generator.randrange(len(data)) if data else 0
            how = generator.randrange(7)
            if how == 0:
                data[at : at + 1] = bytes([generator.choice(_INTERESTING)])
            elif how == 1:
                data[at : at + 1] = bytes([generator.randrange(256)])
            elif how == 2:
                data[at : at + 4] = generator.randrange(1 << 32).to_bytes(4, "big")
            elif how == 3:
                del data[at : at + generator.randint(1, 16)]
            elif how == 4:
                data[at:at] = data[at : at + generator.randint(1, 16)]
            elif how == 5:
                del data[at + 1 :]
            else:
                other = generator.choice(seeds)
                data[at:] = other[at:]
        yield bytes(data)


def fuzz(check: Callable[[bytes], object], seeds: Sequence[bytes]) -> None:
    """Let `check` have inputs until it raises or the time is over; options are libFuzzer's.

    Without atheris ``-max_total_time=SECONDS`` and ``-seed=NUMBER`` are known.
    """
    warnings.simplefilter("ignore")
    try:
        import atheris
    except ImportError:
        _fuzz_blindly(check, seeds)
        return
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, f"seed-{number}").write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], check)
        atheris.Fuzz()


def _fuzz_blindly(check: Callable[[bytes], object], seeds: Sequence[bytes]) -> None:
    options = dict(argument.lstrip("-").split("=", 1) for argument in sys.argv[1:])
    end = time.monotonic() + float(options.get("max_total_time", "inf"))
    count = 0
    for data in mutated(seeds, int(options.get("seed", "0"))):
        if time.monotonic() > end:
            break
        try:
            check(data)
        except BaseException:
            found = Path(f"crash-{count}")
            found.write_bytes(data)
            print(f"input {count} is in {found}", file=sys.stderr)
            raise
        count += 1
    print(f"{count} inputs, nothing found")

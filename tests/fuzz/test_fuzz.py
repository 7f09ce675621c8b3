"""The fuzzers of tests/fuzz, for some seconds and by blind mutations."""

from __future__ import annotations

import inspect
import itertools
from collections import Counter

import pytest

import trimatte
from tests.fuzz import arrays, images, xmp
from tests.fuzz.harness import Choices, mutated

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, about damaged files


def test_the_seeds_are_images() -> None:
    assert {images.check(seed) for seed in images.seeds()} == {"cut out"}


def test_damaged_image_files() -> None:
    seen = Counter(map(images.check, itertools.islice(mutated(images.seeds(), 1), 300)))
    assert min(seen["refused"], seen["cut out"]) > 20


def test_damaged_xmp() -> None:
    seen = Counter(map(xmp.check, itertools.islice(mutated(xmp.seeds(), 1), 2000)))
    assert min(seen["refused"], seen["kept"]) > 100


def test_any_arrays_and_options() -> None:
    seen = Counter(map(arrays.check, itertools.islice(mutated(arrays.seeds(), 1), 3000)))
    assert min(seen["refused"], seen["done"]) > 300


def test_every_operation_and_parameter_is_fuzzed() -> None:
    for name in arrays.OPERATIONS:
        parameters = inspect.signature(getattr(trimatte, name)).parameters
        assert set(parameters) <= set(arrays.PARAMETERS), name
    plain = {
        arrays.OPERATIONS[Choices(seed).byte()] for seed in arrays.seeds()[: len(arrays.OPERATIONS)]
    }
    assert plain == set(arrays.OPERATIONS)


def test_mutations_repeat() -> None:
    first, again = (list(itertools.islice(mutated([b"abcdef"], 3), 50)) for _ in range(2))
    assert first == again
    assert len(set(first)) > 25

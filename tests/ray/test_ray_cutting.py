"""What a worker does with a batch; it needs no Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trimatte import ArgumentError, Remover, Result, engines
from trimatte.demo import scene
from trimatte.io.writing import encode_png
from trimatte.ray.cutting import BatchRemover

IMAGE = scene(40, 60).image


@pytest.fixture
def remover(monkeypatch: pytest.MonkeyPatch) -> BatchRemover:
    # The number is of the whole process.
    monkeypatch.setattr("trimatte.ray.cutting.set_num_threads", lambda count: None)
    return BatchRemover({"model": None, "key_color": np.array([0, 177, 64])}, cpus=1, gpus=0)


def test_an_exception_has_no_number_of_its_batch(remover: BatchRemover) -> None:
    good, bad = encode_png(IMAGE), b"image 1: no image"
    first, second, third = remover.cut([good, bad, good])
    assert isinstance(first, Result)
    assert isinstance(third, Result)
    np.testing.assert_array_equal(first.rgba, third.rgba)
    with pytest.raises(ArgumentError) as alone:
        Remover(model=None)(bad)
    assert (type(second), str(second)) == (ArgumentError, str(alone.value))


def test_an_exception_of_another_kind_comes_as_it_is(
    remover: BatchRemover, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("of a library")

    monkeypatch.setattr("trimatte.pipeline.frame.fit_screen", fail)
    (error,) = remover.cut([encode_png(IMAGE)])
    assert isinstance(error, KeyError)
    assert error.args == ("of a library",)


def test_each_image_is_cut_by_the_network_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, models: Callable[[str], Path]
) -> None:
    monkeypatch.setattr("trimatte.ray.cutting.set_num_threads", lambda count: None)
    other, image = models("u2netp"), encode_png(IMAGE)
    card = engines.find_card(other, card="u2netp")
    monkeypatch.setattr("trimatte.engines.weights.cards._beside", lambda path: card)
    both = BatchRemover({"matting": False}, cpus=1, gpus=0, also_models=[other])
    assert both.models == ("auto", "u2netp", "u2net-lite")
    results = both.cut([image, b"none", image], ["u2netp", "u2net-lite", "u2net-lite"])
    expected = [Remover(model=each, matting=False)(IMAGE) for each in (other, "u2net-lite")]
    for result, alone in zip([results[0], results[2]], expected, strict=True):
        assert isinstance(result, Result)
        np.testing.assert_array_equal(result.rgba, alone.rgba)
    assert isinstance(results[1], ArgumentError)
    with pytest.raises(ArgumentError, match="also_models must differ in name, got 'u2net-lite' t"):
        BatchRemover({"model": "u2net-lite"}, cpus=1, gpus=0, also_models=["u2net-lite"])

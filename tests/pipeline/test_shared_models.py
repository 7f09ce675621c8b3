"""Models that `segment` and `Remover` share: one that loads slowly holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import trimatte
from trimatte import EngineError, Segmenter
from trimatte.pipeline import models

WAIT = 30  # seconds until a test gives up


class Loads:
    """What the models below do when they load: "slow" waits, "broken" fails until it is mended."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        self.mended = False
        self.tried: list[str] = []

    def load(self, name: str) -> None:
        self.tried.append(name)
        if name == "slow":
            self.begun.set()
            assert self.released.wait(WAIT)
        if name == "broken" and not self.mended:
            raise EngineError("the download broke off")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loads]:
    """Puts models of no network in the place of Segmenters."""
    loads = Loads()

    class Loaded(Segmenter):
        closed = False

        def __init__(self, name: str, **options: Any) -> None:
            loads.load(name)

    models.forget_models()
    monkeypatch.setattr(models, "Segmenter", Loaded)
    yield loads
    models.forget_models()


@pytest.fixture
def pool(loads: Loads) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool
        loads.released.set()  # also where a test failed: its threads are to end


def model(name: str) -> Segmenter:
    return models.as_segmenter(name, card=None, device="cpu")


def test_others_go_on_while_a_model_loads(loads: Loads, pool: ThreadPoolExecutor) -> None:
    ready = model("ready")
    slow = pool.submit(model, "slow")
    assert loads.begun.wait(WAIT)
    assert pool.submit(model, "ready").result(WAIT) is ready  # which is loaded
    assert isinstance(pool.submit(model, "second").result(WAIT), Segmenter)  # which is not
    pool.submit(trimatte.free_memory).result(WAIT)
    assert pool.submit(model, "ready").result(WAIT) is not ready  # forgotten meanwhile
    assert not slow.done()
    loads.released.set()
    assert isinstance(slow.result(WAIT), Segmenter)


def test_those_who_want_a_model_at_once_load_it_once(
    loads: Loads, pool: ThreadPoolExecutor
) -> None:
    first = pool.submit(model, "slow")
    assert loads.begun.wait(WAIT)
    others = [pool.submit(model, "slow") for _ in range(3)]
    loads.released.set()
    assert {id(each.result(WAIT)) for each in others} == {id(first.result(WAIT))}
    assert loads.tried == ["slow"]


def test_a_model_that_failed_to_load_is_tried_again(loads: Loads) -> None:
    for _ in range(2):
        with pytest.raises(EngineError, match="broke off"):
            model("broken")
    loads.mended = True
    assert model("broken") is model("broken")
    assert loads.tried == ["broken"] * 3


def test_who_waited_for_a_load_that_failed_tries_it_again(
    loads: Loads, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail_once(name: str) -> None:
        loads.tried.append(name)
        if not failed.is_set():
            failed.set()
            loads.begun.set()
            assert loads.released.wait(WAIT)
            raise EngineError("the download broke off")

    monkeypatch.setattr(loads, "load", fail_once)
    first = pool.submit(model, "any")
    assert loads.begun.wait(WAIT)
    second = pool.submit(model, "any")
    loads.released.set()
    with pytest.raises(EngineError, match="broke off"):
        first.result(WAIT)
    assert isinstance(second.result(WAIT), Segmenter)
    assert loads.tried == ["any", "any"]

"""key_color is taken as a name, a tuple, a list or an array wherever there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trimatte
from trimatte import ArgumentError, Remover
from trimatte.arrays import as_key_color, key_channel
from trimatte.cli.options import _key_color
from trimatte.demo import scene
from trimatte.inspector import page
from trimatte.inspector.inspection import Inspection
from trimatte.video import VideoRemover

IMAGE = scene(60, 100).image
TUPLE = (0.0, 177.0, 64.0)
SPELLINGS: dict[str, Any] = {
    "list": [0, 177, 64],
    "NumPy scalars": (np.uint8(0), np.float32(177), np.int64(64)),
    "uint8": np.array([0, 177, 64], np.uint8),
    "float32": np.array([0, 177, 64], np.float32),
    "a view": np.array([64, 177, 0])[::-1],
}


def screen(color: Any) -> trimatte.Screen:
    grids = {"model": np.zeros((2, 3, 4)), "plate": np.zeros((2, 3, 3))}
    return trimatte.Screen(color, transfer="srgb", cell=8, noise=0.0, **grids)


TAKERS: dict[str, Callable[[Any], Any]] = {
    "difference": lambda color: trimatte.chroma_key(IMAGE, key_color=color),
    "vlahos": lambda color: trimatte.chroma_key(IMAGE, key_color=color, method="vlahos"),
    "plate": lambda color: trimatte.chroma_key(IMAGE, key_color=color, method="plate"),
    "best": lambda color: trimatte.chroma_key(IMAGE, key_color=color, quality="best"),
    "key_cutout": lambda color: trimatte.key_cutout(IMAGE, key_color=color, method="ffmpeg"),
    "despill": lambda color: trimatte.despill(IMAGE, key_color=color),
    "probe": lambda color: list(
        trimatte.probe(IMAGE, 3, 4, key_color=color, method="obs").steps.values()
    ),
    "fit_screen": lambda color: trimatte.fit_screen(IMAGE, key_color=color).model,
    "Screen": lambda color: screen(color).key_color,
    "Remover": lambda color: Remover(key_color=color)(IMAGE).rgba,
    "Remover, difference": lambda color: (
        Remover(key_color=color, method="difference", radius=2)(IMAGE).rgba
    ),
    "VideoRemover": lambda color: VideoRemover(key_color=color)(IMAGE).rgba,
    "Inspection": lambda color: Inspection(IMAGE, key_color=color).run({})["options"]["key_color"],
}


@pytest.mark.parametrize("taker", TAKERS)
def test_every_spelling_is_the_tuple(taker: str) -> None:
    expected = TAKERS[taker](TUPLE)
    for color in SPELLINGS.values():
        np.testing.assert_array_equal(TAKERS[taker](color), expected)


def test_a_page_takes_an_array() -> None:
    result = Remover(key_color="auto")(IMAGE)
    assert result.screen is not None
    assert page(IMAGE, result, key_color=SPELLINGS["uint8"]) == page(IMAGE, result, key_color=TUPLE)
    assert Inspection(IMAGE, key_color=SPELLINGS["float32"]).page()  # as JSON


@pytest.mark.parametrize("color", SPELLINGS.values(), ids=SPELLINGS)
def test_a_key_color_is_plain_afterwards(color: Any) -> None:
    plain = as_key_color(color, "test")
    assert plain == TUPLE
    assert [type(value) for value in plain] == [float] * 3
    key = Remover(key_color=color).recipe.key
    assert key is not None
    assert key.color == TUPLE
    assert key_channel(plain) == 1


def test_names_stay_names() -> None:
    for channel, name in enumerate(("red", "green", "blue")):
        assert as_key_color(np.str_(name), "test", auto=False) == name
        assert key_channel(name) == channel
    assert as_key_color("auto", "test") == _key_color("Auto") == "auto"
    assert as_key_color("Grey", "test") == _key_color("Grey") == "gray"
    assert _key_color("#00b140") == _key_color("0,177,64") == TUPLE


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([0, 177]),
        np.array([[0, 177, 64]]),
        np.array([0, 177, 256]),
        np.array([0, np.nan, 0]),
        np.array([False, True, False]),
        np.array(["0", "177", "64"]),
        ("0", "177", "64"),
        [[0, 1], 2, 3],
        177,
        None,
    ],
    ids=repr,
)
def test_what_is_no_key_color_is_refused(wrong: Any) -> None:
    takers = {name: TAKERS[name] for name in ("difference", "plate", "despill", "fit_screen")}
    for taker in takers.values():
        with pytest.raises(ArgumentError, match=r"key_color must be .* or \(r, g, b\) in 0\.\.255"):
            taker(wrong)
    if wrong is not None:  # the default of a Remover
        with pytest.raises(ArgumentError, match=r"^Remover: key_color must be 'auto', 'green'"):
            Remover(key_color=wrong)


def test_only_what_can_look_for_a_screen_offers_auto() -> None:
    with pytest.raises(ArgumentError, match=r"^despill: key_color must be 'green', 'blue', 'red'"):
        trimatte.despill(IMAGE, key_color="auto")
    with pytest.raises(ArgumentError, match=r"^Screen: key_color must be 'green'"):
        screen("auto")

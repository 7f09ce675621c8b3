"""What `fit_screen` learns of a screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trimatte
from benchmarks import screens
from trimatte import ArgumentError, ScreenError

Array = Any


@pytest.fixture(scope="module")
def lit() -> screens.Screened:
    """A head with hair before a green screen that is darker in its corners."""
    subject = list(screens.drawn_subjects(180, 240))[1]
    return screens.before_screen(subject, "green", linear=False, noise=1, seed=2)


def same(a: trimatte.Screen, b: trimatte.Screen, atol: float = 0.0) -> bool:
    return (
        a.transfer == b.transfer
        and a.cell == b.cell
        and np.allclose(a.model, b.model, rtol=0, atol=atol)
        and np.allclose(a.plate, b.plate, rtol=0, atol=atol)
    )


def test_colour_and_plate_are_the_screens(lit: screens.Screened) -> None:
    screen = trimatte.fit_screen(lit.image)
    bare = lit.subject.alpha == 0
    np.testing.assert_allclose(
        screen.key_color, np.median(lit.image[:6].reshape(-1, 3), axis=0), atol=12
    )
    plate = screen.plate_of(lit.plate)
    assert plate.shape == lit.plate.shape
    assert np.abs(plate - lit.plate)[bare].mean() < 1.5 / 255
    assert 0 < screen.share < 1
    assert 0 < screen.noise < 0.05


def test_what_is_sure_has_no_noise(lit: screens.Screened) -> None:
    alpha = trimatte.chroma_key(lit.image, screen=trimatte.fit_screen(lit.image), dtype="float32")
    far = trimatte.choke(np.where(lit.subject.alpha > 0, 0.0, 1.0).astype(np.float32), 20) == 1
    assert (alpha[far] == 0).all()
    deep = trimatte.choke(lit.subject.alpha, 20) == 1
    assert deep.any()
    assert (alpha[deep] == 1).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_matter(lit: screens.Screened, threads: int) -> None:
    usual = trimatte.fit_screen(lit.image)
    before = trimatte.get_num_threads()
    trimatte.set_num_threads(threads)
    try:
        assert same(trimatte.fit_screen(lit.image), usual)
    finally:
        trimatte.set_num_threads(before)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_depths_and_layouts(lit: screens.Screened, dtype: str, channels: int) -> None:
    full = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    image = (lit.image / 255 * full).astype(dtype)
    if channels == 4:
        image = np.concatenate([image, np.zeros_like(image[..., :1])], axis=-1)
    usual = trimatte.fit_screen(lit.image)
    assert same(trimatte.fit_screen(image), usual, 5e-2)
    assert same(trimatte.fit_screen(np.asfortranarray(image)), trimatte.fit_screen(image))


def test_sizes() -> None:
    for height, width in ((1, 1), (1, 40), (3, 5), (40, 1), (9, 300), (1500, 1200)):
        image = np.empty((height, width, 3), np.uint8)
        image[:] = (30, 180, 50)
        screen = trimatte.fit_screen(image)
        assert screen.share == 1
        assert screen.plate.shape[2] == 3
        assert (trimatte.chroma_key(image, screen=screen) == 0).all()
        assert (trimatte.chroma_key(image, key_color="auto", quality="best") == 0).all()


@pytest.mark.parametrize(
    ("color", "found"),
    [((30, 180, 50), "green"), ((20, 60, 200), "blue"), ((190, 20, 30), "red")],
)
def test_key_colours(color: tuple[int, int, int], found: str) -> None:
    image = np.empty((40, 50, 3), np.uint8)
    image[:] = color
    image[12:28, 15:35] = 120
    for key in (found, color):
        assert np.argmax(trimatte.fit_screen(image, key_color=key).key_color) == np.argmax(color)
    others = {"green", "blue", "red"} - {found}
    for other in others:
        with pytest.raises(ScreenError, match=f"no {other} screen"):
            trimatte.fit_screen(image, key_color=other)
    if found == "red":  # too common a colour to be taken for a screen unasked
        with pytest.raises(ScreenError):
            trimatte.fit_screen(image)
    else:
        assert (
            trimatte.fit_screen(image).key_color
            == trimatte.fit_screen(image, key_color=found).key_color
        )


@pytest.mark.parametrize("dimmed", [0.85, 0.8, 0.6])
def test_a_screen_found_in_one_light_only(dimmed: float) -> None:
    """In a shot darker than its clean plate, it may be near the plate in encoded values only."""
    plate = np.empty((128, 128, 3), np.uint8)
    plate[:] = (20, 180, 60)
    image = (plate * dimmed).astype(np.uint8)
    image[40:90, 40:90] = (200, 120, 100)
    found = {}
    for transfer in ("srgb", "linear", "auto"):
        try:
            screen = trimatte.fit_screen(image, plate=plate, transfer=transfer)
            found[transfer] = screen.transfer
        except ScreenError:
            found[transfer] = None
    assert found["auto"] in (found["srgb"], found["linear"])
    assert (found["auto"] is None) == (found["srgb"] is None and found["linear"] is None)


def test_the_next_frame(lit: screens.Screened) -> None:
    first = trimatte.fit_screen(lit.image)
    dimmed = np.rint(lit.image * 0.97).astype(np.uint8)
    second = trimatte.fit_screen(dimmed, like=first)
    assert second.key_color == first.key_color
    assert second.transfer == first.transfer
    bare = np.asarray(second.plate).mean() / np.asarray(first.plate).mean()
    assert 0.97 < bare < 1  # follows slowly
    with pytest.raises(ArgumentError, match="like"):
        trimatte.fit_screen(lit.image[:100], like=first)
    with pytest.raises(ScreenError):
        trimatte.fit_screen(np.zeros_like(lit.image), like=first)


def test_bad_arguments(lit: screens.Screened) -> None:
    for options, message in (
        ({"key_color": "pink"}, "key_color"),
        ({"key_color": (1, 2)}, "key_color"),
        ({"transfer": "log"}, "transfer"),
        ({"plate": lit.image[:50]}, "plate"),
        ({"plate": lit.image.astype(np.uint16)}, "plate"),
    ):
        with pytest.raises(ArgumentError, match=message):
            trimatte.fit_screen(lit.image, **options)
    with pytest.raises(ArgumentError, match="image"):
        trimatte.fit_screen(np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(ArgumentError, match="image"):
        trimatte.fit_screen(np.zeros((5, 5), np.uint8))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"transfer": "log"}, "transfer must be 'srgb' or 'linear', got 'log'"),
        ({"cell": 0}, r"cell must be a whole number in \[1, \d+\], got 0"),
        ({"cell": 8.0}, "cell must be a whole number .* got 8.0"),
        ({"model": "no grid"}, "model must be .* got 'no grid'"),
        ({"model": np.zeros((2, 3, 3))}, r"model must be .* got \(2, 3, 3\)"),
        ({"model": np.zeros((0, 3, 4))}, r"model must be .* got \(0, 3, 4\)"),
        ({"plate": np.full((2, 3, 3), np.nan)}, "plate must be .* finite"),
        ({"plate": np.zeros((3, 3, 3))}, r"plate must have the model's grid \(2, 3\)"),
        ({"noise": -0.1}, "noise must be a number from 0, got -0.1"),
        ({"noise": float("nan")}, "noise must be a number from 0, got nan"),
        ({"key_color": "pink"}, "key_color"),
    ],
)
def test_a_screen_made_by_hand_is_checked(wrong: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {
        "key_color": (20.0, 180.0, 60.0),
        "transfer": "srgb",
        "cell": 8,
        "noise": 0.01,
        "model": np.zeros((2, 3, 4)),
        "plate": np.zeros((2, 3, 3)),
    }
    assert trimatte.Screen(**fields).model.dtype == np.float32
    with pytest.raises(ArgumentError, match=f"^Screen: {message}"):
        trimatte.Screen(**{**fields, **wrong})


def test_like_is_a_screen(lit: screens.Screened) -> None:
    with pytest.raises(ArgumentError, match=r"like must be a trimatte\.Screen"):
        trimatte.fit_screen(lit.image, like=lit.image)

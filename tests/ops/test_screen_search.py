"""Whether an image was taken before a screen: what is certain, what is not, and what is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trimatte.ops.screen_guard import guard_of
from trimatte.ops.screen_search import SeenScreen, find_screen, samples_of
from trimatte.pipeline.routes import choose

SIZE = (180, 240)
GREEN, BLUE = (40, 170, 70), (20, 60, 170)


def noise(seed: int, deviation: float, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(0, deviation, shape)


def as_image(values: Any, dtype: str = "uint8") -> Any:
    full = 1 if dtype == "float32" else np.iinfo(dtype).max
    unit = np.clip(np.asarray(values) / 255, 0, 1)
    return unit.astype(dtype) if dtype == "float32" else (unit * full + 0.5).astype(dtype)


def screen(color: tuple[int, ...] = GREEN, size: tuple[int, int] = SIZE, seed: int = 1) -> Any:
    """A subject before an unevenly lit, noisy screen, float."""
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    light = 1.1 - 0.4 * np.hypot(y - 0.3, x - 0.6)
    image = light[..., None] * np.array(color)
    image[(np.abs(x - 0.5) < 0.15) & (y > 0.2)] = (180, 120, 100)
    return image + noise(seed, 3, *size, 3)


def blocks(seed: int, cells: int, size: tuple[int, int] = SIZE) -> Any:
    """Leaves, roughly: patches of another brightness and hue each."""
    small = np.random.default_rng(seed).uniform(0, 1, (size[0] // cells, size[1] // cells, 2))
    return small.repeat(cells, 0).repeat(cells, 1)


def found(image: Any) -> SeenScreen | None:
    return find_screen(samples_of(image))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("hue", "color"), [("green", GREEN), ("blue", BLUE)])
def test_a_screen_is_certain_in_any_depth_and_size(
    hue: str, color: tuple[int, ...], dtype: str
) -> None:
    for size in (SIZE, (60, 80), (1200, 700)):
        seen = found(as_image(screen(color, size), dtype))
        assert seen is not None
        assert (seen.hue, seen.certain, seen.doubt) == (hue, True, None)
        assert np.allclose(seen.key_color, color, atol=25)
        assert 0.5 < seen.share < 0.9
        assert seen.border > 0.6


@pytest.mark.parametrize("colors", [(BLUE, GREEN), (GREEN, BLUE)], ids=["blue", "green"])
def test_a_shirt_as_wide_as_the_image_is_no_screen(colors: tuple[Any, Any]) -> None:
    behind, shirt = colors
    image = screen(behind)
    image[int(0.55 * SIZE[0]) :] = np.array(shirt) + noise(4, 3, *image[-1:].shape)
    seen = found(as_image(image))
    assert seen is not None
    assert seen.hue == ("blue" if behind == BLUE else "green")


def test_the_figures_do_not_depend_on_depth_and_a_fourth_channel() -> None:
    image = as_image(screen())
    with_alpha = np.dstack([image, np.zeros(SIZE, np.uint8)])
    assert found(with_alpha) == found(image)
    wide = found(image.astype(np.uint16) * np.uint16(257))
    plain = found(image)
    assert plain is not None
    assert wide is not None
    assert wide.share == plain.share
    assert wide.saturation == pytest.approx(plain.saturation, abs=1e-5)


def leaves() -> Any:
    part = blocks(2, 5)
    return np.stack([60 + 70 * part[..., 0], 130 + 80 * part[..., 1], 20 + 40 * part[..., 0]], -1)


def sky() -> Any:
    height = np.linspace(0, 1, SIZE[0])[:, None, None]
    return np.broadcast_to((70, 120, 210) + height * np.array([110, 90, 35]), (*SIZE, 3))


UNCERTAIN = {
    "a lawn": leaves(),
    "a sky": sky(),
    "a pale wall": np.broadcast_to((150, 200, 150), (*SIZE, 3)),
    "a dark room": np.broadcast_to((5, 30, 8), (*SIZE, 3)),
    "a saturated sky that is shaded": sky()
    * np.linspace(0.2, 1, SIZE[0])[:, None, None]
    * (0.2, 0.5, 1),
    "a red wall": np.broadcast_to((200, 20, 30), (*SIZE, 3)),
    "noise": np.random.default_rng(3).uniform(0, 255, (*SIZE, 3)),
    "grey": np.full((*SIZE, 3), 127),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_no_screen_is_not_taken_for_one(name: str) -> None:
    seen = found(as_image(UNCERTAIN[name]))
    assert seen is None or not seen.certain


def test_a_screen_in_the_middle_of_a_wall_is_not_certain() -> None:
    image = np.full((*SIZE, 3), 190.0)
    image[20:-20, 20:-20] = screen()[20:-20, 20:-20]
    assert found(as_image(image)) is None
    image[:, 20:70] = GREEN
    seen = found(as_image(image))
    assert seen is not None
    assert seen.doubt == "that is too little of the border"


@pytest.mark.parametrize("size", [(0, 0), (0, 9), (1, 1), (11, 300), (3, 5000)])
def test_of_too_few_pixels_nothing_is_said(size: tuple[int, int]) -> None:
    assert found(np.full((*size, 3), GREEN, np.uint8)) is None


def test_few_pixels_of_a_large_image_are_looked_at() -> None:
    assert samples_of(np.zeros((3000, 4000, 3), np.uint8)).shape == (120, 160, 3)
    assert samples_of(np.zeros((2, 4000), np.uint8)).shape == (1, 160)


def test_the_choice_says_why() -> None:
    keyed = choose(samples_of(as_image(screen())))
    assert keyed.route.kind == "key+network"
    assert keyed.route.why.startswith("a green screen covers ")
    assert keyed.key is not None
    assert keyed.key.color == "green"
    assert keyed.guards
    lawn = choose(samples_of(as_image(leaves())))
    assert (lawn.route.kind, lawn.key) == ("network", None)
    assert "green covers" in lawn.route.why
    assert "for a screen, so u2net-lite finds the subject" in lawn.route.why
    grey = choose(samples_of(as_image(UNCERTAIN["grey"])))
    assert grey.route.why == "no screen is seen, so u2net-lite finds the subject"


# --- what a network corrects ---


def masks() -> tuple[Any, Any]:
    """What a key and a network say of a subject in the middle: the same."""
    mask = np.zeros((160, 160), np.uint8)
    mask[40:, 50:110] = 255
    return mask.copy(), mask


def lit(key: Any) -> Any:
    """Bare screen where a key says so, lit from a side and noisy; grey elsewhere."""
    noise = np.random.default_rng(0).normal(0, 3, (160, 160, 3))
    light = np.linspace(150, 220, 160)[None, :, None]
    screen = light * np.array([0.2, 1.0, 0.3]) + noise
    return np.where(key[..., None] > 127, 120, screen).clip(0, 255).astype(np.uint8)


def test_where_key_and_network_agree_nothing_is_corrected() -> None:
    key, mask = masks()
    guard = guard_of(key, mask, lit(key))
    assert not guard
    assert str(guard) == "has nothing to add"


def test_clothes_of_the_screens_colour_are_kept() -> None:
    key, mask = masks()
    image = lit(key)
    key[80:120, 60:100] = 0
    image[80:120, 60:100] = (30, 150, 45)  # darker than the screen is there
    guard = guard_of(key, mask, image)
    assert guard.keep[100, 80]
    assert guard.keep.mean() == pytest.approx(40 * 40 / 160**2, rel=0.05)
    assert not guard.drop.any()
    assert "keeps 6." in str(guard)


def test_screen_that_an_arm_encloses_is_not_kept() -> None:
    """A network may take it for the body; it looks as the screen does."""
    key, mask = masks()
    key[80:120, 60:100] = 0
    assert not guard_of(key, mask, lit(key))


def test_a_wall_that_leaves_the_image_is_dropped_and_a_hand_is_not() -> None:
    key, mask = masks()
    key[:, :25] = 255  # a wall
    key[10:30, 120:140] = 255  # what the network has missed, but is within the image
    guard = guard_of(key, mask, lit(key))
    assert guard.drop[80, 5]
    assert not guard.drop[:, 40:].any()
    assert not guard.keep.any()


def test_a_coat_that_the_network_has_lost_is_not_dropped() -> None:
    """It leaves the image as a wall does, and hangs together with the head."""
    key, mask = masks()
    mask[80:] = 0
    assert not guard_of(key, mask, lit(key))


def test_gaps_and_rims_are_the_keys() -> None:
    key, mask = masks()
    key[60:140, 78:82] = 0  # between two legs
    key[:, 104:116] = 0  # the network's outline is too wide
    key[30:36, 50:110] = 255  # hair
    assert not guard_of(key, mask, lit(key))

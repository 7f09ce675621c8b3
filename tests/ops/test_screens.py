"""What `fit_screen` learns of a screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import ImageColor
from scipy.ndimage import uniform_filter1d

import trimatte
from benchmarks import screens
from trimatte import ArgumentError, ScreenError

Array = Any
RNG = np.random.default_rng(12)


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


def before(shade: tuple[int, int, int], subject: tuple[int, int, int]) -> tuple[Array, Array]:
    """A noisy disk before a screen, and its alpha."""
    y, x = np.mgrid[:120, :160]
    truth = (x - 80) ** 2 + (y - 60) ** 2 < 30**2
    image = np.where(truth[..., None], subject, shade) + RNG.normal(0, 2, (120, 160, 3))
    return np.clip(image, 0, 255).round().astype(np.uint8), truth


@pytest.mark.parametrize("method", ["plate", "obs", "ffmpeg"])
@pytest.mark.parametrize("color", ["magenta", "#ff14fa", "yellow", (0, 200, 190), "white", "gray"])
def test_a_screen_may_have_any_colour(color: Any, method: str) -> None:
    """Two channels that lead together, or none; no spill is taken out of the subject's own."""
    subject = (30, 160, 60) if color in ("magenta", "#ff14fa") else (180, 30, 60)
    image = np.empty((60, 80, 3), np.uint8)
    image[:] = ImageColor.getrgb(color)[:3] if isinstance(color, str) else color
    image[18:42, 25:55] = subject
    image = np.clip(image + RNG.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    if color in ("white", "gray") and method != "plate":
        with pytest.raises(ArgumentError, match="key_color must not be grey for method="):
            trimatte.chroma_key(image, key_color=color, method=method)
        return
    alpha = trimatte.chroma_key(image, key_color=color, method=method, dtype=np.float32)
    assert alpha[:12].max() < 0.05
    assert alpha[25:35, 32:48].min() > 0.95
    if method != "plate":
        return
    result = trimatte.Remover(key_color=color)(image)
    assert result.alpha[:12].max() == 0
    assert np.abs(result.foreground[25:35, 32:48].astype(int) - subject).max() < 12
    fused = trimatte.key_cutout(image, screen=result.screen)
    np.testing.assert_array_equal(fused[25:35, 32:48, :3], image[25:35, 32:48])
    for other in ("difference", "vlahos"):
        with pytest.raises(ArgumentError, match="one channel above the others for method="):
            trimatte.chroma_key(image, key_color="white", method=other)


@pytest.mark.parametrize(
    ("name", "shade"),
    [
        ("magenta", (225, 40, 190)),
        ("Fuchsia", (235, 40, 220)),
        ("cyan", (30, 190, 205)),
        ("yellow", (230, 215, 40)),
        ("white", (250, 240, 225)),
        ("grey", (120, 128, 140)),
        ("black", (25, 25, 28)),
        ("green", (128, 200, 120)),
    ],
)
def test_a_name_means_the_commonest_shade_of_its_kind(
    name: str, shade: tuple[int, int, int]
) -> None:
    image, truth = before(shade, (150, 60, 40))
    screen = trimatte.fit_screen(image, key_color=name)
    np.testing.assert_allclose(screen.key_color, shade, atol=4)
    alpha = trimatte.chroma_key(image, screen=screen, dtype=np.float32)
    assert np.abs(alpha - truth).mean() < 0.01


@pytest.mark.parametrize("shade", [(230, 215, 40), (128, 128, 128), (250, 250, 250), (30, 30, 30)])
@pytest.mark.parametrize("below", [False, True], ids=["inside", "at the lower border"])
def test_auto_takes_no_shirt_for_the_screen(shade: tuple[int, int, int], below: bool) -> None:
    image, _ = before(shade, (40, 90, 180))
    if below:
        image[-40:] = (40, 90, 180)
    with pytest.raises(ScreenError, match=r"no screen was found: .* key_color= takes its own"):
        trimatte.fit_screen(image)


def test_the_border_is_that_of_what_shows() -> None:
    image, _ = before((20, 180, 60), (190, 60, 50))
    cut = np.zeros((*(side + 40 for side in image.shape[:2]), 4), np.uint8)
    cut[20:-20, 20:-20] = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    np.testing.assert_allclose(trimatte.fit_screen(cut).key_color, (20, 180, 60), atol=4)


@pytest.mark.parametrize("shirt", [(30, 40, 90), (30, 70, 200), (110, 130, 60)])
@pytest.mark.parametrize("key_color", ["auto", "green"])
def test_a_shirt_on_most_of_the_border_is_no_screen(
    shirt: tuple[int, int, int], key_color: str
) -> None:
    height, width = 180, 240
    y, x = np.mgrid[:height, :width]
    is_shirt = y > 75 + 0.4 * np.abs(np.abs(x - width / 2) - width / 2)
    is_head = (x - 120) ** 2 / 35**2 + (y - 68) ** 2 / 48**2 < 1
    image = np.empty((height, width, 3))
    image[:] = (40, 170, 70)
    image[is_head], image[is_shirt] = (215, 170, 145), shirt
    image *= (1 - 0.3 * (x / width - 0.4) ** 2 - 0.2 * (y / height) ** 2)[..., None]
    image = np.clip(image + RNG.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    alpha = trimatte.chroma_key(image, key_color=key_color, method="plate", dtype=np.float32)
    assert np.abs(alpha - (is_shirt | is_head)).mean() < 0.01


@pytest.mark.parametrize(
    ("reach", "subject"), [(20, (205, 150, 125)), (40, (205, 150, 125)), (24, (30, 30, 40))]
)
def test_wide_soft_edges_are_no_foreground(reach: int, subject: tuple[int, int, int]) -> None:
    """As a shutter leaves them; of a warm foreground nothing of the screen's hue is left in a
    mixture long before it is the foreground's."""
    height, width = 180, 320
    y, x = np.mgrid[:height, :width]
    shape = ((x - 160) ** 2 + (y - 90) ** 2 < 50**2).astype(float)
    truth = uniform_filter1d(shape, reach, axis=1)[..., None]
    image = truth * subject + (1 - truth) * (45, 185, 75)
    image = np.clip(image + RNG.normal(0, 3, image.shape), 0, 255).round().astype(np.uint8)
    alpha = trimatte.Remover(key_color="auto")(image).alpha
    soft = (truth[..., 0] > 0.1) & (truth[..., 0] < 0.9)
    assert np.abs(alpha - truth[..., 0])[soft].mean() < 0.06


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
        ({"key_color": "pinkish"}, "key_color"),
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
        ({"key_color": "pinkish"}, "key_color"),
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

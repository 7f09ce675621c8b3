"""Remover and remove: the stages in order, the kind of the input, masks at their limits."""

from __future__ import annotations

import copy
import io
import pickle
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from trimatte import ArgumentError, CutoutWarning, Remover, ScreenError, remove
from trimatte.demo import scene
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png

GREEN = (40, 180, 60)


def on_green(height: int = 60, width: int = 80, color: tuple[int, ...] = (200, 100, 50)) -> Any:
    """A rectangle of one colour before a green screen."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = GREEN
    image[height // 4 : -height // 4, width // 4 : -width // 4] = color
    return image


@pytest.fixture(scope="module")
def drawn() -> Any:
    return scene(270, 480, seed=1)


# --- the stages ---


def test_a_result_has_everything(drawn: Any) -> None:
    result = Remover(model=None)(drawn.image)
    size = drawn.image.shape[:2]
    assert result.rgba.shape == (*size, 4)
    assert result.rgba.dtype == np.uint8
    assert result.alpha.shape == size
    assert result.alpha.dtype == np.float32
    assert result.foreground.shape == drawn.image.shape
    assert result.trimap.dtype == np.uint8
    assert set(np.unique(result.trimap)) == {0, 128, 255}
    assert result.mask is not None
    assert {0, 255} < set(np.unique(result.mask))
    assert result.screen is not None
    assert result.screen.key_color[1] > 100
    assert result.device == "cpu"
    stages = ["read", "screen", "key", "trimap", "alpha", "foreground", "despill", "cutout"]
    assert list(result.timings) == stages
    assert all(seconds >= 0 for seconds in result.timings.values())
    assert result.image.mode == "RGBA"
    assert "480 x 270" in repr(result)


def test_the_stages_are_those_of_the_library(drawn: Any) -> None:
    result = Remover(radius=(6, 3), tolerance=25, quality="fast")(drawn.image)
    mask = trimatte.chroma_key(drawn.image, tolerance=25)
    trimap = trimatte.make_trimap(mask, (6, 3))
    alpha = trimatte.estimate_alpha(drawn.image, trimap, quality="fast")
    colors = trimatte.estimate_foreground(drawn.image, alpha)
    foreground = trimatte.despill(colors, alpha=alpha)
    np.testing.assert_array_equal(result.mask, mask)
    np.testing.assert_array_equal(result.trimap, trimap)
    np.testing.assert_array_equal(result.alpha, alpha)
    np.testing.assert_array_equal(result.foreground, foreground)
    np.testing.assert_array_equal(result.rgba, trimatte.cutout(foreground, alpha))


def test_matting_beats_the_bare_key(drawn: Any) -> None:
    def sad(alpha: Any) -> float:
        return float(np.abs(alpha - drawn.alpha).sum())

    result = Remover(model=None)(drawn.image)
    hard = trimatte.chroma_key(drawn.image, dtype=np.float32)
    assert sad(result.alpha) < 0.6 * sad(hard)


def test_the_default_band_grows_with_the_image() -> None:
    small, large = on_green(60, 80), on_green(240, 320)

    def band(image: Any) -> float:
        middle = Remover(method="difference")(image).trimap[image.shape[0] // 2]
        return float((middle == 128).mean())

    assert band(large) == pytest.approx(band(small), abs=0.06)


def test_despill_belongs_to_the_key(drawn: Any) -> None:
    keyed = Remover(model=None)(drawn.image)
    soft = (keyed.alpha > 0) & (keyed.alpha < 0.99)
    limit = keyed.foreground[..., [0, 2]].mean(axis=-1) + 1
    assert (keyed.foreground[..., 1] <= limit)[soft].all()

    plain = Remover(model=None, despill=None)(drawn.image)
    assert "despill" not in plain.timings
    assert plain.screen is not None
    plate = plain.screen.plate_of(drawn.image)
    np.testing.assert_array_equal(
        plain.foreground,
        trimatte.estimate_foreground(drawn.image, plain.alpha, background=plate),
    )
    masked = Remover(model=None)(drawn.image, mask=keyed.mask)
    assert "despill" not in masked.timings
    half = Remover(model=None, despill_strength=0.5, despill="max-limit")(drawn.image)
    np.testing.assert_array_equal(
        half.foreground,
        trimatte.despill(plain.foreground, method="max-limit", strength=0.5, alpha=plain.alpha),
    )


def test_blue_screens() -> None:
    image = on_green()[:, :, [0, 2, 1]]
    result = Remover(key_color="blue")(image)
    assert result.alpha[0, 0] == 0
    assert result.alpha[30, 40] == 1
    np.testing.assert_array_equal(
        result.alpha, Remover(key_color=(40, 60, 180), despill="average")(image).alpha
    )


def test_real_green_screens(shared_data: Path) -> None:
    for name in ("synth_lemur_green", "synth_human2_green"):
        path = shared_data / "greenscreen" / f"{name}.png"
        truth = read_mask(path.with_suffix(".alpha.png")) / 255
        result = Remover(model=None)(path)
        hard = trimatte.chroma_key(read_image(path), dtype=np.float32)
        assert np.abs(result.alpha - truth).sum() < 0.75 * np.abs(hard - truth).sum()


# --- straight alpha ---


def test_straight_colour_stays_straight() -> None:
    """rembg's default gives (100, 50, 25, 128) here: its colours are darkened (its issue 474)."""
    straight = np.array([200, 100, 50], np.float64)
    for shade in (0, 255):  # over black and over white
        image = np.full((40, 60, 3), shade, np.uint8)
        image[:, 20:40] = np.rint(straight * (128 / 255) + shade * (127 / 255))
        image[:, 40:] = straight
        alpha = np.zeros((40, 60), np.float32)
        alpha[:, 20:40] = 128 / 255
        alpha[:, 40:] = 1
        foreground = trimatte.estimate_foreground(image, alpha)
        rgba = trimatte.cutout(foreground, alpha)
        np.testing.assert_allclose(rgba[20, 38], [200, 100, 50, 128], atol=3)
        back = trimatte.composite(foreground, alpha, (shade,) * 3)
        np.testing.assert_allclose(back[:, 20:].astype(int), image[:, 20:], atol=3)


def test_own_alpha_of_128_keeps_its_colour() -> None:
    rgba = np.empty((12, 16, 4), np.uint8)
    rgba[:] = (200, 100, 50, 128)
    for image in (rgba, Image.fromarray(rgba), encode_png(rgba)):
        got = remove(image, mask=np.full((12, 16), 255, np.uint8))
        got = read_image(got)
        np.testing.assert_array_equal(got, rgba)


def test_own_alpha_is_multiplied_in() -> None:
    image = on_green()
    own = np.tile(np.linspace(0, 255, 80).astype(np.uint8), (60, 1))
    opaque = Remover(model=None)(image)
    result = Remover(model=None)(np.dstack([image, own]))
    np.testing.assert_allclose(result.alpha, opaque.alpha * (own / np.float32(255)), atol=1e-6)
    np.testing.assert_array_equal(result.rgba[30, 40, 3], own[30, 40])


# --- the kind of the input ---


def test_the_output_is_of_the_kind_of_the_input(tmp_path: Path) -> None:
    image = on_green()
    expected = Remover(model=None)(image).rgba
    path = tmp_path / "photo.png"
    path.write_bytes(encode_png(image))

    array = remove(image, model=None)
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, expected)
    for source in (Image.fromarray(image), path, str(path)):
        picture = remove(source, model=None)
        assert isinstance(picture, Image.Image)
        assert picture.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(picture), expected)
    for source in (path.read_bytes(), bytearray(path.read_bytes()), io.BytesIO(path.read_bytes())):
        data = remove(source, model=None)
        assert isinstance(data, bytes)
        assert data.startswith(b"\x89PNG")
        np.testing.assert_array_equal(read_image(data), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_depth_is_kept(dtype: Any) -> None:
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    image = (on_green() / 255 * full).astype(dtype)
    result = Remover(model=None)(image)
    assert result.rgba.dtype == dtype
    sure = result.alpha == 1
    if dtype is not np.uint8:
        # Not despilled, what is wholly foreground has its values to the bit.
        result = Remover(model=None, despill=None)(image)
    colors = result.rgba[sure][:, :3]
    np.testing.assert_allclose(colors, image[sure], rtol=1e-6 if dtype is np.float32 else 0)
    assert (result.rgba[sure][:, 3] == full).all()
    assert np.asarray(result.image).dtype == np.uint8


def test_16_bits_in_16_bits_out(tmp_path: Path) -> None:
    image = on_green().astype(np.uint16) * 257
    image += np.arange(80, dtype=np.uint16)[None, :, None] % 200
    data = remove(encode_png(image), model=None, despill=None)
    got = read_image(data)
    assert got.dtype == np.uint16
    sure = got[:, :, 3] == 65535
    assert sure.any()
    np.testing.assert_array_equal(got[sure][:, :3], image[sure])
    Remover(model=None, despill=None)(image).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), got)


def test_the_input_is_left_alone() -> None:
    image = on_green()
    before = image.copy()
    picture = Image.fromarray(image)
    remove(picture, model=None)
    image.flags.writeable = False
    remove(image, model=None)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(np.asarray(picture), before)
    assert picture.mode == "RGB"


def test_strided_views() -> None:
    image = on_green(120, 160)
    for view in (image[::2], image[:, ::2], image[::-1], image[:, ::-1]):
        expected = remove(np.ascontiguousarray(view), model=None)
        np.testing.assert_array_equal(remove(view, model=None), expected)


def test_save_and_composite(tmp_path: Path) -> None:
    result = Remover(model=None)(on_green())
    for suffix in (".png", ".webp", ".tif"):
        result.save(tmp_path / f"cutout{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"cutout{suffix}"), result.rgba)
    with pytest.raises(ArgumentError, match="JPEG has no alpha"):
        result.save(tmp_path / "cutout.jpg")
    over = result.composite("white")
    np.testing.assert_array_equal(over[0, 0], [255, 255, 255])
    assert over.shape == (60, 80, 3)
    plate = np.full((60, 80, 3), 7, np.uint8)
    np.testing.assert_array_equal(result.composite(plate)[0, 0], [7, 7, 7])


# --- masks and trimaps ---


@pytest.mark.parametrize("method", ["plate", "difference"])
@pytest.mark.parametrize("color", [GREEN, (200, 100, 50)])
def test_nothing_but_screen_and_nothing_but_foreground(
    color: tuple[int, int, int], method: str
) -> None:
    image = np.empty((30, 40, 3), np.uint8)
    image[:] = color
    remover = Remover(method=method)
    if method == "plate" and color != GREEN:
        with pytest.raises(ScreenError, match="screen was found"):
            remover(image)
        return
    told = "all of it was keyed out" if color == GREEN else "nothing was keyed out"
    with pytest.warns(CutoutWarning, match=told):
        result = remover(image)
    expected = 0 if color == GREEN else 255
    assert (result.rgba[:, :, 3] == expected).all()
    np.testing.assert_array_equal(result.rgba[:, :, :3], 0 if expected == 0 else image)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("kind", ["mask", "trimap"])
def test_empty_and_full_masks(value: int, kind: str) -> None:
    image = on_green()
    given = {kind: np.full(image.shape[:2], value, np.uint8)}
    told = nullcontext() if value else pytest.warns(CutoutWarning, match=f"the {kind} has no fore")
    with told:
        result = Remover(model=None)(image, **given)
    assert (result.alpha == value / 255).all()
    np.testing.assert_array_equal(result.rgba[:, :, :3], image if value else 0)


def test_one_pixel() -> None:
    pixel = np.full((1, 1, 3), 9, np.uint8)
    assert remove(pixel, mask=np.array([[True]])).tolist() == [[[9, 9, 9, 255]]]
    with pytest.warns(CutoutWarning, match="the mask has no foreground"):
        assert remove(pixel, mask=np.array([[False]])).tolist() == [[[0, 0, 0, 0]]]


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2], [1, 2, 3]])
def test_maps_of_labels_are_told(labels: list[int]) -> None:
    image = on_green()
    given = np.sort(np.resize(np.array(labels, np.uint8), image.shape[:2]), axis=1)
    message = f"nothing above {labels[-1]}"
    with pytest.raises(ArgumentError, match=f"trimap must be 0 .*{message}"):
        Remover(model=None)(image, trimap=given)
    with pytest.raises(ArgumentError, match=f"trimap must be 0 .*{message}"):
        trimatte.estimate_alpha(image, given)
    for call, name in (
        (lambda: trimatte.refine(image, given[::2, ::2]), "mask"),
        (lambda: trimatte.make_trimap(given), "mask"),
        (lambda: trimatte.cutout(image, given), "alpha"),
    ):
        with pytest.warns(CutoutWarning, match=f"the {name} holds {message}") as told:
            call()
        assert [warning.filename for warning in told] == [__file__]
    for matting in (True, False):
        remover = Remover(model=None, matting=matting)
        with pytest.warns(CutoutWarning) as told:
            remover(image, mask=given)
        said = [str(warning.message) for warning in told]
        assert [text.partition(" holds")[0] for text in said[:1]] == ["the mask"]
        assert said[1:] == ["nothing is left of the image: the mask has no foreground"]
    with pytest.warns(CutoutWarning, match=f"the garbage holds {message}") as told:
        Remover(model=None)(image, mask=given > 0, garbage=given)
    assert len(told) == 1


def test_an_image_that_is_transparent_throughout_is_told() -> None:
    image = np.dstack([on_green(), np.zeros((60, 80), np.uint8)])
    with pytest.warns(CutoutWarning, match="it is transparent throughout"):
        Remover(model=None)(image, mask=np.full((60, 80), True))


def test_a_key_may_leave_next_to_nothing() -> None:
    """Its alpha is no map of labels, however small its values are."""
    image = np.full((40, 60, 3), (20, 200, 20), np.uint8)
    image[:, ::2] = (21, 200, 20)
    remover = Remover(
        method="obs", key_color=(20, 200, 20), tolerance=0.0, softness=0.2, matting=False
    )
    with pytest.warns(CutoutWarning, match="all of it was keyed out"):
        remover(image)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_remover_is_copied_by_its_options(copied: Any) -> None:
    image = on_green()
    remover = Remover(key_color="green", radius=3, despill=None, workers=2)
    with remover:
        expected = remover(image)
    again = copied(remover)  # a closed one too: a copy is opened anew
    np.testing.assert_array_equal(again(image).rgba, expected.rgba)
    assert (again.recipe, again.resources) == (remover.recipe, remover.resources)
    assert copied(again)(image).rgba.tolist() == expected.rgba.tolist()


def test_every_kind_of_mask(tmp_path: Path) -> None:
    image = on_green()
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[18:-18, 22:-22] = 255
    expected = Remover(model=None)(image, mask=mask)
    np.testing.assert_array_equal(expected.mask, mask)
    path = tmp_path / "mask.png"
    path.write_bytes(encode_png(mask))
    cut = np.dstack([image, mask])
    for given in (path, str(path), path.read_bytes(), Image.fromarray(mask), mask > 0):
        np.testing.assert_array_equal(Remover(model=None)(image, mask=given).rgba, expected.rgba)
    for given in (mask.astype(np.uint16) * 257, (mask / 255).astype(np.float32), encode_png(cut)):
        np.testing.assert_array_equal(Remover(model=None)(image, mask=given).rgba, expected.rgba)


def test_trimaps_are_used_as_they_are() -> None:
    image = on_green()
    trimap = np.full(image.shape[:2], 100, np.uint8)  # anything in between is unknown
    trimap[:5] = 3
    trimap[25:35, 35:45] = 250
    result = Remover(model=None)(image, trimap=trimap)
    assert result.mask is None
    np.testing.assert_array_equal(
        result.trimap, np.select([trimap < 26, trimap > 229], [0, 255], 128)
    )
    assert (result.alpha[:5] == 0).all()
    assert "trimap" not in result.timings
    deep = trimap.astype(np.uint16) * 257
    for given in (deep, encode_png(deep), Image.fromarray(trimap)):
        np.testing.assert_array_equal(Remover(model=None)(image, trimap=given).alpha, result.alpha)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mask": np.zeros((0, 5), np.uint8)}, "resize: image"),
        ({"trimap": np.zeros((80, 60), np.uint8)}, r"trimap must have.*got \(80, 60\)"),
        ({"mask": np.zeros((60, 80), np.int64)}, "mask"),
        ({"trimap": np.zeros((60, 80), bool)}, "trimap"),
        ({"mask": "missing.png"}, r"missing\.png.*no such file"),
        ({"mask": np.zeros((60, 80)), "trimap": np.zeros((60, 80))}, "not both"),
    ],
)
def test_bad_masks_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        remove(on_green(), **given)


# --- options ---


@pytest.mark.parametrize(
    "options",
    [
        {"key_color": "purplish"},
        {"key_color": (1, 2)},
        {"tolerance": -1},
        {"tolerance": 256},
        {"softness": -1},
        {"radius": -1},
        {"radius": (1, 2, 3)},
        {"quality": "best"},
        {"despill": "all"},
        {"despill_strength": 2},
        {"device": "tpu"},
    ],
)
def test_bad_options_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        Remover(**options)
    with pytest.raises(ArgumentError):
        remove(on_green(), **options)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        remove(on_green(), colour="green")


def test_the_same_result_every_time_and_from_many_threads(drawn: Any) -> None:
    remover = Remover(model=None)
    expected = remover(drawn.image).rgba
    got: list[Any] = []
    threads = [
        threading.Thread(target=lambda: got.append(remover(drawn.image).rgba)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    for rgba in got:
        np.testing.assert_array_equal(rgba, expected)


# --- the demo's scene ---


def test_the_scene_is_what_it_says(drawn: Any) -> None:
    again = scene(270, 480, seed=1)
    for a, b in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (scene(270, 480, seed=2).alpha != drawn.alpha).any()
    assert drawn.image.shape == drawn.foreground.shape == drawn.background.shape == (270, 480, 3)
    assert drawn.image.dtype == np.uint8
    assert drawn.alpha.dtype == np.float32
    assert drawn.alpha.min() == 0
    assert drawn.alpha.max() == 1
    alpha = drawn.alpha[:, :, None]
    mixed = alpha * drawn.foreground + (1 - alpha) * drawn.background
    error = drawn.image - mixed
    assert abs(error.mean()) < 0.1  # only noise is left
    assert error.std() < 2.5
    assert 0.02 < ((drawn.alpha > 0) & (drawn.alpha < 1)).mean() < 0.2

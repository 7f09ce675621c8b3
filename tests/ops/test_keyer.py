"""The keyer as a whole: a learnt screen, the solve, mattes, a network beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimatte
from benchmarks import screens
from trimatte import ArgumentError, Remover
from trimatte.demo import scene
from trimatte.io.writing import write_image

Array = Any


@pytest.fixture(scope="module")
def drawn() -> Any:
    return scene(270, 480, seed=3)


def sad(alpha: Array, truth: Array) -> float:
    return float(np.abs(np.asarray(alpha, np.float64) - truth).sum())


def best(image: Array, **options: Any) -> Array:
    return trimatte.chroma_key(image, key_color="auto", quality="best", **options)


def test_nothing_to_tune(drawn: Any) -> None:
    hard = trimatte.chroma_key(drawn.image, dtype="float32")
    fast = trimatte.chroma_key(drawn.image, key_color="auto", quality="fast", dtype="float32")
    assert sad(fast, drawn.alpha) < 0.5 * sad(hard, drawn.alpha)
    assert sad(best(drawn.image), drawn.alpha) < 0.35 * sad(hard, drawn.alpha)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("key", ["green", "blue"])
def test_the_space_that_was_mixed_in_is_found(key: str, linear: bool) -> None:
    subject = list(screens.drawn_subjects(270, 480))[1]
    scene = screens.before_screen(subject, key, linear=linear, noise=1, seed=5)
    found = trimatte.fit_screen(scene.image)
    assert found.transfer == ("linear" if linear else "srgb")
    assert np.argmax(found.key_color) == (1 if key == "green" else 2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_depths_agree(drawn: Any, dtype: str) -> None:
    full = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    image = (drawn.image / 255 * full).astype(dtype)
    alpha = best(image)
    assert alpha.dtype == np.float32
    assert np.abs(alpha - best(drawn.image)).mean() < 2e-3


def test_best_is_in_float() -> None:
    with pytest.raises(ArgumentError, match="dtype"):
        best(np.zeros((8, 8, 3), np.uint8), dtype="uint8")
    with pytest.raises(ArgumentError, match="quality"):
        trimatte.chroma_key(np.zeros((8, 8, 3), np.uint8), quality="good")
    with pytest.raises(ArgumentError, match="method"):
        trimatte.chroma_key(np.zeros((8, 8, 3), np.uint8), quality="fast", method="obs")


@pytest.mark.parametrize("quality", [None, "fast", "best"])
def test_mattes_have_the_last_word(drawn: Any, quality: str | None) -> None:
    height, width = drawn.alpha.shape
    garbage, core = np.zeros((2, height, width), np.uint8)
    garbage[:, : width // 4] = 255
    core[:40, -40:] = 255  # bare screen, called foreground
    alpha = trimatte.chroma_key(
        drawn.image, quality=quality, garbage=garbage, core=core, feather=1.5, dtype="float32"
    )
    assert (alpha[:, : width // 4] == 0).all()
    assert (alpha[:40, -40:] == 1).all()


def test_choke_tightens_and_feather_softens(drawn: Any) -> None:
    plain = trimatte.chroma_key(drawn.image, key_color="auto", quality="fast")
    choked = trimatte.chroma_key(drawn.image, key_color="auto", quality="fast", choke=2)
    np.testing.assert_array_equal(choked, trimatte.choke(plain, 2))
    soft = trimatte.chroma_key(drawn.image, key_color="auto", quality="fast", choke=-1, feather=2)
    np.testing.assert_array_equal(soft, trimatte.feather(trimatte.choke(plain, -1), 2))
    tight = Remover(model=None, choke=2)(drawn.image)
    assert sad(tight.alpha, 0) < sad(Remover(model=None)(drawn.image).alpha, 0)


def test_a_given_plate_counts(drawn: Any) -> None:
    learnt = trimatte.fit_screen(drawn.image)
    given = trimatte.fit_screen(drawn.image, plate=drawn.background)
    truth = drawn.background / 255
    errors = [
        np.abs(each.plate_of(truth.astype(np.float32)) - truth).mean() for each in (learnt, given)
    ]
    assert errors[1] < errors[0] < 2 / 255
    np.testing.assert_array_equal(
        trimatte.chroma_key(drawn.image, method="plate", plate=drawn.background, key_color="auto"),
        trimatte.chroma_key(drawn.image, screen=given),
    )


@pytest.mark.parametrize("method", ["difference", "ffmpeg", "obs", "vlahos"])
def test_every_method_takes_a_found_colour(drawn: Any, method: str) -> None:
    color = trimatte.fit_screen(drawn.image).key_color
    np.testing.assert_array_equal(
        trimatte.chroma_key(drawn.image, method=method, key_color="auto"),
        trimatte.chroma_key(drawn.image, method=method, key_color=color),
    )


def test_green_clothes_survive_beside_a_network(drawn: Any, monkeypatch: Any) -> None:
    """A green shirt is screen to a key alone; a mask from elsewhere says that it is not."""
    image = drawn.image.copy()
    inside = np.zeros(drawn.alpha.shape, bool)
    inside[200:250, 210:270] = True
    assert drawn.alpha[inside].min() == 1
    image[inside] = drawn.background[inside]
    rig = np.s_[:30, :60]
    image[rig] = 90
    mask = (255 * drawn.alpha).astype(np.uint8)

    remover = Remover(key_color="auto")
    known = trimatte.make_trimap(mask, 12)
    monkeypatch.setattr(Remover, "_segment", lambda self, works: setattr(works[0], "mask", mask))
    monkeypatch.setattr(
        "trimatte.pipeline.frame.trimap_of_mask", lambda given, image, **_: (given, known)
    )
    remover._segmenter = FakeSegmenter()  # type: ignore[assignment]
    remover._asked = replace(remover._asked, network=True)
    result = remover(image)
    assert result.alpha[inside].min() == 1
    assert result.alpha[rig].max() == 0
    alone = Remover(key_color="auto")(image)
    assert alone.alpha[inside].mean() < 0.5
    assert alone.alpha[rig].mean() > 0.9
    edge = (drawn.alpha > 0) & (drawn.alpha < 1)
    assert sad(result.alpha[edge], drawn.alpha[edge]) < 1.1 * sad(
        Remover(model=None)(drawn.image).alpha[edge], drawn.alpha[edge]
    )


class FakeSegmenter:
    engine = "made up"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        return 320, 320


def test_files(drawn: Any, tmp_path: Path) -> None:
    garbage = np.zeros(drawn.alpha.shape, np.uint8)
    garbage[:60] = 255
    write_image(tmp_path / "photo.png", drawn.image)
    write_image(tmp_path / "garbage.png", garbage)
    result = Remover(model=None)(tmp_path / "photo.png", garbage=tmp_path / "garbage.png")
    assert (result.alpha[:60] == 0).all()
    with pytest.raises(ArgumentError, match="garbage must have the image's size"):
        Remover(model=None)(drawn.image, garbage=garbage[:50])

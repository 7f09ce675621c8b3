"""The options of a Remover, and what checking them and arrays once means."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_type_hints

import numpy as np
import pytest

import trimatte
from trimatte import ArgumentError, EngineError, Remover, Segmenter
from trimatte.demo import scene
from trimatte.ops.resizing import upsample_mask
from trimatte.pipeline import models
from trimatte.pipeline.options import RemoverOptions

DRAWN = scene(90, 120)
MASK = (255 * DRAWN.alpha).astype(np.uint8)


def test_the_typed_options_are_the_keywords() -> None:
    keywords = inspect.signature(Remover).parameters
    assert set(get_type_hints(RemoverOptions)) == set(keywords)


# --- without matting ---


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_without_matting_a_mask_is_the_alpha(dtype: Any) -> None:
    mask = MASK if dtype is np.uint8 else DRAWN.alpha.astype(np.float32)
    result = Remover(model=None, matting=False)(DRAWN.image, mask=mask)
    expected = DRAWN.alpha if dtype is np.float32 else MASK / 255
    np.testing.assert_allclose(result.alpha, expected, atol=1e-6)
    assert result.mask is not None
    assert "trimap" not in result.timings


def test_without_matting_the_edges_of_a_small_mask_follow_the_image() -> None:
    result = Remover(model=None, matting=False)(DRAWN.image, mask=MASK[::3, ::3])
    np.testing.assert_array_equal(result.alpha, upsample_mask(DRAWN.image, MASK[::3, ::3]))
    np.testing.assert_array_equal(result.mask, trimatte.resize(MASK[::3, ::3], MASK.shape))


@pytest.mark.parametrize(("option", "value"), [("radius", 5), ("quality", "fast")])
def test_without_matting_options_of_matting_are_refused(option: str, value: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match=f"Remover: {option} must .* matting is False"):
        Remover(model=None, matting=False, **{option: value})


def test_without_matting_a_large_mask_is_reduced() -> None:
    large = trimatte.resize(MASK, (180, 240))
    result = Remover(model=None, matting=False)(DRAWN.image, mask=large)
    expected = trimatte.resize(large, MASK.shape)
    np.testing.assert_allclose(result.alpha, expected / 255, atol=1e-6)


def test_without_matting_the_edges_of_a_network_that_sees_less_follow_the_image() -> None:
    image = scene(360, 480).image
    with Segmenter() as segmenter:
        assert segmenter.network_size(360, 480) == (320, 320)
        mask = segmenter(image)
        result = Remover(model=segmenter, matting=False)(image)
    np.testing.assert_array_equal(result.mask, mask)
    seen = trimatte.resize(mask, (320, 320))
    np.testing.assert_array_equal(result.alpha, upsample_mask(image, seen))
    assert np.abs(result.alpha - mask / 255).max() > 0.1


def test_without_matting_a_trimap_is_the_alpha_and_no_mask() -> None:
    trimap = trimatte.make_trimap(MASK, 2)
    result = Remover(model=None, matting=False)(DRAWN.image, trimap=trimap)
    np.testing.assert_allclose(result.alpha, trimap / 255, atol=1e-6)
    assert result.mask is None


@pytest.mark.parametrize("method", ["difference", "plate"])
def test_without_matting_the_key_is_the_alpha(method: str) -> None:
    result = Remover(model=None, matting=False, method=method)(DRAWN.image)
    options = {} if method == "difference" else {"screen": result.screen}
    key = trimatte.chroma_key(DRAWN.image, method=method, dtype="uint8", **options)
    np.testing.assert_allclose(result.alpha, key / 255, atol=1e-6)


def test_matting_is_a_bool() -> None:
    with pytest.raises(ArgumentError, match="matting must be True or False, got 'no'"):
        Remover(matting="no")  # type: ignore[arg-type]


# --- a network and a key ---


class FakeSegmenter(Segmenter):
    """Says what it is told to."""

    def __init__(self, mask: Any) -> None:
        self.mask, self._closed = mask, False

    engine = "made up"  # type: ignore[assignment]

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        return height, width

    def batch(self, images: Any, **_: Any) -> list[Any]:
        return [self.mask for _ in images]


@pytest.mark.parametrize("method", ["difference", "plate"])
def test_every_key_heeds_the_network(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clothes of the screen's colour, deep inside the network's mask."""
    image, mask = DRAWN.image.copy(), np.zeros(MASK.shape, np.uint8)
    mask[20:70, 30:90] = 255
    shirt = np.s_[40:50, 55:65]
    image[shirt] = DRAWN.background[shirt]
    remover = Remover(key_color="green", method=method)
    alone = remover(image)
    monkeypatch.setattr(remover, "_segmenter", FakeSegmenter(mask))
    monkeypatch.setattr(remover, "_asked", replace(remover._asked, network=True))
    both = remover(image)
    assert alone.alpha[shirt].mean() < 0.1
    assert both.alpha[shirt].min() == 1


# --- checked once, at the door ---


def test_a_bad_sample_is_found_at_the_door() -> None:
    image = np.full((20, 30, 3), 0.5, np.float32)
    image[7, 8, 1] = np.nan
    with pytest.raises(ArgumentError, match=r"Remover: image must have float samples .*nan"):
        Remover(model=None)(image, mask=np.zeros((20, 30), np.uint8))
    mask = np.zeros((20, 30), np.float32)
    mask[3, 4] = 255
    with pytest.raises(ArgumentError, match=r"Remover: mask must have float samples .*255"):
        Remover(model=None)(np.nan_to_num(image), mask=mask)


def test_what_adjust_returns_is_checked() -> None:
    with pytest.raises(ArgumentError, match=r"adjust's alpha must have float samples .*nan"):
        Remover(model=None)(DRAWN.image, mask=MASK, adjust=lambda _, alpha: alpha * np.nan)


def test_operations_in_adjust_check_their_arguments() -> None:
    def adjust(_: Any, alpha: Any) -> Any:
        return trimatte.feather(alpha * np.nan, 1)

    with pytest.raises(ArgumentError, match="feather: alpha"):
        Remover(model=None)(DRAWN.image, mask=MASK, adjust=adjust)


def test_a_stream_bounds_its_masks_by_its_own_memory() -> None:
    large = trimatte.imageio.encode_png(np.zeros((1500, 1500), np.uint8))
    with pytest.raises(ArgumentError, match="1500 x 1500 may take"):
        Remover(model=None).stream([], mask=large, max_memory="50MiB")


@pytest.mark.parametrize(
    "options", [{"runtime": "bogus"}, {"precision": "fp8"}, {"runtime": "onnxruntme"}]
)
def test_options_of_the_built_in_network_are_judged_at_once(options: Any) -> None:
    with pytest.raises(ArgumentError, match=r"Remover: (runtime|precision) must be one of"):
        Remover(**options)


# --- what a Remover gives back ---


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[Any, Any]]:
    """The models that are shared; none before, none after."""
    models.forget_models()

    class Loaded(FakeSegmenter):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__(MASK)

    monkeypatch.setattr(models, "Segmenter", Loaded)
    yield models._shared
    models.forget_models()


def test_close_leaves_the_models_of_others(shared: dict[Any, Any]) -> None:
    first, second = Remover(), Remover()
    assert first.segmenter is second.segmenter
    first.close()
    assert len(shared) == 1
    second(DRAWN.image)
    second.close()
    assert not shared
    with pytest.raises(EngineError, match="Remover is closed"):
        second(DRAWN.image)


def test_close_leaves_the_models_of_segment(shared: dict[Any, Any]) -> None:
    models.as_segmenter("u2net-lite", card=None, device="cpu", runtime="auto", precision=None,
                        accept_license=False)  # fmt: skip
    remover = Remover()
    assert remover.segmenter is not None
    assert len(shared) == 1
    remover.close()
    assert len(shared) == 1


def test_models_in_use_are_not_forgotten(shared: dict[Any, Any]) -> None:
    remover = Remover()
    used = remover.segmenter
    for name in ("one.onnx", "two.onnx", "three.onnx"):
        models.as_segmenter(name, card=None, device="cpu")
    assert len(shared) == 1 + models._MODELS_KEPT
    assert Remover().segmenter is used

"""Resizing against Pillow itself, and the ends of a network against rembg's arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

import trimatte
from tests import cases
from tests.cases import Array
from trimatte.ops.resizing import upsample_mask

some = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
# Modes without alpha, which Pillow would premultiply on the way.
MODES = {1: "L", 3: "RGB", 4: "CMYK"}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 40) | st.integers(1, 400)
filters = st.sampled_from(sorted(FILTERS))


def pillow(image: Array, size: tuple[int, int], filter: str = "lanczos") -> Array:
    channels = image.shape[2] if image.ndim == 3 else 1
    shape = (image.shape[1], image.shape[0])
    theirs = Image.frombytes(MODES[channels], shape, image.tobytes())
    return np.asarray(theirs.resize((size[1], size[0]), FILTERS[filter]))


def other_order(old: tuple[int, ...], new: tuple[int, int]) -> bool:
    """Whether Pillow 13 begins with the columns, which older ones never do."""
    return old[0] > new[0] and old[0] - new[0] > 2 * (old[1] - new[1])


def noise(seed: int, height: int, width: int, channels: int, dtype: str = "uint8") -> Array:
    image = cases.noise(np.random.default_rng(seed), height, width, channels, dtype)
    return image[..., 0] if channels == 1 else image


@some
@given(
    seed=seeds,
    old=st.tuples(sides, sides),
    new=st.tuples(sides, sides),
    channels=st.sampled_from(sorted(MODES)),
    filter=filters,
    hard=st.booleans(),
)
def test_bytes_are_pillows(
    seed: int,
    old: tuple[int, int],
    new: tuple[int, int],
    channels: int,
    filter: str,
    hard: bool,
) -> None:
    assume(int(PIL.__version__.split(".")[0]) >= 13 or not other_order(old, new))
    image = noise(seed, *old, channels)
    if hard:  # overshoot is clipped everywhere
        image = np.where(image > 127, 255, 0).astype(np.uint8)
    result = trimatte.resize(image, new, filter=filter)
    np.testing.assert_array_equal(result, pillow(image, new, filter))


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((1, 1), (300, 500)),  # one pixel fills everything
        ((3, 2), (1500, 2000)),
        ((1, 5000), (1, 3)),
        ((2000, 3000), (1, 1)),
        ((320, 320), (1080, 1920)),
        ((1080, 1920), (320, 320)),
        ((1, 30000), (2, 30000)),
        ((977, 1499), (488, 749)),
    ],
)
def test_large_ratios_are_pillows(filter: str, old: tuple[int, int], new: tuple[int, int]) -> None:
    image = noise(1, *old, 3)
    result = trimatte.resize(image, new, filter=filter)
    np.testing.assert_array_equal(result, pillow(image, new, filter))
    if old == (1, 1):
        np.testing.assert_array_equal(result, np.broadcast_to(image, result.shape))


@some
@given(
    seed=seeds,
    old=st.tuples(sides, sides),
    new=st.tuples(sides, sides),
    dtype=st.sampled_from(cases.DTYPES),
    filter=filters,
)
def test_a_flat_image_stays_flat(
    seed: int, old: tuple[int, int], new: tuple[int, int], dtype: str, filter: str
) -> None:
    value = noise(seed, 1, 1, 3, dtype)
    result = trimatte.resize(np.broadcast_to(value, (*old, 3)), new, filter=filter)
    assert result.shape == (*new, 3)
    assert result.dtype == value.dtype
    np.testing.assert_allclose(result, np.broadcast_to(value, result.shape), rtol=4e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_a_size_that_stays_is_a_copy(dtype: str) -> None:
    image = noise(2, 17, 23, 4, dtype)
    result = trimatte.resize(image, (17, 23))
    np.testing.assert_array_equal(result, image)
    assert not np.shares_memory(result, image)


@pytest.mark.parametrize("scale", [255, "max"])
def test_tensor_is_rembgs(scale: Any) -> None:
    image = noise(3, 123, 217, 3) // 2
    small = pillow(image, (48, 64))
    expected = small / (255 if scale == 255 else max(np.max(small), 1e-6))
    expected = (expected - IMAGENET["mean"]) / IMAGENET["std"]
    result = trimatte.to_tensor(image, (48, 64), scale=scale, **IMAGENET)
    expected = expected.transpose(2, 0, 1)[None].astype(np.float32)
    np.testing.assert_array_equal(result, expected)


def test_black_image_is_scaled_by_one() -> None:
    black = np.zeros((9, 9, 3), np.uint8)
    result = trimatte.to_tensor(black, (5, 5), mean=(1, 2, 3), std=(1, 1, 2), scale="max")
    np.testing.assert_array_equal(result[0, :, 0, 0], [-1.0, -2.0, -1.5])


@some
@given(
    seed=seeds,
    mean=st.tuples(*[st.floats(-1e5, 1e5, width=32)] * 3),
    std=st.tuples(*[st.floats(1e-6, 1e6)] * 3),
)
def test_half_tensor_is_the_float_one_rounded(
    seed: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    image = noise(seed, 8, 9, 3)
    options: dict[str, Any] = {"mean": mean, "std": std}
    full = trimatte.to_tensor(image, (8, 9), **options)
    half = trimatte.to_tensor(image, (8, 9), dtype="float16", **options)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(half, full.astype(np.float16))


def test_every_half_is_read_as_numpy_reads_it() -> None:
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)
    result = trimatte.matte_from_prediction(halves, (256, 256), min_max=False)
    floats = np.where(np.isfinite(halves), halves, 0).astype(np.float32).clip(0, 1)
    np.testing.assert_array_equal(result, (floats * np.float32(255)).astype(np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_matte_is_rembgs(dtype: str) -> None:
    (p,) = cases.a_prediction(dtype)(np.random.default_rng(4), 40, 56)
    p = np.nan_to_num(p, posinf=0, neginf=0).astype(np.float32)
    expected = (((p - p.min()) / (p.max() - p.min())) * 255).astype(np.uint8)
    result = trimatte.matte_from_prediction(p.astype(dtype), (130, 75))
    np.testing.assert_array_equal(result, pillow(expected, (130, 75)))


@pytest.mark.parametrize("shape", [(1, 9, 11), (1, 1, 9, 11)])
def test_prediction_may_be_a_batch_of_one(shape: tuple[int, ...]) -> None:
    (p,) = cases.a_prediction("float32")(np.random.default_rng(5), 9, 11)
    expected = trimatte.matte_from_prediction(p, (20, 30))
    np.testing.assert_array_equal(
        trimatte.matte_from_prediction(p.reshape(shape), (20, 30)), expected
    )


def test_probabilities_of_all_classes_are_one() -> None:
    (logits,) = cases.some_logits("float32", 7)(np.random.default_rng(6), 40, 50)
    every = trimatte.class_probability(logits[None], list(range(7)))
    np.testing.assert_allclose(every, 1.0, atol=1e-6)
    parts = [trimatte.class_probability(logits, [c]) for c in range(7)]
    np.testing.assert_allclose(np.sum(parts, axis=0), 1.0, atol=1e-6)


def test_sigmoid_spans_its_whole_range() -> None:
    logits = np.array([[[-1e30, -100.0, -10.0, 0.0, 10.0, 100.0, 1e30, np.nan]]], np.float32)
    result = trimatte.class_probability(logits)[0]
    expected = [0.0, 0.0, 4.5397868e-05, 0.5, 0.9999546, 1.0, 1.0, 0.5]
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -3.0, 1e30, float("nan"), float("inf")])
def test_prediction_without_difference_has_no_foreground(value: float) -> None:
    flat = np.full((8, 8), value, dtype=np.float32)
    np.testing.assert_array_equal(trimatte.matte_from_prediction(flat, (20, 20)), 0)


def test_prediction_may_span_all_floats() -> None:
    largest = np.finfo(np.float32).max
    p = np.array([[-largest, 0.0, largest]], dtype=np.float32)
    # Their difference is infinite: nothing is left of it, but no garbage comes either.
    np.testing.assert_array_equal(trimatte.matte_from_prediction(p, (1, 3)), 0)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_nothing_cannot_be_resized(shape: tuple[int, int]) -> None:
    for channels in ((), (3,), (4,)):
        with pytest.raises(trimatte.ArgumentError, match=r"^resize: image .* got \("):
            trimatte.resize(np.zeros((*shape, *channels), np.uint8), (3, 3))
    with pytest.raises(trimatte.ArgumentError, match=r"^to_tensor: image .* got \("):
        trimatte.to_tensor(np.zeros((*shape, 3), np.uint8), (3, 3), **IMAGENET)
    with pytest.raises(trimatte.ArgumentError, match=r"^matte_from_prediction: prediction .* got"):
        trimatte.matte_from_prediction(np.zeros(shape, np.float32), (3, 3))


# --- masks along the image's edges ---


def an_edge(rng: np.random.Generator) -> tuple[Array, Array]:
    """An image (96, 120, 3) of two noisy colours, and which of them is the foreground, a disc."""
    y, x = np.indices((96, 120))
    inside = np.hypot(y - 50, x - 57) < 31
    colors = np.where(inside[..., None], (0.7, 0.4, 0.3), (0.2, 0.5, 0.6))
    return (colors + rng.normal(0, 0.02, colors.shape)).clip(0, 1).astype(np.float32), inside


def test_an_upsampled_mask_has_the_edges_of_the_image() -> None:
    image, inside = an_edge(np.random.default_rng(1))
    small = trimatte.resize(inside.astype(np.float32), (12, 15), filter="box")
    plain = np.abs(trimatte.resize(small, inside.shape) - inside).mean()
    assert np.abs(upsample_mask(image, small) - inside).mean() < 0.3 * plain


def test_an_upsampled_mask_stays_half_sure_whatever_the_image_shows() -> None:
    image, _ = an_edge(np.random.default_rng(2))
    rng = np.random.default_rng(3)
    small = rng.uniform(0.45, 0.55, (12, 15)).astype(np.float32)
    result = upsample_mask(image, small)
    assert (small.min() <= result).all()
    assert (result <= small.max()).all()
    np.testing.assert_allclose(upsample_mask(image, np.full((12, 15), 0.5, np.float32)), 0.5)


@pytest.mark.parametrize(
    ("image", "mask", "named"),
    [
        (np.zeros((4, 0, 3), np.uint8), np.zeros((2, 2), np.uint8), "image"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((0, 2), np.uint8), "mask"),
        (np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8), "image"),
        (np.zeros((4, 4, 3), np.uint8), np.full((2, 2), 2.0, np.float32), "mask"),
    ],
)
def test_what_cannot_be_upsampled_is_refused(image: Array, mask: Array, named: str) -> None:
    with pytest.raises(trimatte.ArgumentError, match=f"upsample_mask: {named} must"):
        upsample_mask(image, mask)

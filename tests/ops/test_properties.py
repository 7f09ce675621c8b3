"""Properties that hold for every input, looked for by Hypothesis."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trimatte
from tests import cases
from tests.cases import CASES, Array, Case

# The same examples in every run; no deadline, since machines that test are often busy.
few = settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

sides = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(cases.DTYPES)
keys = st.sampled_from(["green", "blue", "red"])
qualities = st.sampled_from(["fast", "balanced", "exact"])
local_methods = st.sampled_from(["shared", "guided"])
radii = st.floats(0.0, 12.0)


@pytest.fixture(autouse=True)
def own_number_of_threads() -> Iterator[None]:
    """Whatever a test sets, the next one starts with the number that it found."""
    threads = trimatte.get_num_threads()
    yield
    trimatte.set_num_threads(threads)


def quiet_trimap(*arguments: Any, **options: Any) -> Array:
    """make_trimap for radii that may be larger than what is sure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", trimatte.TrimapWarning)
        return trimatte.make_trimap(*arguments, **options)


def random_trimap(rng: np.random.Generator, height: int, width: int) -> Array:
    """Blocks of background, unknown and foreground, with no regard for the image."""
    side = int(rng.integers(1, 9))
    marks = np.array([0, 128, 255], dtype=np.uint8)
    blocks = rng.choice(marks, (height // side + 1, width // side + 1))
    return np.kron(blocks, np.ones((side, side), dtype=np.uint8))[:height, :width]


@few
@given(seed=seeds, height=sides, width=sides, dtype=dtypes, quality=qualities)
def test_alpha_is_in_its_range_and_keeps_what_is_known(
    seed: int, height: int, width: int, dtype: str, quality: str
) -> None:
    rng = np.random.default_rng(seed)
    flat = rng.random() < 0.2  # no texture at all: singular windows
    image = cases.noise(rng, 1 if flat else height, 1 if flat else width, 3, dtype)
    image = np.broadcast_to(image, (height, width, 3)).copy()
    trimap = random_trimap(rng, height, width)
    alpha, info = trimatte.estimate_alpha(image, trimap, quality=quality, return_info=True)
    assert alpha.shape == trimap.shape
    assert alpha.dtype == np.float32
    assert np.all((alpha >= 0.0) & (alpha <= 1.0))  # fails on NaN as well
    known = trimap != 128
    np.testing.assert_array_equal(alpha[known], trimap[known] / np.float32(255))
    assert info.unknown == np.count_nonzero(~known)


@few
@given(seed=seeds, height=sides, width=sides, dtype=dtypes, method=local_methods)
def test_local_alpha_is_in_its_range_and_keeps_what_is_known(
    seed: int, height: int, width: int, dtype: str, method: str
) -> None:
    rng = np.random.default_rng(seed)
    flat = rng.random() < 0.2  # one colour: all pairs explain all pixels
    image = cases.noise(rng, 1 if flat else height, 1 if flat else width, 3, dtype)
    image = np.broadcast_to(image, (height, width, 3)).copy()
    trimap = random_trimap(rng, height, width)
    alpha = trimatte.estimate_alpha(image, trimap, method=method)
    assert alpha.shape == trimap.shape
    assert alpha.dtype == np.float32
    assert np.all((alpha >= 0.0) & (alpha <= 1.0))  # fails on NaN as well
    known = trimap != 128
    np.testing.assert_array_equal(alpha[known], trimap[known] / np.float32(255))


@few
@given(seed=seeds, height=sides, width=sides, dtype=dtypes, radius=radii, more=radii)
def test_a_larger_radius_never_makes_a_pixel_sure(
    seed: int, height: int, width: int, dtype: str, radius: float, more: float
) -> None:
    mask = cases.coarse_mask(np.random.default_rng(seed), height, width, dtype)
    narrow = quiet_trimap(mask, radius)
    wide = quiet_trimap(mask, radius + more)
    sure = wide != 128
    np.testing.assert_array_equal(wide[sure], narrow[sure])


def soft_edge(width: float, side: int = 96) -> Array:
    """A mask of the left half, whose edge takes so many pixels from 10 to 240 of 255."""
    along = (np.arange(side) - side / 2 + 0.5) / max(width, 1e-6) * (230 / 255) + 0.5
    return np.tile(along.clip(0, 1).astype(np.float32)[::-1], (side, 1))


@few
@given(width=st.floats(0.0, 30.0), pixel=st.floats(0.5, 4.0))
def test_an_automatic_band_is_that_of_its_formula(width: float, pixel: float) -> None:
    mask = soft_edge(width)
    trimap = trimatte.make_trimap(mask, band="auto", network_size=96 / pixel)
    between = np.count_nonzero((mask[0] >= 10 / 255) & (mask[0] <= 240 / 255))
    # A straight edge along a side has 4 / pi times the length that its pixel sides stand for.
    soft = between * 4 / np.pi / pixel
    radius = max(pixel * min(max(0.75 * soft, 3.0 - 1.25 * soft), 4.0), 1.0)
    band = np.count_nonzero(trimap[0] == 128) - between
    assert abs(band - 2 * radius) <= 2.0


@few
@given(seed=seeds, height=sides, width=sides, dtype=dtypes, network=st.integers(1, 60))
def test_an_automatic_band_is_never_wider_than_four_network_pixels(
    seed: int, height: int, width: int, dtype: str, network: int
) -> None:
    mask = cases.coarse_mask(np.random.default_rng(seed), height, width, dtype)
    auto = quiet_trimap(mask, band="auto", network_size=network)
    widest = quiet_trimap(mask, max(4.0 * np.sqrt(height * width) / network, 1.0))
    sure = widest != 128
    np.testing.assert_array_equal(auto[sure], widest[sure])
    assert np.any(auto == 0) == np.any(widest == 0)  # what is sure does not vanish
    assert np.any(auto == 255) == np.any(widest == 255)


@few
@given(seed=seeds, height=sides, width=sides)
def test_an_automatic_band_turns_with_the_mask(seed: int, height: int, width: int) -> None:
    mask = cases.coarse_mask(np.random.default_rng(seed), height, width, "uint8")
    auto = quiet_trimap(mask, band="auto", network_size=20)
    turned = quiet_trimap(np.ascontiguousarray(np.rot90(mask)), band="auto", network_size=20)
    np.testing.assert_array_equal(np.rot90(auto), turned)


@few
@given(
    seed=seeds,
    height=sides,
    width=sides,
    dtype=st.sampled_from(["bool", *cases.DTYPES]),
    radius=st.tuples(radii, radii) | radii,
)
def test_sure_pixels_agree_with_the_mask(
    seed: int, height: int, width: int, dtype: str, radius: float | tuple[float, float]
) -> None:
    mask = cases.coarse_mask(np.random.default_rng(seed), height, width, dtype)
    trimap = quiet_trimap(mask, radius)
    assert set(np.unique(trimap)) <= {0, 128, 255}
    full = 1 if dtype in ("bool", "float32") else np.iinfo(dtype).max
    opacity = mask.astype(np.float64) / full
    assert np.all(opacity[trimap == 0] < 10 / 255)
    assert np.all(opacity[trimap == 255] > 240 / 255)
    # What was sure does not vanish.
    assert np.any(trimap == 0) == np.any(opacity < 10 / 255)
    assert np.any(trimap == 255) == np.any(opacity > 240 / 255)


@few
@given(seed=seeds, dtype=dtypes, low=st.floats(0.0, 255.0), high=st.floats(0.0, 255.0), key=keys)
def test_a_higher_tolerance_never_keys_more(
    seed: int, dtype: str, low: float, high: float, key: str
) -> None:
    image = cases.noise(np.random.default_rng(seed), 9, 14, 3, dtype)
    low, high = sorted((low, high))
    strict = trimatte.chroma_key(image, key_color=key, tolerance=high)
    generous = trimatte.chroma_key(image, key_color=key, tolerance=low)
    assert np.all(generous <= strict)


@few
@given(
    seed=seeds,
    dtype=dtypes,
    channels=st.sampled_from([3, 4]),
    key=keys,
    method=st.sampled_from(["average", "double-average", "max-limit"]),
    strength=st.floats(0.0, 1.0),
)
def test_despill_lowers_the_key_channel_only(
    seed: int, dtype: str, channels: int, key: str, method: str, strength: float
) -> None:
    image = cases.noise(np.random.default_rng(seed), 9, 14, channels, dtype)
    result = trimatte.despill(image, key_color=key, method=method, strength=strength)
    channel = ("red", "green", "blue").index(key)
    assert np.all(result[..., channel] <= image[..., channel])
    others = np.arange(channels) != channel
    np.testing.assert_array_equal(result[..., others], image[..., others])
    weaker = trimatte.despill(image, key_color=key, method=method, strength=strength / 2)
    assert np.all(result[..., channel] <= weaker[..., channel])
    image[..., [c for c in range(3) if c != channel]] = 0  # all of it is spill
    alone = trimatte.despill(image, key_color=key, method=method, strength=strength)
    assert np.all(alone >= 0)


@few
@given(seed=seeds, height=sides, width=sides)
def test_premultiplied_bytes_survive_the_round_trip(seed: int, height: int, width: int) -> None:
    rgba = cases.noise(np.random.default_rng(seed), height, width, 4, "uint8")
    premultiplied = trimatte.premultiply(rgba)
    assert np.all(premultiplied[..., :3] <= premultiplied[..., 3:])
    straight = trimatte.unpremultiply(premultiplied)
    np.testing.assert_array_equal(trimatte.premultiply(straight), premultiplied)
    opaque = rgba[..., 3] == 255
    np.testing.assert_array_equal(straight[opaque], rgba[opaque])


@few
@given(seed=seeds, height=sides, width=sides, dtype=st.sampled_from(["uint16", "float32"]))
def test_premultiplied_colors_survive_the_round_trip(
    seed: int, height: int, width: int, dtype: str
) -> None:
    rgba = cases.noise(np.random.default_rng(seed), height, width, 4, dtype)
    straight = trimatte.unpremultiply(trimatte.premultiply(rgba))
    np.testing.assert_array_equal(straight[..., 3], rgba[..., 3])
    full = 1.0 if dtype == "float32" else 65535.0
    opacity = rgba[..., 3] / full
    visible = opacity > 0.01
    difference = np.abs(straight[visible].astype(np.float64) - rgba[visible])[..., :3]
    # Half a step of rounding, made larger by the division by alpha, and half a step after it.
    step = 2e-6 if dtype == "float32" else 1.0
    assert np.all(difference <= step * (0.6 / opacity[visible][:, None] + 0.6))
    assert np.all(straight[opacity == 0.0] == 0)


def full_scale(dtype: str) -> float:
    return 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)


@few
@given(
    seed=seeds,
    height=sides,
    width=sides,
    dtype=dtypes,
    alpha_dtype=dtypes,
    textured=st.booleans(),
    quality=st.sampled_from(["fast", "balanced"]),
)
def test_cutout_over_its_own_background_is_the_photo(
    seed: int, height: int, width: int, dtype: str, alpha_dtype: str, textured: bool, quality: str
) -> None:
    rng = np.random.default_rng(seed)
    if textured:
        image, alpha = cases.a_photo_and_alpha(dtype, alpha_dtype)(rng, height, width)
    else:
        image, alpha, _ = cases.a_layer_and_plate(dtype, alpha_dtype)(rng, height, width)
    front, back = trimatte.estimate_foreground(
        image, alpha, quality=quality, return_background=True
    )
    full = full_scale(dtype)
    opaque, clear = alpha == full_scale(alpha_dtype), alpha == 0
    np.testing.assert_array_equal(front[opaque], image[opaque])
    np.testing.assert_array_equal(back[clear], image[clear])
    again = trimatte.composite(front, alpha, back)
    difference = np.abs(again.astype(np.float64) - image.astype(np.float64)) / full
    assert difference.max() <= 1.0 / 255.0 + 1e-6


@few
@given(
    seed=seeds,
    height=sides,
    width=sides,
    quality=st.sampled_from(["fast", "balanced"]),
    plate=st.booleans(),
)
def test_known_background_is_subtracted_exactly(
    seed: int, height: int, width: int, quality: str, plate: bool
) -> None:
    rng = np.random.default_rng(seed)
    front, alpha, back = cases.a_layer_and_plate("float32", "float32")(rng, height, width)
    color = tuple(int(c) for c in rng.integers(0, 256, 3))
    if not plate:
        back = np.broadcast_to(np.float32(color) / np.float32(255), front.shape).copy()
    alpha[alpha < 0.1] = 0.0  # below, F is not the subtraction alone
    image = trimatte.composite(front, alpha, back)
    again, same_back = trimatte.estimate_foreground(
        image,
        alpha,
        quality=quality,
        background=back if plate else color,
        return_background=True,
    )
    seen = alpha > 0.0
    np.testing.assert_allclose(again[seen], front[seen], atol=3e-6)
    np.testing.assert_allclose(same_back, back, atol=1e-7)


@few
@given(seed=seeds, height=sides, width=sides, dtype=dtypes)
def test_colors_of_nothing_and_everything(seed: int, height: int, width: int, dtype: str) -> None:
    image = cases.noise(np.random.default_rng(seed), height, width, 3, dtype)
    for alpha, shown in ((1.0, 0), (0.0, 1)):
        opacity = np.full((height, width), alpha, np.float32)
        colors = trimatte.estimate_foreground(image, opacity, return_background=True)
        np.testing.assert_array_equal(colors[shown], image)
        # What nothing is known of is one colour.
        assert np.all(colors[1 - shown] == colors[1 - shown][0, 0])


@few
@given(seed=seeds, height=sides, width=sides, dtype=dtypes, alpha_dtype=dtypes)
def test_cutout_keeps_color_where_something_is_seen(
    seed: int, height: int, width: int, dtype: str, alpha_dtype: str
) -> None:
    rng = np.random.default_rng(seed)
    front, alpha, _ = cases.a_layer_and_plate(dtype, alpha_dtype)(rng, height, width)
    rgba = trimatte.cutout(front, alpha)
    seen = rgba[..., 3] > 0
    np.testing.assert_array_equal(rgba[..., :3][seen], front[seen])
    assert np.all(rgba[..., :3][~seen] == 0)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_results_do_not_depend_on_the_number_of_threads(case: Case) -> None:
    # Large enough that the rows are really shared out; not a multiple of anything.
    solves = case.operation in ("estimate_alpha", "estimate_foreground")
    height, width = (211, 173) if solves else (467, 331)
    rng = np.random.default_rng(zlib.crc32(case.id.encode()))
    arguments = case.make(rng, height, width)

    def call() -> Any:
        return case.call(case.function, arguments, **case.options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", trimatte.TrimapWarning)
        trimatte.set_num_threads(1)
        alone = call()
        for threads in (2, 3, 8):
            trimatte.set_num_threads(threads)
            assert trimatte.get_num_threads() == threads
            np.testing.assert_array_equal(call(), alone)

"""Steadied alpha: no flicker where nothing moves, no ghosts where something does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trimatte
from benchmarks import scenes
from tests import cases
from tests.helpers.flicker import Frame, Layers, dtssd, film, sad
from trimatte.demo import scene as demo_scene

HEIGHT, WIDTH = 180, 320
FRAMES = 6


def green_screen(seed: int) -> Layers:
    made = demo_scene(HEIGHT, WIDTH, seed)
    return Layers(made.foreground, made.alpha, made.background)


def hair(seed: int) -> Layers:
    made = scenes.hair_scene(HEIGHT, WIDTH, seed)
    return Layers(made.foreground, made.alpha, made.background)


def steadied(frames: list[Frame]) -> list[Any]:
    stabilizer = trimatte.Stabilizer()
    return [stabilizer(frame.image, frame.estimate) for frame in frames]


def figures(frames: list[Frame]) -> dict[str, tuple[float, float]]:
    """Frame by frame and steadied, of each figure."""
    truths, single = [f.truth for f in frames], [f.estimate for f in frames]
    steady = steadied(frames)
    return {
        "dtSSD": (dtssd(single, truths), dtssd(steady, truths)),
        "SAD": (sad(single, truths), sad(steady, truths)),
    }


by_scene = pytest.mark.parametrize("made", [green_screen, hair])
by_noise = pytest.mark.parametrize("noise", [1.0, 4.0])


@by_scene
@by_noise
def test_still_scene_flickers_less_than_half(made: Callable[[int], Layers], noise: float) -> None:
    result = figures(film([made(3)] * FRAMES, noise, trimatte.estimate_alpha, seed=4))
    assert result["dtSSD"][1] <= 0.5 * result["dtSSD"][0]
    assert result["SAD"][1] <= 1.005 * result["SAD"][0]


@by_scene
@by_noise
@pytest.mark.parametrize("speed", [1, 3, 8])
def test_moving_subject_leaves_no_ghost(
    made: Callable[[int], Layers], noise: float, speed: int
) -> None:
    layers = made(5)
    frames = film(
        [layers.moved(speed * i) for i in range(FRAMES)], noise, trimatte.estimate_alpha, seed=6
    )
    result = figures(frames)
    assert result["SAD"][1] <= 1.02 * result["SAD"][0]


@by_noise
def test_subject_that_sets_off_and_stops(noise: float) -> None:
    layers = green_screen(7)
    places = (0, 0, 0, 2, 4, 6, 6, 6)
    result = figures(
        film([layers.moved(x) for x in places], noise, trimatte.estimate_alpha, seed=8)
    )
    assert result["SAD"][1] <= 1.02 * result["SAD"][0]
    assert result["dtSSD"][1] <= 1.02 * result["dtSSD"][0]


@by_noise
def test_cut_starts_anew(noise: float) -> None:
    frames = film(
        [green_screen(9)] * 2 + [hair(9)] * 3 + [hair(10)], noise, trimatte.estimate_alpha, seed=9
    )
    steady = steadied(frames)
    for number in (0, 2, 5):
        np.testing.assert_array_equal(steady[number], frames[number].estimate)
    for number in (1, 3, 4):  # only the first frames after
        assert np.any(steady[number] != frames[number].estimate)


@by_scene
@by_noise
def test_fading_light_does_not_hold_alpha(made: Callable[[int], Layers], noise: float) -> None:
    # The subject moves while the light fades by 6 % a frame: as good as frame by frame.
    layers = made(11)
    frames = film(
        [layers.moved(2 * i) for i in range(FRAMES)],
        noise,
        trimatte.estimate_alpha,
        seed=12,
        light=lambda number: 0.94**number,
    )
    result = figures(frames)
    assert result["SAD"][1] <= 1.02 * result["SAD"][0]


@by_noise
def test_dissolve_does_not_hold_alpha(noise: float) -> None:
    rng = np.random.default_rng(13)
    first, last = green_screen(14), hair(15)
    stabilizer = trimatte.Stabilizer()
    for number in range(9):
        part = number / 8
        image = (1 - part) * first.photograph(rng, noise) + part * last.photograph(rng, noise)
        alpha = np.float32(1 - part) * first.alpha + np.float32(part) * last.alpha
        steady = stabilizer(np.rint(image).astype(np.uint8), alpha)
        # Held, it would be a frame and more behind, an eighth of what changes.
        changing = np.abs(first.alpha - last.alpha) > 0.5
        assert np.abs(steady - alpha)[changing].mean() < 0.05


def test_known_stays_known() -> None:
    rng = np.random.default_rng(16)
    image = cases.noise(rng, 30, 40, 3, "uint8")
    alpha = rng.choice(np.float32([0.0, 0.3, 1.0]), (30, 40))
    previous = rng.random((30, 40), np.float32)
    steady = trimatte.stabilize_alpha(image, alpha, image, previous)
    known = alpha != np.float32(0.3)
    np.testing.assert_array_equal(steady[known], alpha[known])
    soft = previous + np.float32(0.25) * (np.float32(0.3) - previous)
    np.testing.assert_allclose(steady[~known], soft[~known], atol=1e-6)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_strength(strength: float) -> None:
    rng = np.random.default_rng(17)
    image = cases.noise(rng, 20, 24, 3, "uint16")
    alpha, previous = rng.uniform(0.1, 0.9, (2, 20, 24)).astype(np.float32)
    steady = trimatte.stabilize_alpha(image, alpha, image, previous, strength=strength)
    np.testing.assert_allclose(steady, previous if strength else alpha, rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_threads_do_not_matter(dtype: str) -> None:
    arguments = cases.two_frames(dtype, "float32")(np.random.default_rng(18), 700, 900)
    threads = trimatte.get_num_threads()
    try:
        trimatte.set_num_threads(1)
        one = trimatte.stabilize_alpha(*arguments)
        trimatte.set_num_threads(5)
        np.testing.assert_array_equal(trimatte.stabilize_alpha(*arguments), one)
    finally:
        trimatte.set_num_threads(threads)


def two_arrays(seed: int, shape: tuple[int, int] = (20, 30), dtype: str = "uint8") -> Any:
    rng = np.random.default_rng(seed)
    return cases.noise(rng, *shape, 3, dtype), rng.uniform(0.1, 0.9, shape).astype(np.float32)


def test_stabilizer_is_the_operation() -> None:
    image, first = two_arrays(19)
    second = np.clip(first + np.float32(0.05), 0, 1)
    stabilizer = trimatte.Stabilizer(strength=0.6)
    np.testing.assert_array_equal(stabilizer(image, first), first)
    wanted = trimatte.stabilize_alpha(image, second, image, first, strength=0.6)
    np.testing.assert_array_equal(stabilizer(image, second), wanted)
    np.testing.assert_array_equal(
        stabilizer(image, first),
        trimatte.stabilize_alpha(image, first, image, wanted, strength=0.6),
    )
    stabilizer.reset()
    np.testing.assert_array_equal(stabilizer(image, second), second)


def test_stabilizer_keeps_copies() -> None:
    image, alpha = two_arrays(20)
    buffer, stabilizer = image.copy(), trimatte.Stabilizer()
    first = stabilizer(buffer, alpha)
    wanted = trimatte.stabilize_alpha(image, 1 - alpha, image, alpha)
    buffer[...] = 255 - buffer
    first[...] = 0
    np.testing.assert_array_equal(stabilizer(image, 1 - alpha), wanted)


@pytest.mark.parametrize(
    "other",
    [two_arrays(21, (20, 31)), two_arrays(21, dtype="uint16"), two_arrays(21, dtype="float32")],
    ids=["size", "uint16", "float32"],
)
def test_another_kind_of_frame_starts_anew(other: Any) -> None:
    stabilizer = trimatte.Stabilizer()
    stabilizer(*two_arrays(21))
    np.testing.assert_array_equal(stabilizer(*other), other[1])


def test_stabilizer_of_other_alphas_and_channels() -> None:
    image, alpha = two_arrays(22)
    stabilizer = trimatte.Stabilizer()
    stabilizer(image, alpha)
    levels = cases.samples(alpha, "uint8")
    np.testing.assert_array_equal(stabilizer(image, levels), levels)
    rgba = np.dstack([image, image[..., :1]])
    np.testing.assert_array_equal(stabilizer(rgba, levels), levels)


def test_stabilizers_in_threads() -> None:
    frames = [two_arrays(23), two_arrays(24)]
    wanted = [_third_of(frame) for frame in frames]
    found: list[Any] = [None, None]

    def work(number: int) -> None:
        found[number] = _third_of(frames[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, same in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(result, same)


def _third_of(frame: Any) -> Any:
    """The third alpha of a sequence of one image."""
    stabilizer = trimatte.Stabilizer()
    image, alpha = frame
    stabilizer(image, alpha)
    stabilizer(image, 1 - alpha)
    return stabilizer(image, alpha)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan"), "much", None])
def test_stabilizer_refuses_a_strength(strength: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match="Stabilizer: strength"):
        trimatte.Stabilizer(strength)


def test_stabilizer_refuses_what_does_not_belong_together() -> None:
    image, alpha = two_arrays(25)
    stabilizer = trimatte.Stabilizer()
    with pytest.raises(trimatte.ArgumentError, match="Stabilizer: alpha must have the height"):
        stabilizer(image, alpha[:-1])
    with pytest.raises(trimatte.ArgumentError, match="Stabilizer: image"):
        stabilizer(alpha, alpha)
    np.testing.assert_array_equal(stabilizer(image, alpha), alpha)


@pytest.mark.gpu
@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
def test_stabilizer_on_a_gpu() -> None:
    rng = np.random.default_rng(26)
    layers = green_screen(27)
    frames = [layers.photograph(rng, 2.0) for _ in range(3)]
    noisy = [rng.uniform(0.1, 0.9, layers.alpha.shape).astype(np.float32) for _ in frames]
    on_host, on_gpu = trimatte.Stabilizer(), trimatte.Stabilizer()
    for image, alpha in zip(frames, noisy, strict=True):
        wanted = on_host(image, alpha)
        result = on_gpu(trimatte.to_device(image), trimatte.to_device(alpha))
        assert isinstance(result, trimatte.DeviceArray)
        np.testing.assert_allclose(result.to_host(), wanted, atol=1e-6)
    # And back on the host: anew.
    np.testing.assert_array_equal(on_gpu(frames[0], noisy[0]), noisy[0])

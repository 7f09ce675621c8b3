"""Linear light and back."""

from __future__ import annotations

import numpy as np
import pytest

import trimatte
from tests.reference.transfer import decode_srgb, encode_srgb


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [3, 4])
def test_every_sample_comes_back(dtype: str, channels: int) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    image = np.stack([levels.reshape(-1, 64)] * channels, axis=-1)
    light = trimatte.to_linear(image)
    assert light.dtype == np.float32
    np.testing.assert_array_equal(trimatte.to_srgb(light, dtype=dtype), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_ends_are_exact(dtype: str) -> None:
    full = 1 if dtype == "float32" else np.iinfo(dtype).max
    image = np.array([[[0, full, 0, full]]], dtype)
    np.testing.assert_array_equal(trimatte.to_linear(image), [[[0.0, 1.0, 0.0, 1.0]]])
    light = np.array([[[0.0, 1.0, 0.0, 1.0]]], np.float32)
    np.testing.assert_array_equal(trimatte.to_srgb(light, dtype=dtype), image)


def test_float_is_good_to_a_millionth() -> None:
    values = np.linspace(0.0, 1.0, 3 * 2**18, dtype=np.float32).reshape(512, -1, 3)
    exact = values.astype(np.float64)
    light = trimatte.to_linear(values)
    np.testing.assert_allclose(light, decode_srgb(exact), rtol=0, atol=4e-7)
    encoded = trimatte.to_srgb(values, dtype="float32")
    np.testing.assert_allclose(encoded, encode_srgb(exact), rtol=0, atol=4e-7)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_are_rounded_to_nearest(dtype: str) -> None:
    full = np.iinfo(dtype).max
    light = np.random.default_rng(1).random((300, 400, 3), np.float32)
    exact = full * encode_srgb(light.astype(np.float64))
    encoded = trimatte.to_srgb(light, dtype=dtype)
    assert np.abs(encoded - exact).max() <= 0.5 + 4e-7 * full


def test_overshoot_is_clipped() -> None:
    light = np.array([[[-0.003, 1.003, 0.5, 1.003]]], np.float32)
    encoded = trimatte.to_srgb(light)
    np.testing.assert_array_equal(encoded, [[[0, 255, 188, 255]]])

"""The hard chroma key on every 8-bit colour: all 2^24 of them, against its definition."""

from __future__ import annotations

import numpy as np
import pytest

import trimatte

REDS = 32  # per slab: 2^21 colours at a time


@pytest.mark.parametrize(
    ("key_color", "tolerance"),
    [("green", 0), ("green", 1), ("green", 30), ("green", 255), ("blue", 30), ("red", 30)],
)
def test_hard_rule_on_every_color(key_color: str, tolerance: int) -> None:
    key = ("red", "green", "blue").index(key_color)
    keyed_colors = 0
    for first in range(0, 256, REDS):
        red, green, blue = np.indices((REDS, 256, 256), dtype=np.int16).reshape(3, REDS * 256, 256)
        channels = [red + np.int16(first), green, blue]
        image = np.stack(channels, axis=-1).astype(np.uint8)
        k, a, b = (channels[(key + shift) % 3] for shift in range(3))
        keyed = (k > a + tolerance) & (k > b + tolerance)
        alpha = trimatte.chroma_key(image, key_color=key_color, tolerance=tolerance)
        np.testing.assert_array_equal(alpha, np.where(keyed, 0, 255))
        keyed_colors += np.count_nonzero(keyed)
    # k exceeds both others by more than the tolerance: a sum of squares over k - tolerance.
    assert keyed_colors == sum((k - tolerance) ** 2 for k in range(tolerance, 256))

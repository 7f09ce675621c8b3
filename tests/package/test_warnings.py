"""Warnings point at the line of the program that called trimatte."""

from __future__ import annotations

import inspect
import warnings

import numpy as np

import trimatte
from trimatte import Remover, TrimapWarning
from trimatte.compat import rembg


class Nothing:
    """A session that sees nothing."""

    def predict(self, image: object, **_: object) -> list[object]:
        return [np.zeros((20, 20), np.uint8)]


def test_warnings_point_at_the_line_of_the_caller() -> None:
    image, mask = np.full((20, 20, 3), 90, np.uint8), np.zeros((20, 20), np.uint8)
    mask[9:11, 9:11] = 255
    remover = Remover(model=None, radius=9.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = inspect.currentframe().f_lineno  # type: ignore[union-attr]
        trimatte.make_trimap(mask, 9)
        remover(image, mask=mask)
        rembg.remove(image, session=Nothing(), alpha_matting=True)
    lines = [(each.filename, each.lineno - first) for each in caught]
    assert {each.category for each in caught} == {TrimapWarning}
    assert dict.fromkeys(lines) == dict.fromkeys((__file__, number) for number in (1, 2, 3))

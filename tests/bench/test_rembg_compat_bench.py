"""The comparison with rembg runs; its other side is trimatte's own module here."""

from __future__ import annotations

import argparse
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnxruntime")

from benchmarks import rembg_compat
from trimatte.compat import rembg as ours
from trimatte.demo import scene


@pytest.fixture
def options(tmp_path: Path) -> argparse.Namespace:
    drawn = scene(48, 64)
    folder = tmp_path / rembg_compat.QUICK.photos[0]
    folder.mkdir()
    Image.fromarray(drawn.image).save(folder / "image.png")
    Image.fromarray(np.rint(255 * drawn.alpha).astype(np.uint8)).save(folder / "alpha.png")
    return argparse.Namespace(data=tmp_path)


def test_both_sides_are_judged(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rembg", ours)
    monkeypatch.setattr(metadata, "version", lambda _: "9.0")
    monkeypatch.setattr(rembg_compat, "take_turns", lambda sides, *_: [[[2.0]], [[0.5]]])
    same = rembg_compat.same(rembg_compat.QUICK, options)
    differ = {row[1]: row[2] for row in same.rows}
    assert [differ[name] for name in ("only_mask", "post_process_mask", "putalpha")] == 3 * [
        "0.00%"
    ]
    # The other side's colours are straight, as rembg's are not.
    assert differ["no option, ours premultiplied"] != "0.00%"
    ((_, _, theirs, own, ratio, apart, error, *_),) = rembg_compat.matting(
        rembg_compat.QUICK, options
    ).rows
    assert (theirs, own, ratio) == (2.0, 0.5, 4.0)
    assert (apart, error) == (0.0, 1.0)


def test_what_is_missing_is_named(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rembg", None)
    for section in (rembg_compat.same, rembg_compat.matting):
        assert "rembg" in section(rembg_compat.QUICK, options).left_out[0]
    options.data = options.data / "none"
    assert "there is no" in rembg_compat.same(rembg_compat.QUICK, options).left_out[0]

"""Alpha on real photographs: at least PyMatting's closed form, measured against captured truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trimatte

GOLDEN = Path(__file__).parents[1] / "golden" / "pymatting_cf_sad.json"


@pytest.mark.parametrize("trimap_name", ["trimap", "trimap2"])
def test_alpha_is_as_good_as_pymattings(shared_data: Path, trimap_name: str) -> None:
    folders = sorted((shared_data / "matting").glob("am_*"))
    if not folders:
        pytest.skip(f"no am_* image in {shared_data / 'matting'}")
    golden = json.loads(GOLDEN.read_text())["images"]
    ours, theirs = [], []
    for folder in folders:
        image = np.asarray(Image.open(folder / "image.png").convert("RGB"))
        trimap = np.asarray(Image.open(folder / f"{trimap_name}.png").convert("L"))
        truth = np.asarray(Image.open(folder / "alpha.png").convert("L")) / 255.0
        unknown = trimap == 128
        recorded = golden[folder.name][trimap_name]
        assert np.count_nonzero(unknown) == recorded["unknown"], f"{folder.name}: another trimap"
        alpha = trimatte.estimate_alpha(image, trimap)
        ours.append(np.abs(alpha - truth)[unknown].sum() / 1000.0)
        theirs.append(recorded["sad"])
    assert np.mean(ours) <= 1.02 * np.mean(theirs)

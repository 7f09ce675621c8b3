"""The code in docs/pycuda.md runs as it stands there, and copies nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimatte
from trimatte.demo import scene

PAGE = Path(__file__).parents[2] / "docs" / "pycuda.md"

pytestmark = pytest.mark.gpu


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_the_code_is_python() -> None:
    for block in blocks():
        compile(block, str(PAGE), "exec")


@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
def test_pycuda_in_and_out_without_a_copy() -> None:
    pytest.importorskip("pycuda.autoprimaryctx", reason="PyCUDA is not installed")
    names: dict[str, Any] = {}
    for block in blocks():
        exec(compile(block, str(PAGE), "exec"), names)
    interface = names["matte"].__cuda_array_interface__
    assert int(names["alpha"].gpudata) == interface["data"][0]
    assert interface["stream"] == names["stream"].handle
    image = scene(270, 480).image
    trimap = trimatte.make_trimap(trimatte.chroma_key(image, tolerance=30), radius=4)
    np.testing.assert_array_equal(names["trimap"].to_host(), trimap)
    apart = np.abs(names["alpha"].get() - trimatte.estimate_alpha(image, trimap))
    assert apart.mean() < 5e-3

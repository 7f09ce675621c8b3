"""Weights out of ONNX files, to train on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimatte.engines.networks import NETWORKS, Network
from trimatte.engines.networks.u2net import Widths
from trimatte.engines.onnx_files.half import store_half
from trimatte.engines.train.starting import unfolded, with_norms

import trimatte

torch: Any = pytest.importorskip("torch")
onnx: Any = pytest.importorskip("onnx")


def of_widths(inside: int, out: int) -> Network:
    return NETWORKS["u2net-lite"].configured(
        widths=Widths(((inside, out),) * 6, ((inside, out),) * 5)
    )


SMALL = of_widths(3, 4)


@pytest.fixture
def image() -> Any:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def weights() -> dict[str, Any]:
    """With statistics and biases that are not 0 and 1."""
    rng = np.random.default_rng(0)
    return {
        name: tensor + np.abs(rng.normal(0, 0.2, tensor.shape)).astype(np.float32)
        if tensor.ndim == 1
        else tensor
        for name, tensor in SMALL.seeded(4).items()
    }


@pytest.fixture
def file(tmp_path: Path, weights: dict[str, Any]) -> Path:
    onnx.save(SMALL.to_onnx(weights, outputs="all"), tmp_path / "network.onnx")
    return tmp_path / "network.onnx"


@pytest.mark.parametrize("stored", [False, True])
def test_a_file_with_folded_norms_computes_what_it_did(
    file: Path, weights: dict[str, Any], image: Any, stored: bool
) -> None:
    if stored:
        onnx.save(store_half(onnx.load(file)), file)
    before, after = (SMALL.to_torch(each)(image) for each in (weights, unfolded(SMALL, file)))
    for ours, theirs in zip(before, after, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2 if stored else 1e-4)


def test_a_file_of_another_network_is_refused(file: Path) -> None:
    with pytest.raises(trimatte.EngineError, match="has fewer layers than modnet"):
        unfolded(NETWORKS["modnet"], file)
    with pytest.raises(trimatte.EngineError, match="these are no weights of u2net-lite"):
        unfolded(of_widths(3, 5), file)


def test_norms_get_statistics_and_nothing_changes(file: Path, image: Any) -> None:
    """Not even in training, where norms use the statistics of the batch."""
    folded = unfolded(SMALL, file)
    started = with_norms(SMALL, folded, [image])
    name = "stage1.rebnconvin.bn_s1.running_var"
    assert not np.allclose(started[name], folded[name], atol=0.1)
    before = SMALL.to_torch(folded)(image)
    for training in (False, True):
        after = SMALL.to_torch(started).train(training)(image)
        for ours, theirs in zip(before, after, strict=True):
            assert float(ours.detach().std()) > 1e-3
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)

"""What a network is trained to make small."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

__all__ = ["edge_weights", "map_loss", "matte_loss"]

torch: Any = importlib.import_module("torch")
functional: Any = torch.nn.functional


def matte_loss(logits: Sequence[Any], matte: Any, side_maps: float = 6.0) -> Any:
    """The weighted mean of `map_loss` over the fused map and the side maps (U²-Net, equation 2).

    https://arxiv.org/abs/2005.09007

    Args:
        logits: maps (N, 1, H, W), the fused one first.
        matte: (N, 1, H, W) float32 in [0, 1].
        side_maps: how much the others weigh together, where the first weighs 1; with U²-Net's six
            each of 6 weighs as much as the first.

    Returns:
        A scalar tensor.
    """
    losses = map_loss(torch.stack(tuple(logits)).float(), matte, edge_weights(matte))
    if len(losses) == 1:
        return losses[0]
    return (losses[0] + side_maps * losses[1:].mean()) / (1 + side_maps)


def map_loss(logits: Any, matte: Any, weights: Any) -> Any:
    """Binary cross-entropy and 1 - IoU, in both of which pixels near an edge count for more.

    The sum is that of F³Net (Wei et al., 2020), https://arxiv.org/abs/1911.11445, equation 5.

    Args:
        logits: (..., N, 1, H, W) float32, of one or more maps.
        matte: (N, 1, H, W) float32 in [0, 1].
        weights: (N, 1, H, W) float32.

    Returns:
        (...): a loss for each map.
    """
    entropy = functional.binary_cross_entropy_with_logits(
        logits, matte.expand_as(logits), reduction="none"
    )
    probability = torch.sigmoid(logits)
    both = (weights * probability * matte).sum(dim=(-3, -2, -1))
    either = (weights * (probability + matte - probability * matte)).sum(dim=(-3, -2, -1))
    overlap = (both + 1) / (either + 1)
    return (weights * entropy).sum(dim=(-4, -3, -2, -1)) / weights.sum() + (1 - overlap).mean(-1)


def edge_weights(matte: Any) -> Any:
    """1 far from edges, up to 3.5 on a straight one: how unlike its surroundings a pixel is."""
    reach = max(matte.shape[-1] // 20, 1)
    side = 2 * reach + 1
    around = matte
    # The mean of a square is its columns' mean of its rows' means.
    for window, padding in (((side, 1), (reach, 0)), ((1, side), (0, reach))):
        around = functional.avg_pool2d(around, window, 1, padding, count_include_pad=False)
    return 1 + 5 * (around - matte).abs()

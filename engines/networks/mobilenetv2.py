"""MobileNetV2: Inverted Residuals and Linear Bottlenecks (Sandler et al., 2018).

https://arxiv.org/abs/1801.04381. As a backbone: the feature maps, no classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .blocks import conv_norm
from .layers import Layers, T

__all__ = ["FLAT", "NESTED", "Layout", "mobilenetv2"]

GROUPS = (  # expansion, channels, blocks, stride: table 2 of the paper
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Layout(NamedTuple):
    """How published weights were made: names of a block's two or three layers, where it pads.

    pad_first: a block's input is padded instead of its depthwise layer's, so that the border goes
    through the expansion and is no longer zero; the first layer is not padded at all.
    """

    names: Mapping[int, tuple[tuple[str, str], ...]]
    pad_first: bool


FLAT = Layout(
    names={2: (("0", "1"), ("3", "4")), 3: (("0", "1"), ("3", "4"), ("6", "7"))},
    pad_first=False,
)
"""MODNet's, from Human-Segmentation-PyTorch."""

NESTED = Layout(
    names={2: (("0.0", "0.1"), ("1", "2")), 3: (("0.0", "0.1"), ("1.0", "1.1"), ("2", "3"))},
    pad_first=True,
)
"""That of DeepLabV3Plus-Pytorch, with torchvision's names."""


def mobilenetv2(
    block: Callable[[int], Layers[T]], image: T, layout: Layout, *, output_stride: int = 32
) -> list[T]:
    """The maps after the first layer and after each of the 17 blocks.

    Args:
        block: the net of the n-th of them.
        image: (N, 3, H, W).
        layout: of the published weights.
        output_stride: 8, 16 or 32; from there on blocks are dilated instead of strided.
    """
    net = block(0)
    padding = 0 if layout.pad_first else None
    x = net.relu(conv_norm(net, ("0", "1"), image, 32, 3, stride=2, padding=padding), 6)
    maps = [x]
    reached, dilation = 2, 1
    for expansion, channels, blocks, stride in GROUPS:
        widening = 1
        if reached == output_stride:
            stride, widening = 1, stride
        reached *= stride
        for index in range(blocks):
            x = _inverted_residual(
                block(len(maps)) / "conv",
                x,
                channels,
                layout,
                expansion=expansion,
                stride=stride if index == 0 else 1,
                dilation=dilation,
            )
            maps.append(x)
            if index == 0:
                dilation *= widening
    return maps


def _inverted_residual(
    net: Layers[T],
    x: T,
    channels: int,
    layout: Layout,
    *,
    expansion: int,
    stride: int,
    dilation: int,
) -> T:
    """Wide inside and narrow at its ends: expansion, depthwise layer, linear projection."""
    *expand, depthwise, project = layout.names[2 if expansion == 1 else 3]
    inside = expansion * x.shape[1]
    y, padding = (net.pad(x, dilation), 0) if layout.pad_first else (x, None)
    for names in expand:
        y = net.relu(conv_norm(net, names, y, inside, 1), 6)
    y = conv_norm(
        net,
        depthwise,
        y,
        inside,
        3,
        stride=stride,
        dilation=dilation,
        groups=inside,
        padding=padding,
    )
    y = conv_norm(net, project, net.relu(y, 6), channels, 1)
    return net.add(x, y) if stride == 1 and x.shape[1] == channels else y

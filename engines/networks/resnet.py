"""ResNet-101: Deep Residual Learning for Image Recognition (He et al., 2015).

https://arxiv.org/abs/1512.03385, with the stride in the 3x3 layer, as torchvision has it. As a
backbone: the feature maps, no classifier.
"""

from __future__ import annotations

from .blocks import conv_norm
from .layers import Layers, T

__all__ = ["resnet101"]

STAGES = ((64, 3, 1), (128, 4, 2), (256, 23, 2), (512, 3, 2))  # channels inside, blocks, stride


def resnet101(net: Layers[T], image: T, *, output_stride: int = 32) -> list[T]:
    """The maps after each of the four stages.

    Args:
        net: what the network is made of.
        image: (N, 3, H, W).
        output_stride: 8, 16 or 32; from there on blocks are dilated instead of strided.
    """
    x = net.relu(conv_norm(net, ("conv1", "bn1"), image, 64, 7, stride=2))
    x = net.max_pool(x, 3)
    maps = []
    reached, dilation = 4, 1
    for stage, (inside, blocks, stride) in enumerate(STAGES, start=1):
        widening = 1
        if reached == output_stride:
            stride, widening = 1, stride
        reached *= stride
        layer = net / f"layer{stage}"
        x = _bottleneck(layer / "0", x, inside, stride=stride, dilation=dilation)
        dilation *= widening
        for block in range(1, blocks):
            x = _bottleneck(layer / f"{block}", x, inside, dilation=dilation)
        maps.append(x)
    return maps


def _bottleneck(net: Layers[T], x: T, inside: int, *, stride: int = 1, dilation: int = 1) -> T:
    """Narrow inside: 1x1, 3x3 and 1x1; a shortcut that changes shape is projected."""
    out = 4 * inside
    y = net.relu(conv_norm(net, ("conv1", "bn1"), x, inside, 1))
    y = net.relu(conv_norm(net, ("conv2", "bn2"), y, inside, 3, stride=stride, dilation=dilation))
    y = conv_norm(net, ("conv3", "bn3"), y, out, 1)
    if stride != 1 or x.shape[1] != out:
        x = conv_norm(net, ("downsample.0", "downsample.1"), x, out, 1, stride=stride)
    return net.relu(net.add(y, x))

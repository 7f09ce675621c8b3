"""DeepLabV3+: Encoder-Decoder with Atrous Separable Convolution (Chen et al., 2018).

https://arxiv.org/abs/1802.02611. Names of the weights as in VainF's DeepLabV3Plus-Pytorch, whose
atrous convolutions are plain ones.
"""

from __future__ import annotations

from collections.abc import Callable

from .blocks import conv_norm
from .layers import Layers, T
from .mobilenetv2 import NESTED, mobilenetv2
from .resnet import resnet101

__all__ = ["deeplabv3plus", "mobilenetv2_features", "resnet101_features"]

RATES = {8: (12, 24, 36), 16: (6, 12, 18)}


def deeplabv3plus(
    net: Layers[T],
    image: T,
    *,
    features: Callable[..., tuple[T, T]],
    classes: int = 21,
    output_stride: int = 16,
) -> tuple[T]:
    """Atrous spatial pyramid pooling, and a decoder that adds an early map (figure 2).

    Args:
        net: what the network is made of.
        image: (N, 3, H, W).
        features: the backbone's early map, of a quarter of the sides, and its last.
        classes: Pascal VOC's 21 by default, of which 15 is the person.
        output_stride: the sides of the image over those of the last map, 8 or 16.

    Returns:
        Logits (N, classes, H, W).
    """
    early, last = features(net / "backbone", image, output_stride=output_stride)
    head = net / "classifier"
    early = head.relu(conv_norm(head, ("project.0", "project.1"), early, 48, 1))
    x = _pyramid(head / "aspp", last, RATES[output_stride])
    x = head.concat(early, head.resize(x, early))
    x = head.relu(conv_norm(head, ("classifier.0", "classifier.1"), x, 256, 3))
    return (net.resize(head.conv("classifier.3", x, classes, 1), image),)


def mobilenetv2_features(net: Layers[T], image: T, *, output_stride: int) -> tuple[T, T]:
    def block(index: int) -> Layers[T]:
        level = "low" if index < 4 else "high"
        return net / f"{level}_level_features.{index}"

    maps = mobilenetv2(block, image, NESTED, output_stride=output_stride)
    return maps[3], maps[-1]


def resnet101_features(net: Layers[T], image: T, *, output_stride: int) -> tuple[T, T]:
    maps = resnet101(net, image, output_stride=output_stride)
    return maps[0], maps[-1]


def _pyramid(net: Layers[T], x: T, rates: tuple[int, ...]) -> T:
    """The map at several dilations, and its mean, side by side."""
    parts = [net.relu(conv_norm(net, ("convs.0.0", "convs.0.1"), x, 256, 1))]
    for index, rate in enumerate(rates, start=1):
        names = (f"convs.{index}.0", f"convs.{index}.1")
        parts.append(net.relu(conv_norm(net, names, x, 256, 3, dilation=rate)))
    mean = net.relu(conv_norm(net, ("convs.4.1", "convs.4.2"), net.mean(x), 256, 1))
    parts.append(net.resize(mean, x))
    x = net.relu(conv_norm(net, ("project.0", "project.1"), net.concat(*parts), 256, 1))
    return net.dropout(x, 0.1)

"""MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition (Ke et al., 2020).

https://arxiv.org/abs/2011.11961. Names of the weights as in the authors' `src/models/modnet.py`.
"""

from __future__ import annotations

from .blocks import conv_norm
from .layers import Layers, T
from .mobilenetv2 import FLAT, mobilenetv2

__all__ = ["modnet"]


def modnet(net: Layers[T], image: T, *, width: int = 32) -> tuple[T, ...]:
    """Semantics at low resolution, details at high, and their fusion (figure 2 of the paper).

    The published network takes sides that are multiples of 32; this one takes any.

    Args:
        net: what the network is made of.
        image: (N, 3, H, W).
        width: channels at high resolution.

    Returns:
        Logits of the matte, (N, 1, H, W); in training also those of the semantics, (N, 1, H/16,
        W/16), and of the details, (N, 1, H, W).
    """
    features = net / "backbone.model.features"
    maps = mobilenetv2(lambda index: features / f"{index}", image, FLAT)
    at2, at4, at8, at16 = maps[1], maps[3], maps[6], maps[13]
    last = features.relu(conv_norm(features / "18", ("0", "1"), maps[-1], 1280, 1), 6)

    low = net / "lr_branch"
    x = low.resize(_excited(low / "se_block", last), at16)
    x = low.resize(_conv(low / "conv_lr16x", x, 96, 5), at8)
    semantic = _conv(low / "conv_lr8x", x, 32, 5)

    high = net / "hr_branch"
    half = _conv(high / "tohr_enc2x", at2, width, 1)
    quarter = _conv(high / "tohr_enc4x", at4, width, 1)
    x = high.concat(high.resize(image, half), half)
    x = _conv(high / "conv_enc2x", x, width, 3, stride=2)
    x = _conv(high / "conv_enc4x", high.concat(x, quarter), 2 * width, 3)
    x = high.concat(x, high.resize(semantic, x), high.resize(image, x))
    x = _convs(high / "conv_hr4x", x, (2 * width, 2 * width, width))
    x = high.concat(high.resize(x, half), half)
    detail = _convs(high / "conv_hr2x", x, (2 * width, width, width, width))

    fusion = net / "f_branch"
    x = _conv(fusion / "conv_lr4x", fusion.resize(semantic, quarter), width, 5)
    x = fusion.concat(fusion.resize(x, detail), detail)
    x = _conv(fusion / "conv_f2x", x, width, 3)
    matte = _full_size(fusion / "conv_f", x, image, width // 2)
    if not net.training:
        return (matte,)
    return (
        matte,
        low.conv("conv_lr.layers.0", semantic, 1, 3, stride=2),
        _full_size(high / "conv_hr", detail, image, width),
    )


def _full_size(net: Layers[T], x: T, image: T, channels: int) -> T:
    """One channel at the image's size, with the image's help."""
    x = net.concat(net.resize(x, image), image)
    return net.conv("1.layers.0", _conv(net / "0", x, channels, 3), 1, 1)


def _convs(net: Layers[T], x: T, channels: tuple[int, ...]) -> T:
    for index, count in enumerate(channels):
        x = _conv(net / f"{index}", x, count, 3)
    return x


def _conv(net: Layers[T], x: T, channels: int, kernel: int, *, stride: int = 1) -> T:
    """A convolution, IBNorm (half of the channels by batch, half by instance) and ReLU."""
    x = net.conv("layers.0", x, channels, kernel, stride=stride)
    x = net.batch_norm("layers.1.bnorm", x, slice(channels // 2))
    return net.relu(net.instance_norm(x, slice(channels // 2, None)))


def _excited(net: Layers[T], x: T) -> T:
    """Channels weighed by their means: squeeze and excitation, https://arxiv.org/abs/1709.01507."""
    channels = x.shape[1]
    gate = net.relu(net.linear("fc.0", net.mean(x), channels // 4))
    return net.multiply(x, net.sigmoid(net.linear("fc.2", gate, channels)))

"""U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection (Qin et al., 2020).

https://arxiv.org/abs/2005.09007. Names of the weights as in the authors' `model/u2net.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .layers import Layers, T

__all__ = ["U2NET", "U2NETP", "U2NET_LITE", "Widths", "u2net"]


class Widths(NamedTuple):
    """Channels (inside, out) of the stages 1 to 6, and of 1 to 5 on the way back."""

    encoder: Sequence[tuple[int, int]]
    decoder: Sequence[tuple[int, int]]


U2NET = Widths(
    encoder=((32, 64), (32, 128), (64, 256), (128, 512), (256, 512), (256, 512)),
    decoder=((16, 64), (32, 64), (64, 128), (128, 256), (256, 512)),
)
U2NETP = Widths(encoder=((16, 64),) * 6, decoder=((16, 64),) * 5)
# Thin where a map has many pixels, which is where U²-NetP's time goes; wide where it costs little.
U2NET_LITE = Widths(
    encoder=((16, 16), (16, 32), (32, 48), (32, 64), (64, 128), (64, 128)),
    decoder=((16, 16), (16, 16), (32, 48), (32, 64), (32, 64)),
)


def u2net(net: Layers[T], image: T, *, widths: Widths) -> tuple[T, ...]:
    """A U of six encoder and five decoder stages, each itself a U (figure 5 of the paper).

    Args:
        net: what the network is made of.
        image: (N, 3, H, W).
        widths: of its stages, as in `U2NET` and `U2NETP`.

    Returns:
        Logits (N, 1, H, W): the fused map, then the side maps of the stages 1 to 6.
    """
    x = _stage(net / "stage1", image, 1, *widths.encoder[0])
    encoded = [x]
    for stage in range(2, 7):
        x = _stage(net / f"stage{stage}", net.max_pool(x, 2), stage, *widths.encoder[stage - 1])
        encoded.append(x)

    decoded = [x]
    for stage in range(5, 0, -1):
        skip = encoded[stage - 1]
        x = net.concat(net.resize(x, skip), skip)
        x = _stage(net / f"stage{stage}d", x, stage, *widths.decoder[stage - 1])
        decoded.insert(0, x)

    first, *deeper = (net.conv(f"side{n}", x, 1, 3) for n, x in enumerate(decoded, start=1))
    sides = [first, *(net.resize(side, first) for side in deeper)]
    return (net.conv("outconv", net.concat(*sides), 1, 1), *sides)


def _stage(net: Layers[T], x: T, stage: int, inside: int, out: int) -> T:
    """RSU-7, 6, 5, 4 in the first four stages, RSU-4F where the map is too small to be pooled."""
    if stage > 4:
        return rsu4f(net, x, inside, out)
    return rsu(net, x, 8 - stage, inside, out)


def rsu(net: Layers[T], x: T, height: int, inside: int, out: int) -> T:
    """A residual U-block of a height (figure 2e): pooled on the way down, resized on the way up."""
    entry = _conv(net / "rebnconvin", x, out)
    x = _conv(net / "rebnconv1", entry, inside)
    skips = [x]
    for level in range(2, height):
        x = _conv(net / f"rebnconv{level}", net.max_pool(x, 2), inside)
        skips.append(x)
    bottom = _conv(net / f"rebnconv{height}", x, inside, dilation=2)

    x = net.concat(bottom, x)
    for level in range(height - 1, 1, -1):
        x = _conv(net / f"rebnconv{level}d", x, inside)
        skip = skips[level - 2]
        x = net.concat(net.resize(x, skip), skip)
    return net.add(_conv(net / "rebnconv1d", x, out), entry)


def rsu4f(net: Layers[T], x: T, inside: int, out: int) -> T:
    """A residual U-block of height 4 that is dilated instead of pooled."""
    entry = _conv(net / "rebnconvin", x, out)
    first = _conv(net / "rebnconv1", entry, inside)
    second = _conv(net / "rebnconv2", first, inside, dilation=2)
    third = _conv(net / "rebnconv3", second, inside, dilation=4)
    x = _conv(net / "rebnconv4", third, inside, dilation=8)
    x = _conv(net / "rebnconv3d", net.concat(x, third), inside, dilation=4)
    x = _conv(net / "rebnconv2d", net.concat(x, second), inside, dilation=2)
    x = _conv(net / "rebnconv1d", net.concat(x, first), out)
    return net.add(x, entry)


def _conv(net: Layers[T], x: T, channels: int, dilation: int = 1) -> T:
    x = net.conv("conv_s1", x, channels, 3, dilation=dilation)
    return net.relu(net.batch_norm("bn_s1", x))

"""What several networks are built of."""

from __future__ import annotations

from .layers import Layers, T

__all__ = ["conv_norm"]


def conv_norm(
    net: Layers[T],
    names: tuple[str, str],
    x: T,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | None = None,
) -> T:
    """A convolution without bias and the batch normalisation that makes up for it."""
    conv, norm = names
    x = net.conv(
        conv,
        x,
        channels,
        kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        bias=False,
        padding=padding,
    )
    return net.batch_norm(norm, x)

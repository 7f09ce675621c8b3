"""A network's layers in bfloat16, where that is faster."""

from __future__ import annotations

import importlib
from typing import Any

from ..networks.torch_module import TorchLayers

__all__ = ["MixedLayers"]

torch: Any = importlib.import_module("torch")
functional: Any = torch.nn.functional

_SMALLEST_SIDE = 16
_FEWEST_CHANNELS = 8


class MixedLayers(TorchLayers):
    """Layers whose convolutions are in bfloat16; values between layers are as well.

    Small ones are in float32 on a CPU: backwards, oneDNN has but its reference code for them in
    bfloat16, which took 3/4 of a whole step (PyTorch 2.13, AVX-512).
    """

    def conv(self, name: str, x: Any, channels: int, kernel: int, **options: Any) -> Any:
        large = x.device.type != "cpu" or (
            min(x.shape[2:]) >= _SMALLEST_SIDE and channels >= _FEWEST_CHANNELS
        )
        with torch.autocast(x.device.type, torch.bfloat16, enabled=large):
            y = super().conv(name, x if large else x.float(), channels, kernel, **options)
        return y.bfloat16()

    def resize(self, x: Any, like: Any) -> Any:
        if x.device.type == "cpu":  # which sums gradients in float32 already
            return super().resize(x, like)
        if like.shape[2:] == (2 * x.shape[2], 2 * x.shape[3]):
            return Doubled.apply(x)
        return super().resize(x.float(), like).bfloat16()


class Doubled(torch.autograd.Function):  # type: ignore[misc]
    """Maps of twice the height and width, bilinear.

    A GPU sums the gradient of a resize by atomic additions in bfloat16, one for each of the four
    neighbours of every pixel: 1/256 off at each, in no fixed order. Here it is gathered. An input
    pixel weighs 1, 3, 3, 1 quarters in the four pixels of each axis that it is seen in, which is
    the mean of two neighbours three times over; what lies beyond the border is the border's.
    """

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        means = functional.avg_pool2d(gradient, 2, 1, padding=1, count_include_pad=False)
        return 4 * functional.avg_pool2d(functional.avg_pool2d(means, 2, 1), 2, 2)

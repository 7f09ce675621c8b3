"""A network's layers in bfloat16, where that is faster."""

from __future__ import annotations

import importlib
from typing import Any

from ..networks.torch_module import TorchLayers

__all__ = ["MixedLayers"]

torch: Any = importlib.import_module("torch")

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

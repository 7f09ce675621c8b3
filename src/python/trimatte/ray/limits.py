"""What the service accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from trimatte.errors import ArgumentError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """What a request to the service may cost.

    max_bytes: the largest body. max_pixels: of an image, by its header, before it is decoded.
    seconds: from a replica's first look at a request to the last byte of the cutout. queued:
    requests that wait for a replica, beyond those that one works on; those beyond are refused with
    status 503.

    Raises:
        ArgumentError: one is not above 0.
    """

    max_bytes: int = 32 << 20
    max_pixels: int = 50_000_000
    seconds: float = 60.0
    queued: int = 128

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            whole = each.name == "seconds" or isinstance(value, int)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and whole and value > 0 and math.isfinite(value)):
                raise ArgumentError(
                    f"Limits: {each.name} must be a {'' if each.name == 'seconds' else 'whole '}"
                    f"number above 0, got {value!r:.80}"
                )

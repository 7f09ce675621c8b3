"""The one place where inputs are coerced and named options are looked up.

Shapes, dtypes and values are checked by the compiled module, which knows the names to put into the
message; here anything array-like becomes an array whose rows it can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte.errors import ArgumentError, DeviceError

Array = npt.NDArray[Any]
ArrayLike = npt.ArrayLike
V = TypeVar("V")

_DEPTHS = {"uint8": 0, "uint16": 1, "float32": 2}
_CHANNELS = {"red": 0, "green": 1, "blue": 2}


def as_array(value: ArrayLike, operation: str, name: str) -> Array:
    """Anything array-like as an array whose pixels are contiguous within each row.

    Row-strided views, also backwards ones, are passed on without a copy; other strides are copied.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{operation}: {name} must be an array of uint8, uint16 or float32, got {value!r:.80}"
        ) from None
    item = array.itemsize
    inner = array.strides[1:] if array.ndim > 1 else ()
    packed = {2: (item,), 3: (item * array.shape[-1], item)}.get(array.ndim) if array.ndim else None
    if packed is not None and (inner != packed or not array.flags.aligned):
        array = np.array(
            array, order="C", copy=True
        )  # ascontiguousarray would keep a misaligned one
    return array


def as_mask(value: ArrayLike, operation: str, name: str) -> Array:
    """Like `as_array`; a bool mask becomes uint8 of 0 and 1, sharing its memory."""
    array = as_array(value, operation, name)
    return array.view(np.uint8) if array.dtype == np.bool_ else array


def as_trimap(value: ArrayLike, operation: str, name: str) -> Array:
    """A trimap as uint8: 0 background, 128 unknown, 255 foreground.

    uint8 is taken as it is, float32 in [0, 1] and uint16 are scaled to it.
    """
    array = as_array(value, operation, name)
    _core.check(array, operation, name, color=False)
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype == np.float32:
        return (array * 255 + 0.5).astype(np.uint8)
    return array


def choice(table: Mapping[str, V], value: Any, operation: str, name: str) -> V:
    """The entry of a table of named options."""
    if isinstance(value, str) and value in table:
        return table[value]
    names = ", ".join(repr(key) for key in table)
    raise ArgumentError(f"{operation}: {name} must be one of {names}, got {value!r}")


def is_number(value: Any) -> bool:
    """Whether a value is a real number; text that could be read as one is not."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def number(value: Any, operation: str, name: str) -> float:
    """A real number (the compiled module checks its range)."""
    if is_number(value):
        return float(value)
    raise ArgumentError(f"{operation}: {name} must be a number, got {value!r:.80}")


def depth_code(dtype: npt.DTypeLike, operation: str) -> int:
    """The compiled module's number of a sample type."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = repr(dtype)
    if name not in _DEPTHS:
        raise ArgumentError(f"{operation}: dtype must be uint8, uint16 or float32, got {name}")
    return _DEPTHS[name]


def key_channel(key_color: Any, operation: str) -> int:
    """The channel that a key colour lights most: 0 red, 1 green, 2 blue."""
    if isinstance(key_color, str):
        return choice(_CHANNELS, key_color, operation, "key_color")
    try:
        rgb = np.asarray(key_color, dtype=np.float64)
    except (TypeError, ValueError):
        rgb = np.empty(0)
    wanted = f"{operation}: key_color must be 'green', 'blue', 'red' or (r, g, b) in 0..255"
    if rgb.shape != (3,) or not np.all((rgb >= 0) & (rgb <= 255)):
        raise ArgumentError(f"{wanted}, got {key_color!r:.80}")
    if np.count_nonzero(rgb == rgb.max()) > 1:
        raise ArgumentError(f"{wanted} with one channel above the others, got {key_color!r:.80}")
    return int(rgb.argmax())


def use_cuda(device: str | None, operation: str, *, built: bool = False) -> bool:
    """Whether a call runs on the GPU; raises where it cannot run where it was asked to."""
    if device is None or device == "cpu":
        return False
    if device != "cuda":
        raise ArgumentError(f"{operation}: device must be None, 'cpu' or 'cuda', got {device!r}")
    available, sentence = _core.cuda_status()
    if not available:
        raise DeviceError(f"{operation}: device='cuda' cannot be used here. {sentence}")
    if not built:
        raise DeviceError(f"{operation}: there is no CUDA kernel of it yet; use device='cpu'")
    return True


def no_stream(stream: Any, operation: str) -> None:
    """The CPU backend runs in call order; a stream is an argument for arrays on a GPU."""
    if stream is not None:
        raise ArgumentError(
            f"{operation}: stream must be None for arrays on the CPU, got {stream!r:.80}"
        )

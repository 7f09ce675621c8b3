"""Checkpoints of `torch.save`, in both of its formats, read without PyTorch.

A checkpoint is a pickle, that is, a program, and its tensors' numbers beside it. `safe_pickle` goes
through the program; what it may ask for is listed here.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .safe_pickle import Forbidden, Named, read_pickle

__all__ = ["BFLOAT16", "MOST_GROWTH", "numbers", "read_archive", "read_legacy"]

Array = npt.NDArray[Any]
Order = Literal["<", ">"]

MOST_GROWTH = 8  # tensors may share storages, and files be compressed, but weights hardly are
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")
_LEGACY_MAGIC = (0x1950A86A20F9469CFC6C, 1001)
_MOST_AXES = 8

BFLOAT16 = "bfloat16"  # NumPy has none: read as the upper halves of float32
_STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


@dataclass(frozen=True)
class _Storage:
    """Numbers in a file, not read yet."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**48:
        raise ValueError("a number of elements that is none")
    return value


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """`torch._utils._rebuild_tensor_v2`: a tensor, if it lies within its storage."""
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise ValueError("a tensor that is none")
    tensor = _Tensor(
        storage, _count(offset), tuple(map(_count, shape)), tuple(map(_count, strides))
    )
    last = sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if tensor.size and (offset + last >= storage.count or tensor.size > storage.count):
        raise ValueError(f"a tensor {tensor.shape} beyond its storage of {storage.count}")
    return tensor


def _first(value: Any, *_: Any) -> Any:
    """`torch._utils._rebuild_parameter`: the tensor that a parameter wraps."""
    return value


def _forgotten(*_: Any) -> None:
    """Values beside the tensors, as a best score or the command line's arguments."""


def _items(pairs: Any = ()) -> dict[Any, Any]:
    """`collections.OrderedDict`, of which the first versions of PyTorch gave pairs."""
    items: dict[Any, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise TypeError("a key that is no text")
        items[key] = value
    return items


_KNOWN: dict[str, Callable[..., Any] | None] = {
    "collections.OrderedDict": _items,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "collections.Counter": _forgotten,
    "torch.Size": _forgotten,
    "torch.device": _forgotten,
    "numpy.dtype": _forgotten,
    "numpy.core.multiarray.scalar": _forgotten,
    "numpy._core.multiarray.scalar": _forgotten,
    "_codecs.encode": _forgotten,
    "argparse.Namespace": _forgotten,
    **dict.fromkeys(_STORAGES),
    **dict.fromkeys(f"torch.{name}" for name in ("float16", "bfloat16", "float32", "float64")),
}


def _storage(identity: Any) -> _Storage:
    """A persistent id: ("storage", type, key, device, count), in the old format also a view."""
    word, kind, key, _, count, *view = identity
    if not isinstance(kind, Named) or kind.name not in _STORAGES:
        raise Forbidden("storage of an unknown type")
    if word != "storage" or not isinstance(key, str) or any(part is not None for part in view):
        raise ValueError("a storage that is none")
    return _Storage(key, _STORAGES[kind.name], _count(count))


def read_archive(archive: zipfile.ZipFile, pickle: str, file_size: int) -> dict[str, Array]:
    """The format since PyTorch 1.6: the pickle, and each storage as a member beside it."""
    folder = pickle.removesuffix("data.pkl")
    order: Order = "<"
    if f"{folder}byteorder" in archive.namelist():
        order = ">" if _stored(archive, f"{folder}byteorder") == b"big" else "<"
    value = read_pickle(io.BytesIO(_stored(archive, pickle)), _KNOWN, _storage)
    return _arrays(value, file_size, lambda key: _stored(archive, f"{folder}data/{key}"), order)


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member as `torch.save` writes it, uncompressed: no larger than the file."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name!r:.80} is compressed, as no checkpoint is")
    return archive.read(name)


def read_legacy(data: bytes) -> dict[str, Array]:
    """The format before PyTorch 1.6: five pickles, then each storage behind its count."""
    stream = io.BytesIO(data)
    storages: dict[str, _Storage] = {}

    def resolve(identity: Any) -> _Storage:
        storage = _storage(identity)
        if storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"two storages {storage.key!r:.80}")
        return storage

    magic, version, system, value, keys = (read_pickle(stream, _KNOWN, resolve) for _ in range(5))
    if (magic, version) != _LEGACY_MAGIC or not isinstance(system, dict):
        raise ValueError("a pickle that is no checkpoint")
    order: Order = "<" if system.get("little_endian", True) else ">"
    content = {}
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise ValueError("the numbers of a storage that no tensor has")
        storage = storages[key]
        if int.from_bytes(stream.read(8), "little" if order == "<" else "big") != storage.count:
            raise ValueError(f"the storage {key!r:.80} is not of its size")
        content[key] = stream.read(storage.count * _width(storage.kind))
    return _arrays(value, len(data), content.__getitem__, order)


def _arrays(
    value: Any, file_size: int, read: Callable[[str], bytes], order: Order
) -> dict[str, Array]:
    """The tensors of a dictionary, each with numbers of its own."""
    tensors = _state_dict(value)
    needed = sum(tensor.size * _width(tensor.storage.kind) for tensor in tensors.values())
    read_too = {tensor.storage for tensor in tensors.values()}
    needed += sum(storage.count * _width(storage.kind) for storage in read_too)
    if needed > 2 * MOST_GROWTH * file_size:
        raise ValueError("its tensors are far larger than the file")
    storages: dict[_Storage, Array] = {}
    arrays = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if storage not in storages:
            storages[storage] = numbers(read(storage.key), storage.kind, storage.count, order)
        flat = storages[storage]
        strides = [stride * flat.itemsize for stride in tensor.strides]
        view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)
        arrays[name] = view.copy()
    return arrays


def _state_dict(value: Any) -> dict[str, _Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(value, dict) and isinstance(value.get(wrapper), dict):
            value = value[wrapper]
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} where a dictionary of tensors belongs")
    return {
        name: tensor
        for name, tensor in value.items()
        if isinstance(name, str) and isinstance(tensor, _Tensor)
    }


def _width(kind: str) -> int:
    return 2 if kind == BFLOAT16 else np.dtype(kind).itemsize


def numbers(raw: bytes, kind: str, count: int, order: Order = "<") -> Array:
    """The numbers of a storage, in the machine's byte order."""
    if len(raw) != count * _width(kind):
        raise ValueError(f"{len(raw)} bytes for {count} numbers of type {kind}")
    if kind == BFLOAT16:
        return (np.frombuffer(raw, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    array = np.frombuffer(raw, np.dtype(kind).newbyteorder(order))
    return array.astype(array.dtype.newbyteorder("="))

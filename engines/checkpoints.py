"""Weights out of files, without PyTorch and without running what a file says."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from trimatte.errors import EngineError

from .optional import require
from .safe_pickle import Forbidden, Named, read_pickle

__all__ = ["read_checkpoint"]

Array = npt.NDArray[Any]
_Order = Literal["<", ">"]

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")
_LEGACY_MAGIC = (0x1950A86A20F9469CFC6C, 1001)
_MOST_AXES = 8
_MOST_GROWTH = 8  # tensors may share storages, and files be compressed, but weights hardly are


def read_checkpoint(path: str | Path) -> dict[str, Array]:
    """The tensors of a file, known by its content:

    - a PyTorch checkpoint of `torch.save`, as a zip archive or in the format before PyTorch 1.6: a
      dictionary of tensors, by itself or under ``state_dict``, ``model_state_dict``,
      ``model_state`` or ``model``. Nothing in it is run: besides tensors and plain containers, only
      a few names are known.
    - safetensors (needs the package safetensors)
    - NumPy's ``.npz``, without pickled objects

    A prefix ``module.`` that all names have, from training on several GPUs, is taken off.

    Args:
        path: of the file.

    Returns:
        The tensors by name, of their own dtype; bfloat16 becomes float32.

    Raises:
        EngineError: the file cannot be read, is damaged or of no such format, or asks for anything
            but tensors; the message says for what.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise EngineError(f"read_checkpoint: there is no file {path}")
        data = path.read_bytes()
        tensors = _reader(data)(data)
    except Forbidden as error:
        raise EngineError(
            f"read_checkpoint: {path} holds more than tensors: {error}; save only model.state_dict()"
        ) from error
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        EOFError,
        ArithmeticError,
        NotImplementedError,
        RecursionError,
        MemoryError,
        zipfile.BadZipFile,
    ) as error:
        raise EngineError(f"read_checkpoint: {path} is damaged: {error}") from error
    if not tensors:
        raise EngineError(f"read_checkpoint: {path} holds no tensors")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def _reader(data: bytes) -> Callable[[bytes], dict[str, Array]]:
    if data.startswith(b"PK\x03\x04"):
        return _read_archive
    if data.startswith(b"\x80"):
        return _read_legacy
    if data[8:9] == b"{":
        return _read_safetensors
    raise ValueError("it begins like no PyTorch, safetensors or NumPy file")


# --- PyTorch ---------------------------------------------------------------------------------


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


_BFLOAT16 = "bfloat16"  # NumPy has none: read as the upper halves of float32
_STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": _BFLOAT16,
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


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


def _read_archive(data: bytes) -> dict[str, Array]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            return _read_npz(archive, len(data))
        folder = pickles[0].removesuffix("data.pkl")
        order: _Order = "<"
        if f"{folder}byteorder" in names and _stored(archive, f"{folder}byteorder") == b"big":
            order = ">"
        value = read_pickle(io.BytesIO(_stored(archive, pickles[0])), _KNOWN, _storage)
        return _arrays(value, len(data), lambda key: _stored(archive, f"{folder}data/{key}"), order)


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member as `torch.save` writes it, uncompressed: no larger than the file."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name!r:.80} is compressed, as no checkpoint is")
    return archive.read(name)


def _read_legacy(data: bytes) -> dict[str, Array]:
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
    order: _Order = "<" if system.get("little_endian", True) else ">"
    content = {}
    for key in keys:
        if not isinstance(key, str):
            raise TypeError("a storage without a name")
        storage = storages[key]
        if int.from_bytes(stream.read(8), "little" if order == "<" else "big") != storage.count:
            raise ValueError(f"the storage {key!r:.80} is not of its size")
        content[key] = stream.read(storage.count * _width(storage.kind))
    return _arrays(value, len(data), content.__getitem__, order)


def _arrays(
    value: Any, file_size: int, read: Callable[[str], bytes], order: _Order
) -> dict[str, Array]:
    """The tensors of a dictionary, each with numbers of its own."""
    tensors = _state_dict(value)
    if sum(tensor.size for tensor in tensors.values()) > _MOST_GROWTH * file_size:
        raise ValueError("its tensors are far larger than the file")
    storages: dict[_Storage, Array] = {}
    arrays = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if storage not in storages:
            storages[storage] = _numbers(read(storage.key), storage.kind, storage.count, order)
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


# --- numbers -----------------------------------------------------------------------------------


def _width(kind: str) -> int:
    return 2 if kind == _BFLOAT16 else np.dtype(kind).itemsize


def _numbers(raw: bytes, kind: str, count: int, order: _Order = "<") -> Array:
    """The numbers of a storage, in the machine's byte order."""
    if len(raw) != count * _width(kind):
        raise ValueError(f"{len(raw)} bytes for {count} numbers of type {kind}")
    if kind == _BFLOAT16:
        return (np.frombuffer(raw, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    numbers = np.frombuffer(raw, np.dtype(kind).newbyteorder(order))
    return numbers.astype(numbers.dtype.newbyteorder("="))


# --- other formats -----------------------------------------------------------------------------

_SAFETENSORS = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "BF16": _BFLOAT16,
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}


def _read_safetensors(data: bytes) -> dict[str, Array]:
    library = require("safetensors", extra="export", purpose="reading safetensors")
    try:
        entries = library.deserialize(data)
    except library.SafetensorError as error:
        raise ValueError(error) from error
    return {
        name: _numbers(
            bytes(entry["data"]), _SAFETENSORS[entry["dtype"]], math.prod(entry["shape"])
        ).reshape(entry["shape"])
        for name, entry in entries
    }


def _read_npz(archive: zipfile.ZipFile, file_size: int) -> dict[str, Array]:
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if sum(info.file_size for info in members) > _MOST_GROWTH * file_size:
        raise ValueError("its arrays are far larger than the file")
    return {info.filename.removesuffix(".npy"): _npy(archive.read(info)) for info in members}


_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _npy(data: bytes) -> Array:
    """An array of numbers; `np.load` would make room for whatever shape the header claims."""
    stream = io.BytesIO(data)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, by_columns, dtype = read[np.lib.format.read_magic(stream)](stream)
    if dtype.kind not in "fiub":
        raise ValueError(f"an array of {dtype!s:.80}")
    flat = np.frombuffer(stream.read(), dtype)
    if flat.size != math.prod(shape):
        raise ValueError(f"{flat.size} numbers for an array {shape}")
    array = flat.reshape(shape, order="F" if by_columns else "C")
    return np.array(array, dtype.newbyteorder("="), order="C")

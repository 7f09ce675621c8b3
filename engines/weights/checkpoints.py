"""Weights out of files, without PyTorch and without running what a file says."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte.errors import EngineError
from trimatte.optional import require

from .safe_pickle import Forbidden
from .torch_checkpoint import BFLOAT16, MOST_GROWTH, numbers, read_archive, read_legacy

__all__ = ["read_checkpoint"]

Array = npt.NDArray[Any]


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
            f"read_checkpoint: {path} holds more than tensors: {error}; save model.state_dict()"
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
    if data[8:9] == b"{":  # behind eight bytes of its length, which may look like anything
        return _read_safetensors
    if data.startswith(b"PK\x03\x04"):
        return _read_zip
    if data.startswith(b"\x80"):
        return read_legacy
    raise ValueError("it begins like no PyTorch, safetensors or NumPy file")


def _read_zip(data: bytes) -> dict[str, Array]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.endswith("/data.pkl"):
                return read_archive(archive, name, len(data))
        return _read_npz(archive, len(data))


_SAFETENSORS = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "BF16": BFLOAT16,
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
        name: numbers(
            bytes(entry["data"]), _SAFETENSORS[entry["dtype"]], math.prod(entry["shape"])
        ).reshape(entry["shape"])
        for name, entry in entries
    }


def _read_npz(archive: zipfile.ZipFile, file_size: int) -> dict[str, Array]:
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if sum(info.file_size for info in members) > MOST_GROWTH * file_size:
        raise ValueError("its arrays are far larger than the file")
    return {info.filename.removesuffix(".npy"): _npy(archive.read(info)) for info in members}


_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _npy(data: bytes) -> Array:
    """An array of numbers; `np.load` would make room for whatever shape the header claims."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    shape, by_columns, dtype = _NPY_HEADERS[version](stream)
    if dtype.kind not in "fiub":
        raise ValueError(f"an array of {dtype!s:.80}")
    flat = np.frombuffer(stream.read(), dtype)
    if flat.size != math.prod(shape):
        raise ValueError(f"{flat.size} numbers for an array {shape}")
    array = flat.reshape(shape, order="F" if by_columns else "C")
    return np.array(array, dtype.newbyteorder("="), order="C")

"""Arrays on a GPU of a library that is none: what trimatte has to borrow, and what it lends.

They lie in memory as a NumPy array does, which may be strided, offset or run backwards.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

import trimatte

Array = NDArray[Any]

READ_ONLY = 1
UNVERSIONED, VERSIONED = b"dltensor", b"dltensor_versioned"
KINDS = {"u": 1, "f": 2, "b": 6, "i": 0}


def pointer(array: Any) -> int:
    """Where an array begins on the GPU."""
    return int(array.__cuda_array_interface__["data"][0])


class Lent:
    """A copy of a NumPy array in the memory of a GPU, of the same strides."""

    def __init__(self, array: Array, *, read_only: bool = False, **options: Any) -> None:
        reach = [
            (side - 1) * stride for side, stride in zip(array.shape, array.strides, strict=True)
        ]
        first = array.ctypes.data
        low = first + sum(min(0, r) for r in reach)
        high = first + sum(max(0, r) for r in reach) + array.itemsize
        span = high - low if array.size else 0
        before = low % 16  # as well aligned as the array, and not better
        data = np.frombuffer(bytes(before) + ctypes.string_at(low, span), np.uint8)
        self.memory = trimatte.to_device(data, **options)
        self.offset = before + first - low
        self.shape, self.strides, self.dtype = array.shape, array.strides, array.dtype
        self.read_only = read_only

    @property
    def pointer(self) -> int:
        return pointer(self.memory) + self.offset if self.memory.size else 0


class InterfaceArray(Lent):
    """By ``__cuda_array_interface__``, as Numba's and PyCUDA's. `changes` replace its entries."""

    def __init__(self, array: Array, **options: Any) -> None:
        super().__init__(array, **options)
        self.changes: dict[str, Any] = {}

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, self.read_only),
            "version": 3,
            "strides": self.strides,
            "stream": self.memory.stream or 1,
            **self.changes,
        }


class Device(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("index", ctypes.c_int32)]


class DataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("ndim", ctypes.c_int32),
        ("dtype", DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Unversioned(ctypes.Structure):
    _fields_ = [("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


# What capsules point to until whoever took them calls the deleter.
lent: dict[int, tuple[Any, ...]] = {}


@Deleter
def forget(managed: int) -> None:
    lent.pop(managed)


_new = ctypes.pythonapi.PyCapsule_New
_new.argtypes, _new.restype = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p), ctypes.py_object
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.argtypes = (ctypes.py_object, ctypes.c_char_p)
_name = ctypes.pythonapi.PyCapsule_GetName
_name.argtypes, _name.restype = (ctypes.py_object,), ctypes.c_char_p


class CapsuleArray(Lent):
    """By ``__dlpack__`` of before version 1, as CuPy's and PyTorch's were for long."""

    name = UNVERSIONED
    version = (1, 1)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, int(self.memory.device.removeprefix("cuda:")))

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        self.memory.__dlpack__(stream=stream)  # for the waiting of that stream
        managed = Versioned() if self.name == VERSIONED else Unversioned()
        tensor = managed.tensor
        tensor.data, tensor.byte_offset = pointer(self.memory), self.offset
        tensor.device = Device(*self.__dlpack_device__())
        tensor.dtype = DataType(KINDS[self.dtype.kind], 8 * self.dtype.itemsize, 1)
        tensor.ndim = len(self.shape)
        sides = ctypes.c_int64 * tensor.ndim
        tensor.shape = sides(*self.shape)
        if self.strides is not None:
            tensor.strides = sides(*(stride // self.dtype.itemsize for stride in self.strides))
        if isinstance(managed, Versioned):
            managed.major, managed.minor = self.version
            managed.flags = READ_ONLY if self.read_only else 0
        managed.deleter = ctypes.cast(forget, ctypes.c_void_p)
        address = ctypes.addressof(managed)
        lent[address] = (managed, self)
        return _new(address, self.name, None)


class VersionedArray(CapsuleArray):
    """By ``__dlpack__`` of version 1."""

    name = VERSIONED

    def __dlpack__(self, *, stream: Any = None, max_version: Any = None) -> Any:
        assert max_version is not None
        return super().__dlpack__(stream=stream)


PROTOCOLS: tuple[type[Lent], ...] = (InterfaceArray, CapsuleArray, VersionedArray)


class Taken:
    """What a library does with a DLPack capsule of ours."""

    def __init__(self, capsule: Any) -> None:
        name = _name(capsule)
        address = _pointer(capsule, name)
        managed = (Versioned if name == VERSIONED else Unversioned).from_address(address)
        used = _USED[name]
        assert _rename(capsule, used) == 0
        self.managed, self.address = managed, address
        tensor = managed.tensor
        self.pointer = (tensor.data or 0) + tensor.byte_offset
        self.shape = tuple(tensor.shape[: tensor.ndim])
        self.strides = tuple(tensor.strides[: tensor.ndim])
        self.dtype = (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes)
        self.device = (tensor.device.type, tensor.device.index)

    @property
    def deleter(self) -> int:
        return int(self.managed.deleter)

    def release(self) -> None:
        """As ctypes calls it: without the GIL."""
        Deleter(self.deleter)(self.address)


_USED = {UNVERSIONED: b"used_dltensor", VERSIONED: b"used_dltensor_versioned"}


def name_of(capsule: Any) -> bytes:
    return bytes(_name(capsule))

"""ONNX files, read with distrust: what is known of a network before any runtime sees it.

The few fields that matter are read by walking over protobuf's wire format, so that a session needs
nothing but its runtime (the package ``onnx`` takes longer to import than a small network to load),
and so that what a file claims is checked before a library that is written in C++ believes it. The
layout of the messages is that of ONNX's ``onnx.proto``. A network is a program, though: what it
needs in memory while it runs cannot be known from its file.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple, TypeAlias

import numpy as np

from trimatte.errors import ArgumentError, EngineError

from ..session import TensorInfo
from ..weights.verified import digest

__all__ = ["ModelFile", "ModelSource", "model_file"]

LARGEST_FILE = 2**31 - 1  # protobuf's own limit
LONGEST_SIDE = 2**16
MOST_NUMBERS = 2**31
MOST_FIELDS = 2_000_000  # of the file's messages: a file made of empty ones must not take minutes

_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
_IMAGE_DTYPES = ("float32", "float16")
_PRECISIONS = {2: "int8", 3: "int8", 10: "fp16", 16: "bf16"}  # of weights of this type

# What lies in which field of which message, as far as there may be tensors in it.
_CONTENTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
}


class ModelFile:
    """An ONNX file whose claims about itself were checked.

    Nothing is executed, nothing written, and no more read than the file. External data, where the
    file refers to any, must be regular files inside the file's own folder, by a path without
    ``..`` and by no symbolic link that leads out of it.

    Args:
        model: path of the file, or its bytes.

    Attributes:
        name: of the file, for messages. path: None where bytes were given. data: its bytes.
        inputs, outputs: one input, the image: (N, C, H, W) of float32 or float16, and at least
        one output; an output whose shape the file does not tell has the shape ``()``.
        precision: ``"fp32"``, ``"fp16"``, ``"bf16"`` or ``"int8"``, what most weights are.
        external: the files of its external data.

    Raises:
        ArgumentError: model is neither a path nor bytes.
        EngineError: the file cannot be read, is too large, is cut off or no ONNX file, or claims
            something that is not listed above; the message names the file and the fact.
    """

    def __init__(self, model: str | os.PathLike[str] | bytes) -> None:
        if isinstance(model, bytes):
            self.path, self.data = None, model
            self.name = f"the model given as {len(model)} bytes"
        elif isinstance(model, (str, os.PathLike)):
            self.path = Path(model)
            self.name = str(self.path)
            self.data = _read(self.path)
        else:
            raise ArgumentError(
                f"model must be the path of an ONNX file or its bytes, got {model!r:.80}"
            )
        try:
            graph = _Graph(_Wire(self.data))
            references = _external_references(self.data)
        except _Malformed as error:
            raise EngineError(
                f"{self.name} is no ONNX file, or was cut off: {error} "
                f"({len(self.data)} bytes, beginning with {self.data[:16]!r})"
            ) from None
        self.inputs = tuple(self._checked(each) for each in graph.images())
        self.outputs = tuple(self._checked(each) for each in graph.outputs)
        self.precision = graph.precision()
        self._check_counts(graph)
        self._check_image(self.inputs[0])
        self.external = tuple(sorted({self._external_file(each) for each in references}))

    @property
    def image(self) -> TensorInfo:
        """The input."""
        return self.inputs[0]

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal hash of the file, as ``sha256sum`` prints it; of a file with external data,
        of its bytes and the names and hashes of those files."""
        hashed = hashlib.sha256(self.data)
        for path in self.external:
            hashed.update(f"\0{path.name}\0{digest(path, 'sha256')}".encode())
        return hashed.hexdigest()

    def _checked(self, value: _Value) -> TensorInfo:
        what = f"{self.name}: {value.name!r:.80}"
        if value.dtype not in _DTYPES:
            raise EngineError(f"{what} is no tensor of numbers that NumPy knows")
        sides = value.shape
        known = [side for side in sides or () if side is not None]
        wrong = [side for side in known if not 0 < side <= LONGEST_SIDE]
        if wrong or math.prod(known) > MOST_NUMBERS:
            raise EngineError(
                f"{what} is declared as {sides}; sides from 1 to {LONGEST_SIDE} and "
                f"{MOST_NUMBERS} numbers altogether are accepted"
            )
        return TensorInfo(value.name, sides or (), np.dtype(_DTYPES[value.dtype]))

    def _check_counts(self, graph: _Graph) -> None:
        if len(self.inputs) != 1:
            names = ", ".join(f"{each.name!r:.80}" for each in self.inputs[:8]) or "none"
            raise EngineError(f"{self.name} must have one input, the image; it has {names}")
        if not self.outputs:
            raise EngineError(f"{self.name} has no outputs")
        for weight in graph.weights:
            if min(weight.shape, default=0) < 0 or math.prod(weight.shape) > MOST_NUMBERS:
                raise EngineError(
                    f"{self.name}: the weights {weight.name!r:.80} are declared as {weight.shape}"
                )

    def _check_image(self, image: TensorInfo) -> None:
        if len(image.shape) != 4 or image.dtype.name not in _IMAGE_DTYPES:
            raise EngineError(
                f"{self.name}: the input {image.name!r:.80} must be an image, (N, C, H, W) of "
                f"float32 or float16; it is {image.shape} of {image.dtype}"
            )

    def _external_file(self, reference: _Reference) -> Path:
        """The file that external data lie in, if it may be read."""
        said = reference.location
        what = f"{self.name} refers to external data in {said!r:.200}"
        if self.path is None:
            raise EngineError(f"{what}, and was given as bytes, without a folder to find it in")
        posix, windows = PurePosixPath(said), PureWindowsPath(said)
        parts = {*posix.parts, *windows.parts}
        # "*" stands in the marker by which ONNX Runtime names an address in memory.
        if windows.drive or windows.root or posix.root or {"..", "*"} & parts or "\0" in said:
            raise EngineError(f"{what}; only a path inside the model's folder is accepted")
        folder = self.path.absolute().parent
        try:
            path = (folder / posix).resolve(strict=True)
            inside = path.is_relative_to(folder.resolve(strict=True))
            found = path.stat()
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise EngineError(f"{what}, which cannot be read: {error}") from None
        if not inside:
            raise EngineError(f"{what}, a link to {path}, out of the model's folder")
        if not stat.S_ISREG(found.st_mode):
            raise EngineError(f"{what}, which is no regular file")
        if not 0 <= reference.offset <= reference.offset + reference.length <= found.st_size:
            raise EngineError(
                f"{what}, {reference.length} bytes from {reference.offset}; "
                f"it has {found.st_size} bytes"
            )
        return path


ModelSource: TypeAlias = str | os.PathLike[str] | bytes | ModelFile
"""What the sessions take as a model."""


def model_file(model: ModelSource) -> ModelFile:
    """A model as a `ModelFile`, read unless it is one."""
    return model if isinstance(model, ModelFile) else ModelFile(model)


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise EngineError(f"{path} is no regular file")
            if found.st_size > LARGEST_FILE:
                raise EngineError(
                    f"{path} has {found.st_size} bytes; an ONNX file has at most {LARGEST_FILE}, "
                    "and larger weights in external data"
                )
            return file.read(found.st_size)
    except (OSError, ValueError) as error:  # ValueError: "\0" in the path
        raise EngineError(f"cannot read {path}: {error}") from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens also a pipe that nobody writes to, to be told apart from a file."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class _Malformed(Exception):
    """The bytes are not what protobuf or ONNX have at this place."""


class _Field(NamedTuple):
    """number: which field. value: its number; None where it is a string or a message, which
    lies from start to end."""

    number: int
    value: int | None
    start: int
    end: int


class _Wire:
    """Fields of messages, one after the other; protobuf's groups are not accepted."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MOST_FIELDS

    def whole(self) -> _Field:
        return _Field(0, None, 0, len(self._data))

    def fields(self, message: _Field) -> Iterator[_Field]:
        at, end = message.start, message.end
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise _Malformed(f"it has more than {MOST_FIELDS} fields")
            tag, at = self._varint(at, end)
            number, kind = tag >> 3, tag & 7
            value = None
            start = at
            if kind == 0:
                value, at = self._varint(at, end)
            elif kind == 1:
                at += 8
            elif kind == 5:
                at += 4
            elif kind == 2:
                length, start = self._varint(at, end)
                at = start + length
            if number == 0 or kind not in (0, 1, 2, 5):
                raise _Malformed(f"no field can begin as the one before byte {start} does")
            if at > end:
                raise _Malformed(f"a field at byte {start} ends {at - end} bytes behind its end")
            if kind in (0, 2):
                yield _Field(number, value, start, at)

    def messages(self, message: _Field, number: int) -> Iterator[_Field]:
        """The strings or messages in one of the fields."""
        for field in self.fields(message):
            if field.number == number and field.value is None:
                yield field

    def numbers(self, message: _Field, number: int) -> Iterator[int]:
        """The numbers in one of the fields, packed or not, with their sign."""
        for field in self.fields(message):
            if field.number != number:
                continue
            if field.value is not None:
                yield _signed(field.value)
                continue
            at = field.start
            while at < field.end:
                value, at = self._varint(at, field.end)
                yield _signed(value)

    def text(self, message: _Field, number: int) -> str:
        """The last string in one of the fields, as protobuf has it; "" where there is none."""
        found = ""
        for field in self.messages(message, number):
            found = self._data[field.start : field.end].decode(errors="replace")
        return found

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise _Malformed(f"a number at byte {at} has no end")
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), at
        raise _Malformed(f"a number before byte {at} has more than 64 bits")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


# ---------------------------------------------------------------------------- what ONNX puts there


class _Value(NamedTuple):
    """An input, an output or weights: dtype by ONNX's number, 0 for no tensor; None: any side."""

    name: str
    dtype: int
    shape: tuple[int | None, ...] | None


class _Weight(NamedTuple):
    name: str
    dtype: int
    shape: tuple[int, ...]


class _Graph:
    """Inputs, outputs and weights of a model's main graph."""

    def __init__(self, wire: _Wire) -> None:
        parts = list(wire.fields(wire.whole()))
        graphs = [part for part in parts if part.number == 7 and part.value is None]
        if not graphs or not any(part.number == 8 and part.value is None for part in parts):
            raise _Malformed("it has no graph, or no version of its operators")
        # Protobuf takes a message that comes twice as one message with the fields of both.
        fields = [field for graph in graphs for field in wire.fields(graph) if field.value is None]
        self.weights = [_weight(wire, field) for field in fields if field.number == 5]
        self.outputs = [_value(wire, field) for field in fields if field.number == 12]
        self._inputs = [_value(wire, field) for field in fields if field.number == 11]
        self._casts = dict(_casts(wire, fields))

    def images(self) -> list[_Value]:
        """The inputs, less the weights, which old files list among them."""
        names = {weight.name for weight in self.weights}
        return [each for each in self._inputs if each.name not in names]

    def precision(self) -> str:
        """What most of the weights are, or become before anything is computed with them."""
        sizes = Counter[str]()
        for weight in self.weights:
            dtype = self._casts.get(weight.name, weight.dtype)
            sizes[_PRECISIONS.get(dtype, "fp32")] += math.prod(weight.shape)
        return max(sizes, key=sizes.__getitem__, default="fp32")


def _casts(wire: _Wire, fields: Iterable[_Field]) -> Iterator[tuple[str, int]]:
    """What is cast, by name, and to which type; of a graph's fields."""
    for node in fields:
        if node.number == 1 and wire.text(node, 4) == "Cast":
            for attribute in wire.messages(node, 5):
                yield wire.text(node, 1), max(wire.numbers(attribute, 3), default=0)


def _weight(wire: _Wire, tensor: _Field) -> _Weight:
    return _Weight(
        wire.text(tensor, 8),
        max(wire.numbers(tensor, 2), default=0),
        tuple(wire.numbers(tensor, 1)),
    )


def _value(wire: _Wire, value: _Field) -> _Value:
    dtype, shape = 0, None
    for kind in wire.messages(value, 2):
        for tensor in wire.messages(kind, 1):
            dtype = max(wire.numbers(tensor, 1), default=dtype)
            for sides in wire.messages(tensor, 2):
                shape = (*(shape or ()), *(_side(wire, each) for each in wire.messages(sides, 1)))
    return _Value(wire.text(value, 1), dtype, shape)


def _side(wire: _Wire, side: _Field) -> int | None:
    return next(wire.numbers(side, 1), None)


class _Reference(NamedTuple):
    """Where a tensor's numbers lie outside of the file."""

    location: str
    offset: int
    length: int


def _external_references(data: bytes) -> list[_Reference]:
    """Every reference to external data, wherever in the file tensors may be."""
    if b"location" not in data:  # the key by which each of them names its file
        return []
    wire = _Wire(data)
    found: list[_Reference] = []
    waiting = [("model", wire.whole())]
    while waiting:
        kind, message = waiting.pop()
        if kind == "tensor":
            found += _references(wire, message)
            continue
        for field in wire.fields(message):
            inside = _CONTENTS[kind].get(field.number)
            if inside and field.value is None:
                waiting.append((inside, field))
    return found


def _references(wire: _Wire, tensor: _Field) -> Iterator[_Reference]:
    entries = [(wire.text(each, 1), wire.text(each, 2)) for each in wire.messages(tensor, 13)]
    for key, location in entries:
        if key == "location":
            numbers = dict(entries)
            try:
                yield _Reference(
                    location, int(numbers.get("offset", 0)), int(numbers.get("length", 0))
                )
            except ValueError as error:
                raise _Malformed(f"external data have no such place: {error}") from None

"""Reads pickles without running them.

A pickle is a program for a small stack machine, two of whose instructions import anything and call
it. The machine here has all instructions that data needs, and for those two only what the caller
lists. It makes at most one object for each instruction, so that a small file stays small.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

__all__ = ["Forbidden", "Named", "read_pickle"]

_LITERALS = frozenset(
    """
    BININT BININT1 BININT2 INT LONG LONG1 LONG4 BINFLOAT FLOAT
    BINUNICODE SHORT_BINUNICODE BINUNICODE8 UNICODE BINSTRING SHORT_BINSTRING STRING
    BINBYTES SHORT_BINBYTES BINBYTES8
    """.split()  # noqa: SIM905
)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEYS = (str, int, float, bytes, type(None))  # hashed in a bounded time, unlike nested tuples
_MARK = object()


class Forbidden(Exception):
    """The pickle wants something that is not listed; the message is its name."""


class Named:
    """What a name in a pickle stands for; only the machine calls it, nothing can change it."""

    __slots__ = ("call", "name")

    def __init__(self, name: str, call: Callable[..., Any] | None) -> None:
        self.name = name
        self.call = call


def read_pickle(
    stream: BinaryIO,
    known: Mapping[str, Callable[..., Any] | None],
    resolve: Callable[[Any], Any],
) -> Any:
    """The value of the pickle at the stream's position, which moves behind it.

    Args:
        stream: in memory, or what else clips `read` to what there is.
        known: what may be named, by ``"module.name"``, and what a call of it does; None: it may
            not be called. Its value in the pickle is a `Named`.
        resolve: makes the value of a persistent id.

    Raises:
        Forbidden: an instruction, or a name, that is not to be had.
        ValueError, TypeError, LookupError: the pickle is damaged.
    """
    return _Machine(known, resolve).run(stream)


class _Machine:
    def __init__(
        self,
        known: Mapping[str, Callable[..., Any] | None],
        resolve: Callable[[Any], Any],
    ) -> None:
        self._known = known
        self._resolve = resolve
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: BinaryIO) -> Any:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return self._stack.pop()
            self._step(opcode.name, argument)
        raise ValueError("it does not end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            stack.append(tuple(self._pop(_TUPLES[name])))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if argument not in self._memo:
                raise LookupError(f"nothing was kept as {argument}")
            stack.append(self._memo[argument])
        else:
            instruction = _INSTRUCTIONS.get(name)
            if instruction is None:
                raise Forbidden(f"the pickle instruction {name}")
            instruction(self, argument)

    def _pop(self, count: int) -> list[Any]:
        if count > len(self._stack):
            raise IndexError("an empty stack")
        values = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return values

    def _pop_to_mark(self) -> list[Any]:
        for count, value in enumerate(reversed(self._stack)):
            if value is _MARK:
                values = self._pop(count)
                self._stack.pop()
                return values
        raise IndexError("a mark is missing")

    def _nothing(self, argument: Any) -> None:
        pass

    def _mark(self, argument: Any) -> None:
        self._stack.append(_MARK)

    def _tuple(self, argument: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _list(self, argument: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def _dict(self, argument: Any) -> None:
        items = self._pop_to_mark()
        self._stack.append({})
        self._set(items)

    def _set_item(self, argument: Any) -> None:
        self._set(self._pop(2))

    def _set_items(self, argument: Any) -> None:
        self._set(self._pop_to_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._target(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS):
                raise TypeError(f"a key of type {type(key).__name__}")
            target[key] = value

    def _append(self, argument: Any) -> None:
        self._target(list, below=1).append(self._stack.pop())

    def _appends(self, argument: Any) -> None:
        values = self._pop_to_mark()
        self._target(list).extend(values)

    def _add_items(self, argument: Any) -> None:
        values = self._pop_to_mark()
        if not all(isinstance(value, _KEYS) for value in values):
            raise TypeError("a set of other than numbers and text")
        self._target(set).update(values)

    def _target(self, kind: type, below: int = 0) -> Any:
        target = self._stack[-1 - below]
        if not isinstance(target, kind):
            raise TypeError(f"a {type(target).__name__} where a {kind.__name__} belongs")
        return target

    def _global(self, argument: str) -> None:
        name = argument.replace(" ", ".")
        if name not in self._known:
            raise Forbidden(name[:120])
        self._stack.append(Named(name, self._known[name]))

    def _stack_global(self, argument: Any) -> None:
        module, name = self._pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        self._global(f"{module} {name}")

    def _call(self, argument: Any) -> None:
        function, arguments = self._pop(2)
        if (
            not isinstance(function, Named)
            or function.call is None
            or not isinstance(arguments, tuple)
        ):
            raise TypeError(f"a call of a {type(function).__name__}")
        self._stack.append(function.call(*arguments))

    def _build(self, argument: Any) -> None:
        """Drops the attributes of an object: tensors are never among them."""
        self._pop(1)

    def _persistent(self, argument: Any) -> None:
        self._stack.append(self._resolve(self._stack.pop()))


_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine._nothing,
    "FRAME": _Machine._nothing,
    "MARK": _Machine._mark,
    "TUPLE": _Machine._tuple,
    "LIST": _Machine._list,
    "DICT": _Machine._dict,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "ADDITEMS": _Machine._add_items,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._call,
    "NEWOBJ": _Machine._call,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._persistent,
}

"""TOML files whose every key is looked at: model cards, recipes of trainings."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from trimatte.errors import Error

__all__ = [
    "FLAG",
    "INDEX",
    "POSITIVE",
    "TABLE",
    "TABLES",
    "TEXT",
    "TEXTS",
    "Kind",
    "Table",
    "is_exactly",
    "one_of",
    "read_number",
    "read_text",
    "read_texts",
    "read_whole",
]

T = TypeVar("T")
Read = TypeVar("Read", covariant=True)


@dataclass(frozen=True)
class Kind(Generic[Read]):
    """A kind of value: what is accepted, in words, and how it is read (ValueError: it is not)."""

    accepted: str
    read: Callable[[Any], Read]


class _Required:
    """Stands for the default of a key that has none."""


_REQUIRED = _Required()


class Table:
    """A table of a file, from which keys are taken until none may be left.

    Args:
        values: its keys.
        path: of the file, for messages.
        noun: the file is one, as in ``"a model card"``.
        error: what is raised.
        prefix: of its keys in messages, as in ``"input."``.
    """

    def __init__(
        self,
        values: dict[str, Any],
        path: Path,
        noun: str,
        error: type[Error],
        prefix: str = "",
    ) -> None:
        self._left, self._path, self._noun, self._prefix = dict(values), path, noun, prefix
        self._error = error
        self._known: list[str] = []

    @classmethod
    def read(cls, path: Path, noun: str, error: type[Error]) -> Table:
        """The table that a whole file is.

        Raises:
            Error: of the type given: the file cannot be read.
        """
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as why:  # of TOML and UTF-8: ValueErrors
            raise error(f"{path}: cannot be read as {noun}: {why}") from why
        return cls(values, path, noun, error)

    @property
    def keys(self) -> tuple[str, ...]:
        """Those that have not been taken."""
        return tuple(self._left)

    def take(self, key: str, kind: Kind[T], default: T | _Required = _REQUIRED) -> T:
        self._known.append(key)
        if key not in self._left:
            if isinstance(default, _Required):
                raise self._error(f"{self._path}: {self._prefix}{key} is missing: {kind.accepted}")
            return default
        value = self._left.pop(key)
        try:
            return kind.read(value)
        except (TypeError, ValueError, OverflowError):
            raise self.error(key, kind.accepted, value) from None

    def section(self, key: str) -> Table:
        return self._inner(self.take(key, TABLE, {}), key)

    def sections(self, key: str) -> list[Table]:
        """Of a list of tables, which must be there."""
        tables = self.take(key, TABLES)
        return [self._inner(values, f"{key}[{i}]") for i, values in enumerate(tables)]

    def finish(self) -> None:
        for key in self._left:
            near = difflib.get_close_matches(key, self._known, n=1) or sorted(self._known)
            raise self._error(
                f"{self._path}: {self._prefix}{key} is no key of {self._noun}; "
                f"did you mean {', '.join(near)}?"
            )

    def error(self, key: str, accepted: str, value: object) -> Error:
        return self._error(
            f"{self._path}: {self._prefix}{key} must be {accepted}, got {value!r:.120}"
        )

    def _inner(self, values: dict[str, Any], key: str) -> Table:
        return Table(values, self._path, self._noun, self._error, f"{self._prefix}{key}.")


def is_exactly(value: Any, kind: type[T]) -> T:
    """The value, if it is of that very type: TOML's true is no whole number."""
    if type(value) is not kind:
        raise ValueError
    return value


def one_of(*choices: Any) -> Kind[Any]:
    def read(value: Any) -> Any:
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise ValueError
        return value

    return Kind(" or ".join(repr(choice) for choice in choices), read)


def read_text(value: Any) -> str:
    if not is_exactly(value, str).strip():
        raise ValueError
    return str(value)


def read_texts(value: Any) -> tuple[str, ...]:
    return tuple(read_text(entry) for entry in is_exactly(value, list))


def read_whole(value: Any, least: int) -> int:
    if is_exactly(value, int) < least:
        raise ValueError
    return int(value)


def read_number(value: Any) -> float:
    number = float(value if isinstance(value, float) else is_exactly(value, int))
    if not math.isfinite(number):
        raise ValueError
    return number


TABLE = Kind("a table", lambda value: is_exactly(value, dict))
TABLES = Kind(
    "a list of tables",
    lambda value: [is_exactly(entry, dict) for entry in is_exactly(value, list)],
)
TEXT = Kind("text that is not empty", read_text)
TEXTS = Kind("a list of texts", read_texts)
FLAG = Kind("true or false", lambda value: is_exactly(value, bool))
INDEX = Kind("a whole number of at least 0", lambda value: read_whole(value, 0))
POSITIVE = Kind("a whole number of at least 1", lambda value: read_whole(value, 1))

"""What of a data set is done: how a run goes on that was stopped, and one that was not does
nothing more."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

from trimatte.errors import ArgumentError
from trimatte.ray.stores import HOUSEKEEPING, Store

__all__ = ["Manifest"]

Record = dict[str, Any]

_FOLDER = f"{HOUSEKEEPING}/manifest"
_NAME = re.compile(r"\d{20}-[0-9a-f]{8}\.jsonl")


class Manifest:
    """The records of a sink, in files of JSON lines within it, as no bucket can append to a file.

    Files are read in the order of their names, which are of their times; of two records of one path
    the later holds. A file is written whole or not at all.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names = [name for name in store.names(_FOLDER) if _NAME.fullmatch(name)]
        self.records: dict[str, Record] = {}
        for name in self._names:
            self._read(name)

    def _read(self, name: str) -> None:
        try:
            lines = self._store.read(f"{_FOLDER}/{name}").decode("utf-8").splitlines()
            for line in lines:
                record = json.loads(line)
                self.records[record["path"]] = record
        except (ValueError, KeyError, TypeError) as error:
            raise ArgumentError(
                f"remove_dataset: the manifest's {_FOLDER}/{name} in the sink is not sound "
                f"({error!r}); delete it, and its images are cut out again"
            ) from error

    def add(self, records: Iterable[Record]) -> None:
        """Write records down."""
        added = {record["path"]: record for record in records}
        if added:
            self.records.update(added)
            self._names.append(self._write(added.values()))

    def compact(self) -> None:
        """One file instead of many; only those that were read or written here are replaced."""
        if len(self._names) > 1:
            older, self._names = self._names, [self._write(self.records.values())]
            for name in older:
                self._store.delete(f"{_FOLDER}/{name}")

    def _write(self, records: Iterable[Record]) -> str:
        # Later than all others, also where the clock has gone back.
        latest = max((int(name.partition("-")[0]) for name in self._names), default=0)
        name = f"{max(time.time_ns(), latest + 1):020d}-{secrets.token_hex(4)}.jsonl"
        lines = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
        self._store.write(f"{_FOLDER}/{name}", lines.encode())
        return name

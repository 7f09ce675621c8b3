"""What the benchmarks of several sections share: tables, bars, reports and the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.measuring import Machine, describe_machine, start_with_threads, table, use_threads


@dataclass(frozen=True)
class Bar:
    """What is asked of a value: at least or at most the limit."""

    what: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        verdict = "met" if self.met else "MISSED"
        side = "at least" if self.at_least else "at most"
        return f"{self.what}: {self.value:.4g}, {side} {self.limit:.4g}: {verdict}"


Cell = str | float | None


@dataclass
class Section:
    """A table, the bars judged by it, what could not be measured, and for JSON what it sums up."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [self.header, *(tuple(map(text, row)) for row in self.rows)]
        parts = [f"## {self.title}", table(lines)] if self.rows else [f"## {self.title}"]
        if self.bars:
            parts.append("\n".join(f"- {bar}" for bar in self.bars))
        if self.left_out:
            parts.append("\n".join(f"- left out: {each}" for each in self.left_out))
        return "\n\n".join(parts)


def text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else f"{cell:.4g}"


class Effort(Protocol):
    """How much is measured: what is left out by it, and whether bars are judged."""

    @property
    def left_out(self) -> tuple[str, ...]: ...
    @property
    def judge(self) -> bool: ...


@dataclass(frozen=True)
class Program:
    """A benchmark as a command: its sections, by name, with three efforts to choose from.

    about: the module's docstring. quick_means, data_means: help for ``--quick`` and ``--data``.
    add_options: adds what only this program has.
    """

    title: str
    about: str
    sections: Mapping[str, Callable[[Any, argparse.Namespace], Section]]
    full: Effort
    quick: Effort
    smoke: Effort
    quick_means: str
    data: Path
    data_means: str
    add_options: Callable[[argparse.ArgumentParser], None] | None = None

    def run(self, arguments: list[str] | None = None) -> int:
        """1 where a bar is missed, else 0."""
        options = self._parse(arguments)
        start_with_threads(options.threads)
        use_threads(options.threads)
        effort = self.smoke if options.smoke else self.quick if options.quick else self.full
        machine = describe_machine(options.threads)
        print(machine, *effort.left_out, sep="\n", flush=True)
        sections = []
        for name in options.sections:
            section = self.sections[name](effort, options)
            if not effort.judge:
                section.bars = []
            print(f"\n{section}", flush=True)
            sections.append(section)
        if options.markdown:
            self._write_markdown(options.markdown, machine, sections, effort)
        if options.json:
            _write_json(options.json, machine, sections, effort)
        return int(any(not bar.met for section in sections for bar in section.bars))

    def _parse(self, arguments: list[str] | None) -> argparse.Namespace:
        names = ", ".join(self.sections)
        parser = argparse.ArgumentParser(description=self.about.partition("\n")[0])
        parser.add_argument("--only", metavar="SECTIONS", help=f"comma-separated, of {names}")
        parser.add_argument("--json", type=Path, metavar="FILE")
        parser.add_argument("--markdown", type=Path, metavar="FILE")
        parser.add_argument("--threads", type=int, default=2, metavar="N", help="of each side")
        parser.add_argument("--data", type=Path, default=self.data, help=self.data_means)
        effort = parser.add_mutually_exclusive_group()
        effort.add_argument("--quick", action="store_true", help=self.quick_means)
        effort.add_argument("--smoke", action="store_true", help="tiny images, nothing is judged")
        if self.add_options:
            self.add_options(parser)
        options = parser.parse_args(arguments)
        options.sections = options.only.split(",") if options.only else list(self.sections)
        unknown = sorted(set(options.sections) - set(self.sections))
        if unknown:
            parser.error(f"--only: no such section: {', '.join(unknown)}; of {names}")
        return options

    def _write_markdown(
        self, path: Path, machine: Machine, sections: list[Section], effort: Effort
    ) -> None:
        head = "\n".join([f"# {self.title}", "", str(machine).replace("\n", "  \n")])
        notes = "\n".join(f"- left out: {note}" for note in effort.left_out)
        parts = [head, *([notes] if notes else []), *map(str, sections)]
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _write_json(path: Path, machine: Machine, sections: list[Section], effort: Effort) -> None:
    content = {
        "machine": asdict(machine),
        "left_out": effort.left_out,
        "sections": list(map(asdict, sections)),
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

"""What the benchmarks that judge share: sections with tables and bars, their options and files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from measuring import Machine, describe_machine, start_with_threads, table, use_threads


class Effort(Protocol):
    """How much is measured. left_out: what is not, in words; judge: whether bars are."""

    @property
    def left_out(self) -> tuple[str, ...]: ...
    @property
    def judge(self) -> bool: ...


@dataclass(frozen=True)
class Efforts:
    """What is measured by default, with --quick and with --smoke; quick: what that leaves out."""

    full: Any
    quick_one: Any
    smoke: Any
    quick: str


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
    """A table, the bars judged by it, and what could not be measured."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

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


def ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or under is None else over / under


def judge(
    title: str,
    description: str,
    sections: Mapping[str, Callable[[Any, argparse.Namespace], Section]],
    efforts: Efforts,
    data: Path,
    arguments: Sequence[str] | None,
) -> int:
    """Measures the sections asked for, prints and writes them; 1 where a bar is missed."""
    options = parse_arguments(description, sections, efforts, data, arguments)
    start_with_threads(options.threads)
    use_threads(options.threads)
    effort: Effort = efforts.full
    if options.smoke or options.quick:
        effort = efforts.smoke if options.smoke else efforts.quick_one
    machine = describe_machine(options.threads)
    print(machine, *effort.left_out, sep="\n", flush=True)
    measured = []
    for name in options.sections:
        section = sections[name](effort, options)
        if not effort.judge:
            section.bars = []
        print(f"\n{section}", flush=True)
        measured.append(section)
    if options.markdown:
        write_markdown(options.markdown, title, machine, measured, effort.left_out)
    if options.json:
        write_json(options.json, machine, measured, effort.left_out)
    return int(any(not bar.met for section in measured for bar in section.bars))


def parse_arguments(
    description: str,
    sections: Mapping[str, Any],
    efforts: Efforts,
    data: Path,
    arguments: Sequence[str] | None,
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    names = ", ".join(sections)
    parser.add_argument("--only", metavar="SECTIONS", help=f"comma-separated, of {names}")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of each side")
    parser.add_argument("--data", type=Path, default=data, help="folder with the photographs")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help=efforts.quick)
    effort.add_argument("--smoke", action="store_true", help="tiny images, nothing is judged")
    options = parser.parse_args(arguments)
    options.sections = options.only.split(",") if options.only else list(sections)
    unknown = sorted(set(options.sections) - set(sections))
    if unknown:
        parser.error(f"--only: no such section: {', '.join(unknown)}; of {names}")
    return options


def write_markdown(
    path: Path, title: str, machine: Machine, sections: list[Section], notes: Sequence[str]
) -> None:
    head = "\n".join([f"# {title}", "", str(machine).replace("\n", "  \n")])
    left_out = ["\n".join(f"- left out: {note}" for note in notes)] if notes else []
    path.write_text("\n\n".join([head, *left_out, *map(str, sections)]) + "\n", encoding="utf-8")


def write_json(path: Path, machine: Machine, sections: list[Section], notes: Sequence[str]) -> None:
    content = {
        "machine": asdict(machine),
        "left_out": list(notes),
        "sections": list(map(asdict, sections)),
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

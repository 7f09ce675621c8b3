"""Writes docs/benchmarks.md from benchmarks/results; ``--check`` only compares.

Nothing is chosen: every run that is kept is there in full, and what missed its bar is said first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
LONGEST_TABLE = 22  # lines; longer ones are folded

HEAD = """\
<!-- Written by `python tools/benchmark_page.py` from benchmarks/results: do not edit. -->

# Benchmarks

Every figure that this project claims comes from a run that is kept here, whole: the machine, the
date, the commit, what it was compared with, and the bars it was to meet, missed ones too. All of it
can be run again:

<!-- not run: minutes each, and peers that are no part of trimatte -->
```sh
pip install --group bench .
python -m benchmarks.peers --quick       # beside NumPy, OpenCV, SciPy, Pillow and PyMatting
python -m benchmarks.matting --quick     # alpha and foreground beside PyMatting
python -m benchmarks.keying --quick      # keys beside FFmpeg's and OBS's
bash benchmarks/gpu_check.sh             # on a machine with a GPU
```

Results are checked for agreement before anything is timed; both sides take turns, with two threads
each where they have threads; figures are medians, and ratios of medians.
[How, in detail](../benchmarks/README.md). Absolute times do not carry over to other machines. The
key is bound by memory bandwidth and its ratio moves with it: 18x to 32x against NumPy and 4x to 10x
against OpenCV in runs of the same day.

A bar is what was asked for before it was measured. It stays where it was when it is missed.
"""


@dataclass(frozen=True)
class Bar:
    """What was asked of one line of a run, and whether it was met."""

    text: str
    met: bool


@dataclass(frozen=True)
class Run:
    """A file of benchmarks/results."""

    path: Path
    title: str
    body: str

    @classmethod
    def read(cls, path: Path) -> Run:
        first, _, body = path.read_text(encoding="utf-8").partition("\n")
        return cls(path, first.removeprefix("# "), body.strip())

    @property
    def date(self) -> str:
        return _only(re.findall(r"\d{4}-\d{2}-\d{2}", self.path.name))

    @property
    def commits(self) -> str:
        return ", ".join(
            dict.fromkeys(re.findall(r"\b(?:commit |\), )([0-9a-f]{7}\+?)", self.body))
        )

    @property
    def machine(self) -> str:
        """In the words of the run, or of its title."""
        found = re.match(r".+? cores", self.body)
        return found[0] if found else self.title.rpartition(" on ")[2]

    @property
    def bars(self) -> list[Bar]:
        lines = re.findall(r"^- (.+): (met|MISSED)$", self.body, re.M)
        listed = [Bar(text, verdict == "met") for text, verdict in lines]
        return listed + [bar for table in tables(self.body) for bar in bars_of_table(table)]


def _only(found: list[str]) -> str:
    (one,) = found
    return one


def tables(markdown: str) -> Iterator[list[str]]:
    """The tables of a document, as lines."""
    yield from (block.split("\n") for block in re.findall(r"(?:^\|.*\n?)+", markdown, re.M))


def bars_of_table(lines: list[str]) -> Iterator[Bar]:
    """Of a table with a column of bars."""
    header, _, *rows = [cells(line) for line in lines if line]
    if "bar" not in header:
        return
    for row in rows:
        of = dict(zip(header, row, strict=True))
        bar, _, verdict = of["bar"].rpartition(" ")
        if verdict in ("met", "MISSED"):
            beside = [of[name] for name in ("size", "peer") if name in of]
            measured = of["ratio"] if "ratio" in of else f"{of['ms']} ms"
            if "%" in bar:
                measured = f"{of['of copy']} of a copy's bandwidth"
            limit = bar if bar.startswith("at ") else f"at least {bar}"
            yield Bar(f"{', '.join([row[0], *beside])}: {measured}, {limit}", verdict == "met")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def page() -> str:
    runs = [Run.read(path) for path in sorted(RESULTS.glob("*.md"))]
    parts = [HEAD.strip(), "## The runs", overview(runs), "## Bars that were missed", missed(runs)]
    for run in runs:
        parts += [f"## {run.title}", source(run), *sections(run)]
    return "\n\n".join(parts) + "\n"


def overview(runs: list[Run]) -> str:
    lines = ["| run | machine | date | commit | bars met | missed |", "|---|---|---|---|---|---|"]
    for run in runs:
        met = sum(bar.met for bar in run.bars)
        lines.append(
            f"| [{run.title}](#{anchor(run.title)}) | {run.machine} | {run.date} | {run.commits} "
            f"| {met} | {len(run.bars) - met} |"
        )
    return "\n".join(lines)


def missed(runs: list[Run]) -> str:
    lines = []
    for run in runs:
        bars = [f"    - {bar.text}" for bar in run.bars if not bar.met]
        lines += [f"- {run.title}:", *bars] if bars else []
    return "\n".join(lines)


def anchor(title: str) -> str:
    """A heading's, as MkDocs and GitHub both make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def source(run: Run) -> str:
    name = run.path.name
    return f"From [`{name}`](../benchmarks/results/{name})."


def sections(run: Run) -> Iterator[str]:
    """The run's own text below a heading of the second level, long tables folded."""
    text = re.sub(r"^(#+) ", r"#\1 ", run.body, flags=re.M)
    for block in text.split("\n\n"):
        rows = block.count("\n| ") - 1
        if block.startswith("|") and rows > LONGEST_TABLE:
            yield f'<details markdown="1"><summary>{rows} lines</summary>\n\n{block}\n\n</details>'
        else:
            yield block.strip("\n")


def main(arguments: list[str]) -> int:
    text = page()
    if arguments == ["--check"]:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        print("docs/benchmarks.md is not current: python tools/benchmark_page.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Mutation testing of src/cpp/pixel: small errors planted in a header, one at a time; a test has to
notice. Minutes of a CPU; nothing of it is part of CI.

    python tools/mutate.py src/cpp/pixel/key.hpp               # all mutants of a header
    python tools/mutate.py --sample 20 src/cpp/pixel/*.hpp     # some of each

A mutant is a changed operator or number of an expression. It is compiled with the tests that need
the pixel headers alone (tests/cpp/test_pixel_*.cpp), a second or two each. One that is no program
counts for nothing; one that means the same (a bound that nothing reaches) survives, and is for the
reader of the list to tell.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests" / "cpp"
FLAGS = ("-std=c++20", "-O0", "-w", "-ffp-contract=fast")
SECONDS = 20  # of a run: a mutant may never end

# What is written instead of an operator, in an expression.
OPERATORS = {
    " + ": [" - "],
    " - ": [" + "],
    " * ": [" / "],
    " / ": [" * "],
    " < ": [" <= ", " >= "],
    " > ": [" >= ", " <= "],
    " <= ": [" < ", " > "],
    " >= ": [" > ", " < "],
    " == ": [" != "],
    " != ": [" == "],
    " && ": [" || "],
    " || ": [" && "],
    " & ": [" | "],
    " | ": [" & "],
    " << ": [" >> "],
    " >> ": [" << "],
    " += ": [" -= "],
    " -= ": [" += "],
}
NUMBER = re.compile(r"(?<![\w.\"])(\d+\.?\d*(?:e-?\d+)?)(?=[fuUl]*\b)(?![\w.]*\")")
TOKEN = re.compile("|".join(re.escape(op) for op in sorted(OPERATORS, key=len, reverse=True)))


@dataclass(frozen=True)
class Mutant:
    header: Path
    line: int
    before: str
    after: str
    text: str  # of the whole header

    def __str__(self) -> str:
        where = f"{self.header.relative_to(ROOT)}:{self.line}"
        return f"{where}\n    - {self.before.strip()}\n    + {self.after.strip()}"


def changed_lines(line: str) -> Iterator[str]:
    """A line of code with one thing in it changed, in every way."""
    code = line.partition("//")[0]
    for match in TOKEN.finditer(code):
        for other in OPERATORS[match[0]]:
            yield line[: match.start()] + other + line[match.end() :]
    for match in NUMBER.finditer(code):
        value = match[1]
        other = "1" if value == "0" else "0" if value == "1" else None
        if other is None:
            whole = value.isdigit()
            other = str(int(value) + 1) if whole else repr(float(value) * 1.1 + 0.1)
        yield line[: match.start(1)] + other + line[match.end(1) :]


def mutants(header: Path) -> list[Mutant]:
    lines = header.read_text(encoding="utf-8").splitlines(keepends=True)
    found = []
    defaults = False  # of options, which bind/ sets always
    for i, line in enumerate(lines):
        defaults = bool(re.match(r"struct \w+Options {", line)) or (defaults and line != "};\n")
        skipped = ("#", "//", "template", "using ", "typedef ", "typename")
        if defaults or line.strip().startswith(skipped) or "static_assert" in line:
            continue
        for changed in changed_lines(line):
            text = "".join([*lines[:i], changed, *lines[i + 1 :]])
            found.append(Mutant(header, i + 1, line, changed, text))
    return found


def outcome(mutant: Mutant | None) -> str:
    """Either "killed", "survived" or "no program", by the tests of the pixel headers."""
    with tempfile.TemporaryDirectory(prefix="mutate-") as name:
        folder = Path(name)
        if mutant:
            planted = folder / mutant.header.relative_to(ROOT / "src" / "cpp")
            planted.parent.mkdir(parents=True)
            planted.write_text(mutant.text, encoding="utf-8")
        for test in relevant_tests(mutant):
            program = folder / test.stem
            include = [f"-I{folder}", f"-I{ROOT / 'src' / 'cpp'}", f"-I{TESTS}"]
            sources = [str(TESTS / "main.cpp"), str(test)]
            built = subprocess.run(
                ["g++", *FLAGS, *include, *sources, "-o", str(program)],
                capture_output=True,
                check=False,
            )
            if built.returncode != 0:
                return "no program"
            try:
                done = subprocess.run(
                    [str(program)], capture_output=True, check=False, timeout=SECONDS
                )
            except subprocess.TimeoutExpired:
                return "killed"
            if done.returncode != 0:
                return "killed"
        return "survived"


def relevant_tests(mutant: Mutant | None) -> list[Path]:
    """Tests that see the header, by themselves or through another header."""
    tests = [*sorted(TESTS.glob("test_pixel_*.cpp")), TESTS / "test_half.cpp"]
    if mutant is None:
        return tests
    name = mutant.header.relative_to(ROOT / "src" / "cpp").as_posix()
    return [test for test in tests if name in included(test)]


def included(source: Path) -> set[str]:
    """The project's headers that a file takes in."""
    names: set[str] = set()
    rest = [source]
    while rest:
        text = rest.pop().read_text(encoding="utf-8")
        for name in re.findall(r'#include "((?:pixel|core)/.+?)"', text):
            if name not in names:
                names.add(name)
                rest.append(ROOT / "src" / "cpp" / name)
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("headers", type=Path, nargs="+", help="of src/cpp/pixel")
    parser.add_argument(
        "--sample", type=int, metavar="N", help="mutants of a header (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="at once (default: 1)")
    options = parser.parse_args()
    if outcome(None) != "survived":
        sys.exit("the tests fail without any mutant")
    chosen: list[Mutant] = []
    for header in options.headers:
        every = mutants(header.resolve())
        some = min(options.sample or len(every), len(every))
        chosen += sorted(random.Random(options.seed).sample(every, some), key=lambda m: m.line)
    by_header: dict[Path, list[str]] = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, result in zip(chosen, pool.map(outcome, chosen), strict=True):
            by_header.setdefault(mutant.header, []).append(result)
            if result == "survived":
                print(mutant, flush=True)
    print(f"\n{'header':28} killed  survived  no program")
    for header, results in by_header.items():
        counts = [results.count(kind) for kind in ("killed", "survived", "no program")]
        print(f"{header.name:28} {counts[0]:6} {counts[1]:9} {counts[2]:11}")
    outcomes = [result for results in by_header.values() for result in results]
    killed, survived = outcomes.count("killed"), outcomes.count("survived")
    print(f"score {killed / max(killed + survived, 1):.3f} of {killed + survived} mutants")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What each CUDA kernel takes of a GPU, and whether that is within benchmarks/kernel_budget.toml.

    python tools/kernel_report.py              compile src/cuda, print the table
    python tools/kernel_report.py --check      ... and fail where a kernel exceeds its budget
    python tools/kernel_report.py --write      ... and make the budget what was found
    python tools/kernel_report.py --log FILE   read the output of a build instead of compiling

The numbers are ptxas's, printed by any build with -DTRIMATTE_KERNEL_REPORT=ON: the flags are the
build's own. The budget has a line a kernel template: the most of its instantiations and
architectures.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest

ROOT = Path(__file__).resolve().parent.parent
BUDGET = ROOT / "benchmarks" / "kernel_budget.toml"
ARCHITECTURES = (75, 80, 86, 90, 100, 120)

HEADER = """\
# What each CUDA kernel may take of a GPU: the most of its instantiations and architectures.
# registers, spills (bytes stored and loaded for want of registers), stack (bytes): of a thread.
# shared: bytes of a block, static.
# tests/gpu/test_kernel_budget.py checks it. tools/kernel_report.py --write writes it, but never
# allows a kernel to spill: that needs a reason, a "why" put here by hand.
"""


@dataclass(frozen=True)
class Usage:
    """What a kernel takes, in the units of the budget file."""

    registers: int = 0
    spills: int = 0
    stack: int = 0
    shared: int = 0

    def __or__(self, other: Usage) -> Usage:
        return Usage(*map(max, astuple(self), astuple(other)))


NAMES = tuple(field.name for field in fields(Usage))


@dataclass(frozen=True)
class Kernel:
    """One instantiation for one architecture. kernel: file.template; symbol: the linker's name."""

    kernel: str
    symbol: str
    architecture: int
    usage: Usage


@dataclass(frozen=True)
class Budget:
    allowed: Usage
    why: str = ""


class ReportError(Exception):
    """What was read is not a report of all kernels."""


# -------------------------------------------------------------------------------- reading ptxas

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)a?f?'")
_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"ptxas info\s*: Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_STACK = re.compile(r"(\d+) bytes cumulative stack size")
# Kernels have internal linkage: their symbols name the file.
_FILE = re.compile(r"_\d+_([a-z]\w*?)_cu_")
_NAME = re.compile(r"(?=(\d\d?)([a-z]\w*?_kernel)[A-Z])")


def name_of(symbol: str) -> str | None:
    """file.kernel of a mangled name, in which each name follows its own length (and a hash, whose
    digits may look like one, comes before the kernel)."""
    file = _FILE.search(symbol)
    names = [name for length, name in _NAME.findall(symbol) if int(length) == len(name)]
    return f"{file[1]}.{names[-1]}" if file and names else None


def kernels_in(log: str) -> Iterator[Kernel]:
    """Kernels of a build's log. Functions that a kernel calls and that are not inlined follow it,
    as functions without registers of their own: what they spill counts as the kernel's."""
    for part in re.split(r"(?=Compiling entry function)", log)[1:]:
        entry, used = _ENTRY.match(part), _USED.search(part)
        frames = [tuple(map(int, found)) for found in _SPILLS.findall(part)]
        name = name_of(entry[1]) if entry else None
        if not (entry and name and used and frames):
            raise ReportError(f"not what ptxas prints of a kernel: {part[:200]!r}")
        line = part[used.start() :].splitlines()[0]
        shared, stack = _SHARED.search(line), _STACK.search(line)
        usage = Usage(
            registers=int(used[1]),
            spills=sum(stores + loads for _, stores, loads in frames),
            stack=max(frames[0][0], int(stack[1]) if stack else 0),
            shared=int(shared[1]) if shared else 0,
        )
        yield Kernel(name, entry[1], int(entry[2]), usage)


def per_template(kernels: Iterable[Kernel]) -> dict[str, Usage]:
    most: dict[str, Usage] = {}
    for each in kernels:
        most[each.kernel] = most.get(each.kernel, Usage()) | each.usage
    return dict(sorted(most.items()))


def build_log(architectures: Iterable[int], build: Path) -> str:
    """Compiles src/cuda as the package does, without the rest of it."""
    wanted = ";".join(f"{architecture}-real" for architecture in architectures)
    configure = [
        *("cmake", "-S", ROOT, "-B", build, "-DTRIMATTE_PYTHON=OFF", "-DTRIMATTE_CUDA=ON"),
        *("-DTRIMATTE_KERNEL_REPORT=ON", f"-DTRIMATTE_CUDA_ARCHITECTURES={wanted}"),
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    compile_all = ["cmake", "--build", build, "--target", "trimatte_cuda", "--clean-first"]
    compile_all += ["--parallel", os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or "2"]
    output = ""
    for command in (configure, compile_all):
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        output += done.stdout
        if done.returncode != 0:
            raise ReportError(output)
    return output


# ------------------------------------------------------------------------------------ the budget


def read_budget(path: Path = BUDGET) -> dict[str, Budget]:
    files = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        f"{file}.{name}": Budget(Usage(**{key: line[key] for key in NAMES}), line.get("why", ""))
        for file, lines in files.items()
        for name, line in lines.items()
    }


def write_budget(found: dict[str, Usage], path: Path = BUDGET) -> None:
    old, text = read_budget(path), HEADER + "\n"
    for name, usage in found.items():
        why = old[name].why if name in old else ""
        allowed = usage if why else Usage(usage.registers, 0, usage.stack, usage.shared)
        items = [f"{key} = {value}" for key, value in zip(NAMES, astuple(allowed), strict=True)]
        items += [f'why = "{why}"'] if why else []
        text += f"{name} = {{ {', '.join(items)} }}\n"
    path.write_text(text, encoding="utf-8")


def complaints(found: dict[str, Usage], budget: dict[str, Budget]) -> Iterator[str]:
    """A line for each number that is over its budget."""
    for name, usage in found.items():
        if name not in budget:
            yield f"{name}: has no line in {BUDGET.name}"
            continue
        allowed, why = budget[name].allowed, budget[name].why
        if allowed.spills and not why:
            yield f"{name}: spills are allowed without a reason (why)"
        for key, value, most in zip(NAMES, astuple(usage), astuple(allowed), strict=True):
            if value > most:
                yield f"{name}: {key} {value}, and the budget is {most}"
    for name in budget.keys() - found.keys():
        yield f"{name}: has a line in {BUDGET.name}, and there is no such kernel"


def demangled(symbols: list[str]) -> list[str]:
    try:
        tool = ["c++filt", "--no-params"]
        done = subprocess.run(tool, input="\n".join(symbols), capture_output=True, text=True)
    except FileNotFoundError:
        return symbols
    return [re.sub(r"^.*::(?=\w+_kernel)", "", line) for line in done.stdout.splitlines()]


def table(kernels: list[Kernel]) -> str:
    """Every instantiation, the architectures that agree on one line."""
    rows: dict[tuple[str, Usage], list[int]] = {}
    names = demangled([each.symbol for each in kernels])
    for name, each in sorted(zip(names, kernels, strict=True), key=lambda pair: pair[0]):
        rows.setdefault((name, each.usage), []).append(each.architecture)
    lines = [" ".join(f"{key:>9}" for key in NAMES) + "  architectures    kernel"]
    for (name, usage), architectures in rows.items():
        numbers = " ".join(f"{value:>9}" for value in astuple(usage))
        lines.append(f"{numbers}  {','.join(map(str, sorted(architectures))):<16} {name}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, help="output of a build with TRIMATTE_KERNEL_REPORT=ON")
    parser.add_argument(
        "--architectures", type=int, nargs="+", help="default: all, or those of the log"
    )
    parser.add_argument("--check", action="store_true", help="fail where the budget is exceeded")
    parser.add_argument("--write", action="store_true", help="make the budget what was found")
    arguments = parser.parse_args()
    try:
        if arguments.log:
            log = arguments.log.read_text(encoding="utf-8", errors="replace")
        else:
            with tempfile.TemporaryDirectory() as build:
                log = build_log(arguments.architectures or ARCHITECTURES, Path(build))
        kernels = list(kernels_in(log))
    except ReportError as error:
        print(error, file=sys.stderr)
        return 2
    wanted = arguments.architectures or (() if arguments.log and kernels else ARCHITECTURES)
    missing = set(wanted) - {each.architecture for each in kernels}
    if missing:
        print(f"no kernel was compiled for {sorted(missing)}", file=sys.stderr)
        return 2
    found = per_template(kernels)
    print(table(kernels))
    if arguments.write:
        write_budget(found)
    over = list(complaints(found, read_budget())) if arguments.check or arguments.write else []
    print("\n".join(over), file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

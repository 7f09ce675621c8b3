"""Instructions a pixel of the kernels in benchmarks/instruction_budget.toml, counted in their code.

    python tools/kernel_instructions.py FILE...            print the table
    python tools/kernel_instructions.py --check FILE...    ... and fail where a kernel is over

FILE is what holds the machine code: the extension module, an object file or a cubin for sm_90. The
disassembler is NVIDIA's cuobjdump, from the CUDA toolkit or from the packages nvidia-cuda-cuobjdump
and nvidia-cuda-nvdisasm.

Counted is the shortest way from a kernel's entry to its end on which a thread stores all of its
pixels: the way of a thread amid an image that is aligned. Calls and the ways of warps whose threads
have parted are no part of it.
"""

from __future__ import annotations

import argparse
import heapq
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest

ROOT = Path(__file__).resolve().parent.parent
BUDGET = ROOT / "benchmarks" / "instruction_budget.toml"
ARCHITECTURE = "sm_90"


@dataclass(frozen=True)
class Hot:
    """A kernel that is counted. pixels, bytes: that a thread takes, and that it stores."""

    name: str
    kernel: str
    pixels: int
    bytes: int
    most: float


@dataclass(frozen=True)
class Instruction:
    address: int
    conditional: bool
    name: str
    operands: str


class CountError(Exception):
    """The code is not there, or is not what was looked for."""


def read_budget(path: Path = BUDGET) -> list[Hot]:
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Hot(name, **table) for name, table in tables.items()]


# ----------------------------------------------------------------------------------- disassembling


def tool_folders() -> Iterator[Path]:
    """Where the packages of NVIDIA put their tools."""
    spec = importlib.util.find_spec("nvidia")
    for root in [] if spec is None else spec.submodule_search_locations or []:
        yield from Path(root).glob("cu*/bin")


def disassembled(path: Path) -> str:
    """The code for ARCHITECTURE in a file, as cuobjdump prints it."""
    folders = os.pathsep.join([*map(str, tool_folders()), os.environ.get("PATH", "")])
    tool = shutil.which("cuobjdump", path=folders)
    if tool is None:
        raise CountError(
            "there is no cuobjdump: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm"
        )
    done = subprocess.run(
        [tool, "-sass", "-arch", ARCHITECTURE, path],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": folders},  # which cuobjdump finds nvdisasm by
    )
    if done.returncode != 0:
        raise CountError(f"{path}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?([A-Z][\w.]*)\s*([^;]*);")


def functions(listing: str, budget: list[Hot]) -> dict[str, list[Instruction]]:
    """Instructions of the budget's kernels, by the linker's names; a listing has many others."""
    found = {}
    for start in re.finditer(r"Function : (\S+)", listing):
        if any(hot.kernel in start[1] for hot in budget):
            end = listing.find("Function : ", start.end())
            code = _INSTRUCTION.findall(listing, start.end(), end if end >= 0 else len(listing))
            found[start[1]] = [
                Instruction(int(address, 16), bool(guard), name, operands.strip())
                for address, guard, name, operands in code
            ]
    return found


# ---------------------------------------------------------------------------------------- counting

_WIDTHS = {"128": 16, "64": 8, "U16": 2, "S16": 2, "U8": 1, "S8": 1}  # bytes; 4 without


def stored(instruction: Instruction) -> int:
    """Bytes that it stores to global memory."""
    operation, *modifiers = instruction.name.split(".")
    if operation != "STG":
        return 0
    return next((_WIDTHS[each] for each in modifiers if each in _WIDTHS), 4)


def following(code: list[Instruction], places: dict[int, int], i: int) -> list[int]:
    """The instructions that may come next; none at an end."""
    here = code[i]
    operation = here.name.split(".")[0]
    after = [i + 1] if i + 1 < len(code) else []
    if operation == "BRA" and ".DIV" not in here.name:
        target = places[int(re.findall(r"0x([0-9a-f]+)", here.operands)[-1], 16)]
        # A condition may stand before the instruction, or be its first operand.
        conditional = here.conditional or "," in here.operands or "P" in here.operands
        return [target, *after] if conditional else [target]
    if operation in ("EXIT", "RET", "BRX", "JMP", "CALL"):
        return after if here.conditional else []
    return after


def shortest(code: list[Instruction], wanted: int) -> int | None:
    """Instructions on the shortest way to an end on which so many bytes are stored; None: there is
    none (Dijkstra's algorithm, over places in the code and bytes stored)."""
    places = {each.address: i for i, each in enumerate(code)}
    pending = [(1, 0, min(stored(code[0]), wanted))]
    seen = set()
    while pending:
        count, i, done = heapq.heappop(pending)
        if (i, done) in seen:
            continue
        seen.add((i, done))
        if code[i].name.split(".")[0] == "EXIT" and done == wanted:
            return count
        for j in following(code, places, i):
            heapq.heappush(pending, (count + 1, j, min(done + stored(code[j]), wanted)))
    return None


def counts(listings: Iterable[str], budget: list[Hot]) -> dict[str, float]:
    """Instructions a pixel, by the budget's names.

    Raises CountError: a kernel is not there, or not once, or stores less.
    """
    code: dict[str, list[Instruction]] = {}
    for listing in listings:
        code |= functions(listing, budget)
    found = {}
    for hot in budget:
        matching = [name for name in code if hot.kernel in name]
        if len(matching) != 1:
            raise CountError(f"{hot.name}: {len(matching)} kernels have {hot.kernel} in their name")
        count = shortest(code[matching[0]], hot.bytes)
        if count is None:
            raise CountError(f"{hot.name}: on no way {hot.bytes} bytes are stored")
        found[hot.name] = count / hot.pixels
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--check", action="store_true", help="fail where a kernel is over")
    arguments = parser.parse_args()
    budget = read_budget()
    try:
        found = counts(map(disassembled, arguments.files), budget)
    except CountError as error:
        print(error, file=sys.stderr)
        return 1
    over = [hot for hot in budget if found[hot.name] > hot.most]
    for hot in budget:
        print(f"{hot.name:>14} {found[hot.name]:6.2f} instructions a pixel, at most {hot.most:g}")
    for hot in over:
        print(
            f"{hot.name}: {found[hot.name]:.2f} instructions a pixel, and the budget is "
            f"{hot.most:g}",
            file=sys.stderr,
        )
    return 1 if over and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())

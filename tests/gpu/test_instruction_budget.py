"""No hot kernel spends more instructions on a pixel than benchmarks/instruction_budget.toml allows.

TRIMATTE_KERNEL_LIBRARY names an extension module with code for sm_90: so CI compiles nothing twice.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "kernel_instructions.py"

# A pixel's way out at the beginning, a loop, a way of threads that have parted, and a long way with
# stores of its own.
LISTING = """
\t\tFunction : _ZN8trimatte10key_kernelILi3ELb1EhhEEv
\t.headerflags\t@"EF_CUDA_SM90"
        /*0000*/                   S2R R0, SR_TID.X ;                    /* 0x0000000000007919 */
                                                                         /* 0x000e220000002100 */
        /*0010*/               @P0 BRA 0xa0 ;                            /* 0x0 */
        /*0020*/                   BRA.DIV UR4, 0xc0 ;                   /* 0x0 */
        /*0030*/                   LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;  /* 0x0 */
        /*0040*/               @!P1 BRA 0x40 ;                           /* 0x0 */
        /*0050*/                   STG.E desc[UR4][R2.64], R4 ;          /* 0x0 */
        /*0060*/                   STG.E.64 desc[UR4][R2.64+0x4], R5 ;   /* 0x0 */
        /*0070*/                   STG.E.U16 desc[UR4][R2.64+0xc], R7 ;  /* 0x0 */
        /*0080*/                   STG.E.U16 desc[UR4][R2.64+0xe], R8 ;  /* 0x0 */
        /*0090*/                   EXIT ;                                /* 0x0 */
        /*00a0*/                   STG.E.U8 desc[UR4][R2.64], R4 ;       /* 0x0 */
        /*00b0*/                   EXIT ;                                /* 0x0 */
        /*00c0*/                   STG.E.128 desc[UR4][R2.64], R4 ;      /* 0x0 */
        /*00d0*/                   EXIT ;                                /* 0x0 */
        /*00e0*/                   BRA 0xe0;                             /* 0x0 */
"""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kernel_instructions", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_hot_kernels_are_within_their_budget() -> None:
    library = os.environ.get("TRIMATTE_KERNEL_LIBRARY")
    if not library:
        pytest.skip("TRIMATTE_KERNEL_LIBRARY names no library (see tools/kernel_instructions.py)")
    done = subprocess.run(
        [sys.executable, TOOL, "--check", library], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_shortest_way_that_stores_enough_is_counted(tool: ModuleType) -> None:
    (code,) = tool.functions(LISTING, tool.read_budget()).values()
    assert len(code) == 15
    assert tool.shortest(code, 1) == 4  # the way out
    assert tool.shortest(code, 16) == 10  # of a warp that is together
    assert tool.shortest(code, 17) is None


@pytest.mark.parametrize(("most", "bytes_", "status"), [(10, 16, 0), (9, 16, 1), (10, 64, 1)])
def test_what_is_over_is_named(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    most: int,
    bytes_: int,
    status: int,
) -> None:
    hot = tool.Hot("key", "10key_kernelILi3ELb1Ehh", pixels=1, bytes=bytes_, most=most)
    monkeypatch.setattr(tool, "read_budget", lambda: [hot])
    monkeypatch.setattr(tool, "disassembled", lambda path: LISTING)
    monkeypatch.setattr(sys, "argv", ["kernel_instructions.py", "--check", "library.so"])
    assert tool.main() == status
    said = capsys.readouterr().err
    if bytes_ == 64:
        assert "key: on no way 64 bytes are stored" in said
    else:
        assert ("key: 10.00 instructions a pixel, and the budget is 9" in said) == bool(status)


def test_a_kernel_that_is_not_there_is_named(tool: ModuleType) -> None:
    with pytest.raises(tool.CountError, match="key: 0 kernels have 10key_kernel"):
        tool.counts(["nothing"], tool.read_budget())


def test_the_budget_names_its_kernels(tool: ModuleType) -> None:
    budget = tool.read_budget()
    assert {"key", "despill", "key_cutout", "cutout"} <= {hot.name for hot in budget}
    assert len({hot.kernel for hot in budget}) == len(budget)

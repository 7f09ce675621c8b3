"""Every operation is in the lists that its tests are made of: docs/add-an-operation.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cases import CASES
from tests.fuzz.arrays import OPERATIONS
from tests.ops.test_arguments import VALID

ROOT = Path(__file__).parents[2]
DECLARED = re.findall(r"^void (\w+)\(", (ROOT / "src/cpp/ops.hpp").read_text(), re.MULTILINE)

# Written in Python, of other operations; tests of their own check them.
COMPOSED = {"blurred_background", "crop_box", "fit_screen", "probe", "refine"}


def test_the_declarations_are_found() -> None:
    assert len(DECLARED) >= 30
    assert len(set(DECLARED)) == len(DECLARED)


@pytest.mark.parametrize("operation", DECLARED)
def test_cpp_tests_run_it(operation: str) -> None:
    call = re.compile(rf"\b{operation}<")
    tests = ROOT / "tests/cpp"
    assert call.search((tests / "test_shim_operations.cpp").read_text())
    assert any(call.search(path.read_text()) for path in tests.glob("test_cuda*.cpp"))


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - COMPOSED))
def test_python_tests_run_it(operation: str) -> None:
    assert operation in VALID
    assert any(case.operation == operation for case in CASES)

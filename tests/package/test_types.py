"""Type checkers on a small program of a user's: it passes, and mistakes are found."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import trimatte

PROGRAMS = Path(__file__).parents[1] / "type_checks"

CHECKERS = {
    "mypy": ["--strict", "--follow-imports=silent", "--no-error-summary", "--cache-dir"],
    "pyright": ["--pythonpath", sys.executable],
}


def checked(checker: str, program: str, tmp_path: Path) -> str:
    """What the checker says of a program; nothing where it finds nothing."""
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    options = [*CHECKERS[checker], *([str(tmp_path)] if checker == "mypy" else [])]
    (tmp_path / program).write_text((PROGRAMS / program).read_text(encoding="utf-8"))
    # Checkers do not see an editable install's import hook; of an installed one this is its folder.
    source = str(Path(trimatte.__file__).parents[1])
    path = [source] if "site-packages" not in source else []
    (tmp_path / "pyrightconfig.json").write_text(f'{{"extraPaths": {path!r}}}'.replace("'", '"'))
    done = subprocess.run(
        [sys.executable, "-m", checker, *options, program],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout if done.returncode else ""


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_correct_program_passes(checker: str, tmp_path: Path) -> None:
    assert checked(checker, "user.py", tmp_path) == ""


@pytest.mark.parametrize("checker", CHECKERS)
def test_mistakes_are_found(checker: str, tmp_path: Path) -> None:
    lines = (PROGRAMS / "wrong.py").read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    said = checked(checker, "wrong.py", tmp_path)
    found = {
        int(line.split(":")[1])
        for line in said.splitlines()
        if "wrong.py:" in line and "error" in line
    }
    assert marked
    assert found == marked

"""No public name changes by accident."""

from __future__ import annotations

import difflib
import subprocess
import sys

from tests.public_api import RECORD, public_api


def test_public_names_and_parameters_are_those_recorded() -> None:
    recorded = RECORD.read_text(encoding="utf-8").splitlines()
    difference = list(difflib.unified_diff(recorded, public_api().splitlines(), lineterm="", n=0))
    assert not difference, (
        "the public interface is not the one recorded; where that is meant, run "
        "`python tests/public_api.py` and say so in CHANGELOG.md:\n" + "\n".join(difference)
    )


def test_the_files_module_comes_with_the_package() -> None:
    code = "import trimatte; trimatte.imageio.read_image"
    subprocess.run([sys.executable, "-c", code], check=True)

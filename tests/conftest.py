"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # PyTorch's threads would wait for each other, spinning
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import trimatte
from tests.helpers.lending import pointer
from trimatte import engines
from trimatte.cli.main import main
from trimatte.io.writing import encode_png

if TYPE_CHECKING:
    from tests.helpers.gpu import Array, Driver, Late, Shim


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real photographs and composites with known answers, beside the repository.

    TRIMATTE_SHARED names another place; without the folder the test is skipped.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRIMATTE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"shared_data: there is no {folder}; TRIMATTE_SHARED can name it")
    return folder


@pytest.fixture(scope="session")
def published_u2netp(shared_data: Path) -> Path:
    """The file of the weights that U²-NetP's authors published, in the folder beside that one."""
    path = shared_data.parent / "models" / "u2netp.onnx"
    if not path.is_file():
        pytest.skip(f"published_u2netp: there is no {path}")
    return path


GREEN = (40, 180, 60)


def picture(seed: int = 0) -> Any:
    """A grey rectangle, 20 by 28, before a green screen."""
    image = np.empty((40, 56, 3), np.uint8)
    image[:] = GREEN
    image[10:30, 14:42] = 100 + 10 * seed
    return image


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """The file of that picture."""
    path = tmp_path / "photo.png"
    path.write_bytes(encode_png(picture()))
    return path


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where the tests run with it ignored (nohup, cron)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def gpu() -> Shim | Driver:
    """The GPU, as others than trimatte use it."""
    from tests.helpers.gpu import open_gpu

    return open_gpu()


@pytest.fixture
def new_stream(gpu: Shim | Driver) -> Iterator[Callable[[], int]]:
    """Makes streams that wait for no other; they are destroyed after the test."""
    streams: list[int] = []

    def make() -> int:
        streams.append(gpu.new_stream())
        return streams[-1]

    yield make
    trimatte.synchronize()
    for stream in streams:
        gpu.synchronize(stream)
        gpu.destroy_stream(stream)


@pytest.fixture
def late(gpu: Shim | Driver) -> Iterator[Late]:
    """Makes arrays on a stream which gets to filling them later."""
    sources: list[trimatte.DeviceArray] = []

    def make(array: Array, stream: int) -> trimatte.DeviceArray:
        source = trimatte.to_device(array)
        source.to_host()
        sources.append(source)
        result = trimatte.to_device(np.full_like(array, array.flat[0]), stream=stream)
        gpu.synchronize(stream)
        gpu.delay(stream)
        gpu.copy(pointer(result), pointer(source), source.nbytes, stream)
        return result

    yield make
    trimatte.synchronize()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Networks with seeded weights as files, made when they are first asked for."""
    folder = tmp_path_factory.mktemp("models")

    def model(name: str) -> Path:
        path = folder / f"{name}.onnx"
        if not path.exists():
            engines.export(name, path, seed=1)
        return path

    return model


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """main() in this process: its exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call

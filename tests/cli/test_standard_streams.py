"""Programs that run without standard streams: daemons, cron, pythonw."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trimatte.cli.main import main
from trimatte.demo import scene
from trimatte.io.writing import write_image

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
TRIMATTE = f"'{sys.executable}' -m trimatte"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_image(path, scene(60, 80).image)
    return path


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_files_are_cut_out_without_streams(photo: Path, tmp_path: Path, closed: str) -> None:
    command = f"{TRIMATTE} key '{photo}' -o '{tmp_path}/cut.png' {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "cut.png").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "closed", "said"),
    [
        ("{photo} -o -", ">&-", "-o - is standard output, which is closed: name a file"),
        ("- -o {folder}/cut.png", "<&-", "'-' is standard input, which is closed"),
        ("{photo} --json", ">&-", "--json writes to standard output, which is closed"),
    ],
)
def test_a_closed_stream_that_is_asked_for_is_named(
    photo: Path, tmp_path: Path, arguments: str, closed: str, said: str
) -> None:
    words = arguments.format(photo=photo, folder=tmp_path)
    command = f"{TRIMATTE} key {words} {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"trimatte: {said}")
    assert list(tmp_path.iterdir()) == [photo]


def test_a_program_whose_streams_are_none_keeps_them_so(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["key", str(photo)]) == 0
    assert main(["key", "no such file"]) == 1
    assert main(["doctor"]) == 0
    assert (sys.stdin, sys.stdout, sys.stderr) == (None, None, None)

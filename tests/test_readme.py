"""The code in README.md and docs/batches.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BATCHES = README.parent / "docs" / "batches.md"


def run_blocks(document: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(document), "exec"), names)


def test_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_blocks(README)
    assert (tmp_path / "cutout.png").exists()


def test_the_blocks_on_batches_run(capsys: pytest.CaptureFixture[str]) -> None:
    run_blocks(BATCHES)
    assert "image 4: read_image: cannot read the 8 bytes given" in capsys.readouterr().out


def test_the_picture_is_there() -> None:
    for target in re.findall(r"!\[.*?\]\((.*?)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).is_file()

"""SIGTERM and SIGHUP end commands as Ctrl-C does."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run, picture
from trimatte.cli.report import Report
from trimatte.cli.signals import end_as_interrupted
from trimatte.io.writing import write_image

if not hasattr(signal, "SIGHUP"):
    pytest.skip("needs the signals of POSIX", allow_module_level=True)

ENDING = [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize(("number", "status"), ENDING)
def test_images_leave_nothing_half_written(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    status: int,
) -> None:
    for index in range(6):
        write_image(tmp_path / f"{index}.png", picture())
    tell = Report.tell

    def signalled(self: Report, outcome: Any) -> None:
        tell(self, outcome)
        signal.raise_signal(number)

    monkeypatch.setattr(Report, "tell", signalled)
    code, _, err = run("key", *sorted(tmp_path.glob("*.png")), "-o", tmp_path / "out")
    assert code == status
    assert "interrupted" in err
    assert (tmp_path / "out" / "0.png").is_file()
    assert not list(tmp_path.rglob("*.part"))
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.parametrize(("number", "status"), ENDING)
def test_videos_end_playable(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    status: int,
) -> None:
    pytest.importorskip("av")
    from tests.video.test_video import QUICK, frames, make
    from trimatte.cli import video

    def signalled(self: Any, done: int, total: int | None) -> None:
        self.done = done
        if done == 3:
            signal.raise_signal(number)

    monkeypatch.setattr(video._Report, "__call__", signalled)
    clip, output = make(tmp_path / "clip.mp4"), tmp_path / "out.mov"
    code, _, err = run("video", clip, "-o", output, *QUICK)
    assert code == status
    assert "interrupted; the first 3 frames are in" in err
    assert len(frames(output)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mov"]


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with end_as_interrupted():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

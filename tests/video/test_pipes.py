"""Videos that come out of pipes and go into them."""

from __future__ import annotations

import http.client
import io
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.video.test_video import COUNT, FAST, QUICK, frames, make, packets, sound_codec, times
from trimatte import ArgumentError
from trimatte.video import remove_video
from trimatte.video.reading import _Source

pytestmark = pytest.mark.skipif(os.name != "posix", reason="test_pipes: needs POSIX pipes")


class OneWay(io.BytesIO):
    """A pipe: nothing can be sought in it."""

    def seekable(self) -> bool:
        return False


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    return make(tmp_path / "in.ts", sound="aac")


@pytest.mark.parametrize("format", ["mkv", "webm", "nut"])
def test_from_file_object_to_file_object(stream: Path, tmp_path: Path, format: str) -> None:
    source, output = OneWay(stream.read_bytes()), OneWay()
    summary = remove_video(source, output, format=format, **FAST)
    assert (summary.frames, summary.output) == (COUNT, None)
    assert not source.closed
    path = tmp_path / "out"
    path.write_bytes(output.getvalue())
    shown = [float(time) for time in times(path)]
    assert [time - shown[0] for time in shown] == pytest.approx([i / 25 for i in range(COUNT)])
    assert len(packets(path)) > 10


def test_a_file_object_that_can_be_sought_may_have_its_index_at_its_end(tmp_path: Path) -> None:
    data = make(tmp_path / "in.mp4").read_bytes()
    remove_video(io.BytesIO(data), tmp_path / "out.mov", **FAST)
    assert len(frames(tmp_path / "out.mov")) == COUNT
    with pytest.raises(ArgumentError, match="only with its index in front"):
        remove_video(OneWay(b"no video"), tmp_path / "b.mov", **FAST)
    assert not (tmp_path / "b.mov").exists()


def test_named_pipes(stream: Path, tmp_path: Path) -> None:
    given, taken = tmp_path / "given", tmp_path / "taken.mkv"
    os.mkfifo(given)
    os.mkfifo(taken)
    received: list[bytes] = []
    others = [
        threading.Thread(target=lambda: given.write_bytes(stream.read_bytes())),
        threading.Thread(target=lambda: received.append(taken.read_bytes())),
    ]
    for other in others:
        other.start()
    remove_video(given, taken, **FAST)
    for other in others:
        other.join()
    assert taken.is_fifo()
    path = tmp_path / "out.mkv"
    path.write_bytes(received[0])
    assert len(frames(path)) == COUNT


def test_from_a_connection_that_stays_open(stream: Path, tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = stream.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        connection = http.client.HTTPConnection(*server.server_address[:2])
        connection.request("GET", "/")
        remove_video(connection.getresponse(), tmp_path / "out.mkv", **FAST)  # type: ignore[arg-type]
        connection.close()
        serving.join()
    assert len(frames(tmp_path / "out.mkv")) == COUNT


@pytest.mark.parametrize("read", [0, 4])
def test_a_pipe_that_stays_open_and_whose_head_was_read(stream: Path, read: int) -> None:
    # The descriptor has nothing more to give: the whole video is in Python's buffer.
    data = stream.read_bytes()[: 188 * 40]
    given, taken = os.pipe()
    with os.fdopen(given, "rb", 1 << 16) as source, os.fdopen(taken, "wb", 0) as writer:
        writer.write(b"head"[:read] + data)
        assert source.read(read) == b"head"[:read]
        file = _Source(source)
        assert file.read(188) == data[:188]
        rest = b""
        while len(rest) < len(data) - 188:
            rest += file.read(1 << 16)
        assert rest == data[188:]
        file.stop()
        assert file.read(1) == b""


@pytest.mark.parametrize("format", ["mkv", "gif"])
def test_a_file_object_need_not_say_how_much_it_took(stream: Path, format: str) -> None:
    class Silent:
        def __init__(self) -> None:
            self.data = bytearray()

        def write(self, data: bytes) -> None:
            self.data += data

    output = Silent()
    remove_video(stream, output, format=format, **FAST)  # type: ignore[arg-type]
    assert len(output.data) > 1000


def test_a_raw_file_that_takes_nothing_is_an_error(stream: Path) -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return None  # type: ignore[return-value]  # it would block

    with pytest.raises(ArgumentError, match=r"cannot write .*takes no more"):
        remove_video(stream, Full(), format="mkv", **FAST)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["mov", "mp4", "none-such", None])
def test_what_a_pipe_cannot_hold_is_refused(
    stream: Path, tmp_path: Path, format: str | None
) -> None:
    output = OneWay()
    with pytest.raises(ArgumentError, match="format must be one of"):
        remove_video(stream, output, format=format, background="white", **FAST)
    assert not output.getvalue()


class Broken(io.RawIOBase):
    """A pipe that nobody reads any more, or a disk that is full."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raise self.error


def test_errors_of_a_pipe_are_raised(stream: Path) -> None:
    with pytest.raises(BrokenPipeError):
        remove_video(stream, Broken(BrokenPipeError()), format="mkv", **FAST)  # type: ignore[arg-type]
    full = Broken(OSError(28, "No space left on device"))
    with pytest.raises(ArgumentError, match=r"cannot write .*No space left"):
        remove_video(stream, full, format="mkv", **FAST)  # type: ignore[arg-type]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "trimatte", "video", *map(str, arguments), *QUICK]


def test_the_command_in_the_middle_of_a_pipe(stream: Path, tmp_path: Path) -> None:
    with stream.open("rb") as source:
        done = subprocess.run(command("-", "-o", "-"), stdin=source, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    path = tmp_path / "out.mkv"
    path.write_bytes(done.stdout)
    assert len(frames(path)) == COUNT
    assert sound_codec(path) == "aac"


def test_the_command_ends_quietly_when_nobody_reads(stream: Path) -> None:
    with subprocess.Popen(
        command(stream, "-o", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 141)  # 0: all of it had room in the pipe


def test_the_command_does_not_wait_for_a_pipe_once_it_is_interrupted(stream: Path) -> None:
    import signal

    with subprocess.Popen(
        command("-", "-o", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(stream.read_bytes() * 2)
        process.stdin.flush()
        process.stdout.read(10)  # it is at work
        process.send_signal(signal.SIGINT)
        rest = threading.Thread(target=process.stdout.read)
        rest.start()
        said = process.stderr.read().decode()
        rest.join()
        process.stdin.close()
    assert process.returncode == 130
    assert "interrupted; the first" in said


def test_standard_streams_that_are_terminals_are_refused(
    run: Run, stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    code, _, err = run("video", "-", "-o", tmp_path / "out.mov")
    assert (code, "nothing is piped" in err) == (2, True)
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = run("video", "-", "-o", tmp_path / "out.mov")
    assert (code, "which is closed" in err) == (2, True)
    code, _, err = run("video", stream, "-o", "-", "--format", "mp4", "--bg", "white")
    assert (code, "format" in err) == (1, True)
    code, _, err = run("video", stream, "-o", tmp_path / "out.mov", "--matte", "-")
    assert (code, "--matte must be a file" in err) == (2, True)

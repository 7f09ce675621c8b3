"""Fetching weights from a local server that does what servers do: all of it."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import logging
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from trimatte.engines.weights import download, verified
from trimatte.engines.weights.cards import Card, InputSpec, OutputSpec, find_card
from trimatte.engines.weights.fetch import fetch, models_folder, on_disk

from trimatte.errors import ArgumentError, EngineError

pooch = pytest.importorskip("pooch")

FETCH = importlib.import_module(
    "trimatte.engines.weights.fetch"
)  # the package has its function here
CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
HALF = len(CONTENT) // 2

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Notes what it is asked, and answers as the test says."""

    server: Server

    def do_GET(self) -> None:
        self.server.encodings.add(self.headers["Accept-Encoding"])
        self.server.asked.append((self.path, self.headers["Range"], self.headers["If-Range"]))
        answers = self.server.answers[self.path]
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def begin(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def body(self, content: bytes) -> None:
        try:
            self.server.sent += len(content)  # before: the client may be done at once
            self.wfile.write(content)
        except OSError:
            pass  # the client left, as some tests have it

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.encodings: set[str | None] = set()
        self.sent = 0
        self.let_go = threading.Event()

    def url(self, path: str = "/model.onnx") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def answer(self, *answers: Answer, path: str = "/model.onnx") -> str:
        """The answers to come, the last of them for good; returns the address."""
        self.answers[path] = list(answers)
        return self.url(path)


def good(handler: Handler) -> None:
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    if asked and handler.headers["If-Range"] in (None, '"v1"'):
        start = int(asked[1])
        handler.begin(
            206,
            len(CONTENT) - start,
            ETag='"v1"',
            Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}",
        )
        handler.body(CONTENT[start:])
    else:
        whole(handler)


def whole(handler: Handler) -> None:
    """Of a server that knows no Range."""
    handler.begin(200, len(CONTENT), ETag='"v1"')
    handler.body(CONTENT)


def chunked(handler: Handler) -> None:
    """Of a server that does not say how much comes."""
    handler.begin(200, None)
    handler.body(CONTENT)


def cut(handler: Handler) -> None:
    """Half of it, then the connection ends."""
    handler.begin(200, len(CONTENT), ETag='"v1"')
    handler.body(CONTENT[:HALF])


def wrong(handler: Handler) -> None:
    handler.begin(200, len(CONTENT))
    handler.body(CONTENT[::-1])


def status(code: int) -> Answer:
    return lambda handler: handler.begin(code, 0)


def redirect(location: str) -> Answer:
    return lambda handler: handler.begin(302, 0, Location=location)


def held(handler: Handler) -> None:
    """Half of it; the rest when the test says so."""
    handler.begin(200, len(CONTENT), ETag='"v1"')
    handler.body(CONTENT[:HALF])
    handler.server.let_go.wait(120)
    handler.body(CONTENT[HALF:])


def hanging(handler: Handler) -> None:
    handler.server.let_go.wait(120)


@dataclass
class Told:
    """A progress callback that remembers, and may cancel."""

    limit: float = 2.0
    fractions: list[float] = field(default_factory=list)

    def __call__(self, what: str, fraction: float) -> None:
        self.fractions.append(fraction)
        if fraction > self.limit:
            raise BrokenPipeError("cancelled by the test")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.let_go.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, an environment without settings, and no long pauses."""
    for name in list(os.environ):
        ours_or_rembgs = ("TRIMATTE_", "U2NET_", "REMBG_", "XDG_")
        if name.startswith(ours_or_rembgs) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(download, "_BACKOFF", 0.001)
    monkeypatch.setattr(download, "_TIMEOUT", (2.0, 0.3))
    return tmp_path / ".local/share/trimatte/models"


def card_for(*urls: str, **changes: Any) -> Card:
    described = Card(
        name="model",
        title="A model",
        description="",
        file="model.onnx",
        input=InputSpec((8, 8), (0.5,) * 3, (0.5,) * 3),
        output=OutputSpec(),
        urls=urls,
        sha256=SHA256,
        size=len(CONTENT),
    )
    return replace(described, **changes)


def without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def files(folder: Path) -> list[str]:
    """What of models and parts of them is there."""
    return sorted(path.name for path in folder.glob("*") if path.is_file() and path.name[0] != ".")


def test_a_file_is_fetched_once(server: Server, home: Path) -> None:
    card = card_for(server.answer(good))
    told = Told()
    path = fetch(card, progress=told)
    assert path == home / "model.onnx"
    assert path.read_bytes() == CONTENT
    assert files(home) == ["model.onnx"]
    assert told.fractions == sorted(told.fractions)
    assert told.fractions[-1] == 1.0
    assert fetch(card) == path
    assert server.asked == [("/model.onnx", None, None)]
    assert server.encodings == {"identity"}


def test_pooch_does_not_write_to_the_terminal(server: Server) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = pooch.get_logger()
    logger.addHandler(handler)
    try:
        fetch(card_for(server.answer(good)))
    finally:
        logger.removeHandler(handler)
    assert written.getvalue() == ""


def test_a_file_without_known_size(server: Server, home: Path) -> None:
    for number, answer in enumerate((good, chunked)):
        card = card_for(server.answer(answer), size=None)
        assert fetch(card, folder=home / str(number)).read_bytes() == CONTENT


def test_a_verified_file_is_hashed_again_only_once_it_changed(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_for(server.answer(good))
    path = fetch(card)
    hashed: list[Path] = []

    def noting(path: Path, algorithm: str) -> str:
        hashed.append(path)
        return verified_digest(path, algorithm)

    verified_digest = verified.digest
    monkeypatch.setattr(verified, "digest", noting)
    assert fetch(card) == path
    assert hashed == []
    os.utime(path, ns=(1, 1))
    assert fetch(card) == path
    assert hashed == [path]
    path.write_bytes(CONTENT[::-1])
    assert fetch(card).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_torn_note_of_verified_files_is_no_harm(server: Server, home: Path) -> None:
    card = card_for(server.answer(good))
    fetch(card)
    (home / "verified" / f"{SHA256}.json").write_text('{"files": 3')
    assert fetch(card).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_wrong_hash_leaves_nothing_and_is_told(server: Server, home: Path) -> None:
    url = server.answer(wrong)
    with pytest.raises(EngineError) as caught:
        fetch(card_for(url))
    got = hashlib.sha256(CONTENT[::-1]).hexdigest()
    for part in (url, str(home / "model.onnx"), SHA256, got):
        assert part in str(caught.value)
    assert files(home) == []


def test_a_damaged_file_stays_until_a_good_one_is_there(server: Server, home: Path) -> None:
    home.mkdir(parents=True)
    target = home / "model.onnx"
    target.write_bytes(CONTENT[::-1])
    with pytest.raises(EngineError, match="HTTP 404"):
        fetch(card_for(server.answer(status(404))))
    assert target.read_bytes() == CONTENT[::-1]
    assert fetch(card_for(server.answer(good))).read_bytes() == CONTENT


def test_a_cut_connection_is_taken_up_where_it_was(server: Server) -> None:
    path = fetch(card_for(server.answer(cut, good)))
    assert path.read_bytes() == CONTENT
    assert [asked[1:] for asked in server.asked] == [(None, None), (f"bytes={HALF}-", '"v1"')]
    assert server.sent == len(CONTENT)


def test_a_part_outlives_the_failure_and_the_process_takes_it_up(
    server: Server, home: Path
) -> None:
    with pytest.raises(EngineError, match=f"{HALF} bytes are kept in .*model.onnx.part"):
        fetch(card_for(server.answer(cut, status(503))))
    assert len(server.asked) == 5
    assert files(home) == ["model.onnx.part", "model.onnx.part.json"]
    told = Told()
    assert fetch(card_for(server.answer(good)), progress=told).read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={HALF}-"
    assert min(told.fractions) > 0.5
    assert server.sent == len(CONTENT)
    assert files(home) == ["model.onnx"]


def test_attempts_that_bring_something_do_not_count(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_quarter(handler: Handler) -> None:
        start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
        rest = len(CONTENT) - start
        handler.begin(
            206 if start else 200, rest, Content_Range=f"bytes {start}-{len(CONTENT) - 1}/*"
        )
        handler.body(CONTENT[start : start + len(CONTENT) // 4])

    monkeypatch.setattr(download, "_ATTEMPTS", 1)
    monkeypatch.setattr(download, "_PROGRESS", 1000)
    assert fetch(card_for(server.answer(a_quarter))).read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_a_part_from_another_address_is_taken_up_by_its_hash(server: Server, home: Path) -> None:
    part(home, CONTENT[:HALF])
    fetch(card_for(server.answer(good)))
    assert server.asked == [("/model.onnx", f"bytes={HALF}-", None)]


def test_a_part_of_another_version_is_dropped(server: Server, home: Path) -> None:
    part(home, CONTENT[::-1][:HALF])
    assert fetch(card_for(server.answer(good))).read_bytes() == CONTENT
    assert [asked[1] for asked in server.asked] == [f"bytes={HALF}-", None]


def test_a_server_that_changed_the_file_sends_all_of_it(server: Server, home: Path) -> None:
    url = server.answer(good)
    part(home, CONTENT[:HALF])
    (home / "model.onnx.part.json").write_text(json.dumps({"url": url, "version": '"v0"'}))
    assert fetch(card_for(url)).read_bytes() == CONTENT
    assert server.asked == [("/model.onnx", f"bytes={HALF}-", '"v0"')]


def test_a_server_that_knows_no_range_starts_again(server: Server) -> None:
    assert fetch(card_for(server.answer(cut, whole))).read_bytes() == CONTENT
    assert server.sent == HALF + len(CONTENT)


def test_a_server_that_sends_another_part_than_asked(server: Server) -> None:
    def shifted(handler: Handler) -> None:
        handler.begin(206, HALF, Content_Range=f"bytes 0-{HALF - 1}/{len(CONTENT)}")
        handler.body(CONTENT[:HALF])

    assert fetch(card_for(server.answer(cut, shifted, good))).read_bytes() == CONTENT
    assert [asked[1] for asked in server.asked] == [None, f"bytes={HALF}-", None]


def test_a_range_that_cannot_be_had_starts_again(server: Server, home: Path) -> None:
    part(home, CONTENT[:HALF])
    assert fetch(card_for(server.answer(status(416), good))).read_bytes() == CONTENT
    assert [asked[1] for asked in server.asked] == [f"bytes={HALF}-", None]


@pytest.mark.parametrize("extra", [b"", b"more"], ids=["whole", "too long"])
def test_a_part_that_is_all_there(server: Server, home: Path, extra: bytes) -> None:
    part(home, CONTENT + extra)
    assert fetch(card_for(server.answer(good))).read_bytes() == CONTENT
    assert len(server.asked) == (1 if extra else 0)


def test_a_missing_file_is_not_asked_for_again(server: Server, home: Path) -> None:
    url = server.answer(status(404))
    with pytest.raises(EngineError, match=f"{re.escape(url)}: HTTP 404"):
        fetch(card_for(url))
    assert len(server.asked) == 1
    assert files(home) == []


def test_the_next_address_is_tried(server: Server) -> None:
    first = server.answer(status(404), path="/gone.onnx")
    assert fetch(card_for(first, server.answer(good))).read_bytes() == CONTENT


@pytest.mark.parametrize("failure", [status(500), status(429), hanging])
def test_passing_failures_are_tried_again(server: Server, failure: Answer) -> None:
    assert fetch(card_for(server.answer(failure, good))).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_server_that_hangs_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_ATTEMPTS", 2)
    monkeypatch.setattr(download, "_TIMEOUT", (2.0, 0.1))
    with pytest.raises(EngineError, match=r"timed out.*tried 2 times") as told:
        fetch(card_for(server.answer(hanging)))
    assert ".part" not in str(told.value)  # which is not there
    assert "HTTPConnectionPool" not in str(told.value)


def test_a_server_that_hangs_in_the_middle(server: Server) -> None:
    assert fetch(card_for(server.answer(held, good))).read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={HALF}-"


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/model.onnx"
        with pytest.raises(EngineError, match=r"refused.*tried 5 times"):
            fetch(card_for(url))


@pytest.mark.parametrize("length", [HALF, len(CONTENT) + 1], ids=["shorter", "longer"])
def test_a_length_that_is_not_the_file_s(server: Server, home: Path, length: int) -> None:
    def lying(handler: Handler) -> None:
        handler.begin(200, length)
        handler.body(CONTENT)

    with pytest.raises(EngineError, match=f"has {length} bytes, expected are {len(CONTENT)}"):
        fetch(card_for(server.answer(lying)))
    assert len(server.asked) == 1
    assert files(home) == []


def test_more_than_the_file_may_have_is_not_written(server: Server, home: Path) -> None:
    def endless(handler: Handler) -> None:
        handler.begin(200, None)
        handler.body(CONTENT + CONTENT)

    with pytest.raises(EngineError, match=f"sends more than {len(CONTENT)} bytes"):
        fetch(card_for(server.answer(endless)))
    assert (home / "model.onnx.part").stat().st_size <= len(CONTENT)


def test_less_than_the_file_has_without_a_length(server: Server) -> None:
    def short(handler: Handler) -> None:
        handler.begin(200, None)
        handler.body(CONTENT[:HALF])

    assert fetch(card_for(server.answer(short, good))).read_bytes() == CONTENT


def test_an_encoded_answer_is_refused(server: Server) -> None:
    def zipped(handler: Handler) -> None:
        handler.begin(200, len(CONTENT), Content_Encoding="gzip")
        handler.body(CONTENT)

    with pytest.raises(EngineError, match="sends the file encoded as gzip"):
        fetch(card_for(server.answer(zipped)))


def test_redirects_are_followed(server: Server) -> None:
    server.answer(good)
    server.answer(redirect("/model.onnx"), path="/second")
    url = server.answer(redirect(server.url("/second")), path="/first")
    assert fetch(card_for(url)).read_bytes() == CONTENT
    assert [asked[0] for asked in server.asked] == ["/first", "/second", "/model.onnx"]


def test_redirects_in_a_circle(server: Server) -> None:
    with pytest.raises(EngineError, match="more than 10 redirects"):
        fetch(card_for(server.answer(redirect("/model.onnx"))))
    assert len(server.asked) == 11


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_redirects_to_what_is_no_http(server: Server, target: str) -> None:
    with pytest.raises(EngineError, match="which is not as safe"):
        fetch(card_for(server.answer(redirect(target))))


def test_redirects_from_https_to_http_are_refused() -> None:
    with pytest.raises(download.DownloadError, match="https://a/b: leads to http://c/d"):
        download._redirected("https://a/b", "http://c/d")
    assert download._redirected("http://a/b", "https://c/d") == "https://c/d"
    assert download._redirected("https://a/b", "/d") == "https://a/d"


def test_a_mirror_is_tried_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer(good, path="/mirror/model.onnx")
    monkeypatch.setenv("TRIMATTE_MODEL_MIRROR", server.url("/mirror/"))
    assert fetch(card_for(server.url("/never"))).read_bytes() == CONTENT
    assert [asked[0] for asked in server.asked] == ["/mirror/model.onnx"]


def test_a_mirror_that_lies_is_passed_over(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer(wrong, path="/mirror/model.onnx")
    monkeypatch.setenv("TRIMATTE_MODEL_MIRROR", server.url("/mirror"))
    told = Told()
    assert fetch(card_for(server.answer(good)), progress=told).read_bytes() == CONTENT
    assert told.fractions == sorted(told.fractions)
    monkeypatch.setenv("TRIMATTE_MODEL_MIRROR", "gopher://mirror")
    assert fetch(card_for(server.url(), file="other.onnx")).read_bytes() == CONTENT


def test_offline_opens_no_socket(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMATTE_OFFLINE", "1")
    without_sockets(monkeypatch)
    card = card_for("https://example.org/model.onnx")
    with pytest.raises(EngineError) as caught:
        fetch(card)
    target = home / "model.onnx"
    for told in (card.urls[0], SHA256, f"{target} is not there"):
        assert told in str(caught.value)
    assert not home.exists()
    home.mkdir(parents=True)
    target.write_bytes(CONTENT[::-1])
    with pytest.raises(EngineError, match=f"damaged, its sha256 is .*, sha256 {SHA256}"):
        fetch(card)
    target.write_bytes(CONTENT)
    assert fetch(card) == target


def test_offline_is_off_when_it_is_0(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMATTE_OFFLINE", "0")
    assert fetch(card_for(server.answer(good))).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("variable", "home", "folder"),
    [
        ("U2NET_HOME", "u2", "u2"),
        ("XDG_DATA_HOME", "data", "data/.u2net"),
        ("HOME", "", ".u2net"),
        ("U2NET_HOME", "u2", "u2/models/model"),  # from here on as rembg 2.0.86 has them
        ("REMBG_HOME", "re", "re/models/model"),
        ("XDG_DATA_HOME", "data", "data/rembg/models/model"),
        ("HOME", "", ".rembg/models/model"),
    ],
)
def test_a_file_of_rembg_is_found_by_its_hash_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, home: str, folder: str
) -> None:
    without_sockets(monkeypatch)
    monkeypatch.setenv(variable, str(tmp_path / home))
    theirs = tmp_path / folder
    theirs.mkdir(parents=True)
    (theirs / "a-first.onnx").write_bytes(CONTENT[::-1])
    (theirs / "b-second.onnx").write_bytes(CONTENT)
    before = [(path, path.stat().st_mtime_ns) for path in sorted(theirs.rglob("*"))]
    card = card_for("https://example.org/model.onnx")
    assert fetch(card) == theirs / "b-second.onnx"
    monkeypatch.setattr(verified, "digest", lambda path, _: pytest.fail(f"{path} hashed again"))
    (theirs / "a-first.onnx").unlink()
    assert fetch(card) == theirs / "b-second.onnx"
    assert before[1:] == [(path, path.stat().st_mtime_ns) for path in sorted(theirs.rglob("*"))]


def test_on_disk_is_what_is_there_by_name_and_size(home: Path, tmp_path: Path) -> None:
    card = replace(find_card("bria-rmbg-2.0"), size=len(CONTENT))
    assert on_disk(card) is None
    folder = tmp_path / ".rembg" / "models"
    for name, content in {"u2net": CONTENT, "bria-rmbg": CONTENT[1:]}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.onnx").write_bytes(content)
    assert on_disk(card) is None  # another's, and one that was cut
    theirs = folder / "bria-rmbg" / "bria-rmbg.onnx"
    theirs.write_bytes(CONTENT)
    assert on_disk(card) == theirs
    home.mkdir(parents=True)
    (home / card.file).write_bytes(CONTENT)
    assert on_disk(card) == home / card.file
    assert on_disk(find_card("u2net-lite")) is not None


def test_a_file_of_rembg_whose_size_is_not_known_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_sockets(monkeypatch)
    monkeypatch.setenv("TRIMATTE_OFFLINE", "1")
    theirs = tmp_path / ".u2net"
    theirs.mkdir()
    (theirs / "other.onnx").write_bytes(CONTENT)
    card = card_for("https://example.org/model.onnx", size=None)
    with pytest.raises(EngineError, match="TRIMATTE_OFFLINE"):
        fetch(card)
    (theirs / "other.onnx").rename(theirs / "model.onnx")
    assert fetch(card) == theirs / "model.onnx"


def test_what_only_has_an_md5_is_trusted_once(server: Server, home: Path) -> None:
    card = card_for(server.answer(good), sha256=None, md5=MD5)
    path = fetch(card)
    note = home / "verified" / f"{MD5}.json"
    assert json.loads(note.read_text())["sha256"] == SHA256
    os.utime(path, ns=(1, 1))
    assert fetch(card) == path
    assert len(server.asked) == 1
    note.write_text(note.read_text().replace(SHA256, "0" * 64))
    os.utime(path, ns=(2, 2))
    with pytest.raises(EngineError, match=f"sha256 {'0' * 64}"):
        fetch(card)


def test_weights_that_are_not_for_commerce_need_a_word(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_for(
        server.answer(good),
        license="CC-BY-NC-4.0",
        license_url="https://example.org/license",
        commercial=False,
    )
    with monkeypatch.context() as patched:
        without_sockets(patched)
        for refused in (False, "MIT", ""):
            with pytest.raises(EngineError, match=r"CC-BY-NC-4\.0, https://example\.org/license"):
                fetch(card, accept_license=refused)
    for accepted in (True, "CC-BY-NC-4.0", "model"):
        assert fetch(card, accept_license=accepted).read_bytes() == CONTENT
    monkeypatch.setenv("TRIMATTE_ACCEPT_LICENSE", "other, model")
    assert fetch(card).read_bytes() == CONTENT


def test_accept_license_is_a_flag_or_a_licence() -> None:
    with pytest.raises(ArgumentError, match="accept_license must be True, False or"):
        fetch(card_for("https://example.org/x"), accept_license=1)  # type: ignore[arg-type]


def test_the_shipped_non_commercial_card_is_gated(monkeypatch: pytest.MonkeyPatch) -> None:
    without_sockets(monkeypatch)
    with pytest.raises(EngineError, match=r"bria-rmbg-2\.0: its weights may not be used comm"):
        fetch(find_card("bria-rmbg-2.0"))


def test_a_model_from_a_checkpoint_says_how_to_make_it(home: Path) -> None:
    card = find_card("modnet")
    with pytest.raises(EngineError, match=r"trimatte engines export modnet .* belongs at"):
        fetch(card)
    home.mkdir(parents=True)
    (home / "modnet.onnx").write_bytes(b"made")
    assert fetch(card) == home / "modnet.onnx"


def test_a_file_of_the_caller_s_own_is_used_where_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "model.onnx"
    card = card_for(folder=tmp_path)
    with pytest.raises(EngineError, match="there is no such file"):
        fetch(card)
    mine.write_bytes(b"tuned")
    with pytest.raises(EngineError, match=f"expected is {SHA256}"):
        fetch(card)
    assert fetch(replace(card, sha256=None)) == mine
    mine.write_bytes(CONTENT)
    assert fetch(card) == mine


def test_the_folder_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert models_folder() == tmp_path / ".local/share/trimatte/models"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert models_folder() == Path("/data/trimatte/models")
    monkeypatch.setenv("TRIMATTE_HOME", "~/here")
    assert models_folder() == tmp_path / "here/models"


def test_a_folder_that_cannot_be_made_or_written(server: Server, tmp_path: Path) -> None:
    card = card_for(server.answer(good))
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="file/models: cannot be made: Not a directory"):
        fetch(card, folder=tmp_path / "file/models")
    (tmp_path / ".model.onnx.lock").mkdir()
    with pytest.raises(EngineError, match=r"\.lock: cannot be written: .*Is a directory"):
        fetch(card, folder=tmp_path)
    (tmp_path / "target/model.onnx").mkdir(parents=True)
    with pytest.raises(EngineError, match=r"model\.onnx: cannot be written: .*Is a directory"):
        fetch(card, folder=tmp_path / "target")
    assert server.asked == []


def test_a_full_disk_is_told_before_anything_is_asked(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EngineError, match=f"needs {len(CONTENT)} bytes, 1000 are free"):
        fetch(card_for(server.answer(good)))
    assert server.asked == []


def test_a_write_that_fails_leaves_no_file(server: Server, home: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, limits[1]))
    try:
        with pytest.raises(EngineError, match=r"model\.onnx\.part: cannot be written: File too"):
            fetch(card_for(server.answer(good)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "model.onnx" not in files(home)
    assert fetch(card_for(server.answer(good))).read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={HALF}-"


def test_a_progress_that_raises_cancels_and_keeps_the_part(server: Server, home: Path) -> None:
    card = card_for(server.answer(good))
    with pytest.raises(BrokenPipeError, match="cancelled by the test"):
        fetch(card, progress=Told(limit=0.3))
    assert files(home) == ["model.onnx.part", "model.onnx.part.json"]
    kept = (home / "model.onnx.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert fetch(card).read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={kept}-"


def test_two_processes_fetch_once(server: Server, home: Path, tmp_path: Path) -> None:
    url = server.answer(held)
    with process(url, tmp_path) as first:
        assert first.stdout.readline() == "fetching model.onnx\n"
        with process(url, tmp_path) as second:
            assert second.stdout.readline() == (
                f"waiting for process {first.pid}, which fetches model.onnx\n"
            )
            server.let_go.set()
            for one in (first, second):
                assert one.communicate(timeout=120)[0].endswith(f"{home / 'model.onnx'}\n")
                assert one.returncode == 0
    assert len(server.asked) == 1


def test_what_another_process_fetched_meanwhile_needs_no_room(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def taken_after_another(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
        (home / "model.onnx").write_bytes(CONTENT)
        yield

    without_sockets(monkeypatch)
    full = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    monkeypatch.setattr(FETCH, "file_lock", taken_after_another)
    assert fetch(card_for("https://example.org/model.onnx")) == home / "model.onnx"


def test_the_lock_dies_with_its_holder(server: Server, home: Path, tmp_path: Path) -> None:
    url = server.answer(held, good)
    with process(url, tmp_path) as first:
        assert first.stdout.readline() == "fetching model.onnx\n"
        with process(url, tmp_path) as second:
            assert second.stdout.readline().startswith("waiting for process")
            first.send_signal(signal.SIGKILL)
            assert second.communicate(timeout=120)[0].endswith(f"{home / 'model.onnx'}\n")
            assert second.returncode == 0
    assert server.asked[-1][1] == f"bytes={HALF}-"


def test_nothing_heavy_is_imported_until_something_is_fetched() -> None:
    code = (
        "import sys, trimatte.engines.weights.fetch\n"
        "sys.exit(' '.join({'pooch', 'requests', 'tomllib', 'tomli'} & set(sys.modules)) or 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def process(url: str, folder: Path) -> subprocess.Popen[str]:
    """Another process that fetches the model, and prints what its progress is told."""
    card = folder / "model.toml"
    card.write_text(
        f'urls = ["{url}"]\nsha256 = "{SHA256}"\nsize = {len(CONTENT)}\n'
        "[input]\nsize = [8, 8]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n"
    )
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from trimatte.engines.weights.cards import find_card\n"
        "from trimatte.engines.weights.fetch import fetch\n"
        "card = find_card(Path(sys.argv[1]))\n"
        "print(fetch(card, progress=lambda what, fraction: print(what, flush=True)))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(card)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def part(home: Path, content: bytes) -> None:
    home.mkdir(parents=True)
    (home / "model.onnx.part").write_bytes(content)

"""A data set and a service on Ray, on two cores: nothing lost or twice, every request answered."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run
from trimatte import ArgumentError, EngineError, Remover
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png, write_image
from trimatte.ray import DatasetSummary, Limits, remove_dataset, service
from trimatte.ray.cluster import connected
from trimatte.ray.ledger import MOST_ATTEMPTS, Ledger
from trimatte.ray.manifest import Manifest
from trimatte.ray.meter import Meter, ReplicaState
from trimatte.ray.stores import open_store

ray: Any = pytest.importorskip("ray", reason="test_ray: pip install 'trimatte[ray]'")
serve: Any = pytest.importorskip("ray.serve", reason="test_ray: pip install 'trimatte[ray]'")
fs: Any = pytest.importorskip("pyarrow.fs")
fsspec_local: Any = pytest.importorskip("fsspec.implementations.local")
DeadlyFiles: Any = pytest.importorskip("tests.helpers.deadly_files").DeadlyFiles

# Ray Data sets what it has deprecated itself when it makes its settings.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\.context")

PAGE = Path(__file__).parents[2] / "docs" / "ray.md"

QUICK: dict[str, Any] = {"key_color": "green", "tolerance": 30.0, "quality": "fast"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on two cores of this machine, whose workers can import `tests`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        path = [str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="warning")
        children = processes_below(os.getpid())
        yield
        ray.shutdown()
        assert children
        wait_until(lambda: not any(is_running(child) for child in children))


def processes_below(parent: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            found[int(folder.name)] = int(fields[1])
        except OSError:
            continue
    below = [parent]
    for each in below:
        below += [child for child, its in found.items() if its == each]
    return below[1:]


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(done: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def picture(index: int) -> Any:
    """A disc before a green screen, at another place for each index."""
    y, x = np.indices((48, 64))
    image = np.empty((48, 64, 3), np.uint8)
    image[:] = (20, 190, 30)
    image[(y - 20) ** 2 + (x - 14 - 3 * index) ** 2 < 110] = (200, 60 + 5 * index, 120)
    return image


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten images in two folders, of which two would share an output if suffixes were replaced."""
    folder = tmp_path / "source"
    for index in range(8):
        place = folder / ("" if index % 2 else "sub folder") / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_image(place, picture(index))
    write_image(folder / "1.tif", picture(8))
    write_image(folder / "1.png.png", picture(9))
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_text("no image")
    return folder


def images_in(folder: Path) -> list[str]:
    """The images of a folder, by their paths in it, with those that are hidden."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".png", ".tif", ".webp", ".tiff", ".part")
    )


def outputs_of(source: Path, suffix: str = ".png") -> list[str]:
    return sorted(f"{name}{suffix}" for name in images_in(source) if not name.startswith("."))


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    found = {str(path): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def counts(summary: DatasetSummary) -> tuple[int, int, int]:
    return summary.done, summary.skipped, summary.failed


def lines_of(sink: Path) -> list[str]:
    """The paths that a manifest has a record of."""
    files = (sink / ".trimatte" / "manifest").glob("*")
    return sorted(
        json.loads(line)["path"] for file in files for line in file.read_text().splitlines()
    )


# --- the command, first, as it wants both cores ---


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Service:
    """A service, and how to ask it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def __call__(
        self, path: str, body: bytes | None = None, method: str | None = None, **headers: str
    ) -> tuple[int, str, bytes]:
        """Status, media type and body."""
        method = method or ("GET" if body is None else "POST")
        asked = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read()

    def refusal(self, *arguments: Any, **headers: str) -> tuple[int, str]:
        """Status and reason."""
        status, kind, body = self(*arguments, **headers)
        assert kind == "application/json"
        return status, json.loads(body)["error"]

    def samples(self) -> dict[str, float]:
        status, kind, body = self("/metrics")
        assert status == 200
        assert kind.startswith("text/plain; version=")
        lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    port = free_port()
    command = [sys.executable, "-m", "trimatte", "serve", "--port", str(port), "--quality", "fast"]
    command += ["--max-memory", "200MiB"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "POST images to" in process.stdout.readline()
        assert Service(port)("/remove", encode_png(picture(1)))[0] == 200
        status, _, body = Service(port)("/remove", encode_png(np.zeros((1500, 1500, 3), np.uint8)))
        assert status == 422
        assert b"more than max_memory=200.0 MiB" in body
        children = processes_below(process.pid)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert children
        wait_until(lambda: not any(is_running(child) for child in children))
    finally:
        process.kill()
        process.communicate()


# --- the data set ---


@pytest.mark.usefixtures("cluster")
def test_every_image_is_cut_out_once(source: Path, tmp_path: Path) -> None:
    sink = tmp_path / "new" / "sink"
    (source / "broken.png").write_bytes(b"no image")
    whole = encode_png(picture(0))
    (source / "cut.png").write_bytes(whole[: len(whole) // 2])
    told: list[tuple[int, int]] = []

    first = remove_dataset(source, sink, progress=lambda *numbers: told.append(numbers), **QUICK)

    assert counts(first) == (10, 0, 2)
    assert [failure.path for failure in first.failures] == ["broken.png", "cut.png"]
    assert "not an image" in first.failures[0].cause
    assert told == [(done, 12) for done in range(1, 13)]
    for broken in ("broken.png", "cut.png"):
        (source / broken).unlink()
    assert images_in(sink) == outputs_of(source)
    for name in images_in(source):
        if not name.startswith("."):
            expected = Remover(**QUICK)(source / name).rgba
            np.testing.assert_array_equal(read_image(sink / f"{name}.png"), expected)

    before = stamps(sink)
    again = remove_dataset(source, sink, **QUICK)
    assert counts(again) == (0, 10, 0)
    assert again.workers == 0
    assert stamps(sink) == before

    write_image(source / "3.png", picture(9))
    (sink / "5.png.png").unlink()
    assert counts(remove_dataset(source, sink, **QUICK)) == (2, 8, 0)
    np.testing.assert_array_equal(read_image(sink / "3.png.png"), Remover(**QUICK)(picture(9)).rgba)
    changed = {path for path, stamp in stamps(sink).items() if before.get(path) != stamp}
    assert {Path(path).name for path in changed if ".jsonl" not in path} == {
        "3.png.png",
        "5.png.png",
    }

    options = QUICK | {"tolerance": 31.0}
    assert counts(remove_dataset(source, sink, workers=1, **options)) == (10, 0, 0)
    assert len(set(lines_of(sink))) == len(lines_of(sink)) == 12


@pytest.mark.usefixtures("cluster")
def test_a_run_that_is_stopped_goes_on(source: Path, tmp_path: Path) -> None:
    sink = source / "cutouts"  # within the source: its images are none of the source's

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_dataset(source, sink, batch_size=1, workers=1, progress=stop, **QUICK)
    assert len(lines_of(sink)) == 4
    summary = remove_dataset(source, sink, batch_size=1, workers=1, **QUICK)
    assert counts(summary) == (6, 4, 0)
    assert len(set(lines_of(sink))) == len(lines_of(sink)) == 10
    assert not (sink / ".trimatte" / "parts").exists()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("at", ["read", "moved"])
def test_a_killed_worker_loses_and_repeats_nothing(at: str, source: Path, tmp_path: Path) -> None:
    deaths, sink = tmp_path / "deaths", tmp_path / "sink"
    deaths.mkdir()
    # Before it has begun on the image, or when the cutout is there but nobody knows of it.
    name = {"read": "3.png", "moved": "3.png.png"}[at]
    deadly = DeadlyFiles(str(deaths), at, name, 1)
    where = {"read": "source_filesystem", "moved": "sink_filesystem"}[at]

    summary = remove_dataset(source, sink, batch_size=3, **{where: deadly}, **QUICK)

    assert len(list(deaths.iterdir())) == 1
    assert counts(summary) == (10, 0, 0)
    assert images_in(sink) == outputs_of(source)
    assert len(set(lines_of(sink))) == len(lines_of(sink)) == 10
    assert counts(remove_dataset(source, sink, **{where: deadly}, **QUICK)) == (0, 10, 0)


@pytest.mark.usefixtures("cluster")
def test_an_image_that_kills_every_worker_is_listed(source: Path, tmp_path: Path) -> None:
    deaths, sink = tmp_path / "deaths", tmp_path / "sink"
    deaths.mkdir()
    deadly = DeadlyFiles(str(deaths), "read", "3.png", 99)
    summary = remove_dataset(source, sink, source_filesystem=deadly, workers=1, **QUICK)
    assert len(list(deaths.iterdir())) == MOST_ATTEMPTS
    assert counts(summary) == (9, 0, 1)
    [failure] = summary.failures
    assert failure.path == "3.png"
    assert "the workers died" in failure.cause
    assert images_in(sink) == [name for name in outputs_of(source) if name != "3.png.png"]


@pytest.mark.usefixtures("cluster")
def test_places_of_a_filesystem(source: Path, tmp_path: Path) -> None:
    """As a bucket is: a file system that only knows paths below its root."""
    below = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    summary = remove_dataset(
        *("source", "sink"),
        source_filesystem=below,
        sink_filesystem=below,
        format="webp",
        workers=1,
        **QUICK,
    )
    assert counts(summary) == (10, 0, 0)
    assert images_in(tmp_path / "sink") == outputs_of(source, ".webp")
    # The same places, by other names of theirs.
    again = remove_dataset(source.as_uri(), tmp_path / "sink", format="webp", **QUICK)
    assert counts(again) == (0, 10, 0)


@pytest.mark.usefixtures("cluster")
def test_what_workers_cannot_do_is_said(source: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    with pytest.raises(ArgumentError, match="got 3 CPU a worker; the largest nodes have 2 CPU"):
        remove_dataset(source, sink, cpus=3, **QUICK)
    with pytest.raises(ArgumentError, match="got 1 CPU, 1 GPU a worker"):
        remove_dataset(source, sink, gpus=1, **QUICK)
    with pytest.raises(ArgumentError, match="the name of a model, got 'nonesuch'"):
        remove_dataset(source, sink, model="nonesuch")
    assert not sink.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "jpeg"}, "format must be one of png, webp, tiff, got 'jpeg'"),
        ({"workers": 0}, "workers must be a whole number from 1 on, got 0"),
        ({"batch_size": 1.5}, "batch_size must be a whole number from 1 on, got 1.5"),
        ({"cpus": True}, "cpus must be a whole number"),
        ({"gpus": 1.5}, "gpus must be a share of one"),
        ({"quality": "nice"}, "quality must be one of"),
        ({"model": object()}, "options must be strings, numbers and lists"),
        ({"source_filesystem": "s3"}, "source_filesystem must be pyarrow's or fsspec's, got str"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str, source: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        remove_dataset(source, source.parent / "sink", **options)
    assert not ray.is_initialized() or not (source.parent / "sink").exists()


def test_wrong_places(source: Path) -> None:
    with pytest.raises(ArgumentError, match="there is no folder"):
        remove_dataset(source / "none", source.parent / "sink")
    with pytest.raises(ArgumentError, match="sink must not be a folder that source lies in"):
        remove_dataset(source, source.parent)
    with pytest.raises(ArgumentError, match="sink must be another folder than source"):
        remove_dataset(source, f"{source.parent}/./source/")
    with pytest.raises(ArgumentError, match="source must be a folder's path"):
        remove_dataset(3, source)
    with pytest.raises(ArgumentError, match="'nosuch://a/b' cannot be opened"):
        remove_dataset("nosuch://a/b", source)


@pytest.mark.usefixtures("cluster")
def test_the_code_of_the_page_runs(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of which the page says that it runs here."""
    monkeypatch.chdir(source.parent)
    source.rename("photos")
    names: dict[str, Any] = {}
    ours = r"<!-- not run: [^>]*\(tests/ray/test_ray\.py\) -->\n```python\n(.*?)```"
    blocks = re.findall(ours, PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert counts(names["summary"]) == (0, 10, 0)
    assert images_in(Path("cutouts")) == outputs_of(Path("photos"))


# --- its parts, without Ray ---


def test_a_store_writes_whole_files_or_none() -> None:
    memory = fs._MockFileSystem()
    memory.create_dir("bucket/folder")
    store = open_store("bucket/folder", memory, "test")
    store.write("a/b.png", b"first")
    store.write("a/b.png", b"second")
    store.write(".trimatte/manifest/1", b"hidden")
    assert store.read("a/b.png") == b"second"
    assert [(file.path, file.size) for file in store.images()] == [("a/b.png", 6)]
    assert store.names(".trimatte/manifest") == ["1"]

    assert store.holds(open_store("bucket/folder/a/b", memory, "test")) == "a/b"
    assert store.holds(open_store("bucket/other", memory, "test")) is None
    assert store.holds(open_store("bucket/folder", None, "test")) is None


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    class Full(fsspec_local.LocalFileSystem):  # type: ignore[misc]
        def mv(self, path1: str, path2: str, **options: Any) -> None:
            raise OSError(28, "No space left on device")

    store = open_store(tmp_path, Full(skip_instance_cache=True), "test")
    with pytest.raises(OSError, match="No space left"):
        store.write("a.png", b"data")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_manifest_keeps_the_latest(tmp_path: Path) -> None:
    store = open_store(tmp_path, None, "test")
    manifest = Manifest(store)
    manifest.add([{"path": "a", "error": "broken"}, {"path": "b", "error": None}])
    manifest.add([{"path": "a", "error": None}])
    assert Manifest(store).records == manifest.records
    other = Manifest(store)  # of another run, which ends later
    manifest.compact()
    assert lines_of(tmp_path) == ["a", "b"]
    other.add([{"path": "c", "error": None}])
    other.compact()  # what the first has compacted is not its to delete
    assert set(lines_of(tmp_path)) == {"a", "b", "c"}
    assert Manifest(store).records["a"] == {"path": "a", "error": None}

    [file, *_] = (tmp_path / ".trimatte" / "manifest").iterdir()
    file.write_text('{"path": ')
    with pytest.raises(ArgumentError, match=f"{file.name} in the sink is not sound"):
        Manifest(store)


def test_a_ledger_counts_attempts_and_keeps_records() -> None:
    ledger = Ledger()
    assert ledger.begin(["a", "b"]) == [1, 1]
    ledger.end([{"path": "a"}])
    assert ledger.look(["a", "b", "c"]) == [(1, {"path": "a"}), (1, None), (0, None)]
    assert ledger.begin(["b"]) == [2]
    ledger.forget(["a", "b"])
    assert ledger.look(["a", "b"]) == [(0, None), (0, None)]


def test_a_meter_speaks_prometheus() -> None:
    meter = Meter()
    meter.started(ReplicaState("one", 0, 0, 5))
    meter.answered(200, 0.05, ReplicaState("one", 1, 3, 6))
    meter.answered(200, 99.0, ReplicaState("one", 2, 4, 7))
    meter.answered(422, 0.01, ReplicaState("two", 1, 1, 8))
    lines = [line for line in meter.text().splitlines() if not line.startswith("#")]
    samples = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
    assert len(samples) == len(lines) == 2 + 11 + 2 + 1 + 3 * 2
    assert samples['trimatte_requests_total{status="200"}'] == 2
    assert samples['trimatte_requests_total{status="422"}'] == 1
    assert samples['trimatte_request_seconds_bucket{le="0.05"}'] == 1
    assert samples['trimatte_request_seconds_bucket{le="60"}'] == 1
    assert samples['trimatte_request_seconds_bucket{le="+Inf"}'] == 2
    assert samples["trimatte_request_seconds_count"] == 2
    assert samples["trimatte_replicas_started_total"] == 2
    assert samples['trimatte_replica_images_total{replica="one"}'] == 4


# --- the service ---


LIMITS = Limits(max_bytes=20_000, max_pixels=64 * 64, seconds=30, queued=64)


@pytest.fixture(scope="module")
def running(cluster: None) -> Iterator[Service]:
    port = free_port()
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    application = service(
        limits=LIMITS, batch_size=4, batch_wait=0.2, also_models=["u2net-lite"], **QUICK
    )
    late = service(limits=Limits(seconds=0.001), **QUICK)
    serve.run_many(
        [
            serve.RunTarget(application, name="tested", route_prefix="/"),
            serve.RunTarget(late, name="late", route_prefix="/late"),
        ]
    )
    yield Service(port)
    serve.shutdown()


def test_an_image_in_gives_a_cutout_out(running: Service, tmp_path: Path) -> None:
    image = encode_png(picture(2))
    expected = Remover(**QUICK)(picture(2)).rgba
    for path, headers, kind in (
        ("/remove", {}, "image/png"),
        ("/remove?format=webp", {"Accept": "image/tiff"}, "image/webp"),
        ("/remove", {"Accept": "text/html, image/webp;q=0.5, image/tiff"}, "image/tiff"),
        ("/remove", {"Accept": "image/*;q=0.1"}, "image/png"),
        ("/remove", {"Accept": "image/png;q=0, image/*"}, "image/webp"),
    ):
        status, said, body = running(path, image, **headers)
        assert (status, said) == (200, kind)
        np.testing.assert_array_equal(read_image(body), expected)


def test_a_form_in_gives_what_its_fields_ask_for(running: Service) -> None:
    pytest.importorskip("python_multipart")
    image = encode_png(picture(2))
    head = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n'
    file = b"--x\r\n" + head.format("file", '; filename="p.png"').encode() + image
    field = b"\r\n--x\r\n" + head.format("only_mask", "").encode() + b"true\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    status, said, body = running("/remove?crop=2", file + field, **kind)
    assert (status, said) == (200, "image/png")
    expected = Remover(**QUICK)(picture(2)).crop(2).rgba[:, :, 3]
    np.testing.assert_array_equal(read_image(body)[:, :, 0], expected)


def test_a_request_asks_for_one_of_the_networks(running: Service) -> None:
    status, _, body = running("/remove?model=u2net-lite", encode_png(picture(2)))
    assert status == 200
    expected = Remover(model="u2net-lite", **QUICK)(picture(2)).rgba
    np.testing.assert_array_equal(read_image(body), expected)


def test_an_answer_says_how_unsure_the_network_was(running: Service) -> None:
    expected = Remover(model="u2net-lite", **QUICK)(picture(2)).unsure
    asked = urllib.request.Request(f"{running.url}/remove?model=u2net-lite", encode_png(picture(2)))
    with urllib.request.urlopen(asked, timeout=120) as answer:
        assert answer.headers["Trimatte-Unsure"] == f"{expected:.4f}"


def test_images_that_wait_are_cut_out_together(running: Service) -> None:
    before = running.samples()
    images = [encode_png(picture(index)) for index in range(12)]
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda image: running("/remove", image), images))
    for index, (status, _, body) in enumerate(answers):
        assert status == 200
        np.testing.assert_array_equal(read_image(body), Remover(**QUICK)(picture(index)).rgba)

    def gained(pattern: str) -> float:
        after = running.samples()
        return sum(
            value - before.get(name, 0) for name, value in after.items() if re.match(pattern, name)
        )

    wait_until(lambda: gained('trimatte_requests_total{status="200"}') == 12)
    assert gained("trimatte_replica_images_total") == 12
    assert 3 <= gained("trimatte_replica_batches_total") < 12


def test_bad_requests_are_told_why(running: Service) -> None:
    image = encode_png(picture(0))
    assert running.refusal("/remove", b"") == (400, "the body is empty; it must be an image")
    assert running.refusal("/remove?format=jpeg", image)[0] == 400
    assert running.refusal("/remove?model=u2net", image)[0] == 400
    assert "no option 'fromat'" in running.refusal("/remove?fromat=png", image)[1]
    assert running.refusal("/remove", b"<svg/>")[0] == 415
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    assert running.refusal("/remove", script)[0] == 415
    status, reason = running.refusal("/remove", image[: len(image) // 2])
    assert status == 422
    assert reason.startswith("read_image: ")
    assert "truncated" in reason or "broken" in reason
    assert running.refusal("/remove", image, Accept="text/html, image/png;q=0")[0] == 406
    assert running.refusal("/remove", bytes(LIMITS.max_bytes + 1))[0] == 413
    large = encode_png(np.zeros((65, 64, 3), np.uint8))
    assert running.refusal("/remove", large) == (
        413,
        "the image is 64 x 65; it may have 4096 pixels at most",
    )
    header = b"IHDR" + b"\x00\x00\xff\xff" * 2 + large[24:29]  # says that it is huge
    both = b"II*\0" + bytes(508)  # says TIFF; IM's header follows
    assert running.refusal("/remove", both)[0] == 415
    bomb = large[:12] + header + zlib.crc32(header).to_bytes(4, "big") + large[33:]
    assert running.refusal("/remove", bomb)[0] == 413
    assert running.refusal("/remove")[0] == 405
    assert running.refusal("/health", b"x")[0] == 405
    assert running.refusal("/http://127.0.0.1/photo.jpg", image)[0] == 404
    assert running.refusal("/remove", b"http://127.0.0.1/photo.jpg")[0] == 415
    assert running("/remove", image)[0] == 200


def test_a_body_of_unknown_length_is_bounded_too(running: Service) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    chunk = b"1000\r\n" + bytes(0x1000) + b"\r\n"
    with socket.create_connection((host, int(port)), timeout=120) as client:
        head = b"POST /remove HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head + chunk * 6)  # and no end
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


def test_health(running: Service) -> None:
    assert running("/health")[::2] == (200, b'{"status":"ok"}')


def test_what_takes_too_long_is_said(running: Service) -> None:
    status, reason = running.refusal("/late/remove", encode_png(picture(0)))
    assert (status, reason) == (504, "it is not done within 0.001 s")
    assert running("/late/health")[0] == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicas": 0}, "replicas must be a whole number"),
        ({"batch_size": None}, "batch_size must be a whole number"),
        ({"batch_wait": -1}, "batch_wait must be seconds"),
        ({"gpus": -1}, "gpus must be"),
        ({"also_models": "u2net"}, "also_models must be a list"),
    ],
)
def test_a_service_that_makes_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        service(**options)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "1", True, None])
def test_limits_are_above_zero(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="seconds must be a number above 0"):
        Limits(seconds=wrong)
    with pytest.raises(ArgumentError, match="max_bytes must be a whole number above 0"):
        Limits(max_bytes=wrong)


# --- the command, in what needs no service ---


def test_wrong_usage_of_the_command(run: Run) -> None:
    assert run("serve", "--batch", 0)[::2] == (
        2,
        "trimatte: --batch must be a whole number from 1 on, got 0\n",
    )
    code, _, error = run("serve", "--timeout", "nan")
    assert (code, error) == (2, "trimatte: --timeout must be a number above 0, got nan\n")


def test_without_ray_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(
        EngineError, match=r"pip install 'ray\[data,serve\]', or trimatte with its extra \[ray\]"
    ):
        remove_dataset(tmp_path, tmp_path / "sink")


def test_a_cluster_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refused)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with (
        pytest.raises(EngineError, match="the cluster at 10-0-0-1 cannot be had: nobody"),
        connected(address="10-0-0-1"),
    ):
        pass

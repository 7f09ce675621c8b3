"""A whole data set on a Ray cluster: every image of a folder or a bucket, once."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from trimatte.errors import ArgumentError, EngineError, Error
from trimatte.optional import require
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.ray.cluster import checked_cpus, checked_gpus, connected, load, placed
from trimatte.ray.cutting import BatchRemover, checked_format
from trimatte.ray.ledger import MOST_ATTEMPTS, Ledger
from trimatte.ray.manifest import Manifest
from trimatte.ray.stores import SourceFile, Store, open_store

__all__ = ["DatasetSummary", "Failure", "remove_dataset"]

Record = dict[str, Any]

# How much is lost when the driver dies: the records since the manifest was last written.
_RECORDS_KEPT = 1000
_SECONDS_KEPT = 10.0

# Blocks of rows that Ray hands to workers: enough to even out slow ones, few to keep track of.
_BLOCKS_A_WORKER = 16
_MOST_BLOCKS = 4096


class Failure(NamedTuple):
    """An image that was not cut out: its path below the source, and why."""

    path: str
    cause: str


@dataclass(frozen=True)
class DatasetSummary:
    """What `remove_dataset` did: images cut out, passed over as they were done already, failed;
    which failed and why, by path; the seconds it took; its workers, 0 where nothing was to do."""

    done: int
    skipped: int
    failures: tuple[Failure, ...]
    seconds: float
    workers: int

    @property
    def failed(self) -> int:
        """How many failed."""
        return len(self.failures)


def remove_dataset(
    source: Any,
    sink: Any,
    *,
    format: str = "png",
    workers: int | None = None,
    cpus: int = 1,
    gpus: float = 0,
    batch_size: int = 8,
    source_filesystem: Any = None,
    sink_filesystem: Any = None,
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> DatasetSummary:
    """Cut out every image below a folder, in sub-folders too, by a pool of workers on Ray.

    The cutout of ``a/b.jpg`` is ``a/b.jpg.png`` in the sink, so that no two images share one. Each
    is written whole or not at all. A manifest within the sink, in ``.trimatte/manifest``, says what
    is done, and by which `Route`: a run that was stopped goes on where it was, and one more does
    nothing. What is done
    anew: images whose size or time has changed, whose cutout is gone, that failed, and all where
    the format or the options are others. One run at a time may write to a sink.

    An image that cannot be read or cut out is listed, and the others go on. A worker that dies is
    started again, and what it had begun is done by it or by another; an image that three workers
    died of is listed, too.

    Ray is used as the caller has connected to it, or as RAY_ADDRESS says; else it is started on
    this machine for as long as this lasts. On a cluster, a local folder must be one that all nodes
    share.

    Args:
        source, sink: folders: a path, or "s3://bucket/folder" and what else pyarrow knows. Hidden
            files and folders are passed over. The sink may lie within the source.
        format: "png", "webp" (lossless) or "tiff".
        workers: how many; None: as many as fit on the cluster's nodes now.
        cpus: cores of each worker, and its threads.
        gpus: of each worker, such as 1 or 0.5; its device is then "cuda".
        batch_size: images that a worker reads and cuts out at a time.
        source_filesystem, sink_filesystem: pyarrow's or fsspec's, in which source and sink are
            paths.
        progress: called with the images done or failed, and how many there are to do.
        options: of `Remover`, as strings, numbers and lists.

    Returns:
        A `DatasetSummary`.

    Raises:
        ArgumentError: there is no such source, a place cannot be opened or written, an option is
            out of range, no node is as large as a worker.
        EngineError: Ray is missing, or the workers could not be started.
    """
    begun = time.perf_counter()
    settings = _Settings(options, checked_format(format, "remove_dataset"))
    shape = _Shape.checked(workers, cpus, gpus, batch_size)
    load("ray.data")
    inputs = open_store(source, source_filesystem, "remove_dataset: source")
    outputs = open_store(sink, sink_filesystem, "remove_dataset: sink")
    job = _Job(inputs, outputs, settings, shape)
    todo, skipped = job.plan()
    used = 0
    if todo:
        with connected() as ray:
            used = job.run(ray, todo, progress)
    failures = tuple(
        Failure(file.path, job.manifest.records[file.path]["error"])
        for file in todo
        if job.manifest.records[file.path]["error"] is not None
    )
    seconds = time.perf_counter() - begun
    return DatasetSummary(len(todo) - len(failures), skipped, failures, seconds, used)


# --- what was asked for ---


@dataclass(frozen=True)
class _Settings:
    """What decides on a cutout besides the image."""

    options: Mapping[str, Any]
    format: str

    def __post_init__(self) -> None:
        try:
            json.dumps(dict(self.options))
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                "remove_dataset: options must be strings, numbers and lists, which can go to a "
                f"worker, got {dict(self.options)!r:.200}"
            ) from error
        if self.options.get("model", "auto") in ("auto", None):
            Remover(**self.options)  # says now what is wrong; a named network is loaded by workers

    @property
    def token(self) -> str:
        """Tells these settings from others."""
        text = json.dumps([dict(self.options), self.format], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def output_of(self, path: str) -> str:
        """Where a cutout goes. The whole path stays, so that no two share one."""
        return f"{path}.{self.format}"


@dataclass(frozen=True)
class _Shape:
    """The pool of workers."""

    workers: int | None
    cpus: int
    gpus: float
    batch_size: int

    @staticmethod
    def checked(workers: Any, cpus: Any, gpus: Any, batch_size: Any) -> _Shape:
        for name, value in {"workers": workers, "batch_size": batch_size}.items():
            if value is None and name == "workers":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArgumentError(
                    f"remove_dataset: {name} must be a whole number from 1 on, got {value!r:.80}"
                )
        return _Shape(
            workers,
            checked_cpus(cpus, "remove_dataset"),
            checked_gpus(gpus, "remove_dataset"),
            batch_size,
        )

    def blocks(self, rows: int, workers: int) -> int:
        """Into how many blocks to divide so many rows: batches, as far as they are few."""
        batches = max(workers, math.ceil(rows / self.batch_size))
        return min(batches, rows, max(workers * _BLOCKS_A_WORKER, _MOST_BLOCKS))


# --- the driver ---


class _Job:
    """A run, in the driver's process: what is to do, and the records of it as they come."""

    def __init__(self, inputs: Store, outputs: Store, settings: _Settings, shape: _Shape) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._settings = settings
        self._shape = shape
        self._kept_out = inputs.holds(outputs)
        if self._kept_out == "":
            raise ArgumentError("remove_dataset: sink must be another folder than source")
        if outputs.holds(inputs) is not None:
            raise ArgumentError(
                "remove_dataset: sink must not be a folder that source lies in: cutouts might "
                "replace images"
            )
        try:
            if not inputs.exists():
                raise ArgumentError(f"remove_dataset: there is no folder {inputs.folder!r}")
            self.manifest = Manifest(outputs)
        except OSError as error:
            raise ArgumentError(
                f"remove_dataset: source or sink cannot be read: {error}"
            ) from error

    def plan(self) -> tuple[list[SourceFile], int]:
        """The images to cut out, by path, and how many are done."""
        there = {file.path for file in self._outputs.files()}
        todo, skipped = [], 0
        for file in sorted(self._images(), key=lambda file: file.path):
            output = self._settings.output_of(file.path)
            wanted = asdict(file) | {"output": output, "settings": self._settings.token}
            record = self.manifest.records.get(file.path, {})
            wanted |= {"error": None, "route": record.get("route")}
            if record == wanted and output in there:
                skipped += 1
            else:
                todo.append(file)
        return todo, skipped

    def _images(self) -> Iterator[SourceFile]:
        below = None if self._kept_out is None else f"{self._kept_out}/"
        return (
            file
            for file in self._inputs.images()
            if below is None or not file.path.startswith(below)
        )

    def run(
        self, ray: Any, todo: list[SourceFile], progress: Callable[[int, int], object] | None
    ) -> int:
        """Cut the images out; the number of workers. Their records are in the manifest then, and
        those so far are also where this ends otherwise."""
        shape = self._shape
        fit = placed(ray, {"CPU": shape.cpus, "GPU": shape.gpus}, "remove_dataset")
        workers = min(shape.workers or fit, len(todo))
        keep = ray.remote(Ledger).options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
        ledger = keep.remote()
        recent: list[Record] = []
        written = time.monotonic()
        done = 0

        def write_down() -> None:
            self.manifest.add(recent)
            ray.get(ledger.forget.remote([record["path"] for record in recent]))
            recent.clear()

        try:
            self._outputs.clear_parts()
            try:
                for record in self._records(ray, todo, ledger, workers):
                    recent.append(record)
                    done += 1
                    late = time.monotonic() - written > _SECONDS_KEPT
                    if len(recent) >= _RECORDS_KEPT or late:
                        write_down()
                        written = time.monotonic()
                    if progress is not None:
                        progress(done, len(todo))
            finally:
                if recent:
                    write_down()
            self.manifest.compact()
            self._outputs.clear_parts()
        except OSError as error:
            raise ArgumentError(f"remove_dataset: sink cannot be written: {error}") from error
        finally:
            with suppress(ray.exceptions.RayError):
                ray.kill(ledger)
        if done != len(todo):
            raise EngineError(f"remove_dataset: Ray returned {done} of {len(todo)} records")
        return workers

    def _records(
        self, ray: Any, todo: list[SourceFile], ledger: Any, workers: int
    ) -> Iterator[Record]:
        """The records of the images, as they come from the workers."""
        shape = self._shape
        data = load("ray.data")
        rows = [asdict(file) for file in todo]
        images = data.from_items(rows, override_num_blocks=shape.blocks(len(rows), workers))
        cut = images.map_batches(
            _Worker,
            fn_constructor_args=(self._inputs, self._outputs, self._settings, shape, ledger),
            compute=data.ActorPoolStrategy(size=workers),
            batch_size=None,  # a block at a time, which the worker divides
            batch_format="pyarrow",
            num_cpus=shape.cpus,
            num_gpus=shape.gpus or None,
        )
        cut.context.enable_progress_bars = False
        try:
            yield from cut.iter_rows()
        except ray.exceptions.RayError as error:
            raise _told(ray.get(ledger.why_broken.remote()), error) from error


def _told(broken: Exception | None, error: Exception) -> Error:
    """What to raise for a worker that could not start, or for an error of Ray's."""
    if isinstance(broken, Error):
        return broken
    return EngineError(f"remove_dataset: the workers do not run: {broken or error!r}")


# --- a worker ---


class _Worker:
    """Cuts out batches of images, in a process of its own."""

    def __init__(
        self, inputs: Store, outputs: Store, settings: _Settings, shape: _Shape, ledger: Any
    ) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._settings = settings
        self._ray = load()
        self._ledger = ledger
        self._batch_size = shape.batch_size
        self._remover: BatchRemover | Exception
        try:
            self._remover = BatchRemover(settings.options, cpus=shape.cpus, gpus=shape.gpus)
        except Exception as error:  # raised by the first batch, or Ray would start it anew
            self._remover = error
            self._ask("is_broken", error)
        self._pool = ThreadPoolExecutor(shape.batch_size, "trimatte-ray")

    def __call__(self, table: Any) -> Any:
        """The records of a table of `SourceFile`s."""
        if isinstance(self._remover, Exception):
            raise self._remover
        arrow = require("pyarrow", extra="ray", purpose="trimatte.ray")
        files = [SourceFile(**row) for row in table.to_pylist()]
        records: dict[str, Record] = {}
        for first in range(0, len(files), self._batch_size):
            records |= self._records(files[first : first + self._batch_size])
        types = {"size": arrow.int64(), "modified": arrow.int64()}
        names = ("path", "size", "modified", "output", "settings", "error", "route")
        schema = arrow.schema([(name, types.get(name, arrow.string())) for name in names])
        return arrow.Table.from_pylist([records[file.path] for file in files], schema=schema)

    def _records(self, files: list[SourceFile]) -> dict[str, Record]:
        """By path. What a worker before this one has done is passed over; what it had begun when
        it died is done alone, lest the one image that it died of takes others with it."""
        known = self._ask("look", [file.path for file in files])
        records = {record["path"]: record for _, record in known if record is not None}
        fresh = [
            file
            for file, (attempts, record) in zip(files, known, strict=True)
            if not attempts and record is None
        ]
        self._ask("begin", [file.path for file in fresh])
        for record in self._cut(fresh):
            records[record["path"]] = record
        for file in files:
            if file.path not in records:
                [attempts] = self._ask("begin", [file.path])
                if attempts > MOST_ATTEMPTS:
                    cause = f"the workers died that were at it, {MOST_ATTEMPTS} times"
                    [records[file.path]] = self._ended([self._record(file, cause)])
                else:
                    [records[file.path]] = self._cut([file])
        return records

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self._ray.get(getattr(self._ledger, method).remote(*arguments))

    def _ended(self, records: list[Record]) -> list[Record]:
        self._ask("end", records)
        return records

    def _cut(self, files: list[SourceFile]) -> list[Record]:
        """Read, cut out and write images, and tell the ledger."""
        read = list(self._pool.map(self._read, files))
        assert isinstance(self._remover, BatchRemover)
        results = iter(self._remover.cut([data for data in read if isinstance(data, bytes)]))
        cut = [next(results) if isinstance(data, bytes) else data for data in read]
        return self._ended(list(self._pool.map(self._write, files, cut)))

    def _read(self, file: SourceFile) -> bytes | Exception:
        try:
            return self._inputs.read(file.path)
        except Exception as error:
            return error

    def _write(self, file: SourceFile, result: Result | Exception) -> Record:
        cause: Exception | None = None
        route: str | None = None
        try:
            if isinstance(result, Exception):
                raise result
            route = str(result.route)
            data = result.encode(self._settings.format)
            self._outputs.write(self._settings.output_of(file.path), data)
        except Exception as error:
            cause = error
        if cause is None:
            return self._record(file, None, route)
        told = isinstance(cause, (Error, OSError)) and str(cause)
        return self._record(file, str(cause) if told else f"{cause!r}")

    def _record(self, file: SourceFile, cause: str | None, route: str | None = None) -> Record:
        return {
            **asdict(file),
            "output": self._settings.output_of(file.path),
            "settings": self._settings.token,
            "error": cause,
            "route": route,
        }

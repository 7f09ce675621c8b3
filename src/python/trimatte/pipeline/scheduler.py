"""Many images through the stages of a Remover: on threads, in their order, within bounds."""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from trimatte._core import Cancellation, cpu_count
from trimatte.arrays import check_count
from trimatte.devices import get_num_threads
from trimatte.errors import ArgumentError, EngineError, Error, QueueFullError
from trimatte.io.reading import Header, read_header
from trimatte.io.sources import is_path, measurable
from trimatte.pipeline.budget import Budget, check_fits, in_words
from trimatte.threads import Worker, wait_for_all

__all__ = ["Finish", "Job", "Plan", "Scheduler", "Stages", "in_order", "number_at_work", "unnamed"]

Finish = Callable[[Any], Any]
"""Makes something of a `Result`, as its file, on a thread of its own."""

_log = logging.getLogger("trimatte")


class _AtWork(threading.local):
    number: int | None = None


_at_work = _AtWork()


def number_at_work() -> int | None:
    """The number, in its stream, of the image that the calling thread works on, as for `finish` or
    for whoever hears a warning; None outside of a stream. Of a batch it is the first one's."""
    return _at_work.number


@dataclass(frozen=True)
class Stages:
    """What is done to an image, in this order; each stage gets what the one before returned.

    read: decodes a source. shape: of the network's input; None where no network sees the image.
    segment: lets the network see images of one shape at once, and keeps in them what it says.
    cut: the rest, up to the `Result`. header: of what `read` returned.
    """

    read: Callable[[Any], Any]
    header: Callable[[Any], Header]
    shape: Callable[[Any], Hashable | None]
    segment: Callable[[list[Any]], None]
    cut: Callable[[Any], Any]


@dataclass(frozen=True)
class Plan:
    """How much is done at once. workers: threads that segment and cut, an image or a batch each.
    batch_size: images that the network sees at once, at most."""

    workers: int
    batch_size: int

    @classmethod
    def of(cls, workers: int | None, batch_size: int | None, operation: str) -> Plan:
        """The plan that options ask for. None: as many workers as keep all cores busy, each with
        the threads that an operation uses; no batches.

        Raises ArgumentError: an option is out of range.
        """
        for name, value in (("workers", workers), ("batch_size", batch_size)):
            check_count(value, operation, name, optional=True)
        return cls(workers or max(1, cpu_count() // get_num_threads()), batch_size or 1)

    @property
    def beside(self) -> int:
        """Threads that decode, and as many that finish: that takes a small part of the time that
        the rest does."""
        return (self.workers + 3) // 4

    @property
    def ahead(self) -> int:
        """Images that are begun and not done, at most: enough that no thread waits for one."""
        return self.workers + self.batch_size + 2 * self.beside


class Job:
    """An image on its way; `future` gets what becomes of it, or the exception.

    what: its name in the exception; None: that is not named. finish: the last stage. number: see
    `number_at_work`; a named exception has it as `image_index`.
    """

    def __init__(
        self,
        stages: Stages,
        source: Any,
        what: str | None = None,
        finish: Finish | None = None,
        number: int | None = None,
    ) -> None:
        self.stages = stages
        self.what = what
        self.finish = finish
        self.number = number
        self.future: Future[Any] = Future()
        self.value = source  # then what the last stage made of it
        self.likeness: Hashable | None = None  # see `likeness_of`
        self.taken = 0  # bytes of the budget
        self.dropped = False  # nobody waits for it any more
        self.settled = False

    def likeness_of(self, image: Any) -> Hashable | None:
        """What those have in common that the network sees at once; None: no network sees it."""
        shape = self.stages.shape(image)
        return None if shape is None else (self.stages.segment, shape)


class Scheduler:
    """Threads that take jobs through their stages: some decode, some segment and cut, some finish.

    Jobs are begun in their order, as many at a time as the plan and the budget allow, and may be
    done in another. A worker takes what is nearest to its end. A batch is what waits for the
    network when a worker gets to it: none waits for others, and where the network is what takes
    long they are full.

    budget: holds what a job may take from when it is begun, and what its result takes until it is
    released.
    """

    def __init__(self, plan: Plan, budget: Budget) -> None:
        self._plan = plan
        self._budget = budget
        self._changed = threading.Condition()
        self._beginning = threading.Lock()  # of whoever begins the next job
        self._waiting: deque[Job] = deque()
        self._to_segment: deque[tuple[Hashable, Job]] = deque()
        self._to_cut: deque[Job] = deque()
        self._to_finish: deque[Job] = deque()
        self._begun = 0
        self._closed = False
        self._dropping = False  # nobody waits for any job any more
        self._cancellation = Cancellation()  # of the operations that run then
        works = [self._decode, self._finish] * plan.beside + [self._work] * plan.workers
        self._threads = [Worker(work, self._cancellation) for work in works]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job, *, most_waiting: int | None = None) -> Job:
        """Have a job done.

        Raises QueueFullError: so many are waiting to be begun; EngineError: it is closed.
        """
        with self._changed:
            if self._closed:
                raise _closed_error()
            if most_waiting is not None and len(self._waiting) >= most_waiting:
                raise QueueFullError(
                    f"the queue is full: {len(self._waiting)} images wait, max_queue is "
                    f"{most_waiting}"
                )
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def release(self, job: Job) -> None:
        """The result is somebody else's now, or nobody wants it: the budget gets back what it
        takes. A job that was not begun never is; one that was goes no further than its stage."""
        with self._changed:
            job.dropped = True
            if job.future.cancel() and job in self._waiting:
                self._waiting.remove(job)
            if job.settled:
                self._resize(job, 0)

    def stop(self) -> None:
        """What waits gets an EngineError, what is begun is done; then the threads end."""
        with self._changed:
            self._closed = True
            while self._waiting:
                job = self._waiting.popleft()
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(_closed_error())
            self._changed.notify_all()
        self._budget.close()

    def close(self, *, drop: bool = False) -> None:
        """`stop`, and wait for it, but on a thread of its own, whose job is then begun as well.
        drop: what is begun is given up, on a CPU in the middle of its stage."""
        if drop:
            self._dropping = True
            self._cancellation.cancel()
        self.stop()
        if threading.current_thread() not in self._threads:
            wait_for_all(self._threads)

    # --- what the threads do ---

    def _decode(self) -> None:
        while (job := self._begin()) is not None:
            self._step(job, self._read, self._sort)
            del job  # else its image would stay until there is another

    def _work(self) -> None:
        while (task := self._next(self._task)) is not None:
            task()
            del task

    def _finish(self) -> None:
        while (job := self._next(lambda: _first(self._to_finish))) is not None:
            self._step(job, _finished, self._settle)
            del job

    def _next(self, choose: Callable[[], Any]) -> Any:
        """Waits for something to do; None: there will be nothing more."""
        with self._changed:
            while (chosen := choose()) is None and not (self._closed and not self._begun):
                self._changed.wait()
            return chosen

    def _task(self) -> Callable[[], None] | None:
        """What a worker is to do next."""
        if self._to_cut:
            return partial(self._step, self._to_cut.popleft(), _cut, self._pass_on)
        return partial(self._segment, self._batch()) if self._to_segment else None

    def _batch(self) -> list[Job]:
        """Jobs like the one that waits longest for the network, that one first."""
        likeness = self._to_segment[0][0]
        alike = [job for each, job in self._to_segment if each == likeness]
        batch = alike[: self._plan.batch_size]
        others = [pair for pair in self._to_segment if pair[1] not in batch]
        self._to_segment.clear()  # in place: whoever puts something in may have it in hand
        self._to_segment.extend(others)
        return batch

    def _begin(self) -> Job | None:
        """The next job, with its part of the budget; None: there will be no more."""
        with self._beginning:
            while (job := self._next(self._admitted)) is not None:
                try:
                    self._reserve(job)
                except BaseException as error:
                    self._settle(job, error)
                else:
                    return job
        return None

    def _admitted(self) -> Job | None:
        """The job that waits longest, if one more may be begun."""
        while self._waiting and self._begun < self._plan.ahead:
            job = self._waiting.popleft()
            if job.future.set_running_or_notify_cancel():
                self._begun += 1
                return job
        return None

    def _reserve(self, job: Job) -> None:
        """Wait for the memory that a job may take, as far as its header tells."""
        if self._budget.limit is None:
            return
        job.value = measurable(job.value)
        needed = check_fits(read_header(job.value), self._budget.limit, "Remover")
        if not self._budget.take(needed):
            raise _closed_error()
        job.taken = needed

    def _read(self, job: Job) -> Any:
        work = job.stages.read(job.value)
        if self._budget.limit is not None:
            needed = check_fits(job.stages.header(work), self._budget.limit, "Remover")
            if needed > job.taken and not self._resize(job, needed):
                # To wait for room with a part of the budget in hand might be to wait for ever.
                raise ArgumentError(
                    f"Remover: the image may take {in_words(needed)}, which could not be told "
                    "before it was decoded, and max_memory= has no room for it now"
                )
        job.likeness = job.likeness_of(work)
        return work

    def _segment(self, jobs: list[Job]) -> None:
        """Let the network see a batch; where it fails, each image by itself."""
        wanted = [job for job in jobs if not self._is_dropped(job)]
        for job in jobs:
            if job not in wanted:
                self._settle(job, self._given_up(job))
        if not wanted:
            return
        try:
            _at_work.number = wanted[0].number
            wanted[0].stages.segment([job.value for job in wanted])
        except BaseException as error:
            if len(wanted) == 1 or self._dropping or not isinstance(error, Exception):
                for job in wanted:
                    self._settle(job, error)
                return
            _log.warning("a batch of %d failed, one by one instead: %s", len(wanted), error)
            for job in wanted:
                self._segment([job])
        else:
            self._put(self._to_cut, *wanted)

    def _step(self, job: Job, stage: Callable[[Job], Any], go_on: Callable[[Job], None]) -> None:
        if self._is_dropped(job):
            self._settle(job, self._given_up(job))
            return
        try:
            _at_work.number = job.number
            job.value = stage(job)
        except BaseException as error:  # SystemExit too: whoever waits is to have it
            self._settle(job, error)
        else:
            go_on(job)

    def _sort(self, job: Job) -> None:
        """What was read goes to the network, if there is one."""
        if job.likeness is None:
            self._put(self._to_cut, job)
        else:
            self._put(self._to_segment, (job.likeness, job))

    def _pass_on(self, job: Job) -> None:
        """What was cut is done, or is to be finished."""
        if job.finish is None:
            self._settle(job)
        else:
            self._put(self._to_finish, job)

    def _put(self, queue: deque[Any], *items: Any) -> None:
        with self._changed:
            queue.extend(items)
            self._changed.notify_all()

    def _is_dropped(self, job: Job) -> bool:
        return job.dropped or self._dropping

    def _given_up(self, job: Job) -> EngineError:
        return EngineError("nobody waits for it") if job.dropped else _closed_error()

    def _settle(self, job: Job, error: BaseException | None = None) -> None:
        """The job is done, or given up; its memory is what its result holds."""
        value, job.value = job.value, None
        if isinstance(error, EngineError) and self._is_dropped(job):
            error = self._given_up(job)  # what a cancelled operation says is not for the caller
        held = 0 if error else min(job.taken, _bytes_of(value, job))
        with self._changed:
            self._begun -= 1
            job.settled = True
            self._resize(job, 0 if job.dropped else held)
            self._changed.notify_all()
        if error is None:
            job.future.set_result(value)
        else:
            job.future.set_exception(_named(error, job))

    def _resize(self, job: Job, size: int) -> bool:
        if not self._budget.resize(job.taken, size):
            return False
        job.taken = size
        return True


def in_order(
    scheduler: Scheduler,
    stages: Stages,
    images: Iterable[Any],
    *,
    most: int,
    finish: Finish | None = None,
    keep_errors: bool = True,
) -> Iterator[Any]:
    """What becomes of images, in their order; at most so many are taken ahead of what is yielded.

    Images are taken by the thread that takes the results. keep_errors: yield exceptions; else the
    first is raised. What the images themselves raise is raised after the results before it.
    """
    jobs: deque[Job] = deque()
    source: Iterator[Any] | None = iter(images)
    number, failure = 0, None
    while True:
        while source is not None and len(jobs) < most:
            try:
                image = next(source)
            except StopIteration:
                source = None
            except Exception as error:
                source, failure = None, error
            else:
                what = f"image {number}" + (f", {os.fsdecode(image)!r}" if is_path(image) else "")
                jobs.append(scheduler.submit(Job(stages, image, what, finish, number)))
                number += 1
                del image
        if not jobs:
            break
        # Nothing here may hold on to a result that was given away.
        yield _outcome(scheduler, jobs.popleft(), keep_errors)
    if failure is not None:
        raise failure


def _outcome(scheduler: Scheduler, job: Job, keep_errors: bool) -> Any:
    error = job.future.exception()  # waits
    scheduler.release(job)
    if error is None:
        return job.future.result()
    if keep_errors and isinstance(error, Exception):
        return error
    raise error


def _cut(job: Job) -> Any:
    return job.stages.cut(job.value)


def _finished(job: Job) -> Any:
    assert job.finish is not None
    return job.finish(job.value)


def _first(queue: deque[Job]) -> Job | None:
    return queue.popleft() if queue else None


def _bytes_of(value: Any, job: Job) -> int:
    """What a result holds; as much as ever, where that cannot be told."""
    if isinstance(value, (bytes, bytearray, str)):
        return len(value)
    try:
        size = getattr(value, "nbytes", None)
    except Exception:  # it is whatever `finish` returned
        size = None
    return size if isinstance(size, int) else job.taken


def _named(error: BaseException, job: Job) -> BaseException:
    """The exception with the name of the image in front, its number as `image_index`, and no hold
    on its arrays; what is to end a program stays as it is."""
    traceback.clear_frames(error.__traceback__)
    what = job.what
    if what is None or not isinstance(error, Exception):
        return error
    named: Exception
    if isinstance(error, MemoryError):  # NumPy's cannot be made of a text
        named = MemoryError(f"{what}: {_text_of(error)}")
    elif isinstance(error, Error):
        named = _of_its_kind(error, f"{what}: {_text_of(error)}")
    else:
        named = Error(f"{what}: {type(error).__name__}: {_text_of(error)}")
    named.__cause__ = error
    vars(named)["image_index"] = job.number
    return named


def unnamed(error: Exception) -> Exception:
    """The exception that an image of a stream raised, without the image's name in front; any other
    exception as it is."""
    cause = error.__cause__
    return cause if hasattr(error, "image_index") and isinstance(cause, Exception) else error


def _of_its_kind(error: Error, text: str) -> Error:
    try:
        return type(error)(text)
    except Exception:  # somebody's own kind, which is not made of a text
        return Error(text)


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return "it cannot be told"


def _closed_error() -> EngineError:
    return EngineError("Remover: it is closed")

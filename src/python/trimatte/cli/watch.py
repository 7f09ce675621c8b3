"""Folders of the command line whose images are cut out as they come."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from trimatte.cli.cutting import CutoutWriter
from trimatte.cli.files import (
    FileJob,
    FilePlan,
    Folders,
    Stamp,
    admit,
    images_in,
    in_a_line,
    jobs_of,
)
from trimatte.cli.options import UsageError
from trimatte.cli.report import Report
from trimatte.cli.signals import sigterm_calls

__all__ = ["Arrivals", "watch", "watched_folders"]

# Looking is what works everywhere: from other machines' folders no news of changes comes.
_LOOKS_EVERY = 0.5  # seconds
_SETTLED = 1.0  # seconds without a change: a file is taken to be written to its end


class Arrivals:
    """Tells which of some files are new or changed, and written to their end: not empty, and the
    same for a second.

    clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[Stamp, float]] = {}  # and since when it looks so
        self._taken: dict[Path, Stamp] = {}

    def look(self, files: Iterable[Path]) -> list[Path]:
        """The files that have arrived since the last look; each is told of once, and again when it
        has changed. Files no longer among these are forgotten."""
        now = self._clock()
        seen, arrived = {}, []
        for file in files:
            if (stamp := Stamp.of(file)) is not None:  # else it is gone again
                before, since = self._seen.get(file, (stamp, now))
                seen[file] = stamp, since if stamp == before else now
        self._seen = seen
        self._taken = {file: stamp for file, stamp in self._taken.items() if file in seen}
        for file, (stamp, since) in seen.items():
            if stamp.size and now - since >= _SETTLED and self._taken.get(file) != stamp:
                self._taken[file] = stamp
                arrived.append(file)
        return arrived


def watched_folders(arguments: argparse.Namespace) -> Folders:
    """The folders that results of watched folders go to.

    Raises UsageError: what was asked for makes no sense.
    """
    roots = [Path(name) for name in arguments.input]
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"--watch: {str(root)!r} must be a folder")
    if arguments.output is None:
        raise UsageError("--watch: give -o, the folder of the cutouts")
    folders = Folders.of(arguments)
    for root in (root.resolve() for root in roots):
        # Sub-folders are mirrored below OUT: they may lead into a watched folder that it holds.
        holds = folders.written & set(root.parents) if arguments.recursive else set()
        if root in folders.written or holds:
            raise UsageError(
                f"--watch: what is written below {str((holds or {root}).pop())!r} could be cut out "
                "again: give another folder"
            )
    # A report is begun before the first image comes: it must be none of those that are there.
    admit(FilePlan(), [], _images(roots, arguments.recursive, folders, FilePlan()), arguments)
    return folders


def watch(
    arguments: argparse.Namespace, folders: Folders, writer: CutoutWriter, report: Report
) -> None:
    """Cut out what is in the folders, unless it was before, and what comes into them, until Ctrl-C
    or SIGTERM."""
    roots = [Path(name) for name in arguments.input]
    arrivals = Arrivals()
    first = FilePlan()
    makers: dict[Path, Path] = {}  # the image of each result
    at_first = set(_images(roots, arguments.recursive, folders, first))
    for note in (f"watching {', '.join(map(in_a_line, roots))}; Ctrl-C ends it", *first.notes):
        report.note(note)
    report.pass_over(first.others)
    for path, cause in first.failures:
        report.refuse(path, cause)
    # SIGTERM is as Ctrl-C: it leaves no half file either.
    with sigterm_calls(signal.default_int_handler), suppress(KeyboardInterrupt):
        while True:
            names = _images(roots, arguments.recursive, folders, FilePlan())
            arrived = set(arrivals.look(names))
            plan = FilePlan()
            if arrived:
                jobs = [job for job in jobs_of([*names.items()], folders) if job.source in arrived]
                jobs = [job for job in jobs if job.source not in at_first or not _is_done(job)]
                jobs = list(_of_one_maker(jobs, makers, plan))
                admit(plan, jobs, names, arguments)
                at_first -= arrived
            for source, cause in plan.failures:
                report.refuse(source, cause)
            if plan.jobs:
                with closing(writer(plan.jobs)) as outcomes:  # type: ignore[type-var]
                    for outcome in outcomes:
                        report.tell(outcome)
            else:
                time.sleep(_LOOKS_EVERY)


def _images(
    roots: Iterable[Path], recursive: bool, folders: Folders, plan: FilePlan
) -> dict[Path, Path]:
    """The images in folders, and their names below OUT."""
    return {
        file: file.relative_to(root)
        for root in roots
        # By their names: a file that is still being written may have any name but its own.
        for file in sorted(images_in(root, recursive, folders.written, plan, by_content=False))
    }


def _of_one_maker(
    jobs: Iterable[FileJob], makers: dict[Path, Path], plan: FilePlan
) -> Iterator[FileJob]:
    """The jobs whose results are not another image's, that came earlier; those are failures."""
    for job in jobs:
        assert job.source is not None
        others = [path for path in job.targets() if makers.get(path, job.source) != job.source]
        if others:
            cause = f"{in_a_line(others[0])} is the output of something else already"
            plan.failures.append((job.source, cause))
        else:
            makers.update(dict.fromkeys(job.targets(), job.source))
            yield job


def _is_done(job: FileJob) -> bool:
    """Whether all results are there and none is older than the image."""
    assert job.source is not None
    try:
        made = job.source.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns >= made for path in job.targets())
    except OSError:
        return False

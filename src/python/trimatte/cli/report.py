"""What the command line says of the images it works on: progress, warnings, JSON, failures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from trimatte import engines
from trimatte.cli.advice import advice
from trimatte.cli.cutting import Outcome
from trimatte.cli.files import FileJob, in_a_line
from trimatte.cli.options import UsageError
from trimatte.cli.outputs import Written
from trimatte.cli.parsing import as_typed
from trimatte.cli.progress import find_tqdm
from trimatte.errors import Error
from trimatte.io.sources import cause_of, name_of

__all__ = ["Report", "reporting"]


class Report:
    """Says on stderr what happens, as far as somebody looks, and where asked for as JSON.

    total: of images; None: nobody knows.
    """

    def __init__(
        self, arguments: argparse.Namespace, total: int | None, bar: Any, lines: TextIO | None
    ) -> None:
        self._arguments = arguments
        self._quiet, self._verbose = arguments.quiet, arguments.verbose
        self._visible = not arguments.quiet and sys.stderr.isatty()
        self._total = total
        self._bar = bar
        self._lines = lines
        self._count = 0
        self.done: int = 0
        self._unsure: list[float] = []
        self._failures: dict[Path | None, tuple[str, str]] = {}  # of a source: its name and cause

    def note(self, text: str) -> None:
        """Something about all of it."""
        if not self._quiet:
            self._say(f"trimatte: {text}")

    def pass_over(self, files: Sequence[Path]) -> None:
        """Files of a folder that are no images."""
        if self._verbose:
            for file in sorted(files):
                self._say(f"trimatte: {in_a_line(file)}: passed over: not an image")

    def tell(self, outcome: Outcome) -> None:
        """What became of an image."""
        job, result = outcome.job, outcome.result
        name = name_of(job.source)  # which stands before the line
        warnings = [
            as_typed(text, self._arguments).replace(f" of {name}:", ":", 1)
            for text in outcome.warnings
        ]
        if isinstance(result, Written):
            self._succeeded(job, result, warnings, outcome.dropped)
        else:
            # Also what is not ours, such as a MemoryError: the next image may be smaller.
            if isinstance(result, Error):
                cause = as_typed(result, self._arguments)
            else:
                cause = cause_of(result) if isinstance(result, OSError) else f"{result!r}"
            self._failed(job.source, job.name, cause, warnings)

    def refuse(self, path: Path, cause: str) -> None:
        """An image, or folder, that nothing was tried with."""
        self._failed(path, in_a_line(path), cause, ())

    def _failed(self, source: Path | None, name: str, cause: str, warnings: Sequence[str]) -> None:
        self._failures[source] = name, cause
        if self._total is None:  # the end may be far
            self._say(f"trimatte: {name}: {cause}")
        self._write(
            {"input": _text(source), "output": None, "error": cause, "warnings": list(warnings)}
        )
        self._step(None)

    def summary(self, *, counts: bool, network: engines.Card | None) -> int:
        """Names what failed, says whether the network was unsure and how many are done if it
        counts, and returns the exit status."""
        count = self.done + len(self._failures)
        if self._failures:
            lines = [f"{name}: {cause}" for name, cause in self._failures.values()]
            if count > 1 or self._total is None:
                lines = [f"{len(lines)} of {count} failed:", *(f"  {line}" for line in lines)]
            print("trimatte:", "\n".join(lines), file=sys.stderr)
        if text := advice(self._unsure, network, several=count > 1):
            self.note(text)
        if counts:
            done = f"{self.done} of {count}" if self._failures else f"{self.done}"
            self.note(f"{done} image{'' if count == 1 else 's'} cut out")
        return 1 if self._failures else 0

    def _succeeded(
        self, job: FileJob, written: Written, warnings: Sequence[str], dropped: Sequence[str]
    ) -> None:
        self.done += 1
        self._failures.pop(job.source, None)  # of an earlier try, where a folder is watched
        by_network = written.route is None or written.route.kind == "network"
        if by_network and written.unsure is not None:
            self._unsure.append(written.unsure)
        for text in (*dropped, *warnings):
            self.note(f"{job.name}: {text}")
        if self._verbose:
            times = ", ".join(f"{name} {1000 * s:.0f}" for name, s in written.seconds.items())
            self._say(f"{job.name}: {times} ms")
            self._say(f"{job.name}: {written.route}")
        self._write(
            {
                "input": _text(job.source),
                "output": _text(job.output),
                "alpha": None if job.alpha is None else str(job.alpha),
                "trimap": None if job.trimap is None else str(job.trimap),
                "size": list(written.size),
                "frames": written.frames,
                "seconds": {name: round(value, 6) for name, value in written.seconds.items()},
                "device": written.device,
                "engine": written.engine,
                "route": None if written.route is None else asdict(written.route),
                "unknown": written.unknown,
                "unsure": None if written.unsure is None else round(written.unsure, 4),
                "error": None,
                "dropped": list(dropped),
                "warnings": list(warnings),
            }
        )
        self._step(f"{job.name} -> {job.output_name} ({sum(written.seconds.values()):.2f} s)")

    def _step(self, text: str | None) -> None:
        """One image is done; text is None where it failed."""
        self._count += 1
        if self._bar is not None:
            self._bar.update()
        elif self._visible and text is not None:
            of = "" if self._total is None else f"/{self._total}"
            print(f"[{self._count}{of}] {text}", file=sys.stderr)

    def _say(self, text: str) -> None:
        if self._bar is None:
            print(text, file=sys.stderr)
        else:
            self._bar.write(text, file=sys.stderr)

    def _write(self, record: dict[str, Any]) -> None:
        if self._lines is not None:
            # ASCII: names that are not UTF-8 come back as they were by os.fsencode.
            print(json.dumps(record), file=self._lines, flush=True)


@contextmanager
def reporting(arguments: argparse.Namespace, total: int | None) -> Iterator[Report]:
    """A report, with a bar where tqdm is there and several images are, on a terminal.

    Raises UsageError: the file of the report cannot be written.
    """
    with ExitStack() as stack:
        lines: TextIO | None = sys.stdout if arguments.json else None
        if arguments.json_file is not None:
            try:
                lines = stack.enter_context(
                    Path(arguments.json_file).open("w", encoding="ascii", newline="\n")
                )
            except OSError as error:
                raise UsageError(
                    f"--json-file: cannot write {arguments.json_file!r}: {error.strerror}"
                ) from error
        bar: Any = None
        if (total or 0) > 1 and not arguments.quiet and (tqdm := find_tqdm()) is not None:
            bar = tqdm(total=total, unit="image", file=sys.stderr)
            stack.callback(bar.close)
        yield Report(arguments, total, bar, lines)


def _text(path: Path | None) -> str:
    """A path as the command line has it."""
    return "-" if path is None else str(path)

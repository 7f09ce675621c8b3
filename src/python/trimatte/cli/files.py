"""Which file of the command line goes where: inputs paired with their outputs, none written onto
another."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from trimatte.cli.options import UsageError
from trimatte.cli.paths import exists, is_file, is_folder
from trimatte.io.kinds import begins_like_a_photo, has_image_name
from trimatte.io.sources import PATH_ERRORS, cause_of, shortened
from trimatte.io.writing import FORMATS, target_of

__all__ = [
    "FileJob",
    "FilePlan",
    "Folders",
    "Stamp",
    "images_in",
    "in_a_line",
    "jobs_of",
    "plan_jobs",
]

_STANDARD = "-"  # input or output


class Stamp(NamedTuple):
    """What tells a file from another, or from itself before it was last written."""

    inode: int
    modified: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """That of the file; None: it cannot be read."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


@dataclass(frozen=True)
class FileJob:
    """One image and where its results go.

    source: None: standard input. output: None: standard output. alpha, trimap: None: not asked for.
    """

    source: Path | None
    output: Path | None
    alpha: Path | None
    trimap: Path | None

    def targets(self) -> Iterator[Path]:
        """The files that it writes."""
        yield from (path for path in (self.output, self.alpha, self.trimap) if path is not None)

    @property
    def name(self) -> str:
        """The image's name, for a line of text."""
        return "standard input" if self.source is None else in_a_line(self.source)

    @property
    def output_name(self) -> str:
        """The cutout's name, for a line of text."""
        return "standard output" if self.output is None else in_a_line(self.output)


@dataclass
class FilePlan:
    """What is to be done, what cannot be and why, what else there is to say, and the files that are
    no images."""

    jobs: list[FileJob] = field(default_factory=list)
    failures: list[tuple[Path, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    makes_folders: bool = False


@dataclass(frozen=True)
class Folders:
    """The folders that results go to, None where not asked for, and the format of the cutouts."""

    output: Path
    alpha: Path | None
    trimap: Path | None
    format: str

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Folders:
        """Those that are asked for.

        Raises UsageError: one is no folder, or two are the same.
        """
        given = {"output": arguments.output}
        given |= {"alpha": arguments.alpha, "trimap-out": arguments.trimap_out}
        places = {option: Path(name) for option, name in given.items() if name is not None}
        for option, folder in places.items():
            if folder.suffix.lower() in FORMATS and not (
                _ends_like_a_folder(given[option]) or is_folder(folder)
            ):
                raise UsageError(
                    f"--{option}: {in_a_line(folder)} is named like one image, and the results of "
                    f"several or of a folder go into a folder; '{in_a_line(folder)}/' makes it one"
                )
            if exists(folder) and not is_folder(folder):
                raise UsageError(f"--{option}: {str(folder)!r} must be a folder, as OUT is")
        if len({folder.resolve() for folder in places.values()}) < len(places):
            raise UsageError("--output, --alpha and --trimap-out must be different folders")
        return cls(
            places["output"],
            places.get("alpha"),
            places.get("trimap-out"),
            arguments.format or "png",
        )

    @property
    def written(self) -> set[Path]:
        """All of them, resolved."""
        folders = (self.output, self.alpha, self.trimap)
        return {folder.resolve() for folder in folders if folder is not None}

    def job(self, source: Path, stem: Path) -> FileJob:
        """That of an image whose results have this name, without a suffix, below the folders."""

        def below(folder: Path, suffix: str) -> Path:
            return folder / f"{stem}.{suffix}"

        return FileJob(
            source,
            below(self.output, self.format),
            None if self.alpha is None else below(self.alpha, "png"),
            None if self.trimap is None else below(self.trimap, "png"),
        )


def plan_jobs(arguments: argparse.Namespace) -> FilePlan:
    """Pair the inputs with their outputs.

    Raises UsageError: what was asked for makes no sense.
    """
    inputs: list[str] = arguments.input
    if _STANDARD in inputs:
        return _plan_standard_input(arguments)
    paths = [Path(name) for name in inputs]
    if arguments.output is None:
        return _plan_beside(paths, arguments)
    if not _is_for_several(paths, arguments):
        return _of_one(_single_job(paths[0], arguments), arguments)
    if arguments.output == _STANDARD:
        raise UsageError("-o - (standard output) takes the result of one image")
    folders = Folders.of(arguments)
    plan = FilePlan(makes_folders=True)
    sources: list[tuple[Path, Path]] = []
    for path in paths:
        if is_folder(path):
            found = sorted(images_in(path, arguments.recursive, folders.written, plan))
            if not found and path not in dict(plan.failures):
                plan.failures.append((path, "there are no images in this folder"))
            sources += [(file, file.relative_to(path)) for file in found]
        else:
            sources.append((path, Path(path.name)))
    return _admitted(plan, jobs_of(sources, folders), arguments)


def jobs_of(sources: Sequence[tuple[Path, Path]], folders: Folders) -> list[FileJob]:
    """The jobs of images; sources: their paths, and their names below OUT.

    Those that are told apart by their suffix alone keep it before the new one.
    """
    places = [str(name.with_suffix("")).casefold() for _, name in sources]
    taken: dict[str, int] = {}
    for place in places:
        taken[place] = taken.get(place, 0) + 1
    return [
        folders.job(source, name.parent / (name.name if taken[place] > 1 else name.stem))
        for (source, name), place in zip(sources, places, strict=True)
    ]


def images_in(
    folder: Path, recursive: bool, skipped: set[Path], plan: FilePlan, *, by_content: bool = True
) -> Iterator[Path]:
    """Images of a folder, also those that cannot be read; hidden files and the folders written to
    are passed over.

    plan: its notes get the sub-folders and links that are passed over, its others the files, and
    its failures the folders that cannot be read. by_content: whether files without an image's
    suffix are looked into.
    """
    below = 0

    def unread(error: OSError) -> None:
        plan.failures.append((Path(error.filename or folder), f"cannot be read: {error.strerror}"))

    for root, folders, files in os.walk(folder, onerror=unread):
        place = Path(root)
        if recursive:
            links = [name for name in folders if (place / name).is_symlink()]
            plan.notes += [f"{in_a_line(place / name)}: a link, not followed" for name in links]
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and (place / name).resolve() not in skipped
        ]
        for name in files:
            file = place / name
            if not name.startswith(".") and (
                has_image_name(name) or (by_content and begins_like_a_photo(file))
            ):
                yield file
            else:
                plan.others.append(file)
        if not recursive:
            below = len(folders)
            folders.clear()
    if below:
        count = "1 sub-folder" if below == 1 else f"{below} sub-folders"
        plan.notes.append(f"{in_a_line(folder)}: {count} skipped; -r takes them too")


def in_a_line(path: Path) -> str:
    """A path as it is, or quoted where that would break a line, or not be text at all."""
    text = str(path)
    return shortened(text if text.isprintable() else repr(text))


# --- one image ---


def _plan_standard_input(arguments: argparse.Namespace) -> FilePlan:
    if len(arguments.input) > 1:
        raise UsageError("'-' (standard input) is one image: it cannot be among several")
    output = _STANDARD if arguments.output is None else arguments.output
    if output != _STANDARD and (is_folder(output) or _ends_like_a_folder(output)):
        raise UsageError("-o: what comes by standard input has no name: give a file, or -")
    job = FileJob(
        None, _output(output), _optional(arguments.alpha), _optional(arguments.trimap_out)
    )
    return _of_one(job, arguments)


def _single_job(source: Path, arguments: argparse.Namespace) -> FileJob:
    return FileJob(
        source,
        _output(arguments.output),
        _optional(arguments.alpha),
        _optional(arguments.trimap_out),
    )


def _plan_beside(paths: Sequence[Path], arguments: argparse.Namespace) -> FilePlan:
    """Each output beside its input."""
    for path in paths:
        if is_folder(path):
            raise UsageError(f"{str(path)!r} is a folder: give -o, the folder of the cutouts")
    if len(paths) == 2 and exists(paths[0]) and not exists(paths[1]):
        raise UsageError(
            f"{str(paths[1])!r} does not exist; if it is to be the output, put -o before it"
        )
    if len(paths) > 1 and (arguments.alpha or arguments.trimap_out):
        raise UsageError("--alpha and --trimap-out of several images: give -o, a folder as well")
    ending = f"{'mask' if arguments.only_mask else 'cutout'}.{arguments.format or 'png'}"
    alpha, trimap = _optional(arguments.alpha), _optional(arguments.trimap_out)
    jobs = [FileJob(path, path.with_name(f"{path.stem}.{ending}"), alpha, trimap) for path in paths]
    return _admitted(FilePlan(), jobs, arguments)


def _is_for_several(paths: Sequence[Path], arguments: argparse.Namespace) -> bool:
    """Whether OUT is a folder, or has to be."""
    several = len(paths) > 1 or any(map(is_folder, paths))
    output: str = arguments.output
    folder = output != _STANDARD and (is_folder(output) or _ends_like_a_folder(output))
    return several or folder


def _output(name: str) -> Path | None:
    return None if name == _STANDARD else Path(name)


def _optional(name: str | None) -> Path | None:
    if name == _STANDARD:
        raise UsageError(
            "--alpha and --trimap-out are files; '--only-mask -o -' writes alpha to standard output"
        )
    return None if name is None else Path(name)


def _ends_like_a_folder(name: str) -> bool:
    return name.endswith(("/", os.sep))


def _of_one(job: FileJob, arguments: argparse.Namespace) -> FilePlan:
    """The plan of one image whose results are named.

    Raises UsageError: one of them cannot be written where it is to be.
    """
    places = {"-o": job.output, "--alpha": job.alpha, "--trimap-out": job.trimap}
    for option, path in places.items():
        if path is not None and (cause := _unwritable(path)):
            raise UsageError(f"{option}: cannot write {shortened(repr(str(path)))}: {cause}")
    plan = _admitted(FilePlan(), [job], arguments)
    if not plan.jobs:
        raise UsageError(f"{job.name}: {plan.failures[0][1]}")
    return plan


def _unwritable(path: Path) -> str | None:
    """Why there cannot be a file of this name; None: there can."""
    try:
        target_of(path)
    except PATH_ERRORS as error:
        return cause_of(error)
    return None


# --- no file is written onto another ---


def _admitted(plan: FilePlan, jobs: Sequence[FileJob], arguments: argparse.Namespace) -> FilePlan:
    """The plan with the jobs that write neither onto an input nor onto each other's results."""
    admit(plan, jobs, [job.source for job in jobs if job.source is not None], arguments)
    return plan


def admit(
    plan: FilePlan, jobs: Iterable[FileJob], sources: Iterable[Path], arguments: argparse.Namespace
) -> None:
    """Take the jobs into the plan that write onto none of the sources, nor onto what is read beside
    them, nor onto each other's results; the others are failures.

    Raises UsageError: the report would be written onto an input.
    """
    inputs = {_identity(path) for path in [*sources, *_also_read(arguments)]}
    written: set[object] = set()
    if arguments.json_file is not None:
        report = Path(arguments.json_file)
        if _identity(report) in inputs:
            raise UsageError(f"--json-file: {str(report)!r} is an input; name another file")
        written.add(_name_key(report))
    for job in jobs:
        cause = None
        if job.source is not None and _is_special(job.source):
            cause = "it is a pipe or a device; give -, and its content by standard input"
        for path in job.targets():
            if _identity(path) in inputs:
                cause = f"would be overwritten: {in_a_line(path)} is an input; name another output"
            elif _name_key(path) in written:
                cause = f"{in_a_line(path)} is the output of something else already"
            written.add(_name_key(path))
        if cause is None:
            plan.jobs.append(job)
        else:
            plan.failures.append((job.source or Path(_STANDARD), cause))


def _is_special(path: Path) -> bool:
    return exists(path) and not is_file(path) and not is_folder(path)


def _also_read(arguments: argparse.Namespace) -> list[Path]:
    """The files read besides IN."""
    read = ("mask", "trimap", "garbage", "core", "background", "model")
    names = (getattr(arguments, name, None) for name in read)
    return [Path(name) for name in names if name is not None]


def _identity(path: Path) -> object:
    """Equal for two names of the same file, also through links."""
    try:
        status = path.stat()
    except OSError:
        return _name_key(path)
    return status.st_dev, status.st_ino


def _name_key(path: Path) -> str:
    return os.path.normcase(path.resolve())

"""Weights of the models: found where they are, fetched where they are not, hashed before use."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import require

from ..session import Progress
from .cards import Card, cards
from .download import Download, DownloadError
from .file_lock import file_lock
from .folders import expanded, user_folder
from .verified import Verified, digest

__all__ = ["fetch", "models_folder", "on_disk"]


def models_folder() -> Path:
    """Where fetched models are kept: ``models`` in ``TRIMATTE_HOME``, or else in the platform's
    data folder (on Linux ``$XDG_DATA_HOME/trimatte`` or ``~/.local/share/trimatte``)."""
    home = os.environ.get("TRIMATTE_HOME")
    if home:
        return expanded(home, "TRIMATTE_HOME") / "models"
    return user_folder("data") / "models"


def fetch(
    card: Card,
    *,
    accept_license: bool | str = False,
    progress: Progress | None = None,
    folder: str | Path | None = None,
) -> Path:
    """The file of a model's weights, fetched if it is not there.

    It is looked for where the card says, in the folder, and by hash in the folders of rembg, where
    it is used in place and nothing is written: ``U2NET_HOME``, ``REMBG_HOME``,
    ``$XDG_DATA_HOME/rembg``, ``~/.rembg``, ``$XDG_DATA_HOME/.u2net`` and ``~/.u2net``, and the
    folders ``models/NAME`` of each. What is found nowhere is fetched into the folder, and gets its
    name there only once its hash is right; a damaged file of that name is replaced then. A download
    that was cut goes on where it was. Of several processes one fetches and the others wait.

    Environment: ``TRIMATTE_HOME`` is where models are kept; ``TRIMATTE_MODEL_MIRROR`` is an address
    to try first, to which the file's name is added (the hash makes it as safe as the card's own);
    with ``TRIMATTE_OFFLINE`` (anything but 0) nothing is fetched and no socket opened;
    ``TRIMATTE_ACCEPT_LICENSE`` lists, with commas, models or licences whose terms are accepted.

    Args:
        card: of `find_card`.
        accept_license: for weights that may not be used commercially: True, or their licence's id.
        progress: told (what is being done, how much of it is); what it raises cancels, and what
            came until then is kept for the next time.
        folder: where to keep it; None means `models_folder`.

    Returns:
        Its path.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: the licence is not accepted (nothing was looked for then), the file cannot be
            had or written, or its hash is wrong; the message has the addresses, the path and the
            hashes.
    """
    if not isinstance(accept_license, (bool, str)):
        raise ArgumentError(
            f"fetch: accept_license must be True, False or a licence's id, got {accept_license!r}"
        )
    _check_license(card, accept_license)
    home = models_folder() if folder is None else expanded(folder, "fetch: folder")
    if card.folder is not None:
        return _callers_own(card, card.folder / card.file, home)
    target = home / card.file
    if not card.urls:
        return _made_from_checkpoint(card, target)
    verified = Verified(home / "verified", sha256=card.sha256, md5=card.md5)
    found = _find(card, target, verified)
    if found is None:
        _check_online(card, target, verified)
        found = _fetch_once(card, target, verified, progress or _silent)
    return found


def on_disk(card: Card) -> Path | None:
    """The file of a model's weights that `fetch` would try first, by its name and size.

    Nothing is hashed or fetched. None: there is none.
    """
    own = models_folder() if card.folder is None else card.folder
    others = cards().keys() - {card.name}
    return next((each for each in _files(card, own / card.file) if each.stem not in others), None)


def _check_license(card: Card, accepted: bool | str) -> None:
    if card.commercial is not False or accepted is True:
        return
    listed = os.environ.get("TRIMATTE_ACCEPT_LICENSE", "").split(",")
    if not {card.name, card.license}.isdisjoint({accepted, *map(str.strip, listed)}):
        return
    raise EngineError(
        f"{card.name}: its weights may not be used commercially ({card.license}, "
        f"{card.license_url}). If you accept that: accept_license={card.license!r}, or "
        f"{card.name} in the environment's TRIMATTE_ACCEPT_LICENSE"
    )


def _callers_own(card: Card, path: Path, home: Path) -> Path:
    if not _is_file(path):
        raise EngineError(f"{path}: there is no such file, though the card of {card.name} names it")
    if card.sha256 or card.md5:
        verified = Verified(home / "verified", sha256=card.sha256, md5=card.md5)
        if not _has(verified, path):
            raise EngineError(
                f"{path}: its {_hash_of(path, verified)}, expected is {verified.expected}"
            )
    return path


def _made_from_checkpoint(card: Card, path: Path) -> Path:
    if not _is_file(path):
        raise EngineError(
            f"{card.name}: there is no {path}, and no address that offers it. To make it: "
            f"{card.checkpoint}. It belongs at {path}"
        )
    return path


def _find(card: Card, target: Path, verified: Verified) -> Path | None:
    return next((path for path in _files(card, target) if _has(verified, path)), None)


def _files(card: Card, target: Path) -> Iterator[Path]:
    """The files of the model's size where it is looked for."""
    for path in (target, *_in_folders_of_rembg(card)):
        if _is_file(path) and card.size in (None, path.stat().st_size):
            yield path


def _in_folders_of_rembg(card: Card) -> Iterator[Path]:
    """Files that may be the model's, those first that are named as it is."""
    names = {f"{card.name}.onnx", card.file}
    for folder in _folders_of_rembg():
        found = (*folder.glob("*.onnx"), *folder.glob("models/*/*.onnx"))
        files = sorted(found, key=lambda path: path.name not in names)
        # Of a size that is not known, every file would have to be hashed.
        hashable = (path for path in files if card.size or path.name in names)
        yield from (path for path in hashable if os.access(path, os.R_OK))


def _folders_of_rembg() -> list[Path]:
    """Where rembg keeps weights: 2.0.86 in ``models/NAME`` of each, earlier ones in the folder."""
    homes = [os.environ.get("U2NET_HOME"), os.environ.get("REMBG_HOME")]
    data = os.environ.get("XDG_DATA_HOME")
    named = [*homes, data and f"{data}/rembg", "~/.rembg", data and f"{data}/.u2net", "~/.u2net"]
    return list(dict.fromkeys(expanded(name, "rembg's folder") for name in named if name))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a folder on the way that may not be searched
        raise EngineError(f"{path}: cannot be read: {error}") from error


def _has(verified: Verified, path: Path) -> bool:
    try:
        return verified.has(path)
    except OSError as error:
        raise EngineError(f"{path}: cannot be read: {error}") from error


def _hash_of(path: Path, verified: Verified) -> str:
    return f"{verified.algorithm} is {digest(path, verified.algorithm)}"


def _check_online(card: Card, target: Path, verified: Verified) -> None:
    if os.environ.get("TRIMATTE_OFFLINE", "0") in ("", "0"):
        return
    state = f"is damaged, its {_hash_of(target, verified)}" if target.is_file() else "is not there"
    raise EngineError(
        f"{card.name}: TRIMATTE_OFFLINE is set and {target} {state}. Put there what is offered at "
        f"{' or '.join(card.urls)}, {verified.algorithm} {verified.expected}"
    )


def _fetch_once(card: Card, target: Path, verified: Verified, progress: Progress) -> Path:
    """Fetches the file, or waits for the process that does."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"{target.parent}: cannot be made: {error.strerror}") from error

    def waiting(holder: str) -> None:
        progress(f"waiting for {holder}, which fetches {card.file}", 0.0)

    with file_lock(target.with_name(f".{target.name}.lock"), waiting):
        found = _find(card, target, verified)
        if found is not None:
            return found
        _check_space(card, target)
        with _cancellable(progress) as told:
            _try_all(card, target, verified, told)
    verified.remember(target)
    return target


def _check_space(card: Card, target: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    part = _part(target)
    missing = (card.size or 0) - (part.stat().st_size if part.exists() else 0)
    if missing > free:
        raise EngineError(f"{target}: needs {missing} bytes, {free} are free")


def _try_all(card: Card, target: Path, verified: Verified, progress: Progress) -> None:
    refusals = []
    for url in _urls(card):
        try:
            return _fetch_from(url, card, target, verified, progress)
        except DownloadError as error:
            refusals.append(str(error))
    raise EngineError(
        f"{card.name}: {target} cannot be fetched "
        f"({verified.algorithm} {verified.expected}): {'; '.join(refusals)}"
    )


def _urls(card: Card) -> tuple[str, ...]:
    mirror = os.environ.get("TRIMATTE_MODEL_MIRROR")
    return (f"{mirror.rstrip('/')}/{card.file}", *card.urls) if mirror else card.urls


def _fetch_from(url: str, card: Card, target: Path, verified: Verified, progress: Progress) -> None:
    download = Download(
        _part(target), card.size, lambda fraction: progress(f"fetching {card.file}", fraction)
    )
    try:
        _retrieve(url, target, verified, download)
    except ValueError as error:  # pooch's for a wrong hash
        if not download.resumed:
            raise DownloadError(f"{url}: {error}") from error
        # The part that was kept may have been of another version; nothing of it is left now.
        _fetch_from(url, card, target, verified, progress)


def _retrieve(url: str, target: Path, verified: Verified, download: Download) -> None:
    pooch = require("pooch", extra="models", purpose="fetching models")
    try:
        with _quiet(pooch.get_logger()):
            pooch.retrieve(
                url,
                known_hash=f"{verified.algorithm}:{verified.expected}",
                fname=target.name,
                path=target.parent,
                downloader=download,
            )
    except OSError as error:
        raise EngineError(f"{target}: cannot be written: {error}") from error


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Without pooch's own lines on the terminal: `Progress` tells."""

    def loud(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    logger.addFilter(loud)
    try:
        yield
    finally:
        logger.removeFilter(loud)


class _Cancelled(BaseException):
    """Carries what a progress callback raised past all that would take it for its own."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


@contextmanager
def _cancellable(progress: Progress) -> Iterator[Progress]:
    """A progress that never goes back, and whose exceptions come out as they were raised."""
    most = 0.0

    def told(what: str, fraction: float) -> None:
        nonlocal most
        most = max(most, fraction)
        try:
            progress(what, most)
        except BaseException as error:
            raise _Cancelled(error) from error

    try:
        yield told
    except _Cancelled as cancelled:
        raise cancelled.cause from None


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _silent(_what: str, _fraction: float) -> None:
    pass

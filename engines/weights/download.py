"""Downloads that go on where they were cut, as a downloader for pooch."""

from __future__ import annotations

import importlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from trimatte.errors import EngineError

__all__ = ["Download", "DownloadError"]

_ATTEMPTS = 5  # in a row that brought less than _PROGRESS
_PROGRESS = 1 << 20  # bytes
_BACKOFF = 0.5  # seconds before the second attempt, doubled for each further one
_TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two pieces of the answer
_REDIRECTS = 10
_CHUNK = 1 << 18
_LIMIT = 8 << 30  # bytes of a file whose size is not known
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(Exception):
    """This address does not give the file; another one may."""


class _Interrupted(Exception):
    """The attempt failed in a way that the next one need not."""


class Download:
    """Fetches one file over HTTP into ``<name>.part``, which outlives a failure.

    What is there already is not asked for again (Range, with If-Range where the server named a
    version), cut connections and failures of the server are tried again after a pause, redirects
    are followed but not from https to http, and no more is written than the file may have. The
    caller checks the hash: what comes out here is only as trustworthy as the address. Proxies are
    those of the environment (HTTPS_PROXY, NO_PROXY).

    Args:
        part: where the bytes are collected; ``<part>.json`` beside it keeps the version.
        size: of the file in bytes, None if it is not known.
        progress: told how much of the file is there, from 0 to 1, less than before if all is lost;
            what it raises ends the download.
    """

    def __init__(self, part: Path, size: int | None, progress: Callable[[float], None]) -> None:
        self._part, self._size, self._progress = part, size, progress
        self._version = part.with_name(part.name + ".json")
        self.resumed = False

    def __call__(self, url: str, output: str, _pooch: object) -> None:
        """Fetches the file to a path, in pooch's way.

        Raises:
            DownloadError: the address does not give the file.
            EngineError: the file cannot be written.
        """
        self.resumed = self._have() > 0
        if self._size is None or self._have() != self._size:
            with importlib.import_module("requests").Session() as session:
                self._persist(session, url)
        with _writing(self._part):
            self._part.replace(output)
            self._version.unlink(missing_ok=True)

    def _persist(self, session: Any, url: str) -> None:
        failures = 0
        while True:
            before = self._have()
            try:
                return self._attempt(session, url)
            except _Interrupted as error:
                failures = 0 if self._have() - before >= _PROGRESS else failures + 1
                if failures == _ATTEMPTS:
                    have = self._have()
                    kept = f", {have} bytes are kept in {self._part}" if have else ""
                    raise DownloadError(f"{url}: {error}; tried {_ATTEMPTS} times{kept}") from error
            time.sleep(_BACKOFF * 2 ** max(failures - 1, 0))

    def _attempt(self, session: Any, url: str) -> None:
        offset = self._have()
        if self._size is not None and offset > self._size:
            offset = self._discard()
        with self._answer(session, url, self._headers(url, offset)) as answer:
            offset = self._start(answer, offset)
            self._check_size(answer, url, offset)
            if not offset:
                self._keep_version(answer, url)
            self._receive(answer, url, offset)

    def _headers(self, url: str, offset: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "trimatte"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            known = self._read_version()
            if known.get("url") == url and known.get("version"):
                headers["If-Range"] = known["version"]
        return headers

    @contextmanager
    def _answer(self, session: Any, url: str, headers: Mapping[str, str]) -> Iterator[Any]:
        """The answer at the end of the redirects."""
        for _ in range(_REDIRECTS + 1):
            answer = self._get(session, url, headers)
            try:
                if not answer.is_redirect:
                    yield answer
                    return
                url = _redirected(url, answer.headers["Location"])
            finally:
                answer.close()
        raise DownloadError(f"{url}: more than {_REDIRECTS} redirects")

    def _get(self, session: Any, url: str, headers: Mapping[str, str]) -> Any:
        errors = importlib.import_module("requests").exceptions
        try:
            return session.get(
                url, headers=headers, stream=True, allow_redirects=False, timeout=_TIMEOUT
            )
        except (ValueError, errors.SSLError) as error:  # an address that is none is a ValueError
            raise DownloadError(f"{url}: {_cause_of(error)}") from error
        except errors.RequestException as error:
            raise _Interrupted(_cause_of(error)) from error

    def _start(self, answer: Any, offset: int) -> int:
        """Where in the file the answer begins."""
        status = answer.status_code
        if status == 206 and offset:
            if re.match(rf"bytes {offset}-", answer.headers.get("Content-Range", "")):
                return offset
            self._discard()
            raise _Interrupted("the server sent another part than was asked for")
        if status == 416 and offset:
            self._discard()
            raise _Interrupted("the server has no more than what was there, which is not all")
        if status in _PASSING:
            raise _Interrupted(f"HTTP {status} {answer.reason}")
        if status != 200:
            raise DownloadError(f"{answer.url}: HTTP {status} {answer.reason}")
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise DownloadError(f"{answer.url}: sends the file encoded as {encoding}")
        return self._discard()

    def _check_size(self, answer: Any, url: str, offset: int) -> None:
        announced = _announced(answer)
        if announced is not None and self._size not in (None, offset + announced):
            raise DownloadError(
                f"{url}: the server has {offset + announced} bytes, expected are {self._size}"
            )

    def _receive(self, answer: Any, url: str, offset: int) -> None:
        announced = _announced(answer)
        total = self._size or (None if announced is None else offset + announced)
        chunks = answer.iter_content(_CHUNK)
        have = offset
        with _opened(self._part) as file:
            while chunk := _next(chunks):
                have += len(chunk)
                if have > (total or _LIMIT):
                    raise DownloadError(f"{url}: sends more than {total or _LIMIT} bytes")
                with _writing(self._part):
                    _append(file, chunk)
                if total:
                    self._progress(have / total)
            if total is not None and have < total:
                raise _Interrupted(f"the connection ended after {have} of {total} bytes")
            with _writing(self._part):
                os.fsync(file.fileno())

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _discard(self) -> int:
        with _writing(self._part):
            self._part.unlink(missing_ok=True)
        self.resumed = False
        return 0

    def _keep_version(self, answer: Any, url: str) -> None:
        tag = answer.headers.get("ETag", "")
        version = answer.headers.get("Last-Modified") if tag.startswith("W/") or not tag else tag
        with _writing(self._version):
            self._version.write_text(json.dumps({"url": url, "version": version}))

    def _read_version(self) -> dict[str, str]:
        try:
            known = json.loads(self._version.read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    scheme = urlsplit(target).scheme
    if scheme not in ("https", "http") or (scheme == "http" and urlsplit(url).scheme == "https"):
        raise DownloadError(f"{url}: leads to {target}, which is not as safe")
    return target


def _announced(answer: Any) -> int | None:
    """How many bytes the server says it sends, None if it does not say."""
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _next(chunks: Iterator[bytes]) -> bytes:
    errors = importlib.import_module("requests").exceptions
    try:
        return next(chunks, b"")
    except errors.RequestException as error:
        raise _Interrupted(_cause_of(error)) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, to append to it; unbuffered, so that what was written is there when we are not."""
    with _writing(path):
        file = path.open("ab", buffering=0)
    with file:
        yield file


def _append(file: IO[bytes], chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineError(f"{path}: cannot be written: {error.strerror or error}") from error


def _cause_of(error: BaseException) -> str:
    """What failed at first, in the system's words: libraries wrap it in much that says no more."""
    cause = error
    while (inner := cause.__cause__ or cause.__context__) is not None and str(inner):
        cause = inner
    return getattr(cause, "strerror", None) or str(cause)

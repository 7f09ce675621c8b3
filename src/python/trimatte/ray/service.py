"""Images in, cutouts out, over HTTP: an application for Ray Serve."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from typing import Any

from PIL import Image

from trimatte.errors import ArgumentError
from trimatte.optional import require
from trimatte.pipeline.result import Result
from trimatte.ray.cluster import checked_cpus, checked_gpus, load
from trimatte.ray.cutting import MEDIA_TYPES, BatchRemover
from trimatte.ray.limits import Limits
from trimatte.ray.meter import Meter, ReplicaState, content_type, resident_bytes

__all__ = ["service"]

_LOG = logging.getLogger("ray.serve")  # Serve writes it to the replica's log

# What is taken from strangers: decoders that are much used, and none that runs another program.
_KINDS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

# A batch that takes so many times the time limit of all its images hangs: Serve then starts the
# replica anew.
_HANGS = 4


def service(
    *,
    replicas: int = 1,
    cpus: int = 1,
    gpus: float = 0,
    batch_size: int = 8,
    batch_wait: float = 0.01,
    limits: Limits | None = None,
    **options: Any,
) -> Any:
    """An application for ``ray.serve.run``: POST /remove takes an image and answers with the
    cutout. ``trimatte serve`` starts it on one machine.

    ``POST /remove``: the body is the file of an image, AVIF, BMP, GIF, JPEG, PNG, TIFF or WebP.
    ``?format=png``, ``webp`` or ``tiff``, or else the header Accept, says what comes back. An error
    comes as JSON, ``{"error": "why"}``: 400 empty body or unknown format, 405 not POST, 406 nothing
    of Accept, 413 too large, 415 not such an image, 422 broken, 503 too many wait (this one by
    Serve, as text), 504 the time is over. ``GET /health`` says that a replica is ready, ``GET
    /metrics`` what was answered so far, for Prometheus. No URL is ever fetched.

    Args:
        replicas: processes that cut out.
        cpus: cores of each, and its threads.
        gpus: of each, such as 1 or 0.5; its device is then "cuda".
        batch_size: images that wait are cut out together, so many at most; on a GPU the network
            sees those of them at once that it sees at one size.
        batch_wait: seconds that a batch which is not full waits for more.
        limits: what a request may cost.
        options: of `Remover`.

    Raises:
        ArgumentError: an argument is out of range.
        EngineError: Ray Serve is missing.
    """
    for name, value in {"replicas": replicas, "batch_size": batch_size}.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ArgumentError(
                f"service: {name} must be a whole number from 1 on, got {value!r:.80}"
            )
    if not isinstance(batch_wait, (int, float)) or not 0 <= batch_wait <= 60:
        raise ArgumentError(
            f"service: batch_wait must be seconds in [0, 60], got {batch_wait!r:.80}"
        )
    cpus, gpus = checked_cpus(cpus, "service"), checked_gpus(gpus, "service")
    limits = Limits() if limits is None else limits
    serve = load("ray.serve")
    meter = serve.deployment(Meter, name="meter", ray_actor_options={"num_cpus": 0}).bind()
    cutout = serve.deployment(
        _Replica,
        name="cutout",
        num_replicas=replicas,
        ray_actor_options={"num_cpus": cpus, "num_gpus": gpus},
        max_ongoing_requests=2 * batch_size,  # one batch is cut out, the next one is read
        max_queued_requests=limits.queued,
    )
    return cutout.bind(
        meter,
        limits,
        options,
        cpus=cpus,
        gpus=gpus,
        batch_size=batch_size,
        batch_wait=batch_wait,
    )


class _Refused(Exception):
    """An answer other than a cutout."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class _Replica:
    """Answers requests; Serve runs its methods on an event loop, and it cuts out in threads."""

    def __init__(
        self,
        meter: Any,
        limits: Limits,
        options: dict[str, Any],
        *,
        cpus: int,
        gpus: float,
        batch_size: int,
        batch_wait: float,
    ) -> None:
        self._responses = require("starlette.responses", extra="ray", purpose="trimatte.ray")
        requests = require("starlette.requests", extra="ray", purpose="trimatte.ray")
        self._disconnect = requests.ClientDisconnect
        self._limits = limits
        self._meter = meter
        self._remover = BatchRemover(options, cpus=cpus, gpus=gpus, batch_size=batch_size)
        serve = load("ray.serve")
        batched = serve.batch(max_batch_size=batch_size, batch_wait_timeout_s=batch_wait)
        self._cut = batched(self._cut_batch)
        self._name = serve.get_replica_context().replica_id.unique_id
        self._batches = self._images = 0
        self._hangs_from: float | None = None
        self._meter.started.remote(self._state())

    async def __call__(self, request: Any) -> Any:
        """The response to a request for any path."""
        begun = time.perf_counter()
        path = request.scope["path"].removeprefix(request.scope.get("root_path", "")) or "/"
        try:
            response = await self._answer(path, request)
        except _Refused as refused:
            response = self._refusal(refused)
        except self._disconnect:
            response = self._refusal(_Refused(400, "the client went away"))
        except Exception:
            _LOG.exception("a request failed")
            response = self._refusal(_Refused(500, "it failed; the log of the service says why"))
        if path == "/remove":
            seconds = time.perf_counter() - begun
            self._meter.answered.remote(response.status_code, seconds, self._state())
        return response

    def check_health(self) -> None:
        """Is asked by Serve, which starts a replica anew that raises."""
        if self._hangs_from is not None and time.monotonic() > self._hangs_from:
            raise RuntimeError("a batch hangs")

    async def _answer(self, path: str, request: Any) -> Any:
        if path == "/remove":
            _only(request, "POST")
            return await self._cutout(request)
        if path == "/health":
            _only(request, "GET", "HEAD")
            return self._responses.JSONResponse({"status": "ok"})
        if path == "/metrics":
            _only(request, "GET", "HEAD")
            text = await self._meter.text.remote()
            return self._responses.Response(text, media_type=content_type())
        raise _Refused(404, f"there is no {path!r:.80}; POST an image to /remove")

    async def _cutout(self, request: Any) -> Any:
        seconds = self._limits.seconds
        try:
            format = _format_of(request)
            data = await asyncio.wait_for(self._file(request, format), seconds)
        except asyncio.TimeoutError:
            raise _Refused(504, f"it is not done within {seconds:g} s") from None
        return self._responses.Response(data, media_type=MEDIA_TYPES[format])

    async def _file(self, request: Any, format: str) -> bytes:
        """The cutout's file."""
        image = await self._body(request)
        await asyncio.to_thread(_check_header, image, self._limits.max_pixels)
        result = await self._cut(image)
        if isinstance(result, ArgumentError):
            raise _Refused(422, str(result))
        if isinstance(result, Exception):
            raise result
        try:
            return await asyncio.to_thread(result.encode, format)
        except ArgumentError as error:
            raise _Refused(422, str(error)) from error

    async def _body(self, request: Any) -> bytes:
        """The body, as far as it is not too long."""
        most = self._limits.max_bytes
        too_large = _Refused(413, f"the body has more than {most} bytes")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
        if not body:
            raise _Refused(400, "the body is empty; it must be an image")
        return bytes(body)

    async def _cut_batch(self, images: list[bytes]) -> list[Result | Exception]:
        self._hangs_from = time.monotonic() + _HANGS * len(images) * self._limits.seconds
        try:
            results = await asyncio.to_thread(self._remover.cut, images)
        finally:
            self._hangs_from = None
        self._batches += 1
        self._images += len(images)
        return results

    def _refusal(self, refused: _Refused) -> Any:
        return self._responses.Response(
            json.dumps({"error": str(refused)}),
            refused.status,
            headers=refused.headers,
            media_type="application/json",
        )

    def _state(self) -> ReplicaState:
        return ReplicaState(self._name, self._batches, self._images, resident_bytes())


def _only(request: Any, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise _Refused(405, f"{request.method} is not {allowed}", Allow=allowed)


def _format_of(request: Any) -> str:
    """The format that a request asks for."""
    known = ", ".join(MEDIA_TYPES)
    asked = request.query_params.get("format")
    if asked is not None:
        if asked not in MEDIA_TYPES:
            raise _Refused(400, f"format must be one of {known}, got {asked!r:.80}")
        return str(asked)
    liked, refused = _accepted(request.headers.get("accept") or "*/*")
    for kind in liked:
        for format, media_type in MEDIA_TYPES.items():
            if media_type not in refused and kind in (media_type, "image/*", "*/*"):
                return format
    raise _Refused(406, f"Accept must allow one of {', '.join(MEDIA_TYPES.values())}")


def _accepted(header: str) -> tuple[list[str], set[str]]:
    """The media types of an Accept header, the best liked first, and those of quality 0, which are
    refused (RFC 9110, 12.5.1)."""
    liked: list[tuple[float, str]] = []
    refused = set()
    for part in header.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if quality > 0:
            liked.append((quality, kind))
        else:
            refused.add(kind)
    return [kind for _, kind in sorted(liked, key=lambda each: -each[0])], refused


def _check_header(image: bytes, max_pixels: int) -> None:
    """Refuse by its header what is no image, or one that is too large to decode."""
    Image.init()  # registers the decoders that this Pillow has
    kinds = [kind for kind in _KINDS if kind in Image.OPEN]
    try:
        # As the image will be opened: a file can be of two kinds, and lie in one of its headers.
        with Image.open(io.BytesIO(image)) as opened:
            if opened.format not in (*kinds, "MPO"):  # JPEG of several
                raise ValueError(f"it is {opened.format}")
            width, height = opened.size
    except Image.DecompressionBombError as error:
        raise _Refused(413, str(error)) from error
    except Exception as error:  # a broken header can make a decoder raise anything
        raise _Refused(415, f"the body must be an image: {', '.join(kinds)}") from error
    if width * height > max_pixels:
        raise _Refused(
            413, f"the image is {width} x {height}; it may have {max_pixels} pixels at most"
        )

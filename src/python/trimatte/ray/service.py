"""Images in, cutouts out, over HTTP: an application for Ray Serve."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Sequence
from typing import Any

from trimatte.errors import ArgumentError
from trimatte.optional import require
from trimatte.pipeline.result import Result
from trimatte.pipeline.segmenter import Model
from trimatte.ray.cluster import checked_cpus, checked_gpus, load
from trimatte.ray.cutting import BatchRemover
from trimatte.ray.limits import Limits
from trimatte.ray.meter import Meter, ReplicaState, content_type, resident_bytes
from trimatte.ray.requests import Refused, check_header, read_request

__all__ = ["service"]

_LOG = logging.getLogger("ray.serve")  # Serve writes it to the replica's log

# The headers with `Result.route` and `Result.unsure`.
_ROUTE, _UNSURE = "Trimatte-Route", "Trimatte-Unsure"

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
    also_models: Sequence[Model] = (),
    **options: Any,
) -> Any:
    """An application for ``ray.serve.run``: POST /remove takes an image and answers with the
    cutout. ``trimatte serve`` starts it on one machine.

    ``POST /remove``: the body is the file of an image, AVIF, BMP, GIF, JPEG, PNG, TIFF or WebP, or
    a form (multipart/form-data) with such a file. Options are in the query, or fields of the form:
    ``format`` (png, webp or tiff, with a background or only_mask also jpeg; without it the header
    Accept says it), ``background`` (a colour), ``crop`` (pixels or percent around what shows),
    ``only_mask`` (true: alpha, in grey), ``model`` (the name of one that was loaded; ``auto``, the
    default, looks for a screen). The header ``Trimatte-Route`` says how the image was cut out, and
    why so. An error comes as JSON, ``{"error": "why"}``: 400 empty body or wrong option, 405 not
    POST, 406 nothing of Accept, 413 too large, 415 not such an image, 422 broken, or nothing to
    crop to, 503 too many wait (this one by Serve, as text), 504 the time is over. ``GET /health``
    says that a replica is ready, ``GET /metrics`` what was answered so far, for Prometheus. No URL
    is ever fetched.

    Args:
        replicas: processes that cut out.
        cpus: cores of each, and its threads.
        gpus: of each, such as 1 or 0.5; its device is then "cuda".
        batch_size: images that wait are cut out together, so many at most; on a GPU the network
            sees those of them at once that it sees at one size.
        batch_wait: seconds that a batch which is not full waits for more.
        limits: what a request may cost.
        also_models: names or paths of further networks, which a request may ask for by ``model``;
            each replica loads all. Options but ``card`` and ``classes`` are theirs too.
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
    if isinstance(also_models, (str, os.PathLike)):
        raise ArgumentError(
            f"service: also_models must be a list of names or paths, got {also_models!r:.80}"
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
        also_models=also_models,
    )


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
        also_models: Sequence[Model],
    ) -> None:
        self._responses = require("starlette.responses", extra="ray", purpose="trimatte.ray")
        requests = require("starlette.requests", extra="ray", purpose="trimatte.ray")
        self._disconnect = requests.ClientDisconnect
        self._limits = limits
        self._meter = meter
        self._remover = BatchRemover(
            options, cpus=cpus, gpus=gpus, batch_size=batch_size, also_models=also_models
        )
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
        except Refused as refused:
            response = self._refusal(refused)
        except self._disconnect:
            response = self._refusal(Refused(400, "the client went away"))
        except Exception:
            _LOG.exception("a request failed")
            response = self._refusal(Refused(500, "it failed; the log of the service says why"))
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
        raise Refused(404, f"there is no {path!r:.80}; POST an image to /remove")

    async def _cutout(self, request: Any) -> Any:
        seconds = self._limits.seconds
        try:
            data, media_type, headers = await asyncio.wait_for(self._file(request), seconds)
        except asyncio.TimeoutError:
            raise Refused(504, f"it is not done within {seconds:g} s") from None
        return self._responses.Response(data, media_type=media_type, headers=headers)

    async def _file(self, request: Any) -> tuple[bytes, str, dict[str, str]]:
        """The file that is asked for, its media type, and the headers that tell of it."""
        image, asked = await read_request(request, self._limits, self._remover.models)
        await asyncio.to_thread(check_header, image, self._limits.max_pixels)
        result = await self._cut((image, asked.model))
        if isinstance(result, ArgumentError):
            raise Refused(422, str(result))
        if isinstance(result, Exception):
            raise result
        try:
            data = await asyncio.to_thread(asked.encode, result)
        except ArgumentError as error:
            raise Refused(422, str(error)) from error
        headers = {_ROUTE: str(result.route)}
        if result.unsure is not None:
            headers[_UNSURE] = f"{result.unsure:.4f}"
        return data, asked.media_type, headers

    async def _cut_batch(self, waiting: list[tuple[bytes, str | None]]) -> list[Result | Exception]:
        """The results of images and the models that are asked for them."""
        self._hangs_from = time.monotonic() + _HANGS * len(waiting) * self._limits.seconds
        try:
            images, models = zip(*waiting, strict=True)
            results = await asyncio.to_thread(self._remover.cut, images, models)
        finally:
            self._hangs_from = None
        self._batches += 1
        self._images += len(waiting)
        return results

    def _refusal(self, refused: Refused) -> Any:
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
        raise Refused(405, f"{request.method} is not {allowed}", Allow=allowed)

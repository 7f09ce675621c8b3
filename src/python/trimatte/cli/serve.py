"""The command line's ``trimatte serve``."""

from __future__ import annotations

import argparse
from functools import partial
from threading import Event
from typing import Any

from trimatte.cli.options import (
    KEY_BAND,
    LOOKS_FOR_SCREEN,
    MASK_BAND,
    UsageError,
    add_matting,
    add_network,
    check_matting,
    pixels,
    remover_options,
    usual_remover,
)
from trimatte.cli.parsing import as_typed, reader
from trimatte.cli.signals import sigterm_calls
from trimatte.errors import ArgumentError, EngineError
from trimatte.ray.cluster import connected, load, placed
from trimatte.ray.cutting import name_of_network
from trimatte.ray.limits import Limits
from trimatte.ray.service import service

__all__ = ["add_serve"]

_EXAMPLES = """\
POST an image to /remove, and the cutout comes back; GET /health and /metrics (for Prometheus). It
runs on Ray Serve (trimatte's extra [ray]) until Ctrl-C or SIGTERM. There is no
authentication: bind it to another address than this machine's own only behind a proxy that has it.

examples:
  trimatte serve
  trimatte serve --port 9000 --replicas 4 --cpus 2 --batch 16
  trimatte serve --model isnet-general-use --gpus 1
  trimatte serve --also-model u2net --also-model mine.onnx
  curl --data-binary @photo.jpg localhost:8000/remove -o cutout.png
  curl --data-binary @photo.jpg 'localhost:8000/remove?format=webp' -o cutout.webp
  curl -F file=@photo.jpg 'localhost:8000/remove?background=white&format=jpeg' -o portrait.jpg

options of a request, in the query or as fields of the form: format (png, webp, tiff, jpeg),
background (a colour), crop (0, 20, 5%), only_mask (true), model (one of --model and --also-model)
"""

_APPLICATION = "trimatte"

_LOOKS_EVERY = 2.0  # seconds


def add_serve(commands: Any) -> None:
    """Adds the command to the command line's."""
    parser = commands.add_parser(
        "serve",
        help="cut out what comes over HTTP, on Ray Serve",
        description="Cuts out the images that come over HTTP.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="H",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=reader(_port, "a whole number in 1..65535"),
        default=8000,
        metavar="N",
        help="(default: %(default)s)",
    )
    workers = parser.add_argument_group("the workers")
    workers.add_argument(
        "--replicas",
        type=int,
        default=1,
        metavar="N",
        help="how many processes (default: %(default)s)",
    )
    workers.add_argument(
        "--cpus", type=int, default=1, metavar="N", help="cores of each (default: %(default)s)"
    )
    workers.add_argument(
        "--gpus",
        type=float,
        default=0,
        metavar="N",
        help="of each, such as 1 or 0.5; --device is then cuda (default: %(default)g)",
    )
    workers.add_argument(
        "--batch",
        type=int,
        default=8,
        metavar="N",
        help="images cut out together (default: %(default)s)",
    )
    workers.add_argument(
        "--batch-wait",
        type=float,
        default=0.01,
        metavar="S",
        help="seconds to wait for a full batch (default: %(default)g)",
    )
    workers.add_argument(
        "--address", metavar="A", help="a Ray cluster's (default: RAY_ADDRESS, or this machine)"
    )
    limits = parser.add_argument_group("what a request may cost")
    default = Limits()
    limits.add_argument(
        "--max-bytes",
        type=int,
        default=default.max_bytes,
        metavar="N",
        help="of its body (default: %(default)s)",
    )
    limits.add_argument(
        "--max-pixels",
        type=pixels,
        default=default.max_pixels,
        metavar="N",
        help="of its image, as 200M; larger ones are answered with 413 (default: %(default)s)",
    )
    limits.add_argument(
        "--timeout",
        type=float,
        default=default.seconds,
        metavar="S",
        help="seconds until it is answered with 504 (default: %(default)g)",
    )
    limits.add_argument(
        "--queue",
        type=int,
        default=default.queued,
        metavar="N",
        help="that wait; more are answered with 503 (default: %(default)s)",
    )
    limits.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="of the images that a worker has in hand, e.g. 2GiB; one that alone may take more is "
        "answered with 422 (default: no limit)",
    )
    add_network(parser, default=None, without=LOOKS_FOR_SCREEN)
    parser.add_argument(
        "--also-model",
        action="append",
        default=[],
        dest="also_models",
        metavar="NAME|FILE",
        help="a further network, which a request may ask for by its name (may be repeated)",
    )
    add_matting(parser, band=f"{MASK_BAND}; before a screen, {KEY_BAND}")
    parser.set_defaults(run=_serve, quiet=False, verbose=False)


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise ValueError(text)
    return value


def _serve(arguments: argparse.Namespace) -> int:
    check_matting(arguments)
    if not arguments.gpus and not arguments.address:
        # Here, where it can be said best, what is wrong with the network is found out, and its
        # weights are fetched.
        names: set[str | None] = set()
        for given in (arguments, *map(partial(_also, arguments), arguments.also_models)):
            remover = usual_remover(given)
            name = name_of_network(remover)
            if remover.segmenter is not None:
                remover.segmenter.close()
            if name in names:
                raise UsageError(f"--also-model: {name!r} is there already")
            names.add(name)
    try:
        application = service(
            replicas=arguments.replicas,
            cpus=arguments.cpus,
            gpus=arguments.gpus,
            batch_size=arguments.batch,
            batch_wait=arguments.batch_wait,
            limits=Limits(
                arguments.max_bytes, arguments.max_pixels, arguments.timeout, arguments.queue
            ),
            also_models=arguments.also_models,
            **_replica_options(arguments),
        )
    except ArgumentError as error:
        raise UsageError(as_typed(error, arguments)) from error
    cluster = {} if arguments.address is None else {"address": arguments.address}
    stop = Event()
    with connected(**cluster) as ray, sigterm_calls(lambda *_: stop.set()):
        fit = placed(ray, {"CPU": arguments.cpus, "GPU": arguments.gpus}, "serve")
        if arguments.replicas > fit:
            raise UsageError(f"--replicas: {fit} such workers fit on the cluster's nodes")
        _run(application, arguments, stop)
    return 0


def _also(arguments: argparse.Namespace, model: str) -> argparse.Namespace:
    """The arguments of one of --also-model."""
    spelling = arguments.spelling | {"model": "--also-model"}
    given = {"model": model, "card": None, "classes": None, "spelling": spelling}
    return argparse.Namespace(**vars(arguments) | given)


def _replica_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of the replicas' `Remover`; with a GPU each, the replica knows which."""
    options = remover_options(arguments)
    if arguments.gpus and arguments.device == "cpu":
        del options["device"]
    return options


def _run(application: Any, arguments: argparse.Namespace, stop: Event) -> None:
    """Serve until it is told to stop, or the application is gone."""
    serve = load("ray.serve")
    host, port = arguments.host, arguments.port
    try:
        try:
            runs_already = bool(serve.status().proxies)
            serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port})
            serve.run(application, name=_APPLICATION)
        except Exception as error:  # Serve raises what its actors died of, cause last
            cause = (str(error).strip() or repr(error)).splitlines()[-1]
            raise EngineError(f"serve: it could not be started: {cause}") from error
        place = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if runs_already:  # and listens where it did; --host and --port have no say
            place = "the address of the Serve that runs on that cluster, "
        print(f"trimatte: POST images to {place}/remove; Ctrl-C ends it", flush=True)
        while not stop.wait(_LOOKS_EVERY):
            if _APPLICATION not in serve.status().applications:
                raise EngineError("serve: somebody has shut the application down")
    finally:
        serve.delete(_APPLICATION)

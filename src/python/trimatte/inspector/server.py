"""Python behind a page: a server for one browser on this machine."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trimatte.errors import Error
from trimatte.inspector.assembly import policy
from trimatte.inspector.inspection import Inspection
from trimatte.io.sources import ImageSource

__all__ = ["InspectorServer", "serve"]

_HOST = "127.0.0.1"  # no other machine's
_MOST_BYTES = 16 << 10  # of a request's body, which holds a dozen options


def serve(
    image: ImageSource,
    *,
    open_browser: bool = True,
    said: Callable[[str], Any] = print,
    **options: Any,
) -> None:
    """Show an image's page in a browser and cut the image out again as it asks, until Ctrl-C.

    It listens on this machine only, at a port that is free; the address holds a secret.

    Args:
        image: as of a `Remover`.
        open_browser: in the browser that is the user's choice.
        said: gets the sentence that tells the address.
        options: name, region and max_pixels as of `page`; all others are a Remover's.

    Raises:
        ArgumentError, EngineError: as a Remover and its call do.
    """
    with InspectorServer(Inspection(image, **options)) as server:
        said(f"trimatte: {server.url} shows it; Ctrl-C ends it")
        if open_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            said("trimatte: ended")


class InspectorServer(ThreadingHTTPServer):
    """Serves the page of an inspection at `url`, and its wishes at `url` + ``run``.

    A request is answered if it names this host and the secret, and if it comes from the page
    itself or a bar that an address is typed in: another site's script, or one behind a name that
    now leads here (DNS rebinding), gets nothing.
    """

    # Threads, though one image is cut out at a time: a browser keeps connections open that it says
    # nothing on.
    daemon_threads = True

    def __init__(self, inspection: Inspection, port: int = 0) -> None:
        super().__init__((_HOST, port), _Handler)
        self.inspection = inspection
        self.running: threading.Lock = threading.Lock()
        self.path: str = f"/{secrets.token_urlsafe(24)}/"

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{_HOST}:{self.server_port}{self.path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no event; anything else is told in a line."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            print(f"trimatte: {error!r}", file=sys.stderr)


class _Handler(BaseHTTPRequestHandler):
    server: InspectorServer
    timeout = 30  # seconds that a request may take to come
    server_version = "trimatte"
    sys_version = ""

    def do_GET(self) -> None:
        if self._may_ask(self.server.path):
            page = self.server.inspection.page().encode()
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page)

    def do_POST(self) -> None:
        if not self._may_ask(f"{self.server.path}run"):
            return
        body = self._body()
        if body is None:
            return
        if not self.server.running.acquire(blocking=False):
            self._refuse(HTTPStatus.CONFLICT, "inspector: it is cutting out already")
            return
        try:
            status, answer = self._run(body)
        finally:
            self.server.running.release()  # before the answer, after which the page may ask again
        self._answer_json(status, answer)

    def _run(self, body: bytes) -> tuple[HTTPStatus, Any]:
        try:
            return HTTPStatus.OK, self.server.inspection.run(json.loads(body))
        except ValueError as error:  # no JSON, or an ArgumentError
            said = str(error) if isinstance(error, Error) else "inspector: the body is no JSON"
            return HTTPStatus.UNPROCESSABLE_ENTITY, {"error": said}
        except Exception as error:
            said = str(error) if isinstance(error, (Error, OSError)) else repr(error)
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": said}

    def _may_ask(self, path: str) -> bool:
        """Whether a request is for a path, and from whom it may be; if not it is refused."""
        hosts = [f"{name}:{self.server.server_port}" for name in (_HOST, "localhost")]
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        expects_origin = self.command != "GET"
        if host not in hosts:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "inspector: not this server's name")
        elif origin != f"http://{host}" if expects_origin or origin else False:
            self._refuse(HTTPStatus.FORBIDDEN, "inspector: only its own page may ask")
        elif not secrets.compare_digest(self.path.encode(), path.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "inspector: there is nothing here")
        else:
            return True
        return False

    def _body(self) -> bytes | None:
        """The request's body, or None where it is refused."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "inspector: the body must be JSON")
        elif not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "inspector: the body's length must be said")
        elif int(length[:20]) > _MOST_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"inspector: the body must have at most {_MOST_BYTES} bytes, got {length[:20]}",
            )
        else:
            return self.rfile.read(int(length))
        return None

    def _refuse(self, status: HTTPStatus, said: str) -> None:
        self._answer_json(status, {"error": said})

    def _answer_json(self, status: HTTPStatus, value: Any) -> None:
        body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
        self._answer(status, "application/json", body)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"{policy(served=True)}; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged: the address holds the secret."""

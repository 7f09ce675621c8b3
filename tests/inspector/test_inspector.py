"""The inspector's page and what serves it, without a browser."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import os
import re
import threading
import webbrowser
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from trimatte import ArgumentError, Remover, Result, chroma_key
from trimatte.demo import scene
from trimatte.inspector import page, write_page
from trimatte.inspector.inspection import Inspection
from trimatte.inspector.payload import plane
from trimatte.inspector.server import InspectorServer, serve
from trimatte.inspector.view import choose_view
from trimatte.io.reading import read_image
from trimatte.io.writing import write_image

IMAGE = scene(60, 100).image
EVIL = "</script><script>alert(1)</script>{{style}}&\"'<!--.png"
QUICK: dict[str, Any] = {"key_color": "green", "tolerance": 30.0, "quality": "fast"}


@pytest.fixture(scope="module")
def result() -> Result:
    return Remover(key_color="auto")(IMAGE)


class Document(HTMLParser):
    """What a page consists of: its elements, and the text within each kind of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inner: dict[str, list[str]] = {}
        self.within: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inner.setdefault(tag, []).append("")
        self.within = tag

    def handle_endtag(self, tag: str) -> None:
        self.within = None

    def handle_data(self, data: str) -> None:
        if self.within is not None:
            self.inner[self.within][-1] += data

    @property
    def data(self) -> dict[str, Any]:
        data, _ = self.inner["script"]
        return json.loads(data)


def pixels_of(packed: dict[str, Any]) -> np.ndarray:
    """A plane as Pillow, and not what wrote it, reads it; only 8 bits, and 16 of grey."""
    files = []
    for uri in packed["png"]:
        head, data = uri.split(",")
        assert head == "data:image/png;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert picture.mode in ("L", "RGB", "I;16"), "opaque"
        assert not picture.info, "nothing that a browser would manage colours by"
        files.append(np.asarray(picture))
    if packed["dtype"] != "float32":
        return files[0]
    high, low = (half.astype(np.uint32) for half in files)
    return (high << 16 | low).view(np.float32)


# --- the page ---


def test_the_page_is_one_file_that_asks_for_nothing(result: Result) -> None:
    text = page(IMAGE, result)
    assert not re.search(r"https?:", text, re.IGNORECASE)
    document = Document(text)
    for tag, attributes in document.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:"), f"<{tag} {name}={value}>"
        handlers = [name for name in attributes if name.startswith("on") or name == "style"]
        assert not handlers, "the policy forbids them"
    assert not re.search(r"@import|url\(", document.inner["style"][0])


def test_the_policy_allows_this_script_and_style_and_no_network(result: Result) -> None:
    document = Document(page(IMAGE, result))
    policies = [
        attributes["content"]
        for tag, attributes in document.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    rules = dict(rule.split(" ", 1) for rule in (policies[0] or "").split("; "))
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    texts = {"script": document.inner["script"][1], "style": document.inner["style"][0]}
    for kind, text in texts.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"


def test_values_in_the_page_are_the_librarys(result: Result) -> None:
    data = Document(page(IMAGE, result, tolerance=12)).data
    assert np.array_equal(pixels_of(data["image"]["pixels"]), IMAGE)
    for name in ("alpha", "foreground", "trimap", "mask"):
        array = getattr(result, name)
        found = pixels_of(data["result"][name])
        assert found.dtype == array.dtype
        assert np.array_equal(found, array), name
    counts = data["result"]["counts"]
    assert counts["unknown"] == np.count_nonzero(result.trimap == 128)
    assert counts["pixels"] == counts["background"] + counts["unknown"] + counts["foreground"]
    assert counts["opaque"] == np.count_nonzero(result.alpha == 1)
    assert list(data["result"]["timings"]) == list(result.timings)
    assert data["result"]["device"] == "cpu"
    assert data["key"] == {"channel": 1, "tolerance": 12.0, "softness": 0.0}


def test_a_learnt_screen_is_in_the_page(result: Result) -> None:
    assert result.screen is not None
    screen = Document(page(IMAGE, result)).data["result"]["screen"]
    model = screen["model"]
    assert model["dtype"] == "float32"
    assert len(model["png"]) == 2
    assert screen["cell"] == result.screen.cell
    assert screen["transfer"] == result.screen.transfer


def test_the_pages_key_is_the_screens() -> None:
    blue = np.ascontiguousarray(IMAGE[:, :, [0, 2, 1]])
    by_difference = Remover(key_color="auto", method="difference")(blue)
    assert Document(page(blue, by_difference, key_color="auto")).data["key"]["channel"] == 2
    learnt = Remover(key_color="auto")(blue)
    assert Document(page(blue, learnt)).data["key"]["channel"] == 2
    assert Inspection(blue, key_color="auto", method="difference").run({})["key"]["channel"] == 2


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32"])
def test_planes_lose_nothing(dtype: str) -> None:
    random = np.random.default_rng(1)
    values = random.integers(0, 65536, (7, 5))
    array = (values > 30000) if dtype == "bool" else values.astype(np.uint32).astype(dtype)
    if dtype == "float32":
        array = random.random((7, 5), np.float32)
        array[0] = 0, 1, np.float32(1e-30), np.float32(1) / 3, np.nextafter(np.float32(1), 0)
    found = pixels_of(plane(array[::-1]))
    assert np.array_equal(found, array[::-1] * np.uint8(255) if dtype == "bool" else array[::-1])


def test_a_large_image_is_thinned_and_its_values_kept(result: Result) -> None:
    data = Document(page(IMAGE, result, max_pixels=700)).data
    assert data["image"]["view"] == {"x": 0, "y": 0, "step": 3}
    assert (data["image"]["width"], data["image"]["height"]) == (100, 60)
    assert np.array_equal(pixels_of(data["image"]["pixels"]), IMAGE[::3, ::3])
    assert np.array_equal(pixels_of(data["result"]["alpha"]), result.alpha[::3, ::3])
    assert data["result"]["counts"]["pixels"] == 6000, "of all pixels"


def test_a_region_is_shown_whole(result: Result) -> None:
    data = Document(page(IMAGE, result, region=(70, 20, 30, 40))).data
    assert data["image"]["view"] == {"x": 70, "y": 20, "step": 1}
    assert np.array_equal(pixels_of(data["image"]["pixels"]), IMAGE[20:, 70:])


@pytest.mark.parametrize("most", [1, 2, 3, 10, 699, 5999, 6000])
def test_a_view_has_no_more_pixels_than_it_may(most: int) -> None:
    view = choose_view(60, 100, max_pixels=most)
    shown = view.of(np.zeros((60, 100)))
    assert shown.shape == (view.height, view.width)
    assert shown.size <= most


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"region": (0, 0, 101, 60)}, r"region must be \(x, y, width, height\) within .* 100 x 60"),
        ({"region": (0, 0, 0, 5)}, "region must be"),
        ({"max_pixels": 0}, "max_pixels must be a whole number of at least 1, got 0"),
        ({"tolerance": 256}, r"tolerance must be in \[0, 255\], got 256"),
        ({"tolerance": "x"}, "tolerance must be a number, got 'x'"),
        ({"key_color": "pinkish"}, "key_color must be 'auto', 'green', .* got 'pinkish'"),
    ],
)
def test_wrong_options_are_named(result: Result, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=f"inspector: {said}"):
        page(IMAGE, result, **options)


def test_an_image_of_another_size_is_refused(result: Result) -> None:
    with pytest.raises(ArgumentError, match=r"must have the result's size \(60, 100\), got \(59,"):
        page(IMAGE[1:], result)


def test_names_stay_text(result: Result) -> None:
    plain = Document(page(IMAGE, result, name="photo.png"))
    document = Document(page(IMAGE, result, name=EVIL))
    assert document.data["image"]["name"] == EVIL
    assert document.inner["title"] == [f"{EVIL} - trimatte"]
    assert [tag for tag, _ in document.elements] == [tag for tag, _ in plain.elements]


def test_names_need_be_no_text(result: Result) -> None:
    """As those of files that are not UTF-8; of both kinds of page."""
    name = os.fsdecode(b"a\xff.png")
    served = Inspection(IMAGE, name=name, tolerance=30.0).page()
    for text in (page(IMAGE, result, name=name), served):
        assert Document(text.encode().decode()).data["image"]["name"] == "a?.png"


def test_a_page_that_cannot_be_written_is_not_begun(result: Result, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"inspector: cannot write .*no-folder"):
        write_page(tmp_path / "no-folder" / "page.html", IMAGE, result)
    assert not list(tmp_path.iterdir())


# --- the command ---


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser is asked for."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_image(path, IMAGE)
    return path


def test_the_command_writes_a_page_and_opens_it(run: Run, photo: Path, opened: list[str]) -> None:
    code, out, err = run("inspect", photo, "--tolerance", 25, "--region", "10,5,50,40")
    target = photo.with_name("photo.inspect.html")
    assert (code, out.strip(), err) == (0, str(target), "")
    assert opened == [target.as_uri()]
    data = Document(target.read_text(encoding="utf-8")).data
    assert data["image"]["name"] == "photo.png"
    assert data["key"]["tolerance"] == 25
    assert np.array_equal(pixels_of(data["image"]["pixels"]), IMAGE[5:45, 10:60])
    mask = chroma_key(IMAGE, tolerance=25)
    assert np.array_equal(pixels_of(data["result"]["mask"]), mask[5:45, 10:60])


def test_no_open_opens_nothing(run: Run, photo: Path, opened: list[str]) -> None:
    page = photo.with_name("page.html")
    code, _, _ = run("inspect", photo, "-o", page, "--no-open", "--key-color", "auto")
    assert code == 0
    assert page.is_file()
    assert not opened


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "page.png"], "-o: 'page.png' must end in .html"),
        (["--serve", "-o", "page.html"], "--serve writes no file"),
        (["--model", "nowhere"], "nowhere"),
        (["--tolerance", "300"], "tolerance must be"),
    ],
)
def test_wrong_usage_is_named(run: Run, photo: Path, options: list[str], said: str) -> None:
    code, _, err = run("inspect", photo, "--no-open", *options)
    assert code == 2
    assert said in err
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


# --- the server ---


@pytest.fixture(scope="module")
def server() -> Iterator[InspectorServer]:
    with InspectorServer(Inspection(IMAGE, name="drawn", **QUICK)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    server: InspectorServer,
    method: str,
    path: str,
    body: bytes | None = None,
    **headers: str | None,
) -> tuple[int, bytes, dict[str, str]]:
    """The answer to a request as its own page would send it, but for headers; None: left out."""
    host = f"127.0.0.1:{server.server_port}"
    sent: dict[str, str | None] = {"Host": host}
    if method == "POST":
        sent |= {"Origin": f"http://{host}", "Content-Type": "application/json"}
        sent["Content-Length"] = str(len(body or b""))
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=120)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def run_with(server: InspectorServer, options: object) -> tuple[int, Any]:
    status, body, _ = ask(server, "POST", f"{server.path}run", json.dumps(options).encode())
    return status, json.loads(body)


def test_the_server_serves_its_page(server: InspectorServer) -> None:
    status, body, headers = ask(server, "GET", server.path)
    assert status == 200
    data = Document(body.decode()).data
    assert data["image"]["name"] == "drawn"
    assert data["serve"]["options"]["tolerance"] == 30
    assert "u2net-lite" in data["serve"]["choices"]["model"]
    policy = headers["Content-Security-Policy"]
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"


def test_only_this_machine_is_listened_to(server: InspectorServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.path) > 30, "a secret that is not guessed"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": None}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-5"}, 411),
        ({"Content_Length": "16385"}, 413),
        ({"Content_Length": "9" * 5000}, 413),
    ],
)
def test_requests_of_others_are_refused(
    server: InspectorServer, headers: dict[str, str | None], status: int
) -> None:
    before = server.inspection.options
    found, body, _ = ask(server, "POST", f"{server.path}run", b"{}", **headers)
    assert found == status
    assert json.loads(body)["error"].startswith("inspector: ")
    assert server.inspection.options is before


@pytest.mark.parametrize("path", ["/", "/run", "/wrong/", "{0}x", "{0}run?a"])
def test_the_secret_is_needed(server: InspectorServer, path: str) -> None:
    for method in ("GET", "POST"):
        status, body, _ = ask(server, method, path.format(server.path), b"{}")
        assert status == 404
        assert b"drawn" not in body


def test_a_page_of_another_site_cannot_read_it(server: InspectorServer) -> None:
    assert ask(server, "GET", server.path, Origin="http://evil.example")[0] == 403
    assert ask(server, "GET", server.path, Host=f"evil.example:{server.server_port}")[0] == 421


def test_it_cuts_out_again_with_other_options(server: InspectorServer) -> None:
    wanted = QUICK | {"tolerance": 60, "radius": [5, 2], "despill": None, "softness": None}
    status, answer = run_with(server, wanted)
    assert status == 200
    expected = Remover(**(wanted | {"radius": (5, 2), "model": None}))(IMAGE)
    for name in ("alpha", "foreground", "trimap", "mask"):
        assert np.array_equal(pixels_of(answer["result"][name]), getattr(expected, name)), name
    assert answer["options"]["radius"] == [5, 2]
    assert answer["key"]["tolerance"] == 60


def test_it_changes_the_model(server: InspectorServer) -> None:
    pytest.importorskip("onnxruntime", reason="test_inspector: pip install 'trimatte[cpu]'")
    network = {"model": "u2net-lite", "key_color": None, "tolerance": None, "method": None}
    status, answer = run_with(server, network)
    assert status == 200
    assert answer["result"]["engine"].startswith("onnxruntime")
    status, answer = run_with(server, QUICK | {"model": None})
    assert answer["result"]["engine"] is None


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"radius": -1}, "radius must be"),
        ({"method": "magic"}, "method must be one of"),
        ({"model": "/etc/passwd"}, "inspector: model must be one of auto, None, "),
        ({"device": "cuda"}, "inspector: options are model, "),
        ({"accept_license": True}, "inspector: options are model, "),
        ({"tolerance": True}, "inspector: tolerance must be a name, a number"),
        ({"radius": [1, {"a": 2}]}, "inspector: radius must be a name, a number"),
        ([], "inspector: options must be an object"),
    ],
)
def test_errors_come_back_as_sentences(server: InspectorServer, wanted: Any, said: str) -> None:
    before = server.inspection.options
    status, answer = run_with(server, wanted)
    assert status == 422
    assert said in answer["error"]
    assert server.inspection.options == before


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b'{"tolerance": NaN}'])
def test_what_is_no_json_is_refused(server: InspectorServer, body: bytes) -> None:
    status, answer, _ = ask(server, "POST", f"{server.path}run", body)
    assert status == 422
    assert "inspector: " in json.loads(answer)["error"]


def test_one_run_at_a_time(server: InspectorServer) -> None:
    with server.running:
        status, answer = run_with(server, {})
    assert (status, answer["error"]) == (409, "inspector: it is cutting out already")


def test_ctrl_c_ends_it(photo: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: InspectorServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(InspectorServer, "serve_forever", interrupted)
    said: list[str] = []
    serve(photo, said=said.append, **QUICK)
    address = opened[0]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
    assert said == [f"trimatte: {address} shows it; Ctrl-C ends it", "trimatte: ended"]


def test_a_page_is_told_of_models_by_name() -> None:
    with pytest.raises(ArgumentError, match="inspector: model must be a name or a path"):
        Inspection(IMAGE, model=object())


# --- notebooks ---


@pytest.mark.parametrize("noisy", [False, True])
def test_a_result_shows_itself_in_notebooks(noisy: bool) -> None:
    pixels = scene(270, 480).image
    if noisy:
        pixels = np.random.default_rng(0).integers(0, 256, (480, 480, 3), np.uint8)
    found = Remover(**QUICK)(
        pixels, mask=np.arange(pixels.shape[1]) > np.full(len(pixels), 90)[:, None]
    )
    text = found._repr_html_()
    assert len(text) < 45_000
    document = Document(text)
    image = dict(document.elements)["img"]
    data = str(image["src"]).partition("base64,")[2]
    preview = Image.open(io.BytesIO(base64.b64decode(data)))
    assert max(preview.size) == 360
    assert preview.mode == "RGBA"
    height, width = pixels.shape[:2]
    assert f"{width} x {height} uint8" in text
    assert "foreground" in text


def test_a_preview_is_what_it_previews(result: Result) -> None:
    data = re.search(r"base64,([^\"]+)", result._repr_html_())
    assert data is not None
    preview = read_image(base64.b64decode(data[1]))
    assert preview.shape == (60, 100, 4)
    assert np.abs(preview[:, :, 3] / 255.0 - result.alpha).mean() < 0.02
    solid = result.alpha == 1
    assert np.abs(preview[solid, :3].astype(float) - result.rgba[solid, :3]).mean() < 8

"""What requests to the service hold and ask for; it needs Starlette and no Ray."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trimatte import Remover, Result
from trimatte.demo import scene
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png
from trimatte.ray.limits import Limits
from trimatte.ray.requests import Asked, Refused, read_request

starlette: Any = pytest.importorskip("starlette.requests", reason="pip install 'trimatte[ray]'")

IMAGE = encode_png(np.full((8, 9, 3), 90, np.uint8))
BOUNDARY = "3d6b6a416f9b5"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
LIMITS = Limits(max_bytes=4096)
LITE = Asked("u2net-lite")


def request(body: bytes, query: str = "", **headers: str) -> Any:
    """A request of Starlette, whose body comes in parts."""
    parts = [body[start : start + 1000] for start in range(0, len(body), 1000)] or [b""]
    messages: Iterator[dict[str, Any]] = (
        {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}
        for number, part in enumerate(parts)
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/remove", "headers": named}
    return starlette.Request({**scope, "query_string": query.encode()}, receive)


def form(*fields: tuple[str, str | bytes]) -> bytes:
    """A form's body: text is a field, bytes are a file."""
    lines = b""
    for name, value in fields:
        file = isinstance(value, bytes)
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        head += '; filename="photo.png"\r\nContent-Type: image/png' if file else ""
        content = value if isinstance(value, bytes) else value.encode()
        lines += head.encode() + b"\r\n\r\n" + content + b"\r\n"
    return lines + f"--{BOUNDARY}--\r\n".encode()


def read(*given: Any, models: Any = ("u2net-lite", "u2net"), **headers: str) -> tuple[bytes, Asked]:
    image, asked = asyncio.run(read_request(request(*given, **headers), LIMITS, models))
    return image, asked


def refusal(*given: Any, **named: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        read(*given, **named)
    return refused.value.status, str(refused.value)


def test_the_body_is_the_image_whatever_its_type_says() -> None:
    for kind in ("application/x-www-form-urlencoded", "image/png", ""):  # the first is curl's
        assert read(IMAGE, content_type=kind) == (IMAGE, LITE)


@pytest.mark.parametrize("name", ["file", "image", "photo"])
def test_a_form_has_the_image_and_options(name: str) -> None:
    pytest.importorskip("python_multipart")
    assert read(form((name, IMAGE)), content_type=FORM) == (IMAGE, LITE)
    body = form(("only_mask", "true"), (name, IMAGE), ("crop", "5%"))
    expected = replace(LITE, format="webp", crop="5%", only_mask=True)
    assert read(body, "format=webp", content_type=FORM) == (IMAGE, expected)


def test_a_form_that_is_wrong() -> None:
    pytest.importorskip("python_multipart")
    status, reason = refusal(form(("crop", "5")), content_type=FORM)
    assert (status, reason) == (400, "the form must have a file, as of curl -F file=@photo.jpg")
    assert refusal(form(("file", b"")), content_type=FORM)[0] == 400
    two = form(("file", IMAGE), ("file", IMAGE))
    assert "Too many files" in refusal(two, content_type=FORM)[1]
    many = form(("file", IMAGE), *[("crop", "5")] * 20)
    assert "Too many fields" in refusal(many, content_type=FORM)[1]
    assert "boundary" in refusal(form(("file", IMAGE)), content_type="multipart/form-data")[1]
    assert refusal(form(("file", IMAGE))[:-200], content_type=FORM)[0] == 400
    assert refusal(b"", content_type=FORM)[0] == 400
    assert "no option 'om'" in refusal(form(("file", IMAGE), ("om", "true")), content_type=FORM)[1]


def test_a_form_is_bounded_as_any_body() -> None:
    assert refusal(form(("file", bytes(5000))), content_type=FORM)[0] == 413
    assert refusal(IMAGE, content_length="5000", content_type=FORM)[0] == 413


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("format=tiff", {"format": "tiff"}),
        ("model=u2net-lite", {}),
        ("model=u2net", {"model": "u2net"}),
        ("background=white&format=jpeg", {"format": "jpeg", "background": (255, 255, 255)}),
        ("background=1,2,3", {"background": (1, 2, 3)}),
        ("background=%23ff0080", {"background": (255, 0, 128)}),
        ("crop", {"crop": "0"}),
        ("crop=5%", {"crop": "5%"}),
        ("only_mask", {"only_mask": True}),
        ("only_mask=False", {}),
        ("only_mask=1&format=jpg", {"format": "jpg", "only_mask": True}),
    ],
)
def test_options(query: str, expected: dict[str, Any]) -> None:
    assert read(IMAGE, query) == (IMAGE, replace(LITE, **expected))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("fromat=png", "there is no option 'fromat'; format, model, background, crop, only_mask"),
        ("format=png&format=webp", "format must be given once"),
        ("format=jpeg", "format must be one of png, webp, tiff, got 'jpeg'; it has no alpha"),
        ("format=gif", "format must be one of png, webp, tiff, got 'gif'"),
        ("model=modnet", "model must be one of u2net-lite, u2net, got 'modnet'"),
        ("background=https://example.org/a.png", "background must be a colour: "),
        ("background=/etc/passwd", "background must be a colour: "),
        ("background=", "background must be a colour: "),
        ("background=rgb(300,1,1)", "background must be a colour: "),
        ("background=%23ffffff80", "background must be a colour: "),
        ("background=1,2,3,255", "background must be a colour: "),
        ("background=white&only_mask", "background must be left out with only_mask"),
        ("crop=-1", "crop must be pixels or percent, as 5%, got '-1'"),
        ("only_mask=maybe", "only_mask must be true or false, got 'maybe'"),
    ],
)
def test_options_that_are_wrong(query: str, words: str) -> None:
    status, reason = refusal(IMAGE, query)
    assert status == 400
    assert reason.startswith(words)


def test_without_a_network_there_is_no_model_to_ask_for() -> None:
    status, reason = refusal(IMAGE, "model=u2net", models=[None])
    assert (status, reason) == (400, "model must be left out: no network is run, got 'u2net'")
    assert read(IMAGE, models=[None])[1].model is None


def test_what_is_accepted() -> None:
    assert read(IMAGE, accept="image/jpeg, image/webp;q=0.5")[1].format == "webp"
    assert read(IMAGE, "background=red", accept="image/jpeg, */*;q=0.1")[1].format == "jpeg"
    assert refusal(IMAGE, accept="image/jpeg") == (
        406,
        "Accept must allow one of image/png, image/webp, image/tiff",
    )


@pytest.fixture(scope="module")
def result() -> Result:
    return Remover(model=None)(scene(40, 60).image)


def test_files_are_what_was_asked_for(result: Result) -> None:
    cut = read_image(Asked().encode(result))
    np.testing.assert_array_equal(cut, result.rgba)
    cropped = read_image(Asked(crop="2").encode(result))
    np.testing.assert_array_equal(cropped, result.crop("2").rgba)
    mask = read_image(Asked(format="tiff", only_mask=True).encode(result))
    np.testing.assert_array_equal(mask[..., 0] if mask.ndim == 3 else mask, result.rgba[:, :, 3])
    over = read_image(Asked(None, "webp", (255, 0, 0)).encode(result))
    np.testing.assert_array_equal(over, result.composite((255, 0, 0)))
    with Image.open(io.BytesIO(Asked(None, "jpeg", (255, 0, 0)).encode(result))) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (60, 40))
    assert Asked(None, "jpg", (0, 0, 0)).media_type == "image/jpeg"

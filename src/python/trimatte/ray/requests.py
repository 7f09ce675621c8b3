"""What a request to the service holds: an image, and what is to be made of it. It needs no Ray."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from trimatte.errors import ArgumentError, EngineError
from trimatte.io.reading import identified
from trimatte.io.writing import encode_image
from trimatte.ops.cropping import read_margin
from trimatte.optional import require
from trimatte.pipeline.backgrounds import read_colour
from trimatte.pipeline.result import Result
from trimatte.ray.cutting import MEDIA_TYPES
from trimatte.ray.limits import Limits

__all__ = ["Asked", "Refused", "check_header", "read_request"]

# What is taken from strangers: decoders that are much used, and none that runs another program.
_KINDS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP")

_OPTIONS = ("format", "model", "background", "crop", "only_mask")
_OPAQUE_TYPES = MEDIA_TYPES | {"jpeg": "image/jpeg", "jpg": "image/jpeg"}
_FLAGS = {"": True, "1": True, "true": True, "0": False, "false": False}


class Refused(Exception):
    """An answer other than a cutout."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class Asked:
    """What is to be made of an image.

    model: the name of the network, or None. format: of the file. background: (r, g, b) in 0..255
    behind the cutout, or None. crop: the margin around what shows, or None. only_mask: alpha, in
    grey.
    """

    model: str | None = None
    format: str = "png"
    background: tuple[float, float, float] | None = None
    crop: str | None = None
    only_mask: bool = False

    @classmethod
    def of(
        cls,
        options: Iterable[tuple[str, str]],
        accept: str | None,
        models: Sequence[str | None],
    ) -> Asked:
        """What options and the header Accept ask for. models: the names of the networks there are,
        that of the default first, or None for none.

        Raises Refused: an option is not known, or not what is accepted.
        """
        given: dict[str, str] = {}
        for name, value in options:
            if name not in _OPTIONS:
                raise Refused(400, f"there is no option {name!r:.80}; {', '.join(_OPTIONS)} are")
            if name in given:
                raise Refused(400, f"{name} must be given once")
            given[name] = value
        model = given.get("model", models[0])
        if model not in models:
            names = [name for name in models if name is not None]
            accepted = f"one of {', '.join(names)}" if names else "left out: no network is run"
            raise Refused(400, f"model must be {accepted}, got {model!r:.80}")
        only_mask = _FLAGS.get(given.get("only_mask", "false").lower())
        if only_mask is None:
            raise Refused(400, f"only_mask must be true or false, got {given['only_mask']!r:.80}")
        background = given.get("background")
        if background is not None and only_mask:
            raise Refused(400, "background must be left out with only_mask")
        colour = None if background is None else _colour(background)
        opaque = colour is not None or only_mask
        format = _format(given.get("format"), accept, opaque)
        return cls(model, format, colour, _crop(given), only_mask)

    @property
    def media_type(self) -> str:
        """That of the answer."""
        return _OPAQUE_TYPES[self.format]

    def encode(self, result: Result) -> bytes:
        """The file of a result. Raises ArgumentError: nothing shows that could be cropped to."""
        if self.crop is not None:
            result = result.crop(self.crop)
        if self.only_mask:
            return encode_image(result.rgba[:, :, 3], self.format)
        if self.background is not None:
            pixels = result.composite(self.background)
            return encode_image(pixels, self.format, metadata=result.metadata)
        return result.encode(self.format)


async def read_request(
    request: Any, limits: Limits, models: Sequence[str | None]
) -> tuple[bytes, Asked]:
    """The image of a request of Starlette, and what is asked for; models: as for `Asked.of`.

    The image is the body, or the file of a form (multipart/form-data), whose other fields are
    options as those of the query are.

    Raises Refused.
    """
    options, accept = request.query_params.multi_items(), request.headers.get("accept")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        asked = Asked.of(options, accept, models)  # before the body comes
        return await _body(request, limits.max_bytes), asked
    image, fields = await _form(request, await _body(request, limits.max_bytes))
    return image, Asked.of([*options, *fields], accept, models)


async def _body(request: Any, most: int) -> bytes:
    """The body, as far as it is not too long."""
    too_large = Refused(413, f"the body has more than {most} bytes")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    if not body:
        raise Refused(400, "the body is empty; it must be an image")
    return bytes(body)


async def _form(request: Any, body: bytes) -> tuple[bytes, list[tuple[str, str]]]:
    """The file of a form, and its other fields."""
    try:
        require("python_multipart", extra="ray", purpose="reading forms")
    except EngineError as error:
        raise Refused(415, str(error)) from error
    failed = require("starlette.exceptions", extra="ray", purpose="trimatte.ray").HTTPException

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    # With an app Starlette raises an HTTPException for a form that is broken.
    again = type(request)({**request.scope, "app": None}, receive)
    try:
        async with again.form(max_files=1, max_fields=len(_OPTIONS)) as form:
            files, fields = [], []
            for name, value in form.multi_items():
                if isinstance(value, str):
                    fields.append((name, value))
                else:
                    files.append(await value.read())
    except failed as error:
        raise Refused(400, f"the form cannot be read: {error.detail}") from error
    if not files or not files[0]:
        raise Refused(400, "the form must have a file, as of curl -F file=@photo.jpg")
    return files[0], fields


def _colour(text: str) -> tuple[float, float, float]:
    try:
        return read_colour(text)
    except ValueError:
        raise Refused(
            400, f"background must be a colour: a name, r,g,b or #rrggbb, got {text!r:.80}"
        ) from None


def _crop(given: dict[str, str]) -> str | None:
    if "crop" not in given:
        return None
    margin = given["crop"] or "0"
    try:
        read_margin(margin)
    except ArgumentError:
        raise Refused(400, f"crop must be pixels or percent, as 5%, got {margin!r:.80}") from None
    return margin


def _format(asked: str | None, accept: str | None, opaque: bool) -> str:
    """The format that is asked for, by name or by the header Accept."""
    known = _OPAQUE_TYPES if opaque else MEDIA_TYPES
    if asked is not None:
        if asked not in known:
            more = "" if opaque or asked not in _OPAQUE_TYPES else "; it has no alpha"
            raise Refused(400, f"format must be one of {', '.join(known)}, got {asked!r:.80}{more}")
        return asked
    liked, refused = _accepted(accept or "*/*")
    for kind in liked:
        for format, media_type in known.items():
            if media_type not in refused and kind in (media_type, "image/*", "*/*"):
                return format
    raise Refused(406, f"Accept must allow one of {', '.join(dict.fromkeys(known.values()))}")


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


def check_header(image: bytes, max_pixels: int) -> None:
    """Refuse by its header what is no image, or one that is too large to decode."""
    Image.init()  # registers the decoders that this Pillow has
    kinds = [kind for kind in _KINDS if kind in Image.OPEN]
    try:
        # As the image will be opened: a file can be of two kinds, and lie in one of its headers.
        with identified(io.BytesIO(image)) as opened:
            if opened.format not in (*_KINDS, "MPO"):  # JPEG of several
                raise ValueError(f"it is {opened.format}")
            width, height = opened.size
    except Exception as error:  # a broken header can make a decoder raise anything
        raise Refused(415, f"the image must be one of {', '.join(kinds)}") from error
    if width * height > max_pixels:
        raise Refused(
            413, f"the image is {width} x {height}; it may have {max_pixels} pixels at most"
        )

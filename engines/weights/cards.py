"""Model cards: what a network is, where its weights are, under which licence, and how to run it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from trimatte.errors import ArgumentError, EngineError

from ..toml_tables import (
    FLAG,
    INDEX,
    POSITIVE,
    TEXT,
    TEXTS,
    Kind,
    Table,
    is_exactly,
    one_of,
    read_number,
    read_text,
    read_whole,
)
from .folders import expanded

__all__ = ["Card", "InputSpec", "OutputSpec", "cards", "find_card", "read_card"]

Triple = tuple[float, float, float]
Size = tuple[int, int]

_FOLDER = Path(__file__).parents[1] / "models"
_FILTERS = ("lanczos", "bilinear", "box")
_THINNEST = 16  # more would let a strip of pixels ask for any amount of memory

_MINIMAL = """\
[input]
size = [320, 320]               # height and width that the network wants
mean = [0.485, 0.456, 0.406]    # of red, green and blue in [0, 1]
std = [0.229, 0.224, 0.225]

[output]
activation = "none"             # "sigmoid" or "softmax" if the network gives logits
min_max = false                 # true: stretch the prediction to its whole range
"""


@dataclass(frozen=True)
class InputSpec:
    """How an image becomes a network's input, see `trimatte.to_tensor`.

    size: (height, width). fit: ``"squash"``: the image takes that size, whatever its own;
    ``"shorter-side"``: see `network_size`. multiple: sides are whole multiples of it. filter:
    ``"lanczos"``, ``"bilinear"`` or ``"box"`` (means of areas). scale: samples are divided by 255,
    or by the image's largest (``"max"``). mean, std: of the channels in their order. channels:
    ``"rgb"`` or ``"bgr"``.
    """

    size: Size
    mean: Triple
    std: Triple
    fit: str = "squash"
    multiple: int = 1
    filter: str = "bilinear"
    scale: int | str = 255
    channels: str = "rgb"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """The size at which the network sees an image.

        With ``"shorter-side"`` that is MODNet's rule (onnx/inference_onnx.py of its authors): an
        image smaller than the reference in both sides, or larger in both, is scaled until its
        shorter side is the reference; any other keeps its size. Both sides are then rounded down to
        a multiple, to one multiple at least, and no image is made thinner than 1 to 16.

        Args:
            height, width: of the image, in pixels, each at least 1.

        Returns:
            (height, width) of the network's input.

        Raises:
            ArgumentError: a side is below 1.
        """
        if height < 1 or width < 1:
            raise ArgumentError(
                f"network_size: height and width must be at least 1, got ({height}, {width})"
            )
        if self.fit == "squash":
            return self.size
        reference = self.size[0]
        rows, columns = height, width
        if max(height, width) < reference or min(height, width) > reference:
            rows = reference if width >= height else int(height / width * reference)
            columns = int(width / height * reference) if width >= height else reference
        longest = _THINNEST * max(min(rows, columns), self.multiple)
        return self._floored(min(rows, longest)), self._floored(min(columns, longest))

    @property
    def sizes(self) -> Size | tuple[Size, Size, Size]:
        """(height, width) of the network's input; or the least, the usual and the largest that an
        engine is built for, where they follow the image: up to three times as long as short."""
        if self.fit == "squash":
            return self.size
        reference = self.size[0]
        usual = self._floored(reference), self._floored(reference * 4 // 3)
        longest = self._floored(3 * reference)
        return (self.multiple, self.multiple), usual, (longest, longest)

    def _floored(self, side: int) -> int:
        return max(side - side % self.multiple, self.multiple)


@dataclass(frozen=True)
class OutputSpec:
    """How a network's output becomes a matte, see `trimatte.matte_from_prediction`.

    index: which output. activation: what is still to be applied: ``"none"``, ``"sigmoid"`` or
    ``"softmax"`` (over classes). min_max: stretch the prediction to its whole range; one that is
    the same everywhere stays background. filter: of the matte's way to the image's size. classes:
    names of the output's channels, empty for a network with one. default: the classes that are
    foreground unless the caller says otherwise.
    """

    index: int = 0
    activation: str = "none"
    min_max: bool = False
    filter: str = "bilinear"
    classes: tuple[str, ...] = ()
    default: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """All there is to know of a model before its file is opened.

    name: what `find_card` finds it by. title, description: for people. file: name of the ONNX file.
    license: of the weights, an SPDX id where there is one (``"NOASSERTION"``: none is stated);
    license_url: where it is to be read. commercial: whether that licence allows commercial use;
    ``"unclear"`` where it is disputed, missing, or at odds with the data trained on.
    architecture: name in `engines.networks`, or None. urls: where the file is offered. sha256, md5:
    of the file. size: in bytes. checkpoint: how to make the file of published checkpoints, for a
    model that is offered nowhere as ONNX. training_data, training_license: what the weights were
    trained on, and under which terms that is. homepage: of the model. notes: what else to know.
    folder: where the file lies, for a model of the caller's own.
    """

    name: str
    title: str
    description: str
    file: str
    input: InputSpec
    output: OutputSpec
    license: str = "NOASSERTION"
    license_url: str | None = None
    commercial: bool | Literal["unclear"] = "unclear"
    architecture: str | None = None
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    checkpoint: str | None = None
    training_data: str | None = None
    training_license: str | None = None
    homepage: str | None = None
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def built_in(self) -> bool:
        """Whether the weights come with the package."""
        return self.folder == _FOLDER


def cards() -> Mapping[str, Card]:
    """The cards that come with trimatte, by name, in the order of the names.

    Raises:
        EngineError: a card is broken, or cannot be read.
    """
    return MappingProxyType({name: _own(name) for name in _names()})


def find_card(model: str | Path, *, card: str | Path | Card | None = None) -> Card:
    """The card of a model.

    Args:
        model: a name of `cards`; or a path that ends in ``.toml``, of a card of your own; or one
            that ends in ``.onnx``, whose card lies beside it under the same name with ``.toml``.
        card: for a path to an ``.onnx`` without one beside it: how to run it, as a card's name, a
            path to a card, or a `Card`. Its URLs, hashes and size are those of another file and do
            not count.

    Returns:
        The card; its `folder` is set where the file is the caller's own.

    Raises:
        ArgumentError: there is no such name, or an argument is not what is listed above.
        EngineError: there is no such file, or no card beside it, or the card is broken.
    """
    return _find(model, card, "model")


def _find(model: Any, card: str | Path | Card | None, argument: str) -> Card:
    """The card of a model that is given as this argument of `find_card`."""
    if not isinstance(model, (str, Path)) or not str(model):
        raise ArgumentError(
            f"find_card: {argument} must be a name or a path to an .onnx or .toml, got "
            f"{model!r:.80}"
        )
    path = expanded(model, f"find_card: {argument}")
    if card is not None and path.suffix != ".onnx":
        raise ArgumentError(f"find_card: card= is for a path to an .onnx, got model {model!r:.80}")
    if path.suffix == ".onnx":
        return _local(path, card)
    if path.suffix == ".toml":
        return read_card(path)
    if isinstance(model, Path) or len(path.parts) > 1:
        raise ArgumentError(
            f"find_card: {argument} must be a name, or a path that ends in .onnx or .toml, got "
            f"{model!r:.200}"
        )
    if model not in _names():
        raise ArgumentError(
            f"find_card: {argument} must be the name of a model, got {model!r:.80}; {_near(model)}"
        )
    return _own(model)


def read_card(path: Path) -> Card:
    """Reads a card.

    Args:
        path: of a TOML file; its keys are the fields of `Card`, `InputSpec` ([input]) and
            `OutputSpec` ([output]), and only [input] with size, mean and std must be there.

    Returns:
        The card, named as the file is. `folder` is set if the model's file lies beside the card, or
        if the card says of no other place to have it from.

    Raises:
        EngineError: the file cannot be read, or says something else than what a card may say; the
            message names the file, the key, and what is accepted.
    """
    table = Table.read(path, "a model card", EngineError)
    name = path.stem
    read = Card(
        name=name,
        title=table.take("title", TEXT, name),
        description=table.take("description", TEXT, ""),
        file=table.take("file", _FILE, f"{name}.onnx"),
        input=_read_input(table.section("input")),
        output=_read_output(table.section("output")),
        license=table.take("license", TEXT, "NOASSERTION"),
        license_url=table.take("license_url", _URL, None),
        commercial=table.take("commercial", _COMMERCIAL, "unclear"),
        architecture=table.take("architecture", TEXT, None),
        urls=table.take("urls", _URLS, ()),
        sha256=table.take("sha256", _hash(64), None),
        md5=table.take("md5", _hash(32), None),
        size=table.take("size", POSITIVE, None),
        checkpoint=table.take("checkpoint", TEXT, None),
        training_data=table.take("training_data", TEXT, None),
        training_license=table.take("training_license", TEXT, None),
        homepage=table.take("homepage", _URL, None),
        notes=table.take("notes", TEXTS, ()),
    )
    table.finish()
    if read.urls and not (read.sha256 or read.md5):
        raise EngineError(f"{path}: sha256 or md5 must be there where urls is")
    if (path.parent / read.file).is_file() or not (read.urls or read.checkpoint):
        return replace(read, folder=path.parent)
    return read


def _read_input(table: Table) -> InputSpec:
    read = InputSpec(
        size=table.take("size", _SIZE),
        mean=table.take("mean", _TRIPLE),
        std=table.take("std", _DEVIATIONS),
        fit=table.take("fit", one_of("squash", "shorter-side"), "squash"),
        multiple=table.take("multiple", POSITIVE, 1),
        filter=table.take("filter", one_of(*_FILTERS), "bilinear"),
        scale=table.take("scale", one_of(255, "max"), 255),
        channels=table.take("channels", one_of("rgb", "bgr"), "rgb"),
    )
    table.finish()
    if any(side % read.multiple for side in read.size):
        raise table.error("size", f"sides that are multiples of {read.multiple}", read.size)
    if read.fit == "shorter-side" and read.size[0] != read.size[1]:
        raise table.error("size", 'two equal sides where fit is "shorter-side"', read.size)
    return read


def _read_output(table: Table) -> OutputSpec:
    read = OutputSpec(
        index=table.take("index", INDEX, 0),
        activation=table.take("activation", one_of("none", "sigmoid", "softmax"), "none"),
        min_max=table.take("min_max", FLAG, False),
        filter=table.take("filter", one_of(*_FILTERS), "bilinear"),
        classes=table.take("classes", TEXTS, ()),
        default=table.take("default", TEXTS, ()),
    )
    table.finish()
    if len(set(read.classes)) != len(read.classes):
        raise table.error("classes", "names that differ", read.classes)
    if bool(read.classes) != bool(read.default) or not set(read.default) <= set(read.classes):
        raise table.error("default", "some of classes", read.default)
    if read.classes and read.activation == "none":
        raise table.error("activation", "of logits where there are classes", read.activation)
    return read


def _local(path: Path, card: str | Path | Card | None) -> Card:
    if not path.is_file():
        raise EngineError(f"{path}: there is no such file")
    if card is not None:
        described = card if isinstance(card, Card) else _find(card, None, "card")
        described = replace(described, urls=(), sha256=None, md5=None, size=None, checkpoint=None)
    else:
        described = _beside(path)
    return replace(described, name=path.stem, file=path.name, folder=path.parent)


def _beside(path: Path) -> Card:
    beside = path.with_suffix(".toml")
    if not beside.is_file():
        raise EngineError(
            f"{path}: how to run it is not known: pass card= with the name of a "
            f"model that is run alike ({', '.join(_names())}), or write "
            f"{beside}, at least:\n\n{_MINIMAL}"
        )
    return read_card(beside)


def _near(name: str) -> str:
    """What may be meant by a name that no model has; of names that hold it, the general first."""
    holding = [each for each in _names() if len(name) > 2 and name.lower() in each]
    holding.sort(key=lambda each: "general" not in each)
    near = list(dict.fromkeys([*holding, *difflib.get_close_matches(name.lower(), _names())]))[:3]
    meant = " or ".join(part for part in (", ".join(near[:-1]), *near[-1:]) if part)
    return f"did you mean {meant}?" if near else f"there are {', '.join(_names())}"


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def _own(name: str) -> Card:
    return read_card(_FOLDER / f"{name}.toml")


def _file_name(value: Any) -> str:
    name = read_text(value)
    if not name.endswith(".onnx") or name != Path(name).name or "\\" in name or "\0" in name:
        raise ValueError
    return name


def _url(value: Any) -> str:
    parts = urlsplit(read_text(value))
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError
    return str(value)


def _size(value: Any) -> tuple[int, int]:
    height, width = (read_whole(side, 1) for side in is_exactly(value, list))
    return height, width


def _triple(value: Any) -> Triple:
    first, second, third = map(read_number, is_exactly(value, list))
    return first, second, third


def _deviations(value: Any) -> Triple:
    numbers = _triple(value)
    if min(numbers) <= 0:
        raise ValueError
    return numbers


def _commercial(value: Any) -> bool | Literal["unclear"]:
    return "unclear" if value == "unclear" else is_exactly(value, bool)


def _hash(digits: int) -> Kind[str]:
    def read(value: Any) -> str:
        if len(read_text(value)) != digits or not set(value.lower()) <= set("0123456789abcdef"):
            raise ValueError
        return str(value).lower()

    return Kind(f"{digits} hexadecimal digits", read)


_FILE = Kind("the name of an .onnx file, without folders", _file_name)
_URL = Kind("an https:// or http:// URL", _url)
_URLS = Kind(
    "a list of https:// or http:// URLs", lambda value: tuple(map(_url, is_exactly(value, list)))
)
_COMMERCIAL = Kind('true, false or "unclear"', _commercial)
_SIZE = Kind("[height, width], two whole numbers of at least 1", _size)
_TRIPLE = Kind("three numbers", _triple)
_DEVIATIONS = Kind("three numbers above 0", _deviations)

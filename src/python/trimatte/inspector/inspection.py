"""An image that is cut out again and again, by the options that its page asks for."""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

from trimatte import engines
from trimatte.arrays import CHANNELS, DESPILL_METHODS, as_key_color
from trimatte.errors import ArgumentError
from trimatte.inspector.assembly import assemble
from trimatte.inspector.payload import Part, image_part, key_part, name_of, result_part
from trimatte.inspector.view import MAX_PIXELS, Region, choose_view
from trimatte.io.reading import load_picture
from trimatte.io.sources import ImageSource
from trimatte.ops.key_rules import KEY_DEFAULTS, KEY_METHODS
from trimatte.ops.matting import QUALITIES
from trimatte.pipeline.remover import Remover

__all__ = ["Inspection"]

# What a page may set. The rest of a Remover's options, such as its device and the terms that are
# accepted, are the command's.
_DEFAULTS: dict[str, Any] = {
    "model": "auto",
    "key_color": None,
    "method": None,
    "tolerance": None,
    "softness": None,
    "transfer": None,
    "radius": None,
    "quality": "balanced",
    "choke": 0.0,
    "feather": 0.0,
    "despill": "average",
    "despill_strength": 1.0,
}

_OF_KEY = ("key_color", "method", "tolerance", "softness", "transfer")


class Inspection:
    """An image and the options of the `Remover` that it was last cut out by.

    image: as of a Remover. name: what to call it; None: its file's. region, max_pixels: as of
    `page`. options: of a Remover; a model is a name or a path.

    Raises ArgumentError and EngineError, as a Remover and its call do.
    """

    def __init__(
        self,
        image: ImageSource,
        *,
        name: str | None = None,
        region: Region | None = None,
        max_pixels: int = MAX_PIXELS,
        **options: Any,
    ) -> None:
        self._picture = load_picture(image)
        height, width = self._picture.pixels.shape[:2]
        self._view = choose_view(height, width, region=region, max_pixels=max_pixels)
        self._name = name_of(image) if name is None else name
        if options.get("key_color") is not None:
            options["key_color"] = as_key_color(options["key_color"], "inspector")
        options.setdefault("model", "auto")
        if options["model"] == "auto" and any(options.get(each) is not None for each in _OF_KEY):
            options["model"] = None
        if isinstance(options["model"], os.PathLike):
            options["model"] = os.fspath(options["model"])
        if not isinstance(options["model"], (str, type(None))):
            raise ArgumentError(
                "inspector: model must be a name or a path, which a page can show, got "
                f"{options['model']!r:.80}"
            )
        self._fixed = {key: value for key, value in options.items() if key not in _DEFAULTS}
        self._first_model = options["model"]
        self.options: dict[str, Any] = _DEFAULTS | {
            k: v for k, v in options.items() if k in _DEFAULTS
        }
        self._cut()

    def run(self, wanted: Any) -> Part:
        """Cut out anew; what the page then shows of the result.

        wanted: options by name, as JSON has them; those left out are as they were.

        Raises ArgumentError: an option is none that a page may set, or is wrong; then, and with
        whatever else is raised, all is as it was.
        """
        before = self.options
        self.options = before | self._read(wanted)
        try:
            self._cut()
        except BaseException:
            self.options = before
            raise
        return {"result": self._result, "key": self._key, "options": self._shown_options()}

    def page(self) -> str:
        """The page, of the last result."""
        image = image_part(self._picture, self._name, self._view)
        serve = {"options": self._shown_options(), "choices": self._choices()}
        return assemble({"image": image, "key": self._key, "result": self._result, "serve": serve})

    def _cut(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            remover = Remover(**self.options, **self._options_of_model())
            result = remover(self._picture.pixels)
        notes = tuple(dict.fromkeys(str(warning.message) for warning in caught))
        difference = remover.recipe.keys_by_difference
        tolerance, softness = KEY_DEFAULTS["difference"]
        self._key = key_part(
            self._picture.pixels,
            result.screen,
            self.options["key_color"],
            _usual(self.options["tolerance"] if difference else None, tolerance),
            _usual(self.options["softness"] if difference else None, softness),
        )
        self._result = result_part(result, self._view, notes=notes)

    def _options_of_model(self) -> dict[str, Any]:
        """What the command said of its model is not for another; nor of a network without one."""
        model = self.options["model"]
        of_network = ("card", "classes", "runtime", "precision", "accept_license")
        of_this_model = ("card", "classes", "precision")
        left_out: tuple[str, ...] = ()
        keys = any(self.options[each] is not None for each in _OF_KEY)
        if model is None or (model == "auto" and keys):
            left_out = of_network
        elif model != self._first_model:
            left_out = of_this_model
        return {key: value for key, value in self._fixed.items() if key not in left_out}

    def _read(self, wanted: Any) -> dict[str, Any]:
        """The options as a Remover takes them; it judges what is right of numbers and names."""
        if not isinstance(wanted, dict):
            raise ArgumentError(f"inspector: options must be an object, got {wanted!r:.80}")
        for name, value in wanted.items():
            if name not in _DEFAULTS:
                known = ", ".join(_DEFAULTS)
                raise ArgumentError(f"inspector: options are {known}; got {name!r:.80}")
            if not _is_plain(value):
                raise ArgumentError(
                    f"inspector: {name} must be a name, a number, some numbers or null, got "
                    f"{value!r:.80}"
                )
        # A model is named, never a path of the page's choice: a page opens no files.
        model = wanted.get("model")
        if "model" in wanted and model not in self._models():
            raise ArgumentError(
                f"inspector: model must be one of {', '.join(map(str, self._models()))}, got "
                f"{model!r:.80}"
            )
        return {k: tuple(v) if isinstance(v, list) else v for k, v in wanted.items()}

    def _models(self) -> list[str | None]:
        own = [] if self._first_model in engines.cards() else [self._first_model]
        return list(dict.fromkeys(["auto", None, *own, *engines.cards()]))

    def _choices(self) -> Part:
        return {
            "model": self._models(),
            "key_color": [None, "auto", *CHANNELS],
            "method": [None, *KEY_METHODS],
            "quality": list(QUALITIES),
            "despill": [None, *DESPILL_METHODS],
        }

    def _shown_options(self) -> Part:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.options.items()}


def _usual(value: float | None, usual: float) -> float:
    return usual if value is None else value


def _is_plain(value: Any) -> bool:
    """Whether a value of JSON is one that an option may have."""
    if isinstance(value, list):
        return 2 <= len(value) <= 3 and all(_is_finite(each) for each in value)
    return value is None or isinstance(value, str) or _is_finite(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

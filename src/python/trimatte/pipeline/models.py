"""One call that segments an image, and the loaded networks that `segment` and `Remover` share."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from trimatte.arrays import Array, ArrayLike
from trimatte.devices import when_memory_is_freed
from trimatte.errors import ArgumentError
from trimatte.pipeline.segmenter import BUILT_IN_MODEL, Classes, Model, Segmenter, named_model

__all__ = ["as_segmenter", "forget_models", "refuse_options", "release_models", "segment"]


# Loaded models kept for later calls besides those that a Remover uses.
_MODELS_KEPT = 2

_shared: dict[Any, _Slot] = {}
_LOCK = threading.Lock()  # of _shared; never held while a model loads

# Segmenter options, except device, that have no effect without a model.
_DEFAULTS = {
    "card": None,
    "classes": None,
    "runtime": "auto",
    "precision": None,
    "accept_license": False,
}


class _Slot:
    """Room for one loaded model: threads that ask for it at once load it once.

    A download or a TensorRT build takes minutes, during which only those wait who want this model.
    """

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._segmenter: Segmenter | None = None
        self._users: weakref.WeakSet[Any] = weakref.WeakSet()
        self._outlives_users = False

    @property
    def closed(self) -> bool:
        """Whether somebody closed the loaded model."""
        segmenter = self._segmenter
        return segmenter is not None and segmenter.closed

    def use(self, user: object | None) -> None:
        """Adds a user; None: one who keeps no account of it."""
        if user is None:
            self._outlives_users = True
        else:
            self._users.add(user)

    @property
    def in_use(self) -> bool:
        """Whether a user keeps it."""
        return bool(self._users)

    def is_left_by(self, user: object) -> bool:
        """Takes a user away; True where that was the last one."""
        used = user in self._users
        self._users.discard(user)
        return used and not self._users and not self._outlives_users

    def loaded(self, make: Callable[[], Segmenter]) -> Segmenter:
        """The model; where loading fails, the next caller tries again."""
        with self._loading:
            if self._segmenter is None:
                self._segmenter = make()
            return self._segmenter


def segment(
    image: ArrayLike,
    model: Model | Segmenter = BUILT_IN_MODEL,
    *,
    card: Model | None = None,
    classes: Classes | None = None,
    device: str = "auto",
    runtime: str = "auto",
    precision: str | None = None,
    accept_license: bool | str = False,
    stream: Any = None,
) -> Array:
    """The coarse alpha of an image, as a network has it: `refine` makes a matte of it.

    Models are kept loaded between calls (the last two; `free_memory` lets go of them).

    Args:
        image: as for a `Segmenter`.
        model: as for a `Segmenter`, or one: then card, device, runtime, precision and
            accept_license are its own.
        card: as for a `Segmenter`.
        classes: as for a `Segmenter`'s call.
        device: where the network runs; the image may lie elsewhere with ``"auto"``.
        runtime: as for a `Segmenter`.
        precision: likewise.
        accept_license: likewise.
        stream: see `trimatte.devices`.

    Returns:
        (H, W) uint8, 0 background, 255 foreground, where the image lies.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: the model cannot be had or run.
    """
    segmenter = as_segmenter(
        model,
        card=card,
        device=device,
        runtime=runtime,
        precision=precision,
        accept_license=accept_license,
    )
    return segmenter(image, classes=classes, stream=stream)


def as_segmenter(
    model: Model | Segmenter,
    *,
    card: Model | None,
    batch_size: int = 1,
    user: object | None = None,
    **options: Any,
) -> Segmenter:
    """A Segmenter as it is, or the shared one of a model and its options.

    user: who keeps it loaded until `release_models`; None: it stays as long as it is recent.
    """
    if isinstance(model, Segmenter):
        refuse_options("segment", "with a Segmenter: it has its own", card=card, **options)
        return model
    name, described = (
        named_model(model, "model"),
        None if card is None else named_model(card, "card"),
    )
    for option, value in options.items():
        if not isinstance(value, (str, bool, type(None))):
            raise ArgumentError(f"segment: {option} must be a name, got {value!r:.80}")
    files = [name, Path(name).with_suffix(".toml"), *([described] if described else [])]
    key = tuple(map(_state, files)), described, batch_size, tuple(sorted(options.items()))
    with _LOCK:
        slot = _shared.pop(key, None)
        if slot is None or slot.closed:
            slot = _Slot()
        slot.use(user)
        _shared[key] = slot  # the last used comes last
        unused = [key for key, slot in _shared.items() if not slot.in_use]
        for old in unused[: max(0, len(unused) - _MODELS_KEPT)]:
            del _shared[old]
    make = partial(Segmenter, name, card=described, batch_size=batch_size, **options)
    return slot.loaded(make)


def refuse_options(operation: str, why: str, **options: Any) -> None:
    """Raises ArgumentError where an option is given that would have no effect."""
    judged = {name: value for name, value in options.items() if name in _DEFAULTS}
    given = [
        name
        for name, value in judged.items()
        if (value is not None if _DEFAULTS[name] is None else value != _DEFAULTS[name])
    ]
    if given:
        raise ArgumentError(f"{operation}: {', '.join(given)} must be left out {why}")


def _state(path: str | Path) -> tuple[str, float, int] | str:
    """What tells a file from another, or from itself before it was written anew."""
    try:
        file = Path(path).expanduser().resolve(strict=True)
        found = file.stat()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: no such user
        return str(path)
    return str(file), found.st_mtime_ns, found.st_size


def release_models(user: object) -> None:
    """Drops the shared models that nobody but this user uses."""
    with _LOCK:
        for key in [key for key, slot in _shared.items() if slot.is_left_by(user)]:
            del _shared[key]


def forget_models() -> None:
    """Drops the models that `segment` and `Remover` share."""
    with _LOCK:
        _shared.clear()


when_memory_is_freed(forget_models)

"""Arrays of any dtype, shape, stride and content, and any options, for every public operation.
There is a result in range, or one of trimatte's exceptions; and no argument is changed."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import trimatte
from tests.fuzz.harness import Choices, fuzz
from trimatte import devices

Array = Any

NOT_OPERATIONS = {*devices.__all__, "remove", "segment"}
OPERATIONS = [
    name
    for name in trimatte.__all__
    if inspect.isfunction(getattr(trimatte, name)) and name not in NOT_OPERATIONS
]

_USUAL = ("u1", "u1", "u1", "u2", "f4", "f4", "?")
_ODD = ("f8", "f2", "i1", "i4", "i8", "u4", "c8", "O", ">u2", ">f4", "S3", "U1", "M8[s]", "V2")
_NUMBERS = (0, 1, 0.5, 2, 5.5, -1, 64, 255, 1e9, float("nan"), float("inf"), True, None, "1", 1j)
_FRACTIONS = (0.0, 1.0, 0.5, 1e-9, 0.1, 0.9, -0.1, 1.1, float("nan"))
_NO_ARRAYS = (None, 3, "photo.png", [[1, 2], [3]], [], {}, b"1234", np.float32(1), np.array(5))
_COLOURS = ("white", "no such", (1, 2, 3), (300, 0, 0), (float("nan"), 0, 0), None)
_SIZES = (1, 2, 3, 4, 7, 16, 17, 33)


def check(data: bytes) -> str:
    """Makes one call; says how it ended."""
    choices = Choices(data)
    name = choices.of(OPERATIONS)
    operation = getattr(trimatte, name)
    size = (choices.of(_SIZES), choices.of(_SIZES))
    arguments = {}
    for parameter in inspect.signature(operation).parameters.values():
        if parameter.default is parameter.empty or choices.once_in(3):
            arguments[parameter.name] = PARAMETERS[parameter.name](choices, size)
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    before = [_content(array) for array in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = operation(**arguments)
        except trimatte.Error as error:
            outcome = "refused"
            said = str(error)
        else:
            _check_result(result)
            outcome, said = "done", ""
    assert len(said) < 1000
    for array, content in zip(arrays, before, strict=True):
        assert _content(array) == content, f"{name} changed an argument"
    return outcome


def _content(array: Array) -> object:
    return repr(array.tolist()) if array.dtype.hasobject else np.asarray(array).tobytes()


def _check_result(result: Any) -> None:
    """Samples are in range; of anything else that an operation returns, in all its parts."""
    if isinstance(result, np.ndarray):
        if result.dtype == np.float32 and result.ndim in (2, 3):
            assert np.isfinite(result).all()
    elif isinstance(result, tuple):
        for part in result:
            _check_result(part)


# --- arrays ---


def array(choices: Choices, shape: tuple[int, ...]) -> Array:
    """One of that shape and of samples in range, more often than not."""
    if choices.once_in(12):
        return choices.of(_NO_ARRAYS)
    if choices.once_in(6):
        shape = _wrong_shape(choices, shape)
    dtype = np.dtype(choices.of(_ODD if choices.once_in(8) else _USUAL))
    return _laid_out(choices, _filled(choices, shape, dtype))


def _wrong_shape(choices: Choices, shape: tuple[int, ...]) -> tuple[int, ...]:
    changed = list(shape)
    how = choices.below(4)
    if how == 0:
        changed[choices.below(len(changed))] = choices.below(6)
    elif how == 1:
        changed.append(choices.below(6))
    elif how == 2:
        changed.pop()
    else:
        changed = [choices.below(9) for _ in range(choices.below(5))]
    return tuple(changed)


def _filled(choices: Choices, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    generator = choices.generator()
    how = choices.below(5)
    if dtype.kind in "fc":
        values = generator.random(shape)
        if how == 0:
            values = np.rint(values)
        if how == 1:
            odd = choices.of((np.nan, np.inf, -np.inf, -0.0, 1e-42, 1.0000001, 255.0))
            values = np.where(generator.random(shape) < 0.1, odd, values)
        return values.astype(dtype)
    if dtype.kind in "bui":
        high = 2 if dtype.kind == "b" else np.iinfo(dtype).max
        if how == 0:
            return (generator.choice([0, 128 / 255, 1], shape) * high).astype(dtype)
        return (
            np.full(shape, high * (how == 1)).astype(dtype)
            if how < 3
            else (generator.random(shape) * high).astype(dtype)
        )
    return np.zeros(shape, dtype)


def _laid_out(choices: Choices, values: Array) -> Array:
    """The same values, lying in memory as they seldom do."""
    how = choices.below(16)
    if how == 1:
        return np.asfortranarray(values)
    if how == 2 and not values.dtype.hasobject:  # misaligned
        memory = bytearray(values.nbytes + 1)
        view = np.frombuffer(memory, values.dtype, values.size, 1).reshape(values.shape)
        view[...] = values
        return view
    if how == 3 and values.ndim:
        return values[::-1]
    if how == 4 and values.ndim > 1:
        return values[:, ::-1]
    if how == 5:
        return np.repeat(values, 2, axis=0)[::2] if values.ndim else values
    if how == 6 and values.ndim > 1:
        return np.repeat(values, 2, axis=1)[:, ::2]
    if how == 7 and values.ndim > 2:
        return values[..., ::-1]
    if how == 8 and values.ndim and values.size:  # every pixel in the same place
        return np.broadcast_to(values.reshape(-1)[:1], values.shape)
    if how == 9 and values.ndim:
        values.flags.writeable = False
    if how == 10 and values.ndim == 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return values.view(np.matrix)
    if how == 11:
        return np.ma.masked_array(values, mask=choices.generator().random(values.shape) < 0.1)
    if how == 12 and values.ndim > 1 and values.shape[0] > 2:  # rows that overlap
        return np.lib.stride_tricks.as_strided(
            values, (values.shape[0] // 2, *values.shape[1:]), values.strides, writeable=False
        )
    return values


# --- what an operation is called with ---

Size = tuple[int, int]
Make = Callable[[Choices, Size], Any]


def _plane(choices: Choices, size: Size) -> Any:
    return array(choices, size)


def _colour_image(choices: Choices, size: Size) -> Any:
    return array(choices, (*size, 4 if choices.once_in(4) else 3))


def _any_image(choices: Choices, size: Size) -> Any:
    return choices.of((_plane, _colour_image))(choices, size)


def _rgba(choices: Choices, size: Size) -> Any:
    return array(choices, (*size, 4))


def _number(choices: Choices, size: Size) -> Any:
    return choices.of(_NUMBERS)


def _fraction(choices: Choices, size: Size) -> Any:
    return choices.of(_FRACTIONS)


def _pair(choices: Choices, size: Size) -> Any:
    return (choices.of(_FRACTIONS), choices.of(_FRACTIONS))


def _new_size(choices: Choices, size: Size) -> Any:
    return choices.of((size, (1, 1), (5, 40), (0, 3), (-1, 2), (2.5, 3), 7, (10**9, 10**9), None))


def _radius(choices: Choices, size: Size) -> Any:
    numbers = (choices.of(_NUMBERS), choices.of(_NUMBERS))
    return numbers if choices.once_in(2) else numbers[0]


def _one_of(*values: Any) -> Make:
    return lambda choices, size: choices.of(values)


def _screen(choices: Choices, size: Size) -> Any:
    image = np.full((*size, 3), (20, 200, 40), np.uint8)
    return None if choices.once_in(2) else trimatte.fit_screen(image, key_color="green")


def _background(choices: Choices, size: Size) -> Any:
    given = choices.of(_COLOURS)
    return given if choices.once_in(2) else _colour_image(choices, size)


_key_color = _one_of("green", "blue", "auto", (0, 255, 0), (10, 20, 30), (1, 1, 1), "pink", None, 5)

PARAMETERS: dict[str, Make] = {
    "alpha": _plane,
    "background": _background,
    "band": _one_of(None, "auto", "wide"),
    "cell": _one_of(None, 1, 8, 64, 0, -3, 10**9, 2.5),
    "channels": _one_of("rgb", "bgr", "xyz", 3),
    "choke": _number,
    "classes": _one_of(None, [0], [1, 2], [], [99], "dog", [-1]),
    "clip": _pair,
    "core": _plane,
    "despill": _one_of("average", "max-limit", None, "much"),
    "despill_strength": _fraction,
    "device": _one_of(None, "cpu", "cuda:99", "tpu", 3),
    "dtype": _one_of("uint8", np.uint16, "float32", "float16", "float64", "nonsense", None, 3),
    "feather": _number,
    "filter": _one_of("lanczos", "bilinear", "area", "nearest", "best", None),
    "foreground": _colour_image,
    "garbage": _plane,
    "image": _any_image,
    "key_color": _key_color,
    "like": _screen,
    "linear": _one_of(False, True),
    "margin": _one_of(0, 3, "5%", "wide", -1, float("nan"), None, 10**9),
    "mask": _plane,
    "mean": _one_of((0.5, 0.5, 0.5), (0, 0, 0), (1, 2), 3, (float("nan"),) * 3, "abc"),
    "method": _one_of(
        *("closed-form", "shared", "guided", "average", "double-average", "max-limit"),
        *("difference", "plate", "distance", "vlahos", "euclidean", "no such", None, 3),
    ),
    "min_max": _one_of(True, False),
    "network_size": _one_of(None, 8, (4, 5), 0, -1, (1,), "8", 1e9),
    "noise": _fraction,
    "plate": _background,
    "prediction": lambda choices, size: array(
        choices, size if choices.once_in(2) else (1 + choices.below(4), *size)
    ),
    "premultiplied": _one_of(False, True),
    "previous_alpha": _plane,
    "previous_image": _colour_image,
    "progress": _one_of(None, abs, 3),
    "quality": _one_of("balanced", "fast", "exact", "best", None),
    "radius": _radius,
    "reach": _number,
    "restore": _fraction,
    "return_background": _one_of(False, True),
    "return_info": _one_of(False, True),
    "rgba": _rgba,
    "scale": _one_of(255, "max", 0, -1, float("nan"), "min"),
    "screen": _screen,
    "shape": _one_of("disk", "square", "star"),
    "size": _new_size,
    "softness": _number,
    "std": _one_of((0.5, 0.5, 0.5), (1, 1, 1), (0, 1, 1), (1, 2), 3, (float("inf"),) * 3),
    "stream": _one_of(None, 0, 12345, "s"),
    "strength": _fraction,
    "threshold": _fraction,
    "thresholds": _pair,
    "tolerance": _number,
    "transfer": _one_of(None, "auto", "srgb", "linear", "log"),
    "trimap": _plane,
    "x": _one_of(0, 1, 3, -1, 10**9, 1.5, None),
    "y": _one_of(0, 1, 3, -1, 10**9, 1.5, None),
}
"""How each parameter of an operation is made: Choices and the image's (H, W)."""


def seeds() -> list[bytes]:
    """A plain call of each operation, and some of any kind."""
    generator = np.random.default_rng(0)
    plain = [bytes([number, 4, 5]) for number in range(len(OPERATIONS))]
    return plain + [bytes([number]) + generator.bytes(60) for number in range(len(OPERATIONS))] * 4


if __name__ == "__main__":
    fuzz(check, seeds())

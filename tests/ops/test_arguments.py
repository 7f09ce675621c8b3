"""Every wrong argument: one error that names the function, the argument, what came, what may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import pytest

import trimatte

HEIGHT, WIDTH = 6, 7
IMAGE = np.full((HEIGHT, WIDTH, 3), 100, dtype=np.uint8)
RGBA = np.full((HEIGHT, WIDTH, 4), 100, dtype=np.uint8)
PLANE = np.full((HEIGHT, WIDTH), 100, dtype=np.uint8)
PREDICTION = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
LIGHT = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
LOGITS = np.zeros((3, HEIGHT, WIDTH), np.float32)
TRIMAP = np.repeat(np.array([[0, 0, 128, 128, 128, 255, 255]], dtype=np.uint8), HEIGHT, axis=0)

# Every operation with valid arguments, by name; the tables below replace one of them at a time.
VALID: dict[str, dict[str, Any]] = {
    "chroma_key": {"image": IMAGE},
    "probe": {"image": IMAGE, "x": WIDTH - 1, "y": HEIGHT - 1},
    "make_trimap": {"mask": TRIMAP, "radius": 1},
    "estimate_alpha": {"image": IMAGE, "trimap": TRIMAP},
    "stabilize_alpha": {
        "image": IMAGE,
        "alpha": PLANE,
        "previous_image": IMAGE,
        "previous_alpha": PLANE,
    },
    "estimate_foreground": {"image": IMAGE, "alpha": PLANE, "background": IMAGE},
    "refine": {"image": IMAGE, "mask": TRIMAP},
    "key_cutout": {"image": IMAGE},
    "despill": {"image": IMAGE},
    "choke": {"alpha": PLANE, "radius": 1.5},
    "feather": {"alpha": PLANE, "radius": 1.5},
    "hold_mattes": {"alpha": PLANE, "garbage": PLANE, "core": PLANE},
    "premultiply": {"rgba": RGBA},
    "unpremultiply": {"rgba": RGBA},
    "cutout": {"foreground": IMAGE, "alpha": PLANE},
    "limit_alpha": {"alpha": PLANE.astype(np.float32) / 255, "rgba": RGBA},
    "composite": {"foreground": IMAGE, "alpha": PLANE, "background": IMAGE},
    "to_linear": {"image": IMAGE},
    "to_srgb": {"image": LIGHT},
    "project_alpha": {
        "image": IMAGE,
        "foreground": IMAGE,
        "plate": LIGHT,
        "trimap": TRIMAP,
        "alpha": PLANE.astype(np.float32) / 255,
    },
    "resize": {"image": IMAGE, "size": (4, 5)},
    "to_tensor": {"image": IMAGE, "size": (4, 5), "mean": (0.5, 0.5, 0.5), "std": (1, 1, 1)},
    "class_probability": {"prediction": LOGITS, "classes": [1]},
    "matte_from_prediction": {"prediction": PREDICTION, "size": (4, 5)},
}


@dataclass(frozen=True)
class Bad:
    """An operation called with one wrong argument.

    came and accepted are what its message has to contain, in any letter case.
    """

    operation: str
    argument: str
    value: Any
    came: str
    accepted: str
    others: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation}-{self.argument}-{self.came or 'empty'}"


def wrong_arrays(shape: tuple[int, ...]) -> list[tuple[Any, str]]:
    """Arrays of the right shape with samples that no operation takes, and how messages put it."""
    unusable = [
        (np.zeros(shape, dtype), str(np.dtype(dtype)))
        for dtype in ("float64", "int64", "int8", "uint32", "float16", "complex64", "object", "U1")
    ]
    values: list[tuple[Any, str]] = []
    for value, name in ((np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1.5, "1.5")):
        image = np.full(shape, 0.5, dtype=np.float32)
        image[-1, -1] = value  # the very last one
        values.append((image, name))
    negative = np.full(shape, 0.5, dtype=np.float32)
    negative[-1, -1] = -0.25
    scaled = np.full(shape, 200.0, dtype=np.float32)  # 0 ... 255 in a float image
    return [*unusable, *values, (negative, "-0.25"), (scaled, "200")]


def bad_arrays() -> list[Bad]:
    """Wrong samples, dimensions and channels of every array that an operation takes."""
    rows = []
    for operation, arguments in VALID.items():
        for argument, valid in arguments.items():
            if not isinstance(valid, np.ndarray) or argument == "prediction":
                continue
            for value, came in wrong_arrays(valid.shape):
                in_range = value.dtype == np.float32
                accepted = "[0, 1]" if in_range else "uint8, uint16 or float32"
                rows.append(Bad(operation, argument, value, came, accepted))
            if valid.ndim == 2:
                shapes: list[tuple[int, ...]] = [
                    (),
                    (WIDTH,),
                    (HEIGHT, WIDTH, 3),
                    (HEIGHT, WIDTH, 1),
                ]
                accepted = "(H, W)"
            else:
                shapes = [(), (WIDTH,), (2, HEIGHT, WIDTH, 3)]
                shapes += [(HEIGHT, WIDTH)] if operation != "resize" else []
                shapes += [(HEIGHT, WIDTH, channels) for channels in (0, 1, 2, 5)]
                shapes += [(HEIGHT, WIDTH, 3)] if argument == "rgba" else []
                accepted = "(H, W, 4)"
            for shape in shapes:
                value = np.zeros(shape, np.uint8)
                # Numbers are meant for a colour: not refused as an image.
                if argument != "background" or len(shape) > 1:
                    rows.append(Bad(operation, argument, value, str(shape), accepted))
            if argument not in ("background", "garbage", "core"):
                rows.append(Bad(operation, argument, None, "()", accepted))
                rows.append(Bad(operation, argument, "photo.png", "()", accepted))
                rows.append(Bad(operation, argument, [[1, 2], [3]], "[[1, 2], [3]]", "array"))
    return rows


def bad_sizes() -> list[Bad]:
    """Two arrays that do not fit together."""
    rows = []
    for operation, argument in (
        ("estimate_alpha", "trimap"),
        ("estimate_foreground", "alpha"),
        ("estimate_foreground", "background"),
        ("cutout", "alpha"),
        ("project_alpha", "foreground"),
        ("project_alpha", "trimap"),
        ("composite", "alpha"),
        ("composite", "background"),
        ("hold_mattes", "garbage"),
        ("hold_mattes", "core"),
    ):
        tail = (3,) if argument in ("background", "foreground") else ()
        whole = f"({HEIGHT}, {WIDTH}" + (")" if operation == "hold_mattes" else ", 3)")
        for shape in ((WIDTH, HEIGHT, *tail), (HEIGHT + 1, WIDTH, *tail), (0, WIDTH, *tail)):
            value = np.zeros(shape, np.uint8)
            rows.append(Bad(operation, argument, value, str(shape), whole))
    other_depth = np.zeros(IMAGE.shape, np.uint16)
    rows.append(Bad("project_alpha", "foreground", other_depth, "uint16", "uint8"))
    for operation in ("composite", "estimate_foreground"):
        rows.append(Bad(operation, "background", other_depth, "uint16", "uint8"))
    return rows


def bad_options() -> list[Bad]:
    """Options out of their range, of a wrong kind, or unknown."""
    rows = []
    keys = "green"
    for operation in ("chroma_key", "probe", "despill", "key_cutout"):
        for value, came in (
            ("purplish", "purplish"),
            ("magenta", "magenta"),  # two channels
            ("", "''"),
            ("Green screen", "Green screen"),
            (1, "1"),
            (None, "None"),
            ((0, 255), "(0, 255)"),
            ((0, 255, 0, 0), "(0, 255, 0, 0)"),
            ((0, 256, 0), "256"),
            ((0, -1, 0), "-1"),
            ((0, float("nan"), 0), "nan"),
            (("a", "b", "c"), "a"),
            ((90, 90, 90), "90"),  # grey: no channel is dominant
            ((20, 200, 200), "200"),
        ):
            rows.append(Bad(operation, "key_color", value, came, keys))
    for operation in ("chroma_key", "probe", "key_cutout"):
        for argument in ("tolerance", "softness"):
            for value in (-1, 255.5, float("nan"), float("inf")):
                rows.append(Bad(operation, argument, value, str(value), "255"))
            for value in ("30", [30]):
                rows.append(Bad(operation, argument, value, repr(value), "number"))
    for value, came in (("float64", "float64"), (np.int64, "int64"), ("bool", "bool"), ("x", "x")):
        rows.append(Bad("chroma_key", "dtype", value, came, "uint8, uint16 or float32"))
    for argument, size in (("x", WIDTH), ("y", HEIGHT)):
        for value, came in (
            (size, str(size)),
            (-1, "-1"),
            (1.5, "1.5"),
            ("1", "1"),
            (None, "None"),
        ):
            rows.append(Bad("probe", argument, value, came, f"[0, {size})"))

    for value, came in (
        (-1, "-1"),
        (-0.001, "-0.001"),
        (float("nan"), "nan"),
        ("10", "10"),
        (None, "None"),
        ((1,), "(1,)"),
        ((1, 2, 3), "(1, 2, 3)"),
        ((1, -2), "-2"),
        ((float("nan"), 1), "nan"),
    ):
        rows.append(Bad("make_trimap", "radius", value, came, "0"))
    square = {"shape": "rembg"}
    for value, came in ((2.5, "2.5"), (-1, "-1"), ((3, 3), "(3, 3)"), (float("nan"), "nan")):
        rows.append(Bad("make_trimap", "radius", value, came, "number", square))
    for value, came in (("square", "square"), (None, "None"), (3, "3")):
        rows.append(Bad("make_trimap", "shape", value, came, "disk"))
    for value, came in (
        ((0.9, 0.1), "(0.9, 0.1)"),
        ((-0.1, 0.5), "-0.1"),
        ((0.1, 1.5), "1.5"),
        ((10, 240), "240"),
        ((0.1,), "(0.1,)"),
        (0.5, "0.5"),
        ((float("nan"), 0.5), "nan"),
        (None, "None"),
    ):
        rows.append(Bad("make_trimap", "thresholds", value, came, "0"))
    for value, came in (
        (0, "0"),
        (-320, "-320"),
        ((320, 0), "(320, 0)"),
        ((320,), "(320,)"),
        ((1, 2, 3), "(1, 2, 3)"),
        ("320", "320"),
        (float("nan"), "nan"),
    ):
        rows.append(Bad("make_trimap", "network_size", value, came, "(height, width)"))

    for value, came in (("wide", "wide"), (3, "3"), (True, "True"), ("", "''")):
        rows.append(Bad("make_trimap", "band", value, came, "auto"))
    for value, came in ((10.0, "10.0"), ((4, 2), "(4, 2)"), (None, "None")):
        rows.append(Bad("make_trimap", "radius", value, came, "not both", {"band": "auto"}))

    for value, came in (("best", "best"), (None, "None"), (2, "2"), ("", "''")):
        rows.append(Bad("estimate_alpha", "quality", value, came, "balanced"))
        rows.append(Bad("estimate_foreground", "quality", value, came, "balanced"))
    for value, came in ((1, "1"), ("no function", "no function")):
        rows.append(Bad("estimate_alpha", "progress", value, came, "function"))
    for value, came in (("knn", "knn"), (None, "None"), (2, "2"), ("", "''"), (int, "int")):
        rows.append(Bad("estimate_alpha", "method", value, came, "shared"))
    rows.append(Bad("estimate_foreground", "quality", "exact", "exact", "balanced"))
    for value in (RGBA, IMAGE.astype(np.uint16), IMAGE[1:]):
        shape = str(value.shape) if value.dtype == np.uint8 else "uint16"
        rows.append(Bad("stabilize_alpha", "previous_image", value, shape, "image"))
    for value in (PLANE.astype(np.uint16), PLANE[1:]):
        shape = str(value.shape) if value.dtype == np.uint8 else "uint16"
        rows.append(Bad("stabilize_alpha", "previous_alpha", value, shape, "alpha"))
    for value, came in (("min", "min"), (None, "None"), (0, "0")):
        rows.append(Bad("despill", "method", value, came, "double-average"))
    for value in (-0.1, 1.1, float("nan")):
        rows.append(Bad("despill", "strength", value, str(value), "1"))
        rows.append(Bad("stabilize_alpha", "strength", value, str(value), "1"))
    for value in ("1", None):
        rows.append(Bad("despill", "strength", value, repr(value), "number"))
        rows.append(Bad("stabilize_alpha", "strength", value, repr(value), "number"))
    for value in (-0.1, 1.1, float("nan")):
        rows.append(Bad("despill", "restore", value, str(value), "1"))
    shown: dict[str, Any] = {"alpha": PLANE}
    for value in (-0.5, 1001, float("nan")):
        rows.append(Bad("despill", "reach", value, str(value), "[0, 1000]", shown))
    for argument, others in (("restore", {}), ("reach", shown)):
        for value in ("1", [2]):
            rows.append(Bad("despill", argument, value, repr(value), "number", others))
    screen = {"method": "plate", "plate": (0, 255, 0)}
    for value in (np.zeros((WIDTH, HEIGHT), np.uint8), np.zeros((HEIGHT, WIDTH, 3), np.uint8)):
        for others in ({}, screen):
            rows.append(Bad("despill", "alpha", value, str(value.shape), "(", others))
    plated = {"method": "plate", **shown}
    for value, came in (("no such color", "no such color"), ((1, 2), "(1, 2)"), (7, "7")):
        rows.append(Bad("despill", "plate", value, came, "(r, g, b)", plated))
    other_plates = (np.zeros((2, 3, 3), np.uint8), np.zeros(IMAGE.shape, np.uint16))
    for value, came in zip(other_plates, ("(2, 3, 3)", "uint16"), strict=True):
        rows.append(Bad("despill", "plate", value, came, f"({HEIGHT}, {WIDTH}, 3)", plated))
    for operation, low in (("choke", -64), ("feather", 0)):
        for value in (low - 0.5, 64.5, float("nan"), float("inf")):
            rows.append(Bad(operation, "radius", value, str(value), "64"))
        for value in ("1", None, [2]):
            rows.append(Bad(operation, "radius", value, repr(value), "number"))
    for value, came in (
        ("no such color", "no such color"),
        ((1, 2), "(1, 2)"),
        ((1, 2, 3, 4), "(1, 2, 3, 4)"),
        ((0, 0, 256), "256"),
        ((0, 0, -1), "-1"),
        ((0, 0, float("nan")), "nan"),
        (("a", 0, 0), "a"),
        (7, "7"),
    ):
        for operation in ("composite", "estimate_foreground"):
            rows.append(Bad(operation, "background", value, came, "(r, g, b)"))
    rows.append(Bad("composite", "background", None, "None", "(r, g, b)"))
    return rows


def bad_screens() -> list[Bad]:
    """What linear light and alpha between known colours take."""
    rows = []
    for value, came in (("float64", "float64"), ("bool", "bool"), (None, "float64"), ("x", "x")):
        rows.append(Bad("to_srgb", "dtype", value, came, "uint8, uint16 or float32"))
    for value in (IMAGE, IMAGE.astype(np.uint16)):
        rows.append(Bad("to_srgb", "image", value, str(value.dtype), "float32"))
        rows.append(Bad("project_alpha", "plate", value, str(value.dtype), "float32"))
    for shape in ((HEIGHT, WIDTH, 4), (0, 3, 3), (3, 0, 3)):
        value = np.zeros(shape, np.float32)
        rows.append(Bad("project_alpha", "plate", value, str(shape), "(h, w, 3)"))
    rows.append(Bad("project_alpha", "alpha", PLANE, "uint8", "float32"))
    for value in (-0.01, 0.41, float("nan")):
        rows.append(Bad("project_alpha", "noise", value, str(value), "0.4"))
    for value in ("0.1", None):
        rows.append(Bad("project_alpha", "noise", value, repr(value), "number"))
    for value, came in (
        (0, "0"),
        (-1, "-1"),
        (2**24 + 1, "16777217"),
        (8.0, "8.0"),
        (True, "True"),
    ):
        rows.append(Bad("project_alpha", "cell", value, came, "int"))
    return rows


def bad_resizes() -> list[Bad]:
    """What only resizing takes: sizes, predictions and a network's numbers."""
    rows = []
    for operation in ("resize", "to_tensor", "matte_from_prediction"):
        for value, came in (
            ((0, 5), "(0, 5)"),
            ((5, -1), "(5, -1)"),
            ((5, 2**24 + 1), "16777217"),
            ((5, 2**70), str(2**70)),
            ((5.0, 5), "(5.0, 5)"),
            ((5,), "(5,)"),
            ((5, 5, 3), "(5, 5, 3)"),
            (5, "5"),
            ("55", "'55'"),
            ((True, 5), "True"),
            (None, "None"),
        ):
            rows.append(Bad(operation, "size", value, came, "height"))
        for value, came in (("bicubic", "bicubic"), (None, "None"), (1, "1")):
            rows.append(Bad(operation, "filter", value, came, "lanczos"))
    for shape in ((), (WIDTH,), (HEIGHT, WIDTH, 2), (2, 1, HEIGHT, WIDTH), (1, 2, HEIGHT, WIDTH)):
        value = np.zeros(shape, np.float32)
        rows.append(Bad("matte_from_prediction", "prediction", value, str(shape), "(h, w)"))
    for shape in ((), (WIDTH,), (HEIGHT, WIDTH), (2, 3, HEIGHT, WIDTH), (0, 4, 4), (1025, 1, 1)):
        value = np.zeros(shape, np.float32)
        rows.append(Bad("class_probability", "prediction", value, str(shape), "(C, h, w)"))
    for operation, sides in (("matte_from_prediction", ()), ("class_probability", (3,))):
        for dtype in ("float64", "uint8", "int32", "bool", "object"):
            value = np.zeros((*sides, HEIGHT, WIDTH), dtype)
            rows.append(Bad(operation, "prediction", value, dtype, "float32 or float16"))
    for value, came in (
        (None, "None"),
        ([], "[]"),
        ([3], "[3]"),
        ([-1], "[-1]"),
        ([1.0], "[1.0]"),
        ([True], "[True]"),
        (1, "1"),
        ("1", "'1'"),
    ):
        rows.append(Bad("class_probability", "classes", value, came, "in 0..2"))
    for argument in ("mean", "std"):
        for value, came in (
            ((1, 2), "(1, 2)"),
            (1.0, "1.0"),
            ("abc", "'abc'"),
            (("a", 1, 1), "a"),
            ((1, float("nan"), 1), "nan"),
            (None, "None"),
        ):
            rows.append(Bad("to_tensor", argument, value, came, "three numbers"))
    for value, came in (((1, 0, 1), "(1, 0, 1)"), ((1, 1, -1), "-1")):
        rows.append(Bad("to_tensor", "std", value, came, "above 0"))
    for value, came in (("gbr", "gbr"), (None, "None"), (True, "True")):
        rows.append(Bad("to_tensor", "channels", value, came, "bgr"))
    for value, came in ((1, "1"), ("min", "'min'"), (None, "None"), (True, "True")):
        rows.append(Bad("to_tensor", "scale", value, came, "'max'"))
    for value, came in (("uint8", "uint8"), ("float64", "float64"), ("x", "x")):
        rows.append(Bad("to_tensor", "dtype", value, came, "float16"))
    return rows


def bad_devices() -> list[Bad]:
    """Devices and streams that there are none of."""
    rows = []
    for operation in VALID:
        if operation == "probe":  # one pixel, looked at on the host
            continue
        for value, came in (
            ("gpu", "gpu"),
            ("", "''"),
            ("cpu:1", "cpu:1"),
            (0, "0"),
            (b"cpu", "cpu"),
        ):
            rows.append(Bad(operation, "device", value, came, "cpu"))
        for value, came in (("main", "main"), (1.5, "1.5"), (object(), "object"), (7, "7")):
            rows.append(Bad(operation, "stream", value, came, "None"))
    return rows


def call(operation: str, arguments: dict[str, Any]) -> Any:
    function: Callable[..., Any] = getattr(trimatte, operation)
    return function(**arguments)


@pytest.mark.parametrize(
    "bad",
    [*bad_arrays(), *bad_sizes(), *bad_options(), *bad_screens(), *bad_resizes(), *bad_devices()],
    ids=str,
)
def test_wrong_argument_is_refused_in_words(bad: Bad) -> None:
    arguments = {**VALID[bad.operation], **bad.others, bad.argument: bad.value}
    with pytest.raises(trimatte.ArgumentError) as caught:
        call(bad.operation, arguments)
    error = caught.value
    assert type(error) is trimatte.ArgumentError
    assert isinstance(error, ValueError)
    assert isinstance(error, trimatte.Error)
    # One error is shown, not the one that led to it as well.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    message = str(error).lower()
    assert message.startswith(f"{bad.operation}: ")
    assert bad.argument in message
    assert bad.came.lower() in message
    assert bad.accepted.lower() in message
    assert "got " in message
    assert "\n" not in message


@pytest.mark.parametrize("operation", VALID)
def test_the_arguments_that_the_table_starts_from_are_valid(operation: str) -> None:
    call(operation, VALID[operation])


@pytest.mark.parametrize("operation", [name for name in VALID if name != "probe"])
def test_cpu_can_be_named(operation: str) -> None:
    plain = call(operation, VALID[operation])
    named = call(operation, {**VALID[operation], "device": "cpu", "stream": None})
    if operation == "refine":
        plain, named = astuple(plain), astuple(named)
    for result, same in zip(plain, named, strict=True):
        np.testing.assert_array_equal(result, same)


@pytest.mark.skipif(trimatte.cuda_available(), reason="there is a GPU here")
@pytest.mark.parametrize("operation", [name for name in VALID if name != "probe"])
def test_device_that_is_not_there(operation: str) -> None:
    with pytest.raises(trimatte.DeviceError) as caught:
        call(operation, {**VALID[operation], "device": "cuda"})
    assert isinstance(caught.value, RuntimeError)
    message = str(caught.value)
    assert message.startswith(f"{operation}: ")
    assert "cuda" in message.lower()


@pytest.mark.parametrize("radius", [1e3, 1e9, 1e300, 2**62, (1e9, 0)])
def test_huge_radius_is_a_radius(radius: Any) -> None:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    trimap = trimatte.make_trimap(mask, radius)  # no contour: nothing becomes unknown
    np.testing.assert_array_equal(trimap, 0)
    mask[2, 3] = 255
    with pytest.warns(trimatte.TrimapWarning):
        trimap = trimatte.make_trimap(mask, radius)
    assert np.any(trimap == 0)
    assert trimap[2, 3] == 255


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", float("nan")])
def test_wrong_number_of_threads(threads: Any) -> None:
    before = trimatte.get_num_threads()
    with pytest.raises(trimatte.ArgumentError, match="set_num_threads: count"):
        trimatte.set_num_threads(threads)
    assert trimatte.get_num_threads() == before


@pytest.mark.parametrize("operation", VALID)
def test_options_go_by_name_only(operation: str) -> None:
    positional = list(VALID[operation].values())
    if operation == "composite":
        positional = [IMAGE, PLANE, IMAGE]
    if operation == "hold_mattes":
        positional = [PLANE]
    with pytest.raises(TypeError, match="positional"):
        getattr(trimatte, operation)(*positional, "green")


def test_a_band_that_follows_the_mask_is_made_of_disks() -> None:
    with pytest.raises(trimatte.ArgumentError, match=r"band='auto'.*got shape 'rembg'"):
        trimatte.make_trimap(TRIMAP, band="auto", shape="rembg")

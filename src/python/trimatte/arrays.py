"""The one place where inputs are coerced and named options are looked up.

Shapes, dtypes and values are checked by the compiled module, which knows the names to put into the
message; here anything array-like becomes an array whose rows it can read: NumPy's, or a
`DeviceArray` that borrows the memory of a GPU array of whatever library.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import ImageColor

from trimatte import _core
from trimatte._core import DeviceArray
from trimatte.errors import ArgumentError, CutoutWarning, warn


class SupportsDLPack(Protocol):
    """An array that other libraries can borrow by DLPack: CuPy, PyTorch, JAX."""

    def __dlpack__(self, *, stream: Any = ...) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...


class SupportsCudaArrayInterface(Protocol):
    """A GPU array that others can borrow by ``__cuda_array_interface__``: Numba, PyCUDA."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


Array = npt.NDArray[Any]
ArrayLike = npt.ArrayLike | SupportsDLPack | SupportsCudaArrayInterface
KeyColor = str | tuple[float, float, float]  # a name, or (r, g, b) in 0..255
KeyColorLike = str | Sequence[float] | npt.NDArray[Any]  # which `as_key_color` makes one of
V = TypeVar("V")

_GPU_DEVICES = (2, 13)  # DLPack's kDLCUDA and kDLCUDAManaged

_PICTURE_MODES = ("RGB", "RGBA", "L", "1", "I;16", "F")  # whose samples mean what an array's do
_DEPTHS = {"uint8": 0, "uint16": 1, "float32": 2}
FULL_SCALES = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
TRIMAP_LIMITS: dict[str, tuple[float, float]] = {
    "uint8": (26, 229),
    "uint16": (6656, 58879),
    "float32": (0.1, 0.9),
}
_SAME_SHAPE = 0.06  # of the logarithm of width by height: small masks have whole pixels
_MOST_AT_ONCE = 4096
_MOST_LABEL = 3  # Oxford-IIIT Pet's trimaps have 1, 2 and 3
DESPILL_METHODS = {"average": 0, "double-average": 1, "max-limit": 2}
CHANNELS = {"red": 0, "green": 1, "blue": 2}
SCREEN_COLORS = {
    "red": (200.0, 16.0, 46.0),
    "green": (0.0, 177.0, 64.0),
    "blue": (0.0, 71.0, 187.0),
    "magenta": (255.0, 0.0, 255.0),
    "cyan": (0.0, 255.0, 255.0),
    "yellow": (255.0, 255.0, 0.0),
    "white": (255.0, 255.0, 255.0),
    "gray": (128.0, 128.0, 128.0),
    "black": (0.0, 0.0, 0.0),
}
"""The kinds of screens, in the order of the core's `ScreenOptions`, and the colours that they mean
where none is looked for: of green, blue and red those of the paints and cloths that are sold."""
_ALIASES = {"grey": "gray", "fuchsia": "magenta", "aqua": "cyan"}
# Of a channel over the next one, for it to lead alone: of 255, or of the channel itself; and of the
# next one's lead over the last (src/cpp/cpu/screen.cpp: kPair).
_LEAST_LEAD, _LEAST_PURITY, _PAIR = 8.0, 0.25, 0.4
_HEX = re.compile("#[0-9a-f]{3}|#[0-9a-f]{6}")


def as_array(value: ArrayLike, operation: str, name: str, stream: Any = None) -> Array:
    """Anything array-like as an array whose pixels are contiguous within each row.

    Row-strided views, also backwards ones, are passed on without a copy; other strides are copied.
    An array on a GPU is borrowed as a `DeviceArray`, its contents ready for work on the stream.
    """
    if isinstance(value, DeviceArray):
        return value  # type: ignore[return-value]
    if is_on_gpu(value):
        ours = current_stream(value) if stream is None else stream
        return _core.borrow(value, ours, operation, name)  # type: ignore[return-value]
    mode = _picture_mode(value)
    if mode is not None and mode not in _PICTURE_MODES:
        raise ArgumentError(
            f"{operation}: {name} must be an array, or a Pillow image of mode RGB, RGBA or L, got "
            f"mode {mode}; .convert('RGB') makes one of it"
        )
    array = plain_array(value, operation, name)
    item = array.itemsize
    inner = array.strides[1:] if array.ndim > 1 else ()
    packed = {2: (item,), 3: (item * array.shape[-1], item)}.get(array.ndim) if array.ndim else None
    if packed is not None and (inner != packed or not array.flags.aligned):
        array = np.array(
            array, order="C", copy=True
        )  # ascontiguousarray would keep a misaligned one
    return array


def plain_array(value: Any, operation: str, name: str) -> Array:
    """Anything array-like as an array of no subclass, sharing its memory where it can."""
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise ArgumentError(
            f"{operation}: {name} must have no masked pixels, which have no value; "
            f"{name}.filled(0) gives them one"
        )
    try:
        only_lent = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        return np.from_dlpack(value) if only_lent else np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        if getattr(value, "requires_grad", False):
            raise ArgumentError(
                f"{operation}: {name} must not require a gradient; {name}.detach() does not"
            ) from None
        raise ArgumentError(
            f"{operation}: {name} must be an array of uint8, uint16 or float32, got {value!r:.80} "
            f"({error})"
        ) from None


def _picture_mode(value: Any) -> str | None:
    """The mode of a Pillow image; None for anything else."""
    return str(value.mode) if hasattr(value, "getbands") and hasattr(value, "mode") else None


def is_on_gpu(value: Any) -> TypeGuard[SupportsDLPack]:
    """Whether an array of any library lies in the memory of a GPU."""
    if isinstance(value, np.ndarray):
        return False
    if hasattr(value, "__dlpack_device__"):
        return int(value.__dlpack_device__()[0]) in _GPU_DEVICES
    return hasattr(value, "__cuda_array_interface__")


def current_stream(value: Any) -> Any:
    """The stream that a GPU array's library works on now; None is the legacy default stream.

    - An array that names its stream by ``__cuda_stream__``: that stream.
    - PyTorch, CuPy, Warp, and subclasses of their arrays: the library's current stream, of the
      array's GPU.
    - Numba, which has no current stream: the default stream that its calls without a stream use,
      the legacy one unless Numba was set up for the per-thread one.
    - JAX, which shows its streams to nobody: None. It makes the contents ready for that stream when
      it lends the array.
    - PyCUDA and all others: None. A ``stream`` in ``__cuda_array_interface__`` is waited for.
    """
    if hasattr(value, "__cuda_stream__"):
        return value
    for kind in type(value).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in _CURRENT_STREAMS and library in sys.modules:
            return _CURRENT_STREAMS[library](sys.modules[library], value)
    return None


def _numba_stream(numba: Any, _: Any) -> Any:
    per_thread = numba.config.CUDA_PER_THREAD_DEFAULT_STREAM
    return numba.cuda.per_thread_default_stream() if per_thread else None


# (module, array) -> stream
_CURRENT_STREAMS: dict[str, Callable[[Any, Any], Any]] = {
    "torch": lambda torch, tensor: torch.cuda.current_stream(tensor.device),
    "cupy": lambda cupy, _: cupy.cuda.get_current_stream(),
    "warp": lambda warp, array: warp.get_stream(array.device),
    "numba": _numba_stream,
}


def on_host(array: Array) -> Array:
    """The array, or a copy of one that lies on a GPU."""
    return array.to_host() if isinstance(array, DeviceArray) else array


def window_on_host(array: Array, rows: slice, columns: slice) -> Array:
    """Some rows and columns of an array; of one that lies on a GPU a copy of nothing else."""
    if isinstance(array, DeviceArray):
        return _core.window(array, rows, columns).to_host()
    return array[rows, columns]


def as_alpha(value: ArrayLike, operation: str, name: str, stream: Any = None) -> Array:
    """Like `as_array`; a bool alpha becomes uint8 of 0 and 255.

    Warns:
        CutoutWarning: it looks like a map of labels.
    """
    array = as_array(value, operation, name, stream)
    warn_of_labels(array, name)
    if array.dtype != np.bool_ or array.ndim != 2:
        return array
    return threshold(array.view(np.uint8), 0.5, 0.5, operation, stream)


def check_proportions(mask: Array, pixels: Array, operation: str) -> None:
    """Looks at a mask of another size than the image's: whether it is of its shape, or square, as
    networks make them.

    Raises ArgumentError: it lies on its side. Warns CutoutWarning: it is of another shape.
    """
    (height, width), (rows, columns) = mask.shape, pixels.shape[:2]
    if 0 in (height, width, rows, columns) or height == width:
        return
    if abs(math.log(height * columns / (width * rows))) <= _SAME_SHAPE:
        return
    if abs(math.log(height * rows / (width * columns))) <= _SAME_SHAPE:
        raise ArgumentError(
            f"{operation}: mask must lie as the image does, {(rows, columns)}, got "
            f"{(height, width)}; turn it by a quarter"
        )
    warn(
        f"the mask has another shape, {(height, width)}, than the image, {(rows, columns)}: it is "
        "stretched",
        CutoutWarning,
    )


def as_trimap(value: ArrayLike, operation: str, name: str, stream: Any = None) -> Array:
    """A trimap as uint8: as it is, or made `three_valued` where it is of another depth."""
    array = as_array(value, operation, name, stream)
    refuse_labels(array, operation, name)
    return array if array.dtype == np.uint8 else three_valued(array, operation, name, stream)


def three_valued(array: Array, operation: str, name: str, stream: Any = None) -> Array:
    """A trimap as uint8 of 0, 128 and 255, by PyMatting's limits: known is what lies below 0.1 or
    above 0.9 of full scale."""
    _core.check(array, operation, name, color=False)
    return threshold(array, *TRIMAP_LIMITS[array.dtype.name], operation, stream)


def largest_label(array: Array, most: int = _MOST_LABEL) -> int:
    """The largest value of an array of whole numbers on the host if that is a label's, at most so
    many: its full scale is not the type's. Else 0."""
    if isinstance(array, DeviceArray) or array.dtype.kind != "u" or array.ndim != 2:
        return 0
    if array[::8, ::8].max(initial=0) > most:  # nearly always, and soon told
        return 0
    largest = int(array.max(initial=0))
    return largest if largest <= most else 0


def warn_of_labels(array: Array, name: str) -> None:
    """Warns where a caller's mask or alpha looks like a map of labels. It may also be the noise of
    an empty frame, so it is no error."""
    if not _core.is_trusted() and (largest := largest_label(array)):
        full = np.iinfo(array.dtype).max
        warn(
            f"the {name} holds nothing above {largest} of {full}; if these are labels, {name} > 0 "
            "makes a mask",
            CutoutWarning,
        )


def refuse_labels(array: Array, operation: str, name: str) -> None:
    """Raises ArgumentError where a trimap is a map of labels."""
    if largest := largest_label(array):
        full = np.iinfo(array.dtype).max
        raise ArgumentError(
            f"{operation}: {name} must be 0 (background), {(full + 1) // 2} (unknown) and {full} "
            f"(foreground), got nothing above {largest}; a table turns labels into them, as "
            f"np.uint8([0, 128, 255])[{name}]"
        )


def threshold(
    array: Array, low: float, high: float, operation: str, stream: Any = None
) -> npt.NDArray[np.uint8]:
    """0 where array < low, 255 where it is > high, 128 between; on the array's device."""
    ours = stream if isinstance(array, DeviceArray) else None
    return _core.make_trimap(array, low, high, 0.0, 0.0, 0, 0.0, operation, None, ours)[0]


def choice(table: Mapping[str, V], value: Any, operation: str, name: str) -> V:
    """The entry of a table of named options."""
    if isinstance(value, str) and value in table:
        return table[value]
    names = ", ".join(repr(key) for key in table)
    raise ArgumentError(f"{operation}: {name} must be one of {names}, got {value!r:.80}")


def is_number(value: Any) -> bool:
    """Whether a value is a real number; text that could be read as one is not."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or NumPy's."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_count(value: Any, operation: str, name: str, *, optional: bool = False) -> None:
    """Raises ArgumentError unless a value may be how many threads or images there are at once."""
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_AT_ONCE:
        raise ArgumentError(
            f"{operation}: {name} must be {'None or ' if optional else ''}a whole number in "
            f"[1, {_MOST_AT_ONCE}], got {value!r:.80}"
        )


def number(value: Any, operation: str, name: str) -> float:
    """A real number (the compiled module checks its range)."""
    if is_number(value):
        return float(value)
    raise ArgumentError(f"{operation}: {name} must be a number, got {value!r:.80}")


def depth_code(dtype: npt.DTypeLike, operation: str) -> int:
    """The compiled module's number of a sample type."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = repr(dtype)
    if name not in _DEPTHS:
        raise ArgumentError(f"{operation}: dtype must be uint8, uint16 or float32, got {name}")
    return _DEPTHS[name]


def in_depth(pixels: Array, dtype: npt.DTypeLike) -> Array:
    """Samples of uint8, uint16 or float32 in another of these, full scale staying full scale; to
    whole numbers they are rounded, and floats clipped to [0, 1]."""
    wanted = np.dtype(dtype)
    if pixels.dtype == wanted:
        return pixels
    full = FULL_SCALES[wanted.name]
    scaled = np.multiply(pixels, full / FULL_SCALES[pixels.dtype.name], dtype=np.float32)
    if wanted.kind == "f":
        return scaled
    return np.rint(scaled, out=scaled).clip(0, full, out=scaled).astype(wanted)


def with_alpha(pixels: Array) -> Array:
    """(H, W, 4): the pixels of (H, W, 3), all opaque, or those of (H, W, 4) as they are."""
    if pixels.shape[2] == 4:
        return pixels
    opaque = np.full(pixels.shape[:2], FULL_SCALES[pixels.dtype.name], pixels.dtype)
    return np.dstack([pixels, opaque])


def as_key_color(value: KeyColorLike, operation: str, *, auto: bool = True) -> KeyColor:
    """A key colour as a kind's name (of `SCREEN_COLORS`, or "auto" where auto is True) or as three
    Python floats in 0..255.

    value: such a name in any case; another CSS name or "#rrggbb"; or (r, g, b) in 0..255 as a
    tuple, a list or an array.

    Raises ArgumentError: it is something else.
    """
    names = [*(["auto"] if auto else []), "green", "blue", "red"]
    wanted = (
        f"{operation}: key_color must be {', '.join(map(repr, names))}, another colour's name, "
        "'#rrggbb' or (r, g, b) in 0..255"
    )
    if isinstance(value, str):
        name = value.lower()
        if auto and name == "auto":
            return name
        if kind := screen_kind(name):
            return kind
        if name not in ImageColor.colormap and not _HEX.fullmatch(name):
            raise ArgumentError(f"{wanted}, got {value!r:.80}")
        red, green, blue = ImageColor.getrgb(name)[:3]
        return float(red), float(green), float(blue)
    try:
        rgb = np.asarray(value)
    except (TypeError, ValueError):
        rgb = np.empty(0)
    if rgb.shape != (3,) or rgb.dtype.kind not in "iuf" or not np.all((rgb >= 0) & (rgb <= 255)):
        raise ArgumentError(f"{wanted}, got {value!r:.80}")
    r, g, b = map(float, rgb)
    return r, g, b


def screen_kind(name: str) -> str | None:
    """The kind of screens that a colour's name, in any case, means; None where it means that colour
    alone."""
    name = name.lower()
    name = _ALIASES.get(name, name)
    return name if name in SCREEN_COLORS else None


def color_of_key(key_color: KeyColor) -> tuple[float, float, float]:
    """A key colour of `as_key_color`, not "auto", as (r, g, b) in 0..255."""
    return SCREEN_COLORS[key_color] if isinstance(key_color, str) else key_color


def as_key_channel(
    key_color: KeyColor, operation: str, wants_it: str, *, alone: bool = False
) -> int:
    """The channel that a key colour of `as_key_color` lights most.

    Raises ArgumentError: it lights two or three alike, or, if it is to lead alone, nearly so;
    `wants_it` is what cannot do with that.
    """
    color = color_of_key(key_color)
    if color.count(max(color)) > 1 or (alone and not sheds_spill(key_color)):
        raise ArgumentError(
            f"{operation}: key_color must have one channel above the others for {wants_it}, as "
            f"green, blue and red screens have, got {key_color!r}"
        )
    return key_channel(key_color)


def sheds_spill(key_color: KeyColor) -> bool:
    """Whether a screen of that colour lights one channel, whose light `despill` can limit: not
    magenta, cyan or yellow, which light two alike, nor white, grey and black."""
    most, middle, least = sorted(color_of_key(key_color), reverse=True)
    lead = min(_LEAST_LEAD, _LEAST_PURITY * most)
    return most > middle and most - middle >= max(lead, _PAIR * (middle - least))


def key_channel(key_color: KeyColor) -> int:
    """The channel that a key colour of `as_key_color` lights most: 0 red, 1 green, 2 blue."""
    color = color_of_key(key_color)
    return color.index(max(color))

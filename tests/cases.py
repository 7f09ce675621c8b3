"""One list of cases for every operation: the parity tests and the benchmarks read it.

A case makes the arguments of an operation for any image size from a seeded generator, so that the
tests run it on small awkward sizes and the benchmarks on photographs' sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray

import trimatte
from trimatte.ops import edges, resizing

Array = NDArray[Any]
Make = Callable[[Generator, int, int], tuple[Any, ...]]

# Heights and widths by class. 64 and its neighbours: masks are packed into words of 64 bits.
SIZES: dict[str, tuple[tuple[int, int], ...]] = {
    "empty": ((0, 5), (5, 0), (0, 0)),
    "tiny": ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3)),
    "line": ((1, 131), (131, 1)),
    "odd": ((17, 31), (31, 64), (13, 129), (47, 65), (20, 128)),
    "thin": ((1, 3), (2, 5), (2, 31), (31, 2)),
    "wide": ((90, 260),),  # more pixels along a side than guided alpha has cells
    "solve": ((12, 17), (23, 19), (31, 16)),
    "hd": ((1080, 1920),),
    "uhd": ((2160, 3840),),
}
EVERY_SMALL_SIZE = ("empty", "tiny", "line", "odd")

DTYPES = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class Case:
    """One operation with one set of options and one kind of input.

    make(rng, height, width) returns its positional arguments. atol bounds |result - reference| in
    samples of the result (1.0 is one step of an integer image): every sample's, or with `mean` the
    mean over the samples. sizes are the classes in SIZES that the parity tests run. named are the
    names that the last arguments go by, where they have to.
    """

    id: str
    operation: str
    make: Make
    options: dict[str, Any] = field(default_factory=dict)
    atol: float = 0.0
    mean: bool = False
    sizes: tuple[str, ...] = EVERY_SMALL_SIZE
    named: tuple[str, ...] = ()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], **options: Any) -> Any:
        """Calls an operation, or its definition; options are beside its arguments."""
        first = len(arguments) - len(self.named)
        named = dict(zip(self.named, arguments[first:], strict=True))
        return function(*arguments[:first], **named, **options)

    @property
    def function(self) -> Callable[..., Any]:
        """The operation: a public one, or one that only trimatte itself calls."""
        homes = (trimatte, edges, resizing)
        function: Callable[..., Any] = next(
            vars(home)[self.operation] for home in homes if self.operation in vars(home)
        )
        return function

    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The sizes that the parity tests run, as (height, width)."""
        return tuple(shape for name in self.sizes for shape in SIZES[name])


# Content ------------------------------------------------------------------------------------------


def samples(values: Array, dtype: DTypeLike) -> Array:
    """Values in [0, 1] as samples of a type."""
    if np.issubdtype(dtype, np.integer):
        values = np.rint(values * np.iinfo(dtype).max)
    return np.asarray(values, dtype=dtype)


def noise(rng: Generator, height: int, width: int, channels: int, dtype: DTypeLike) -> Array:
    """Samples that have nothing to do with each other; extremes occur."""
    values = rng.uniform(-0.1, 1.1, (height, width, channels)).clip(0.0, 1.0)
    return samples(values, dtype)


def texture(rng: Generator, height: int, width: int) -> Array:
    """A surface (height, width, 3) in [0, 1]: a colour, a gradient, waves and grain."""
    y, x = np.indices((height, width))[..., None] / max(height, width, 1)
    color, along, across = rng.uniform(0.25, 0.75, 3), *rng.uniform(-0.2, 0.2, (2, 3))
    waves = 0.1 * np.sin(rng.uniform(5.0, 40.0, 3) * x + rng.uniform(5.0, 40.0, 3) * y)
    grain = rng.normal(0.0, 0.03, (height, width, 3))
    return np.asarray((color + along * x + across * y + waves + grain).clip(0.0, 1.0))


def soft_disc(rng: Generator, height: int, width: int) -> Array:
    """Alpha (height, width) in [0, 1]: a disc with a soft edge, exact 0 and 1 away from it."""
    y, x = np.indices((height, width))
    center_y, center_x = rng.uniform(0.3, 0.7, 2) * (height, width)
    distance = np.hypot(y - center_y, x - center_x)
    edge = max(3.0, 0.15 * max(height, width))
    return np.asarray((0.5 + (0.3 * max(height, width) - distance) / edge).clip(0.0, 1.0))


def photo(rng: Generator, height: int, width: int) -> tuple[Array, Array]:
    """An image in [0, 1] of one surface before another, and its alpha."""
    alpha = soft_disc(rng, height, width)
    front, back = texture(rng, height, width), texture(rng, height, width)
    return alpha[..., None] * front + (1.0 - alpha[..., None]) * back, alpha


def coarse_mask(rng: Generator, height: int, width: int, dtype: DTypeLike) -> Array:
    """A segmentation network's kind of mask: a disc, values at its edge, and lone wrong pixels."""
    mask = soft_disc(rng, height, width)
    wrong = rng.random(mask.shape) < 0.002
    mask[wrong] = rng.random(np.count_nonzero(wrong))
    return mask > 0.5 if np.dtype(dtype) == bool else samples(mask, dtype)


# Arguments ----------------------------------------------------------------------------------------


def an_image(dtype: DTypeLike, channels: int = 3) -> Make:
    return lambda rng, height, width: (noise(rng, height, width, channels, dtype),)


def a_mask(dtype: DTypeLike) -> Make:
    return lambda rng, height, width: (coarse_mask(rng, height, width, dtype),)


def a_mask_to_be_sure_of(dtype: str, reach: int, scale: float) -> Make:
    """A mask, the bounds on both sides of its half, the reach, and the size of the mattes."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        mask = coarse_mask(rng, height, width, dtype)
        full = {"float32": 1.0, "uint16": 65535.0}.get(dtype, 255.0)
        size = (math.ceil(height * scale), math.ceil(width * scale))
        return mask, 0.5 * full, 0.6 * full, reach, size

    return make


def lone_pixels(dtype: DTypeLike, *, inverted: bool = False) -> Make:
    """A few single pixels, every other one in the first or last column: whole disks show."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        mask = np.zeros((height, width))
        for number in range(4 if mask.size else 0):
            x = rng.choice([0, width - 1]) if number % 2 == 0 else rng.integers(width)
            mask[rng.integers(height), x] = 1.0
        return (samples(1.0 - mask if inverted else mask, dtype),)

    return make


def mask_values_near(dtype: DTypeLike, *limits: float) -> Make:
    """Only samples next to the limits (fractions of full scale): a wrong comparison shows."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        full = int(np.iinfo(dtype).max)
        near = [round(limit * full) + away for limit in limits for away in (-1, 0, 1)]
        return (rng.choice(np.array([0, *near, full], dtype=dtype), (height, width)),)

    return make


def a_photo_and_trimap(dtype: DTypeLike, channels: int = 3) -> Make:
    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        image, alpha = photo(rng, height, width)
        if channels == 4:
            image = np.concatenate([image, rng.random((height, width, 1))], axis=-1)
        trimap = np.where(alpha == 0.0, 0, np.where(alpha == 1.0, 255, 128)).astype(np.uint8)
        trimap[:1, :1] = 0  # something is known even in the smallest image
        return samples(image, dtype), trimap

    return make


def a_photo_and_alpha(dtype: DTypeLike, alpha_dtype: DTypeLike, channels: int = 3) -> Make:
    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        image, alpha = photo(rng, height, width)
        if channels == 4:
            image = np.concatenate([image, rng.random((height, width, 1))], axis=-1)
        return samples(image, dtype), samples(alpha, alpha_dtype)

    return make


def a_layer_and_plate(dtype: DTypeLike, alpha_dtype: DTypeLike, channels: int = 3) -> Make:
    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        alpha = rng.uniform(-0.2, 1.2, (height, width)).clip(0.0, 1.0)
        return (
            noise(rng, height, width, channels, dtype),
            samples(alpha, alpha_dtype),
            noise(rng, height, width, 3, dtype),
        )

    return make


def a_layer_and_color(dtype: DTypeLike, color: str | tuple[float, float, float]) -> Make:
    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        return *a_layer_and_plate(dtype, dtype)(rng, height, width)[:2], color

    return make


def two_frames(
    dtype: DTypeLike,
    alpha_dtype: DTypeLike,
    channels: int = 3,
    *,
    noise: float = 1.0,
    cut: bool = False,
) -> Make:
    """A still image with new grain (in 1/255) but for a part of it (or, after a cut, another one),
    and alphas that differ."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        scene = np.concatenate([photo(rng, height, width)[0], rng.random((height, width, 1))], -1)
        changed = scene.copy()
        part = changed if cut else changed[height // 2 :, : width // 3]
        part[...] = rng.random(part.shape)
        alphas = rng.uniform(-0.2, 1.2, (2, height, width)).clip(0.0, 1.0)
        now, before = (
            samples((frame + rng.normal(0.0, noise / 255.0, frame.shape)).clip(0.0, 1.0), dtype)
            for frame in (changed[..., :channels], scene[..., :channels])
        )
        return now, samples(alphas[0], alpha_dtype), before, samples(alphas[1], alpha_dtype)

    return make


def a_plane(dtype: DTypeLike) -> Make:
    return lambda rng, height, width: (noise(rng, height, width, 1, dtype)[..., 0],)


def a_prediction(dtype: DTypeLike) -> Make:
    """A segmentation network's output: what it holds to be opaque, and some that is no number."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        values = 0.1 + 0.85 * soft_disc(rng, height, width) + rng.normal(0.0, 0.05, (height, width))
        values[rng.random((height, width)) < 0.01] = rng.choice([np.nan, np.inf, -np.inf])
        return (values.astype(dtype),)

    return make


def some_logits(dtype: DTypeLike, count: int) -> Make:
    """What a network that tells `count` classes apart makes, some of it no number."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        logits = rng.normal(0.0, 8.0, (count, height, width))
        logits[rng.random(logits.shape) < 0.01] = rng.choice([np.nan, np.inf, -np.inf, 1000.0])
        return (logits.astype(dtype),)

    return make


# Cases --------------------------------------------------------------------------------------------

# Rounding in float32: the rest of a sum of a few terms, in samples of the result.
EXACT_BUT_FOR_FLOAT32 = {"uint8": 0.0, "uint16": 1.0, "float32": 2e-6}


def key_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for key in ("green", "blue", "red"):
            yield Case(f"key-{dtype}-{key}-hard", "chroma_key", an_image(dtype), {"key_color": key})
        yield Case(
            f"key-{dtype}-triple-rgba",
            "chroma_key",
            an_image(dtype, channels=4),
            {"key_color": (20, 30, 200), "tolerance": 12.5},
        )
        # 32 divides without rounding, so that a wrong rounding of halves shows.
        yield Case(
            f"key-{dtype}-soft32",
            "chroma_key",
            an_image(dtype),
            {"tolerance": 20.0, "softness": 32.0},
            atol=EXACT_BUT_FOR_FLOAT32[dtype],
        )
        yield Case(
            f"key-{dtype}-soft255-rgba",
            "chroma_key",
            an_image(dtype, channels=4),
            {"tolerance": 0.0, "softness": 255.0, "key_color": "blue"},
            atol=2e-6 if dtype == "float32" else 1.0,
        )
        for output in DTYPES:
            if output != dtype:
                options = {"tolerance": 30.0, "dtype": output}
                yield Case(f"key-{dtype}-to-{output}", "chroma_key", an_image(dtype), options)


def a_screen(cells: tuple[int, int], cell: int, transfer: str = "srgb") -> trimatte.Screen:
    """A screen of random models and colours, the same ones each time."""
    rng = np.random.default_rng([*cells, cell])
    model = rng.uniform(-1.0, 1.0, (*cells, 4)).astype(np.float32)
    plate = rng.uniform(0.0, 1.0, (*cells, 3)).astype(np.float32)
    return trimatte.Screen((20.0, 180.0, 60.0), transfer, cell, model, plate, 0.01)


# Float32, and in linear light a decoding good to 2.5e-5, in units of alpha.
SOFT = {"srgb": 4e-6, "linear": 3e-4}
# Distances of uneven plates may be small: errors grow by their inverse, up to 255.
UNEVEN = {"srgb": 3e-4, "linear": 7e-3}


def samples_of(dtype: str, error: float) -> float:
    """An error in units of alpha as samples of the result: at least the rounding of one that lies
    next to a half."""
    return max(1.0, error * np.iinfo(dtype).max) if dtype != "float32" else error


def soft_key_rules(dtype: str) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Names, options and errors, in units of alpha, of the soft methods."""
    rng = np.random.default_rng(3)
    for transfer in ("srgb", "linear"):
        common: dict[str, Any] = {"transfer": transfer}
        for key in ("green", "blue", "red", (30.0, 160.0, 70.0)):
            name = f"{key if isinstance(key, str) else 'triple'}-{transfer}"
            options = {**common, "method": "vlahos", "key_color": key}
            yield f"vlahos-{name}", options, SOFT[transfer]
            for method in ("ffmpeg", "obs"):
                options = {**common, "method": method, "key_color": key, "clip": (0.1, 0.8)}
                yield f"{method}-{name}", options, 2.0 * SOFT[transfer]
        for height, width in ((1, 1), (3, 2), (40, 150)):
            plate = noise(rng, height, width, 3, dtype)
            options = {**common, "method": "vlahos", "plate": plate}
            yield f"vlahos-plate-{height}x{width}-{transfer}", options, UNEVEN[transfer]
        for cells, cell in (((1, 1), 16), ((4, 9), 8), ((3, 5), 64), ((9, 30), 5), ((40, 150), 1)):
            screen = a_screen(cells, cell, transfer)
            options = {"method": "plate", "screen": screen, "clip": (0.02, 0.97)}
            yield f"plate-{cells[0]}x{cells[1]}-{transfer}", options, 2.0 * SOFT[transfer]


def soft_key_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for name, options, error in soft_key_rules(dtype):
            yield Case(
                f"key-{dtype}-{name}",
                "chroma_key",
                an_image(dtype),
                options,
                atol=samples_of(dtype, error),
                sizes=(*EVERY_SMALL_SIZE, "wide"),
            )
        for output in DTYPES:
            if output != dtype:
                yield Case(
                    f"key-{dtype}-vlahos-to-{output}",
                    "chroma_key",
                    an_image(dtype, channels=4),
                    {"method": "vlahos", "dtype": output},
                    atol=samples_of(output, SOFT["srgb"]),
                )
        for method in ("ffmpeg", "obs"):
            options = {"method": method, "tolerance": 0.7, "softness": 0.0}
            make = an_image(dtype, channels=4)
            yield Case(f"key-{dtype}-{method}-hard", "chroma_key", make, options)
        options = {"tolerance": 10.0, "softness": 50.0, "clip": (0.125, 0.75)}
        yield Case(
            f"key-{dtype}-clip",
            "chroma_key",
            an_image(dtype),
            options,
            atol=samples_of(dtype, 2e-6),
        )


def key_cutout_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        # Two roundings, of the key and of the product.
        atol = {"uint8": 0.0, "uint16": 2.0, "float32": 4e-6}[dtype]
        for premultiplied in (False, True):
            name = "premultiplied" if premultiplied else "straight"
            yield Case(
                f"key-cutout-{dtype}-{name}",
                "key_cutout",
                an_image(dtype),
                {"premultiplied": premultiplied},
                atol=atol,
            )
            options = {
                "key_color": "blue",
                "tolerance": 20.0,
                "softness": 32.0,
                "despill": "double-average",
                "despill_strength": 0.25,
                "premultiplied": premultiplied,
            }
            make = an_image(dtype, channels=4)
            yield Case(f"key-cutout-{dtype}-soft-{name}", "key_cutout", make, options, atol=atol)
        yield Case(
            f"key-cutout-{dtype}-no-despill",
            "key_cutout",
            an_image(dtype),
            {"despill": None, "key_color": "red"},
            atol=atol,
        )


def soft_key_cutout_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        options: dict[str, Any]
        for name, options in (
            ("vlahos", {"method": "vlahos", "key_color": "blue", "despill": "max-limit"}),
            ("ffmpeg", {"method": "ffmpeg", "premultiplied": True}),
            ("obs", {"method": "obs", "despill": None, "premultiplied": True}),
            ("plate", {"method": "plate", "screen": a_screen((5, 7), 16), "premultiplied": True}),
        ):
            yield Case(
                f"key-cutout-{dtype}-{name}",
                "key_cutout",
                an_image(dtype, channels=4 if name == "obs" else 3),
                options,
                atol=2.0 * samples_of(dtype, 2.0 * SOFT["srgb"]),
            )


def trimap_cases() -> Iterator[Case]:
    for dtype in ("bool", *DTYPES):
        for radius in (0, 1, 2.5, 5, (7, 2)):
            name = f"trimap-{dtype}-{radius}".replace(", ", "+")
            yield Case(name, "make_trimap", a_mask(dtype), {"radius": radius})
    for dtype in ("uint8", "uint16"):
        for low, high in ((10 / 255, 240 / 255), (0.3, 0.7), (0.5, 0.5)):
            options: dict[str, Any] = {"radius": 0.0, "thresholds": (low, high)}
            make = mask_values_near(dtype, low, high)
            yield Case(f"trimap-{dtype}-thresholds-{low:.2f}", "make_trimap", make, options)
    options = {"radius": 3, "thresholds": (0.3, 0.7)}
    yield Case("trimap-float32-own-thresholds", "make_trimap", a_mask("float32"), options)
    options = {"radius": (4, 2), "network_size": (12, 14)}
    yield Case("trimap-uint8-network", "make_trimap", a_mask("uint8"), options, sizes=("odd",))
    for dtype in ("bool", *DTYPES):
        for size in (8, 14, 60, (5, 9)):  # of soft_disc: edges harder and softer than networks' are
            name = f"trimap-{dtype}-auto-{size}".replace(", ", "x")
            options = {"band": "auto", "network_size": size}
            yield Case(name, "make_trimap", a_mask(dtype), options)
    yield Case("trimap-uint8-auto", "make_trimap", a_mask("uint8"), {"band": "auto"})
    for inverted in (False, True):
        name = "trimap-uint8-holes" if inverted else "trimap-uint8-dots"
        make = lone_pixels("uint8", inverted=inverted)
        for radius in (3, 4.6, 10, 19.5):
            yield Case(f"{name}-{radius}", "make_trimap", make, {"radius": radius})
        for size in (3, 4, 7, 10, 16):
            options = {"radius": size, "shape": "rembg"}
            yield Case(f"{name}-rembg{size}", "make_trimap", make, options)
    for size in (1, 2, 3, 4, 5, 10):
        options = {"radius": size, "shape": "rembg"}
        yield Case(
            f"trimap-uint8-rembg{size}", "make_trimap", a_mask("uint8"), options, sizes=("odd",)
        )


def alpha_cases() -> Iterator[Case]:
    # Exact: PyMatting's equations but for float32. The others stop before they are solved.
    for quality, atol in (("exact", 1e-3), ("balanced", 3e-2), ("fast", 6e-2)):
        for dtype in DTYPES:
            for channels in (3, 4):
                yield Case(
                    f"alpha-{dtype}x{channels}-{quality}",
                    "estimate_alpha",
                    a_photo_and_trimap(dtype, channels),
                    {"quality": quality},
                    atol=atol,
                    mean=True,
                    # Not "line": a line's windows fit any alpha, so that its equations say little.
                    sizes=("empty", "thin", "solve"),
                )
    # Whatever is chosen between samples is the definition's choice: every pixel agrees.
    for method, sizes in (
        ("shared", EVERY_SMALL_SIZE),
        ("guided", (*EVERY_SMALL_SIZE, "wide")),
    ):
        for dtype in DTYPES:
            for channels in (3, 4):
                yield Case(
                    f"alpha-{dtype}x{channels}-{method}",
                    "estimate_alpha",
                    a_photo_and_trimap(dtype, channels),
                    {"method": method},
                    atol=1e-4,
                    sizes=sizes,
                )


def foreground_cases() -> Iterator[Case]:
    for dtype, alpha_dtype, channels in (
        ("uint8", "uint8", 3),
        ("uint8", "float32", 4),
        ("uint16", "uint16", 3),
        ("uint16", "float32", 3),
        ("float32", "float32", 3),
        ("float32", "uint8", 4),
    ):
        name = f"{dtype}x{channels}-{alpha_dtype}"
        make = a_photo_and_alpha(dtype, alpha_dtype, channels)
        # Float32 is good for 1e-6 in F. B is divided by 1 - alpha at the end, which may be small.
        yield Case(
            f"foreground-{name}",
            "estimate_foreground",
            make,
            atol={"uint8": 1.0, "uint16": 2.0, "float32": 2e-5}[dtype],
        )
        both = {"uint8": 1.0, "uint16": 66.0, "float32": 1e-3}[dtype]
        yield Case(
            f"foreground-background-{name}",
            "estimate_foreground",
            make,
            {"return_background": True},
            atol=both,
        )
        yield Case(
            f"foreground-fast-{name}",
            "estimate_foreground",
            make,
            {"quality": "fast", "return_background": True},
            atol=both,
        )
        # Subtracted, and divided by an alpha of 0.1 or more.
        yield Case(
            f"foreground-color-{name}",
            "estimate_foreground",
            make,
            {"background": (12, 134, 250), "return_background": True},
            atol={"uint8": 1.0, "uint16": 2.0, "float32": 2e-5}[dtype],
        )


def stabilize_cases() -> Iterator[Case]:
    # The gain is a quotient in float32, the rest is exact.
    for dtype, alpha_dtype, channels, strength in (
        ("uint8", "float32", 3, 0.75),
        ("uint8", "uint8", 4, 0.5),
        ("uint8", "uint16", 3, 1.0),
        ("uint16", "float32", 4, 0.75),
        ("uint16", "uint16", 3, 0.5),
        ("uint16", "uint8", 3, 0.9),
        ("float32", "float32", 3, 0.75),
        ("float32", "uint8", 4, 0.0),
        ("float32", "uint16", 3, 0.6),
    ):
        atol = {"uint8": 1.0, "uint16": 1.0, "float32": 5e-6}[alpha_dtype]
        for noise in (0.2, 4.0, 60.0):
            yield Case(
                f"stabilize-{dtype}x{channels}-{alpha_dtype}-noise{noise:g}",
                "stabilize_alpha",
                two_frames(dtype, alpha_dtype, channels, noise=noise),
                {"strength": strength},
                atol=atol,
                sizes=(*EVERY_SMALL_SIZE, "wide"),
            )
        yield Case(
            f"stabilize-{dtype}x{channels}-{alpha_dtype}-cut",
            "stabilize_alpha",
            two_frames(dtype, alpha_dtype, channels, cut=True),
            {"strength": strength},
            atol=atol,
        )


def despill_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for method in ("average", "double-average", "max-limit"):
            for key in ("green", "blue", "red"):
                yield Case(
                    f"despill-{dtype}-{method}-{key}",
                    "despill",
                    an_image(dtype),
                    {"method": method, "key_color": key},
                    atol=EXACT_BUT_FOR_FLOAT32[dtype],
                )
        # A quarter is exact in binary, so that a wrong rounding of halves shows; 0.7 is not.
        for strength in (0.0, 0.25, 0.7):
            rounded = strength == 0.7 and dtype == "uint8"
            yield Case(
                f"despill-{dtype}-rgba-strength{strength}",
                "despill",
                an_image(dtype, channels=4),
                {"strength": strength, "key_color": (10, 10, 90)},
                atol=1.0 if rounded else EXACT_BUT_FOR_FLOAT32[dtype],
            )


def an_alpha_and(dtype: DTypeLike, *others: Any) -> Make:
    """A plane of noise, and further arguments as they are."""
    return lambda rng, height, width: (*a_plane(dtype)(rng, height, width), *others)


def a_mask_and(dtype: DTypeLike, *others: Any) -> Make:
    return lambda rng, height, width: (coarse_mask(rng, height, width, dtype), *others)


def an_alpha_and_mattes(
    dtype: DTypeLike, garbage: DTypeLike | None, core: DTypeLike | None
) -> Make:
    """An alpha, and planes for the options garbage and core where they are of a type."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        kinds = (dtype, garbage, core)
        return tuple(None if k is None else coarse_mask(rng, height, width, k) for k in kinds)

    return make


def edge_cases() -> Iterator[Case]:
    for dtype in ("bool", *DTYPES):
        make = a_mask_and if dtype == "bool" else an_alpha_and
        for radius in (0, 1, 3, -2, 5, -11, 17):
            yield Case(f"choke-{dtype}-{radius}", "choke", make(dtype, radius))
        # Halves and quarters are exact in binary, so that a wrong rounding shows.
        for radius in (0.5, -2.25, 3.75):
            atol = 2e-7 if dtype == "float32" else 0.0
            yield Case(f"choke-{dtype}-{radius}", "choke", make(dtype, radius), atol=atol)
        yield Case(
            f"choke-{dtype}-2.3",
            "choke",
            make(dtype, 2.3),
            atol=2e-7 if dtype == "float32" else 1.0,
        )
        for radius in (0, 0.3, 1, 2.0, 6.5):
            yield Case(
                f"feather-{dtype}-{radius}",
                "feather",
                make(dtype, radius),
                atol=2e-6 if dtype == "float32" else 1.0,
            )
        for garbage in (None, "bool", *DTYPES):
            for core in (None, *DTYPES):
                yield Case(
                    f"hold-{dtype}-{garbage}-{core}",
                    "hold_mattes",
                    an_alpha_and_mattes(dtype, garbage, core),
                    # Of another depth: rounding to alpha's may take a step.
                    atol=2e-7
                    if dtype == "float32"
                    else 1.0
                    if {garbage, core} - {dtype, None}
                    else 0.0,
                    named=("garbage", "core"),
                )
        for reach in (0, 1, 6, 40):
            for scale in (1, 2.0, 0.4):
                yield Case(
                    f"sure-{dtype}-{reach}-x{scale}",
                    "sure_mattes",
                    a_mask_to_be_sure_of(dtype, reach, scale),
                    sizes=EVERY_SMALL_SIZE if reach < 40 else ("odd",),
                    named=("reach", "size"),
                )
    yield Case("choke-uint8-64", "choke", a_mask_and("uint8", 64), sizes=("odd", "wide"))
    yield Case("choke-uint8-dots", "choke", a_mask_and("uint8", -63.5), sizes=("odd", "wide"))
    yield Case(
        "feather-uint8-64", "feather", a_mask_and("uint8", 64), atol=1.0, sizes=("odd", "wide")
    )


def keyed_despill_cases() -> Iterator[Case]:
    """De-spill with light given back, with an alpha, and with a plate."""
    for dtype in DTYPES:
        soft = {"uint8": 1.0, "uint16": 1.0, "float32": 2e-6}[dtype]
        for method, key in (
            ("average", "green"),
            ("double-average", "blue"),
            ("max-limit", (200, 20, 30)),
        ):
            yield Case(
                f"despill-{dtype}-{method}-restore",
                "despill",
                an_image(dtype),
                {"method": method, "key_color": key, "restore": 0.75, "strength": 0.5},
                atol=soft,
            )
        yield Case(
            f"despill-{dtype}-rgba-restore",
            "despill",
            an_image(dtype, channels=4),
            {"restore": 1.0},
            atol=soft,
        )
        # The plane that says where is of 8 bits, in which rounding may take a step.
        step = {"uint8": 1.0 + 1.0, "uint16": 1.0 + 257.0, "float32": 0.004}[dtype]
        for reach, channels in ((None, 3), (0, 4), (2.5, 3), (50, 3)):
            yield Case(
                f"despill-{dtype}x{channels}-reach-{reach}",
                "despill",
                a_photo_and_alpha(dtype, "float32" if channels == 4 else dtype, channels),
                {"reach": reach},
                named=("alpha",),
                atol=step,
                sizes=(*EVERY_SMALL_SIZE, "wide"),
            )
        # Subtracted, and divided by an alpha of 0.1 or more.
        subtracted = {"uint8": 1.0, "uint16": 2.0, "float32": 2e-5}[dtype]
        for alpha_dtype, channels in (("uint8", 3), ("uint16", 4), ("float32", 3)):
            yield Case(
                f"despill-{dtype}x{channels}-{alpha_dtype}-plate",
                "despill",
                a_photo_and_alpha(dtype, alpha_dtype, channels),
                {"method": "plate", "plate": (12, 134, 25), "strength": 0.0},
                named=("alpha",),
                atol=subtracted,
            )
        yield Case(
            f"despill-{dtype}-plate-image",
            "despill",
            a_layer_and_plate(dtype, "float32"),
            {"method": "plate", "restore": 0.5, "reach": 1.0},
            named=("alpha", "plate"),
            atol=step + 2.0 * subtracted,
        )


def composite_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        atol = EXACT_BUT_FOR_FLOAT32[dtype]
        yield Case(f"premultiply-{dtype}", "premultiply", an_image(dtype, 4), atol=atol)
        yield Case(f"unpremultiply-{dtype}", "unpremultiply", an_image(dtype, 4), atol=atol)
        yield Case(
            f"limit-alpha-{dtype}",
            "limit_alpha",
            lambda rng, height, width, dtype=dtype: (
                samples(soft_disc(rng, height, width), "float32"),
                noise(rng, height, width, 4, dtype),
            ),
            atol=2e-7,
        )
        for alpha_dtype in DTYPES:
            rounded = max(atol, 1.0) if dtype != "float32" and alpha_dtype != dtype else atol
            for channels in (3, 4):
                yield Case(
                    f"cutout-{dtype}x{channels}-{alpha_dtype}",
                    "cutout",
                    a_photo_and_alpha(dtype, alpha_dtype, channels),
                    atol=rounded,
                )
            yield Case(
                f"composite-{dtype}-{alpha_dtype}-image",
                "composite",
                a_layer_and_plate(dtype, alpha_dtype),
                atol=rounded,
            )
        for color in ("white", "black", (12, 34.5, 250)):
            yield Case(
                f"composite-{dtype}-{color}".replace(", ", "+"),
                "composite",
                a_layer_and_color(dtype, color),
                atol=max(atol, 1.0) if dtype == "uint8" and not isinstance(color, str) else atol,
            )
        linear_atol = {"uint8": 1.0, "uint16": 2.0, "float32": 5e-6}[dtype]
        yield Case(
            f"composite-{dtype}-image-linear",
            "composite",
            a_layer_and_plate(dtype, "float32", channels=4),
            {"linear": True},
            atol=linear_atol,
        )
        yield Case(
            f"composite-{dtype}-white-linear",
            "composite",
            a_layer_and_color(dtype, "white"),
            {"linear": True},
            atol=linear_atol,
        )


def transfer_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for channels in (3, 4):
            make = an_image(dtype, channels)
            yield Case(f"linear-{dtype}x{channels}", "to_linear", make, atol=1e-6)
            yield Case(
                f"srgb-{dtype}x{channels}",
                "to_srgb",
                an_image("float32", channels),
                {"dtype": dtype},
                atol=1e-6 if dtype == "float32" else 1.0,  # of what lies next to a half
            )


def a_layer_before_a_screen(dtype: DTypeLike, channels: int, cells: tuple[int, int] | None) -> Make:
    """Colours, some of which do not tell foreground from background, and a plate of `cells`."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        image, trimap = a_photo_and_trimap(dtype, channels)(rng, height, width)
        shape = cells or (max(height, 1), max(width, 1))
        plate = rng.uniform((0.0, 0.6, 0.0), (0.3, 1.0, 0.3), (*shape, 3)).astype(np.float32)
        red = np.clip(rng.uniform(0.7, 1.0, (height, width, 3)) - (0.0, 0.6, 0.5), 0.0, 1.0)
        return (
            image,
            samples(red, dtype),
            plate,
            trimap,
            rng.random((height, width)).astype(np.float32),
        )

    return make


def project_cases() -> Iterator[Case]:
    options: dict[str, Any]
    for dtype in DTYPES:
        for channels, cells, options in (
            (3, None, {}),
            (4, (1, 1), {"noise": 0.1}),
            (3, (4, 9), {"noise": 0.02, "cell": 8}),
            (3, (40, 150), {"cell": 1}),
            (4, (3, 5), {}),
            (3, (90, 200), {"noise": 0.4}),
        ):
            name = "image" if cells is None else f"{cells[0]}x{cells[1]}"
            yield Case(
                f"project-{dtype}x{channels}-{name}",
                "project_alpha",
                a_layer_before_a_screen(dtype, channels, cells),
                options,
                # Colours good to 1e-6, over a distance of 0.3 or more, and 1 - 2 noise.
                atol=4e-6 / (1.0 - 2.0 * options.get("noise", 0.0)),
                sizes=(*EVERY_SMALL_SIZE, "wide"),
            )


# An image that is not empty can be resized, and only such a one.
RESIZED = ("tiny", "line", "odd")


def resize_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for filter in ("lanczos", "bilinear", "box"):
            for height, width in ((7, 9), (23, 31), (64, 65), (90, 17), (5, 300), (1, 1)):
                for channels in (1, 3, 4):
                    yield Case(
                        f"resize-{dtype}x{channels}-{filter}-{height}x{width}",
                        "resize",
                        a_plane(dtype) if channels == 1 else an_image(dtype, channels),
                        {"size": (height, width), "filter": filter},
                        atol=EXACT_BUT_FOR_FLOAT32[dtype],
                        sizes=RESIZED,
                    )


def an_image_and_a_small_mask(dtype: DTypeLike, mask: DTypeLike, channels: int) -> Make:
    """A photograph, and its mask at a third of its size, nowhere sharp."""

    def make(rng: Generator, height: int, width: int) -> tuple[Any, ...]:
        image, alpha = photo(rng, height, width)
        if channels == 4:
            image = np.concatenate([image, rng.random((height, width, 1))], axis=2)
        small = alpha[::3, ::3] * rng.uniform(0.8, 1.0, alpha[::3, ::3].shape)
        return samples(image, dtype), samples(small, mask)

    return make


def upsample_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for mask in DTYPES:
            for channels in (3, 4):
                yield Case(
                    f"upsample-{dtype}x{channels}-{mask}",
                    "upsample_mask",
                    an_image_and_a_small_mask(dtype, mask, channels),
                    atol=5e-4,  # the slope against colour enlarges what cells are rounded by
                    sizes=(*RESIZED, "wide"),
                )


def network_cases() -> Iterator[Case]:
    statistics = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    for dtype, atol in (("float32", 0.0), ("float16", 1e-3)):
        for scale in (255, "max"):
            for height, width in ((20, 24), (33, 7), (70, 140)):
                for channels in (3, 4):
                    yield Case(
                        f"tensor-{dtype}-{scale}-{height}x{width}x{channels}",
                        "to_tensor",
                        an_image("uint8", channels),
                        {"size": (height, width), "scale": scale, "dtype": dtype, **statistics},
                        atol=atol,
                        sizes=RESIZED,
                    )
        for depth in ("uint16", "float32"):
            yield Case(
                f"tensor-{dtype}-of-{depth}",
                "to_tensor",
                an_image(depth, 3),
                {"size": (33, 27), "dtype": dtype, "channels": "bgr", **statistics},
                atol=1.0 / 255.0 / 0.22,  # a step of 8 bits, which rounding may take
                sizes=RESIZED,
            )
        for count, classes in ((1, None), (2, [1]), (21, [15]), (40, [0, 39, 7])):
            yield Case(
                f"classes-{dtype}-{count}",
                "class_probability",
                some_logits(dtype, count),
                {"classes": classes},
                atol=1e-6,
                sizes=(*RESIZED, "wide"),
            )
        for min_max in (True, False):
            for height, width in ((9, 11), (31, 64), (200, 77)):
                yield Case(
                    f"matte-{dtype}-{'min-max' if min_max else 'clipped'}-{height}x{width}",
                    "matte_from_prediction",
                    a_prediction(dtype),
                    {"size": (height, width), "min_max": min_max},
                    sizes=RESIZED,
                )


CASES: tuple[Case, ...] = (
    *key_cases(),
    *soft_key_cases(),
    *key_cutout_cases(),
    *soft_key_cutout_cases(),
    *trimap_cases(),
    *alpha_cases(),
    *foreground_cases(),
    *stabilize_cases(),
    *despill_cases(),
    *keyed_despill_cases(),
    *edge_cases(),
    *composite_cases(),
    *transfer_cases(),
    *project_cases(),
    *resize_cases(),
    *upsample_cases(),
    *network_cases(),
)


# Layouts ------------------------------------------------------------------------------------------


def padded_rows(array: Array) -> Array:
    """The same image as a part of a wider one: rows are strided."""
    wide = np.zeros((array.shape[0], array.shape[1] + 5, *array.shape[2:]), array.dtype)
    wide[:, 2:-3] = array
    return wide[:, 2:-3]


def every_other_row(array: Array) -> Array:
    tall = np.zeros((2 * array.shape[0], *array.shape[1:]), array.dtype)
    tall[::2] = array
    return tall[::2]


def every_other_column(array: Array) -> Array:
    wide = np.zeros((array.shape[0], 2 * array.shape[1], *array.shape[2:]), array.dtype)
    wide[:, ::2] = array
    return wide[:, ::2]


def upside_down(array: Array) -> Array:
    """Rows run upward through memory: a negative row stride."""
    return array[::-1].copy()[::-1]


def mirrored(array: Array) -> Array:
    """Both strides are negative."""
    return array[::-1, ::-1].copy()[::-1, ::-1]


def planes(array: Array) -> Array:
    """Channels lie apart in memory, as in a transposed (C, H, W) array."""
    return np.asfortranarray(array)


def misaligned(array: Array) -> Array:
    """Samples at odd addresses, as in a file that was read as bytes."""
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    result: Array = memory.view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def read_only(array: Array) -> Array:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: tuple[Callable[[Array], Array], ...] = (
    padded_rows,
    every_other_row,
    every_other_column,
    upside_down,
    mirrored,
    planes,
    misaligned,
    read_only,
)


def with_layout(layout: Callable[[Array], Array], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same arguments with every array laid out in memory in another way."""
    return tuple(layout(a) if isinstance(a, np.ndarray) else a for a in arguments)

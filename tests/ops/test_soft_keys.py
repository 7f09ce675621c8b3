"""The soft chroma keys: against the programs that they restate, and what only they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.reference.key_soft import FFMPEG_UV, bilinear
from tests.reference.pixels import to_unit

GREEN = (10.0, 200.0, 40.0)


def screen_photo(height: int, width: int) -> cases.Array:
    """uint8: a soft subject before GREEN."""
    rng = np.random.default_rng(11)
    alpha = cases.soft_disc(rng, height, width)[..., None]
    back = np.array(GREEN) / 255.0 * rng.uniform(0.9, 1.05, (height, width, 1))
    front = cases.texture(rng, height, width)
    return cases.samples((alpha * front + (1.0 - alpha) * back).clip(0.0, 1.0), "uint8")


def ffmpeg_alpha(
    uv: cases.Array, key: tuple[int, int, int], similarity: float, blend: float
) -> cases.Array:
    """What FFmpeg's filter chromakey makes of planes U and V (2, H, W) in 8 bits."""
    av = pytest.importorskip("av")
    height, width = uv.shape[1:]
    frame = av.VideoFrame.from_ndarray(
        np.concatenate([np.zeros((1, height, width), np.uint8), uv]), format="yuv444p"
    )
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format="yuv444p", time_base=1)
    to_alpha = graph.add("format", "yuva444p")
    chromakey = graph.add(
        "chromakey", f"color=0x{bytes(key).hex()}:similarity={similarity}:blend={blend}"
    )
    planes = graph.add("extractplanes", "a")
    sink = graph.add("buffersink")
    for one, next_one in zip(
        (source, to_alpha, chromakey, planes), (to_alpha, chromakey, planes, sink), strict=True
    ):
        one.link_to(next_one)
    graph.configure()
    graph.push(frame)
    return np.asarray(graph.pull().to_ndarray())


@pytest.mark.parametrize("key", [(10, 200, 40), (0, 71, 187), (120, 150, 110)])
@pytest.mark.parametrize(("similarity", "blend"), [(0.05, 0.2), (0.12, 0.05), (0.01, 0.6)])
def test_ffmpeg_method_is_ffmpegs_filter(
    key: tuple[int, int, int], similarity: float, blend: float
) -> None:
    image = screen_photo(60, 84)
    uv = FFMPEG_UV @ np.asarray(key) / 255.0
    scale = np.hypot(*uv) / np.sqrt(2.0)  # of chroma_key's docstring
    ours = trimatte.chroma_key(
        image,
        method="ffmpeg",
        key_color=key,
        tolerance=similarity / scale,
        softness=blend / scale,
        dtype="float32",
    )
    planes = np.moveaxis(image @ FFMPEG_UV.T, -1, 0) + 128.0
    theirs = ffmpeg_alpha(np.rint(planes).clip(0, 255).astype(np.uint8), key, similarity, blend)
    # U and V of pixels and of the key are off by up to half a step each in 8 bits.
    step = np.hypot(1.0, 1.0) / (255.0 * np.sqrt(2.0))
    difference = np.abs(ours - theirs / 255.0)[1:-1, 1:-1]
    assert difference.max() <= step / blend + 1 / 255
    assert np.count_nonzero((theirs > 0) & (theirs < 255)) > 0


def test_softness_zero_is_a_threshold() -> None:
    image = screen_photo(40, 50)
    for method in ("ffmpeg", "obs"):
        alpha = trimatte.chroma_key(image, method=method, tolerance=0.4, softness=0.0)
        assert set(np.unique(alpha)) == {0, 255}


@pytest.mark.parametrize("method", ["ffmpeg", "obs"])
def test_one_tolerance_does_for_any_screen(method: str) -> None:
    """A grey subject's alpha is the same before a strong and a faint screen."""
    ramp = np.linspace(0.0, 1.0, 64)[None, :, None] * np.ones((9, 1, 1))
    results = []
    for key in ((0.0, 255.0, 0.0), (100.0, 140.0, 100.0)):
        image = (ramp * 0.5 + (1.0 - ramp) * np.array(key) / 255.0).astype(np.float32)
        results.append(trimatte.chroma_key(image, method=method, key_color=key))
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


@pytest.mark.parametrize("transfer", ["srgb", "linear"])
def test_vlahos_recovers_alpha_before_a_clean_plate(transfer: str) -> None:
    height, width = 45, 70
    y, x = np.indices((height, width)) / 70.0
    plate = np.stack([0.1 + 0.05 * x, 0.5 + 0.3 * y + 0.1 * x, 0.15 + 0.1 * y], axis=-1)
    alpha = cases.soft_disc(np.random.default_rng(2), height, width)[..., None]
    image = alpha * 0.45 + (1.0 - alpha) * plate
    if transfer == "linear":
        from tests.reference.composite import encode_srgb

        image, plate = encode_srgb(image), encode_srgb(plate)
    options: dict[str, Any] = {"method": "vlahos", "transfer": transfer}
    found = trimatte.chroma_key(image.astype(np.float32), plate=plate.astype(np.float32), **options)
    np.testing.assert_allclose(found, alpha[..., 0], atol=5e-4)
    small = cases.samples(plate[2::5, 2::5], "uint16")
    found = trimatte.chroma_key(image.astype(np.float32), plate=small, **options)
    assert np.abs(found - alpha[..., 0])[5:-5, 5:-5].max() < 0.01


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("method", ["difference", "ffmpeg", "obs", "vlahos", "plate"])
def test_results_do_not_depend_on_threads(dtype: str, method: str) -> None:
    image = cases.noise(np.random.default_rng(1), 150, 1500, 3, dtype)
    options: dict[str, Any] = {"method": method}
    if method == "plate":
        options["screen"] = cases.a_screen((10, 50), 32)
    threads = trimatte.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            trimatte.set_num_threads(count)
            results.append(trimatte.key_cutout(image, **options))
    finally:
        trimatte.set_num_threads(threads)
    np.testing.assert_array_equal(*results)


def on_gpu(array: cases.Array) -> Any:
    if not trimatte.cuda_available():
        pytest.skip(trimatte.cuda_status())
    return trimatte.to_device(array)


@pytest.mark.parametrize("place", [np.asarray, pytest.param(on_gpu, marks=pytest.mark.gpu)])
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_plate_of_is_the_plate_between_its_cells(place: Any, dtype: str) -> None:
    for cells, cell, size in (
        ((4, 6), 8, (32, 48)),
        ((4, 6), 8, (27, 41)),  # a part of the last cells
        ((4, 6), 5, (60, 700)),  # and beyond them
        ((23, 37), 1, (23, 37)),
        ((1, 1), 16, (3, 5)),
    ):
        screen = cases.a_screen(cells, cell)
        found = screen.plate_of(place(np.zeros((*size, 3), dtype)))
        plate = found if isinstance(found, np.ndarray) else found.to_host()
        assert plate.dtype == dtype
        wanted = bilinear(screen.plate, *size, cell)
        # Integers are rounded.
        error = 2e-6 if dtype == "float32" else 2e-6 + 0.5 / np.iinfo(dtype).max
        np.testing.assert_allclose(to_unit(plate), wanted, rtol=0, atol=error)


SCREEN = cases.a_screen((4, 6), 8)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"method": "luma"}, "method"),
    ({"method": "vlahos", "tolerance": 30.0}, "tolerance"),
    ({"method": "plate", "screen": SCREEN, "softness": 0.5}, "softness"),
    ({"plate": np.zeros((4, 4, 3), np.uint8)}, "plate"),
    ({"method": "obs", "plate": np.zeros((4, 4, 3), np.uint8)}, "plate"),
    ({"method": "vlahos", "screen": SCREEN}, "screen"),
    ({"method": "plate", "screen": SCREEN, "plate": np.zeros((4, 4, 3), np.uint8)}, "plate"),
    ({"method": "plate", "screen": "green"}, "screen"),
    ({"method": "plate", "screen": SCREEN, "transfer": "linear"}, "transfer"),
    ({"method": "vlahos", "transfer": "gamma"}, "transfer"),
    ({"transfer": "linear"}, "transfer"),
    ({"method": "vlahos", "plate": np.zeros((4, 4), np.uint8)}, "plate"),
    ({"method": "vlahos", "plate": np.zeros((4, 4, 3), np.float64)}, "plate"),
    ({"method": "vlahos", "plate": np.zeros((0, 4, 3), np.uint8)}, "plate"),
    ({"method": "vlahos", "plate": np.full((4, 4, 3), 200.0, np.float32)}, "plate"),
    ({"method": "ffmpeg", "tolerance": -0.1}, "tolerance"),
    ({"method": "ffmpeg", "softness": 101.0}, "softness"),
    ({"method": "obs", "softness": "soft"}, "softness"),
    ({"clip": (0.5, 0.5)}, "clip"),
    ({"clip": (-0.1, 1.0)}, "clip"),
    ({"clip": (0.0, 1.1)}, "clip"),
    ({"clip": 0.1}, "clip"),
    ({"clip": (0.0, float("nan"))}, "clip"),
    ({"clip": ("0", "1")}, "clip"),
]


@pytest.mark.parametrize("operation", ["chroma_key", "key_cutout", "probe"])
@pytest.mark.parametrize(
    ("options", "name"), REFUSED, ids=[f"{n}-{i}" for i, (_, n) in enumerate(REFUSED)]
)
def test_what_a_method_has_not_is_refused_by_name(
    operation: str, options: dict[str, Any], name: str
) -> None:
    image = np.zeros((16, 24, 3), np.uint8)
    position = (3, 4) if operation == "probe" else ()
    with pytest.raises(trimatte.ArgumentError, match=rf"^{operation}: {name}\b"):
        getattr(trimatte, operation)(image, *position, **options)


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("transfer", ["srgb", "linear"])
@pytest.mark.parametrize("method", ["ffmpeg", "obs", "vlahos", "vlahos-plate", "plate"])
def test_probe_explains_the_method(dtype: str, transfer: str, method: str) -> None:
    rng = np.random.default_rng(12)
    image = cases.noise(rng, 13, 17, 3, dtype)
    options: dict[str, Any] = {"transfer": transfer, "clip": (0.05, 0.9)}
    if method == "plate":
        options["screen"] = cases.a_screen((4, 6), 4, transfer)
    if method == "vlahos-plate":
        options["plate"] = cases.noise(rng, 3, 4, 3, dtype)
    options["method"] = method.partition("-")[0]
    alpha = trimatte.chroma_key(image, dtype="float32", **options)
    for y, x in ((0, 0), (12, 16), (5, 7), (6, 0), (2, 16)):
        probe = trimatte.probe(image, x, y, **options)
        assert probe.method == options["method"]
        assert probe.alpha == alpha[y, x]
        assert probe.keyed == (alpha[y, x] == 0.0)
        steps = probe.steps
        value = min(max(steps["value"], 0.0), 1.0)
        value = (value - steps["black"]) / (steps["white"] - steps["black"])
        assert min(max(value, 0.0), 1.0) == pytest.approx(probe.alpha, abs=1e-2)
        assert "\n" not in str(probe)
        assert all(name in str(probe) for name in steps)

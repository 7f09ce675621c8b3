"""Segmentation from image to coarse alpha, and Remover with a model."""

from __future__ import annotations

import importlib
import pickle
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from tests import cases
from trimatte import _core, engines

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

Array = Any
IMAGENET = (np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225)))
SHAPES = ((180, 240), (417, 305), (64, 1000))


@pytest.fixture(autouse=True)
def none_kept() -> Iterator[None]:
    yield
    trimatte.free_memory()


def a_photo(height: int, width: int, dtype: str = "uint8", channels: int = 3) -> Array:
    """A disc of one texture before another."""
    rng = np.random.default_rng(height)
    alpha = cases.soft_disc(rng, height, width)[..., None]
    near, far = cases.texture(rng, height, width), cases.texture(rng, height, width)
    colors = alpha * near + (1.0 - alpha) * 0.5 * far
    rest = np.ones((height, width, channels - 3))
    return cases.samples(np.concatenate([colors, rest], axis=2).clip(0, 1), dtype)


def rembgs_mask(path: Path, image: Array) -> Array:
    """What rembg makes of a U²-Net: Pillow, NumPy and ONNX Runtime alone."""
    mean, std = IMAGENET
    picture = Image.fromarray(image).convert("RGB")
    small = np.array(picture.resize((320, 320), Image.Resampling.LANCZOS))
    tensor = (small / max(np.max(small), 1e-6) - mean) / std
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch = tensor.transpose(2, 0, 1)[None].astype(np.float32)
    prediction = session.run(None, {session.get_inputs()[0].name: batch})[0][:, 0]
    stretched = (prediction - prediction.min()) / (prediction.max() - prediction.min())
    mask = Image.fromarray((np.squeeze(stretched).clip(0, 1) * 255).astype("uint8"), mode="L")
    return np.asarray(mask.resize(picture.size, Image.Resampling.LANCZOS))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [3, 4])
def test_mask_is_rembgs(
    models: Callable[[str], Path], shape: tuple[int, int], channels: int
) -> None:
    path = models("u2netp")
    image = a_photo(*shape, channels=channels)
    mask = trimatte.segment(image, path, card="u2netp", runtime="onnxruntime", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Pillow's mode=
        expected = rembgs_mask(path, image)
    assert mask.dtype == np.uint8
    assert expected.std() > 5  # there is something to compare
    np.testing.assert_array_equal(mask, expected)


def test_masks_are_those_that_the_authors_published(
    published_u2netp: Path, shared_data: Path
) -> None:
    segmenter = trimatte.Segmenter(published_u2netp, card="u2netp", device="cpu")
    folder = shared_data / "references" / "u2net_repo" / "u2net"
    photos = {path.stem: path for path in (folder / "images").iterdir()}
    as_rembg, as_authors = [], []
    for number, path in enumerate(sorted((folder / "u2netp_results").iterdir())):
        photo = np.asarray(Image.open(photos[path.stem]).convert("RGB"))
        expected = np.asarray(Image.open(path).convert("L"))
        as_rembg.append(overlap(segmenter(photo), expected))
        if number % 3:
            continue
        small = Image.fromarray(segmenter(interpolated(photo / np.float32(255), 320)))
        mask = small.resize(expected.shape[::-1], Image.Resampling.BILINEAR)
        as_authors.append(overlap(np.asarray(mask), expected))
    assert len(as_rembg) == 18
    assert np.mean(as_rembg) >= 0.975  # 0.979
    assert min(as_authors) >= 0.99  # of all eighteen 0.994, and 0.999 in the mean


def overlap(mask: Array, expected: Array) -> float:
    """Intersection over union of two masks, each black and white from 128 on."""
    ours, theirs = mask >= 128, expected >= 128
    return float(np.sum(ours & theirs) / np.sum(ours | theirs))


def interpolated(image: Array, side: int) -> Array:
    """An image at (side, side) as U²-Net's authors resized it, by scikit-image before 0.15: linear
    between the centres of two pixels, however many lie between two results."""
    for axis in (0, 1):
        length = image.shape[axis]
        at = ((np.arange(side) + 0.5) * length / side - 0.5).clip(0, length - 1)
        below = at.astype(int)
        share = np.expand_dims(at - below, (1 - axis, 2))
        above = np.minimum(below + 1, length - 1)
        image = image.take(below, axis) * (1 - share) + image.take(above, axis) * share
    return image.astype(np.float32)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_other_depths_give_nearly_the_same_mask(models: Callable[[str], Path], dtype: str) -> None:
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cpu")
    expected = segmenter(a_photo(180, 240)).astype(int)
    mask = segmenter(a_photo(180, 240, dtype)).astype(int)
    assert np.abs(mask - expected).mean() < 1.0


def test_modnet_sees_the_image_at_its_own_size(models: Callable[[str], Path]) -> None:
    path, image = models("modnet"), a_photo(150, 210)
    segmenter = trimatte.Segmenter(path, card="modnet", device="cpu")
    size = segmenter.network_size(150, 210)
    assert size == (512, 704)
    picture = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BOX)
    batch = ((np.asarray(picture) - 127.5) / 127.5).transpose(2, 0, 1)[None].astype(np.float32)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    matte = session.run(None, {"input": batch})[0][0, 0]
    expected = Image.fromarray((matte * 255).astype(np.uint8)).resize((210, 150), 2)
    difference = np.abs(segmenter(image).astype(int) - np.asarray(expected).astype(int))
    assert difference.max() <= 1


@pytest.fixture(scope="module")
def deeplab(
    models: Callable[[str], Path],
) -> Iterator[trimatte.Segmenter]:
    with trimatte.Segmenter(
        models("deeplabv3plus-mobilenetv2"), card="deeplabv3plus-mobilenetv2", device="cpu"
    ) as segmenter:
        yield segmenter


def class_mask(segmenter: trimatte.Segmenter, image: Array, numbers: list[int]) -> Array:
    """What those classes' share of the softmax is, by NumPy and ONNX Runtime."""
    source = segmenter.card.input
    size = source.network_size(*image.shape[:2])
    tensor = trimatte.to_tensor(
        image, size, mean=source.mean, std=source.std, scale=source.scale, filter=source.filter
    )
    logits = segmenter.session.run(tensor)[0].astype(np.float64)
    powers = np.exp(logits - logits.max(0))
    share = (powers[numbers].sum(0) / powers.sum(0) * 255).astype(np.uint8)
    filters = {"lanczos": 1, "bilinear": 2, "box": 4}
    shape = (image.shape[1], image.shape[0])
    return np.asarray(Image.fromarray(share).resize(shape, filters[segmenter.card.output.filter]))


@pytest.mark.parametrize(
    ("classes", "numbers"),
    [
        (None, [15]),
        ("person", [15]),
        ("cat", [8]),
        (["cat", "dog"], [8, 12]),
        (0, [0]),
        ([15, "dog", 8], [8, 12, 15]),
        (np.array([8, 12]), [8, 12]),
        (range(3), [0, 1, 2]),
    ],
)
def test_classes_are_chosen_by_name_and_number(
    deeplab: trimatte.Segmenter, classes: Any, numbers: list[int]
) -> None:
    image = a_photo(120, 170)
    mask = deeplab(image, classes=classes).astype(int)
    assert np.abs(mask - class_mask(deeplab, image, numbers)).max() <= 1


@pytest.mark.parametrize("classes", ["unicorn", 21, -1, True, 1.5, [], ["cat", "unicorn"], [None]])
def test_unknown_classes_are_refused(deeplab: trimatte.Segmenter, classes: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match=r"classes must be some of background, .*got"):
        deeplab(a_photo(20, 30), classes=classes)


def test_a_model_without_classes_refuses_them(models: Callable[[str], Path]) -> None:
    with pytest.raises(trimatte.ArgumentError, match=r"classes must be None: u2netp .*'person'"):
        trimatte.segment(a_photo(20, 30), models("u2netp"), card="u2netp", classes="person")
    with pytest.raises(trimatte.ArgumentError, match=r"classes must be None: u2netp .*'person'"):
        trimatte.Remover(model=models("u2netp"), card="u2netp", classes="person")
    for options in ({"classes": "person"}, {"runtime": "openvino"}, {"accept_license": True}):
        with pytest.raises(trimatte.ArgumentError, match="must be left out without a model"):
            trimatte.Remover(model=None, **options)


class Constant:
    """A session whose network says the same everywhere."""

    runtime, device, precision, why = "constant", "cpu", "fp32", "it is a test's"
    largest_batch = None
    inputs = (engines.TensorInfo("x", (None, 3, 320, 320), np.dtype("float32")),)
    outputs = (engines.TensorInfo("y", (None, 1, 320, 320), np.dtype("float32")),)

    def __init__(self, value: float) -> None:
        self.value, self.batches = value, []  # type: ignore[var-annotated]

    def run(self, batch: Array, *, output: int = 0, stream: Any = None) -> Array:
        self.batches.append(batch)
        return np.full((len(batch), 1, 320, 320), self.value, np.float32)

    def close(self) -> None:
        self.value = np.nan


class Disc(Constant):
    """A session whose network always sees the same disc."""

    def run(self, batch: Array, *, output: int = 0, stream: Any = None) -> Array:
        disc = cases.soft_disc(np.random.default_rng(0), 320, 320)
        return np.broadcast_to(disc, (len(batch), 1, 320, 320)).astype(np.float32)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_prediction_has_no_foreground(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr(engines, "open_session", lambda *_, **__: Constant(value))
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp")
    np.testing.assert_array_equal(segmenter(a_photo(30, 40)), 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_no_numbers_are_an_error(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr(engines, "open_session", lambda *_, **__: Constant(value))
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp")
    with pytest.raises(trimatte.EngineError, match=r"102400 of the 102400 numbers .* are NaN or"):
        segmenter(a_photo(30, 40))


def test_a_segmenter_is_copied_by_its_options(models: Callable[[str], Path]) -> None:
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cpu", progress=print)
    again = pickle.loads(pickle.dumps(segmenter))  # a function of the session cannot go along
    image = a_photo(30, 40)
    np.testing.assert_array_equal(again(image), segmenter(image))


def test_a_network_that_finds_nothing_is_told(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "open_session", lambda *_, **__: Constant(0.0))
    remover = trimatte.Remover(model=trimatte.Segmenter(models("u2netp"), card="u2netp"))
    with pytest.warns(trimatte.CutoutWarning, match="u2netp found no foreground") as told:
        remover(a_photo(30, 40))
    assert {warning.filename for warning in told} == {__file__}


def test_models_are_loaded_once_and_let_go(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_session(*_: Any, **__: Any) -> Constant:
        opened.append(1)
        return Constant(0.5)

    monkeypatch.setattr(engines, "open_session", open_session)
    image, path = a_photo(30, 40), models("u2netp")
    for _ in range(3):
        trimatte.segment(image, path, card="u2netp", device="cpu")
    remover = trimatte.Remover(model=path, card="u2netp", device="cpu")
    assert len(opened) == 1
    trimatte.segment(image, remover.segmenter)  # type: ignore[arg-type]
    assert len(opened) == 1
    trimatte.segment(image, path, card="u2netp", device="cpu", runtime="openvino")
    assert len(opened) == 2
    trimatte.free_memory()
    trimatte.segment(image, path, card="u2netp", device="cpu")
    assert len(opened) == 3


def test_a_file_that_was_written_anew_is_loaded_anew(
    models: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, path = a_photo(30, 40), tmp_path / "mine.onnx"
    options: dict[str, Any] = {"card": "u2netp", "device": "cpu"}
    path.write_bytes(models("u2netp").read_bytes())
    first = trimatte.segment(image, path, **options)
    engines.export("u2netp", path, seed=2)
    assert not np.array_equal(trimatte.segment(image, path, **options), first)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.onnx").write_bytes(models("u2netp").read_bytes())
    monkeypatch.chdir(tmp_path)
    trimatte.segment(image, "mine.onnx", **options)
    monkeypatch.chdir(tmp_path / "sub")
    np.testing.assert_array_equal(trimatte.segment(image, "mine.onnx", **options), first)


def test_a_shared_model_that_was_closed_is_loaded_again(models: Callable[[str], Path]) -> None:
    path, image = models("u2netp"), a_photo(30, 40)
    expected = trimatte.segment(image, path, card="u2netp", device="cpu")
    remover = trimatte.Remover(model=path, card="u2netp", device="cpu")
    assert remover.segmenter is not None
    remover.segmenter.close()
    assert remover.segmenter.closed
    assert "closed" in repr(remover.segmenter)
    again = trimatte.segment(image, path, card="u2netp", device="cpu")
    np.testing.assert_array_equal(again, expected)


def test_threads_that_ask_at_once_load_once(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_session(*_: Any, **__: Any) -> Constant:
        opened.append(1)
        time.sleep(0.05)
        return Constant(0.5)

    monkeypatch.setattr(engines, "open_session", open_session)
    image, path = a_photo(30, 40), models("u2netp")
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(trimatte.segment, image, path, card="u2netp", device="cpu")
            for _ in range(8)
        ]
        for call in calls:
            call.result()
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("card", "match"),
    [
        ("[input]\nsize=[64,64]\n", "its card says that the network sees"),
        ("[input]\nsize=[320,320]\n[output]\nindex=9\n", "its card takes output 9"),
        (
            '[input]\nsize=[320,320]\n[output]\nactivation="softmax"\nclasses=["a","b"]\n'
            'default=["a"]\n',
            "its card tells 2 classes apart",
        ),
    ],
)
def test_a_card_that_does_not_fit_is_found_at_once(
    models: Callable[[str], Path], tmp_path: Path, card: str, match: str
) -> None:
    path = tmp_path / "card.toml"
    path.write_text(
        card.replace("320]\n", "320]\nmean=[0,0,0]\nstd=[1,1,1]\n").replace(
            "64]\n", "64]\nmean=[0,0,0]\nstd=[1,1,1]\n"
        )
    )
    with pytest.raises(trimatte.EngineError, match=match):
        trimatte.Segmenter(models("u2netp"), card=path, device="cpu")


def test_pictures_whose_samples_mean_something_else_are_refused(
    models: Callable[[str], Path],
) -> None:
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cpu")
    picture = Image.fromarray(a_photo(30, 40))
    np.testing.assert_array_equal(segmenter(picture), segmenter(np.asarray(picture)))
    for mode in ("CMYK", "YCbCr", "P"):
        with pytest.raises(trimatte.ArgumentError, match=f"got mode {mode}"):
            segmenter(picture.convert(mode))


def test_options_that_a_segmenter_has_are_not_given_twice(models: Callable[[str], Path]) -> None:
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cpu")
    for options in ({"card": "u2net"}, {"runtime": "openvino"}, {"precision": "bf16"}):
        with pytest.raises(trimatte.ArgumentError, match="must be left out with a Segmenter"):
            trimatte.segment(a_photo(9, 9), segmenter, **options)
        with pytest.raises(trimatte.ArgumentError, match="must be left out with a Segmenter"):
            trimatte.Remover(model=segmenter, **options)


@pytest.mark.parametrize(
    "options",
    [{"card": 5}, {"device": ["cpu"]}, {"runtime": {}}, {"precision": [1]}, {"card": b"u2net"}],
)
def test_options_of_another_kind_are_refused(
    models: Callable[[str], Path], options: dict[str, Any]
) -> None:
    with pytest.raises(trimatte.ArgumentError, match=f"{next(iter(options))} must be"):
        trimatte.segment(a_photo(9, 9), models("u2netp"), **{"card": "u2netp", **options})


def test_remover_goes_from_mask_to_cutout(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "open_session", lambda *_, **__: Disc(0.5))
    image = a_photo(240, 320)
    remover = trimatte.Remover(model=models("u2netp"), card="u2netp", device="cpu")
    result = remover(image)
    assert list(result.timings) == ["read", "segment", "trimap", "alpha", "foreground", "cutout"]
    assert result.engine == "constant on cpu in fp32: it is a test's"
    assert result.mask is not None
    np.testing.assert_array_equal(result.mask, remover.segmenter(image))  # type: ignore[misc]
    refined = trimatte.refine(image, result.mask, network_size=320)
    np.testing.assert_array_equal(result.trimap, refined.trimap)
    np.testing.assert_array_equal(result.alpha, refined.alpha)
    assert set(np.unique(result.trimap)) == {0, 128, 255}
    # A mask that the caller brings is taken instead.
    given = remover(image, mask=np.where(result.mask > 99, 255, 0).astype(np.uint8))
    assert given.engine is None
    assert "segment" not in given.timings


def test_remove_keeps_the_kind_of_its_input(models: Callable[[str], Path], tmp_path: Path) -> None:
    image = a_photo(60, 80)
    options = {"model": models("u2netp"), "card": "u2netp", "device": "cpu"}
    array = trimatte.remove(image, **options)
    assert array.shape == (60, 80, 4)
    path = tmp_path / "photo.png"
    Image.fromarray(image).save(path)
    np.testing.assert_array_equal(np.asarray(trimatte.remove(path, **options)), array)


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        ("unet", trimatte.ArgumentError, "u2net"),
        ("nowhere/model.onnx", trimatte.EngineError, "no such file"),
        (7, trimatte.ArgumentError, "model must be"),
        (b"u2net", trimatte.ArgumentError, "model must be"),
    ],
)
def test_unknown_models_are_refused(model: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        trimatte.segment(a_photo(9, 9), model)
    with pytest.raises(error, match=match):
        trimatte.Remover(model=model)


def test_images_are_checked_before_the_network_runs(models: Callable[[str], Path]) -> None:
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cpu")
    for image in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float64), "photo.png"):
        with pytest.raises(trimatte.ArgumentError, match="segment: image must"):
            segmenter(image)
    with pytest.raises(
        trimatte.ArgumentError, match=r"image must have no side of 0, got \(0, 9, 3\)"
    ):
        segmenter(np.zeros((0, 9, 3), np.uint8))
    segmenter.close()
    with pytest.raises(trimatte.EngineError, match="closed"):
        segmenter(a_photo(9, 9))


def test_nothing_heavy_is_imported_for_a_session() -> None:
    """Of what stands on the way from a card to a mask, only the runtime weighs."""
    module = importlib.import_module("tests.package.test_packaging")
    code = (
        "import sys, trimatte.engines\n"
        "print([m for m in ('onnx', 'torch', 'pooch', 'scipy', 'onnxruntime', 'openvino') "
        "if m in sys.modules])"
    )
    assert module.run_python(code).strip() == "[]"


@pytest.mark.gpu
@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
def test_image_on_a_gpu_and_network_on_the_cpu(models: Callable[[str], Path]) -> None:
    path, image = models("u2netp"), a_photo(90, 130)
    expected = trimatte.segment(image, path, card="u2netp", device="cpu")
    on_gpu = trimatte.to_device(image)
    with pytest.raises(trimatte.ArgumentError, match="image must lie on the host"):
        trimatte.segment(on_gpu, path, card="u2netp", device="cpu")
    mask = trimatte.segment(on_gpu, path, card="u2netp", device="auto", runtime="onnxruntime")
    assert isinstance(mask, trimatte.DeviceArray)
    np.testing.assert_array_equal(mask.to_host(), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
def test_network_on_a_gpu_gets_what_lies_there(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnGpu(Constant):
        device = "cuda:0"

        def run(self, batch: Array, *, output: int = 0, stream: Any = None) -> Array:
            assert isinstance(batch, trimatte.DeviceArray)
            plane = np.linspace(0, 1, 320 * 320, dtype=np.float32).reshape(1, 1, 320, 320)
            return trimatte.to_device(plane, stream=stream)

    monkeypatch.setattr(engines, "open_session", lambda *_, **__: OnGpu(0.5))
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cuda")
    image = a_photo(90, 130)
    mask = segmenter(image)
    assert isinstance(mask, np.ndarray)
    np.testing.assert_array_equal(segmenter(trimatte.to_device(image)).to_host(), mask)
    result = trimatte.Remover(model=segmenter)(image)
    assert result.device == "cuda:0"
    np.testing.assert_array_equal(result.mask, mask)


@pytest.mark.gpu
@pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status())
@pytest.mark.parametrize(("largest", "seen"), [(None, [4]), (3, [3, 1]), (1, [1, 1, 1, 1])])
def test_network_on_a_gpu_sees_images_at_once(
    largest: int | None,
    seen: list[int],
    models: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Red(Constant):
        """Says what is red; so each mask tells which image it is of."""

        device, largest_batch = "cuda:0", largest

        def run(self, batch: Array, *, output: int = 0, stream: Any = None) -> Array:
            assert isinstance(batch, trimatte.DeviceArray)
            self.batches.append(len(batch))
            return trimatte.to_device(batch.to_host()[:, :1], stream=stream)

    asked: list[Any] = []
    network = Red(0.5)
    monkeypatch.setattr(
        engines, "open_session", lambda *_, **options: asked.append(options["batch"]) or network
    )
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cuda", batch_size=4)
    assert asked == [(1, 4, 4)]
    images = [a_photo(height, 70) for height in (90, 60, 40, 50)]
    singles = [segmenter(image) for image in images]
    network.batches.clear()
    streams = [_core.WorkStream(0) for _ in images]
    there = [
        trimatte.to_device(image, stream=stream)
        for image, stream in zip(images, streams, strict=True)
    ]
    for mask, single in zip(segmenter.batch(there), singles, strict=True):
        np.testing.assert_array_equal(mask.to_host(), single)
    assert network.batches == seen
    for mask, single in zip(segmenter.batch(images), singles, strict=True):
        np.testing.assert_array_equal(mask, single)


@pytest.mark.parametrize("size", [0, True, 1.5, 5000])
def test_batch_size_is_a_whole_number(size: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match="batch_size must be a whole number"):
        trimatte.Segmenter(batch_size=size)


@pytest.mark.parametrize("model", ["", ".", "/", Path("..").parent])
def test_a_model_has_a_name(model: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match="model must be a model's name"):
        trimatte.segment(a_photo(20, 20), model)

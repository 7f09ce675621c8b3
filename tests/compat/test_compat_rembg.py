"""rembg's interface, against its rules stated anew with Pillow, NumPy and SciPy."""

from __future__ import annotations

import inspect
import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from tests.pipeline.test_segmenting import Constant, a_photo, rembgs_mask
from trimatte import ArgumentError, EngineError, Segmenter, TrimapWarning, engines
from trimatte.compat import rembg
from trimatte.compat.rembg import Session, new_session, remove
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png

ndimage = pytest.importorskip("scipy.ndimage")
pytest.importorskip("onnxruntime")

CPU = ["CPUExecutionProvider"]
PHOTO = a_photo(96, 120)


class Disk(Constant):
    """A session that sees a disk with a soft edge."""

    def run(self, batch: Any, *, output: int = 0, stream: Any = None) -> Any:
        rows, columns = np.ogrid[:320, :320]
        disk = ((110 - np.hypot(rows - 160, columns - 160)) / 60 + 0.5).clip(0, 1)
        return np.broadcast_to(disk, (len(batch), 1, 320, 320)).astype(np.float32)


@pytest.fixture
def session(models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(engines, "open_session", lambda *_, **__: Disk(0.5))
    return new_session("u2net_custom", model_path=models("u2netp"), providers=CPU)


@pytest.fixture
def mask(session: Session) -> Any:
    return np.asarray(remove(PHOTO, session=session, only_mask=True))


def cross() -> Any:
    return ndimage.generate_binary_structure(2, 1)


# --- the mask ---


def test_the_mask_is_rembgs_to_the_bit(models: Callable[[str], Path]) -> None:
    path = models("u2netp")
    session = new_session("u2net_custom", model_path=str(path), providers=CPU)
    expected = rembgs_mask(path, PHOTO)
    np.testing.assert_array_equal(remove(PHOTO, session=session, only_mask=True), expected)
    (predicted,) = session.predict(Image.fromarray(PHOTO))
    assert predicted.mode == "L"
    np.testing.assert_array_equal(predicted, expected)
    assert "cpu" in repr(session)


def test_post_processing_is_rembgs_to_the_bit() -> None:
    random = np.random.default_rng(3)
    masks = [random.integers(0, 256, (61, 47), np.uint8), np.full((30, 30), 127, np.uint8)]
    masks += [ndimage.gaussian_filter(masks[0].astype(float), 4).astype(np.uint8)]
    masks += [random.integers(0, 256, shape, np.uint8) for shape in ((1, 1), (3, 40), (9, 5))]
    for mask in masks:
        opened = ndimage.grey_dilation(
            ndimage.grey_erosion(mask, footprint=cross()), footprint=cross()
        )
        blurred = ndimage.gaussian_filter(opened.astype(np.float64), sigma=2)
        expected = np.where(blurred < 127, 0, 255)
        np.testing.assert_array_equal(rembg.post_process(mask), expected)


def test_post_processed_masks_are_cut_by(session: Session, mask: Any) -> None:
    smooth = remove(PHOTO, session=session, only_mask=True, post_process_mask=True)
    np.testing.assert_array_equal(smooth, rembg.post_process(mask))
    rgba = remove(PHOTO, session=session, post_process_mask=True)
    np.testing.assert_array_equal(rgba[:, :, 3], smooth)


# --- the cutout ---


def test_the_naive_cutout_premultiplied_is_rembgs(session: Session, mask: Any) -> None:
    picture = Image.fromarray(PHOTO)
    empty = Image.new("RGBA", picture.size, 0)
    theirs = np.asarray(Image.composite(picture, empty, Image.fromarray(mask)))
    ours = remove(PHOTO, session=session)
    np.testing.assert_array_equal(ours[:, :, 3], theirs[:, :, 3])
    np.testing.assert_array_equal(trimatte.premultiply(ours), theirs)
    shows = mask > 0
    np.testing.assert_array_equal(ours[shows][:, :3], PHOTO[shows])  # not darkened


def test_the_file_that_rembg_publishes(published_u2netp: Path, shared_data: Path) -> None:
    session = new_session("u2net_custom", model_path=published_u2netp, providers=CPU)
    folder = shared_data / "references" / "rembg" / "tests"
    ours = remove(Image.open(folder / "fixtures" / "anime-girl-1.jpg"), session=session)
    with Image.open(folder / "results" / "anime-girl-1.u2netp.png") as theirs:
        expected = np.asarray(theirs, np.int16)
    assert np.abs(trimatte.premultiply(np.asarray(ours)) - expected).max() <= 1


def test_putalpha(session: Session, mask: Any) -> None:
    picture = Image.fromarray(PHOTO)
    before = picture.copy()
    ours = remove(picture, session=session, putalpha=True)
    assert picture == before  # rembg changes it
    picture.putalpha(Image.fromarray(mask))
    np.testing.assert_array_equal(ours, picture)


def test_decontaminate_takes_the_background_out(session: Session, mask: Any) -> None:
    foreground = trimatte.estimate_foreground(PHOTO, mask)
    ours = remove(PHOTO, session=session, decontaminate=True)
    np.testing.assert_array_equal(ours, trimatte.cutout(foreground, mask))


def test_bgcolor_is_put_behind(session: Session) -> None:
    cutout = Image.fromarray(remove(PHOTO, session=session))
    for color in ((255, 0, 0, 255), (10, 20, 30, 128), (0, 0, 0, 0)):
        expected = Image.alpha_composite(Image.new("RGBA", cutout.size, color), cutout)
        for given in (color, list(color)):
            ours = remove(PHOTO, session=session, bgcolor=given)
            np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(
        remove(PHOTO, session=session, bgcolor=(255, 0, 0, 255), only_mask=True),
        remove(PHOTO, session=session, only_mask=True),
    )


def test_an_images_own_alpha_limits(session: Session, mask: Any) -> None:
    rgba = np.dstack([PHOTO, np.full(mask.shape, 128, np.uint8)])
    picture = Image.fromarray(rgba)
    empty = Image.new("RGBA", picture.size, 0)
    theirs = np.asarray(Image.composite(picture, empty, Image.fromarray(mask)))
    ours = remove(rgba, session=session)
    assert np.abs(ours[:, :, 3].astype(int) - theirs[:, :, 3]).max() <= 1


# --- alpha matting ---


@pytest.mark.parametrize(
    ("foreground", "background", "size"), [(240, 10, 10), (200, 40, 3), (240, 10, 0), (250, 5, 1)]
)
def test_the_trimap_is_rembgs_and_the_rest_is_solved(
    session: Session, mask: Any, foreground: int, background: int, size: int
) -> None:
    structure = np.ones((size, size)) if size else None
    inside = ndimage.binary_erosion(mask > foreground, structure=structure)
    outside = ndimage.binary_erosion(mask < background, structure=structure, border_value=1)
    trimap = np.full(mask.shape, 128, np.uint8)
    trimap[inside] = 255
    trimap[outside] = 0
    quality = "exact" if size == 3 else "balanced"
    alpha = trimatte.estimate_alpha(PHOTO, trimap, quality=quality)
    expected = trimatte.cutout(trimatte.estimate_foreground(PHOTO, alpha), alpha)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = remove(
            PHOTO,
            alpha_matting=True,
            alpha_matting_foreground_threshold=foreground,
            alpha_matting_background_threshold=background,
            alpha_matting_erode_size=size,
            session=session,
            quality=quality,
        )
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("options", [{"foreground_threshold": 270}, {"erode_size": 500}])
def test_nothing_sure_is_said(session: Session, options: dict[str, int]) -> None:
    """rembg takes the mask for the opacity as well, and says nothing."""
    given = {f"alpha_matting_{name}": value for name, value in options.items()}
    with pytest.warns(TrimapWarning, match="no sure foreground"):
        ours = remove(PHOTO, True, session=session, **given)
    np.testing.assert_array_equal(ours, remove(PHOTO, session=session, decontaminate=True))


# --- kinds ---


def test_kinds_of_results(session: Session) -> None:
    rgba, mask = remove(PHOTO, session=session), remove(PHOTO, session=session, only_mask=True)
    assert (rgba.shape, rgba.dtype, mask.shape) == ((96, 120, 4), np.uint8, (96, 120))
    picture = Image.fromarray(PHOTO)
    png = encode_png(PHOTO)
    for data in (png, bytearray(png), memoryview(png)):
        assert Image.open(io.BytesIO(remove(data, session=session))).format == "PNG"
        np.testing.assert_array_equal(read_image(remove(data, session=session)), rgba)
        np.testing.assert_array_equal(
            read_mask(remove(data, session=session, only_mask=True)), mask
        )
    assert remove(picture, session=session).mode == "RGBA"
    np.testing.assert_array_equal(remove(picture, session=session), rgba)
    assert remove(picture, session=session, only_mask=True).mode == "L"
    for data in (PHOTO, picture, png):
        assert remove(data, session=session, force_return_bytes=True)[:4] == b"\x89PNG"
    assert remove(PHOTO[:, :, 0], session=session).shape == (96, 120, 4)
    assert remove(PHOTO.astype(np.uint16) * 257, session=session).dtype == np.uint16


def test_orientation_is_applied(session: Session) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    Image.fromarray(PHOTO).save(turned, "PNG", exif=exif)
    assert read_image(remove(turned.getvalue(), session=session)).shape == (120, 96, 4)


# --- sessions ---


def test_arguments_are_rembgs_in_its_order() -> None:
    assert list(inspect.signature(remove).parameters)[:13] == [
        *("data", "alpha_matting", "alpha_matting_foreground_threshold"),
        *("alpha_matting_background_threshold", "alpha_matting_erode_size", "session"),
        *("only_mask", "post_process_mask", "decontaminate", "vitmatte", "vitmatte_model"),
        *("bgcolor", "force_return_bytes"),
    ]


def test_other_sessions(session: Session, mask: Any) -> None:
    class Half:
        def predict(self, img: Image.Image, *args: Any, **kwargs: Any) -> list[Image.Image]:
            half = np.zeros((img.height, img.width), np.uint8)
            half[:, : img.width // 2] = 255
            return [Image.fromarray(half), Image.fromarray(255 - half)]

    both = remove(PHOTO, session=Half())
    assert both.shape == (192, 120, 4)
    assert (both[:96, :60, 3] == 255).all()
    assert (both[96:, :60, 3] == 0).all()
    np.testing.assert_array_equal(remove(PHOTO, session=session.segmenter, only_mask=True), mask)
    with pytest.raises(ArgumentError, match="session must be"):
        remove(PHOTO, session="u2net")  # type: ignore[arg-type]


def test_clothes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clothes(Segmenter):
        def __init__(self) -> None:
            pass

        def __call__(self, image: Any, *, classes: Any = None, stream: Any = None) -> Any:
            return np.full(image.shape[:2], 50 * len(classes) + len(classes[0]), np.uint8)

    session = Session("u2net_cloth_seg", Clothes())
    assert remove(PHOTO, session=session, only_mask=True).shape == (3 * 96, 120)
    assert (remove(PHOTO, session=session, only_mask=True, cc="upper") == 60).all()
    attire = remove(PHOTO, session=session, only_mask=True, cloth_category="attire")
    assert (attire == 160).all()
    with pytest.raises(ArgumentError, match="cloth_category must be one of"):
        remove(PHOTO, session=session, cc="hats")


def test_names_of_models() -> None:
    known = set(engines.cards())
    for name in rembg.sessions_names:
        if not name.endswith("_custom"):
            found, card = rembg._model(name, None)
            assert (found in known, card) == (True, None)
    for name in ("u2net_custom", "dis_custom", "ben_custom"):
        found, card = rembg._model(name, "~/mine.onnx")
        assert (found, card in known) == (Path("~/mine.onnx").expanduser(), True)


@pytest.mark.parametrize(
    ("providers", "device"),
    [
        (None, "auto"),
        (["CPUExecutionProvider"], "cpu"),
        (["CUDAExecutionProvider"], "cuda"),
        ([("CUDAExecutionProvider", {"device_id": 0}), "CPUExecutionProvider"], "auto"),
        (["TensorrtExecutionProvider", "CUDAExecutionProvider"], "cuda"),
    ],
)
def test_providers_say_the_device(providers: Any, device: str) -> None:
    assert rembg._device(providers) == device


def test_without_a_session_one_is_shared(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def open_session(*_: Any, **options: Any) -> Any:
        opened.append(options["device"])
        return Disk(0.5)

    monkeypatch.setattr(engines, "open_session", open_session)
    monkeypatch.setattr(engines, "fetch", lambda *_, **__: models("u2netp"))
    trimatte.free_memory()
    for _ in range(3):
        remove(PHOTO, device="cpu")
    assert opened == ["cpu"]
    trimatte.free_memory()


def test_what_is_not_there_is_named(session: Session) -> None:
    for name, cause in {"sam": "points", "withoutbg": "does not", "atlascloud": "sends no"}.items():
        with pytest.raises(ArgumentError, match=cause):
            new_session(name)
    for call, message in {
        lambda: new_session("u2net_custom"): "model_path must be given",
        lambda: new_session("u2net", model_path="x.onnx"): "model_path must be left out",
        lambda: new_session(3): "model_name must be a name",  # type: ignore[arg-type]
        lambda: new_session("u2net", sess_opts=object()): "sess_opts must be None",  # type: ignore[arg-type]
        lambda: new_session("u2net", providers="CPU"): "providers must be a list",
        lambda: new_session("u2nett"): "u2net",
        lambda: remove(PHOTO, session=session, vitmatte=True): "vitmatte must be False",
        lambda: remove(PHOTO, session=session, input_points=[]): "not known: input_points",
        lambda: remove(PHOTO, speed=3): "not known: speed",
        lambda: remove("photo.jpg", session=session): "data must be bytes",
        lambda: remove(b"no image", session=session): "cannot read",
        lambda: remove(PHOTO, session=session, bgcolor="red"): "bgcolor must be",
        lambda: remove(PHOTO, True, 10, 240, session=session): "must not be above",
        lambda: remove(PHOTO, True, "a", session=session): "must be a number",  # type: ignore[arg-type]
        lambda: remove(PHOTO, True, 240, 10, -3, session=session): "radius must be",
    }.items():
        with pytest.raises(ArgumentError, match=message):
            call()
    with pytest.raises(ValueError):  # rembg's kind
        remove("photo.jpg", session=session)


def test_weights_that_are_not_free_are_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIMATTE_ACCEPT_LICENSE", raising=False)
    monkeypatch.setenv("TRIMATTE_OFFLINE", "1")
    with pytest.raises(EngineError, match="CC-BY-NC"):
        new_session("bria-rmbg")


def test_the_import_is_light() -> None:
    code = "import sys, trimatte.compat.rembg; print({m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("onnxruntime", "scipy", "skimage", "pymatting", "torch", "tomllib"):
        assert f"'{heavy}'" not in done.stdout

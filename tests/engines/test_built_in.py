"""The network that comes with the package: whole, small, loaded when needed, good at its job."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from trimatte.engines.weights.verified import digest

import trimatte
from tests.conftest import Run
from trimatte import ArgumentError, EngineError, Remover, engines
from trimatte.demo import scene
from trimatte.io.reading import read_image

pytest.importorskip("onnxruntime")

PHOTO = Path(__file__).parents[2] / "docs" / "images" / "astronaut.jpg"
CARD = engines.find_card("u2net-lite")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and a home that nothing is in."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TRIMATTE_HOME", str(tmp_path / "home"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    copy = tmp_path / "photo.jpg"
    copy.write_bytes(PHOTO.read_bytes())
    return copy


# --- the file ---


def test_the_file_is_the_one_that_its_card_names() -> None:
    path = engines.fetch(CARD)
    assert CARD.built_in
    assert path.stat().st_size == CARD.size
    assert CARD.size is not None
    assert CARD.size <= 5_000_000
    assert digest(path, "sha256") == CARD.sha256
    assert not any(card.built_in for name, card in engines.cards().items() if name != CARD.name)


def test_its_matte_is_a_probability_for_any_batch() -> None:
    with engines.open_session(engines.fetch(CARD), device="cpu") as session:
        images = np.random.default_rng(0).normal(size=(2, 3, 320, 320)).astype(np.float32)
        both = session.run(images)
        assert both.shape == (2, 1, 320, 320)
        assert both.min() >= 0
        assert both.max() <= 1
        np.testing.assert_allclose(session.run(images[1:]), both[1:], atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_builds_it(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("tensorrt_rtx")
    built = engines.build_engine(
        engines.fetch(CARD),
        precision=precision,
        batch=(1, 8, 32),
        cache=tmp_path,
        flavour="tensorrt_rtx",
    )
    assert built.bytes > 2_000_000


@pytest.mark.parametrize(("precision", "largest", "mean"), [("fp32", 2, 2), ("bf16", 255, 2)])
def test_the_precisions_of_its_runtimes_agree(precision: str, largest: int, mean: float) -> None:
    pytest.importorskip("openvino")
    photo = read_image(PHOTO)
    exact = trimatte.segment(photo, runtime="onnxruntime", precision="fp32").astype(int)
    try:
        mask = trimatte.segment(photo, runtime="openvino", precision=precision)
    except trimatte.EngineError as error:
        if "cannot multiply in bf16" not in str(error):
            raise
        pytest.skip(str(error))
    assert np.abs(mask - exact).max() <= largest
    assert np.abs(mask - exact).mean() < mean


# --- the default ---


def test_a_remover_cuts_a_photograph_by_default() -> None:
    result = Remover()(PHOTO)
    assert result.engine is not None
    assert result.screen is None
    named = Remover(model="u2net-lite")(PHOTO)
    np.testing.assert_array_equal(result.rgba, named.rgba)
    np.testing.assert_array_equal(trimatte.segment(read_image(PHOTO)), result.mask)

    alpha = result.alpha
    assert alpha[70:150, 195:245].mean() > 0.99  # her face
    assert alpha[320:500, 60:230].mean() > 0.9  # her suit
    assert alpha[20:200, 300:340].mean() < 0.05  # the wall


def test_the_network_is_loaded_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise EngineError("there is no runtime")

    monkeypatch.setattr("trimatte.pipeline.options.as_segmenter", none)
    drawn = scene(60, 90)
    remover = Remover()
    trimap = np.full((60, 90), 128, np.uint8)
    trimap[:, :30], trimap[:, 60:] = 0, 255
    assert remover(drawn.image, trimap=trimap).engine is None
    assert trimatte.remove(drawn.image, mask=drawn.alpha).shape == (60, 90, 4)
    with pytest.raises(EngineError, match="there is no runtime"):
        remover(drawn.image)


@pytest.mark.parametrize(
    "options",
    [
        {"key_color": "green"},
        {"method": "vlahos"},
        {"tolerance": 20},
        {"softness": 20},
        {"transfer": "srgb"},
    ],
)
@pytest.mark.filterwarnings("ignore:nothing was keyed out")  # the plain Vlahos finds too little
def test_options_of_a_key_ask_for_one(options: dict[str, Any]) -> None:
    drawn = scene(60, 90)
    remover = Remover(**options)
    assert remover.segmenter is None
    expected = Remover(model=None, **options)(drawn.image)
    np.testing.assert_array_equal(remover(drawn.image).rgba, expected.rgba)


@pytest.mark.parametrize("options", [{"classes": "cat"}, {"card": "u2netp"}])
def test_options_of_other_networks_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ArgumentError, match=f"{name} must be left out with the built-in model"):
        Remover(**options)


# --- the command line ---


def test_an_image_alone_is_cut_out_beside_itself(run: Run, photo: Path) -> None:
    code, out, err = run(photo)
    assert (code, out, err) == (0, "", "")
    cut = photo.with_name("photo.cutout.png")
    np.testing.assert_array_equal(read_image(cut), Remover()(photo).rgba)
    assert sorted(photo.parent.glob("photo*")) == [cut, photo]


def test_options_may_come_first(run: Run, photo: Path) -> None:
    assert run("--format", "webp", photo)[0] == 0
    assert run("--quality", "fast", photo.parent / "none.png", photo)[0] == 1
    assert {file.name for file in photo.parent.glob("photo.*")} == {
        "photo.jpg",
        "photo.cutout.webp",
        "photo.cutout.png",
    }


def test_a_key_writes_beside_its_input_as_well(run: Run, tmp_path: Path) -> None:
    Image.fromarray(scene(60, 90).image).save(tmp_path / "screen.png")
    assert run("key", tmp_path / "screen.png", "--trimap-out", tmp_path / "trimap.png")[0] == 0
    assert (tmp_path / "screen.cutout.png").is_file()
    assert (tmp_path / "trimap.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{folder}",), "is a folder: give -o"),
        (("{photo}", "{photo}", "--alpha", "alpha.png"), "give -o, a folder as well"),
        (
            ("kye", "{photo}"),
            "'kye' is not a command, and there is no such file; did you mean key?",
        ),
    ],
)
def test_what_is_not_clear_is_asked_for(
    run: Run, photo: Path, words: tuple[str, ...], message: str
) -> None:
    given = [word.format(folder=photo.parent, photo=photo) for word in words]
    code, _, err = run(*given)
    assert code == 2
    assert message in err
    assert [file.name for file in photo.parent.iterdir()] == ["photo.jpg"]


def test_images_of_one_name_do_not_share_a_cutout(run: Run, photo: Path) -> None:
    other = photo.with_suffix(".png")
    Image.open(photo).save(other)
    code, _, err = run(photo, other)
    assert code == 1
    assert "is the output of something else already" in err


# --- how good it is ---


@pytest.mark.parametrize(("kind", "least"), [("ccp", 0.85), ("cat", 0.85), ("hsd", 0.80)])
def test_photographs_kept_apart_from_training(shared_data: Path, kind: str, least: float) -> None:
    files = sorted((shared_data / "segmentation").glob(f"{kind}_*.jpg"))
    overlaps = []
    for file in files:
        found = trimatte.segment(read_image(file)) > 127
        true = np.asarray(Image.open(file.with_suffix(".png")).convert("L")) > 127
        overlaps.append(np.sum(found & true) / np.sum(found | true))
    assert np.mean(overlaps) >= least

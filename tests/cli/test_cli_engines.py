"""The command line of networks: remove, and engines list, fetch, export, build, cache."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from trimatte.engines.onnx_files.model_file import model_file

import trimatte
from tests.conftest import Run
from tests.pipeline import test_segmenting
from trimatte import engines
from trimatte.cli.progress import progress
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is found in, or written to, the folders of whoever runs the tests."""
    monkeypatch.setenv("TRIMATTE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRIMATTE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRIMATTE_OFFLINE", "1")
    return tmp_path / "home"


@pytest.mark.filterwarnings("ignore::trimatte.TrimapWarning")  # made-up weights see anything
def test_remove(run: Run, models: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, height in enumerate((60, 80)):
        photo = test_segmenting.a_photo(height, 90)
        (folder / f"{i}.png").write_bytes(encode_png(photo))
    model = models("u2netp")
    code, out, err = run(
        "remove", folder, "-o", tmp_path / "out", "--model", model, "--card", "u2netp", "-v"
    )
    assert (code, out) == (0, "")
    assert "onnxruntime on cpu in fp32" in err
    assert "segment" in err
    remover = trimatte.Remover(model=model, card="u2netp", device="cpu")
    for i in range(2):
        result = read_image(tmp_path / "out" / f"{i}.png")
        np.testing.assert_array_equal(result, remover(folder / f"{i}.png").rgba)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--model", "unet"), 2, "did you mean u2net"),
        (("--model", "u2net", "--classes", "cat"), 1, "TRIMATTE_OFFLINE is set"),
        (("--model", "nowhere.onnx"), 1, "no such file"),
        (("--model", "~nosuchuser/mine.onnx"), 2, "there is no such user"),
        (("--model", "bria-rmbg-2.0"), 1, "CC-BY-NC-4.0"),
        (("--runtime", "caffe"), 2, "--runtime must be one of auto, "),
    ],
)
def test_remove_says_what_is_wrong(
    run: Run, tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode_png(test_segmenting.a_photo(20, 30)))
    got, _, err = run("remove", photo, "-o", tmp_path / "out.png", *options)
    assert got == code
    assert words in err
    assert not (tmp_path / "out.png").exists()


def test_a_model_is_not_written_onto(run: Run, tmp_path: Path) -> None:
    photo, model = tmp_path / "photo.png", tmp_path / "model.png"
    photo.write_bytes(encode_png(test_segmenting.a_photo(20, 30)))
    model.write_bytes(b"mine")
    assert run("remove", photo, "-o", model, "--model", model)[0] != 0
    assert model.read_bytes() == b"mine"


def test_list(run: Run) -> None:
    code, out, err = run("engines", "list")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert list(lines) == list(engines.cards())
    assert lines["bria-rmbg-2.0"][3:6] == ["1,024", "MB", "CC-BY-NC-4.0"]
    built_in = engines.on_disk(engines.find_card("u2net-lite"))
    assert lines["u2net-lite"] == ["U²-Net", "lite", "5", "MB", "MIT", str(built_in)]
    assert "CC-BY-NC-4.0, commercial use: no" in run("engines", "list", "--licenses")[1]
    assert "Apache-2.0" in run("engines", "list", "modnet")[1]
    code, out, err = run("engines", "list", "unet")
    assert (code, out) == (2, "")
    assert "did you mean u2net" in err


def test_list_into_a_pipe_that_closes() -> None:
    command = f"{sys.executable} -m trimatte engines list --licenses | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("birefnet-cod")
    assert done.stderr == ""


def test_fetch_offline(run: Run) -> None:
    code, out, err = run("engines", "fetch", "u2net")
    assert (code, out) == (1, "")
    assert "TRIMATTE_OFFLINE is set" in err


def test_export(run: Run, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "seeded.onnx"
    code, out, err = run(
        "engines", "export", "u2netp", "--seed", 3, "--precision", "fp16", "-o", path
    )
    assert (code, out, err) == (0, f"{path}\n", "")
    file = model_file(path)
    assert file.precision == "fp16"
    assert file.inputs[0].shape == (None, 3, 320, 320)
    checkpoint = tmp_path / "modnet.npz"
    np.savez(checkpoint, **engines.NETWORKS["modnet"].seeded(0))
    code, out, err = run("engines", "export", "modnet", "--checkpoint", checkpoint)
    assert (code, out, err) == (0, f"{home / 'models' / 'modnet.onnx'}\n", "")
    assert engines.fetch(engines.find_card("modnet")) == home / "models" / "modnet.onnx"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("u2netp", "--seed", 0), "give -o FILE"),
        (("u2netp", "--checkpoint", "weights.npz"), "give -o FILE"),
        (("u3net", "--seed", 0, "-o", "x.onnx"), "must be one of u2net, "),
        (("u2netp", "--checkpoint", "nowhere.pth", "-o", "x.onnx"), "nowhere.pth"),
    ],
)
def test_export_says_what_is_wrong(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("engines", "export", *options)
    assert (code, out) == (1, "")
    assert words in err
    assert not (tmp_path / "x.onnx").exists()


def test_quantize(run: Run, models: Callable[[str], Path], tmp_path: Path) -> None:
    photos = [tmp_path / f"{i}.png" for i in range(2)]
    for photo in photos:
        photo.write_bytes(encode_png(test_segmenting.a_photo(90, 100)))
    path = tmp_path / "int8.onnx"
    order = ("engines", "quantize", models("u2netp"), "--photos", *photos, "-o", path)
    assert run(*order)[0] == 1  # it does not say how the photos are fed to it
    code, out, _ = run(*order, "--card", "u2netp")
    assert (code, out) == (0, f"{path}\n")
    assert model_file(path).precision == "int8"
    assert run(*order[:-1], models("u2netp"), "--card", "u2netp")[0] == 1  # onto the model
    assert model_file(models("u2netp")).precision == "fp32"


def test_build_and_cache(run: Run, models: Callable[[str], Path]) -> None:
    pytest.importorskip("tensorrt_rtx")
    order = ("engines", "build", models("u2netp"), "--batch", "1:2:4")
    flavour = ("--flavour", "tensorrt_rtx")
    code, out, err = run(*order, *flavour)
    assert code == 0
    assert "built in" in out
    assert "engine" in err  # what is being done
    assert "was there" in run(*order, *flavour)[1]
    assert len(run("engines", "cache")[1].splitlines()) == 1
    assert "deleted" in run("engines", "cache", "--clear")[1]
    assert run("engines", "cache") == (0, "", "")
    for wrong in ("0:1:2", "4:2:1", "x"):
        assert run("engines", "build", models("u2netp"), "--batch", wrong)[0] == 2
    code, _, err = run("engines", "build", models("modnet"), *flavour)
    assert code == 1
    assert "size must say what the model leaves free" in err
    assert run("engines", "build", models("modnet"), *flavour, "--size", "64x96")[0] == 0
    three = ("--size", "64x64:64x96:96x96")
    assert run("engines", "build", models("modnet"), *flavour, *three)[0] == 0
    for wrong in ("64", "64x", "64x64:96x96"):
        code, _, err = run("engines", "build", models("modnet"), *flavour, "--size", wrong)
        assert code == 2
        assert repr(wrong) in err
    assert run("engines", "build", models("u2netp"), *flavour, "--device", "cpu")[0] == 1
    # Without options it is what `remove` asks for.
    assert run("engines", "build", models("u2netp"), *flavour)[0] == 0
    sizes = engines.find_card("u2netp").input.sizes
    again = engines.build_engine(models("u2netp"), size=sizes, flavour="tensorrt_rtx")
    assert again.from_cache


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    said = io.StringIO()
    monkeypatch.setattr(said, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", said)
    with progress() as report:
        report("weights", 0.25)
        report("weights", 1.0)
        report("engine", 0.5)
    for words in ("weights: 100%", "engine:  50%"):
        assert words in said.getvalue()


def test_progress_in_a_file_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        report("weights", 0.25)
        report("weights", 1.0)
    assert capsys.readouterr().err == "trimatte: weights\n"

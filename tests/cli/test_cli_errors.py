"""A mistake on the command line is one sentence, in one line, in the words of the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run, picture
from trimatte.cli.parsing import as_typed
from trimatte.io.writing import encode_png

MISTAKES = {
    # what the parser finds
    "key photo.png --key-color purpleish": "--key-color must be auto, a colour's name, r,g,b or #",
    "key photo.png --method plat": "--method must be one of plate, .*; did you mean plate?; see ",
    "key photo.png --tolerance abc": "--tolerance must be a number, got 'abc'; see `trimatte key -",
    "key photo.png --radius 5,6,7": "--radius must be N, or N,N: ",
    "key photo.png --kay-color red": "there is no option --kay-color; did you mean --key-color?",
    "photo.png --backround=white": "there is no option --backround; did you mean --background?",
    "matte photo.png more.png --mask m -o o.png": "'more.png' is one argument too many; see ",
    "inspect photo.png --region 1,2": "--region must be X,Y,W,H, ",
    "video clip.mp4 -o out.mov --start soon": "--start must be seconds, m:ss or h:mm:ss, ",
    "serve --port 99999": "--port must be a whole number in 1..65535, got '99999'",
    "serve --replicas some": "--replicas must be a whole number, got 'some'",
    "engines build u2net --batch 3:2": "--batch must be a number, or least:usual:most ",
    "engines fetsh u2net": "'fetsh' is not a command; did you mean fetch?",
    "demo --height 3": "--height must be a whole number in 32..8192, got '3'",
    "remov photo.png": "'remov' is not a command, and there is no such file; did you mean remove?",
    "key": "the following arguments are required: IN; see `trimatte key --help`",
    # what the library finds
    "key photo.png --tolerance -5": "--tolerance must be in [0.0, 255.0], got -5.0",
    "key photo.png --method plate --tolerance 5": "--tolerance must be left out for --method plate",
    "key photo.png --choke 100": "--choke must be in [-64.0, 64.0], got 100.0",
    "key photo.png --feather -1": "--feather must be in [0.0, 64.0], got -1.0",
    "key photo.png --despill-strength 4": "--despill-strength must be in [0.0, 1.0], got 4.0",
    "key photo.png --workers 0": "--workers must be a whole number in [1, 4096], got 0",
    "key photo.png --max-memory lots": "--max-memory must be a number of bytes ",
    "key photo.png --garbage none.png": "cannot read 'none.png': no such file",
    "photo.png --model isnet": "--model must be the name of a model, got 'isnet'; did ",
    "photo.png --card u2net": "--card must be left out with the built-in model",
    "photo.png --model bria-rmbg-2.0": "bria-rmbg-2.0: .* that: --accept-license, or ",
    "inspect photo.png --no-open --max-pixels 0": "--max-pixels must be a whole number ",
    "inspect photo.png --no-open --region 99,0,5,5": "--region must be (x, y, width, ",
    "serve --also-model isnet": "--also-model must be the name of a model, got 'isnet'; did you ",
    "serve --model u2net-lite --also-model u2net-lite": "--also-model: 'u2net-lite' is there ",
    "engines list isnet": "MODEL must be the name of a model, got 'isnet'",
    "engines export none --seed 0 -o x.onnx": "NETWORK must be one of u2net, ",
    "engines export u2netp --checkpoint none.pth -o x.onnx": "there is no file none.pth",
    # what asks for something that cannot be, before anything is begun
    "photo.png -o out.xyz": "-o: its suffix must be one of .png, .*, got .xyz",
    "photo.png -o o.png --alpha a.xyz": "--alpha: its suffix must be one of .png, .*, got .xyz",
    "photo.png -o nowhere/out.png": "-o: cannot write 'nowhere/out.png': there is no folder ",
    "photo.png -o photo.png": "photo.png: would be overwritten: ",
    "key photo.png photo.jpg -o one.png": "-o: one.png is named like one image",
    "key . -o one.png": "-o: one.png is named like one image",
    "photo.png --no-matting --radius 3": "--no-matting solves no band: drop --radius",
    "photo.png --no-matting --quality fast": "--no-matting solves nothing: drop --quality",
    "matte photo.png -o o.png --trimap photo.png --no-matting": "--no-matting is for --mask: ",
    "photo.png --crop-threshold 0.5": "--crop-threshold is about --crop: give that too",
    "photo.png --crop -5": "--crop must be pixels or percent, as 20 or 5%, got '-5'",
    "photo.png --bg blurr": "--bg: 'blurr' is neither a file, nor blur, nor ",
    "photo.png --background blurr": "--background: 'blurr' is neither a file, nor blur",
    "key photo.png --max-memory 1": "photo.png: an image .* may take .*, more than --max-memory ",
    "https://example.com/photo": "https:/example.com/photo: .*: addresses are not fetched; give ",
    # what rembg's users type
    "i photo.png out.png": "'i' is rembg's command, which is `trimatte IN -o OUT` here",
    "p photos out": "'p' is rembg's command, which is `trimatte FOLDER -r -o OUT` here",
    "s --port 7000": "'s' is rembg's command, which is `trimatte serve` here",
    "photo.png -a": "there is no option -a here: opacity is solved unless there is --no-matting",
    "photo.png -ae 10": "there is no option -ae here: --radius is the width of the band to solve",
    "photo.png -bgc 255 255 255 255": "there is no option -bgc here: it is --bg COLOR, such as ",
    "photo.png -ppm": "there is no option -ppm here: the edge of a mask is solved unless ",
    "photo.png -x {}": "there is no option -x here: a model has --classes and --card",
    "key photo.png -m u2net": "there is no option -m here: it is --model of `trimatte remove`",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_sentence_in_the_words_of_the_command_line(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.chdir(photo.parent)
    code, out, err = run(*typed.split())
    assert (code in (1, 2), out, err.count("\n")) == (True, "", 1)
    said = err.removeprefix("trimatte: ")
    assert said != err
    position = 0
    for part in MISTAKES[typed].split(".*"):
        found = said.find(part, position)
        assert found == 0 if position == 0 else found > 0, said
        position = found + len(part)


def test_of_an_image_in_the_words_of_the_command_line(
    run: Run, photo: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.png"
    small.write_bytes(encode_png(np.full((5, 5), 128, np.uint8)))
    code, _, err = run("matte", photo, "--trimap", small, "-o", tmp_path / "out.png")
    assert code == 1
    assert err == (f"trimatte: {photo}: --trimap must have the image's size (40, 56), got (5, 5)\n")
    photo.write_bytes(encode_png(np.full((40, 56, 3), 90, np.uint8)))
    code, out, err = run("key", photo, "-o", tmp_path / "out.png", "--json")
    assert code == 1
    assert "--key-color takes its own colour" in err
    assert "--key-color takes its own colour" in out


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("cannot read '/x/my format=png photo.jpg'", "cannot read '/x/my format=png photo.jpg'"),
        ('cannot read "it\'s format=png": no', 'cannot read "it\'s format=png": no'),
        (r"cannot read 'a \'b\' format=png'", r"cannot read 'a \'b\' format=png'"),
        ("'must be None' must be None", "'must be None' must be left out"),
        ("the image's format=png and the file's", "the image's --format png and the file's"),
        ("format='p g' or format=\"it's\"", "--format p g or --format it's"),
    ],
)
def test_quoted_text_stays_as_it_is(said: str, typed: str) -> None:
    assert as_typed(said, Namespace(spelling={"format": "--format"})) == typed


def test_the_name_of_a_file_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    photo = tmp_path / "my format=png photo.jpg"
    photo.write_bytes(b"no image")
    code, _, err = run(photo, "-o", tmp_path / "out.png")
    assert (code, "my format=png photo.jpg" in err) == (1, True)
    code, _, err = run(photo, "--bg", photo, "-o", tmp_path / "out.png")
    assert (code, "my format=png photo.jpg" in err) == (1, True)


@pytest.mark.parametrize("option", ["IN", "-o", "--alpha", "--garbage", "--bg"])
def test_an_empty_argument_is_no_folder(run: Run, photo: Path, option: str) -> None:
    words = ["key", "" if option == "IN" else photo]
    words += [] if option == "IN" else [option, ""]
    code, _, err = run(*words)
    assert code == 2
    assert re.match(f"trimatte: .*{option}.* must not be empty; see `trimatte key --help`", err)


def test_a_name_that_the_system_does_not_take_is_one_failure(
    run: Run, photo: Path, tmp_path: Path
) -> None:
    long = "n" * 400 + ".png"
    code, _, err = run("key", long, photo, "-o", tmp_path / "out")
    assert code == 1
    assert (tmp_path / "out" / "photo.png").exists()
    assert "File name too long" in err
    assert "Errno" not in err
    assert long not in err
    code, _, err = run("key", photo, photo, "-o", "n" * 400)
    assert (code, "Errno" in err) == (1, False)
    for options in (["-o", long], ["-o", "o.png", "--alpha", long], ["--bg", long]):
        code, _, err = run("key", photo, *options)
        assert (code, "Errno" in err, long in err, err.count("\n")) == (2, False, False, 1)


def test_damaged_exif_is_one_sentence(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    exif = b"Exif\0\0II*\0\x08\0\0\0\x03\0\x0f\x01\x02\0\xff\xff\0\0\xff\xff\0\0"
    Image.fromarray(picture()).save(broken, exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside of tests
        code, out, err = run("key", broken, "-o", tmp_path / "out.png", "--json")
        assert code == 0
        [dropped] = json.loads(out)["dropped"]
        assert "EXIF" in dropped
        assert err == f"trimatte: {broken}: {dropped}\n"
        assert run("key", broken, "-o", tmp_path / "out.png", "-q") == (0, "", "")


def test_a_full_disk_behind_standard_output() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "trimatte", "engines", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == ("trimatte: cannot write to standard output: No space left on device\n")

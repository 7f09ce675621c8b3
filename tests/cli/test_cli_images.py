"""The command line on images: what is written, where to, and what is told of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimatte
from tests.conftest import GREEN, Run, picture
from tests.helpers.png import with_chunks
from trimatte import Remover, engines
from trimatte.cli import watch as cli_watch
from trimatte.cli.advice import advice
from trimatte.cli.main import main
from trimatte.cli.report import Report
from trimatte.cli.watch import Arrivals
from trimatte.io.masks import read_mask
from trimatte.io.profiles import adobe_rgb, converted
from trimatte.io.reading import load_picture, read_image
from trimatte.io.writing import encode_png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three images, the second of which is broken."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i, name in enumerate("abc"):
        (folder / f"{name}.png").write_bytes(encode_png(picture(i)))
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:-40])
    return folder


@pytest.fixture
def result(photo: Path) -> trimatte.Result:
    return Remover(model=None)(photo)


class Pipe:
    """A standard input that is no terminal."""

    def __init__(self, data: bytes, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(data)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


# --- what is written ---


def test_only_mask_is_the_final_alpha(run: Run, photo: Path, result: trimatte.Result) -> None:
    output = photo.with_name("mask.png")
    for option in ("--only-mask", "-om"):
        assert run("key", photo, "-o", output, option) == (0, "", "")
        np.testing.assert_array_equal(read_image(output)[:, :, 0], result.rgba[:, :, 3])
        assert read_image(output).shape[2] == 3
        output.unlink()
    assert run("key", photo, "-om", "--format", "jpg")[0] == 0
    np.testing.assert_allclose(
        read_mask(photo.with_name("photo.mask.jpg")).astype(int), result.rgba[:, :, 3], atol=12
    )
    code, _, err = run("key", photo, "-o", output, "-om", "--bg", "white")
    assert code == 2
    assert "-om has nothing to put --bg behind" in err


def test_a_blurred_background(run: Run, photo: Path, result: trimatte.Result) -> None:
    output = photo.with_name("portrait.png")
    assert run("key", photo, "-o", output, "--bg", "blur") == (0, "", "")
    plate = trimatte.blurred_background(picture(), result.alpha)
    np.testing.assert_array_equal(read_image(output), result.composite(plate))
    assert np.abs(read_image(output)[:8].astype(int) - GREEN).max() <= 1

    deep = photo.with_name("deep.png")
    deep.write_bytes(encode_png(picture().astype(np.uint16) * 257))
    assert run("key", deep, "-o", output, "--bg", "blur", "--linear")[0] == 0
    assert read_image(output).dtype == np.uint16


@pytest.mark.parametrize(
    ("margin", "around"), [((), 0), ((3,), 3), (("10%",), 3), ((100,), None), (("0",), 0)]
)
def test_crop_cuts_all_files_alike(
    run: Run, photo: Path, result: trimatte.Result, margin: tuple[Any, ...], around: int | None
) -> None:
    output, alpha, trimap = (photo.with_name(f"{n}.png") for n in ("out", "alpha", "trimap"))
    files = ["-o", output, "--alpha", alpha, "--trimap-out", trimap]
    assert run("key", photo, *files, "--crop", *margin)[0] == 0
    rows, columns = np.nonzero(result.rgba[:, :, 3])
    if around is None:
        box = np.s_[:, :]
    else:
        box = np.s_[
            rows.min() - around : rows.max() + 1 + around,
            columns.min() - around : columns.max() + 1 + around,
        ]
    np.testing.assert_array_equal(read_image(output), result.rgba[box])
    np.testing.assert_array_equal(read_mask(alpha), result.rgba[box][:, :, 3])
    np.testing.assert_array_equal(read_mask(trimap), result.trimap[box])
    assert run("key", photo, "-o", output, "--crop", *margin, "--bg", "blur")[0] == 0
    plate = trimatte.blurred_background(picture(), result.alpha)
    np.testing.assert_array_equal(read_image(output), result.composite(plate)[box])


def test_crop_of_nothing_is_a_failure(run: Run, photo: Path) -> None:
    output, garbage = photo.with_name("out.png"), photo.with_name("garbage.png")
    garbage.write_bytes(encode_png(np.full((40, 56), 255, np.uint8)))
    assert run("key", photo, "-o", output, "--garbage", garbage)[0] == 0
    output.unlink()
    code, _, err = run("key", photo, "-o", output, "--garbage", garbage, "--crop")
    assert code == 1
    assert "nothing shows" in err
    assert not output.exists()
    for wrong in ("-1", "wide", "5%%", "nan"):
        assert run("key", photo, "-o", output, f"--crop={wrong}")[0] == 2


# --- where to ---


@pytest.mark.parametrize("output", [(), ("-o", "-")])
def test_standard_input_and_output(
    photo: Path,
    result: trimatte.Result,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    output: tuple[str, ...],
) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(photo.read_bytes()))
    assert main(["key", "-", *output]) == 0
    out, err = capsysbinary.readouterr()
    assert (out, err) == (result.encode(), b"")
    monkeypatch.setattr(sys, "stdin", Pipe(photo.read_bytes()))
    assert main(["key", "-", *output, "--bg", "blur", "--format", "webp"]) == 0
    assert capsysbinary.readouterr().out[8:12] == b"WEBP"


def test_one_of_the_two(
    photo: Path,
    result: trimatte.Result,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert main(["key", str(photo), "-o", "-", "-om"]) == 0
    mask = read_mask(capsysbinary.readouterr().out)
    np.testing.assert_array_equal(mask, result.rgba[:, :, 3])
    monkeypatch.setattr(sys, "stdin", Pipe(photo.read_bytes()))
    output = photo.with_name("out.webp")
    assert main(["key", "-", "-o", str(output), "--json"]) == 0
    np.testing.assert_array_equal(read_image(output), result.rgba)
    told = json.loads(capsysbinary.readouterr().out)
    assert (told["input"], told["output"]) == ("-", str(output))
    np.testing.assert_array_equal(told["size"], (56, 40))


@pytest.mark.parametrize(
    "words",
    [
        "- - -o out",
        "- photo.png -o out",
        "- -o .",
        "- -o out/",
        "photo.png photo.png -o -",
        ". -o -",
        "photo.png -o - --json",
        "photo.png -o out.png --alpha -",
        "photo.png --json --json-file report",
        "photo.png out.png",
        "photo.png -o out.png --workers 0",
        "photo.png -o out.png --max-memory much",
        "photo.png -o out.png --json-file photo.png",
        "photo.png -o out.png --json-file nowhere/report",
        ". -w",
        ". -o . -w",
        "photo.png -o out/ -w",
        ". -w -o out --alpha out",
    ],
)
def test_wrong_usage(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    before = photo.read_bytes()
    monkeypatch.chdir(photo.parent)
    monkeypatch.setattr(sys, "stdin", Pipe(before))
    code, out, err = run("key", *words.split())
    assert (code, out) == (2, "")
    assert err.startswith(("trimatte", "usage"))
    assert photo.read_bytes() == before
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


def test_a_terminal_is_no_place_for_images(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(b"", terminal=True))
    code, _, err = run("key", "-", "-o", photo.with_name("out.png"))
    assert code == 2
    assert "nothing is piped" in err


def test_an_output_without_its_option_is_told(run: Run, photo: Path) -> None:
    code, _, err = run("key", photo, photo.with_name("cutout.png"))
    assert code == 2
    assert "-o" in err


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
def test_names_of_any_kind(run: Run, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "a.png", folder / "with space\nand line.png")
    shutil.copy(folder / "a.png", os.fsdecode(os.fsencode(folder) + b"/\xff.png"))
    shutil.copy(folder / "b.png", folder / "broken\n.png")
    code, out, err = run("key", folder, "-o", tmp_path / "out", "--json")
    assert code == 1
    assert "2 of 6 failed" in err
    assert len(err.splitlines()) == 4
    told = {line["input"]: line for line in map(json.loads, out.splitlines())}
    for path in folder.iterdir():
        line = told.pop(str(path))
        assert (line["error"] is None) == (path.stem not in ("b", "broken\n"))
        assert line["error"] or Path(line["output"]).is_file()
    assert not told


# --- what is told ---


def test_json(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, err = run("key", folder, "-o", tmp_path / "out", "--json", "--workers", 2)
    assert code == 1
    lines = [json.loads(line) for line in out.splitlines()]
    assert [Path(line["input"]).name for line in lines] == ["a.png", "b.png", "c.png"]
    good, bad, _ = lines
    expected = Remover(model=None)(folder / "a.png")
    assert good["output"] == str(tmp_path / "out" / "a.png")
    assert good["size"] == [56, 40]
    assert list(good["seconds"]) == [*expected.timings, "write"]
    assert all(value >= 0 for value in good["seconds"].values())
    assert good["device"] == "cpu"
    assert good["engine"] is None
    assert good["unknown"] == (expected.trimap == 128).sum()
    assert good["error"] is None
    assert bad["output"] is None
    assert "truncated" in bad["error"]
    assert "1 of 3 failed" in err
    assert err.endswith("trimatte: 2 of 3 images cut out\n")

    report = tmp_path / "report.jsonl"
    assert run("key", folder, "-o", tmp_path / "out", "--json-file", report)[:2] == (1, "")
    again = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["output"] for line in again] == [line["output"] for line in lines]


def test_warnings_are_of_the_image_that_they_are_about(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    dot = picture()
    dot[:] = GREEN
    dot[18:21, 20:23] = 100
    (folder / "b.png").write_bytes(encode_png(dot))
    options = ["--method", "difference", "--radius", 8, "--workers", 3, "--json"]
    code, out, err = run("key", folder, "-o", tmp_path / "out", *options)
    assert code == 0
    warned = [len(json.loads(line)["warnings"]) for line in out.splitlines()]
    assert warned == [0, 1, 0]
    warning, last = err.splitlines()
    assert "b.png" in warning
    assert last == "trimatte: 3 images cut out"


def test_memory_is_bounded(run: Run, folder: Path, tmp_path: Path) -> None:
    options = ["-o", tmp_path / "out", "--max-memory", "1MiB"]
    code, _, err = run("key", folder / "a.png", *options, "-o", tmp_path / "out.png")
    assert code == 1
    assert "more than --max-memory 1.0 MiB" in err


# --- folders that are watched ---


def test_arrivals_are_whole_and_told_of_once(tmp_path: Path) -> None:
    now = 0.0
    arrivals = Arrivals(lambda: now)
    file, empty = tmp_path / "a.png", tmp_path / "empty.png"
    empty.touch()
    files = [file, empty]

    def look(seconds: float) -> list[Path]:
        nonlocal now
        now += seconds
        return arrivals.look(files)

    assert look(0) == []  # it is not there
    file.write_bytes(b"half")
    assert look(0.6) == []
    file.write_bytes(b"half and half")
    assert look(0.6) == []
    assert look(0.6) == []
    assert look(0.6) == [file]
    assert look(5) == []
    file.write_bytes(b"another")
    assert look(0.6) == []
    assert look(1.2) == [file]
    file.unlink()
    assert look(5) == []
    file.write_bytes(b"half and half")
    assert look(5) == []
    assert look(5) == [file]


def test_watch(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there, what comes, what changes; nothing twice, and nothing of its own."""
    output = folder / "out"  # within what is watched
    output.mkdir()
    (output / "c.png").write_bytes(encode_png(picture()))  # newer than its image
    whole = encode_png(picture(1))

    def sleep(_: float) -> None:
        nonlocal step
        step += 1
        if step == 3:
            shutil.copy(folder / "a.png", folder / "d.png")
            (folder / "b.png").write_bytes(whole)  # it was broken
        elif step == 6:
            os.kill(os.getpid(), 15)

    step = 0
    monkeypatch.setattr(cli_watch, "_SETTLED", 0.0)
    monkeypatch.setattr(cli_watch.time, "sleep", sleep)
    for wrong in (folder, folder.parent):
        assert run("key", folder, "-r", "-w", "-o", wrong)[0] == 2
    code, out, err = run("key", folder, "-r", "-w", "-o", output, "--json")
    told = [(Path(line["input"]).name, line["error"]) for line in map(json.loads, out.splitlines())]
    assert [name for name, _ in told] == ["a.png", "b.png", "b.png", "d.png"]
    assert [error is None for _, error in told] == [True, False, True, True]
    assert code == 0  # what failed was made good
    assert "watching" in err
    assert "truncated" in err
    assert err.endswith("trimatte: 3 images cut out\n")
    assert sorted(path.name for path in output.iterdir()) == [f"{n}.png" for n in "abcd"]


def test_a_report_is_no_image_of_a_watched_folder(run: Run, folder: Path, tmp_path: Path) -> None:
    before = (folder / "a.png").read_bytes()
    options = ["-o", tmp_path / "out", "--json-file", folder / "a.png"]
    code, _, err = run("key", folder, "--watch", *options)
    assert code == 2
    assert "--json-file" in err
    assert (folder / "a.png").read_bytes() == before


def test_what_came_earlier_keeps_its_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [tmp_path / name for name in ("one", "two")]
    for root in roots:
        root.mkdir()

    def sleep(_: float) -> None:
        nonlocal step
        step += 1
        if step in (1, 3):
            (roots[step // 2] / "a.png").write_bytes(encode_png(picture(step)))
            if step == 3:
                (roots[0] / "a.png").unlink()  # two are never there at once
        elif step == 6:
            os.kill(os.getpid(), 15)

    step = 0
    monkeypatch.setattr(cli_watch, "_SETTLED", 0.0)
    monkeypatch.setattr(cli_watch.time, "sleep", sleep)
    code, _, err = run("key", *roots, "--watch", "-o", tmp_path / "out")
    assert code == 1
    assert "a.png is the output of something else already" in err
    wanted = trimatte.Remover(model=None)(picture(1)).rgba
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "a.png"), wanted)


def test_folders_that_are_passed_over_are_named(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    (folder / "b.png").unlink()
    code, _, err = run("key", folder, "-r", "-o", tmp_path / "out")
    assert code == 0
    assert "linked: a link, not followed" in err

    def denied(top: Path, onerror: Any) -> Iterator[Any]:
        onerror(PermissionError(13, "Permission denied", str(top / "locked")))
        yield str(top), [], ["a.png"]

    monkeypatch.setattr(os, "walk", denied)
    code, _, err = run("key", folder, "-r", "-o", tmp_path / "out")
    assert code == 1
    assert "locked: cannot be read: Permission denied" in err


def test_failures_before_ctrl_c_are_named(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Report.tell

    def tell(self: Report, outcome: Any) -> None:
        told(self, outcome)
        if outcome.job.name.endswith("b.png"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Report, "tell", tell)
    code, _, err = run("key", folder, "-o", tmp_path / "out")
    assert code == 130
    assert "b.png: " in err
    assert err.endswith("trimatte: interrupted\n")


def test_names_that_the_system_does_not_take(run: Run, folder: Path, tmp_path: Path) -> None:
    for words in (["a" * 300, "-o", "b.png"], [folder / "a.png", "--bg", "a" * 300]):
        code, _, err = run("key", *words)
        assert code in (1, 2)
        assert "Traceback" not in err
        assert err.startswith("trimatte: ")


def test_a_background_is_opaque(run: Run, folder: Path) -> None:
    code, _, err = run("key", folder / "a.png", "--bg", "#ffffff00")
    assert code == 2
    assert "nor an opaque colour" in err


def test_a_background_with_holes_leaves_them(run: Run, folder: Path, tmp_path: Path) -> None:
    plate, output = tmp_path / "frame.png", tmp_path / "out.png"
    pixels = np.full((40, 56, 4), (10, 20, 200, 255), np.uint8)
    pixels[:, :8, 3] = 0
    plate.write_bytes(encode_png(pixels))
    assert run("key", folder / "a.png", "-o", output, "--bg", plate) == (0, "", "")
    got = read_image(output)
    assert (got[:, :8, 3] == 0).all()
    assert (got[0, 8:] == [10, 20, 200, 255]).all()
    code, _, err = run("key", folder / "a.png", "-o", tmp_path / "out.jpg", "--bg", plate)
    assert code == 1
    assert "frame.png' has transparent parts, for which the output has no alpha" in err
    assert not (tmp_path / "out.jpg").exists()


def test_a_colour_behind_a_photograph_with_a_profile(run: Run, photo: Path, tmp_path: Path) -> None:
    photo.write_bytes(encode_png(picture(), icc_profile=adobe_rgb()))
    for format in ("png", "webp", "jpg"):
        output = tmp_path / f"over.{format}"
        assert run("key", photo, "-o", output, "--bg", "tomato") == (0, "", "")
        got, metadata = load_picture(output)
        assert metadata.profile == adobe_rgb()
        shown = converted(got, metadata.profile, None)[0, 0]
        np.testing.assert_allclose(shown, (255, 99, 71), atol=4)


# --- what is dropped of the metadata ---


def test_what_is_dropped_is_told(run: Run, photo: Path, tmp_path: Path) -> None:
    chunks = {b"caBX": b"signed", b"tEXt": b"prompt\0a cat"}
    photo.write_bytes(with_chunks(encode_png(picture()), chunks))
    signed = "the content credentials (C2PA) were dropped: they sign the original pixels"
    code, out, err = run("key", photo, "-o", tmp_path / "a.png", "--json")
    assert (code, err) == (0, f"trimatte: {photo}: {signed}\n")
    assert json.loads(out)["dropped"] == [signed]
    assert json.loads(out)["warnings"] == []

    text = "text (prompt) was dropped: WebP has no place for it"
    code, out, err = run("key", photo, "-o", tmp_path / "a.webp", "--json")
    assert json.loads(out)["dropped"] == [signed, text]
    assert err.count("\n") == 2
    code, out, err = run("key", photo, "-o", tmp_path / "mask.png", "-om", "--json")
    assert (err, json.loads(out)["dropped"]) == ("", [])  # a mask is another picture


# --- completion ---


def test_completion(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    for shell in ("bash", "zsh", "fish"):
        code, out, err = run("completion", shell)
        assert (code, err) == (0, "")
        assert "only-mask" in out
        assert "doctor" in out
    bash = shutil.which("bash")
    if bash is None:
        return
    _, script, _ = run("completion", "bash")
    assert "-o default" in script
    (tmp_path / "photo.jpg").touch()
    asked = {"k": "key", "remove ph": "photo.jpg", "photo.jpg --only": "--only-mask"}
    asked |= {"key photo.jpg --method o": "obs", "key --alpha pho": "photo.jpg"}
    for words in asked:
        script += f"""
COMP_WORDS=(trimatte {words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMPREPLY=()
_shtab_trimatte; echo "${{COMPREPLY[*]}}"
"""
    done = subprocess.run(
        [bash, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == list(asked.values())


def test_names_of_colours_do_not_depend_on_case(run: Run, photo: Path) -> None:
    wanted = photo.with_name("wanted.png")
    output = photo.with_name("output.png")
    assert run("key", photo, "-o", wanted, "--key-color", "green")[0] == 0
    assert run("key", photo, "-o", output, "--key-color", "Green")[0] == 0
    assert output.read_bytes() == wanted.read_bytes()
    np.testing.assert_array_equal(
        Remover(key_color="GREEN")(photo).rgba, Remover(key_color="green")(photo).rgba
    )
    assert run("key", photo, "-o", output, "--bg", "Blur")[0] == 0


def test_a_still_gif(run: Run, photo: Path) -> None:
    output, alpha = photo.with_name("out.gif"), photo.with_name("alpha.gif")
    assert run("key", photo, "-o", output, "--alpha", alpha) == (0, "", "")
    rgba = Remover(key_color="auto")(photo).rgba
    np.testing.assert_array_equal(read_image(output)[:, :, 3] == 255, rgba[:, :, 3] >= 128)
    np.testing.assert_array_equal(read_mask(alpha), rgba[:, :, 3])
    Remover(key_color="auto")(photo).save(output)
    assert Remover(key_color="auto")(photo).encode("gif") == output.read_bytes()


# --- a network that is unsure ---

LARGER = "a larger network may do better: -m u2net (176 MB, Apache-2.0)\n"


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mask is unsure of so much."""
    monkeypatch.setattr(trimatte.Result, "unsure", 0.414159)


@pytest.mark.usefixtures("unsure")
def test_of_one_image_a_line_says_what_the_network_is_unsure_of(
    run: Run, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    code, told, err = run(photo, "-o", out, "--json", "-m", "u2net-lite")
    assert (code, err) == (0, f"trimatte: the network is unsure of 41 % of the subject; {LARGER}")
    assert json.loads(told)["unsure"] == 0.4142
    assert run(photo, "-o", out, "--quiet", "-m", "u2net-lite") == (0, "", "")


@pytest.mark.usefixtures("unsure")
def test_of_a_screen_the_network_need_not_be_sure(run: Run, photo: Path, tmp_path: Path) -> None:
    code, told, err = run(photo, "-o", tmp_path / "out.png", "--json")
    assert (code, err) == (0, "")
    assert json.loads(told)["route"]["kind"] == "key+network"


@pytest.mark.usefixtures("unsure")
def test_of_a_folder_it_is_one_line(run: Run, folder: Path, tmp_path: Path) -> None:
    _, _, err = run(folder, "-o", tmp_path / "out", "-m", "u2net-lite")
    line = f"trimatte: the network is unsure of much of the subject of 2 images; {LARGER}"
    assert err.endswith(f"{line}trimatte: 2 of 3 images cut out\n")
    assert err.count("unsure") == 1


def test_a_key_is_not_unsure(run: Run, photo: Path, tmp_path: Path) -> None:
    _, told, err = run("key", photo, "-o", tmp_path / "out.png", "--json")
    assert (json.loads(told)["unsure"], err) == (None, "")


def test_a_larger_network_is_only_told_of_where_it_is_one_and_much_is_unsure() -> None:
    small, large = engines.find_card("u2net-lite"), engines.find_card("u2net")
    told = advice([0.1, 0.9, 0.4], small, several=True)
    assert told is not None
    assert told.startswith("the network is unsure of much of the subject of 2 images; ")
    assert large.size is not None
    assert f"-m {large.name} ({large.size / 1e6:.0f} MB, {large.license})" in told
    assert advice([0.1, 0.3], small, several=True) is None
    assert advice([], small, several=False) is None
    for network in (None, large, engines.find_card("u2net_human_seg"), replace(small, size=None)):
        assert advice([0.9], network, several=False) is None

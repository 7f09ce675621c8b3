"""The command line: exit codes, folders, and that no input is ever written to."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from tests.conftest import GREEN, Run, picture
from trimatte import Remover
from trimatte.cli.main import main
from trimatte.io import writing
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a broken file, other files, a hidden file and sub-folders."""
    folder = tmp_path / "photos"
    for i, name in enumerate(["a.png", "b.jpg", "b.png", "sub/c.png", "sub/deep/d.png"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(i)).save(path, quality=98)
    (folder / "broken.png").write_bytes(encode_png(picture())[:-40])
    (folder / "notes.txt").write_text("no image")
    (folder / "._a.png").write_bytes(b"a Mac's")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


# --- key ---


def test_key_writes_the_cutout(run: Run, photo: Path) -> None:
    output = photo.with_name("cutout.png")
    assert run("key", photo, "-o", output) == (0, "", "")
    np.testing.assert_array_equal(read_image(output), Remover(model=None)(photo).rgba)
    assert set(tree(photo.parent)) == {"photo.png", "cutout.png"}


def test_options_reach_the_library(run: Run, tmp_path: Path) -> None:
    photo = tmp_path / "blue.png"
    photo.write_bytes(encode_png(picture()[:, :, [0, 2, 1]]))
    output = tmp_path / "cutout.webp"
    options = "--key-color blue --tolerance 22 --softness 40 --radius 5,2 --quality fast"
    options += " --despill max-limit --despill-strength 0.5"
    assert run("key", photo, "-o", output, *options.split())[0] == 0
    expected = Remover(
        key_color="blue",
        tolerance=22,
        softness=40,
        radius=(5, 2),
        quality="fast",
        despill="max-limit",
        despill_strength=0.5,
    )(photo)
    np.testing.assert_array_equal(read_image(output), expected.rgba)
    for color in ("40,60,180", "#283cb4", "blue"):
        assert run("key", photo, "-o", output, "--key-color", color, "--despill", "none")[0] == 0
        expected = Remover(key_color="blue", despill=None)(photo)
        np.testing.assert_array_equal(read_image(output), expected.rgba)


def test_key_writes_alpha_and_trimap(run: Run, photo: Path) -> None:
    alpha, trimap = photo.with_name("alpha.png"), photo.with_name("trimap.png")
    output = photo.with_name("cutout.tif")
    assert run("key", photo, "-o", output, "--alpha", alpha, "--trimap-out", trimap)[0] == 0
    result = Remover(model=None)(photo)
    np.testing.assert_array_equal(read_mask(alpha), result.rgba[:, :, 3])
    np.testing.assert_array_equal(read_mask(trimap), result.trimap)


def test_hard_is_the_bare_rule(run: Run, photo: Path) -> None:
    output, alpha = photo.with_name("cutout.png"), photo.with_name("alpha.png")
    assert run("key", photo, "-o", output, "--hard", "--alpha", alpha)[0] == 0
    got = read_image(output)
    mask = trimatte.chroma_key(picture())
    np.testing.assert_array_equal(got[:, :, 3], mask)
    np.testing.assert_array_equal(got[:, :, :3], np.where(mask[..., None] > 0, picture(), 0))
    np.testing.assert_array_equal(read_mask(alpha), mask)
    assert run("key", photo, "-o", output, "--hard", "--softness", 9)[0] == 2
    assert run("key", photo, "-o", output, "--hard", "--radius", 9)[0] == 2
    assert run("key", photo, "-o", output, "--hard", "--trimap-out", "t.png")[0] == 2


@pytest.mark.parametrize(
    ("color", "expected"),
    [("white", (255, 255, 255)), ("1,2,3", (1, 2, 3)), ("#102030", (16, 32, 48))],
)
def test_backgrounds_of_one_colour(
    run: Run, photo: Path, color: str, expected: tuple[int, ...]
) -> None:
    output = photo.with_name("over.jpg")
    assert run("key", photo, "-o", output, "--background", color)[0] == 0
    got = read_image(output)
    assert got.shape == (40, 56, 3)
    np.testing.assert_allclose(got[0, 0], expected, atol=3)
    np.testing.assert_allclose(got[20, 28], [100, 100, 100], atol=3)


def test_a_background_image_is_fitted(run: Run, photo: Path) -> None:
    plate = photo.with_name("plate.png")
    plate.write_bytes(encode_png(np.full((10, 30, 3), (200, 10, 90), np.uint8)))
    output = photo.with_name("over.png")
    assert run("key", photo, "-o", output, "--background", plate, "--linear")[0] == 0
    np.testing.assert_array_equal(read_image(output)[0, 0], [200, 10, 90])

    deep = photo.with_name("deep.png")
    deep.write_bytes(encode_png(picture().astype(np.uint16) * 257))
    assert run("key", deep, "-o", output, "--background", plate)[0] == 0
    got = read_image(output)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got[0, 0], np.array([200, 10, 90]) * 257)
    # The plate is an input too.
    before = plate.read_bytes()
    assert run("key", photo, "-o", plate, "--background", plate)[0] == 2
    assert plate.read_bytes() == before


def test_jpeg_without_background_is_refused(run: Run, photo: Path) -> None:
    for options in (["-o", photo.with_name("cutout.jpg")], ["--format", "jpg"]):
        code, _, err = run("key", photo, *options, "--alpha", photo.with_name("alpha.png"))
        assert code == 2
        assert "JPEG has no alpha" in err
    assert set(tree(photo.parent)) == {"photo.png"}


# --- matte ---


def test_matte(run: Run, photo: Path) -> None:
    mask = np.zeros((40, 56), np.uint8)
    mask[10:30, 14:42] = 255
    trimap = trimatte.make_trimap(mask, 4)
    paths = {}
    for name, array in {"mask": mask, "trimap": trimap}.items():
        paths[name] = photo.with_name(f"{name}.png")
        paths[name].write_bytes(encode_png(array))
    output = photo.with_name("cutout.png")

    assert run("matte", photo, "--trimap", paths["trimap"], "-o", output) == (0, "", "")
    np.testing.assert_array_equal(
        read_image(output), Remover(model=None)(photo, trimap=trimap).rgba
    )
    again = photo.with_name("again.png")
    command = ["matte", photo, "--mask", paths["mask"], "--radius", 3, "-o", output]
    assert run(*command, "--trimap-out", again, "--background", "black")[0] == 0
    expected = Remover(model=None, radius=3)(photo, mask=mask)
    np.testing.assert_array_equal(read_mask(again), expected.trimap)
    np.testing.assert_array_equal(read_image(output), expected.composite("black"))

    small = photo.with_name("small.png")
    small.write_bytes(encode_png(mask[::2, ::2]))
    assert run("matte", photo, "--mask", small, "-o", output)[0] == 0
    np.testing.assert_array_equal(read_image(output), Remover(model=None)(photo, mask=small).rgba)

    before = tree(photo.parent)
    for command in (
        ["matte", photo, "--trimap", paths["trimap"], "-o", paths["trimap"]],
        ["matte", photo, "--mask", paths["mask"], "-o", output, "--alpha", paths["mask"]],
    ):
        code, _, err = run(*command)
        assert code == 2
        assert "is an input" in err
    assert tree(photo.parent) == before


def test_matte_wants_one_of_mask_and_trimap(run: Run, photo: Path) -> None:
    assert run("matte", photo, "-o", "x.png")[0] == 2
    assert run("matte", photo, "--mask", photo, "--trimap", photo, "-o", "x.png")[0] == 2
    assert run("matte", photo, "--trimap", photo, "--radius", "3", "-o", "x.png")[0] == 2
    code, _, err = run("matte", photo, "--trimap", photo.with_name("none.png"), "-o", "x.png")
    assert code == 1
    assert "none.png" in err


# --- exit codes ---


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "nonsense",
        "key",
        "key . photo.png",
        "key photo.png -o out.png --tolerance 300",
        "key photo.png -o out.png --tolerance much",
        "key photo.png -o out.png --softness -1",
        "key photo.png -o out.png --key-color purple-ish",
        "key photo.png -o out.png --method vlahos --key-color 128,128,128",
        "key photo.png -o out.png --radius 1,2,3",
        "key photo.png -o out.png --radius=-1",
        "key photo.png -o out.png --despill all",
        "key photo.png -o out.png --despill-strength 2",
        "key photo.png -o out.png --background nowhere.png",
        "key photo.png -o out.png --linear",
        "key photo.png -o out.png -q -v",
        "key photo.png photo.png -o photo.png",
        "key . -o out --alpha out",
        "key . -o out --alpha photo.png",
        "demo --height 5",
        "demo -o photo.png",
    ],
)
def test_wrong_usage_is_2(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    monkeypatch.chdir(photo.parent)
    code, out, err = run(*arguments.split())
    assert code == 2
    assert out == ""
    assert "trimatte" in err
    assert "Traceback" not in err
    assert set(tree(photo.parent)) == {"photo.png"}


@pytest.mark.parametrize("name", ["missing.png", "text.png", "cut.png"])
def test_an_unreadable_input_is_1(run: Run, photo: Path, name: str) -> None:
    bad = photo.with_name(name)
    if name == "text.png":
        bad.write_text("no image")
    elif name == "cut.png":
        bad.write_bytes(photo.read_bytes()[:-40])
    code, out, err = run("key", bad, "-o", photo.with_name("out.png"))
    assert code == 1
    assert out == ""
    assert name in err
    assert "out.png" not in tree(photo.parent)


def test_a_missing_output_folder_is_wrong_usage_and_is_not_made(run: Run, photo: Path) -> None:
    code, _, err = run("key", photo, "-o", photo.parent / "nowhere" / "out.png")
    assert code == 2
    assert "there is no folder" in err
    assert not (photo.parent / "nowhere").exists()


def test_ctrl_c_is_130_and_leaves_no_half_file(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(file: Any, array: Any, level: int, metadata: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write_png", interrupted)
    code, _, err = run("key", photo, "-o", photo.with_name("out.png"))
    assert code == 130
    assert "interrupted" in err
    assert set(tree(photo.parent)) == {"photo.png"}


# --- folders ---


def test_one_bad_file_does_not_stop_the_others(run: Run, photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    output = tmp_path / "out"
    code, out, err = run("key", photos, "-o", output)
    assert code == 1
    assert out == ""
    assert "1 of 4 failed" in err
    assert re.search(r"broken\.png: .*truncated", err)
    assert "1 sub-folder skipped; -r" in err
    # Two images called b: neither is written over the other.
    assert set(tree(output)) == {"a.png", "b.jpg.png", "b.png.png"}
    np.testing.assert_array_equal(
        read_image(output / "b.png.png"), Remover(model=None)(photos / "b.png").rgba
    )
    assert tree(photos) == before


def test_recursion_mirrors_the_tree(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").unlink()
    output = tmp_path / "out"
    alpha = tmp_path / "alpha"
    assert run("key", photos, "-r", "-o", output, "--alpha", alpha, "--format", "webp")[0] == 0
    names = {"a", "b.jpg", "b.png", "sub/c", "sub/deep/d"}
    assert set(tree(output)) == {f"{name}.webp" for name in names}
    assert set(tree(alpha)) == {f"{name}.png" for name in names}


def test_an_output_folder_inside_is_not_read(run: Run, photos: Path) -> None:
    (photos / "broken.png").unlink()
    for _ in range(2):
        code, _, err = run("key", photos, "-r", "-o", photos / "out")
        assert (code, err) == (0, "trimatte: 5 images cut out\n")
        assert len(tree(photos / "out")) == 5


def test_a_folder_is_not_written_onto_itself(run: Run, photos: Path) -> None:
    (photos / "broken.png").unlink()
    before = tree(photos)
    code, _, err = run("key", photos, "-o", photos)
    assert code == 1
    assert re.search(r"a\.png: would be overwritten", err)
    after = tree(photos)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"b.jpg.png", "b.png.png"}


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
@pytest.mark.parametrize("kind", ["same", "dots", "symbolic", "hard"])
def test_an_input_is_known_by_any_name(run: Run, photo: Path, kind: str) -> None:
    before = photo.read_bytes()
    output = photo.with_name("other.png")
    if kind == "same":
        output = photo
    elif kind == "dots":
        output = photo.parent / ".." / photo.parent.name / photo.name
    elif kind == "symbolic":
        output.symlink_to(photo)
    else:
        output.hardlink_to(photo)
    for options in (["-o", output], ["-o", photo.with_name("x.png"), "--alpha", output]):
        code, _, err = run("key", photo, *options)
        assert code == 2
        assert "is an input" in err
        assert photo.read_bytes() == before
        assert not photo.with_name("x.png").exists()


def test_two_results_never_share_a_file(run: Run, photo: Path) -> None:
    output = photo.with_name("out.png")
    code, _, err = run("key", photo, "-o", output, "--alpha", output)
    assert code == 2
    assert "already" in err
    assert not output.exists()


def test_several_files_go_into_a_folder(run: Run, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.png").write_bytes((photos / "a.png").read_bytes())
    output = tmp_path / "out"
    code, _, err = run("key", photos / "a.png", photos / "b.jpg", other / "a.png", "-o", output)
    # Two files of the same name in different folders: the first is written, the second is named.
    assert code == 1
    assert re.search(r"other.a\.png: .*already", err)
    assert set(tree(output)) == {"a.png.png", "b.png"}
    assert run("key", photos / "b.jpg", "-o", f"{tmp_path}/new/")[0] == 0
    assert set(tree(tmp_path / "new")) == {"b.png"}


def test_an_empty_folder_is_a_failure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run("key", tmp_path / "empty", "-o", tmp_path / "out")
    assert code == 1
    assert "no images" in err
    assert not (tmp_path / "out").exists()


def test_what_goes_wrong_inside_is_named(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "broken.png").unlink()
    real = Remover._read

    def failing(self: Remover, image: Any, **options: Any) -> Any:
        if Path(image).name == "a.png":
            raise MemoryError("no room")
        return real(self, image, **options)

    monkeypatch.setattr(Remover, "_read", failing)
    code, _, err = run("key", photos, "-o", tmp_path / "out")
    assert code == 1
    assert "1 of 3 failed" in err
    assert "MemoryError" in err
    assert len(tree(tmp_path / "out")) == 2


# --- what is said ---


def test_a_pipe_hears_nothing_and_a_terminal_one_line(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = photo.with_name("out.png")
    assert run("key", photo, "-o", output) == (0, "", "")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["key", str(photo), "-o", str(output)]) == 0
    assert re.fullmatch(
        r"\[1/1\] .*photo\.png -> .*out\.png \(\d+\.\d\d s\)\n", terminal.getvalue()
    )
    terminal.truncate(0)
    assert main(["key", str(photo), "-o", str(output), "-q"]) == 0
    assert terminal.getvalue().strip("\0") == ""


@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_on_a_terminal(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_tqdm: bool
) -> None:
    if with_tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)  # importing it fails
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["key", str(photos), "-o", str(tmp_path / "out")]) == 1
    said = terminal.getvalue()
    assert ("4/4" in said) == with_tqdm
    assert ("[1/4]" in said) == (not with_tqdm)
    assert "broken.png" in said


def test_verbose_tells_the_stages(run: Run, photo: Path) -> None:
    code, _, err = run("key", photo, "-o", photo.with_name("out.png"), "-v")
    assert code == 0
    for stage in ("read", "key", "trimap", "alpha", "foreground", "despill", "cutout", "write"):
        assert re.search(rf"\b{stage} \d+", err)


def test_warnings_are_lines_not_tracebacks(run: Run, tmp_path: Path) -> None:
    image = np.empty((40, 56, 3), np.uint8)
    image[:] = GREEN
    image[18:21, 20:23] = 100
    photo = tmp_path / "dot.png"
    photo.write_bytes(encode_png(image))
    plain = ["--method", "difference", "--radius", 8]
    code, _, err = run("key", photo, "-o", tmp_path / "out.png", *plain)
    assert code == 0
    assert re.search(r"^trimatte: .*dot\.png: .*foreground", err)
    assert "Warning" not in err
    assert run("key", photo, "-o", tmp_path / "out.png", *plain, "-q")[2] == ""


def test_help_names_every_command_and_option(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for word in ("key", "matte", "demo", "doctor", "examples:", "exit status", "130"):
        assert word in out
    code, out, _ = run("key", "--help")
    assert code == 0
    for option in ("key-color", "tolerance", "softness", "radius", "hard", "despill", "alpha"):
        assert f"--{option}" in out
    for option in ("background", "trimap-out", "recursive", "despill-strength", "format"):
        assert f"--{option}" in out
    assert run("matte", "--help")[0] == 0
    code, out, _ = run("--version")
    assert (code, out) == (0, f"trimatte {trimatte.__version__}\n")


# --- demo and doctor ---


def test_demo(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    code, out, err = run("demo", "-o", folder, "--height", 180, "--width", 320)
    assert (code, err) == (0, "")
    assert str(folder) in out
    for stage in ("key", "trimap", "alpha", "foreground", "total", "SAD"):
        assert stage in out
    names = {"scene", "cutout", "trimap", "alpha", "composite", "demo"}
    assert set(tree(folder)) == {f"{name}.png" for name in names}
    assert read_image(folder / "cutout.png").shape == (180, 320, 4)
    assert read_image(folder / "composite.png").shape == (180, 320, 3)
    bare, result = (float(x) for x in re.findall(r"(?:hard key|result) +([\d.]+)", out))
    assert result < 0.7 * bare


def test_doctor(run: Run) -> None:
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    for word in (trimatte.__version__, trimatte.cpu_target(), np.__version__, "CUDA", "Pillow"):
        assert word in out
    assert trimatte.cuda_status() in out
    assert f"{trimatte.get_num_threads()} threads" in out


def test_as_a_program(photo: Path) -> None:
    output = photo.with_name("out.png")
    command = [sys.executable, "-m", "trimatte", "key", str(photo), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    np.testing.assert_array_equal(read_image(output), Remover(model=None)(photo).rgba)
    command[-3] = "missing.png"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "missing.png" in done.stderr


def test_real_photographs(run: Run, shared_data: Path, tmp_path: Path) -> None:
    for name in ("cat_erjavec", "couple_skimage"):
        output = tmp_path / f"{name}.png"
        assert run("key", shared_data / "greenscreen" / f"{name}.png", "-o", output)[0] == 0
        alpha = read_image(output)[:, :, 3]
        assert 0.02 < (alpha > 0).mean() < 0.98


def test_keys_to_choose_from(run: Run, photo: Path, tmp_path: Path) -> None:
    image = read_image(photo)
    out = tmp_path / "cutout.png"
    for options, remover in (
        (
            ["--key-color", "auto", "--choke", 1, "--feather", 0.7],
            Remover(model=None, choke=1, feather=0.7),
        ),
        (
            ["--method", "vlahos", "--transfer", "linear"],
            Remover(method="vlahos", transfer="linear"),
        ),
        (["--tolerance", 20], Remover(tolerance=20)),
    ):
        assert run("key", photo, "-o", out, *options)[::2] == (0, "")
        np.testing.assert_array_equal(read_image(out), remover(image).rgba)
    garbage = np.zeros(image.shape[:2], np.uint8)
    garbage[:10] = 255
    (tmp_path / "garbage.png").write_bytes(encode_png(garbage))
    assert run("key", photo, "-o", out, "--garbage", tmp_path / "garbage.png")[0] == 0
    assert (read_image(out)[:10, :, 3] == 0).all()
    assert (tmp_path / "garbage.png").exists()
    code, _, err = run(
        "key", photo, "-o", tmp_path / "garbage.png", "--core", tmp_path / "garbage.png"
    )
    assert code == 2
    assert "garbage.png" in err


def test_no_screen_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(encode_png(np.full((40, 50, 3), 90, np.uint8)))
    code, _, err = run("key", tmp_path / "grey.png", "-o", tmp_path / "out.png")
    assert code == 1
    assert "no screen was found" in err
    assert not (tmp_path / "out.png").exists()

"""The command line on files of every kind: animations, folders of all sorts, images of any size."""

from __future__ import annotations

import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import GREEN, Run, picture
from trimatte import Remover
from trimatte.cli import cutting
from trimatte.cli import files as cli_files
from trimatte.cli import watch as cli_watch
from trimatte.cli.files import FilePlan, images_in
from trimatte.imageio import encode_png, read_frames, read_image
from trimatte.io import frames as io_frames
from trimatte.io import kinds
from trimatte.ops.cropping import crop_box
from trimatte.pipeline import routes

COUNT = 3
SECONDS = [0.1, 0.2, 0.3]


def frame(number: int) -> Any:
    """A grey rectangle before a green screen, further right in each frame."""
    image = np.empty((40, 56, 3), np.uint8)
    image[:] = GREEN
    image[10:30, 4 + 10 * number : 24 + 10 * number] = 120
    return image


@pytest.fixture(params=["gif", "png", "webp"])
def animation(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"moving.{request.param}"
    frames = [Image.fromarray(frame(i)) for i in range(COUNT)]
    times = [round(1000 * seconds) for seconds in SECONDS]
    options = {"lossless": True} if request.param == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=2, **options)
    return path


# --- animations ---


@pytest.mark.parametrize("suffix", ["gif", "png", "apng", "webp"])
def test_every_frame_is_cut_out(run: Run, animation: Path, suffix: str, tmp_path: Path) -> None:
    output = tmp_path / f"out.{suffix}"
    code, out, err = run("key", animation, "-o", output, "--json")
    assert (code, err) == (0, "")
    line = json.loads(out)
    assert (line["frames"], line["size"], line["warnings"]) == (COUNT, [56, 40], [])
    frames = read_frames(output)
    assert frames.loops == read_frames(animation).loops
    for number, got in enumerate(frames):
        alpha = Remover(key_color="auto")(frame(number)).rgba[:, :, 3]
        wanted = np.where(alpha >= 128, 255, 0) if suffix == "gif" else alpha
        np.testing.assert_array_equal(got.pixels[:, :, 3], wanted)
        assert got.seconds == pytest.approx(SECONDS[number])


def test_shots_of_an_animation_are_cut_out_alike(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first frame of each: a screen that is nearly hidden is no other shot."""
    scene = np.full((160, 200, 3), 120, np.uint8)
    column = np.indices((160, 200))[1, ..., None]
    screens = [np.where(column < edge, scene, np.uint8(GREEN)) for edge in (60, 70, 80)]
    path = tmp_path / "moving.webp"
    frames = [Image.fromarray(each) for each in (*screens, scene, scene + np.uint8(9))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    chosen: list[str] = []

    def watched(samples: Any) -> Any:
        made = routes.find_screen(samples)
        chosen.append("key" if made is not None and made.certain else "network")
        return choose(samples)

    choose = routes.choose
    monkeypatch.setattr(routes, "choose", watched)
    monkeypatch.setattr("trimatte.pipeline.remover.choose", None)
    code, out, err = run("remove", path, "-o", tmp_path / "out.webp", "--json")
    assert code in (0, 3), err
    line = json.loads(out)
    assert line["route"]["kind"] == "key+network"
    assert line["frames"] == 5
    assert chosen == ["key", "network"]


def test_what_is_left_out_is_said(run: Run, animation: Path, tmp_path: Path) -> None:
    for options in (["-o", tmp_path / "a.jpg", "--bg", "white"], ["-o", tmp_path / "a.tif"],
                    ["-o", tmp_path / "a.png", "--frames", "first"]):  # fmt: skip
        code, out, err = run("key", animation, *options, "--json")
        assert code == 0
        [warning] = json.loads(out)["warnings"]
        assert "2 of 3 frames" in warning
        assert warning in err
        assert len(read_frames(options[1])) == 1
    code, _, err = run("key", animation, "-o", tmp_path / "b.tif", "--frames", "all")
    assert code == 2
    assert "--frames all: .tif holds one picture" in err


def test_warnings_of_no_image_in_particular_are_a_line(run: Run, animation: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, _, err = run("inspect", animation, "--no-open")
    assert code == 0
    [line] = err.splitlines()
    assert line.startswith(f"trimatte: left out of {str(animation)!r}: 2 of 3 frames")


def test_options_apply_to_all_frames(run: Run, animation: Path, tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("out.webp", "alpha.png", "trimap.gif")]
    files = ["-o", names[0], "--alpha", names[1], "--trimap-out", names[2]]
    assert run("key", animation, *files, "--crop", "2")[0] == 0
    results = [Remover(key_color="auto")(frame(number)) for number in range(COUNT)]
    box = crop_box(np.max([result.rgba[:, :, 3] for result in results], axis=0), 2)
    cutouts, alphas, trimaps = ([each.pixels for each in read_frames(name)] for name in names)
    for result, cutout, alpha, trimap in zip(results, cutouts, alphas, trimaps, strict=True):
        np.testing.assert_array_equal(cutout[:, :, 3], result.rgba[box][:, :, 3])
        np.testing.assert_array_equal(alpha[:, :, 0], result.rgba[box][:, :, 3])
        np.testing.assert_array_equal(trimap[:, :, 0], result.trimap[box])

    assert run("key", animation, "-o", names[0], "--bg", "blur")[0] == 0
    for got in read_frames(names[0]):  # green, but for the rectangle
        assert (got.pixels[:, :, 3] == 255).all()
        assert np.abs(got.pixels[:5, :, :3].astype(int) - GREEN).max() <= 3
    assert run("key", animation, "-om")[0] == 0
    masks = read_frames(animation.with_name("moving.mask.png"))
    for got, result in zip(masks, results, strict=True):
        np.testing.assert_array_equal(got.pixels[:, :, 0], result.rgba[:, :, 3])


def test_a_frame_that_fails_fails_its_file_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = [Image.fromarray(frame(i)) for i in range(COUNT)]
    frames[0].save(tmp_path / "in" / "b.gif", save_all=True, append_images=frames[1:])
    whole = (tmp_path / "in" / "b.gif").read_bytes()
    (tmp_path / "in" / "c.gif").write_bytes(whole[:-40])
    for name in "ad":
        (tmp_path / "in" / f"{name}.png").write_bytes(encode_png(picture()))
    code, out, err = run("key", tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert code == 1
    lines = {Path(line["input"]).name: line for line in map(json.loads, out.splitlines())}
    assert [*lines] == ["a.png", "b.gif", "c.gif", "d.png"]
    assert [line["error"] is None for line in lines.values()] == [True, True, False, True]
    assert lines["b.gif"]["frames"] == COUNT
    assert err.endswith("trimatte: 3 of 4 images cut out\n")
    assert not (tmp_path / "out" / "c.png").exists()


def test_each_image_is_asked_once_whether_it_is_animated(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    frames = [Image.fromarray(frame(i)) for i in range(COUNT)]
    for name in ("a.jpg", "b.jpg", "c.gif", "d.png", "e.gif", "f.jpg"):
        more: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
        frames[0].save(tmp_path / "in" / name, **(more if name == "c.gif" else {}))
    asked: list[str] = []
    opened: list[str | None] = []
    frames_in, identified = cutting.frames_in, io_frames.identified

    def ask(source: Path) -> int:
        asked.append(source.name)
        return frames_in(source)

    def identify(file: Any) -> Image.Image:
        picture = identified(file)
        opened.append(picture.format)
        return picture

    monkeypatch.setattr(cutting, "frames_in", ask)
    monkeypatch.setattr(io_frames, "identified", identify)
    assert run("key", tmp_path / "in", "-o", tmp_path / "out")[0] == 0
    assert asked == ["a.jpg", "b.jpg", "c.gif", "d.png", "e.gif", "f.jpg"]
    assert set(opened) == {"GIF", "PNG"}  # how a JPEG begins says enough


def test_all_frames_together_are_limited(run: Run, animation: Path, tmp_path: Path) -> None:
    most = 40 * 56 * COUNT
    options = ["-o", tmp_path / "out.gif", "--max-pixels"]
    assert run("key", animation, *options, most)[0] == 0
    code, _, err = run("key", animation, *options, most - 1)
    assert code == 1
    assert f"3 frames of 56 x 40 pixels, more than --max-pixels {most - 1}" in err
    code, _, err = run("key", animation, "-o", tmp_path / "out.gif", "--max-memory", "70KiB")
    assert code == 1
    assert "3 frames may take 78.8 KiB together, more than --max-memory 70.0 KiB" in err


def test_a_still_as_gif(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("key", photo, "-o", tmp_path / "a.gif")[0] == 0
    got = read_image(tmp_path / "a.gif")
    alpha = Remover(key_color="auto")(photo).rgba[:, :, 3]
    np.testing.assert_array_equal(got[:, :, 3], np.where(alpha >= 128, 255, 0))


# --- folders ---


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of images of many kinds, and of other files."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    image = Image.fromarray(picture())
    for name in ("a.png", "b.JPG", "c.tga", "d.qoi", "e.jpe", "f.dib"):
        image.save(folder / name, "JPEG" if name == "b.JPG" else None)
    (folder / "photo without a suffix").write_bytes((folder / "a.png").read_bytes())
    (folder / "g.png.part").write_bytes((folder / "a.png").read_bytes()[:-40])
    for name in ("a.xmp", "notes.txt", "Thumbs.db", ".DS_Store", "track.json", "clip.mpg"):
        (folder / name).write_bytes(b"no image")
    return folder


def test_images_are_what_pillow_opens(run: Run, mixed: Path, tmp_path: Path) -> None:
    code, _, err = run("key", mixed, "-o", tmp_path / "out", "-v")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("a.png", "b.png", "c.png", "d.png", "e.png", "f.png", "photo without a suffix.png"),
    ]
    passed = {line.split(": ")[1] for line in err.splitlines() if "passed over" in line}
    others = ["g.png.part", "a.xmp", "notes.txt", "Thumbs.db", ".DS_Store", "track.json"]
    assert passed == {str(mixed / name) for name in [*others, "clip.mpg"]}
    assert err.endswith("trimatte: 7 images cut out\n")
    assert "passed over" not in run("key", mixed, "-o", tmp_path / "out")[2]


@pytest.mark.parametrize(
    ("name", "head", "cause"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic", r"pip install pillow-heif, or .* its extra \[heif\]"),
        ("without a suffix", b"\0\0\0\x18ftypmif1", r"its extra \[heif\]"),
        ("a.jxl", b"\xff\x0a", "pip install pillow-jxl-plugin"),
        ("a.cr2", b"II*\0\x10\0\0\0CR\2\0", "develop it first"),
        ("a.RAF", b"FUJIFILMCCD-RAW 0201", "develop it first"),
        ("a.svg", b"<?xml version='1.0'?><svg/>", "export it as PNG"),
        ("a.xcf", b"gimp xcf v011", "export it as PNG"),
        ("a.nef", b"nonsense", "not an image"),
    ],
)
def test_an_image_that_cannot_be_read_is_a_failure(
    run: Run, photo: Path, name: str, head: bytes, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "imported", lambda plugin, extra: (None, ""))
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    monkeypatch.setattr(Image, "ID", [each for each in Image.ID if each != "HEIF"])
    folder = photo.parent / "in"
    folder.mkdir()
    photo.rename(folder / "b.png")
    (folder / name).write_bytes(head + bytes(40))
    code, out, err = run("key", folder, "-o", folder.parent / "out", "--json")
    assert code == 1
    error, good = sorted(map(json.loads, out.splitlines()), key=lambda line: not line["error"])
    assert (good["error"], error["input"]) == (None, str(folder / name))
    assert re.search(cause, error["error"])
    assert "1 of 2 failed" in err


def test_heic_is_read_where_its_plugin_is(run: Run, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    folder = tmp_path / "in"
    folder.mkdir()
    image = Image.fromarray(picture())
    # As phones name them, and as some programs do.
    for name in ("a.HEIC", "b.jpg", "c"):
        pillow_heif.from_pillow(image).save(tmp_path / "x.heic", quality=-1)
        (tmp_path / "x.heic").rename(folder / name)
    assert run("key", folder, "-o", tmp_path / "out")[0] == 0
    for name in "abc":
        assert read_image(tmp_path / "out" / f"{name}.png").shape == (40, 56, 4)


def test_a_watched_folder_goes_by_names(
    run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mixed / "z.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    looks = iter(range(3))

    def sleep(_: float) -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(cli_watch, "_SETTLED", 0.0)
    monkeypatch.setattr(cli_watch.time, "sleep", sleep)
    code, _, err = run("key", mixed, "--watch", "-o", tmp_path / "out", "-v")
    assert code == 1
    assert "photo without a suffix: passed over" in err
    assert "z.heic: " in err
    assert err.endswith("trimatte: 6 of 7 images cut out\n")


# --- sizes ---


def test_the_largest_image(run: Run, photo: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    size = 40 * 56
    for enough in (size, "3K", "0.1M", "1g"):
        assert run("key", photo, "-o", output, "--max-pixels", enough)[0] == 0
    output.unlink()
    for image in (photo, tmp_path):
        code, _, err = run("key", image, "-o", f"{tmp_path / 'o'}/", "--max-pixels", size - 1)
        assert code == 1
        assert f"56 x 40 pixels, more than --max-pixels {size - 1}" in err
    code, _, err = run("matte", photo, "--mask", photo, "-o", output, "--max-pixels", size - 1)
    assert code
    assert "--max-pixels" in err
    for wrong in ("0", "-5", "many", "2px", "nan"):
        code, _, err = run("key", photo, "-o", output, f"--max-pixels={wrong}")
        assert code == 2
        assert "--max-pixels" in err
    assert not output.exists()


def test_more_pixels_than_pillow_takes(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for format in ("png", "webp", "gif", "jpeg", "tiff"):
        file = io.BytesIO()
        with Image.open(io.BytesIO(encode_png(picture()[:9, :9]))) as small:
            small.resize((56, 40)).save(file, format)
        (tmp_path / f"large.{format}").write_bytes(file.getvalue())
        assert run("key", tmp_path / f"large.{format}", "--hard")[:1] == (0,)
        assert Image.MAX_IMAGE_PIXELS == 100
    frames = [Image.fromarray(frame(i)) for i in range(COUNT)]
    frames[0].save(tmp_path / "m.gif", save_all=True, append_images=frames[1:], disposal=2)
    assert run("key", tmp_path / "m.gif", "--hard")[0] == 0


def test_hidden_files_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".hidden", "photo", ".thumb.png"):
        (tmp_path / name).write_bytes(encode_png(picture()))
    opened: list[str] = []

    def begins(path: Path) -> bool:
        opened.append(path.name)
        return kinds.begins_like_a_photo(path)

    monkeypatch.setattr(cli_files, "begins_like_a_photo", begins)
    plan = FilePlan()
    assert list(images_in(tmp_path, False, set(), plan)) == [tmp_path / "photo"]
    assert opened == ["photo"]
    assert {path.name for path in plan.others} == {".hidden", ".thumb.png"}


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\x20ftypisom",
        b"\0\0\0\x14ftypqt  ",
        b"\x1aE\xdf\xa3",
        b"RIFF\0\0\0\0AVI LIST",
        b"G" + bytes(187) + b"G",
    ],
)
def test_a_video_has_a_command_of_its_own(run: Run, tmp_path: Path, head: bytes) -> None:
    clip = tmp_path / "clip.bin"
    clip.write_bytes(head + bytes(400))
    code, _, err = run("key", clip, "-o", tmp_path / "out.png")
    assert code == 1
    assert err.endswith("it is a video: `trimatte video` cuts it out\n")
    code, _, err = run("key", tmp_path, "-o", tmp_path / "out")
    assert "there are no images in this folder" in err


def test_a_device_is_read_by_standard_input(run: Run, tmp_path: Path) -> None:
    code, _, err = run("key", "/dev/null", "-o", tmp_path / "out.png")
    assert code == 2
    assert "give -, and its content by standard input" in err

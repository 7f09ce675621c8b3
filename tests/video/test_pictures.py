"""Numbered and animated images as videos, and videos as animated images."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from tests.video.test_video import (
    COUNT,
    FAST,
    QUICK,
    VARYING,
    av,
    check_alpha,
    frames,
    make,
    rgba,
    scene,
    times,
)
from trimatte import ArgumentError
from trimatte.io.frames import ImageFrame, read_frames, write_frames
from trimatte.io.metadata import Metadata
from trimatte.io.profiles import adobe_rgb
from trimatte.io.reading import read_image
from trimatte.io.writing import write_image
from trimatte.video import VideoWarning, remove_video, writing
from trimatte.video.colours import Colours
from trimatte.video.frames import Frame


def numbered(folder: Path, name: str = "{:04d}.png", first: int = 1) -> Path:
    folder.mkdir()
    for index in range(COUNT):
        write_image(folder / name.format(first + index), scene(index))
    return folder


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("{:04d}.png", "%04d.png"),
        ("shot{}.jpg", "shot%d.jpg"),
        ("{:03d}_a.tif", "%03d_a.tif"),
        ("{:04d}.png", ""),
        ("shot{}.webp", ""),  # in a folder 2 comes before 10, too
    ],
)
def test_numbered_images_are_a_video(tmp_path: Path, name: str, pattern: str) -> None:
    folder = numbered(tmp_path / "frames", name, first=5)
    (folder / "notes.txt").write_text("no image")
    remove_video(folder / pattern, tmp_path / "out.mov", **FAST)
    assert times(tmp_path / "out.mov") == [Fraction(i, 25) for i in range(COUNT)]
    check_alpha([rgba(frame) for frame in frames(tmp_path / "out.mov")])


def test_their_rate_and_a_part_of_them(run: Run, tmp_path: Path) -> None:
    folder = numbered(tmp_path / "frames")
    output = tmp_path / "out.mov"
    options = ["--fps", "24000/1001", "--start", "0.1", *QUICK]
    assert run("video", folder / "%04d.png", "-o", output, *options) == (0, "", "")
    expected = [Fraction(1001 * i, 24000) - Fraction(1, 10) for i in range(3, COUNT)]
    found = [float(time) for time in times(output)]
    assert found == pytest.approx([float(time) for time in expected], abs=0.03)
    with av.open(str(output)) as container:
        assert container.streams.video[0].average_rate == pytest.approx(23.976, abs=0.01)
    for wrong in ("0", "x", "1/0", "-5", "1e9"):
        code, _, err = run("video", folder, "-o", output, "--fps", wrong)
        assert (code, "--fps" in err) == (2, True)
    clip = make(tmp_path / "clip.mp4")
    remove_video(folder, output, fps=np.float32(12.5), **FAST)  # type: ignore[arg-type]
    assert times(output) == [Fraction(2 * i, 25) for i in range(COUNT)]
    with pytest.raises(ArgumentError, match="fps must be left out"):
        remove_video(clip, output, fps=25, **FAST)
    with pytest.raises(ArgumentError, match="fps must be a number in"):
        remove_video(folder, output, fps=-1, **FAST)


def test_our_own_frames_go_back_in(tmp_path: Path) -> None:
    clip = make(tmp_path / "deep.mkv", "ffv1", "yuv444p10le")
    remove_video(clip, tmp_path / "frames", **FAST)
    remove_video(tmp_path / "frames", tmp_path / "again", method="difference", **FAST)
    first = read_image(tmp_path / "frames" / "000004.png")
    again = read_image(tmp_path / "again" / "000004.png")
    assert again.dtype == np.uint16
    # Of the border a second key may take some more, but it never gives back.
    assert (again[:, :, 3] <= first[:, :, 3]).all()
    assert again[20, 20, 3] == 65535


def test_images_of_other_sizes_depths_and_channels(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    write_image(folder / "1.png", scene(0))
    write_image(folder / "2.png", np.repeat(np.repeat(scene(0), 2, axis=0), 2, axis=1))
    write_image(folder / "3.png", scene(0).astype(np.uint16) * 257)
    half = np.dstack([scene(0), np.full((48, 64), 255, np.uint8)])
    half[:, 14:, 3] = 0
    write_image(folder / "4.png", half)
    seen: list[Any] = []
    with pytest.warns(VideoWarning, match="scaled to 64 x 48") as caught:
        remove_video(
            folder, tmp_path / "o.mov", on_frame=lambda i, r: seen.append(r.rgba[:, :, 3]), **FAST
        )
    assert len(caught) == 1
    assert {alpha.shape for alpha in seen} == {(48, 64)}
    for alpha in seen[:3]:
        assert (alpha[20, 8], alpha[20, 18]) == (255, 255)
    assert (seen[3][20, 8], seen[3][20, 18]) == (255, 0)


def test_images_of_other_colours_become_srgb(tmp_path: Path) -> None:
    display_p3 = Metadata(png_colour=((b"cICP", bytes([12, 13, 0, 1])),))
    reds: list[int] = []
    for name, metadata in (("srgb", None), ("p3", display_p3)):
        folder = tmp_path / name
        folder.mkdir()
        write_image(folder / "1.png", scene(0), metadata=metadata)
        remove_video(
            folder,
            tmp_path / "out.mov",
            on_frame=lambda _, result: reds.append(int(result.rgba[20, 14, 0])),
            **FAST,
        )
    assert abs(reds[0] - 200) < 3
    assert reds[1] > 205  # a P3 red is stronger than an sRGB red of the same number


def test_damaged_profiles_are_told_once(tmp_path: Path) -> None:
    damaged = adobe_rgb()[:140] + bytes(len(adobe_rgb()) - 140)
    for number in range(3):
        write_image(tmp_path / f"{number}.png", scene(number), icc_profile=damaged)
    with pytest.warns(UserWarning, match="colours of 3 images may be off") as told:
        remove_video(tmp_path, tmp_path / "out.mov", **FAST)
    assert [str(each.message) for each in told if "colour" in str(each.message)] == [
        str(told[0].message)
    ]


def test_a_broken_image_is_a_gap(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "frames")
    data = (folder / "0004.png").read_bytes()
    (folder / "0004.png").write_bytes(data[:-60])
    with pytest.warns(VideoWarning, match=r"1 of 12 frames cannot be read: .*0004\.png"):
        remove_video(folder, tmp_path / "out.mov", **FAST)
    assert times(tmp_path / "out.mov") == [Fraction(i, 25) for i in range(COUNT) if i != 3]
    for file in folder.iterdir():
        file.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ArgumentError, match="cannot read"):
        remove_video(folder, tmp_path / "b.mov", **FAST)
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", folder / "shot%04d.png", tmp_path / "none" / "%d.png"):
        with pytest.raises(ArgumentError, match="there are no such images"):
            remove_video(source, tmp_path / "b.mov", **FAST)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["beach.jpg", "me.jpg"], "not numbered: beach.jpg, me.jpg"),
        (["1.png", "2.png", "cover.png"], "not numbered as 1.png is: cover.png"),
        (["a_001.png", "a_002.png", "b_001.png"], "not numbered as a_001.png is: b_001.png"),
        (["1.png", "2.png", "3.jpg"], "not numbered as 1.png is: 3.jpg"),
        (["1.png", "2.png", "02.png"], "are there already: 2.png"),
        (["1.gif", "2.gif"], "are animations, .*: 1.gif, 2.gif"),
        (["b.gif", "a.mp4", "B.MOV"], "there are videos in it, .*: B.MOV, a.mp4"),
        ([f"{letter}.png" for letter in "abcdefg"], "a.png, b.png, c.png, d.png, e.png and 2 more"),
    ],
)
def test_a_folder_that_is_no_sequence_is_refused(
    tmp_path: Path, names: list[str], said: str
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in names:
        if name.endswith(".gif"):
            write_frames(folder / name, [ImageFrame(scene(i), 0.1) for i in range(2)])
        elif name.endswith(("png", "jpg")):
            write_image(folder / name, scene(0))
        else:
            (folder / name).write_bytes(b"a video")
    with pytest.raises(ArgumentError, match=said):
        remove_video(folder, tmp_path / "out.mov", **FAST)


@pytest.mark.parametrize("pattern", ["", "shot1_%d.png"])
def test_missing_numbers_are_said_and_leave_gaps(tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in (1, 2, 3, 5, 6, 10):
        write_image(folder / f"shot1_{number}.png", scene(0))
    with pytest.warns(VideoWarning, match="numbers are missing, which leaves gaps: 4, 7-9$"):
        remove_video(folder / pattern, tmp_path / "out.mov", **FAST)
    assert times(tmp_path / "out.mov") == [Fraction(i, 25) for i in (0, 1, 2, 4, 5, 9)]
    done: list[tuple[int, int | None]] = []
    with pytest.warns(VideoWarning, match="numbers are missing"):
        remove_video(
            folder / pattern,
            tmp_path / "out.mov",
            start=0.1,
            progress=lambda *numbers: done.append(numbers),
            **FAST,
        )
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_every_tenth_frame_is_a_sequence_without_gaps(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (10, 20, 30):
        write_image(folder / f"{number}.png", scene(0))
    remove_video(folder, tmp_path / "out.mov", **FAST)
    assert times(tmp_path / "out.mov") == [Fraction(i, 25) for i in range(3)]


@pytest.mark.parametrize("name", ["nosuch.mp4", "*.png", "nosuch/%d.mp4"])
def test_what_is_not_there_is_no_matter_of_fps(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match="no such") as error:
        remove_video(tmp_path / name, tmp_path / "out.mov", fps=25, **FAST)
    assert ("give the folder" in str(error.value)) == (name == "*.png")


# --- animated images ---


def test_a_damaged_animation_gives_what_comes_before(tmp_path: Path) -> None:
    source = tmp_path / "in.gif"
    write_frames(source, [ImageFrame(scene(i), 0.1) for i in range(COUNT)])
    source.write_bytes(source.read_bytes()[:-60])
    with pytest.warns(VideoWarning, match=r"gif': it is damaged behind frame 11, .*: image file"):
        remove_video(source, tmp_path / "out.mov", **FAST)
    assert len(times(tmp_path / "out.mov")) == COUNT - 1


MOMENTS = [time / 1000 for time in (0, 40, 90, 120, 160, 230, 260, 300, 350, 380, 420, 470)]
LAST = 0.5


@pytest.mark.parametrize("name", ["in.gif", "in.webp", "in.apng"])
@pytest.mark.parametrize("output", ["out.mov", "out.gif"])
def test_animated_images_are_videos(tmp_path: Path, name: str, output: str) -> None:
    lengths = np.diff([*MOMENTS, LAST])
    shown = [ImageFrame(scene(i), float(length)) for i, length in enumerate(lengths)]
    write_frames(tmp_path / name, shown)
    remove_video(tmp_path / name, tmp_path / output, **FAST)
    if output == "out.mov":
        assert [float(t) for t in times(tmp_path / output)] == pytest.approx(MOMENTS)
        check_alpha([rgba(frame) for frame in frames(tmp_path / output)])
    else:
        made = list(read_frames(tmp_path / output))
        assert [frame.seconds for frame in made] == pytest.approx(list(lengths))
        check_alpha([frame.pixels for frame in made], 0.03)


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "out.apng"])
def test_videos_become_animated_images(tmp_path: Path, name: str) -> None:
    clip = make(tmp_path / "varying.mkv", times=VARYING)
    remove_video(clip, tmp_path / name, **FAST)
    made = list(read_frames(tmp_path / name))
    check_alpha([frame.pixels for frame in made], 0.03)
    # Times are rounded to hundredths in a GIF, and do not drift.
    begins = np.cumsum([0] + [frame.seconds for frame in made])[:COUNT]
    assert np.abs(begins - np.array(VARYING) / 1000).max() <= (0.00501 if "gif" in name else 0.0005)
    stream = io.BytesIO()
    remove_video(clip, stream, format=name[4:], background="white", **FAST)
    with Image.open(io.BytesIO(stream.getvalue())) as picture:
        assert picture.n_frames == COUNT  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match="no choice of codecs"):
        remove_video(clip, tmp_path / name, codec="vp9", **FAST)


def test_too_many_frames_a_second_for_a_gif_are_said(tmp_path: Path) -> None:
    clip = make(tmp_path / "fast.mkv", times=[10 * i for i in range(COUNT)])
    with pytest.warns(VideoWarning, match="too many for a GIF"):
        remove_video(clip, tmp_path / "out.gif", **FAST)


@pytest.mark.parametrize("known", [True, False])
def test_an_animation_that_would_not_fit_in_memory_is_refused(
    tmp_path: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make(tmp_path / ("clip.mkv" if known else "clip.h264"))
    monkeypatch.setattr(writing, "MAX_PIXELS", 6 * 48 * 64)
    count = COUNT if known else 7  # it is said as soon as it is known
    with pytest.raises(ArgumentError, match=rf"{count} frames of 64 x 48 are too many .* start= "):
        remove_video(clip, tmp_path / "out.webp", **FAST)
    assert not (tmp_path / "out.webp").exists()
    monkeypatch.setattr(writing, "MAX_PIXELS", COUNT * 48 * 64)
    remove_video(clip, tmp_path / "out.webp", **FAST)


@pytest.mark.parametrize("format", ["gif", "webp", "png"])
def test_an_animation_holds_frames_of_8_bits(format: str) -> None:
    animation = writing._Animation(format, SimpleNamespace(total=None, notes=[]))  # type: ignore[arg-type]
    pixels = np.full((4, 4, 4), 65535, np.uint16)
    colours = Colours(matrix=1, full_range=True, primaries=1, transfer=1)
    animation.picture(Frame(pixels, 0, 1, Fraction(1, 25), colours), pixels)
    assert [picture.dtype for picture in animation._pictures] == [np.uint8]


def test_an_animation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mkv")
    with pytest.raises(ZeroDivisionError):
        remove_video(clip, tmp_path / "out.webp", on_frame=lambda i, r: 1 / (i - 5), **FAST)  # type: ignore[arg-type,return-value]
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]

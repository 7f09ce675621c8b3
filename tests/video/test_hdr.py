"""HDR videos: what is behind them, what their files say; and videos before themselves, blurred."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run
from tests.video.test_video import COUNT, FAST, QUICK, av, frames, make
from trimatte import ArgumentError
from trimatte.io.writing import write_image
from trimatte.video import VideoWarning, remove_video
from trimatte.video.colours import Colours
from trimatte.video.hdr import in_hdr

TRANSFERS = {"PQ": 16, "HLG": 18}
# ITU-R BT.2408, table 1: the signal of 203 cd/m2, in percent.
WHITE = {"PQ": 0.58, "HLG": 0.75}


def tags(transfer: str) -> dict[str, int]:
    return {"colorspace": 9, "color_primaries": 9, "color_trc": TRANSFERS[transfer]}


def hdr_clip(path: Path, transfer: str) -> Path:
    return make(path, "ffv1", "yuv420p10le", tag={**tags(transfer), "color_range": 1})


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_levels_of_standard_screens_in_hdr(transfer: str) -> None:
    colours = Colours(9, False, 9, TRANSFERS[transfer])
    ramp = np.arange(256, dtype=np.uint16).repeat(3).reshape(1, 256, 3) * np.uint16(257)
    levels = in_hdr(ramp, colours)[0].astype(int)
    assert levels[255] / 65535 == pytest.approx(WHITE[transfer], abs=0.005)
    assert levels[0].max() <= 1
    assert (np.diff(levels, axis=0) >= 0).all()
    assert (np.ptp(levels, axis=1) <= 8).all()  # grey stays grey
    red = in_hdr(np.array([[[65535, 0, 0]]], np.uint16), colours)[0, 0].astype(int)
    assert red[0] > red[1] > red[2] > 0  # in the wider gamut red is not pure
    same = Colours(1, False, 1, TRANSFERS[transfer])
    assert in_hdr(np.array([[[65535, 0, 0]]], np.uint16), same)[0, 0, 1] <= 1


@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("image", [False, True])
def test_the_white_behind_hdr_is_diffuse_white(tmp_path: Path, transfer: str, image: bool) -> None:
    source = hdr_clip(tmp_path / "in.mkv", transfer)
    background = str(tmp_path / "white.png") if image else "white"
    write_image(tmp_path / "white.png", np.full((9, 9, 3), 255, np.uint8))
    output = tmp_path / "out.mp4"
    remove_video(source, output, background=background, codec="hevc", **FAST)
    shown = frames(output)
    assert len(shown) == COUNT
    luminance = np.frombuffer(shown[3].planes[0], np.uint16).reshape(48, -1)[40, 5]
    assert (luminance - 64) / 876 == pytest.approx(WHITE[transfer], abs=0.01)
    context = shown[3]
    assert {name: int(getattr(context, name)) for name in tags(transfer)} == tags(transfer)
    with pytest.raises(ArgumentError, match=f"linear must be left out with {transfer}"):
        remove_video(source, output, background="white", linear=True, **FAST)


@pytest.mark.parametrize("name", ["out.mov", "out.mkv", "out.nut"])
def test_hdr_cutouts_say_so(tmp_path: Path, name: str) -> None:
    source = hdr_clip(tmp_path / "in.mkv", "PQ")
    remove_video(source, tmp_path / name, **FAST)
    with av.open(str(tmp_path / name)) as container:
        context = container.streams.video[0].codec_context
        primaries, transfer = int(context.color_primaries), int(context.color_trc)
    if name != "out.nut":  # which has no place for it
        assert (primaries, transfer) == (9, 16)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_png_frames_of_hdr_say_so(tmp_path: Path, transfer: str) -> None:
    source = hdr_clip(tmp_path / "in.mkv", transfer)
    remove_video(source, tmp_path / "frames", matte=tmp_path / "mattes", **FAST)
    data = (tmp_path / "frames" / "000001.png").read_bytes()
    place = data.index(b"cICP")
    assert data[place + 4 : place + 8] == bytes([9, TRANSFERS[transfer], 0, 1])
    assert place < data.index(b"IDAT")
    assert b"cICP" not in (tmp_path / "mattes" / "000001.png").read_bytes()
    remove_video(source, tmp_path / "out.mov", matte=tmp_path / "matte.mp4", **FAST)
    assert int(frames(tmp_path / "matte.mp4")[0].color_trc) == 1
    remove_video(make(tmp_path / "sdr.mkv"), tmp_path / "sdr", **FAST)
    assert b"cICP" not in (tmp_path / "sdr" / "000001.png").read_bytes()


def test_png_frames_of_hdr_go_back_in(tmp_path: Path) -> None:
    source = hdr_clip(tmp_path / "in.mkv", "PQ")
    remove_video(source, tmp_path / "frames", **FAST)
    remove_video(
        tmp_path / "frames",
        tmp_path / "out.mp4",
        background="white",
        codec="hevc",
        method="difference",
        **FAST,
    )
    shown = frames(tmp_path / "out.mp4")[3]
    assert {name: int(getattr(shown, name)) for name in tags("PQ")} == tags("PQ")
    luminance = np.frombuffer(shown.planes[0], np.uint16).reshape(48, -1)[40, 5]
    assert (luminance - 64) / 876 == pytest.approx(WHITE["PQ"], abs=0.01)


@pytest.mark.parametrize(
    ("name", "match"), [("out.webm", "shows bands"), ("out.gif", "looks dull")]
)
def test_what_holds_hdr_badly_is_said(tmp_path: Path, name: str, match: str) -> None:
    source = hdr_clip(tmp_path / "in.mkv", "HLG")
    with pytest.warns(VideoWarning, match=match) as caught:
        remove_video(source, tmp_path / name, **FAST)
    assert len(caught) == 1


# --- a video before itself ---


def test_a_video_before_itself_out_of_focus(run: Run, tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", "ffv1", "bgr0")
    output = tmp_path / "out.mkv"
    assert run("video", source, "-o", output, "--bg", "blur", *QUICK) == (0, "", "")
    shown: list[Any] = [frame.to_ndarray(format="rgb24") for frame in frames(output)]
    given: list[Any] = [frame.to_ndarray(format="rgb24") for frame in frames(source)]
    assert len(shown) == COUNT
    for index in (0, 7):
        # The screen is of one colour: out of focus it is the same, without a halo of the disc.
        np.testing.assert_allclose(shown[index].astype(int)[40:], given[index][40:], atol=6)
        disc = (20, 14 + 3 * index)
        np.testing.assert_allclose(shown[index][disc].astype(int), given[index][disc], atol=8)

"""Videos as people have them: with alpha, with tracks that FFmpeg does not know, damaged."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.video.test_video import (
    COUNT,
    FAST,
    av,
    frames,
    make,
    packets,
    rgba,
    scene,
    sound_codec,
    times,
)
from trimatte import ArgumentError
from trimatte.io.reading import read_image
from trimatte.video import VideoWarning, remove_video


def make_transparent(
    path: Path, codec: str, layout: str, options: dict[str, str] | None = None
) -> Path:
    """The clip of `make` with nothing in its right half, from column 32 on."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = 48, 64, layout
        for index in range(COUNT):
            picture = np.dstack([scene(index), np.full((48, 64), 255, np.uint8)])
            picture[:, 32:, 3] = 0
            frame = av.VideoFrame.from_ndarray(picture, "rgba").reformat(format=layout)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


TRANSPARENT = {
    "vp9.webm": ("libvpx-vp9", "yuva420p", {"auto-alt-ref": "0"}),
    "vp8.webm": ("libvpx", "yuva420p", {"auto-alt-ref": "0"}),
    "prores.mov": ("prores_ks", "yuva444p10le", {"profile": "4444"}),
    "png.mov": ("png", "rgba", {}),
    "grey.mov": ("png", "ya8", {}),
    "animation.mov": ("qtrle", "argb", {}),
    "ffv1.mkv": ("ffv1", "yuva420p", {}),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_the_alpha_of_the_input_limits_that_of_the_output(tmp_path: Path, name: str) -> None:
    source = make_transparent(tmp_path / name, *TRANSPARENT[name])
    seen: list[Any] = []
    remover_options: dict[str, Any] = {"key_color": "green", "method": "difference"}
    remove_video(
        source,
        tmp_path / "out",
        on_frame=lambda _, result: seen.append(result.rgba[:, :, 3]),
        **FAST,
        **remover_options,
    )
    assert len(seen) == COUNT
    full = np.iinfo(seen[0].dtype).max
    disc_of_frame_4 = seen[4][20]
    assert disc_of_frame_4[26] > 0.9 * full
    assert disc_of_frame_4[34:].max() < 0.05 * full
    assert seen[4][:8, :8].min() > 0.9 * full


def test_a_transparent_colour_of_a_palette_is_alpha(tmp_path: Path) -> None:
    stripes = np.arange(3, dtype=np.uint8).repeat(16)  # the screen, the foreground, nothing
    picture = Image.fromarray(np.tile(stripes, (48, 1)))
    picture.putpalette([20, 190, 30, 200, 60, 120, 0, 0, 0])
    picture.save(tmp_path / "a.png", transparency=2)
    source = tmp_path / "a.mov"
    with av.open(str(tmp_path / "a.png")) as given, av.open(str(source), "w") as output:
        copy = output.add_stream_from_template(given.streams.video[0])
        for packet in given.demux():
            if packet.size:
                packet.stream = copy
                output.mux(packet)
    seen: list[Any] = []
    remove_video(
        source,
        tmp_path / "out.mov",
        on_frame=lambda _, result: seen.append(result.rgba[20, :, 3]),
        method="difference",
        **FAST,
    )
    assert (seen[0][4], seen[0][24], seen[0][44]) == (0, 255, 0)


def test_webm_of_our_own_is_read_with_its_alpha(tmp_path: Path) -> None:
    source = make_transparent(tmp_path / "in.webm", *TRANSPARENT["vp9.webm"])
    remove_video(source, tmp_path / "out.webm", start=0.2, **FAST)
    assert len(times(tmp_path / "out.webm")) == COUNT - 5
    remove_video(tmp_path / "out.webm", tmp_path / "again", method="difference", **FAST)
    picture = read_image(tmp_path / "again" / "000001.png")
    assert picture[20, 28, 3] > 230
    assert picture[20, 34:, 3].max() < 20


def test_alpha_that_no_decoder_gives_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trimatte.video import reading

    monkeypatch.setitem(reading._ALPHA_DECODERS, "vp9", "none-such")
    source = make_transparent(tmp_path / "in.webm", *TRANSPARENT["vp9.webm"])
    with pytest.warns(VideoWarning, match="its alpha is not read"):
        remove_video(source, tmp_path / "out.mov", **FAST)


# --- tracks ---


@pytest.fixture
def spatial(tmp_path: Path) -> Path:
    """A phone's clip: its second track of sound is of a codec that FFmpeg cannot name."""
    source = make(tmp_path / "two.mov", sound="aac")
    path = tmp_path / "spatial.mov"
    with av.open(str(source)) as given, av.open(str(path), "w") as output:
        tracks = [given.streams.video[0], given.streams.audio[0], given.streams.audio[0]]
        copies = [output.add_stream_from_template(track) for track in tracks]
        for packet in given.demux():
            for track, copy in zip(tracks, copies, strict=True):
                if packet.stream is track and packet.size:
                    twin = av.Packet(bytes(packet))
                    twin.pts, twin.dts, twin.duration = packet.pts, packet.dts, packet.duration
                    twin.time_base, twin.is_keyframe = packet.time_base, packet.is_keyframe
                    twin.stream = copy
                    output.mux(twin)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"stsd") + 16
    assert data[place : place + 4] == b"mp4a"
    data[place : place + 4] = b"apac"
    place = data.index(b"esds", place)
    data[place : place + 4] = b"dapa"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "out.mkv", "out.mp4", "out"])
def test_sound_that_ffmpeg_does_not_know_is_left_out(
    spatial: Path, tmp_path: Path, name: str
) -> None:
    background = "white" if name.endswith("mp4") else None
    with pytest.warns(VideoWarning, match="not passed on: 1 sound of an unknown codec") as caught:
        remove_video(spatial, tmp_path / name, background=background, **FAST)
    assert len(caught) == 1
    if name != "out":
        assert sound_codec(tmp_path / name) == ("opus" if name == "out.webm" else "aac")


def test_no_sound_is_missed_where_none_is_wanted(spatial: Path, tmp_path: Path) -> None:
    remove_video(spatial, tmp_path / "out.mov", audio=False, **FAST)
    assert sound_codec(tmp_path / "out.mov") is None


def test_other_tracks_are_said_to_be_lost(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:00,200\nhello\n")
    plain, source = make(tmp_path / "a.mov"), tmp_path / "b.mkv"
    with (
        av.open(str(plain)) as picture,
        av.open(str(tmp_path / "a.srt")) as text,
        av.open(str(source), "w") as output,
    ):
        for given in (picture.streams.video[0], text.streams.subtitles[0]):
            output.add_stream_from_template(given)
        for number, container in enumerate((picture, text)):
            for packet in container.demux():
                if packet.size:
                    packet.stream = output.streams[number]
                    output.mux(packet)
    with pytest.warns(VideoWarning, match="not passed on: 1 subtitle$"):
        remove_video(source, tmp_path / "out.mov", **FAST)


# --- damage ---


def damaged(path: Path, numbers: list[int], kind: str = "video") -> Path:
    """The file, with the packets of these numbers overwritten."""
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(**{kind: 0}) if packet.size]
        places = [(found[number].pos, found[number].size) for number in numbers]
    data = bytearray(path.read_bytes())
    for place, size in places:
        data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    return path


INTRA = {"g": "1", "bf": "0"}


@pytest.mark.parametrize("number", [4, COUNT - 2, COUNT - 1])
def test_one_damaged_packet_loses_one_frame(tmp_path: Path, number: int) -> None:
    source = damaged(make(tmp_path / "a.mp4", options=INTRA, sound="aac"), [number])
    with pytest.warns(VideoWarning, match=f"1 of {COUNT} frames cannot be decoded") as caught:
        remove_video(source, tmp_path / "out.mov", **FAST)
    assert len(caught) == 1
    expected = [Fraction(i, 25) for i in range(COUNT) if i != number]
    assert times(tmp_path / "out.mov") == expected
    assert len(packets(tmp_path / "out.mov")) == len(packets(source))


def test_a_picture_of_which_nothing_can_be_decoded(tmp_path: Path) -> None:
    source = damaged(make(tmp_path / "a.mp4", options=INTRA), list(range(COUNT)))
    with pytest.raises(ArgumentError, match=r"cannot read .*Invalid data"):
        remove_video(source, tmp_path / "out.mov", **FAST)


@pytest.mark.parametrize(("name", "left"), [("out.mov", 22), ("out.webm", None)])
def test_damaged_sound_does_not_end_the_film(tmp_path: Path, name: str, left: int | None) -> None:
    source = damaged(make(tmp_path / "a.mp4", sound="aac"), [5, 6], "audio")
    if left is None:
        with pytest.warns(VideoWarning, match="packets of its sound are damaged and left out"):
            remove_video(source, tmp_path / name, **FAST)
    else:
        remove_video(source, tmp_path / name, **FAST)
    assert times(tmp_path / name) == [Fraction(i, 25) for i in range(COUNT)]


def test_sound_whose_time_runs_backwards(clip_of_two_parts: Path, tmp_path: Path) -> None:
    for name in ("out.mov", "out.webm", "out.mkv"):
        with pytest.warns(VideoWarning, match="1 of 24 frames may show errors"):
            remove_video(clip_of_two_parts, tmp_path / name, **FAST)
        shown, heard = times(tmp_path / name), [time for time, _ in packets(tmp_path / name)]
        assert len(shown) == 2 * COUNT
        for found in (shown, heard):
            steps = np.diff(np.array(found, float))
            assert 0 < steps.min() <= steps.max() < 0.15


@pytest.fixture
def clip_of_two_parts(tmp_path: Path) -> Path:
    """Two transport streams, one behind the other, whose times are the same."""
    part = make(tmp_path / "part.ts", sound="aac").read_bytes()
    path = tmp_path / "parts.ts"
    path.write_bytes(part + part)
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_file_that_is_cut_short_gives_what_it_has(tmp_path: Path, name: str) -> None:
    first = {"movflags": "faststart"} if name == "a.mp4" else {}
    source = make(tmp_path / name, options=INTRA, muxer=first)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 3 // 4])
    with pytest.warns(VideoWarning, match=r"it ends at 0\.\d\d s instead of 0\.48 s"):
        summary = remove_video(source, tmp_path / "out.mov", **FAST)
    assert COUNT // 2 <= summary.frames < COUNT


def test_frames_of_other_sizes_are_scaled_to_the_first(tmp_path: Path) -> None:
    parts = b""
    for index, (size, layout) in enumerate(
        [((48, 64), "yuv420p"), ((96, 128), "yuv420p"), ((48, 64), "yuv422p10le")]
    ):
        begins = [1000 + 480 * index + 40 * i for i in range(COUNT)]
        part = make(
            tmp_path / f"{index}.ts", layout=layout, size=size, times=begins, options={"bf": "0"}
        )
        parts += part.read_bytes()
    source = tmp_path / "a.ts"
    source.write_bytes(parts)
    seen: list[Any] = []
    with pytest.warns(VideoWarning) as caught:
        remove_video(
            source, tmp_path / "out.mov", on_frame=lambda i, r: seen.append(r.rgba), **FAST
        )
    said = [str(warning.message) for warning in caught]
    assert sum("are scaled to 64 x 48, the size of the first" in text for text in said) == 1
    assert len(seen) == len(frames(tmp_path / "out.mov")) == 3 * COUNT
    assert {(picture.shape, picture.dtype.name) for picture in seen} == {((48, 64, 4), "uint8")}
    for index in range(COUNT):
        first = seen[index].astype(int)
        assert np.abs(first - seen[index + 2 * COUNT]).mean() < 12
    assert rgba(frames(tmp_path / "out.mov")[0]).shape == (48, 64, 4)


WHOLE = {
    "a.mjpeg": ("mjpeg", "yuvj420p", {}),
    "alt-ref.webm": ("libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "8"}),
    "b-frames.mp4": ("libx264", "yuv420p", {"bf": "3"}),
    "a.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "a.asf": ("wmv2", "yuv420p", {}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_is_said_of_whole_files(tmp_path: Path, name: str) -> None:
    codec, layout, options = WHOLE[name]
    source = make(tmp_path / name, codec, layout, options=options)
    assert remove_video(source, tmp_path / "out.mov", **FAST).frames == COUNT


@pytest.mark.parametrize("kept", ["a half", "some of the index"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
def test_a_film_without_its_index_is_said_to_be_cut_short(
    tmp_path: Path, name: str, kept: str
) -> None:
    whole = make(tmp_path / name).read_bytes()
    path = tmp_path / f"cut_{name}"
    path.write_bytes(whole[: len(whole) // 2 if kept == "a half" else whole.rindex(b"moov") + 60])
    with pytest.raises(ArgumentError, match=r"index \(moov\) is missing: it is cut short"):
        remove_video(path, tmp_path / "out.mov", **FAST)

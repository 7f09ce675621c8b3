"""Videos in and out: every frame, its time, its colours, its sound, and what happens on failure."""

from __future__ import annotations

import io
import re
import signal
import struct
import sys
import threading
import types
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run
from trimatte import ArgumentError, EngineError, Remover
from trimatte.cli.main import main
from trimatte.io.reading import read_image
from trimatte.io.writing import encode_png, write_image
from trimatte.video import VideoRemover, VideoWarning, remove_video

av: Any = pytest.importorskip("av", reason="test_video: pip install 'trimatte[video]'")

GREEN = (20, 190, 30)
COUNT = 12
TICKS = Fraction(1, 1000)
VARYING = [0, 40, 87, 120, 160, 230, 260, 300, 347, 380, 420, 475]
QUICK = ["--no-stabilize", "--quality", "fast"]
FAST: dict[str, Any] = {"model": None, "stabilize": False, "quality": "fast"}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("trimatte-")]
    assert not left


def truth(index: int, size: tuple[int, int] = (48, 64)) -> Any:
    """Where the disc of a frame is."""
    y, x = np.indices(size)
    return (y - 20) ** 2 + (x - 14 - 3 * index) ** 2 < 110


def scene(index: int, size: tuple[int, int] = (48, 64)) -> Any:
    """A disc that moves to the right before a green screen, with a mark at the top left."""
    image = np.empty((*size, 3), np.uint8)
    image[:] = GREEN
    image[truth(index, size)] = (200, 60 + 5 * index, 120)
    image[:8, :8] = (240, 240, 240)
    return image


def make(
    path: Path,
    codec: str = "libx264",
    layout: str = "yuv420p",
    *,
    size: tuple[int, int] = (48, 64),
    times: list[int] | None = None,
    sound: str | None = None,
    tag: dict[str, int] | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """A clip of COUNT frames, 25 a second unless their times are given in milliseconds."""
    with av.open(str(path), "w", container_options=muxer or {}) as output:
        stream = output.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt = layout
        stream.codec_context.time_base = TICKS
        for name, value in (tag or {}).items():
            setattr(stream.codec_context, name, value)
        track = output.add_stream(sound, rate=48000) if sound else None
        if track is not None:
            track.layout = "stereo"
        for index in range(COUNT):
            frame = av.VideoFrame.from_ndarray(scene(index, size), "rgb24").reformat(
                format=layout, dst_colorspace="itu601", interpolation=4 | 0x40000
            )
            frame.pts = 40 * index if times is None else times[index]
            frame.time_base = TICKS
            output.mux(stream.encode(frame))
        if track is not None:
            for index in range(22):
                wave = np.sin(np.arange(1024) / 20 + index).astype(np.float32) / 4
                heard = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
                heard.sample_rate, heard.pts, heard.time_base = (
                    48000,
                    1024 * index,
                    Fraction(1, 48000),
                )
                output.mux(track.encode(heard))
            output.mux(track.encode(None))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "clip.mp4", sound="aac")


@pytest.fixture(scope="module")
def varying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "varying.mkv", times=VARYING)


def frames(path: Path) -> list[Any]:
    """The decoded frames; libvpx's decoder is the one that gives alpha."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name != "vp9":
            return list(container.decode(stream))
        decoder = av.codec.CodecContext.create("libvpx-vp9", "r")
        return [f for p in container.demux(stream) if p.size for f in decoder.decode(p)]


def times(path: Path) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in frames(path)]


def rgba(frame: Any) -> Any:
    return frame.to_ndarray(format="rgba")


def packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(track) if p.size]


def sound_codec(path: Path) -> str | None:
    with av.open(str(path)) as container:
        tracks = container.streams.audio
        return tracks[0].codec_context.codec.canonical_name if tracks else None


def check_alpha(pictures: list[Any], worst: float = 0.025) -> None:
    assert len(pictures) == COUNT
    for index, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        expected = truth(index, (height, width))
        expected[:8, :8] = True
        error = np.abs(picture[:, :, 3] / np.iinfo(picture.dtype).max - expected)
        assert error.mean() < worst, index


# --- what is kept ---


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "out.mkv"])
def test_every_frame_has_its_alpha(clip: Path, tmp_path: Path, name: str) -> None:
    summary = remove_video(clip, tmp_path / name, **FAST)
    assert (summary.frames, summary.output) == (COUNT, tmp_path / name)
    assert summary.fps > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
    check_alpha([rgba(frame) for frame in frames(tmp_path / name)])
    assert times(tmp_path / name) == times(clip)


def test_containers_have_the_usual_codecs(clip: Path, tmp_path: Path) -> None:
    for name, layout in (("a.mov", "yuva444p12le"), ("a.webm", "yuv420p"), ("a.mkv", "bgra")):
        remove_video(clip, tmp_path / name, audio=False, **FAST)
        with av.open(str(tmp_path / name)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.pix_fmt in (layout, "yuva444p10le")
            assert stream.average_rate == 25
            assert not container.streams.audio
            if name == "a.webm":
                assert stream.metadata["alpha_mode"] == "1"


def test_colour_goes_on_beyond_the_edge_where_neighbours_share_it(
    clip: Path, tmp_path: Path
) -> None:
    for name, darkest in (("out.webm", 150), ("out.mov", 0)):
        remove_video(clip, tmp_path / name, **FAST)
        picture = rgba(frames(tmp_path / name)[0])
        assert picture[20, 28, 3] < 8
        assert abs(int(picture[20, 28, 0]) - max(darkest, 0)) < 60


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "out.mkv"])
def test_varying_times_are_kept(varying: Path, tmp_path: Path, name: str) -> None:
    remove_video(varying, tmp_path / name, **FAST)
    assert times(tmp_path / name) == [time * TICKS for time in VARYING]


def test_a_folder_of_frames(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    assert remove_video(clip, folder, **FAST).output == folder
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{i + 1:06d}.png" for i in range(COUNT)]
    check_alpha([read_image(folder / name) for name in names])
    with pytest.raises(ArgumentError, match="numbered frames already"):
        remove_video(clip, folder, **FAST)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("stay")
    remove_video(clip, f"{other}/", **FAST)
    assert len(list(other.iterdir())) == COUNT + 1
    assert (other / "notes.txt").read_text() == "stay"


def test_a_folder_that_is_there_is_only_added_to(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "notes.txt").write_text("stay")
    folder.chmod(0o750)
    before, inside = folder.stat(), (folder / "sub").stat()

    def fail(index: int, result: Any) -> None:
        assert [path.name for path in tmp_path.iterdir()] == ["frames"]
        if index == 5:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        remove_video(clip, folder, on_frame=fail, **FAST)
    assert [path.name for path in folder.iterdir()] == ["sub"]
    remove_video(clip, folder, **FAST)
    assert len(list(folder.iterdir())) == COUNT + 1
    after = folder.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert (folder / "sub").stat().st_ino == inside.st_ino
    assert (folder / "sub" / "notes.txt").read_text() == "stay"


@pytest.mark.parametrize("there", [True, False])
def test_a_frame_that_came_meanwhile_stays(clip: Path, tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "frames"
    if there:
        folder.mkdir()

    def intrude(index: int, result: Any) -> None:
        (folder / "000005.png").write_text("another's")

    with pytest.raises(ArgumentError, match=r"cannot write .*there is a 000005\.png already"):
        remove_video(clip, folder, on_frame=intrude, **FAST)
    assert [path.name for path in folder.iterdir()] == ["000005.png"]
    assert (folder / "000005.png").read_text() == "another's"


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    source = make(tmp_path / "deep.mkv", "ffv1", "yuv444p10le")
    seen: list[Any] = []
    remove_video(source, tmp_path / "out/", on_frame=lambda i, r: seen.append(r.rgba), **FAST)
    assert {picture.dtype.name for picture in seen} == {"uint16"}
    check_alpha(seen)
    stored = frames(source)[0]
    # White of 10 bits is white of 16, and every level is within a third of its own.
    levels = np.frombuffer(stored.planes[0], np.uint16).reshape(48, -1)[:8, :8]
    expected = (levels - 64.0) / 876 * 65535
    np.testing.assert_allclose(seen[0][2:6, 2:6, 1], expected[2:6, 2:6], atol=24)
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "000001.png"), seen[0])


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [("a.mov", "prores_ks", "yuv422p10le"), ("a.mp4", "libx265", "yuv420p10le")],
)
def test_sources_of_ten_bits(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    source = make(tmp_path / name, codec, layout, options=quiet)
    depths: set[str] = set()
    output = tmp_path / "out.mov"
    remove_video(source, output, on_frame=lambda i, r: depths.add(r.rgba.dtype.name), **FAST)
    assert depths == {"uint16"}
    check_alpha([rgba(frame) for frame in frames(output)])
    assert times(output) == times(source)


def test_a_transport_stream_begins_at_zero(tmp_path: Path) -> None:
    source = make(tmp_path / "a.ts", times=[2000 + 40 * i for i in range(COUNT)])
    assert times(source)[0] >= 2
    remove_video(source, tmp_path / "out.mov", **FAST)
    assert times(tmp_path / "out.mov") == [Fraction(i, 25) for i in range(COUNT)]


def test_white_and_black_of_ten_bits_survive(tmp_path: Path) -> None:
    from trimatte.video.colours import Colours, Converter

    converter = Converter(av)
    colours = Colours(1, False, 1, 1)
    levels = np.linspace(0, 65535, 64).round()
    array = np.broadcast_to(levels[None, :, None], (48, 64, 3)).astype(np.uint16)
    frame = converter.to_frame(array, "yuv444p10le", colours)
    luminance = np.frombuffer(frame.planes[0], np.uint16).reshape(48, -1)[:, :64]
    np.testing.assert_allclose(luminance[5], 64 + 876 * levels / 65535, atol=0.51)
    back = converter.to_array(frame)
    assert back.dtype == np.uint16
    np.testing.assert_allclose(back[5].astype(int), array[5], atol=65535 / 876 * 0.75)
    assert back[0, 0].max() == 0
    assert back[0, -1].min() > 65500


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("span", [1, 2])
def test_colours_are_what_the_file_says(matrix: int, span: int) -> None:
    from trimatte.video.colours import Colours, Converter

    kr, kb = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}[matrix]
    rgb = np.array([200, 60, 120]) / 255
    luminance = rgb @ [kr, 1 - kr - kb, kb]
    parts = [
        luminance,
        (rgb[2] - luminance) / (2 - 2 * kb),
        (rgb[0] - luminance) / (2 - 2 * kr),
    ]
    scale, low = ((219, 224), 16) if span == 1 else ((255, 255), 0)
    frame = av.VideoFrame(64, 48, "yuv444p")
    for plane, part, size, zero in zip(
        frame.planes, parts, (scale[0], scale[1], scale[1]), (low, 128, 128), strict=True
    ):
        plane.update(bytes([round(part * size + zero)]) * plane.buffer_size)
    frame.colorspace, frame.color_range = matrix, span
    converter = Converter(av)
    np.testing.assert_allclose(converter.to_array(frame)[9, 9], rgb * 255, atol=2)
    again = converter.to_frame(converter.to_array(frame), "yuv444p", Colours.of(frame))
    assert (int(again.colorspace), int(again.color_range)) == (matrix, 1)
    assert Colours.of(again).primaries == matrix
    np.testing.assert_allclose(converter.to_array(again)[9, 9], rgb * 255, atol=3)


def test_the_output_is_tagged(tmp_path: Path) -> None:
    tags = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}
    source = make(tmp_path / "tagged.mp4", tag=tags)
    remove_video(source, tmp_path / "out.mov", **FAST)
    with av.open(str(tmp_path / "out.mov")) as container:
        context = container.streams.video[0].codec_context
        assert {name: int(getattr(context, name)) for name in tags} == tags


# The display matrix of the header: how it was turned, and where that brings the top left corner.
ROTATED = {
    "upright": ((1, 0, 0, 1), (0, 0)),
    "90": ((0, 1, -1, 0), (0, -1)),
    "180": ((-1, 0, 0, -1), (-1, -1)),
    "270": ((0, -1, 1, 0), (-1, 0)),
    "mirrored": ((-1, 0, 0, 1), (0, -1)),
}


@pytest.mark.parametrize("turn", ROTATED)
def test_the_output_is_upright(clip: Path, tmp_path: Path, turn: str) -> None:
    (a, b, c, d), corner = ROTATED[turn]
    data = bytearray(clip.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", data, place)[8] == 1 << 30
    struct.pack_into(">9i", data, place, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    source = tmp_path / "turned.mp4"
    source.write_bytes(data)
    remove_video(source, tmp_path / "out.mov", **FAST)
    shown = frames(tmp_path / "out.mov")
    assert (shown[0].height, shown[0].width) == ((64, 48) if turn in ("90", "270") else (48, 64))
    assert shown[0].rotation == 0
    pixels = rgba(shown[0])
    row, column = (slice(-6, -2) if at else slice(2, 6) for at in corner)
    assert pixels[row, column, :3].min() > 200
    assert (pixels[:, :, 3] > 128).sum() == pytest.approx(truth(0).sum() + 64, abs=40)


@pytest.mark.parametrize(("name", "size"), [("a.mov", (49, 65)), ("a.webm", (49, 65))])
def test_odd_sizes(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    source = make(tmp_path / "odd.mkv", "ffv1", "yuv444p", size=size)
    remove_video(source, tmp_path / name, **FAST)
    pictures = [rgba(frame) for frame in frames(tmp_path / name)]
    assert pictures[0].shape == (*size, 4)
    check_alpha(pictures)


def test_start_and_end(varying: Path, clip: Path, tmp_path: Path) -> None:
    remove_video(varying, tmp_path / "a.mov", start=0.1, end=0.347, **FAST)
    assert times(tmp_path / "a.mov") == [time * TICKS - Fraction(1, 10) for time in VARYING[3:8]]
    calls: list[tuple[int, int | None]] = []
    remove_video(
        clip, tmp_path / "b.mov", start=0.2, progress=lambda *call: calls.append(call), **FAST
    )
    assert times(tmp_path / "b.mov") == [Fraction(40 * i, 1000) for i in range(7)]
    assert calls == [(i + 1, 7) for i in range(7)]
    assert all(-0.03 < time < 0.3 for time, _ in packets(tmp_path / "b.mov"))
    with pytest.raises(ArgumentError, match="no frames"):
        remove_video(clip, tmp_path / "c.mov", start=5, **FAST)
    for wrong in ({"start": -1}, {"start": 2, "end": 1}, {"end": float("nan")}):
        with pytest.raises(ArgumentError, match=r"start|end"):
            remove_video(clip, tmp_path / "c.mov", **wrong, **FAST)
    assert not (tmp_path / "c.mov").exists()


# --- sound ---


def test_sound_is_copied(clip: Path, tmp_path: Path) -> None:
    remove_video(clip, tmp_path / "out.mov", **FAST)
    assert packets(tmp_path / "out.mov") == packets(clip)


@pytest.mark.parametrize(
    ("name", "sound", "expected"),
    [("out.webm", "aac", "opus"), ("out.mp4", "flac", "aac"), ("out.mov", "flac", "pcm_s16le")],
)
def test_sound_that_the_container_does_not_take(
    tmp_path: Path, name: str, sound: str, expected: str
) -> None:
    source = make(tmp_path / "source.mkv", sound=sound)
    background = "white" if name.endswith("mp4") else None
    remove_video(source, tmp_path / name, background=background, **FAST)
    assert sound_codec(tmp_path / name) == expected
    last, _ = packets(tmp_path / name)[-1]
    assert float(last) == pytest.approx(22 * 1024 / 48000, abs=0.06)
    assert times(tmp_path / name)[0] == 0


def test_sound_can_be_left_out(clip: Path, tmp_path: Path) -> None:
    remove_video(clip, tmp_path / "out.mov", audio=False, **FAST)
    assert sound_codec(tmp_path / "out.mov") is None


def test_sound_that_lies_behind_the_last_frame_is_found(tmp_path: Path) -> None:
    source = make(
        tmp_path / "a.mkv", "ffv1", "bgr0", sound="aac", muxer={"max_interleave_delta": "1"}
    )
    with av.open(str(source)) as container:
        kinds = [p.stream.type for p in container.demux() if p.size]
    assert "audio" not in kinds[: COUNT - 1]
    remove_video(source, tmp_path / "out.mkv", end=0.2, **FAST)
    assert len(times(tmp_path / "out.mkv")) == 5
    expected = [packet for packet in packets(source) if 0 <= packet[0] < Fraction(1, 5)]
    assert len(expected) > 8
    assert packets(tmp_path / "out.mkv") == expected


# --- backgrounds and mattes ---


def test_a_background_makes_it_opaque(clip: Path, tmp_path: Path) -> None:
    remove_video(clip, tmp_path / "out.mp4", background=(10, 20, 200), **FAST)
    decoded = frames(tmp_path / "out.mp4")
    assert (len(decoded), decoded[0].format.name) == (COUNT, "yuv420p")
    np.testing.assert_allclose(decoded[5].to_ndarray(format="rgb24")[40, 5], (10, 20, 200), atol=8)
    plate = tmp_path / "plate.png"
    write_image(plate, np.full((30, 30, 3), 90, np.uint8))
    odd = make(tmp_path / "odd.mkv", "ffv1", "yuv444p", size=(49, 65))
    remove_video(odd, tmp_path / "b.mp4", background=str(plate), **FAST)
    assert (frames(tmp_path / "b.mp4")[0].height, frames(tmp_path / "b.mp4")[0].width) == (50, 66)
    with pytest.raises(ArgumentError, match="background"):
        remove_video(clip, tmp_path / "c.mp4", background="no such colour", **FAST)


def test_a_matte_beside(clip: Path, tmp_path: Path) -> None:
    remove_video(clip, tmp_path / "out.mov", matte=tmp_path / "matte.mp4", **FAST)
    matte = [frame.to_ndarray(format="rgb24") for frame in frames(tmp_path / "matte.mp4")]
    check_alpha([np.dstack([picture, picture[:, :, 0]]) for picture in matte], 0.03)
    assert sound_codec(tmp_path / "matte.mp4") is None
    with pytest.raises(ArgumentError, match="both"):
        remove_video(clip, tmp_path / "x.mov", matte=tmp_path / "x.mov", **FAST)


# --- failures ---


@pytest.mark.parametrize("name", ["out.mov", "frames"])
def test_an_error_in_the_middle_leaves_nothing(clip: Path, tmp_path: Path, name: str) -> None:
    def fail(index: int, result: Any) -> None:
        if index == 5:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        remove_video(clip, tmp_path / name, on_frame=fail, **FAST)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_encoder_leaves_nothing(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trimatte.video import colours

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(colours.Converter, "to_frame", fail)
    with pytest.raises(ArgumentError, match=r"cannot write .*No space left"):
        remove_video(clip, tmp_path / "out.mov", **FAST)
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_on_failure(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mov"
    output.write_text("older")
    with pytest.raises(ZeroDivisionError):
        remove_video(clip, output, on_frame=lambda i, r: 1 / 0, **FAST)
    assert output.read_text() == "older"


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "frames"])
def test_an_interrupt_leaves_what_was_done(clip: Path, tmp_path: Path, name: str) -> None:
    def stop(done: int, total: int | None) -> None:
        assert total == COUNT
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_video(clip, tmp_path / name, progress=stop, **FAST)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name == "frames":
        assert len(list((tmp_path / name).iterdir())) == 5
    else:
        assert times(tmp_path / name) == times(clip)[:5]


@pytest.mark.usefixtures("interruptible")
def test_control_c(clip: Path, tmp_path: Path) -> None:
    def interrupt(index: int, result: Any) -> None:
        if index == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        remove_video(clip, tmp_path / "out.mov", on_frame=interrupt, **FAST)
    assert len(frames(tmp_path / "out.mov")) == 4


def interrupt_the_finish(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Ctrl-C comes as often while the file is being finished."""
    from trimatte.video import job, writing

    if not hasattr(signal, "pthread_kill"):
        pytest.skip("no signal wakes the main thread here")
    finish, wait = writing._File.finish, job._Job._finish
    waits, heard = threading.Semaphore(0), threading.Semaphore(0)

    def note(*_: object) -> None:
        heard.release()
        raise KeyboardInterrupt

    def noted_wait(*arguments: Any) -> None:
        waits.release()
        wait(*arguments)

    def slow(file: Any) -> None:
        for _ in range(times):
            assert waits.acquire(timeout=120)
            interrupt = True
            while interrupt:
                # Not raise_signal: that of another thread does not wake the one that waits. Again
                # where nobody hears it: a signal just before the wait begins does not end the wait.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                interrupt = not heard.acquire(timeout=1)
        finish(file)

    monkeypatch.setattr(writing._File, "finish", slow)
    monkeypatch.setattr(job._Job, "_finish", noted_wait)
    signal.signal(signal.SIGINT, note)  # the fixture `interruptible` takes it back


@pytest.mark.usefixtures("interruptible")
def test_control_c_while_the_file_is_finished(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_the_finish(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        remove_video(clip, tmp_path / "out.mov", **FAST)
    assert times(tmp_path / "out.mov") == times(clip)


@pytest.mark.usefixtures("interruptible")
def test_who_insists_gives_the_file_up(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_the_finish(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        remove_video(clip, tmp_path / "out.mov", **FAST)
    assert list(tmp_path.iterdir()) == []


def test_broken_files(clip: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    for content in (b"", b"no video at all" * 50, clip.read_bytes()[:1500]):
        broken.write_bytes(content)
        with pytest.raises(ArgumentError, match=r"cannot read .*broken\.mp4"):
            remove_video(broken, tmp_path / "out.mov", **FAST)
    with pytest.raises(ArgumentError, match="no such file"):
        remove_video(tmp_path / "none.mp4", tmp_path / "out.mov", **FAST)
    silent = tmp_path / "sound.mkv"
    with av.open(str(silent), "w") as output:
        track = output.add_stream("flac", rate=48000)
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), "s16", "stereo")
        heard.sample_rate = 48000
        output.mux(track.encode(heard))
        output.mux(track.encode(None))
    with pytest.raises(ArgumentError, match="no picture"):
        remove_video(silent, tmp_path / "out.mov", **FAST)
    assert {path.name for path in tmp_path.iterdir()} == {"broken.mp4", "sound.mkv"}


def test_what_cannot_be_written(clip: Path, tmp_path: Path) -> None:
    for name, options, message in (
        ("a.mp4", {}, "background"),
        ("a.avi", {}, "use .mov, .webm"),
        ("a.mov", {"codec": "divx"}, "prores or h264"),
        ("a.mkv", {"codec": "h264"}, "holds no transparency"),
        ("none/a.mov", {}, "there is no folder"),
        ("frames/", {"codec": "prores"}, "codec must be left out with a folder"),
        ("frames/", {"format": "mov"}, "format must be left out with a folder"),
    ):
        with pytest.raises(ArgumentError, match=message):
            remove_video(clip, f"{tmp_path}/{name}", **options, **FAST)
    own = tmp_path / "own.mkv"
    own.write_bytes(clip.read_bytes())
    with pytest.raises(ArgumentError, match="name another output"):
        remove_video(own, own, **FAST)
    assert own.read_bytes() == clip.read_bytes()
    plate = tmp_path / "plate.mp4"
    plate.write_bytes(encode_png(scene(0)))
    with pytest.raises(ArgumentError, match="name another output"):
        remove_video(own, plate, background=plate, **FAST)


def test_arguments_of_the_wrong_kind(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mov"
    for given, options, message in (
        ((5, output), {}, "source must be a path or a binary file object, got 5"),
        ((clip, 5), {}, "output must be a path or a binary file object, got 5"),
        ((clip, ""), {}, "output must be a path or a binary file object, got ''"),
        ((clip, "a\0.mov"), {}, "output must be a path or a binary file object"),
        ((io.StringIO(), output), {}, "source must be a path or a binary file object"),
        ((clip, io.StringIO()), {}, "output must be a path or a binary file object"),
        ((clip, output), {"matte": b"a.mp4"}, "matte must be a path, got b'a.mp4'"),
        ((clip, output), {"start": "5"}, "start must be seconds, 0 or more, got '5'"),
        ((clip, output), {"end": "5"}, "end must be seconds, 0 or more, got '5'"),
        ((clip, output), {"linear": True}, "linear requires background"),
    ):
        arguments: Any = options
        with pytest.raises(ArgumentError, match=re.escape(message)):
            remove_video(*given, **arguments, **FAST)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    remove_video(clip, output, end=np.float32(0.25), **FAST)  # type: ignore[arg-type]
    assert len(frames(output)) == 7


def test_interlaced_is_said_once(clip: Path, tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv", options={"x264-params": "tff=1:interlaced=1"})
    with pytest.warns(VideoWarning, match="interlaced") as caught:
        remove_video(source, tmp_path / "out.mov", **FAST)
    assert len(caught) == 1


def test_pyav_is_asked_for(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(EngineError, match=r"pip install av, or .*\[video\]"):
        remove_video(clip, tmp_path / "out.mov", **FAST)


# --- live ---


class Halver:
    """Stands in for a Stabilizer."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.resets = 0

    def __call__(self, image: Any, alpha: Any) -> Any:
        assert image.shape[:2] == alpha.shape
        self.seen.append(alpha)
        return alpha * np.float32(0.5)

    def reset(self) -> None:
        self.resets += 1


def test_live_frames_keep_their_state() -> None:
    halver = Halver()
    remover = VideoRemover(stabilize=halver, quality="fast")
    result = remover(scene(0))
    assert result.alpha.max() == 0.5
    assert result.rgba[:, :, 3].max() == 128
    assert result.timings["adjust"] >= 0
    remover(scene(1))
    assert (len(halver.seen), halver.resets) == (2, 1)
    remover(scene(2, (60, 60)))
    assert halver.resets == 2
    remover.reset()
    assert halver.resets == 3
    plain = Remover(model=None, quality="fast")(scene(0))
    steady = VideoRemover(Remover(model=None, quality="fast"), stabilize=False)(scene(0))
    np.testing.assert_array_equal(plain.rgba, steady.rgba)
    with pytest.raises(ArgumentError, match="tolerance"):
        VideoRemover(Remover(model=None), stabilize=False, tolerance=3)


def test_a_stabilizer_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("trimatte.ops.stabilizing")
    module.Stabilizer = Halver
    monkeypatch.setitem(sys.modules, "trimatte.ops.stabilizing", module)
    assert VideoRemover(quality="fast")(scene(0)).alpha.max() == 0.5


def test_what_is_known_of_the_screen_goes_from_frame_to_frame() -> None:
    halver = Halver()
    remover = VideoRemover(stabilize=halver, quality="fast")
    first, second = remover(scene(0)).screen, remover(scene(1)).screen
    assert first is not None
    assert second is not None
    assert second.key_color == first.key_color
    assert np.abs(second.plate - first.plate).max() < 0.02
    assert halver.resets == 1
    for number in (2, 3):  # a cut, and the frame after it
        blue = remover(np.ascontiguousarray(scene(number)[:, :, [0, 2, 1]])).screen
        assert blue is not None
        assert blue.key_color[2] > blue.key_color[1]
        assert halver.resets == 2


def test_a_frame_without_a_screen_is_kept_whole() -> None:
    remover = VideoRemover(model=None, stabilize=False, quality="fast")
    black = np.zeros((48, 64, 3), np.uint8)
    with pytest.warns(VideoWarning, match="kept whole"):
        assert (remover(black).alpha == 1).all()
    assert (remover(scene(0)).alpha == 0).any()


def test_a_video_remover_cuts_a_file(clip: Path, tmp_path: Path) -> None:
    halver = Halver()
    remover = VideoRemover(stabilize=halver, quality="fast")
    remover(scene(3))
    remove_video(clip, tmp_path / "out.mov", remover=remover)
    assert len(halver.seen) == 1 + COUNT
    assert halver.resets == 3  # at first, before the file, at its first frame
    with pytest.raises(ArgumentError, match="tolerance"):
        remove_video(clip, tmp_path / "b.mov", remover=remover, tolerance=3)


# --- the command line ---


def test_the_command(run: Run, clip: Path, tmp_path: Path) -> None:
    output, matte = tmp_path / "out.mov", tmp_path / "matte.mp4"
    options = [
        "--no-stabilize",
        "--quality",
        "fast",
        "--start",
        "0:00.2",
        "--end",
        "0.4",
        "--no-audio",
        "-v",
    ]
    code, out, err = run("video", clip, "-o", output, "--matte", matte, *options)
    assert (code, out) == (0, "")
    assert f"{clip} -> {output}: 5 frames" in err
    assert "fps; ms a frame: decode" in err
    assert len(frames(output)) == len(frames(matte)) == 5
    assert sound_codec(output) is None
    expected = Remover(quality="fast", method="difference", key_color="green", despill=None)
    folder = tmp_path / "frames"
    options = [
        "--no-stabilize",
        "--quality",
        "fast",
        "--method",
        "difference",
        "--key-color",
        "green",
        "--despill",
        "none",
        "-q",
    ]
    assert run("video", clip, "-o", folder, *options) == (0, "", "")
    last = frames(clip)[-1]
    from trimatte.video.colours import Converter

    np.testing.assert_array_equal(
        read_image(folder / f"{COUNT:06d}.png"), expected(Converter(av).to_array(last)).rgba
    )


def test_the_command_puts_a_background_behind(run: Run, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    assert run("video", clip, "-o", output, "--background", "#0a14c8", *QUICK) == (0, "", "")
    assert rgba(frames(output)[3])[40, 5, 2] > 190
    for options, message in (
        (["--background", "nothing"], "neither a file, nor blur, nor an opaque colour"),
        (["--linear"], "--linear requires --background"),
        (["--start", "1:2:3:4"], "--start"),
        (["--end", "1:-30"], "--end"),
        (["--end", "nan"], "--end"),
        (["--end", "1:inf"], "--end"),
        (["--tolerance", "900"], "tolerance"),
    ):
        code, _, err = run("video", clip, "-o", output, *options, *QUICK)
        assert code == 2
        assert message in err
    code, _, err = run("video", clip, "-o", tmp_path / "b.mp4", *QUICK)
    assert (code, err.count("\n")) == (1, 1)
    assert "give a background" in err


def test_the_command_uses_a_network(run: Run, clip: Path, tmp_path: Path, models: Any) -> None:
    output = tmp_path / "out.webm"
    short = ["--end", "0.08"]
    model = ["--model", models("u2netp"), "--card", "u2netp"]
    assert run("video", clip, "-o", output, *model, *short, *QUICK)[0] == 0
    assert len(frames(output)) == 2


@pytest.mark.usefixtures("interruptible")
def test_the_command_is_interrupted(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trimatte.cli import video as cli_video

    told = cli_video._Report.__call__

    def stop(report: Any, done: int, total: int | None) -> None:
        told(report, done, total)
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cli_video._Report, "__call__", stop)
    output = tmp_path / "out.mov"
    code, _, err = run("video", clip, "-o", output, *QUICK)
    assert (code, err) == (130, f"trimatte: interrupted; the first 3 frames are in {output}\n")
    assert len(frames(output)) == 3


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("interrupts", [1, 2])
def test_the_command_says_kept_only_of_what_is_there(
    run: Run,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupts: int,
    older: bool,
) -> None:
    output = tmp_path / "out.mov"
    if older:
        output.write_text("older")
    interrupt_the_finish(monkeypatch, interrupts)
    code, _, err = run("video", clip, "-o", output, *QUICK)
    kept = f"the first {COUNT} frames are in {output}"
    said = kept if interrupts == 1 else "nothing is written"
    assert (code, err) == (130, f"trimatte: interrupted; {said}\n")
    if interrupts == 1:
        assert len(frames(output)) == COUNT
    else:
        assert output.exists() == older


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("bar", [True, False])
def test_progress_tells_speed_and_what_is_left(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bar: bool
) -> None:
    if bar:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    output = tmp_path / "out.mov"
    assert main(["video", str(clip), "-o", str(output), "--no-stabilize"]) == 0
    said = terminal.getvalue()
    assert "12/12" in said
    assert ("frame/s" in said) if bar else (" fps, 0 s left" in said)


def test_warnings_are_said_in_a_line(run: Run, tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv", options={"x264-params": "tff=1:interlaced=1"})
    code, _, err = run("video", source, "-o", tmp_path / "out.mov", *QUICK)
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("trimatte: ")
    assert "interlaced" in err
    assert run("video", source, "-o", tmp_path / "b.mov", "-q", *QUICK) == (0, "", "")

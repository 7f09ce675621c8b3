"""Fast codecs: the pixels of Pillow and zlib, in one stream, whatever is installed."""

from __future__ import annotations

import io
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

import trimatte
from tests.conftest import Run
from trimatte import ArgumentError, Remover, remove
from trimatte.demo import scene
from trimatte.io import codecs, png, reading
from trimatte.io.masks import read_mask
from trimatte.io.metadata import Metadata
from trimatte.io.reading import load_picture, read_image
from trimatte.io.writing import COMPRESSION, encode_image, encode_png, write_image
from trimatte.pipeline.result import Result

RANDOM = np.random.default_rng(0)


@pytest.fixture(params=["fast codecs", "zlib and Pillow"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Once with the fast codecs, once without them."""
    if request.param == "fast codecs":
        pytest.importorskip("isal")
        pytest.importorskip("simplejpeg")
        return True
    without_fast_codecs(monkeypatch)
    return False


def without_fast_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "imported", lambda name, extra: (None, "which is not installed"))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = trimatte.get_num_threads()
    trimatte.set_num_threads(2)
    yield
    trimatte.set_num_threads(before)


def photo(*size: int, dtype: Any = np.uint8) -> Any:
    """Rows and columns that differ little from their neighbours, with noise; (H, W[, C])."""
    ramp = np.add.outer(np.arange(size[0]) * 3, np.arange(size[1]) * 2)
    ramp = ramp.reshape(*ramp.shape, *[1] * (len(size) - 2))
    depth = np.iinfo(dtype).max // 255
    return ((ramp + RANDOM.integers(0, 5, size)) * depth % (255 * depth)).astype(dtype)


def encoded(picture: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG file, each with a right checksum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        (crc,) = struct.unpack(">I", data[at + 8 + size : at + 12 + size])
        assert crc == zlib.crc32(kind + content)
        found.append((kind, content))
        at += 12 + size
    return found


def scanlines(data: bytes) -> bytes:
    """The filtered rows of a PNG file, whose stream must be whole, with nothing after it."""
    decompress = zlib.decompressobj()
    rows = decompress.decompress(b"".join(body for kind, body in chunks(data) if kind == b"IDAT"))
    assert decompress.eof  # so the Adler-32 checksum was right
    assert decompress.unused_data == b""
    return rows


# --- PNG ---


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("shape", [(37, 50), (37, 50, 3), (37, 50, 4), (1, 1, 3), (90, 1, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stripes_are_one_stream(
    installed: bool,
    two_threads: None,
    monkeypatch: pytest.MonkeyPatch,
    level: int,
    shape: tuple[int, ...],
    dtype: Any,
) -> None:
    array = photo(*shape, dtype=dtype)
    whole = encode_png(array, compression=level)
    monkeypatch.setattr(png, "_STRIPE", 4 * array[0].nbytes)
    striped = encode_png(array, compression=level)
    trimatte.set_num_threads(1)
    alone = encode_png(array, compression=level)
    expected = np.dstack([array] * 3) if array.ndim == 2 else array
    for data in (whole, striped, alone):
        assert len(scanlines(data)) == array.nbytes + len(array)
        np.testing.assert_array_equal(read_image(data), expected)
    assert sum(kind == b"IDAT" for kind, _ in chunks(whole)) == 1
    assert sum(kind == b"IDAT" for kind, _ in chunks(striped)) == -(-shape[0] // 3)
    if not (installed and level == png._FASTEST):  # ISA-L: see trimatte.io.codecs
        assert alone == striped


def test_a_row_can_be_longer_than_a_stripe(
    installed: bool, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "_STRIPE", 10)
    array = photo(5, 40, 4)
    np.testing.assert_array_equal(read_image(encode_png(array)), array)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_checksums_are_joined(first: bytes, second: bytes) -> None:
    joined = png._joined(zlib.adler32(first), zlib.adler32(second), len(second))
    assert joined == zlib.adler32(first + second)


def test_every_filter_is_used_and_undone() -> None:
    flat = np.zeros((4, 256, 3), np.uint8)
    rows = np.repeat(RANDOM.integers(0, 256, (1, 256, 3), np.uint8), 4, axis=0)  # equal rows: up
    columns = np.repeat(RANDOM.integers(0, 256, (6, 1, 3), np.uint8), 256, axis=1)  # sub
    rough = RANDOM.integers(100, 109, (9, 256, 3), np.uint8)  # average
    array = np.concatenate([flat, rows, columns, rough])
    data = encode_png(array, compression="balanced")
    lines = np.frombuffer(scanlines(data), np.uint8).reshape(len(array), -1)
    assert set(lines[:, 0]) == {0, 1, 2, 3}
    np.testing.assert_array_equal(read_image(data), array)
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), array)


def test_more_compression_is_smaller(installed: bool) -> None:
    cutout = photo(240, 360, 4)
    cutout[:100] = 0
    sizes = {name: len(encode_png(cutout, compression=name)) for name in (0, *COMPRESSION)}
    assert sizes["small"] <= sizes["balanced"] < sizes[0] / 2
    assert sizes["small"] < sizes["fast"] < sizes[0] / 2
    assert sizes[0] > cutout.nbytes


def test_ill_fated_stripes_end_the_writing(
    two_threads: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Full(io.RawIOBase):
        written = 0

        def write(self, data: Any) -> int:
            self.written += len(data)
            if self.written > 4000:
                raise OSError(28, "No space left on device")
            return len(data)

    monkeypatch.setattr(png, "_STRIPE", 1000)
    running = threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        png.write_png(Full(), photo(500, 100, 4), 1, Metadata())  # type: ignore[arg-type]
    assert threading.active_count() == running


# --- JPEG ---


def decoded_both_ways(data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, bool]:
    """The picture with the fast decoder and without it, and whether that was good for it."""
    results = []

    def decode(stored: bytes) -> Any:
        results.append(codecs.decode_jpeg(stored))
        return results[-1]

    with monkeypatch.context() as patch:
        patch.setattr(reading, "decode_jpeg", decode)
        fast = load_picture(data)
    with monkeypatch.context() as patch:
        without_fast_codecs(patch)
        slow = load_picture(data)
    return fast, slow, bool(results) and results[0] is not None


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "quality 5": {"quality": 5},
    "progressive": {"progressive": True},
    "progressive 4:2:0": {"progressive": True, "subsampling": 2, "quality": 60},
    "optimized": {"optimize": True},
    "restarts": {"restart_marker_blocks": 3},
    "stored as RGB": {"keep_rgb": True, "subsampling": 0},
    "comment": {"comment": b"taken by hand"},
    "profile": {"icc_profile": PROFILE},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(1, 1), (7, 33), (64, 48), (121, 250)])
def test_jpeg_is_decoded_to_the_same_pixels(
    kind: str, mode: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("simplejpeg")
    if mode == "L" and kind == "stored as RGB":
        pytest.skip("has one component")
    options = {"quality": 85, **KINDS[kind]}
    data = encoded(Image.fromarray(photo(*size, 3)).convert(mode), **options)
    fast, slow, used = decoded_both_ways(data, monkeypatch)
    assert used
    assert fast.metadata == slow.metadata
    assert fast.metadata.icc_profile == options.get("icc_profile")
    np.testing.assert_array_equal(fast.pixels, slow.pixels)
    assert fast.pixels.flags.writeable
    assert fast.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", [0, *range(1, 10)])
def test_jpeg_is_turned_alike(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simplejpeg")
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(photo(40, 70, 3)), exif=exif)
    fast, slow, used = decoded_both_ways(data, monkeypatch)
    assert used
    np.testing.assert_array_equal(fast.pixels, slow.pixels)
    assert fast.pixels.flags.c_contiguous


def test_the_first_of_several_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simplejpeg")
    first, second = (Image.fromarray(photo(30, 40, 3)) for _ in range(2))
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    fast, slow, used = decoded_both_ways(data, monkeypatch)
    assert used
    np.testing.assert_array_equal(fast.pixels, slow.pixels)


def test_what_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simplejpeg")
    cmyk = Image.new("CMYK", (40, 30))
    cmyk.paste((10, 200, 30, 40), (5, 5, 20, 20))
    for data in (encoded(cmyk), encoded(Image.fromarray(photo(30, 40, 3)), "PNG")):
        fast, slow, used = decoded_both_ways(data, monkeypatch)
        assert not used
        np.testing.assert_array_equal(fast.pixels, slow.pixels)


@pytest.mark.filterwarnings("ignore")  # Pillow's own, about damaged metadata
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_jpeg_fares_as_with_pillow(data: st.DataObject) -> None:
    pytest.importorskip("simplejpeg")
    options = data.draw(st.sampled_from([KINDS[kind] for kind in ("4:2:0", "progressive")]))
    broken = bytearray(encoded(Image.fromarray(WAVES), **options))
    for _ in range(data.draw(st.integers(0, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(1, len(broken)))])
    with pytest.MonkeyPatch.context() as patch:
        fast = pixels_or_words(cut)
        without_fast_codecs(patch)
        slow = pixels_or_words(cut)
    np.testing.assert_array_equal(fast, slow)


WAVES = np.rint(127 + 90 * np.sin(np.indices((24, 40, 3)).sum(axis=0) / 3)).astype(np.uint8)


def pixels_or_words(data: bytes) -> Any:
    try:
        return read_image(data)
    except ArgumentError as error:
        return str(error)


def test_truncated_pictures_are_padded_where_pillow_was_told_to(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(Image.fromarray(photo(80, 90, 3)))
    with pytest.raises(ArgumentError, match="truncated"):
        read_image(data[: len(data) // 2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert read_image(data[: len(data) // 2]).shape == (80, 90, 3)


def test_real_photographs(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simplejpeg")
    paths = sorted((shared_data / "references").rglob("*.jp*g"))
    assert paths
    for path in paths:
        if path.read_bytes()[:2] != b"\xff\xd8":
            continue  # one of them is a PNG file
        fast, slow, used = decoded_both_ways(path.read_bytes(), monkeypatch)
        assert used, path
        np.testing.assert_array_equal(fast.pixels, slow.pixels)
        np.testing.assert_array_equal(read_image(encode_png(fast.pixels)), fast.pixels)


# --- every format, every level ---


@pytest.mark.parametrize("format", ["png", ".WebP", "tif", "tiff", "jpg", "jpeg"])
def test_no_level_changes_a_pixel(installed: bool, format: str, tmp_path: Path) -> None:
    array = photo(40, 60, 3)
    files = {level: encode_image(array, format, compression=level) for level in range(10)}
    expected = read_image(files[0])
    if format not in ("jpg", "jpeg"):
        np.testing.assert_array_equal(expected, array)
    for level, data in files.items():
        np.testing.assert_array_equal(read_image(data), expected)
        path = tmp_path / f"{level}.dat"
        write_image(path, array, format, compression=level)
        assert path.read_bytes() == data
    for name, level in COMPRESSION.items():
        assert encode_image(array, format, compression=name) == files[level]
    assert encode_image(array, format) == files[COMPRESSION["fast"]]
    assert len(files[9]) < len(files[0])


@pytest.mark.parametrize("compression", [-1, 10, 1.0, True, "best", "", "1", None, [1]])
def test_other_compressions_are_refused(tmp_path: Path, compression: Any) -> None:
    array = np.zeros((4, 5, 3), np.uint8)
    told = r"compression must be 'fast', 'balanced', 'small' or a level in 0\.\.9, got"
    with pytest.raises(ArgumentError, match=f"^write_image: {told}"):
        write_image(tmp_path / "a.png", array, compression=compression)
    with pytest.raises(ArgumentError, match=f"^encode_image: {told}"):
        encode_image(array, compression=compression)
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_is_refused() -> None:
    for array, format, cause in [
        (np.zeros((2, 2, 4), np.uint8), "jpg", "JPEG has no alpha"),
        (np.zeros((2, 2, 3), np.uint16), "jpg", "8 bits per channel"),
        (np.zeros((2, 2, 3), np.uint16), "webp", "8 bits per channel"),
        (np.zeros((1, 65501), np.uint8), "jpg", "65500"),
        (np.zeros((2, 2, 3), np.uint8), "bmp", r"format 'bmp'; use one of \.png"),
        (np.zeros((2, 2, 3), np.uint8), "", "format ''"),
        (np.zeros((2, 2, 3), np.uint8), 7, "format 7"),
    ]:
        with pytest.raises(ArgumentError, match=f"^encode_image: .*{cause}"):
            encode_image(array, format)  # type: ignore[arg-type]


def test_the_profile_goes_into_the_bytes() -> None:
    for format in ("png", "webp", "tif", "jpg"):
        data = encode_image(photo(8, 9, 3), format, icc_profile=PROFILE)
        assert load_picture(data).metadata.icc_profile == PROFILE


# --- cutouts ---


@pytest.mark.parametrize("compression", ["fast", "small", 4])
@pytest.mark.parametrize("format", ["png", "webp", "tif"])
def test_a_result_is_encoded_as_it_is_saved(tmp_path: Path, format: str, compression: Any) -> None:
    result = Remover(model=None)(scene(60, 90).image)
    data = result.encode(format, compression=compression)
    np.testing.assert_array_equal(read_image(data), result.rgba)
    result.save(tmp_path / f"a.{format}", compression=compression)
    assert (tmp_path / f"a.{format}").read_bytes() == data
    with pytest.raises(ArgumentError, match="JPEG has no alpha"):
        result.encode("jpg")


def test_remove_gives_bytes_of_any_format() -> None:
    image = scene(60, 90).image
    data, rgba = encode_png(image), remove(image, model=None)
    small = remove(data, model=None, compression="small")
    assert len(small) < len(remove(data, model=None, compression=0))
    for source in (data, io.BytesIO(data)):
        webp = remove(source, model=None, format="webp", compression="balanced")
        assert webp[8:12] == b"WEBP"
        np.testing.assert_array_equal(read_image(webp), rgba)
    np.testing.assert_array_equal(read_image(small), rgba)


def test_remove_refuses_before_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(**options: Any) -> None:
        pytest.fail("it has begun")

    image = scene(60, 90).image
    data = encode_png(image)
    monkeypatch.setattr("trimatte.pipeline.remove.Remover", work)
    with pytest.raises(ArgumentError, match="format and compression must be left out"):
        remove(image, format="webp", compression=1)
    with pytest.raises(ArgumentError, match=r"^remove: compression must be left out"):
        remove(Image.fromarray(image), compression=1)
    with pytest.raises(ArgumentError, match=r"^remove: cannot tell what to write for format 'bmp'"):
        remove(data, format="bmp")
    with pytest.raises(ArgumentError, match=r"^remove: compression must be 'fast'"):
        remove(data, compression="best")


def hidden_colour(pixels: Any) -> int:
    """How many pixels have colour and do not show it."""
    hidden = pixels[:, :, 3] == 0
    assert hidden.any()
    return int(np.count_nonzero(pixels[hidden][:, :3].any(axis=1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_no_colour_is_kept_where_nothing_shows(dtype: Any) -> None:
    image = scene(120, 160).image
    image = image / np.float32(255) if dtype is np.float32 else image.astype(dtype)
    image = image * dtype(257) if dtype is np.uint16 else image
    alpha = np.zeros((120, 160), np.float32)
    alpha[40:100] = np.linspace(0, 1, 60)[:, None] ** 6  # much of it rounds to 0
    alpha[100:] = 1
    for result in (
        Remover(model=None)(image),
        Remover(model=None, tolerance=30)(image),
        Remover(model=None)(image, mask=np.rint(255 * alpha).astype(np.uint8)),
        Result({"rgba": trimatte.cutout(image, alpha)}, {}),
    ):
        assert hidden_colour(result.rgba) == 0
        assert hidden_colour(np.asarray(result.image)) == 0
        assert hidden_colour(read_image(result.encode())) == 0
    assert hidden_colour(trimatte.key_cutout(image)) == 0


def test_the_command_line_passes_compression_on(run: Run, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    write_image(photo, scene(120, 160).image)
    sizes = []
    for level in ("0", "fast", "4", "small"):
        names = [tmp_path / f"{level}-{name}.png" for name in ("cutout", "alpha", "trimap")]
        files = ("-o", names[0], "--alpha", names[1], "--trimap-out", names[2])
        assert run("key", photo, *files, "--compression", level) == (0, "", "")
        sizes.append([name.stat().st_size for name in names])
        assert hidden_colour(read_image(names[0])) == 0
        np.testing.assert_array_equal(read_image(names[0])[:, :, 3], read_mask(names[1]))
    assert all(np.diff(sizes, axis=0)[0] < 0)
    assert sizes[-1][0] < sizes[1][0]
    assert run("key", photo, "--hard", "-o", tmp_path / "hard.png")[0] == 0
    assert hidden_colour(read_image(tmp_path / "hard.png")) == 0
    on_white = ("--background", "white", "--compression", "small")
    assert run("key", photo, "-o", tmp_path / "white.jpg", *on_white)[0] == 0
    with Image.open(tmp_path / "white.jpg") as picture:
        assert picture.info["progressive"]
    for wrong in ("10", "-1", "best"):
        code, _, err = run("key", photo, "-o", tmp_path / "a.png", f"--compression={wrong}")
        assert code == 2
        assert "0..9" in err


# --- threads ---

BIG = photo(1200, 1600, 4)
BIG_JPEG = encoded(Image.fromarray(BIG[:, :, :3]))
WORK: dict[str, Callable[[], object]] = {
    "PNG, fast": lambda: encode_png(BIG),
    "PNG, balanced": lambda: encode_png(BIG, compression="balanced"),
    "PNG of 16 bits": lambda: encode_png(BIG[:600].astype(np.uint16) * 257),
    "WebP": lambda: encode_image(BIG, "webp"),
    "JPEG": lambda: encode_image(BIG[:, :, :3], "jpeg"),
    "JPEG, decoded": lambda: read_image(BIG_JPEG),
}


@pytest.mark.parametrize("work", WORK)
def test_other_threads_run_meanwhile(installed: bool, work: str) -> None:
    """With a switch interval without end, nobody else runs but while the GIL is released."""
    working, finished = threading.Event(), threading.Event()
    seen = []

    def watch() -> None:
        while not finished.is_set():
            if working.is_set():
                seen.append(True)
            time.sleep(1e-4)

    interval, threads = sys.getswitchinterval(), trimatte.get_num_threads()
    trimatte.set_num_threads(1)
    watcher = threading.Thread(target=watch)
    watcher.start()
    sys.setswitchinterval(1000)
    try:
        for _ in range(500):
            working.set()
            WORK[work]()
            working.clear()
            if seen:
                break
            time.sleep(1e-3)
    finally:
        sys.setswitchinterval(interval)
        trimatte.set_num_threads(threads)
        finished.set()
        watcher.join()
    assert seen


# --- which are there ---


def test_what_is_in_use_is_told(run: Run, installed: bool) -> None:
    told = codecs.in_use()
    assert set(told) == {"PNG", "JPEG", "WebP", "TIFF", "AVIF", "HEIC"}
    if installed:
        assert "ISA-L (isal " in told["PNG"]
        assert "libjpeg-turbo (simplejpeg " in told["JPEG"]
    else:
        assert "zlib" in told["PNG"]
        assert "by isal, which is not installed" in told["PNG"]
        assert "by simplejpeg, which is not installed" in told["JPEG"]
    code, out, _ = run("doctor")
    assert code == 0
    for format, sentence in told.items():
        assert f"{format:<12} {sentence}\n" in out


def test_why_a_codec_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brokencodec.py").write_text("raise ImportError('libsomething.so is missing')\n")
    (tmp_path / "needycodec.py").write_text("import module_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, cause in [
        (
            "codecthatnobodyhas.part",
            r"not installed \(pip install codecthatnobodyhas, or .*\[fast\]\)",
        ),
        ("brokencodec", "cannot be loaded: libsomething.so is missing"),
        ("needycodec", "cannot be loaded: No module named 'module_that_nobody_has'"),
    ]:
        codec = codecs.FastCodec("acodec", name, "read sooner")
        assert codec.module is None
        with pytest.raises(AssertionError, match=f"^read sooner by acodec, which .*{cause}"):
            raise AssertionError(codec.missing)

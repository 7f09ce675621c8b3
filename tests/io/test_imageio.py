"""Images in and out of files: nothing is lost, nothing is half written."""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageCms

from trimatte import ArgumentError, CutoutWarning, chroma_key
from trimatte.io import writing
from trimatte.io.masks import read_mask, read_matte
from trimatte.io.reading import load_picture, read_image
from trimatte.io.writing import encode_image, encode_png, write_image

RANDOM = np.random.default_rng(0)


def noise(*shape: int, dtype: Any = np.uint8) -> Any:
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def png(pixels: Any, filters: bool = False, transparent: tuple[int, ...] = ()) -> bytes:
    """A PNG file made by hand, independently of the writer under test.

    filters: use filter type 1 (sub) on odd rows instead of none.
    """
    height, width, channels = pixels.shape
    depth = pixels.dtype.itemsize
    big = pixels.astype(f">u{depth}")
    rows = []
    for y in range(height):
        line = np.frombuffer(big[y].tobytes(), np.uint8)
        kind = int(filters and y % 2)
        if kind:
            step = channels * depth
            line = np.concatenate([line[:step], line[step:] - line[:-step]])
        rows.append(bytes([kind]) + line.tobytes())

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * depth, colour, 0, 0, 0))
        + (
            chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
            if transparent
            else b""
        )
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )


# --- sources ---


def test_every_kind_of_source_gives_the_same_pixels(tmp_path: Path) -> None:
    pixels = noise(9, 7, 3)
    path = tmp_path / "photo.png"
    path.write_bytes(png(pixels))
    sources: list[Any] = [str(path), path, path.read_bytes(), bytearray(path.read_bytes())]
    sources += [memoryview(path.read_bytes()), io.BytesIO(path.read_bytes()), Image.open(path)]
    sources += [pixels]
    for source in sources:
        np.testing.assert_array_equal(read_image(source), pixels)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), pixels)


def test_a_file_object_need_not_seek() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int = -1) -> bytes:
            assert size == -1
            return self.data

    pixels = noise(4, 5, 3, dtype=np.uint16)
    np.testing.assert_array_equal(read_image(Pipe(png(pixels))), pixels)  # type: ignore[arg-type]


def test_arrays_are_passed_on_without_a_copy() -> None:
    for pixels in (
        noise(5, 6, 3),
        noise(5, 6, 4, dtype=np.uint16),
        np.zeros((5, 6, 3), np.float32),
    ):
        assert read_image(pixels) is pixels
        assert np.shares_memory(read_image(pixels[::2]), pixels)
    mask = noise(5, 6)
    assert read_mask(mask) is mask
    np.testing.assert_array_equal(read_image(mask), np.dstack([mask] * 3))


def test_the_result_can_be_written_to() -> None:
    for mode in ("RGB", "RGBA", "L", "CMYK"):
        read_image(Image.new(mode, (4, 3)))[:] = 0


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5, 2), np.uint8), r"\(H, W, 3\).*got \(4, 5, 2\)"),
        (np.zeros((4, 5, 3), np.float64), "float32.*got float64"),
        (np.zeros((4, 5, 3), np.int32), "got int32"),
        (12, "an image must be a path.*got int"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_image(image)


# --- orientation ---


def oriented(pixels: Any, orientation: int) -> Any:
    """The pixels as a camera stores them that notes this orientation (EXIF 2.3, tag 274)."""
    stored = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, 1),
        7: np.rot90(pixels, 2).swapaxes(0, 1),
        8: np.rot90(pixels, -1),
    }[orientation]
    return np.ascontiguousarray(stored)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_orientation_is_applied(tmp_path: Path, orientation: int, format: str) -> None:
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :16] = 250  # the top left corner is bright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    if format == "JPEG":
        options = {"quality": 100, "subsampling": 0}
    data = encoded(Image.fromarray(oriented(upright, orientation)), format, exif=exif, **options)
    path = tmp_path / "photo"
    path.write_bytes(data)
    with Image.open(path) as picture:
        for source in (path, data, io.BytesIO(data), picture):
            got = read_image(source)
            assert got.shape == upright.shape
            np.testing.assert_allclose(got, upright, atol=0 if format != "JPEG" else 3)
    mask = read_mask(path)
    assert mask.shape == upright.shape[:2]


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_16_bits(orientation: int) -> None:
    upright = noise(5, 8, 3, dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = png(oriented(upright, orientation))
    tag = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = (
        struct.pack(">I", len(tag)) + b"eXIf" + tag + struct.pack(">I", zlib.crc32(b"eXIf" + tag))
    )
    np.testing.assert_array_equal(read_image(body[:33] + chunk + body[33:]), upright)


def test_broken_metadata_does_not_hide_the_pixels() -> None:
    pixels = noise(4, 6, 3)
    data = encoded(Image.fromarray(pixels), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_image(data), pixels)


# --- modes and depths ---


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("filters", [False, True])
def test_16_bit_png_is_read_to_the_bit(channels: int, filters: bool) -> None:
    pixels = noise(11, 6, channels, dtype=np.uint16)
    expected = pixels if channels > 2 else pixels[:, :, [0, 0, 0, 1][: channels + 2]]
    if channels == 1:
        expected = np.repeat(pixels, 3, axis=2)
    got = read_image(png(pixels, filters))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, expected)


def test_16_bit_grey_is_not_clipped() -> None:
    ramp = np.array([[0, 255, 256, 1000, 30000, 65535]], np.uint16)
    for source in (
        png(ramp[:, :, None]),
        Image.fromarray(ramp),
        encoded(Image.fromarray(ramp), "TIFF"),
    ):
        np.testing.assert_array_equal(read_image(source)[:, :, 1], ramp)
        np.testing.assert_array_equal(read_mask(source), ramp)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_transparent_colour_of_16_bits(channels: int) -> None:
    pixels = noise(4, 5, channels, dtype=np.uint16)
    pixels[1, 2] = 777
    got = read_image(png(pixels, transparent=(777,) * channels))
    assert got.shape == (4, 5, 4)
    expected = np.full((4, 5), 65535)
    expected[1, 2] = 0
    np.testing.assert_array_equal(got[:, :, 3], expected)


@pytest.mark.parametrize("compression", [1, 5])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_tiff_is_read_to_the_bit(
    tmp_path: Path, channels: int, compression: int
) -> None:
    cv2 = pytest.importorskip("cv2")
    pixels = noise(50, 61, channels, dtype=np.uint16)
    path = tmp_path / "photo.tif"
    swap = [2, 1, 0, 3][:channels]
    assert cv2.imwrite(str(path), pixels[:, :, swap], [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    np.testing.assert_array_equal(read_image(path), pixels)


def test_16_bit_storage_that_cannot_be_read_is_refused() -> None:
    data = b"P6 2 1 65535\n" + bytes(12)
    with pytest.raises(ArgumentError, match="16 bits per channel"):
        read_image(data)


def test_modes() -> None:
    rgba = noise(6, 5, 4)
    picture = Image.fromarray(rgba)
    np.testing.assert_array_equal(read_image(picture), rgba)

    grey = picture.getchannel("G")
    np.testing.assert_array_equal(read_image(grey), np.dstack([rgba[:, :, 1]] * 3))
    both = Image.merge("LA", [grey, picture.getchannel("A")])
    np.testing.assert_array_equal(read_image(both), rgba[:, :, [1, 1, 1, 3]])
    bits = Image.fromarray(rgba[:, :, 0] > 127)
    assert bits.mode == "1"
    np.testing.assert_array_equal(read_image(bits)[:, :, 0], np.where(rgba[:, :, 0] > 127, 255, 0))

    premultiplied = read_image(picture.convert("RGBa"))
    assert premultiplied.shape == (6, 5, 4)
    np.testing.assert_array_equal(premultiplied[:, :, 3], rgba[:, :, 3])


def test_palettes() -> None:
    indices = noise(6, 5) % 4
    picture = Image.fromarray(indices.astype(np.uint8)).convert("L")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 0, 0, 0])
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [0, 0, 0]])
    np.testing.assert_array_equal(read_image(picture), colours[indices])
    got = read_image(encoded(picture, "PNG", transparency=3))
    assert got.shape == (6, 5, 4)
    np.testing.assert_array_equal(got[:, :, :3], colours[indices])
    np.testing.assert_array_equal(got[:, :, 3], np.where(indices == 3, 0, 255))


def test_cmyk() -> None:
    picture = Image.new("CMYK", (4, 3), (0, 255, 255, 0))
    np.testing.assert_array_equal(read_image(picture), np.broadcast_to([255, 0, 0], (3, 4, 3)))
    data = encoded(picture, "JPEG", quality=100)
    np.testing.assert_allclose(read_image(data), np.broadcast_to([255, 0, 0], (3, 4, 3)), atol=3)
    # A profile that says nothing useful is no reason to refuse the picture.
    assert read_image(encoded(picture, "TIFF", icc_profile=b"nonsense")).shape == (3, 4, 3)


def test_floats_are_taken_in_0_to_1_only() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    got = read_image(Image.fromarray(values))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[:, :, 2], values)
    with pytest.raises(ArgumentError, match=r"not in \[0, 1\]"):
        read_image(Image.fromarray(values * 2))
    with pytest.raises(ArgumentError, match="white point"):
        read_image(Image.new("I", (3, 3)))


# --- masks ---


def test_masks() -> None:
    grey = noise(5, 4)
    np.testing.assert_array_equal(read_mask(Image.fromarray(grey)), grey)
    np.testing.assert_array_equal(read_mask(grey[:, :, None]), grey)
    np.testing.assert_array_equal(read_mask(grey > 9), grey > 9)
    np.testing.assert_array_equal(read_mask(png(np.dstack([grey] * 3))), grey)
    opaque = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    np.testing.assert_array_equal(read_mask(png(opaque)), grey)
    cut = np.dstack([grey, grey, grey, grey[::-1]])
    np.testing.assert_array_equal(read_mask(png(cut)), grey[::-1])
    with pytest.raises(ArgumentError, match=r"mask must be \(H, W\)"):
        read_mask(np.zeros((3, 4, 3), np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_nearly_grey_masks_give_luminance(dtype: Any) -> None:
    full = np.iinfo(dtype).max
    picture = np.zeros((1, 3, 3), dtype)
    picture[0, 0] = full
    picture[0, 1] = [0, full // 10, 0]
    assert read_mask(png(picture)).tolist() == [[full, round(0.587 * (full // 10)), 0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_in_colour_is_refused(dtype: Any) -> None:
    picture = np.zeros((9, 9, 3), dtype)
    picture[2:7, 2:7] = [np.iinfo(dtype).max // 2, 0, 0]  # the first label of VOC's palette
    with pytest.raises(ArgumentError, match="it is in colour"):
        read_mask(png(picture))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2], [1, 2, 3]])
def test_a_map_of_labels_is_refused(labels: list[int], dtype: Any) -> None:
    picture = np.repeat(np.array(labels, dtype), 60).reshape(-1, 20)
    with pytest.raises(ArgumentError, match=f"it holds nothing above {labels[-1]}, where white"):
        read_mask(png(np.dstack([picture] * 3)))


def test_the_noise_of_an_empty_matte_is_no_map_of_labels() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[9, 9] = 2
    assert read_mask(png(picture)).max() == 2


def layer(grey: np.ndarray, opacity: np.ndarray) -> bytes:
    return png(np.dstack([grey, grey, grey, opacity]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_painted_on_a_transparent_layer(dtype: Any) -> None:
    full = np.iinfo(dtype).max
    trimap = np.repeat(np.array([0, full // 2, full], dtype), 60).reshape(-1, 20)
    opaque = np.full_like(trimap, full)
    painted = np.where(trimap > 0, opaque, 0)  # nothing where it is black
    np.testing.assert_array_equal(read_matte(layer(trimap, painted), "trimap"), trimap)
    corner = opaque.copy()
    corner[0, 0] = 0
    np.testing.assert_array_equal(read_matte(layer(trimap, corner), "trimap"), trimap)
    soft = opaque.copy()
    soft[:, 0] = full // 4
    half = read_matte(layer(trimap, soft), "trimap")
    np.testing.assert_allclose(half[:, 0], trimap[:, 0] / 4, atol=full / 255)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_strokes_of_one_grey_are_told_by_their_shape(grey: int) -> None:
    opacity = noise(9, 9)
    np.testing.assert_array_equal(read_mask(layer(np.full_like(opacity, grey), opacity)), opacity)


# --- what cannot be read ---


def test_unreadable_files_are_named_with_the_cause(tmp_path: Path) -> None:
    whole = png(noise(40, 40, 3))
    jpeg = encoded(Image.fromarray(noise(40, 40, 3)), "JPEG")
    for name, data, cause in [
        ("empty.png", b"", "it is empty"),
        ("text.png", b"hello there", "not an image"),
        ("cut.png", whole[: len(whole) // 2], "truncated"),
        ("cut.jpg", jpeg[: len(jpeg) // 2], "truncated"),
        ("header.png", whole[:20], ""),
        ("damaged.png", whole[:60] + bytes(len(whole) - 60), ""),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        for read in (read_image, read_mask):
            with pytest.raises(ArgumentError, match=rf"^{read.__name__}: .*{name}.*{cause}"):
                read(path)
    with pytest.raises(ArgumentError, match=r"missing\.png.*no such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ArgumentError, match="it is a folder"):
        read_image(tmp_path)
    with pytest.raises(ArgumentError, match=r"cannot read the 4 bytes given: not an image"):
        read_image(b"1234")
    with pytest.raises(ArgumentError, match="binary mode"):
        read_image(io.StringIO("text"))  # type: ignore[arg-type]
    cut = whole[: len(whole) // 2]
    with pytest.raises(ArgumentError, match="truncated"):
        read_image(Image.open(io.BytesIO(cut)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_truncated_16_bits(channels: int) -> None:
    whole = png(noise(40, 40, channels, dtype=np.uint16))
    with pytest.raises(ArgumentError, match="truncated"):
        read_image(whole[: len(whole) // 2])


@pytest.mark.filterwarnings("ignore")  # Pillow's own, about damaged metadata
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files_raise_argument_errors_only(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "GIF", "16"]))
    ramp = (np.indices((9, 8)).sum(axis=0) * 13).astype(np.uint8)
    picture = np.dstack([ramp, ramp[::-1], ramp])
    whole = (
        png(picture * np.uint16(257)) if kind == "16" else encoded(Image.fromarray(picture), kind)
    )
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(broken)))
    try:
        pixels = read_image(bytes(broken[:cut]))
    except ArgumentError:
        return
    assert pixels.ndim == 3


# --- writing ---


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
            lambda size: st.sampled_from([size, (*size, 3), (*size, 4)])
        ),
    )
)
def test_png_round_trip(array: Any) -> None:
    got = read_image(encode_png(array))
    np.testing.assert_array_equal(got, np.dstack([array] * 3) if array.ndim == 2 else array)
    assert got.dtype == array.dtype


def test_png_is_read_by_others() -> None:
    tall = noise(1500, 300, 4)  # several strips
    tall[:, :, :3] //= 16
    with Image.open(io.BytesIO(encode_png(tall))) as picture:
        picture.verify()
    with Image.open(io.BytesIO(encode_png(tall))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), tall)
    cv2 = pytest.importorskip("cv2")
    for array in (tall, noise(70, 80, 3, dtype=np.uint16), noise(70, 80, dtype=np.uint16)):
        data = np.frombuffer(encode_png(array), np.uint8)
        got = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        swapped = got if got.ndim == 2 else got[:, :, [2, 1, 0, 3][: got.shape[2]]]
        np.testing.assert_array_equal(swapped, array)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(30, 41), (30, 41, 4)])
def test_arrays_of_any_order_are_stored(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random(shape)
    array = (array * {"uint8": 255, "uint16": 65535}.get(dtype, 1)).round(4).astype(dtype)
    fortran = np.asfortranarray(array)
    assert encode_image(fortran) == encode_image(array)


def test_floats_and_masks_are_stored() -> None:
    got = read_mask(encode_png(np.array([[0, 0.5, 1, 1.003, -0.003]], np.float32)))
    assert got.tolist() == [[0, 32768, 65535, 65535, 0]]
    assert read_mask(encode_png(np.array([[True, False]]))).tolist() == [[255, 0]]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff", ".PNG", ".jpg", ".jpeg"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_suffix_decides_the_format(tmp_path: Path, suffix: str, channels: int) -> None:
    ramp = np.add.outer(np.arange(32) * 3, np.arange(40) * 2).astype(np.uint8)
    array = ramp if channels == 1 else np.dstack([ramp] * channels)
    path = tmp_path / f"picture{suffix}"
    lossy = suffix.startswith(".jp")
    if lossy and channels == 4:
        with pytest.raises(ArgumentError, match=r"JPEG has no alpha; write \.png"):
            write_image(path, array)
        assert list(tmp_path.iterdir()) == []
        return
    write_image(path, array)
    with Image.open(path) as picture:
        kind = {".png": "PNG", ".web": "WEBP", ".tif": "TIFF", ".jpg": "JPEG", ".jpe": "JPEG"}
        assert picture.format == kind[suffix.lower()[:4]]
    got = read_image(path)
    expected = np.dstack([array] * 3) if channels == 1 else array
    np.testing.assert_allclose(got[:, :, : expected.shape[2]], expected, atol=4 if lossy else 0)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_colour_under_transparency_is_kept(tmp_path: Path) -> None:
    array = noise(8, 8, 4)
    array[:4, :, 3] = 0
    for suffix in (".png", ".webp", ".tif"):
        write_image(tmp_path / f"a{suffix}", array)
        np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), array)


def test_format_overrides_the_suffix(tmp_path: Path) -> None:
    write_image(tmp_path / "picture.dat", noise(4, 4, 3), "WebP")
    with Image.open(tmp_path / "picture.dat") as picture:
        assert picture.format == "WEBP"


@pytest.mark.parametrize("name", ["picture.xyz", "picture", "picture.bmp"])
def test_unknown_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match=r"use one of \.png"):
        write_image(tmp_path / name, noise(4, 4, 3))


def test_depth_is_never_lost_silently(tmp_path: Path) -> None:
    deep = noise(4, 4, 3, dtype=np.uint16)
    for suffix in (".webp", ".jpg"):
        with pytest.raises(ArgumentError, match=r"8 bits per channel.*\.png"):
            write_image(tmp_path / f"a{suffix}", deep)
    assert list(tmp_path.iterdir()) == []
    write_image(tmp_path / "a.tif", deep[:, :, 0])
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), deep[:, :, 0])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4, 2), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros((3, 4), np.int64),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, array: Any) -> None:
    with pytest.raises(ArgumentError, match="write_image: "):
        write_image(tmp_path / "a.png", array)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    array = noise(4, 4, 3)
    with pytest.raises(ArgumentError, match="there is no folder"):
        write_image(tmp_path / "nowhere" / "a.png", array)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ArgumentError, match="it is a folder"):
        write_image(tmp_path / "folder.png", array)
    with pytest.raises(ArgumentError, match="not an ordinary file"):
        write_image(os.devnull, array, "png")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, exists: bool
) -> None:
    path = tmp_path / "picture.png"
    if exists:
        path.write_bytes(b"the old one")
    seen = []

    def failing(file: Any, array: Any, level: int, metadata: Any) -> None:
        file.write(b"half of it")
        file.flush()
        seen.extend(tmp_path.iterdir())
        raise error

    monkeypatch.setattr(writing, "write_png", failing)
    expected = ArgumentError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected, match="No space left" if expected is ArgumentError else None):
        write_image(path, noise(4, 4, 3))
    assert len(seen) == 1 + exists
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"] * exists
    if exists:
        assert path.read_bytes() == b"the old one"


def test_an_encoder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="16383"):
        write_image(tmp_path / "wide.webp", np.zeros((1, 16384), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_image(tmp_path / "a.png", noise(4, 4, 3))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o644
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    array = noise(5, 5, 3)
    write_image(tmp_path / "link.png", array)
    assert (tmp_path / "link.png").is_symlink()
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), array)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
def test_the_colour_profile_is_kept(tmp_path: Path, suffix: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = noise(8, 8, 3)
    write_image(tmp_path / f"a{suffix}", pixels, icc_profile=profile)
    picture = load_picture(tmp_path / f"a{suffix}")
    assert picture.metadata.icc_profile == profile
    if suffix != ".jpg":
        np.testing.assert_array_equal(picture.pixels, pixels)


def test_real_photographs(shared_data: Path) -> None:
    paths = sorted((shared_data / "greenscreen").glob("*.png"))
    assert paths
    for path in paths[:6]:
        pixels = read_image(path) if "alpha" not in path.name else read_mask(path)
        with Image.open(path) as picture:
            np.testing.assert_array_equal(pixels, np.asarray(picture))
        np.testing.assert_array_equal(
            read_image(encode_png(pixels))[:, :, 0], np.atleast_3d(pixels)[:, :, 0]
        )


# --- what other libraries hand over ---


class Lent:
    """An array that is lent by DLPack alone, as some libraries' on the CPU are."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **how: Any) -> Any:
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


class Learning(Lent):
    """A tensor that requires a gradient, as PyTorch's say no."""

    requires_grad = True

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


class Upload:
    """A file of a web framework whose read is a coroutine."""

    async def read(self, size: int = -1) -> bytes:
        return b""


def test_arrays_lent_by_dlpack_alone_are_read() -> None:
    image = np.dstack([noise(5, 4)] * 3)
    np.testing.assert_array_equal(read_image(Lent(image)), image)
    np.testing.assert_array_equal(read_mask(Lent(image[:, :, 0])), image[:, :, 0])
    np.testing.assert_array_equal(chroma_key(Lent(image)), chroma_key(image))


@pytest.mark.parametrize("read", [read_image, read_mask, chroma_key])
def test_tensors_that_require_a_gradient_are_told_how_not_to(read: Any) -> None:
    with pytest.raises(ArgumentError, match=r"not require a gradient; image\.detach\(\)"):
        read(Learning(np.zeros((4, 4, 3), np.uint8)))


@pytest.mark.parametrize(
    ("shape", "advice"),
    [((3, 8, 9), r"permute\(1, 2, 0\)"), ((2, 8, 9, 3), "image of a batch")],
)
def test_other_layouts_are_told_how_to_become_images(shape: tuple[int, ...], advice: str) -> None:
    for read in (read_image, chroma_key):
        with pytest.raises(ArgumentError, match=advice):
            read(np.zeros(shape, np.uint8))


def test_what_has_to_be_awaited_is_told() -> None:
    with pytest.raises(ArgumentError, match=r"its read\(\) is asynchronous; give the bytes of"):
        read_image(Upload())  # type: ignore[arg-type]
    coroutine = Upload().read()
    with pytest.raises(ArgumentError, match="got coroutine; await it"):
        read_image(coroutine)  # type: ignore[arg-type]
    coroutine.close()


# --- masks and trimaps that are something else ---


def rows(*values: int, dtype: Any = np.uint8) -> np.ndarray:
    """Twenty pixels of each value in each of nine rows."""
    return np.tile(np.repeat(np.array(values, dtype), 20), (9, 1))


@pytest.mark.parametrize("values", [(0, 15, 255), (0, 100), (128,), (0, 128, 255)])
def test_a_mask_in_few_greys_is_told(values: tuple[int, ...]) -> None:
    data = png(np.dstack([rows(*values)] * 3))
    with pytest.warns(CutoutWarning, match=f"holds {', '.join(map(str, values))} and nothing else"):
        read_matte(data, "mask")
    read_matte(data, "core")  # of which any part may be held
    read_mask(data)  # it may be a trimap


def test_a_trimap_without_grey_is_told() -> None:
    data = png(np.dstack([rows(0, 255)] * 3))
    with pytest.warns(CutoutWarning, match="has no grey, which is unknown in a trimap"):
        read_matte(data, "trimap")
    read_matte(data, "mask")


def test_the_mask_of_8_bits_stored_in_16_is_refused() -> None:
    with pytest.raises(ArgumentError, match="it holds nothing above 255, where white is 65535"):
        read_mask(png(np.dstack([rows(0, 255, dtype=np.uint16)] * 3)))


def test_a_layer_painted_in_colours_is_refused() -> None:
    red, green = rows(255, 0, 0), rows(0, 255, 0)
    opacity = rows(255, 255, 0)
    data = png(np.dstack([red, green, np.zeros_like(red), opacity]))
    with pytest.raises(ArgumentError, match="for a trimap: it is in colour"):
        read_matte(data, "trimap")


def test_what_a_trimap_in_black_and_white_leaves_open_is_unknown() -> None:
    data = layer(rows(0, 255, 0), rows(255, 255, 0))
    np.testing.assert_array_equal(read_matte(data, "trimap"), rows(0, 255, 128))
    np.testing.assert_array_equal(read_matte(data, "mask"), rows(0, 255, 0))


def test_a_file_that_is_open_as_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(np.full((3, 3, 3), 200, np.uint8)))
    with path.open(encoding="utf-8") as file, pytest.raises(ArgumentError, match="open as text"):
        read_image(file)  # type: ignore[arg-type]

"""What comes in goes out: colours, depth, orientation, profile, EXIF, XMP and resolution."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

import trimatte
from tests.helpers.icc import cmyk_profile, grey_profile, wide_profile
from tests.io.test_imageio import oriented
from trimatte import ArgumentError, FramesWarning, MetadataWarning, Remover, remove
from trimatte.demo import scene
from trimatte.io.masks import read_mask
from trimatte.io.metadata import Metadata
from trimatte.io.reading import load_picture, read_image
from trimatte.io.writing import encode_image, write_image

RANDOM = np.random.default_rng(0)

HEIGHT, WIDTH = 24, 40
GPS = {1: "N", 2: (48.0, 51.0, 29.5), 3: "E", 4: (2.0, 17.0, 40.2)}
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/">'
    b'<r tiff:Orientation="6" t="a cat"/></x:xmpmeta>'
)


def drawn(dtype: Any = np.uint8) -> Any:
    """A bright corner at the top left, and no two pixels alike."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0] = np.arange(HEIGHT)[:, None] * 4
    image[..., 1] = np.arange(WIDTH) * 3
    image[:8, :16, 2] = 250
    return image.astype(dtype) * (np.iinfo(dtype).max // 255)


def exif_of(orientation: int | None = 1) -> Image.Exif:
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "A. Photographer"
    exif[ExifTags.Base.Copyright] = "CC0"
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09",
        ExifTags.Base.ExifImageWidth: WIDTH,
        ExifTags.Base.ExifImageHeight: HEIGHT,
        ExifTags.Base.ExposureTime: 0.004,
        ExifTags.Base.MakerNote: bytes(range(64)),
    }
    exif[ExifTags.IFD.GPSInfo] = GPS
    return exif


def file_of(picture: Image.Image, format: str, **options: Any) -> bytes:
    if format == "WEBP":
        options = {"lossless": True, **options}
    if format == "JPEG":
        options = {"quality": 100, "subsampling": 0, **options}
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def exif_in(data: bytes) -> Image.Exif:
    return Image.open(io.BytesIO(data)).getexif()


SOURCES: dict[str, Callable[[bytes, Path], Any]] = {
    "path": lambda data, path: path,
    "str": lambda data, path: str(path),
    "bytes": lambda data, path: data,
    "file": lambda data, path: io.BytesIO(data),
    "Pillow": lambda data, path: Image.open(io.BytesIO(data)),
}


# --- orientation ---


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.filterwarnings("ignore:.* has no grey")
def test_all_that_is_given_is_turned_upright(tmp_path: Path, source: str, orientation: int) -> None:
    image, mask = drawn(), np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:8, :16] = 255

    def given(pixels: Any, name: str) -> Any:
        stored = Image.fromarray(oriented(pixels, orientation))
        data = file_of(stored, "PNG", exif=exif_of(orientation).tobytes())
        (tmp_path / name).write_bytes(data)
        return SOURCES[source](data, tmp_path / name)

    for beside in ("mask", "trimap"):
        result = Remover(model=None)(given(image, "a.png"), **{beside: given(mask, "b.png")})
        np.testing.assert_array_equal(result.rgba[2:6, 2:13, :3], image[2:6, 2:13])
        assert (result.alpha[2:6, 2:13] == 1).all()
        assert (result.alpha[20:, 28:] == 0).all()
        for format in ("png", "webp", "tiff"):
            data = result.encode(format)
            exif = exif_in(data)
            assert exif[ExifTags.Base.Orientation] == 1
            stored = exif.get_ifd(ExifTags.IFD.Exif)
            assert stored[ExifTags.Base.ExifImageWidth] == WIDTH
            assert stored[ExifTags.Base.ExifImageHeight] == HEIGHT
            np.testing.assert_array_equal(read_image(data), result.rgba)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_an_orientation_in_the_xmp_is_applied_once(format: str) -> None:
    stored = Image.fromarray(oriented(drawn(), 6))
    if format == "PNG":
        from PIL import PngImagePlugin

        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
        data = file_of(stored, format, pnginfo=chunks)
    elif format == "TIFF":
        data = file_of(stored, format, tiffinfo={700: XMP, 274: 6})
    else:
        data = file_of(stored, format, xmp=XMP)
    picture = load_picture(data)
    np.testing.assert_allclose(picture.pixels, drawn(), atol=3 if format == "JPEG" else 0)
    assert picture.metadata.xmp is not None
    assert b'Orientation="6"' not in picture.metadata.xmp
    assert b"a cat" in picture.metadata.xmp
    for kind in ("png", "webp", "tiff", "jpeg"):
        again = load_picture(encode_image(picture.pixels, kind, metadata=picture.metadata))
        assert again.pixels.shape == drawn().shape
        assert again.metadata.xmp is not None
        assert again.metadata.xmp.strip(b"\0") == picture.metadata.xmp.strip(b"\0")


# --- metadata ---


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
def test_what_is_beside_the_pixels_is_kept(
    tmp_path: Path, source: str, format: str, kind: str
) -> None:
    profile = wide_profile()
    data = file_of(
        Image.fromarray(drawn()),
        format,
        exif=exif_of().tobytes(),
        dpi=(300, 240),
        icc_profile=profile,
    )
    (tmp_path / "photo").write_bytes(data)
    given = SOURCES[source](data, tmp_path / "photo")
    result = Remover(model=None)(given, mask=np.full((HEIGHT, WIDTH), 255, np.uint8))
    for kept in (result.encode(kind), saved(result, tmp_path / f"a.{kind}")):
        picture = load_picture(kept)
        assert picture.metadata.icc_profile == profile
        exif = exif_in(kept)
        assert exif[ExifTags.Base.Artist] == "A. Photographer"
        assert exif[ExifTags.Base.Copyright] == "CC0"
        details = exif.get_ifd(ExifTags.IFD.Exif)
        assert details[ExifTags.Base.DateTimeOriginal] == "2024:05:06 07:08:09"
        assert float(details[ExifTags.Base.ExposureTime]) == pytest.approx(0.004)
        assert ExifTags.Base.MakerNote not in details  # which may hold a preview
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert gps[1] == "N"
        assert [float(part) for part in gps[4]] == pytest.approx([2, 17, 40.2])
        if format != "WEBP":  # which has no place for it but the EXIF
            dpi = [exif[0x11A], exif[0x11B]] if kind == "webp" else picture.metadata.dpi
            assert dpi == pytest.approx([300, 240], abs=0.02)


def saved(result: Any, path: Path, **options: Any) -> bytes:
    result.save(path, **options)
    return path.read_bytes()


def test_metadata_can_be_stripped(tmp_path: Path) -> None:
    profile = wide_profile()
    data = file_of(
        Image.fromarray(drawn()),
        "JPEG",
        exif=exif_of(6),
        dpi=(72, 72),
        icc_profile=profile,
        xmp=XMP,
    )
    mask = np.full((WIDTH, HEIGHT), 255, np.uint8)
    kept = Remover(model=None)(data, mask=mask)
    assert kept.metadata.exif is not None
    stripped = Remover(model=None, metadata="strip")(data, mask=mask)
    for written in (
        kept.encode(metadata="strip"),
        saved(kept, tmp_path / "a.png", metadata="strip"),
        stripped.encode(),
        remove(data, mask=mask, model=None, metadata="strip"),
    ):
        assert load_picture(written).metadata == Metadata(icc_profile=profile)
        assert b"Photographer" not in written
    assert "exif" not in stripped.image.info
    for call in (lambda: kept.encode(metadata="gone"), lambda: Remover(metadata="gone")):
        with pytest.raises(ArgumentError, match="metadata must be one of 'keep', 'strip'"):
            call()
    with pytest.raises(ArgumentError, match="metadata must be a Metadata"):
        write_image(tmp_path / "b.png", drawn(), metadata="keep")  # type: ignore[arg-type]


def test_a_pillow_image_comes_back_with_all_of_it() -> None:
    data = file_of(
        Image.fromarray(drawn()), "JPEG", exif=exif_of(), dpi=(300, 300), icc_profile=wide_profile()
    )
    cut = remove(Image.open(io.BytesIO(data)), model=None, mask=np.full((HEIGHT, WIDTH), 255, "u1"))
    assert cut.getexif()[ExifTags.Base.Artist] == "A. Photographer"
    again = Image.open(io.BytesIO(file_of(cut, "PNG", exif=cut.info["exif"], dpi=cut.info["dpi"])))
    assert again.getexif()[ExifTags.Base.Artist] == "A. Photographer"
    assert again.info["icc_profile"] == wide_profile()
    assert again.info["dpi"] == pytest.approx((300, 300), abs=0.02)


def test_a_crop_says_its_size() -> None:
    data = file_of(Image.fromarray(drawn()), "JPEG", exif=exif_of())
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:15, 10:20] = 255
    crop = Remover(model=None)(data, trimap=mask).crop()
    exif = exif_in(crop.encode())
    details = exif.get_ifd(ExifTags.IFD.Exif)
    stored = details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight]
    assert stored == crop.rgba.shape[1::-1] == (10, 10)
    assert details[ExifTags.Base.DateTimeOriginal] == "2024:05:06 07:08:09"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    assert exif[ExifTags.Base.Orientation] == 1


def test_no_thumbnail_of_the_background_is_kept() -> None:
    """Pillow writes none, so the EXIF is made by hand: a second directory, and a JPEG after it."""
    thumbnail = file_of(Image.fromarray(drawn()), "JPEG")
    ascii_artist = b"\x3b\x01\x02\0\x04\0\0\0me\0\0"
    first = b"\x01\0" + ascii_artist + (26).to_bytes(4, "little")
    where = b"\x01\x02\x04\0\x01\0\0\0" + (56).to_bytes(4, "little")
    length = b"\x02\x02\x04\0\x01\0\0\0" + len(thumbnail).to_bytes(4, "little")
    second = b"\x02\0" + where + length + bytes(4)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail
    assert exif[6 + 56 : 6 + 58] == b"\xff\xd8"
    for format in ("JPEG", "PNG", "WEBP"):
        metadata = load_picture(file_of(Image.fromarray(drawn()), format, exif=exif)).metadata
        assert metadata.exif is not None
        assert b"me" in metadata.exif
        assert b"\xff\xd8" not in metadata.exif


def test_no_thumbnail_in_the_xmp_is_kept() -> None:
    thumbnails = (
        b'<xmp:Thumbnails xmlns:xmp="http://ns.adobe.com/xap/1.0/"><a>/9j/4AAQ</a></xmp:Thumbnails>'
    )
    packet = XMP.replace(b"</x:xmpmeta>", thumbnails + b"</x:xmpmeta>")
    assert thumbnails in packet
    metadata = load_picture(file_of(Image.fromarray(drawn()), "JPEG", xmp=packet)).metadata
    assert metadata.xmp is not None
    assert b"a cat" in metadata.xmp
    assert b"Thumbnails" not in metadata.xmp


def test_resolution_turns_with_the_pixels() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = file_of(Image.fromarray(drawn()), "JPEG", exif=exif.tobytes(), dpi=(300, 150))
    assert load_picture(data).metadata.dpi == pytest.approx((150, 300))


def test_broken_exif_of_a_caller_is_refused() -> None:
    for kind in ("png", "webp", "tiff", "jpeg"):
        with pytest.raises(ArgumentError, match=r"encode_image: metadata\.exif must be a TIFF"):
            encode_image(drawn(), kind, metadata=Metadata(exif=b"garbage", dpi=(72, 72)))


@pytest.mark.parametrize("value", [7.0, -0.1, np.inf, np.nan, 254.0])
def test_floats_beyond_the_range_are_refused(value: float) -> None:
    array = np.full((2, 2, 3), 0.5, np.float32)
    array[1, 1, 1] = value
    with pytest.raises(ArgumentError, match=r"array must be float32 in \[0, 1\], got") as refusal:
        encode_image(array, "png")
    assert ("divide a 0..255 image by 255" in str(refusal.value)) == (value in (7.0, 254.0))


@pytest.mark.filterwarnings("ignore")  # Pillow's, about damaged metadata
@pytest.mark.parametrize("dpi", [(0, 0), (float("nan"), 72), (-3, 3), (1e30, 1), "much", (72,), 3])
def test_broken_metadata_is_left_out(dpi: Any) -> None:
    picture = Image.fromarray(drawn())
    picture.info.update(dpi=dpi, exif=b"Exif\0\0MM\0*" + b"\xff" * 40, xmp=5, icc_profile=b"none")
    metadata = load_picture(picture).metadata
    assert metadata == Metadata().without(*metadata.dropped)
    assert "the colour profile was dropped: it is damaged" in metadata.dropped[0]


def test_what_jpeg_has_no_room_for_is_left_out() -> None:
    large = Metadata(exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0" + bytes(70_000), xmp=b"x" * 70_000)
    with pytest.warns(MetadataWarning, match="dropped: JPEG has room for 64 kB") as caught:
        got = load_picture(encode_image(drawn(), "jpeg", metadata=large)).metadata
    assert got == Metadata()
    assert [str(each.message).split()[1] for each in caught] == ["EXIF", "XMP"]


# --- colour ---

INKS = np.full((2, 2, 2, 2, 3), (30, 128, 128), np.uint8)
INKS[0, 0, 0, 0] = 255, 128, 128  # paper
INKS[1, 0, 0, 0] = 140, 100, 85  # cyan, duller than on a screen


def test_cmyk_goes_through_its_profile() -> None:
    picture = Image.new("CMYK", (WIDTH, HEIGHT), (255, 0, 0, 0))
    naive = read_image(picture)[0, 0]
    np.testing.assert_array_equal(naive, [0, 255, 255])
    lab = Image.frombytes("LAB", (1, 1), bytes([140, 100 ^ 128, 85 ^ 128]))
    expected = np.array(lab.convert("RGB"))[0, 0].astype(int)
    for format in ("JPEG", "TIFF"):
        got = load_picture(file_of(picture, format, icc_profile=cmyk_profile(INKS)))
        np.testing.assert_allclose(got.pixels[3, 3], expected, atol=4)
        assert np.abs(expected - naive).max() > 40
        assert got.metadata.icc_profile is None  # what is sRGB now is not said to be CMYK


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_greys_go_through_their_profile(mode: str) -> None:
    ramp = np.tile(np.arange(0, 256, 5, dtype=np.uint8), (3, 1))
    values: Any = ramp if mode != "I;16" else ramp.astype(np.uint16) * 257
    picture = Image.fromarray(values)
    if mode == "LA":
        picture.putalpha(128)
    data = file_of(picture, "PNG", icc_profile=grey_profile(1.8))
    got = load_picture(data)
    light = (ramp / 255) ** 1.8
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    full = np.iinfo(got.pixels.dtype).max
    np.testing.assert_allclose(got.pixels[..., 1] / full, srgb, atol=2 / 255)
    assert got.metadata.icc_profile is None
    if mode != "LA":
        np.testing.assert_array_equal(read_mask(data), values)  # of a mask the numbers are meant


def test_a_profile_of_rgb_changes_nothing_and_stays() -> None:
    for dtype in (np.uint8, np.uint16):
        data = encode_image(drawn(dtype), icc_profile=wide_profile())
        picture = load_picture(data)
        np.testing.assert_array_equal(picture.pixels, drawn(dtype))
        assert picture.metadata.icc_profile == wide_profile()
    odd = file_of(Image.fromarray(drawn()), "PNG", icc_profile=cmyk_profile(INKS))
    assert load_picture(odd).metadata.icc_profile is None


# --- depth and modes ---


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sure_foreground_keeps_its_bits(dtype: Any, kind: str) -> None:
    image = RANDOM.integers(0, np.iinfo(dtype).max, (HEIGHT, WIDTH, 3), dtype, endpoint=True)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[6:18, 10:30] = 255
    for data in (encode_image(image, "png"), encode_image(image, "tiff")):
        result = Remover(model=None)(data, mask=mask)
        got = read_image(result.encode(kind))
        assert got.dtype == dtype
        sure = got[..., 3] == np.iinfo(dtype).max
        assert sure.sum() > 100
        np.testing.assert_array_equal(got[sure][:, :3], image[sure])


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4), (1, 1, 4), (700, 500, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [0, 1, 9])
def test_tiff_round_trip(shape: tuple[int, ...], dtype: Any, compression: int) -> None:
    array = RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    data = encode_image(array, "tiff", compression=compression)
    got = read_image(data)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.dstack([array] * 3) if array.ndim == 2 else array)
    tifffile = pytest.importorskip("tifffile")
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), array)


def test_float_tiff() -> None:
    values = RANDOM.random((HEIGHT, WIDTH), np.float32)
    data = file_of(Image.fromarray(values), "TIFF")
    image = read_image(data)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[..., 1], values)
    np.testing.assert_array_equal(read_mask(data), values)
    result = Remover(model=None)(data, mask=np.full(values.shape, 255, np.uint8))
    np.testing.assert_array_equal(result.rgba[..., 0], values)
    with pytest.raises(ArgumentError, match="it is a damaged TIFF"):
        read_image(b"II*\0\x08\0\0\0" + bytes(60))


RGB = (200, 100, 50)
GREY = 124  # of RGB by Rec. 601
HALF = (*RGB, 128)


def paletted(**info: Any) -> Image.Image:
    picture = Image.new("P", (3, 2), 1)
    picture.putpalette([0, 0, 0, *RGB, 9, 9, 9])
    picture.info.update(info)
    return picture


def solid(mode: str, value: Any, **info: Any) -> Image.Image:
    picture = Image.new(mode, (3, 2), value)
    picture.info.update(info)
    return picture


def sixteen(mode: str) -> Image.Image:
    order = ">" if mode.endswith("B") else "<"
    return Image.frombytes(mode, (3, 2), np.full(6, 40_000, f"{order}u2").tobytes())


MODES: list[tuple[str, Callable[[], Image.Image], tuple[float, ...] | str]] = [
    ("1", lambda: solid("1", 1), (255,) * 3),
    ("L", lambda: solid("L", 77), (77,) * 3),
    ("L, transparent", lambda: solid("L", 77, transparency=77), (77, 77, 77, 0)),
    ("LA", lambda: solid("LA", (77, 128)), (77, 77, 77, 128)),
    ("La", lambda: solid("LA", (100, 128)).convert("La"), (99, 99, 99, 128)),
    ("P", paletted, RGB),
    ("P, index", lambda: paletted(transparency=1), (*RGB, 0)),
    ("P, bytes", lambda: paletted(transparency=b"\xff\x80"), HALF),
    ("P, few bytes", lambda: paletted(transparency=b"\x01"), (*RGB, 255)),
    ("PA", lambda: paletted(transparency=b"\xff\x80").convert("PA"), HALF),
    ("RGB", lambda: solid("RGB", RGB), RGB),
    ("RGB, transparent", lambda: solid("RGB", RGB, transparency=RGB), (*RGB, 0)),
    ("RGBA", lambda: solid("RGBA", HALF), HALF),
    ("RGBa", lambda: solid("RGBA", HALF).convert("RGBa"), HALF),
    ("RGBX", lambda: solid("RGB", RGB).convert("RGBX"), RGB),
    ("CMYK", lambda: solid("CMYK", (55, 155, 205, 0)), RGB),
    ("YCbCr", lambda: solid("RGB", RGB).convert("YCbCr"), RGB),
    ("HSV", lambda: solid("RGB", RGB).convert("HSV"), RGB),
    ("LAB", lambda: to_lab(solid("RGB", RGB)), RGB),
    ("I;16", lambda: sixteen("I;16"), (40_000,) * 3),
    ("I;16L", lambda: sixteen("I;16L"), (40_000,) * 3),
    ("I;16B", lambda: sixteen("I;16B"), (40_000,) * 3),
    ("F", lambda: solid("F", 0.25), (0.25,) * 3),
    ("I", lambda: solid("I", 70_000), r"mode I: .*white point"),
    ("F, beyond", lambda: solid("F", 1.5), r"mode F: .*not in \[0, 1\]"),
    ("F, nan", lambda: solid("F", float("nan")), r"mode F: .*not in \[0, 1\]"),
]


def to_lab(picture: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    assert converted is not None
    return converted


@pytest.mark.parametrize(
    ("make", "expected"), [row[1:] for row in MODES], ids=[r[0] for r in MODES]
)
def test_every_mode_is_right_or_refused(
    make: Callable[[], Image.Image], expected: tuple[float, ...] | str
) -> None:
    picture = make()
    if isinstance(expected, str):
        for read in (read_image, read_mask):
            with pytest.raises(ArgumentError, match=expected):
                read(picture)
        return
    got = read_image(picture)
    assert got.shape == (2, 3, len(expected))
    np.testing.assert_allclose(got[1, 2], expected, atol=0 if got.dtype != np.uint8 else 2)
    assert not (got - got[0, 0]).any()


@pytest.mark.parametrize(
    ("options", "array", "expected"),
    [
        ({"photometric": "miniswhite"}, np.full((2, 3), 300, np.uint16), 65_235),
        ({"photometric": "miniswhite"}, np.full((2, 3), 30, np.uint8), 225),
        ({"byteorder": ">"}, np.full((2, 3), 300, np.uint16), 300),
        ({"photometric": "rgb", "byteorder": ">"}, np.full((2, 3, 3), 300, np.uint16), 300),
        ({"photometric": "rgb"}, np.full((2, 3, 3), 300, np.uint16), 300),
        (
            {"photometric": "rgb", "planarconfig": "separate"},
            np.full((3, 2, 3), 300, np.uint16),
            "separate planes",
        ),
        (
            {"photometric": "rgb"},
            np.full((2, 3, 3), 0.5, np.float32),
            r"RGB, 3 x 32 floating-point bits\); save it as RGB of 8",
        ),
        ({}, np.full((2, 3), -5, np.int8), "signed"),
        ({}, np.full((2, 3), -5, np.int16), "signed"),
        ({}, np.full((2, 3), 5, np.uint32), "white point"),
    ],
)
def test_kinds_of_tiff(options: dict[str, Any], array: Any, expected: int | str) -> None:
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    data = buffer.getvalue()
    if isinstance(expected, str):
        with pytest.raises(ArgumentError, match=expected):
            read_image(data)
        return
    got = read_image(data)
    assert got.dtype == array.dtype
    assert got.shape == (2, 3, 3)
    assert (got == expected).all()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_is_read(format: str) -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue", "lime")]
    data = file_of(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.warns(FramesWarning, match="left out of the .*: 2 of 3 (frames|pages)"):
        np.testing.assert_array_equal(read_image(data)[3, 3, :3], [255, 0, 0])
    picture = Image.open(io.BytesIO(data))
    picture.seek(1)
    np.testing.assert_array_equal(read_image(picture)[3, 3, :3], [0, 0, 255])  # the one it shows


# --- straight alpha ---


def test_own_alpha_limits_the_result() -> None:
    own = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, :10] = 0
    for picture in (Image.fromarray(np.dstack([drawn(), own])), np.dstack([drawn(), own])):
        alpha = read_image(remove(picture, mask=mask, model=None))[..., 3]
        assert (alpha <= own).all()
        np.testing.assert_array_equal(alpha[:, 20:], own[:, 20:])


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_over_its_own_background_the_photograph_comes_back(seed: int) -> None:
    truth = scene(60, 100, seed)
    background = np.full_like(truth.image, np.random.default_rng(seed).integers(0, 256, 3))
    image = trimatte.composite(truth.foreground, truth.alpha, background)
    check_that_it_comes_back(image, truth.alpha, background)


def check_that_it_comes_back(image: Any, alpha: Any, background: Any) -> None:
    """Cut out, and put again before what was behind it: as that was estimated, and as it was."""
    foreground, behind = trimatte.estimate_foreground(image, alpha, return_background=True)
    np.testing.assert_allclose(
        trimatte.composite(foreground, alpha, behind).astype(int), image, atol=1, rtol=0
    )
    foreground = trimatte.estimate_foreground(image, alpha, background=background)
    off = np.abs(trimatte.composite(foreground, alpha, background).astype(int) - image)
    assert off[alpha >= 0.1].max(initial=0) <= 1
    assert off.max() <= 2  # below, the equation is not all that it goes by
    # The alpha of a file has 256 levels.
    rgba = trimatte.cutout(foreground, alpha)
    stored = trimatte.composite(rgba[..., :3], rgba[..., 3], background)
    assert np.abs(stored.astype(int) - image)[alpha >= 0.1].max(initial=0) <= 2


@pytest.mark.parametrize("name", ["comp_human1", "comp_human2"])
def test_real_photographs_come_back(shared_data: Path, name: str) -> None:
    folder = shared_data / "matting" / name
    image, background = (read_image(folder / f"{each}.png") for each in ("image", "background"))
    alpha = np.float32(read_mask(folder / "alpha.png") / 255)
    part = np.s_[: image.shape[0] // 2, : image.shape[1] // 2]
    check_that_it_comes_back(image[part], alpha[part], background[part])

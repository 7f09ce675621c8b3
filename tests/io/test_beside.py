"""What stands beside the pixels: carried where a format can hold it, else named in a sentence."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.helpers.icc import cmyk_profile, grey_profile, wide_profile
from tests.helpers.png import chunks_of, with_chunks
from tests.io.test_fidelity import INKS, drawn, file_of
from trimatte import MetadataWarning, Remover, Result
from trimatte.io import profiles
from trimatte.io.iptc import photoshop_segment
from trimatte.io.metadata import Metadata
from trimatte.io.profiles import adobe_rgb, converted
from trimatte.io.reading import load_picture
from trimatte.io.writing import encode_image
from trimatte.io.xmp import kept_xmp

SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
IPTC = b"\x1c\x02\x69\0\x05Title\x1c\x02\x78\0\x07caption"


def gamma(value: float) -> bytes:
    return struct.pack(">I", round(100_000 * value))


def primaries(values: tuple[float, ...]) -> bytes:
    return struct.pack(">8I", *(round(100_000 * value) for value in values))


def png(chunks: dict[bytes, bytes] | None = None, **options: Any) -> bytes:
    return with_chunks(file_of(Image.fromarray(drawn()), "PNG", **options), chunks or {})


def cut(data: Any) -> Result:
    return Remover(model=None)(data, mask=np.full(drawn().shape[:2], 255, np.uint8))


def written(result: Result, format: str) -> tuple[Metadata, list[str]]:
    """What is in a file of the result, over white where it has no alpha, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels = result.rgba[:, :, :3] if format == "jpeg" else result.rgba
        data = encode_image(pixels, format, metadata=result.metadata)
    assert all(each.category is MetadataWarning for each in caught)
    return load_picture(data).metadata, [str(each.message) for each in caught]


# --- colours of PNG ---

COLOURS: dict[str, dict[bytes, bytes]] = {
    "sRGB": {b"sRGB": b"\0", b"gAMA": gamma(1 / 2.2)},
    "sRGB by numbers": {b"gAMA": gamma(1 / 2.2), b"cHRM": primaries(SRGB)},
    "of video": {b"cICP": bytes([1, 1, 0, 1])},
    "linear": {b"gAMA": gamma(1)},
    "wide": {b"gAMA": gamma(1 / 2.2), b"cHRM": primaries(ADOBE)},
    "P3": {b"cICP": bytes([12, 13, 0, 1])},
    "PQ": {b"cICP": bytes([9, 16, 0, 1]), b"mDCV": bytes(24), b"cLLI": bytes(8)},
    "HLG": {b"cICP": bytes([9, 18, 0, 1])},
    "narrow": {b"cICP": bytes([1, 13, 0, 0])},
    "primaries that are none": {b"gAMA": gamma(1 / 2.2), b"cHRM": bytes(32)},
}


@pytest.mark.parametrize("source", ["bytes", "16 bits", "Pillow", "loaded"])
@pytest.mark.parametrize("colours", COLOURS)
def test_png_keeps_the_chunks_of_colours(colours: str, source: str) -> None:
    chunks, data = COLOURS[colours], png(COLOURS[colours])
    given: Any = data
    if source == "16 bits":
        given = with_chunks(encode_image(drawn(np.uint16)), chunks)
    elif source != "bytes":
        given = Image.open(io.BytesIO(data))
    if source == "loaded":  # after which Pillow has no file to look into
        given.load()
        chunks = {
            name: body for name, body in chunks.items() if name in (b"sRGB", b"gAMA", b"cHRM")
        }
    kept = chunks_of(cut(given).encode())
    assert {name: kept.get(name) for name in chunks} == chunks
    assert b"iCCP" not in kept


@pytest.mark.parametrize("format", ["webp", "tiff", "jpeg"])
def test_other_formats_get_a_profile_of_the_same_colours(format: str) -> None:
    for colours in ("sRGB", "sRGB by numbers", "of video", "primaries that are none"):
        assert written(cut(png(COLOURS[colours])), format) == (Metadata(), [])
    light = np.array([[[10, 100, 200], [0, 128, 255]]], np.uint8)
    linear, said = written(cut(png(COLOURS["linear"])), format)
    assert said == []
    encoded = 1.055 * (light / 255) ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(
        converted(light, linear.icc_profile, None), 255 * encoded.clip(0), atol=1
    )
    p3, said = written(cut(png(COLOURS["P3"])), format)
    assert said == []
    # (255, 0, 0) of Display P3 is beyond sRGB, and (230, 60, 60) is within.
    red = converted(np.array([[[230, 60, 60]]], np.uint8), None, p3.icc_profile)
    np.testing.assert_allclose(red[0, 0], [213, 76, 67], atol=2)


@pytest.mark.parametrize("format", ["webp", "tiff", "jpeg"])
@pytest.mark.parametrize("colours", ["PQ", "HLG", "narrow"])
def test_colours_of_hdr_are_kept_in_png_only(format: str, colours: str) -> None:
    result = cut(png(COLOURS[colours]))
    metadata, said = written(result, format)
    assert metadata == Metadata()
    assert len(said) == 1
    assert "cICP, which says that colours are" in said[0]
    assert (result.metadata.hdr or "unusual") in said[0]


@pytest.mark.parametrize("number", [0, 1, 9_999, 1_000_001, 2**31, 2**32 - 1])
@pytest.mark.parametrize("place", range(9))
def test_numbers_that_describe_no_colours_do_no_harm(number: int, place: int) -> None:
    values = [round(100_000 * value) for value in ADOBE]
    if place < 8:
        values[place] = number
    chunks = {b"cHRM": struct.pack(">8I", *values)}
    if place == 8:
        chunks[b"gAMA"] = struct.pack(">I", number)
    data = png(chunks)
    assert {name: chunks_of(cut(data).encode())[name] for name in chunks} == chunks
    for format in ("webp", "tiff", "jpeg"):
        written(cut(data), format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MetadataWarning)  # of colours that LittleCMS refuses
        assert cut(data).composite("white").shape == drawn().shape


def test_profiles_that_are_made_are_not_remembered_for_ever() -> None:
    for number in range(20_000, 20_200):
        metadata = Metadata(png_colour=((b"gAMA", number.to_bytes(4, "big")),))
        assert metadata.profile is not None
    assert profiles._profile.cache_info().currsize <= 64


def test_a_profile_made_of_primaries_is_that_of_the_standard() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(adobe_rgb())).profile
    np.testing.assert_allclose(profile.red_colorant[0], [0.60974, 0.31111, 0.01947], atol=2e-4)
    np.testing.assert_allclose(profile.green_colorant[0], [0.20528, 0.62567, 0.06087], atol=2e-4)
    np.testing.assert_allclose(profile.blue_colorant[0], [0.14919, 0.06322, 0.74457], atol=2e-4)


@pytest.mark.parametrize(
    "details",
    [{ExifTags.Base.ColorSpace: 0xFFFF, ExifTags.IFD.Interop: {1: "R03"}}, {0xA001: 2}],
)
def test_what_a_camera_calls_adobe_rgb_is_adobe_rgb(details: dict[int, Any]) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = details
    picture = Image.fromarray(drawn())
    assert load_picture(file_of(picture, "JPEG", exif=exif)).metadata.icc_profile == adobe_rgb()
    # Pixels that are converted to sRGB are not called Adobe RGB afterwards.
    grey = file_of(picture.convert("L"), "JPEG", exif=exif, icc_profile=grey_profile(1.8))
    assert written(cut(grey), "jpeg")[0].icc_profile is None
    own = file_of(picture, "JPEG", exif=exif, icc_profile=wide_profile())
    assert load_picture(own).metadata.icc_profile == wide_profile()


def test_colours_without_a_usable_profile_are_told() -> None:
    inks = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for data in (file_of(inks, "TIFF"), file_of(inks, "JPEG", icc_profile=b"nonsense")):
        assert "its CMYK has no colour profile" in load_picture(data).metadata.dropped[0]
    managed = file_of(inks, "TIFF", icc_profile=cmyk_profile(INKS))
    assert load_picture(managed).metadata.dropped == ()
    wrong = file_of(Image.fromarray(drawn()), "JPEG", icc_profile=cmyk_profile(INKS))
    assert "it is one of CMYK" in load_picture(wrong).metadata.dropped[0]


def test_strip_keeps_what_colours_mean() -> None:
    result = cut(png(COLOURS["PQ"] | {b"tEXt": b"prompt\0a cat", b"caBX": b"jumb"}))
    kept = chunks_of(result.encode(metadata="strip"))
    assert COLOURS["PQ"].items() <= kept.items()
    assert b"tEXt" not in kept
    assert result.metadata.under("strip", "test").dropped == ()


# --- text, comments, IPTC ---


def test_text_of_png_is_kept_in_png() -> None:
    text = PngInfo()
    text.add_text("parameters", "a cat\nSteps: 20, " * 99)  # as generators of images write it
    text.add_itxt("Title", "Été", "fr", "Titre")
    text.add_text("Comment", "short", zip=True)
    result = cut(png(pnginfo=text))
    again: Any = Image.open(io.BytesIO(result.encode()))
    assert again.text["parameters"] == "a cat\nSteps: 20, " * 99
    assert (again.text["Title"], again.text["Title"].lang) == ("Été", "fr")
    assert again.text["Comment"] == "short"
    assert result.image.info["Title"] == "Été"
    for format, lost in (("webp", "parameters, Title, Comment"), ("jpeg", "parameters, Title")):
        assert f"text ({lost}) was dropped" in written(result, format)[1][0]
    assert written(result, "jpeg")[0].text == (("Comment", "short"),)


@pytest.mark.parametrize("format", ["JPEG", "GIF"])
def test_comments_are_text(format: str) -> None:
    data = file_of(Image.fromarray(drawn()), format, comment="déjà vu".encode())
    for kind in ("png", "jpeg"):
        assert written(cut(data), kind) == (Metadata(text=(("Comment", "déjà vu"),)), [])


def test_iptc_goes_along() -> None:
    data = file_of(Image.fromarray(drawn()), "JPEG", extra=photoshop_segment(IPTC))
    for first in ("png", "tiff", "jpeg"):
        pixels = cut(data).rgba[:, :, :3]
        through = encode_image(pixels, first, metadata=cut(data).metadata)
        for format in ("png", "tiff", "jpeg"):
            metadata, said = written(cut(through), format)
            assert (metadata.iptc, said) == (IPTC, [])
        metadata, said = written(cut(through), "webp")
        assert metadata.iptc is None
        assert said == ["the IPTC was dropped: WebP has no place for it"]


def test_iptc_with_a_preview_or_damage_is_dropped() -> None:
    for records, problem in (
        (IPTC + b"\x1c\x02\xca\0\x02\xff\xd8", "preview"),
        (b"abc", "damaged"),
    ):
        data = file_of(Image.fromarray(drawn()), "JPEG", extra=photoshop_segment(records))
        metadata = load_picture(data).metadata
        assert metadata.iptc is None
        assert problem in metadata.dropped[0]
    for text in ("\niptc\n 4\nnot hex\n", "", "\n"):
        chunk = {b"tEXt": b"Raw profile type iptc\0" + text.encode()}
        assert load_picture(png(chunk)).metadata.iptc is None


# --- what describes other data in the file ---

_SPACES = {
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "apple": "http://ns.apple.com/HDRGainMap/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}


def packet(attributes: str = "", elements: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{name}="{space}"' for name, space in _SPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" {spaces} dc:format="é" {attributes}>'
        f"<dc:title>a &lt;cat&gt;</dc:title>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def directory(semantic: str) -> str:
    return (
        '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item '
        f'Item:Semantic="{semantic}" Item:Length="9"/></rdf:li></rdf:Seq></Container:Directory>'
    )


@pytest.mark.parametrize(
    ("attributes", "elements", "name"),
    [
        ('hdrgm:Version="1.0"', directory("GainMap"), "HDR gain map"),
        ("", "<hdrgm:GainMapMax>3</hdrgm:GainMapMax>", "HDR gain map"),
        ("apple:HDRGainMapVersion='131072'", "", "HDR gain map"),
        ('GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"', "", "video of the motion photo"),
        ("", "<GCamera:MicroVideo>1</GCamera:MicroVideo>", "video of the motion photo"),
        ("", directory("MotionPhoto"), "video of the motion photo"),
        ("", directory("Depth"), "depth map"),
        ("", "<GDepth:Data>AAAA</GDepth:Data>", "depth map"),
        ('xmpNote:HasExtendedXMP="ABC"', "", "extended XMP"),
        ("", directory("Unheard of"), "other data"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "ns9"])
def test_xmp_promises_nothing_that_is_gone(
    attributes: str, elements: str, name: str, prefix: str
) -> None:
    given = packet(f'GCamera:BurstID="b" {attributes}', elements)
    for space in _SPACES if prefix else ():
        given = given.replace(f"{space}:".encode(), f"{prefix}{space}:".encode())
        given = given.replace(f"xmlns:{space}=".encode(), f"xmlns:{prefix}{space}=".encode())
    result = cut(file_of(Image.fromarray(drawn()), "JPEG", xmp=given))
    assert result.dropped == (f"the {name} was dropped: it belongs to the original file",)
    for format in ("png", "webp", "tiff", "jpeg"):
        metadata, said = written(result, format)
        assert said == []
        assert metadata.dropped == ()
        xmp = metadata.xmp or b""
        assert b"a &lt;cat&gt;" in xmp
        assert 'dc:format="é"'.encode() in xmp
        assert b"BurstID" in xmp
        for gone in (b"hdrgm", b"Motion", b"MicroVideo", b"Container", b"Depth", b"xmpNote"):
            assert gone not in xmp


def test_xmp_that_describes_nothing_else_stays_as_it_is() -> None:
    plain = packet().replace(b"ns.google.com", b"else.org").replace(b"hdr-gain-map", b"e")
    plain = plain.replace(b"ns.apple.com", b"else.org").replace(b"xmp/note", b"e")
    assert kept_xmp(plain) == (plain, [])


@pytest.mark.parametrize(
    ("attributes", "elements"),
    [
        ("", "<xmp:Thumbnails/><xmp:Rating>5</xmp:Rating><xmp:Thumbnails>AA</xmp:Thumbnails>"),
        ("", '<x-1:Thumbnails xmlns:x-1="http://ns.adobe.com/xap/1.0/">AA</x-1:Thumbnails>'),
        ("", '<a:Thumbnails xmlns:a="&#104;ttp://ns.adobe.com/xap/1.0/">AA</a:Thumbnails>'),
        ('xmp:Thumbnails="AA"', ""),
        ('xmlns:g="http://ns.adobe.com/xap/1.0/g/img/"', "<a><g:image>AA</g:image></a>"),
        ("", "<xmp:Thumbnails>AA</xmp:Thumbnails>x" * 10_000),
    ],
)
def test_thumbnails_in_xmp_are_dropped_and_nothing_else(attributes: str, elements: str) -> None:
    given = packet(f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" {attributes}', elements)
    kept, names = kept_xmp(given)
    assert names == []
    assert b"AA" not in kept
    assert b"a &lt;cat&gt;" in kept
    assert (b"<xmp:Rating>5</xmp:Rating>" in kept) == ("Rating" in elements)


def test_xmp_of_nothing_but_a_thumbnail_is_none() -> None:
    alone = b'<?a?><t:Thumbnails xmlns:t="http://ns.adobe.com/xap/1.0/">AA</t:Thumbnails>'
    assert kept_xmp(alone) == (b"", [])
    metadata = load_picture(file_of(Image.fromarray(drawn()), "JPEG", xmp=alone)).metadata
    assert metadata == Metadata(exif=metadata.exif)


def test_thumbnails_of_another_meaning_stay() -> None:
    assert b">AA<" in kept_xmp(packet("", "<dc:Thumbnails>AA</dc:Thumbnails>"))[0]


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (b"<a:Thumbnails " * 20_000, "it is not XML"),
        (b"<a>Thumbnails" + b" " * (1 << 20) + b"</a>", "it has more than 1 MB"),
        (packet().decode().encode("utf-16"), "it is not UTF-8"),
        (packet().decode("ascii", "ignore").encode("utf-16-le"), "it is not UTF-8"),
        ("<a>é</a>".encode("latin-1"), "it is not UTF-8"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>Thumbnails &b;</a>', "it has a document type"),
        (b"<a>Thumbnails" + b"<a>" * 5000 + b"</a>" * 5001, "nested too deeply"),
    ],
)
def test_xmp_that_cannot_be_searched_is_refused(given: bytes, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        kept_xmp(given)


@pytest.mark.parametrize("end", [-20, -200])
def test_xmp_that_is_no_xml_is_dropped(end: int) -> None:
    broken = packet('hdrgm:Version="1.0"')[:end]
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]>' + packet('hdrgm:Version="1.0"')
    deep = packet('hdrgm:Version="1.0"', "<a>" * 5000 + "</a>" * 5000)
    for given in (broken, bomb, deep):
        metadata = load_picture(file_of(Image.fromarray(drawn()), "JPEG", xmp=given)).metadata
        assert metadata.xmp is None
        assert "the XMP was dropped" in metadata.dropped[0]


def test_other_pictures_in_the_file_are_told() -> None:
    picture = Image.fromarray(drawn())
    others = file_of(picture, "MPO", save_all=True, append_images=[picture, picture])
    assert "2 more pictures in the MPO file" in cut(others).dropped[0]
    body = b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)
    marker = b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    assert "the HDR gain map was dropped" in cut(file_of(picture, "JPEG", extra=marker)).dropped[0]


def test_signatures_of_the_original_are_told() -> None:
    body = b"JP\0\1\0\0\0\1" + b"jumb...c2pa"
    marker = b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body
    for data in (png({b"caBX": body}), file_of(Image.fromarray(drawn()), "JPEG", extra=marker)):
        assert "C2PA" in cut(data).dropped[0]
        assert b"c2pa" not in cut(data).encode()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_channels_beyond_the_colours_are_told(dtype: Any) -> None:
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    channels = np.dstack([drawn(dtype), drawn(dtype)[..., :1]])
    tifffile.imwrite(buffer, channels, photometric="rgb", extrasamples=["unspecified"])
    picture = load_picture(buffer.getvalue())
    np.testing.assert_array_equal(picture.pixels, drawn(dtype))
    assert "1 channel of the TIFF beyond its colours" in picture.metadata.dropped[0]


def test_lab_is_converted_and_nothing_is_said() -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    picture = ImageCms.profileToProfile(Image.fromarray(drawn()), srgb, lab, outputMode="LAB")
    assert picture is not None
    got = load_picture(file_of(picture, "TIFF"))
    assert np.abs(got.pixels.astype(int) - drawn()).mean() < 3
    assert got.metadata == Metadata()


def test_a_tiff_that_pillow_cannot_read_is_described(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    inks = np.zeros((8, 8, 5), np.uint8)
    for big in (False, True):
        tifffile.imwrite(
            path, inks, photometric="separated", extrasamples=["unassalpha"], bigtiff=big
        )
        with pytest.raises(ValueError, match=r"this kind of TIFF \(CMYK, 5 x 8 bits\)"):
            load_picture(path)


def test_hdr_in_heif_and_avif_is_known() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    nclx = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9}
    heif = file_of(Image.fromarray(drawn()), "HEIF", **nclx)
    assert load_picture(Image.open(io.BytesIO(heif))).metadata.hdr == "PQ"
    plain = file_of(Image.fromarray(drawn()), "AVIF")
    assert load_picture(plain).metadata == Metadata()
    place = plain.index(b"colrnclx") + len(b"colrnclx")
    hdr = plain[:place] + struct.pack(">HH", 9, 18) + plain[place + 4 :]
    assert load_picture(hdr).metadata.hdr == "HLG"


def test_a_warning_points_at_the_line_that_writes(tmp_path: Path) -> None:
    result = cut(png(COLOURS["PQ"]))
    with pytest.warns(MetadataWarning) as saved:
        result.save(tmp_path / "a.webp")
    with pytest.warns(MetadataWarning) as encoded:
        result.encode("tiff")
    assert [each.filename for each in (*saved, *encoded)] == [__file__] * 2

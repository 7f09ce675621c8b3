"""Model cards: what the shipped ones say, and what no card may say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from trimatte.engines.weights.cards import Card, InputSpec, cards, find_card, read_card
from trimatte.engines.weights.catalogue import describe, markdown

from trimatte.errors import ArgumentError, EngineError

RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# What rembg publishes and does: file of its release, md5, input side, mean and std, activation.
REMBG = {
    "u2net": ("u2net", "60024c5c889badc19c04ad937298a77b", 320, IMAGENET, "none"),
    "u2netp": ("u2netp", "8e83ca70e441ab06c318d82300c84806", 320, IMAGENET, "none"),
    "u2net_human_seg": (
        "u2net_human_seg",
        "c09ddc2e0104f800e3e1bb4652583d1f",
        320,
        IMAGENET,
        "none",
    ),
    "u2net_cloth_seg": (
        "u2net_cloth_seg",
        "2434d1f3cb744e0e49386c906e5a08bb",
        768,
        IMAGENET,
        "softmax",
    ),
    "silueta": ("silueta", "55e59e0d8062d2f5d013f4725ee84782", 320, IMAGENET, "none"),
    "isnet-general-use": (
        "isnet-general-use",
        "fc16ebd8b0c10d971d3513d564d01e29",
        1024,
        ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
        "none",
    ),
    "isnet-anime": (
        "isnet-anime",
        "6f184e756bb3bd901c8849220a83e38e",
        1024,
        (IMAGENET[0], (1.0, 1.0, 1.0)),
        "none",
    ),
    "birefnet-general": (
        "BiRefNet-general-epoch_244",
        "7a35a0141cbbc80de11d9c9a28f52697",
        1024,
        IMAGENET,
        "sigmoid",
    ),
    "birefnet-general-lite": (
        "BiRefNet-general-bb_swin_v1_tiny-epoch_232",
        "4fab47adc4ff364be1713e97b7e66334",
        1024,
        IMAGENET,
        "sigmoid",
    ),
    "birefnet-portrait": (
        "BiRefNet-portrait-epoch_150",
        "c3a64a6abf20250d090cd055f12a3b67",
        1024,
        IMAGENET,
        "sigmoid",
    ),
    "birefnet-dis": (
        "BiRefNet-DIS-epoch_590",
        "2d4d44102b446f33a4ebb2e56c051f2b",
        1024,
        IMAGENET,
        "sigmoid",
    ),
    "birefnet-hrsod": (
        "BiRefNet-HRSOD_DHU-epoch_115",
        "c017ade5de8a50ff0fd74d790d268dda",
        1024,
        IMAGENET,
        "sigmoid",
    ),
    "birefnet-cod": (
        "BiRefNet-COD-epoch_125",
        "f6d0d21ca89d287f17e7afe9f5fd3b45",
        1024,
        IMAGENET,
        "sigmoid",
    ),
    "birefnet-massive": (
        "BiRefNet-massive-TR_DIS5K_TR_TEs-epoch_420",
        "33e726a2136a3d59eb0fdf613e31e3e9",
        1024,
        IMAGENET,
        "sigmoid",
    ),
    "bria-rmbg-2.0": ("bria-rmbg-2.0", None, 1024, IMAGENET, "none"),
}
SHA256 = {
    "u2netp": "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    "isnet-general-use": "60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a",
    "bria-rmbg-2.0": "5b486f08200f513f460da46dd701db5fbb47d79b4be4b708a19444bcd4e79958",
}
SIZES = {
    "u2netp": 4_574_861,
    "isnet-general-use": 178_648_008,
    "birefnet-general-lite": 224_005_088,
}
FROM_CHECKPOINTS = {"modnet", "deeplabv3plus-mobilenetv2", "deeplabv3plus-resnet101"}

MINIMAL = "[input]\nsize = [320, 320]\nmean = [0.5, 0.5, 0.5]\nstd = [1, 1.0, 1]\n"


def test_sizes_for_engines() -> None:
    assert find_card("u2net").input.sizes == (320, 320)
    least, usual, most = find_card("modnet").input.sizes
    assert (least, usual, most) == ((32, 32), (512, 672), (1536, 1536))


def test_the_cards_are_these() -> None:
    assert set(cards()) == set(REMBG) | FROM_CHECKPOINTS | {"u2net-lite"}


@pytest.mark.parametrize("name", REMBG)
def test_a_card_says_what_rembg_publishes(name: str) -> None:
    file, md5, side, (mean, std), activation = REMBG[name]
    card = cards()[name]
    assert card.urls == (f"{RELEASE}{file}.onnx",)
    assert card.md5 == md5
    assert card.input == InputSpec((side, side), mean, std, filter="lanczos", scale="max")
    assert card.output.index == 0
    assert card.output.activation == activation
    assert card.output.filter == "lanczos"
    assert card.output.min_max == (not card.output.classes)


@pytest.mark.parametrize("name", SHA256)
def test_known_sha256(name: str) -> None:
    assert cards()[name].sha256 == SHA256[name]


@pytest.mark.parametrize("name", SIZES)
def test_known_sizes(name: str) -> None:
    assert cards()[name].size == SIZES[name]


@pytest.mark.parametrize("name", cards())
def test_a_shipped_card_leaves_nothing_out(name: str) -> None:
    card = cards()[name]
    for value in (
        card.description,
        card.license_url,
        card.training_data,
        card.training_license,
        card.homepage,
        card.notes,
    ):
        assert value
    assert bool(card.urls) + bool(card.checkpoint) + card.built_in == 1
    assert card.checkpoint or card.size
    assert (card.folder is None) != card.built_in


def test_disputed_weights_are_unclear_and_say_where_to_read() -> None:
    disputes = {
        "birefnet-general": "ZhengPeng7/BiRefNet/issues/306",
        "isnet-general-use": "xuebinqin/DIS/issues/150",
    }
    for name, where in disputes.items():
        card = cards()[name]
        assert card.commercial == "unclear"
        assert any(where in note for note in card.notes)
    assert [card.name for card in cards().values() if card.commercial is False] == ["bria-rmbg-2.0"]


def test_modnet_is_run_as_its_authors_run_it() -> None:
    card = find_card("modnet")
    assert (card.input.mean, card.input.std) == ((0.5,) * 3, (0.5,) * 3)
    assert (card.input.scale, card.input.filter, card.input.multiple) == (255, "box", 32)
    assert not card.output.min_max
    assert card.output.activation == "none"
    assert "trimatte engines export modnet" in (card.checkpoint or "")


def test_classes_and_those_that_are_foreground() -> None:
    voc = find_card("deeplabv3plus-resnet101").output
    assert len(voc.classes) == 21
    assert voc.classes.index("person") == 15
    assert voc.default == ("person",)
    clothes = find_card("u2net_cloth_seg").output
    assert len(clothes.classes) == 4
    assert clothes.classes[0] == "background"
    assert clothes.default == clothes.classes[1:]


def test_a_card_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        find_card("u2net").sha256 = "0" * 64  # type: ignore[misc]


@pytest.mark.parametrize(
    ("image", "network"),
    [
        ((1080, 1920), (512, 896)),
        ((1920, 1080), (896, 512)),
        ((300, 400), (512, 672)),
        ((400, 600), (384, 576)),
        ((512, 512), (512, 512)),
        ((20, 513), (32, 512)),
        ((1, 1), (512, 512)),
        ((1, 400), (512, 8192)),
    ],
)
def test_network_size_of_modnet(image: tuple[int, int], network: tuple[int, int]) -> None:
    assert find_card("modnet").input.network_size(*image) == network


def test_network_size_of_a_squashing_network() -> None:
    spec = find_card("u2net").input
    assert spec.network_size(4000, 3000) == (320, 320)
    with pytest.raises(ArgumentError, match=r"at least 1, got \(0, 5\)"):
        spec.network_size(0, 5)


@pytest.mark.parametrize(
    ("typo", "meant"), [("unet", "u2net"), ("isnet", "isnet-general-use"), ("bria-rmbg", "bria")]
)
def test_a_near_miss_is_answered_with_what_was_meant(typo: str, meant: str) -> None:
    with pytest.raises(ArgumentError, match=f"name of a model, got '{typo}'; did you mean {meant}"):
        find_card(typo)


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(ArgumentError, match=r"there are birefnet-cod, .*u2netp$"):
        find_card("zzzz")


@pytest.mark.parametrize("model", ["", 3, None, Path("u2net"), "some/folder"])
def test_a_model_that_is_no_name_and_no_path(model: object) -> None:
    with pytest.raises(ArgumentError, match=r"find_card: .*must"):
        find_card(model)  # type: ignore[arg-type]


def test_a_minimal_card_and_its_defaults(tmp_path: Path) -> None:
    path = _write(tmp_path / "mine.toml", MINIMAL)
    card = find_card(path)
    assert (card.name, card.title, card.file) == ("mine", "mine", "mine.onnx")
    assert (card.license, card.commercial) == ("NOASSERTION", "unclear")
    assert card.input.std == (1.0, 1.0, 1.0)
    assert card.folder == tmp_path
    assert "licence of the weights: NOASSERTION\n" in describe(card)


def test_an_onnx_file_with_its_card_beside_it(tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    model.write_bytes(b"weights")
    _write(tmp_path / "mine.toml", f'sha256 = "{"AB" * 32}"\n{MINIMAL}')
    card = find_card(str(model))
    assert (card.folder, card.file) == (tmp_path, "mine.onnx")
    assert card.sha256 == "ab" * 32


def test_an_onnx_file_without_a_card_is_told_what_to_write(tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    model.write_bytes(b"weights")
    with pytest.raises(EngineError, match="how to run it is not known: pass card=") as caught:
        find_card(model)
    example = str(caught.value).partition("\n\n")[2]
    assert find_card(_write(tmp_path / "mine.toml", example)).input.size == (320, 320)
    assert find_card(model).name == "mine"


@pytest.mark.parametrize("how", ["u2net", find_card("u2net")], ids=["name", "card"])
def test_an_onnx_file_run_as_another_model(tmp_path: Path, how: str | Card) -> None:
    model = tmp_path / "tuned.onnx"
    model.write_bytes(b"weights")
    card = find_card(model, card=how)
    assert (card.name, card.folder, card.input) == ("tuned", tmp_path, find_card("u2net").input)
    assert (card.urls, card.sha256, card.md5, card.size) == ((), None, None, None)


def test_card_is_only_for_an_onnx_file() -> None:
    with pytest.raises(ArgumentError, match=r"card= is for a path to an .onnx"):
        find_card("u2net", card="u2netp")


def test_an_onnx_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no such file"):
        find_card(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size = 'x'\n" + MINIMAL, "size must be a whole number of at least 1, got 'x'"),
        ("size = true\n" + MINIMAL, "size must be a whole number"),
        ("titel = 'x'\n" + MINIMAL, "titel is no key of a model card; did you mean title?"),
        (MINIMAL + "filtre = 'box'\n", r"input\.filtre is no key .* did you mean filter\?"),
        ("sha256 = 'abc'\n" + MINIMAL, "sha256 must be 64 hexadecimal digits, got 'abc'"),
        (f"md5 = '{'g' * 32}'\n" + MINIMAL, "md5 must be 32 hexadecimal digits"),
        ("urls = ['ftp://a/b']\n" + MINIMAL, "urls must be a list of https:// or http:// URLs"),
        ("urls = ['https:///b']\n" + MINIMAL, "urls must be a list of https:// or http:// URLs"),
        ("urls = ['https://a/b']\n" + MINIMAL, "sha256 or md5 must be there where urls is"),
        ("file = '../x.onnx'\n" + MINIMAL, "file must be the name of an .onnx file, without"),
        ("file = 'x.pth'\n" + MINIMAL, "file must be the name of an .onnx file"),
        ("commercial = 'yes'\n" + MINIMAL, 'commercial must be true, false or "unclear"'),
        ("title = ' '\n" + MINIMAL, "title must be text that is not empty"),
        ("input = 3\n", "input must be a table, got 3"),
        ("", r"input\.size is missing: \[height, width\]"),
        ("[input]\nsize = [1]\n", r"input\.size must be \[height, width\]"),
        ("[input]\nsize = [1, 0]\n", r"input\.size must be \[height, width\]"),
        (MINIMAL.replace("0.5]", "nan]"), r"input\.mean must be three numbers"),
        (MINIMAL.replace("[1, 1.0, 1]", "[1, 0, 1]"), r"input\.std must be three numbers above 0"),
        (MINIMAL + "scale = 256\n", r"input\.scale must be 255 or 'max', got 256"),
        (MINIMAL + "scale = 255.0\n", r"input\.scale must be 255 or 'max', got 255.0"),
        (MINIMAL + "filter = 'cubic'\n", r"input\.filter must be 'lanczos' or 'bilinear' or 'box'"),
        (MINIMAL + "multiple = 33\n", r"input\.size must be sides that are multiples of 33"),
        (
            MINIMAL.replace("320]", "640]") + "fit = 'shorter-side'\n",
            r"input\.size must be two equal sides",
        ),
        (MINIMAL + "[output]\nindex = -1\n", r"output\.index must be a whole number of at least 0"),
        (MINIMAL + "[output]\nmin_max = 1\n", r"output\.min_max must be true or false, got 1"),
        (MINIMAL + "[output]\nclasses = ['a']\n", r"output\.default must be some of classes"),
        (
            MINIMAL + "[output]\nclasses = ['a']\ndefault = ['b']\n",
            r"output\.default must be some of classes, got \('b',\)",
        ),
        (
            MINIMAL + "[output]\nclasses = ['a', 'a']\ndefault = ['a']\n",
            r"output\.classes must be names that differ",
        ),
        ("size = ", "cannot be read as a model card"),
        ("size = " + "[" * 100_000, "cannot be read as a model card"),
    ],
)
def test_a_broken_card_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path / "broken.toml", text)
    with pytest.raises(EngineError, match=f"broken.toml: {message}"):
        read_card(path)


def test_a_card_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"none.toml: cannot be read as a model card"):
        find_card(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe9'\n")
    with pytest.raises(EngineError, match=r"latin.toml: cannot be read as a model card"):
        find_card(tmp_path / "latin.toml")


def test_a_description_has_the_licences_and_the_notes() -> None:
    text = describe(find_card("bria-rmbg-2.0"))
    for part in ("CC-BY-NC-4.0", "commercial use: no", "licensed to BRIA", "note 2: "):
        assert part in text
    assert "sha256 is noted on first use" in " ".join(describe(find_card("birefnet-cod")).split())


def test_the_page_of_models_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "models.md"
    assert page.read_text(encoding="utf-8") == markdown(cards().values()), (
        "python -m trimatte.engines.weights.catalogue > docs/models.md"
    )


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path

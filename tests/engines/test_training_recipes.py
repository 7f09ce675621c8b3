"""engines.train by a recipe: files, sets, shares, composites, and weights of fewer channels."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from trimatte.engines.networks import NETWORKS, Network
from trimatte.engines.networks.layers import Layers, T
from trimatte.engines.networks.u2net import Widths
from trimatte.engines.weights.checkpoints import read_checkpoint

import trimatte
from tests.helpers.documents import blocks

torch = pytest.importorskip("torch")

from trimatte.engines.train import composites, products, sets, studio  # noqa: E402
from trimatte.engines.train.augmentation import Example  # noqa: E402
from trimatte.engines.train.command import add_arguments, train  # noqa: E402
from trimatte.engines.train.composites import Composites, Subjects, trimmed  # noqa: E402
from trimatte.engines.train.mixture import Mixture, Part  # noqa: E402
from trimatte.engines.train.pictures import Picture  # noqa: E402
from trimatte.engines.train.recipe import Recipe, read_recipe  # noqa: E402
from trimatte.engines.train.starting import unfolded  # noqa: E402
from trimatte.engines.train.teacher import KeptMattes  # noqa: E402
from trimatte.engines.train.widening import start_weights  # noqa: E402
from trimatte.engines.weights.cards import find_card  # noqa: E402
from trimatte.engines.weights.fetch import fetch  # noqa: E402

SEEDS = range(8)

RECIPE = """\
longest = 48
held_out = 0.3

[plan]
steps = 3
rate = 1e-3
bfloat16 = false
phases = [{ size = 32, batch = 2, share = 2 }, { size = 48, batch = 1, share = 1 }]

[widths]
encoder = [[2, 2], [2, 2], [2, 2], [2, 2], [2, 2], [2, 2]]
decoder = [[2, 2], [2, 2], [2, 2], [2, 2], [2, 2]]

[sets.snaps]
kind = "photographs"
list = "snaps.txt"
share = 0.5
clean = true

[sets.rooms]
kind = "photographs"
keep_unsure = true
share = 0.1

[sets.drawn]
kind = "pairs"
folder = "drawn/images"
masks = "drawn/masks"
share = 0.2
hand = 0.75
clean = true

[sets.toys]
kind = "cutouts"

[composites]
share = 0.2
backgrounds = ["rooms", "snaps"]

[[composites.subjects]]
drawn = true
studio = 0.5
elsewhere = 0.0

[[composites.subjects]]
sets = ["toys", "drawn"]
studio = 0.5
elsewhere = 1.0
cropped = true
"""


def disc(size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return 255 * ((y - size / 2) ** 2 + (x - size / 2) ** 2 < (size / 3) ** 2).astype(np.uint8)


def photograph(seed: int) -> Image.Image:
    """A bright disc before dark noise."""
    noise = np.random.default_rng(seed).integers(0, 90, (64, 64, 3))
    return Image.fromarray(np.where(disc()[..., None] > 0, [250, 200, 60], noise).astype("u1"))


def teacher_of_discs() -> Callable[[np.ndarray], np.ndarray]:
    return lambda image: np.where(image[..., 0] > 127, 255, 0).astype(np.uint8)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    (root / "snaps.txt").write_text("".join(f"deep/{i}\n" for i in range(10)))
    (root / "recipe.toml").write_text(RECIPE)
    return root / "recipe.toml"


@pytest.fixture
def data(recipe_file: Path) -> Path:
    """The sets of RECIPE, and the recipe beside them."""
    root = recipe_file.parent
    for folder in ("snaps/deep", "rooms", "drawn/images", "drawn/masks", "toys"):
        (root / folder).mkdir(parents=True)
    for i in range(12):
        photograph(i).save(root / "snaps" / "deep" / f"{i}.jpg")
        photograph(i).save(root / "drawn" / "images" / f"{i}.png")
        Image.fromarray(disc()).save(root / "drawn" / "masks" / f"{i}.png")
    for i in range(3):
        Image.new("RGB", (64, 40), (0, 40 * i, 0)).save(root / "rooms" / f"{i}.png")
        Image.merge("RGBA", (*photograph(i).split(), Image.fromarray(disc()))).save(
            root / "toys" / f"{i}.webp", lossless=True
        )
    return root


def loaded(root: Path, recipe: Recipe) -> sets.Loaded:
    return sets.load(recipe, root, KeptMattes(root / "mattes", teacher_of_discs))


# --- recipes ---


def test_the_recipe_of_the_built_in_network() -> None:
    recipe = read_recipe("u2net-lite")
    assert recipe.architecture.name == "u2net-lite"
    assert recipe.composition is not None
    shares = [one.share for one in recipe.sets.values()]
    assert sum(shares) + recipe.composition.share == pytest.approx(1)
    assert [phase.size for phase in recipe.plan.phases] == [256, 320]
    for one in recipe.sets.values():
        assert "commit" in one.source or "npm" in one.source
        assert one.clean or one.doubts
    clean = recipe.without(recipe.unclean())
    assert set(clean.sets) == {"clothing", "grocery", "abo-aws", "fluent-emoji-3d"}


def test_the_recipe_of_the_documentation(tmp_path: Path) -> None:
    (block,) = (one for one in blocks(Path("docs/training.md")) if one.language == "toml")
    (tmp_path / "mine.toml").write_text(block.text)
    (tmp_path / "shots.txt").write_text("one\n")
    recipe = read_recipe(tmp_path / "mine.toml")
    assert recipe.sets["shots"].names == ("one",)
    assert recipe.start == "start.npz"
    assert recipe.composition is not None


def test_a_set_left_out_is_left_out_of_composites_too(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file)
    left = recipe.without(["rooms", "toys"])
    assert list(left.sets) == ["snaps", "drawn"]
    assert left.composition is not None
    assert left.composition.backgrounds == ("snaps",)
    assert [kind.sets for kind in left.composition.subjects] == [(), ("drawn",)]
    only_drawn = recipe.without(["toys", "drawn"]).composition
    assert only_drawn is not None
    assert [kind.sets for kind in only_drawn.subjects] == [()]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "cutouts"', 'kind = "cutout"', r"sets\.toys\.kind must be 'photographs' or"),
        ('kind = "cutouts"', "", r"sets\.toys\.kind is missing"),
        ("share = 0.5", "share = -1", r"sets\.snaps\.share must be a number of at least 0, got -1"),
        ("share = 0.5", "shares = 1", r"sets\.snaps\.shares is no key of a recipe; did you mean"),
        ("hand = 0.75", "hand = 1.5", r"sets\.drawn\.hand must be a number from 0 to 1, got 1\.5"),
        ("keep_unsure = true", "hand = 1", r"sets\.rooms\.hand is no key of a recipe"),
        ('"snaps.txt"', '"none.txt"', "the set snaps: its list cannot be read"),
        ("steps = 3", "", r"plan\.steps must be there, or budget"),
        ("steps = 3", "steps = 3\nbudget = 3", r"plan\.steps must be there, or budget, and not"),
        ("size = 32", "size = 0", r"plan\.phases\[0\]\.size must be a whole number of at least 1"),
        ('["rooms", "snaps"]', '["room"]', r"backgrounds: there is no set 'room'; .* rooms"),
        ('["rooms", "snaps"]', '["toys"]', r"backgrounds must be sets of photographs or pairs"),
        ('["toys", "drawn"]', "[]", r"subjects\[1\]\.sets must be a list of names of sets, or dr"),
        ("longest = 48", "[", "cannot be read as a recipe"),
        ("held_out = 0.3", 'network = "u3net"', "network must be 'deeplabv3plus"),
        ("decoder = [[2, 2],", "decoder = [", r"widths\.decoder must be 5 pairs"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(
    recipe_file: Path, old: str, new: str, message: str
) -> None:
    assert RECIPE.count(old) == 1
    recipe_file.write_text(RECIPE.replace(old, new))
    with pytest.raises(trimatte.ArgumentError, match=message):
        read_recipe(recipe_file)


def test_a_recipe_that_does_not_exist() -> None:
    with pytest.raises(trimatte.ArgumentError, match="one of u2net-lite, got 'u2net'"):
        read_recipe("u2net")


def test_sets_cannot_be_left_out_that_are_not_there_or_that_composites_need(
    recipe_file: Path,
) -> None:
    recipe = read_recipe(recipe_file)
    with pytest.raises(trimatte.ArgumentError, match=r"--without: there is no set 'toy'; .* toys"):
        recipe.without(["toy"])
    with pytest.raises(trimatte.ArgumentError, match="composites are left without backgrounds"):
        recipe.without(["rooms", "snaps"])


# --- sets ---


def test_sets_as_they_are_found(data: Path) -> None:
    found = loaded(data, read_recipe(data / "recipe.toml"))
    names = [one.name for one in (*found.pictures["snaps"], *found.held_out)]
    assert {f"deep/{i}" for i in range(10)} <= set(names)
    assert "deep/11" not in names
    assert len(found.pictures["rooms"]) == 3  # though the teacher finds nothing there
    assert all(max(one.image.shape) == 48 for one in found.pictures["drawn"])
    assert {one.source for one in found.held_out} == {"snaps", "drawn"}
    assert len(found.cutouts["toys"]) == 3
    assert not found.cutouts["rooms"]
    assert len(found.cutouts["drawn"]) == len(found.pictures["drawn"])


def test_masks_are_mixed_with_the_teachers_by_weight(data: Path) -> None:
    recipe = read_recipe(data / "recipe.toml")
    nothing = KeptMattes(data / "none", lambda: lambda image: np.zeros_like(image[..., 0]))
    found = sets.load(recipe.without(["snaps"]), data, nothing)
    assert {one.matte.max() for one in found.pictures["drawn"]} == {191}  # 0.75 of 255


def test_photographs_that_the_teacher_is_unsure_of_are_left_out(data: Path) -> None:
    recipe = read_recipe(data / "recipe.toml").without(["drawn"])
    unsure = KeptMattes(data / "none", lambda: lambda image: np.full_like(image[..., 0], 128))
    found = sets.load(recipe, data, unsure)
    assert not found.pictures["snaps"]
    with pytest.raises(trimatte.ArgumentError, match="the set snaps has no pictures to train on"):
        sets.source_of(recipe, found)


def test_missing_folders_are_all_named_before_anything_is_read(data: Path) -> None:
    (data / "toys").rename(data / "games")
    (data / "drawn" / "masks").rename(data / "drawn" / "mask")
    recipe = read_recipe(data / "recipe.toml")
    with pytest.raises(
        trimatte.ArgumentError, match=r"drawn: no folder .*masks\n  toys: no folder"
    ):
        loaded(data, recipe)
    assert not (data / "mattes").exists()
    loaded(data, recipe.without(["toys", "drawn"]))


def test_a_file_of_the_list_that_is_missing_is_named(data: Path) -> None:
    (data / "snaps" / "deep" / "3.jpg").unlink()
    with pytest.raises(
        trimatte.ArgumentError, match=r"the set snaps: .* 1 of the 10 images .* deep/3$"
    ):
        loaded(data, read_recipe(data / "recipe.toml"))


def test_a_cutout_that_shows_nothing_is_named(data: Path) -> None:
    Image.new("RGBA", (40, 40)).save(data / "toys" / "empty.png")
    with pytest.raises(trimatte.ArgumentError, match="the set toys: empty: a cut-out must show"):
        loaded(data, read_recipe(data / "recipe.toml"))


def test_the_teacher_is_asked_once_for_each_photograph(tmp_path: Path) -> None:
    asked = []

    def teacher() -> Callable[[np.ndarray], np.ndarray]:
        return lambda image: asked.append(image) or disc(len(image))  # type: ignore[func-returns-value]

    image = np.zeros((64, 64, 3), np.uint8)
    for _ in range(2):
        mattes = KeptMattes(tmp_path, teacher)
        np.testing.assert_array_equal(mattes("snaps", "deep/1", image), disc())
    assert len(asked) == 1
    assert mattes("snaps", "deep/1", image[:48, :48]).shape == (48, 48)  # of another size: anew
    assert len(asked) == 2


# --- composites ---


def cutout(colour: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """A soft blob of one colour."""
    y, x = np.mgrid[-1:1:80j, -1:1:60j]
    alpha = np.clip(1.4 - 1.4 * np.hypot(x, y), 0, 1)
    return trimmed(np.dstack([np.full((80, 60, 3), colour), 255 * alpha]).astype(np.uint8))


def greens() -> list[Picture]:
    image = np.full((64, 64, 3), (0, 255, 0), np.uint8)
    return [Picture("green", "greens", image, np.zeros((64, 64), np.uint8))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_alpha_of_composites_is_exact(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two subjects of other colours differ in the image by alpha times their difference, whatever
    lies behind. (Shadows fall on subjects too, and reflections have their colour.)"""
    monkeypatch.setattr(composites, "_grounded", lambda random, image, one, studio: image)

    def made(colour: tuple[int, int, int]) -> Example:
        source = Composites([Subjects([cutout(colour)], cropped=True)], greens())
        return source(np.random.default_rng(seed), 64)

    red, black = made((255, 0, 0)), made((0, 0, 0))
    np.testing.assert_array_equal(red.matte, black.matte)
    assert red.matte.max() > 200
    difference = red.image.astype(int) - black.image
    np.testing.assert_allclose(difference[..., 0], red.matte, atol=2)
    assert np.abs(difference[..., 1:]).max() <= 1


def test_layers_over_each_other_cover_what_neither_lets_through() -> None:
    layers = np.zeros((2, 1, 1, 4), np.float32)
    layers[0] = (1, 0, 0, 0.5)
    layers[1] = (0, 1, 0, 0.4)
    image, alpha = np.ones((1, 1, 3), np.float32), np.zeros((1, 1), np.float32)
    for layer in layers:
        image, alpha = composites.recomposed(layer, image, alpha)
    np.testing.assert_allclose(alpha, 1 - 0.5 * 0.6)
    np.testing.assert_allclose(image[0, 0], [0.6, 0.7, 0.3], rtol=1e-6)


def test_composites_depend_on_their_stream_alone() -> None:
    source = Composites([Subjects(), Subjects([cutout((255, 0, 0))])], greens())
    for seed in SEEDS:
        one, same = (source(np.random.default_rng(seed), 48) for _ in range(2))
        assert one.image.shape == (48, 48, 3)
        assert one.matte.shape == (48, 48)
        np.testing.assert_array_equal(one.image, same.image)
        np.testing.assert_array_equal(one.matte, same.matte)


def test_a_background_without_an_empty_part_is_not_taken() -> None:
    """Else its subject would be called background."""
    full = [greens()[0]._replace(matte=np.full((64, 64), 255, np.uint8))]
    source = Composites([Subjects([cutout((255, 0, 0))])], full)
    random = np.random.default_rng(0)
    for _ in range(10):
        assert not (source._elsewhere(random, 32) == (0, 1, 0)).all(axis=-1).any()


def test_composites_of_nothing() -> None:
    with pytest.raises(trimatte.ArgumentError, match="got 0 backgrounds"):
        Composites([Subjects()], [])
    with pytest.raises(trimatte.ArgumentError, match="one for elsewhere are needed"):
        Composites([Subjects(elsewhere=0)], greens())


@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_products_show_something_and_have_soft_edges_only(seed: int) -> None:
    for draw in (products.box, products.turned, products.product):
        made = draw(np.random.default_rng(seed), 96, lambda: np.full((96, 96, 3), 0.5))
        assert made.shape == (96, 96, 4)
        assert made.dtype == np.uint8
        inside = made[..., 3] > 250
        assert 0.003 < inside.mean() < 0.8
        assert ((made[..., 3] > 5) & ~inside).mean() < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_studios_are_images(seed: int) -> None:
    random = np.random.default_rng(seed)
    plain = studio.sweep(random, 48)
    table = studio.table(random, 48, lambda: plain)
    cluttered = studio.clutter(random, plain)
    turntable = studio.turntable(random, plain, 24, 36, 8)
    for image in (plain, table, cluttered, turntable):
        assert image.shape == (48, 48, 3)
        assert image.min() >= 0
        assert image.max() <= 1
    for changed in (table, cluttered, turntable):
        assert np.abs(changed - plain).max() > 0.005


# --- shares ---


def test_examples_come_from_their_sets_by_share() -> None:
    drawn: Counter[str] = Counter()

    def source(name: str) -> Callable[[np.random.Generator, int], Example]:
        def make(random: np.random.Generator, size: int) -> Example:
            drawn[name] += 1
            return Example(np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8))

        return make

    shares = {"a": 6.0, "b": 3.0, "c": 1.0, "none": 0.0}
    mixture = Mixture([Part(name, share, source(name)) for name, share in shares.items()])
    assert mixture.shares == pytest.approx({"a": 0.6, "b": 0.3, "c": 0.1})
    for i in range(400):
        mixture(np.random.default_rng(i), 8)
    assert drawn["none"] == 0
    for name, share in mixture.shares.items():
        assert drawn[name] == pytest.approx(400 * share, abs=40)


def test_the_share_of_a_set_left_out_goes_to_the_others(data: Path) -> None:
    recipe = read_recipe(data / "recipe.toml").without(["snaps"])
    mixture = sets.source_of(recipe, loaded(data, recipe))
    assert mixture.shares == pytest.approx({"rooms": 0.2, "drawn": 0.4, "composites": 0.4})


# --- the command ---


@pytest.fixture
def command(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Trains by RECIPE with further options; the folder."""
    monkeypatch.setattr(
        "trimatte.engines.train.command.Teacher", lambda name, card: teacher_of_discs()
    )
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    def run(folder: str, *options: str) -> Path:
        recipe = ["--recipe", str(data / "recipe.toml"), "--data", str(data)]
        train(parser.parse_args([*recipe, "--folder", str(tmp_path / folder), *options]))
        return tmp_path / folder

    return run


def test_the_command_trains_by_a_recipe_and_goes_on(
    command: Callable[..., Path], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = command("run")
    said = capsys.readouterr().out
    assert "shares of the examples: snaps 0.500, rooms 0.100, drawn 0.200, composites 0.200" in said
    assert "step 3, 48 px" in said
    network = read_recipe(data / "recipe.toml").architecture
    network.load(read_checkpoint(run / "best.pt"))
    command("run")
    assert "step" not in capsys.readouterr().out
    with pytest.raises(trimatte.EngineError, match="holds a training whose plan is"):
        command("run", "--steps", "6")
    with pytest.raises(trimatte.EngineError, match="holds a training whose data is shares snaps"):
        command("run", "--without", "rooms")


def test_a_stopped_training_by_a_recipe_ends_as_one_that_was_not(
    command: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_checkpoint(command("whole") / "best.pt")

    def stop(trainer: Any, held_out: Any, *, minutes: float) -> None:
        list(trainer.steps(2))
        trainer.save()

    with monkeypatch.context() as stopped:
        stopped.setattr("trimatte.engines.train.command.follow", stop)
        command("parts")
    parts = read_checkpoint(command("parts") / "best.pt")
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        np.testing.assert_array_equal(parts[name], tensor, name)


def test_options_take_the_place_of_the_recipes(
    command: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command(
        "run", "--phases", "32x2x1", "--rate", "1e-4", "--only-terms", "clean", "--without", "toys"
    )
    said = capsys.readouterr().out
    assert "without toys, rooms: their shares go to the others" in said
    assert "shares of the examples: snaps 0.556, drawn 0.222, composites 0.222" in said
    assert "step 1, 32 px" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "x"], "--data is for a recipe"),
        (["--without", "x"], "--without is for a recipe"),
        (["--only-terms", "clean"], "--only-terms is for a recipe"),
        (["--recipe", "u2net-lite", "x"], "--recipe names its sets itself"),
        (["--recipe", "u2net-lite", "--backgrounds", "x"], "--recipe names its sets itself"),
    ],
)
def test_options_of_the_other_way_to_train(
    tmp_path: Path, options: list[str], message: str
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(trimatte.ArgumentError, match=message):
        train(parser.parse_args(["--folder", str(tmp_path / "run"), *options]))


# --- wider networks ---


def widths(inside: int, out: int) -> Widths:
    """The same in all stages, but one."""
    return Widths(((inside, out),) * 6, ((inside, out),) * 4 + ((inside + 1, out + 2),))


@pytest.mark.parametrize("training", [False, True])
def test_a_widened_network_computes_the_same_function(training: bool) -> None:
    narrow = NETWORKS["u2net-lite"].configured(widths=widths(3, 4))
    wide = NETWORKS["u2net-lite"].configured(widths=widths(5, 7))
    weights = narrow.seeded(3)
    rng = np.random.default_rng(0)
    for name, tensor in weights.items():  # statistics and biases that are not 0 and 1
        if tensor.ndim == 1:
            weights[name] = np.abs(tensor + rng.normal(0, 0.2, tensor.shape)).astype(np.float32)
    image = torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    before, after = (
        network.to_torch(each).train(training)(image)
        for network, each in ((narrow, weights), (wide, start_weights(wide, weights)))
    )
    assert len(before) == 7
    for ours, theirs in zip(before, after, strict=True):
        assert float(ours.detach().std()) > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_new_channels_can_learn() -> None:
    """Those at the end of a widened network get a gradient from the first step on."""
    narrow = NETWORKS["u2net-lite"].configured(widths=widths(2, 2))
    wide = NETWORKS["u2net-lite"].configured(widths=widths(2, 3))
    module = wide.to_torch(start_weights(wide, narrow.seeded(0))).train()
    module(torch.randn(2, 3, 32, 32))[0].square().mean().backward()
    assert module.state_dict()["side1.weight"][:, 2].abs().max() == 0
    assert module.get_parameter("side1.weight").grad[:, 2].abs().max() > 0


def test_weights_of_the_same_widths_are_taken_as_they_are() -> None:
    network = NETWORKS["u2net-lite"].configured(widths=widths(2, 3))
    weights = network.seeded(5)
    for name, tensor in start_weights(network, weights).items():
        np.testing.assert_array_equal(tensor, weights[name])


def test_weights_of_a_wider_network_are_refused() -> None:
    network = NETWORKS["u2net-lite"].configured(widths=widths(2, 3))
    wider = NETWORKS["u2net-lite"].configured(widths=widths(2, 4))
    with pytest.raises(trimatte.EngineError, match="these are no weights of u2net-lite"):
        start_weights(network, wider.seeded(0))


def grouped(channels: int) -> Network:
    def define(net: Layers[T], image: T) -> tuple[T, ...]:
        x = net.conv("first", image, channels, 3)
        return (net.conv("last", net.conv("each", x, channels, 3, groups=2), 1, 1),)

    return Network("grouped", define)


def test_a_layer_that_cannot_be_widened_is_named() -> None:
    with pytest.raises(trimatte.EngineError, match="each cannot be widened"):
        start_weights(grouped(8), grouped(4).seeded(0))


def test_training_begins_with_weights_of_fewer_channels(
    command: Callable[..., Path], tmp_path: Path
) -> None:
    one = NETWORKS["u2net-lite"].configured(widths=Widths(((1, 1),) * 6, ((1, 1),) * 5))
    file = tmp_path / "start.npz"
    np.savez(file, **one.seeded(0))
    run = command("run", "--weights", str(file), "--steps", "1", "--rate", "1e-9")
    best = read_checkpoint(run / "best.pt")
    np.testing.assert_allclose(
        best["stage1.rebnconvin.conv_s1.weight"][:1],
        one.seeded(0)["stage1.rebnconvin.conv_s1.weight"],
        atol=1e-6,
    )


@pytest.mark.parametrize("given", ["a file", "a model"])
def test_training_begins_with_a_network_that_is_in_use(
    command: Callable[..., Path], tmp_path: Path, given: str
) -> None:
    onnx: Any = pytest.importorskip("onnx")
    start = "u2net-lite"
    if given == "a file":
        start = str(tmp_path / "mine.onnx")
        network = NETWORKS["u2net-lite"]
        onnx.save(network.to_onnx(network.seeded(3)), start)
    run = command(
        "run", "--network", "u2net-lite", "--weights", start, "--steps", "1", "--rate", "1e-9"
    )
    begun = unfolded(
        NETWORKS["u2net-lite"], start if given == "a file" else fetch(find_card(start))
    )
    best = read_checkpoint(run / "best.pt")
    name = "stage3.rebnconvin.conv_s1.weight"
    np.testing.assert_allclose(best[name], begun[name], atol=1e-6)

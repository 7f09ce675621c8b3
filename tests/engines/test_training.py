"""engines.train: readers, examples, losses, scores, and trainings that are stopped and go on."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from trimatte.engines.networks import NETWORKS, Network
from trimatte.engines.networks.layers import Layers, T
from trimatte.engines.weights.checkpoints import read_checkpoint

import trimatte

torch = pytest.importorskip("torch")

from trimatte.engines.train import augmentation, coco, readers, scenes  # noqa: E402
from trimatte.engines.train.command import add_arguments, train  # noqa: E402
from trimatte.engines.train.evaluation import evaluate  # noqa: E402
from trimatte.engines.train.losses import edge_weights, matte_loss  # noqa: E402
from trimatte.engines.train.metrics import score  # noqa: E402
from trimatte.engines.train.mixed_precision import Doubled  # noqa: E402
from trimatte.engines.train.pictures import Picture, split  # noqa: E402
from trimatte.engines.train.plan import Phase, Plan  # noqa: E402
from trimatte.engines.train.progress import follow  # noqa: E402
from trimatte.engines.train.teacher import Teacher, is_sure, taught  # noqa: E402
from trimatte.engines.train.trainer import Trainer, move_average  # noqa: E402


def small_u(net: Layers[T], image: T) -> tuple[T, ...]:
    """A U of three stages, with a side map of the lowest."""
    stages = [image]
    for name in ("first", "second", "third"):
        x = net.conv(f"{name}.conv", stages[-1], 12, 3)
        stages.append(net.max_pool(net.relu(net.batch_norm(f"{name}.norm", x)), 2))
    x = stages.pop()
    side = net.resize(net.conv("side", x, 1, 3), image)
    for name, skip in zip(("back", "end"), stages[:0:-1], strict=True):
        x = net.concat(net.resize(x, skip), skip)
        x = net.relu(net.batch_norm(f"{name}.norm", net.conv(f"{name}.conv", x, 12, 3)))
    return net.resize(net.conv("output", x, 1, 3), image), side


SMALL = Network("small", small_u, outputs=("output", "side"), size=(32, 32))


def disc(row: float, column: float, radius: float, size: int = 64) -> Any:
    y, x = np.mgrid[:size, :size]
    return (y - row) ** 2 + (x - column) ** 2 < radius**2


def discs(count: int) -> list[Picture]:
    """Bright discs before dark noise."""
    random = np.random.default_rng(5)
    made = []
    for i in range(count):
        inside = disc(*random.uniform(20, 44, 2), random.uniform(10, 20))
        image = np.where(inside[..., None], [250, 200, 60], random.integers(0, 90, (64, 64, 3)))
        made.append(Picture(f"{i}", "discs", np.uint8(image), 255 * inside.astype(np.uint8)))
    return made


@pytest.fixture
def pictures() -> list[Picture]:
    return discs(12)


def written(folder: Path, count: int, masks: str = "masks", images: str = "images") -> Path:
    for name in (images, masks):
        (folder / name).mkdir(parents=True)
    for one in discs(count):
        Image.fromarray(one.image).save(folder / images / f"{one.name}.png")
        Image.fromarray(one.matte).save(folder / masks / f"{one.name}.png")
    return folder


@pytest.mark.parametrize(
    ("images", "masks"), [("images", "masks"), ("DUTS-TR-Image", "DUTS-TR-Mask")]
)
def test_folders_of_images_and_masks(tmp_path: Path, images: str, masks: str) -> None:
    found = list(readers.read(written(tmp_path, 3, masks, images), longest=32))
    assert [one.name for one in found] == ["0.png", "1.png", "2.png"]
    for one, true in zip(found, discs(3), strict=True):
        assert one.image.shape == (32, 32, 3)
        np.testing.assert_allclose(one.matte.mean(), true.matte.mean(), atol=2)


def test_an_image_without_a_mask_is_named(tmp_path: Path) -> None:
    (written(tmp_path, 3) / "masks" / "1.png").unlink()
    with pytest.raises(trimatte.ArgumentError, match=r"1\.png has no mask"):
        list(readers.read(tmp_path))


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    Image.new("L", (10, 64)).save(written(tmp_path, 3) / "masks" / "2.png")
    with pytest.raises(trimatte.ArgumentError, match=r"2\.png has .* \(64, 64\), its mask \(10, 6"):
        list(readers.read(tmp_path))


def test_a_folder_of_no_known_layout(tmp_path: Path) -> None:
    with pytest.raises(trimatte.ArgumentError, match="has none of images/ and masks/"):
        list(readers.read(tmp_path))


def test_photographs_are_background_throughout(tmp_path: Path) -> None:
    written(tmp_path, 2)
    found = list(readers.read_photographs(tmp_path / "images"))
    assert len(found) == 2
    assert not any(one.matte.any() for one in found)


def test_ade20k(tmp_path: Path) -> None:
    for name in ("images", "annotations"):
        (tmp_path / name / "training").mkdir(parents=True)
    person, wall = disc(30, 30, 12), 1
    for name, number in (("a", 13), ("b", 5)):
        classes = np.where(person, number, wall).astype(np.uint8)
        Image.new("RGB", (64, 64)).save(tmp_path / "images" / "training" / f"{name}.jpg")
        Image.fromarray(classes).save(tmp_path / "annotations" / "training" / f"{name}.png")
    (only,) = readers.read(tmp_path)
    assert only.name == "a.jpg"
    np.testing.assert_array_equal(only.matte, 255 * person.astype(np.uint8))


def instances(folder: Path, *annotations: dict[str, Any]) -> Path:
    """An instances file of two images, the second without annotations."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val").mkdir()
    Image.new("RGB", (50, 40)).save(folder / "val" / "first.jpg")
    Image.new("RGB", (50, 40)).save(folder / "val" / "second.jpg")
    content = {
        "images": [
            {"id": 7, "file_name": "first.jpg", "height": 40, "width": 50},
            {"id": 8, "file_name": "second.jpg", "height": 40, "width": 50},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
        "annotations": [{"image_id": 7, **one} for one in annotations],
    }
    (folder / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return folder


def test_coco_joins_the_wanted_objects(tmp_path: Path) -> None:
    square = {"category_id": 1, "segmentation": [[10, 10, 29, 10, 29, 29, 10, 29]]}
    runs = {"size": [40, 50], "counts": [40 * 40, 5 * 40, 5 * 40]}
    car = {"category_id": 3, "segmentation": [[0, 0, 9, 0, 9, 9]]}
    root = instances(tmp_path, square, {"category_id": 1, "segmentation": runs}, car)
    (only,) = readers.read(root)
    expected = np.zeros((40, 50), np.uint8)
    expected[10:30, 10:30] = expected[:, 40:45] = 255
    np.testing.assert_array_equal(only.matte, expected)
    assert only.name == "first.jpg"


def test_coco_passes_over_crowds_and_specks(tmp_path: Path) -> None:
    square = [[10, 10, 29, 10, 29, 29, 10, 29]]
    crowd = {"category_id": 1, "segmentation": square, "iscrowd": 1}
    speck = {"category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2]]}
    assert not list(readers.read(instances(tmp_path / "crowd", crowd)))
    assert not list(readers.read(instances(tmp_path / "speck", speck)))


def test_coco_runs_in_text_are_those_of_pycocotools() -> None:
    text = (
        "g0340000000000000MN12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON12ON1"
    )
    text += "2ON12ON12200000000000000000Q1NM"
    mask = np.zeros((7, 50), bool)
    mask[2:5, 3:40] = mask[0, 45] = mask[6, 10:30] = True
    np.testing.assert_array_equal(coco.segment_mask({"counts": text}, (7, 50)), mask)


@pytest.mark.parametrize("counts", [[5, 6], [20, -8, 8], "0"])
def test_coco_runs_that_do_not_fill_the_image(counts: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match="do not fill 4 x 5"):
        coco.segment_mask({"counts": counts}, (4, 5))


@pytest.mark.parametrize("text", ["{}", "[1]", "no json", '{"categories": 3}'])
def test_a_file_that_is_not_coco(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(trimatte.ArgumentError, match=r"a\.json is no COCO instances file"):
        list(coco.read_coco(tmp_path / "a.json", tmp_path))


def test_the_split_moves_no_picture_when_more_come() -> None:
    kept, held_out = split(discs(200), 0.2)
    assert 20 < len(held_out) < 60
    assert len(kept) + len(held_out) == 200
    fewer = {one.name for one in split(discs(100), 0.2)[1]}
    assert fewer == {one.name for one in held_out if int(one.name) < 100}


def greens() -> list[Picture]:
    """Backgrounds of pure green."""
    image = np.full((64, 64, 3), (0, 255, 0), np.uint8)
    return [Picture("green", "greens", image, np.zeros((64, 64), np.uint8))]


def reds() -> list[Picture]:
    """Subjects of pure red before green."""
    return [
        one._replace(
            image=np.where(one.matte[..., None] > 0, (255, 0, 0), (0, 255, 0)).astype("u1")
        )
        for one in discs(12)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_crops_take_image_and_matte_along(seed: int) -> None:
    made = augmentation.photograph(np.random.default_rng(seed), reds()[seed % 12], 48)
    difference = made.image[..., 0].astype(int) - made.matte
    assert made.matte.max() > 200
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("seed", range(20))
def test_composites_show_the_subject_where_the_matte_says(seed: int) -> None:
    made = augmentation.composite(np.random.default_rng(seed), reds(), greens(), 48)
    inside = made.image[made.matte > 250].astype(int)
    assert len(inside) > 20
    assert np.abs(inside - (255, 0, 0)).max() <= 16
    surfaces = made.image[made.matte == 0]
    assert not (surfaces == (255, 0, 0)).all(axis=1).any()


@pytest.mark.parametrize("seed", range(10))
def test_drawn_objects_are_in_sight_and_not_everywhere(seed: int) -> None:
    share = scenes.shape(np.random.default_rng(seed), 64).mean() / 255
    assert 0.01 < share < 0.9


def test_examples_depend_on_their_stream_alone(pictures: list[Picture]) -> None:
    def made(seed: int) -> list[Any]:
        return [
            augmentation.example(np.random.default_rng([seed, i]), 40, pictures, pictures)
            for i in range(30)
        ]

    for one, same in zip(made(3), made(3), strict=True):
        assert one.image.shape == (40, 40, 3)
        assert one.matte.shape == (40, 40)
        assert one.image.dtype == one.matte.dtype == np.uint8
        np.testing.assert_array_equal(one.image, same.image)
        np.testing.assert_array_equal(one.matte, same.matte)
    assert any(
        (one.image != other.image).any() for one, other in zip(made(3), made(4), strict=True)
    )


def test_the_loss_of_the_truth_is_nothing_and_every_map_counts() -> None:
    matte = torch.from_numpy(np.float32(disc(30, 30, 15)))[None, None]
    truth, lie = 40 * (matte - 0.5), -40 * (matte - 0.5)
    assert float(matte_loss([truth] * 7, matte)) < 1e-4
    for wrong in range(7):
        maps = [lie if i == wrong else truth for i in range(7)]
        assert float(matte_loss(maps, matte)) > 1


def test_edges_weigh_more() -> None:
    matte = torch.zeros(1, 1, 64, 64)
    matte[..., 32:] = 1
    weights = edge_weights(matte)[0, 0]
    assert torch.equal(weights[:, :20], torch.ones(64, 20))
    assert torch.equal(weights[:, 44:], torch.ones(64, 20))
    assert weights[:, 31:33].min() > 3


def test_edges_weigh_by_the_mean_of_a_square() -> None:
    matte = torch.rand(2, 1, 40, 60)
    around = torch.nn.functional.avg_pool2d(matte, 7, stride=1, padding=3, count_include_pad=False)
    torch.testing.assert_close(edge_weights(matte), 1 + 5 * (around - matte).abs())


@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (1, 1, 1, 1), (1, 2, 5, 1)])
def test_gathered_gradients_of_a_resize_are_pytorchs(shape: tuple[int, ...]) -> None:
    ours, theirs = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2))
    theirs.data.copy_(ours.data)
    size = [2 * side for side in shape[2:]]
    resized = torch.nn.functional.interpolate(theirs, size, mode="bilinear", align_corners=False)
    doubled = Doubled.apply(ours)
    torch.testing.assert_close(doubled, resized)
    gradient = torch.randn_like(resized)
    doubled.backward(gradient)
    resized.backward(gradient)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_scores_by_hand() -> None:
    matte = np.zeros((100, 100), np.uint8)
    matte[:, 50:] = 255
    predicted = np.zeros((100, 100), np.float32)
    predicted[:, 60:] = 1
    found = score(predicted, matte)
    assert found.iou == pytest.approx(0.8)
    assert found.f_measure == pytest.approx(1.3 * 0.8 / (0.3 + 0.8))
    assert found.error == pytest.approx(0.1)
    assert found.edge_error == pytest.approx(0.5)


def test_nothing_found_where_there_is_nothing_is_right() -> None:
    empty = np.zeros((8, 8), np.uint8)
    assert score(np.zeros((8, 8), np.float32), empty) == (1, 1, 0, 0)


def test_sources_count_alike_however_many_pictures_they_have() -> None:
    right, wrong = discs(1)[0], discs(1)[0]._replace(source="others")
    matte = np.float32(right.matte / 255)
    scores = evaluate([right, right, right, wrong], np.stack([matte] * 3 + [1 - matte]))
    assert scores["discs"].iou == 1
    assert scores["others"].iou == 0
    assert scores["all"].iou == 0.5


def test_the_sides_weigh_together_what_is_asked() -> None:
    matte = torch.from_numpy(np.float32(disc(30, 30, 15)))[None, None]
    truth, lie = 40 * (matte - 0.5), -40 * (matte - 0.5)
    first, side = (float(matte_loss(maps, matte, 0.5)) for maps in ([lie, truth], [truth, lie]))
    assert first == pytest.approx(2 * side, rel=1e-3)


def test_the_rate_rises_to_a_cosine_that_falls_to_nothing() -> None:
    plan = Plan((Phase(32, 4, 1000),), rate=1e-3, warm_up=10)
    rates = [plan.rate_of(step, plan.done_of(step, 0)) for step in range(1001)]
    assert rates[9] == pytest.approx(1e-3, rel=1e-3)
    assert rates[500] == pytest.approx(5e-4)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[1000] == pytest.approx(0)


def test_phases_follow_one_another() -> None:
    plan = Plan((Phase(32, 4, 10), Phase(64, 2, 5)))
    sizes = [plan.phase_at(plan.done_of(step, 0)).size for step in (0, 9, 10, 14, 15)]
    assert sizes == [32, 32, 64, 64, 64]
    assert Phase.parse("160x16x4500") == (160, 16, 4500)


def test_a_phase_ends_at_its_step_however_the_shares_round() -> None:
    for steps in range(2, 200):
        plan = Plan((Phase(1, 1, steps // 2), Phase(2, 1, steps - steps // 2)))
        ones = [plan.phase_at(plan.done_of(step, 0)).size for step in range(steps)].count(1)
        assert ones == steps // 2


def test_a_plan_of_another_length_keeps_its_shares() -> None:
    plan = Plan((Phase(32, 4, 450), Phase(64, 2, 400), Phase(96, 1, 150)), budget=3)
    assert [phase.steps for phase in plan.lasting(20).phases] == [9, 8, 3]
    assert plan.lasting(20).budget is None
    with pytest.raises(trimatte.ArgumentError, match="steps must be at least 1, got 0"):
        plan.lasting(0)


def test_a_budget_of_time_is_divided_as_steps_are() -> None:
    plan = Plan((Phase(32, 4, 3), Phase(64, 2, 1)), budget=2)
    seconds = (0, 89, 90, 119, 130)
    assert [plan.phase_at(plan.done_of(7, each)).size for each in seconds] == [32, 32, 64, 64, 64]
    assert plan.done_of(7, 120) == 1
    with pytest.raises(trimatte.ArgumentError, match="budget must be minutes above 0, got 0"):
        Plan((Phase(32, 1, 1),), budget=0)


@pytest.mark.parametrize("text", ["", "160", "160x16", "0x1x1", "1x1x-1", "1x1x1x1", "axbxc"])
def test_what_is_no_phase(text: str) -> None:
    with pytest.raises(trimatte.ArgumentError, match="a phase is SIZExBATCHxSTEPS"):
        Phase.parse(text)


@pytest.fixture
def trainer(tmp_path: Path, pictures: list[Picture]) -> Callable[..., Trainer]:
    """Trains SMALL in float32 in the folder of that name."""

    def made(folder: str, seed: int = 0, workers: int = 0) -> Trainer:
        plan = Plan((Phase(32, 4, 3), Phase(48, 2, 3)), seed=seed, warm_up=2, bfloat16=False)
        source = augmentation.examples_of(pictures, pictures)
        return Trainer(SMALL, plan, source, tmp_path / folder, workers=workers)

    return made


def test_a_stopped_training_ends_as_one_that_was_not(trainer: Callable[..., Trainer]) -> None:
    whole = trainer("whole")
    losses = list(whole.steps())
    halves = []
    for until in (2, 4, 6):
        part = trainer("parts")
        halves += list(part.steps(until))
        part.save()
    assert part.step == 6
    assert halves == losses
    for ours, theirs in ((part.model, whole.model), (part.average, whole.average)):
        for name, tensor in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], tensor), name


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_who_makes_the_examples_does_not_matter(trainer: Callable[..., Trainer]) -> None:
    alone, helped = trainer("alone"), trainer("helped", workers=2)
    assert list(alone.steps()) == list(helped.steps())


def test_a_training_that_diverges_is_not_saved(trainer: Callable[..., Trainer]) -> None:
    one = trainer("run")
    for weight in one.model.parameters():
        weight.data.fill_(float("inf"))
    average = {name: tensor.clone() for name, tensor in one.average.state_dict().items()}
    with pytest.raises(trimatte.EngineError, match=r"loss of step 0 is .*: lower the learning"):
        list(one.steps())
    for name, tensor in one.average.state_dict().items():
        assert torch.equal(tensor, average[name]), name
    assert not (one.folder / "last.pt").exists()


def test_a_folder_goes_on_with_its_own_plan_only(trainer: Callable[..., Trainer]) -> None:
    trainer("run").save()
    with pytest.raises(trimatte.EngineError, match=r"holds a training whose plan is .*seed=0"):
        trainer("run", seed=1)


def test_the_best_of_the_largest_images_is_kept(trainer: Callable[..., Trainer]) -> None:
    one = trainer("run")
    assert one.save_best(32, 0.9)
    assert not one.save_best(32, 0.8)
    assert one.save_best(48, 0.5)
    assert not one.save_best(48, 0.5)
    one.save()
    assert trainer("run").best == (48, 0.5)


def test_the_best_weights_are_a_checkpoint_of_the_network(trainer: Callable[..., Trainer]) -> None:
    one = trainer("run")
    list(one.steps(2))
    one.save_best(32, 0.9)
    weights = SMALL.load(read_checkpoint(one.folder / "best.pt"))
    for name, tensor in weights.items():
        np.testing.assert_array_equal(tensor, one.average.state_dict()[name].numpy(), name)


def test_the_average_moves_towards_the_weights() -> None:
    average, model = SMALL.to_torch(SMALL.seeded(0)), SMALL.to_torch(SMALL.seeded(1))
    name = "first.conv.weight"
    before = average.state_dict()[name].clone()
    move_average(average, model, 0.75)
    expected = 0.75 * before + 0.25 * model.state_dict()[name]
    torch.testing.assert_close(average.state_dict()[name], expected)


def test_a_training_by_time_ends_with_its_budget(
    tmp_path: Path, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that every look at moves by a second."""
    ticks = iter(range(1000))
    monkeypatch.setattr("trimatte.engines.train.trainer.time.monotonic", lambda: next(ticks))
    plan = Plan((Phase(32, 1, 1), Phase(48, 1, 1)), budget=4 / 60, bfloat16=False)

    def trainer() -> Trainer:
        return Trainer(SMALL, plan, augmentation.examples_of(pictures, pictures), tmp_path)

    first = trainer()
    assert len(list(first.steps(1))) == 1
    assert first.size == 32
    first.save()
    second = trainer()
    assert len(list(second.steps())) == 3
    assert second.size == 48
    assert not list(second.steps())


def test_a_training_without_pictures() -> None:
    with pytest.raises(trimatte.ArgumentError, match="no pictures to train on"):
        augmentation.examples_of([], [])


def test_a_training_that_could_not_be_judged(trainer: Callable[..., Trainer]) -> None:
    one = trainer("run")
    with pytest.raises(trimatte.ArgumentError, match="no pictures are held out"):
        follow(one, [], minutes=1)
    assert one.step == 0


@pytest.mark.parametrize("options", [{"phases": ()}, {"rate": 0.0}, {"rate": float("nan")}])
def test_what_is_no_plan(options: dict[str, Any]) -> None:
    with pytest.raises(trimatte.ArgumentError, match="at least one phase and a rate above 0"):
        Plan(**{"phases": (Phase(32, 1, 1),), **options})


def test_a_small_network_learns_discs(tmp_path: Path) -> None:
    kept, held_out = split(discs(40), 0.2)
    plan = Plan((Phase(32, 8, 60),), rate=1e-2, warm_up=5, averaging=0.9, bfloat16=False)
    trainer = Trainer(SMALL, plan, augmentation.examples_of(kept, kept), tmp_path)
    before = evaluate(held_out, trainer.predict(held_out, 32))["all"].iou
    follow(trainer, held_out, minutes=60)
    after = evaluate(held_out, trainer.predict(held_out, 32))["all"].iou
    assert before < 0.5
    assert after > 0.8
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["step"]) for row in rows] == [("discs", "60"), ("all", "60")]
    assert float(rows[-1]["iou"]) == pytest.approx(after, abs=1e-5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 15 * 160


def test_the_command_trains_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    data, run = str(written(tmp_path / "data", 20)), tmp_path / "run"
    options = ["--folder", str(run), "--backgrounds", f"{data}/images", "--phases", "32x2x1"]
    train(parser.parse_args([data, *options]))
    assert "20 pictures" not in capsys.readouterr().out
    NETWORKS["u2net-lite"].load(read_checkpoint(run / "best.pt"))
    train(parser.parse_args([data, *options]))
    assert "step" not in capsys.readouterr().out


# --- the teacher ---


@pytest.mark.parametrize(
    ("inside", "unsure", "sure"),
    [(0.5, 0.0, True), (0.5, 0.1, True), (0.5, 0.2, False), (0.01, 0.0, False), (0.95, 0.0, False)],
)
def test_mattes_that_say_little_teach_nothing(inside: float, unsure: float, sure: bool) -> None:
    matte = np.zeros((10, 100), np.uint8)
    matte[:, : round(100 * inside)] = 255
    matte[:, : round(100 * unsure)] = 100
    assert is_sure(matte) is sure
    photograph = Picture("a", "drawn", np.zeros((10, 100, 3), np.uint8), np.zeros_like(matte))
    assert len(list(taught([photograph], lambda _: matte))) == sure


def test_a_teacher_is_the_published_network(models: Callable[[str], Path]) -> None:
    """A network of random weights has no opinion: its mattes are close to one value, and no less
    its own."""
    teacher = Teacher(models("u2netp"), "u2netp")
    image = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    matte = teacher(image)
    assert matte.shape == (40, 64)
    np.testing.assert_allclose(teacher(image[:, ::-1]), matte[:, ::-1], atol=1)
    segmenter = trimatte.Segmenter(models("u2netp"), card="u2netp", device="cpu")
    single = (segmenter(image) + segmenter(image[:, ::-1])[:, ::-1].astype(float)) / 2
    assert np.corrcoef(matte.ravel(), single.ravel())[0, 1] > 0.9


def test_a_network_of_several_classes_cannot_teach() -> None:
    with pytest.raises(trimatte.ArgumentError, match="deeplabv3plus-resnet101 tells classes apart"):
        Teacher("deeplabv3plus-resnet101")


@pytest.mark.slow
def test_the_built_in_network_learns_drawn_objects(tmp_path: Path) -> None:
    """Three minutes on one core."""
    random = np.random.default_rng(1)
    drawn = []
    for i in range(300):
        matte, inside, outside = (
            scenes.shape(random, 96),
            *(scenes.surface(random, 96) for _ in range(2)),
        )
        image = np.where(matte[..., None] > 127, inside, outside)
        drawn.append(Picture(f"{i}", "drawn", image, matte))
    kept, held_out = split(drawn, 0.1)
    plan = Plan((Phase(64, 16, 300),), warm_up=30, averaging=0.98)
    source = augmentation.examples_of(kept, kept)
    trainer = Trainer(NETWORKS["u2net-lite"], plan, source, tmp_path)
    follow(trainer, held_out, minutes=10)
    assert trainer.best[1] > 0.7

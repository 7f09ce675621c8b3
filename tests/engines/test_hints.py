"""Hints: what a network in training is taught of a teacher's maps within."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimatte.engines.networks import NETWORKS, Network
from trimatte.engines.networks.u2net import Widths

import trimatte

torch: Any = pytest.importorskip("torch")
from trimatte.engines.networks.torch_module import TorchLayers  # noqa: E402
from trimatte.engines.train.augmentation import Example  # noqa: E402
from trimatte.engines.train.hints import Followed, Hints  # noqa: E402
from trimatte.engines.train.plan import Phase, Plan  # noqa: E402
from trimatte.engines.train.scenes import Random  # noqa: E402
from trimatte.engines.train.trainer import Trainer  # noqa: E402

STAGES = {"stage1", "stage2", "stage3", "stage4", "stage5", "stage6"}
BACK = {"stage5d", "stage4d", "stage3d", "stage2d"}


def of_widths(inside: int, out: int, first: int) -> Network:
    """The same in all stages, but ``first`` channels out of the first stage and of the last."""
    return NETWORKS["u2net-lite"].configured(
        widths=Widths(
            ((inside, first),) + ((inside, out),) * 5, ((inside, first),) + ((inside, out),) * 4
        )
    )


TEACHER = of_widths(3, 4, 4)
PUPIL = of_widths(2, 4, 3)


@pytest.fixture
def image() -> Any:
    return torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))


def test_maps_are_those_of_the_stages(image: Any) -> None:
    maps = Hints(TEACHER, TEACHER.seeded(1), "cpu").maps(image)
    assert maps.keys() == STAGES | BACK
    assert maps["stage1"].shape == (2, 4, 64, 48)
    assert maps["stage4d"].shape == (2, 4, 8, 6)
    assert not any(each.requires_grad for each in maps.values())


def test_the_teacher_is_no_way_off_its_own_hints(image: Any) -> None:
    weights = TEACHER.seeded(1)
    maps = Hints(TEACHER, weights, "cpu").maps(image)
    for forced in (True, False):
        followed = Followed(maps, forced=forced)
        module = TEACHER.to_torch(weights)
        TEACHER.define(TorchLayers(module, training=False), image, tap=followed)
        assert float(followed.loss.detach()) == pytest.approx(0, abs=1e-3)


def test_forced_maps_part_the_stages_and_others_do_not(image: Any) -> None:
    """A late stage's error reaches the first stage's weights only through maps of its own."""
    maps = Hints(TEACHER, TEACHER.seeded(1), "cpu").maps(image)
    for forced in (True, False):
        module = PUPIL.to_torch(PUPIL.seeded(0)).train()
        followed = Followed({"stage2": maps["stage2"], "stage3": maps["stage3"]}, forced=forced)
        outputs = PUPIL.define(TorchLayers(module, training=True), image, tap=followed)
        outputs[4].square().mean().backward()  # of stage 4
        reached = module.get_parameter("stage3.rebnconvin.conv_s1.weight").grad
        assert (reached is None) == forced


def test_stages_of_another_width_are_left_to_themselves(image: Any) -> None:
    followed = Followed(Hints(TEACHER, TEACHER.seeded(1), "cpu").maps(image), forced=True)
    x = torch.zeros(2, 3, 64, 48)
    assert followed("stage1", x) is x
    with pytest.raises(trimatte.EngineError, match="no stage of the network has the width"):
        followed.loss  # noqa: B018


def test_maps_that_do_not_depend_on_the_image_are_an_error_of_one(image: Any) -> None:
    hint = torch.randn(4, 8, 32, 32, generator=torch.Generator().manual_seed(1))
    followed = Followed({"stage2": hint}, forced=False)
    followed("stage2", hint.mean(dim=(0, 2, 3), keepdim=True).expand_as(hint))
    assert float(followed.loss) == pytest.approx(1 / 1.1, rel=0.02)


def test_a_training_follows_hints(tmp_path: Path) -> None:
    def source(random: Random, size: int) -> Example:
        noise = random.integers(0, 256, (size // 16, size // 16, 3), np.uint8)
        image = noise.repeat(16, axis=0).repeat(16, axis=1)
        return Example(image, np.where(image[..., 0] > 127, 255, 0).astype(np.uint8))

    plan = Plan(
        (Phase(96, 4, 24),), rate=1e-2, warm_up=5, hints=1.0, forced=0.5, hinted=1.0, bfloat16=False
    )
    hints = (TEACHER, TEACHER.seeded(1))
    trainer = Trainer(PUPIL, plan, source, tmp_path / "run", hints=hints)
    losses = list(trainer.steps())
    assert np.mean(losses[9:12]) < 0.8 * losses[0]
    with pytest.raises(trimatte.ArgumentError, match="the plan wants hints, and no network gives"):
        Trainer(PUPIL, plan, source, tmp_path / "other")

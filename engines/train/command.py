"""The command that trains: ``trimatte engines train``."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trimatte.errors import ArgumentError
from trimatte.optional import require

from ..networks import NETWORKS, Network
from ..weights.cards import cards, find_card
from ..weights.checkpoints import read_checkpoint
from ..weights.fetch import fetch
from .augmentation import Source, examples_of
from .pictures import Picture, split
from .plan import Phase, Plan
from .progress import follow
from .readers import read, read_photographs
from .recipe import Recipe, read_recipe
from .sets import load, source_of
from .starting import unfolded, with_norms
from .teacher import KeptMattes, Teacher, taught
from .widening import start_weights

__all__ = ["add_arguments", "train"]

_NETWORK = "u2net-lite"
_TEACHER = "u2netp"
_PHASES = "128x16x3000 192x16x2000 320x8x1500"
_LONGEST = 512

Tensors = Mapping[str, npt.NDArray[np.float32]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options that `train` reads."""
    _add_recipe(parser)
    parser.add_argument(
        "sets", nargs="*", type=Path, metavar="SET", help="data sets: image/mask, COCO or ADE20K"
    )
    parser.add_argument(
        "--photographs",
        type=Path,
        nargs="+",
        default=[],
        help="folders of photographs without masks, which the teacher makes",
    )
    parser.add_argument(
        "--teacher",
        metavar="NAME|FILE",
        help=f"the network that makes them (default: the recipe's, or {_TEACHER})",
    )
    parser.add_argument(
        "--card", metavar="NAME|FILE", help="how a teacher's file without a card is run"
    )
    parser.add_argument(
        "--longest",
        type=int,
        help=f"side of the pictures, all kept in memory (default: the recipe's, or {_LONGEST})",
    )
    parser.add_argument("--folder", type=Path, required=True, help="of checkpoints; resumed if any")
    parser.add_argument(
        "--network",
        choices=sorted(NETWORKS),
        help=f"what is trained (default: the recipe's, or {_NETWORK})",
    )
    parser.add_argument(
        "--backgrounds", type=Path, nargs="+", default=[], help="folders of photographs"
    )
    _add_plan(parser)
    parser.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="a checkpoint to begin with, of the network or a narrower one; or a model or an ONNX "
        "file of the network",
    )
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's choice)")
    parser.add_argument(
        "--device", default="cpu", help="PyTorch's name of it, as in cuda (default: %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that make examples meanwhile (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes", type=float, default=5.0, help="between checkpoints (default: %(default)g)"
    )


def train(options: argparse.Namespace) -> None:
    """Trains a network, to the end of its plan.

    Raises:
        trimatte.Error: an option, the recipe, the data or the checkpoint is not as it must be, or
            PyTorch is not installed.
    """
    torch = require("torch", extra="train", purpose="training")
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True  # images of one size for thousands of steps
    work = _by_recipe(options) if options.recipe else _by_options(options)
    trainer = importlib.import_module(".trainer", __package__).Trainer(
        work.network,
        work.plan,
        work.source,
        options.folder,
        about=work.about,
        weights=work.weights,
        device=options.device,
        workers=options.workers,
    )
    follow(trainer, work.held_out, minutes=options.minutes)


class _Work(NamedTuple):
    """What a `Trainer` is made of, and the pictures to judge it on."""

    network: Network
    plan: Plan
    source: Source
    about: str
    weights: Tensors | None
    held_out: Sequence[Picture]


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("by a recipe")
    group.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help="says all that follows; options beside it take precedence. u2net-lite is that of the "
        "network that comes with trimatte",
    )
    group.add_argument(
        "--data", type=Path, help="the folder that holds the recipe's sets (default: the current)"
    )
    group.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="NAME",
        help="sets of the recipe to leave out; their share goes to the others",
    )
    group.add_argument(
        "--only-terms",
        choices=["clean"],
        help="leave out all sets whose terms are in doubt, as the recipe says",
    )


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--phases",
        nargs="+",
        metavar="SIZExBATCHxSTEPS",
        help=f"one after the other (default: the recipe's, or {_PHASES})",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="in all; the phases keep their shares")
    length.add_argument(
        "--budget", type=float, metavar="MINUTES", help="train for so long instead; the same"
    )
    parser.add_argument(
        "--rate", type=float, help="highest learning rate (default: the recipe's, or 0.002)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="of the examples and first weights (default: the recipe's, or 0)",
    )
    parser.add_argument("--float32", action="store_true", help="no bfloat16")


def _by_options(options: argparse.Namespace) -> _Work:
    """A training on the sets that are given one by one."""
    for name, value in (
        ("--data", options.data),
        ("--without", options.without),
        ("--only-terms", options.only_terms),
    ):
        if value:
            raise ArgumentError(f"{name} is for a recipe: give --recipe too")
    longest = options.longest or _LONGEST
    pictures = [picture for folder in options.sets for picture in read(folder, longest=longest)]
    if options.photographs:
        teacher = Teacher(options.teacher or _TEACHER, options.card)
        for folder in options.photographs:
            photographs = list(read_photographs(folder, longest=longest))
            sure = list(taught(photographs, teacher))
            print(f"{folder}: {len(sure)} of {len(photographs)} photographs", flush=True)
            pictures += sure
    subjects, held_out = split(pictures)
    others = [
        picture
        for folder in options.backgrounds
        for picture in read_photographs(folder, longest=longest)
    ]
    print(f"{len(subjects)} pictures to train on, {len(held_out)} held out", flush=True)
    network = NETWORKS[options.network or _NETWORK]
    plan = _changed(Plan(tuple(map(Phase.parse, _PHASES.split()))), options)
    source = examples_of(subjects, subjects + others)
    return _Work(
        network,
        plan,
        source,
        "pictures",
        _weights(network, options.weights, plan, source),
        held_out,
    )


def _by_recipe(options: argparse.Namespace) -> _Work:
    if options.sets or options.photographs or options.backgrounds:
        raise ArgumentError(
            "--recipe names its sets itself: SET, --photographs and --backgrounds are without one"
        )
    root = options.data or Path()
    recipe = _overridden(read_recipe(options.recipe), options)
    network, plan = recipe.architecture, recipe.plan
    loaded = load(recipe, root, _mattes(recipe, root, options))
    mixture = source_of(recipe, loaded)
    shares = ", ".join(f"{name} {share:.3f}" for name, share in mixture.shares.items())
    print(f"shares of the examples: {shares}", flush=True)
    counts = ", ".join(f"{name} {len(found)}" for name, found in loaded.pictures.items())
    start = options.weights or (root / recipe.start if recipe.start else None)
    return _Work(
        network,
        plan,
        mixture,
        f"shares {shares}; pictures {counts}",
        _weights(network, start, plan, mixture),
        loaded.held_out,
    )


def _overridden(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """The recipe with what the options say in place of its own."""
    left_out = list(dict.fromkeys(options.without))
    if options.only_terms:
        left_out += [name for name in recipe.unclean() if name not in left_out]
    if left_out:
        print(f"without {', '.join(left_out)}: their shares go to the others", flush=True)
    changes: dict[str, Any] = {"plan": _changed(recipe.plan, options)}
    if options.network:
        changes |= {"network": options.network, "widths": None}
    if options.longest:
        changes["sets"] = {
            name: replace(one, longest=options.longest) for name, one in recipe.sets.items()
        }
    return replace(recipe, **changes).without(left_out)


def _changed(plan: Plan, options: argparse.Namespace) -> Plan:
    """The plan with what the options say in place of its own."""
    given = {"seed": options.seed, "rate": options.rate}
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if options.phases:
        changes |= {"phases": tuple(map(Phase.parse, options.phases)), "budget": None}
    if options.float32:
        changes["bfloat16"] = False
    plan = replace(plan, **changes)
    if options.steps is not None:
        return plan.lasting(options.steps)
    return plan if options.budget is None else replace(plan, budget=options.budget)


def _mattes(recipe: Recipe, root: Path, options: argparse.Namespace) -> KeptMattes:
    """The teacher's mattes, kept beside the checkpoints."""
    teacher = options.teacher or recipe.teacher
    if not options.teacher and teacher.endswith(".onnx"):
        teacher = str(root / teacher)
    kept = options.folder / "mattes" / Path(teacher).stem
    return KeptMattes(kept, lambda: Teacher(teacher, options.card))


def _weights(
    network: Network, start: str | Path | None, plan: Plan, source: Source
) -> Tensors | None:
    """Of a checkpoint, or of an ONNX file, a model's own among them."""
    if start is None:
        return None
    name = str(start)
    if not name.endswith(".onnx") and name not in cards():
        return start_weights(network, read_checkpoint(name), plan.seed)
    file = Path(name) if name.endswith(".onnx") else fetch(find_card(name))
    trainer = importlib.import_module(".trainer", __package__)
    return with_norms(network, unfolded(network, file), trainer.first_images(source, plan))

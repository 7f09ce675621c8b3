"""The command that trains: ``trimatte engines train``."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from trimatte.optional import require

from ..networks import NETWORKS
from ..weights.checkpoints import read_checkpoint
from .pictures import split
from .plan import Phase, Plan
from .progress import follow
from .readers import read, read_photographs
from .teacher import Teacher, taught

__all__ = ["add_arguments", "train"]

_PHASES = "128x16x3000 192x16x2000 320x8x1500"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options that `train` reads."""
    parser.add_argument("data", nargs="*", type=Path, help="data sets: image/mask, COCO or ADE20K")
    parser.add_argument(
        "--photographs",
        type=Path,
        nargs="+",
        default=[],
        help="folders of photographs without masks, which the teacher makes",
    )
    parser.add_argument(
        "--teacher",
        default="u2netp",
        metavar="NAME|FILE",
        help="the network that makes them (default: %(default)s)",
    )
    parser.add_argument(
        "--card", metavar="NAME|FILE", help="how a teacher's file without a card is run"
    )
    parser.add_argument(
        "--longest",
        type=int,
        default=512,
        help="side of the pictures, all kept in memory (default: %(default)s)",
    )
    parser.add_argument("--folder", type=Path, required=True, help="of checkpoints; resumed if any")
    parser.add_argument(
        "--network",
        default="u2net-lite",
        choices=sorted(NETWORKS),
        help="what is trained (default: %(default)s)",
    )
    parser.add_argument(
        "--backgrounds", type=Path, nargs="+", default=[], help="folders of photographs"
    )
    parser.add_argument(
        "--phases",
        nargs="+",
        default=_PHASES.split(),
        metavar="SIZExBATCHxSTEPS",
        help=f"one after the other (default: {_PHASES})",
    )
    parser.add_argument(
        "--rate", type=float, default=2e-3, help="highest learning rate (default: %(default)g)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the examples and the first weights (default: %(default)s)",
    )
    parser.add_argument("--weights", type=Path, help="a checkpoint to begin with")
    parser.add_argument("--float32", action="store_true", help="no bfloat16")
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
        trimatte.Error: an option, the data or the checkpoint is not as it must be, or PyTorch is
            not installed.
    """
    torch = require("torch", extra="train", purpose="training")
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True  # images of one size for thousands of steps
    plan = Plan(
        tuple(Phase.parse(text) for text in options.phases),
        seed=options.seed,
        rate=options.rate,
        bfloat16=not options.float32,
    )
    network = NETWORKS[options.network]
    weights = network.load(read_checkpoint(options.weights)) if options.weights else None
    longest = options.longest
    pictures = [picture for folder in options.data for picture in read(folder, longest=longest)]
    if options.photographs:
        teacher = Teacher(options.teacher, options.card)
        for folder in options.photographs:
            photographs = list(read_photographs(folder, longest=longest))
            sure = list(taught(photographs, teacher))
            print(f"{folder}: {len(sure)} of {len(photographs)} photographs", flush=True)
            pictures += sure
    subjects, held_out = split(pictures)
    others = [
        picture
        for folder in options.backgrounds
        for picture in read_photographs(folder, longest=options.longest)
    ]
    print(f"{len(subjects)} pictures to train on, {len(held_out)} held out", flush=True)
    trainer = importlib.import_module(".trainer", __package__).Trainer(
        network,
        plan,
        subjects,
        subjects + others,
        options.folder,
        weights=weights,
        device=options.device,
        workers=options.workers,
    )
    follow(trainer, held_out, minutes=options.minutes)

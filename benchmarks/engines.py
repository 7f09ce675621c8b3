"""The claims about networks, measured on this machine.

    python benchmarks/engines.py                            everything, about 4 minutes
    python benchmarks/engines.py --quick                    U2-NetP only, about 1 minute
    python benchmarks/engines.py --smoke                    tiny images: does it run at all
    python benchmarks/engines.py --only precision --json FILE --markdown FILE

Prints each section and whether its bars are met; exits with 1 where one is missed. Runtimes that
are not installed and photographs that are not there are named. Weights are seeded: times are those
of trained networks, losses are only a hint at theirs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from trimatte.engines import Session
from trimatte.engines.networks import NETWORKS
from trimatte.engines.quantize import quantize
from trimatte.engines.sessions import open_session

import alphamatting
import trimatte
from measuring import Array, calls, take_turns
from reporting import Bar, Program, Section

MOST_TURNS = 15
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# What is asked of a faster precision by OpenVINO: of fp32's time, and mean of 255 levels.
TIME = {"bf16": 0.7, "int8": 0.6}
LOSS = {"bf16": 1.0, "int8": 3.0}


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    side: of the network's input. photos: half of them calibrate, half are judged. seconds: for
    each network.
    """

    networks: tuple[str, ...] = ("u2netp", "u2net")
    side: int = 320
    photos: int = 24
    seconds: float = 30.0
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(
    networks=("u2netp",), photos=12, seconds=10.0, left_out=("U2-Net: left out by --quick",)
)
SMOKE = Effort(
    networks=("u2netp",),
    side=32,
    photos=2,
    seconds=0.0,
    left_out=("bars: tiny images say nothing",),
    judge=False,
)


# -------------------------------------------------------------------------------------- precision


@dataclass(frozen=True)
class Variant:
    """A network in one precision, by one runtime."""

    runtime: str
    precision: str
    session: Session


def precision(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        f"Precision on the CPU, {effort.side} x {effort.side}, {options.threads} threads",
        ("network", "runtime", "precision", "ms", "of fp32", "mean of 255", "max", "IoU at 0.5"),
    )
    tensors = photographs(options.data, effort)
    if len(tensors) < 2:
        section.left_out.append(f"photographs: fewer than 2 in {options.data}")
        return section
    calibration, judged = tensors[::2], tensors[1::2]
    for name in effort.networks:
        network = NETWORKS[name]
        model = network.to_onnx(network.seeded(1), size=(effort.side, effort.side))
        variants = list(open_variants(model, calibration, options.threads, section))
        timed = [partial(variant.session.run, judged[0]) for variant in variants]
        turns = take_turns(timed, MOST_TURNS, effort.seconds)
        times = [1000 * statistics.median(calls(each)) for each in turns]
        masks = [[mask(each.session.run(tensor)) for tensor in judged] for each in variants]
        for variant, ms, found in zip(variants, times, masks, strict=True):
            loss = losses(found, masks[0])
            section.rows.append(
                (name, variant.runtime, variant.precision, ms, ms / times[0], *loss)
            )
            if variant.runtime == "openvino" and variant.precision in TIME:
                what = f"{name} in {variant.precision} by openvino"
                section.bars += [
                    Bar(f"{what}, of fp32's time", ms / times[0], TIME[variant.precision]),
                    Bar(f"{what}, mean difference", loss[0], LOSS[variant.precision]),
                ]
    return section


def photographs(folder: Path, effort: Effort) -> list[Array]:
    """As a network's inputs, evenly chosen of those in the folder."""
    files = sorted(folder.glob("*.jpg"))
    chosen = np.linspace(0, len(files) - 1, min(effort.photos, len(files))).astype(int)
    images = (np.asarray(Image.open(files[index]).convert("RGB")) for index in chosen)
    size = (effort.side, effort.side)
    return [
        trimatte.to_tensor(image, size, mean=MEAN, std=DEVIATION, scale="max") for image in images
    ]


def open_variants(
    model: object, calibration: list[Array], threads: int, section: Section
) -> Iterator[Variant]:
    """The first is what the others are compared with; those that cannot be had are left out."""
    plain: bytes = model.SerializeToString()  # type: ignore[attr-defined]
    small: bytes = quantize(model, calibration).SerializeToString()
    for runtime, kind, data in (
        ("onnxruntime", "fp32", plain),
        ("onnxruntime", "int8", small),
        ("openvino", "fp32", plain),
        ("openvino", "bf16", plain),
        ("openvino", "int8", small),
    ):
        try:
            session = open_session(data, runtime=runtime, precision=kind, threads=threads)
        except trimatte.EngineError as error:
            section.left_out.append(f"{runtime} {kind}: {error}")
        else:
            yield Variant(runtime, kind, session)


def mask(prediction: Array) -> Array:
    plane = prediction[0, 0]
    return trimatte.matte_from_prediction(np.ascontiguousarray(plane), plane.shape)


def losses(masks: list[Array], references: list[Array]) -> tuple[float, float, float]:
    """Mean and largest difference, of 255; mean intersection over union of what is above half."""
    pairs = list(zip(masks, references, strict=True))
    apart = [np.abs(ours.astype(int) - theirs) for ours, theirs in pairs]
    shared = [np.sum((ours > 127) & (theirs > 127)) for ours, theirs in pairs]
    either = [np.sum((ours > 127) | (theirs > 127)) for ours, theirs in pairs]
    overlap = [1.0 if b == 0 else a / b for a, b in zip(shared, either, strict=True)]
    return float(np.mean(apart)), float(np.max(apart)), float(np.mean(overlap))


# -------------------------------------------------------------------------------------------- run


SECTIONS: dict[str, Callable[[Effort, argparse.Namespace], Section]] = {
    "precision": precision,
}

PROGRAM = Program(
    title="Engines",
    about=__doc__ or "",
    sections=SECTIONS,
    full=FULL,
    quick=QUICK,
    smoke=SMOKE,
    quick_means="without U2-Net",
    data=alphamatting.DATA.parent / "segmentation",
    data_means="folder of photographs, *.jpg",
)


if __name__ == "__main__":
    sys.exit(PROGRAM.run())

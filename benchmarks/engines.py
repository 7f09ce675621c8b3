"""The claims about networks, measured on this machine: their ends, overhead, precision.

    python -m benchmarks.engines                            everything, about 5 minutes
    python -m benchmarks.engines --quick                    U2-NetP only, about 2 minutes
    python -m benchmarks.engines --smoke                    tiny images: does it run at all
    python -m benchmarks.engines --only ends,overhead --json FILE --markdown FILE

Prints each section and whether its bars are met; exits with 1 where one is missed. Runtimes that
are not installed and photographs that are not there are named. Weights are seeded: times are those
of trained networks, losses are only a hint at theirs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from trimatte.engines.onnx_files.quantize import quantize

import trimatte
from benchmarks import alphamatting
from benchmarks.measuring import Array, calls, load, others_share, processor_seconds, take_turns
from benchmarks.reporting import Bar, Program, Section
from trimatte import engines

MOST_TURNS = 15
NETWORK = (320, 320)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# What is asked: at least so many times Pillow's speed; at most this share over the bare session.
ENDS_SPEED = 10.0
OVERHEAD = 0.03
# What is asked of a faster precision by OpenVINO: of fp32's time, and mean of 255 levels.
TIME = {"bf16": 0.7, "int8": 0.6}
LOSS = {"bf16": 1.0, "int8": 3.0}


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    height, width: of the image at a network's ends. side: of the network's input. photos: half of
    them calibrate, half are judged. seconds: for each network.
    """

    height: int = 3000
    width: int = 4000
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
    height=60,
    width=80,
    networks=("u2netp",),
    side=32,
    photos=2,
    seconds=0.0,
    left_out=("bars: tiny images say nothing",),
    judge=False,
)


# --------------------------------------------------------------------------------- ends, overhead


def median(turns: list[list[float]]) -> float:
    return statistics.median(calls(turns))


def a_photo(height: int, width: int) -> Array:
    """Something with edges and grain, determined by its size."""
    rng = np.random.default_rng(height)
    coarse = rng.integers(0, 256, (24, 32, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.integers(-8, 9, (height, width, 1))
    return (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)


def rembgs_tensor(picture: Image.Image) -> Array:
    """An image as rembg feeds it to a U²-Net (its sessions' `normalize`)."""
    small = np.array(picture.convert("RGB").resize(NETWORK, Image.Resampling.LANCZOS))
    scaled = small / max(np.max(small), 1e-6)
    tensor = np.zeros((*NETWORK, 3))
    for channel in range(3):
        mean, std = MEAN[channel], DEVIATION[channel]
        tensor[:, :, channel] = (scaled[:, :, channel] - mean) / std
    return np.expand_dims(tensor.transpose(2, 0, 1), 0).astype(np.float32)


def rembgs_mask(prediction: Array, width: int, height: int) -> Array:
    """A network's output as rembg makes a mask of it (its sessions' `predict`)."""
    lowest, highest = np.min(prediction), np.max(prediction)
    unit = (prediction - lowest) / (highest - lowest)
    mask = Image.fromarray((unit.clip(0, 1) * 255).astype("uint8"))
    return np.asarray(mask.resize((width, height), Image.Resampling.LANCZOS))


def ends(effort: Effort, options: argparse.Namespace) -> Section:
    """From image to tensor and from prediction to mask, beside Pillow and NumPy."""
    height, width = effort.height, effort.width
    section = Section(
        f"A network's two ends, {height * width / 1e6:.3g} MP, beside Pillow and NumPy as rembg "
        "calls them; results equal to the bit",
        ("what", "Pillow ms", "ms", "ratio", "of best", "others"),
    )
    image = a_photo(height, width)
    picture = Image.fromarray(image)
    plane = np.asarray(Image.fromarray(a_photo(20, 20)[..., 0]).resize(NETWORK)) / np.float32(255)
    both: dict[str, tuple[Callable[[], Array], Callable[[], Array]]] = {
        "image to 320 x 320 tensor": (
            lambda: rembgs_tensor(picture),
            lambda: trimatte.to_tensor(image, NETWORK, scale="max", mean=MEAN, std=DEVIATION),
        ),
        "320 x 320 prediction to mask": (
            lambda: rembgs_mask(plane, width, height),
            lambda: trimatte.matte_from_prediction(plane, (height, width)),
        ),
    }
    for what, (theirs, ours) in both.items():
        if not np.array_equal(theirs(), ours()):
            raise SystemExit(f"{what}: the results differ")
        before = processor_seconds()
        peer, own = take_turns([theirs, ours], MOST_TURNS, effort.seconds)
        others = others_share(before, processor_seconds())
        ratio = median(peer) / median(own)
        best = min(calls(peer)) / min(calls(own))
        section.rows.append(
            (what, 1e3 * median(peer), 1e3 * median(own), ratio, best, f"{others:.0%}")
        )
        section.bars.append(Bar(f"times as fast as Pillow, {what}", ratio, ENDS_SPEED, True))
    return section


def overhead(effort: Effort, options: argparse.Namespace) -> Section:
    """`Segmenter` on an image of the network's size, beside ONNX Runtime itself."""
    section = Section(
        "A Segmenter beside the bare session of ONNX Runtime, an image of the network's own size",
        ("network", "bare ms", "ms", "more", "of best", "others"),
    )
    runtime = load("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    for name in effort.networks:
        with tempfile.TemporaryDirectory() as folder:
            path = engines.export(name, Path(folder) / f"{name}.onnx", seed=0)
            session = runtime.InferenceSession(
                str(path), settings, providers=["CPUExecutionProvider"]
            )
            segmenter = trimatte.Segmenter(path, card=name, device="cpu", runtime="onnxruntime")
        image = a_photo(*NETWORK)
        batch = rembgs_tensor(Image.fromarray(image))
        feed, output = {"input": batch}, session.get_outputs()[0].name
        before = processor_seconds()
        bare, whole = take_turns(
            [lambda: session.run([output], feed), lambda: segmenter(image)],  # noqa: B023
            MOST_TURNS,
            effort.seconds,
        )
        others = others_share(before, processor_seconds())
        more = median(whole) / median(bare) - 1
        best = min(calls(whole)) / min(calls(bare)) - 1
        section.rows.append(
            (
                name,
                1e3 * median(bare),
                1e3 * median(whole),
                f"{more:.1%}",
                f"{best:.1%}",
                f"{others:.0%}",
            )
        )
        section.bars.append(Bar(f"share of time over the bare session, {name}", more, OVERHEAD))
    return section


# -------------------------------------------------------------------------------------- precision


@dataclass(frozen=True)
class Variant:
    """A network in one precision, by one runtime."""

    runtime: str
    precision: str
    session: engines.Session


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
        network = engines.NETWORKS[name]
        model = network.to_onnx(network.seeded(1), size=(effort.side, effort.side))
        variants = list(open_variants(model, calibration, options.threads, section))
        timed = [partial(variant.session.run, judged[0]) for variant in variants]
        turns = take_turns(timed, MOST_TURNS, effort.seconds)
        times = [1e3 * median(each) for each in turns]
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
            session = engines.open_session(data, runtime=runtime, precision=kind, threads=threads)
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
    "ends": ends,
    "overhead": overhead,
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

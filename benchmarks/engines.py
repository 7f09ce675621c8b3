"""The claims about segmentation, measured on this machine: a network's ends, overhead, precision.

    python benchmarks/engines.py                            everything, about 6 minutes
    python benchmarks/engines.py --quick                    fewer photographs and turns
    python benchmarks/engines.py --smoke                    tiny images: does it run at all
    python benchmarks/engines.py --only ends --json FILE --markdown FILE

Networks have seeded weights: times are those of any weights, masks mean nothing. README.md in this
folder describes what is measured and how.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import trimatte
from judging import Bar, Efforts, Section, judge
from measuring import Array, calls, load, others_share, processor_seconds, take_turns
from trimatte import engines

DATA = Path(__file__).parents[2] / "shared" / "data" / "segmentation"
NETWORK = (320, 320)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

# What is asked: at least so many times Pillow's speed; at most this share over the bare session.
ENDS_SPEED = 10.0
OVERHEAD = 0.03


@dataclass(frozen=True)
class Effort:
    """How much is measured: images of this size, in so many turns, for so many seconds."""

    height: int = 3000
    width: int = 4000
    turns: int = 15
    seconds: float = 20.0
    networks: tuple[str, ...] = ("u2netp", "u2net")
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(turns=7, seconds=6.0)
SMOKE = Effort(
    60,
    80,
    turns=1,
    seconds=0.0,
    networks=("u2netp",),
    left_out=("bars: tiny images say nothing",),
    judge=False,
)


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
        mean, std = IMAGENET["mean"][channel], IMAGENET["std"][channel]
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
            lambda: trimatte.to_tensor(image, NETWORK, scale="max", **IMAGENET),
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
        peer, own = take_turns([theirs, ours], effort.turns, effort.seconds)
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
            effort.turns,
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


SECTIONS: dict[str, Callable[[Effort, argparse.Namespace], Section]] = {
    "ends": ends,
    "overhead": overhead,
}


def main(arguments: list[str] | None = None) -> int:
    efforts = Efforts(FULL, QUICK, SMOKE, quick="fewer turns")
    return judge("Segmentation", __doc__ or "", SECTIONS, efforts, DATA, arguments)


if __name__ == "__main__":
    sys.exit(main())

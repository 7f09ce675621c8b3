"""`trimatte.compat.rembg` beside rembg itself: the same to the bit, and matting beside the truth.

    pip install rembg onnxruntime                           beside trimatte
    python -m benchmarks.rembg_compat                       about 3 minutes
    python -m benchmarks.rembg_compat --quick               one photograph
    python -m benchmarks.rembg_compat --markdown FILE       the table as it stands in results/

Both sides are called in one process, in turns, with as many threads. `same` gives them the same
weights, those of the built-in network, and counts samples that differ; `matting` gives them the
same mask, made of the true alpha as a small network would blur it. The photographs (--data) are no
part of this repository.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image, ImageFilter

import trimatte
from benchmarks.alphamatting import DATA
from benchmarks.measuring import Array, calls, take_turns
from benchmarks.reporting import Program, Section
from benchmarks.throughput import network
from trimatte.compat import rembg as ours
from trimatte.imageio import read_mask

PHOTOS = ("lemur", "am_GT04", "am_GT10")
SEEN_AT = 320  # the side of what a network sees, by which the true alpha is blurred
BLUR = 3.0  # and how much more, in its pixels
BUDGET = 60.0  # seconds for a photograph


@dataclass(frozen=True)
class Effort:
    photos: tuple[str, ...] = PHOTOS
    turns: int = 3
    left_out: tuple[str, ...] = ()
    judge: bool = True


FULL = Effort()
QUICK = Effort(PHOTOS[:1], 1, ("all photographs but one: left out by --quick",), judge=False)


@dataclass(frozen=True)
class Given:
    """A session of both sides that says the same of whatever it is shown."""

    mask: Image.Image

    def predict(self, *_: Any, **__: Any) -> list[Image.Image]:
        return [self.mask]


def photographs(effort: Effort, options: argparse.Namespace) -> Iterator[tuple[str, Image.Image]]:
    for name in effort.photos:
        with Image.open(options.data / name / "image.png") as photo:
            yield name, photo.convert("RGB")


def rembg_for(section: Section, options: argparse.Namespace) -> Any:
    """rembg; None, with a word in the section, where it or the photographs are not there."""
    if not options.data.is_dir():
        section.left_out.append(f"there is no {options.data}")
        return None
    try:
        return importlib.import_module("rembg")
    except ImportError as error:
        section.left_out.append(f"rembg: {error}")
        return None


def same(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "The same weights, both by ONNX Runtime on the CPU", ("photograph", "result", "differ")
    )
    rembg = rembg_for(section, options)
    if rembg is None:
        return section
    model = network().resolve()
    with mock.patch.dict(os.environ, U2NET_HOME=str(model.parent)):  # where it takes models from
        theirs = rembg.new_session("u2net_custom", model_path=str(model))
    own = ours.new_session("u2net_custom", model_path=model, providers=["CPUExecutionProvider"])
    results: dict[str, tuple[dict[str, Any], Callable[[Array], Array]]] = {
        "only_mask": ({"only_mask": True}, np.asarray),
        "post_process_mask": ({"only_mask": True, "post_process_mask": True}, np.asarray),
        "putalpha": ({"putalpha": True}, np.asarray),
        "no option, ours premultiplied": ({}, trimatte.premultiply),
    }
    for name, photo in photographs(effort, options):
        for result, (how, made) in results.items():
            expected = np.asarray(rembg.remove(photo.copy(), session=theirs, **how))
            got = made(np.asarray(ours.remove(photo, session=own, **how)))
            section.rows.append((name, result, f"{np.mean(expected != got):.2%}"))
    return section


def matting(effort: Effort, options: argparse.Namespace) -> Section:
    section = Section(
        "alpha_matting=True by the same mask",
        (
            *("photograph", "unknown", "rembg s", "ours s", "ratio"),
            *("apart, of 255", "SAD by rembg's", "exact: apart", "exact: SAD by rembg's"),
        ),
    )
    rembg = rembg_for(section, options)
    if rembg is None:
        return section
    section.details.append({"rembg": importlib.metadata.version("rembg")})
    for name, photo in photographs(effort, options):
        truth = read_mask(options.data / name / "alpha.png")
        known = truth / np.iinfo(truth.dtype).max
        given = Given(as_seen(known))
        how = {"session": given, "alpha_matting": True}
        theirs = partial(rembg.remove, photo, **how)
        own = partial(ours.remove, photo, **how)
        exact = partial(ours.remove, photo, quality="exact", **how)
        alphas = [np.asarray(call())[:, :, 3] / 255 for call in (theirs, own, exact)]
        errors = [float(np.abs(alpha - known).sum()) for alpha in alphas]
        apart = [255 * float(np.abs(alpha - alphas[0]).mean()) for alpha in alphas]
        taken = take_turns((theirs, own), effort.turns, BUDGET, 1)
        theirs_s, own_s = (statistics.median(calls(turns)) for turns in taken)
        mask = np.asarray(given.mask)
        trimap = trimatte.make_trimap(mask, 10, shape="rembg", thresholds=(10 / 255, 240 / 255))
        section.rows.append(
            (
                *(name, f"{np.mean(trimap == 128):.0%}", theirs_s, own_s, theirs_s / own_s),
                *(apart[1], errors[1] / errors[0], apart[2], errors[2] / errors[0]),
            )
        )
    return section


def as_seen(alpha: Array) -> Image.Image:
    """What a small network would make of it at best."""
    whole = Image.fromarray(np.rint(255 * alpha).astype(np.uint8))
    small = whole.resize((SEEN_AT, SEEN_AT)).filter(ImageFilter.GaussianBlur(BLUR))
    return small.resize(whole.size, Image.Resampling.LANCZOS)


PROGRAM = Program(
    title="trimatte.compat.rembg beside rembg",
    about=__doc__ or "",
    sections={"same": same, "matting": matting},
    full=FULL,
    quick=QUICK,
    smoke=QUICK,
    quick_means="one photograph",
    data=DATA,
    data_means="the folder of lemur, am_GT04 and am_GT10",
)

if __name__ == "__main__":
    sys.exit(PROGRAM.run())

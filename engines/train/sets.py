"""The sets of a recipe as they are found on disk, and the source of examples made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from trimatte.errors import ArgumentError

from .augmentation import cleaned
from .composites import Composites, Subjects, trimmed
from .mixture import Mixture, Part, Pictures
from .pictures import Picture, Pixels, picture, split
from .readers import image_files, read, read_pairs
from .recipe import Composition, DataSet, Recipe
from .teacher import is_sure

__all__ = ["COMPOSITES", "Loaded", "is_clear", "load", "source_of"]

COMPOSITES = "composites"
"""What the composites are called among the shares."""

Mattes = Callable[[str, str, Pixels], Pixels]
"""The teacher's matte (H, W) by a set's name, an image's name there, and the image (H, W, 3)."""

_UNCLEAR = (0.1, 0.9)  # of full scale
_MOST_UNCLEAR = 0.04  # of the pixels
_LEAST, _MOST = 0.05, 0.6  # of them inside


class Loaded(NamedTuple):
    """Pictures to train on by set, pictures held out, and subjects of composites by set."""

    pictures: Mapping[str, Sequence[Picture]]
    held_out: Sequence[Picture]
    cutouts: Mapping[str, Sequence[Pixels]]


def load(recipe: Recipe, root: Path, mattes: Mattes) -> Loaded:
    """Reads all sets; one line of output for each.

    Args:
        recipe: names them.
        root: the folder that holds theirs.
        mattes: of photographs.

    Raises:
        ArgumentError: a folder or a file is missing; the message names the set.
    """
    _check_folders(recipe, root)
    pictures: dict[str, Sequence[Picture]] = {}
    held_out: list[Picture] = []
    cutouts: dict[str, Sequence[Pixels]] = {}
    for name, one in recipe.sets.items():
        if one.kind == "cutouts":
            cutouts[name] = list(_cutouts(one, root / one.folder))
            print(f"{name}: {len(cutouts[name])} cut-outs", flush=True)
            continue
        found = list(_pictures(one, root, mattes))
        kept, judged = split(found, recipe.held_out if one.is_judged and one.share else 0)
        pictures[name], cutouts[name] = kept, list(_cut_out(one, kept))
        held_out += judged
        print(
            f"{name}: {len(kept)} pictures to train on, {len(judged)} held out, "
            f"{len(cutouts[name])} cut-outs",
            flush=True,
        )
    return Loaded(pictures, held_out, cutouts)


def source_of(recipe: Recipe, loaded: Loaded) -> Mixture:
    """The examples of a recipe.

    Raises:
        ArgumentError: a set that has a share has no pictures, or composites lack something.
    """
    parts = [
        Part(name, one.share, Pictures(name, loaded.pictures[name]))
        for name, one in recipe.sets.items()
        if one.share
    ]
    if recipe.composition is not None and recipe.composition.share:
        composites = _composites(recipe.composition, loaded)
        parts.append(Part(COMPOSITES, recipe.composition.share, composites))
    return Mixture(parts)


def is_clear(matte: Pixels) -> bool:
    """Whether a teacher's matte, (H, W) uint8, is good enough for the subject to be cut out by it:
    one of some size, with little that is neither inside nor outside."""
    low, high = (255 * limit for limit in _UNCLEAR)
    unclear, inside = ((matte > low) & (matte < high)).mean(), (matte > 127).mean()
    return bool(unclear < _MOST_UNCLEAR and _LEAST < inside < _MOST)


def _check_folders(recipe: Recipe, root: Path) -> None:
    missing = [
        f"{name}: no folder {root / folder}" + (f" (from {one.source})" if one.source else "")
        for name, one in recipe.sets.items()
        for folder in (one.folder, one.masks)
        if folder is not None and not (root / folder).is_dir()
    ]
    if missing:
        listed = "\n  ".join(missing)
        raise ArgumentError(
            f"{recipe.path}: these sets are not there; get them, or leave them out by "
            f"--without NAME:\n  {listed}"
        )


def _pictures(one: DataSet, root: Path, mattes: Mattes) -> Iterator[Picture]:
    if one.kind == "photographs":
        return _photographs(one, root / one.folder, mattes)
    return _hand_masked(one, root, mattes)


def _photographs(one: DataSet, folder: Path, mattes: Mattes) -> Iterator[Picture]:
    for name, file in _files(one, folder).items():
        with Image.open(file) as opened:
            upright = ImageOps.exif_transpose(opened)
            plain = picture(name, one.name, upright, Image.new("L", upright.size), one.longest)
        matte = mattes(one.name, name, plain.image)
        if one.keep_unsure or is_sure(matte):
            yield plain._replace(matte=matte)


def _hand_masked(one: DataSet, root: Path, mattes: Mattes) -> Iterator[Picture]:
    folder = root / one.folder
    if one.masks is not None:
        images = _files(one, folder).values()
        found = read_pairs(images, root / one.masks, one.name, longest=one.longest)
    else:
        found = _named(one, read(folder, longest=one.longest))
    for pair in found:
        if one.hand < 1:
            by_teacher = mattes(one.name, pair.name, pair.image)
            both = one.hand * pair.matte + (1 - one.hand) * by_teacher
            pair = pair._replace(matte=np.rint(both).astype(np.uint8))
        yield pair._replace(source=one.name)


def _named(one: DataSet, found: Iterator[Picture]) -> Iterator[Picture]:
    """Those pictures that the set's list names, if it has one.

    Raises:
        ArgumentError: some are not there.
    """
    if one.names is None:
        yield from found
        return
    left = set(one.names)
    for pair in found:
        name = Path(pair.name).stem
        if name in left:
            left.remove(name)
            yield pair
    if left:
        raise ArgumentError(
            f"the set {one.name}: {len(left)} of the {len(one.names)} images wanted are not "
            f"there: {', '.join(sorted(left)[:3])}"
        )


def _cutouts(one: DataSet, folder: Path) -> Iterator[Pixels]:
    """Images with an alpha channel, trimmed."""
    for name, file in _files(one, folder).items():
        with Image.open(file) as image:
            small = image.convert("RGBA")
        small.thumbnail((one.longest, one.longest), Image.Resampling.BILINEAR)
        try:
            yield trimmed(np.array(small))
        except ArgumentError as error:
            raise ArgumentError(f"the set {one.name}: {name}: {error}") from error


def _cut_out(one: DataSet, pictures: Sequence[Picture]) -> Iterator[Pixels]:
    """Subjects out of pictures: those that masks outline, or that the teacher is sure of."""
    for each in pictures:
        if one.kind == "pairs":
            alpha = cleaned(each.matte)
        elif is_clear(each.matte):
            alpha = np.clip((each.matte.astype(np.int16) - 90) * 2, 0, 255).astype(np.uint8)
        else:
            continue
        if np.count_nonzero(alpha > 127) >= 100:
            yield trimmed(np.dstack([each.image, alpha]))


def _files(one: DataSet, folder: Path) -> dict[str, Path]:
    try:
        return image_files(folder, one.names)
    except ArgumentError as error:
        raise ArgumentError(f"the set {one.name}: {error}") from error


def _composites(composition: Composition, loaded: Loaded) -> Composites:
    kinds = []
    for kind in composition.subjects:
        cutouts = [one for name in kind.sets for one in loaded.cutouts[name]]
        if kind.sets and not cutouts:
            raise ArgumentError(f"composites: the sets {', '.join(kind.sets)} have no cut-outs")
        kinds.append(Subjects(cutouts, kind.studio, kind.elsewhere, kind.cropped))
    backgrounds = [one for name in composition.backgrounds for one in loaded.pictures[name]]
    return Composites(kinds, backgrounds)

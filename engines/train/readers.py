"""Pictures from the folders of public data sets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from trimatte.errors import ArgumentError

from .coco import read_coco
from .pictures import Picture, picture

__all__ = [
    "ADE20K_CLASSES",
    "image_files",
    "read",
    "read_ade20k",
    "read_folders",
    "read_pairs",
    "read_photographs",
]

ADE20K_CLASSES = (13, 127)
"""People and animals among the 150 classes of ADE20K's scene parsing."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def read(root: Path, *, longest: int = 512) -> Iterator[Picture]:
    """Pictures of a data set, of whichever layout its folders show.

    Args:
        root: holds ``images`` and ``masks``, or folders that end in ``-Image`` and ``-Mask`` (see
            `read_folders`); ``annotations/instances_X.json`` and a folder ``X`` (see `read_coco`);
            or ``images/training`` and ``annotations/training`` (see `read_ade20k`).
        longest: pictures are reduced until no side is longer, in pixels.

    Raises:
        ArgumentError: the layout is none of these, or files do not fit together.
    """
    if _pairs(root):
        yield from read_folders(root, longest=longest)
    elif instances := sorted((root / "annotations").glob("instances_*.json")):
        for file in instances:
            images = root / file.stem.removeprefix("instances_")
            yield from read_coco(file, images, longest=longest)
    elif (root / "annotations" / "training").is_dir():
        yield from read_ade20k(root, longest=longest)
    else:
        raise ArgumentError(
            f"{root} has none of images/ and masks/, *-Image/ and *-Mask/, "
            "annotations/instances_*.json, annotations/training/"
        )


def read_folders(root: Path, *, longest: int = 512) -> Iterator[Picture]:
    """Images and masks in folders side by side, paired by the names of their files.

    The folders are ``images`` and ``masks``, or end in ``-Image`` and ``-Mask`` (DUTS, ECSSD).

    Args:
        root: the folder that holds them.
        longest: pictures are reduced until no side is longer, in pixels.

    Raises:
        ArgumentError: an image has no mask, or one of another size.
    """
    for images, masks in _pairs(root):
        yield from read_pairs(_images(images), masks, root.name, longest=longest)


def read_pairs(
    images: Iterable[Path], masks: Path, source: str, *, longest: int = 512
) -> Iterator[Picture]:
    """Images, and masks in a folder, paired by the names of their files.

    Args:
        images: files.
        masks: the folder.
        source: the name of their set.
        longest: pictures are reduced until no side is longer, in pixels.

    Raises:
        ArgumentError: an image has no mask, or one of another size.
    """
    files = {file.stem: file for file in _images(masks)}
    for file in images:
        if file.stem not in files:
            raise ArgumentError(f"{source}: {file.name} has no mask in {masks}")
        with Image.open(file) as image, Image.open(files[file.stem]) as mask:
            yield picture(file.name, source, image, mask, longest)


def image_files(root: Path, names: Collection[str] | None = None) -> dict[str, Path]:
    """The images in a folder and in the folders below, in the order of their names.

    Args:
        root: the folder.
        names: those wanted, as below; None for all.

    Returns:
        Files by their path below the folder, with ``/`` between its parts and without suffix.

    Raises:
        ArgumentError: some of those wanted are not there.
    """
    files = {
        file.relative_to(root).with_suffix("").as_posix(): file
        for file in sorted(root.rglob("*"))
        if file.suffix.lower() in _SUFFIXES
    }
    if names is None:
        return files
    missing = [name for name in names if name not in files]
    if missing:
        more = ", ..." if len(missing) > 3 else ""
        raise ArgumentError(
            f"{root}: {len(missing)} of the {len(names)} images wanted are not there: "
            f"{', '.join(missing[:3])}{more}"
        )
    return {name: files[name] for name in names}


def read_ade20k(
    root: Path,
    *,
    classes: Collection[int] = ADE20K_CLASSES,
    part: str = "training",
    longest: int = 512,
) -> Iterator[Picture]:
    """ADE20K's scene parsing: maps of class numbers, of which some classes are foreground.

    Images without any of them are passed over.

    Args:
        root: holds ``images/PART/*.jpg`` and ``annotations/PART/*.png``.
        classes: numbers, 1 to 150, of the foreground.
        part: ``"training"`` or ``"validation"``.
        longest: pictures are reduced until no side is longer, in pixels.

    Raises:
        ArgumentError: an image has no annotation, or one of another size.
    """
    for file in _images(root / "images" / part):
        annotation = root / "annotations" / part / f"{file.stem}.png"
        if not annotation.exists():
            raise ArgumentError(f"{root.name}: {file.name} has no annotation {annotation}")
        with Image.open(annotation) as numbers:
            inside = np.isin(np.asarray(numbers), list(classes))
        if inside.any():
            with Image.open(file) as image:
                yield picture(file.name, root.name, image, Image.fromarray(inside), longest)


def read_photographs(root: Path, *, longest: int = 512) -> Iterator[Picture]:
    """Photographs without any foreground, to be backgrounds."""
    for file in _images(root):
        with Image.open(file) as image:
            yield picture(file.name, root.name, image, Image.new("L", image.size), longest)


def _pairs(root: Path) -> list[tuple[Path, Path]]:
    """Folders of images and of their masks."""
    pairs = [(root / "images", root / "masks")]
    pairs += [
        (path, path.with_name(f"{path.name.removesuffix('-Image')}-Mask"))
        for path in sorted(root.glob("*-Image"))
    ]
    return [(images, masks) for images, masks in pairs if images.is_dir() and masks.is_dir()]


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)

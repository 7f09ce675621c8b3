"""Recipes: TOML files that say all of a training but where its data are."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trimatte.errors import ArgumentError

from ..networks import NETWORKS, Network
from ..networks.u2net import Widths
from ..toml_tables import (
    FLAG,
    INDEX,
    POSITIVE,
    TEXT,
    TEXTS,
    Kind,
    Table,
    is_exactly,
    one_of,
    read_number,
    read_whole,
)
from .plan import Phase, Plan

__all__ = ["Composition", "DataSet", "Recipe", "SubjectKind", "read_recipe"]

_FOLDER = Path(__file__).parent / "recipes"
_PARTS = 1000  # that a plan by time is divided into


@dataclass(frozen=True)
class DataSet:
    """A set of pictures.

    name: of its table. kind: ``"photographs"`` (a teacher makes their mattes), ``"pairs"`` (with
    masks) or ``"cutouts"`` (with an alpha channel, for composites only). folder: below the root of
    the data. masks: the folder of the masks of pairs, if `readers.read` does not find them. names:
    of the files that are taken, below the folder and without suffix; None for all. share: how many
    examples it gives, relative to others. hand: weight of a pair's mask, 0 to 1; the rest is the
    teacher's. keep_unsure: photographs that the teacher is not sure of are kept. longest: pictures
    are reduced until no side is longer, in pixels. source: where it can be had. terms: as stated
    there. clean: whether these cover the photographs too, beyond doubt. doubts: what is not shown.
    """

    name: str
    kind: str
    folder: str
    masks: str | None
    names: tuple[str, ...] | None
    share: float
    hand: float
    keep_unsure: bool
    longest: int
    source: str
    terms: str
    clean: bool
    doubts: str

    @property
    def is_judged(self) -> bool:
        """Whether some of it is held out to judge the network on."""
        return self.kind == "pairs" or (self.kind == "photographs" and not self.keep_unsure)

    @property
    def needs_teacher(self) -> bool:
        return self.kind == "photographs" or (self.kind == "pairs" and self.hand < 1)


@dataclass(frozen=True)
class SubjectKind:
    """A kind of subject of composites, see `composites.Subjects`; without sets, drawn products."""

    sets: tuple[str, ...]
    studio: float
    elsewhere: float
    cropped: bool


@dataclass(frozen=True)
class Composition:
    """Composites: their share, the sets that their backgrounds come from, their subjects."""

    share: float
    backgrounds: tuple[str, ...]
    subjects: tuple[SubjectKind, ...]


@dataclass(frozen=True)
class Recipe:
    """A training.

    network: by its name in `NETWORKS`. widths: in place of its own. start: a checkpoint to begin
    with, below the root of the data. teacher: a name or a file. held_out: about this share of the
    pictures is held out to judge the network on.
    """

    path: Path
    network: str
    widths: Widths | None
    start: str | None
    teacher: str
    held_out: float
    plan: Plan
    sets: Mapping[str, DataSet]
    composition: Composition | None

    @property
    def architecture(self) -> Network:
        network = NETWORKS[self.network]
        return network if self.widths is None else network.configured(widths=self.widths)

    def without(self, names: Collection[str]) -> Recipe:
        """The recipe without these sets; their shares go to the others.

        Raises:
            ArgumentError: it has no such set, or composites are left without backgrounds or
                subjects.
        """
        for name in names:
            self._check_name(name, "--without")
        kept = {name: one for name, one in self.sets.items() if name not in names}
        composition = self.composition and _left(self.composition, kept, self.path)
        return replace(self, sets=kept, composition=composition)

    def unclean(self) -> list[str]:
        """Names of the sets whose terms leave doubts."""
        return [name for name, one in self.sets.items() if not one.clean]

    def _check_name(self, name: str, where: str) -> None:
        if name not in self.sets:
            near = difflib.get_close_matches(name, self.sets, n=1) or list(self.sets)
            raise ArgumentError(
                f"{self.path}: {where}: there is no set {name!r:.80}; "
                f"did you mean {', '.join(near)}?"
            )


def read_recipe(name: str | Path) -> Recipe:
    """Reads a recipe.

    Args:
        name: of one that comes with trimatte, or a TOML file.

    Raises:
        ArgumentError: there is no such recipe, or it says something else than a recipe may say;
            the message names the file, the key and what is accepted.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = _FOLDER / f"{name}.toml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.toml")))
            raise ArgumentError(
                f"a recipe is a .toml file or one of {known}, got {str(name)!r:.200}"
            )
    table = Table.read(path, "a recipe", ArgumentError)
    longest = table.take("longest", POSITIVE, 336)
    sets = table.section("sets")
    recipe = Recipe(
        path=path,
        network=table.take("network", one_of(*sorted(NETWORKS)), "u2net-lite"),
        widths=_widths(table),
        start=table.take("start", TEXT, None),
        teacher=table.take("teacher", TEXT, "u2netp"),
        held_out=table.take("held_out", _PART, 0.08),
        plan=_plan(table.section("plan")),
        sets={one: _set(sets.section(one), one, path.parent, longest) for one in sets.keys},
        composition=_composition(table),
    )
    table.finish()
    _check_names(recipe)
    return recipe


def _set(table: Table, name: str, beside: Path, longest: int) -> DataSet:
    kind = table.take("kind", one_of("photographs", "pairs", "cutouts"))
    listed = table.take("list", TEXT, None)
    read = DataSet(
        name=name,
        kind=kind,
        folder=table.take("folder", TEXT, name),
        masks=table.take("masks", TEXT, None) if kind == "pairs" else None,
        names=None if listed is None else _names(beside / listed, name),
        share=0.0 if kind == "cutouts" else table.take("share", _SHARE, 0.0),
        hand=table.take("hand", _PART, 1.0) if kind == "pairs" else 0.0,
        keep_unsure=kind == "photographs" and table.take("keep_unsure", FLAG, False),
        longest=table.take("longest", POSITIVE, longest),
        source=table.take("source", TEXT, ""),
        terms=table.take("terms", TEXT, "not stated"),
        clean=table.take("clean", FLAG, False),
        doubts=table.take("doubts", TEXT, ""),
    )
    table.finish()
    return read


def _names(file: Path, name: str) -> tuple[str, ...]:
    try:
        names = tuple(file.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise ArgumentError(f"the set {name}: its list cannot be read: {error}") from error
    if not names:
        raise ArgumentError(f"the set {name}: its list {file} is empty")
    return names


def _widths(table: Table) -> Widths | None:
    if "widths" not in table.keys:
        return None
    widths = table.section("widths")
    read = Widths(widths.take("encoder", _stages(6)), widths.take("decoder", _stages(5)))
    widths.finish()
    return read


def _plan(table: Table) -> Plan:
    """Of a number of steps, or of minutes, that the phases have shares of."""
    steps, budget = table.take("steps", POSITIVE, None), table.take("budget", _ABOVE_0, None)
    if (steps is None) == (budget is None):
        raise table.error("steps", "there, or budget, and not both", steps)
    parts = [_phase(each) for each in table.sections("phases")]
    if not parts:
        raise table.error("phases", "at least one table of size, batch and share", parts)
    ends = [sum(share for *_, share in parts[: i + 1]) for i in range(len(parts))]
    marks = [0, *(round((steps or _PARTS) * end / ends[-1]) for end in ends)]
    phases = tuple(
        Phase(size, batch, end - begin)
        for (size, batch, _), begin, end in zip(parts, marks, marks[1:], strict=False)
    )
    standard = Plan(phases)
    plan = replace(
        standard,
        budget=budget,
        seed=table.take("seed", INDEX, standard.seed),
        rate=table.take("rate", _ABOVE_0, standard.rate),
        warm_up=table.take("warm_up", INDEX, standard.warm_up),
        decay=table.take("decay", _SHARE, standard.decay),
        averaging=table.take("averaging", _PART, standard.averaging),
        side_maps=table.take("side_maps", _SHARE, standard.side_maps),
        clip=table.take("clip", _ABOVE_0, standard.clip),
        bfloat16=table.take("bfloat16", FLAG, standard.bfloat16),
    )
    table.finish()
    return plan


def _phase(table: Table) -> tuple[int, int, float]:
    phase = (
        table.take("size", POSITIVE),
        table.take("batch", POSITIVE),
        table.take("share", _ABOVE_0),
    )
    table.finish()
    return phase


def _composition(table: Table) -> Composition | None:
    if "composites" not in table.keys:
        return None
    composites = table.section("composites")
    read = Composition(
        share=composites.take("share", _SHARE),
        backgrounds=composites.take("backgrounds", TEXTS),
        subjects=tuple(_subject(each) for each in composites.sections("subjects")),
    )
    composites.finish()
    return read


def _subject(table: Table) -> SubjectKind:
    if table.take("drawn", FLAG, False):
        sets: tuple[str, ...] = ()
    else:
        sets = table.take("sets", Kind("a list of names of sets, or drawn = true", _some_texts))
    read = SubjectKind(
        sets=sets,
        studio=table.take("studio", _SHARE),
        elsewhere=table.take("elsewhere", _SHARE),
        cropped=table.take("cropped", FLAG, False),
    )
    table.finish()
    return read


def _check_names(recipe: Recipe) -> None:
    if recipe.composition is None:
        return
    for name in recipe.composition.backgrounds:
        recipe._check_name(name, "composites.backgrounds")
        if recipe.sets[name].kind == "cutouts":
            raise ArgumentError(
                f"{recipe.path}: composites.backgrounds must be sets of photographs or pairs, "
                f"got the cut-outs {name}"
            )
    for kind in recipe.composition.subjects:
        for name in kind.sets:
            recipe._check_name(name, "composites.subjects")


def _left(composition: Composition, kept: Collection[str], path: Path) -> Composition:
    """With these sets only."""
    subjects = [
        replace(kind, sets=tuple(name for name in kind.sets if name in kept))
        for kind in composition.subjects
        if not kind.sets or any(name in kept for name in kind.sets)
    ]
    backgrounds = tuple(name for name in composition.backgrounds if name in kept)
    if not backgrounds or not subjects:
        raise ArgumentError(
            f"{path}: composites are left without {'subjects' if backgrounds else 'backgrounds'}"
        )
    return replace(composition, backgrounds=backgrounds, subjects=tuple(subjects))


def _some_texts(value: Any) -> tuple[str, ...]:
    texts = TEXTS.read(value)
    if not texts:
        raise ValueError
    return texts


def _at_least_0(value: Any) -> float:
    number = read_number(value)
    if number < 0:
        raise ValueError
    return number


def _above_0(value: Any) -> float:
    number = read_number(value)
    if number <= 0:
        raise ValueError
    return number


def _part(value: Any) -> float:
    number = read_number(value)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _stages(count: int) -> Kind[tuple[tuple[int, int], ...]]:
    def read(value: Any) -> tuple[tuple[int, int], ...]:
        stages = []
        for stage in is_exactly(value, list):
            inside, out = (read_whole(channels, 1) for channels in is_exactly(stage, list))
            stages.append((inside, out))
        if len(stages) != count:
            raise ValueError
        return tuple(stages)

    return Kind(f"{count} pairs [inside, out] of channels", read)


_SHARE = Kind("a number of at least 0", _at_least_0)
_ABOVE_0 = Kind("a number above 0", _above_0)
_PART = Kind("a number from 0 to 1", _part)

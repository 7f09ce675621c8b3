"""The models and the licences of their weights, for people: as text and as docs/models.md.

``python -m trimatte.engines.weights.catalogue > docs/models.md`` writes the latter.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from .cards import Card, cards

__all__ = ["describe", "markdown"]

_COMMERCIAL = {True: "yes", False: "no", "unclear": "unclear"}

_HEAD = """\
# Models

Written by `python -m trimatte.engines.weights.catalogue` from `engines/models/*.toml`; edit those.

The weights of one network come with trimatte: [u2net-lite](u2net-lite.md), which this project has
trained. Those of the others are fetched when they are first asked for. What a model's weights may
be used for is up to their licence, and may depend on the data they were trained on; both are listed
as their authors state them, and nothing here is legal advice. "Unclear" means that the licence is
disputed, missing, or at odds with the data. Weights that may not be used commercially are only
fetched with `accept_license=`.

The MD5 hashes are those that rembg publishes. A SHA-256 is given where rembg gives it, or where at
least three public projects have noted the same one for the same file.
"""


def describe(card: Card) -> str:
    """What a model is and what its licences are, as lines of at most 100 characters."""
    facts = {
        "licence of the weights": _join(card.license, card.license_url),
        "commercial use": _COMMERCIAL[card.commercial],
        "trained on": _join(card.training_data or "not known", card.training_license),
        "weights": _weights(card),
    }
    notes = {f"note {number}": note for number, note in enumerate(card.notes, 1)}
    lines = [f"{card.name}: {card.title}. {card.description}"]
    for key, fact in {**facts, **notes}.items():
        lines += textwrap.wrap(
            f"{key}: {fact}",
            100,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def markdown(listed: Iterable[Card]) -> str:
    """docs/models.md: a table of the models, then what there is to note of each."""
    listed = list(listed)
    rows = ["| model | finds | input | weights | commercial use | licence | trained on (terms) |"]
    rows.append("|---|---|---|---|---|---|---|")
    rows += [_row(card) for card in listed]
    sections = [_section(card) for card in listed]
    return "\n".join([_HEAD, *rows, "", *sections])


def _row(card: Card) -> str:
    height, width = card.input.size
    side = f"{height} x {width}" if card.input.fit == "squash" else f"shorter side {height}"
    megabytes = f"{card.size / 1e6:,.0f} MB" if card.size else "from a checkpoint"
    cells = (
        f"[`{card.name}`]({card.homepage})",
        card.description,
        side,
        megabytes,
        _COMMERCIAL[card.commercial],
        f"[{card.license}]({card.license_url})",
        f"{card.training_data} ({card.training_license})",
    )
    return f"| {' | '.join(cells)} |"


def _section(card: Card) -> str:
    facts = [f"weights: {_weights(card)}", *card.notes]
    return "\n".join([f"## {card.name}", "", *(f"- {fact}" for fact in facts), ""])


def _weights(card: Card) -> str:
    if card.checkpoint:
        return card.checkpoint
    if card.built_in:
        return f"they come with trimatte (sha256 {card.sha256})"
    if not card.urls:
        return "a file of your own"
    pinned = (
        f"sha256 {card.sha256}"
        if card.sha256
        else f"md5 {card.md5}; its sha256 is noted on first use and compared from then on"
    )
    return f"{' or '.join(card.urls)} ({pinned})"


def _join(main: str, detail: str | None) -> str:
    return f"{main} ({detail})" if detail else main


if __name__ == "__main__":
    print(markdown(cards().values()), end="")

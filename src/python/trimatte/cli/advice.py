"""What the command line says of images that a small network was unsure of."""

from __future__ import annotations

from collections.abc import Sequence

from trimatte import engines

__all__ = ["UNSURE", "advice"]

_LARGER = "u2net"
UNSURE = 0.33  # of a subject: docs/stages/segment.md says how often that is right


def advice(unsure: Sequence[float], network: engines.Card | None, *, several: bool) -> str | None:
    """A line about the images whose masks are unsure, which names a larger network; None where none
    is, or the network is no smaller. unsure: `Result.unsure` of each image; several: there are
    others."""
    larger = engines.find_card(_LARGER)
    much = [share for share in unsure if share > UNSURE]
    size = None if network is None else network.size
    # Half as large at most: others are of its own kind. Of a file of one's own it is not known.
    if not much or size is None or larger.size is None or 2 * size > larger.size:
        return None
    count = f"{len(much)} image{'' if len(much) == 1 else 's'}"
    part = f"much of the subject of {count}" if several else f"{100 * much[0]:.0f} % of the subject"
    return (
        f"the network is unsure of {part}; a larger network may do better: "
        f"-m {_LARGER} ({larger.size / 1e6:.0f} MB, {larger.license})"
    )

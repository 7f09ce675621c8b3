"""What a chroma key saw at one pixel, number by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from trimatte import _core
from trimatte.arrays import CHANNELS, FULL_SCALES, Array, ArrayLike, KeyColorLike, as_array, on_host
from trimatte.errors import ArgumentError
from trimatte.ops.key_rules import KeyRule, key_rule, run_key, usual_method
from trimatte.ops.screens import Screen

__all__ = ["Probe", "probe"]

_NAMES = tuple(CHANNELS)

_Numbers = npt.NDArray[np.float64]

# Names and weights of the chromas that methods measure distances by: BT.601 of full range, and
# BT.709 of limited range.
_CHROMAS = {
    "ffmpeg": (("u", "v"), ((-0.16874, -0.33126, 0.5), (0.5, -0.41869, -0.08131))),
    "obs": (("cb", "cr"), ((-0.100644, -0.338572, 0.439216), (0.439216, -0.398942, -0.040274))),
}


@dataclass(frozen=True)
class Probe:
    """What the key saw at one pixel. r, g, b and the differences are in the image's own units;
    ``tolerance`` and ``softness`` in the method's, as given.

    ``steps`` are the numbers of the method, in their order and by name. The fields ``difference_1``
    and ``difference_2`` are the key channel less each of the other two.
    """

    x: int
    y: int
    r: float
    g: float
    b: float
    key: str
    difference_1: float
    difference_2: float
    tolerance: float
    softness: float
    keyed: bool
    alpha: float
    method: str | None = None
    steps: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        pixel = f"({self.x}, {self.y}) r={self.r:g} g={self.g:g} b={self.b:g}"
        if self.method == "difference":
            k = self.key[0]
            others = [name[0] for name in _NAMES if name != self.key]
            numbers = (
                f"{k}-{others[0]}={self.difference_1:g} {k}-{others[1]}={self.difference_2:g} "
                f"tolerance={self.tolerance:g} softness={self.softness:g}"
            )
        else:
            shown = " ".join(f"{name}={value:.4g}" for name, value in self.steps.items())
            numbers = f"{self.method}: {shown}"
        verdict = "screen" if self.keyed else "kept"
        return f"{pixel} {numbers}: {verdict}, alpha={self.alpha:.3f}"


def probe(
    image: ArrayLike,
    x: int,
    y: int,
    *,
    key_color: KeyColorLike = "green",
    method: str | None = None,
    tolerance: float | None = None,
    softness: float | None = None,
    plate: ArrayLike | None = None,
    screen: Screen | None = None,
    transfer: str | None = None,
    clip: tuple[float, float] = (0.0, 1.0),
) -> Probe:
    """Explains `chroma_key` at pixel (x, y): the values it read, its numbers and its verdict.

    Args:
        image: as for `chroma_key`; one on a GPU is copied to the host.
        x: column, 0 <= x < W.
        y: row, 0 <= y < H.
        key_color, method, tolerance, softness, plate, screen, transfer, clip: as for `chroma_key`.

    Returns:
        A `Probe`; for a green key ``difference_1`` is g - r and ``difference_2`` is g - b.
        ``keyed`` is True where alpha is 0. ``alpha`` is what the operation itself says; ``steps``
        lead to it. For ``"ffmpeg"`` these are u, v, key_u, key_v, distance (of the pixel),
        mean_distance (of the nine), tolerance, softness; for ``"obs"`` the same of cb and cr; for
        ``"vlahos"`` the colours in the working space, difference, key_r, key_g, key_b (of the key
        or the plate there), key_difference; for ``"plate"`` the colours, the key's as a whole, and
        m0 to m3. Then all have value, which is alpha before it is held to [0, 1], black and white.

    Raises:
        ArgumentError: as `chroma_key`, or (x, y) lies outside of the image.
    """
    array = as_array(image, "probe", "image")
    _core.check(array, "probe", "image", color=True)
    height, width = array.shape[:2] if array.ndim >= 2 else (0, 0)
    for name, value, size in (("x", x, width), ("y", y, height)):
        if not isinstance(value, (int, np.integer)) or not 0 <= value < size:
            raise ArgumentError(
                f"probe: {name} must be a whole number in [0, {size}) for an image of "
                f"{array.shape} {array.dtype}, got {value!r:.80}"
            )
    array = on_host(array)
    rule = key_rule(
        "probe",
        array,
        key_color=key_color,
        method=method or usual_method(screen),
        tolerance=tolerance,
        softness=softness,
        plate=None if plate is None else on_host(as_array(plate, "probe", "plate")),
        screen=screen,
        transfer=transfer,
        clip=clip,
    )
    # The operation itself gives the verdict: what it says here is what it does to the image.
    alpha = _alpha_at(array, x, y, rule)
    values = [v.item() for v in array[y, x, :3]]
    first, second = (values[rule.channel] - values[c] for c in range(3) if c != rule.channel)
    return Probe(
        x=int(x),
        y=int(y),
        r=values[0],
        g=values[1],
        b=values[2],
        key=_NAMES[rule.channel],
        difference_1=first,
        difference_2=second,
        tolerance=rule.tolerance,
        softness=rule.softness,
        keyed=alpha == 0.0,
        alpha=alpha,
        method=method or usual_method(screen),
        steps=_steps(array, int(x), int(y), rule),
    )


def _alpha_at(array: Array, x: int, y: int, rule: KeyRule) -> float:
    """`chroma_key` at a pixel, by as much of the image as it takes."""
    if rule.grid is not None:  # which lies over the whole image
        return float(run_key("probe", array, rule, np.float32)[y, x])
    top, left = max(y - 1, 0), max(x - 1, 0)
    around = array[top : y + 2, left : x + 2]
    return float(
        run_key("probe", np.ascontiguousarray(around), rule, np.float32)[y - top, x - left]
    )


def _steps(array: Array, x: int, y: int, rule: KeyRule) -> dict[str, float]:
    """The numbers of a soft method; those of the hard rule are fields of `Probe`."""
    if rule.method == "difference":
        return {}
    color, key = _light(array[y, x, :3], rule), _decoded(np.asarray(rule.color), rule)
    if rule.method in _CHROMAS:
        steps = _distance_steps(array, x, y, rule, color, key)
    else:
        cell = None if rule.grid is None else _grid_at(array, x, y, rule)
        model = rule.method == "plate"
        if cell is not None and not model:
            key = cell
        steps = dict(zip(("light_r", "light_g", "light_b"), color, strict=True))
        steps |= dict(zip(("key_r", "key_g", "key_b"), key, strict=True))
        if model and cell is not None:
            steps |= {f"m{i}": m for i, m in enumerate(cell)}
            steps["value"] = cell[:3] @ color + cell[3]
        else:
            steps["difference"] = _difference(color, rule.channel)
            steps["key_difference"] = max(_difference(key, rule.channel), 1.0 / 255.0)
            steps["value"] = 1.0 - steps["difference"] / steps["key_difference"]
    steps |= {"black": rule.clip[0], "white": rule.clip[1]}
    return {name: float(value) for name, value in steps.items()}


def _distance_steps(
    array: Array, x: int, y: int, rule: KeyRule, color: _Numbers, key: _Numbers
) -> dict[str, Any]:
    names, rows = _CHROMAS[rule.method]
    weights = np.asarray(rows)
    own = weights @ key

    def distance(one: _Numbers, other: _Numbers) -> float:
        """Of the mean of two pixels' chromas from the key's, in units of the key's."""
        return float(np.hypot(*((one + other) / 2.0 - own)) / np.hypot(*own))

    def at(dy: int, dx: int) -> _Numbers:
        row = min(max(y + dy, 0), array.shape[0] - 1)
        column = min(max(x + dx, 0), array.shape[1] - 1)
        return np.asarray(weights @ _light(array[row, column, :3], rule))

    chroma = weights @ color
    steps: dict[str, Any] = dict(zip(names, chroma, strict=True))
    steps |= {f"key_{name}": value for name, value in zip(names, own, strict=True)}
    steps["distance"] = distance(chroma, chroma)
    if rule.method == "ffmpeg":
        taps = [distance(at(i, j), at(i, j)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        mean = sum(taps) / 9.0
    else:
        taps = [
            distance(at(-1, -1), at(0, -1)),
            distance(at(0, 1), at(1, 1)),
            distance(at(1, -1), at(1, 0)),
            distance(at(-1, 0), at(-1, 1)),
        ]
        mean = (2.0 * sum(taps) + steps["distance"]) / 9.0
    steps |= {"mean_distance": mean, "tolerance": rule.tolerance, "softness": rule.softness}
    over = mean - rule.tolerance
    value = over / rule.softness if rule.softness > 0.0 else float(over > 0.0)
    steps["value"] = min(max(value, 0.0), 1.0) ** 1.5 if rule.method == "obs" else value
    return steps


def _difference(color: _Numbers, channel: int) -> float:
    return float(color[channel] - np.delete(color, channel).max())


def _light(samples: Array, rule: KeyRule) -> _Numbers:
    """Samples in [0, 1] of the working space."""
    return _decoded(samples.astype(np.float64) / FULL_SCALES[samples.dtype.name], rule)


def _decoded(values: _Numbers, rule: KeyRule) -> _Numbers:
    """IEC 61966-2-1."""
    if rule.transfer == "srgb":
        return values
    powers = ((np.maximum(values, 0.0) + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, powers)


def _grid_at(array: Array, x: int, y: int, rule: KeyRule) -> _Numbers:
    """The key's grid at a pixel, bilinearly."""
    assert rule.grid is not None
    grid = on_host(rule.grid).astype(np.float64)

    def along(pixel: int, cells: int, pixels: int) -> tuple[int, int, float]:
        scale = 1.0 / rule.cell if rule.cell else cells / pixels
        u = min(max((pixel + 0.5) * scale - 0.5, 0.0), cells - 1.0)
        return int(u), min(int(u) + 1, cells - 1), u - int(u)

    top, bottom, down = along(y, grid.shape[0], array.shape[0])
    left, right, across = along(x, grid.shape[1], array.shape[1])
    rows = (1.0 - down) * grid[top] + down * grid[bottom]
    return np.asarray((1.0 - across) * rows[left] + across * rows[right])

"""Ray itself: loaded when it is needed, found or started, and ended by whoever started it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trimatte.arrays import check_count
from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import require

__all__ = ["checked_cpus", "checked_gpus", "connected", "load", "placed"]

_USAGE_STATS = "RAY_USAGE_STATS_ENABLED"


def load(module: str = "ray") -> Any:
    """A module of Ray, by its absolute name; EngineError says what to install."""
    return require(module, extra="ray", purpose="trimatte.ray")


@contextmanager
def connected(**options: Any) -> Iterator[Any]:
    """Ray, connected to: as the caller is, or else to a cluster that ends with the body.

    Args:
        options: of ``ray.init``, where nobody has called it. A new cluster is of this machine only,
            and reports nothing to Ray's makers unless RAY_USAGE_STATS_ENABLED asks for it.
    """
    ray = load()
    if ray.is_initialized():
        yield ray
        return
    found = options.get("address") or os.environ.get("RAY_ADDRESS")
    own = {} if found else {"include_dashboard": False}
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    unset = _USAGE_STATS not in os.environ
    os.environ.setdefault(_USAGE_STATS, "0")  # the cluster's processes inherit it
    try:
        try:
            ray.init(**own | quiet | options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = f"the cluster at {found}" if found else "a cluster of this machine"
            raise EngineError(f"trimatte.ray: {where} cannot be had: {error}") from error
        yield ray
    finally:
        ray.shutdown()
        if unset:
            os.environ.pop(_USAGE_STATS, None)


def placed(ray: Any, needs: Mapping[str, float], caller: str) -> int:
    """How many workers that need so much of each resource fit on the cluster's nodes.

    Raises:
        ArgumentError: none; Ray would wait for a larger node for ever.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = {name: amount for name, amount in needs.items() if amount}
    count = sum(
        min(int(node.get(name, 0) // amount) for name, amount in wanted.items()) for node in nodes
    )
    if count < 1:
        need = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
        most = ", ".join(
            f"{max((node.get(name, 0) for node in nodes), default=0):g} {name}" for name in wanted
        )
        raise ArgumentError(
            f"{caller}: cpus and gpus must be what a node of the cluster has, got {need} a worker; "
            f"the largest nodes have {most}"
        )
    return count


def checked_cpus(cpus: Any, caller: str) -> int:
    """cpus, if they are a worker's."""
    check_count(cpus, caller, "cpus")
    return int(cpus)


def checked_gpus(gpus: Any, caller: str) -> float:
    """gpus, if they are a worker's: a share of one, or whole ones."""
    if (
        not isinstance(gpus, (int, float))
        or isinstance(gpus, bool)
        or not (0 <= gpus <= 1 or float(gpus).is_integer())
        or gpus < 0
    ):
        raise ArgumentError(
            f"{caller}: gpus must be a share of one in [0, 1] or a whole number, got {gpus!r:.80}"
        )
    return float(gpus)

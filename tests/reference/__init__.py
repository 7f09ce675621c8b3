"""What every operation computes, in float64 NumPy: the specification that the tests compare with.

Written to be read, not to be fast. NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    composite,
    despill,
    edges,
    foreground,
    guided,
    key,
    matting,
    project,
    resize,
    sampling,
    stabilize,
    tensor,
    transfer,
    trimap,
    upsample,
)

# A function of one of these modules is the definition of the operation of its name.
_MODULES = (
    composite,
    despill,
    edges,
    foreground,
    key,
    project,
    resize,
    stabilize,
    tensor,
    transfer,
    trimap,
    upsample,
)


def estimate_alpha(image: Any, trimap: Any, *, method: str = "closed-form") -> Any:
    """Alpha by the definition of a method."""
    if method == "shared":
        return sampling.sample_alpha(image, trimap)[0]
    definitions = {"closed-form": matting.estimate_alpha, "guided": guided.guide_alpha}
    return definitions[method](image, trimap)


def definition(operation: str) -> Callable[..., Any]:
    """The definition of an operation, by its name."""
    if operation == "estimate_alpha":
        return estimate_alpha
    found = {
        function
        for module in _MODULES
        if callable(function := vars(module).get(operation))
        and function.__module__ == module.__name__
    }
    (only,) = found  # nothing, or two: its name must be changed
    return only

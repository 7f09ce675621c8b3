"""What every operation computes, in float64 NumPy: the specification that the tests compare with.

Written to be read, not to be fast. NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .composite import composite, cutout, limit_alpha, premultiply, unpremultiply
from .despill import despill
from .edges import choke, feather, hold_mattes
from .foreground import estimate_foreground
from .guided import guide_alpha
from .key import chroma_key, key_cutout
from .matting import estimate_alpha as closed_form_alpha
from .project import project_alpha
from .resize import resize
from .sampling import sample_alpha
from .stabilize import stabilize_alpha
from .tensor import class_probability, matte_from_prediction, to_tensor
from .transfer import to_linear, to_srgb
from .trimap import make_trimap


def estimate_alpha(image: Any, trimap: Any, *, method: str = "closed-form") -> Any:
    """Alpha by the definition of a method."""
    if method == "shared":
        return sample_alpha(image, trimap)[0]
    return {"closed-form": closed_form_alpha, "guided": guide_alpha}[method](image, trimap)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "chroma_key": chroma_key,
    "key_cutout": key_cutout,
    "make_trimap": make_trimap,
    "estimate_alpha": estimate_alpha,
    "estimate_foreground": estimate_foreground,
    "stabilize_alpha": stabilize_alpha,
    "despill": despill,
    "choke": choke,
    "feather": feather,
    "hold_mattes": hold_mattes,
    "premultiply": premultiply,
    "unpremultiply": unpremultiply,
    "cutout": cutout,
    "limit_alpha": limit_alpha,
    "composite": composite,
    "to_linear": to_linear,
    "to_srgb": to_srgb,
    "project_alpha": project_alpha,
    "resize": resize,
    "to_tensor": to_tensor,
    "class_probability": class_probability,
    "matte_from_prediction": matte_from_prediction,
}

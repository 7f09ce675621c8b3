"""trimatte: background removal, compiled.

Four stages, each usable alone: key (`chroma_key`), segment, trimap (`make_trimap`), matte
(`estimate_alpha`, `estimate_foreground`, `despill`, `composite`); `Remover` and `remove` are all of
them in one call.
"""

from trimatte._core import __version__
from trimatte.compositing import composite, cutout, premultiply, unpremultiply
from trimatte.devices import (
    build_info,
    cpu_target,
    cuda_available,
    cuda_status,
    get_num_threads,
    set_num_threads,
)
from trimatte.errors import ArgumentError, DeviceError, EngineError, Error, TrimapWarning
from trimatte.keying import Probe, chroma_key, probe
from trimatte.matting import MattingInfo, despill, estimate_alpha, estimate_foreground
from trimatte.pipeline import Remover, Result, remove
from trimatte.resizing import matte_from_prediction, resize, to_tensor
from trimatte.trimap import make_trimap

__all__ = [
    "ArgumentError",
    "DeviceError",
    "EngineError",
    "Error",
    "MattingInfo",
    "Probe",
    "Remover",
    "Result",
    "TrimapWarning",
    "__version__",
    "build_info",
    "chroma_key",
    "composite",
    "cpu_target",
    "cuda_available",
    "cuda_status",
    "cutout",
    "despill",
    "estimate_alpha",
    "estimate_foreground",
    "get_num_threads",
    "make_trimap",
    "matte_from_prediction",
    "premultiply",
    "probe",
    "remove",
    "resize",
    "set_num_threads",
    "to_tensor",
    "unpremultiply",
]

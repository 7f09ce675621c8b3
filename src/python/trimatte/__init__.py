"""trimatte: background removal, compiled.

Four stages, each usable alone: key (`chroma_key`), segment (`segment`), trimap (`make_trimap`),
matte (`estimate_alpha`, `estimate_foreground`, `despill`, `composite`); `refine` takes a mask
through the last two, `Remover` and `remove` are all of them in one call.
"""

from trimatte import imageio as imageio
from trimatte._core import __version__
from trimatte.devices import (
    DeviceArray,
    build_info,
    cpu_target,
    cuda_available,
    cuda_status,
    free_memory,
    get_num_threads,
    set_allocator,
    set_num_threads,
    synchronize,
    to_device,
)
from trimatte.errors import (
    ArgumentError,
    CutoutWarning,
    DeviceError,
    EngineError,
    Error,
    FramesWarning,
    MetadataWarning,
    QueueFullError,
    ScreenError,
    TrimapWarning,
)
from trimatte.ops.compositing import composite, cutout, limit_alpha, premultiply, unpremultiply
from trimatte.ops.cropping import crop_box
from trimatte.ops.edges import choke, feather, hold_mattes
from trimatte.ops.keying import chroma_key, key_cutout
from trimatte.ops.matting import (
    MattingInfo,
    despill,
    estimate_alpha,
    estimate_foreground,
    project_alpha,
)
from trimatte.ops.matting_session import MattingSession
from trimatte.ops.probing import Probe, probe
from trimatte.ops.refining import Refined, refine
from trimatte.ops.resizing import class_probability, matte_from_prediction, resize, to_tensor
from trimatte.ops.screens import Screen, fit_screen
from trimatte.ops.stabilizing import Stabilizer, stabilize_alpha
from trimatte.ops.transfer import to_linear, to_srgb
from trimatte.ops.trimap import make_trimap
from trimatte.pipeline.backgrounds import blurred_background
from trimatte.pipeline.models import segment
from trimatte.pipeline.remove import remove
from trimatte.pipeline.remover import Remover
from trimatte.pipeline.result import Result
from trimatte.pipeline.routes import Route
from trimatte.pipeline.segmenter import Segmenter

__all__ = [
    "ArgumentError",
    "CutoutWarning",
    "DeviceArray",
    "DeviceError",
    "EngineError",
    "Error",
    "FramesWarning",
    "MattingInfo",
    "MattingSession",
    "MetadataWarning",
    "Probe",
    "QueueFullError",
    "Refined",
    "Remover",
    "Result",
    "Route",
    "Screen",
    "ScreenError",
    "Segmenter",
    "Stabilizer",
    "TrimapWarning",
    "__version__",
    "blurred_background",
    "build_info",
    "choke",
    "chroma_key",
    "class_probability",
    "composite",
    "cpu_target",
    "crop_box",
    "cuda_available",
    "cuda_status",
    "cutout",
    "despill",
    "estimate_alpha",
    "estimate_foreground",
    "feather",
    "fit_screen",
    "free_memory",
    "get_num_threads",
    "hold_mattes",
    "key_cutout",
    "limit_alpha",
    "make_trimap",
    "matte_from_prediction",
    "premultiply",
    "probe",
    "project_alpha",
    "refine",
    "remove",
    "resize",
    "segment",
    "set_allocator",
    "set_num_threads",
    "stabilize_alpha",
    "synchronize",
    "to_device",
    "to_linear",
    "to_srgb",
    "to_tensor",
    "unpremultiply",
]

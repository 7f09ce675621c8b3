"""Networks: what is known of them, their weights, and the sessions that run them.

Runtimes and the libraries that files are made and fetched with are imported when they are first
needed, and none of them is a dependency of trimatte.
"""

from .networks import NETWORKS, Network, export, write_model
from .onnx_files.half import to_half
from .onnx_files.quantize import quantize
from .session import Progress, Session, TensorInfo
from .sessions import RuntimeStatus, open_session, runtimes
from .tensorrt_build.build import BuiltEngine, build_engine, parse_batch
from .tensorrt_build.engine_cache import engine_cache
from .trimap_network import TrimapNetwork
from .weights.cards import Card, InputSpec, OutputSpec, cards, find_card
from .weights.catalogue import describe
from .weights.checkpoints import read_checkpoint
from .weights.fetch import fetch, models_folder, on_disk

__all__ = [
    "NETWORKS",
    "BuiltEngine",
    "Card",
    "InputSpec",
    "Network",
    "OutputSpec",
    "Progress",
    "RuntimeStatus",
    "Session",
    "TensorInfo",
    "TrimapNetwork",
    "build_engine",
    "cards",
    "describe",
    "engine_cache",
    "export",
    "fetch",
    "find_card",
    "models_folder",
    "on_disk",
    "open_session",
    "parse_batch",
    "quantize",
    "read_checkpoint",
    "runtimes",
    "to_half",
    "write_model",
]

"""Networks: what is known of them, their weights, and the sessions that run them.

Runtimes and the libraries that files are made and fetched with are imported when they are first
needed, and none of them is a dependency of trimatte.
"""

from .build import BuiltEngine, build_engine, parse_batch
from .cards import Card, InputSpec, OutputSpec, cards, find_card
from .catalogue import describe
from .checkpoints import read_checkpoint
from .engine_cache import engine_cache
from .fetch import fetch, models_folder
from .half import to_half
from .networks import NETWORKS, Network, export, write_model
from .quantize import quantize
from .session import Progress, Session, TensorInfo
from .sessions import RuntimeStatus, open_session, runtimes
from .trimap_network import TrimapNetwork

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
    "open_session",
    "parse_batch",
    "quantize",
    "read_checkpoint",
    "runtimes",
    "to_half",
    "write_model",
]

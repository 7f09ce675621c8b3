"""Networks: what is known of them, their weights, and the sessions that run them.

Runtimes and the libraries that files are made and fetched with are imported when they are first
needed, and none of them is a dependency of trimatte.
"""

from .cards import Card, InputSpec, OutputSpec, cards, find_card
from .catalogue import describe
from .fetch import fetch, models_folder
from .networks import NETWORKS, Network
from .session import Progress, Session, TensorInfo
from .sessions import RuntimeStatus, open_session, runtimes
from .trimap_network import TrimapNetwork

__all__ = [
    "NETWORKS",
    "Card",
    "InputSpec",
    "Network",
    "OutputSpec",
    "Progress",
    "RuntimeStatus",
    "Session",
    "TensorInfo",
    "TrimapNetwork",
    "cards",
    "describe",
    "fetch",
    "find_card",
    "models_folder",
    "open_session",
    "runtimes",
]

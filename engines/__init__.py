"""Networks as sessions of trimatte's operations; each imports its runtime when it is made."""

from .session import Progress, Session, TensorInfo
from .trimap_network import TrimapNetwork

__all__ = ["Progress", "Session", "TensorInfo", "TrimapNetwork"]

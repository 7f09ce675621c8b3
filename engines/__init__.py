"""Networks as sessions of trimatte's operations; each imports its runtime when it is made."""

from .trimap_network import TrimapNetwork

__all__ = ["TrimapNetwork"]

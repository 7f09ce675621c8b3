"""U²-Net, MODNet and DeepLabV3+, each defined once.

A definition is a function over the words of `layers`. From it come an ONNX graph (without PyTorch),
a PyTorch module to be trained, and the list of the weights.
"""

from .catalogue import NETWORKS
from .export import export, write_model
from .network import Network

__all__ = ["NETWORKS", "Network", "export", "write_model"]

"""Runtimes of networks, all behind one protocol; each is imported when a session is made."""

from .choose import check_runtime, open_session
from .onnxruntime import OnnxRuntimeSession
from .openvino import OpenVinoSession
from .status import RuntimeStatus, runtimes

__all__ = [
    "OnnxRuntimeSession",
    "OpenVinoSession",
    "RuntimeStatus",
    "check_runtime",
    "open_session",
    "runtimes",
]

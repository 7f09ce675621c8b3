"""Where in an ONNX graph its last layers are: they lose most by fewer bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["LAYERS", "last_nodes"]

LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators with weights."""


def last_nodes(graph: Any, narrow: Callable[[str], bool] = lambda name: False) -> list[Any]:
    """The last layer before each output, and what comes after it.

    Args:
        graph: of an `onnx.ModelProto`.
        narrow: whether the search goes on through a layer to this input of it.
    """
    producers = {name: node for node in graph.node for name in node.output}
    pending, seen, found = [value.name for value in graph.output], set(), []
    while pending:
        name = pending.pop()
        node = producers.get(name)
        if node is None or name in seen:
            continue
        seen.update(node.output)
        found.append(node)
        is_layer = node.op_type in LAYERS
        pending += [name for name in node.input if not is_layer or narrow(name)]
    return found

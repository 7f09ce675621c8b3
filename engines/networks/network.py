"""A network: its definition, and what is made of it."""

from __future__ import annotations

import importlib
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from trimatte.errors import ArgumentError, EngineError
from trimatte.optional import require

from .layers import Parameter, Shapes, Value
from .onnx_graph import Graph

__all__ = ["Network", "Size", "Tensors"]

Tensors = Mapping[str, npt.NDArray[Any]]
Size = tuple[int, int] | None | Literal["default"]


@dataclass(frozen=True)
class Network:
    """An architecture, of which come an ONNX graph, a PyTorch module and the list of its weights.

    name: by which it is asked for. define: the layers, as a function of `Layers` and the image; it
    returns logits, the matte's or the classes' first. outputs: the names of what it returns; those
    that only training needs come last. size: (height, width) that it was made for, None for any.
    sigmoid: whether the graph ends with sigmoids, in [0, 1], or with logits. aliases: prefixes of
    names under which published weights hold a part once more, and the prefix that we use.
    """

    name: str
    define: Callable[..., tuple[Any, ...]]
    outputs: tuple[str, ...] = ("output",)
    size: tuple[int, int] | None = None
    sigmoid: bool = True
    aliases: Mapping[str, str] = field(default_factory=dict)

    def configured(self, **options: Any) -> Network:
        """The same network with other options of its definition, as in ``classes=2``.

        Raises:
            ArgumentError: it has no such option, or none of such a value.
        """
        network = replace(self, define=partial(self.define, **options))
        try:
            len(network.parameters)  # goes through the definition
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise ArgumentError(
                f"configured: {self.name} cannot have the options {options!r:.80}: {error}"
            ) from error
        return network

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its tensors in the order of its layers, running statistics of batch norm among them."""
        shapes = Shapes()
        self.define(shapes, Value((1, 3, *(self.size or (512, 512)))))
        return tuple(shapes.parameters)

    @property
    def parameter_count(self) -> int:
        """Numbers that training changes, the count that papers state."""
        return sum(parameter.size for parameter in self.parameters if parameter.trainable)

    def seeded(self, seed: int) -> dict[str, npt.NDArray[np.float32]]:
        """Weights for tests and for the beginning of training, the same on every machine.

        Filters are uniform, with the deviation that keeps the maps' variance near 1; what they make
        of a photograph varies over it.

        Args:
            seed: 0 or above; another seed, other weights.

        Returns:
            The tensors by name, float32.
        """
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise ArgumentError(
                f"seeded: seed must be a whole number of at least 0, got {seed!r:.80}"
            )
        return {parameter.name: _begun(parameter, seed) for parameter in self.parameters}

    def load(self, tensors: Tensors) -> dict[str, npt.NDArray[np.float32]]:
        """Weights of this network, checked against its list.

        Args:
            tensors: by name, as `read_checkpoint` returns them. Counters of batch norm
                (``num_batches_tracked``) and parts under an alias are passed over.

        Returns:
            The tensors by name, float32, in the order of `parameters`.

        Raises:
            EngineError: tensors are missing, unknown, of another shape, or not finite.
        """
        given = {
            name: np.asarray(tensor)
            for name, tensor in tensors.items()
            if not self._passed_over(name)
        }
        faults = list(self._faults(given))
        if faults:
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise EngineError(f"these are no weights of {self.name}: {', '.join(faults[:3])}{more}")
        return {
            parameter.name: given[parameter.name].astype(np.float32, copy=False)
            for parameter in self.parameters
        }

    def to_onnx(
        self,
        weights: Tensors,
        *,
        size: Size = "default",
        outputs: str = "matte",
        source: str = "given",
    ) -> Any:
        """The network as an ONNX graph for any batch size, batch norm folded, float32.

        Args:
            weights: see `load`.
            size: (height, width) of the input; None for any; by default that of the network.
            outputs: ``"matte"``: one output, named ``output``; ``"all"``: those of `outputs`.
            source: where the weights are from, kept in the model's metadata.

        Returns:
            An `onnx.ModelProto`: input ``input`` (N, 3, H, W); see `sigmoid` of the outputs.

        Raises:
            ArgumentError: an argument is not what is listed above.
            EngineError: the weights are of another network, or onnx is not installed.
        """
        if outputs not in ("matte", "all"):
            raise ArgumentError(f"to_onnx: outputs must be 'matte' or 'all', got {outputs!r:.80}")
        graph = Graph(self.load(weights), training=outputs == "all")
        image = graph.image(3, self._size(size))
        logits = self.define(graph, image)[: None if outputs == "all" else 1]
        results = [graph.sigmoid(x) for x in logits] if self.sigmoid else logits
        metadata = {"network": self.name, "weights": source, "precision": "fp32"}
        return graph.model(image, dict(zip(self.outputs, results, strict=False)), metadata)

    def to_torch(self, weights: Tensors | None = None) -> Any:
        """The network as a `torch.nn.Module` in evaluation mode; see `torch_module.NetworkModule`.

        Args:
            weights: see `load`; by default those of ``seeded(0)``.

        Raises:
            EngineError: the weights are of another network, or PyTorch is not installed.
        """
        require("torch", extra="train", purpose="a network that can be trained")
        module = importlib.import_module(".torch_module", __package__)
        tensors = self.seeded(0) if weights is None else self.load(weights)
        return module.NetworkModule(self.define, tensors, self.aliases).eval()

    def _faults(self, given: Tensors) -> Iterator[str]:
        wanted = {parameter.name: parameter.shape for parameter in self.parameters}
        yield from (f"{name} is missing" for name in wanted if name not in given)
        yield from (f"{name} is not part of it" for name in given if name not in wanted)
        for name, shape in wanted.items():
            if name not in given:
                continue
            if given[name].shape != shape:
                yield f"{name} is {given[name].shape}, not {shape}"
            elif not _representable(given[name]):
                yield f"{name} has what no finite float32 is"

    def _passed_over(self, name: str) -> bool:
        prefixes = tuple(f"{alias}." for alias in self.aliases)
        return name.endswith(".num_batches_tracked") or (
            bool(prefixes) and name.startswith(prefixes)
        )

    def _size(self, size: Size) -> tuple[int, int] | None:
        if size is None or size == "default":
            return None if size is None else self.size
        if (
            not isinstance(size, (tuple, list))
            or len(size) != 2
            or not all(isinstance(side, int) and side > 0 for side in size)
        ):
            raise ArgumentError(
                f"to_onnx: size must be (height, width) of at least 1 or None, got {size!r:.80}"
            )
        return size[0], size[1]


def _representable(tensor: npt.NDArray[Any]) -> bool:
    """Whether float32 can hold the numbers; also not those that are not finite."""
    if tensor.dtype.kind not in "fiub":
        return False
    return bool(np.all(np.abs(tensor) <= np.finfo(np.float32).max))


def _begun(parameter: Parameter, seed: int) -> npt.NDArray[np.float32]:
    if not parameter.deviation:
        return np.full(parameter.shape, parameter.fill, np.float32)
    # Of NumPy's random numbers, only the raw stream is promised to stay what it is.
    stream = np.random.PCG64([seed, zlib.crc32(parameter.name.encode())])
    bits = stream.random_raw(parameter.size) >> np.uint64(40)
    uniform = (bits.astype(np.float64) + 0.5) / 2**24 - 0.5
    weight = uniform * (math.sqrt(12) * parameter.deviation)
    return weight.astype(np.float32).reshape(parameter.shape)

"""Trains a network step by step; can be stopped, and goes on as if it had not been."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from trimatte.errors import EngineError

from ..networks import Network
from ..networks.torch_module import TorchLayers
from .augmentation import Source
from .losses import matte_loss
from .mixed_precision import MixedLayers
from .pictures import Picture
from .plan import Phase, Plan

__all__ = ["MEAN", "STD", "Examples", "Trainer", "first_images", "move_average"]

torch: Any = importlib.import_module("torch")
data: Any = importlib.import_module("torch.utils.data")

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's images in [0, 1]: the network's input is normalised with them."""


class Examples(data.Dataset):  # type: ignore[misc]
    """What each step of a training trains on, whoever asks for it, and when.

    Args:
        source: of the examples.
        seed: their chance comes from it, from the step and from their place in it.
    """

    def __init__(self, source: Source, seed: int) -> None:
        self._source, self._seed = source, seed

    def __getitem__(self, wanted: tuple[int, Phase]) -> tuple[Any, Any]:
        """Images (N, S, S, 3) and mattes (N, 1, S, S), uint8 tensors, of a step in a phase."""
        step, phase = wanted
        made = [
            self._source(np.random.default_rng([self._seed, step, i]), phase.size)
            for i in range(phase.batch)
        ]
        images, mattes = (np.stack(arrays) for arrays in zip(*made, strict=True))
        return torch.from_numpy(images), torch.from_numpy(mattes)[:, None]


class Trainer:
    """A network in training, and the folder that keeps it.

    The folder holds ``last.pt`` (all that is needed to go on) and ``best.pt`` (the averaged weights
    by name, as `read_checkpoint` reads them). Chance comes from the plan's seed and the number of
    the step, so that a training that was stopped ends with the same weights, unless its plan has a
    budget of time.

    Args:
        network: what is trained.
        plan: how.
        source: of the examples.
        folder: made if need be; the training that it holds is resumed.
        about: what the examples are made of; the same text is asked for when it is resumed.
        weights: to begin with, see `Network.load`; by default ``network.seeded(plan.seed)``.
        device: PyTorch's name of where to train; only on ``"cpu"`` do two trainings agree to the
            bit.
        workers: processes that make examples meanwhile; with 0 a step waits for its own.

    Raises:
        EngineError: the folder holds a training of another network, by another plan or of other
            examples.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        source: Source,
        folder: Path,
        *,
        about: str = "pictures",
        weights: Mapping[str, npt.NDArray[Any]] | None = None,
        device: str = "cpu",
        workers: int = 0,
    ) -> None:
        self.network, self.plan, self.folder = network, plan, folder
        self.step = 0
        self.seconds = 0.0
        self.size = 0  # sides of the images that it was last trained on
        self.best = (0, 0.0)
        self._examples, self._about = Examples(source, plan.seed), about
        self._device, self._workers = torch.device(device), workers
        begun = network.seeded(plan.seed) if weights is None else weights
        self.model, self.average = (
            network.to_torch(begun).to(device, memory_format=torch.channels_last) for _ in range(2)
        )
        self.model.train()
        self._optimizer = _optimizer(self.model, plan.decay)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").exists():
            self._resume(torch.load(folder / "last.pt", device, weights_only=True))

    @property
    def done(self) -> float:
        """The share of the plan that lies behind, 0 to 1 and beyond."""
        return self.plan.done_of(self.step, self.seconds)

    def steps(self, until: int | None = None) -> Iterator[float]:
        """Trains, one step for each item asked for.

        Args:
            until: the step to stop before; by default to the end of the plan.

        Yields:
            The loss of the step.

        Raises:
            EngineError: the loss is not finite.
        """
        loader = data.DataLoader(
            self._examples,
            batch_size=None,  # an item is a whole step's
            sampler=self._wanted(until),
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
        )
        begun = time.monotonic()
        for images, mattes in loader:
            loss = self._train(images, mattes)
            self.step += 1
            self.size = images.shape[1]
            self.seconds += time.monotonic() - begun
            yield loss
            if self.done >= 1:  # examples made ahead of a budget's end are left
                return
            begun = time.monotonic()

    def predict(self, pictures: Sequence[Picture], size: int) -> npt.NDArray[np.float32]:
        """Mattes by the averaged weights.

        Returns:
            (N, size, size) in [0, 1], of the pictures squashed to that size.
        """
        mattes = []
        with torch.inference_mode():
            for picture in pictures:
                image = np.asarray(Image.fromarray(picture.image).resize((size, size)))
                logits = self._logits(self.average, torch.from_numpy(image.copy())[None])[0]
                mattes.append(torch.sigmoid(logits.float())[0, 0].numpy(force=True))
        return np.stack(mattes)

    def save(self) -> None:
        """Writes ``last.pt`` in place of the one before, whole or not at all."""
        state = {
            **self._identity(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        self._write("last.pt", state)

    def save_best(self, size: int, iou: float) -> bool:
        """Writes ``best.pt`` if no IoU was better, at this or any larger size of images."""
        if (size, iou) <= self.best:
            return False
        self.best = (size, iou)
        self._write("best.pt", {k: t.cpu() for k, t in self.average.state_dict().items()})
        return True

    def _wanted(self, until: int | None) -> Iterator[tuple[int, Phase]]:
        """The steps from here on, each with its phase; asked for ahead of time by workers."""
        step = self.step
        while until is None or step < until:
            done = self.plan.done_of(step, self.seconds)
            if done >= 1:
                return
            yield step, self.plan.phase_at(done)
            step += 1

    def _train(self, images: Any, mattes: Any) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.plan.rate_of(self.step, self.done)
        logits = self._logits(self.model, images)
        placed = mattes.to(self._device, non_blocking=True) / 255
        loss = matte_loss(logits, placed, self.plan.side_maps)
        self._optimizer.zero_grad()
        loss.backward()
        value = float(loss.item())
        if not math.isfinite(value):  # before it is in the weights
            raise EngineError(f"the loss of step {self.step} is {value}: lower the learning rate")
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        self._optimizer.step()
        move_average(self.average, self.model, self.plan.averaging_of(self.step))
        return value

    def _logits(self, module: Any, images: Any) -> tuple[Any, ...]:
        """Of images (N, S, S, 3) uint8, wherever they lie."""
        layers = MixedLayers if self.plan.bfloat16 else TorchLayers
        placed = _normalised(images.to(self._device, non_blocking=True))
        return self.network.define(layers(module, training=module.training), placed)

    def _identity(self) -> dict[str, str]:
        """What must be the same for a training to go on."""
        return {"network": self.network.name, "plan": repr(self.plan), "data": self._about}

    def _resume(self, state: Mapping[str, Any]) -> None:
        for what, ours in self._identity().items():
            if state[what] != ours:
                raise EngineError(
                    f"{self.folder} holds a training whose {what} is {state[what]}, not {ours}: "
                    "choose another folder"
                )
        self.step, self.seconds = state["step"], state["seconds"]
        self.best = tuple(state["best"])
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _write(self, name: str, state: Mapping[str, Any]) -> None:
        unfinished = self.folder / f".{name}"
        torch.save(state, unfinished)
        unfinished.replace(self.folder / name)


def first_images(source: Source, plan: Plan, steps: int = 6) -> Iterator[Any]:
    """The images of the first steps of a training, (N, 3, S, S) as a network is fed."""
    examples = Examples(source, plan.seed)
    return (_normalised(examples[step, plan.phases[0]][0]) for step in range(steps))


def move_average(average: Any, model: Any, kept: float) -> None:
    """Moves a module's weights and running statistics a share of ``1 - kept`` to another's."""
    ours, theirs = average.state_dict(), model.state_dict()
    names = [name for name, tensor in theirs.items() if tensor.is_floating_point()]
    move = torch.optim.swa_utils.get_ema_multi_avg_fn(kept)
    move([ours[name] for name in names], [theirs[name] for name in names], None)


def _optimizer(model: Any, decay: float) -> Any:
    """AdamW; biases and batch norm's scales, of one axis, are not drawn to zero."""
    filters = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim == 1]
    groups = [{"params": filters, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, fused=filters[0].device.type == "cuda")


def _normalised(images: Any) -> Any:
    """(N, H, W, 3) as the network's input, (N, 3, H, W) float32, channels last in memory."""
    mean, deviation = (torch.tensor(values, device=images.device) for values in (MEAN, STD))
    return ((images / 255 - mean) / deviation).permute(0, 3, 1, 2)

"""trimatte on a GPU: each operation's share of the copy bandwidth, the whole chain, and peers.

    python -m benchmarks.gpu_bench                    4K uint8, about 2 minutes
    python -m benchmarks.gpu_bench --quick            tiny images: does it run at all
    python -m benchmarks.gpu_bench --json FILE

Every result is compared with the CPU's first: one that is wrong is named, not timed. Exits with 1
where a result is wrong or a bar is missed. Needs trimatte and, for times by CUDA events, PyTorch or
CuPy; without them the host's clock is used. README.md in this folder says how it is measured.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import trimatte
from benchmarks import scenes

Array = npt.NDArray[Any]

BANDWIDTH_BAR = 0.8
COPY_MEGABYTES = (8, 32, 128, 512)


@dataclass(frozen=True)
class Effort:
    """How much is measured: images, and batches of calls.

    Each call of a batch has inputs of its own and its result is kept: 8 frames of 4K do not fit
    into a GPU's cache, which would otherwise serve the next call.
    """

    size: tuple[int, int]
    chain_sizes: tuple[tuple[int, int], ...]
    calls: int
    warm_up: int
    fewest: int
    seconds: float
    judge: bool  # tiny images say nothing of speed


FULL = Effort((2160, 3840), ((1080, 1920), (2160, 3840), (3000, 4000)), 8, 2, 3, 0.7, True)
QUICK = Effort((24, 40), ((24, 40),), 1, 0, 1, 0.0, False)


# ---------------------------------------------------------------------------------------- clocks


class HostClock:
    """Times by the host's clock, on the default stream. Knows no copy to compare with."""

    name = "host"
    stream: Any = None

    @cached_property
    def _marker(self) -> trimatte.DeviceArray:
        return trimatte.to_device(np.zeros(1, np.uint8))

    def synchronize(self) -> None:
        self._marker.to_host()  # waits for its stream, which is everybody's

    def seconds(self, work: Callable[[], object]) -> float:
        self.synchronize()
        started = time.perf_counter()
        kept = work()
        self.synchronize()
        del kept
        return time.perf_counter() - started

    def copier(self, size: int) -> Callable[[], object] | None:
        return None


class EventClock:
    """Times by CUDA events. The stream is kept busy while a batch is put on it, so that what is
    measured is the GPU's work and not how fast Python asks for it."""

    stream: Any

    def _event(self) -> Any:
        raise NotImplementedError

    def _elapsed(self, start: Any, end: Any) -> float:
        raise NotImplementedError

    def synchronize(self) -> None:
        self.stream.synchronize()

    def copier(self, size: int) -> Callable[[], object]:
        raise NotImplementedError

    @cached_property
    def _delay(self) -> Callable[[], object]:
        return self.copier(COPY_MEGABYTES[-1] * 1_000_000)

    def seconds(self, work: Callable[[], object]) -> float:
        start, end = self._event(), self._event()
        for _ in range(8):  # about 3 ms on an H100
            self._delay()
        start.record(self.stream)
        kept = work()
        end.record(self.stream)
        end.synchronize()
        del kept
        return self._elapsed(start, end) / 1e3


class TorchClock(EventClock):
    name = "PyTorch's CUDA events"

    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")
        self.stream = self.torch.cuda.Stream()

    def _event(self) -> Any:
        return self.torch.cuda.Event(enable_timing=True)

    def _elapsed(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end))

    def copier(self, size: int) -> Callable[[], object]:
        source = self.torch.zeros(size, dtype=self.torch.uint8, device="cuda")
        target = self.torch.empty_like(source)
        self.torch.cuda.synchronize()

        def copy() -> None:
            with self.torch.cuda.stream(self.stream):
                target.copy_(source)

        return copy


class CupyClock(EventClock):
    name = "CuPy's CUDA events"

    def __init__(self) -> None:
        self.cupy = importlib.import_module("cupy")
        self.stream = self.cupy.cuda.Stream(non_blocking=True)

    def _event(self) -> Any:
        return self.cupy.cuda.Event()

    def _elapsed(self, start: Any, end: Any) -> float:
        return float(self.cupy.cuda.get_elapsed_time(start, end))

    def copier(self, size: int) -> Callable[[], object]:
        source = self.cupy.zeros(size, self.cupy.uint8)
        target = self.cupy.empty_like(source)
        self.cupy.cuda.Device().synchronize()
        return lambda: target.data.copy_from_device_async(source.data, size, self.stream)


def best_clock() -> Any:
    """Events of whichever library sees the GPU, or the host's clock."""
    for clock, usable in (
        (TorchClock, lambda: importlib.import_module("torch").cuda.is_available()),
        (CupyClock, lambda: importlib.import_module("cupy").cuda.is_available()),
    ):
        try:
            if usable():
                return clock()
        except ImportError:
            continue
    return HostClock()


@dataclass(frozen=True)
class Times:
    """Of one call, in milliseconds, by batches: on the GPU; and the host's time to ask for it."""

    median_ms: float
    best_ms: float
    host_ms: float


def measure(clock: Any, batch: Callable[[], object], effort: Effort) -> Times:
    found: list[float] = []
    asked: list[float] = []

    def timed() -> object:
        started = time.perf_counter()
        kept = batch()
        asked.append(time.perf_counter() - started)
        return kept

    for _ in range(effort.warm_up):
        clock.seconds(batch)
    end = time.perf_counter() + effort.seconds
    while len(found) < effort.fewest or (len(found) < 50 and time.perf_counter() < end):
        found.append(clock.seconds(timed))
    scale = 1e3 / effort.calls
    return Times(
        statistics.median(found) * scale, min(found) * scale, statistics.median(asked) * scale
    )


def milliseconds(work: Callable[[], object], effort: Effort) -> float:
    """The median call's, by the host's clock; work waits for its result."""
    found: list[float] = []
    while len(found) < effort.fewest or (len(found) < 15 and sum(found) < effort.seconds / 2):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return statistics.median(found) * 1e3


# ------------------------------------------------------------------------------------ operations


@dataclass(frozen=True)
class Operation:
    """call(*inputs, stream=...) on arrays of either kind.

    tolerance: of the result against the CPU's, in samples: of the largest difference, or of the
    mean difference where `mean`. bar: the least share of the copy bandwidth; most_ms: of a call.
    """

    name: str
    call: Callable[..., Any]
    inputs: tuple[Array, ...]
    tolerance: float = 1.0
    mean: bool = False
    bar: float | None = None
    most_ms: float | None = None


class Inputs:
    """The scenes, of one size, made once."""

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)
        self.screen = scenes.green_screen(height, width, seed=1)
        self.mask = scenes.blob_mask(height, width, seed=2)
        self.plate = np.ascontiguousarray(self.screen[::-1])
        self.rgba = np.dstack((self.screen, self.mask))
        self.premultiplied = trimatte.premultiply(self.rgba)
        self.hair = scenes.hair_scene(height, width, seed=7, unknown=0.1)
        self.small = scenes.green_screen(*self.network, seed=3)
        self.prediction = scenes.blob_mask(*self.network, seed=4) / np.float32(255)

    @property
    def network(self) -> tuple[int, int]:
        return (min(320, self.size[0]), min(320, self.size[1]))


def operations(made: Inputs) -> list[Operation]:
    image, mask, hair = (made.screen,), made.mask, made.hair
    large, small = made.size, made.network
    layer = (made.screen, made.mask)
    statistics_ = {"scale": "max", "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    key, cutout, over = trimatte.chroma_key, trimatte.key_cutout, trimatte.composite
    trimap, alpha = trimatte.make_trimap, trimatte.estimate_alpha

    def white(foreground: Any, matte: Any, **options: Any) -> Any:
        return over(foreground, matte, "white", **options)

    fast = {"bar": BANDWIDTH_BAR}
    return [
        Operation("key, hard", key, image, 0, **fast),
        Operation("key, soft", partial(key, softness=40.0), image, **fast),
        Operation("key_cutout, straight", cutout, image, **fast),
        Operation("key_cutout, premultiplied", partial(cutout, premultiplied=True), image, **fast),
        Operation("despill", trimatte.despill, image, **fast),
        Operation("premultiply", trimatte.premultiply, (made.rgba,)),
        Operation("unpremultiply", trimatte.unpremultiply, (made.premultiplied,)),
        Operation("cutout", trimatte.cutout, layer),
        Operation("composite over an image", over, (*layer, made.plate), **fast),
        Operation("composite over a colour", white, layer, **fast),
        Operation("composite, linear", partial(over, linear=True), (*layer, made.plate), **fast),
        Operation("trimap r=10", partial(trimap, radius=10), (mask,), 0, **fast),
        Operation("trimap r=30", partial(trimap, radius=30), (mask,), 0, **fast),
        Operation("trimap rembg 10", partial(trimap, radius=10, shape="rembg"), (mask,), 0, **fast),
        Operation("resize to 320", partial(trimatte.resize, size=small), image, **fast),
        Operation("resize from 320", partial(trimatte.resize, size=large), (made.small,), **fast),
        Operation(
            "to_tensor 320", partial(trimatte.to_tensor, size=small, **statistics_), image, 0.02
        ),
        Operation(
            "matte_from_prediction",
            partial(trimatte.matte_from_prediction, size=large),
            (made.prediction,),
        ),
        Operation("estimate_foreground", trimatte.estimate_foreground, (hair.image, hair.alpha)),
        Operation(
            "estimate_alpha, fast, 10 % unknown",
            partial(alpha, quality="fast"),
            (hair.image, hair.trimap),
            tolerance=5e-3,
            mean=True,
        ),
        Operation(
            "estimate_alpha, balanced, 10 % unknown",
            alpha,
            (hair.image, hair.trimap),
            tolerance=5e-3,
            mean=True,
            most_ms=5.0,
        ),
    ]


@dataclass(frozen=True)
class Line:
    """What an operation gave. bytes: read and written at least; of_copy: of the copy bandwidth."""

    name: str
    agreement: str
    right: bool
    times: Times | None = None
    cpu_ms: float | None = None
    bytes: int = 0
    gb_per_s: float | None = None
    of_copy: float | None = None
    bar: str = ""
    met: bool | None = None


def difference(ours: Array, definition: Array, operation: Operation) -> tuple[str, bool]:
    if ours.shape != definition.shape or ours.dtype != definition.dtype:
        return f"{ours.shape} {ours.dtype} instead of {definition.shape} {definition.dtype}", False
    apart = np.abs(ours.astype(np.float64) - definition.astype(np.float64))
    error = float(apart.mean() if operation.mean else apart.max())
    what = "mean" if operation.mean else "largest"
    return f"{what} difference {error:.3g}", error <= operation.tolerance


def batch_of(operation: Operation, stream: Any, calls: int) -> Callable[[], object]:
    frames = [
        tuple(trimatte.to_device(each, stream=stream) for each in operation.inputs)
        for _ in range(calls)
    ]
    return lambda: [operation.call(*frame, stream=stream) for frame in frames]


def judged(operation: Operation, times: Times, of_copy: float | None) -> tuple[str, bool | None]:
    """The bar in words, and whether it is met; None where nothing was measured to judge by."""
    if operation.most_ms is not None:
        return f"at most {operation.most_ms:g} ms", times.median_ms <= operation.most_ms
    if operation.bar is None:
        return "", None
    return f"at least {operation.bar:.0%}", None if of_copy is None else of_copy >= operation.bar


def run(operation: Operation, clock: Any, copy_gb_per_s: float | None, effort: Effort) -> Line:
    definition = operation.call(*operation.inputs, device="cpu")
    once = [trimatte.to_device(each, stream=clock.stream) for each in operation.inputs]
    result = operation.call(*once, stream=clock.stream).to_host()
    agreement, right = difference(result, definition, operation)
    if not right:
        return Line(operation.name, agreement, False)
    times = measure(clock, batch_of(operation, clock.stream, effort.calls), effort)
    moved = sum(each.nbytes for each in operation.inputs) + result.nbytes
    speed = moved / times.median_ms / 1e6
    of_copy = speed / copy_gb_per_s if copy_gb_per_s else None
    bar, met = judged(operation, times, of_copy) if effort.judge else ("", None)
    cpu_ms = milliseconds(lambda: operation.call(*operation.inputs), effort)
    return Line(operation.name, agreement, True, times, cpu_ms, moved, speed, of_copy, bar, met)


def copy_bandwidth(clock: Any, effort: Effort) -> dict[str, float]:
    """GB/s read and written by copies within the GPU's memory, by megabytes copied."""
    found = {}
    for megabytes in COPY_MEGABYTES:
        copy = clock.copier(megabytes * 1_000_000)
        if copy:
            times = measure(clock, lambda copy=copy: [copy() for _ in range(effort.calls)], effort)
            found[str(megabytes)] = 2 * megabytes / times.median_ms
    return found


# ----------------------------------------------------------------------------------------- chain


@dataclass(frozen=True)
class Chain:
    """Latency of key, trimap, alpha, foreground, de-spill and cutout in turn, medians."""

    size: str
    agreement: str
    right: bool
    host_to_host_ms: float
    device_to_device_ms: float
    cpu_ms: float


def chain(image: Any, stream: Any = None) -> Any:
    mask = trimatte.chroma_key(image, softness=40.0, stream=stream)
    trimap = trimatte.make_trimap(mask, radius=10, stream=stream)
    alpha = trimatte.estimate_alpha(image, trimap, stream=stream)
    foreground = trimatte.estimate_foreground(image, alpha, stream=stream)
    clean = trimatte.despill(foreground, stream=stream)
    return trimatte.cutout(clean, alpha, stream=stream)


def run_chain(height: int, width: int, clock: Any, effort: Effort) -> Chain:
    image = scenes.green_screen(height, width, seed=1)
    on_gpu = trimatte.to_device(image, stream=clock.stream)

    def there_and_back() -> Array:
        return chain(trimatte.to_device(image, stream=clock.stream), clock.stream).to_host()

    def there() -> None:
        kept = chain(on_gpu, clock.stream)
        clock.synchronize()
        del kept

    apart = np.abs(there_and_back().astype(np.int16) - chain(image))
    clock.synchronize()
    return Chain(
        f"{width} x {height}",
        f"mean difference {apart.mean():.3g} of 255",
        bool(apart.mean() <= 1.0),
        milliseconds(there_and_back, effort),
        milliseconds(there, effort),
        milliseconds(lambda: chain(image), effort),
    )


# ----------------------------------------------------------------------------------------- peers


@dataclass(frozen=True)
class Duel:
    operation: str
    peer: str
    agreement: str
    right: bool
    peer_ms: float | None = None
    ours_ms: float | None = None
    ratio: float | None = None


def torch_key(torch: Any, image: Any) -> Any:
    red, green, blue = image.to(torch.int16).unbind(-1)
    keyed = (green > red + 30) & (green > blue + 30)
    return torch.where(keyed, 0, 255).to(torch.uint8)


def torch_composite(torch: Any, front: Any, alpha: Any, back: Any) -> Any:
    opacity = alpha[..., None].to(torch.float32) / 255
    return (opacity * front + (1 - opacity) * back + 0.5).to(torch.uint8)


def cupy_key(cupy: Any, image: Any) -> Any:
    red, green, blue = (image[..., c].astype(cupy.int16) for c in range(3))
    keyed = (green > red + 30) & (green > blue + 30)
    return cupy.where(keyed, cupy.uint8(0), cupy.uint8(255))


def cupy_composite(cupy: Any, front: Any, alpha: Any, back: Any) -> Any:
    opacity = alpha[..., None].astype(cupy.float32) / cupy.float32(255)
    mixed = opacity * front + (cupy.float32(1) - opacity) * back + cupy.float32(0.5)
    return mixed.astype(cupy.uint8)


PEERS = {
    "torch": (torch_key, torch_composite),
    "cupy": (cupy_key, cupy_composite),
}


def run_duels(made: Inputs, clock: Any, lines: list[Line], effort: Effort) -> list[Duel]:
    """The expressions one writes in PyTorch and CuPy, beside ours, on the same GPU and clock."""
    name = {TorchClock: "torch", CupyClock: "cupy"}.get(type(clock))
    if name is None:
        return []
    times = {line.name: line.times for line in lines if line.times}
    by_name = {operation.name: operation for operation in operations(made)}
    return [
        duel(by_name[ours], name, recipe, clock, times[ours], effort)
        for ours, recipe in zip(("key, hard", "composite over an image"), PEERS[name], strict=True)
        if ours in times
    ]


def duel(
    operation: Operation,
    name: str,
    recipe: Callable[..., Any],
    clock: Any,
    ours: Times,
    effort: Effort,
) -> Duel:
    module = importlib.import_module(name)
    as_theirs = module.from_dlpack
    frames = [
        [as_theirs(trimatte.to_device(each)) for each in operation.inputs]
        for _ in range(effort.calls)
    ]
    trimatte.to_device(np.zeros(1, np.uint8)).to_host()
    scope = module.cuda.stream(clock.stream) if name == "torch" else clock.stream
    with scope:
        theirs = recipe(module, *frames[0])
        clock.synchronize()
        on_host = theirs.cpu().numpy() if name == "torch" else module.asnumpy(theirs)
        expected = operation.call(*operation.inputs, device="cpu")
        agreement, right = difference(on_host, expected, operation)
        if not right:
            return Duel(operation.name, name, agreement, False)
        times = measure(clock, lambda: [recipe(module, *frame) for frame in frames], effort)
    ratio = times.median_ms / ours.median_ms
    return Duel(operation.name, name, agreement, True, times.median_ms, ours.median_ms, ratio)


# ---------------------------------------------------------------------------------------- report


@dataclass
class Report:
    status: str
    build: dict[str, Any]
    clock: str
    size: str
    calls: int
    copy_gb_per_s: dict[str, float]
    lines: list[Line] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    duels: list[Duel] = field(default_factory=list)

    def failures(self) -> list[str]:
        wrong = [
            f"{each.name}: NOT TIMED, wrong: {each.agreement}"
            for each in self.lines
            if not each.right
        ]
        wrong += [f"{each.size}: wrong: {each.agreement}" for each in self.chains if not each.right]
        return wrong + [
            f"{each.name}: bar missed: {each.bar}" for each in self.lines if each.met is False
        ]


def number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def markdown(report: Report) -> str:
    copies = ", ".join(f"{size} MB: {speed:.0f}" for size, speed in report.copy_gb_per_s.items())
    text = [
        report.status,
        f"{report.size} uint8, batches of {report.calls} calls, times by {report.clock}.",
        f"Copies within the GPU's memory, GB/s: {copies or 'not measured'}.",
        "",
        "| operation | ms | best ms | host ms | GB/s | of copy | bar | CPU ms | agreement |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in report.lines:
        verdict = {True: " met", False: " MISSED", None: ""}[line.met]
        times = line.times
        text.append(
            f"| {line.name} | {number(times and times.median_ms)} "
            f"| {number(times and times.best_ms)} | {number(times and times.host_ms)} "
            f"| {number(line.gb_per_s, '.0f')} | {number(line.of_copy, '.0%')} "
            f"| {line.bar}{verdict} | {number(line.cpu_ms, '.2f')} "
            f"| {'' if line.right else 'WRONG, not timed: '}{line.agreement} |"
        )
    text += [
        "",
        "Key, trimap, alpha, foreground, de-spill, cutout, in turn:",
        "",
        "| size | NumPy to NumPy, ms | device to device, ms | CPU ms | agreement |",
        "|---|---|---|---|---|",
    ]
    text += [
        f"| {each.size} | {each.host_to_host_ms:.2f} | {each.device_to_device_ms:.2f} "
        f"| {each.cpu_ms:.1f} | {each.agreement} |"
        for each in report.chains
    ]
    text += [
        "",
        "| operation | peer | peer ms | ours ms | ratio | agreement |",
        "|---|---|---|---|---|---|",
    ]
    text += [
        f"| {each.operation} | {each.peer} | {number(each.peer_ms)} | {number(each.ours_ms)} "
        f"| {number(each.ratio, '.1f')} | {each.agreement} |"
        for each in report.duels
    ]
    return "\n".join(text) + "\n"


def bench(effort: Effort) -> Report:
    clock = best_clock()
    copies = copy_bandwidth(clock, effort) if effort.judge else {}
    made = Inputs(*effort.size)
    report = Report(
        status=trimatte.cuda_status(),
        build=trimatte.build_info(),
        clock=clock.name,
        size="{1} x {0}".format(*effort.size),
        calls=effort.calls,
        copy_gb_per_s=copies,
    )
    reference = max(copies.values(), default=None)
    for operation in operations(made):
        report.lines.append(run(operation, clock, reference, effort))
        print(f"{operation.name}: {report.lines[-1].agreement}", file=sys.stderr, flush=True)
    report.chains = [run_chain(*size, clock, effort) for size in effort.chain_sizes]
    report.duels = run_duels(made, clock, report.lines, effort)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny images, no copy bandwidth")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    if not trimatte.cuda_available():
        print(trimatte.cuda_status(), file=sys.stderr)
        return 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", trimatte.TrimapWarning)  # tiny masks have no room for 30
        report = bench(QUICK if arguments.quick else FULL)
    print(markdown(report))
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(report), encoding="utf-8")
    print("\n".join(report.failures()), file=sys.stderr)
    return 1 if report.failures() else 0


if __name__ == "__main__":
    sys.exit(main())

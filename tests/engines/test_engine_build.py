"""Engines by TensorRT-RTX, which builds them without a GPU; and their cache.

What an engine was built from and for is seen on its way to the builder: without a GPU it cannot be
loaded again.
"""

from __future__ import annotations

import errno
import importlib
import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from trimatte.engines.networks import NETWORKS
from trimatte.engines.tensorrt_build import build, flavours
from trimatte.engines.tensorrt_build.build import BuiltEngine, build_engine, parse_batch
from trimatte.engines.tensorrt_build.engine_cache import engine_cache
from trimatte.engines.tensorrt_build.flavours import tensorrt_module

import trimatte
from tests.helpers.gpu import run_python

onnx = pytest.importorskip("onnx")

Build = Callable[..., BuiltEngine]
RANGES = {"batch": (1, 2, 4), "size": ((32, 32), (64, 96), (128, 128))}


def a_model(bias: float = 0.0, sides: tuple[Any, ...] = ("n", 3, "h", "w"), **options: Any) -> Any:
    """A convolution and a sigmoid, with a name for the weights and the operator on top."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3), np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1] * 4),
        helper.make_node(options.get("operator", "Sigmoid"), ["c"], ["y"], name="top"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", kind, sides)],
        [helper.make_tensor_value_info("y", kind, (sides[0], 4, *sides[2:]))],
        [
            onnx.numpy_helper.from_array(weights, "w"),
            onnx.numpy_helper.from_array(np.full(4, bias, np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


MODEL = a_model().SerializeToString()


class Seen:
    """What builders of TensorRT-RTX were given."""

    def __init__(self, network: Any, config: Any, profile: Any, trt: Any) -> None:
        tensors = [
            [(t.name, tuple(t.shape), t.dtype) for t in several]
            for several in (
                [network.get_input(i) for i in range(network.num_inputs)],
                [network.get_output(i) for i in range(network.num_outputs)],
            )
        ]
        self.inputs, self.outputs = tensors
        self.is_strongly_typed = network.get_flag(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self.tf32 = config.get_flag(trt.BuilderFlag.TF32)
        self.capabilities = [
            config.get_compute_capability(i).name for i in range(config.num_compute_capabilities)
        ]
        name = self.inputs[0][0]
        self.profile = profile and tuple(tuple(shape) for shape in profile.get_shape(name))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    trt = pytest.importorskip("tensorrt_rtx")
    found: list[Seen] = []

    real = trt.Builder

    class Builder:
        profile: Any = None

        def __init__(self, logger: Any) -> None:
            self.builder = real(logger)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.builder, name)

        def create_optimization_profile(self) -> Any:
            self.profile = self.builder.create_optimization_profile()
            return self.profile

        def build_serialized_network(self, network: Any, config: Any) -> Any:
            found.append(Seen(network, config, self.profile, trt))
            return self.builder.build_serialized_network(network, config)

    monkeypatch.setattr(trt, "Builder", Builder)
    return found


@pytest.fixture
def build_rtx(seen: list[Seen], tmp_path: Path) -> Build:
    def make(model: Any = MODEL, **options: Any) -> BuiltEngine:
        return build_engine(model, **{"cache": tmp_path, "flavour": "tensorrt_rtx", **options})

    return make


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """TensorRT is not needed: the plan is made up. The list grows with each build."""
    plans: list[bytes] = []

    def make_up(*_: Any) -> memoryview:
        plans.append(b"plan " * 1000)
        return memoryview(plans[-1])

    module = SimpleNamespace(__name__="tensorrt_rtx", __version__="1.0.made-up")
    monkeypatch.setattr(build, "tensorrt_module", lambda flavour: module)
    monkeypatch.setattr(build, "_build", make_up)
    return plans


def make(folder: Any, model: Any = MODEL, **options: Any) -> BuiltEngine:
    return build_engine(model, **{"cache": folder, **RANGES, **options})


def engine_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.engine"))


# What is asked for --------------------------------------------------------------------------------


def test_batches_as_text() -> None:
    assert parse_batch("1:8:32") == (1, 8, 32)
    assert parse_batch("8") == (8, 8, 8)
    assert parse_batch("4:4:4") == (4, 4, 4)


@pytest.mark.parametrize(
    "text", ["", "1:8", "1:8:32:64", "8:1:32", "0:1:2", "a", "-1", "1:8:", "1.5", "²"]
)
def test_texts_that_are_no_batch(text: str) -> None:
    with pytest.raises(trimatte.ArgumentError, match="least:usual:most in ascending order"):
        parse_batch(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch must be None, a number of at least 1"),
        ({"batch": (4, 2, 1)}, "three in ascending order"),
        ({"batch": "1:8:32"}, "batch must be None, a number"),
        ({"batch": True}, "batch must be None, a number"),
        ({"size": (0, 4)}, "size must be None"),
        ({"size": 320}, "size must be None"),
        ({"size": ((9, 9), (8, 8), (16, 16))}, "three of them in ascending order"),
        ({"size": ((8, 8), (16, 16))}, "size must be None"),
        ({"size": None}, r"size must say what the model leaves free: .*'x' is \(any, 3, any, any"),
        ({"precision": "int8"}, "precision must be fp32 or fp16 for the model.*got 'int8'"),
        ({"flavour": "tensorflow"}, "flavour must be None or one of"),
    ],
    ids=str,
)
def test_wrong_arguments(options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(trimatte.ArgumentError, match=message):
        make(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_model_of_fixed_sides_has_them(builds: list[bytes], tmp_path: Path) -> None:
    model = a_model(sides=(2, 3, 32, 48)).SerializeToString()
    assert make(tmp_path, model, batch=None, size=None).bytes == 5000
    assert make(tmp_path, model, batch=2, size=(32, 48)).bytes == 5000
    has = r"must be what the model has: its input 'x' is \(2, 3, 32, 48\), got"
    with pytest.raises(trimatte.ArgumentError, match=rf"batch {has} \(1, 1, 1\)"):
        make(tmp_path, model, batch=1, size=None)
    with pytest.raises(trimatte.ArgumentError, match=rf"size {has} \(48, 48, 48\)"):
        make(tmp_path, model, batch=None, size=(48, 48))


# TensorRT-RTX itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "channels"), [("u2netp", 1), ("modnet", 1), ("deeplabv3plus-mobilenetv2", 21)]
)
def test_networks(name: str, channels: int, seen: list[Seen], build_rtx: Build) -> None:
    network = NETWORKS[name]
    model = network.to_onnx(network.seeded(1), size=(64, 96)).SerializeToString()
    engines = [
        build_rtx(model, precision=precision, batch=(1, 2, 4)) for precision in ("fp32", "fp16")
    ]
    assert [engine.precision for engine in engines] == ["fp32", "fp16"]
    assert engines[1].bytes < 0.8 * engines[0].bytes
    assert len(seen) == 2
    for saw in seen:
        assert named(saw.inputs) == [("input", (-1, 3, 64, 96), "FLOAT")]
        assert named(saw.outputs) == [("output", (-1, channels, 64, 96), "FLOAT")]
        assert saw.profile == ((1, 3, 64, 96), (2, 3, 64, 96), (4, 3, 64, 96))
        assert saw.is_strongly_typed
        assert not saw.tf32


def named(tensors: list[Any]) -> list[Any]:
    return [(name, shape, dtype.name) for name, shape, dtype in tensors]


def test_free_sides(seen: list[Seen], build_rtx: Build) -> None:
    build_rtx(**RANGES)
    build_rtx(batch=3, size=(32, 48))
    build_rtx(size=(32, 48))
    assert named(seen[0].inputs) == [("x", (-1, 3, -1, -1), "FLOAT")]
    assert [saw.profile for saw in seen] == [
        ((1, 3, 32, 32), (2, 3, 64, 96), (4, 3, 128, 128)),
        ((3, 3, 32, 48),) * 3,
        ((1, 3, 32, 48),) * 3,
    ]


def test_a_model_with_weights_beside_it(seen: list[Seen], build_rtx: Build, tmp_path: Path) -> None:
    path = tmp_path / "beside.onnx"
    onnx.save(a_model(), path, save_as_external_data=True, location="weights", size_threshold=0)
    one = build_rtx(path, **RANGES)
    assert build_rtx(path, **RANGES).from_cache
    assert one.path is not None
    assert one.path.name.startswith("beside-")
    assert build_rtx(path, precision="fp16", **RANGES).key != one.key
    weights = bytearray((tmp_path / "weights").read_bytes())
    weights[3] ^= 1
    (tmp_path / "weights").write_bytes(weights)
    other = build_rtx(path, **RANGES)
    assert not other.from_cache
    assert len(seen) == 3


def test_progress(build_rtx: Build) -> None:
    told: list[tuple[str, float]] = []
    build_rtx(progress=lambda *step: told.append(step), precision="fp16", **RANGES)
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert told[0] == ("converting to fp16", 0.0)
    assert told[-1] == ("engine built", 1.0)
    assert any(0.2 < fraction < 0.8 for fraction in fractions)
    assert any(what.startswith("building an engine: ") for what, _ in told)


@pytest.mark.parametrize("error", [KeyError("enough"), KeyboardInterrupt()], ids=repr)
def test_what_progress_raises_cancels(
    error: BaseException, build_rtx: Build, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def progress(what: str, fraction: float) -> None:
        calls.append(fraction)
        if len(calls) == 3:
            raise error

    with pytest.raises(type(error)) as caught:
        build_rtx(progress=progress, **RANGES)
    assert caught.value is error
    assert len(calls) == 3
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert not build_rtx(**RANGES).from_cache
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_cancels(build_rtx: Build, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)

    def progress(what: str, fraction: float) -> None:
        if what.startswith("building"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build_rtx(progress=progress, **RANGES)
    assert signal.getsignal(signal.SIGINT) is before
    assert not list(tmp_path.glob("*.engine"))


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    """As nohup and cron start a program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    monitor = SimpleNamespace(raised=None)
    with build._interruptible(monitor):
        signal.raise_signal(signal.SIGINT)
    assert monitor.raised is None
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_errors_have_tensorrts_words(build_rtx: Build, tmp_path: Path, capfd: Any) -> None:
    path = tmp_path / "odd.onnx"
    path.write_bytes(a_model(operator="Foo").SerializeToString())
    message = r"tensorrt_rtx \S+ does not understand .*odd\.onnx: node 1 Foo: .*[Pp]lugin"
    with pytest.raises(trimatte.EngineError, match=message):
        build_rtx(path, **RANGES)
    wrong = a_model(sides=("n", 5, "h", "w")).SerializeToString()
    message = "tensorrt_rtx .* the model given as .*: .+"
    with pytest.raises(trimatte.EngineError, match=message):
        build_rtx(wrong, **RANGES)
    with pytest.raises(trimatte.EngineError, match="is no ONNX file"):
        build_rtx(MODEL[:-20], **RANGES)
    assert not engine_files(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_what_tensorrt_says_is_logged(build_rtx: Build, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "trimatte"):
        build_rtx(**RANGES)
    assert {record.levelno for record in caplog.records} <= {logging.DEBUG, logging.INFO}
    assert any(record.message.startswith("tensorrt_rtx: ") for record in caplog.records)


def a_gpu(monkeypatch: pytest.MonkeyPatch, *capability: int) -> None:
    monkeypatch.setattr(build, "cuda_available", lambda: True)
    facts = ("NVIDIA Made-up", *capability, 13000)
    gpus = {"gpu_named": lambda *_: 0, "gpu_facts": lambda _: facts}
    monkeypatch.setattr(build, "_core", SimpleNamespace(**gpus))


def test_turing_gets_an_engine_of_its_own(
    seen: list[Seen], build_rtx: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = build_rtx(**RANGES)
    a_gpu(monkeypatch, 8, 6)
    assert build_rtx(**RANGES).key == everywhere.key
    a_gpu(monkeypatch, 7, 5)
    turing = build_rtx(**RANGES)
    assert not turing.from_cache
    assert [saw.capabilities for saw in seen] == [[], ["SM75"]]


# The cache ----------------------------------------------------------------------------------------


def test_the_second_time_nothing_is_built(builds: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "my model.onnx"
    path.write_bytes(MODEL)
    one, two = make(tmp_path, path), make(tmp_path, path)
    assert (one.from_cache, two.from_cache) == (False, True)
    assert len(builds) == 1
    assert one.key == two.key
    assert bytes(one.plan) == bytes(two.plan) == builds[0]
    assert one.path == two.path == tmp_path / f"my-model-{one.key[:16]}.engine"
    assert (one.bytes, two.bytes) == (5000, 5000)
    assert two.seconds > 0
    path.rename(tmp_path / "other.onnx")
    assert make(tmp_path, tmp_path / "other.onnx").key == one.key


def test_all_that_an_engine_depends_on_is_in_its_key(
    builds: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants: list[Callable[[], BuiltEngine]] = [
        lambda: make(tmp_path),
        lambda: make(tmp_path, a_model(bias=1.0).SerializeToString()),
        lambda: make(tmp_path, precision="fp16"),
        lambda: make(tmp_path, batch=(1, 2, 5)),
        lambda: make(tmp_path, size=((32, 32), (64, 96), (128, 129))),
    ]
    keys = {variant().key for variant in variants}
    assert len(keys) == len(builds) == len(variants)
    for name in ("tensorrt", "tensorrt_rtx"):
        for version in ("1", "2"):
            module = SimpleNamespace(__name__=name, __version__=version)
            monkeypatch.setattr(build, "tensorrt_module", lambda flavour, module=module: module)
            for capability in ((7, 5), (8, 9), (9, 0)):
                a_gpu(monkeypatch, *capability)
                keys.add(make(tmp_path).key)
    assert len(keys) == len(variants) + 2 * 3 + 2 * 2
    assert len(builds) == len(keys) == len(engine_files(tmp_path))
    assert make(tmp_path, precision="fp32").from_cache


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut in the kind": lambda data: data[:7],
    "cut in the header": lambda data: data[:60],
    "cut in the plan": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "a bit of the plan": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "the hash": lambda data: data.replace(b'"sha256": "', b'"sha256": "0'),
    "no JSON": lambda data: data.replace(b"{", b"[", 1),
    "JSON of no use": lambda data: b"trimatte engine cache\n[1, 2]\nplan",
    "another format": lambda data: data.replace(b'"format": 1', b'"format": 0'),
    "of another model": lambda data: data.replace(b'"model": "', b'"model": "0'),
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_files_that_are_not_as_they_were_are_made_anew(
    damage: str, builds: list[bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make(tmp_path).path
    assert path is not None
    good = path.read_bytes()
    path.write_bytes(DAMAGE[damage](good))
    again = make(tmp_path)
    assert (again.from_cache, bytes(again.plan), len(builds)) == (False, builds[0], 2)
    (record,) = caplog.records
    assert record.message.startswith(f"the cache file {path} is made anew: it ")
    assert path.read_bytes() == good
    assert make(tmp_path).from_cache


def test_the_header_says_what_an_engine_is(builds: list[bytes], tmp_path: Path) -> None:
    path = make(tmp_path, precision="fp16").path
    assert path is not None
    kind, header, _ = path.read_bytes().split(b"\n", 2)
    assert kind == b"trimatte engine cache"
    facts = json.loads(header)["facts"]
    assert facts == {
        "model": trimatte.engines.onnx_files.model_file.ModelFile(MODEL).sha256,
        "precision": "fp16",
        "converted by": trimatte.__version__,
        "profile": [[1, 3, 32, 32], [2, 3, 64, 96], [4, 3, 128, 128]],
        "flavour": "tensorrt_rtx",
        "version": "1.0.made-up",
        "gpu": "8.0 and later",
    }


def test_where_nothing_can_be_written_engines_are_built_each_time(
    builds: list[bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    for turn in (1, 2):
        engine = make(tmp_path / "file" / "folder")
        assert (engine.path, engine.from_cache, len(builds)) == (None, False, turn)
        assert bytes(engine.plan) == builds[0]
    assert "is not kept, and will be made anew: " in caplog.text


def test_a_full_disk(
    builds: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert make(tmp_path).path is None
    assert "No space left on device" in caplog.text
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert make(tmp_path).path is not None


def test_without_a_cache(builds: list[bytes], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TRIMATTE_CACHE", str(tmp_path / "unused"))
    for _ in range(2):
        assert make(False).path is None
    assert len(builds) == 2
    assert not list(tmp_path.iterdir())


def test_folders(builds: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIMATTE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert engine_cache().folder == tmp_path / ".cache" / "trimatte" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert engine_cache().folder == tmp_path / "xdg" / "trimatte" / "engines"
    monkeypatch.setenv("TRIMATTE_CACHE", str(tmp_path / "ours"))
    path = make(True).path
    assert path is not None
    assert path.parent == tmp_path / "ours"


def test_listing_and_clearing(builds: list[bytes], tmp_path: Path) -> None:
    assert list(engine_cache(tmp_path)) == []
    make(tmp_path)
    make(tmp_path, precision="fp16")
    (tmp_path / "broken.engine").write_bytes(b"no engine")
    (tmp_path / "of the user.txt").write_text("stays")
    listed = list(engine_cache(tmp_path))
    assert {engine.facts["precision"] for engine in listed} == {"fp32", "fp16"}
    assert {engine.bytes for engine in listed} == {5000}
    assert [engine.path for engine in listed] == [
        path for path in engine_files(tmp_path) if path.name != "broken.engine"
    ]
    assert engine_cache(tmp_path).clear() > 10000
    left = {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert left == {"of the user.txt"}
    assert engine_cache(tmp_path / "missing").clear() == 0


def test_clearing_breaks_no_lock(tmp_path: Path) -> None:
    def waiting() -> None:
        raise KeyError("held")

    cache, path = engine_cache(tmp_path), tmp_path / "a.engine"
    with cache.alone(path, lambda: None):
        cache.clear()
        with pytest.raises(KeyError, match="held"), cache.alone(path, waiting):
            pass


# Several at once ----------------------------------------------------------------------------------


def test_threads_build_once(
    builds: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_wait, made_up = threading.Event(), build._build

    def slow(*arguments: Any) -> Any:
        assert others_wait.wait(120)
        return made_up(*arguments)

    monkeypatch.setattr(build, "_build", slow)

    def work(_: int) -> BuiltEngine:
        return make(tmp_path, progress=lambda what, _: others_wait.set())

    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(work, range(4)))
    assert sorted(engine.from_cache for engine in engines) == [False, True, True, True]
    assert len(builds) == 1


def test_who_waits_may_give_up(builds: list[bytes], tmp_path: Path) -> None:
    path = make(tmp_path).path
    assert path is not None
    path.unlink()

    def progress(what: str, fraction: float) -> None:
        assert what == "waiting for another process that builds this"
        raise KeyError("enough")

    with (
        engine_cache(tmp_path).alone(path, lambda: None),
        pytest.raises(KeyError, match="enough"),
    ):
        make(tmp_path, progress=progress)
    assert not make(tmp_path).from_cache


def test_two_processes_build_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    model = tmp_path / "model.onnx"
    model.write_bytes(MODEL)
    program = f"""
from trimatte.engines.tensorrt_build.build import build_engine
ranges = {RANGES!r}
built = build_engine({str(model)!r}, cache={str(tmp_path)!r}, flavour="tensorrt_rtx", **ranges)
print(built.from_cache, len(built.plan))
"""
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run_python(program), range(2)))
    said = sorted(run.stdout.split() for run in runs)
    assert [words[0] for words in said] == ["False", "True"], runs
    assert said[0][1] == said[1][1]
    assert [run.stderr for run in runs] == ["", ""]


# What is missing ----------------------------------------------------------------------------------


Importer = Callable[[dict[str, Any]], None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Importer:
    """Makes modules what they are said to be; exceptions are raised, others are not found."""

    def set_up(modules: dict[str, Any]) -> None:
        def import_module(name: str) -> Any:
            found = modules.get(name, ModuleNotFoundError(f"no {name}", name=name))
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(flavours, "importlib", SimpleNamespace(import_module=import_module))

    return set_up


WHOLE = SimpleNamespace(Builder=None, Runtime=None, __name__="tensorrt_rtx")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "tensorrt is not installed: pip install tensorrt"),
        (
            ModuleNotFoundError("No module", name="tensorrt_bindings"),
            "tensorrt is installed without tensorrt_bindings, as by a wheel that only names others",
        ),
        (
            ImportError("libnvinfer.so.10: cannot open shared object file"),
            r"a library of it does not load: libnvinfer\.so\.10",
        ),
        (FileNotFoundError("libnvinfer.so.10"), r"a library of it does not load: libnvinfer"),
        (SimpleNamespace(), "tensorrt is not NVIDIA's, or not whole: it has no Builder"),
    ],
    ids=["absent", "stub", "library", "path", "empty"],
)
def test_what_is_missing_is_named(
    found: Any, message: str, installed: Importer, caplog: pytest.LogCaptureFixture
) -> None:
    modules = {"tensorrt": found} if found else {}
    installed(modules)
    with pytest.raises(trimatte.EngineError, match=message):
        tensorrt_module("tensorrt")
    both = f"TensorRT cannot be used: .*{message}.*; tensorrt_rtx is not installed: pip install"
    with pytest.raises(trimatte.EngineError, match=both):
        tensorrt_module()
    installed({**modules, "tensorrt_rtx": WHOLE})
    assert tensorrt_module() is WHOLE
    assert bool(caplog.records) == bool(modules)  # to be without it is no surprise


def test_the_first_flavour_is_preferred(installed: Importer) -> None:
    installed({"tensorrt": WHOLE, "tensorrt_rtx": SimpleNamespace()})
    assert tensorrt_module() is WHOLE
    with pytest.raises(trimatte.EngineError, match="tensorrt_rtx is not NVIDIA's"):
        tensorrt_module("tensorrt_rtx")


@pytest.mark.skipif(trimatte.cuda_available(), reason="there is a GPU")
def test_without_a_gpu_sessions_say_why(
    builds: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = importlib.import_module("trimatte.engines.sessions.tensorrt")
    with pytest.raises(trimatte.DeviceError) as caught:
        sessions.TensorRTSession(MODEL, **RANGES)
    assert trimatte.cuda_status() in str(caught.value)
    for call in (trimatte._core.WorkStream, trimatte._core.gpu_facts):
        with pytest.raises(trimatte.DeviceError):
            call(0)
    module = SimpleNamespace(__name__="tensorrt", __version__="10")
    monkeypatch.setattr(build, "tensorrt_module", lambda flavour: module)
    with pytest.raises(trimatte.DeviceError, match=r"build_engine: device='cuda' cannot be used"):
        make(False)

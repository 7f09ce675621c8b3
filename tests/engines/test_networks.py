"""The networks: one definition each, compared with independent ones in PyTorch."""

import copy
import subprocess
import sys
import zlib
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from trimatte.engines.networks import NETWORKS, Network, export
from trimatte.engines.networks.u2net import Widths, u2net
from trimatte.engines.onnx_files.half import load_stored, store_half, to_half
from trimatte.engines.onnx_files.model_file import ModelFile

from trimatte.errors import ArgumentError, EngineError

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

PUBLISHED = {"u2net": 44_009_869, "u2netp": 1_131_181, "modnet": 6_487_075}
NAMES_AND_SHAPES = {
    "u2net": 400392353,
    "u2netp": 4210351482,
    "u2net-lite": 615968813,
    "modnet": 521019268,
    "deeplabv3plus-mobilenetv2": 2827563403,
    "deeplabv3plus-resnet101": 2133393354,
}
OF_OTHERS = tuple(name for name in NETWORKS if name != "u2net-lite")
SMALL = ("u2netp", "modnet", "deeplabv3plus-mobilenetv2")


def image(height=64, width=96, batch=2):
    """Waves of several lengths, so that the predictions vary over the image."""
    y, x = np.mgrid[:height, :width] / 16.0
    waves = [np.sin(x * (n + 1) + n) * np.cos(y * (2 - n) - n) for n in range(3)]
    return np.stack([np.roll(waves, 7 * n, axis=2) for n in range(batch)]).astype(np.float32)


@cache
def weights(name, **options):
    """Seeded weights with batch norm that does something, as after training."""
    network = NETWORKS[name].configured(**options)
    random = np.random.default_rng(1)
    result = network.seeded(0)
    for parameter in network.parameters:
        if not parameter.deviation:
            noise = random.uniform(-0.3, 0.3, parameter.shape)
            result[parameter.name] = (parameter.fill + noise).astype(np.float32)
        if parameter.name.endswith(".running_var"):  # one channel where the epsilon matters
            result[parameter.name][0] = 1e-5
            result[parameter.name.replace("running_var", "weight")][0] = 3e-3
    return result


def run(model, batch):
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"input": batch})


def reference(name, **options):
    """The independent network of that name, its weights not made yet."""
    torch = pytest.importorskip("torch")
    from tests.reference import torch_networks

    with torch.device("meta"):
        if name == "modnet":
            return torch_networks.ModNet()
        if name.startswith("u2net"):
            return torch_networks.U2Net(small=name == "u2netp")
        return torch_networks.DeepLabV3Plus(name.partition("-")[2], **options)


def with_weights_of(ours, theirs):
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()), strict=True, assign=True)
    return theirs.train(ours.training)


def assert_close(results, expected, tolerance=2e-4):
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert result.shape == tuple(wanted.shape)
        assert float(np.std(result)) > 0.01
        np.testing.assert_allclose(result, wanted, rtol=0, atol=tolerance)


# --- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_counts(name):
    assert NETWORKS[name].parameter_count == PUBLISHED[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_names_and_shapes_stay(name):
    """What the test below found to be the published ones, for where there is no PyTorch."""
    lines = sorted(f"{p.name} {p.shape}" for p in NETWORKS[name].parameters)
    assert zlib.crc32("\n".join(lines).encode()) == NAMES_AND_SHAPES[name]


@pytest.mark.parametrize("name", OF_OTHERS)
def test_names_and_shapes_are_the_published_ones(name):
    module = reference(name)
    count = sum(parameter.numel() for parameter in module.parameters())
    assert NETWORKS[name].parameter_count == count
    shapes = {
        key: tuple(tensor.shape)
        for key, tensor in module.state_dict().items()
        if not key.endswith("num_batches_tracked") and not key.startswith("lr_branch.backbone.")
    }
    assert {p.name: p.shape for p in NETWORKS[name].parameters} == shapes


def test_seeded_weights_are_the_same_everywhere():
    network = NETWORKS["u2netp"]
    weight = network.seeded(0)["stage1.rebnconvin.conv_s1.weight"]
    assert zlib.crc32(weight.tobytes()) == 3049955246
    assert not np.array_equal(
        network.seeded(1)["outconv.weight"], network.seeded(0)["outconv.weight"]
    )


@pytest.mark.parametrize("seed", [-1, 1.5, True, None])
def test_seeds_are_whole_numbers(seed):
    with pytest.raises(ArgumentError, match="seed"):
        NETWORKS["u2netp"].seeded(seed)


# --- what is made of a definition --------------------------------------------------------------


@pytest.mark.parametrize("name", OF_OTHERS)
def test_onnx_and_pytorch_agree_with_an_independent_network(name):
    torch = pytest.importorskip("torch")
    network, tensors = NETWORKS[name], weights(name)
    ours = network.to_torch(tensors)
    theirs = with_weights_of(ours, reference(name))
    batch = image()
    with torch.no_grad():
        expected = theirs(torch.from_numpy(batch))
        shown = ours(torch.from_numpy(batch))
    assert_close([x.numpy() for x in shown], expected[: len(shown)])
    if network.sigmoid:
        expected = [torch.sigmoid(x) for x in expected]
    fixed = network.to_onnx(tensors, size=(64, 96), outputs="all")
    assert_close(run(fixed, batch), expected)
    if name in SMALL:
        free = network.to_onnx(tensors, size=None, outputs="matte")
        assert_close(run(free, batch), expected[:1])


@pytest.mark.parametrize("name", SMALL)
def test_training_agrees_with_an_independent_network(name):
    torch = pytest.importorskip("torch")
    ours = NETWORKS[name].to_torch(weights(name)).train()
    theirs = with_weights_of(ours, reference(name))
    results = []
    for module in (ours, theirs):
        torch.manual_seed(0)  # of the dropout
        outputs = module(torch.from_numpy(image(64, 64)))
        assert len(outputs) == len(NETWORKS[name].outputs)
        sum(output.square().mean() for output in outputs).backward()
        results.append([output.detach().numpy() for output in outputs])
    assert_close(*results, tolerance=1e-3)
    gradients = {key: parameter.grad for key, parameter in theirs.named_parameters()}
    for key, parameter in ours.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradients[key], rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-3, atol=1e-3)


def test_a_trained_module_is_copied_and_exported():
    torch = pytest.importorskip("torch")
    network = NETWORKS["u2netp"]
    module = copy.deepcopy(network.to_torch()).train()
    module(torch.from_numpy(image()))
    trained = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    assert np.any(trained["stage1.rebnconvin.bn_s1.running_mean"])
    (result,) = run(network.to_onnx(trained, size=(64, 96)), image())
    with torch.no_grad():
        expected = torch.sigmoid(module.eval()(torch.from_numpy(image()))[0])
    assert_close([result], [expected.numpy()])


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", ["deeplabv3plus-mobilenetv2"])
def test_deeplab_takes_any_sides_classes_and_output_stride(name, output_stride):
    torch = pytest.importorskip("torch")
    options = {"classes": 3, "output_stride": output_stride}
    network, tensors = NETWORKS[name].configured(**options), weights(name, **options)
    theirs = with_weights_of(network.to_torch(tensors), reference(name, **options))
    batch = image(97, 65, batch=1)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(batch))
    assert_close(run(network.to_onnx(tensors, size=(97, 65)), batch), expected)
    assert_close(run(network.to_onnx(tensors), batch), expected)


def test_resnet_at_output_stride_8_has_the_same_parameters():
    network = NETWORKS["deeplabv3plus-resnet101"]
    assert network.configured(output_stride=8).parameters == network.parameters


@pytest.mark.parametrize("name", SMALL)
def test_graphs_are_valid_and_say_what_they_are(name):
    network = NETWORKS[name]
    model = network.to_onnx(network.seeded(3), outputs="all", source="seed 3")
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["input"]
    assert tuple(value.name for value in model.graph.output) == network.outputs
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert first.dim_param == "batch"
    assert model.producer_name == "trimatte"
    properties = {p.key: p.value for p in model.metadata_props}
    assert properties == {"network": name, "weights": "seed 3", "precision": "fp32"}


@pytest.mark.parametrize("name", SMALL)
def test_batch_norm_is_folded_away(name):
    network = NETWORKS[name]
    graph = network.to_onnx(network.seeded(0), outputs="all").graph
    layers = sum(len(p.shape) in (2, 4) for p in network.parameters)
    operators = [node.op_type for node in graph.node]
    assert operators.count("Conv") == layers
    assert "BatchNormalization" not in operators


def test_the_matte_alone_brings_no_layer_of_training():
    network = NETWORKS["modnet"]
    graph = network.to_onnx(network.seeded(0)).graph
    assert [value.name for value in graph.output] == ["output"]
    assert not any("conv_lr.layers" in tensor.name for tensor in graph.initializer)
    assert not any("hr_branch.conv_hr." in node.name for node in graph.node)


@pytest.mark.parametrize("name", SMALL)
def test_the_seeded_output_varies_over_an_image(name):
    network = NETWORKS[name]
    (result,) = run(network.to_onnx(network.seeded(0), size=(128, 128)), image(128, 128, batch=1))
    assert np.isfinite(result).all()
    assert result[0, 0].std() > 0.02


def test_packages_are_imported_when_they_are_needed():
    code = "import sys, trimatte.engines.networks; print({'torch', 'onnx'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_without_onnx_the_message_says_what_to_install(monkeypatch):
    network = NETWORKS["u2netp"]
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        EngineError, match=r"pip install onnx, or trimatte with its extra \[export\]"
    ):
        network.to_onnx(network.seeded(0))


@pytest.mark.parametrize(
    "arguments",
    [{"size": (0, 320)}, {"size": (320,)}, {"size": "large"}, {"size": 320}, {"outputs": "some"}],
)
def test_wrong_arguments_of_to_onnx(arguments):
    network = NETWORKS["u2netp"]
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        network.to_onnx(network.seeded(0), **arguments)


def test_images_that_are_too_small():
    network = NETWORKS["deeplabv3plus-mobilenetv2"]
    with pytest.raises(ArgumentError, match="leaves nothing"):
        network.to_onnx(network.seeded(0), size=(2, 64))


@pytest.mark.parametrize(
    "options", [{"classes": 0}, {"classes": 2.5}, {"output_stride": 4}, {"colour": "red"}]
)
def test_options_that_a_network_does_not_have(options):
    with pytest.raises(ArgumentError, match="deeplabv3plus-mobilenetv2 cannot have the options"):
        NETWORKS["deeplabv3plus-mobilenetv2"].configured(**options)


def test_a_network_of_other_widths_is_a_few_lines():
    widths = Widths(encoder=((4, 8),) * 6, decoder=((4, 8),) * 5)
    network = Network("mine", partial(u2net, widths=widths), size=(64, 64))
    assert network.parameter_count < NETWORKS["u2netp"].parameter_count / 20
    (result,) = run(network.to_onnx(network.seeded(0)), image(64, 64))
    assert result.shape == (2, 1, 64, 64)


# --- loading -----------------------------------------------------------------------------------


def test_weights_are_found_under_their_published_names():
    network = NETWORKS["modnet"]
    tensors = network.seeded(0)
    published = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if name.startswith("backbone."):
            published[f"lr_branch.{name}"] = tensor
    published["f_branch.conv_f2x.layers.1.bnorm.num_batches_tracked"] = np.array(7)
    loaded = network.load(published)
    assert list(loaded) == [parameter.name for parameter in network.parameters]
    assert all(np.array_equal(loaded[name], tensors[name]) for name in loaded)
    assert {tensor.dtype for tensor in loaded.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("outconv.bias"), "outconv.bias is missing"),
        (lambda w: w.update(fc=np.zeros(3)), "fc is not part of it"),
        (lambda w: w.update({"side1.bias": np.zeros(2)}), r"side1.bias is \(2,\), not \(1,\)"),
        (lambda w: w.update({"side1.bias": np.full(1, np.nan)}), "side1.bias .* finite float32"),
        (lambda w: w.update({"side1.bias": np.full(1, 1e300)}), "side1.bias .* finite float32"),
        (lambda w: w.update({"side1.bias": np.array(["a"])}), "side1.bias .* finite float32"),
        (lambda w: w.clear(), "and 683 more"),
    ],
)
def test_weights_of_another_network_are_refused(change, message):
    tensors = NETWORKS["u2netp"].seeded(0)
    change(tensors)
    with pytest.raises(EngineError, match=f"no weights of u2netp: .*{message}"):
        NETWORKS["u2netp"].load(tensors)


# --- half precision ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "loss"), [("u2netp", 2e-3), ("modnet", 2e-2), ("deeplabv3plus-mobilenetv2", 2e-2)]
)
def test_half_precision_loses_little(name, loss):
    model = NETWORKS[name].to_onnx(weights(name), size=(64, 96), outputs="all")
    half = to_half(model)
    onnx.checker.check_model(half, full_check=True)
    assert half.ByteSize() < 0.55 * model.ByteSize()
    for result, expected in zip(run(half, image()), run(model, image()), strict=True):
        assert result.dtype == np.float32
        difference = np.abs(result - expected).max()
        assert 0 < difference < loss


def test_half_stored_is_computed_as_before():
    network = NETWORKS["u2netp"]
    model = network.to_onnx(weights("u2netp"), size=(64, 96))
    stored = store_half(model)
    onnx.checker.check_model(stored, full_check=True)
    assert stored.ByteSize() < 0.55 * model.ByteSize()
    rounded = {
        tensor.name: onnx.numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
        for tensor in model.graph.initializer
        if len(tensor.dims) > 1
    }
    for tensor in model.graph.initializer:
        if tensor.name in rounded:
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded[tensor.name], tensor.name))
    np.testing.assert_array_equal(run(stored, image()), run(model, image()))
    assert ModelFile(stored.SerializeToString()).precision == "fp32"

    loaded = load_stored(stored)
    assert loaded.graph.node == model.graph.node
    assert {t.name: t.raw_data for t in loaded.graph.initializer} == {
        t.name: t.raw_data for t in model.graph.initializer
    }
    assert load_stored(model) == model
    assert ModelFile(to_half(stored).SerializeToString()).precision == "fp16"


def test_what_else_a_stored_weight_is_for_stays():
    """It is cast, and an output as it is."""
    text = """
    <ir_version: 8, opset_import: ["" : 18]>
    g (float[2] x) => (float[2] y, float16[2] w) <float16[2] w = {1, 2}> {
      single = Cast <to: int = 1> (w)
      y = Mul(x, single)
    }
    """
    model = onnx.parser.parse_model(text)
    loaded = load_stored(model)
    onnx.checker.check_model(loaded, full_check=True)
    assert {t.name for t in loaded.graph.initializer} == {"w", "single"}
    assert [node.op_type for node in loaded.graph.node] == ["Mul"]


def conversion_model(bound=1.0):
    """Two layers, a mean and a loose constant, of which the second layer is the last."""
    text = """
    <ir_version: 8, opset_import: ["" : 18]>
    g (float[N, 4, 8, 8] x) => (float[N, 2, M, L] y)
    <float[4, 4, 1, 1] a, float[2, 4, 1, 1] b, float tiny>
    {
      first = Conv(x, a)
      shifted = Add(first, tiny)
      mean = GlobalAveragePool(shifted)
      y = Conv(mean, b)
    }
    """
    model = onnx.parser.parse_model(text)
    for node in model.graph.node:
        node.name = node.output[0]
    arrays = {"a": np.eye(4)[:, :, None, None] * bound, "b": np.ones((2, 4, 1, 1)), "tiny": 1e-3}
    for name, array in arrays.items():
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.asarray(array, np.float32), name)
        )
    return model


def types_of(model):
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def test_half_precision_goes_where_it_is_enough():
    model = to_half(conversion_model())
    types = types_of(model)
    half, full = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    weights = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert weights == {"b": full, "a.half": half, "tiny.half": half}
    assert (types["x"], types["first"], types["shifted"]) == (full, half, half)
    assert (types["mean"], types["y"]) == (full, full)


def test_what_is_named_stays_in_float32():
    for keep in ("first", "Conv"):
        types = types_of(to_half(conversion_model(), keep=[keep]))
        assert types["first"] == onnx.TensorProto.FLOAT
        assert types["shifted"] == onnx.TensorProto.FLOAT16
    with pytest.raises(ArgumentError, match="third"):
        to_half(conversion_model(), keep=["third"])


def test_inputs_and_outputs_become_half_on_demand():
    half = to_half(conversion_model(), keep_io=False)
    onnx.checker.check_model(half, full_check=True)
    types = types_of(half)
    assert types["x"] == types["y"] == onnx.TensorProto.FLOAT16
    assert run_first(half, np.ones((1, 4, 8, 8), np.float16)).dtype == np.float16


def run_first(model, batch):
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: batch})[0]


def test_weights_out_of_range_stay_in_float32():
    model = conversion_model(bound=1e5)
    half = to_half(model)
    assert types_of(half)["first"] == onnx.TensorProto.FLOAT
    batch = np.full((1, 4, 8, 8), 1e-2, np.float32)
    np.testing.assert_allclose(run_first(half, batch), run_first(model, batch), rtol=1e-3)


def test_constants_that_would_vanish_keep_float32():
    model = conversion_model()
    model.graph.initializer[2].CopyFrom(
        onnx.numpy_helper.from_array(np.array(1e-9, np.float32), "tiny")
    )
    assert types_of(to_half(model))["shifted"] == onnx.TensorProto.FLOAT


def test_a_sample_keeps_large_maps_in_float32():
    model = conversion_model(bound=1e3)
    batch = np.full((1, 4, 8, 8), 100.0, np.float32)
    assert types_of(to_half(model))["first"] == onnx.TensorProto.FLOAT16
    assert types_of(to_half(model, sample={"x": batch / 1e3}))["first"] == onnx.TensorProto.FLOAT16
    careful = to_half(model, sample={"x": batch})
    assert types_of(careful)["first"] == onnx.TensorProto.FLOAT
    np.testing.assert_allclose(run_first(careful, batch), run_first(model, batch), rtol=1e-3)
    with pytest.raises(EngineError, match="sample"):
        to_half(model, sample={"x": batch[:, :3]})


def test_branches_keep_what_they_read_in_float32():
    model = onnx.parser.parse_model("""
    <ir_version: 8, opset_import: ["" : 18]>
    g (float[4] x, bool c) => (float[4] y)
    {
      doubled = Add(x, x)
      chosen = If (c) <
        then_branch = yes () => (float[4] p) { p = Neg(doubled) },
        else_branch = no () => (float[4] q) { q = Identity(doubled) }
      >
      more = Add(chosen, chosen)
      y = Identity(more)
    }
    """)
    half = to_half(model)
    onnx.checker.check_model(half, full_check=True)
    assert types_of(half)["doubled"] == onnx.TensorProto.FLOAT


def test_a_model_of_another_kind_is_left_as_it_is():
    model = onnx.parser.parse_model("""
    <ir_version: 8, opset_import: ["" : 18]>
    g (int64[4] x) => (int64[4] y) { y = Add(x, x) }
    """)
    assert to_half(model).graph == model.graph


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", SMALL)
def test_tensorrt_builds_an_engine(name, precision):
    tensorrt = pytest.importorskip("tensorrt_rtx")
    network = NETWORKS[name]
    model = network.to_onnx(network.seeded(0), size=(128, 128))
    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    builder = tensorrt.Builder(logger)
    definition = builder.create_network(
        1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    )
    parser = tensorrt.OnnxParser(definition, logger)
    parsed = parser.parse((to_half(model) if precision == "fp16" else model).SerializeToString())
    assert parsed, [str(parser.get_error(n)) for n in range(parser.num_errors)]
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("input", *((batch, 3, 128, 128) for batch in (1, 2, 4)))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(definition, config)
    assert plan is not None
    assert plan.nbytes > 2 * network.parameter_count


# --- export ------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_export_of_a_checkpoint(tmp_path, precision):
    network = NETWORKS["u2netp"]
    np.savez(tmp_path / "mine.npz", **network.seeded(5))
    path = export(
        "u2netp", tmp_path / "a.onnx", checkpoint=tmp_path / "mine.npz", precision=precision
    )
    assert path == tmp_path / "a.onnx"
    model = onnx.load(path)
    properties = {p.key: p.value for p in model.metadata_props}
    assert properties == {"network": "u2netp", "weights": "mine.npz", "precision": precision}
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.onnx", "mine.npz"}


def test_the_lite_network_is_small_and_cheap(tmp_path):
    path = export("u2net-lite", tmp_path / "a.onnx", seed=0, storage="fp16")
    assert path.stat().st_size < 5e6
    work = {name: multiplications(NETWORKS[name]) for name in ("u2netp", "u2net-lite")}
    assert work["u2netp"] == pytest.approx(19.76e9, rel=1e-3)
    assert work["u2net-lite"] < work["u2netp"] / 3


def multiplications(network):
    """Of its convolutions, for one image."""
    weights = network.to_onnx(network.seeded(0))
    maps = onnx.shape_inference.infer_shapes(weights).graph.value_info
    sides = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim[2:]] for v in maps}
    filters = {tensor.name: int(np.prod(tensor.dims)) for tensor in weights.graph.initializer}
    return sum(
        filters[node.input[1]] * int(np.prod(sides[node.output[0]]))
        for node in weights.graph.node
        if node.op_type == "Conv"
    )


def test_export_of_other_options(tmp_path):
    network = NETWORKS["deeplabv3plus-mobilenetv2"].configured(classes=2)
    model = onnx.load(export(network, str(tmp_path / "a.onnx"), seed=0, size=(64, 64)))
    sides = model.graph.output[0].type.tensor_type.shape.dim
    assert [side.dim_value for side in sides[1:]] == [2, 64, 64]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"network": "u3net", "seed": 0}, "deeplabv3plus-resnet101"),
        ({"network": "u2netp"}, "checkpoint or seed"),
        ({"network": "u2netp", "seed": 0, "checkpoint": "a"}, "checkpoint or seed"),
        ({"network": "u2netp", "seed": 0, "precision": "int8"}, "precision"),
        ({"network": "u2netp", "seed": 0, "storage": "int8"}, "storage"),
    ],
)
def test_wrong_arguments_of_export(tmp_path, arguments, named):
    with pytest.raises(ArgumentError, match=named):
        export(path=tmp_path / "a.onnx", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(EngineError, match="No space left"):
        export("u2netp", path, seed=0)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.onnx"]


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(EngineError, match="cannot write"):
        export("u2netp", tmp_path / "missing" / "a.onnx", seed=0)

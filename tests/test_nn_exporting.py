"""Exported models: equal outputs in every form, what the files hold, and what is refused."""

import logging
from collections import OrderedDict

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import graphprune
from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.models import build_model
from graphprune.nn import exporting, onnx_check
from graphprune.nn.compact_layers import BlockConv1d, BlockConv2d, KeptConv2d
from graphprune.nn.compact_linear import BlockLinear
from graphprune.nn.compaction import compact, compact_layers
from graphprune.nn.export_form import export_form, export_twin
from graphprune.nn.export_layers import (
    DenseForm,
    DepthwiseForm,
    GroupedForm,
    TransposedForm,
    halves,
    mirrors,
)
from graphprune.nn.exporting import export_onnx
from graphprune.nn.onnx_folding import fold_batch_norms


def draw_parameters(layer, seed=0):
    """Random parameters and batch statistics, in evaluation mode."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=rng) + 0.5 * ("var" in name))
                tensor.sub_(0.0 if "norm" in name else 0.5)
    return layer.eval()


def sources(groups, fan_in, channels, seed):
    rng = torch.Generator().manual_seed(seed)
    rows = [torch.randperm(channels, generator=rng)[:fan_in] for _ in range(groups)]
    return torch.stack(rows).sort(1).values


@st.composite
def convolutions(draw):
    """A compact convolution with random weights, and an input it accepts."""
    axes = draw(st.sampled_from([1, 2]))
    groups, width, fan_in = draw(st.tuples(*[st.integers(1, 4)] * 3))
    channels, kernel = fan_in + draw(st.integers(0, 3)), draw(st.integers(1, 5))
    dilation, seed = draw(st.integers(1, 2)), draw(st.integers(0, 999))
    layer = (BlockConv1d if axes == 1 else BlockConv2d)(
        channels,
        groups * width,
        kernel,
        sources(groups, fan_in, channels, seed),
        stride=draw(st.integers(1, 3)),
        padding=draw(st.integers(0, (kernel + 1) // 2)),
        dilation=dilation,
        padding_mode=draw(st.sampled_from(["zeros", "circular"])),
        bias=draw(st.booleans()),
    )
    sides = draw(st.tuples(*[st.integers(dilation * (kernel - 1) + 1, 12)] * axes))
    input = torch.randn(2, channels, *sides, generator=torch.Generator().manual_seed(seed))
    return draw_parameters(layer, seed), input


@settings(max_examples=60)
@given(convolutions())
def test_every_form_computes_what_the_compact_layer_computes(case):
    layer, input = case
    forms = [DenseForm, GroupedForm, DepthwiseForm]
    forms += [TransposedForm] if mirrors(layer) or halves(layer) else []
    with torch.no_grad():
        expected = layer(input)
        for form in forms:
            torch.testing.assert_close(form(layer)(input), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(export_twin(layer)(input), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("side", "rows", "columns"), [(1, 5, 6), (3, 7, 6), (5, 8, 5)])
def test_strided_kernels_are_split_into_phases(side, rows, columns):
    layer = BlockConv2d(6, 8, side, sources(2, 3, 6, 1), stride=2, padding=side // 2)
    assert halves(draw_parameters(layer))
    input = torch.randn(2, 6, rows, columns, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(TransposedForm(layer)(input), layer(input))


@pytest.mark.parametrize("layout", ["grouped", "dense", "direct"])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_twins_keep_their_layout_and_outputs(layout, bias):
    layer = BlockLinear(12, 8, sources(4, 3, 12, 0), layout=layout, bias=bias)
    twin, input = export_twin(draw_parameters(layer)), torch.randn(2, 5, 12)
    assert isinstance(twin, nn.Linear) == (layout == "dense")
    with torch.no_grad():
        torch.testing.assert_close(twin(input), layer(input))


def test_kept_convolutions_become_dense_ones_with_their_groups():
    layer = draw_parameters(KeptConv2d(4, 6, 3, torch.tensor([0, 7, 50, 107]), groups=2))
    twin, input = export_twin(layer), torch.randn(2, 4, 5, 5)
    assert twin.weight.shape == (6, 2, 3, 3) and twin.weight.count_nonzero() == 4
    with torch.no_grad():
        torch.testing.assert_close(twin(input), layer(input))


@pytest.mark.parametrize(
    ("width", "fan_in", "channels", "kernel", "stride", "form"),
    [
        (1, 6, 64, 3, 1, "depthwise"),
        (1, 16, 64, 3, 1, "dense"),
        (2, 12, 128, 3, 1, "transposed"),
        (4, 24, 256, 3, 1, "transposed"),
        (4, 200, 256, 3, 1, "dense"),
        (32, 64, 512, 3, 1, "grouped"),
        (2, 6, 64, 3, 2, "dense"),
        (4, 12, 128, 3, 2, "transposed"),
        (8, 24, 256, 3, 2, "grouped"),
        (2, 6, 64, 1, 2, "dense"),
        (8, 24, 256, 1, 1, "grouped"),
    ],
)
def test_form_of_measured_layers(width, fan_in, channels, kernel, stride, form):
    assert form == export_form(
        width=width,
        fan_in=fan_in,
        in_channels=channels,
        kernel=(kernel, kernel),
        stride=(stride, stride),
    )


class Residual(nn.Module):
    """Convolutions of every form with normalizations behind and around them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(16)
        self.one = nn.Conv2d(16, 16, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(16)
        self.wide = nn.Conv2d(16, 128, 3, padding=1, stride=2, bias=False)
        self.norm3 = nn.BatchNorm2d(128)
        self.many = nn.Conv2d(128, 64, 3, padding=1, stride=2)
        self.norm4 = nn.BatchNorm2d(64)
        self.same = nn.Conv2d(64, 64, 3, padding=1, bias=False)
        self.norm5 = nn.BatchNorm2d(64)
        self.shortcut = nn.Conv2d(128, 64, 1, stride=2)
        self.norm6 = nn.BatchNorm2d(64)
        self.classifier = nn.Linear(64, 5)

    def forward(self, input):
        """(batch, 3, 9, 9) -> (batch, 5)."""
        out = self.norm1(self.stem(input)).relu()
        out = self.norm2(self.one(out)).relu()
        wide = self.norm3(self.wide(out)).relu()
        out = self.norm5(self.same(self.norm4(self.many(wide)).relu()))
        out = self.norm6(self.shortcut(wide) + out)
        return self.classifier(out.relu().mean((2, 3)))


@pytest.fixture(scope="module")
def masked():
    model = draw_parameters(Residual())
    return graphprune.prune(model, graphprune.plan(model, nodes=16, degree=2))


@pytest.fixture(scope="module")
def images():
    return torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def exported(masked, images, tmp_path_factory):
    """A compact model in training mode, its state before, its report and its graph."""
    small = compact(masked).train()
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    report = export_onnx(small, tmp_path_factory.mktemp("onnx") / "new" / "m.onnx", images)
    return small, before, report, onnx.load(report.path)


def test_export_agrees_with_the_masked_model_for_batches_it_never_saw(exported, masked):
    _, _, report, _ = exported
    session = onnxruntime.InferenceSession(report.path)
    for batch in (1, 2, 5):
        input = torch.randn(batch, 3, 9, 9, generator=torch.Generator().manual_seed(batch))
        (found,) = session.run(None, {session.get_inputs()[0].name: input.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, masked(input).numpy(), atol=1e-4)


def test_report_tells_what_the_file_holds(exported):
    _, _, report, proto = exported
    assert report.batches == (1, 3) and 0 <= report.max_abs_error <= 1e-4
    assert report.bytes == report.path.stat().st_size and report.opset == 18
    assert sum(report.nodes.values()) == len(proto.graph.node)
    assert "BatchNormalization" not in report.nodes  # folded, the one behind a sum too
    assert {"Conv", "ConvTranspose", "SpaceToDepth", "Gather"} <= report.nodes.keys()


def test_file_is_of_stock_operators_and_tells_nothing_of_this_machine(exported):
    small, _, report, proto = exported
    onnx.checker.check_model(proto, full_check=True)
    assert {node.domain for node in proto.graph.node} == {""}
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert proto.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert b"site-packages" not in report.path.read_bytes()
    used = {name for node in proto.graph.node for name in node.input}
    assert {tensor.name for tensor in proto.graph.initializer} <= used
    dense = sum(layer.dense_weight().numel() for layer in compact_layers(small).values())
    assert sum(np.prod(tensor.dims) for tensor in proto.graph.initializer) < dense / 2


def test_model_is_left_as_it_was(exported):
    small, before, _, _ = exported
    assert small.training and small.one.training and small.norm1.training
    assert all(layer.weight.requires_grad for layer in compact_layers(small).values())
    after = small.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_masked_model_with_a_fixed_batch_and_in_silence(masked, images, tmp_path, capfd):
    twice = torch.cat([images, -images])
    report = export_onnx(masked, tmp_path / "m.onnx", twice, dynamic_batch=False, opset=20)
    assert report.batches == (2,) and report.max_abs_error <= 1e-4
    assert "Gather" not in report.nodes  # masks are folded in, nothing is looked up
    assert onnx.load(report.path).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 2
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == 0


def test_outputs_that_differ_are_refused_and_leave_no_file(monkeypatch, exported, tmp_path):
    small, _, _, proto = exported
    monkeypatch.setattr(exporting, "_traced", lambda *_: damaged(proto))
    monkeypatch.setattr(exporting, "fold_batch_norms", lambda _: 0)
    path = tmp_path / "m.onnx"
    with pytest.raises(MismatchError, match=r"differ by .* in a batch of 1, more than"):
        export_onnx(small, path, torch.ones(1, 3, 9, 9))
    assert not list(tmp_path.iterdir())
    unchecked = export_onnx(small, path, torch.ones(1, 3, 9, 9), check=False)
    assert unchecked.max_abs_error is None and unchecked.batches == () and path.exists()


def damaged(proto):
    """A copy with one weight of the classifier changed."""
    copied = onnx.ModelProto()
    copied.CopyFrom(proto)
    bias = next(t for t in copied.graph.initializer if list(t.dims) == [5])
    values = onnx.numpy_helper.to_array(bias) + np.float32(0.01)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    return copied


def test_operators_outside_the_standard_are_refused(monkeypatch, exported, tmp_path):
    small, _, _, proto = exported
    foreign = onnx.ModelProto()
    foreign.CopyFrom(proto)
    foreign.graph.node[0].domain = "com.example"
    monkeypatch.setattr(exporting, "_traced", lambda *_: foreign)
    with pytest.raises(SpecError, match=r"standard set: com\.example::"):
        export_onnx(small, tmp_path / "m.onnx", torch.ones(1, 3, 9, 9))


class Branches(nn.Linear):
    """Does another thing for another input, which no trace can follow."""

    def forward(self, input):
        """(batch, 4) -> (batch, 4)."""
        return super().forward(input) if input.sum() > 0 else input


class OneRow(nn.Linear):
    """Only right for the batch that it was written for."""

    def forward(self, input):
        """(3, 4) -> (3, 4)."""
        return super().forward(input).view(3, 4)


@pytest.mark.parametrize(
    ("model", "example", "options", "message"),
    [
        (nn.Linear(4, 4), torch.ones(1, 5), {}, r"does not accept input of shape \(1, 5\)"),
        (nn.Linear(4, 4), torch.ones(0, 4), {}, "holds at least one input"),
        (nn.Linear(4, 4), torch.tensor(1.0), {}, "holds at least one input"),
        (nn.Linear(4, 4), torch.ones(1, 4), {"opset": 12}, r"opset must be in \[18, 23\]"),
        (Branches(4, 4), torch.ones(2, 4), {}, "cannot be traced with a batch of any size"),
        (OneRow(4, 4), torch.ones(3, 4), {}, r"does not accept input of shape \(1, 4\)"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    model, example, options, message, tmp_path
):
    with pytest.raises(SpecError, match=message) as caught:
        export_onnx(model, tmp_path / "m.onnx", example, **options)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_model_that_cannot_be_copied_is_refused(tmp_path):
    model = nn.Linear(4, 4)
    torch.nn.utils.prune.l1_unstructured(model, "weight", 0.5)
    model(torch.ones(1, 4))
    with pytest.raises(SpecError, match="the model cannot be copied: RuntimeError"):
        export_onnx(model, tmp_path / "m.onnx", torch.ones(1, 4))


def test_paths_that_cannot_be_written(monkeypatch, exported, tmp_path):
    small, _, _, proto = exported
    monkeypatch.setattr(exporting, "_traced", lambda *_: proto)
    (tmp_path / "file").write_text("")
    for path, message in ((tmp_path, "is a folder"), (tmp_path / "file" / "m.onnx", "written")):
        with pytest.raises(FileError, match=message):
            export_onnx(small, path, torch.ones(1, 3, 9, 9), check=False)


def test_missing_packages_name_the_extra_that_brings_them(monkeypatch, tmp_path):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"onnx and onnxscript.*pip install graphprune\[onnx\]"):
        export_onnx(nn.Linear(4, 4), tmp_path / "m.onnx", torch.ones(1, 4))


class Nothing(nn.Module):
    """Returns no tensor."""

    def forward(self, input):
        """Anything -> None, in a dictionary."""
        return {"none": None}


def test_outputs_are_taken_in_order_and_must_be_tensors():
    nested = onnx_check.outputs_of(nn.LSTM(2, 3), torch.ones(4, 2))
    assert [array.shape for array in nested] == [(4, 3), (1, 3), (1, 3)]
    with pytest.raises(SpecError, match="returns no tensor"):
        onnx_check.outputs_of(Nothing(), torch.ones(1))


def test_files_that_the_run_time_refuses():
    with pytest.raises(MismatchError, match="ONNX Runtime refuses the export"):
        onnx_check.largest_error(b"damaged", {1: torch.ones(1)}, {1: [np.ones(1)]})


def norm_graph(readers):
    """x -> ConvTranspose in two groups (3 channels each) -> norm; others read in between."""
    rng = np.random.default_rng(0)
    tensors = {"w": rng.normal(size=(4, 3, 2, 2)), "scale": rng.normal(size=6)}
    tensors |= {"shift": rng.normal(size=6), "mean": rng.normal(size=6), "var": np.full(6, 4.0)}
    make = onnx.helper
    nodes = [
        make.make_node("ConvTranspose", ["x", "w"], ["y"], group=2),
        make.make_node("BatchNormalization", ["y", "scale", "shift", "mean", "var"], ["z"]),
        *(make.make_node("Relu", ["y"], [f"r{number}"]) for number in range(readers)),
    ]
    kind = onnx.TensorProto.FLOAT
    names = ["z", *(f"r{number}" for number in range(readers))]
    graph = make.make_graph(
        nodes,
        "graph",
        [make.make_tensor_value_info("x", kind, [1, 4, 3, 3])],
        [make.make_tensor_value_info(name, kind, [1, 6, 4, 4]) for name in names],
        [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in tensors.items()],
    )
    return make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(("readers", "folded"), [(0, 1), (1, 0)])
def test_folding_keeps_outputs_and_spares_what_others_read(readers, folded):
    model, input = norm_graph(readers), np.random.default_rng(1).normal(size=(1, 4, 3, 3))
    before, after = (run(model, input), fold_batch_norms(model), run(model, input))[::2]
    for ours, theirs in zip(after, before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    assert len(norms) == 1 - folded


def run(model, input):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": input.astype(np.float32)})


def network(name):
    """A network of the model zoo, or an encoder, and an input of two rows."""
    if name == "encoder":
        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        return nn.Sequential(OrderedDict(encoder=encoder)), torch.randn(2, 5, 64)
    channels = 1 if name == "mlp" else 3
    model = build_model(name, classes=4, in_channels=channels, size=16)
    return model, torch.randn(2, channels, 16, 16)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("resnet18", "vgg16")]


@pytest.mark.parametrize("name", ["resnet8-wide", "mlp", "encoder", *SLOW])
def test_compact_models_pass_export_and_fullgraph_tracing(name):
    model, input = network(name)
    masked = graphprune.prune(model, graphprune.plan(model, nodes=16, degree=2)).eval()
    small, more = compact(masked), torch.cat([input, input.flip(0), input])
    with torch.no_grad():
        expected = masked(more)
        axes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(small, (input,), dynamic_shapes=axes)
        torch.testing.assert_close(program.module()(more), expected, atol=1e-4, rtol=1e-4)
        compiled = torch.compile(small, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(more), expected, atol=1e-4, rtol=1e-4)

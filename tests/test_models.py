"""The networks: shapes, parameter counts from arithmetic of our own, and initial weights."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from graphprune.errors import SpecError
from graphprune.models import BUILTIN as MODELS
from graphprune.models.perceptron import mlp
from graphprune.models.residual import Residual, Subsample, basic, basic_subsampled

SHAPES_ONLY = torch.device("meta")  # as a context: tensors without numbers
SIDES = dict.fromkeys(MODELS, 8) | {"mlp": 32, "resnet50-224": 64, "vgg16": 32, "vgg16-bn": 32}


pytestmark = pytest.mark.usefixtures("one_thread")


def conv(i, o, kernel):
    """Weights of a bias-free convolution and its batch normalisation."""
    return i * o * kernel**2 + 2 * o


def basic_stage(i, o, blocks, *, projection):
    count = conv(i, o, 3) + conv(o, o, 3) * (2 * blocks - 1)
    return count + (conv(i, o, 1) if projection else 0)


def thin(blocks, width, classes):
    stages = [
        basic_stage(a * width, b * width, blocks, projection=False)
        for a, b in ((1, 1), (1, 2), (2, 4))
    ]
    return conv(3, width, 3) + sum(stages) + (4 * width + 1) * classes


def bottlenecks(i, inner, blocks):
    first = conv(i, inner, 1) + conv(inner, inner, 3) + conv(inner, 4 * inner, 1)
    rest = conv(4 * inner, inner, 1) + conv(inner, inner, 3) + conv(inner, 4 * inner, 1)
    return first + conv(i, 4 * inner, 1) + (blocks - 1) * rest


def resnet50_count(stem_kernel, classes):
    stages = ((64, 64, 3), (256, 128, 4), (512, 256, 6), (1024, 512, 3))
    return conv(3, 64, stem_kernel) + sum(bottlenecks(*s) for s in stages) + 2049 * classes


def resnet18_count(classes):
    stages = ((64, 64, False), (64, 128, True), (128, 256, True), (256, 512, True))
    body = sum(basic_stage(i, o, 2, projection=p) for i, o, p in stages)
    return conv(3, 64, 3) + body + 513 * classes


def vgg16_count(classes):
    widths = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    body = sum(conv(i, o, 3) for i, o in itertools.pairwise(widths))
    return body + 513 * classes


COUNTS = {
    "mlp": (1_842_186, 3072 * 512 + 512**2 + 4 * 512 + 5130),
    "resnet8-strided": (298_026, thin(1, 32, 10)),
    "resnet8-wide": (298_026, thin(1, 32, 10)),
    "resnet18": (11_173_962, resnet18_count(10)),
    "resnet20": (269_722, thin(3, 16, 10)),
    "resnet32": (464_154, thin(5, 16, 10)),
    "resnet50": (23_520_842, resnet50_count(3, 10)),
    "resnet50-224": (23_528_522, resnet50_count(7, 10)),
    "resnet56": (853_018, thin(9, 16, 10)),
    "vgg16": (14_724_042, vgg16_count(10)),
    "vgg16-bn": (14_724_042, vgg16_count(10)),
}


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_tables_cover_every_model():
    assert set(COUNTS) == set(SIDES) == set(MODELS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_are_the_published_ones(name):
    published, ours = COUNTS[name]
    assert published == ours
    with SHAPES_ONLY:
        assert parameters(MODELS[name]()) == published


def test_resnet50_for_1000_classes_is_as_large_as_torchvision_s():
    assert resnet50_count(7, 1000) == 25_557_032
    with SHAPES_ONLY:
        assert parameters(MODELS["resnet50-224"](classes=1000)) == 25_557_032


@pytest.mark.parametrize("name", MODELS)
def test_logits_for_each_image_and_gradients_for_each_parameter(name):
    torch.manual_seed(0)
    model = MODELS[name](classes=7, in_channels=2)
    images = torch.randn(3, 2, SIDES[name], SIDES[name])

    logits = model(images)
    nn.functional.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()

    assert logits.shape == (3, 7)
    for label, parameter in model.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.any(), label


@pytest.mark.parametrize("name", ["mlp", "resnet8-wide", "resnet18", "resnet50"])
def test_copies_are_equal_and_independent(name):
    torch.manual_seed(1)
    model = MODELS[name]().eval()
    twin = copy.deepcopy(model)
    image = torch.randn(1, 3, SIDES[name], SIDES[name])
    with torch.inference_mode():
        before = model(image)
        assert torch.equal(twin(image), before)
        twin.classifier.bias.add_(1)
        assert torch.equal(model(image), before)


@pytest.mark.parametrize("name", ["mlp", "resnet8-wide", "resnet20", "vgg16"])
def test_weights_come_from_the_global_seed_and_nothing_else(name):
    def weights(seed):
        torch.manual_seed(seed)
        state = MODELS[name]().state_dict()
        assert torch.initial_seed() == seed
        return state

    first, again, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "vgg16"])
def test_convolutions_start_he_normal_and_normalisation_neutral(name):
    torch.manual_seed(0)
    convolutions = 0
    for module in MODELS[name]().modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            convolutions += 1
            deviation = math.sqrt(2 / (module.out_channels * module.kernel_size[0] ** 2))
            assert module.weight.std().item() == pytest.approx(deviation, rel=0.06)
            assert module.weight.abs().max() > 2.5 * deviation  # a uniform draw ends at 1.73
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()
    assert convolutions >= 10


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"classes": 1}, "classes must be at least 2, got classes=1"),
        ({"in_channels": 0}, "in_channels must be at least 1, got in_channels=0"),
    ],
)
def test_useless_counts_are_refused(name, request_, message):
    with pytest.raises(SpecError, match=f"^{message}$"):
        MODELS[name](**request_)


@pytest.mark.parametrize("wrong", ["size", "width", "depth"])
def test_the_perceptron_names_its_wrong_count(wrong):
    with pytest.raises(SpecError, match=f"^{wrong} must be at least 1, got {wrong}=-2$"):
        mlp(**{wrong: -2})


def test_the_perceptron_has_as_many_weight_layers_as_its_depth():
    for depth in (1, 2, 5):
        model = mlp(in_channels=1, size=8, width=16, depth=depth)
        shapes = [tuple(m.weight.shape) for m in model.modules() if isinstance(m, nn.Linear)]
        inputs = [64] + [16] * (depth - 1)
        assert shapes == list(zip([16] * (depth - 1) + [10], inputs, strict=True))


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet8-strided", 8),
        ("resnet8-wide", 8),
        ("resnet20", 20),
        ("resnet32", 32),
        ("resnet56", 56),
    ],
)
def test_thin_networks_have_6n_plus_2_layers_and_no_projection(name, layers):
    with SHAPES_ONLY:
        modules = list(MODELS[name]().modules())
    kernels = [m.kernel_size for m in modules if isinstance(m, nn.Conv2d)]
    assert len(kernels) + 1 == layers
    assert set(kernels) == {(3, 3)}


SHAPES = {
    "resnet20": (32, [(16, 32), (16, 32), (32, 16), (64, 8)]),
    "resnet8-strided": (28, [(32, 14), (32, 14), (64, 7), (128, 4)]),
    "resnet8-wide": (8, [(32, 8), (32, 8), (64, 4), (128, 2)]),
    "resnet18": (32, [(64, 32), (64, 32), (128, 16), (256, 8), (512, 4)]),
    "resnet50": (16, [(64, 16), (256, 16), (512, 8), (1024, 4), (2048, 2)]),
    "resnet50-224": (64, [(64, 16), (256, 16), (512, 8), (1024, 4), (2048, 2)]),
    "vgg16": (28, [(64, 14), (128, 7), (256, 4), (512, 2), (512, 1)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_stages_widen_and_shrink_the_image_as_documented(name):
    side, expected = SHAPES[name]
    found = []
    with SHAPES_ONLY:
        values = torch.zeros(1, 3, side, side)
        for label, part in MODELS[name]().eval().named_children():
            values = part(values)
            if label.startswith(("stem", "stage")):
                assert values.shape[2] == values.shape[3]
                found.append((values.shape[1], values.shape[2]))
    assert found == expected


@pytest.mark.parametrize("name", [name for name in MODELS if name != "mlp"])
def test_image_networks_take_the_sides_of_all_data_sets(name):
    with SHAPES_ONLY:
        model = MODELS[name](in_channels=1).eval()
        shapes = [model(torch.zeros(1, 1, side, side)).shape for side in (8, 28)]
    assert shapes == [(1, 10), (1, 10)]


def test_option_a_keeps_every_second_pixel_between_channels_of_zeros():
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    output = Subsample(1, 4, stride=2)(image)
    zeros = [[0, 0], [0, 0]]
    assert output.tolist() == [[zeros, [[0, 2], [6, 8]], zeros, zeros]]
    assert not list(Subsample(1, 4, stride=2).parameters())


def test_a_residual_block_is_the_rectified_sum_of_branch_and_shortcut():
    block = Residual(nn.Linear(2, 2, bias=False), nn.Identity())
    with torch.no_grad():
        block.branch.weight.copy_(torch.tensor([[0.0, 1.0], [-3.0, 0.0]]))
    assert block(torch.tensor([[2.0, 5.0]])).tolist() == [[7.0, 0.0]]  # 5 + 2, -6 + 5


@pytest.mark.parametrize("block", [basic, basic_subsampled])
def test_a_block_that_changes_no_shape_has_an_identity_shortcut(block):
    assert isinstance(block(8, 8, 1).shortcut, nn.Identity)
    assert not isinstance(block(8, 16, 1).shortcut, nn.Identity)
    assert not isinstance(block(8, 8, 2).shortcut, nn.Identity)

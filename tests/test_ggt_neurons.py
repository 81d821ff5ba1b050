"""Neurons of toy networks: which norm reads which layer; switching and inverting by hand."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from ggt.neurons import neuron_layers, plain_copy
from ggt.pixel_models import PixelModel
from graphprune.errors import SpecError
from graphprune.models.resnet import resnet8_strided
from graphprune.nn import compact, masks_of, plan, prune, strip
from tests.toys import image_network


@pytest.fixture(autouse=True)
def seeded():
    """Initial weights of toys are the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def lively(model):
    """A model in evaluation mode whose norms do something: no zero means, no unit scales."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                for tensor in (module.running_mean, module.weight, module.bias):
                    if tensor is not None:
                        tensor.normal_()
                module.running_var.uniform_(0.5, 2)
    return model.eval()


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Branching(nn.Module):
    """Order of definition misleads here: `norm` stands behind `second` but reads `first`."""

    def __init__(self, hidden_branch=False):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.shared = nn.BatchNorm1d(4)
        self.hidden_branch = hidden_branch

    def forward(self, input):
        """(batch, 3) -> (batch, 4)."""
        if self.hidden_branch and input.sum() < 0:
            input = -input
        second = self.second(self.norm(self.first(input)).relu())
        return self.shared(second) + second


def norms(model):
    modules = {id(module): name for name, module in model.named_modules()}
    layers = neuron_layers(model, {})
    return {layer.name: layer.norm and modules[id(layer.norm)] for layer in layers}


def test_norms_are_found_by_following_the_values():
    assert norms(Branching()) == {"first": "norm", "second": None}


def test_norms_are_found_by_definition_where_values_cannot_be_followed():
    assert norms(Branching(hidden_branch=True)) == {"first": None, "second": "norm"}


def test_norms_of_another_width_are_nobodys():
    class Odd(nn.Sequential):
        def forward(self, input):
            return super().forward(input) if input.sum() > 0 else input

    model = nn.Sequential(Odd(nn.Linear(2, 3), nn.BatchNorm1d(2)))
    assert norms(model) == {"0.0": None}
    model = nn.Sequential(Odd(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    assert norms(model) == {"0.0": "0.1"}


def test_every_convolution_of_a_residual_network_has_its_norm_and_the_classifier_none():
    model = PixelModel(resnet8_strided(in_channels=1), [0.3], [0.3])
    found = norms(model)
    assert found["network.stem.conv"] == "network.stem.norm"
    assert found["network.stage2.0.branch.conv2"] == "network.stage2.0.branch.norm2"
    assert found.pop("network.classifier") is None
    assert len(found) == 7
    assert all(found.values())


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_inverting_changes_the_sign_exactly_and_of_one_output_only(affine, bias):
    model = nn.Sequential(nn.Conv2d(2, 3, 3, bias=bias), nn.BatchNorm2d(3, affine=affine))
    images = drawn(5, 2, 6, 6)
    before = lively(model)(images)
    neuron_layers(model, {})[0].invert(1)
    after = model(images)
    assert torch.allclose(after[:, 1], -before[:, 1], atol=1e-5)
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])


@pytest.mark.parametrize("affine", [True, False])
def test_switching_exchanges_two_outputs_exactly(affine):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=affine))
    inputs = drawn(6, 3)
    before = lively(model)(inputs)
    neuron_layers(model, {})[0].switch(0, 3)
    assert torch.equal(model(inputs), before[:, [3, 1, 2, 0]])


def test_plain_copies_of_masked_and_compact_models_compute_the_same():
    network = image_network(classes=3, in_channels=1)
    masked = prune(network, plan(network, nodes=16, degree=4)).eval()
    small = compact(masked)
    images = drawn(2, 1, 8, 8)
    for model in (masked, small, PixelModel(small, [0.0], [1.0])):
        plain, kept = plain_copy(model)
        assert not any(parametrize.is_parametrized(part) for part in plain.modules())
        assert torch.allclose(plain(images), masked(images), atol=1e-5)
        ((name, mask),) = kept.items()
        assert name.endswith("body")
        assert torch.equal(mask, masks_of(masked)["body"])
        layer = next(one for one in neuron_layers(plain, kept) if one.kept is not None)
        assert layer.name == name
        assert (layer.weight[~layer.kept] == 0).all()


def test_a_plain_model_is_copied():
    network = nn.Sequential(nn.Linear(2, 2))
    plain, kept = plain_copy(network)
    assert kept == {}
    assert plain[0].weight is not network[0].weight
    assert torch.equal(strip(network)[0].weight, plain[0].weight)


def test_models_without_layers_to_mutate_are_refused():
    with pytest.raises(SpecError, match="no linear or convolution"):
        neuron_layers(nn.Sequential(nn.BatchNorm2d(2)), {})
    bound = parametrizations.weight_norm(nn.Linear(2, 2))
    with pytest.raises(SpecError, match="parametrized"):
        neuron_layers(nn.Sequential(bound), {})

"""Each operator in both variants: answers by hand, and where the published ones do nothing."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from ggt.mutation import OPERATORS, VARIANTS, Mutation, mutate
from ggt.operators import DEFINED, PUBLISHED
from graphprune.errors import SpecError
from graphprune.models.resnet import resnet8_strided
from graphprune.nn import masks_of, plan, prune, strip
from graphprune.nn.masking import apply_masks
from tests.test_ggt_neurons import drawn, lively

BOTH = [(operator, variant) for operator in OPERATORS for variant in VARIANTS]


@pytest.fixture(autouse=True)
def seeded():
    """Initial weights of toys are the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def two_neurons(bias=True):
    """Two hidden units relu(x + 1) and relu(2 y - 3); the output is 10 a + b."""
    model = nn.Sequential(nn.Linear(2, 2, bias=bias), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        if bias:
            model[0].bias.copy_(torch.tensor([1.0, -3.0]))
        model[2].weight.copy_(torch.tensor([[10.0, 1.0]]))
    return model


def output(model, *inputs):
    return model(torch.tensor([inputs])).item()


def conv_and_norm(width=64):
    """A bias-free convolution and its norm: what comes before a nonlinearity."""
    model = nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * 36, 9),
    )
    return lively(model)


def before_relu(model, images):
    return model[1](model[0](images)).detach()


def changed_rows(model, mutant, name="0.weight"):
    before, after = model.state_dict()[name], mutant.state_dict()[name]
    return [row for row in range(len(before)) if not torch.equal(before[row], after[row])]


def changed_entries(model, mutant):
    return {
        name: int((value != mutant.state_dict()[name]).sum())
        for name, value in model.state_dict().items()
    }


def test_the_toy_gives_what_its_docstring_says():
    assert output(two_neurons(), 4.0, 5.0) == 10 * 5 + 7


def test_switching_two_neurons_exchanges_their_influence():
    mutant = mutate(two_neurons(), Mutation("ns", 1.0))
    assert output(mutant, 4.0, 5.0) == 10 * 7 + 5


def test_a_lone_neuron_switches_with_a_partner():
    for seed in range(5):
        mutant = mutate(two_neurons(), Mutation("ns", 0.01, seed=seed))
        assert output(mutant, 4.0, 5.0) == 10 * 7 + 5


def test_inverting_a_neuron_changes_its_sign_before_the_nonlinearity():
    mutant = mutate(two_neurons(), Mutation("nai", 1.0))
    assert output(mutant, 4.0, 5.0) == 0
    assert output(mutant, -4.0, 1.0) == 10 * 3 + 1
    found = {
        output(mutate(two_neurons(), Mutation("nai", 0.5, seed=s)), 4.0, 5.0) for s in range(9)
    }
    assert found == {50.0, 7.0}


def test_the_published_inverse_takes_the_bias_but_every_layer_too():
    model = two_neurons()
    mutant = mutate(model, Mutation("nai", 1.0, "published"))
    assert torch.equal(mutant[0].weight, -model[0].weight)
    assert torch.equal(mutant[0].bias, -model[0].bias)
    assert torch.equal(mutant[2].weight, -model[2].weight)


def test_the_published_inverse_of_convolution_and_norm_only_shifts():
    model, images = conv_and_norm(), drawn(4, 3, 6, 6)
    mutant = mutate(model, Mutation("nai", 0.5, "published", 1))
    rows = changed_rows(model, mutant)
    assert len(rows) > 20
    before, after = before_relu(model, images), before_relu(mutant, images)
    norm = model[1]
    shift = 2 * norm.weight * norm.running_mean / (norm.running_var + norm.eps).sqrt()
    for row in rows:
        one, other = before[:, row].flatten(), after[:, row].flatten()
        assert np.corrcoef(one, other)[0, 1] == pytest.approx(1, abs=1e-6)
        assert torch.allclose(other - one, shift[row].expand_as(one), atol=1e-4)


def test_the_defined_inverse_of_convolution_and_norm_is_real():
    model, images = conv_and_norm(), drawn(4, 3, 6, 6)
    mutant = mutate(model, Mutation("nai", 0.5, "defined", 1))
    before, after = before_relu(model, images), before_relu(mutant, images)
    rows = changed_rows(model, mutant)
    assert len(rows) == 32
    assert torch.allclose(after[:, rows], -before[:, rows], atol=1e-5)
    others = [row for row in range(64) if row not in rows]
    assert torch.equal(after[:, others], before[:, others])


@pytest.mark.parametrize(("width", "rate"), [(64, 0.01), (64, 0.002), (128, 0.007)])
def test_the_published_switch_of_one_row_is_no_switch(width, rate):
    model = conv_and_norm(width)
    for seed in range(3):
        assert not changed_rows(model, mutate(model, Mutation("ns", rate, "published", seed)))
        assert changed_rows(model, mutate(model, Mutation("ns", rate, "defined", seed)))


@pytest.mark.parametrize(("rate", "most"), [(0.02, 2), (0.035, 2), (0.05, 3), (0.5, 32)])
def test_the_published_switch_permutes_rate_times_width_rows(rate, most):
    model = conv_and_norm(64)
    mutants = [mutate(model, Mutation("ns", rate, "published", seed)) for seed in range(8)]
    assert max(len(changed_rows(model, mutant)) for mutant in mutants) == most
    for mutant in mutants:
        rows = [
            sorted(map(tuple, one[0].weight.flatten(1).tolist())) for one in (model, mutant)
        ]
        assert rows[0] == rows[1]
        assert set(changed_entries(model, mutant).values()) <= {
            0,
            len(changed_rows(model, mutant)) * 27,
        }


def test_the_published_switch_leaves_narrow_layers_and_norms_alone():
    model = conv_and_norm(64)
    changes = changed_entries(model, mutate(model, Mutation("ns", 1.0, "published")))
    assert {name for name, count in changes.items() if count} == {"0.weight"}
    wide = nn.Sequential(nn.Linear(3, 10))
    assert changed_rows(wide, mutate(wide, Mutation("ns", 1.0, "published")))


def test_the_defined_switch_exchanges_whole_outputs_and_spares_the_last_layer():
    model, images = conv_and_norm(), drawn(4, 3, 6, 6)
    mutant = mutate(model, Mutation("ns", 0.2, seed=3))
    rows = changed_rows(model, mutant)
    assert len(rows) in (12, 13, 14)  # 13 chosen, and a partner for the last
    before, after = before_relu(model, images), before_relu(mutant, images)
    moved = {}
    for row in range(64):
        moved[row] = next(r for r in range(64) if torch.equal(after[:, row], before[:, r]))
    assert sorted(row for row in moved if moved[row] != row) == rows
    assert all(moved[moved[row]] == row for row in moved)
    assert torch.equal(mutant[4].weight, model[4].weight)


def test_layers_of_an_odd_width_switch_all_but_one():
    model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 2))
    assert len(changed_rows(model, mutate(model, Mutation("ns", 1.0)))) == 4


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_the_published_fuzzing_redraws_from_mean_and_deviation(rate):
    model = nn.Sequential(nn.Linear(300, 300), nn.BatchNorm1d(300))
    with torch.no_grad():
        model[0].weight.add_(5)
        model[0].bias.fill_(7)
    mutant = mutate(model, Mutation("gf", rate, "published"))
    changes = changed_entries(model, mutant)
    weights = model[0].weight
    picked = mutant[0].weight != weights
    share = int(rate * (300 * 303)) / (300 * 303)
    assert changes["0.weight"] / weights.numel() == pytest.approx(share, rel=0.1)
    new, old = mutant[0].weight[picked], weights[picked]
    assert new.mean().item() == pytest.approx(weights.mean().item(), abs=0.005)
    assert new.std().item() == pytest.approx(weights.std().item(), rel=0.1)
    assert abs(np.corrcoef(new.detach(), old.detach())[0, 1]) < 0.1
    assert changes["0.bias"] == 0  # all are equal, so their deviation is none
    assert changes["1.running_mean"] == 0


def test_the_published_fuzzing_takes_biases_and_norms():
    model = conv_and_norm()
    with torch.no_grad():
        model[4].bias.copy_(torch.arange(9.0))
    changes = changed_entries(model, mutate(model, Mutation("gf", 1.0, "published")))
    assert changes["1.weight"] == changes["1.bias"] == 64
    assert changes["4.bias"] == 9


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_the_defined_fuzzing_adds_noise_around_the_old_weight(rate):
    model = nn.Sequential(nn.Linear(300, 300), nn.BatchNorm1d(300))
    with torch.no_grad():
        model[0].weight.add_(5)
    mutant = mutate(model, Mutation("gf", rate))
    change = (mutant[0].weight - model[0].weight).detach()
    picked = change != 0
    assert int(picked.sum()) == round(rate * 90_000)
    assert change[picked].mean().item() == pytest.approx(0, abs=0.004)
    assert change[picked].std().item() == pytest.approx(model[0].weight.std().item(), rel=0.1)
    assert {name for name, n in changed_entries(model, mutant).items() if n} == {"0.weight"}


def test_each_layer_is_fuzzed_by_its_own_deviation():
    model = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 100))
    with torch.no_grad():
        model[1].weight.mul_(50)
    for variant in VARIANTS:
        mutant = mutate(model, Mutation("gf", 1.0, variant))
        for layer, changed in zip(model, mutant, strict=True):
            ratio = (changed.weight - layer.weight).std() / layer.weight.std()
            assert 0.9 < ratio.item() < 1.6


def test_a_single_weight_has_no_deviation():
    model = nn.Sequential(nn.Linear(1, 1))
    for variant in VARIANTS:
        mutant = mutate(model, Mutation("gf", 1.0, variant))
        assert torch.equal(mutant[0].weight, model[0].weight)


def test_shuffling_keeps_what_comes_into_each_neuron():
    model = nn.Sequential(nn.Linear(8, 20))
    shuffled = mutate(model, Mutation("ws", 0.4))
    assert len(changed_rows(model, shuffled)) == 8
    for row in range(20):
        into = [
            sorted([*m[0].weight[row].tolist(), m[0].bias[row].item()])
            for m in (model, shuffled)
        ]
        assert into[0] == into[1]
    assert changed_entries(model, shuffled)["0.bias"] > 0


def test_the_published_shuffling_skips_biases_and_rounds_down():
    model = nn.Sequential(nn.Conv2d(3, 19, 3))
    mutant = mutate(model, Mutation("ws", 0.3, "published"))
    assert len(changed_rows(model, mutant)) == 5
    assert torch.equal(mutant[0].bias, model[0].bias)
    for row in changed_rows(model, mutant):
        weights = [Counter(m[0].weight[row].flatten().tolist()) for m in (model, mutant)]
        assert weights[0] == weights[1]
        channels = [
            [sorted(c.flatten().tolist()) for c in m[0].weight[row]] for m in (model, mutant)
        ]
        assert channels[0] != channels[1]  # positions are shuffled across channels


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_shuffle_is_another_order(variant):
    model = nn.Sequential(nn.Linear(40, 6))
    first, second = (mutate(model, Mutation("ws", 1.0, variant, seed)) for seed in (1, 2))
    assert changed_rows(model, first) == changed_rows(first, second) == list(range(6))


@pytest.mark.parametrize(("operator", "variant"), BOTH)
def test_a_layer_alone_keeps_its_mask_too(operator, variant):
    mask = np.eye(12, dtype=bool) | np.eye(12, k=1, dtype=bool)
    layer = apply_masks(nn.Linear(12, 12), {"": mask})
    if (operator, variant) in (("ns", "defined"), ("nai", "defined")):
        with pytest.raises(SpecError, match="no hidden layer"):
            mutate(layer, Mutation(operator, 1.0, variant))
        return
    mutant = mutate(layer, Mutation(operator, 1.0, variant))
    assert changed_rows(strip(layer), mutant, "weight")
    assert int((mutant.weight != 0).sum()) == int(mask.sum())


@pytest.mark.parametrize(("operator", "variant"), BOTH)
def test_small_rates_do_nothing_as_published_and_something_as_defined(operator, variant):
    model = nn.Sequential(nn.Linear(4, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 2))
    mutant = mutate(model, Mutation(operator, 0.001, variant))
    assert any(changed_entries(model, mutant).values()) == (variant == "defined")


@pytest.mark.parametrize(("operator", "variant"), BOTH)
def test_pruned_weights_stay_pruned(operator, variant):
    network = resnet8_strided(classes=4, in_channels=1)
    pruned = prune(lively(network), plan(network, nodes=32, degree=4))
    mutant = mutate(pruned, Mutation(operator, 0.3, variant))
    plain = strip(pruned)
    assert any(changed_entries(plain, mutant).values())
    for name, mask in masks_of(pruned).items():
        weight = mutant.get_submodule(name).weight
        if operator == "ns":
            assert int((weight != 0).sum()) == int(mask.sum())
        else:
            assert (weight[~mask] == 0).all()
            assert (weight[mask] != 0).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_masked_layers_are_fuzzed_by_the_deviation_of_kept_weights(variant):
    network = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(3)))
    pruned = prune(network, plan(network, nodes=64, degree=4, skip="0"))
    kept = masks_of(pruned)["1"]
    mutant = mutate(pruned, Mutation("gf", 1.0, variant))
    ratio = (mutant[1].weight - strip(pruned)[1].weight)[kept].std() / pruned[1].weight[
        kept
    ].std()
    assert ratio.item() == pytest.approx(1 if variant == "defined" else 2**0.5, rel=0.15)


def test_the_published_order_of_tensors_survives_folding_a_mask_in():
    """The bias follows its weight in a folded layer too, and is negated with it."""
    network = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8))
    pruned = prune(network, plan(network, nodes=8, degree=3, skip="0"))
    plain, mutant = strip(pruned), mutate(pruned, Mutation("nai", 0.5, "published"))
    for before, after in zip(plain, mutant, strict=True):
        rows = (before.weight != after.weight).any(dim=1)
        assert torch.equal(rows, before.bias != after.bias)
        assert torch.equal(after.bias, torch.where(rows, -before.bias, before.bias))


def test_what_has_nothing_to_change_is_refused():
    alone = nn.Sequential(nn.Linear(2, 2))
    for operator in ("ns", "nai"):
        with pytest.raises(SpecError, match="no hidden layer"):
            mutate(alone, Mutation(operator, 0.5))


def test_grouped_convolutions_do_not_switch():
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 3))
    mutant = mutate(model, Mutation("ns", 1.0))
    assert {name for name, n in changed_entries(model, mutant).items() if n} == {
        "1.weight",
        "1.bias",
    }


def test_each_operator_is_of_both_tables():
    assert tuple(DEFINED) == tuple(PUBLISHED) == OPERATORS == ("gf", "ws", "ns", "nai")

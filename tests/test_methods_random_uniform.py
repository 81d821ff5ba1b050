"""Random masks of one density: exact counts, equal chances, one draw a seed."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import every_step, kept, moment

from graphprune.methods.random_uniform import RandomUniform
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named


def drawn(shape, density, seed):
    """The mask of one layer."""
    weights = {"one": torch.zeros(shape)}
    return RandomUniform().begin(moment(weights, density=density, seed=seed))["one"]


def test_three_of_ten_weights_stay_at_a_ratio_of_three_quarters():
    masks = RandomUniform().begin(moment({"one": [[0.0] * 10]}, density="1/4"))
    assert kept(masks) == {"one": 3}
    assert masks["one"].dtype == torch.bool
    assert masks["one"].shape == (1, 10)


@given(st.integers(1, 20), st.integers(1, 20), st.fractions(0.01, 0.99), st.integers(0, 99))
def test_counts_are_the_budgets_in_every_layer(rows, columns, density, seed):
    now = moment(
        {"one": torch.zeros(rows, columns), "other": torch.zeros(columns, 3, 2, 2)},
        density=density,
        seed=seed,
    )
    assert kept(RandomUniform().begin(now)) == now.budget.kept


def test_one_seed_repeats_and_two_differ():
    assert torch.equal(drawn((50, 20), "1/4", 1), drawn((50, 20), "1/4", 1))
    assert not torch.equal(drawn((50, 20), "1/4", 1), drawn((50, 20), "1/4", 2))


def test_layers_of_one_shape_get_masks_of_their_own():
    zeros = torch.zeros(20, 20)
    masks = RandomUniform().begin(moment({"one": zeros, "other": zeros}))
    assert not torch.equal(masks["one"], masks["other"])


def test_every_place_is_as_likely():
    often = sum(drawn((3, 4), "1/4", seed).int() for seed in range(2000))
    # 500 each is expected; five standard deviations are 97.
    assert (often - 500).abs().max() < 97


def test_the_masks_stay_and_what_they_prune_is_zero():
    first = None
    for pruner in every_step(method_named("random-uniform"), steps=5):
        first = pruner.masks if first is None else first
        assert kept(pruner.masks) == pruner.budget.kept
        for name, mask in pruner.masks.items():
            assert torch.equal(mask, first[name])
            assert not pruner.model.get_submodule(name).weight[~mask].any()
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept

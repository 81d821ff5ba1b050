"""Random masks by the Erdos-Renyi-Kernel rule."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import densities, every_step, kept, moment

from graphprune.methods.random_erk import RandomErk
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named


def test_a_small_layer_is_denser_by_the_rule():
    # The first layer would be denser than dense: 4 of 4; the other keeps 52 - 4 = 48 of 100.
    zeros = {"small": torch.zeros(2, 2), "large": torch.zeros(10, 10)}
    assert kept(RandomErk().begin(moment(zeros, density="1/2"))) == {"small": 4, "large": 48}


@given(st.integers(1, 12), st.integers(1, 12), st.fractions(0.01, 0.99), st.integers(0, 99))
def test_all_layers_together_keep_the_budget(rows, columns, density, seed):
    now = moment(
        {"one": torch.zeros(rows, columns), "other": torch.zeros(columns, 3, 2, 2)},
        density=density,
        seed=seed,
    )
    assert sum(kept(RandomErk().begin(now)).values()) == now.budget.total


def test_one_seed_repeats_and_two_differ():
    masks = [
        RandomErk().begin(moment({"one": torch.zeros(50, 20)}, seed=seed))["one"]
        for seed in (1, 1, 2)
    ]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_the_masks_stay_and_what_they_prune_is_zero():
    first = None
    for pruner in every_step(method_named("random-erk"), steps=5):
        first = pruner.masks if first is None else first
        shares = densities(pruner.masks)
        assert shares["first"] > 0.25 > shares["second"]
        for name, mask in pruner.masks.items():
            assert torch.equal(mask, first[name])
            assert not pruner.model.get_submodule(name).weight[~mask].any()
    counts = kept(masks_of(pruner.finish()))
    assert sum(counts.values()) == pruner.budget.total
    assert counts != pruner.budget.kept

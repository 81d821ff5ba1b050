"""SET: which weights it drops, that it grows as many at random, and when."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from sparse_toys import every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.set_evolution import SparseEvolution
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named
from graphprune.sparse_training.densities import erk_counts

pytestmark = pytest.mark.usefixtures("one_thread")
BOTH = pytest.mark.parametrize("drop", ["sign", "magnitude"])


def chosen(method, weights, *, seed=0, free=40):
    """Masks before and after, of weights at work and `free` places that are pruned."""
    row = [*weights, *[0.0] * free]
    mask = torch.tensor([[True] * len(weights) + [False] * free])
    toy = moment({"a": [row]}, masks={"a": mask}, seed=seed)
    return mask[0], method.choose(toy)["a"][0]


def left(method, weights):
    """Weights that stay whatever is grown: those kept for every one of many seeds."""
    stays = torch.ones(len(weights), dtype=torch.bool)
    for seed in range(60):
        stays &= chosen(method, weights, seed=seed)[1][: len(weights)]
    return [weight for weight, stay in zip(weights, stays.tolist(), strict=True) if stay]


@BOTH
def test_weights_nearest_zero_go(drop):
    weights = [0.9, -0.1, 0.5, 0.2]
    method = SparseEvolution(zeta=0.5, drop=drop)
    assert left(method, weights) == [0.9, 0.5]
    for seed in range(20):
        assert chosen(method, weights, seed=seed)[1].sum() == 4


def test_signs_lose_the_same_share_each():
    weights = [1.0, 2.0, 3.0, 4.0, -10.0, -20.0, -30.0, -40.0]
    assert left(SparseEvolution(zeta=0.5), weights) == [3, 4, -30, -40]
    assert left(SparseEvolution(zeta=0.5, drop="magnitude"), weights) == [-10, -20, -30, -40]


def test_zeros_go_first_and_count_as_positive():
    weights = [0.0, 5.0, 0.0, 6.0, -1.0, -2.0]
    assert left(SparseEvolution(zeta=0.5), weights) == [5, 6, -2]


def test_the_share_is_the_decimal_that_was_written():
    stays = left(
        SparseEvolution(zeta=0.29, drop="magnitude"), [float(n) for n in range(1, 101)]
    )
    assert stays == [float(n) for n in range(30, 101)]  # 0.29 * 100 is below 29 in floats


def test_growth_is_at_random_among_all_free_places():
    method, counts = SparseEvolution(zeta=0.5), torch.zeros(8)
    for seed in range(600):
        counts += chosen(method, [4.0, 3.0, 1.0, 2.0], seed=seed, free=4)[1]
    assert counts[:2].tolist() == [600, 600]
    assert ((counts[2:] / 600 - 2 / 6).abs() < 0.06).all()  # those just dropped included


def test_it_is_due_after_every_epoch_but_the_last():
    def due(method):
        steps = range(1, 101)
        return [step for step in steps if method.due(moment({"a": [[1.0]]}, step=step))]

    assert due(SparseEvolution()) == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert due(SparseEvolution(interval=25)) == [25, 50, 75]


@pytest.mark.parametrize("layers", ["erk", "uniform"])
def test_every_layer_keeps_its_count_at_every_step(layers):
    seen = set()
    for pruner in every_step(SparseEvolution(interval=2, layers=layers), steps=8):
        wanted = erk_counts(pruner.budget) if layers == "erk" else pruner.budget.kept
        assert kept(pruner.masks) == wanted
        for name, mask in pruner.masks.items():
            stored = pruner.model.get_submodule(name).parametrizations.weight.original
            assert not stored[~mask].any()
        seen.add(pruner.masks["first"].numpy().tobytes())
    assert len(seen) == 4
    assert kept(masks_of(pruner.finish())) == wanted
    assert pruner.effort.gradient == pruner.effort.forward  # no dense gradients


def test_grown_weights_start_from_zero():
    before = None
    for step, pruner in enumerate(every_step(SparseEvolution(interval=4), steps=4)):
        mask = pruner.masks["second"].clone()
        if step < 3:
            before = mask
    assert torch.equal(mask, before)  # the last step moves nothing
    for step, pruner in enumerate(every_step(SparseEvolution(interval=4), steps=5)):
        if step == 3:
            before = pruner.masks["second"].clone()
        if step == 4:
            stored = pruner.model.second.parametrizations.weight.original
            grown = pruner.masks["second"] & ~before
            assert grown.any()
            assert not stored[grown].any()


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=30),
    st.integers(0, 5),
    st.floats(0.01, 1),
    st.sampled_from(["sign", "magnitude"]),
    st.integers(0, 99),
)
def test_counts_stay_whatever_the_weights(weights, free, zeta, drop, seed):
    before, after = chosen(
        SparseEvolution(zeta=zeta, drop=drop), [float(w) for w in weights], seed=seed, free=free
    )
    assert after.sum() == len(weights)
    assert (before & ~after).sum() <= zeta * len(weights) + 1e-9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set:zeta=0", r"set: zeta must be in \(0, 1\], got 0.0"),
        ("set:zeta=1.5", r"set: zeta must be in \(0, 1\], got 1.5"),
        ("set:interval=-1", "set: interval must be at least 0, got -1"),
        ("set:drop=size", "set: drop must be one of sign, magnitude, got 'size'"),
        ("set:layers=all", "set: layers must be one of erk, uniform, got 'all'"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)

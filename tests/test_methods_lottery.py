"""Lottery tickets: rounds of pruning, each after a training from the rewound state."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import begun, budget, examples, kept, moment, one_step

from graphprune.errors import SpecError, TrainingError
from graphprune.methods.lottery import Lottery
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named

STEPS = 10


def state(pruner):
    """A copy of all that the network holds but masks."""
    return {
        key: value.detach().clone()
        for key, value in pruner.model.state_dict().items()
        if not key.endswith(".mask")
    }


def trained(pruner):
    """One training; states after each of its steps, the first before any."""
    states = [state(pruner)]
    for _ in range(STEPS):
        one_step(pruner, *examples())
        for name, mask in pruner.masks.items():
            assert not pruner.model.get_submodule(name).weight[~mask].any()
        states.append(state(pruner))
    return states


def weight_key(name):
    return f"{name}.parametrizations.weight.original"


@pytest.mark.parametrize(("rewind_at", "step"), [(0.0, 0), (0.09, 0), (0.3, 3)])
def test_a_rewind_gives_early_weights_back_bit_for_bit(rewind_at, step):
    pruner = begun(Lottery(rounds=3, rewind_at=rewind_at), steps=STEPS)
    early = trained(pruner)[step]
    before = {name: mask.clone() for name, mask in pruner.masks.items()}
    for _ in range(3):
        pruner.again()
        assert not pruner.optimizer.state
        now = state(pruner)
        for name, mask in pruner.masks.items():
            key = weight_key(name)
            assert torch.equal(now[key][mask], early[key][mask])
            assert not now.pop(key)[~mask].any()
            assert not (mask & ~before[name]).any()
        assert all(torch.equal(value, early[key]) for key, value in now.items())
        before = {name: mask.clone() for name, mask in pruner.masks.items()}
        trained(pruner)
    assert sum(kept(masks_of(pruner.finish())).values()) == pruner.budget.total


@pytest.mark.parametrize("layers", ["global", "uniform"])
def test_each_round_drops_the_smallest_of_the_trained_weights(layers):
    pruner = begun(Lottery(rounds=2, layers=layers), steps=STEPS)
    counts = [{"first": 576, "second": 1152}]
    for _ in range(2):
        last = trained(pruner)[-1]
        old = {name: mask.clone() for name, mask in pruner.masks.items()}
        pruner.again()
        counts.append(kept(pruner.masks))
        groups = [list(old)] if layers == "global" else [[name] for name in old]
        for group in groups:
            stay, go = [], []
            for name in group:
                size, mask = last[weight_key(name)].abs(), pruner.masks[name]
                stay.append(size[mask])
                go.append(size[old[name] & ~mask])
            assert torch.cat(stay).min() >= torch.cat(go).max()
    # 1 -> 1/2 -> 1/4 of all weights, or of each layer's.
    assert [sum(each.values()) for each in counts] == [1728, 864, 432]
    assert (counts[1:] == [{"first": 288, "second": 576}, {"first": 144, "second": 288}]) == (
        layers == "uniform"
    )


def test_ten_rounds_of_the_papers_leave_a_tenth():
    # 0.8 ** 10 = 0.1074 and 0.8 ** 11 = 0.0859, 0.8 ** 20 = 0.01153.
    shapes = {"one": (100, 100)}
    assert Lottery().rounds_to(budget(shapes, density="1/10")) == 11
    assert Lottery().rounds_to(budget(shapes, density="108/1000")) == 10
    assert Lottery().rounds_to(budget(shapes, density="1153/100000")) == 20
    assert Lottery().rounds_to(budget(shapes, density="4/5")) == 1
    assert Lottery().rounds_to(budget(shapes, density="9/10")) == 1
    assert Lottery().trainings(budget(shapes, density="16/25")) == 3
    assert Lottery(rounds=5).trainings(budget(shapes, density="1/10")) == 6


@given(st.integers(1, 15), st.fractions(0.01, 0.99), st.sampled_from(["global", "uniform"]))
def test_counts_are_geometric_and_end_at_the_budget(rounds, density, layers):
    method = Lottery(rounds=rounds, layers=layers)
    rng = torch.Generator().manual_seed(rounds)
    weights = {
        "one": torch.randn(10, 7, generator=rng),
        "other": torch.randn(5, 9, generator=rng),
    }
    masks, before = None, 115
    for training in range(1, rounds + 1):
        now = moment(
            weights, masks=masks, density=density, training=training, memory={"state": {}}
        )
        _, masks = method.restart(now)
        count = sum(kept(masks).values())
        ideal = 115 * (now.budget.total / 115) ** (training / rounds)
        assert layers == "uniform" or abs(count - ideal) <= 0.5 + 1e-9
        assert count <= before
        before = count
    assert count == now.budget.total
    if layers == "uniform":
        assert kept(masks) == now.budget.kept


def test_the_state_is_kept_once_in_the_first_training():
    method = Lottery(rewind_at=0.3)
    steps = [
        (training, step)
        for training in (0, 1)
        for step in range(1, 11)
        if method.due(moment({"one": [[1.0]]}, step=step, steps=10, training=training))
    ]
    assert steps == [(0, 3)]


def test_an_end_after_too_few_rounds_is_told():
    pruner = begun(Lottery(rounds=2), steps=STEPS)
    trained(pruner)
    pruner.again()
    with pytest.raises(TrainingError, match="method lottery kept"):
        pruner.finish()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lottery:rounds=-1", "^lottery: rounds must be at least 0, got -1$"),
        ("lottery:rewind_at=1", r"^lottery: rewind_at must be in \[0, 1\), got 1.0$"),
        ("lottery:rewind_at=-0.1", r"^lottery: rewind_at must be in \[0, 1\), got -0.1$"),
        ("lottery:layers=none", "^lottery: layers must be one of uniform, global, got 'none'$"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message):
        method_named(text)

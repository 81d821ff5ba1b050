"""ITOP: unseen places grow first, and the exploration rate is what was ever at work."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from sparse_toys import every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.in_time import InTime
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named
from graphprune.sparse_training.densities import erk_counts

pytestmark = pytest.mark.usefixtures("one_thread")


def played(method, *, size=8, density="1/4", updates=3, seed=0, steps=10**6):
    """Masks from the first on, and the memory, of updates at the very start of a training."""
    memory = {}
    toy = moment({"a": torch.zeros(1, size)}, density=density, memory=memory, seed=seed)
    masks = [method.begin(toy)["a"]]
    for update in range(updates):
        weights = torch.randn(1, size, generator=torch.Generator().manual_seed(update))
        toy = moment(
            {"a": weights * masks[-1]}, masks={"a": masks[-1]}, density=density,
            memory=memory, seed=seed + update, step=update, steps=steps,
        )  # fmt: skip
        masks.append(method.choose(toy)["a"])
    return masks, memory


def test_unseen_places_come_first_until_all_were_at_work():
    masks, memory = played(InTime(share=1.0))  # 2 of 8 at work, both replaced each time
    assert memory["explored"] == [2 / 8, 4 / 8, 6 / 8, 1]
    assert sum(mask.int() for mask in masks).tolist() == [[1] * 8]


def test_the_rate_is_of_the_union_of_all_masks():
    for seed in range(20):
        masks, memory = played(InTime(grow="random"), seed=seed, updates=4, size=20)
        union = torch.zeros(1, 20, dtype=torch.bool)
        for mask, rate in zip(masks, memory["explored"], strict=True):
            union |= mask
            assert rate == union.sum() / 20
    assert rate < 1


def test_where_too_few_are_unseen_others_follow():
    masks, memory = played(InTime(share=1.0), size=8, density="3/8", updates=4)
    assert memory["explored"] == [3 / 8, 6 / 8, 1, 1, 1]
    assert all(mask.sum() == 3 for mask in masks)
    assert (masks[2] & ~masks[0] & ~masks[1]).sum() == 2  # both unseen ones are in


def test_random_growth_takes_no_notice():
    rates = [
        played(InTime(share=1.0, grow="random"), seed=s)[1]["explored"][1] for s in range(40)
    ]
    assert min(rates) < 4 / 8


def test_the_share_falls_along_a_cosine_and_is_rounded_up():
    method = InTime(share=0.5, last=0.1, grow="unseen")

    def moved(step):
        mask = torch.arange(1000)[None] < 100
        memory = {"ever": {"a": mask.clone()}, "explored": []}
        toy = moment(
            {"a": mask * torch.rand(1, 1000)}, masks={"a": mask}, memory=memory, step=step
        )
        return int((method.choose(toy)["a"] & ~mask).sum())

    assert [moved(0), moved(50), moved(100)] == [50, 30, 10]
    assert moved(99) == 11


def test_the_smallest_go():
    mask = torch.tensor([[True] * 4 + [False] * 9])
    row = [0.9, -0.1, 0.5, 0.2, *[0.0] * 9]
    memory = {"ever": {"a": mask.clone()}, "explored": []}
    toy = moment({"a": [row]}, masks={"a": mask}, memory=memory)
    assert InTime().choose(toy)["a"][0, :4].tolist() == [True, False, True, False]


def test_it_never_stops_but_before_the_last_step():
    def due(method):
        steps = range(1, 101)
        return [step for step in steps if method.due(moment({"a": [[1.0]]}, step=step))]

    assert due(InTime(interval=20)) == [20, 40, 60, 80]
    assert due(InTime()) == []


@pytest.mark.parametrize("grow", ["unseen", "random"])
def test_layers_keep_their_counts_and_the_rate_only_rises(grow):
    for pruner in every_step(InTime(interval=2, grow=grow), steps=10):
        assert kept(pruner.masks) == erk_counts(pruner.budget)
        rates = pruner.moment().memory["explored"]
        assert rates == sorted(rates)
        assert float(pruner.budget.density) <= rates[-1] <= 1
    assert len(rates) == 5
    assert rates[-1] > rates[0]
    assert sum(kept(masks_of(pruner.finish())).values()) == pruner.budget.total


@given(
    st.integers(0, 999),
    st.integers(1, 30),
    st.integers(0, 6),
    st.sampled_from(["unseen", "random"]),
)
def test_counts_stay_and_growth_is_outside(seed, at_work, updates, grow):
    masks, memory = played(
        InTime(grow=grow), size=31, density=f"{at_work}/31", updates=updates, seed=seed
    )
    assert all(mask.sum() == at_work for mask in masks)
    assert memory["explored"] == sorted(memory["explored"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("itop:last=0", "itop: 0 < last <= share <= 1 must hold, got 0.0 and 0.5"),
        ("itop:share=0.001", "itop: 0 < last <= share <= 1 must hold, got 0.005 and 0.001"),
        ("itop:share=1.1", "itop: 0 < last <= share <= 1 must hold, got 0.005 and 1.1"),
        ("itop:interval=0", "itop: interval must be at least 1, got 0"),
        ("itop:grow=gradient", "itop: grow must be one of unseen, random, got 'gradient'"),
        ("itop:layers=all", "itop: layers must be one of erk, uniform, got 'all'"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)

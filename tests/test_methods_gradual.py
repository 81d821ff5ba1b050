"""Gradual magnitude pruning along a cubic."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import begun, every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.gradual import Gradual
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named


def due_steps(method, steps):
    """Steps after which it prunes."""
    weights = {"one": [[1.0]]}
    return [
        step
        for step in range(1, steps + 1)
        if method.due(moment(weights, step=step, steps=steps))
    ]


def test_the_curve_is_the_papers():
    # 0, 0.5203125, 0.7875 and 0.9 of the weights are gone after 0, 1/4, 1/2 and all of it.
    method = Gradual(begin_at=0.2, end_at=0.6)
    counts = [method.count(step, 100, 10_000_000, 1_000_000) for step in (20, 30, 40, 60, 61)]
    assert counts == [10_000_000, 4_796_875, 2_125_000, 1_000_000, 1_000_000]
    assert method.count(19, 100, 10_000_000, 1_000_000) == 10_000_000


def test_it_may_begin_sparse():
    # 0.9 + (0.5 - 0.9) / 8 = 0.85 half way.
    method = Gradual(initial=0.5, begin_at=0, end_at=1)
    assert [method.count(step, 10, 1000, 100) for step in (0, 5, 10)] == [500, 150, 100]
    masks = method.begin(moment({"one": [[4.0, -3.0, 2.0, 1.0]]}, density="1/4"))
    assert masks["one"].tolist() == [[True, True, False, False]]


def test_it_prunes_by_interval_and_at_the_end_of_the_stretch():
    assert due_steps(Gradual(begin_at=0.2, end_at=0.75, interval=20), 100) == [20, 40, 60, 75]
    assert due_steps(Gradual(begin_at=0, end_at=1, interval=5), 10) == [5, 10]
    assert due_steps(Gradual(begin_at=0, end_at=0), 10) == [1]


def test_the_smallest_go_and_stay_away():
    method = Gradual(begin_at=0, end_at=1, interval=1)
    weights = {"one": [[5.0, -4.0, 3.0, 2.0]], "other": [[1.0, 0.9, 0.8, 0.0]]}
    masks = {"one": [[0, 1, 1, 1]], "other": [[1, 1, 1, 1]]}
    now = moment(weights, masks=masks, density="1/4", step=100)
    assert method.choose(now)["one"].tolist() == [[False, True, False, False]]
    assert method.choose(now)["other"].tolist() == [[True, False, False, False]]
    everywhere = Gradual(begin_at=0, end_at=1, layers="global").choose(now)
    assert everywhere["one"].tolist() == [[False, True, True, False]]
    assert not everywhere["other"].any()


@given(
    st.floats(0, 0.99), st.floats(0, 1), st.floats(0, 1), st.integers(1, 200),
    st.integers(1, 300), st.data(),
)  # fmt: skip
def test_counts_never_rise_and_end_at_the_budget(initial, one, other, steps, size, data):
    kept_weights = data.draw(st.integers(1, size))
    method = Gradual(initial=initial, begin_at=min(one, other), end_at=max(one, other))
    counts = [method.count(step, steps, size, kept_weights) for step in range(steps + 1)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == kept_weights
    assert counts[0] <= size


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 60), st.integers(1, 20))
def test_the_last_choice_is_at_the_end_of_the_stretch(one, other, steps, interval):
    method = Gradual(begin_at=min(one, other), end_at=max(one, other), interval=interval)
    last = due_steps(method, steps)[-1]
    assert method.count(last, steps, 97, 7) == 7


@pytest.mark.parametrize("layers", ["uniform", "global"])
def test_masks_shrink_step_by_step_to_the_budget(layers):
    method = method_named(f"gradual:begin_at=0.1,end_at=0.8,interval=3,layers={layers}")
    before, seen = None, set()
    for pruner in every_step(method, steps=20):
        seen.add(sum(kept(pruner.masks).values()))
        for name, mask in pruner.masks.items():
            assert before is None or not (mask & ~before[name]).any()
            assert not pruner.model.get_submodule(name).weight[~mask].any()
        before = pruner.masks
    # Choices after steps 2, 5, 8, 11, 14 and 16; the first prunes nothing.
    assert len(seen) == 6
    assert min(seen) == pruner.budget.total
    counts = kept(masks_of(pruner.finish()))
    assert (counts == pruner.budget.kept) == (layers == "uniform")


def test_a_choice_keeps_the_largest_of_what_was_trained():
    dense = every_step(method_named("magnitude:at=1"), steps=12)
    method = method_named("gradual:begin_at=0.5,end_at=1,interval=2")
    pairs = zip(every_step(method, steps=12), dense, strict=True)
    full = {"first": 576, "second": 1152}
    pruner, other = next(pair for pair in pairs if kept(pair[0].masks) != full)
    for name, mask in pruner.masks.items():
        weight = other.model.get_submodule(name).weight.detach().abs()
        assert weight[mask].min() >= weight[~mask].max()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gradual:initial=1", r"^gradual: initial must be in \[0, 1\), got 1.0$"),
        (
            "gradual:begin_at=0.9",
            "^gradual: 0 <= begin_at <= end_at <= 1 must hold, got 0.9 and",
        ),
        ("gradual:end_at=1.5", "0 <= begin_at <= end_at <= 1 must hold, got 0.05 and 1.5$"),
        ("gradual:interval=0", "^gradual: interval must be at least 1, got 0$"),
        ("gradual:layers=all", "^gradual: layers must be one of uniform, global, got 'all'$"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message):
        method_named(text)


def test_a_beginning_sparser_than_the_end_is_refused():
    with pytest.raises(
        SpecError, match=r"^gradual: initial must be at most the ratio 0.75, got"
    ):
        begun(Gradual(initial=0.76))
    pruner = begun(Gradual(initial=0.75, begin_at=0))
    assert kept(pruner.masks) == pruner.budget.kept


def test_a_moment_of_equal_weights_gives_exact_counts():
    now = moment({"one": torch.ones(4, 8)}, density="1/4", step=100)
    assert kept(Gradual().choose(now)) == {"one": 8}

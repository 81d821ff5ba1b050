"""MEST: how many weights live at each stage, under both bounds, and which are pruned."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from sparse_toys import every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.mest import MemoryEconomic
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named

pytestmark = pytest.mark.usefixtures("one_thread")
BOUND = pytest.mark.parametrize("soft_bound", [False, True])


def counts_over(method, *, steps=160, steps_an_epoch=1):
    """(step, weights pruned to, weights at work) of a layer of 100, at each event."""
    toy = moment({"a": torch.rand(10, 10)}, density="1/10", steps=steps)
    mask, rows = method.begin(toy)["a"], []
    rows.append((0, int(mask.sum()), int(mask.sum())))
    for step in range(1, steps + 1):
        weights = torch.rand(10, 10, generator=torch.Generator().manual_seed(step)) + 0.1
        toy = moment(
            {"a": weights * mask}, masks={"a": mask}, density="1/10",
            step=step, steps=steps, steps_an_epoch=steps_an_epoch, seed=step,
        )  # fmt: skip
        if method.due(toy):
            low, _ = method.bounds(toy.progress, 10, 100)
            mask = method.choose(toy)["a"]
            rows.append((step, low, int(mask.sum())))
    return rows


def test_elastic_mutation_never_holds_more_than_the_budget():
    rows = counts_over(MemoryEconomic())
    early, middle = range(5, 90, 5), range(90, 120, 5)
    assert rows == [
        (0, 10, 10),
        *((step, 8, 10) for step in early),
        *((step, 9, 10) for step in middle),
        (120, 10, 10),
    ]


def test_soft_bound_holds_more_for_a_while_and_none_in_the_end():
    rows = counts_over(MemoryEconomic(soft_bound=True))
    early, middle = range(5, 90, 5), range(90, 120, 5)
    assert rows == [
        (0, 12, 12),
        *((step, 10, 12) for step in early),
        *((step, 10, 11) for step in middle),
        (120, 10, 10),
    ]


def test_a_stage_begins_with_an_event_whatever_the_interval():
    method = MemoryEconomic(soft_bound=True, epochs=1000, until_first=0.3, until_second=0.7)
    assert counts_over(method, steps=10) == [(0, 12, 12), (3, 10, 11), (7, 10, 10)]
    last = MemoryEconomic(soft_bound=True, until_first=1.0, until_second=1.0)
    assert counts_over(last, steps=4)[-1] == (4, 10, 10)


def test_events_count_epochs():
    steps = [
        row[0] for row in counts_over(MemoryEconomic(epochs=2), steps=160, steps_an_epoch=20)
    ]
    assert steps == [0, 40, 80, 90, 120]


def test_the_smallest_are_pruned_and_gradients_count_as_asked():
    row = [0.4, -0.1, 0.5, 0.2, 0.3, *[0.0] * 45]
    mask = torch.tensor([[True] * 5 + [False] * 45])

    def pruned(weight):
        gone = torch.zeros(5, dtype=torch.bool)
        method = MemoryEconomic(gradient_weight=weight, first=0.4)
        for seed in range(30):
            toy = moment({"a": [row]}, masks={"a": mask}, density="1/10", seed=seed)
            toy.weights["a"].grad = torch.tensor([[0, -1.0, 0, 1.0, 0, *[9.0] * 45]])
            gone |= ~method.choose(toy)["a"][0, :5]
        return gone.tolist()

    assert pruned(0.0) == [False, True, False, True, False]
    assert pruned(1.0) == [True, False, False, False, True]


@BOUND
def test_layers_stay_within_their_bounds_and_end_at_the_budget(soft_bound):
    method = MemoryEconomic(
        soft_bound=soft_bound, epochs=1, first=0.5, second=0.25, gradient_weight=0.1
    )
    seen = set()
    for step, pruner in enumerate(every_step(method, steps=16, steps_an_epoch=2)):
        share = 0.5 if step < 9 else 0.25 if step < 12 else 0
        more = share if soft_bound else 0
        assert kept(pruner.masks) == {"first": 144 * (1 + more), "second": 288 * (1 + more)}
        seen.add(pruner.masks["first"].numpy().tobytes())
    assert len(seen) == 7 + soft_bound  # 2, 4, 6, 8, 9, 10, and 12 where something is left
    assert pruner.effort.gradient == pruner.effort.forward  # no dense gradients
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept


def test_gradients_of_a_training_reach_the_scores():
    ends = []
    for weight in (0.0, 1000.0):
        method = MemoryEconomic(epochs=1, first=0.5, gradient_weight=weight)
        *_, pruner = every_step(method, steps=8, steps_an_epoch=2)
        ends.append(pruner.masks["first"])
    assert not torch.equal(*ends)


@BOUND
@given(st.integers(0, 99), st.integers(1, 19), st.floats(0.01, 1), st.floats(0, 1))
def test_counts_are_the_bounds(soft_bound, seed, count, first, progress):
    method = MemoryEconomic(soft_bound=soft_bound, first=first, second=first / 2)
    rng = torch.Generator().manual_seed(seed)
    step = max(1, int(100 * progress))
    _, before = method.bounds((step - 1) / 100, count, 20)
    mask = (torch.randperm(20, generator=rng) < before)[None]
    toy = moment({"a": mask * 1.0}, masks={"a": mask}, density=f"{count}/20", step=step)
    _, high = method.bounds(toy.progress, count, 20)
    assert method.choose(toy)["a"].sum() == high
    assert high == count or (soft_bound and toy.progress < 0.75 and high <= 20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mest:first=0,second=0", "first > 0 must hold, got 0.0 and 0.0"),
        ("mest:second=0.3", "0 <= second <= first <= 1 .* must hold, got 0.3 and 0.2"),
        ("mest:first=1.2", "0 <= second <= first <= 1 .* must hold, got 0.1 and 1.2"),
        (
            "mest:until_first=0.8",
            "until_first <= until_second <= 1 must hold, got 0.8 and 0.75",
        ),
        ("mest:until_second=1.1", "until_second <= 1 must hold, got 0.5625 and 1.1"),
        ("mest:epochs=0", "epochs must be at least 1, got 0"),
        ("mest:gradient_weight=-1", "gradient_weight must be at least 0, got -1.0"),
        ("mest:gradient_weight=nan", "gradient_weight must be at least 0, got nan"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)

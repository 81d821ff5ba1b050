"""GaP: partitions in order, each dense in its turn, and all pruned in the end."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from sparse_toys import begun, budget, densities, every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.gap import GrowAndPrune
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named

pytestmark = pytest.mark.usefixtures("one_thread")


def sized(*sizes):
    return budget({f"l{place}": (size, 1) for place, size in enumerate(sizes)})


def test_three_equal_layers_take_turns():
    method = GrowAndPrune(partitions=3, rounds=2, until=0.6)
    weights = {name: torch.rand(10, 10) for name in ("a", "b", "c")}
    toy = moment(weights, density="1/5", steps=100)
    masks, dense = method.begin(toy), []
    for step in range(1, 101):
        toy = moment(weights, density="1/5", masks=masks, step=step, steps=100)
        if method.due(toy):
            masks = method.choose(toy)
        counts = kept(masks)
        dense.append("".join(name for name, count in counts.items() if count == 100))
        share = sum(counts.values()) / 300
        assert share == pytest.approx(1 / 3 + (2 / 3) / 5 if step < 60 else 1 / 5)
    assert "".join(dense) == "a" * 9 + "b" * 10 + "c" * 10 + "a" * 10 + "b" * 10 + "c" * 10


def test_what_grew_is_pruned_by_magnitude_and_sparse_layers_stay():
    method = GrowAndPrune(partitions=2, rounds=1, until=1.0)
    masks = {"a": torch.ones(1, 8, dtype=torch.bool), "b": torch.arange(8)[None] > 5}
    weights = {"a": [[1.0, -8, 3, 4, 5, -6, 7, 2]], "b": [[0.0] * 6 + [3.0, 4.0]]}
    new = method.choose(moment(weights, masks=masks, step=50))
    assert new["a"].nonzero()[:, 1].tolist() == [1, 6]
    assert new["b"].all()
    over = method.choose(moment(weights, masks=masks, step=100))
    assert torch.equal(over["b"], masks["b"])


@pytest.mark.parametrize(
    ("sizes", "partitions", "parts"),
    [
        ((5, 5, 5), 3, "0|1|2"),
        ((4, 1, 1, 2), 2, "0|123"),
        ((1, 1, 1, 1, 100), 2, "0123|4"),
        ((100, 1, 1, 1, 1), 3, "0|1|234"),
        ((1, 1, 100), 3, "0|1|2"),
        ((3, 3, 2, 2, 2), 2, "01|234"),
    ],
)
def test_partitions_are_runs_of_about_equal_size(sizes, partitions, parts):
    found = GrowAndPrune(partitions=partitions).parts(sized(*sizes))
    assert "|".join("".join(name[1:] for name in part) for part in found) == parts


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12), st.data())
def test_no_partition_is_empty_and_order_is_that_of_definition(sizes, data):
    partitions = data.draw(st.integers(2, len(sizes)))
    found = GrowAndPrune(partitions=partitions).parts(sized(*sizes))
    assert len(found) == partitions
    assert all(found)
    assert [name for part in found for name in part] == list(sized(*sizes).shapes)


@given(st.integers(2, 5), st.integers(1, 4), st.floats(0.05, 1), st.integers(1, 400))
def test_turns_never_go_back_and_end_with_all_pruned(partitions, rounds, until, steps):
    method = GrowAndPrune(partitions=partitions, rounds=rounds, until=until)
    turns = [method.turn(step, steps) for step in range(steps + 1)]
    assert turns == sorted(turns)
    assert turns[0] == 0
    assert turns[-1] == rounds * partitions
    stretch = int(until * steps)
    if stretch >= rounds * partitions:
        assert set(turns) == set(range(rounds * partitions + 1))


def test_a_training_ends_at_the_budget_and_grown_weights_learn():
    method, shares = GrowAndPrune(partitions=2, rounds=2, until=0.75), []
    for pruner in every_step(method, steps=16):
        shares.append(tuple(densities(pruner.masks).values()))
    assert (
        shares
        == [(1, 0.25)] * 3
        + [(0.25, 1)] * 3
        + [(1, 0.25)] * 3
        + [(0.25, 1)] * 3
        + [(0.25, 0.25)] * 5
    )
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept
    assert pruner.effort.forward["first"] == pytest.approx((6 + 10 / 4) / 16)


def test_what_grows_starts_from_zero_and_what_was_there_stays():
    for step, pruner in enumerate(every_step(GrowAndPrune(partitions=2, rounds=1), steps=8)):
        if step == 2:
            old = pruner.masks["second"].clone()
        if step == 3:
            stored = pruner.model.second.parametrizations.weight.original.detach()
            assert not stored[~old].any()
            assert stored[old].all()
        if step == 4:
            assert stored[~old].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gap:partitions=1", "gap: partitions must be at least 2, got 1"),
        ("gap:rounds=0", "gap: rounds must be at least 1, got 0"),
        ("gap:until=0", r"gap: until must be in \(0, 1\], got 0.0"),
        ("gap:until=1.5", r"gap: until must be in \(0, 1\], got 1.5"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)


def test_more_partitions_than_layers_are_refused():
    with pytest.raises(SpecError, match="partitions must be at most 2, the number of layers"):
        begun(GrowAndPrune(partitions=3))

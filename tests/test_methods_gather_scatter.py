"""Gather-scatter: kept weights are groups that read every bank once, at every step."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_toys import begun, budget, every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.gather_scatter import GatherScatter, projected
from graphprune.nn import masks_of

pytestmark = pytest.mark.usefixtures("one_thread")


def groups_of(mask, banks, k):
    """Groups of each bundle of rows, peeled off one by one; None where one has a conflict.

    A group reads each bank once and each row k times. Peeled by trying all, so for few banks.
    """
    rows = banks // k
    counts = mask.reshape(mask.shape[0] // rows, rows, mask.shape[1] // banks, banks, -1)
    found = []
    for table in counts.sum(dim=(2, 4)).tolist():
        groups = 0
        while any(map(any, table)):
            readers = next(
                (
                    order
                    for order in set(itertools.permutations(sorted([*range(rows)] * k)))
                    if all(table[row][bank] for bank, row in enumerate(order))
                    and even(table, order, k)
                ),
                None,
            )
            if readers is None:
                return None
            for bank, row in enumerate(readers):
                table[row][bank] -= 1
            groups += 1
        found.append(groups)
    return found


def even(table, order, k):
    """Whether rows and banks are as even without a group as groups make them."""
    left = [row[:] for row in table]
    for bank, row in enumerate(order):
        left[row][bank] -= 1
    banks = {sum(column) for column in zip(*left, strict=True)}
    return len(banks) == 1 and {sum(row) for row in left} == {k * banks.pop()}


def is_even(mask, banks, k):
    """The same by counts: every bank as often, every row k times as often."""
    rows = banks // k
    split = mask.reshape(mask.shape[0] // rows, rows, mask.shape[1] // banks, banks, -1)
    counts = split.sum(dim=(2, 4))
    groups = counts.sum(dim=(1, 2)) // banks
    by_bank, by_row = counts.sum(dim=1), counts.sum(dim=2)
    return bool((by_bank == groups[:, None]).all() and (by_row == k * groups[:, None]).all())


def read(columns, width=12):
    """A mask of one row that reads these columns."""
    mask = torch.zeros(1, width, dtype=torch.bool)
    mask[0, columns] = True
    return mask


def test_conflicts_by_hand():
    assert groups_of(read([0, 5, 10, 7]), 4, 4) == [1]  # banks 0, 1, 2, 3
    assert groups_of(read([0, 4, 1, 2]), 4, 4) is None  # bank 0 twice
    assert is_even(read([0, 5, 10, 7]), 4, 4)
    assert not is_even(read([0, 4, 1, 2]), 4, 4)


def test_a_horizontal_row_by_hand():
    """Banks hold (9, 1), (2, 8), (3, 7), (4, 5): the largest of each, whatever they are."""
    weight = torch.tensor([[9.0, 2.0, -3.0, 4.0, 1.0, -8.0, 7.0, 5.0]])
    mask = projected(weight, torch.ones(1, 8).bool(), 1, banks=4, rows=1)
    assert mask.nonzero()[:, 1].tolist() == [0, 5, 6, 7]


def test_a_vertical_group_by_hand():
    """Row 0 would rather read bank 0, but row 1 needs it more: 5 + 9 is above 6 + 1."""
    weight = torch.tensor([[6.0, 5.0], [9.0, 1.0]])
    mask = projected(weight, torch.ones(2, 2).bool(), 1, banks=2, rows=2)
    assert mask.tolist() == [[False, True], [True, False]]


def test_a_hybrid_group_by_hand():
    """GS(4, 2): each of two rows reads two banks."""
    weight = torch.tensor([[9.0, 8.0, 7.0, 1.0], [2.0, 3.0, 6.0, 5.0]])
    mask = projected(weight, torch.ones(2, 4).bool(), 1, banks=4, rows=2)
    assert mask.int().tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    assert groups_of(mask, 4, 2) == [1]


def test_a_bank_is_an_input_channel_at_every_kernel_position():
    weight = torch.zeros(1, 4, 2)
    weight[0] = torch.tensor([[1.0, 2.0], [4.0, 3.0], [8.0, 5.0], [6.0, 7.0]])
    mask = projected(weight, torch.ones(1, 4, 2).bool(), 1, banks=2, rows=1)
    # channels 0 and 2 are bank 0, channels 1 and 3 bank 1
    assert mask[0].tolist() == [[False, False], [False, False], [True, False], [False, True]]


@st.composite
def problems(draw):
    banks, k = draw(st.sampled_from([(2, 1), (2, 2), (4, 1), (4, 2), (4, 4)]))
    rows = banks // k
    shape = (rows * draw(st.integers(1, 2)), banks * draw(st.integers(1, 2)), 2)
    rng = torch.manual_seed(draw(st.integers(0, 2**31)))
    weight = torch.randint(-3, 4, shape, generator=rng).float()
    groups = draw(st.integers(1, weight.numel() // banks))
    return weight, banks, k, groups, draw(st.integers(1, groups))


@settings(max_examples=40)
@given(problems())
def test_projections_are_groups_within_groups(problem):
    weight, banks, k, groups, fewer = problem
    everything = torch.ones_like(weight, dtype=torch.bool)
    mask = projected(weight, everything, groups, banks=banks, rows=banks // k)
    assert sum(groups_of(mask, banks, k)) == groups
    inner = projected(weight * mask, mask, fewer, banks=banks, rows=banks // k)
    assert sum(groups_of(inner, banks, k)) == fewer
    assert not (inner & ~mask).any()
    assert torch.equal(
        mask, projected(weight, everything, groups, banks=banks, rows=banks // k)
    )


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 7))
def test_horizontal_projections_are_the_best_there_are(seed, groups):
    weight = torch.randn(2, 4, 2, generator=torch.manual_seed(seed))
    everything = torch.ones_like(weight, dtype=torch.bool)
    mask = projected(weight, everything, groups, banks=2, rows=1)
    best = max(
        best_of_row(weight[0], first) + best_of_row(weight[1], groups - first)
        for first in range(max(0, groups - 4), min(groups, 4) + 1)
    )
    assert float(weight.abs()[mask].sum()) == pytest.approx(best, rel=1e-5)


def best_of_row(row, groups):
    """Largest sum of |w| of a row that reads two banks so often; row of shape (4, 2)."""
    return sum(
        float(row.abs()[bank::2].flatten().sort(descending=True).values[:groups].sum())
        for bank in (0, 1)
    )


def test_equal_weights_go_by_position():
    mask = projected(torch.ones(2, 8), torch.ones(2, 8).bool(), 1, banks=4, rows=1)
    assert mask.nonzero().tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


@pytest.mark.parametrize("k", [0, 1, 2, 4])
def test_every_step_is_free_of_conflict_and_within_the_last(k):
    before, counts = None, []
    for pruner in every_step(GatherScatter(banks=4, k=k), steps=20, density="1/8"):
        for name, mask in pruner.masks.items():
            assert is_even(mask, 4, k or 4), name
            assert before is None or not (mask & ~before[name]).any()
        before = {name: mask.clone() for name, mask in pruner.masks.items()}
        counts.append(int(mask.sum()) / mask.numel())
    # one step in eight of a quarter of the way: 1/8 + 7/8 (1 - update / 4) ** 3
    wanted = [1.0, 1 / 8 + 7 / 8 * 27 / 64, 1 / 8 + 7 / 8 / 8, 1 / 8 + 7 / 8 / 64, 1 / 8]
    assert sorted(set(counts), reverse=True) == pytest.approx(wanted, abs=4 / 1152)
    assert counts[5] == 1
    assert counts[15] == counts[20] == 1 / 8
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept


def test_pruning_at_once_is_before_training():
    pruner = begun(GatherScatter(banks=4, begin_at=0.0, end_at=0.0))
    assert kept(pruner.masks) == pruner.budget.kept
    now = moment({"one": torch.ones(4, 4)}, step=1)
    assert not GatherScatter(banks=4, begin_at=0.0, end_at=0.0).due(now)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"banks": 1}, "gather-scatter: banks must be at least 2, got 1"),
        ({"banks": 8, "k": 3}, "gather-scatter: k must be 0 or one of 1, 2, 4, 8, got 3"),
        ({"begin_at": 0.8}, "0 <= begin_at <= end_at <= 1 must hold, got 0.8 and 0.75"),
        ({"updates": 0}, "gather-scatter: updates must be at least 1, got 0"),
    ],
)
def test_nonsense_options_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        GatherScatter(**options)


@pytest.mark.parametrize(
    ("options", "shapes", "density", "message"),
    [
        ({}, {"one": (8, 12), "two": (8, 8)}, "1/2", "gather-scatter: one has 12 input "
         "channels, which 8 banks do not divide; banks can be 2, 4$"),
        ({"k": 1}, {"one": (12, 8)}, "1/2", "one has 12 output channels, which 8 rows a group "
         "do not divide; banks / k can be 1, 2, 3, 4, 6, 12$"),
        ({}, {"one": (4, 8), "two": (8, 8)}, "1/3", "one is to have ratio 0.666667, which is "
         "no whole number of groups of 8; the nearest ratios that are: 0.75 and 0.5"),
        ({}, {"one": (1, 8)}, "1/2", "the nearest ratios that are: there are none"),
    ],
)  # fmt: skip
def test_what_groups_cannot_keep_is_refused(options, shapes, density, message):
    with pytest.raises(SpecError, match=message) as caught:
        GatherScatter(**options).check(budget(shapes, density=density))
    assert "\n" not in str(caught.value)

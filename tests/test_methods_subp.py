"""SUBP: every group of outputs keeps as many blocks, at every step."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import begun, budget, every_step, examples, kept, moment, one_step

from graphprune.errors import SpecError
from graphprune.methods.subp import SUBP, in_blocks
from graphprune.nn import compact, compaction_report, masks_of
from graphprune.sparse_training import Budget

pytestmark = pytest.mark.usefixtures("one_thread")
HALF = SUBP(n=1, curve="linear", begin_at=0.0, end_at=1.0)


def blocks_kept(mask, n):
    """Kept blocks of each group; every block is kept whole or not at all."""
    blocks = in_blocks(mask, n)
    assert (blocks == blocks[..., :1]).all()
    return blocks[..., 0].sum(dim=1).tolist()


def test_one_group_by_hand():
    """Blocks 1 and 3 are pruned; half-way one of them grows again, 3 with chance 0.610."""
    weights = {"one": [[4.0, 1.0, 3.0, 2.0]]}
    assert HALF.chances(torch.tensor([[1.0, 2.0]])).tolist()[0][1] == pytest.approx(
        1 / (1 + math.exp(-1 / math.sqrt(5)))
    )
    assert HALF.chances(torch.tensor([[1.0, 2.0]])).tolist()[0][1] == pytest.approx(0.61, 1e-3)
    grown = 0
    for seed in range(300):
        now = moment(weights, density="1/2", step=50, steps=100, seed=seed)
        mask = HALF.choose(now)["one"][0].tolist()
        assert mask[0]
        assert mask[2]
        assert sum(mask) == 3
        grown += mask[3]
    assert grown / 300 == pytest.approx(0.61, abs=0.1)


def test_cosines_by_hand():
    """A block that repeats another goes first."""
    blocks = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    everything = torch.ones_like(blocks, dtype=torch.bool)
    scores = SUBP(score="bpar").scores(blocks, everything)
    torch.testing.assert_close(scores, torch.tensor([[-1 / 15, -1 / 15, 2 / 15]]))
    halved = SUBP(score="bpar", alpha=0.5).scores(blocks, everything)
    torch.testing.assert_close(halved, torch.tensor([[2 / 15, 2 / 15, 7 / 30]]))
    # pruned blocks have no direction: their part counts as 1
    everything[0, 0] = False
    scores = SUBP(score="bpar").scores(blocks, everything)
    torch.testing.assert_close(scores, torch.tensor([[-1.0, 0.0, 0.0]]))
    kept_values = SUBP(score="bpar", zeroed=False).scores(blocks, everything)
    torch.testing.assert_close(kept_values, torch.tensor([[-2 / 3, -1 / 6, -1 / 6]]))


def test_norms_by_hand():
    blocks, masks = torch.tensor([[[3.0, -4.0], [6.0, 0.0]]]), torch.ones(1, 2, 2).bool()
    assert SUBP().scores(blocks, masks).tolist() == [[7.0, 6.0]]
    assert SUBP(score="l2").scores(blocks, masks).tolist() == [[5.0, 6.0]]
    masks[0, 1] = False
    assert SUBP().scores(blocks, masks).tolist() == [[7.0, 0.0]]
    assert SUBP(zeroed=False).scores(blocks, masks).tolist() == [[7.0, 6.0]]


def test_blocks_are_outputs_of_one_channel_with_the_kernel():
    weight = torch.arange(24.0).reshape(4, 2, 3)
    assert in_blocks(weight, 2)[1, 0].tolist() == [12.0, 13.0, 14.0, 18.0, 19.0, 20.0]
    weight[2, 0] = -100.0
    now = moment({"one": weight}, density="1/2", step=100, steps=100)
    mask = SUBP(n=2).choose(now)["one"]
    assert mask[..., 0].tolist() == [[False, True], [False, True], [True, False], [True, False]]


@pytest.mark.parametrize(
    ("curve", "share"), [("linear", 0.5), ("cubic", 0.875), ("cos", math.cos(math.pi / 4))]
)
def test_curves_by_hand(curve, share):
    method = SUBP(curve=curve, begin_at=0.2, end_at=0.6)
    for step, wanted in ((0, 1.0), (20, 1.0), (40, share), (60, 0.0), (100, 0.0)):
        now = moment({"one": [[1.0]]}, step=step, steps=100, steps_an_epoch=10)
        assert method.grown_share(now) == pytest.approx(wanted, abs=1e-12)
        late = moment({"one": [[1.0]]}, step=min(step + 9, 99), steps=100, steps_an_epoch=10)
        assert step == 100 or method.grown_share(late) == method.grown_share(now)


@given(
    st.sampled_from([1, 2, 4]),
    st.integers(1, 7),
    st.sampled_from(["l1", "l2", "bpar"]),
    st.integers(0, 10),
    st.integers(0, 2**31),
)
def test_every_group_keeps_as_many_blocks(n, blocks, score, epoch, seed):
    weight = torch.randint(-2, 3, (8, 8, 3), generator=torch.manual_seed(seed)).float()
    method = SUBP(n=n, score=score, curve="linear", begin_at=0.0, end_at=0.5, tau=1e-4)
    masks = {"one": torch.rand(8, 8, 3, generator=torch.manual_seed(seed)) < 0.5}
    now = moment({"one": weight}, density=f"{blocks}/8", masks=masks, step=10 * epoch,
                 steps=100, seed=seed)  # fmt: skip
    pruned = 8 - blocks
    grown = int(round(pruned * max(0, 10 - 2 * epoch) / 10, 9))
    assert set(blocks_kept(method.choose(now)["one"], n)) == {8 - pruned + grown}


@pytest.mark.parametrize(
    "method",
    [SUBP(n=2), SUBP(n=4, score="bpar", curve="cos"), SUBP(n=8, score="l2", zeroed=False)],
)
def test_loads_are_uniform_at_every_step(method):
    loads = []
    for pruner in every_step(method, steps=20, steps_an_epoch=2):
        for mask in pruner.masks.values():
            load = set(blocks_kept(mask, method.n))
            assert len(load) == 1
        loads.append(load.pop())
    assert loads[0] == 8
    assert loads == sorted(loads, reverse=True)
    assert len(set(loads)) > 2
    assert all(one == other for one, other in zip(loads[::2], loads[1::2], strict=False))
    assert loads[16:] == [2] * 5
    done = pruner.finish()
    assert kept(masks_of(done)) == pruner.budget.kept
    rows = compaction_report(compact(done))
    assert [row.fan_in for row in rows] == [2, 2]
    assert [row.width % method.n for row in rows] == [0, 0]


def test_pruned_blocks_learn_and_shrink():
    method = SUBP(n=2, begin_at=0.0, end_at=0.0, decay=1.0)
    pruner = begun(method)
    plain = begun(SUBP(n=2, begin_at=0.0, end_at=0.0, decay=0.0))
    before = pruner.model.first.parametrizations.weight.original.detach().clone()
    pruned = ~pruner.masks["first"]
    assert pruned.any()
    for each in (pruner, plain):
        one_step(each, *examples())
    after, without = (
        each.model.first.parametrizations.weight.original.detach() for each in (pruner, plain)
    )
    assert (without[pruned] != before[pruned]).all()
    torch.testing.assert_close(without - after, 0.1 * before * pruned)


def test_a_training_too_short_for_its_curve_still_ends_within_the_budget():
    *_, pruner = every_step(SUBP(n=2, end_at=1.0), steps=7)
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept


def test_masks_that_are_pruned_enough_stay_after_the_last_step():
    now = moment({"one": torch.ones(2, 4)}, density="1/2", step=100, steps=100)
    assert SUBP(n=2).due(now)
    now.masks["one"][:, :2] = False
    assert not SUBP(n=2).due(now)


def test_layers_of_their_own_share_keep_their_own_blocks():
    shapes = {"one": (2, 8), "all": (2, 3)}
    mixed = Budget(shapes, budget(shapes).density, 0, {"one": (8, 3), "all": (3, 3)})
    now = moment({name: torch.rand(shape) for name, shape in shapes.items()}, step=100)
    now = replace(now, budget=mixed)
    SUBP(n=2).check(mixed)
    assert kept(SUBP(n=2).choose(now)) == mixed.kept == {"one": 6, "all": 6}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "subp: n must be at least 1, got 0"),
        ({"score": "l0"}, "subp: score must be one of l1, l2, bpar, got 'l0'"),
        ({"alpha": 2.0}, "subp: alpha is for score=bpar, got 2.0"),
        (
            {"alpha": -1.0, "score": "bpar"},
            "alpha must be at least 0 and tau above 0, got -1.0",
        ),
        ({"tau": 0.0}, "tau above 0, got 1.0 and 0.0"),
        ({"decay": -1.0}, "subp: decay must be at least 0"),
        ({"curve": "exp"}, "subp: curve must be one of"),
        ({"end_at": 1.5}, "subp: 0 <= begin_at <= end_at <= 1 must hold, got 0.04 and 1.5"),
    ],
)
def test_nonsense_options_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        SUBP(**options)


@pytest.mark.parametrize(
    ("n", "inputs", "message"),
    [
        (16, 8, "subp: one has 8 output channels, which blocks of 16 do not divide; n can be "
         "1, 2, 4, 8"),
        (4, 6, "subp: one is to have ratio 0.75, which is no whole number of 6 blocks a "
         "group; the nearest ratios that are: 0.5"),
    ],
)  # fmt: skip
def test_what_blocks_cannot_keep_is_refused(n, inputs, message):
    with pytest.raises(SpecError, match=message) as caught:
        SUBP(n=n).check(budget({"one": (8, inputs), "two": (24, 16)}, density="1/4"))
    assert "\n" not in str(caught.value)

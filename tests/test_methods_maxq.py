"""MaxQ: soft N:M masks, of which fewer and fewer groups are dense."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import budget, every_step, examples, kept, moment, one_step

from graphprune.errors import SpecError
from graphprune.methods.maxq import MaxQ
from graphprune.methods.nm import NM
from graphprune.nn import masks_of

pytestmark = pytest.mark.usefixtures("one_thread")
AT_ONCE = MaxQ(n=2, m=4, end_at=0.0)


def full_groups(mask, m):
    """Groups of m input channels that are kept whole, and all groups, as numbers."""
    split = (mask != 0).reshape(mask.shape[0], mask.shape[1] // m, m, -1).sum(dim=2)
    assert set(split.flatten().tolist()) <= {1, m}
    return int((split == m).sum()), split.numel()


def test_one_filter_by_hand():
    weight = torch.tensor([4.0, 3.0, 2.0, 1.0]).reshape(1, 4, 1, 1)
    mask = AT_ONCE.choose(moment({"one": weight}, density="1/2"))["one"]
    assert mask.flatten().tolist() == [2.0, 2.0, 0.0, 0.0]  # the cut is 2.5, far away


def test_softness_by_hand():
    # cut 2.5; sigmoid(0.5 / 0.5) and sigmoid(1.5 / 0.5)
    weight = torch.tensor([[4.0, -3.0, 2.0, 1.0]])
    method = MaxQ(n=2, m=4, end_at=0.0, tau=0.5)
    mask = method.choose(moment({"one": weight}, density="1/2"))["one"]
    wanted = [[1 + 1 / (1 + math.exp(-3)), 1 + 1 / (1 + math.exp(-1)), 0.0, 0.0]]
    torch.testing.assert_close(mask, torch.tensor(wanted))


def test_kernel_positions_ask_too():
    # position 0 keeps outputs 0 and 1 of channel 0; filters keep their two largest of four
    weight = torch.tensor([[[9.0, 8.0], [1.0, 2.0]], [[5.0, 3.0], [2.0, 6.0]]])
    method = MaxQ(n=1, m=2, end_at=0.0)
    mask = method.choose(moment({"one": weight}, density="1/2"))["one"]
    # (0, 0): local, filter, position 9 and 5 of (9, 1, 5, 2); (0, 1): 8 and 6 of (8, 2, 3, 6)
    assert mask.tolist() == [[[3.0, 3.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 3.0]]]
    # without its second position a kernel has no such axis
    single = method.choose(moment({"one": weight[..., :1]}, density="1/2"))["one"]
    assert single.tolist() == [[[2.0], [0.0]], [[2.0], [0.0]]]


@pytest.mark.parametrize(
    ("curve", "dense"), [("linear", 6), ("cubic", 3), ("cos", 7)]
)  # 8 * 0.75, 8 * 0.75 ** 3 = 3.4, 8 * cos(pi / 8) = 7.4
def test_groups_of_smallest_sum_stay_dense_longest(curve, dense):
    weight = torch.arange(1.0, 33.0).reshape(8, 4)
    method = MaxQ(n=2, m=4, curve=curve, end_at=1.0)
    now = moment({"one": weight}, density="1/2", step=25, steps=100)
    mask = method.choose(moment({"one": weight}, density="1/2", step=25, steps=100,
                                steps_an_epoch=5))["one"]  # fmt: skip
    assert (mask != 0).all(dim=1).tolist() == [place < dense for place in range(8)]
    assert method.dense_share(now) > 0.2
    late = method.choose(moment({"one": weight}, density="1/2", step=100, steps=100))["one"]
    assert kept({"one": late}) == {"one": 16}


@given(st.sampled_from([(1, 2), (1, 4), (2, 4), (3, 4)]), st.integers(0, 2**31), st.booleans())
def test_the_support_is_that_of_n_of_m(pattern, seed, kernel):
    n, m = pattern
    shape = (3, 2 * m, 3) if kernel else (3, 2 * m)
    weight = torch.randn(shape, generator=torch.manual_seed(seed)) * 0.05
    now = moment({"one": weight}, density=f"{n}/{m}")
    mask = MaxQ(n=n, m=m, end_at=0.0).choose(now)["one"]
    assert torch.equal(mask != 0, NM(n=n, m=m).choose(now)["one"])
    values = mask[mask != 0]
    assert values.min() >= 1
    assert values.max() <= (3 if kernel else 2)


def test_sparse_groups_rise_by_epoch_to_all():
    shares = []
    for step, pruner in enumerate(every_step(MaxQ(end_at=0.5), steps=20)):
        for name, mask in pruner.masks.items():
            dense, groups = full_groups(mask, 4)
            values = mask[mask != 0]
            assert values.min() >= 1
            assert values.max() <= 3
            share = max(0.0, 1 - (step // 5 * 5 / 20) / 0.5)
            assert dense == int(share * groups), name
        shares.append(dense / groups)
    assert shares[0] == shares[4] == 1
    assert shares[5] == 0.5
    assert shares[10] == shares[20] == 0
    assert kept(pruner.masks) == pruner.budget.kept


def test_the_masks_end_up_in_the_weights():
    *_, pruner = every_step(MaxQ(), steps=10)
    images, _ = examples(seed=1)
    done = pruner.finish()
    assert kept(masks_of(done)) == pruner.budget.kept
    pruner.model.eval()
    done.eval()
    with torch.no_grad():
        assert torch.equal(pruner.model(images), done(images))
    stored = pruner.model.first.parametrizations.weight.original
    assert torch.equal(done.first.weight, stored * pruner.masks["first"])
    assert (done.first.weight.abs() > stored.abs()).any()


def test_gradients_pass_masks_and_pruned_weights_decay():
    one, other = (next(every_step(MaxQ(end_at=0.0, decay=decay))) for decay in (0.0, 1.0))
    mask = one.masks["first"].clone()
    before = one.model.first.parametrizations.weight.original.detach().clone()
    for pruner in (one, other):
        one_step(pruner, *examples())
    without, extra = (
        pruner.model.first.parametrizations.weight.original.detach() for pruner in (one, other)
    )
    assert (without[mask == 0] != before[mask == 0]).all()
    torch.testing.assert_close(without - extra, 0.1 * before * (mask == 0))


def test_training_too_short_for_an_epoch_still_ends_within_the_budget():
    *_, pruner = every_step(MaxQ(end_at=1.0), steps=7)
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": 0.0}, "maxq: tau must be above 0"),
        ({"decay": -1.0}, "maxq: decay must be at least 0"),
        ({"n": 3, "m": 2}, "maxq: n and m must be 0, or 1 <= n < m"),
        ({"curve": "exp"}, "maxq: curve must be one of linear, cubic, cos, got 'exp'"),
        ({"begin_at": 0.5}, "maxq: 0 <= begin_at <= end_at <= 1 must hold, got 0.5 and 0.25"),
    ],
)
def test_nonsense_options_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        MaxQ(**options)


def test_what_no_pattern_gives_is_refused():
    with pytest.raises(SpecError, match=r"maxq: one has 8 input .*: 0.75 and 0.625"):
        MaxQ().check(budget({"one": (4, 8)}, density="1/3"))

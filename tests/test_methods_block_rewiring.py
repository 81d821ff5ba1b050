"""Rewiring of blocks: which move, and that degrees stay exact however often they do."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from sparse_toys import begun, every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.block_rewiring import BlockRewiring, exchanged, regrown, staying
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named
from graphprune.sparse_training.blocks import block_mask, node_scores, wiring_of

pytestmark = pytest.mark.usefixtures("one_thread")
ALL = pytest.mark.parametrize("moves", ["fan-in", "swap"])
GROWTHS = pytest.mark.parametrize("grow", ["gradient", "random"])


def table(*rows):
    """A wiring from rows such as "1100"."""
    return torch.tensor([[digit == "1" for digit in row] for row in rows])


def updated(method, wiring, sizes, slopes=None, *, seed=0, width=1):
    """The wiring after an update of one layer, each node `width` channels."""
    scale = torch.ones(width, width)
    weights = torch.kron(torch.as_tensor(sizes, dtype=torch.float32), scale)
    mask = block_mask(wiring.numpy(), weights)
    more = {}
    if slopes is not None:
        more["gradients"] = {
            "a": torch.kron(torch.as_tensor(slopes, dtype=torch.float32), scale)
        }
    toy = moment(
        {"a": weights * mask}, masks={"a": mask}, density="1/2", nodes=len(wiring), seed=seed,
        **more,
    )  # fmt: skip
    return torch.from_numpy(wiring_of(method.choose(toy)["a"], len(wiring)))


RING = table("0101", "1010", "0101", "1010")
SIZES = [[0, 3, 0, 1], [5, 0, 4, 0], [0, 1, 0, 2], [7, 0, 8, 0]]  # weakest: 3, 2, 1, 0
SLOPES = [[1, 0, -9, 2], [9, 0, 0, 8], [1, 2, 3, 4], [9, 1, 0, 2]]


@pytest.mark.parametrize("width", [1, 3])
def test_each_node_drops_its_smallest_and_grows_its_steepest(width):
    found = updated(BlockRewiring(), RING, SIZES, SLOPES, width=width)
    # Node 3 regrows at once what it dropped.
    assert torch.equal(found, table("0110", "1001", "0011", "1010"))


def test_no_more_than_the_cap_move():
    found = updated(BlockRewiring(cap=2), RING, SIZES, SLOPES)
    assert torch.equal(found, table("0011", "1001", "0011", "1001"))
    assert torch.equal(updated(BlockRewiring(cap=9), RING, SIZES, SLOPES), found)


def test_random_growth_takes_any_block_that_is_free():
    seen = torch.zeros(4, 4)
    for seed in range(300):
        seen += updated(BlockRewiring(grow="random"), RING, SIZES, seed=seed)
    stays = table("0100", "1000", "0001", "0010")
    assert (seen[stays] == 300).all()
    assert ((seen[~stays] / 300 - 1 / 3).abs() < 0.1).all()  # just dropped ones included


def test_a_norm_is_of_the_whole_block():
    weights = torch.zeros(4, 4)
    weights[:2, :2] = torch.tensor([[3.0, 0], [0, 0]])  # l1 3, l2 9
    weights[:2, 2:] = torch.tensor([[1.0, 1], [1, 1]])  # l1 4, l2 4
    weights[2:, :] = 1
    mask = torch.ones(4, 4, dtype=torch.bool)
    for norm, stays in (("l1", [False, True]), ("l2", [True, False])):
        sizes = torch.from_numpy(node_scores(weights, 2, norm))
        wiring = torch.from_numpy(wiring_of(mask, 2))
        assert staying(wiring, sizes, 1)[0].tolist() == stays
        assert regrown(wiring, staying(wiring, sizes, 1), torch.zeros(2, 2)).all()


def test_a_swap_is_made_where_the_new_blocks_gain():
    wiring = table("1100", "1100", "0011", "0011")
    sizes = [[1, 2, 0, 0], [2, 1, 0, 0], [0, 0, 1, 2], [0, 0, 2, 1]]
    slopes = torch.zeros(4, 4)
    method = BlockRewiring(moves="swap")
    assert torch.equal(updated(method, wiring, sizes, slopes), wiring)  # nothing to gain
    slopes[0, 2], slopes[2, 0], slopes[0, 3] = 3, 3, 5  # 0-2: gain 6; 0-3: gain 5
    found = updated(method, wiring, sizes, slopes)
    assert torch.equal(found, table("0110", "1100", "1001", "0011"))
    slopes[0, 0] = 7  # what 0 would lose is worth more
    assert torch.equal(updated(method, wiring, sizes, slopes), wiring)


def test_an_exchange_that_would_double_a_block_is_left_out():
    wiring = table("110", "101", "011")
    offers = torch.tensor([[0, 1], [1, 2]])  # 0 does not read 2, nor 1 itself
    gains = torch.ones(2, 2)
    assert torch.equal(exchanged(wiring, offers, gains), table("101", "110", "011"))
    offers = torch.tensor([[0, 0], [1, 2]])  # 1 reads 0 already
    assert torch.equal(exchanged(wiring, offers, gains), wiring)
    assert torch.equal(wiring, table("110", "101", "011"))


def test_an_offer_is_exchanged_once():
    wiring = table("1000", "0100", "0010", "0001")
    offers = wiring.nonzero()
    gains = torch.tensor([[0, 1, 9, 1], [0, 0, 1, 8], [0, 0, 0, 1], [0, 0, 0, 0.0]])
    found = exchanged(wiring, offers, gains)
    assert torch.equal(found, table("0010", "0001", "1000", "0100"))
    assert torch.equal(exchanged(wiring, offers[:0], gains[:0, :0]), wiring)


@ALL
@GROWTHS
@pytest.mark.parametrize("cap", [1, 3])
def test_degrees_are_exact_after_thousands_of_rewirings(moves, grow, cap):
    nodes, degree = 8, 4
    method = BlockRewiring(moves=moves, grow=grow, cap=cap)
    shapes = {"a": torch.rand(nodes, nodes), "b": torch.rand(nodes, 2 * nodes)}
    toy = moment(shapes, density="1/2", nodes=nodes)
    masks, moved = method.begin(toy), 0
    rng = torch.Generator().manual_seed(0)
    for seed in range(200 if cap == 1 else 120):
        drawn = {n: torch.randn(w.shape, generator=rng) for n, w in shapes.items()}
        slopes = {n: torch.randn(w.shape, generator=rng) for n, w in shapes.items()}
        weights = {name: drawn[name] * masks[name] for name in masks}
        toy = moment(
            weights, masks=masks, density="1/2", nodes=nodes, seed=seed,
            gradients=slopes if grow == "gradient" else None,
        )  # fmt: skip
        before, masks = masks, method.choose(toy)
        for name, mask in masks.items():
            wiring, old = wiring_of(mask, nodes), wiring_of(before[name], nodes)
            assert torch.equal(block_mask(wiring, mask), mask)  # whole blocks
            assert (wiring.sum(axis=1) == degree).all()
            if moves == "swap":
                assert (wiring.sum(axis=0) == degree).all()
            gone = (old & ~wiring).sum(axis=1)
            assert gone.max() <= cap
            moved += gone.sum()
    assert moved > 1000


@ALL
@GROWTHS
def test_a_training_keeps_its_degrees_and_moves(moves, grow):
    seen = set()
    method = BlockRewiring(moves=moves, grow=grow, interval=2)
    for pruner in every_step(method, steps=10, density="1/2"):
        for mask in pruner.masks.values():
            wiring = wiring_of(mask, 8)
            assert (wiring.sum(axis=1) == 4).all()
            assert moves == "fan-in" or (wiring.sum(axis=0) == 4).all()
        seen.add(pruner.masks["second"].numpy().tobytes())
    assert 1 < len(seen) <= 4  # after 2, 4 and 6 of 10 steps
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept
    dense = pruner.effort.gradient["first"] - pruner.effort.forward["first"]
    assert dense == pytest.approx(0.5 * 3 / 10 if grow == "gradient" else 0)


@ALL
def test_random_rewiring_trains_compact_as_it_trains_masked(moves):
    method = BlockRewiring(moves=moves, grow="random", interval=2)
    small = [p.masks for p in every_step(method, steps=6, density="1/2", compact=True)]
    for one, pruner in zip(small, every_step(method, steps=6, density="1/2"), strict=True):
        assert all(torch.equal(one[name], mask) for name, mask in pruner.masks.items())
    pruner = begun(method, density="1/2", compact=True)
    stored = sum(parameter.numel() for parameter in pruner.model.parameters())
    masked = begun(method, density="1/2")
    assert stored < sum(parameter.numel() for parameter in masked.model.parameters())


def test_gradients_want_the_masked_form():
    pruner = begun(BlockRewiring(), density="1/2", compact=True)
    masked = begun(BlockRewiring(), density="1/2")
    count = [sum(p.numel() for p in each.model.parameters()) for each in (pruner, masked)]
    assert count[0] == count[1]
    assert not BlockRewiring(grow="random").needs_gradients()


@ALL
@given(st.integers(0, 999), st.integers(2, 9), st.integers(1, 4), st.data())
def test_moves_keep_degrees_of_any_wiring(moves, seed, nodes, cap, data):
    """Also of wirings that are not regular: each node keeps its own number."""
    rng = torch.Generator().manual_seed(seed)
    wiring = torch.rand(nodes, nodes, generator=rng) < data.draw(st.floats(0, 1))
    sizes, worth = torch.rand(2, nodes, nodes, generator=rng)
    stays = staying(wiring, sizes, cap)
    assert not (stays & ~wiring).any()
    if moves == "fan-in":
        found = regrown(wiring, stays, worth)
    else:
        offers = (wiring & ~stays).nonzero()
        found = exchanged(wiring, offers, torch.randn(len(offers), len(offers), generator=rng))
        assert torch.equal(found.sum(dim=0), wiring.sum(dim=0))
    assert torch.equal(found.sum(dim=1), wiring.sum(dim=1))


def test_it_is_due_at_every_interval_until_its_end():
    method = BlockRewiring(interval=20, until=0.75)
    due = [step for step in range(1, 101) if method.due(moment({"a": [[1.0]]}, step=step))]
    assert due == [20, 40, 60]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("block-rewiring:moves=none", "moves must be one of fan-in, swap, got 'none'"),
        ("block-rewiring:grow=luck", "grow must be one of gradient, random, got 'luck'"),
        ("block-rewiring:norm=l3", "norm must be one of l1, l2, got 'l3'"),
        ("block-rewiring:cap=0", "cap must be at least 1, got 0"),
        ("block-rewiring:interval=0", "interval must be at least 1, got 0"),
        ("block-rewiring:until=1.5", r"until must be in \[0, 1\], got 1.5"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)


def test_budgets_without_blocks_are_refused():
    with pytest.raises(
        SpecError, match=r"ratio 0.7 is no whole degree on 8 nodes.* 0.75 and 0"
    ):
        begun(BlockRewiring(), density="3/10")
    with pytest.raises(SpecError, match="block-rewiring: first has 8 x 8 channels"):
        begun(BlockRewiring(), density="1/2", nodes=6)

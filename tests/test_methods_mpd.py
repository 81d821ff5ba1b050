"""MPDCompress: every layer falls into k complete parts of exactly 1/k of its weights."""

import itertools

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import begun, budget, every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.mpd import MPD, blocks
from graphprune.nn import masks_of

pytestmark = pytest.mark.usefixtures("one_thread")


def parts_of(mask):
    """Channels of each connected part of a mask of outputs and inputs, and its edges."""
    graph = nx.Graph()
    graph.add_nodes_from([("out", row) for row in range(mask.shape[0])])
    graph.add_nodes_from([("in", column) for column in range(mask.shape[1])])
    graph.add_edges_from((("out", o), ("in", i)) for o, i in mask.nonzero().tolist())
    for part in nx.connected_components(graph):
        outputs = sum(kind == "out" for kind, _ in part)
        yield outputs, len(part) - outputs, graph.subgraph(part).number_of_edges()


def test_a_permuted_block_diagonal_by_hand():
    joined = blocks((4, 4), 2)
    assert joined.int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    rows, columns = [2, 0, 3, 1], [1, 3, 0, 2]
    mask = joined[rows][:, columns]
    assert mask.int().tolist() == [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert torch.linalg.matrix_rank(mask.double()) == 2
    undone = torch.empty_like(mask)
    undone[torch.tensor(rows)[:, None], torch.tensor(columns)] = mask
    assert torch.equal(undone, joined)


def test_uneven_widths_by_hand():
    # 5 outputs in 3 + 2, 3 inputs in 2 + 1; half of 15 is 8 rounded up: 3 * 2 + 2 * 1
    assert blocks((5, 3), 2).int().tolist() == [[1, 1, 0]] * 3 + [[0, 0, 1]] * 2
    # 5 and 6 in 3 blocks: 10 of 30 weights, whichever meet
    assert int(blocks((5, 6), 3).sum()) == 10


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_blocks_are_complete_parts_of_even_sizes(rows, columns, data):
    k = data.draw(st.integers(1, min(rows, columns)))
    mask = blocks((rows, columns), k)
    parts = list(parts_of(mask))
    assert len(parts) == k
    assert all(edges == outputs * inputs for outputs, inputs, edges in parts)
    outputs, inputs, _ = zip(*parts, strict=True)
    assert max(outputs) - min(outputs) <= 1
    assert max(inputs) - min(inputs) <= 1
    assert int(mask.sum()) == -(-rows * columns // k)


@pytest.mark.parametrize(
    ("shape", "k"), [((8, 8), 4), ((7, 8), 4), ((8, 7, 3), 4), ((7, 5), 3), ((6, 6, 3, 3), 6)]
)
def test_masks_keep_the_budget_in_k_parts(shape, k):
    before = moment({"one": torch.ones(shape)}, density=f"1/{k}")
    MPD().check(before.budget)
    mask = MPD().begin(before)["one"]
    assert kept({"one": mask}) == before.budget.kept
    flat = mask.reshape(*shape[:2], -1)
    assert (flat == flat[..., :1]).all()
    parts = list(parts_of(flat[..., 0]))
    assert len(parts) == k
    assert all(edges == outputs * inputs for outputs, inputs, edges in parts)


def test_layers_and_seeds_have_permutations_of_their_own():
    weights = {"one": torch.ones(16, 16), "two": torch.ones(16, 16)}
    first, again, other = (MPD().begin(moment(weights, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in weights)
    assert not torch.equal(first["one"], first["two"])
    assert not torch.equal(first["one"], other["one"])
    in_order = {tuple(row) for row in blocks((16, 16), 4).tolist()}
    for mask in (first["one"], first["one"].T):  # rows and columns are permuted
        assert not {tuple(row) for row in mask.tolist()} <= in_order


def test_the_mask_never_changes_while_training():
    first = None
    for pruner in every_step(MPD(), steps=6):
        first = first or {name: mask.clone() for name, mask in pruner.masks.items()}
        assert all(torch.equal(mask, first[name]) for name, mask in pruner.masks.items())
        for name, mask in pruner.masks.items():
            assert len(list(parts_of(mask[..., 0, 0]))) == 4
            assert not pruner.model.get_submodule(name).weight[~mask].any()
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept


@pytest.mark.parametrize(
    ("shape", "density", "message"),
    [
        ((8, 8), "3/8", "one is to have ratio 0.625, and no blocks keep 1 - 1/k; the nearest "
         "ratios that blocks keep: 0.666667 and 0.5"),
        ((8, 8, 3, 3), "1/3", "one is to have ratio 0.666667, and no blocks keep 1/3 of 8 x 8 "
         "channels exactly; .*: 0.75 and 0.5"),
        ((4, 8), "1/8", "1/8 of 4 x 8 channels exactly; .*: 0.75$"),
        ((1, 8), "1/8", "there are none"),
    ],
)  # fmt: skip
def test_what_blocks_cannot_keep_is_refused(shape, density, message):
    with pytest.raises(SpecError, match=message) as caught:
        MPD().check(budget({"one": shape}, density=density))
    assert "\n" not in str(caught.value)


def test_the_nearest_ratios_suit_all_layers():
    # 5 x 5 kernels of 2 x 2 fall into 5 exact parts alone, 8 x 8 weights into any number
    shapes = {"one": (8, 8), "two": (5, 5, 2, 2)}
    with pytest.raises(SpecError, match=r"two is to have .*; the nearest .*: 0.8$"):
        MPD().check(budget(shapes, density="1/2"))


def test_every_refusal_is_right_and_every_other_budget_is_kept():
    for rows, columns, k in itertools.product(range(2, 7), range(2, 7), range(2, 7)):
        shape = (rows, columns, 3, 3)
        try:
            MPD().check(budget({"one": shape}, density=f"1/{k}"))
        except SpecError:
            sizes = even_sums(rows, columns, k)
            assert -(-9 * rows * columns // k) not in {9 * each for each in sizes}
        else:
            assert 9 * int(blocks(shape, k).sum()) == -(-9 * rows * columns // k)


def even_sums(rows, columns, k):
    """Channel pairs that k blocks of even sizes can hold, by trying how larger ones meet."""
    if k > min(rows, columns):
        return set()
    tall = [rows // k + (place < rows % k) for place in range(k)]
    wide = [columns // k + (place < columns % k) for place in range(k)]
    return {
        sum(a * b for a, b in zip(tall, order, strict=True))
        for order in set(itertools.permutations(wide))
    }


def test_a_pruner_refuses_it_too():
    with pytest.raises(SpecError, match=r"mpd: first is to have ratio 0\.7,"):
        begun(MPD(), density="3/10")

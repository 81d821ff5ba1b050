"""Block patterns in masks: by hand, against a slow twin, and every reason for having none."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import SpecError
from graphprune.mask import adjacency, expand
from graphprune.nn.blocks import BlockPattern, block_pattern, common_run


def rows(*texts):
    """A mask of rows written as "1100"."""
    return np.array([[character == "1" for character in text] for text in texts])


def naive_pattern(mask):
    """(width, source) by trying every width from the widest, or None."""
    lists = [[i for i, keep in enumerate(row) if keep] for row in mask.tolist()]
    if len({len(kept) for kept in lists}) > 1 or not lists[0]:
        return None
    for width in range(len(lists), 0, -1):
        if len(lists) % width == 0 and all(
            lists[o] == lists[o - o % width] for o in range(len(lists))
        ):
            return width, lists[::width]
    raise AssertionError("width 1 always fits")


def test_a_pattern_by_hand():
    pattern = block_pattern(rows("1100", "1100", "0011", "0011"))
    assert isinstance(pattern, BlockPattern)
    assert (pattern.groups, pattern.width, pattern.fan_in) == (2, 2, 2)
    assert pattern.source.tolist() == [[0, 1], [2, 3]]
    assert pattern.source.dtype == np.int64


def test_runs_of_unequal_length_share_their_greatest_common_width():
    mask = rows(*["110"] * 4, *["011"] * 2, *["101"] * 6)
    pattern = block_pattern(mask)
    assert (pattern.groups, pattern.width) == (6, 2)
    assert pattern.source.tolist() == [[0, 1], [0, 1], [1, 2], [0, 2], [0, 2], [0, 2]]


def test_a_mask_that_keeps_everything_is_one_group():
    pattern = block_pattern(np.ones((6, 4, 3, 3), np.bool_))
    assert (pattern.groups, pattern.width, pattern.fan_in) == (1, 6, 4)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (rows("110", "100"), "outputs read 1 to 2 inputs, not equally many"),
        (rows("110", "000"), "1 outputs keep no weight"),
        (rows("000", "000"), "2 outputs keep no weight"),
        (np.array([[[True, False]]]), "kernel positions are masked one by one"),
        (np.array([[[False, True]]]), "kernel positions are masked one by one"),
    ],
)
def test_masks_without_a_pattern_say_why(mask, reason):
    assert block_pattern(mask) == reason


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0)])
def test_masks_without_outputs_or_inputs_are_refused(shape):
    with pytest.raises(SpecError, match="a mask needs outputs and inputs"):
        block_pattern(np.ones(shape, np.bool_))


@given(st.data())
def test_patterns_agree_with_a_slow_twin(data):
    groups, width, inputs = (data.draw(st.integers(1, 4)) for _ in range(3))
    row = st.lists(st.booleans(), min_size=inputs, max_size=inputs)
    mask = np.repeat(np.array([data.draw(row) for _ in range(groups)]), width, axis=0)
    kernel = data.draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    full = np.broadcast_to(mask.reshape(mask.shape + (1,) * len(kernel)), mask.shape + kernel)
    pattern, twin = block_pattern(full), naive_pattern(mask)
    if twin is None:
        assert isinstance(pattern, str)
    else:
        assert (pattern.width, pattern.source.tolist()) == twin
        again = np.zeros_like(mask)
        for group, source in enumerate(pattern.source):
            again[group * pattern.width : (group + 1) * pattern.width, source] = True
        assert (again == mask).all()


def test_a_graph_that_divides_the_channels_gives_its_own_blocks():
    graph = nx.random_regular_graph(6, 64, seed=0)
    pattern = block_pattern(expand(adjacency(graph), out_channels=2048, in_channels=1024))
    assert (pattern.groups, pattern.width, pattern.fan_in) == (64, 32, 96)
    assert common_run(pattern.source, 1024) == 16


@pytest.mark.parametrize(
    ("source", "channels", "run"),
    [
        ([[0, 1, 2, 3], [4, 5, 6, 7]], 8, 4),
        ([[2, 3, 0, 1]], 8, 2),
        ([[0, 1, 4, 5]], 6, 2),
        ([[0, 1, 2, 3]], 6, 2),  # 4 divides no 6 channels
        ([[1, 2, 5, 6]], 8, 1),  # not aligned
        ([[1, 0]], 2, 1),
        ([[0, 1, 2, 3, 6, 7]], 8, 2),
        ([[0, 1], [3, 4]], 6, 1),
    ],
)
def test_common_runs_by_hand(source, channels, run):
    assert common_run(np.array(source), channels) == run

"""Lifts against their unrolled graphs: kernels, groups, arcs, moves."""

import math
from collections import Counter

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, SEEDS
from hypothesis import given, settings

from graphprune.errors import SpecError
from graphprune.graph._kernels import chance, lift_moves, lifts
from graphprune.graph.lift import Group, Lift, groups, random_arcs
from graphprune.graph.lift_chain import LiftChain
from graphprune.graph.measures import least_hops

FAR = 2**61
GROUPS = [
    Group(3),
    Group(5),
    Group(8),
    Group(8, 3, 2),
    Group(8, 7, 2),
    Group(7, 2, 3),
    Group(16, 5, 4),
    Group(9, 2, 6),
]
WIDE = [
    Group(63),
    Group(64),
    Group(65),
    Group(64, 33, 2),
    Group(66, 65, 2),
    Group(128),
    Group(130),
]


@st.composite
def arcs_of(draw, choices=GROUPS):
    """A group, a degree and random arcs; repeated arcs and parts are common."""
    group = draw(st.sampled_from(choices))
    degree = draw(st.integers(2, 5))
    classes = draw(st.integers(1, 3).filter(lambda classes: classes * degree % 2 == 0))
    rng = np.random.default_rng(draw(SEEDS))
    return group, degree, random_arcs(classes * group.size, degree, group, rng)


def numbers(group):
    return group.order, group.multiplier, group.turn


def tables(arcs, degree, group):
    """Ball tables full of nonsense."""
    base, words = len(arcs[0]) // degree, (group.order + 63) // 64
    shapes = (base, words, base), (base, words, base), (base, 2 * words + 1, base)
    return [np.full(shape, 2**64 - 1, np.uint64) for shape in shapes]


def total_of(arcs, degree, group, limit=FAR):
    heads, shifts, _ = arcs
    return lifts.lift_total(
        heads, shifts, degree, numbers(group), limit, *tables(arcs, degree, group)
    )


def unrolled(arcs, degree, group):
    """Neighbours of every node, each once, from the meaning of an arc."""
    heads, shifts, _ = arcs
    order = group.order
    rows = []
    for i in range(len(heads) // degree):
        for g in range(order):
            slots = range(i * degree, (i + 1) * degree)
            rows.append({int(heads[p] * order + (g + shifts[p]) % order) for p in slots})
    return rows


@settings(max_examples=EXAMPLES)
@given(arcs_of() | arcs_of(WIDE[:4]))
def test_total_is_that_of_the_unrolled_graph(drawn):
    group, degree, arcs = drawn
    rows = unrolled(arcs, degree, group)
    total, simple = total_of(arcs, degree, group)
    expected = naive.total_hops(rows)
    if expected < math.inf:
        assert total * group.size == expected
        assert simple == all(len(row) == degree for row in rows)
    else:
        assert not simple


@pytest.mark.parametrize("group", WIDE, ids=lambda group: group.name)
def test_orders_about_the_ends_of_words(group):
    arcs = random_arcs(2 * group.size, 4, group, np.random.default_rng(5))
    total, _ = total_of(arcs, 4, group)
    assert total * group.size == naive.total_hops(unrolled(arcs, 4, group))


@settings(max_examples=EXAMPLES)
@given(arcs_of(), st.integers(0, 200))
def test_a_count_that_stops_early_says_so_and_no_more_than_the_truth(drawn, limit):
    group, degree, arcs = drawn
    whole, simple = total_of(arcs, degree, group)
    found, called_simple = total_of(arcs, degree, group, limit)
    if whole <= limit:
        assert (found, called_simple) == (whole, simple)
    else:
        assert limit < found <= whole


def test_an_unconnected_lift_counts_as_far_worse_than_any_connected_one():
    group = Group(8)
    heads, mates = np.zeros(2, np.int64), np.array([1, 0])
    parts = heads, np.array([2, 6]), mates  # two squares
    whole = heads, np.array([1, 7]), mates  # an octagon
    assert total_of(whole, 2, group) == (16, True)
    total, simple = total_of(parts, 2, group)
    assert total > 4 * 64
    assert not simple


@settings(max_examples=EXAMPLES)
@given(arcs_of(), SEEDS)
def test_moves_keep_mates_and_symmetry_and_are_undone_by_repetition(drawn, seed):
    group, degree, (heads, shifts, mates) = drawn
    degrees = Counter(heads.tolist())
    rng = np.array([seed + 1], np.uint64)
    changes = np.empty((4 * group.turn, 4), np.int64)
    made = 0
    for _ in range(30):
        before = heads.copy(), shifts.copy(), mates.copy()
        count = lift_moves.draw_change(
            heads, shifts, mates, degree, numbers(group), rng, changes
        )
        lift_moves.exchange(heads, shifts, mates, changes, count)
        after = heads.copy(), shifts.copy(), mates.copy()
        assert count % (2 * group.turn) == 0
        made += count > 0
        check_arcs(heads, shifts, mates, degree, group)
        lift_moves.exchange(heads, shifts, mates, changes, count)
        assert all(map(np.array_equal, before, (heads, shifts, mates)))
        lift_moves.exchange(heads, shifts, mates, changes, count)
        assert all(map(np.array_equal, after, (heads, shifts, mates)))
    assert Counter(heads.tolist()) == degrees
    assert made or len(heads) <= 4


def check_arcs(heads, shifts, mates, degree, group):
    """Mates are each other's reverse, no arc is its own, and turned arcs are images."""
    order, turn = group.order, group.turn
    for slot, mate in enumerate(mates.tolist()):
        assert mates[mate] == slot != mate
        assert heads[mate] == slot // degree
        assert (shifts[slot] + shifts[mate]) % order == 0
        assert 0 <= shifts[slot] < order
        if heads[slot] == slot // degree:
            assert 2 * shifts[slot] % order != 0
        base, k = divmod(slot, degree)
        image = (base // turn * turn + (base + 1) % turn) * degree + k if turn > 1 else slot
        base_after = image // degree
        assert base_after // turn == base // turn
        head = heads[slot]
        assert heads[image] == head // turn * turn + (head % turn + 1) % turn
        assert shifts[image] == shifts[slot] * group.multiplier % order


def annealed(blocks, *, hot=3.0, cold=0.5, goal=0):
    """Counters, best arcs and arcs after proposals in blocks of these lengths."""
    group, degree, seed = Group(8, 3, 2), 4, 3
    arcs = random_arcs(2 * group.size, degree, group, np.random.default_rng(seed))
    best = arcs[0].copy(), arcs[1].copy()
    counters = np.array([FAR, FAR, 0, 0], np.int64)
    rng = np.array([seed + 11], np.uint64)
    start, spare = 0, lifts.spare_tables(len(arcs[0]) // degree, numbers(group))
    for length in blocks:
        schedule = hot, cold, start, start + length, sum(blocks)
        lifts.anneal_lift(
            *arcs, *best, degree, numbers(group), rng, counters, goal, schedule, spare
        )
        start += length
    return counters.tolist(), best, arcs


def test_annealing_finds_a_simple_graph_whose_total_is_the_one_it_claims():
    (current, best, evaluations, accepted), arcs, now = annealed([600 if COMPILED else 150])
    rows = unrolled((*arcs, None), 4, Group(8, 3, 2))
    assert best * 16 == naive.total_hops(rows)
    assert all(len(row) == 4 for row in rows)
    assert current * 16 == naive.total_hops(unrolled(now, 4, Group(8, 3, 2)))
    assert 0 < accepted <= evaluations <= 600


def test_cutting_a_run_into_blocks_changes_nothing():
    whole, cut = annealed([400]), annealed([1, 255, 3, 141])
    assert whole[0] == cut[0]
    assert all(map(np.array_equal, whole[1] + whole[2], cut[1] + cut[2]))


def test_descent_never_rises_and_the_goal_ends_it():
    totals = [annealed([length], hot=0.0, cold=0.0)[0][0] for length in range(20, 200, 20)]
    assert totals == sorted(totals, reverse=True)
    (_, best, evaluations, _), _, _ = annealed([400], goal=FAR)
    assert evaluations == 0
    assert best == FAR


def test_arcs_of_a_lift_unroll_to_a_symmetric_table_that_the_group_maps_to_itself():
    group = Group(16, 5, 4)
    arcs = random_arcs(2 * group.size, 4, group, np.random.default_rng(0))
    table = Lift(4, group, *arcs[:2]).table()
    assert [set(row) for row in table.tolist()] == unrolled(arcs, 4, group)
    graph = nx.Graph((u, v) for u, row in enumerate(table.tolist()) for v in row)
    order, turn = group.order, group.turn

    def rotate(node):
        return node // order * order + (node + 1) % order

    def turn_once(node):
        i, g = divmod(node, order)
        return (i // turn * turn + (i + 1) % turn) * order + g * group.multiplier % order

    for image in (rotate, turn_once):
        assert all(graph.has_edge(image(u), image(v)) for u, v in graph.edges)
    assert Lift(4, group, *arcs[:2]).nodes == 128


def test_group_powers_names_and_sizes():
    group = Group(16, 5, 4)
    assert [group.power(k) for k in range(5)] == [1, 5, 9, 13, 1]
    assert (group.size, group.name) == (64, "Z16:Z4 by 5")
    assert (Group(12).size, Group(12).name) == (12, "Z12")
    assert all(Group.named(each.name) == each for each in GROUPS + WIDE)


@pytest.mark.parametrize(
    ("numbers", "culprit"),
    [((2,), "order >= 3"), ((8, 1, 0), "turn >= 1"), ((8, 3, 3), "1 modulo order"),
     ((8, 8, 2), "multiplier"), ((8, 0, 2), "multiplier")],
)  # fmt: skip
def test_impossible_groups_are_refused(numbers, culprit):
    with pytest.raises(SpecError, match=culprit):
        Group(*numbers)


def test_names_that_no_group_has_are_refused():
    with pytest.raises(SpecError, match="named like Z64"):
        Group.named("D8")


@pytest.mark.parametrize(("nodes", "degree"), [(20, 4), (24, 3)])
def test_sizes_that_no_lift_has_are_refused(nodes, degree):
    with pytest.raises(SpecError, match="must divide the nodes"):
        random_arcs(nodes, degree, Group(8), np.random.default_rng(0))


@pytest.mark.parametrize(("nodes", "degree"), [(64, 4), (60, 3), (256, 8), (97, 6), (14, 3)])
def test_groups_offered_are_different_and_have_lifts_of_the_size(nodes, degree):
    found = groups(nodes, degree)
    assert len(set(found)) == len(found)
    for group in found:
        heads, shifts, mates = random_arcs(nodes, degree, group, np.random.default_rng(1))
        check_arcs(heads, shifts, mates, degree, group)
        assert Lift(degree, group, heads, shifts).nodes == nodes


def test_groups_leave_out_powers_of_others_and_put_inversion_last():
    names = [group.name for group in groups(64, 4)]
    assert "Z16:Z4 by 5" in names
    assert "Z16:Z4 by 13" not in names  # 13 = 5**3: the same group
    assert names.index("Z8:Z2 by 7") > names.index("Z8:Z2 by 5")
    assert groups(7, 4) == []


def test_a_chain_of_lifts_ends_with_a_regular_graph_of_its_total():
    nodes, degree = 32, 4
    chain = LiftChain(
        nodes, degree, Group(8), seed=(1,), target=nodes * least_hops(nodes, degree)
    )
    assert chain.best is None
    chain.run(300 if COMPILED else 60)
    rows = chain.best.tolist()
    assert chain.total == naive.total_hops(rows)
    assert all(len(set(row)) == degree and node not in row for node, row in enumerate(rows))
    assert chain.history[-1][1] == chain.total
    assert 0 < chain.evaluations <= 300


def test_random_words_are_those_of_the_published_generator():
    rng, word = np.array([88172645463325252], np.uint64), 88172645463325252
    assert int(chance.next_word(rng.copy())) == 8748534153485358512
    for _ in range(5):
        word ^= word << 13 & (2**64 - 1)
        word ^= word >> 7
        word ^= word << 17 & (2**64 - 1)
        assert int(chance.next_word(rng)) == word


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**31))
def test_a_scaled_word_is_below_the_count(word, count):
    found = chance.scaled(np.uint64(word), count)
    assert found == (word % 2**32) * count >> 32
    assert 0 <= found < count


def test_slack_is_exponential_and_temperatures_fall_geometrically():
    rng = np.array([7], np.uint64)
    drawn = [chance.slack(np.uint64(chance.next_word(rng)), 10.0) for _ in range(4000)]
    assert min(drawn) >= 0
    assert np.mean(drawn) == pytest.approx(9.5, abs=0.6)  # rounded down
    assert np.mean(np.array(drawn) >= 10) == pytest.approx(math.exp(-1), abs=0.03)
    assert chance.slack(np.uint64(5), 0.0) == 0
    total = 16 * chance.REST
    assert chance.cooled(8.0, 0.5, 0, total) == 8.0
    assert chance.cooled(8.0, 0.5, total // 2 + 3, total) == pytest.approx(2.0)
    assert chance.cooled(0.0, 0.0, 5, total) == 0.0


def test_a_lift_with_repeated_arcs_never_becomes_the_best():
    group = Group(3)  # three nodes have no simple graph of degree 4
    arcs = random_arcs(3, 4, group, np.random.default_rng(0))
    counters = np.array([FAR, FAR, 0, 0], np.int64)
    best, spare = (arcs[0].copy(), arcs[1].copy()), lifts.spare_tables(1, numbers(group))
    schedule = 5.0, 1.0, 0, 300, 300
    rng = np.array([9], np.uint64)
    lifts.anneal_lift(*arcs, *best, 4, numbers(group), rng, counters, 0, schedule, spare)
    assert counters[0] < FAR
    assert counters[1] == FAR

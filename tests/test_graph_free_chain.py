"""The searches among all graphs: what they promise, and how they set themselves up."""

import math

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from chains import UNREACHED, fingerprint, real_chains
from graphs import COMPILED, SEEDS, connected_graphs, rows_of
from hypothesis import given, settings

from graphprune.graph import GraphSpec, _kernels, random_regular, ring_lattice
from graphprune.graph.chain import exact_total
from graphprune.graph.free_chain import ExactChain, FarChain, Heat, WalkChain, engine
from graphprune.graph.measures import least_hops
from graphprune.graph.table import edges_of, graph_of, regular_table

FEW = 30 if COMPILED else 8  # examples of whole chains
KINDS = pytest.mark.parametrize("kind", [ExactChain, WalkChain, FarChain])
PAIRS = pytest.mark.parametrize("kind", [WalkChain, FarChain])  # that count far pairs
RING = regular_table(ring_lattice(GraphSpec(20, 4)))
RANDOM = regular_table(random_regular(GraphSpec(24, 3, 1)))
SMALL = regular_table(random_regular(GraphSpec(12, 3, 1)))
LONG = 5000 if COMPILED else 300


@KINDS
@settings(max_examples=FEW)
@given(graph=connected_graphs(), options=st.data(), seed=SEEDS)
def test_a_chain_keeps_degrees_and_never_gets_worse(kind, graph, options, seed):
    start = regular_table(graph)
    before = start.copy()
    chosen = options.draw(st.sampled_from(["usual", "descend", "polish", "cool"]))
    chain = kind(
        start,
        (seed,),
        UNREACHED,
        descend=chosen == "descend",
        polish=chosen == "polish",
        heat=Heat(0.4, 0.1) if chosen == "cool" else None,
    )
    assert chain.history == [(0, naive.total_hops(rows_of(graph)))]
    for length in options.draw(st.lists(st.integers(0, 80), max_size=3)):
        reached = chain.total
        chain.run(length)
        assert chain.total <= reached
    found = graph_of(chain.best)
    assert dict(found.degree) == dict(graph.degree)
    assert nx.number_of_selfloops(found) == 0
    assert chain.total == naive.total_hops(rows_of(found)) < math.inf
    assert chain.evaluations <= chain.steps
    assert start.tolist() == before.tolist()


@KINDS
@pytest.mark.parametrize("start", [RING, RANDOM], ids=["ring", "random"])
def test_a_chain_shortens_paths(kind, start):
    chain = kind(start, (3,), UNREACHED)
    chain.run(400)
    assert chain.total < exact_total(start)
    assert chain.evaluations > 0
    assert chain.history[-1][1] == chain.total


@KINDS
def test_equal_seeds_give_equal_graphs(kind):
    first, again, other = (kind(RANDOM, seed, UNREACHED) for seed in ((7, 1), (7, 1), (7, 2)))
    for chain in (first, again, other):
        chain.run(200)
        chain.run(100)
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first) != fingerprint(other)


@pytest.mark.parametrize("kind", ["walk", "far", "lift"])
@pytest.mark.parametrize("polish", [False, True])
def test_the_size_of_blocks_changes_nothing(kind, polish):
    make = real_chains(RANDOM, polish=polish)[kind]
    whole, cut = make(), make()
    cut.block = 1500 if COMPILED else 37
    for chain in (whole, cut):
        chain.run(LONG)
        chain.run(LONG // 2)
    assert cut.best.tolist() == whole.best.tolist()
    assert (cut.total, cut.steps, cut.evaluations) == (
        whole.total,
        whole.steps,
        whole.evaluations,
    )


def noting(kernel, seen):
    """A kernel that notes its arguments first."""

    def spy(*arguments):
        seen.append([np.copy(one) if isinstance(one, np.ndarray) else one for one in arguments])
        return kernel(*arguments)

    return spy


def calls_of(monkeypatch, name):
    """Arguments of every call of a kernel from now on; far pairs have a kernel a size."""
    seen = []
    kernel = getattr(_kernels, name)
    if name == "anneal":
        monkeypatch.setattr(_kernels, name, noting(kernel, seen))
    else:
        monkeypatch.setattr(_kernels, name, lambda nodes: noting(kernel(nodes), seen))
    return seen


@pytest.fixture
def slacks(monkeypatch):
    """Mean slack of each block of an exact chain, in hops."""
    seen = calls_of(monkeypatch, "anneal")
    return lambda: [call[3].mean() for call in seen]


def exact(**options):
    chain = ExactChain(SMALL, (3,), UNREACHED, **options)
    chain.block = 400
    return chain


def test_exact_chains_cool_from_hot_to_cold(slacks):
    exact().run(2000)
    assert slacks()[0] == pytest.approx(4.0, rel=0.2)
    assert slacks()[-1] == pytest.approx(0.5 * 8 ** (400 / 2000), rel=0.2)
    assert slacks() == sorted(slacks(), reverse=True)


def test_exact_chains_take_other_heats(slacks):
    exact(heat=Heat(30.0, 10.0)).run(400)
    assert slacks() == pytest.approx([30.0], rel=0.2)


def test_polishing_begins_warm_and_a_descent_cold(slacks):
    exact(polish=True).run(400)
    exact(descend=True).run(400)
    warm, none = slacks()
    assert warm == pytest.approx(math.sqrt(4.0 * 0.5), rel=0.2)
    assert none == 0.0


@pytest.mark.parametrize(
    ("kind", "kernel"), [(WalkChain, "anneal_walks"), (FarChain, "anneal_far")]
)
def test_kernels_are_told_the_schedule(monkeypatch, kind, kernel):
    hot, cold = kind.heats[0].hot, kind.heats[0].cold
    assert hot > cold > 0
    seen = calls_of(monkeypatch, kernel)
    for options in ({}, {"polish": True}, {"descend": True}, {"heat": Heat(9.0, 2.0)}):
        chain = kind(RANDOM, (3,), UNREACHED, **options)
        chain.block = 40
        chain.run(50)
    schedules = [call[4:9] for call in seen]
    heats = [(hot, cold), (math.sqrt(hot * cold), cold), (0.0, 0.0), (9.0, 2.0)]
    assert schedules == [
        pytest.approx([*heat, at, tries, 50])
        for heat in heats
        for at, tries in ((0, 40), (40, 10))
    ]


@pytest.mark.parametrize(
    ("kind", "kernel"), [(WalkChain, "anneal_walks"), (FarChain, "anneal_far")]
)
@pytest.mark.parametrize("option", [None, "polish", "descend"])
def test_runs_start_from_the_start_and_warm_ones_from_the_best(
    monkeypatch, kind, kernel, option
):
    seen = calls_of(monkeypatch, kernel)
    chain = kind(RING, (3,), UNREACHED, **({option: True} if option else {}))
    chain.run(300)
    best = chain.best
    assert chain.total < exact_total(RING)
    chain.run(1)
    started = [sorted(map(tuple, np.sort(call[0]).tolist())) for call in seen]
    expected = RING if option is None else best
    assert started[0] == sorted(map(tuple, edges_of(RING).tolist()))
    assert started[1] == sorted(map(tuple, edges_of(expected).tolist()))


@pytest.mark.parametrize("option", [None, "polish", "descend"])
def test_exact_runs_start_there_too(monkeypatch, option):
    seen = calls_of(monkeypatch, "anneal")
    chain = ExactChain(RING, (3,), UNREACHED, **({option: True} if option else {}))
    chain.run(300)
    best = chain.best
    assert chain.total < exact_total(RING)
    chain.run(1)
    assert seen[0][0].tolist() == RING.tolist()
    assert seen[1][0].tolist() == (RING if option is None else best).tolist()


@KINDS
def test_a_descent_accepts_no_rise(kind):
    chain = kind(RING, (5,), UNREACHED, descend=True)
    totals = []
    for _ in range(20):
        chain.run(20)
        totals.append(chain.total)
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < exact_total(RING)


def test_a_chain_without_a_graph_polishes_its_start():
    """A start in parts is no best graph; the first swap that joins the parts makes one."""
    parts = nx.disjoint_union(nx.complete_graph(4), nx.complete_graph(4))
    chain = WalkChain(regular_table(parts), (1,), UNREACHED, polish=True)
    assert chain.best is None
    chain.run(100)
    assert nx.is_connected(graph_of(chain.best))


@pytest.mark.parametrize("above", [0, 4, 30])
def test_an_exact_chain_reaches_totals_between(above):
    lowest = 24 * least_hops(24, 3)
    target = lowest + 40 + above
    chain = ExactChain(RANDOM, (1,), target)
    chain.block = 100
    chain.run(20_000)
    assert chain.total == target == naive.total_hops(rows_of(graph_of(chain.best)))
    assert chain.steps < 20_000


def test_an_exact_chain_lengthens():
    chain = ExactChain(RANDOM, (1,), 24 * 24 * 24)
    chain.run(500)
    assert chain.total > exact_total(RANDOM) + 50


TO_THE_BOUND = [
    (ExactChain, 10, 3),
    (WalkChain, 10, 3),
    (FarChain, 12, 3),
]


@pytest.mark.parametrize(("kind", "nodes", "degree"), TO_THE_BOUND)
def test_a_chain_at_the_bound_makes_no_more_proposals(kind, nodes, degree):
    start = regular_table(ring_lattice(GraphSpec(nodes, degree)))
    chain = kind(start, (1,), nodes * least_hops(nodes, degree))
    chain.block = 1000
    chain.run(50_000)
    assert chain.away == 0
    assert chain.steps < 50_000


@PAIRS
@pytest.mark.parametrize(("nodes", "degree"), [(10, 3), (12, 3), (16, 6)])
def test_a_chain_at_the_bound_makes_no_more_evaluations(kind, nodes, degree):
    start = regular_table(ring_lattice(GraphSpec(nodes, degree)))
    target = nodes * least_hops(nodes, degree)
    free, bounded = kind(start, (1,), UNREACHED), kind(start, (1,), target)
    for chain in (free, bounded):
        chain.run(2000)
    assert free.total == bounded.total == target
    assert bounded.evaluations < free.evaluations


@KINDS
def test_a_start_at_the_target_is_left_alone(kind):
    petersen = regular_table(nx.petersen_graph())
    chain = kind(petersen, (1,), 150)
    chain.run(1000)
    assert chain.best.tolist() == petersen.tolist()
    assert (chain.steps, chain.evaluations, chain.history) == (0, 0, [(0, 150)])


@KINDS
@pytest.mark.parametrize("nodes", [3, 4, 8])
def test_a_complete_graph_has_nothing_to_swap(kind, nodes):
    start = regular_table(nx.complete_graph(nodes))
    chain = kind(start, (1,), UNREACHED)
    chain.run(50)
    assert np.sort(chain.best).tolist() == start.tolist()
    assert chain.evaluations == 0


@pytest.mark.parametrize(
    ("nodes", "degree", "kind"),
    [
        (4, 3, WalkChain),
        (5, 2, WalkChain),
        (10, 3, WalkChain),  # 1 + 3 + 6: two levels
        (12, 3, FarChain),
        (22, 3, FarChain),
        (46, 3, FarChain),  # 1 + 3 + 6 + 12 + 24: four levels
        (48, 3, ExactChain),
        (8, 2, FarChain),
        (10, 2, ExactChain),
        (256, 8, FarChain),
        (8192, 100, WalkChain),
        (8193, 100, ExactChain),  # walk rows would take too much memory
    ],
)
def test_the_engine_fits_the_least_diameter(nodes, degree, kind):
    assert engine(nodes, degree) is kind

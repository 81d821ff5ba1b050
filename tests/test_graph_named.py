"""Named graphs: every name builds what its family promises, and candidates are near."""

import inspect

import networkx as nx
import pytest

from graphprune.errors import SpecError
from graphprune.graph.families import ALIASES, FAMILIES
from graphprune.graph.named import MOST, Candidate, candidates, named_graph

MEMBERS = {  # name: nodes, least degree, largest degree
    "affine-polarity-4": (16, 4, 4),
    "biaffine-5": (50, 5, 5),
    "biaffine-5-2": (30, 3, 3),
    "circulant-64-1-5-14": (64, 6, 6),
    "circulant-64-1-5-32": (64, 5, 5),
    "complete-multipartite-4-3": (12, 9, 9),
    "coxeter": (28, 3, 3),
    "cube-connected-cycles-4": (64, 3, 3),
    "folded-hypercube-5": (32, 6, 6),
    "generalized-hexagon-2": (126, 3, 3),
    "generalized-quadrangle-3": (80, 4, 4),
    "gewirtz": (56, 10, 10),
    "higman-sims": (100, 22, 22),
    "hoffman-singleton-less-star": (42, 6, 6),
    "hypercube-6": (64, 6, 6),
    "lps-5-13": (2184, 6, 6),
    "lps-17-13": (1092, 18, 18),
    "m22": (77, 16, 16),
    "mcgee": (24, 3, 3),
    "mms-7": (98, 11, 11),
    "mms-8": (128, 12, 12),
    "mms-9": (162, 13, 13),
    "mms-9-0": (162, 13, 13),
    "mms-9-3": (108, 10, 10),
    "odd-4": (35, 4, 4),
    "paley-13": (13, 6, 6),
    "perkel": (57, 6, 6),
    "polarity-7": (57, 7, 8),
    "projective-plane-7": (114, 8, 8),
    "punctured-polarity-5": (24, 5, 5),
    "quadrangle-polarity-8": (585, 8, 9),
    "regular-polarity-7": (57, 8, 8),
    "regular-polarity-8": (74, 9, 9),
    "robertson": (19, 4, 4),
    "sylvester": (36, 5, 5),
    "cage-3-12": (126, 3, 3),
    "cage-5-5": (30, 5, 5),
    "cage-6-5": (40, 6, 6),
    "clebsch": (16, 5, 5),
    "heawood": (14, 3, 3),
    "hoffman-singleton": (50, 7, 7),
    "petersen": (10, 3, 3),
    "tutte-coxeter": (30, 3, 3),
}
FIRST = {  # request: nearest candidates, first ones first
    (98, 11): ["mms-7", "regular-polarity-9"],
    (133, 12): ["regular-polarity-11", "mms-8"],
    (74, 9): ["regular-polarity-8", "polarity-8"],
    (62, 6): ["projective-plane-5", "perkel"],
    (242, 17): ["mms-11"],
    (50, 7): ["mms-5"],
    (130, 12): ["regular-polarity-11", "mms-8"],
    (300, 18): ["regular-polarity-17"],
    (64, 9): ["regular-polarity-7", "affine-polarity-8", "punctured-polarity-8"],
    (512, 9): ["quadrangle-polarity-8"],
    (126, 3): ["generalized-hexagon-2"],
    (30, 5): ["mms-5-2"],
    (1024, 16): [],
    (10_000, 100): [],
}


def test_the_table_has_every_family_and_every_alias():
    families = {
        max(key for key in FAMILIES if name.startswith(key))
        for name in MEMBERS
        if name not in ALIASES
    }
    assert families == set(FAMILIES)
    assert set(ALIASES) <= set(MEMBERS)
    assert not set(ALIASES) & set(FAMILIES)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_name_gives_the_graph_that_it_promises(name):
    nodes, least, largest = MEMBERS[name]
    graph = named_graph(name)
    assert type(graph) is nx.Graph
    assert list(graph) == list(range(nodes))
    assert {degree for _, degree in graph.degree} == {least, largest}
    assert nx.number_of_selfloops(graph) == 0
    assert nx.is_connected(graph)


@pytest.mark.parametrize("key", FAMILIES)
def test_sizes_by_formula_are_sizes_as_built(key):
    family = FAMILIES[key]
    for choice in family.choices:
        assert family.takes(len(choice))
        assert family.excess(*choice) >= 0
        size = family.size(*choice)
        if size[0] <= 200:
            graph = named_graph("-".join([key, *map(str, choice)]))
            assert (len(graph), max(degree for _, degree in graph.degree)) == size


def test_families_take_the_arguments_of_their_builders():
    for key, family in FAMILIES.items():
        if "..." not in family.parameters:
            builder = inspect.signature(family.build).parameters.values()
            least = sum(p.default is p.empty for p in builder)
            assert [n for n in range(5) if family.takes(n)] == list(
                range(least, len(builder) + 1)
            ), key


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("peterson", "unknown graph 'peterson'; known are affine-polarity-<q>, biaffine-<q>"),
        ("", "unknown graph ''"),
        ("7", "unknown graph '7'"),
        ("mms--7", "unknown graph 'mms--7'"),
        ("mms-7\n", "unknown graph"),
        ("petersen-3", "unknown graph 'petersen-3'"),
        ("mms", r"'mms' must have the form mms-<q>\[-<removed>\]"),
        ("mms-7-1-1", "must have the form mms-<q>"),
        ("coxeter-7", "'coxeter-7' must have the form coxeter$"),
        ("circulant-9", "must have the form circulant-<nodes>-<step>-"),
        ("paley-1234567890", "must have the form paley-<q>"),
        ("mms-6", "no graph 'mms-6': q must be a prime power"),
        ("paley-7", "no graph 'paley-7': q must be 1 modulo 4"),
        ("circulant-8-5", "no graph 'circulant-8-5': steps"),
        ("lps-5-0", "no graph 'lps-5-0': p and q must be primes"),
        ("polarity-71", "at most 5000 nodes, got 'polarity-71'"),
        ("odd-999999999", "at most 5000 nodes"),
        ("hypercube-99999", "at most 5000 nodes, got 'hypercube-99999'"),
    ],
)
def test_unknown_and_impossible_names_are_refused_in_one_line(name, message):
    with pytest.raises(SpecError, match=message) as caught:
        named_graph(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("nodes", "degree"), FIRST)
def test_the_nearest_candidates_come_first(nodes, degree):
    found = [candidate.name for candidate in candidates(nodes, degree)]
    expected = FIRST[nodes, degree]
    assert found[: len(expected)] == expected
    assert bool(found) == bool(expected)


def test_candidates_of_the_powers_of_two_are_polarity_graphs():
    assert [c.name for c in candidates(256, 16)][:4] == [
        "affine-polarity-16",
        "polarity-16",
        "regular-polarity-16",
        "punctured-polarity-16",
    ]
    assert candidates(64, 8)[0] == Candidate("affine-polarity-8", 64, 8)
    assert Candidate("regular-polarity-8", 74, 9) in candidates(64, 9)
    assert len(candidates(20, 4)) == len(candidates(582, 25)) == MOST == 8


def test_candidates_are_near_few_and_as_they_say():
    for nodes in range(4, 140, 9):
        for degree in range(2, min(nodes, 20), 3):
            found = candidates(nodes, degree)
            assert len(found) <= MOST
            assert len(set(found)) == len(found)
            exact = [(c.nodes, c.degree) == (nodes, degree) for c in found]
            assert exact == sorted(exact, reverse=True)
            for candidate in found:
                more = candidate.nodes - nodes
                assert -max(4, nodes // 8) <= more <= max(4, nodes // 6)
                assert abs(candidate.degree - degree) <= max(1, degree // 8)
            for candidate in found[:2]:
                graph = named_graph(candidate.name)
                degrees = [d for _, d in graph.degree]
                assert (len(graph), max(degrees)) == (candidate.nodes, candidate.degree)


def test_a_candidate_closer_in_size_comes_before_its_own_kin():
    names = [c.name for c in candidates(300, 18)]
    assert names.index("regular-polarity-17") < names.index("regular-polarity-16")
    names = [c.name for c in candidates(240, 17)]
    assert names.index("mms-11") < names.index("mms-11-1")

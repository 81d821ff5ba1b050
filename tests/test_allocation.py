"""Plans: the degree against all degrees in exact fractions, and why layers stay dense."""

import itertools
import re
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graphprune.allocation import DenseLayer, Layer, Plan, allocate, largest_degree
from graphprune.errors import SpecError
from graphprune.mask import DIALECTS

THOUSANDTHS = st.integers(1, 999)


def dense(name, outputs, inputs):
    return Layer(name, "Linear", outputs, inputs)


def convolution(name, outputs, inputs, groups=1):
    return Layer(name, "Conv2d", outputs, inputs, positions=9, groups=groups)


def stack(*widths):
    """Linear layers w0 -> w1 -> ... and a classifier of ten outputs, which stays dense."""
    pairs = itertools.pairwise(widths)
    layers = [dense(f"hidden{i}", o, n) for i, (n, o) in enumerate(pairs)]
    return [*layers, dense("classifier", 10, widths[-1])]


def planned(layers, **options):
    return allocate(layers, parameters=sum(layer.weights for layer in layers), **options)


def reasons(plan):
    return {item.layer.name: item.reason for item in plan.dense_layers}


def naive_degree(nodes, share, *, self_edges):
    """The largest degree that prunes at least `share`, by trying them all."""
    found = None
    for degree in range(2, nodes):
        pruned = 1 - Fraction(degree + self_edges, nodes)
        if nodes * degree % 2 == 0 and pruned >= share:
            found = degree
    return found


@given(st.integers(3, 130), THOUSANDTHS, st.sampled_from(DIALECTS))
def test_the_degree_is_the_largest_that_prunes_enough(nodes, thousandths, dialect):
    expected = naive_degree(
        nodes, Fraction(thousandths, 1000), self_edges=dialect == "relational"
    )
    assume(expected is not None)
    degree = largest_degree(nodes, thousandths / 1000, dialect)
    assert degree == expected
    assert nodes * degree % 2 == 0


@given(st.integers(4, 130), st.sampled_from(DIALECTS), st.data())
def test_a_ratio_too_high_is_answered_by_the_largest_that_works(nodes, dialect, data):
    least = 2 + (dialect == "relational")  # nodes that each node of a cycle reads from
    too_high = st.integers(1000 * (nodes - least) // nodes + 1, 999)
    with pytest.raises(SpecError, match=f"for {nodes} nodes is") as refused:
        largest_degree(nodes, data.draw(too_high) / 1000, dialect)
    most = float(str(refused.value).split()[-1])
    assert largest_degree(nodes, most, dialect) == 2
    with pytest.raises(SpecError):
        largest_degree(nodes, most + 1e-5, dialect)


@pytest.mark.parametrize(
    ("nodes", "ratio", "degree"),
    [
        (20, 0.9, 2),  # (1 - 0.9) * 20 is 1.9999999999999996 in floats
        (64, 0.9, 6),
        (32, 0.9, 3),
        (10, 0.7, 3),  # (1 - 0.7) * 10 is 3.0000000000000004
        (16, 0.75, 4),
        (15, 0.6, 6),
        (15, 0.65, 4),  # 5 would be odd on odd nodes
        (4, 0.001, 3),
    ],
)
def test_degrees_by_hand(nodes, ratio, degree):
    assert largest_degree(nodes, ratio) == degree


def test_a_self_edge_costs_one_degree():
    assert largest_degree(64, 0.9, "relational") == 5


@given(st.lists(st.integers(1, 90), min_size=2, max_size=6), THOUSANDTHS)
def test_default_nodes_are_the_narrowest_layer_that_can(widths, thousandths):
    share = Fraction(thousandths, 1000)
    sizes = [min(64, *pair) for pair in itertools.pairwise(widths)]
    fitting = [
        size for size in sizes if naive_degree(size, share, self_edges=False) is not None
    ]
    if not fitting:
        with pytest.raises(SpecError):
            planned(stack(*widths), ratio=thousandths / 1000)
        return
    plan = planned(stack(*widths), ratio=thousandths / 1000)
    assert plan.nodes == min(fitting)
    assert plan.degree == naive_degree(plan.nodes, share, self_edges=False)
    assert len(plan.layers) == sum(size >= plan.nodes for size in sizes)
    assert plan.ratio >= share - Fraction(1, 10**12)


def test_default_nodes_stop_at_64_however_wide_the_layers():
    assert planned(stack(512, 512), ratio=0.9).nodes == 64


def test_more_nodes_than_64_are_had_by_asking():
    plan = planned(stack(512, 512), ratio=0.99, nodes=256)
    assert (plan.nodes, plan.degree) == (256, 2)


def test_layers_too_narrow_stay_dense_and_say_so():
    plan = planned(stack(64, 64, 8, 64, 64), ratio=0.9)
    assert [layer.name for layer in plan.layers] == ["hidden0", "hidden3"]
    assert reasons(plan) == {
        "hidden1": "too narrow: 8 channels for 64 nodes",
        "hidden2": "too narrow: 8 channels for 64 nodes",
        "classifier": "classifier (last layer)",
    }


LAYERS = [
    Layer("tokens", "Embedding", 8, 8, obstacle="Embedding is not supported"),
    convolution("stem", 16, 3),
    convolution("thin", 16, 16, groups=16),
    convolution("twins", 16, 16, groups=2),
    convolution("body", 16, 16),
    convolution("body2", 16, 16),
    dense("head", 16, 16),
    dense("classifier", 10, 16),
]


def test_every_dense_layer_has_its_reason_in_order_of_definition():
    plan = planned(LAYERS, ratio=0.5, skip=["*2"])
    assert [layer.name for layer in plan.layers] == ["body", "head"]
    assert list(reasons(plan).items()) == [
        ("tokens", "Embedding is not supported"),
        ("stem", "first convolution"),
        ("thin", "depthwise convolution"),
        ("twins", "grouped convolution"),
        ("body2", "skipped by '*2'"),
        ("classifier", "classifier (last layer)"),
    ]


def test_an_obstacle_is_named_before_a_glob_that_matches_too():
    plan = planned(LAYERS, ratio=0.5, skip=["tokens", "stem"])
    assert reasons(plan)["tokens"] == "Embedding is not supported"
    assert reasons(plan)["stem"] == "skipped by 'stem'"


def test_without_convolutions_only_the_classifier_stays_dense():
    assert reasons(planned(stack(32, 32, 32), ratio=0.5)) == {
        "classifier": "classifier (last layer)"
    }


def test_a_glob_that_matches_nothing_is_answered_by_the_layer_names():
    with pytest.raises(
        SpecError, match=r"skip 'haed' matches no layer; layers are: .*stem.*head"
    ):
        planned(LAYERS, ratio=0.5, skip=["head", "haed"])


def test_ratios_of_a_plan_by_hand():
    layers = [convolution("stem", 16, 1), convolution("body", 16, 32), dense("head", 10, 16)]
    plan = allocate(layers, parameters=10_000, ratio=0.7)
    assert (plan.nodes, plan.degree, plan.ratio_requested) == (16, 4, 0.7)
    assert plan.ratio == 0.75
    assert plan.ratio_all_parameters == 0.75 * (16 * 32 * 9) / 10_000


def test_a_self_edge_counts_in_the_ratio():
    plan = planned(stack(16, 16), nodes=16, degree=3, dialect="relational")
    assert plan.ratio == 0.75


def test_weights_of_a_grouped_convolution_are_those_it_has():
    layer = convolution("twins", 8, 16, groups=2)
    assert (layer.weights, layer.width) == (8 * 8 * 9, 8)


def test_nodes_and_degree_may_be_given_instead_of_a_ratio():
    plan = planned(stack(64, 64), nodes=32, degree=5)
    assert (plan.nodes, plan.degree, plan.ratio_requested) == (32, 5, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either a ratio, or nodes and a degree"),
        ({"nodes": 8}, "either a ratio, or nodes and a degree"),
        ({"degree": 4}, "either a ratio, or nodes and a degree"),
        ({"ratio": 0.5, "nodes": 8, "degree": 4}, "either a ratio, or nodes and a degree"),
        ({"ratio": 0.0}, r"ratio must be in \(0, 1\), got 0.0"),
        ({"ratio": 1.0}, r"ratio must be in \(0, 1\), got 1.0"),
        ({"ratio": float("nan")}, "got nan"),
        ({"ratio": 0.5, "nodes": 2}, "nodes must be at least 3, got 2"),
        ({"nodes": 9, "degree": 3}, "must be even, got nodes=9, degree=3"),
        ({"nodes": 8, "degree": 8}, r"degree must be in \[2, nodes\), got degree=8, nodes=8"),
        ({"ratio": 0.5, "nodes": 40}, "nodes=40 is wider than every layer; the widest has 32"),
        ({"ratio": 0.95, "nodes": 16}, "the largest ratio for 16 nodes is 0.875"),
        ({"ratio": 0.99}, "at least 200 nodes .* at most 32: the largest ratio is 0.9375$"),
        ({"ratio": 0.5, "dialect": "mine"}, "one of rgp, relational, got 'mine'"),
        ({"ratio": 0.5, "skip": ["hidden*"]}, "no layer can be pruned: hidden0: skipped by"),
    ],
)
def test_what_cannot_be_is_refused_with_its_numbers(options, message):
    with pytest.raises(SpecError, match=message):
        planned(stack(32, 32, 32), **options)


def test_a_model_wider_than_the_default_is_told_to_ask_for_nodes():
    with pytest.raises(SpecError, match=r"largest ratio is 0\.96875; ask for more with nodes"):
        planned(stack(512, 512), ratio=0.97)


@given(st.integers(4, 90), st.sampled_from(DIALECTS))
def test_the_largest_default_ratio_works_when_asked_for(width, dialect):
    with pytest.raises(SpecError) as refused:
        planned(stack(width, width), ratio=0.999, dialect=dialect)
    most = float(re.search(r"largest ratio is ([\d.]+\d)", str(refused.value)).group(1))
    assert planned(stack(width, width), ratio=most, dialect=dialect).degree == 2


@pytest.mark.parametrize(
    ("width", "dialect", "needed"), [(1, "rgp", 3), (2, "rgp", 3), (3, "relational", 4)]
)
def test_layers_too_narrow_for_any_graph_are_said_to_be(width, dialect, needed):
    message = f"at least {needed} channels are needed, the widest has {width}"
    with pytest.raises(SpecError, match=message):
        planned(stack(width, width), ratio=0.3, dialect=dialect)


def test_a_model_without_layers_is_refused():
    with pytest.raises(SpecError, match="no layer can be pruned: it has none"):
        allocate([], parameters=0, ratio=0.5)


def test_a_plan_cannot_hold_a_layer_narrower_than_its_nodes():
    layer, head = dense("hidden", 8, 8), dense("head", 2, 8)
    with pytest.raises(SpecError, match="layer hidden has 8 channels, fewer than 16 nodes"):
        Plan(16, 4, "rgp", None, (layer,), (DenseLayer(head, "last"),), 80)

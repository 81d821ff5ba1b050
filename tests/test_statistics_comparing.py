import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import ttest_rel
from study_rows import row

from graphprune.errors import SpecError
from graphprune.statistics import compare

BASE, RING = (0.50, 0.52, 0.51), (0.49, 0.50, 0.51)


def runs(family, accuracies, **fields):
    """Runs of one family at seeds 0, 1, ..."""
    return [row(family=family, seed=s, accuracy=a, **fields) for s, a in enumerate(accuracies)]


def test_differences_are_paired_by_seed_as_in_the_paired_t_test():
    (found,) = compare([*runs("random-regular", BASE), *runs("ring", RING)[::-1]])
    expected = ttest_rel(RING, BASE)
    interval = expected.confidence_interval(0.95)
    assert (found.family, found.baseline, found.nodes, found.degree) == (
        "ring",
        "random-regular",
        16,
        4,
    )
    assert found.difference == pytest.approx(-1.0)  # -1, -2 and 0 points
    assert [found.low, found.high] == pytest.approx([100 * interval.low, 100 * interval.high])
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.pairs, found.sign, found.clear) == (3, -1, False)


def test_a_clear_difference_is_called_so_and_confidence_decides():
    rows = [
        *runs("random-regular", BASE),
        *runs("ring", [a - 0.01 for a in BASE[:2]] + [0.505]),
    ]
    assert compare(rows, confidence=0.5)[0].clear is True
    assert compare(rows, confidence=0.99)[0].clear is False


def test_every_level_and_control_is_compared_at_its_degree():
    rows = [
        *runs("random-regular", BASE),
        *runs("random-regular", [a + 0.1 for a in BASE], degree=6),
        *runs("searched", [0.6, 0.6, 0.7], level=2.0),
        *runs("searched", [0.6, 0.6, 0.7], level=1.8),
        *runs("unstructured", RING, degree=6, graph=None),
        *runs("dense", [0.8, 0.8, 0.9], degree=None, nodes=None, graph=None),
        *runs("ring", RING, degree=8),
    ]
    found = compare(rows)
    assert [(c.degree, c.family, c.level) for c in found] == [
        (4, "searched", 1.8),
        (4, "searched", 2.0),
        (4, "dense", None),
        (6, "unstructured", None),
        (6, "dense", None),
    ]
    assert found[2].difference == pytest.approx(found[4].difference + 10)
    assert found[3].difference == pytest.approx(-11.0)


def test_graphs_of_other_sizes_are_apart():
    rows = [*runs("random-regular", BASE), *runs("ring", RING, nodes=32)]
    assert compare(rows) == []


def test_runs_of_a_seed_are_averaged_and_lonely_seeds_left_out():
    rows = [
        row(family="random-regular", seed=0, accuracy=0.5),
        row(family="random-regular", seed=0, accuracy=0.7, graph="other"),
        row(family="random-regular", seed=1, accuracy=0.1),
        row(family="ring", seed=0, accuracy=0.65),
        row(family="ring", seed=2, accuracy=0.9),
    ]
    (found,) = compare(rows)
    assert (found.difference, found.pairs, found.sign) == (pytest.approx(5.0), 1, 1)
    assert (found.low, found.high, found.p, found.p_holm, found.clear) == (None,) * 5


def test_a_baseline_without_a_wanted_length_goes_before_one_with():
    rows = [
        *runs("random-regular", BASE),
        *runs("random-regular", [0.9] * 3, level=1.5),
        *runs("ring", RING),
    ]
    assert compare(rows)[0].difference == pytest.approx(-1.0)
    assert compare(rows[3:])[0].difference == pytest.approx(-40.0)


def test_dense_networks_may_be_the_baseline():
    rows = [*runs("dense", BASE, degree=None, graph=None), *runs("ring", RING)]
    (found,) = compare(rows, baseline="dense")
    assert (found.family, found.degree, found.difference) == ("ring", 4, pytest.approx(-1.0))


def test_differences_that_do_not_scatter_have_no_interval():
    rows = [*runs("random-regular", BASE), *runs("ring", [a + 0.01 for a in BASE])]
    (found,) = compare(rows)
    assert (found.difference, found.sign) == (pytest.approx(1.0), 1)
    assert (found.low, found.p, found.clear) == (None, None, None)
    (same,) = compare([*runs("random-regular", BASE), *runs("ring", BASE)])
    assert (same.difference, same.sign) == (0.0, 0)


def test_p_values_are_adjusted_for_all_comparisons():
    rows = [
        *runs("random-regular", BASE),
        *runs("ring", [0.40, 0.425, 0.41]),
        *runs("small-world", RING),
    ]
    ring, small = compare(rows)
    assert ring.p < small.p
    assert (ring.p_holm, small.p_holm) == (pytest.approx(2 * ring.p), small.p)


def test_runs_without_the_outcome_do_not_count():
    rows = [
        *runs("random-regular", BASE),
        *runs("ring", RING),
        row(family="ring", seed=0, accuracy=None),
        row(family="ring", seed=0, accuracy=math.nan),
        row(family="ring", seed=0, accuracy=0.0, status="failed"),
    ]
    assert compare(rows) == compare(rows[:6])
    assert compare([]) == []


def test_the_order_of_rows_does_not_matter_and_answers_are_plain():
    rows = [*runs("random-regular", BASE), *runs("ring", RING), *runs("searched", BASE)]
    mixed = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    assert compare(mixed) == compare(rows)
    assert json.loads(json.dumps([asdict(c) for c in compare(rows)], allow_nan=False))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": "regular"}, "baseline must be one of random-regular, ring"),
        ({"confidence": 0}, "confidence must be in"),
        ({"outcome": "aspl"}, "aspl of a run must be a fraction"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(SpecError, match=message):
        compare(runs("ring", RING), **change)

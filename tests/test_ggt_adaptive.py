"""Evasion counts against numbers worked out by hand; threat models."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggt.adaptive import THREATS, evasion, under_rejection, wilson
from graphprune.errors import SpecError

N, A, U = "normal", "adversarial", "undecided"


def test_evasion_by_hand():
    row = evasion(
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 2, 2, 2],
        [N, A, N, N, A, U, A, A],
        [0.1, 0.1, 0.2, 0.4, 9.0, 0.3, 0.3, 0.3],
    )
    counts = {name: value for name, value in row.items() if isinstance(value, int)}
    assert counts == {
        "samples": 8,
        "misclassified": 6,
        "flagged": 3,
        "undecided": 1,
        "evaded": 2,
        "unflagged": 3,
    }
    assert row["misclassified_rate"] == 6 / 8
    assert row["flagged_rate"] == 3 / 6 and row["undecided_rate"] == 1 / 6
    assert row["evaded_rate"] == 2 / 8 and row["unflagged_rate"] == 3 / 8
    assert row["norm_median"] == pytest.approx(0.3) and row["norm_max"] == 0.4
    assert (row["evaded_low"], row["evaded_high"]) == wilson(2, 8)
    assert (row["flagged_low"], row["flagged_high"]) == wilson(3, 6)
    assert json.loads(json.dumps(row)) == row


def test_beyond_the_bound_nobody_is_fooled():
    labels = ([0, 0, 0], [1, 1, 1], [N, N, A], [0.1, 0.5, 0.5])
    assert evasion(*labels, bound=0.5)["evaded"] == 2
    row = evasion(*labels, bound=0.4)
    assert (row["misclassified"], row["flagged"], row["evaded"]) == (1, 0, 1)
    assert row["norm_max"] == 0.1


def test_where_there_is_nothing_to_share_there_is_no_rate():
    row = evasion([1, 2], [1, 2], [N, A])
    assert row["misclassified_rate"] == row["evaded_rate"] == 0
    assert row["flagged_rate"] is row["flagged_low"] is row["undecided_high"] is None
    assert row["norm_median"] is row["norm_max"] is None
    assert evasion([], [], [])["evaded_rate"] is None


samples = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([N, A, U])), max_size=30
)


@given(samples)
def test_counts_add_up_and_bounds_enclose(rows):
    right, after, said = zip(*rows, strict=True) if rows else ((), (), ())
    row = evasion(right, after, said)
    assert row["misclassified"] == row["flagged"] + row["undecided"] + row["evaded"]
    assert row["unflagged"] == row["misclassified"] - row["flagged"]
    assert row["evaded"] == sum(r != a and d == N for r, a, d in rows)
    for name in ("misclassified", "flagged", "undecided", "evaded", "unflagged"):
        if row[f"{name}_rate"] is not None:
            assert 0 <= row[f"{name}_low"] <= row[f"{name}_rate"] + 1e-12
            assert row[f"{name}_rate"] - 1e-12 <= row[f"{name}_high"] <= 1


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(5, 10, 0.236593, 0.763407), (0, 10, 0.0, 0.277533), (81, 263, 0.255283, 0.366179)],
)
def test_interval_against_published_values(count, total, low, high):
    assert wilson(count, total) == pytest.approx((low, high), abs=2e-4)
    assert wilson(count, total, confidence=0.99)[1] > high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0], [N, N]), "one shape"),
        (([0, 1], [0, 1], [N]), "one shape"),
        (([0, 1], [0, 1], [N, N], [0.1]), "one shape"),
        (([[0, 1]], [[0, 1]], [[N, N]]), "one shape"),
        (([0, 1], [0, 1], [N, "maybe"]), "maybe"),
    ],
)
def test_what_does_not_line_up_is_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        evasion(*arguments)


def test_a_bound_needs_norms():
    with pytest.raises(SpecError, match="needs norms"):
        evasion([0], [1], [N], bound=0.1)


def test_rejection_by_hand():
    row = under_rejection([0, 1, 2, 3, 4], [0, 1, 2, 0, 0], [N, N, A, N, U])
    assert (row["samples"], row["passed"], row["flagged"], row["undecided"]) == (5, 3, 1, 1)
    assert row["accuracy"] == 3 / 5
    assert row["accuracy_passed"] == pytest.approx(2 / 3)
    assert (row["flagged_rate"], row["flagged_low"]) == (1 / 5, wilson(1, 5)[0])
    assert under_rejection([0], [0], [A])["accuracy_passed"] is None
    assert json.loads(json.dumps(row)) == row
    for bad in (([0], [0, 0], [N]), ([], [], []), (np.zeros((1, 1)),) * 3):
        with pytest.raises(SpecError, match="one shape"):
            under_rejection(*bad)


def test_each_threat_model_is_one_sentence():
    assert set(THREATS) == {"static", "grey", "known", "query"}
    for name, threat in THREATS.items():
        assert threat.name == name
        assert threat.knows.endswith(".") and threat.knows.count(".") == 1

"""Scores of classifiers, against scikit-learn and by hand."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score

from graphprune.errors import SpecError
from signet.evaluate import scores

ANSWERS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        *(hnp.arrays(np.int64, n, elements=st.integers(0, 4)) for _ in range(2)),
        hnp.arrays(np.float64, n, elements=st.sampled_from([-4.0, 0.0, 2.5])),
    )
)


@given(ANSWERS)
def test_figures_are_those_of_scikit_learn(answers):
    predicted, labels, snr = answers
    found = scores(predicted, labels, snr, classes=5)
    assert np.array_equal(found.confusion, confusion_matrix(labels, predicted, labels=range(5)))
    assert found.overall == pytest.approx(np.mean(predicted == labels))
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    if len(set(labels) | set(predicted)) > 1:
        assert found.kappa == pytest.approx(cohen_kappa_score(labels, predicted))
    else:
        assert found.kappa == 1


def test_accuracies_by_hand():
    found = scores(
        np.array([0, 1, 1, 2]),
        np.array([0, 1, 2, 2]),
        np.array([-20.0, 0.0, 0.0, 2.5]),
        classes=3,
    )
    assert found.overall == 0.75
    assert found.high_snr == pytest.approx(2 / 3)
    assert found.by_snr == {"-20": 1.0, "0": 0.5, "2.5": 1.0}
    assert found.to_dict()["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_only_low_labels_have_no_high_accuracy():
    found = scores(np.array([0]), np.array([0]), np.array([-2.0]), classes=2)
    assert found.high_snr is None


@pytest.mark.parametrize("count", [0, 2])
def test_arrays_that_do_not_line_up_are_refused(count):
    with pytest.raises(SpecError, match="one a frame, at least one"):
        scores(np.zeros(count, int), np.zeros(min(count, 1), int), np.zeros(count), classes=2)

import numpy as np
import pytest
from study_rows import row, study

from graphprune.errors import SpecError
from graphprune.statistics.selection import Runs, fractions, joined, numbers


def test_a_sample_is_sorted_by_stratum_then_outcome_and_centred():
    rows = [
        row(degree=6, graph="c", aspl=1.0, accuracy=0.9, seed=7),
        row(degree=4, graph="b", aspl=3.0, accuracy=0.6, seed=7),
        row(degree=4, graph="a", aspl=1.0, accuracy=0.4, seed=5),
    ]
    sample = Runs(rows, "accuracy", ("degree",)).sample("aspl")
    assert sample.raw.tolist() == [1.0, 3.0, 1.0]
    assert sample.measure.tolist() == [-1.0, 1.0, 0.0]
    assert sample.outcome == pytest.approx([-10.0, 10.0, 0.0])
    assert sample.stratum.tolist() == [0, 0, 1]
    assert sample.graph.tolist() == [0, 1, 2]
    assert sample.seed.tolist() == [0, 1, 1]
    assert sample.density.tolist() == [0.25, 0.25, 0.375]
    assert sample.strata == ({"degree": 4}, {"degree": 6})
    assert sample.bounds == [(0, 2), (2, 3)]
    assert sample.about == ("accuracy", "aspl", ("degree",))


def test_a_stratum_without_the_measure_leaves_no_gap():
    rows = study(degrees=(4, 6, 8))
    few = [r | {"aspl": None} if r["degree"] == 6 else r for r in rows]
    sample = Runs(few, "accuracy", ("degree",)).sample("aspl")
    assert sample.strata == ({"degree": 4}, {"degree": 8})
    assert set(sample.stratum.tolist()) == {0, 1}
    assert set(sample.graph.tolist()) == set(range(12))


def test_levels_are_wanted_lengths_or_found_ones():
    rows = [
        row(graph="a", level=2.0, aspl=2.01),
        row(graph="b", level=2, aspl=1.99),
        row(graph="c", level=None, aspl=2.5),
        row(graph="d", level=None, aspl=2.5, family="ring"),
        row(graph="e", level=None, aspl=None, clustering=0.5),
    ]
    runs = Runs(rows, "accuracy", ())
    assert len(set(runs.codes[3].tolist())) == 3
    assert len(set(runs.codes[4].tolist())) == 3  # searched to 2, searched, ring


def test_rounding_is_no_difference():
    rows = [row(graph=str(i), accuracy=0.1, aspl=0.1 + 1e-17) for i in range(3)]
    sample = Runs(rows, "accuracy", ()).sample("aspl")
    assert not sample.measure.any() and not sample.outcome.any()


def test_no_runs_make_an_empty_sample():
    sample = Runs([], "accuracy", ("degree",)).sample("aspl")
    assert (len(sample.raw), sample.bounds, sample.strata) == (0, [], ())


def test_pairs_of_codes_have_codes_of_their_own():
    pairs = joined(np.array([0, 1, 0, 1]), np.array([2, 0, 2, 2]))
    assert pairs.tolist() == [0, 1, 0, 2]


def test_numbers_are_numbers_or_null():
    assert np.isnan(numbers([{}, {"a": None}], "a")).all()
    assert numbers([{"a": 1}, {"a": 2.5}], "a").tolist() == [1.0, 2.5]
    with pytest.raises(SpecError, match="a of a run must be a number or null"):
        numbers([{"a": "many"}], "a")


@pytest.mark.parametrize("wrong", [91.5, -0.1, float("inf")])
def test_fractions_lie_between_0_and_1(wrong):
    assert fractions([{"a": 0}, {"a": 1.0}], "a").tolist() == [0.0, 1.0]
    with pytest.raises(SpecError, match=r"a fraction in \[0, 1\], got"):
        fractions([{"a": 0.5}, {"a": wrong}], "a")

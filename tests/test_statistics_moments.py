import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr
from study_rows import row, study

from graphprune.statistics.moments import Columns, statistics_of
from graphprune.statistics.selection import Runs


def statistics(sample, weights=None):
    columns = Columns(sample)
    whole = columns.of(np.ones((1, len(sample.raw))))
    moments = whole if weights is None else columns.of(np.asarray(weights, float))
    return statistics_of(moments, whole)


def sample_of(rows, strata=("degree",)):
    return Runs(rows, "accuracy", strata).sample("aspl")


def test_one_stratum_gives_the_statistics_of_scipy_and_the_slope_of_a_line():
    rows = study(run_scatter=0.5, graphs=9, seeds=4)
    x, y = (np.array([r[name] for r in rows]) for name in ("aspl", "accuracy"))
    found = statistics(sample_of(rows))[0]
    assert found[:3] == pytest.approx(
        [spearmanr(x, y).statistic, pearsonr(x, y).statistic, 100 * np.polyfit(x, y, 1)[0]]
    )
    assert found[3:] == pytest.approx(found[[0, 2]])


def test_a_slope_a_reader_can_compute():
    # Lengths 1, 2, 3 and 50, 51, 49 points: covariance (-1)(0) + 0(1) + 1(-1) = -1, over 2.
    rows = [row(aspl=a, accuracy=y, graph=str(a)) for a, y in ((1, 0.50), (2, 0.51), (3, 0.49))]
    spearman, partial, slope = statistics(sample_of(rows))[0, :3]
    assert (spearman, partial, slope) == pytest.approx((-0.5, -0.5, -0.5))


def regression(rows, *, ranks):
    """Slope and correlation within degrees, by regression on dummies."""
    degree = np.array([r["degree"] for r in rows])
    x, y = np.array([r["aspl"] for r in rows]), 100 * np.array([r["accuracy"] for r in rows])
    dummies = (degree[:, None] == np.unique(degree)).astype(float)
    if ranks:
        for values in (x, y):
            for d in np.unique(degree):
                values[degree == d] = rankdata(values[degree == d]) / (degree == d).sum()
    fit = sm.OLS(y, np.column_stack([x, dummies])).fit()
    left = [values - sm.OLS(values, dummies).fit().fittedvalues for values in (x, y)]
    return fit.params[0], pearsonr(*left).statistic


@pytest.mark.parametrize("dropped", [0, 7])
def test_strata_are_held_fixed_as_by_regression_on_dummies(dropped):
    rows = study(degrees=(4, 6, 8), run_scatter=0.6, graph_scatter=0.3)[dropped:]
    spearman, partial, slope = statistics(sample_of(rows))[0, :3]
    assert (slope, partial) == pytest.approx(regression(rows, ranks=False))
    assert spearman == pytest.approx(regression(rows, ranks=True)[1])
    assert abs(partial - statistics(sample_of(rows, ()))[0, 1]) > 0.2


@st.composite
def weighted(draw):
    """Runs with many ties, and how often each counts."""
    count = draw(st.integers(3, 12))
    rows = [
        row(
            degree=draw(st.sampled_from([4, 6])),
            graph=f"g{i}",
            aspl=float(draw(st.integers(1, 4))),
            accuracy=draw(st.integers(40, 45)) / 100,
        )
        for i in range(count)
    ]
    return rows, draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))


@given(weighted())
def test_a_weight_counts_a_run_so_many_times(case):
    rows, times = case
    sample = sample_of(rows)
    weights = np.array(times, float)[np.argsort([int(g) for g in order_of(rows)])]
    copied = [r for r, n in zip(rows, times, strict=True) for _ in range(n)]
    found = statistics(sample, [weights])[0, :3]
    for value, expected in zip(found, direct(copied), strict=True):
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)


def order_of(rows):
    """Position in the sample of each of the rows."""
    places = sorted(
        range(len(rows)), key=lambda i: (rows[i]["degree"], rows[i]["accuracy"], f"g{i}")
    )
    back = np.empty(len(rows), int)
    back[places] = np.arange(len(rows))
    return back


def direct(rows):
    """Spearman's and Pearson's correlation and slope within degrees, straight from the text."""
    pieces = {name: [] for name in ("x", "y", "rx", "ry")}
    for degree in (4, 6):
        part = [r for r in rows if r["degree"] == degree]
        if part:
            x, y = (np.array([r[name] for r in part]) for name in ("aspl", "accuracy"))
            for name, values in (("x", x), ("y", 100 * y)):
                pieces[name].append(values - values.mean())
                ranks = rankdata(values) / len(values)
                pieces["r" + name].append(ranks - ranks.mean())
    if not pieces["x"]:
        return [np.nan] * 3
    x, y, rx, ry = (np.concatenate(pieces[name]) for name in ("x", "y", "rx", "ry"))
    flat_x, flat_y = np.allclose(x, 0), np.allclose(y, 0)
    either = flat_x or flat_y
    return [
        np.nan if either else rx @ ry / np.sqrt(rx @ rx * (ry @ ry)),
        np.nan if either else x @ y / np.sqrt(x @ x * (y @ y)),
        np.nan if flat_x else x @ y / (x @ x),
    ]

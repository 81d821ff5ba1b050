import numpy as np
import pytest
from scipy.stats import t
from study_rows import study

from graphprune.statistics.estimating import estimates
from graphprune.statistics.moments import Columns
from graphprune.statistics.resampling import resampled
from graphprune.statistics.selection import Runs


def sample_of(rows):
    return Runs(rows, "accuracy", ("degree",)).sample("aspl")


def test_graphs_alone_get_percentiles_stretched_by_the_freedom_they_leave():
    sample = sample_of(study(graphs=4, degrees=(4, 6), graph_scatter=1.0))
    draws = resampled(sample, Columns(sample), 500, 1)
    found = estimates(sample, 500, 0.95, 1)
    for column, freedom in ((2, 5), (4, 2), (6, 2)):  # 8 - 2 - 1 and 4 - 1 - 1
        low, high = np.nanquantile(draws[:, column], [0.025, 0.975])
        wide = (high - low) * t.isf(0.025, freedom) / 1.959964
        assert found[column].high - found[column].low == pytest.approx(wide)


def test_runs_alone_get_percentiles_as_they_are():
    sample = sample_of(study(graphs=12, seeds=8, run_scatter=1.0))
    draws = resampled(sample, Columns(sample), 500, 1)
    found = estimates(sample, 500, 0.95, 1)
    for column in range(5):
        ends = np.nanquantile(draws[:, column], [0.025, 0.975])
        assert [found[column].low, found[column].high] == pytest.approx(ends, abs=0.01)


def test_without_resamples_there_are_values_alone():
    sample = sample_of(study(run_scatter=1.0))
    for found in estimates(sample, 0, 0.95, 0):
        assert -5 < found.value < 5
        assert (found.low, found.high, found.p) == (None, None, None)

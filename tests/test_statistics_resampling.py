import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from study_rows import row, study

from graphprune.statistics.moments import Columns
from graphprune.statistics.resampling import (
    AT_ONCE,
    affordable,
    batches,
    exchangeable,
    resampled,
)
from graphprune.statistics.selection import Runs


def sample_of(rows, strata=("degree",)):
    return Runs(rows, "accuracy", strata).sample("aspl")


def draws_of(sample, resamples, seed=0):
    return resampled(sample, Columns(sample), resamples, seed)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_seeds_and_graphs_are_drawn_and_runs_follow(seed):
    rows = study(graphs=5, seeds=3, run_scatter=0.5, graph_scatter=0.3)
    found = draws_of(sample_of(rows), 20, seed)

    rng = np.random.default_rng((seed, 0))
    seeds, graphs = rng.integers(0, 3, (20, 3)), rng.integers(0, 5, (20, 5))
    for statistics, some_seeds, some_graphs in zip(found, seeds, graphs, strict=True):
        drawn = [
            r
            for g in some_graphs
            for s in some_seeds
            for r in rows
            if r["graph"] == f"graph-4-{g}" and r["seed"] == s
        ]
        x, y = (np.array([r[name] for r in drawn]) for name in ("aspl", "accuracy"))
        if len(set(x.tolist())) > 1:
            expected = spearmanr(x, y).statistic, pearsonr(x, y).statistic
            assert statistics[:2] == pytest.approx(expected)
        else:
            assert np.isnan(statistics).all()


def test_graphs_are_drawn_within_their_degree():
    # One graph a degree in which accuracy is off; it would mix were degrees drawn together.
    rows = study(graphs=3, degrees=(4, 6), run_scatter=0.2)
    sample = sample_of(rows)
    assert [members.tolist() for members in exchangeable(sample)] == [[0, 1, 2], [3, 4, 5]]
    pooled = [members.tolist() for members in exchangeable(sample_of(rows, ()))]
    assert pooled == [[0, 1, 2, 3, 4, 5]]


def test_graphs_in_several_strata_are_drawn_with_their_like():
    places = {"a": (0, 1), "b": (0, 1), "c": (0,)}
    rows = [
        row(graph=graph, seed=seed, aspl=1.0 + len(seeds), accuracy=0.5)
        for graph, seeds in places.items()
        for seed in seeds
    ]
    groups = exchangeable(sample_of(rows, ("seed",)))
    assert sorted(members.tolist() for members in groups) == [[0, 1], [2]]


def test_a_degree_with_one_graph_neither_fails_nor_matters():
    rows = study(graphs=4, run_scatter=0.3)
    more = [*rows, *study(graphs=1, degrees=(8,), run_scatter=5.0)]
    assert draws_of(sample_of(more), 50)[:, 2].tolist() == pytest.approx(
        draws_of(sample_of(rows), 50)[:, 2].tolist(), nan_ok=True
    )


def test_seeds_alone_scatter_the_slope_as_their_slopes_do():
    # Slopes of the three seeds differ, nothing else does: a resample's slope is their mean.
    rows = study(slope_scatter=1.0, graphs=4, seeds=3)
    slopes = {
        s: np.polyfit(
            *zip(
                *[(r["aspl"], 100 * r["accuracy"]) for r in rows if r["seed"] == s], strict=True
            ),
            1,
        )[0]
        for s in range(3)
    }
    means = [
        np.mean([slopes[a], slopes[b], slopes[c]])
        for a in slopes
        for b in slopes
        for c in slopes
    ]
    found = draws_of(sample_of(rows), 200)[:, 2]
    for value in found[np.isfinite(found)]:
        assert np.abs(np.array(means) - value).min() < 1e-6
    assert len(set(np.round(found[np.isfinite(found)], 6))) == len(set(np.round(means, 6)))


def test_many_runs_get_fewer_resamples_but_never_fewer_than_a_hundred():
    assert affordable(2000, 300) == 2000
    assert affordable(2000, 100_000) == 100
    assert affordable(2000, 10**9) == 100
    assert affordable(120, 0) == 120


def test_batches_hold_every_resample_once_and_fit_into_memory():
    sizes = list(batches(2000, 30_000))
    assert sum(sizes) == 2000
    assert len(sizes) > 1 and max(sizes) * 30_000 <= AT_ONCE
    assert list(batches(3, 10**9)) == [1, 1, 1]

import numpy as np
import pytest
from scipy.stats import nct, t
from study_rows import row, study

from graphprune.statistics.power import (
    Scatter,
    detectable,
    needed_shift,
    run_scatter,
    scatter,
    seeds_needed,
)
from graphprune.statistics.selection import Runs
from graphprune.statistics.shuffling import shuffled


def sample_of(rows):
    return Runs(rows, "accuracy", ("degree",)).sample("aspl")


@pytest.mark.parametrize("freedom", [2, 4, 10, 100])
def test_the_needed_shift_has_the_power_by_the_noncentral_t_distribution(freedom):
    limit, shift = t.isf(0.025, freedom), needed_shift(freedom)
    power = nct.sf(limit, freedom, shift) + nct.cdf(-limit, freedom, shift)
    assert power == pytest.approx(0.8, abs=1e-3)


def test_many_degrees_of_freedom_need_what_the_normal_distribution_does():
    assert needed_shift(10**6) == pytest.approx(1.959964 + 0.841621, abs=1e-3)


def test_the_smallest_slope_and_the_seeds_by_hand():
    # Runs scatter by 0.6 points, 9 seeds: means by 0.2; squares of lengths 4: error 0.1.
    found = Scatter(0.7, run=0.6, graph=0.0, seeds=9, spread=4.0, freedom=10**6)
    assert detectable(found) == pytest.approx(0.28016, abs=1e-4)
    assert seeds_needed(found, 0.2802) == 9
    assert seeds_needed(found, -0.2800) == 10
    assert seeds_needed(found, 0.1401) == 36
    assert seeds_needed(found, 100.0) == 2


def test_the_scatter_of_graphs_bounds_what_seeds_can_do():
    found = Scatter(0.7, run=0.6, graph=0.2, seeds=9, spread=4.0, freedom=10**6)
    assert detectable(found) == pytest.approx(0.28016 * 2**0.5, abs=1e-4)
    assert seeds_needed(found, 0.28) is None
    assert seeds_needed(found, 0.2803) > 1000
    assert seeds_needed(found, 0.28016 * 2**0.5 + 1e-4) == 9


@pytest.mark.parametrize("missing", ["run", "graph"])
def test_unknown_scatter_gives_no_power(missing):
    known = {"between_seeds": 1.0, "run": 1.0, "graph": 0.0} | {missing: None}
    found = Scatter(**known, seeds=3, spread=1.0, freedom=4)
    assert detectable(found) is None
    assert seeds_needed(found, 1.0) is None


def test_no_scatter_and_no_slope_give_no_power():
    still = Scatter(0.0, 0.0, 0.0, seeds=3, spread=1.0, freedom=4)
    assert detectable(still) is None
    assert seeds_needed(Scatter(1.0, 1.0, 0.0, 3, 1.0, 4), 0.0) is None


def test_scatter_by_hand():
    # Two seeds, three graphs at lengths 1, 2, 3 whose means 50, 51, 52 lie on a line.
    # Runs are off their graph's mean by +-1, +-1 and -+2: seeds differ by 2, 2 and -4 points.
    points = {(1, 0): 51, (1, 1): 49, (2, 0): 52, (2, 1): 50, (3, 0): 50, (3, 1): 54}
    rows = [
        row(graph=f"g{g}", aspl=g, seed=s, accuracy=p / 100) for (g, s), p in points.items()
    ]
    found = scatter(sample_of(rows))
    assert found.between_seeds == pytest.approx(2.0)  # (2 + 2 + 8) over 3, root
    # The seeds shift nothing on the whole, and take a degree of freedom: 12 / 2, pooled with
    # the graphs' 0 squares and 1 degree: 12 / 3.
    assert found.run == pytest.approx(2.0)
    assert (found.graph, found.seeds, found.spread, found.freedom) == (0, 2, 2, 1)


def test_scatter_of_graphs_by_hand():
    # Means 50, 53, 50 lie off their line, at 51, by -1, 2, -1: squares 6, twice for two seeds.
    # Runs are off by 1, -1 and 0: squares 4, of 2 degrees of freedom.
    points = {(1, 0): 51, (1, 1): 49, (2, 0): 52, (2, 1): 54, (3, 0): 50, (3, 1): 50}
    rows = [
        row(graph=f"g{g}", aspl=g, seed=s, accuracy=p / 100) for (g, s), p in points.items()
    ]
    found = scatter(sample_of(rows))
    assert found.run == run_scatter(sample_of(rows)) == pytest.approx(2**0.5)
    assert found.graph == pytest.approx(((12 - 2) / 2) ** 0.5)


def test_scatter_finds_what_was_put_in():
    rows = study(graphs=40, seeds=20, graph_scatter=0.5, seed_shift=3.0, run_scatter=1.0)
    found = scatter(sample_of(rows))
    assert found.run == pytest.approx(1.0, rel=0.05)
    assert found.graph == pytest.approx(0.5, rel=0.25)
    assert found.between_seeds > 2.0


def test_incomplete_studies_have_their_seeds_taken_out_too():
    rows = study(graphs=12, seeds=6, seed_shift=3.0, run_scatter=0.2)
    del rows[5::7]
    assert scatter(sample_of(rows)).run == pytest.approx(0.2, rel=0.2)


def test_graphs_of_one_seed_each_are_taken_by_level():
    rows = study(run_scatter=0.5, seeds=4)
    shared = scatter(sample_of(rows))
    own = scatter(sample_of([r | {"graph": f"{r['graph']}-{r['seed']}"} for r in rows]))
    assert own.freedom == shared.freedom == 4
    assert own.run == pytest.approx(shared.run, rel=0.01)


def test_seeds_that_never_cross_are_not_taken_out():
    rows = [
        row(graph=f"g{g}", aspl=g, seed=10 * g + s, accuracy=0.5 + g / 100 + s / 1000)
        for g in range(4)
        for s in range(3)
    ]
    assert scatter(sample_of(rows)).run == pytest.approx(0.1, rel=0.2)


def share_told_apart(found, slope, **design):
    """Share of studies in which shuffling tells a slope from chance."""
    told = [
        shuffled(sample_of(study(slope=slope, seed=i, **design)), 499, i)[2] < 0.05
        for i in range(found)
    ]
    return np.mean(told)


def test_four_studies_in_five_tell_the_smallest_slope_from_chance():
    design = {"graphs": 8, "seeds": 3, "run_scatter": 0.5}
    lengths = np.linspace(-0.5, 0.5, 8)
    known = Scatter(0.5, 0.5, 0.0, 3, float(lengths @ lengths), 6)
    assert 0.6 < share_told_apart(60, detectable(known), **design) < 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    ("graphs", "seeds", "graph_scatter"), [(6, 3, 0.0), (6, 3, 0.4), (10, 5, 0.0), (10, 5, 0.3)]
)
def test_power_is_what_shuffling_has(graphs, seeds, graph_scatter):
    lengths = np.linspace(-0.5, 0.5, graphs)
    spread = float(lengths @ lengths)
    known = Scatter(0.5, 0.5, graph_scatter, seeds, spread, graphs - 2)
    design = {"graphs": graphs, "run_scatter": 0.5, "graph_scatter": graph_scatter}
    smallest = detectable(known)
    assert share_told_apart(1000, -smallest, seeds=seeds, **design) == pytest.approx(
        0.8, abs=0.06
    )
    assert seeds_needed(known, smallest * 1.0001) == seeds
    halved = seeds_needed(known, smallest / 1.2)
    if halved is not None and halved < 60:
        share = share_told_apart(1000, smallest / 1.2, seeds=halved, **design)
        assert share == pytest.approx(0.8, abs=0.06)

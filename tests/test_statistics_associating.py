import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from study_rows import row, study

from graphprune.errors import SpecError
from graphprune.statistics import associate

NOISY = {"run_scatter": 0.4, "graph_scatter": 0.2, "seed_shift": 0.3}


def figures(association):
    """Everything that an association says in numbers, as JSON would hold it."""
    return json.loads(json.dumps(asdict(association), allow_nan=False))


def test_a_known_slope_is_found_within_its_interval():
    found = associate(study(graphs=8, seeds=5, degrees=(4, 6), slope=-3.0, **NOISY))
    assert found.slope.low < -3 < found.slope.high < 0
    assert found.slope.value == pytest.approx(-3, abs=0.5)
    assert (found.slope.p, found.reason) == (pytest.approx(1 / 2001), None)
    assert (found.runs, found.graphs, found.seeds, found.levels) == (80, 16, 5, 16)
    assert (found.lowest, found.highest, found.density_spread) == (1.5, 3.0, 0.0)
    assert found.unit == "percentage points per hop"
    assert [part.fixed for part in found.by_stratum] == [{"degree": 4}, {"degree": 6}]
    assert [part.lowest for part in found.by_stratum] == [2.0, 1.5]
    assert [part.runs for part in found.by_stratum] == [40, 40]


def test_without_strata_the_correlations_are_those_of_scipy():
    rows = study(degrees=(4, 6), **NOISY)
    x, y = ([r[name] for r in rows] for name in ("aspl", "accuracy"))
    found = associate(rows, strata=())
    assert found.spearman.value == pytest.approx(spearmanr(x, y).statistic)
    assert found.partial.value == pytest.approx(pearsonr(x, y).statistic)
    assert [part.fixed for part in found.by_stratum] == [{}]


def test_noise_and_power_are_those_put_in():
    found = associate(study(graphs=12, seeds=12, slope=0.0, run_scatter=0.5))
    assert found.noise == pytest.approx(0.5, rel=0.15)
    assert found.run_noise == pytest.approx(0.5, rel=0.15)
    assert found.graph_noise == 0
    lengths = np.linspace(-0.5, 0.5, 12)
    error = 0.5 / math.sqrt(12 * lengths @ lengths)
    assert found.detectable == pytest.approx(3.1 * error, rel=0.15)
    needed = 12 * (found.detectable / found.slope.value) ** 2
    assert found.seeds_needed == pytest.approx(needed, abs=1)


def test_a_strict_reading_of_each_degree_alone_is_given():
    rows = study(degrees=(4, 6), **NOISY)
    pooled = associate(rows)
    alone = associate([r for r in rows if r["degree"] == 6])
    assert pooled.by_stratum[1].slope.value == pytest.approx(alone.slope.value)
    assert pooled.by_stratum[1].slope.p == pytest.approx(alone.slope.p, abs=0.03)
    assert pooled.by_stratum[1].spearman.low == pytest.approx(alone.spearman.low, abs=0.1)


def test_only_finished_runs_of_graph_networks_with_both_values_count():
    rows = study(**NOISY)
    others = [
        row(family="dense", degree=None, graph=None, aspl=None, accuracy=0.99),
        row(family="unstructured", graph=None, aspl=None, accuracy=0.1),
        row(family="unstructured", graph="graph", aspl=9.0, accuracy=0.1),
        row(status="running", accuracy=None),
        row(status="failed", accuracy=0.1, aspl=9.0, error="lost"),
        row(accuracy=None, aspl=9.0),
        row(accuracy=math.nan, aspl=9.0),
        row(accuracy=0.1, aspl=None),
        row(accuracy=0.1, aspl=math.inf),
    ]
    assert figures(associate(rows + others)) == figures(associate(rows))


def test_equal_seeds_give_equal_answers_and_others_do_not():
    rows = study(**NOISY)
    assert associate(rows, seed=3) == associate(rows, seed=3)
    assert associate(rows, seed=3).slope.low != associate(rows, seed=4).slope.low
    assert associate(rows, seed=3).slope.value == associate(rows, seed=4).slope.value


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    rows = study(degrees=(4, 6), graphs=4, **NOISY)
    rows = [r | {"accuracy": round(r["accuracy"], 2)} for r in rows]  # many are equal
    mixed = random.sample(rows, len(rows))
    assert figures(associate(mixed, resamples=100)) == figures(associate(rows, resamples=100))


bent = st.sampled_from([np.exp, np.cbrt, lambda x: x**3, lambda x: 7 * x - 100, np.arctan])


@settings(max_examples=15)
@given(bent, st.integers(0, 1000))
def test_ranks_do_not_see_a_rising_change_of_the_measure(change, seed):
    mixed = {"graph_scatter": 0.5, "run_scatter": 0.3}
    rows = study(degrees=(4, 6), graphs=4, seeds=4, seed=seed, **mixed)
    changed = [r | {"aspl": float(change(r["aspl"]))} for r in rows]
    before, after = (figures(associate(each, resamples=100)) for each in (rows, changed))
    assert after["spearman"] == pytest.approx(before["spearman"])


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_turning_the_measure_or_the_outcome_round_turns_every_sign(seed):
    rows = study(graphs=4, seeds=4, seed=seed, **NOISY)
    for turned in (
        [r | {"aspl": 10 - r["aspl"]} for r in rows],
        [r | {"accuracy": 1 - r["accuracy"]} for r in rows],
    ):
        before, after = (associate(each, resamples=200) for each in (rows, turned))
        for name in ("spearman", "partial", "slope"):
            one, other = getattr(before, name), getattr(after, name)
            assert [-other.value, -other.high, -other.low] == pytest.approx(
                [one.value, one.low, one.high], abs=1e-9
            )
            assert other.p == pytest.approx(one.p)


def test_a_constant_factor_of_the_measure_divides_the_slope():
    rows = study(**NOISY)
    one, other = (associate([r | {"aspl": f * r["aspl"]} for r in rows]) for f in (1, 4))
    assert [4 * other.slope.value, 4 * other.slope.low] == pytest.approx(
        [one.slope.value, one.slope.low]
    )
    assert 4 * other.detectable == pytest.approx(one.detectable)
    assert (other.seeds_needed, other.slope.p) == (one.seeds_needed, one.slope.p)


def test_graphs_and_seeds_scatter_the_slope_as_clustered_errors_say():
    rows = study(graphs=40, seeds=25, graph_scatter=0.5, slope_scatter=1.5, run_scatter=0.1)
    x, y = (np.array([r[name] for r in rows]) for name in ("aspl", "accuracy"))
    groups = np.array([[int(r["graph"].split("-")[2]), r["seed"]] for r in rows])
    fit = sm.OLS(100 * y, sm.add_constant(x)).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    found = associate(rows).slope
    assert found.value == pytest.approx(fit.params[1])
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(fit.bse[1], rel=0.12)


def test_a_wider_confidence_gives_a_wider_interval():
    rows = study(**NOISY)
    widths = [
        (found.high - found.low)
        for found in (associate(rows, confidence=c).slope for c in (0.5, 0.8, 0.95))
    ]
    assert widths == sorted(widths) and len(set(widths)) == 3


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "no finished run"),
        ([row(status="running")], "no finished run"),
        ([row()], "does not vary within one degree"),
        (study(graphs=1, run_scatter=1), "does not vary within one degree"),
        (study(graphs=2, run_scatter=1), "only 2 different graphs, and at least 3 are needed"),
        (study(slope=0.0), "accuracy is the same in all runs"),
        (study(seeds=1, graph_scatter=1), "all runs have one seed"),
        ([r | {"aspl": 2.0} for r in study(**NOISY)], "does not vary within one degree"),
        (
            [r | {"aspl": float(r["aspl"] > 2)} for r in study(**NOISY)],
            "only 2 different values of average path length",
        ),
    ],
)
def test_too_little_says_why_and_bears_no_fake_numbers(rows, reason):
    found = associate(rows)
    said = figures(found)
    assert reason in found.reason
    for name in ("spearman", "partial", "slope"):
        assert [said[name][part] for part in ("low", "high", "p")] == [None] * 3
    assert (found.detectable, found.seeds_needed, found.resamples) == (None, None, 0)


def test_what_is_not_defined_is_none():
    flat = associate([r | {"accuracy": 0.1} for r in study()])
    assert (flat.spearman.value, flat.partial.value, flat.slope.value) == (None, None, 0)
    one = associate([r | {"aspl": 0.1} for r in study(**NOISY)])
    assert (one.spearman.value, one.partial.value, one.slope.value) == (None, None, None)
    assert associate([]).lowest is None


def test_runs_without_any_scatter_have_no_interval_and_no_power():
    found = associate(study(slope=2.0))
    assert found.slope.value == pytest.approx(2.0)
    assert (found.slope.low, found.slope.high) == (None, None)
    assert found.slope.p < 0.01
    assert (found.noise, found.run_noise, found.graph_noise) == (0, 0, 0)
    assert (found.detectable, found.seeds_needed) == (None, None)


def test_three_graphs_can_tell_nothing_apart_and_say_so():
    found = associate(study(graphs=3, seeds=5, slope=-9.0, run_scatter=0.1))
    assert found.slope.p > 0.3
    assert (found.detectable, found.seeds_needed) == (None, None)


def test_density_that_differs_within_a_degree_is_told():
    rows = study(**NOISY)
    rows[0] |= {"density": 0.31}
    assert associate(rows).density_spread == pytest.approx(0.06)
    assert associate([r | {"density": None} for r in rows]).density_spread is None


def test_fields_of_any_kind_can_be_held_fixed():
    rows = [r | {"note": note} for note in (None, "b", 3) for r in study(**NOISY)]
    found = associate(rows, strata=("note", "degree"))
    assert [part.fixed["note"] for part in found.by_stratum] == [3, None, "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resamples": 99}, "resamples must be at least 100, got 99"),
        ({"confidence": 1.0}, "confidence must be in"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"measure": "asp"}, "no run has the field 'asp'; fields are status"),
        ({"outcome": "acuracy"}, "no run has the field 'acuracy'"),
        ({"strata": ("degre",)}, "no run has the field 'degre'"),
        ({"outcome": "aspl"}, r"aspl of a run must be a fraction in \[0, 1\], got 2"),
        ({"measure": "family"}, "family of a run must be a number or null"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(SpecError, match=message):
        associate(study(**NOISY), **change)


def test_values_that_cannot_be_compared_are_refused():
    with pytest.raises(SpecError, match="cannot be told apart"):
        associate([r | {"degree": [4]} for r in study()])


def test_rows_are_left_as_they_were():
    rows = study(**NOISY)
    before = json.dumps(rows)
    associate(rows)
    assert json.dumps(rows) == before

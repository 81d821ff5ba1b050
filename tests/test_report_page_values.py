"""Means, intervals, fronts and what is kept of curves and graphs."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_pages import CONTROL, NO_GRAPH, curve, failed, run, study, whole_study
from scipy import stats

from graphprune.report.page import curve_values, study_values
from graphprune.report.page.curve_values import curve_columns, mean_curve
from graphprune.report.page.front import pareto_front
from graphprune.report.page.means import Mean, groups_of, mean_of, t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 31, 198, 199, 200, 201, 1000, 10**6])
def test_quantiles_of_t_are_those_of_scipy(freedom):
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-8)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9))
def test_means_and_intervals_are_those_of_scipy(values):
    found = mean_of([*values, None])
    width = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    assert found.count == len(values)
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-9)
    assert found.high - found.mean == pytest.approx(width, abs=1e-7)
    assert found.mean - found.low == pytest.approx(width, abs=1e-7)


def test_one_value_tells_no_spread_and_none_tells_nothing():
    assert mean_of([None, 0.5, math.nan]) == Mean(1, 0.5, None, None)
    assert mean_of([None, math.inf]) is None and mean_of([]) is None


def naive_front(costs, gains):
    """Points that no other point beats, compared pair by pair."""
    known = [i for i, pair in enumerate(zip(costs, gains, strict=True)) if None not in pair]

    def beats(i, j):
        as_good = costs[i] <= costs[j] and gains[i] >= gains[j]
        return as_good and (costs[i] < costs[j] or gains[i] > gains[j])

    return {j for j in known if not any(beats(i, j) for i in known)}


NUMBER = st.none() | st.integers(0, 5)


@given(st.lists(st.tuples(NUMBER, NUMBER), max_size=12))
def test_the_front_is_what_no_other_beats(points):
    costs, gains = [cost for cost, _ in points], [gain for _, gain in points]
    found = pareto_front(costs, gains)
    assert set(found) == naive_front(costs, gains) and len(set(found)) == len(found)
    assert [costs[index] for index in found] == sorted(costs[index] for index in found)


def test_groups_are_finished_runs_that_differ_in_nothing_but_chance():
    rows = [
        run(1, seed=0),
        run(2, family="dense", degree=None, level=None),
        run(3, seed=1, accuracy=0.5),
        run(4, level=3.0),
        failed(5),
        run(6, degree=6),
        run(7, level=None),
        run(8, status="running"),
    ]
    found = [(g.family, g.degree, g.level, g.members) for g in groups_of(rows)]
    assert found == [
        ("searched", 4, 2.0, (0, 2)),
        ("searched", 4, 3.0, (3,)),
        ("searched", 4, None, (6,)),
        ("searched", 6, 2.0, (5,)),
        ("dense", None, None, (1,)),
    ]


def values_of(part):
    return study_values.study_values(part, study_values.ordered_rows(part.rows))


def test_a_study_knows_its_means_and_what_was_measured():
    rows = [run(1, accuracy=0.5), run(2, accuracy=0.75, aspl=3.0), failed(3, accuracy=0.0)]
    found = values_of(study(rows))
    assert found["outcomes"] == ["accuracy", "train_accuracy"]
    assert (
        found["measures"][:2] == ["aspl", "diameter"] and "log_paths" not in found["measures"]
    )
    (group,) = found["groups"]
    assert (group["runs"], group["first"]) == (2, 0)
    half = stats.t.ppf(0.975, 1) * 0.125
    wanted = [0.625, 0.625 - half, 0.625 + half, 2]
    assert group["means"]["accuracy"] == pytest.approx(wanted, rel=1e-5)
    assert group["means"]["aspl"][0] == 2.5
    assert found["rows"]["count"] == 3
    assert found["rows"]["columns"]["status"] == {"list": ["done", "done", "failed"]}


def test_the_latency_of_the_dense_network_stands_for_every_form():
    bare = {"compact_ms": None, "masked_ms": None, **CONTROL, **NO_GRAPH}
    rows = [
        run(1, family="dense", degree=None, accuracy=0.9, **bare),
        run(2, family="unstructured", **bare),
        run(3, compact_ms=2.0, accuracy=0.8),
    ]
    found = values_of(study(rows))
    means = {group["family"]: group["means"] for group in found["groups"]}
    assert means["dense"]["compact_ms"][0] == means["dense"]["dense_ms"][0] == 4.0
    assert "compact_ms" not in means["unstructured"]
    front = [found["groups"][at]["family"] for at in found["fronts"]["compact_ms"]["accuracy"]]
    assert front == ["searched", "dense"]


def test_the_order_of_rows_does_not_count():
    part = whole_study()
    rows = list(part.rows)
    random.Random(1).shuffle(rows)
    assert study_values.ordered_rows(rows) == list(part.rows)


def test_curves_are_columns_by_epoch():
    rows = [{"epoch": 2, "train_loss": 0.5}, {"epoch": 1, "train_loss": 1.0, "x": 3}]
    assert curve_columns(rows, ["train_loss"]) == {"epoch": [1, 2], "train_loss": [1.0, 0.5]}


def test_mean_curves_are_means_of_each_epoch():
    one = [{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": 0.5}]
    other = [{"epoch": 1, "train_loss": 2.0}, {"epoch": 3, "train_loss": None}]
    found = mean_curve([one, other], ["train_loss"])
    assert found["epoch"] == [1, 2, 3]
    first, second, third = found["means"]["train_loss"]
    assert first[0] == 1.5 and first[3] == 2
    assert second == [0.5, None, None, 1] and third is None


def test_curves_of_a_study_are_means_by_family_and_degree_and_single_ones():
    rows = [run(1), run(2, level=3.0), run(3, degree=6), run(4)]
    curves = {row["key"]: curve(0.5 + row["position"] / 8) for row in rows[:3]}
    found = values_of(study(rows, curves=curves))["curves"]
    assert found["quantities"] == [
        "held_out_accuracy",
        "train_accuracy",
        "train_loss",
        "learning_rate",
    ]
    assert found["measured"] == 3 and set(found["single"]) == {"0", "1", "2"}
    assert found["single"]["2"]["held_out_accuracy"] == pytest.approx([0.675, 0.775, 0.875])
    kinds = [(mean["family"], mean["degree"], mean["runs"]) for mean in found["means"]]
    assert kinds == [("searched", 4, 2), ("searched", 6, 1)]
    assert found["means"][0]["means"]["held_out_accuracy"][-1][0] == pytest.approx(0.6875)


def test_single_curves_are_taken_from_every_group_while_they_fit(monkeypatch):
    rows = [run(1), run(2), run(3), run(4, level=3.0)]
    curves = {row["key"]: curve(0.5) for row in rows}
    monkeypatch.setattr(curve_values, "MOST_CURVE_NUMBERS", 2 * 3 * 5)
    found = values_of(study(rows, curves=curves))["curves"]
    assert set(found["single"]) == {"0", "3"} and found["measured"] == 4
    assert found["means"][0]["runs"] == 4


def test_graphs_are_kept_while_they_fit_those_of_first_runs_first(monkeypatch):
    graphs = {name: {"nodes": 3, "edges": [[0, 1], [1, 2]]} for name in "abcd"}
    rows = [
        run(1, graph="d"),
        run(2, graph="c"),
        run(3, graph="b", level=3.0),
        run(4, graph="x"),
    ]
    assert set(values_of(study(rows, graphs=graphs))["graphs"]) == set("abcd")
    monkeypatch.setattr(study_values, "MOST_EDGES", 5)
    found = values_of(study(rows, graphs=graphs))["graphs"]
    assert found == {name: {"nodes": 3, "ends": [0, 1, 1, 2]} for name in "db"}

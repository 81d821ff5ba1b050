"""From rows to a table, lines and pictures: on values made by hand."""

import copy

import numpy as np
import pytest
from matplotlib.image import imread

from ggt import bench_report
from ggt.bench_report import draw_bench, evasion_curves, table_values
from ggt.bench_tables import auroc_tables, cost_table


def row(detector, models, *, placebo=0.5, one=0.75, two=0.875):
    """A row as `ggt.evaluate.score_row` gives it."""
    columns = {
        name: {"auroc": area, "low": area - 0.1, "high": area + 0.1, "tpr": {}, "samples": 9}
        for name, area in (("placebo", placebo), ("one", one), ("two", two))
    }
    return {
        "detector": detector,
        "models": models,
        "columns": columns,
        "mean_auroc": (one + two) / 2,
        "mean_low": one,
        "mean_high": two,
        "least_auroc": one,
        "mean_tpr": {"0.01": 0.25, "0.05": 0.5, "0.1": 0.625},
    }


def rule(detector, *, fpr=0.05, flagged=0.04, within=True, adversarial=0.9, asked=(2.5, 1.5)):
    """A rule's row as `ggt.evaluate.rule_row` gives it."""
    return {
        "detector": detector,
        "fpr": fpr,
        "false_positive_rate": flagged,
        "band": [0.03, 0.07],
        "within_band": within,
        "models_clean": asked[0],
        "models_adversarial": asked[1],
        "flagged_adversarial": adversarial,
    }


def evaded(threat, known, epsilon, rate, *, norm="linf", scored_on="defender", **more):
    """A row of an adaptive attacker as `ggt.adaptive_sweeps` gives it."""
    return {
        "threat": threat,
        "known": known,
        "members": 8,
        "epsilon": epsilon,
        "norm": norm,
        "scored_on": scored_on,
        "samples": 100,
        "misclassified": 60,
        "unflagged_rate": rate,
        **more,
    }


def values():
    rows = [row("margin", 0, placebo=0.51), row("graph bank, soft", 1)]
    rows += [row("graph bank, soft", 2, two=0.95), row("graph bank, soft", 8, two=1.0)]
    rows += [row("graph bank, rate", 8), row("noise copies, soft", 4)]
    return {
        "rows": rows,
        "rules": [
            rule("graph bank, soft"),
            rule("graph bank, rate", fpr=0.1, flagged=0.123, within=False, adversarial=None),
            rule("noise copies, soft", within=False, asked=(3.0, None)),
        ],
        "panels": {
            "graph bank": {"models": 8, "ms_vote": 0.25, "bytes": 4001, "train_seconds": 60.0},
            "noise copies": {"models": 4, "ms_vote": 2.0, "bytes": None, "train_seconds": None},
        },
        "samples": {"clean": 40, "placebo": 40, "one": 12, "two": 9},
        "costs": {
            "samples": 60,
            "dense_pass_ms": 0.5,
            "ways": {
                "graph bank, compact": {"ms": 1.25, "dense_passes": 2.5, "models": 2.25},
                "dense networks": {"ms": 3.0, "dense_passes": 6.0, "models": 3.5},
            },
        },
    }


@pytest.fixture
def table():
    """What the table shows of the values, by the names of its rows."""
    return {one["name"]: one for one in table_values(values())["detectors"]}


def test_names_tell_the_models_of_all_but_free_scores(table):
    assert list(table) == [
        "margin",
        "graph bank, soft, 1",
        "graph bank, soft, 2",
        "graph bank, soft, 8",
        "graph bank, rate, 8",
        "noise copies, soft, 4",
    ]


def test_areas_are_those_of_the_rows(table):
    one = table["graph bank, soft, 2"]
    assert one["auroc"] == {"placebo": 0.5, "one": 0.75, "two": 0.95}
    assert one["mean"] == pytest.approx(0.85) and one["interval"] == (0.75, 0.95)
    assert one["tpr"] == {"1": 0.25, "5": 0.5, "10": 0.625}
    assert not any(own["saw_attack"] for own in table.values())


def test_a_part_of_a_panel_has_its_share_of_bytes_and_seconds(table):
    assert [table[f"graph bank, soft, {n}"]["bytes"] for n in (1, 2, 8)] == [500, 1000, 4001]
    seconds = [table[f"graph bank, soft, {n}"]["train_seconds"] for n in (1, 2, 8)]
    assert seconds == [7.5, 15.0, 60.0]
    for name in ("margin", "noise copies, soft, 4"):
        assert table[name]["bytes"] is None and table[name]["train_seconds"] is None


def test_milliseconds_are_those_of_the_original_and_of_every_vote(table):
    assert table["margin"]["ms"] == 0.5
    assert table["graph bank, soft, 2"]["ms"] == 1.0
    assert table["graph bank, soft, 8"]["ms"] == 2.5
    assert table["noise copies, soft, 4"]["ms"] == 8.5


def test_models_asked_are_told_of_whole_panels_only(table):
    asked = {name: (one["clean"], one["adversarial"]) for name, one in table.items()}
    assert asked == {
        "margin": (None, None),
        "graph bank, soft, 1": (None, None),
        "graph bank, soft, 2": (None, None),
        "graph bank, soft, 8": (2.5, 1.5),
        "graph bank, rate, 8": (2.5, 1.5),
        "noise copies, soft, 4": (3.0, None),
    }


def test_the_table_can_be_printed_and_the_values_stay_as_they_are():
    given = values()
    before = copy.deepcopy(given)
    made = table_values(given)
    assert given == before
    assert made["attacks"] == ["one", "two"] and made["clean_samples"] == 40
    assert {name: made["samples"][name] for name in ("placebo", "one", "two")} == {
        "placebo": 40,
        "one": 12,
        "two": 9,
    }
    titles = [str(column.header) for part in auroc_tables(made) for column in part.columns]
    assert {"placebo", "one", "two"} <= set(titles)
    assert cost_table(made).row_count == 6


def test_without_attacks_there_are_no_means():
    given = values()
    plain = row("graph bank, soft", 8)
    for name in ("mean_auroc", "mean_low", "mean_high", "least_auroc", "mean_tpr"):
        del plain[name]
    given["rows"] = [plain]
    (one,) = table_values(given)["detectors"]
    assert one["mean"] is None and one["interval"] is None
    assert one["tpr"] == {"1": None, "5": None, "10": None}


def test_lines_say_whether_the_rate_of_the_bank_is_inside_its_band():
    lines = table_values(values())["lines"]
    assert lines[:2] == [
        "graph bank, soft, group-sequential at 5%: flags 4.0% of clean samples (inside the "
        "binomial band 3.0% to 7.0%), 90.0% of adversarial",
        "graph bank, rate, group-sequential at 10%: flags 12.3% of clean samples (OUTSIDE the "
        "binomial band 3.0% to 7.0%), 0.0% of adversarial",
    ]
    assert not any(line.startswith("noise copies") for line in lines)


def test_lines_tell_measured_costs_and_the_placebo():
    lines = table_values(values())["lines"]
    assert lines[2:] == [
        "graph bank, compact: 1.250 ms a sample, 2.50 dense passes, 2.25 models on a mixture "
        "of 60 samples",
        "dense networks: 3.000 ms a sample, 6.00 dense passes, 3.50 models on a mixture of 60 "
        "samples",
        "placebo AUROC 0.510 (0.5 is right)",
    ]
    given = values()
    for one in given["rows"]:
        del one["columns"]["placebo"]
    assert not any("placebo" in line for line in table_values(given)["lines"])


def test_lines_tell_of_attackers_who_adapt_and_of_checks_that_fail():
    given = values()
    rows = [
        evaded("known", 4, 0.1, 0.37, scored_on="held_out"),
        {**evaded("static", 0, 9.0, 0.02, norm="l2"), "attack": "cw confidence 5"},
    ]
    checks = [
        {"check": "right", "holds": True, "found": 1, "wanted": 1},
        {"check": "large epsilon", "holds": False, "found": 0.5, "wanted": "at least 0.9"},
    ]
    given["adaptive"] = {"rows": rows, "checks": checks}
    assert table_values(given)["lines"][-3:] == [
        "known, knows 4 of 8, epsilon 0.100 (linf), judged by held out: 60 of 100 fool the "
        "original, 37% pass unflagged",
        "static, knows 0 of 8, cw confidence 5, judged by defender: 60 of 100 fool the "
        "original, 2% pass unflagged",
        "check fails: large epsilon: 0.5, at least 0.9",
    ]


ADAPTIVE = [
    evaded("static", 0, 0.03, 0.125),
    evaded("static", 0, 0.1, 0.25),
    evaded("known", 4, 0.03, 0.5, scored_on="held_out"),
    evaded("known", 4, 0.03, 0.75, scored_on="attacked"),
    evaded("known", 4, 0.1, 0.625, scored_on="held_out"),
    evaded("query", 0, 2.0, 0.9, norm="l2"),
    {"threat": "static", "known": 0, "norm": "l2", "scored_on": "defender", "attack": "cw"},
]


def test_evasion_has_a_curve_for_each_attacker_and_judge():
    curves = evasion_curves(ADAPTIVE)
    found = {name: (list(x), list(y)) for name, (x, y) in curves.items()}
    assert found == {
        "static, knows 0, by defender": ([0.03, 0.1], [0.125, 0.25]),
        "known, knows 4, by held out": ([0.03, 0.1], [0.5, 0.625]),
        "known, knows 4, by attacked": ([0.03], [0.75]),
    }
    assert all(isinstance(part, np.ndarray) for pair in curves.values() for part in pair)
    assert evasion_curves([]) == {}


def drawn_values():
    given = values()
    return {**given, **table_values(given)}


def test_pictures_are_written(tmp_path):
    given = drawn_values() | {"adaptive": {"rows": ADAPTIVE, "checks": []}}
    draw_bench(given, tmp_path / "new" / "plots")
    assert {path.name for path in (tmp_path / "new" / "plots").iterdir()} == {
        "costs.png",
        "evasion.png",
    }
    for name in ("costs.png", "evasion.png"):
        shown = imread(tmp_path / "new" / "plots" / name)
        assert shown.shape[0] > 300 and shown[..., :3].std() > 0.05


def test_points_are_free_scores_and_all_voters_of_each_group(tmp_path, monkeypatch):
    kept = {}
    monkeypatch.setattr(
        bench_report, "plot_costs", lambda points, path, title: kept.update(points)
    )
    draw_bench(drawn_values(), tmp_path)
    assert set(kept) == {"margin", "graph bank", "noise copies"}
    assert kept["graph bank"] == pytest.approx((2.5, 0.875, 0.75, 1.0))
    assert not (tmp_path / "evasion.png").exists()


def test_without_attacks_nothing_is_drawn(tmp_path):
    given = drawn_values()
    given["detectors"] = [one | {"interval": None} for one in given["detectors"]]
    draw_bench(given, tmp_path)
    assert list(tmp_path.iterdir()) == []

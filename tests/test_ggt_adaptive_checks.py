"""Findings about rows made up by hand: what holds, what does not, what cannot be told."""

import json

import pytest

from ggt.adaptive_checks import large_epsilon, never_hurts, redrawn


def row(rate, **settings):
    usual = {
        "threat": "known",
        "mode": "joint",
        "known": 3,
        "members": 3,
        "epsilon": 0.1,
        "norm": "linf",
        "steps": 40,
        "restarts": 1,
        "weight": 1.0,
        "scored_on": "attacked",
        "seed": 0,
    }
    return usual | settings | {"evaded_rate": rate, "misclassified_rate": 1.0}


def test_the_largest_radius_of_each_mode_is_judged():
    rows = [
        row(0.2, epsilon=0.1),
        row(0.97, epsilon=0.5),
        row(0.99, epsilon=0.3),
        row(0.5, epsilon=0.5, mode="selective"),
        row(1.0, epsilon=0.9, known=2),  # not the whole bank
        row(1.0, epsilon=0.9, scored_on="held_out"),
    ]
    first, second = large_epsilon(rows)
    assert (first["found"], first["holds"], first["of"]["epsilon"]) == (0.97, True, 0.5)
    assert (second["found"], second["holds"]) == (0.5, False)
    assert second["of"]["mode"] == "selective"
    assert not large_epsilon(rows, least=0.98)[0]["holds"]
    assert large_epsilon(rows, least=0.97)[0]["holds"]


def test_a_rate_that_drops_is_found():
    rows = [row(0.5, steps=20), row(0.3, steps=10), row(0.47, steps=40)]
    (finding,) = never_hurts(rows, "steps")
    assert finding["found"] == pytest.approx(0.03)
    assert finding["holds"] and "steps" not in finding["of"]
    (finding,) = never_hurts(rows, "steps", tolerance=0.02)
    assert not finding["holds"]
    (finding,) = never_hurts(rows[:2], "steps", tolerance=0.0)
    assert finding["found"] == pytest.approx(-0.2) and finding["holds"]


def test_rows_that_differ_in_more_are_not_compared():
    rows = [row(0.9, epsilon=0.1), row(0.1, epsilon=0.2, mode="selective")]
    findings = never_hurts(rows, "epsilon")
    assert len(findings) == 2
    assert all(each["found"] is None and not each["holds"] for each in findings)
    # The static attacker is the one who knows none.
    rows = [row(0.9, known=0, threat="static"), row(0.1, known=1)]
    (finding,) = never_hurts(rows, "known")
    assert finding["found"] == pytest.approx(0.8) and not finding["holds"]
    rows = [row(0.9, known=1, scored_on="held_out"), row(0.1, known=2)]
    assert len(never_hurts(rows, "known")) == 2


def test_another_measure():
    rows = [row(0.9, steps=1), row(0.1, steps=2)]
    (finding,) = never_hurts(rows, "steps", measure="misclassified_rate")
    assert finding["found"] == 0 and finding["holds"]
    assert "misclassified_rate" in finding["wanted"]


def test_banks_are_compared_row_by_row():
    one = [row(0.5, epsilon=0.1), row(0.2, epsilon=0.2), row(0.2, epsilon=0.3)]
    two = [row(0.35, epsilon=0.2, seed=1), row(0.45, epsilon=0.1, seed=1)]
    first, second, third = redrawn(one, two)
    assert first["found"] == pytest.approx(0.05) and first["holds"]
    assert second["found"] == pytest.approx(0.15) and not second["holds"]
    assert third["found"] is None and not third["holds"]
    assert redrawn(one, two, tolerance=0.2)[1]["holds"]
    # Of several twins the farthest counts.
    (finding,) = redrawn([row(0.5)], [row(0.5), row(0.9)])
    assert finding["found"] == pytest.approx(0.4)


def test_what_cannot_be_checked_does_not_hold():
    empty = [large_epsilon([]), never_hurts([], "steps"), redrawn([], [])]
    for (finding,) in empty:
        assert finding["found"] is None and finding["holds"] is False
    nothing = row(None)
    assert not large_epsilon([nothing])[0]["holds"]
    assert not redrawn([nothing], [row(0.5)])[0]["holds"]
    (finding,) = never_hurts([row(None, steps=1), row(0.5, steps=2)], "steps")
    assert finding["found"] is None and not finding["holds"]


def test_findings_are_json_with_the_same_keys():
    rows = [row(0.5, steps=1), row(1.0, steps=2)]
    findings = large_epsilon(rows) + never_hurts(rows, "steps") + redrawn(rows, rows)
    assert json.loads(json.dumps(findings)) == findings
    assert {tuple(each) for each in findings} == {("check", "of", "found", "wanted", "holds")}
    assert all(each["holds"] for each in findings[1:])

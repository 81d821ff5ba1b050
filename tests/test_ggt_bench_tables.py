"""The tables of a comparison: every value in its place, the best of an attack bold."""

from io import StringIO

import pytest
from rich.console import Console
from test_ggt_tables import cells, text

from ggt.bench_tables import auroc_tables, cost_table

ATTACKS = ["placebo", "fgsm-0.05", "deepfool"]
GGT = {
    "name": "GGT soft, 5 models",
    "auroc": {"placebo": 0.5, "fgsm-0.05": 0.9625, "deepfool": 1.0},
    "mean": 0.98125, "interval": (0.975, 0.9875), "tpr": {"1": 0.5, "5": 0.75, "10": 1.0},
    "clean": 3.5, "adversarial": 2.25, "ms": 1.125, "bytes": 2_500_000, "train_seconds": 312.4,
    "saw_attack": False,
}  # fmt: skip
FREE = {
    "name": "margin", "auroc": {"placebo": 0.75, "fgsm-0.05": 0.75, "deepfool": None},
    "mean": None, "interval": None, "tpr": {}, "clean": None, "adversarial": None, "ms": None,
    "bytes": None, "train_seconds": None, "saw_attack": True,
}  # fmt: skip
BENCH = {
    "detectors": [GGT, FREE], "samples": {"placebo": 1000, "fgsm-0.05": 890, "deepfool": 0},
    "attacks": ["fgsm-0.05", "deepfool"], "clean_samples": 1000,
}  # fmt: skip


def bold(table):
    """Texts that are printed bold in the body of a table."""
    console = Console(width=120, file=StringIO(), force_terminal=True, color_system="standard")
    lines = console.render_lines(table, pad=False)
    return [
        part.text
        for line in lines[3:]
        for part in line
        if part.style is not None and part.style.bold and part.text.strip()
    ]


def test_detectors_meet_attacks():
    (table,) = auroc_tables(BENCH)
    assert cells(table, "samples") == ["samples", "1,000", "890", "0"]
    assert cells(table, GGT["name"]) == [GGT["name"], "0.500", "0.963", "1.000"]
    assert cells(table, "margin") == ["margin", "0.750", "0.750", "-"]
    assert "AUROC against 1,000 clean samples" in text(table)


def test_the_best_of_an_attack_is_bold_but_of_the_placebo_none():
    (table,) = auroc_tables(BENCH)
    assert [part.strip() for part in bold(table)] == ["0.963"]  # deepfool has one value only


@pytest.mark.parametrize("attacks", [1, 9, 30])
def test_many_attacks_need_several_pages(attacks):
    names = [f"attack-{index:04d}" for index in range(attacks)]
    detector = GGT | {"auroc": dict.fromkeys(names, 0.5)}
    values = BENCH | {"detectors": [detector], "samples": dict.fromkeys(names, 7)}
    tables = auroc_tables(values)
    shown = [text(table, width=120) for table in tables]
    assert len(tables) == -(-attacks // 6)  # (120 - 18 - 6) // (11 + 3)
    for name in names:
        assert sum(name in page for page in shown) == 1
    assert all("GGT soft, 5 models" in page for page in shown)
    assert max(len(line) for page in shown for line in page.splitlines()) <= 120


def test_long_names_of_attacks_are_cut_and_fill_a_page():
    names = [letter * 200 for letter in "xyz"]
    values = BENCH | {"samples": dict.fromkeys(names, 7)}
    tables = auroc_tables(values)
    assert [len(table.columns) for table in tables] == [3, 2]
    assert f"{'x' * 15}...{'x' * 15}" in text(tables[0])


def test_costs_stand_beside_shares_found():
    table = cost_table(BENCH)
    assert cells(table, GGT["name"]) == [
        GGT["name"], "0.981", "0.975-0.988", "0.500", "0.750", "1.000", "3.50", "2.25", "1.125",
        "2.5 MB", "312", "no",
    ]  # fmt: skip
    assert cells(table, "margin") == ["margin", *["-"] * 10, "YES"]


def test_foreign_names_are_no_markup():
    values = BENCH | {"samples": {"[red]x": 1}, "detectors": [GGT | {"name": "[b]d"}]}
    shown = text(auroc_tables(values)[0])
    assert "[red]x" in shown
    assert "[b]d" in shown
    assert "[b]d" in text(cost_table(values))

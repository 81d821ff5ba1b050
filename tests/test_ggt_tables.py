"""Tables show the record's values and what follows from them; foreign text stays text."""

import pytest
from rich.console import Console

from ggt.tables import (
    attack_table,
    bank_lines,
    bank_table,
    calibration_lines,
    calibration_table,
    detection_lines,
    detection_table,
    number,
    plain,
)

MODEL = {
    "name": "000", "family": "regular", "nodes": 32, "degree": 3.0, "aspl": 2.875,
    "accuracy": 0.8125, "kept": True, "seconds": 31.25,
}  # fmt: skip
BANK = {
    "models": [MODEL, MODEL | {"name": "001", "kept": False, "accuracy": 0.5, "aspl": None}],
    "accuracy": 0.895, "floor": 0.75, "bytes": 1_234_567, "hash": "abcdef" * 10,
}  # fmt: skip
ATTACK = {
    "attack": "cw-10", "attempted": 1000, "succeeded": 890,
    "failed": {"not adversarial": 100, "out of range": 0, "not finite": 10},
    "l2": 0.3125, "linf": 0.0625, "pixels": 784.0, "seconds": 12.5,
}  # fmt: skip
CALIBRATION = {
    "fpr": 0.05, "confidence": 0.95, "samples": 800,
    "scores": [
        {"score": "soft", "threshold": 0.4312, "flagged": 30, "bound": 0.0495,
         "looks": [1, 2, 4]},
    ],
    "tau": 0.4, "mean_rate": 0.08, "half_width": 0.0125,
}  # fmt: skip
ROW = {
    "index": 7, "name": None, "label": 3, "label_name": "dress", "confidence": 0.9375,
    "rate": 0.25, "soft": 0.5, "models": 4, "decision": "normal", "score": 0.0625,
    "majority_label": 3,
}  # fmt: skip
DETECTION = {
    "rows": [ROW], "counts": {"adversarial": 3, "normal": 1200}, "mean_models": 3.25,
    "ms": 1.5, "score": "soft", "bank_hash": "ab" * 32, "thresholds": {"1": 0.8, "2": 0.75},
}  # fmt: skip


def text(table, width=120):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def cells(table, first):
    """The cells of the row that starts with `first`."""
    for line in text(table).splitlines():
        parts = [part.strip() for part in line.strip("│┃ ").split("│")]
        if parts[0] == first:
            return parts
    raise AssertionError(f"no row {first}")


def test_a_bank_has_one_row_a_model():
    table = bank_table(BANK)
    assert cells(table, "000") == [
        "000", "regular", "32", "3.00", "2.875", "81.25%", "yes", "31.2",
    ]  # fmt: skip
    assert cells(table, "001")[4:7] == ["-", "50.00%", "below floor"]


def test_a_model_without_a_graph_or_an_accuracy_has_dashes():
    bare = {"nodes": None, "degree": None, "aspl": None}
    diverged = MODEL | bare | {"name": "001", "accuracy": None, "kept": False}
    table = bank_table(BANK | {"models": [MODEL | bare | {"family": "dense"}, diverged]})
    assert cells(table, "000")[1:7] == ["dense", "-", "-", "-", "81.25%", "yes"]
    assert cells(table, "001")[5:7] == ["-", "diverged"]


def test_the_means_of_a_bank_are_of_the_kept_models():
    assert bank_lines(BANK) == [
        "kept 1 of 2 models, mean accuracy 81.25% (original 89.50%, floor 75.00%)",
        "1.23 MB, 62.5 s of training, bank abcdefabcdef",
    ]
    none = BANK | {"models": [MODEL | {"kept": False}]}
    assert bank_lines(none)[0] == "kept 0 of 1 models (original 89.50%, floor 75.00%)"


def test_attacks_show_why_they_failed():
    table = attack_table([ATTACK])
    assert cells(table, "cw-10") == [
        "cw-10", "1000", "890 (89.0%)", "100 not adversarial, 10 not finite", "0.312", "0.062",
        "784", "12.5",
    ]  # fmt: skip
    many = ATTACK | {"failed": {f"reason {letter}": 7 for letter in "abcdefgh"}}
    shown = text(attack_table([many]), width=200)
    assert all(f"7 reason {letter}" in shown for letter in "abcdefgh")
    nothing = {"attempted": 0, "succeeded": 0, "failed": {}, "l2": None, "linf": None}
    table = attack_table([ATTACK | nothing | {"pixels": None}])
    assert cells(table, "cw-10")[1:7] == ["0", "0", "0", "-", "-", "-"]


def test_a_calibration_shows_what_was_asked_and_what_holds():
    table = calibration_table(CALIBRATION)
    assert cells(table, "soft") == ["soft", "0.4312", "30", "3.75%", "4.95%", "1, 2, 4"]
    shown = " ".join(text(table).split())
    assert "thresholds from 800 clean samples" in shown
    assert "asked: 5.00% of clean samples; below the bound with 95% confidence" in shown
    assert calibration_lines(CALIBRATION) == [
        "tau 0.4000; clean label change rate 0.0800, with the published 99 % half width 0.0925"
    ]


def test_a_detection_has_one_row_a_sample():
    table = detection_table(DETECTION)
    assert cells(table, "7") == ["7", "3 dress", "0.938", "0.250", "0.0625", "4", "normal"]
    assert "file" not in text(table)
    assert table.caption is None
    assert detection_lines(DETECTION) == [
        "1,203 samples: 3 adversarial, 1,200 normal, 0 undecided",
        "3.25 models and 1.500 ms a sample",
        "bank abababababab, soft thresholds by models: 0.8000 at 1, 0.7500 at 2",
    ]


def test_a_ratio_test_has_no_thresholds_and_a_grown_bank_is_told():
    found = detection_lines(DETECTION | {"thresholds": {}, "bank_models": 3, "grown": 2})
    assert found[2:] == [
        "bank abababababab, a ratio test",
        "judged by the first 3 models, which are calibrated; the bank has 5: ggt calibrate "
        "takes in all",
    ]


def test_files_have_a_column_and_missing_numbers_a_dash():
    rows = [ROW | {"name": "a/x.png", "score": None, "rate": None, "label_name": "3"}, ROW]
    table = detection_table(DETECTION | {"rows": rows})
    assert cells(table, "7")[:6] == ["7", "a/x.png", "3", "0.938", "-", "-"]


@pytest.mark.parametrize(("rows", "most"), [(3, 3), (4, 3), (500, 40), (2, 0)])
def test_long_answers_are_cut_and_say_so(rows, most):
    many = [ROW | {"index": index + 1000} for index in range(rows)]
    table = detection_table(DETECTION | {"rows": many}, most=most)
    assert table.row_count == min(rows, most)
    if rows > most:
        assert table.caption.startswith(f"{most} of {rows} samples; all with --json, or --out")
    else:
        assert table.caption is None


def test_foreign_text_is_neither_markup_nor_a_command_to_the_terminal():
    name = "[red]a[/red]\x1b[31m\r\n.png"
    shown = text(detection_table(DETECTION | {"rows": [ROW | {"name": name}]}))
    assert "[red]a[/red]\ufffd[31m\ufffd\ufffd.png" in shown
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "[b]x" in text(attack_table([ATTACK | {"attack": "[b]x"}]))
    assert "[b]y" in text(bank_table(BANK | {"models": [MODEL | {"family": "[b]y"}]}))


def test_a_long_name_loses_its_middle():
    name = "folder/" * 9 + "x.png"
    shown = str(plain(name))
    assert len(shown) <= 34
    first, last = shown.split("...")
    assert name.startswith(first)
    assert name.endswith(last)
    assert len(first) == len(last) == 15
    assert str(plain("x" * 34)) == "x" * 34


def test_a_number_or_a_dash():
    assert number(0.12345, ".3f") == "0.123"
    assert number(0, ".1f") == "0.0"
    assert number(None, ".3f") == "-"


def test_attacks_on_signals_show_the_ratio_of_powers():
    images, signals = ATTACK, ATTACK | {"attack": "fgsm", "psr": -19.96, "psr_max": None}
    table = attack_table([images, signals])
    assert cells(table, "fgsm")[-2:] == ["-20.0", "-"]
    assert cells(table, "cw-10")[-2:] == ["-", "-"]
    assert "power of the change" in table.caption
    assert "power" not in attack_table([images]).caption
    assert cells(attack_table([images]), "cw-10")[-1] == "12.5"

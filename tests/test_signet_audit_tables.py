"""Values of an audit as rows: what stands where."""

from graphprune.printing import print_table
from signet.audit_tables import audit_lines, finding_table, snr_table

VALUES = {
    "frames": 4000,
    "looked_at": 1000,
    "length": 128,
    "classes": ["BPSK", "[red]AM"],
    "scaling": "l1",
    "clean": False,
    "cells": [
        ["BPSK", -20.0, 250, None],
        ["BPSK", 10.0, 250, 19.96],
        ["[red]AM", -20.0, 250, None],
        ["[red]AM", 2.5, 250, 5.0],
    ],
    "skipped": ["SNR: too short"],
    "findings": [
        {
            "check": "overlaps",
            "severity": "error",
            "frames": 1234,
            "share": 0.3085,
            "cells": [["BPSK", 10.0], ["[red]AM", 2.5]],
            "examples": [5, 6, 7, 8],
            "why": "why [bold]it",
        },
        {
            "check": "unequal cells",
            "severity": "warning",
            "frames": 0,
            "share": 0.0,
            "cells": [["BPSK", float(n)] for n in range(5)],
            "examples": [],
            "why": "few",
        },
    ],
}


def columns(table):
    return {
        str(column.header): [str(cell) for cell in column.cells] for column in table.columns
    }


def test_rows_of_findings():
    found = columns(finding_table(VALUES))
    assert found["check"] == ["overlaps", "unequal cells"]
    assert found["severity"] == ["error", "warning"]
    assert found["frames"] == ["1,234", "-"] and found["share"] == ["30.85%", "-"]
    assert found["cells"] == ["BPSK 10 dB, [red]AM 2.5 dB", "5 of BPSK, 0 to 4 dB"]
    assert found["first frames"] == ["5, 6, 7", "-"]
    assert found["what it is"] == ["why [bold]it", "few"]


def test_many_classes_and_no_cells_are_said_in_short():
    many = [[name, 0.0] for name in "abcd"]
    values = VALUES | {
        "findings": [VALUES["findings"][0] | {"cells": cells} for cells in (many, [])]
    }
    assert columns(finding_table(values))["cells"] == ["4 of 4 classes, 0 to 0 dB", "-"]


def test_measured_snr_stands_by_label_and_class(capsys):
    table = snr_table(VALUES)
    found = list(columns(table).values())
    assert found == [["2.5", "10"], ["-", "20.0"], ["5.0", "-"]]
    assert table.caption == "1 more label cannot be told"
    print_table(table)
    assert "[red]AM" in capsys.readouterr().out


def test_lines_say_what_was_looked_at():
    first, skipped, verdict = audit_lines(VALUES)
    assert first == "1,000 of 4,000 frames of 128 samples, 2 classes, scaled by: l1"
    assert skipped == "not checked, SNR: too short" and verdict == "1 error, 1 warning"
    whole = VALUES | {"looked_at": 4000, "findings": [], "skipped": []}
    assert (
        audit_lines(whole)[0].startswith("4,000 frames")
        and audit_lines(whole)[1] == "nothing found"
    )

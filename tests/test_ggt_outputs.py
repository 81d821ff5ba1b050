"""Rows come back from every format as they went in, and a file is whole or absent."""

import csv
import io
import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggt.outputs import (
    COLUMNS,
    SampleRow,
    check_file,
    check_folder,
    check_rows_path,
    rows_as_values,
    to_csv,
    to_json,
    to_jsonl,
    write_rows,
)
from graphprune.errors import FileError, SpecError

ROW = SampleRow(
    index=3, name="b/x.png", label=7, label_name="boot", confidence=0.75, rate=0.5, soft=0.25,
    models=4, decision="adversarial", score=0.125, majority_label=2,
)  # fmt: skip

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBER = st.floats()
ROWS = st.lists(
    st.builds(
        SampleRow,
        index=st.integers(0, 10**6),
        name=st.none() | TEXT,
        label=st.integers(0, 999),
        label_name=TEXT,
        confidence=NUMBER,
        rate=NUMBER,
        soft=NUMBER,
        models=st.integers(0, 100),
        decision=st.sampled_from(["adversarial", "normal", "undecided"]),
        score=NUMBER,
        majority_label=st.none() | st.integers(0, 999),
    ),
    max_size=4,
)


def finite(row):
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(row).items()
    }


def field(value):
    return "" if value is None else str(value)


def test_one_row_reads_as_expected():
    assert to_csv([ROW]).splitlines() == [
        "index,name,label,label_name,confidence,rate,soft,models,decision,score,majority_label",
        "3,b/x.png,7,boot,0.75,0.5,0.25,4,adversarial,0.125,2",
    ]
    assert to_jsonl([ROW]) == (
        '{"index": 3, "name": "b/x.png", "label": 7, "label_name": "boot", "confidence": 0.75, '
        '"rate": 0.5, "soft": 0.25, "models": 4, "decision": "adversarial", "score": 0.125, '
        '"majority_label": 2}\n'
    )


def test_what_is_missing_is_empty_or_null():
    row = replace(ROW, name=None, majority_label=None, rate=math.nan, soft=math.inf)
    assert to_csv([row]).splitlines()[1] == "3,,7,boot,0.75,,,4,adversarial,0.125,"
    (values,) = rows_as_values([row])
    assert [key for key, value in values.items() if value is None] == [
        "name", "rate", "soft", "majority_label",
    ]  # fmt: skip
    assert '"rate": null, "soft": null' in to_jsonl([row])


@given(ROWS)
def test_csv_gives_every_row_back(rows):
    text = to_csv(rows)
    header, *found = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == COLUMNS
    assert found == [[field(value) for value in finite(row).values()] for row in rows]
    for values, row in zip(found, rows, strict=True):
        if math.isfinite(row.score):
            assert float(values[COLUMNS.index("score")]) == row.score


@given(ROWS)
def test_json_gives_every_row_back(rows):
    expected = [finite(row) for row in rows]
    assert rows_as_values(rows) == expected
    assert [json.loads(line) for line in to_jsonl(rows).split("\n")[:-1]] == expected
    assert json.loads(to_json(rows)) == expected


def test_numbers_of_numpy_become_plain_ones():
    row = replace(
        ROW, index=np.int64(3), label=np.int16(7), models=np.int32(4), score=np.float32(0.125),
        confidence=np.float64(0.75), majority_label=np.int16(2), label_name=np.str_("boot"),
    )  # fmt: skip
    (values,) = rows_as_values([row])
    assert values == asdict(ROW)
    assert {type(value) for value in values.values()} == {int, float, str}
    assert to_csv([row]) == to_csv([ROW])


def test_a_name_that_is_no_text_can_be_written(tmp_path):
    row = replace(ROW, name="a\udcff.png")
    for suffix in (".csv", ".jsonl", ".json"):
        write_rows(tmp_path / f"a{suffix}", [row])
        assert "udcff.png" in (tmp_path / f"a{suffix}").read_text(encoding="utf-8")
    assert rows_as_values([row])[0]["name"] == "a\\udcff.png"


@pytest.mark.parametrize(
    ("name", "make"), [("a.csv", to_csv), ("a.jsonl", to_jsonl), ("a.JSON", to_json)]
)
def test_the_suffix_names_the_format(name, make, tmp_path):
    rows = [replace(ROW, index=index, name="é\n,\"'") for index in range(3)]
    write_rows(tmp_path / "deep" / name, rows)
    found = (tmp_path / "deep" / name).read_bytes().decode("utf-8")
    assert found == make(rows)
    write_rows(tmp_path / "deep" / name, [])
    assert (tmp_path / "deep" / name).read_bytes().decode("utf-8") == make([])


def test_other_suffixes_and_places_are_refused(tmp_path):
    for name in ("a.txt", "a"):
        for call in (lambda n: write_rows(n, [ROW]), check_rows_path):
            with pytest.raises(SpecError, match=r"results are written as \.csv, \.jsonl, \.j"):
                call(tmp_path / name)
    check_rows_path("x/a.csv")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"a\.csv: cannot be written"):
        write_rows(tmp_path / "file" / "a.csv", [ROW])
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(FileError, match=r"a\.csv: cannot be written"):
        write_rows(tmp_path / "a.csv", [ROW])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "file"]


def test_files_and_folders_that_cannot_be_written_are_refused_before(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    for name in ("file/x.csv", "full", "x" * 300, "/proc/x.csv"):
        with pytest.raises(FileError, match=r"written|folder"):
            check_file(tmp_path / name)
    with pytest.raises(FileError, match="--force"):
        check_file(tmp_path / "file", force=False)
    for name in ("file", "full", "file/x", "x" * 300, "/proc/x"):
        with pytest.raises(FileError, match=r"written|wanted|--force"):
            check_folder(tmp_path / name)
    check_file(tmp_path / "new" / "deep" / "x.csv", force=False)
    check_file(tmp_path / "file", force=True)
    check_folder(tmp_path / "new" / "deep")
    check_folder(tmp_path / "full", force=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_is_there_may_be_filled_only_if_it_is_empty(tmp_path):
    check_folder(tmp_path)
    (tmp_path / "a").write_text("a")
    with pytest.raises(FileError, match="holds files"):
        check_folder(tmp_path)

"""Whole pages: what stands in them, and what never does."""

import json
import random
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from plotly.offline import get_plotlyjs
from report_pages import (
    BAD_TEXT,
    association,
    circulant,
    comparison,
    curve,
    detection_record,
    failed,
    pruning_record,
    record,
    run,
    signal_record,
    study,
    whole_study,
)
from test_report_page_markup import Reader

from graphprune.errors import FileError
from graphprune.report.page import RecordPart, page_of, write_report
from graphprune.report.page.document import SCRIPTS


def own(part):
    """A page of one part without Plotly's own text."""
    return page_of([part], "T").replace(get_plotlyjs(), "")


def words(part):
    """What a reader of the page sees, scripts and styles left out."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", own(part), flags=re.DOTALL)
    return re.sub(r"\s+", " ", Reader(text).text)


PARTS = [
    whole_study(),
    RecordPart(pruning_record(), graph={"nodes": 12, "edges": circulant(4)}),
    RecordPart(detection_record()),
    RecordPart(signal_record()),
    RecordPart(record("other", {"a": 1})),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: getattr(part, "name", "record"))
def test_no_page_names_an_address(part):
    found = set(re.findall(r"https?:[^\s\"'<]*", own(part)))
    assert found <= {"http://www.w3.org/2000/svg"}  # a name of SVG, which nobody fetches
    assert not re.search(r"\b(src|href)=\"(?!#)", own(part)) and "@import" not in own(part)
    assert "default-src 'none'" in own(part)


def test_plotly_stands_in_the_page_once():
    page = page_of(PARTS, "T")
    assert page.count(get_plotlyjs()) == 1 and page.count("<!DOCTYPE html>") == 1
    assert "</script" not in get_plotlyjs().lower()


def test_every_script_of_the_package_is_in_the_page_and_no_other_file_is_named():
    package = files("graphprune.report.page")
    held = {path.name for path in package.iterdir() if path.name.endswith(".js")}
    assert held == set(SCRIPTS)
    page = own(PARTS[0])
    for name in (*SCRIPTS, "page.css"):
        assert package.joinpath(name).read_text(encoding="utf-8") in page


def test_no_error_text_ends_a_script():
    part = study(
        [failed(1)], name=BAD_TEXT, sentences=[BAD_TEXT], settings={BAD_TEXT: BAD_TEXT}
    )
    page = own(part)
    assert "alert(1)</script>" not in page and "<!--" not in page and "\x1b" not in page
    assert page.count("<script") == page.count("</script>") == 3
    inside = re.search(r'class="values">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(inside)["rows"]["columns"]["error"] == {"all": BAD_TEXT}


def test_equal_parts_give_equal_pages_whatever_their_order():
    part = whole_study()
    rows = list(part.rows)
    random.Random(2).shuffle(rows)
    turned = replace(
        part,
        rows=rows,
        curves=dict(reversed(part.curves.items())),
        graphs=dict(reversed(part.graphs.items())),
    )
    assert page_of([turned], "T") == page_of([part], "T")


def test_a_page_has_a_language_a_title_and_headings_in_order():
    page = own(PARTS[0])
    assert '<html lang="en">' in page and "<title>T</title>" in page
    levels = [int(level) for level in re.findall(r"<h(\d)>", page)]
    assert levels[:3] == [1, 2, 3] and levels.count(1) == 1 and set(levels) == {1, 2, 3}


def test_parts_are_listed_where_there_are_several():
    page = page_of(PARTS, "T")
    for number, name in enumerate(
        ["Study toy &lt;study&gt;", "graphprune rgp", "ggt bench"], 1
    ):
        assert f'<a href="#part-{number}">{name}' in page and f'id="part-{number}"' in page
    assert "<nav" not in own(PARTS[0])


def test_the_sentences_come_first_and_the_means_need_no_script():
    text = words(whole_study())
    assert text.index("Shorter paths go with") < text.index("Accuracy against path length")
    assert "34 runs: 33 done, 1 failed." in text
    assert "Made 2026-01-02 03:04 UTC" in text
    assert "<noscript>" in own(whole_study())


def test_means_are_written_with_their_interval():
    rows = [run(1, accuracy=0.5), run(2, accuracy=0.5), run(3, accuracy=0.25, level=3.0)]
    text = words(study(rows))
    assert "50.00 % (50.00 to 50.00)" in text and "25.00 %87.50 %" in text


def test_failed_runs_are_gathered_by_error():
    rows = [failed(1, "a"), failed(2, "b"), failed(3, "b"), run(4)]
    text = words(study(rows))
    assert "Failed runs by errorrunswhicherror22, 3b11a" in text
    many = words(study([failed(position, "a") for position in range(1, 14)]))
    assert "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more" in many
    assert "no message" in words(study([failed(1, None)]))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], ["0 runs.", "No run is finished", "The study has no run."]),
        ([run(1, status="waiting")], ["1 run: 1 waiting.", "No run is finished"]),
        ([failed(1)], ["1 run: 1 failed.", "No run is finished", "loss is nan"]),
        ([run(1)], ["1 run: 1 done.", "Means", "No training curve is at hand."]),
        ([run(1, accuracy=None, train_accuracy=None)], ["No finished run has an accuracy."]),
        (
            [{"status": "done", "accuracy": 0.5, "position": 1, "family": "dense"}],
            ["No finished run has a measure", "No finished run has both"],
        ),
    ],
)
def test_what_is_missing_is_said_in_words(rows, told):
    text = words(study(rows, associations=[], comparisons=[]))
    for line in told:
        assert line in text
    assert "Association" not in text


def test_what_was_left_out_for_its_size_is_said(monkeypatch):
    from graphprune.report.page import curve_values, study_values

    assert "are in this page" not in words(whole_study())
    monkeypatch.setattr(study_values, "MOST_EDGES", 50)
    monkeypatch.setattr(curve_values, "MOST_CURVE_NUMBERS", 100)
    text = words(whole_study())
    assert "2 of 6 graphs are in this page" in text
    assert "Single training curves of 6 of 33 runs are in this page" in text


def test_statistics_are_tables_and_intervals_beside_zero():
    nothing = association("diameter", reason="it does not vary")
    nothing |= {key: {"value": None} for key in ("spearman", "partial", "slope")}
    part = study(
        [run(1)],
        associations=[association(), nothing],
        comparisons=[comparison(), comparison("dense", 0.5, degree=None, level=None)],
    )
    page, text = own(part), words(part)
    assert "ASPL2063-0.50 (-0.75 to -0.38)-0.25 (-0.50 to -0.12)" in text
    assert "-2.00 (-2.25 to -1.88)<0.0010.0620.755" in text
    assert "degree 42063-0.50" in text.replace("\N{EN SPACE}", "")
    assert "diameter: it does not vary" in text and "Association of accuracy with" in text
    assert (
        "searched, degree 4, level 2.250random-regularaccuracy31.50 (0.50 to 2.50)0.031" in text
    )
    measures, families, _ = lines_of(page)
    assert [group["name"] for group in measures["groups"]] == [
        "rank correlation",
        "partial correlation",
    ]
    line = {"name": "ASPL", "value": -0.5, "low": -0.75, "high": -0.375}
    assert measures["groups"][0]["lines"] == [line]
    assert [one["value"] for one in families["groups"][0]["lines"]] == [1.5, 0.5]


def test_measures_of_several_outcomes_are_told_apart():
    other = association("aspl", outcome="train_accuracy")
    text = words(study([run(1)], associations=[association(), other]))
    assert "ASPL, accuracy20" in text and "ASPL, training20" in text
    assert "Association of accuracy and training with measures" in text


def test_statistics_of_other_fields_are_shown_as_they_are():
    text = words(study([run(1)]))
    assert "aspl-0.5000-0.7500, -0.2500" in text and "searchedring1.500" in text
    assert "Statistics" not in words(study([run(1)], associations=[], comparisons=[]))


def test_a_record_of_the_main_job_shows_networks_beside_controls():
    curves = [{"network": "pruned"} | row for row in curve(0.75)]
    part = RecordPart(pruning_record(), curves, {"nodes": 12, "edges": circulant(4)})
    text = words(part)
    order = [
        text.index(name) for name in ("dense80.00 % ± 4.00", "searched graph75.00 % ± 4.33")
    ]
    assert order == sorted(order) and "random regular70.00 % ± 4.58" in text
    assert "Pruned 50.00 % of the weights of 1 layer, 25.00 % of all parameters" in text
    assert "lower bound (hops)1.250" in text and "compact2.0002,000" in text
    assert "graphprune rgp: resnet8-wide on digits" in text
    assert 'data-draw="curves"' in own(part) and 'data-draw="graph"' in own(part)
    assert "/home/somebody" not in own(part)
    bare = own(RecordPart(pruning_record()))
    assert 'data-draw="curves"' not in bare and 'data-draw="graph"' not in bare


def test_a_record_of_detectors_shows_areas_and_costs():
    part = RecordPart(detection_record())
    page, text = own(part), words(part)
    assert "<b>0.938</b>" in page and "<b>0.750</b>" not in page
    assert "against 40 clean samples" in text and "0.750 to 0.938" in text
    assert page.count('data-draw="lines"') == 2 and "placebo AUROC 0.500" in text
    first, second = lines_of(page)
    names = [(one["name"], one["x"]) for one in first["series"]]
    assert names == [("margin", [0.5]), ("graph bank, soft", [1.0, 2.0])]
    assert second["series"][0]["y"] == [0.5, 1.0]


def test_a_record_of_classifiers_shows_accuracy_by_label():
    part = RecordPart(signal_record())
    page, text = own(part), words(part)
    labels, few = lines_of(page)
    mine, trees = labels["series"]
    assert mine["x"] == [-8.0, 0.0, 10.0] and mine["y"] == [0.25, 0.5, 0.75]
    assert mine["low"] is None and trees["low"][0] == 0.25 and trees["low"][1] < 0.5625
    assert labels["level"] == ["chance", 0.5]
    assert few["series"][0]["x"] == [100.0, 1000.0] and few["series"][0]["y"] == [
        0.3125,
        0.5625,
    ]
    assert "56.25 % ± 3.12" in text and "-8-8.125.025.0" in text.replace(" ", "")
    assert "mine: test frames by class (rows) and answer (columns)" in text


def lines_of(page):
    """Values of the plots of lines in a page."""
    found = re.findall(r'class="values">(.*?)</script>', page, re.DOTALL)
    return [json.loads(text) for text in found]


def test_other_records_are_tables_to_be_opened():
    values = {"speed": 2.5, "rows": [{"a": 1, "b": {"c": 2}}], "files": {"x": "/tmp/y"}}
    part = RecordPart(record("benchmarks/other.py", values, nodes=64))
    text = words(part)
    assert "speed2.5" in text and "ab c12" in text.replace("1 rows", "") and "nodes64" in text
    assert "/tmp/y" not in text
    assert "<details open>" in own(part) and 'class="screen"' not in own(part)
    assert '<details class="screen"><summary>All values' in own(RecordPart(signal_record()))


@pytest.mark.parametrize("command", ["rgp", "ggt bench", "signet bench", "graphprune bench"])
def test_a_record_that_holds_little_still_gives_a_page(command):
    assert "Settings, versions, machine" in words(RecordPart(record(command, {})))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "report.html"
    write_report([study([run(1)])], path, title="T")
    assert path.read_text(encoding="utf-8") == page_of([study([run(1)])], "T")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write_report([], tmp_path / "file" / "report.html", title="T")
    assert "Nothing was given to report." in page_of([], "T")


def test_lone_surrogates_do_not_stop_the_writing(tmp_path):
    part = study([failed(1, "bad \udc80 byte")], sentences=["\ud800"])
    write_report([part], tmp_path / "r.html", title="T")
    assert "bad ? byte" in words(part)

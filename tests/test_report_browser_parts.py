"""Pages of records, of statistics, of studies that hold little or much, in a real browser."""

import re

from browser_places import POINTS, column, section
from report_pages import (
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
)

from graphprune.report.page import RecordPart

pytest_plugins = ("report_browsers",)


def test_statistics_are_drawn_beside_zero(show):
    part = study(
        [run(1)],
        associations=[association("aspl", -0.5), association("clustering", 0.25)],
        comparisons=[comparison(), comparison("ring", -0.5, low=None, high=None)],
    )
    with show(part) as page:
        forest = section(page, "forest")
        assert [forest.nth(at).locator(POINTS).count() for at in range(2)] == [4, 2]
        bars = [forest.nth(at).locator("path.xerror").count() for at in range(2)]
        assert bars == [4, 1]
        names = forest.first.locator(".ytick text").all_text_contents()
        assert names == ["ASPL", "clustering"]
        assert forest.first.locator(".xzl").count() == 1


def test_records_are_drawn(show):
    curves = [{"network": name} | row for name in ("pruned", "dense") for row in curve(0.75)]
    parts = [
        RecordPart(pruning_record(), curves, {"nodes": 12, "edges": circulant(4)}),
        RecordPart(detection_record()),
        RecordPart(signal_record()),
        RecordPart(record("other", {"a": [1, 2]})),
    ]
    with show(*parts) as page:
        assert section(page, "curves").locator(".trace path.js-line").count() == 2
        names = section(page, "curves").locator(".legendtext").all_text_contents()
        assert names == ["dense", "searched graph"]
        assert section(page, "graph").locator("svg.graph circle").count() == 12
        assert section(page, "graph").locator("svg.graph text").count() == 12
        lines = section(page, "lines")
        assert [lines.nth(at).locator(POINTS).count() for at in range(4)] == [3, 2, 6, 2]
        assert page.locator("td.heat").count() > 10
        section(page, "curves").locator("[name=quantity]").select_option("train_loss")
        assert (
            "loss on training data"
            in section(page, "curves").locator(".infolayer").text_content()
        )


LITTLE = {
    "empty": [],
    "failed": [failed(1), failed(2, None)],
    "waiting": [run(1, status="waiting")],
    "one": [run(1)],
    "dense": [run(1, family="dense", degree=None, aspl=None)],
    "bare": [run(1, accuracy=None, train_accuracy=None, aspl=None)],
    "odd": [{"status": "done", "family": "odd <b>", "accuracy": 0.5, "aspl": 1.0, "new": [1]}],
}


def test_studies_with_little_in_them_are_shown_without_complaint(show):
    curves = {run(1)["key"]: curve(0.5)}
    parts = [study(rows, name=name, curves=curves) for name, rows in LITTLE.items()]
    with show(*parts) as page:
        for number, (name, rows) in enumerate(LITTLE.items(), 1):
            part = page.locator(f"#part-{number}")
            assert part.locator("h2").inner_text() == f"Study {name}"
            assert part.locator(".runs tbody tr").count() == len(rows)
        odd = section(part, "measure").locator(".legendtext").all_text_contents()
        assert odd == ["odd <b>"]


def test_a_large_study_is_paged_and_drawn_in_part(show):
    rows = [
        run(position, accuracy=0.5 + position % 997 / 5000, level=2.0 + position % 3)
        for position in range(1, 4001)
    ]
    with show(study(rows)) as page:
        assert page.locator(".runs tbody tr").count() == 50
        page.locator(".pager button", has_text="Next").click()
        assert column(page, "run")[0] == "51"
        assert "Runs 51 to 100 of 4,000 runs." in page.locator(".told").inner_text()
        note = section(page, "measure").locator(".note").inner_text()
        drawn = int(re.match(r"([\d,]+) of 4,000", note)[1].replace(",", ""))
        assert 2500 < drawn < 3500
        assert section(page, "measure").locator(POINTS).count() == drawn + 3

"""Pages in a real browser: drawn, quiet, sorted, filtered, pointed at, printed, narrow."""

import re
import shutil
from contextlib import contextmanager

import pytest
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
    whole_study,
)

from graphprune.report.page import RecordPart, write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # ms; a busy machine takes long to read Plotly
WINDOW = {"width": 1200, "height": 900}
POINTS = ".plot .scatterlayer .trace .points path.point"
WHOLE = whole_study()


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of this file."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found, args=ARGUMENTS, timeout=PATIENCE
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def show(browser, tmp_path_factory):
    """Open pages of parts; at the end nothing was complained of, nobody was asked."""

    @contextmanager
    def opened(*parts):
        path = tmp_path_factory.mktemp("page") / "report.html"
        write_report(parts, path, title="Report")
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(PATIENCE)
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri(), timeout=PATIENCE)
        yield page
        page.close()
        assert complaints == []
        own = (path.as_uri(), "data:", "blob:")
        assert [url for url in requests if not url.startswith(own)] == []

    return opened


@pytest.fixture(scope="module")
def whole(show):
    """The page of a whole study, opened once."""
    with show(WHOLE) as opened:
        yield opened


@pytest.fixture
def page(whole):
    """The page of a whole study; medium, window, pointer, focus and order are put back."""
    yield whole
    whole.emulate_media(media="screen", color_scheme="light")
    whole.set_viewport_size(WINDOW)
    whole.mouse.move(2, 2)
    whole.evaluate("document.activeElement?.blur()")
    sort_by(whole, "status")
    sort_by(whole, "run")


def section(page, kind):
    """The part of the page that one script draws."""
    return page.locator(f'[data-draw="{kind}"]')


def column(page, name):
    """Texts of a column of the table of runs, as shown."""
    heads = page.locator(".runs thead th").all_inner_texts()
    at = next(i for i, text in enumerate(heads) if text.split()[0] == name)
    return page.locator(f".runs tbody tr td:nth-child({at + 1})").all_inner_texts()


def sort_by(page, name):
    page.locator(".runs thead button", has_text=re.compile(f"^{name}$")).click()


def numbers(texts):
    """Numbers of cells; a dash is None."""
    parts = [text.replace(",", "").split()[0] for text in texts]
    return [None if part == "\N{EN DASH}" else float(part) for part in parts]


def shown_ticks(page, kind):
    return section(page, kind).locator(".xtick text").all_text_contents()


def test_every_plot_is_drawn_with_its_points(page):
    rows = [row for row in WHOLE.rows if row["status"] == "done"]
    marked = [row for row in rows if row["aspl"] is not None]
    groups = {(row["family"], row["degree"], row["level"]) for row in marked}
    assert section(page, "measure").locator(POINTS).count() == len(marked) + len(groups)
    assert section(page, "measure").locator(".xaxislayer-above").count() == 2
    compact = [row for row in rows if row["compact_ms"] is not None]
    costs = {(row["family"], row["degree"], row["level"]) for row in compact}
    wanted = len(compact) + len(costs) + 1  # the dense network stands in every form
    assert section(page, "front").locator(POINTS).count() == wanted
    kinds = {(row["family"], row["degree"]) for row in rows}
    assert section(page, "curves").locator(f"{POINTS}").count() == 3 * len(kinds)
    legend = section(page, "measure").locator(".legendtext").all_text_contents()
    assert legend == ["searched", "ring", "unstructured", "dense"]


def test_no_plot_offers_a_way_out_of_the_page(page):
    assert page.locator(".modebar").count() >= 3
    assert page.locator(".modebar-btn--logo, .js-plotly-plot a[href]").count() == 0
    assert page.locator("a[href]:not([href^='#'])").count() == 0


@pytest.mark.parametrize("name", ["ASPL", "accuracy", "run", "seed"])
def test_numbers_are_sorted_both_ways_with_missing_ones_last(page, name):
    sort_by(page, "status")
    for turn in (1, -1):
        sort_by(page, name)
        way = page.locator(".runs th[aria-sort]:not([aria-sort=none])")
        assert way.count() == 1
        assert way.get_attribute("aria-sort") == ("ascending" if turn == 1 else "descending")
        found = numbers(column(page, name))
        known = [value for value in found if value is not None]
        assert known == sorted(known, reverse=turn < 0) and len(known) > 20
        assert found[: len(known)] == known


def test_texts_are_sorted_and_a_head_is_pressed_by_enter(page):
    head = page.locator(".runs thead button", has_text=re.compile("^family$"))
    head.focus()
    page.keyboard.press("Enter")
    found = column(page, "family")
    assert found == sorted(found) and found[0] == "dense"
    assert page.evaluate("document.activeElement.textContent") == "family"
    page.keyboard.press("Enter")
    assert column(page, "family") == sorted(found, reverse=True)


def test_words_and_comparisons_filter(page):
    words = page.locator("[name=words]")
    told = page.locator(".told")
    words.fill("ring degree=4")
    assert set(column(page, "family")) == {"ring"} and set(column(page, "degree")) == {"4"}
    assert "3 runs that fit the filter, of 34" in told.inner_text()
    words.fill("aspl<1.6")
    found = numbers(column(page, "ASPL"))
    assert found and max(found) < 1.6
    wanted = [row for row in WHOLE.rows if row["aspl"] and row["aspl"] < 1.6]
    assert len(found) == len(wanted)
    words.fill("nothing-like-this")
    assert told.inner_text() == "None of 34 runs fits the filter."
    words.fill("")
    page.locator(".controls [name=status]").select_option("failed")
    assert column(page, "status") == ["failed"] and "loss is nan" in column(page, "error")[0]
    page.locator(".controls [name=status]").select_option("")
    assert page.locator(".runs tbody tr").count() == 34


def test_columns_are_chosen(page):
    assert "seed" in page.locator(".runs thead").inner_text()
    page.locator(".chooser summary").click()
    box = page.locator(".chooser label", has_text=re.compile("^ seed$")).locator("input")
    box.uncheck()
    assert "seed" not in page.locator(".runs thead").inner_text()
    box.check()
    page.locator(".chooser summary").click()
    assert "log paths" not in page.locator(".runs thead").inner_text()  # nobody measured it


def hover(page, point):
    """Put the pointer on a mark."""
    point.scroll_into_view_if_needed()
    page.wait_for_timeout(50)  # the page scrolls, which takes a card away
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_pointing_at_a_mark_shows_its_graph_and_figures(page):
    point = section(page, "measure").locator(".plot .trace .points path.point").last
    hover(page, point)
    card = page.locator(".card")
    card.wait_for(state="visible")
    assert card.locator("svg circle").count() == 12
    path = card.locator("svg path.edges").get_attribute("d")
    assert path.count("M") in (24, 36)
    assert "degree" in card.inner_text() and "accuracy" in card.inner_text()
    page.keyboard.press("Escape")
    assert card.is_hidden()


def test_a_row_with_the_focus_shows_the_same(page):
    row = page.locator(".runs tbody tr").nth(1)
    row.focus()
    card = page.locator(".card")
    card.wait_for(state="visible")
    edges = WHOLE.graphs[WHOLE.rows[1]["graph"]]["edges"]
    assert card.locator("svg path.edges").get_attribute("d").count("M") == len(edges)
    assert card.locator("svg title").text_content() == "graph of 12 nodes and 24 edges"
    assert "run 2: searched, degree 4" in card.inner_text()
    page.keyboard.press("ArrowDown")
    assert "run 3" in card.inner_text()
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1200
    page.keyboard.press("Escape")
    assert card.is_hidden()
    page.locator(".runs tbody tr.status-failed").focus()
    assert "failed" in card.inner_text() and "loss is nan" in card.inner_text()


def test_other_measures_and_outcomes_are_drawn_on_demand(page):
    measure = section(page, "measure").locator("[name=measure]")
    options = measure.locator("option").evaluate_all("all => all.map((one) => one.value)")
    assert "clustering" in options and "log_paths" not in options
    before = shown_ticks(page, "measure")
    measure.select_option("clustering")
    assert shown_ticks(page, "measure") != before
    titles = section(page, "measure").locator(".infolayer").first.text_content()
    assert "clustering coefficient" in titles
    section(page, "measure").locator("[name=outcome]").select_option("train_accuracy")
    section(page, "measure").locator("[name=single]").uncheck()
    few = section(page, "measure").locator(POINTS).count()
    assert few == len(
        {
            (r["family"], r["degree"], r["level"])
            for r in WHOLE.rows
            if r["clustering"] is not None
        }
    )
    measure.select_option("aspl")
    section(page, "measure").locator("[name=outcome]").select_option("accuracy")
    section(page, "measure").locator("[name=single]").check()
    assert shown_ticks(page, "measure") == before


def test_single_curves_are_shown_by_group_and_by_row(page):
    lines = section(page, "curves").locator(".trace path.js-line")
    means = lines.count()
    section(page, "curves").locator("[name=group]").select_option(label="runs: ring, degree 4")
    assert lines.count() == 1 + 3
    section(page, "curves").locator("[name=group]").select_option("means")
    assert lines.count() == means
    row = page.locator(".runs tbody tr").first
    row.focus()
    page.keyboard.press("Enter")
    assert lines.count() == means + 1
    legend = section(page, "curves").locator(".legendtext").all_text_contents()
    assert "run 1: searched, degree 4" in legend
    page.keyboard.press("Enter")
    assert lines.count() == means


def test_the_cost_can_be_another_form(page):
    cost = section(page, "front").locator("[name=cost]")
    assert "unstructured" in section(page, "front").locator(".note").inner_text()
    cost.select_option("masked_ms")
    assert section(page, "front").locator(".note").is_hidden()
    cost.select_option("compact_ms")
    assert section(page, "front").locator(".trace path.js-line").count() == 1


def test_paper_shows_plots_and_all_rows_and_no_fields(page):
    page.emulate_media(media="print")
    page.wait_for_function("document.querySelector('details:not(.chooser)').open")
    assert (
        page.locator(".controls:visible, .pager button:visible, .modebar:visible").count() == 0
    )
    assert page.locator(".runs tbody tr").count() == 34
    assert "Runs 1 to 34 of 34 runs." in page.locator(".told").inner_text()
    assert page.locator(".plot svg.main-svg").first.bounding_box()["width"] <= 680
    assert page.locator("details:not([open]):not(.chooser)").count() == 0
    page.emulate_media(media="screen")
    page.wait_for_function("!document.querySelector('details:not(.chooser)').open")
    assert page.locator(".controls:visible").count() == 4
    assert len(page.pdf()) > 10_000


def test_a_narrow_window_needs_no_scrolling_sideways(page):
    width = "document.querySelector('.main-svg').getBoundingClientRect().width"
    page.set_viewport_size({"width": 360, "height": 700})
    page.wait_for_function(f"{width} <= 360")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(
        "[...document.querySelectorAll('.plot')].every(e => e.scrollWidth <= 360)"
    )
    page.set_viewport_size(WINDOW)
    page.wait_for_function(f"{width} > 700")


def test_a_dark_window_has_dark_plots_but_paper_is_white(page):
    paper = "document.querySelector('.main-svg').style.background"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{paper} === 'rgb(23, 25, 28)'")
    body = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(body) == "rgb(23, 25, 28)"
    page.emulate_media(media="print")
    page.wait_for_function(f"{paper} === 'rgb(255, 255, 255)'")
    assert page.evaluate(body) == "rgb(255, 255, 255)"


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

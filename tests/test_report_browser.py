"""The page of a study in a real browser: drawn, quiet, sorted, pointed at, printed, narrow."""

import re

import pytest
from browser_places import POINTS, WINDOW, column, section
from report_pages import whole_study

pytest_plugins = ("report_browsers",)

WHOLE = whole_study()


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

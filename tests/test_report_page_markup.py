"""HTML and JSON that no text can break."""

import json
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.report.page.embedding import json_script, packed_column, rounded
from graphprune.report.page.heat import area_cell, best_of, count_cells, heat_cell
from graphprune.report.page.markup import Markup, escaped, tag
from graphprune.report.page.quantities import COLUMNS, columns_of, moment, shown, significant
from graphprune.report.page.tables import facts, plain_table, rows_table


class Reader(HTMLParser):
    """Tags and texts as a parser of HTML finds them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.attributes = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))

    def handle_data(self, data):
        self.text += data


SHOWABLE = st.text(st.characters(exclude_categories=("Cc", "Cs")))


@given(SHOWABLE, SHOWABLE)
def test_any_text_is_read_back_as_it_was(text, other):
    read = Reader(tag("p", text, title=other))
    assert (read.tags, read.text) == (["p"], text)
    assert read.attributes == [{"title": other}]


@given(st.text())
def test_what_cannot_be_written_is_replaced(text):
    found = escaped(text)
    found.encode()
    assert not set(found) & {"\x00", "\x1b", "\x7f", "<", ">"}


def test_elements_nest_and_attributes_are_spelt_as_html_spells_them():
    found = tag("div", tag("b", 1), None, ["x", [Markup("<i></i>")]], class_="a", data_run=3)
    assert found == '<div class="a" data-run="3"><b>1</b>x<i></i></div>'
    assert tag("input", hidden=True, checked=False, name=None) == "<input hidden>"


TREE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(TREE)
def test_json_is_read_back_and_ends_nothing(value):
    found = json_script({"it": value}, class_="values")
    opened, _, rest = found.partition(">")
    inside, _, end = rest.rpartition("</script>")
    assert opened == '<script type="application/json" class="values"' and end == ""
    assert "<" not in inside
    assert json.loads(inside) == {"it": value}


def test_numbers_that_json_has_no_word_for_become_null():
    inside = json_script([math.nan, {"a": (math.inf, 1.5)}]).partition(">")[2]
    assert json.loads(inside.removesuffix("</script>")) == [None, {"a": [None, 1.5]}]


def unpacked(column):
    """Slow twin of the script's `unpack`, for columns of six."""
    if "all" in column:
        return [column["all"]] * 6
    if "words" in column:
        return [column["words"][at] for at in column["at"]]
    return column["list"]


CELL = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["a", "b"])


@given(st.lists(CELL | st.floats(), min_size=6, max_size=6))
def test_packed_columns_hold_the_same_values(values):
    found = unpacked(packed_column(values))
    for own, value in zip(found, values, strict=True):
        if isinstance(value, float):
            assert own == (pytest.approx(value, rel=1e-5) if math.isfinite(value) else None)
        else:
            assert own == value and type(own) is type(value)


def test_packed_columns_take_the_smallest_form():
    assert packed_column([None] * 6) == {"all": None}
    assert packed_column(["a", "b"] * 3) == {"words": ["a", "b"], "at": [0, 1] * 3}
    assert packed_column(list("abcdef")) == {"list": list("abcdef")}
    assert packed_column([1, True]) == {"list": [1, True]}
    assert packed_column([[1], {"b": 2}]) == {"list": ["[1]", '{"b": 2}']}


def test_rounding_keeps_six_digits():
    assert rounded(1.23456789) == 1.23457 and rounded(123456789.0) == 123457000.0
    assert rounded(7) == 7 and rounded("x") == "x" and rounded(math.inf) is None


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "number", "\N{EN DASH}"),
        (0.71596, "percent", "71.60 %"),
        (1234, "number", "1,234"),
        (67500.0, "count", "67,500"),
        (1234.6, "count", "1,235"),
        (3.333333, "count", "3.33"),
        (2.0, "number", "2.000"),
        (1234.56, "seconds", "1,234.6"),
        (True, "number", "yes"),
        ("x", "percent", "x"),
    ],
)
def test_values_are_written_for_people(value, kind, text):
    assert shown(value, kind) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"),
        (12345.6, "12,346"),
        (123.0, "123.0"),
        (-0.0625, "-0.06250"),
        (0.0, "0.000"),
    ],
)
def test_numbers_have_four_significant_digits(value, text):
    assert significant(value) == text


def test_tiny_numbers_have_an_exponent():
    assert float(significant(1.23456e-7)) == 1.235e-7


def test_dates_are_written_in_utc_and_other_text_is_left():
    assert moment("2026-01-02T05:04:05+02:00") == "2026-01-02 03:04 UTC"
    assert moment("yesterday") == "yesterday"


def test_columns_come_in_the_known_order_and_strange_ones_last():
    found = columns_of(
        [{"error": None, "zeta": 1, "family": "x"}, {"position": 1, "alpha": 0.5}]
    )
    assert list(found) == ["position", "family", "error", "alpha", "zeta"]
    assert found["family"] is COLUMNS["family"]
    assert found["zeta"].kind == "count" and found["alpha"].kind == "number"


def test_tables_name_their_rows_and_columns():
    table = plain_table("one & two", ["name", "n"], [["a<b", 3]])
    read = Reader(table)
    assert "<caption>one &amp; two</caption>" in table
    assert '<th scope="row">a&lt;b</th><td class="number">3</td>' in table
    assert read.tags.count("th") == 3


def test_mappings_as_rows_are_flat_and_columns_in_order():
    table = rows_table("t", [{"a_b": 1, "in": {"b": 0.5}}, {"c": [1, 2.5], "a_b": None}])
    heads, body = table.split("</thead>")
    assert Reader(heads.partition("<thead>")[2]).text == "a b" + "in b" + "c"
    missing = "\N{EN DASH}"
    assert Reader(body).text == f"10.5000{missing}" + f"{missing}{missing}1, 2.500"


def test_settings_are_not_rounded_and_nest():
    read = Reader(facts({"rate": 0.123456789, "in": {"deep": [1, 2]}, "no": None, "ok": True}))
    assert read.text == "rate0.123456789indeep1, 2nononeokyes"
    assert read.tags.count("table") == 2
    assert Reader(facts({})).text == "none"


def luminance(colour):
    """Relative luminance by the definition of the guidelines."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@given(st.floats(-2, 2))
def test_every_tinted_cell_can_be_read(share):
    style = Reader(heat_cell("0.5", share)).attributes[0]["style"]
    paper, ink = (part.partition(":")[2] for part in style.split(";"))
    low, high = sorted((luminance(paper), luminance(ink)))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_areas_are_white_at_chance_and_bold_where_best():
    assert "background:#ffffff" in area_cell(0.5) and "background:#0072b2" in area_cell(1.0)
    assert "background:#e69f00" in area_cell(0.0)
    assert "<b>0.750</b>" in area_cell(0.75, best=True)
    assert "style" not in area_cell(None)


def test_the_best_is_that_as_shown_and_none_if_all_are_equal():
    assert best_of({"a": 0.91239, "b": 0.91241, "c": 0.5, "d": None}) == {"a", "b"}
    assert best_of({"a": 0.5, "b": 0.5}) == set() == best_of({})


def test_counts_are_tinted_by_their_share_of_the_row():
    none, all_ = count_cells([0, 1200])
    assert "#ffffff" in none and "#0072b2" in all_ and "1,200" in all_
    assert "#ffffff" in count_cells([0])[0]

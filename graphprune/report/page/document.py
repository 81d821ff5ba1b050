"""The file around the sections: style, scripts and Plotly inside, nothing from elsewhere."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from plotly.offline import get_plotlyjs

from graphprune.report.page.markup import Markup, tag

SCRIPTS = (
    "data.js",
    "printing.js",
    "look.js",
    "plot.js",
    "drawing.js",
    "card.js",
    "marks.js",
    "measure.js",
    "front.js",
    "curves.js",
    "lines.js",
    "forest.js",
    "filter.js",
    "runs.js",
    "start.js",
)
"""In the order in which they are put together; a later one may use an earlier one."""

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
"""A browser that reads the page asks nobody for anything, whatever the page says; tests may
evaluate expressions in it."""


def document(title: str, names: Sequence[tuple[str, str]], sections: Sequence[Markup]) -> str:
    """A whole page.

    Args:
        title: Of the page.
        names: Identifier and heading of each section, for the list of contents.
        sections: What stands in the page.
    """
    links = [tag("li", tag("a", text, href=f"#{name}")) for name, text in names]
    contents = tag("nav", tag("ul", links), aria_label="Contents") if len(links) > 1 else None
    without = (
        "This page draws its plots and its table of runs by a script, which is turned off. "
        "The other tables, settings and sentences are complete without."
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), contents),
        tag("noscript", tag("p", without, class_="warning")),
        tag("main", sections or tag("p", "Nothing was given to report.")),
        tag("div", class_="card", role="status", hidden=True),
        tag("script", Markup(get_plotlyjs())),
        tag("script", Markup(_scripts())),
    )
    return "<!DOCTYPE html>\n" + tag("html", _head(title), body, lang="en") + "\n"


def _head(title: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(_text("page.css"))),
    )


def _scripts() -> str:
    """All scripts in one function, so that none of their names is seen outside."""
    inside = "\n".join(_text(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{inside}\n}})();'


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

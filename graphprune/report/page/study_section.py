"""The section of a study: what can be said first, and below it what that rests on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from graphprune.report.page.contents import Row, StudyPart
from graphprune.report.page.curve_values import MOST_CURVE_NUMBERS
from graphprune.report.page.embedding import DIGITS, json_script
from graphprune.report.page.figures import choice, figure, switch
from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.quantities import (
    COLUMNS,
    COSTS,
    CURVES,
    MEASURES,
    MISSING,
    OUTCOMES,
    Quantity,
    moment,
    shown,
)
from graphprune.report.page.statistics_section import statistics_parts
from graphprune.report.page.study_values import MOST_EDGES, ordered_rows, study_values
from graphprune.report.page.tables import facts, folded, plain_table

_STATES = ("done", "failed", "running", "waiting")
_NOTHING = "No run is finished, so there is nothing to draw."
_MOST_NAMED = 10
_ASKED = ("target", "nodes", "degree", "level")  # of a group, as far as there is one
_MEANS_COSTS = ("compact_ms", "parameters_kept", "weights_kept", "macs_kept", "train_seconds")
_MOST_BANDS = 4  # intervals that are told apart at once


def study_section(part: StudyPart, name: str) -> Markup:
    """Heading, sentences, plots, tables and settings of a study.

    Args:
        part: The study.
        name: Of the section within the page.
    """
    rows = ordered_rows(part.rows)
    values = study_values(part, rows)
    done = any(row.get("status") == "done" for row in rows)
    wired = part.settings.get("kind") != "methods"
    sentences = [tag("li", text) for text in part.sentences]
    return tag(
        "section",
        tag("h2", f"Study {part.name}"),
        tag("p", _count_line(part.created, rows), class_="byline"),
        tag("ul", sentences, class_="sentences") if sentences else None,
        [_measure_figure(values) if wired else None, _means_table(values)]
        if done
        else tag("p", _NOTHING),
        statistics_parts(part.associations, part.comparisons),
        [_front_figure(values), _curve_figure(values)] if done else None,
        _left_out(part, values),
        _runs(rows),
        _failures(rows),
        tag("h3", "Settings, versions, machine"),
        folded("Settings", facts(part.settings)),
        folded("Versions", facts(part.versions)),
        folded("Machine", facts(part.machine)),
        json_script(values, class_="values"),
        class_="part",
        id=name,
    )


def _count_line(created: str, rows: Sequence[Row]) -> str:
    counts = Counter(str(row.get("status")) for row in rows)
    named = (*_STATES, *sorted(counts.keys() - set(_STATES)))
    states = ", ".join(f"{counts[state]:,} {state}" for state in named if counts[state])
    total = f"{len(rows):,} run{'' if len(rows) == 1 else 's'}"
    return f"Made {moment(created)}. {total}" + (f": {states}." if states else ".")


def _measure_figure(values: Mapping[str, Any]) -> Markup:
    title = "Accuracy against path length and other measures"
    if not values["outcomes"]:
        return _unmeasured(title, "No finished run has an accuracy.")
    if not values["measures"]:
        return _unmeasured(title, "No finished run has a measure of its graph.")
    caption = (
        "One panel for each degree. Large marks: means of runs that share family, degree and "
        "wanted path length, with Student's 95 % interval; an interval that leaves the panel "
        "is wider than it shows. Faint marks: single runs. Lines across a panel, with their "
        "interval as a band: the dense network, and controls that have no value of this "
        "measure. Pointing at a mark shows its graph and figures, and so does a row of the "
        "table of runs that has the focus."
    )
    return figure(
        "measure",
        title,
        caption,
        choice("measure", "Across", _options(values["measures"], MEASURES)),
        choice("outcome", "Up", _options(values["outcomes"], OUTCOMES)),
        switch("single", "single runs"),
    )


def _front_figure(values: Mapping[str, Any]) -> Markup:
    title = "Accuracy, latency and pruned share"
    if not values["outcomes"] or not values["costs"]:
        return _unmeasured(title, "No finished run has both an accuracy and a cost.")
    caption = (
        "Means of runs that share family, degree and wanted path length, with 95 % intervals. "
        "The line joins those that no other beats (at most as costly and at least as "
        "accurate); the most accurate of them is marked with the pruned share of the pruned "
        "layers' weights. "
        "The dense network has one form only, which stands for every form."
    )
    return figure(
        "front",
        title,
        caption,
        choice("cost", "Across", _options(values["costs"], COSTS)),
        choice("outcome", "Up", _options(values["outcomes"], OUTCOMES)),
        switch("single", "single runs"),
    )


def _curve_figure(values: Mapping[str, Any]) -> Markup:
    title, curves = "Training curves", values["curves"]
    if not curves["means"] or not curves["quantities"]:
        return _unmeasured(title, "No training curve is at hand.")
    caption = (
        f"Means over the {curves['measured']:,} runs with a curve, by family (colour) and "
        "degree (line), with Student's 95 % interval. For single runs choose a group here, or "
        "tick runs in the table of runs."
    )
    groups = {"means": "means by family and degree"} | {
        str(at): f"runs: {_group_name(mean)}" for at, mean in enumerate(curves["means"])
    }
    return figure(
        "curves",
        title,
        caption,
        choice("quantity", "Up", _options(curves["quantities"], CURVES)),
        choice("group", "Lines", groups),
        switch("band", "95 % intervals", on=len(curves["means"]) <= _MOST_BANDS),
    )


def _group_name(group: Mapping[str, Any]) -> str:
    name = str(group["family"])
    if group["degree"] is not None:
        name += f", degree {group['degree']}"
    if group["target"] is not None:
        name += f", {shown(group['target'], 'percent')} asked"
    return name


def _means_table(values: Mapping[str, Any]) -> Markup:
    """The table that tells the answer without any script."""
    groups = values["groups"]
    measures = [name for name in ("aspl", "density") if name in values["measures"]]
    outcomes = values["outcomes"]
    costs = [name for name in _MEANS_COSTS if name in values["costs"]]
    asked = [name for name in _ASKED if any(group[name] is not None for group in groups)]
    heads = ["family", *(COLUMNS[name].short for name in asked), "runs"]
    heads += [MEASURES[name].short for name in measures]
    heads += [f"{OUTCOMES[name].short} (95 % interval)" for name in outcomes[:1]]
    heads += [OUTCOMES[name].short for name in outcomes[1:]]
    heads += [COSTS[name].short for name in costs]
    body = [
        [
            group["family"],
            *(_number(group[key], COLUMNS[key]) for key in asked),
            group["runs"],
            *(_number(_centre(group, name), MEASURES[name]) for name in measures),
            *(_with_interval(group, name) for name in outcomes[:1]),
            *(_number(_centre(group, name), OUTCOMES[name]) for name in outcomes[1:]),
            *(_number(_centre(group, name), COSTS[name]) for name in costs),
        ]
        for group in groups
    ]
    note = "No interval: a single run."
    if "level" in asked:
        note = f"Level: wanted average path length in hops. {note}"
    return tag(
        "section",
        tag("h3", "Means"),
        plain_table("Means of runs that differ in nothing but chance", heads, body, note=note),
    )


def _centre(group: Mapping[str, Any], name: str) -> float | None:
    found = group["means"].get(name)
    return found[0] if found else None


def _number(value: Any, quantity: Quantity) -> Markup:
    return tag("td", shown(value, quantity.kind), class_="number")


def _with_interval(group: Mapping[str, Any], name: str) -> Markup:
    mean, low, high, _ = group["means"].get(name, (None, None, None, 0))
    if mean is None or low is None:
        return tag("td", shown(mean, "percent"), class_="number")
    ends = f" ({100 * low:.2f} to {100 * high:.2f})"
    return tag("td", shown(mean, "percent"), tag("small", ends), class_="number")


def _runs(rows: Sequence[Row]) -> Markup:
    title = "All runs"
    if not rows:
        return _unmeasured(title, "The study has no run.")
    hint = (
        "Words that a row must hold, or comparisons such as accuracy>0.9 or aspl<=2.5 "
        "(shares as fractions)."
    )
    statuses = {"": "any"} | {
        name: name for name in sorted({str(row.get("status")) for row in rows})
    }
    families = {"": "any"} | {
        name: name for name in sorted({str(row.get("family")) for row in rows})
    }
    fields = tag(
        "div",
        tag("label", "Filter ", tag("input", type="search", name="words", size=28)),
        choice("status", "Status", statuses),
        choice("family", "Family", families),
        tag("p", hint, class_="hint"),
        class_="controls",
        hidden=True,
    )
    note = (
        f"Figures in this page have {DIGITS} significant digits. A head sorts; a row that is "
        f"clicked or reached by Tab and arrows shows its graph, Enter adds its curve above. "
        f"{MISSING}: not measured."
    )
    return tag(
        "section",
        tag("h3", title),
        fields,
        tag("div", class_="runs"),
        tag("p", note, class_="hint"),
        data_draw="runs",
    )


def _failures(rows: Sequence[Row]) -> Markup | None:
    """Failed runs by what went wrong, most frequent first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("status") == "failed":
            found.setdefault(str(row.get("error") or "no message"), []).append(row)
    if not found:
        return None
    body = []
    for error, failed in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        named = ", ".join(str(row.get("position")) for row in failed[:_MOST_NAMED])
        more = f" and {len(failed) - _MOST_NAMED:,} more" if len(failed) > _MOST_NAMED else ""
        text = tag("pre", error)
        body.append([len(failed), tag("td", named + more), tag("td", text, class_="error")])
    table = plain_table("Failed runs by error", ["runs", "which", "error"], body)
    return tag("section", tag("h3", "Failed runs"), table)


def _unmeasured(title: str, why: str) -> Markup:
    return tag("section", tag("h3", title), tag("p", why))


def _left_out(part: StudyPart, values: Mapping[str, Any]) -> Markup | None:
    """What is not in the page for its size, in words."""
    lines = []
    if (kept := len(values["graphs"])) < len(part.graphs):
        lines.append(
            f"{kept:,} of {len(part.graphs):,} graphs are in this page, of at most "
            f"{MOST_EDGES:,} edges together; the others are not drawn."
        )
    curves = values["curves"]
    if (kept := len(curves["single"])) < curves["measured"]:
        lines.append(
            f"Single training curves of {kept:,} of {curves['measured']:,} runs are in this "
            f"page, of at most {MOST_CURVE_NUMBERS:,} numbers together; the means are of all."
        )
    return tag("p", " ".join(lines), class_="hint") if lines else None


def _options(names: Sequence[str], known: Mapping[str, Quantity]) -> dict[str, str]:
    return {name: known[name].label for name in names}

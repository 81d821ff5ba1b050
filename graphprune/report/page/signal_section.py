"""What a record of `signet bench` shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphprune.report.page.contents import RecordPart
from graphprune.report.page.heat import count_cells, share_cell
from graphprune.report.page.line_figure import Series, line_figure
from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.means import Mean, mean_of
from graphprune.report.page.quantities import shown
from graphprune.report.page.tables import folded, plain_table

_BARS = (
    "Bars are Student's 95 % intervals over trainings, where there are several; one that "
    "leaves the plot is wider than it shows."
)


def signal_parts(part: RecordPart) -> list[Markup]:
    """Accuracy by label, classifiers side by side, confusion, few training frames."""
    values = part.record.values
    found = {**values.get("runs", {}), **values.get("baselines", {})}
    if not found:
        return []
    classes = values.get("classes", ())
    parts = [
        _label_figure(found, classes),
        _classifiers(found),
        _labels(found, values.get("true_snr") or {}),
        _few_figure(values.get("few_shot") or {}),
        _confusion(values.get("runs", {}), classes),
    ]
    return [one for one in parts if one is not None]


def _trainings(found: Mapping[str, Any]) -> Sequence[Mapping[str, float]]:
    """Accuracy by label of each training."""
    return found.get("by_snr_each") or [found.get("by_snr", {})]


def _label_figure(found: Mapping[str, Any], classes: Sequence[str]) -> Markup:
    series = []
    for name, one in found.items():
        labels = sorted(one.get("by_snr", {}), key=float)
        means = [mean_of(each.get(label) for each in _trainings(one)) for label in labels]
        series.append(_series(name, [float(label) for label in labels], means))
    level = ("chance", 1 / len(classes)) if classes else None
    return line_figure(
        "Accuracy by label",
        "Test accuracy by the label of the frames in dB. " + _BARS,
        series,
        x="label (dB)",
        y="test accuracy",
        y_kind="percent",
        level=level,
    )


def _series(name: str, x: Sequence[float], means: Sequence[Mean | None]) -> Series:
    known = [(None, None, None) if m is None else (m.mean, m.low, m.high) for m in means]
    centres, low, high = ([point[at] for point in known] for at in range(3))
    if all(end is None for end in low):
        return Series(name, x, centres)
    return Series(name, x, centres, low, high)


def _classifiers(found: Mapping[str, Any]) -> Markup:
    heads = [
        "classifier",
        "overall",
        "labels of 0 dB or more",
        "macro F1",
        "kappa",
        "trainings",
    ]
    heads += ["parameters", "MACs", "one frame (ms)", "batch (ms)"]
    body = []
    for name, one in found.items():
        latency = one.get("latency") or {}
        body.append(
            [
                name,
                _spread(one, "overall"),
                _spread(one, "high_snr"),
                tag("td", shown(one.get("macro_f1"), "percent"), class_="number"),
                one.get("kappa"),
                one.get("seeds", 1),
                one.get("parameters_kept"),
                one.get("macs_kept"),
                _first(latency, "compact_one_ms", "dense_one_ms"),
                _first(latency, "compact_ms", "dense_ms"),
            ]
        )
    note = (
        "\N{PLUS-MINUS SIGN} standard deviation over trainings. Times are those of the compact "
        "form where there is one."
    )
    table = plain_table("Classifiers on the test frames", heads, body, note=note)
    return tag("section", tag("h3", "Classifiers"), table)


def _spread(one: Mapping[str, Any], key: str) -> Markup:
    text, spread = shown(one.get(key), "percent"), one.get(f"{key}_std")
    if spread is not None:
        text += f" \N{PLUS-MINUS SIGN} {100 * spread:.2f}"
    return tag("td", text, class_="number")


def _first(values: Mapping[str, Any], *keys: str) -> Any:
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _labels(found: Mapping[str, Any], true: Mapping[str, float]) -> Markup:
    labels = sorted(
        {label for one in found.values() for label in one.get("by_snr", {})}, key=float
    )
    heads = ["label (dB)", *(["measured (dB)"] if true else []), *found]
    body = []
    for label in labels:
        measured = true.get(label)
        told = tag("td", "" if measured is None else f"{measured:.1f}", class_="number")
        cells = [share_cell(one.get("by_snr", {}).get(label)) for one in found.values()]
        body.append([label, *([told] if true else []), *cells])
    table = plain_table("Test accuracy by label (%)", heads, body)
    return tag("section", tag("h3", "Accuracy by label, in numbers"), table)


def _few_figure(few: Mapping[str, Any]) -> Markup | None:
    series = []
    for name, shares in few.items():
        ordered = sorted(shares, key=float)
        frames = [float(shares[share]["train_frames"]) for share in ordered]
        means = [mean_of(shares[share]["overall"]) for share in ordered]
        series.append(_series(name, frames, means))
    if not series:
        return None
    return line_figure(
        "Few training frames",
        "Overall test accuracy by count of training frames. " + _BARS,
        series,
        x="training frames",
        y="test accuracy",
        x_kind="log",
        y_kind="percent",
    )


def _confusion(runs: Mapping[str, Any], classes: Sequence[str]) -> Markup | None:
    tables = [
        plain_table(
            f"{name}: test frames by class (rows) and answer (columns)",
            ["class", *classes],
            [
                [kind, *count_cells(counts)]
                for kind, counts in zip(classes, one["confusion"], strict=True)
            ],
        )
        for name, one in runs.items()
        if one.get("confusion")
    ]
    return folded("Confusion", tables) if tables else None

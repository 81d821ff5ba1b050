"""Values of records as tables for people. Computes nothing but shares of what it is given."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from graphprune.report.tables import NAMES as GRAPH_NAMES
from graphprune.report.tables import new_table

NAMES = GRAPH_NAMES | {"magnitude": "magnitude", "small_dense": "smaller dense"}


def percent(share: float | None) -> str:
    """A fraction as percent; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.2f}"


def accuracy_table(networks: Mapping[str, Mapping[str, Any]], *, title: str) -> Table:
    """Accuracy, F1 and size of each network."""
    columns = ("network", "overall %", ">= 0 dB %", "macro F1 %", "parameters", "kMAC")
    table = new_table(title, columns)
    for name, values in networks.items():
        table.add_row(
            NAMES.get(name, name),
            percent(values["overall"]),
            percent(values["high_snr"]),
            percent(values["macro_f1"]),
            f"{values['parameters_kept']:,}",
            f"{values['macs_kept'] / 1000:,.0f}",
        )
    return table


def snr_table(
    networks: Mapping[str, Mapping[str, Any]], *, true_snr: Mapping[str, float] | None = None
) -> Table:
    """Accuracy in percent at each label of SNR, a column a network.

    `true_snr` is the measured SNR in dB by label, where the set tells it.
    """
    names = [NAMES.get(name, name) for name in networks]
    beside = [] if true_snr is None else ["true dB"]
    table = new_table("accuracy by label (%)", ("label dB", *beside, *names))
    labels = sorted(
        {label for each in networks.values() for label in each["by_snr"]}, key=float
    )
    for label in labels:
        row = [percent(each["by_snr"].get(label)) for each in networks.values()]
        if true_snr is not None:
            row.insert(0, f"{true_snr[label]:.1f}" if label in true_snr else "-")
        table.add_row(label, *row)
    return table


def bench_table(everything: Mapping[str, Mapping[str, Any]]) -> Table:
    """Runs and baselines: accuracy with its spread over seeds, size and latency."""
    columns = (
        "classifier", "overall %", ">= 0 dB %", "macro F1 %", "kappa", "parameters", "kMAC",
        "1 frame ms (p95)", "frames/s",
    )  # fmt: skip
    table = new_table("classifiers on the test frames", columns)
    for name, values in everything.items():
        latency = values["latency"]
        form = "compact" if "compact_ms" in latency else "dense"
        kept, macs = values.get("parameters_kept"), values.get("macs_kept")
        one = p95 = rate = None
        if latency:
            one, p95 = latency[f"{form}_one_ms"], latency[f"{form}_one_p95_ms"]
            rate = 1000 * latency["batch"] / latency[f"{form}_ms"]
        table.add_row(
            name,
            _with_spread(values["overall"], values.get("overall_std")),
            _with_spread(values["high_snr"], values.get("high_snr_std")),
            percent(values["macro_f1"]),
            f"{values['kappa']:.3f}",
            "-" if kept is None else f"{kept:,}",
            "-" if macs is None else f"{macs / 1000:,.0f}",
            "-" if one is None else f"{one:.2f} ({p95:.2f})",
            "-" if rate is None else f"{rate:,.0f}",
        )
    return table


def few_shot_table(few_shot: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """Overall accuracy and that at 0 dB and above by share of the training frames."""
    shares = sorted({share for each in few_shot.values() for share in each}, key=float)
    columns = ("classifier", *(f"{100 * float(share):g} % of frames" for share in shares))
    table = new_table("few frames: overall / >= 0 dB (%)", columns)
    for name, by_share in few_shot.items():
        cells = (by_share[share] for share in shares)
        table.add_row(name, *(_means(cell) for cell in cells))
    return table


def worst_pairs(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], *, most: int = 3
) -> list[str]:
    """The true and told classes that are mixed up most often, as text."""
    pairs = [
        (count / max(1, sum(row)), classes[true], classes[told])
        for true, row in enumerate(confusion)
        for told, count in enumerate(row)
        if told != true and count
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [f"{true} for {told} ({100 * share:.0f} %)" for share, true, told in pairs[:most]]


def _with_spread(share: float | None, spread: float | None) -> str:
    return percent(share) + ("" if spread is None else f" +- {100 * spread:.2f}")


def _means(cell: Mapping[str, Any]) -> str:
    """Means over seeds of the two accuracies."""
    overall, high = cell["overall"], [each for each in cell["high_snr"] if each is not None]
    told = percent(sum(overall) / len(overall))
    return f"{told} / {percent(sum(high) / len(high) if high else None)}"


def found_table(values: Mapping[str, Any], *, title: str) -> Table:
    """Windows of each class that was found in a recording."""
    table = new_table(title, ("label", "windows", "share %", "mean confidence"))
    for each in values["found"]:
        table.add_row(
            escape(each["label"]),
            f"{each['windows']:,}",
            percent(each["windows"] / values["windows"]),
            f"{each['confidence']:.3f}",
        )
    if values["unknown"]:
        share = percent(values["unknown"] / values["windows"])
        table.add_row("unknown", f"{values['unknown']:,}", share, "-")
    return table


def window_table(windows: Sequence[Mapping[str, Any]]) -> Table:
    """The likeliest classes of single windows."""
    table = new_table("windows", ("first sample", "label", "likeliest classes"))
    for each in windows:
        told = ", ".join(f"{name} {share:.3f}" for name, share in each["choices"])
        label = "unknown" if each["unknown"] else each["choices"][0][0]
        table.add_row(f"{each['start']:,}", escape(label), escape(told))
    return table

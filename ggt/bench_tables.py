"""The tables of `ggt bench`: detectors against attacks, and what each detector costs."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from rich.markup import escape
from rich.table import Table

from ggt.tables import number, plain
from graphprune.report.model_tables import byte_size
from graphprune.report.tables import new_table

_WIDTH = 120  # characters of a page
_BORDER = 3  # characters between two columns
TPR_AT = ("1", "5", "10")  # false-positive rates in percent


class DetectorValues(TypedDict):
    """One detector; `auroc` maps attacks to values, None where it was not run.

    `mean` is the mean AUROC over the attacks (the placebo and wrongly labelled samples are no
    attacks), `interval` its bootstrap interval. `tpr` maps "1", "5" and "10" (percent of
    clean samples flagged) to the mean share of adversarial samples flagged. `clean` and
    `adversarial` are mean models used, `ms` milliseconds a sample, `train_seconds` the time
    to make it. `saw_attack` says whether it was fitted to adversarial samples.
    """

    name: str
    auroc: Mapping[str, float | None]
    mean: float | None
    interval: tuple[float, float] | None
    tpr: Mapping[str, float | None]
    clean: float | None
    adversarial: float | None
    ms: float | None
    bytes: int | None
    train_seconds: float | None
    saw_attack: bool


class BenchValues(TypedDict):
    """What `ggt bench` measured; `samples` maps each column to its count of samples.

    `attacks` are the columns that count in the means, which the placebo does not.
    """

    detectors: Sequence[DetectorValues]
    samples: Mapping[str, int]
    attacks: Sequence[str]
    clean_samples: int


def auroc_tables(values: BenchValues) -> list[Table]:
    """Rows detectors, columns attacks, in as many tables as the page asks for.

    The best of an attack is bold.
    """
    first = max((len(plain(d["name"])) for d in values["detectors"]), default=0)
    parts = _parts(list(values["samples"]), room=_WIDTH - first - 2 * _BORDER)
    return [_auroc_table(values, part) for part in parts]


def cost_table(values: BenchValues) -> Table:
    """One row a detector: mean AUROC, shares found at fixed false alarms, and its cost."""
    columns = ("detector", "AUROC", "interval", *(f"{rate} %" for rate in TPR_AT))
    more = ("clean", "adv.", "ms", "size", "train s", "saw")
    table = new_table("detectors", (*columns, *more))
    for column in table.columns[1:]:
        column.no_wrap = True  # names give way, numbers do not
    for detector in values["detectors"]:
        low, high = detector["interval"] or (None, None)
        size = detector["bytes"]
        table.add_row(
            plain(detector["name"]),
            number(detector["mean"], ".3f"),
            "-" if low is None else f"{low:.3f}-{high:.3f}",
            *(number(detector["tpr"].get(rate), ".3f") for rate in TPR_AT),
            number(detector["clean"], ".2f"),
            number(detector["adversarial"], ".2f"),
            number(detector["ms"], ".3f"),
            "-" if size is None else byte_size(size),
            number(detector["train_seconds"], ".0f"),
            "YES" if detector["saw_attack"] else "no",
        )
    table.caption = (
        "means over attacks; 1, 5, 10 %: share of adversarial samples found when that many "
        "clean ones are flagged; clean, adv.: models asked; ms a sample; saw: fitted to "
        "adversarial samples"
    )
    return table


def _auroc_table(values: BenchValues, attacks: Sequence[str]) -> Table:
    title = f"AUROC against {values['clean_samples']:,} clean samples"
    table = new_table(title, ("detector", *(escape(str(plain(name))) for name in attacks)))
    table.add_row("samples", *(f"{values['samples'][name]:,}" for name in attacks))
    table.add_section()
    best = {name: _best(values["detectors"], name) for name in values["attacks"]}
    for detector in values["detectors"]:
        cells = []
        for name in attacks:
            value = detector["auroc"].get(name)
            shown = number(value, ".3f")
            cells.append(f"[bold]{shown}[/bold]" if shown == best.get(name) else shown)
        table.add_row(plain(detector["name"]), *cells)
    return table


def _best(detectors: Sequence[DetectorValues], attack: str) -> str | None:
    """The highest value of a column as shown, if detectors differ in it."""
    found = [detector["auroc"].get(attack) for detector in detectors]
    shown = [number(value, ".3f") for value in found if value is not None]
    return max(shown) if len(set(shown)) > 1 else None


def _parts(names: Sequence[str], *, room: int) -> list[list[str]]:
    """Names in runs whose columns fit into `room` characters, at least one name each."""
    parts: list[list[str]] = [[]]
    left = room
    for name in names:
        width = max(5, len(plain(name))) + _BORDER
        if parts[-1] and width > left:
            parts.append([])
            left = room
        parts[-1].append(name)
        left -= width
    return parts

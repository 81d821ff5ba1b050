"""What the columns of a run are called, and how their values are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MISSING = "\N{EN DASH}"
SIGNIFICANT = 4  # digits of a number
_WHOLE = 1000  # mean counts from here on have no digits after the point


@dataclass(frozen=True, slots=True)
class Quantity:
    """A column: its head in tables, its name beside an axis, and the kind of its values.

    `kind` is "percent" (of a fraction), "number", "count", "ms", "seconds" or "text".
    """

    short: str
    label: str
    kind: str = "number"


MEASURES = {
    "aspl": Quantity("ASPL", "average shortest path (hops)"),
    "diameter": Quantity("diameter", "diameter (hops)", "count"),
    "clustering": Quantity("clustering", "clustering coefficient"),
    "spectral_gap": Quantity("spectral gap", "spectral gap"),
    "ramanujan_margin": Quantity("Ramanujan margin", "Ramanujan margin"),
    "log_paths": Quantity("log paths", "paths from input to output (logarithm)"),
    "gradient_resistance": Quantity("gradient resistance", "gradient resistance"),
    "parameter_usage": Quantity("parameter usage", "parameter usage"),
    "density": Quantity("density", "kept share of the pruned layers' weights", "percent"),
}
OUTCOMES = {
    "accuracy": Quantity("accuracy", "test accuracy", "percent"),
    "held_out_accuracy": Quantity("held-out", "accuracy on held-out data", "percent"),
    "train_accuracy": Quantity("training", "accuracy on training data", "percent"),
}
COSTS = {
    "compact_ms": Quantity("compact ms", "latency of the compact form (ms)", "ms"),
    "masked_ms": Quantity("masked ms", "latency of the masked form (ms)", "ms"),
    "dense_ms": Quantity("dense ms", "latency of the dense form (ms)", "ms"),
    "parameters_kept": Quantity("parameters", "parameters kept", "count"),
    "macs_kept": Quantity("MACs", "multiply-accumulates kept", "count"),
    "weights_kept": Quantity("weights", "weights kept of the pruned layers", "count"),
    "train_macs": Quantity("training MACs", "multiply-accumulates of the training", "count"),
    "train_seconds": Quantity("training s", "wall-clock time of the training (s)", "seconds"),
}
_FIRST = {
    "position": Quantity("run", "number of the run", "count"),
    "status": Quantity("status", "status", "text"),
    "role": Quantity("role", "role", "text"),
    "family": Quantity("family", "family", "text"),
    "nodes": Quantity("nodes", "nodes", "count"),
    "degree": Quantity("degree", "degree", "count"),
    "ratio": Quantity("pruned", "pruned share of the pruned layers' weights", "percent"),
    "level": Quantity("level", "wanted path length (hops)"),
    "target": Quantity("asked", "pruned share that was asked for", "percent"),
    "seed": Quantity("seed", "seed", "count"),
}
_LAST = {
    "seconds": Quantity("seconds", "wall-clock time of the run (s)", "seconds"),
    "attempts": Quantity("attempts", "attempts", "count"),
    "worker": Quantity("worker", "worker", "text"),
    "started": Quantity("started", "started (UTC)", "text"),
    "ended": Quantity("ended", "ended (UTC)", "text"),
    "graph": Quantity("graph", "hash of the graph", "text"),
    "key": Quantity("key", "key of the run", "text"),
    "error": Quantity("error", "error", "text"),
}
COLUMNS = {**_FIRST, **OUTCOMES, **MEASURES, **COSTS, **_LAST}
"""Of a run, in the order of the table."""

CURVES = {
    "held_out_accuracy": OUTCOMES["held_out_accuracy"],
    "train_accuracy": OUTCOMES["train_accuracy"],
    "held_out_loss": Quantity("held-out loss", "loss on held-out data"),
    "train_loss": Quantity("training loss", "loss on training data"),
    "learning_rate": Quantity("learning rate", "learning rate"),
}
"""Of an epoch, the most telling first."""


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Quantity]:
    """Columns that rows have: the known ones in their order, then others by name."""
    found = set().union(*rows)
    known = {name: quantity for name, quantity in COLUMNS.items() if name in found}
    others = {name: _guessed(name, rows) for name in sorted(found - COLUMNS.keys())}
    return known | others


def _guessed(name: str, rows: Sequence[Mapping[str, Any]]) -> Quantity:
    """A column that is not known by name, by the kind of its values."""
    kinds = {type(row.get(name)) for row in rows} - {type(None)}
    kind = "count" if kinds == {int} else "number" if kinds <= {int, float} else "text"
    return Quantity(name.replace("_", " "), name.replace("_", " "), kind)


def shown(value: Any, kind: str = "number") -> str:
    """A value as people read it; None is a dash."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if kind == "percent":
        return f"{100 * value:.2f} %"
    if isinstance(value, int):
        return f"{value:,}"
    if kind == "count":
        whole = value.is_integer() or abs(value) >= _WHOLE
        return f"{value:,.0f}" if whole else f"{value:,.2f}"
    if kind == "seconds":
        return f"{value:,.1f}"
    return significant(value)


def significant(value: float) -> str:
    """A number of four significant digits, with zeros at its end kept.

    >>> significant(2.0), significant(12345.6), significant(0.00001234)
    ('2.000', '12,346', '1.234e-05')
    """
    if abs(value) >= 10 ** (SIGNIFICANT - 1):
        return f"{value:,.0f}"
    text = f"{value:#.{SIGNIFICANT}g}"
    return text.rstrip(".") if "e" not in text else f"{value:.{SIGNIFICANT - 1}e}"


def moment(text: str) -> str:
    """A date and time in words; text that is none stays as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (
        f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if when.tzinfo
        else f"{when:%Y-%m-%d %H:%M}"
    )

"""Values of ggt's records as tables for people: bank, attacks, calibration, answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from rich.table import Table
from rich.text import Text

from graphprune.report.model_tables import byte_size
from graphprune.report.tables import new_table

MOST_ROWS = 40  # answers shown on a terminal unless asked for more
_LONGEST = 34  # characters of a name
_STYLES = {"adversarial": "bold red", "undecided": "yellow"}


class ModelValues(TypedDict):
    """One model: `degree` is a mean, `aspl` in hops, `accuracy` is on the judge split."""

    name: str
    family: str
    nodes: int | None
    degree: float | None
    aspl: float | None
    accuracy: float | None
    kept: bool
    seconds: float


class BankValues(TypedDict):
    """What `ggt train` made: `floor` is the least accuracy kept, `bytes` what the folder has.

    `accuracy` is the original's on the same judge split.
    """

    models: Sequence[ModelValues]
    accuracy: float
    floor: float
    bytes: int
    hash: str


class AttackValues(TypedDict):
    """One attack's outcome; distances are medians over the successes, None without any.

    `failed` maps a reason to a count. `l2` and `linf` are in units where the brightest pixel
    is 1, `pixels` counts changed pixels. `psr` and `psr_max`, of radio signals only, are the
    median and the largest ratio of powers, change to frame, in dB.
    """

    attack: str
    attempted: int
    succeeded: int
    failed: Mapping[str, int]
    l2: float | None
    linf: float | None
    pixels: float | None
    seconds: float
    psr: NotRequired[float | None]
    psr_max: NotRequired[float | None]


class ScoreValues(TypedDict):
    """One calibrated score: `threshold` at the last look, above which a sample is flagged.

    Of the calibration samples, `flagged` are above it at some look; with the stated
    confidence, fewer than the share `bound` of fresh clean samples are.
    """

    score: str
    threshold: float
    flagged: int
    bound: float
    looks: Sequence[int]


class CalibrationValues(TypedDict):
    """What `ggt calibrate` found on `samples` clean samples; `tau` is of the change rate.

    `half_width` is that of the 99 % interval of the mean, as published.
    """

    fpr: float
    confidence: float
    samples: int
    scores: Sequence[ScoreValues]
    tau: float
    mean_rate: float
    half_width: float


class DetectionValues(TypedDict):
    """What `ggt detect` found: `rows` are those of `outputs.rows_as_values`.

    `thresholds` maps the models asked (as text) to the threshold of that look, and is empty for
    ratio tests; `ms` is milliseconds a sample, None where votes were kept from before; `grown`
    counts models that the bank has beyond the `bank_models` that are calibrated.
    """

    rows: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int]
    mean_models: float
    ms: float | None
    score: str
    bank_hash: str
    bank_models: int
    grown: int
    thresholds: Mapping[str, float]


def bank_table(values: BankValues) -> Table:
    """One row a model of a bank."""
    columns = ("model", "family", "nodes", "degree", "ASPL", "accuracy", "kept", "seconds")
    table = new_table("bank", columns)
    for model in values["models"]:
        table.add_row(
            plain(model["name"]),
            plain(model["family"]),
            number(model["nodes"], "d"),
            number(model["degree"], ".2f"),
            number(model["aspl"], ".3f"),
            number(model["accuracy"], ".2%"),
            _kept(model),
            f"{model['seconds']:.1f}",
        )
    return table


def _kept(model: ModelValues) -> str:
    if model["kept"]:
        return "yes"
    return "diverged" if model["accuracy"] is None else "below floor"


def bank_lines(values: BankValues) -> list[str]:
    """What a bank has, in words."""
    models = values["models"]
    kept = [model["accuracy"] or 0.0 for model in models if model["kept"]]
    mean = f", mean accuracy {sum(kept) / len(kept):.2%}" if kept else ""
    return [
        f"kept {len(kept)} of {len(models)} models{mean} (original {values['accuracy']:.2%}, "
        f"floor {values['floor']:.2%})",
        f"{byte_size(values['bytes'])}, {sum(model['seconds'] for model in models):.1f} s of "
        f"training, bank {values['hash'][:12]}",
    ]


def attack_table(attacks: Iterable[AttackValues]) -> Table:
    """One row an attack: how often it succeeded, why not, and how far it went."""
    rows = list(attacks)
    columns = ("attack", "tried", "succeeded", "failed", "l2", "linf", "pixels", "seconds")
    signals = any("psr" in values for values in rows)
    ratios = ("psr dB", "largest") if signals else ()
    table = new_table("attacks", (*columns, *ratios))
    for values in rows:
        tried, won = values["attempted"], values["succeeded"]
        reasons = ", ".join(
            f"{count} {why}" for why, count in values["failed"].items() if count
        )
        told = (values.get("psr"), values.get("psr_max")) if signals else ()
        table.add_row(
            plain(values["attack"]),
            str(tried),
            f"{won} ({won / tried:.1%})" if tried else "0",
            plain(reasons, longest=200) if reasons else "0",
            number(values["l2"], ".3f"),
            number(values["linf"], ".3f"),
            number(values["pixels"], ".0f"),
            f"{values['seconds']:.1f}",
            *(number(ratio, ".1f") for ratio in told),
        )
    table.caption = "l2, linf, pixels changed: medians over successes, brightest pixel 1"
    if signals:
        table.caption += "; psr: power of the change over that of the frame, likewise"
    return table


def calibration_table(values: CalibrationValues) -> Table:
    """One row a score: its threshold, and how many clean samples are above it."""
    samples = values["samples"]
    title = f"thresholds from {samples:,} clean samples"
    columns = ("score", "threshold", "flagged", "share", "bound", "looks at")
    table = new_table(title, columns)
    for score in values["scores"]:
        table.add_row(
            plain(score["score"]),
            f"{score['threshold']:.4f}",
            f"{score['flagged']:,}",
            f"{score['flagged'] / samples:.2%}" if samples else "-",
            f"{score['bound']:.2%}",
            ", ".join(map(str, score["looks"])),
        )
    table.caption = (
        f"asked: {values['fpr']:.2%} of clean samples; below the bound with "
        f"{values['confidence']:.0%} confidence; threshold of the last look"
    )
    return table


def calibration_lines(values: CalibrationValues) -> list[str]:
    """The label change rate's threshold, beside the published one."""
    published = values["mean_rate"] + values["half_width"]
    return [
        f"tau {values['tau']:.4f}; clean label change rate {values['mean_rate']:.4f}, with the "
        f"published 99 % half width {published:.4f}"
    ]


def detection_table(values: DetectionValues, *, most: int = MOST_ROWS) -> Table:
    """One row a sample, the first `most` of them; the caption says how to get the others."""
    rows = values["rows"]
    named = any(row["name"] is not None for row in rows[:most])
    columns = ("sample", *(("file",) if named else ()), "label", "confidence", "rate")
    table = new_table("samples", (*columns, values["score"], "models", "decision"))
    for row in rows[:most]:
        name = (plain(row["name"] or ""),) if named else ()
        table.add_row(
            str(row["index"]),
            *name,
            plain(_label(row)),
            number(row["confidence"], ".3f"),
            number(row["rate"], ".3f"),
            number(row["score"], ".4f"),
            str(row["models"]),
            Text(row["decision"], style=_STYLES.get(row["decision"], "")),
        )
    if len(rows) > most:
        table.caption = (
            f"{most:,} of {len(rows):,} samples; all with --json, or --out as .csv or .jsonl"
        )
    return table


def detection_lines(values: DetectionValues) -> list[str]:
    """Counts, cost and thresholds of a detection, in words."""
    counts = values["counts"]
    order = ("adversarial", "normal", "undecided")
    found = ", ".join(f"{counts.get(name, 0):,} {name}" for name in order)
    looks = ", ".join(f"{limit:.4f} at {look}" for look, limit in values["thresholds"].items())
    limits = f"{values['score']} thresholds by models: {looks}" if looks else "a ratio test"
    lines = [
        f"{sum(counts.values()):,} samples: {found}",
        f"{values['mean_models']:.2f} models" + _time(values["ms"]) + " a sample",
        f"bank {values['bank_hash'][:12]}, {limits}",
    ]
    if grown := values.get("grown", 0):
        models = values["bank_models"]
        lines.append(
            f"judged by the first {models} models, which are calibrated; the bank has "
            f"{models + grown}: ggt calibrate takes in all"
        )
    return lines


def _time(ms: float | None) -> str:
    return "" if ms is None else f" and {ms:.3f} ms"


def plain(text: str, *, longest: int = _LONGEST) -> Text:
    """Text from outside: no markup, no control characters, its middle left out if long."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(shown) > longest:
        half = (longest - 3) // 2
        shown = f"{shown[:half]}...{shown[-half:]}"
    return Text(shown)


def number(value: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else format(value, form)


def _label(row: Mapping[str, Any]) -> str:
    label, name = str(row["label"]), str(row["label_name"])
    return label if name in ("", label) else f"{label} {name}"

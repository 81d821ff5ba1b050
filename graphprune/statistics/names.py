"""How measures and outcomes are called in sentences."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Name:
    """Words for a measure: the quantity, its unit, and having little or much of it."""

    label: str
    unit: str
    little: str
    much: str


_MEASURES = {
    "aspl": Name("average path length", "hop", "shorter paths", "longer paths"),
    "diameter": Name("diameter", "hop", "smaller diameters", "larger diameters"),
    "clustering": Name("clustering", "unit", "less clustering", "more clustering"),
    "spectral_gap": Name(
        "spectral gap", "unit", "smaller spectral gaps", "larger spectral gaps"
    ),
    "ramanujan_margin": Name(
        "Ramanujan margin", "unit", "smaller Ramanujan margins", "larger Ramanujan margins"
    ),
    "log_paths": Name(
        "log count of paths from input to output",
        "unit",
        "fewer paths from input to output",
        "more paths from input to output",
    ),
    "gradient_resistance": Name(
        "gradient resistance", "unit", "lower gradient resistance", "higher gradient resistance"
    ),
    "parameter_usage": Name(
        "parameter usage", "unit", "lower parameter usage", "higher parameter usage"
    ),
}
MEASURES = tuple(_MEASURES)

_OUTCOMES = {
    "accuracy": "accuracy",
    "train_accuracy": "training accuracy",
    "held_out_accuracy": "held-out accuracy",
}


def name_of(measure: str) -> Name:
    """Words for a measure, from its field's name where nothing better is known."""
    words = measure.replace("_", " ")
    return _MEASURES.get(measure) or Name(words, "unit", f"lower {words}", f"higher {words}")


def outcome_of(outcome: str) -> str:
    """Words for an outcome."""
    return _OUTCOMES.get(outcome, outcome.replace("_", " "))

"""Attackers who adapt to the detector: who they are, and how their success is counted.

A *row* is a dict that JSON can hold: the settings of one attack (those of `SETTINGS` that
apply) and what `evasion` counts. Samples are images that the original classifies correctly.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ggt.sequential import ADVERSARIAL, NORMAL, UNDECIDED
from graphprune.errors import SpecError

Row = dict[str, Any]
SETTINGS = (
    "threat",
    "mode",
    "known",
    "members",
    "epsilon",
    "norm",
    "steps",
    "restarts",
    "weight",
    "scored_on",
)
"""What tells two rows of one bank apart."""


@dataclass(frozen=True, slots=True)
class ThreatModel:
    """What an attacker has, in one sentence."""

    name: str
    knows: str


THREATS = {
    threat.name: threat
    for threat in (
        ThreatModel("static", "Has the original, and knows of no detector."),
        ThreatModel(
            "grey",
            "Has the original, the training data and the method, and trains an own bank.",
        ),
        ThreatModel("known", "Has the original and some or all models of the bank itself."),
        ThreatModel("query", "Sees the label and the flag of every image sent, nothing else."),
    )
}


def evasion(
    clean_labels: ArrayLike,
    base_labels_after: ArrayLike,
    decisions: ArrayLike,
    norms: ArrayLike | None = None,
    *,
    bound: float | None = None,
) -> Row:
    """Count attacks that fool the original and get past the detector.

    Args:
        clean_labels: The right labels; shape (samples,), as all that follow.
        base_labels_after: The original's labels of the attacked samples.
        decisions: The detector's.
        norms: Distances from the clean samples, in pixel units.
        bound: A sample that moved further counts as one that is not fooled; needs `norms`.

    Returns:
        Counts `samples`, `misclassified`, and of the misclassified `flagged`, `undecided`,
        `evaded` (called normal: the success where undecided samples are stopped) and
        `unflagged` (evaded or undecided: where they pass). Each but `samples` has a `_rate`
        with 95 % bounds `_low` and `_high`: shares of all samples, but of the misclassified
        for `flagged` and `undecided`; None where there is nothing to share. `norm_median` and
        `norm_max` are of the evaded, None where there are none.

    Raises:
        SpecError: Shapes do not line up, a decision is unknown, or there is a bound alone.
    """
    right, after, said = map(np.asarray, (clean_labels, base_labels_after, decisions))
    far = None if norms is None else np.asarray(norms, dtype=np.float64)
    shapes = [each.shape for each in (right, after, said, far) if each is not None]
    if right.ndim != 1 or len(set(shapes)) > 1:
        raise SpecError(f"labels, decisions and norms need one shape (samples,), got {shapes}")
    if not np.isin(said, [ADVERSARIAL, NORMAL, UNDECIDED]).all():
        raise SpecError(f"unknown decisions among {sorted(set(said.tolist()), key=str)}")
    if bound is not None and far is None:
        raise SpecError("a bound needs norms")
    fooled = right != after
    if bound is not None and far is not None:
        fooled &= far <= bound
    evaded = fooled & (said == NORMAL)
    wrong, total = int(fooled.sum()), len(right)
    row: Row = {"samples": total}
    row |= _share("misclassified", wrong, total)
    row |= _share("flagged", int((fooled & (said == ADVERSARIAL)).sum()), wrong)
    row |= _share("undecided", int((fooled & (said == UNDECIDED)).sum()), wrong)
    row |= _share("evaded", int(evaded.sum()), total)
    row |= _share("unflagged", int((fooled & (said != ADVERSARIAL)).sum()), total)
    some = far is not None and evaded.any()
    row["norm_median"] = float(np.median(far[evaded])) if some and far is not None else None
    row["norm_max"] = float(far[evaded].max()) if some and far is not None else None
    return row


def wilson(count: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of a binomial share, `total` being at least 1.

    Source: Wilson, J. Am. Stat. Assoc. 22:209 (1927).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, scale = count / total, 1 + z * z / total
    middle = (rate + z * z / (2 * total)) / scale
    half = z / scale * (rate * (1 - rate) / total + z * z / (4 * total * total)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _share(name: str, count: int, total: int) -> Row:
    low, high = wilson(count, total) if total else (None, None)
    rate = count / total if total else None
    return {name: count, f"{name}_rate": rate, f"{name}_low": low, f"{name}_high": high}


def under_rejection(labels: ArrayLike, base_labels: ArrayLike, decisions: ArrayLike) -> Row:
    """What the detector costs on clean samples: accuracy with it and without.

    Returns:
        `samples`; `passed`, `flagged`, `undecided`: counts, with rates and bounds as in
        `evasion`, shares of all samples; `accuracy`, of all; `accuracy_passed`, of those that
        pass, None where none does.

    Raises:
        SpecError: Shapes do not line up.
    """
    right, after, said = map(np.asarray, (labels, base_labels, decisions))
    if right.ndim != 1 or not right.shape == after.shape == said.shape or not len(right):
        raise SpecError(
            "labels and decisions need one shape (samples,), got "
            f"{[right.shape, after.shape, said.shape]}"
        )
    total, passed = len(right), said == NORMAL
    row: Row = {"samples": total}
    row |= _share("passed", int(passed.sum()), total)
    row |= _share("flagged", int((said == ADVERSARIAL).sum()), total)
    row |= _share("undecided", int((said == UNDECIDED).sum()), total)
    row["accuracy"] = float((right == after).mean())
    row["accuracy_passed"] = float((right == after)[passed].mean()) if passed.any() else None
    return row

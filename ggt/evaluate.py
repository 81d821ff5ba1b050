"""How detectors compare on the same samples: rows of figures from votes, nothing asked again.

A set of samples is known by its name: "clean" (correctly classified test images), "placebo"
(the same through a file), "fresh clean" (more of the kind, attacked by nobody), "wrong label"
(test images that the original gets wrong), and one name an attack. AUROC and true-positive
rates compare a set with "clean".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ggt.baselines import FREE
from ggt.calibration import Calibration
from ggt.detector import ADVERSARIAL, UNDECIDED, GroupRule
from ggt.metrics import auroc, binomial_band, figures
from ggt.scores import SCORES, Reference, score_paths
from ggt.sequential import Verdicts
from ggt.votes import Votes

CLEAN, PLACEBO, FRESH, WRONG = "clean", "placebo", "fresh clean", "wrong label"
NO_ATTACK = (CLEAN, PLACEBO, FRESH, WRONG)
DRAWS = 200  # of the bootstrap of a mean over attacks
Scores = NDArray[np.float64]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One group of voters: their votes on every set of samples, and their calibration.

    `held_out` are their votes on the clean samples that calibrated them.
    """

    name: str
    votes: Mapping[str, Votes]
    held_out: Votes
    calibration: Calibration

    @property
    def models(self) -> int:
        """Number of voters."""
        return len(self.held_out.models)

    def scores(self, score: str, models: int) -> dict[str, Scores]:
        """The score of the first `models` voters on each set, by its name."""
        reference = Reference.of(self.held_out, (models,)) if score == "combined" else None
        return {
            name: score_paths(votes, score, (models,), reference)[:, 0]
            for name, votes in self.votes.items()
        }


def attacks_of(sets: Mapping[str, Any]) -> list[str]:
    """Names of the sets that are attacks, in their order."""
    return [name for name in sets if name not in NO_ATTACK]


def free_rows(votes: Mapping[str, Votes], *, seed: int = 0) -> list[Row]:
    """A row for each score that needs nothing but the original."""
    return [
        score_row(
            {key: score(part.base) for key, part in votes.items()},
            detector=name,
            models=0,
            seed=seed,
        )
        for name, score in FREE.items()
    ]


def panel_rows(
    panel: Panel,
    counts: Sequence[int],
    *,
    scores: Sequence[str] = SCORES,
    seed: int = 0,
) -> list[Row]:
    """A row for each score and each count of models that the panel has."""
    return [
        score_row(
            panel.scores(score, count),
            detector=f"{panel.name}, {score}",
            models=count,
            seed=seed,
        )
        for score in scores
        for count in counts
        if count <= panel.models
    ]


def score_row(
    scores: Mapping[str, Scores], *, detector: str, models: int, seed: int = 0
) -> Row:
    """Figures of one detector, in each column and over all attacks.

    Args:
        scores: One array a set; "clean" among them. Higher is more suspicious.
        detector: Its name.
        models: How many models it asks.
        seed: Of the bootstrap.

    Returns:
        "detector", "models", "columns" (set -> auroc, low, high, tpr by rate, samples),
        "mean_auroc" with "mean_low" and "mean_high" (95 % bootstrap), "least_auroc" and
        "mean_tpr" over the attacks.
    """
    columns = {
        name: _column(scores[CLEAN], own, seed)
        for name, own in scores.items()
        if name != CLEAN and len(own)
    }
    attacks = attacks_of(columns)
    row: Row = {"detector": detector, "models": models, "columns": columns}
    if attacks:
        areas = [columns[name]["auroc"] for name in attacks]
        low, high = _mean_interval(scores[CLEAN], [scores[name] for name in attacks], seed)
        rates = columns[attacks[0]]["tpr"]
        row |= {
            "mean_auroc": float(np.mean(areas)),
            "mean_low": low,
            "mean_high": high,
            "least_auroc": float(np.min(areas)),
            "mean_tpr": {
                rate: float(np.mean([columns[name]["tpr"][rate] for name in attacks]))
                for rate in rates
            },
        }
    return row


def rule_row(panel: Panel, score: str) -> Row:
    """What the calibrated group-sequential rule does with each set.

    Returns:
        "detector", "score", "fpr" asked for, "columns" (set -> flagged and undecided shares,
        mean models, samples), "false_positive_rate" on fresh clean samples, or "clean" ones
        where there are none, beside the binomial 95 % "band" of the rate asked for, and mean
        models on "clean" and over the attacks.
    """
    rule = GroupRule(panel.calibration, score)
    columns = {
        name: _outcome(rule.decide(votes)) for name, votes in panel.votes.items() if len(votes)
    }
    fpr, fresh = panel.calibration.fpr, columns.get(FRESH, columns[CLEAN])
    low, high = binomial_band(fpr, fresh["samples"])
    attacks = attacks_of(columns)
    return {
        "detector": f"{panel.name}, {score}",
        "score": score,
        "fpr": fpr,
        "columns": columns,
        "false_positive_rate": fresh["flagged"],
        "band": [low, high],
        "within_band": low - 1e-9 <= fresh["flagged"] <= high + 1e-9,
        "models_clean": columns[CLEAN]["models"],
        "models_adversarial": _mean([columns[name]["models"] for name in attacks]),
        "flagged_adversarial": _mean([columns[name]["flagged"] for name in attacks]),
    }


def _column(clean: Scores, other: Scores, seed: int) -> Row:
    found = figures(clean, other, seed)
    return {
        "auroc": found.auroc,
        "low": found.low,
        "high": found.high,
        "tpr": {f"{rate:g}": share for rate, share in found.tpr.items()},
        "samples": found.n_adversarial,
    }


def _outcome(verdicts: Verdicts) -> Row:
    decisions = verdicts.decisions
    return {
        "flagged": float((decisions == ADVERSARIAL).mean()),
        "undecided": float((decisions == UNDECIDED).mean()),
        "models": float(verdicts.models_used.mean()),
        "samples": len(decisions),
    }


def _mean_interval(clean: Scores, others: list[Scores], seed: int) -> tuple[float, float]:
    """95 % bootstrap interval of the mean AUROC; a draw shares its clean samples."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(DRAWS):
        drawn = rng.choice(clean, len(clean))
        means.append(np.mean([auroc(drawn, rng.choice(own, len(own))) for own in others]))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None

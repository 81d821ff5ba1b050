"""Calibrates a detector on clean votes, and decides by it: adversarial, normal, undecided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ggt.calibration import METHODS, Calibration, Method
from ggt.scores import SCORES, Reference, label_change_rate, score_paths
from ggt.sequential import ADVERSARIAL as ADVERSARIAL
from ggt.sequential import NORMAL as NORMAL
from ggt.sequential import UNDECIDED as UNDECIDED
from ggt.sequential import RatioRule as RatioRule
from ggt.sequential import Verdicts as Verdicts
from ggt.thresholds import group_thresholds, half_width, mean_thresholds, settle
from ggt.votes import Votes
from graphprune.errors import SpecError

FIRST_LOOKS = (1, 2, 3, 4, 5, 6, 8)  # then every fifth model
LOOK_EVERY = 5


def default_looks(models: int) -> tuple[int, ...]:
    """1, 2, 3, 4, 5, 6, 8, 10, 15, 20 and so on below `models`, then `models` itself."""
    usual = (*FIRST_LOOKS, *range(2 * LOOK_EVERY, models, LOOK_EVERY))
    return (*(look for look in usual if look < models), models)


def calibrate(
    votes: Votes,
    *,
    fpr: float = 0.05,
    confidence: float = 0.95,
    looks: Sequence[int] | None = None,
    method: Method = "quantile",
    loss: float = 0.02,
    data_hash: str = "",
    only_correct: bool = False,
) -> Calibration:
    """Fix the thresholds of every score on clean samples.

    "quantile" is group-sequential: thresholds for each look that together flag at most as many
    of the clean samples as keep the binomial upper bound at `fpr` or below; how, and why that
    is sound, says `ggt.thresholds.group_thresholds`. "published" looks once, at the whole bank,
    and flags above the mean plus its 99 % half width, whatever rate that gives.

    Args:
        votes: Of the whole bank on clean samples that trained nothing and are tested nowhere.
        fpr: Highest false-positive rate, in (0, 1).
        confidence: Of the binomial bound, in (0, 1).
        looks: Rising counts of models at which to decide. Default: `default_looks`, or the
            whole bank for "published".
        method: "quantile" or "published".
        loss: Share of the flagged clean samples that may be cleared early instead, in [0, 1).
        data_hash: Says which samples these are.
        only_correct: Whether they are only those that the original classifies correctly.

    Raises:
        SpecError: A model was not asked about some sample, there are too few samples for the
            rate, or an argument is out of range.
    """
    models = len(votes.models)
    if not len(votes) or not models:
        raise SpecError(f"{len(votes)} samples and {models} models calibrate nothing")
    if not (np.isfinite(votes.base).all() and np.isfinite(votes.bank).all()):
        raise SpecError("to calibrate, every model has to be asked about every sample")
    for name, value in (("fpr", fpr), ("confidence", confidence)):
        if not 0 < value < 1:
            raise SpecError(f"{name} must be in (0, 1), got {value}")
    if not 0 <= loss < 1:
        raise SpecError(f"loss must be in [0, 1), got {loss}")
    chosen = _looks(looks, models, method)
    reference = Reference.of(votes, chosen)
    scores = {}
    for score in SCORES:
        paths = score_paths(votes, score, chosen, reference)
        scores[score] = (
            mean_thresholds(paths, confidence=confidence)
            if method == "published"
            else group_thresholds(paths, fpr=fpr, confidence=confidence, loss=loss)
        )
    return Calibration(
        bank_hash=votes.bank_hash,
        data_hash=data_hash,
        samples=len(votes),
        only_correct=only_correct,
        fpr=fpr,
        confidence=confidence,
        method=method,
        looks=chosen,
        scores=scores,
        reference=reference,
        tau=_tau(votes, fpr),
        models=votes.models,
    )


def _looks(looks: Sequence[int] | None, models: int, method: str) -> tuple[int, ...]:
    """The looks asked for, or the default ones."""
    if method not in METHODS:
        raise SpecError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "published":
        if looks is not None and tuple(looks) != (models,):
            raise SpecError(f'method "published" looks once, at all {models} models')
        return (models,)
    chosen = default_looks(models) if looks is None else tuple(map(int, looks))
    if chosen and chosen[-1] > models:
        raise SpecError(f"looks {chosen} go beyond the bank's {models} models")
    return chosen


def _tau(votes: Votes, fpr: float) -> dict[str, float]:
    """Clean label change rates over the whole bank, in the forms that a ratio test may take."""
    rates = label_change_rate(votes.labels, votes.base_labels)
    mean, half = float(rates.mean()), half_width(rates)
    return {
        "mean": mean,
        "half_width": half,
        "published": mean + half,
        "quantile": float(np.quantile(rates, 1 - fpr, method="higher")),
    }


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Group-sequential: looks at a few counts of models, and stops where a score settles.

    `score` is one of `ggt.scores.SCORES`; `cap` the most models to use (None: up to the last
    look calibrated). What a cap below that look leaves unsettled stays undecided.

    Raises:
        SpecError: Unknown score, or a cap below the first look.
    """

    calibration: Calibration
    score: str = "soft"
    cap: int | None = None

    def __post_init__(self) -> None:
        _check_score(self.calibration, self.score)
        if self.cap is not None and self.cap < self.calibration.looks[0]:
            raise SpecError(
                f"cap must be at least {self.calibration.looks[0]}, the first look, got "
                f"{self.cap}"
            )

    @property
    def looks(self) -> tuple[int, ...]:
        """Counts of models after which it may decide."""
        looks = self.calibration.looks
        return tuple(look for look in looks if self.cap is None or look <= self.cap)

    def decide(self, votes: Votes) -> Verdicts:
        """What the votes say; "undecided" where they, or the looks, end too early."""
        thresholds, count = self.calibration.scores[self.score], len(self.looks)
        paths = score_paths(votes, self.score, self.looks, self.calibration.reference)
        return _verdicts(
            votes, paths, self.looks, thresholds.flag[:count], thresholds.clear[:count]
        )


@dataclass(frozen=True, slots=True)
class FixedRule:
    """Decides once, after `models` models, by the threshold calibrated for that look alone.

    Raises:
        SpecError: Unknown score, or a count that is no calibrated look.
    """

    calibration: Calibration
    score: str
    models: int

    def __post_init__(self) -> None:
        _check_score(self.calibration, self.score)
        if self.models not in self.calibration.looks:
            raise SpecError(
                f"models must be one of the calibrated looks {self.calibration.looks}, got "
                f"{self.models}"
            )

    @property
    def looks(self) -> tuple[int, ...]:
        """The one count of models after which it decides."""
        return (self.models,)

    @property
    def cap(self) -> int:
        """Most models that it uses."""
        return self.models

    def decide(self, votes: Votes) -> Verdicts:
        """What the votes say; "undecided" where they end too early."""
        at = self.calibration.looks.index(self.models)
        bound = self.calibration.scores[self.score].fixed[at]
        paths = score_paths(votes, self.score, self.looks, self.calibration.reference)
        return _verdicts(votes, paths, self.looks, (bound,), (bound,))


def _check_score(calibration: Calibration, score: str) -> None:
    if score not in calibration.scores:
        raise SpecError(f"score must be one of {', '.join(SCORES)}, got {score!r}")


def _verdicts(
    votes: Votes,
    paths: NDArray[np.float64],
    looks: tuple[int, ...],
    flag: tuple[float, ...],
    clear: tuple[float, ...],
) -> Verdicts:
    """Verdicts of a rule with these thresholds on scores of shape (samples, looks)."""
    at, flagged = settle(paths, flag, clear)
    settled = at >= 0
    reached = (~np.isnan(paths)).cumsum(axis=1)[:, -1]  # looks that could be taken
    last = np.where(settled, at, np.maximum(reached - 1, 0))
    asked = np.logical_and.accumulate(votes.asked[:, : looks[-1]], axis=1).sum(axis=1)
    decisions = np.where(settled, np.where(flagged, ADVERSARIAL, NORMAL), UNDECIDED)
    return Verdicts(
        decisions=decisions,
        models_used=np.where(settled, np.array(looks)[last], asked).astype(np.intp),
        scores=paths[np.arange(len(paths)), last],
        statistic=np.full(len(paths), np.nan),
    )

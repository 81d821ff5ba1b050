"""The probability ratio test on label changes, as Wald defines it and as published for MMT.

After n models with c label changes the log likelihood ratio of the rates p1 = tau + relax * tau
and p0 = tau - relax * tau is c ln(p1 / p0) + (n - c) ln((1 - p1) / (1 - p0)). A sample is
adversarial once it reaches ln((1 - beta) / alpha), normal at ln(beta / (1 - alpha)) or below.

Both error rates hold for independent votes only. Real clean votes are a mixture (a few images
flip nearly every model), so they are no promise; calibrated group-sequential rules of
`ggt.detector` are.

Source: Wald, Sequential Tests of Statistical Hypotheses, 1945; Wang et al., ICSE 2019,
arXiv:1812.05793, for its use on mutated models.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ggt.scores import label_change_rate, label_changes
from ggt.votes import NOT_ASKED, Votes
from graphprune.errors import SpecError

NORMAL, ADVERSARIAL, UNDECIDED = "normal", "adversarial", "undecided"

Mode = Literal["wald", "mmt-compat"]
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What a rule says of each sample; every array has shape (samples,).

    `decisions` holds "normal", "adversarial" or "undecided"; `models_used` how many models the
    decision took, or were asked so far where there is none; `scores` the score over those
    models and `statistic` the log likelihood ratio, both NaN where there is none.
    """

    decisions: NDArray[np.str_]
    models_used: NDArray[np.intp]
    scores: NDArray[np.float64]
    statistic: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SprtResult:
    """Outcome of a ratio test: shape () for one string of flips, else shape (samples,).

    `models_used` counts the models up to the decision. `ratio` is the log likelihood ratio
    that was last computed, 0 where no model was asked.
    """

    decision: NDArray[np.str_]
    models_used: NDArray[np.intp]
    ratio: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Test:
    """Steps and bounds of a ratio test, in nats.

    Raises:
        SpecError: A value is out of range.
    """

    tau: float
    relax: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise SpecError(f"tau must be above 0, got {self.tau}")
        if not 0 < self.relax < 1:
            raise SpecError(f"relax must be in (0, 1), got {self.relax}")
        if not self.p1 < 1:
            raise SpecError(f"tau + relax * tau must be below 1, got {self.p1}")
        if not (self.alpha > 0 and self.beta > 0 and self.alpha + self.beta < 1):
            raise SpecError(
                f"alpha and beta must be above 0 and sum to less than 1, got {self.alpha} "
                f"and {self.beta}"
            )

    @property
    def p1(self) -> float:
        """Flip rate of adversarial samples."""
        return self.tau + self.relax * self.tau

    @property
    def p0(self) -> float:
        """Flip rate of normal samples."""
        return self.tau - self.relax * self.tau

    @property
    def steps(self) -> tuple[float, float]:
        """What a flip adds to the ratio, and what a model without flip adds."""
        return math.log(self.p1 / self.p0), math.log((1 - self.p1) / (1 - self.p0))

    @property
    def bounds(self) -> tuple[float, float]:
        """Adversarial from the first on, normal at the second or below."""
        return (
            math.log((1 - self.beta) / self.alpha),
            math.log(self.beta / (1 - self.alpha)),
        )


def sprt(
    flips: NDArray[Any],
    *,
    tau: float,
    relax: float = 0.1,
    alpha: float = 0.05,
    beta: float = 0.05,
    mode: Mode = "wald",
    cap: int | None = None,
) -> SprtResult:
    """Test whether label changes come at a rate above or below `tau`, model by model.

    "wald" counts the current flip and tests after every model, in both directions; a string
    that ends before is undecided. "mmt-compat" reproduces the published loop: the ratio is
    computed before the current flip is counted although n includes its model, and is compared
    with the bounds only where the label changed. That loop counts a model, gives up as "normal"
    if the count is above the cap, and only then asks the model; so a sample that is settled by
    nothing uses cap + 1 models, of which cap were asked. A string that ends before the cap is
    undecided there too, since the published loop would have gone on.

    Args:
        flips: 1 or True where a model changes the label, 0 where not, -1 where it was not
            asked, which ends the string; shape (models,) or (samples, models).
        tau: Rate of label changes between normal and adversarial, in (0, 1).
        relax: Half width of the zone of indifference, as a share of `tau`.
        alpha: Share of normal samples that may be called adversarial.
        beta: Share of adversarial samples that may be called normal.
        mode: "wald" or "mmt-compat".
        cap: Most models to ask; None for all in `flips`.

    Raises:
        SpecError: A value is out of range, or `flips` holds something else.
    """
    test = _Test(tau, relax, alpha, beta)
    if mode not in MODES:
        raise SpecError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if cap is not None and cap < 1:
        raise SpecError(f"cap must be at least 1, got {cap}")
    flips = np.asarray(flips)
    if flips.ndim not in (1, 2) or not np.isin(flips, (NOT_ASKED, 0, 1)).all():
        raise SpecError("flips must be 0, 1 or -1 in one string or a matrix (samples, models)")
    rows = np.atleast_2d(flips).astype(np.int64)
    cap = rows.shape[1] if cap is None else cap
    decision, used, ratio = _run(rows[:, :cap], test, mode, cap)
    shape = flips.shape[:-1]
    return SprtResult(decision.reshape(shape), used.reshape(shape), ratio.reshape(shape))


def _run(
    rows: NDArray[np.int64], test: _Test, mode: str, cap: int
) -> tuple[NDArray[np.str_], NDArray[np.intp], NDArray[np.float64]]:
    samples, models = rows.shape
    asked = np.logical_and.accumulate(rows != NOT_ASKED, axis=1)
    flipped = asked & (rows == 1)
    counted = flipped.cumsum(axis=1)
    if mode == "mmt-compat":
        counted = counted - flipped  # hazard 1: without the current flip
    flip, stay = test.steps
    ratios = counted * flip + (np.arange(1, models + 1) - counted) * stay
    upper, lower = test.bounds
    stops = asked & ((ratios >= upper) | (ratios <= lower))
    if mode == "mmt-compat":
        stops &= flipped  # hazard 2: tested only where the label changed
    settled = stops.any(axis=1)
    length = asked.sum(axis=1)
    used = np.where(settled, stops.argmax(axis=1) + 1 if models else 0, length)
    padded = np.concatenate([np.zeros((samples, 1)), ratios], axis=1)
    ratio = padded[np.arange(samples), used]
    decision = np.where(settled, np.where(ratio >= upper, ADVERSARIAL, NORMAL), UNDECIDED)
    if mode == "mmt-compat":
        gave_up = ~settled & (length >= cap)
        decision = np.where(gave_up, NORMAL, decision)
        used = np.where(gave_up, cap + 1, used)
    return decision, used, ratio


def models_to_flag(
    *, tau: float, relax: float = 0.1, alpha: float = 0.05, beta: float = 0.05
) -> int:
    """Models in a row that change the label until "wald" says adversarial.

    Raises:
        SpecError: A value is out of range.
    """
    test = _Test(tau, relax, alpha, beta)
    return _steps_to(test.bounds[0], test.steps[0])


def models_to_clear(
    *, tau: float, relax: float = 0.1, alpha: float = 0.05, beta: float = 0.05
) -> int:
    """Models in a row that keep the label until "wald" says normal.

    Raises:
        SpecError: A value is out of range.
    """
    test = _Test(tau, relax, alpha, beta)
    return _steps_to(-test.bounds[1], -test.steps[1])


def _steps_to(bound: float, step: float) -> int:
    """Least n with n * step >= bound, in the arithmetic of the test itself."""
    count = math.ceil(bound / step)
    while (count - 1) * step >= bound:
        count -= 1
    while count * step < bound:
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class RatioRule:
    """Decides by the ratio test on label changes, with at most `cap` models.

    In mode "mmt-compat" a sample that nothing settles is "normal" once `cap` models were asked;
    `models_used` of its verdict is then the models asked, not the published count of one more.

    Raises:
        SpecError: A value is out of range.
    """

    tau: float
    relax: float = 0.1
    alpha: float = 0.05
    beta: float = 0.05
    mode: Mode = "wald"
    cap: int = 100

    def __post_init__(self) -> None:
        self._test(np.zeros((0, 1), np.int64))

    @property
    def looks(self) -> tuple[int, ...]:
        """Counts of models after which it may decide."""
        return tuple(range(1, self.cap + 1))

    def decide(self, votes: Votes) -> Verdicts:
        """What the votes say; "undecided" where they end too early."""
        changes = label_changes(votes.labels, votes.base_labels)
        changes[~np.isfinite(votes.base).all(axis=1)] = np.nan  # nothing to compare with
        result = self._test(np.nan_to_num(changes, nan=NOT_ASKED).astype(np.int64))
        used = np.minimum(result.models_used, self.cap)
        seen = np.arange(len(votes.models)) < used[:, None]
        rates = label_change_rate(np.where(seen, votes.labels, NOT_ASKED), votes.base_labels)
        ratio = np.where(used > 0, result.ratio, np.nan)
        return Verdicts(result.decision, used, rates, ratio)

    def _test(self, flips: NDArray[np.int64]) -> SprtResult:
        return sprt(
            flips,
            tau=self.tau,
            relax=self.relax,
            alpha=self.alpha,
            beta=self.beta,
            mode=self.mode,
            cap=self.cap,
        )

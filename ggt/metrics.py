"""How well scores tell adversarial from clean samples: figures with their intervals.

Scores are higher for samples that look more adversarial; one float a sample. A score that is no
number is refused, never left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from graphprune.errors import SpecError

Scores = NDArray[np.float64]
RATES = (0.01, 0.05, 0.1)  # false-positive rates at which figures give the true ones
DRAWS_AT_ONCE = 4_000_000  # counts held in memory by a bootstrap


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What a table says of one detector and one attack.

    `auroc` with its interval `low` to `high`, and `tpr`: false-positive rate asked for -> share
    of adversarial samples above the threshold. All are fractions; the rest are counts.
    """

    auroc: float
    low: float
    high: float
    tpr: Mapping[float, float]
    n_clean: int
    n_adversarial: int


def figures(
    clean: ArrayLike, adversarial: ArrayLike, seed: int = 0, *, draws: int = 1000
) -> Figures:
    """All figures of one column, with the 95 % interval of the AUROC.

    Raises:
        SpecError: Scores are empty, not one a sample, or not numbers.
    """
    interval = auroc_interval(clean, adversarial, draws=draws, seed=seed)
    return Figures(
        interval.value,
        interval.low,
        interval.high,
        {rate: tpr_at_fpr(clean, adversarial, rate) for rate in RATES},
        len(_scores("clean", clean)),
        len(_scores("adversarial", adversarial)),
    )


def auroc(clean: ArrayLike, adversarial: ArrayLike) -> float:
    """Chance that an adversarial sample scores above a clean one; a tie counts one half.

    Args:
        clean: Scores of clean samples; shape (samples,), at least one.
        adversarial: Scores of adversarial samples; shape (samples,), at least one.

    Raises:
        SpecError: Scores are empty, not one a sample, or not numbers.

    Source: Mann and Whitney, Annals of Mathematical Statistics 18:50 (1947).
    """
    codes, levels = _codes(clean, adversarial)
    return float(_area(*(np.bincount(code, minlength=levels)[None] for code in codes))[0])


def auroc_interval(
    clean: ArrayLike,
    adversarial: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """AUROC with the percentile interval of a stratified bootstrap.

    Clean and adversarial samples are drawn anew, each from their own, as many as there are.

    Raises:
        SpecError: As `auroc`; or draws below 1, or confidence outside (0, 1).
    """
    areas = _bootstrap([_codes(clean, adversarial)], draws, seed)[0]
    return _interval(auroc(clean, adversarial), areas, confidence)


def auroc_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    *,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """AUROC of one detector minus that of another on the same samples, with its interval.

    Paired: each draw of the bootstrap takes the same samples for both.

    Args:
        first: Clean and adversarial scores of one detector.
        second: Those of the other, of the same samples in the same order.
        draws: Bootstrap draws, at least 1.
        seed: Fixes the draws.
        confidence: Share of draws inside the interval, in (0, 1).

    Raises:
        SpecError: As `auroc_interval`; or the two are not of equally many samples.
    """
    sizes = [tuple(np.size(part) for part in pair) for pair in (first, second)]
    if sizes[0] != sizes[1]:
        raise SpecError(
            f"detectors on {sizes[0]} and {sizes[1]} clean and adversarial samples have no "
            "paired difference"
        )
    one, other = _bootstrap([_codes(*first), _codes(*second)], draws, seed)
    return _interval(auroc(*first) - auroc(*second), one - other, confidence)


def threshold_at(clean: ArrayLike, fpr: float) -> float:
    """The smallest threshold that at most a share `fpr` of clean scores lies above.

    A sample is flagged when its score is above the threshold, not at it, so clean scores that
    tie are flagged together or not at all. Minus infinity where all may be flagged.

    Raises:
        SpecError: Scores are as `auroc` refuses them, or `fpr` is outside [0, 1].
    """
    scores = _scores("clean", clean)
    if not 0 <= fpr <= 1:
        raise SpecError(f"false-positive rate must be in [0, 1], got {fpr}")
    allowed = math.floor(round(fpr * len(scores), 9))  # 0.07 * 100 is 7.000000000000001
    return -math.inf if allowed == len(scores) else float(np.sort(scores)[-1 - allowed])


def tpr_at_fpr(clean: ArrayLike, adversarial: ArrayLike, fpr: float) -> float:
    """Share of adversarial scores above `threshold_at(clean, fpr)`.

    Raises:
        SpecError: As `threshold_at`.
    """
    scores = _scores("adversarial", adversarial)
    return float((scores > threshold_at(clean, fpr)).mean())


def roc_points(clean: ArrayLike, adversarial: ArrayLike) -> tuple[Scores, Scores]:
    """False- and true-positive rates of every threshold, from (0, 0) to (1, 1).

    Returns:
        Two arrays of shape (distinct scores + 1,), both rising.

    Raises:
        SpecError: As `auroc`.
    """
    codes, levels = _codes(clean, adversarial)
    counts = [np.bincount(code, minlength=levels)[::-1].cumsum() for code in codes]
    false, true = (np.concatenate([[0.0], count / count[-1]]) for count in counts)
    return false, true


def binomial_band(rate: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Where the share of `n` independent samples lies if each is flagged at a true rate.

    Returns:
        Lowest and highest share of the central band; each tail beyond it holds at most
        (1 - confidence) / 2.

    Raises:
        SpecError: A rate is outside [0, 1], confidence outside (0, 1), or n below 1.
    """
    _check_confidence(confidence)
    if not 0 <= rate <= 1 or n < 1:
        raise SpecError(f"a band needs a rate in [0, 1] and samples, got {rate} and {n}")
    tail = (1 - confidence) / 2
    low, high = (float(binom.ppf(share, n, rate)) for share in (tail, 1 - tail))
    return max(low, 0.0) / n, high / n


def within_band(observed: float, rate: float, n: int, confidence: float = 0.95) -> bool:
    """Whether an observed share of `n` samples lies in `binomial_band`, ends included.

    Raises:
        SpecError: As `binomial_band`.
    """
    low, high = binomial_band(rate, n, confidence)
    half = 0.5 / n  # shares are counts / n, so that rounding cannot matter
    return low - half < observed < high + half


def _scores(name: str, values: ArrayLike) -> Scores:
    """Scores as float64, checked."""
    try:
        scores = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name} scores are not numbers ({error})") from error
    if scores.ndim != 1 or not len(scores):
        raise SpecError(f"{name} scores need shape (samples,), got {scores.shape}")
    if missing := int(np.isnan(scores).sum()):
        raise SpecError(f"{missing} of {len(scores)} {name} scores are NaN")
    return scores


def _codes(
    clean: ArrayLike, adversarial: ArrayLike
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], int]:
    """Scores as positions among all distinct scores, rising; and how many there are."""
    parts = _scores("clean", clean), _scores("adversarial", adversarial)
    distinct, positions = np.unique(np.concatenate(parts), return_inverse=True)
    return (positions[: len(parts[0])], positions[len(parts[0]) :]), len(distinct)


def _area(clean: NDArray[np.intp], adversarial: NDArray[np.intp]) -> Scores:
    """AUROC of each row; both are counts of each distinct score, shape (rows, scores)."""
    below = clean.cumsum(axis=1) - clean
    doubled = np.einsum("ij,ij->i", adversarial, 2 * below + clean)
    pairs = 2.0 * clean.sum(axis=1) * adversarial.sum(axis=1)
    areas: Scores = doubled / pairs
    return areas


def _bootstrap(
    detectors: list[tuple[tuple[NDArray[np.intp], NDArray[np.intp]], int]],
    draws: int,
    seed: int,
) -> list[Scores]:
    """AUROC of each detector in each draw; all detectors see the same draws."""
    if draws < 1:
        raise SpecError(f"bootstrap draws must be at least 1, got {draws}")
    rng = np.random.default_rng(seed)
    sizes = [len(code) for code in detectors[0][0]]
    found: list[list[Scores]] = [[] for _ in detectors]
    step = max(1, DRAWS_AT_ONCE // max(levels for _, levels in detectors))
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        chosen = [rng.integers(0, size, (rows, size)) for size in sizes]
        for areas, (codes, levels) in zip(found, detectors, strict=True):
            counts = (
                _count(code[which], levels) for code, which in zip(codes, chosen, strict=True)
            )
            areas.append(_area(*counts))
    return [np.concatenate(areas) for areas in found]


def _count(codes: NDArray[np.intp], levels: int) -> NDArray[np.intp]:
    """How often each code stands in each row; shape (rows, levels)."""
    rows = len(codes)
    placed = codes + levels * np.arange(rows)[:, None]
    return np.bincount(placed.ravel(), minlength=rows * levels).reshape(rows, levels)


def _interval(value: float, draws: Scores, confidence: float) -> Interval:
    """Percentiles of the draws around a value."""
    _check_confidence(confidence)
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise SpecError(f"confidence must be in (0, 1), got {confidence}")

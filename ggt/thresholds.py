"""Where scores decide: thresholds that clean samples alone fix, look by look.

A path is the score of one sample after each look; arrays of them have shape (samples, looks).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from graphprune.errors import SpecError

HALF_WIDTH = 2.58  # standard errors on either side of a mean that hold it with 99 %


def binomial_upper(hits: ArrayLike, trials: int, confidence: float) -> NDArray[np.float64]:
    """One-sided upper bound of a share of which `hits` of `trials` were seen; shape of `hits`.

    At most a share 1 - `confidence` of all experiments has a true share above its bound.

    Source: Clopper and Pearson, Biometrika 26:404 (1934).
    """
    hits = np.asarray(hits)
    others = np.maximum(trials - hits, 1)  # all hit: the bound is 1, and 0 is no argument
    bound = betaincinv(hits + 1, others, confidence)
    return np.asarray(np.where(hits < trials, bound, 1.0), dtype=np.float64)


def most_flagged(samples: int, fpr: float, confidence: float) -> int:
    """Most clean samples of `samples` that may be flagged with the bound at most `fpr`.

    Raises:
        SpecError: Even none is too many; the message says how many samples it takes.
    """
    hits = np.arange(math.floor(samples * fpr) + 1)
    allowed = int((binomial_upper(hits, samples, confidence) <= fpr).sum())
    if not allowed:
        needed = math.ceil(math.log1p(-confidence) / math.log1p(-fpr))
        raise SpecError(
            f"{samples} clean samples cannot show a false-positive rate of {fpr} at confidence "
            f"{confidence}; at least {needed} can"
        )
    return allowed - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where one score decides, one value a look.

    A score above `flag` is adversarial; one at or below `clear` is normal, and at the last
    look the two are equal, so that nothing stays open. `fixed` is for a single look there with
    no other look before or after. `flagged` counts the clean calibration samples that the
    whole procedure flags, `achieved` is their share and `upper` its binomial upper bound.

    Raises:
        SpecError: The values contradict each other.
    """

    flag: tuple[float, ...]
    clear: tuple[float, ...]
    fixed: tuple[float, ...]
    flagged: int
    achieved: float
    upper: float

    def __post_init__(self) -> None:
        if not self.flag or not len(self.flag) == len(self.clear) == len(self.fixed):
            raise SpecError("flag, clear and fixed thresholds need one value a look each")
        if not all(low <= high for low, high in zip(self.clear, self.flag, strict=True)):
            raise SpecError("a clear threshold is no number or above its flag threshold")
        if self.clear[-1] != self.flag[-1]:
            raise SpecError("clear and flag threshold differ at the last look")
        if any(math.isnan(one) for one in self.fixed):
            raise SpecError("a fixed threshold is no number")
        if self.flagged < 0 or not 0 <= self.achieved <= self.upper <= 1:
            raise SpecError(
                f"flagged {self.flagged}, achieved {self.achieved} and upper {self.upper} "
                "contradict each other"
            )


def settle(
    paths: NDArray[np.float64], flag: ArrayLike, clear: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Which look settles each sample, and how.

    A sample is settled at the first look at which its score is above `flag`, or at or below
    `clear`. NaN is neither.

    Args:
        paths: Scores; shape (samples, looks).
        flag: One threshold a look.
        clear: One threshold a look.

    Returns:
        Index of the look that settles, -1 where none does, and whether the sample is flagged;
        both of shape (samples,).
    """
    above = paths > np.asarray(flag)
    stops = above | (paths <= np.asarray(clear))
    first = stops.argmax(axis=1)
    flagged = above[np.arange(len(paths)), first]
    return np.where(stops.any(axis=1), first, -1), flagged


def group_thresholds(
    paths: NDArray[np.float64], *, fpr: float, confidence: float, loss: float
) -> Thresholds:
    """Boundaries of a group-sequential test that flags few enough clean samples.

    Flags. At level i the boundary of each look is the clean score there that at most i others
    exceed. The same i is used at every look, the largest for which the whole procedure, looks
    together, flags at most c clean samples; c is the largest count with a binomial upper bound
    of at most `fpr`. Boundaries that are drawn from the very samples they are then counted on
    flatter themselves at each look; so at most c + 1 samples may be flagged that are each left
    out of their own boundaries. With one look this is the usual order statistic and its bound
    is exact; with several it is close, which the tests show by simulation.

    Clearing. The clean samples that these boundaries flag stand in for adversarial ones, since
    no adversarial sample may be seen here. A clear threshold is as high as it can be without
    settling more than a share `loss` of those as normal before they are flagged; the share is
    spread evenly over the looks and rounded down. It is never above the last look's boundary.
    Clearing only removes flags, so it cannot raise the false-positive rate; the room that it
    leaves goes into a higher level. What it loses on attacks is not promised, for an attack's
    paths may differ from those of unusual clean samples: that is measured on attacks.

    Flags are strict (above), clearing is not (at or below), so tied scores are never flagged
    beyond the count.

    Args:
        paths: Scores of clean samples, all finite; shape (samples, looks).
        fpr: Highest false-positive rate, in (0, 1).
        confidence: Of the binomial bound, in (0, 1).
        loss: Share of the flags that clearing may lose, in [0, 1).

    Raises:
        SpecError: There are too few samples for this rate, or for this many looks.
    """
    samples, looks = paths.shape
    most = most_flagged(samples, fpr, confidence)
    falling = -np.sort(-paths, axis=0)
    above = [np.searchsorted(-falling[:, j], -paths[:, j], side="right") for j in range(looks)]
    # a sample is flagged at level i where some look has at most i scores that are not lower
    entry = np.append(np.sort(np.min(above, axis=0)), [samples + 2] * 2)
    for target in range(min(int(most / (1 - loss)), samples), most - 1, -1):
        level = int(min(entry[target] - 1, entry[target + 1] - 2, samples - 1))
        if level < 0:
            continue
        flag = falling[level]
        clear = _clear(paths, flag, loss)
        flagged = int(settle(paths, flag, clear)[1].sum())
        lost = np.searchsorted(entry, level, side="right") - flagged
        left_out = np.searchsorted(entry, level + 1, side="right") - lost
        if flagged <= most and left_out <= most + 1:
            return _thresholds(flag, clear, falling[most], flagged, samples, confidence)
    raise SpecError(
        f"{samples} clean samples are too few for {looks} looks at a false-positive rate of "
        f"{fpr}; take more samples or fewer looks"
    )


def mean_thresholds(paths: NDArray[np.float64], *, confidence: float) -> Thresholds:
    """The published threshold: mean clean score plus the 99 % half width of that mean.

    It is no quantile and promises no false-positive rate; the one it has on these samples is
    counted.

    Args:
        paths: Scores of clean samples at the one look; shape (samples, 1).
        confidence: Of the binomial bound that is reported.

    Source: Wang et al., ICSE 2019, arXiv:1812.05793.
    """
    flag = paths.mean(axis=0) + half_width(paths[:, 0])
    flagged = int((paths > flag).sum())
    return _thresholds(flag, flag, flag, flagged, len(paths), confidence)


def half_width(values: NDArray[np.float64]) -> float:
    """Half of the interval that holds the mean of such values with 99 %."""
    return float(HALF_WIDTH * values.std() / math.sqrt(len(values)))


def _clear(
    paths: NDArray[np.float64], flag: NDArray[np.float64], loss: float
) -> NDArray[np.float64]:
    """Highest clear thresholds that lose at most a share `loss` of what `flag` flags."""
    looks = len(flag)
    kept = paths[(paths > flag).any(axis=1)]
    flagged_at = (kept > flag).argmax(axis=1)
    unsettled = np.ones(len(kept), dtype=np.bool_)
    clear: NDArray[np.float64] = np.minimum(flag, flag[-1])
    lost = 0
    for j in range(looks - 1):
        unsettled &= flagged_at > j
        allowed = math.floor(loss * len(kept) * (j + 1) / (looks - 1) + 1e-9) - lost
        values = np.sort(kept[unsettled, j])
        if allowed < len(values):  # stay below the first that may not be lost
            clear[j] = min(clear[j], np.nextafter(values[allowed], -np.inf))
        gone = unsettled & (kept[:, j] <= clear[j])
        lost += int(gone.sum())
        unsettled &= ~gone
    return clear


def _thresholds(
    flag: NDArray[np.float64],
    clear: NDArray[np.float64],
    fixed: NDArray[np.float64],
    flagged: int,
    samples: int,
    confidence: float,
) -> Thresholds:
    return Thresholds(
        flag=tuple(flag.tolist()),
        clear=tuple(clear.tolist()),
        fixed=tuple(fixed.tolist()),
        flagged=flagged,
        achieved=flagged / samples,
        upper=float(binomial_upper(flagged, samples, confidence)),
    )

"""How strongly a bank disagrees with the original about each sample: arrays in, scores out.

A higher score is more suspicious. No score knows a threshold; `ggt.detector` finds those.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ggt.votes import NOT_ASKED, Votes
from graphprune.errors import SpecError

SCORES = ("soft", "rate", "combined")
GRID = 1001  # most values that stand for a distribution of clean values
DIGITS = 6  # significant ones of each, so that a calibration stays a small file


@dataclass(frozen=True, slots=True)
class Reference:
    """Clean values that the combined score ranks by.

    `margins` holds sorted negated margins, `distances` sorted distances, one tuple for each of
    `looks` (counts of models). A tuple holds every clean value, or 1001 quantiles of them.

    Raises:
        SpecError: A grid is empty, unsorted or too long, or looks and distances do not pair.
    """

    looks: tuple[int, ...]
    margins: tuple[float, ...]
    distances: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        check_looks(self.looks)
        if len(self.distances) != len(self.looks):
            raise SpecError(f"{len(self.looks)} looks, but {len(self.distances)} distances")
        for grid in (self.margins, *self.distances):
            # no number is at most a NaN; the first is compared with itself
            if not all(a <= b for a, b in pairwise((*grid[:1], *grid))):
                raise SpecError("reference values must be numbers in rising order")
            if not 1 <= len(grid) <= GRID:
                raise SpecError(f"a reference needs 1 to {GRID} values, got {len(grid)}")

    @classmethod
    def of(cls, votes: Votes, looks: Sequence[int]) -> "Reference":
        """The reference that clean votes give; all models of the looks were asked.

        Raises:
            SpecError: `looks` is not rising, or a value is missing.
        """
        check_looks(looks)
        distances = [_distance(votes.base, mean) for mean in _means(votes.bank, looks)]
        return cls(tuple(looks), _grid(-margin(votes.base)), tuple(map(_grid, distances)))

    def grid(self, look: int) -> tuple[float, ...]:
        """Clean distances after `look` models.

        Raises:
            SpecError: It holds none for that count.
        """
        if look not in self.looks:
            raise SpecError(f"the reference looks at {self.looks} models, not at {look}")
        return self.distances[self.looks.index(look)]


def label_change_rate(
    labels: NDArray[np.integer[Any]], base_labels: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Share of the models asked whose label differs from the original's.

    Args:
        labels: Each model's label, -1 where it was not asked; shape (samples, models).
        base_labels: The original's own labels; shape (samples,).

    Returns:
        Shares in [0, 1], NaN where no model was asked; shape (samples,).

    Raises:
        SpecError: The shapes do not line up.

    Source: Wang et al., Adversarial Sample Detection for Deep Neural Network through Model
    Mutation Testing, ICSE 2019, arXiv:1812.05793.
    """
    return _mean_of_asked(label_changes(labels, base_labels))


def label_changes(
    labels: NDArray[np.integer[Any]], base_labels: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """1 where a model's label differs from the original's, 0 where not, NaN if not asked.

    Shapes as in `label_change_rate`; the result has that of `labels`.

    Raises:
        SpecError: The shapes do not line up.
    """
    if labels.ndim != 2 or base_labels.shape != labels.shape[:1]:
        raise SpecError(
            "labels need shape (samples, models) and base labels (samples,), got "
            f"{labels.shape} and {base_labels.shape}"
        )
    changed = (labels != base_labels[:, None]).astype(np.float64)
    return np.where(labels == NOT_ASKED, np.nan, changed)


def soft_disagreement(shares: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """One minus the mean probability that the models asked give to the original's label.

    Args:
        shares: Those probabilities, NaN where not asked; shape (samples, models).

    Returns:
        Values in [0, 1], NaN where no model was asked; shape (samples,).

    Raises:
        SpecError: `shares` is no matrix.
    """
    if shares.ndim != 2:
        raise SpecError(f"shares need shape (samples, models), got {shares.shape}")
    return 1 - _mean_of_asked(shares)


def margin(base: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The original's highest probability minus its second highest; shape (samples,).

    Args:
        base: Class probabilities; shape (samples, classes).

    Raises:
        SpecError: There are fewer than two classes.
    """
    if base.ndim != 2 or base.shape[1] < 2:
        raise SpecError(f"a margin needs shape (samples, 2 or more classes), got {base.shape}")
    top = np.sort(base.astype(np.float64), axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def distance(
    base: NDArray[np.floating[Any]], bank: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """L1 distance of the original's probabilities to the mean ones of the models asked.

    Args:
        base: Class probabilities; shape (samples, classes).
        bank: Those of each model, NaN where not asked; shape (samples, models, classes).

    Returns:
        Values in [0, 2], NaN where no model was asked; shape (samples,).
    """
    return _distance(base, _mean_of_asked(bank))


def score_paths(
    votes: Votes, score: str, looks: Sequence[int], reference: Reference | None = None
) -> NDArray[np.float64]:
    """The score after the first `looks[j]` models, for each look.

    "soft" is `soft_disagreement`, "rate" `label_change_rate`. "combined" is the larger of two
    calibrated ranks, that of the distance between original and bank mean and that of the
    negated margin. A rank is the share of clean values that are smaller, in [0, 1), with
    straight lines between them; above all clean values it is 1 + e / (1 + e) with e the excess
    in units of the clean values' upper half, so that such samples still keep their order.

    Args:
        votes: Models may be missing or not asked.
        score: One of `SCORES`.
        looks: Rising counts of models.
        reference: Clean values for "combined", which has to hold the same looks.

    Returns:
        NaN where one of the first `looks[j]` models was not asked, or the original's own
        probabilities are no numbers; shape (samples, looks).
        A value depends on those models alone, to the last bit.

    Raises:
        SpecError: Unknown score, looks that do not rise, or no reference where one is needed.
    """
    check_looks(looks)
    if score == "soft":
        columns = [1 - mean for mean in _means(votes.shares, looks)]
    elif score == "rate":
        columns = list(_means(label_changes(votes.labels, votes.base_labels), looks))
    elif score == "combined":
        if reference is None:
            raise SpecError('the score "combined" needs a reference')
        near = _rank(-margin(votes.base), reference.margins)
        columns = [
            np.maximum(near, _rank(_distance(votes.base, mean), reference.grid(look)))
            for look, mean in zip(looks, _means(votes.bank, looks), strict=True)
        ]
    else:
        raise SpecError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
    known = np.isfinite(votes.base.sum(axis=1))
    return np.where(known[:, None], np.stack(columns, axis=1), np.nan)


def check_looks(looks: Sequence[int]) -> None:
    """Refuse counts of models that are none, below 1 or not rising.

    Raises:
        SpecError: They are.
    """
    if not looks or looks[0] < 1 or any(a >= b for a, b in pairwise(looks)):
        raise SpecError(f"looks must be rising counts of models from 1 on, got {tuple(looks)}")


def _means(
    parts: NDArray[np.floating[Any]], looks: Sequence[int]
) -> Iterator[NDArray[np.float64]]:
    """Mean over the first `look` models (axis 1) for each look; NaN where one is missing.

    Summed one model after the other, so that models asked later change no bit.
    """
    total = np.zeros((len(parts), *parts.shape[2:]))
    added = 0
    for look in looks:
        if look > parts.shape[1]:
            yield np.full_like(total, np.nan)
            continue
        for model in range(added, look):
            total += parts[:, model]
        added = look
        yield total / look


def _mean_of_asked(parts: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean over the models (axis 1), NaN where there is none."""
    asked = ~np.isnan(parts)
    counts = asked.sum(axis=1).astype(np.float64)
    counts[counts == 0] = np.nan
    return np.asarray(np.where(asked, parts, 0).sum(axis=1, dtype=np.float64) / counts)


def _distance(
    base: NDArray[np.floating[Any]], mean: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    return np.asarray(np.abs(base - mean.astype(np.float64)).sum(axis=1))


def _grid(values: NDArray[np.float64]) -> tuple[float, ...]:
    """All values sorted, or as many quantiles as a grid may hold."""
    ordered = np.sort(values)
    if len(ordered) > GRID:
        ordered = ordered[np.linspace(0, len(ordered) - 1, GRID).round().astype(np.intp)]
    return tuple(float(f"{value:.{DIGITS}g}") for value in ordered)


def _rank(values: NDArray[np.float64], grid: Sequence[float]) -> NDArray[np.float64]:
    """Share of the grid that is smaller, as `score_paths` says; NaN stays NaN."""
    steps = np.unique(grid)
    ranks = np.interp(values, steps, np.searchsorted(grid, steps) / len(grid))
    top = grid[-1]
    excess = np.maximum(values - top, 0) / (top - grid[len(grid) // 2] or 1)
    return np.where(values > top, 1 + excess / (1 + excess), ranks)

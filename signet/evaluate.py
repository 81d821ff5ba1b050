"""What a classifier gets right: accuracy by label of SNR, confusion, macro F1 and kappa."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

HIGH_SNR = 0.0  # dB; labels from here on count as high


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Accuracies of one classifier on one set, as fractions.

    `overall` is over all frames, `high_snr` over those of labels of at least 0 dB (None where
    there are none), `by_snr` by label in dB. `confusion` counts frames, shape (classes,
    classes), rows the truth; `macro_f1` is the mean of the classes' F1 scores and `kappa`
    Cohen's.
    """

    overall: float
    high_snr: float | None
    by_snr: dict[str, float]
    confusion: NDArray[np.int64]
    macro_f1: float
    kappa: float

    def to_dict(self) -> dict[str, Any]:
        """JSON types, without the confusion."""
        return {
            "overall": self.overall,
            "high_snr": self.high_snr,
            "by_snr": self.by_snr,
            "macro_f1": self.macro_f1,
            "kappa": self.kappa,
        }


def scores(
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    snr: NDArray[np.float64],
    *,
    classes: int,
) -> Scores:
    """Compare predictions with the truth.

    Args:
        predicted: Class of each frame; shape (count,).
        labels: True class of each frame; shape (count,).
        snr: Label of SNR of each frame in dB; shape (count,).
        classes: Count of classes.

    Raises:
        SpecError: There are no frames, or the arrays do not line up.
    """
    if not len(labels) or not predicted.shape == labels.shape == snr.shape:
        raise SpecError(
            f"predictions, labels and SNR must be one a frame, at least one; got shapes "
            f"{predicted.shape}, {labels.shape} and {snr.shape}"
        )
    right = predicted == labels
    high = snr >= HIGH_SNR
    table = confusion_of(predicted, labels, classes=classes)
    return Scores(
        overall=float(right.mean()),
        high_snr=float(right[high].mean()) if high.any() else None,
        by_snr={
            label_name(label): float(right[snr == label].mean()) for label in np.unique(snr)
        },
        confusion=table,
        macro_f1=macro_f1(table),
        kappa=kappa(table),
    )


def confusion_of(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], *, classes: int
) -> NDArray[np.int64]:
    """Frames by true class (row) and predicted class; shape (classes, classes)."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean F1 score of the classes that occur or are predicted; in [0, 1]."""
    right = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    known = total > 0
    return float((2 * right[known] / total[known]).mean())


def kappa(confusion: NDArray[np.int64]) -> float:
    """Cohen's kappa: agreement above chance; 1 is perfect, 0 what chance gives."""
    count = confusion.sum()
    agreed = np.trace(confusion) / count
    chance = float((confusion.sum(axis=0) * confusion.sum(axis=1)).sum() / count**2)
    return 1.0 if chance == 1 else float((agreed - chance) / (1 - chance))


def snr_curve(
    every: Sequence[Mapping[str, float]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Labels in dB, shape (labels,), and accuracies, shape (seeds, labels), for a picture.

    `every` are accuracies by label, one a seed, all of the same labels.
    """
    names = sorted(every[0], key=float)
    labels = np.array([float(name) for name in names])
    return labels, np.array([[each[name] for name in names] for each in every])


def label_name(snr: float) -> str:
    """A label of SNR in dB as text: "-20", "2.5"."""
    return f"{snr:g}"

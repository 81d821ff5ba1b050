"""From a detection to rows, a summary and pictures."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ggt.asking import Detection
from ggt.calibration import Calibration
from ggt.outputs import SampleRow, rows_as_values
from ggt.pictures import examples, nearest_examples, plot_flagged, plot_models_used, plot_rates
from ggt.requests import RATIO_TESTS, RuleRequest
from ggt.samples import Samples
from ggt.scores import label_change_rate, soft_disagreement
from ggt.targets import as_pixels
from ggt.votes import NOT_ASKED
from graphprune.data import Images
from graphprune.records import cannot_write


def sample_rows(
    detection: Detection, classes: tuple[str, ...], samples: Samples | None
) -> list[SampleRow]:
    """One row a sample, in order."""
    votes, verdicts = detection.votes, detection.verdicts
    labels = votes.labels
    rates = label_change_rate(labels, votes.base_labels)
    softs = soft_disagreement(votes.shares)
    names = samples.names if samples is not None else None
    return [
        SampleRow(
            index=index,
            name=None if names is None else names[index],
            label=int(label),
            label_name=classes[label],
            confidence=float(votes.base[index, label]),
            rate=float(rates[index]),
            soft=float(softs[index]),
            models=int(verdicts.models_used[index]),
            decision=str(verdicts.decisions[index]),
            score=float(verdicts.scores[index]),
            majority_label=_majority(labels[index]),
        )
        for index, label in enumerate(votes.base_labels)
    ]


def detection_values(
    detection: Detection,
    rows: list[SampleRow],
    calibration: Calibration,
    rule: RuleRequest,
    *,
    grown: int = 0,
) -> dict[str, Any]:
    """What a record says: "samples", one object each, "summary" and "files".

    Args:
        detection: What the bank said.
        rows: The samples; see `ggt.outputs.SampleRow` for the keys of each.
        calibration: What was decided by.
        rule: How it was decided.
        grown: Models that the bank has beyond those that are calibrated.

    Returns:
        "files" is empty still. "summary" holds "counts" (samples by decision), "mean_models"
        asked a sample, "ms" (milliseconds a sample of original and bank, models loaded and
        warmed up before, files left out; None where votes were kept from before) with
        "base_seconds" and "bank_seconds" in all, the "test" and the "score" decided on, "fpr",
        "bank_hash", "bank_models" and "calibration_date" of the calibration, "grown", and
        "thresholds" (by number of models, as text; none for ratio tests).
    """
    seconds = detection.base_seconds + detection.bank_seconds
    counts = Counter(row.decision for row in rows)
    score = score_of(rule)
    return {
        "samples": rows_as_values(rows),
        "summary": {
            "counts": {
                name: counts.get(name, 0) for name in ("adversarial", "normal", "undecided")
            },
            "mean_models": float(detection.verdicts.models_used.mean()),
            "ms": 1000 * seconds / len(rows) if seconds else None,
            "base_seconds": detection.base_seconds,
            "bank_seconds": detection.bank_seconds,
            "test": rule.test,
            "score": score,
            "fpr": calibration.fpr,
            "bank_hash": calibration.bank_hash,
            "bank_models": len(calibration.models),
            "grown": grown,
            "calibration_date": calibration.date,
            "thresholds": _thresholds(calibration, rule, score),
        },
        "files": {},
    }


def draw_detection(
    folder: Path,
    detection: Detection,
    samples: Samples,
    known: Images,
    classes: tuple[str, ...],
    threshold: float | None,
    *,
    score: str,
) -> list[str]:
    """Draw scores, models used and the flagged images into a folder, made if missing.

    Returns:
        Names of the files.

    Raises:
        FileError: They cannot be written.
    """
    verdicts = detection.verdicts
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    groups = {
        name: verdicts.decisions == name
        for name in ("normal", "adversarial", "undecided")
        if (verdicts.decisions == name).any()
    }
    plot_rates(
        {name: verdicts.scores[which] for name, which in groups.items()},
        threshold,
        folder / "scores.png",
        title=f"{len(samples):,} samples of {Path(samples.source).name}; threshold: last look",
        name=f"{score} score",
    )
    plot_models_used(
        {name: verdicts.models_used[which] for name, which in groups.items()},
        folder / "models.png",
        title="models asked until each sample was settled",
    )
    flagged = detection.flagged
    labels = detection.votes.base_labels[flagged].astype(np.int64)
    clean = as_pixels(known)
    nearest = nearest_examples(samples.images[flagged], labels, clean, known.labels)
    plot_flagged(
        samples.images[flagged],
        examples(clean, nearest),
        [
            f"{index}: {classes[label]}"
            for index, label in zip(flagged.tolist(), labels.tolist(), strict=True)
        ],
        folder / "flagged.png",
        title="flagged samples, each beside the nearest training image of its label",
    )
    return ["scores.png", "models.png", "flagged.png"]


def last_threshold(calibration: Calibration, rule: RuleRequest) -> float | None:
    """The score above which the last look flags; None for ratio tests, which have none."""
    limits = list(_thresholds(calibration, rule, score_of(rule)).values())
    return limits[-1] if limits else None


def score_of(rule: RuleRequest) -> str:
    """The score that a rule decides on."""
    return "rate" if rule.test in RATIO_TESTS else rule.score or "soft"


def _majority(labels: NDArray[np.int16]) -> int | None:
    """The label that most of the models asked give; the lowest where several are."""
    asked = labels[labels != NOT_ASKED]
    return int(np.bincount(asked).argmax()) if len(asked) else None


def _thresholds(calibration: Calibration, rule: RuleRequest, score: str) -> dict[str, float]:
    """Threshold by number of models, as text; empty for ratio tests."""
    if rule.test in RATIO_TESTS:
        return {}
    own = calibration.scores[score]
    limits = own.fixed if rule.test == "fixed" else own.flag
    last = rule.models or calibration.looks[-1]
    return {
        str(look): limit
        for look, limit in zip(calibration.looks, limits, strict=True)
        if (look == last if rule.test == "fixed" else look <= last)
    }

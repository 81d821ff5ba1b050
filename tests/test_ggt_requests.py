"""Requests refuse what makes no sense when they are made."""

from pathlib import Path

import pytest

from ggt.attack_request import AttackRequest
from ggt.requests import (
    AttackJob,
    BenchJob,
    CalibrationJob,
    DetectionJob,
    RuleRequest,
    counts_in,
)
from graphprune.errors import SpecError

FGSM = AttackRequest("fgsm")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: AttackJob(out=Path("a.npy")), "needs an attack"),
        (lambda: AttackJob(out=Path("a.npy"), attack=FGSM, plain_set="none"), "needs an"),
        (lambda: AttackJob(out=Path("a.npy"), plain_set="some"), "unknown set 'some'"),
        (lambda: AttackJob(out=Path("a.npy"), attack=FGSM, count=0), "count"),
        (lambda: AttackJob(out=Path("a.txt"), attack=FGSM), "a.txt"),
        (
            lambda: AttackJob(out=Path("a.npy"), attack=FGSM, bank=Path("b"), model=Path("m")),
            "not both",
        ),
        (lambda: CalibrationJob(of="some"), "correct or all"),
        (lambda: CalibrationJob(fpr=0), "fpr"),
        (lambda: CalibrationJob(confidence=1), "confidence"),
        (lambda: CalibrationJob(method="best"), "quantile, published"),
        (lambda: RuleRequest(test="guess"), "group, fixed, wald"),
        (lambda: RuleRequest(score="best"), "soft, rate, combined"),
        (lambda: RuleRequest(test="wald", score="soft"), "label changes"),
        (lambda: RuleRequest(alpha=0.1), "--alpha"),
        (lambda: RuleRequest(models=0), "models"),
        (lambda: DetectionJob(), "--samples"),
        (lambda: DetectionJob(samples="a.npy", votes_from=Path("v")), "--samples"),
        (lambda: DetectionJob(votes_from=Path("v"), plots=Path("p")), "need --samples"),
        (lambda: DetectionJob(samples="a.npy", out=Path("rows.xls")), "rows.xls"),
        (lambda: DetectionJob(samples="a.npy", batch=0), "batch"),
        (lambda: BenchJob(count=5), "count"),
        (lambda: BenchJob(mutants=-1), "mutants"),
        (lambda: BenchJob(attacks=(FGSM, FGSM)), "twice"),
    ],
)
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(SpecError, match=said):
        make()


def test_counts_are_read_and_anything_else_refused():
    assert counts_in("--looks", "1, 2,10") == (1, 2, 10)
    for text in ("", "1,,2", "0", "-1", "1.5", "x"):
        with pytest.raises(SpecError, match="--looks must be counts"):
            counts_in("--looks", text)


def test_usual_requests_are_allowed():
    assert RuleRequest(test="wald", tau=0.1, score="rate").tau == 0.1
    assert DetectionJob(samples="-").rule.test == "group"
    assert BenchJob(attacks=(FGSM,)).count == 200

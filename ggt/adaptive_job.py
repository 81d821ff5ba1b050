"""Attackers who know the detector, or parts of it, against one bank."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ggt.adaptive import THREATS, Row, evasion
from ggt.adaptive_checks import large_epsilon, never_hurts, redrawn
from ggt.adaptive_sweeps import Judge, grey_box, joint_sweep, judge_oracle, query_rows
from ggt.asking import cast_votes
from ggt.attack_request import AttackRequest
from ggt.attacks import craft
from ggt.bank import Bank
from ggt.detector import GroupRule, calibrate
from ggt.evaluate import CLEAN
from ggt.flag_attacks import evade_by_queries
from ggt.panels import control_bank
from ggt.pixel_models import probabilities
from ggt.requests import BenchJob
from ggt.sample_sets import SampleSets
from ggt.splits import Splits
from ggt.targets import as_pixels
from ggt.votes import Votes
from graphprune.monitor import Monitor

EPSILONS = (8 / 255, 16 / 255, 0.1, 0.3)
CONFIDENCES = (0.0, 5.0, 10.0, 20.0, 40.0)
BOUNDS = (1.0, 2.0, 4.0)  # L2 distances at which the query attacker is counted
MOST, MOST_CONFIDENT, MOST_QUERIED = 100, 50, 20  # samples, by how long an attack takes
QUERIES, STARTS = 1000, 200
OWN_BANK = 3  # models of the attacker who trains a bank, at least


def adaptive_values(
    job: BenchJob, bank: Bank, held_out: Votes, splits: Splits, sets: SampleSets, tell: Monitor
) -> dict[str, Any]:
    """Evasion by attackers of every threat model, and checks on the evaluation itself.

    Args:
        job: Its rate, seed and processes.
        bank: The defender's.
        held_out: Its votes on clean images, which calibrate it and every part of it.
        splits: Where the query attacker's starting images come from: those that trained.
        sets: The clean samples that are attacked.
        tell: Told of stages.

    Returns:
        "threats" (name -> what the attacker has), "rows" as in `ggt.adaptive`, and "checks".
    """
    pixels = sets.pixels[CLEAN][:MOST]
    base, members = bank.base(), bank.members()
    labels = probabilities(base, pixels).argmax(1)
    judge = bank_judge(bank, held_out, job.fpr)
    half = max(1, len(bank) // 2)
    known = sorted({0, 1, half, len(bank)})
    tell.stage("adaptive: an attacker who knows models of the bank")
    rows = joint_sweep(
        base,
        members,
        pixels,
        labels,
        judge,
        known=known,
        epsilons=EPSILONS,
        options={"seed": job.seed},
    )
    other = _other_bank(job, bank, tell)
    tell.stage("adaptive: an attacker with an own bank")
    rows += grey_box(
        base,
        other.members(),
        pixels,
        labels,
        judge,
        members=len(bank),
        epsilons=EPSILONS,
        options={"seed": job.seed},
    )
    tell.stage("adaptive: confident attacks")
    rows += confidence_rows(bank, judge, pixels[:MOST_CONFIDENT], job.seed)
    tell.stage("adaptive: an attacker who asks")
    rows += _asked(bank, judge, pixels[:MOST_QUERIED], splits, job.seed)
    tell.stage("adaptive: another bank in the same place")
    size = min(len(bank), len(other))
    own, again = (
        joint_sweep(
            base,
            one.members(0, size),
            pixels,
            labels,
            bank_judge(one, votes, job.fpr),
            known=[0],
            epsilons=EPSILONS,
            options={"seed": job.seed},
        )
        for one, votes in ((bank, held_out), (other, _votes_like(held_out, other, splits)))
    )
    attacked = [row for row in rows if row["scored_on"] == "attacked"]
    checks = [
        *large_epsilon(rows),
        *never_hurts(attacked, "epsilon"),
        *redrawn(own, again),
    ]
    threats = {name: threat.knows for name, threat in THREATS.items()}
    return {"threats": threats, "rows": rows, "checks": checks}


def bank_judge(bank: Bank, held_out: Votes, fpr: float) -> Judge:
    """The group-sequential soft detector of any part of a bank, calibrated for that part."""
    made: dict[range, GroupRule] = {}

    def judge(
        pixels: Tensor, voters: range
    ) -> tuple[NDArray[Any], NDArray[np.str_], NDArray[np.float64]]:
        if voters not in made:
            clean = _of_models(held_out, voters)
            made[voters] = GroupRule(calibrate(clean, fpr=fpr), "soft")
        votes = cast_votes(bank.base(), (bank.member(at) for at in voters), pixels)
        found = made[voters].decide(votes)
        return votes.base_labels, found.decisions, found.scores

    return judge


def confidence_rows(bank: Bank, judge: Judge, pixels: Tensor, seed: int) -> list[Row]:
    """The attacker who knows no detector, but asks for more and more confidence."""
    base, rows = bank.base(), []
    labels = probabilities(base, pixels).argmax(1)
    for confidence in CONFIDENCES:
        request = AttackRequest("cw", confidence=confidence, seed=seed)
        made = craft(base, pixels, labels, request)
        after, decisions, scores = judge(torch.from_numpy(made.images), range(len(bank)))
        row = evasion(made.labels, after, decisions, made.norms["l2"])
        rows.append(
            {
                "threat": "static",
                "known": 0,
                "members": len(bank),
                "attack": request.label(),
                "confidence": confidence,
                "norm": "l2",
                "scored_on": "defender",
                **row,
                "score_median": float(np.median(np.asarray(scores))),
            }
        )
    return rows


def _asked(bank: Bank, judge: Judge, pixels: Tensor, splits: Splits, seed: int) -> list[Row]:
    labels = probabilities(bank.base(), pixels).argmax(1)
    starts = torch.from_numpy(as_pixels(splits.train)[:STARTS])
    oracle = judge_oracle(judge, len(bank))
    found = evade_by_queries(oracle, pixels, labels, starts, queries=QUERIES, seed=seed)
    return query_rows(found, pixels, labels, judge, members=len(bank), bounds=BOUNDS)


def _other_bank(job: BenchJob, bank: Bank, tell: Monitor) -> Bank:
    """A bank of the same design from another seed, kept beside the controls."""
    return control_bank(
        bank,
        "same",
        max(OWN_BANK, job.controls),
        tell,
        data_dir=job.data_dir,
        jobs=job.jobs,
        threads=job.threads,
        device=job.device,
        seed=bank.manifest.seed + 1,
    )


def _votes_like(held_out: Votes, other: Bank, splits: Splits) -> Votes:
    """Another bank's votes on the clean images that the original classifies correctly."""
    images = torch.from_numpy(as_pixels(splits.clean))
    votes = cast_votes(other.base(), other.members(), images)
    found = votes.take(votes.base_labels == splits.clean.labels)
    assert len(found) == len(held_out)
    return found


def _of_models(votes: Votes, voters: Sequence[int]) -> Votes:
    chosen = list(voters)
    return Votes(
        base=votes.base,
        bank=votes.bank[:, chosen],
        split=votes.split,
        models=tuple(votes.models[at] for at in chosen),
    )

"""Attackers who know the detector, or parts of it, against one bank."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ggt.adaptive import THREATS, Row, under_rejection
from ggt.adaptive_checks import Finding, large_epsilon, never_hurts, redrawn
from ggt.adaptive_sweeps import (
    JointOptions,
    Judge,
    grey_box,
    joint_sweep,
    judge_oracle,
    judged_row,
    query_rows,
)
from ggt.asking import cast_votes
from ggt.attack_request import AttackRequest
from ggt.attacks import craft
from ggt.bank import Bank
from ggt.detector import GroupRule, calibrate
from ggt.evaluate import CLEAN
from ggt.flag_attacks import evade_by_queries
from ggt.joint_attack import Mode
from ggt.panels import control_bank
from ggt.pixel_models import probabilities
from ggt.requests import BenchJob
from ggt.sample_sets import SampleSets
from ggt.splits import Splits
from ggt.targets import as_pixels
from ggt.votes import Votes
from graphprune.data import Images
from graphprune.monitor import Monitor

EPSILONS = (8 / 255, 0.05, 0.1, 0.3)  # Linf
COMPARED = (0.1,)  # where few models are known, steps fewer, or the bank another
WIDEST = EPSILONS[-1:]  # where every mode has to win
MODES: tuple[Mode, ...] = ("selective", "orthogonal")  # beside "joint"
STEPS, FEWER_STEPS, RESTARTS = 20, 10, 3
ENOUGH = 0.01  # disagreement far below thresholds: no further restart
CONFIDENCES = (0.0, 5.0, 10.0, 20.0, 40.0)
BOUNDS = (1.0, 2.0, 4.0)  # L2 distances at which the query attacker is counted
MOST, MOST_CONFIDENT, MOST_QUERIED = 48, 32, 16  # samples, by how long an attack takes
MOST_CLEAN = 1000  # test images that show what the detector costs
QUERIES, STARTS = 500, 200
OWN_BANK = 3  # models of the attacker who trains a bank, at least


def adaptive_values(
    job: BenchJob, bank: Bank, held_out: Votes, splits: Splits, sets: SampleSets, tell: Monitor
) -> dict[str, Any]:
    """Evasion by attackers of every threat model, and checks on the evaluation itself.

    Args:
        job: Its rate, seed and processes.
        bank: The defender's.
        held_out: Its votes on clean images, which calibrate it and every part of it.
        splits: Where the query attacker's starting images come from: those that trained; and
            the test images, wrongly labelled ones too, of `under_rejection`.
        sets: The clean samples that are attacked.
        tell: Told of stages.

    Returns:
        "threats" (name -> what the attacker has), "rows" as in `ggt.adaptive`, "checks", all of
        them whether they hold or not, and "under_rejection", of clean test images.
    """
    base = bank.base()
    members = _beside(base, bank)
    judge = bank_judge(base, members, held_out, job.fpr)
    pixels = sets.pixels[CLEAN][:MOST]
    labels = probabilities(base, pixels).argmax(1)
    field = _Field(base, members, judge, pixels, labels, job.seed)
    tell.stage("adaptive: an attacker who knows models of the bank")
    rows = field.known()
    tell.stage("adaptive: an attacker with an own bank")
    other = _beside(base, _other_bank(job, bank, tell))
    rows += field.grey(other)
    tell.stage("adaptive: confident attacks")
    rows += field.confident()
    tell.stage("adaptive: an attacker who asks")
    rows += field.asked(torch.from_numpy(as_pixels(splits.train)[:STARTS]))
    tell.stage("adaptive: checks")
    votes = _calibrating(base, other, splits.clean)
    twin = bank_judge(base, other, votes, job.fpr)
    return {
        "threats": {name: threat.knows for name, threat in THREATS.items()},
        "rows": rows,
        "checks": field.checks(rows) + field.redrawn(other, twin),
        "under_rejection": rejection(judge, splits.test, len(members), job.seed),
    }


def bank_judge(
    base: nn.Module, members: Sequence[nn.Module], held_out: Votes, fpr: float
) -> Judge:
    """The group-sequential soft detector of any part of a bank, calibrated for that part.

    Args:
        base: The original.
        members: The bank's models.
        held_out: Their votes on clean samples that the original classifies correctly.
        fpr: Highest false-positive rate.
    """
    made: dict[range, GroupRule] = {}

    def judge(
        pixels: Tensor, voters: range
    ) -> tuple[NDArray[Any], NDArray[np.str_], NDArray[np.float64]]:
        if voters not in made:
            clean = _of_models(held_out, voters)
            made[voters] = GroupRule(calibrate(clean, fpr=fpr, only_correct=True), "soft")
        votes = cast_votes(base, (members[at] for at in voters), pixels)
        found = made[voters].decide(votes)
        return votes.base_labels, found.decisions, found.scores

    return judge


def confidence_rows(
    base: nn.Module, judge: Judge, pixels: Tensor, *, members: int, seed: int
) -> list[Row]:
    """The attacker who knows no detector, but asks for more and more confidence.

    Args:
        base: The original.
        judge: The detector; all of its `members` models vote.
        pixels: Samples that the original classifies correctly.
        members: Number of the defender's models.
        seed: Of the attacks.
    """
    labels, rows = probabilities(base, pixels).argmax(1), []
    for confidence in CONFIDENCES:
        request = AttackRequest("cw", confidence=confidence, seed=seed)
        made = craft(base, pixels, labels, request)
        judgement = judge(torch.from_numpy(made.images), range(members))
        head: Row = {
            "threat": "static",
            "known": 0,
            "members": members,
            "attack": request.label(),
            "confidence": confidence,
            "norm": "l2",
            "scored_on": "defender",
        }
        norms = torch.from_numpy(made.norms["l2"])
        rows.append(head | judged_row(judgement, labels, norms))
    return rows


def rejection(judge: Judge, test: Images, members: int, seed: int) -> Row:
    """What the detector costs on clean test images, those labelled wrongly among them."""
    order = np.random.default_rng(seed).permutation(len(test))
    chosen = test.take(order[:MOST_CLEAN])
    after, decisions, _ = judge(torch.from_numpy(as_pixels(chosen)), range(members))
    return under_rejection(chosen.labels, after, decisions)


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """What all attacks on one bank share: its models, its detector, and the samples.

    `labels` are the original's, which are right.
    """

    base: nn.Module
    members: list[nn.Module]
    judge: Judge
    pixels: Tensor
    labels: Tensor
    seed: int

    @property
    def options(self) -> JointOptions:
        """Of every joint attack."""
        return JointOptions(seed=self.seed, steps=STEPS, restarts=RESTARTS, enough=ENOUGH)

    def sweep(
        self, known: Sequence[int], epsilons: Sequence[float], **more: Unpack[JointOptions]
    ) -> list[Row]:
        """Joint attacks by who has the first j models, for each j."""
        return joint_sweep(
            self.base,
            self.members,
            self.pixels,
            self.labels,
            self.judge,
            known=known,
            epsilons=epsilons,
            options={**self.options, **more},
        )

    def known(self) -> list[Row]:
        """From no model known to all; who knows all attacks in every mode."""
        most = len(self.members)
        rows = self.sweep([0, most], EPSILONS)
        rows += self.sweep(sorted({1, max(1, most // 2)} - {most}), COMPARED)
        for mode in MODES:
            rows += self.sweep([most], WIDEST, mode=mode)
        return rows

    def grey(self, own: list[nn.Module]) -> list[Row]:
        """The attacker who trained these."""
        return grey_box(
            self.base,
            own,
            self.pixels,
            self.labels,
            self.judge,
            members=len(self.members),
            epsilons=EPSILONS,
            options=self.options,
        )

    def confident(self) -> list[Row]:
        """Rows of `confidence_rows`."""
        return confidence_rows(
            self.base,
            self.judge,
            self.pixels[:MOST_CONFIDENT],
            members=len(self.members),
            seed=self.seed,
        )

    def asked(self, starts: Tensor) -> list[Row]:
        """The attacker who sees labels and flags, and has these images."""
        pixels, most = self.pixels[:MOST_QUERIED], len(self.members)
        labels = self.labels[:MOST_QUERIED]
        oracle = judge_oracle(self.judge, most)
        found = evade_by_queries(
            oracle, pixels, labels, starts, queries=QUERIES, seed=self.seed
        )
        return query_rows(found, pixels, labels, self.judge, members=most, bounds=BOUNDS)

    def checks(self, rows: list[Row]) -> list[Finding]:
        """Is the attack on known models as strong as it should be?"""
        attacked = [row for row in rows if row["scored_on"] == "attacked"]
        most = len(self.members)
        fewer = self.sweep([most], COMPARED, steps=FEWER_STEPS)
        whole = [row for row in attacked if (row["known"], row["mode"]) == (most, "joint")]
        usual = [row for row in whole if row["epsilon"] in COMPARED]
        return [
            *large_epsilon(rows),
            *never_hurts(whole, "epsilon"),
            *never_hurts(fewer + usual, "steps"),
        ]

    def redrawn(self, others: list[nn.Module], twin: Judge) -> list[Finding]:
        """Does another bank in the same place, of as many models, change anything?"""
        size = min(len(self.members), len(others))
        own, again = (
            replace(self, members=models[:size], judge=judge).sweep([0, size], COMPARED)
            for models, judge in ((self.members, self.judge), (others, twin))
        )
        return redrawn(own, again)


def _beside(base: nn.Module, bank: Bank) -> list[nn.Module]:
    """A bank's models, where the original is: attacks run them together."""
    device = next(base.parameters()).device
    return [model.to(device) for model in bank.members()]


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


def _calibrating(base: nn.Module, models: Sequence[nn.Module], clean: Images) -> Votes:
    """Votes on the clean images that the original classifies correctly."""
    votes = cast_votes(base, models, torch.from_numpy(as_pixels(clean)))
    return votes.take(votes.base_labels == clean.labels)


def _of_models(votes: Votes, voters: Sequence[int]) -> Votes:
    chosen = list(voters)
    return Votes(
        base=votes.base,
        bank=votes.bank[:, chosen],
        split=votes.split,
        models=tuple(votes.models[at] for at in chosen),
    )

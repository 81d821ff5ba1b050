"""Sweeps of attackers who adapt: each attacks once, and parts of the bank judge what comes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ggt.adaptive import Row, evasion
from ggt.joint_attack import Mode, Norm, distances, joint_pgd
from ggt.sequential import ADVERSARIAL, NORMAL
from graphprune.errors import SpecError

if TYPE_CHECKING:
    from ggt.flag_attacks import Oracle, QueryEvasion

Judgement = tuple[ArrayLike, ArrayLike, ArrayLike]  # the original's labels, decisions, scores
Judge = Callable[[Tensor, range], Judgement]
"""Pixels, and positions of the bank's models that vote, to a judgement of shape (samples,)."""

DEFAULTS: Row = {
    "mode": "joint",
    "steps": 40,
    "step_size": None,
    "restarts": 1,
    "weight": 1.0,
    "enough": 0.0,
    "seed": 0,
}
"""Settings of `joint_pgd` that rows name, and their values where a sweep says nothing."""


class JointOptions(TypedDict, total=False):
    """Keywords of `joint_pgd` that a sweep keeps fixed."""

    steps: int
    step_size: float | None
    restarts: int
    weight: float
    mode: Mode
    enough: float
    seed: int
    batch: int


def joint_sweep(
    base: nn.Module,
    members: Sequence[nn.Module],
    pixels: Tensor,
    labels: Tensor,
    judge: Judge,
    *,
    known: Sequence[int],
    epsilons: Sequence[float],
    options: JointOptions | None = None,
) -> list[Row]:
    """The attacker who has the first j models of the bank, for each j and each radius.

    Args:
        base: The original.
        members: The bank's models, in its order.
        pixels: Samples that the original classifies correctly, as `joint_pgd` takes them.
        labels: Their labels.
        judge: The detector, built from the models at the positions that it is given.
        known: Each j, from 0 (the static attacker) to all.
        epsilons: Linf radii, in pixel units.
        options: Further keywords of `joint_pgd`.

    Returns:
        Rows with `scored_on` "held_out", by the models that the attacker has not, and
        "attacked", by those that he has; one is left out where there are no such models.
        `score_median` is the median score.

    Raises:
        SpecError: A j is out of range, or `joint_pgd` refuses.
    """
    if not all(0 <= j <= len(members) for j in known):
        raise SpecError(f"known must lie in [0, {len(members)}], got {list(known)}")
    sweep, rows = _Sweep(base, pixels, labels, judge, options or {}), []
    for j in known:
        parts = {"held_out": range(j, len(members)), "attacked": range(j)}
        head: Row = {"threat": "known" if j else "static", "members": len(members)}
        for epsilon in epsilons:
            rows += sweep.rows(members[:j], epsilon, parts, head)
    return rows


def grey_box(
    base: nn.Module,
    own: Sequence[nn.Module],
    pixels: Tensor,
    labels: Tensor,
    judge: Judge,
    *,
    members: int,
    epsilons: Sequence[float],
    options: JointOptions | None = None,
) -> list[Row]:
    """The attacker who trained a bank like the defender's, and attacks all of it.

    Args:
        base: The original.
        own: The attacker's models.
        pixels: As for `joint_sweep`.
        labels: As for `joint_sweep`.
        judge: As for `joint_sweep`; it votes with the defender's models.
        members: Number of the defender's models, all of which vote.
        epsilons: Linf radii, in pixel units.
        options: Further keywords of `joint_pgd`.

    Returns:
        Rows with `scored_on` "defender"; `known` counts the attacker's models.

    Raises:
        SpecError: `joint_pgd` refuses.
    """
    sweep = _Sweep(base, pixels, labels, judge, options or {})
    head: Row = {"threat": "grey", "members": members}
    parts = {"defender": range(members)}
    return [row for epsilon in epsilons for row in sweep.rows(own, epsilon, parts, head)]


@dataclass(frozen=True, slots=True, eq=False)
class _Sweep:
    """What stays the same over the attacks of one sweep."""

    base: nn.Module
    pixels: Tensor
    labels: Tensor
    judge: Judge
    options: JointOptions

    def rows(
        self, models: Sequence[nn.Module], epsilon: float, parts: dict[str, range], head: Row
    ) -> list[Row]:
        """Attack these models once; a row for each part of the bank that judges."""
        found = joint_pgd(
            self.base, models, self.pixels, self.labels, epsilon=epsilon, **self.options
        )
        norms = distances(found, self.pixels, "linf")
        settings = {"epsilon": epsilon, "norm": "linf"} | DEFAULTS
        settings |= {name: value for name, value in self.options.items() if name in DEFAULTS}
        return [
            head
            | {"known": len(models), **settings, "scored_on": part}
            | judged_row(self.judge(found, voters), self.labels, norms)
            for part, voters in parts.items()
            if len(voters)
        ]


def query_rows(
    found: "QueryEvasion",
    pixels: Tensor,
    labels: Tensor,
    judge: Judge,
    *,
    members: int,
    bounds: Sequence[float],
    norm: Norm = "l2",
) -> list[Row]:
    """The attacker who sees label and flag, judged by the whole bank: a row for each bound.

    A sample without an evasion within the bound counts as not fooled. Beside the usual,
    a row has `epsilon`, the bound, `found`, the samples with an evasion at any distance,
    `queries_median`, of the attacked samples, and `shared_queries`.
    """
    judgement = judge(found.pixels, range(members))
    norms = distances(found.pixels, pixels, norm)
    queries = found.queries[found.queries > 0].numpy()
    counts = {
        "found": int(found.found.sum()),
        "queries_median": float(np.median(queries)) if len(queries) else None,
        "shared_queries": found.shared_queries,
    }
    head: Row = {"threat": "query", "known": 0, "members": members, "norm": norm}
    return [
        head
        | {"epsilon": bound, "scored_on": "defender"}
        | counts
        | judged_row(judgement, labels, norms, bound)
        for bound in bounds
    ]


def judge_oracle(judge: Judge, members: int, *, undecided_passes: bool = False) -> "Oracle":
    """What the query attacker sees: labels, and True where the whole bank stops a sample."""

    def oracle(pixels: Tensor) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        labels, decisions, _ = judge(pixels, range(members))
        said = np.asarray(decisions)
        stopped = said == ADVERSARIAL if undecided_passes else said != NORMAL
        return np.asarray(labels), stopped

    return oracle


def judged_row(
    judgement: Judgement, labels: Tensor, norms: Tensor, bound: float | None = None
) -> Row:
    """What `evasion` counts of one judgement, and the median of all scores.

    Args:
        judgement: Of the attacked samples.
        labels: The right ones; shape (samples,).
        norms: Distances from the clean samples, in pixel units; shape (samples,).
        bound: As for `evasion`.
    """
    after, decisions, scores = map(np.asarray, judgement)
    right, far = labels.cpu().numpy(), norms.cpu().numpy()
    row = evasion(right, after, decisions, far, bound=bound)
    row["score_median"] = float(np.median(scores)) if len(scores) else None
    return row

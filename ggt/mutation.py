"""Model mutation testing (MMT): many slightly broken copies of the original vote.

Source: Wang et al., Adversarial Sample Detection for Deep Neural Network through Model
Mutation Testing, ICSE 2019, arXiv:1812.05793.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from ggt.neurons import plain_copy
from ggt.operators import DEFINED, PUBLISHED, Operator
from graphprune.errors import SpecError, TrainingError

Variant = Literal["defined", "published"]
VARIANTS: tuple[Variant, ...] = ("defined", "published")
OPERATORS: tuple[Operator, ...] = tuple(DEFINED)
FLOOR = 0.9  # of the original's accuracy, as MMT has it
RATES = (0.001, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
PATIENCE = 100  # mutants rejected in a row before it gives up

Judge = Callable[[nn.Module], float]
"""Accuracy of a model, in [0, 1], on images that no figure is reported on."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """How one mutant is made; equal mutations of one model give equal mutants.

    `operator` is "gf" (Gaussian fuzzing), "ws" (weight shuffling), "ns" (neuron switch) or
    "nai" (neuron activation inverse); `rate` the share of the network's weights (gf) or neurons
    (others) that change, in (0, 1]. `variant` is "defined" as in the papers or "published" as
    in the released code; `ggt.operators` says what each does.

    Raises:
        SpecError: A value is unknown or out of range.
    """

    operator: Operator
    rate: float
    variant: Variant = "defined"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            names = ", ".join(OPERATORS)
            raise SpecError(f"mutation operator must be one of {names}, got {self.operator!r}")
        if self.variant not in VARIANTS:
            names = ", ".join(VARIANTS)
            raise SpecError(f"mutation variant must be one of {names}, got {self.variant!r}")
        if not 0 < self.rate <= 1:
            raise SpecError(f"mutation rate must be in (0, 1], got {self.rate}")
        if self.seed < 0:
            raise SpecError(f"seed must be at least 0, got {self.seed}")

    @property
    def name(self) -> str:
        """Operator, variant and rate, such as "nai-defined-0.01"."""
        return f"{self.operator}-{self.variant}-{self.rate:g}"


def mutate(model: nn.Module, mutation: Mutation) -> nn.Module:
    """A mutated copy of a model; the model given and the global random state stay as they are.

    Masked and compact models give plain mutants: weights that a mask took away stay zero, or
    move with their neuron where neurons are switched. A `PixelModel` keeps its normalisation.

    Raises:
        SpecError: The model has no layer that the operator could change.
    """
    mutant, kept = plain_copy(model)
    rng = np.random.default_rng(mutation.seed)
    operators = DEFINED if mutation.variant == "defined" else PUBLISHED
    with torch.no_grad():
        operators[mutation.operator](mutant, kept, mutation.rate, rng)
    return mutant


@dataclass(frozen=True, slots=True, eq=False)
class MutantBank:
    """Mutants that passed the accuracy filter; made anew from their seeds on every reading.

    So that a bank of hundreds needs the memory of one. `accuracies` are the judge's, in the
    order of `mutations`; `tried` counts every mutant judged, `base_accuracy` is the
    original's.
    """

    original: nn.Module
    mutations: tuple[Mutation, ...]
    accuracies: tuple[float, ...]
    tried: int
    base_accuracy: float

    def __len__(self) -> int:
        """Number of mutants."""
        return len(self.mutations)

    def __getitem__(self, index: int) -> nn.Module:
        """One mutant, made now."""
        return mutate(self.original, self.mutations[index])

    def __iter__(self) -> Iterator[nn.Module]:
        """The mutants, one at a time."""
        return (mutate(self.original, mutation) for mutation in self.mutations)

    @property
    def rejected(self) -> int:
        """Number of mutants that failed the filter."""
        return self.tried - len(self.mutations)


def mutants(
    model: nn.Module,
    families: Mutation | Sequence[Mutation],
    count: int,
    *,
    judge: Judge,
    floor: float = FLOOR,
    seed: int = 0,
) -> MutantBank:
    """Make mutants until `count` of them are at least `floor` times as accurate as the model.

    Args:
        model: The original; left unchanged.
        families: Operator, rate and variant of the mutants, one after the other in turn; their
            own seeds are not used.
        count: Mutants wanted, at least 1.
        judge: Gives the accuracy of a model, in [0, 1].
        floor: Share of the original's accuracy that a mutant keeps, in [0, 1]; 0.9 in MMT.
        seed: Fixes every mutant.

    Raises:
        SpecError: A count, floor or family is out of range.
        TrainingError: 100 mutants in a row were rejected.
    """
    kinds = (families,) if isinstance(families, Mutation) else tuple(families)
    if count < 1 or not kinds:
        raise SpecError(f"{count} mutants of {len(kinds)} families: both must be at least 1")
    base = judge(model)
    bar = _bar(base, floor)
    kept: list[Mutation] = []
    accuracies: list[float] = []
    tries, last = _seeds(seed), 0
    for tried in itertools.count(1):
        kind = kinds[len(kept) % len(kinds)]
        mutation = replace(kind, seed=next(tries))
        accuracy = judge(mutate(model, mutation))
        if accuracy >= bar:
            kept.append(mutation)
            accuracies.append(accuracy)
            last = tried
        elif tried - last >= PATIENCE:
            raise TrainingError(
                f"{PATIENCE} mutants {kind.name} in a row are less accurate than {bar:.4f} "
                f"({len(kept)} of {count} kept): lower the rate or the floor"
            )
        if len(kept) == count:
            break
    return MutantBank(model, tuple(kept), tuple(accuracies), tried, base)


def strongest_rate(
    model: nn.Module,
    family: Mutation,
    *,
    judge: Judge,
    floor: float = FLOOR,
    rates: Sequence[float] = RATES,
    tries: int = 8,
    seed: int = 0,
) -> float:
    """The largest rate at which at least half of `tries` mutants pass the accuracy filter.

    Stronger mutants disagree more, with clean samples too, so it is chosen by the filter and
    never by how well it detects.

    Args:
        model: The original; left unchanged.
        family: Operator and variant; its rate and seed are not used.
        judge: As for `mutants`.
        floor: As for `mutants`.
        rates: Rates to try, in (0, 1].
        tries: Mutants a rate, at least 1.
        seed: Fixes every mutant.

    Raises:
        SpecError: A rate, floor or count is out of range.
        TrainingError: No rate passes.
    """

    def made(rate: float) -> Iterator[nn.Module]:
        seeds = itertools.islice(_seeds(seed), tries)
        return (mutate(model, replace(family, rate=rate, seed=one)) for one in seeds)

    if tries < 1:
        raise SpecError(f"tries must be at least 1, got {tries}")
    return strongest(made, rates, judge=judge, base_accuracy=judge(model), floor=floor)


def strongest(
    make: Callable[[float], Iterable[nn.Module]],
    strengths: Sequence[float],
    *,
    judge: Judge,
    base_accuracy: float,
    floor: float = FLOOR,
) -> float:
    """The largest strength at which at least half of the models made pass the filter.

    Args:
        make: Gives the models of one strength, at least one.
        strengths: Strengths to try, in any order; the largest that passes ends the search.
        judge: Gives the accuracy of a model, in [0, 1].
        base_accuracy: The original's.
        floor: Share of the original's accuracy that a model keeps, in [0, 1].

    Raises:
        SpecError: There is no strength, or the floor is out of range.
        TrainingError: No strength passes.
    """
    if not strengths:
        raise SpecError("there is no strength to choose from")
    bar = _bar(base_accuracy, floor)
    for strength in sorted(strengths, reverse=True):
        passed = [judge(model) >= bar for model in make(strength)]
        if passed and 2 * sum(passed) >= len(passed):
            return strength
    raise TrainingError(
        f"no strength of {', '.join(f'{s:g}' for s in strengths)} leaves half of the models "
        f"as accurate as {bar:.4f}"
    )


def _bar(base_accuracy: float, floor: float) -> float:
    """The accuracy that a model needs, rounding left out of account."""
    if not 0 <= floor <= 1:
        raise SpecError(f"floor must be in [0, 1], got {floor}")
    return floor * base_accuracy - 1e-9


def _seeds(seed: int) -> Iterator[int]:
    """Endless seeds that follow from one; those of near seeds have nothing in common."""
    if seed < 0:
        raise SpecError(f"seed must be at least 0, got {seed}")
    for index in itertools.count():
        yield int(np.random.default_rng([seed, index]).integers(2**62))

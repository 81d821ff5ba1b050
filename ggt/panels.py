"""The groups of voters that a benchmark compares: what they are, cost, and say."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ggt.asking import cast_votes
from ggt.bank import Bank
from ggt.bank_request import BankRequest
from ggt.baselines import SHARES, SIGMAS, dropout_copies, noisy_copies
from ggt.design import Design
from ggt.detector import calibrate
from ggt.evaluate import Panel
from ggt.growing import grow
from ggt.mutation import Mutation, mutants, strongest, strongest_rate
from ggt.pixel_models import probabilities
from ggt.targets import as_pixels
from graphprune.data import Images
from graphprune.monitor import Monitor

OPERATORS = ("gf", "ws", "ns", "nai")
CONTROL_NAMES = {"unstructured": "random masks", "dense": "dense networks"}
MOST_JUDGED = 1000  # images that judge each of many mutants
Judge = Callable[[nn.Module], float]


@dataclass(frozen=True, slots=True, eq=False)
class Voters:
    """Models that vote together.

    `models` gives them anew on every reading. `bytes` are those of their files, `seconds` those
    of their training; None for copies of the original, which have neither.
    """

    name: str
    models: Iterable[nn.Module]
    bytes: int | None = None
    seconds: float | None = None
    note: str = ""


def judge_of(images: Images) -> Judge:
    """Gives the accuracy of a model on the first thousand of these images."""
    first = images.take(np.arange(min(MOST_JUDGED, len(images))))
    pixels, labels = torch.from_numpy(as_pixels(first)), torch.from_numpy(first.labels)
    return lambda model: float(
        (probabilities(model, pixels).argmax(1) == labels).float().mean()
    )


def bank_voters(name: str, bank: Bank) -> Voters:
    """The models of a bank."""
    return Voters(name, bank.members(), bank.bytes_on_disk, bank.seconds)


def control_bank(
    bank: Bank,
    family: str,
    models: int,
    monitor: Monitor,
    *,
    data_dir: Path | None = None,
    jobs: int = 1,
    threads: int = 1,
    device: str = "cpu",
    seed: int | None = None,
) -> Bank:
    """Models of a control beside a bank: same original, images, recipe and floor.

    They are kept in `controls/` of the bank's folder, and trained only once. Random masks keep
    as many weights as graphs of the bank's degree, rounded to a whole number. The family "same"
    gives a second bank of the bank's own design; its `seed` has to be another.

    Raises:
        GraphPruneError: They cannot be made.
    """
    first = bank.manifest.members[0]
    own = first.design
    if family == "dense":
        design = Design(family="dense")
    elif family == "unstructured":
        design = Design(
            family="unstructured",
            nodes=own.nodes,
            degree=None if own.degree is None else round(own.degree),
            skip=own.skip,
        )
    else:
        assert family == "same"
        design = own
    request = BankRequest(
        folder=bank.folder.path / "controls" / family,
        base=str(bank.folder.base),
        builder=bank.builder,
        design=design,
        models=models,
        floor=bank.manifest.floor,
        data=bank.data,
        data_dir=data_dir,
        recipe=replace(first.recipe, seed=0),
        seed=bank.manifest.seed if seed is None else seed,
        jobs=jobs,
        threads=threads,
        device=device,
    )
    return grow(request, monitor)


def mutant_voters(
    model: nn.Module, variant: str, count: int, judge: Judge, *, seed: int = 0
) -> Voters:
    """Mutants of all four operators in turn, as strong as the accuracy filter allows.

    Raises:
        TrainingError: No rate of an operator passes the filter.
    """
    families = []
    for operator in OPERATORS:
        family = Mutation(operator, 0.01, variant, 0)  # type: ignore[arg-type]
        rate = strongest_rate(model, family, judge=judge, seed=seed)
        families.append(replace(family, rate=rate))
    made = mutants(model, families, count, judge=judge, seed=seed)
    note = ", ".join(f"{family.operator} {family.rate:g}" for family in families)
    return Voters(f"MMT {variant}", made, note=f"{note}; {made.rejected} rejected")


def copy_voters(model: nn.Module, kind: str, count: int, judge: Judge, *, seed: int) -> Voters:
    """Copies of the model with "noise" or "dropout", as strong as the accuracy filter allows.

    Raises:
        TrainingError: No strength passes the filter.
        SpecError: The model has no activations to drop channels behind.
    """
    accuracy = judge(model)

    def make(strength: float, copies: int) -> list[nn.Module]:
        if kind == "noise":
            return noisy_copies(model, copies, sigma=strength, seed=seed)
        return dropout_copies(model, copies, share=strength, seed=seed)

    strengths = SIGMAS if kind == "noise" else SHARES
    chosen = strongest(
        lambda strength: make(strength, 4), strengths, judge=judge, base_accuracy=accuracy
    )
    return Voters(f"{kind} copies", make(chosen, count), note=f"strength {chosen:g}")


def make_panel(
    base: nn.Module,
    voters: Voters,
    sets: dict[str, Tensor],
    held_out: Tensor,
    held_out_labels: NDArray[np.int64],
    *,
    fpr: float,
    looks: Sequence[int] | None = None,
) -> tuple[Panel, float]:
    """Every vote of these voters, their calibration, and the milliseconds a vote takes.

    Each model is asked about all samples before the next is made; the time of a vote holds the
    making of mutants, but not the first run of a bank's models, in which kernels compile.
    """
    parts = [held_out, *sets.values()]
    pixels = torch.cat(parts)
    if isinstance(voters.models, list):  # models that are there compile before they are timed
        for model in voters.models:
            probabilities(model, pixels[:2])
    began = time.perf_counter()
    probabilities(base, pixels)
    alone = time.perf_counter() - began
    votes = cast_votes(base, voters.models, pixels)
    seconds = time.perf_counter() - began - 2 * alone
    cuts = np.cumsum([len(part) for part in parts])[:-1]
    places = np.split(np.arange(len(votes)), cuts)
    clean = votes.take(places[0])
    clean = clean.take(clean.base_labels == held_out_labels)
    calibration = calibrate(clean, fpr=fpr, looks=looks, only_correct=True)
    found = {name: votes.take(place) for name, place in zip(sets, places[1:], strict=True)}
    asked = len(votes.models) * len(votes)
    return Panel(voters.name, found, clean, calibration), 1000 * max(seconds, 0.0) / asked

"""Attacks by name on one network: foolbox's and our own, run in batches and checked.

foolbox is imported with this module, which takes a second; `ggt.attack_request` names the
attacks without it.
"""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ggt._foolbox import (
    BoundaryAttack,
    L2BrendelBethgeAttack,
    L2CarliniWagnerAttack,
    L2DeepFoolAttack,
    LinfDeepFoolAttack,
    LinfFastGradientAttack,
    LinfProjectedGradientDescentAttack,
    Misclassification,
    PyTorchModel,
    outputs,
)
from ggt.attack_request import ATTACKS as ATTACKS
from ggt.attack_request import AttackKind as AttackKind
from ggt.attack_request import AttackRequest as AttackRequest
from ggt.attack_request import parse as parse
from ggt.crafting import Crafted, guard, left_as_found, own_randomness, predicted
from ggt.decision_based import HopSkipJump, starting_points
from ggt.jsma import JacobianSaliencyAttack
from ggt.local_search import LocalSearchAttack
from ggt.one_pixel import OnePixelAttack
from ggt.signal_budget import budget_of
from ggt.substitute import SubstituteAttack
from graphprune.errors import SpecError

KNOWN_SHARE = 0.25  # of the images, given up to train a substitute if no others are known
SEARCHES = 6  # binary search over the constant of Carlini and Wagner, which starts at 10
STEP = 0.1  # of its optimiser: smaller ones take a thousand steps to leave black
# foolbox scales the trust region of Brendel and Bethge by all values of the batch: undone
FIRST_RADIUS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What every attack is given: the network, all images to attack, and the request.

    `substitute` is the attack that trains one, made once for all batches.
    """

    model: Any
    images: Tensor
    labels: Tensor
    request: AttackRequest
    substitute: SubstituteAttack | None = None


Maker = Callable[[_Job, Tensor, Tensor, int], tuple[Tensor, Tensor | None]]


def craft(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackRequest,
    *,
    known: Tensor | None = None,
    progress: Callable[[int], None] | None = None,
) -> Crafted:
    """Attack a network on images that it classifies correctly, and check what comes out.

    Equal arguments give equal results on a CPU with equal threads. The network's parameters,
    gradients and mode and the global random states are left as they were.

    Args:
        model: Takes pixels in [0, 1], as `PixelModel` does; attacked in evaluation mode.
        images: float32, in [0, 1]; shape (count, channels, height, width).
        labels: The network's own labels of them; shape (count,).
        attack: Which attack, and how.
        known: Images that the attacker has, none of them among `images`, for the substitute
            attack. Without them it gives up a quarter of `images`: they count as not tried.
        progress: Called with the number of images done after each batch.

    Returns:
        One entry an image, in the order given.

    Raises:
        SpecError: Images of a wrong shape, type or range, a label that is not the network's,
            `known` given to an attack that has no use for it, or a budget of power (psr) for
            images that are no signals.
    """
    _check(images, labels)
    limit: float | Tensor | None = None
    signal = getattr(model, "signal", None)
    if attack.psr is not None:
        attack, limit = budget_of(attack, images, signal)
    if known is not None and attack.name != "substitute":
        raise SpecError(f"{attack.name} has no use for known images")
    started = time.perf_counter()
    device = next(model.parameters()).device
    with left_as_found(model), own_randomness(attack.seed, device), torch.enable_grad():
        wrong = int((predicted(model, images) != labels.cpu()).sum())
        if wrong:
            raise SpecError(f"the network labels {wrong} of {len(images)} images otherwise")
        job, first = _job(model, images.to(device), labels.to(device), attack, known)
        produced, tried = images.cpu().clone(), torch.zeros(len(images), dtype=torch.bool)
        for start in range(first, len(images), attack.batch):
            rows = slice(start, start + attack.batch)
            made, started_from = _MAKERS[attack.name](
                job, job.images[rows], job.labels[rows], start
            )
            produced[rows] = made.detach().cpu()
            tried[rows] = True if started_from is None else started_from.cpu()
            if progress is not None:
                progress(min(start + attack.batch, len(images)))
        seconds = time.perf_counter() - started
        norm, bound = _bound(attack, images) if limit is None else (attack.kind.norm, limit)
        return guard(
            model,
            images,
            labels,
            produced,
            norm=norm,
            bound=bound,
            tried=tried,
            seconds=seconds,
            signal=signal,
        )


def _check(images: Tensor, labels: Tensor) -> None:
    """Refuse images that no network takes, before an attack spends an hour on them."""
    if images.ndim != 4 or not len(images) or images.dtype != torch.float32:
        raise SpecError(
            "images must be float32 of shape (count, channels, height, width) with at least "
            f"one, got {images.dtype} of shape {tuple(images.shape)}"
        )
    if labels.shape != images.shape[:1]:
        raise SpecError(f"{len(images)} images need as many labels, got {tuple(labels.shape)}")
    if not (torch.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise SpecError("images must be finite and in [0, 1]")


def _job(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    request: AttackRequest,
    known: Tensor | None,
) -> tuple[_Job, int]:
    """The job, and the first image to attack."""
    wrapped = PyTorchModel(model, bounds=(0, 1), device=images.device)
    first, substitute = 0, None
    if request.name == "substitute":
        if known is None:
            first = math.ceil(len(images) * KNOWN_SHARE)
            known = images[:first]
        substitute = SubstituteAttack(
            known.to(images.device), rounds=int(request.value("steps")), seed=request.seed
        )
    return _Job(wrapped, images, labels, request, substitute), first


def _bound(request: AttackRequest, images: Tensor) -> tuple[str | None, float | None]:
    """The norm that the request bounds, and by how much."""
    if request.epsilon is not None:
        return request.kind.norm, request.epsilon
    if request.pixels is not None:
        return "l0", float(request.pixels)
    if request.gamma is not None:
        return "l0", float(math.floor(request.gamma * images[0].numel() + 1e-9))
    return None, None


def _run(job: _Job, attack: Any, images: Tensor, labels: Tensor, **more: Any) -> Tensor:
    """What a foolbox attack returns within its bound; its opinion of success is dropped."""
    criterion = Misclassification(labels)
    result = attack(job.model, images, criterion, epsilons=job.request.epsilon, **more)
    found: Tensor = result[1]
    return found


def _plain(make: Callable[[AttackRequest, int], Any]) -> Maker:
    """An attack that needs no more than its options and a seed."""

    def maker(
        job: _Job, images: Tensor, labels: Tensor, start: int
    ) -> tuple[Tensor, Tensor | None]:
        return _run(job, make(job.request, job.request.seed + start), images, labels), None

    return maker


def _pgd(job: _Job, images: Tensor, labels: Tensor, start: int) -> tuple[Tensor, None]:
    """From random starts, then by FGSM where none led out: so it is never weaker than FGSM.

    A step is 2.5 / steps of epsilon: the whole ball is within reach from any start.
    """
    steps, restarts = int(job.request.value("steps")), int(job.request.value("restarts"))
    walk = LinfProjectedGradientDescentAttack(
        rel_stepsize=2.5 / steps, steps=steps, random_start=True
    )
    produced = images.clone()
    for attack in [walk] * restarts + [LinfFastGradientAttack()]:
        left = outputs(job.model, produced).argmax(1) == labels
        if not left.any():
            break
        produced[left] = _run(job, attack, images[left], labels[left])
    return produced, None


def _substitute(job: _Job, images: Tensor, labels: Tensor, start: int) -> tuple[Tensor, None]:
    return _run(job, job.substitute, images, labels), None


def _from_starts(make: Callable[[AttackRequest, int], Any]) -> Maker:
    """An attack that walks from a misclassified image towards the clean one."""

    def maker(
        job: _Job, images: Tensor, labels: Tensor, start: int
    ) -> tuple[Tensor, Tensor | None]:
        begin = starting_points(
            job.model, images, labels, pool=job.images, pool_labels=job.labels
        )
        chosen = torch.arange(len(images), device=images.device)
        while len(chosen):  # asked again as the attack will ask: in a batch of just these
            fooled = outputs(job.model, begin[chosen]).argmax(1) != labels[chosen]
            if fooled.all():
                break
            chosen = chosen[fooled]
        produced = images.clone()
        tried = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        if len(chosen):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "At the first initialisation", UserWarning)
                attack = make(job.request, images[chosen].numel())
            produced[chosen] = _run(
                job, attack, images[chosen], labels[chosen], starting_points=begin[chosen]
            )
            tried[chosen] = True
        return produced, tried

    return maker


def _steps(request: AttackRequest) -> int:
    return int(request.value("steps"))


_MAKERS: dict[str, Maker] = {
    "fgsm": _plain(lambda request, seed: LinfFastGradientAttack()),
    "pgd": _pgd,
    "deepfool": _plain(lambda request, seed: L2DeepFoolAttack(steps=_steps(request))),
    "deepfool-linf": _plain(lambda request, seed: LinfDeepFoolAttack(steps=_steps(request))),
    "cw": _plain(
        # A large first constant: from the usual 0.001 a short search returns black images.
        lambda request, seed: L2CarliniWagnerAttack(
            binary_search_steps=SEARCHES,
            steps=_steps(request),
            stepsize=STEP,
            confidence=float(request.value("confidence")),
            initial_const=10.0,
        )
    ),
    "boundary": _from_starts(lambda request, values: BoundaryAttack(steps=_steps(request))),
    "hopskipjump": _from_starts(lambda request, values: HopSkipJump(steps=_steps(request))),
    "brendel-bethge": _from_starts(
        lambda request, values: L2BrendelBethgeAttack(
            steps=_steps(request), lr=FIRST_RADIUS / values
        )
    ),
    "jsma": _plain(
        lambda request, seed: JacobianSaliencyAttack(
            theta=float(request.value("theta")),
            gamma=float(request.value("gamma")),
            target=str(request.value("target")),
            seed=seed,
        )
    ),
    "local-search": _plain(
        lambda request, seed: LocalSearchAttack(rounds=_steps(request), seed=seed)
    ),
    "one-pixel": _plain(
        lambda request, seed: OnePixelAttack(
            pixels=int(request.value("pixels")), generations=_steps(request), seed=seed
        )
    ),
    "substitute": _substitute,
}
assert _MAKERS.keys() == ATTACKS.keys()

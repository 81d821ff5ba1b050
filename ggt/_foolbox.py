"""foolbox, imported in one place, and what our own attacks share as its subclasses."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graphprune.errors import SpecError

with warnings.catch_warnings():  # foolbox 3.3.4 imports a name that SciPy has deprecated
    warnings.simplefilter("ignore")
    from eagerpy.astensor import astensor as astensor
    from eagerpy.astensor import astensor_ as astensor_
    from eagerpy.astensor import astensors_ as astensors_
    from foolbox.attacks.base import FixedEpsilonAttack as FixedEpsilonAttack
    from foolbox.attacks.base import MinimizationAttack, get_criterion
    from foolbox.attacks.base import raise_if_kwargs as raise_if_kwargs
    from foolbox.attacks.base import verify_input_bounds as verify_input_bounds
    from foolbox.attacks.blended_noise import (
        LinearSearchBlendedUniformNoiseAttack as LinearSearchBlendedUniformNoiseAttack,
    )
    from foolbox.attacks.boundary_attack import BoundaryAttack as BoundaryAttack
    from foolbox.attacks.brendel_bethge import L2BrendelBethgeAttack as L2BrendelBethgeAttack
    from foolbox.attacks.carlini_wagner import L2CarliniWagnerAttack as L2CarliniWagnerAttack
    from foolbox.attacks.deepfool import L2DeepFoolAttack as L2DeepFoolAttack
    from foolbox.attacks.deepfool import LinfDeepFoolAttack as LinfDeepFoolAttack
    from foolbox.attacks.fast_gradient_method import (
        LinfFastGradientAttack as LinfFastGradientAttack,
    )
    from foolbox.attacks.hop_skip_jump import HopSkipJumpAttack as HopSkipJumpAttack
    from foolbox.attacks.projected_gradient_descent import (
        LinfProjectedGradientDescentAttack as LinfProjectedGradientDescentAttack,
    )
    from foolbox.criteria import Criterion as Criterion
    from foolbox.criteria import Misclassification as Misclassification
    from foolbox.criteria import TargetedMisclassification
    from foolbox.distances import Distance
    from foolbox.distances import l2 as l2
    from foolbox.distances import linf as linf
    from foolbox.models.base import Model as Model
    from foolbox.models.pytorch import PyTorchModel as PyTorchModel
    from foolbox.types import Bounds as Bounds

QUERIES = 1024  # images a pass where an attack asks about many at a time


@dataclass(frozen=True, slots=True)
class Goal:
    """What an attack is after: another label than `classes`, or (`targeted`) just that one.

    `classes` is int64, shape (images,).
    """

    classes: Tensor
    targeted: bool

    def met(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Which outputs reach the goal, for the images at `rows`; bool, shape (rows,)."""
        hit = logits.argmax(1) == self.classes[rows]
        return hit if self.targeted else ~hit

    def distance(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Probability still to be taken from the label, or won by the target; in [0, 1]."""
        share = logits.softmax(1).gather(1, self.classes[rows, None])[:, 0]
        return 1 - share if self.targeted else share


class ChangedPixels(Distance):
    """Number of pixels of which any channel differs, as a foolbox distance."""

    def __call__(self, references: Any, perturbed: Any) -> Any:
        """Pixels changed in each image; shape (images,)."""
        (clean, changed), restore = astensors_(references, perturbed)
        differs = (clean.raw != changed.raw).any(1).flatten(1)
        return restore(type(clean)(differs.sum(1).float()))

    def clip_perturbation(self, references: Any, perturbed: Any, epsilon: float) -> Any:
        """Images with at most `epsilon` pixels changed; where there are more, none is."""
        (clean, changed), restore = astensors_(references, perturbed)
        small = self(clean.raw, changed.raw) <= epsilon
        kept = torch.where(small.reshape(-1, 1, 1, 1), changed.raw, clean.raw)
        return restore(type(clean)(kept))


class PixelSearch(MinimizationAttack, ABC):
    """An attack on few pixels: a subclass writes `find`, foolbox's `__call__` does the rest."""

    distance = ChangedPixels()

    @abstractmethod
    def find(self, model: Model, images: Tensor, goal: Goal) -> Tensor:
        """Changed images, in [0, 1]; of the shape of `images`, which stay as they are."""

    def run(
        self,
        model: Model,
        inputs: Any,
        criterion: Any,
        *,
        early_stop: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """As foolbox calls it; labels or a (targeted) misclassification say what is sought."""
        raise_if_kwargs(kwargs)
        images, restore = astensor_(inputs)
        verify_input_bounds(images, model)
        found = self.find(model, images.raw, goal_of(criterion))
        return restore(type(images)(found))


def goal_of(criterion: Any) -> Goal:
    """The goal that a foolbox criterion, or bare labels, ask for.

    Raises:
        SpecError: It is neither misclassification nor targeted misclassification.
    """
    criterion = get_criterion(criterion)
    if isinstance(criterion, Misclassification):
        return Goal(criterion.labels.raw, targeted=False)
    if isinstance(criterion, TargetedMisclassification):
        return Goal(criterion.target_classes.raw, targeted=True)
    raise SpecError(f"an attack needs (targeted) misclassification, got {criterion!r}")


def outputs(model: Model, images: Tensor) -> Tensor:
    """Logits without gradients, some images at a time; shape (images, classes)."""
    with torch.no_grad():
        parts = [model(images[i : i + QUERIES]) for i in range(0, len(images), QUERIES)]
    return torch.cat(parts)

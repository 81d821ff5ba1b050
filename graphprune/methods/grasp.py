"""GraSP: keep the weights that the gradients of an untrained network need to stay large."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import largest_of_all
from graphprune.sparse_training.scratch import scratch, usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Grasp(Method):
    """Removes, of all layers together, the weights without which gradients are largest.

    Scored once, before training, by the Hessian of one batch's cross-entropy times its
    gradient; logits are divided by `temperature` first.

    Source: Wang et al., Picking Winning Tickets Before Training by Preserving Gradient Flow,
    ICLR 2020, arXiv:2002.07376.
    """

    title = "grasp"
    paper = "arXiv:2002.07376"
    left_out = "its choice of ten examples of each class: the batch given is scored"
    scope = "network"
    scores_examples = True

    temperature: float = 200.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise SpecError(f"grasp: temperature must be above 0, got {self.temperature}")

    def begin(self, moment: Moment) -> Masks:
        """Masks of exactly the budget's total."""
        images, labels = moment.batch
        with scratch(moment, training=True) as (model, weights):
            loss = functional.cross_entropy(model(images) / self.temperature, labels)
            scores = harms(loss, weights)
        usable(self.title, scores)
        return largest_of_all(
            {name: -score for name, score in scores.items()}, moment.budget.total
        )


def harms(loss: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """-w * (H g) by layer, float64: the most positive weights are the first to remove.

    Removing a weight changes the squared norm of the gradient g by about twice this; H is the
    Hessian, and both are by these weights alone. Shapes of the weights.
    """
    held = list(weights.values())
    slopes = torch.autograd.grad(loss, held, create_graph=True, materialize_grads=True)
    squared = torch.stack([(slope.detach() * slope).sum() for slope in slopes]).sum()
    bent = torch.autograd.grad(squared, held, materialize_grads=True)
    return {
        name: -weight.detach().double() * curve.double()
        for (name, weight), curve in zip(weights.items(), bent, strict=True)
    }

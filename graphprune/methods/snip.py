"""SNIP: keep the weights that the loss of an untrained network is most sensitive to."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import largest_of_all
from graphprune.sparse_training.scratch import scratch, usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Snip(Method):
    """Keeps, of all layers together, the weights whose masks change the loss most.

    Scored once, before training, by the gradient of one batch's cross-entropy.

    Source: Lee et al., SNIP: Single-shot Network Pruning, ICLR 2019, arXiv:1810.02340.
    """

    title = "snip"
    paper = "arXiv:1810.02340"
    left_out = "its initialisation by variance scaling: the network's own weights are scored"
    scope = "network"
    scores_examples = True

    def begin(self, moment: Moment) -> Masks:
        """Masks of exactly the budget's total."""
        images, labels = moment.batch
        with scratch(moment, training=True) as (model, weights):
            loss = functional.cross_entropy(model(images), labels)
            scores = sensitivities(loss, weights)
        usable(self.title, scores)
        return largest_of_all(scores, moment.budget.total)


def sensitivities(loss: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Share of each weight in the sum of |w dL/dw|, by layer; float64, shapes of the weights.

    w dL/dw is the derivative by the weight's mask, where all masks are 1.
    """
    slopes = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
    effects = {
        name: (weight.detach().double() * slope.double()).abs()
        for (name, weight), slope in zip(weights.items(), slopes, strict=True)
    }
    total = torch.stack([effect.sum() for effect in effects.values()]).sum()
    return {name: effect / total for name, effect in effects.items()}

"""SynFlow: keep the weights that carry most flow from inputs to outputs, without data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything
from graphprune.sparse_training.ranking import largest_of_all
from graphprune.sparse_training.scratch import scratch, usable

CURVES = ("exponential", "linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynFlow(Method):
    """Prunes by synaptic flow in `iterations` small steps, all before training.

    Density falls from 1 to the budget's by equal ratios (`curve` "exponential") or equal
    differences ("linear"), of all layers together. Each step scores a float64 copy of which
    every parameter is positive, on one input of ones; of the batch only the shape counts.
    BatchNorm runs by its stored statistics, as those of one constant input would cancel the
    flow, and with a mean of 0, as any other would act as a negative bias: the copy stays
    positive, and each layer's scores sum to the outputs'.

    Source: Tanaka et al., Pruning neural networks without any data by iteratively conserving
    synaptic flow, NeurIPS 2020, arXiv:2006.05467.
    """

    title = "synflow"
    paper = "arXiv:2006.05467"
    left_out = "networks that normalise each input by itself: they have no flow to conserve"
    scope = "network"
    scores_examples = True

    iterations: int = 100
    curve: str = "exponential"

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise SpecError(f"synflow: iterations must be at least 1, got {self.iterations}")
        if self.curve not in CURVES:
            raise SpecError(
                f"synflow: curve must be one of {', '.join(CURVES)}, got {self.curve!r}"
            )

    def count(self, iteration: int, size: int, kept: int) -> int:
        """Weights that stay after an iteration, of `size`, where `kept` stay in the end."""
        done = iteration / self.iterations
        if self.curve == "linear":
            return round(size - (size - kept) * done)
        return round(size * math.pow(kept / size, done))

    def begin(self, moment: Moment) -> Masks:
        """Masks of exactly the budget's total."""
        images, _ = moment.batch
        size, kept = sum(moment.budget.sizes.values()), moment.budget.total
        masks = everything(moment)
        with scratch(moment, training=False) as (model, weights):
            make_positive(model)
            ones = torch.ones(1, *images.shape[1:], dtype=torch.double, device=images.device)
            for iteration in range(1, self.iterations + 1):
                scores = flows(model(ones).sum(), weights)
                if iteration == 1:
                    usable(self.title, scores)
                # Flow may be zero for weights at work as well: those pruned rank below them.
                ranked = {n: torch.where(masks[n], score, -1.0) for n, score in scores.items()}
                masks = largest_of_all(ranked, self.count(iteration, size, kept))
                with torch.no_grad():
                    for name, weight in weights.items():
                        weight.mul_(masks[name])
        return masks


def flows(outputs: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """|w dR/dw| by layer, where R is the sum of the outputs; shapes of the weights."""
    slopes = torch.autograd.grad(outputs, list(weights.values()), materialize_grads=True)
    return {
        name: (weight.detach() * slope).abs()
        for (name, weight), slope in zip(weights.items(), slopes, strict=True)
    }


def make_positive(model: nn.Module) -> None:
    """Make a network that scores flow, in place: float64, absolute values, no shift by means.

    Raises:
        SpecError: It normalises each input by itself.
    """
    model.double()
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.abs_()
        for name, module in model.named_modules():
            mean = getattr(module, "running_mean", 0)
            if mean is None or isinstance(module, nn.GroupNorm | nn.LayerNorm | nn.RMSNorm):
                raise SpecError(f"method synflow: {name} normalises each input by itself")
            if isinstance(mean, Tensor):
                mean.zero_()

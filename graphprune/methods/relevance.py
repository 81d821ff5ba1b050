"""Pruning by explaining: the filters that carry the least relevance go, a few at a time."""

import math
from dataclasses import dataclass

import torch

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.filter_totals import (
    best_filters,
    check_total,
    chosen,
    in_order,
)
from graphprune.sparse_training.filters import filter_mask, weights_a_filter
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything
from graphprune.sparse_training.relevances import filter_relevances, plain_copy, silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance(Method):
    """Trains dense; after the share `at` of the training it prunes, then it trains on.

    It prunes `share` of all filters at a time, those of the least relevance in all layers
    together, and scores the rest anew, until the budget. Relevance is what layer-wise
    propagation by the z+ rule gives a filter's output for the labelled examples, absolute, as
    a share of its layer's. In the last round the counts are shifted until the weights sum to
    the budget. No layer loses its last filter.

    Source: Yeom et al., Pruning by Explaining: A Novel Criterion for Deep Neural Network
    Pruning, Pattern Recognition 115:107899 (2021), arXiv:1912.08881.
    """

    title = "relevance"
    paper = "arXiv:1912.08881"
    left_out = (
        "training between the rounds of pruning: all are at one step, and training follows; "
        "and taking pruned filters out: their BatchNorm keeps its shift"
    )
    scope = "network"
    scores_examples = True

    at: float = 0.5
    share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.at <= 1:
            raise SpecError(f"relevance: at must be in (0, 1], got {self.at}")
        if not 0 < self.share <= 1:
            raise SpecError(f"relevance: share must be in (0, 1], got {self.share}")

    def check(self, budget: Budget) -> None:
        """Whole filters that sum to the total."""
        check_total(self.title, budget)

    def begin(self, moment: Moment) -> Masks:
        """Dense."""
        plain_copy(moment.model, self.title)  # refuses now what could not be scored later
        return everything(moment)

    def due(self, moment: Moment) -> bool:
        """Once."""
        return moment.step == max(1, round(self.at * moment.steps))

    def choose(self, moment: Moment) -> Masks:
        """Masks of the filters that are left after all rounds."""
        budget, sizes = moment.budget, weights_a_filter(moment.budget)
        filters = sum(shape[0] for shape in budget.shapes.values())
        kept = {name: torch.ones(shape[0]).bool() for name, shape in budget.shapes.items()}
        plain = plain_copy(moment.model, self.title)
        while True:
            found = filter_relevances(plain, kept, *moment.batch)
            scores = {n: torch.where(kept[n], each.cpu(), -1.0) for n, each in found.items()}
            left = sum(int(each.sum()) for each in kept.values())
            fewer = in_order(scores)[: max(0, left - math.ceil(self.share * filters))]
            if sum(sizes[name] for name, _ in fewer) <= budget.total:
                break
            kept = chosen(fewer, scores)
            silence(plain, kept)
        best = best_filters(scores, budget)
        return {
            name: filter_mask(best[name], weight) for name, weight in moment.weights.items()
        }

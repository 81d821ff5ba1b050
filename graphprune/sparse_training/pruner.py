"""A method at work in a training: in place of the optimizer's step, one that prunes too."""

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from graphprune.errors import SpecError, TrainingError
from graphprune.sparse_training.body import Body, MakeOptimizer, full_masks
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.compact_body import CompactBody
from graphprune.sparse_training.protocol import Masks, Method, Moment, Sample
from graphprune.sparse_training.switch_body import SwitchBody


@dataclass(frozen=True, slots=True)
class Effort:
    """What a training cost by layer: means over its steps, as shares of the layer's weights.

    `forward` counts weights that multiplied, `gradient` weights whose gradients were computed.
    """

    forward: dict[str, float]
    gradient: dict[str, float]


class Pruner:
    """Prunes a network while it trains, by one method and within a budget.

    In a loop of your own: train `pruner.model`, call `pruner.step()` where you would call the
    optimizer's, and take `pruner.finish()` in the end. Until then `pruner.model` may hold
    weights that are pruned in what it computes.
    """

    def __init__(
        self,
        model: nn.Module,
        method: Method,
        budget: Budget,
        *,
        steps: int,
        optimizer: MakeOptimizer,
        steps_an_epoch: int | None = None,
        sample: Sample | None = None,
        seed: int = 0,
        rescale: bool = True,
        compact: bool = False,
    ) -> None:
        """Choose the masks of the first step.

        Args:
            model: Dense, untrained unless the method wants another; left unchanged.
            method: What chooses.
            budget: What is kept in the end.
            steps: Of the whole training, at least 1.
            optimizer: Makes the optimizer for a list of parameters.
            steps_an_epoch: For methods that choose by epoch; None: all steps are one.
            sample: A labelled batch for methods that score weights before training.
            seed: Of all random choices.
            rescale: Where masks are there from the start, multiply the kept weights of each
                output by sqrt(weights / kept weights), as `graphprune.prune` does.
            compact: Train in compact form where the method's masks allow it: faster, and the
                same but for rounding.

        Raises:
            SpecError: The method cannot keep to the budget, or needs a sample and has none.
        """
        if steps < 1:
            raise SpecError(f"steps must be at least 1, got {steps}")
        method.check(budget)
        if method.scores_examples and sample is None:
            raise SpecError(
                f"method {method.title} scores weights on examples: it needs data, and got none"
            )
        self.method, self.budget = method, budget
        self._seed, self._sample = seed, sample
        self._steps, self._steps_an_epoch = steps, steps_an_epoch or steps
        self._done, self._training, self._counted, self._dense_runs = 0, 0, 0, 0
        self._memory: dict[str, Any] = {}
        self._used = {name: [0.0, 0.0] for name in budget.shapes}
        masks = full_masks(model, budget)
        self._body: Body = (
            CompactBody(model, masks)
            if compact and method.compacts and not method.needs_gradients()
            else SwitchBody(model, masks, soft=method.soft or method.keeps_pruned)
        )
        masks = method.begin(self._moment())
        self._put(masks)
        if rescale:
            self._body.rescale(masks)
        self._body.equip(optimizer, method.extra_parameters(self._moment()))
        self._begin_step()

    @property
    def model(self) -> nn.Module:
        """The network under training; another one after a choice where it trains compact."""
        return self._body.model

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer; another one after a choice where the network trains compact."""
        return self._body.optimizer

    @property
    def masks(self) -> Masks:
        """The masks at work, by layer name."""
        return self._body.masks

    @property
    def effort(self) -> Effort:
        """What the steps so far have cost."""
        steps = max(1, self._counted)
        return Effort(
            {name: used[0] / steps for name, used in self._used.items()},
            {name: used[1] / steps for name, used in self._used.items()},
        )

    def switched(self, *, on: bool) -> AbstractContextManager[None]:
        """The network with its masks, or without while this lasts.

        Without, and with gradients, it counts as one more run of the step at hand.
        """
        self._dense_runs += not on and torch.is_grad_enabled()
        return self._body.switched(on=on)

    def moment(self) -> Moment:
        """What the method sees now; for its `loss`."""
        return self._moment()

    def step(self) -> None:
        """Let the optimizer step, and the method choose again where it is due.

        Call it after `backward`, in place of the optimizer's `step`.
        """
        self._count()
        due = self.method.due(self._moment(ahead=1))
        chosen = None
        if due and self.method.needs_gradients():
            chosen = self._chosen()
            if not self.method.soft:
                self._prune_gradients()
        if not (due and self.method.replaces_step):
            self.method.change_gradients(self._moment())
            self.optimizer.step()
        if due:
            self._put(self._chosen() if chosen is None else chosen)
        self._done += 1
        with torch.no_grad():
            self.method.change_weights(self._moment())
        self._begin_step()

    def again(self) -> None:
        """Begin the method's next training: its state and masks, and a fresh optimizer."""
        self._training += 1
        self._body.restart(*self.method.restart(self._moment()))
        self._see_masks()
        self._done = 0
        self._begin_step()

    def finish(self) -> nn.Module:
        """The pruned network, with masks as `graphprune.prune` makes them.

        Raises:
            TrainingError: The method has not kept to its budget.
        """
        masks = {name: mask.bool() for name, mask in self.method.finish(self._moment()).items()}
        self._check_budget(masks)
        return self._body.settled(masks)

    def _check_budget(self, masks: Masks) -> None:
        kept = {name: int(mask.sum()) for name, mask in masks.items()}
        right = sum(kept.values()) == self.budget.total
        if self.method.scope == "layer":
            right = right and kept == self.budget.kept
        if not right:
            raise TrainingError(
                f"method {self.method.title} kept {kept} weights of {self.budget.kept}"
            )

    def _prune_gradients(self) -> None:
        for name, weight in self._body.weights().items():
            if weight.grad is not None:
                weight.grad.mul_(self.masks[name])

    def _moment(self, *, ahead: int = 0) -> Moment:
        weights, gradients = self._body.weights(), {}
        if self.method.needs_gradients():
            gradients = {n: w.grad for n, w in weights.items() if w.grad is not None}
        return Moment(
            model=self.model,
            budget=self.budget,
            weights=weights,
            masks=self.masks,
            step=self._done + ahead,
            steps=self._steps,
            steps_an_epoch=self._steps_an_epoch,
            rng=torch.Generator().manual_seed(self._random(self._done + ahead)),
            training=self._training,
            gradients=gradients,
            sample=self._sample,
            memory=self._memory,
        )

    def _random(self, step: int) -> int:
        text = f"{self._seed} {self.method.title} {self._training} {step}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def _chosen(self) -> Masks:
        with torch.no_grad():
            return self.method.choose(self._moment(ahead=1))

    def _begin_step(self) -> None:
        """Let gradients through where the step to come needs those of pruned weights."""
        due = self._done < self._steps and self.method.due(self._moment(ahead=1))
        wanted = self.method.soft or (due and self.method.needs_gradients())
        self._body.let_through(wanted=wanted)

    def _put(self, masks: Masks) -> None:
        self._body.put(masks)
        self._see_masks()

    def _see_masks(self) -> None:
        """Count the masks at work once, not at every step."""
        self._shares = {
            name: int(mask.count_nonzero()) / mask.numel() for name, mask in self.masks.items()
        }

    def _count(self) -> None:
        self._counted += 1
        for name, share in self._shares.items():
            self._used[name][0] += self._dense_runs + share
            self._used[name][1] += self._dense_runs + (1.0 if self._body.through else share)
        self._dense_runs = 0

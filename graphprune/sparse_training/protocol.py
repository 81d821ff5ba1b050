"""What a method of pruning decides: which weights to keep, and when to choose again."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget

Masks = dict[str, Tensor]  # layer name -> mask of the weight's shape
Sample = tuple[Tensor, Tensor]
Scope = Literal["layer", "network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a method sees when it chooses; it changes none of it but `memory`.

    `weights` are the stored weights of the prunable layers (those of pruned places included)
    and `masks` those at work, both by layer name. `step` counts finished steps, of `steps` in
    this training; `training` counts finished trainings. `gradients` are those of the last
    batch for every weight, pruned or not, where the method's `needs_gradients` says so, else
    empty. `sample` is a labelled batch on the device, for methods that score before training,
    `model` the network that `weights` belong to. `rng` follows from seed and step alone.
    """

    model: nn.Module
    budget: Budget
    weights: Mapping[str, Tensor]
    masks: Masks
    step: int
    steps: int
    steps_an_epoch: int
    rng: torch.Generator
    training: int = 0
    gradients: Masks = field(default_factory=dict)
    sample: Sample | None = None
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def progress(self) -> float:
        """Share of this training's steps that are done, in [0, 1]."""
        return self.step / self.steps

    @property
    def batch(self) -> Sample:
        """The labelled batch.

        Raises:
            SpecError: There is none.
        """
        if self.sample is None:
            raise SpecError("this method scores weights on examples: give it a labelled batch")
        return self.sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(ABC):
    """A method of pruning; its fields are its options, with the published defaults.

    A method is a module of `graphprune.methods` that holds one subclass. What it must say is
    `begin`; the rest has the answers of a mask that never changes.

    Class attributes: `title` is its name on the command line, `paper` its source, `left_out`
    what of the paper is not here. `scope` says whether every layer keeps its share of the
    budget or only all together. `wants_gradients`: the steps at which it is due compute the
    gradients of pruned weights too. `scores_examples`: it needs a labelled batch before the
    first step. `replaces_step`: at those steps the optimizer rests.
    `soft`: pruned weights learn all the time, as if nothing were pruned, and masks may be
    floats. `keeps_pruned`: pruned weights keep their values, and learn where the method runs
    the network without masks. `compacts`: masks are of whole blocks and follow from weights
    alone, so that the network may train in its compact form from one choice to the next.
    """

    title: ClassVar[str]
    paper: ClassVar[str]
    left_out: ClassVar[str] = ""
    scope: ClassVar[Scope] = "layer"
    wants_gradients: ClassVar[bool] = False
    scores_examples: ClassVar[bool] = False
    replaces_step: ClassVar[bool] = False
    soft: ClassVar[bool] = False
    keeps_pruned: ClassVar[bool] = False
    compacts: ClassVar[bool] = False

    def needs_gradients(self) -> bool:
        """Whether these options want gradients, where `wants_gradients` says that some do.

        A network that needs those of pruned weights does not train in compact form.
        """
        return self.wants_gradients

    def check(self, budget: Budget) -> None:  # noqa: B027
        """Refuse a budget that this method cannot keep to exactly.

        Raises:
            SpecError: It cannot; the message says the nearest ratio that it can.
        """

    @abstractmethod
    def begin(self, moment: Moment) -> Masks:
        """Masks of the first step; all True where the method starts dense."""

    def due(self, moment: Moment) -> bool:
        """Whether to choose again once the step at hand is done."""
        return False

    def choose(self, moment: Moment) -> Masks:
        """Masks from now on."""
        return moment.masks

    def finish(self, moment: Moment) -> Masks:
        """Masks of the trained network, bool and within the budget."""
        return moment.masks

    def loss(
        self, moment: Moment, run: "Run", draw: Callable[[], Tensor], labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Outputs and the loss to follow down.

        Args:
            moment: As it stands.
            run: Runs the network.
            draw: Gives the batch's inputs, augmented afresh at every call.
            labels: int64, shape (batch,).
        """
        outputs = run(draw())
        return outputs, run.cross_entropy(outputs, labels)

    def change_gradients(self, moment: Moment) -> None:  # noqa: B027
        """Change `.grad` of `moment.weights` before the optimizer steps."""

    def change_weights(self, moment: Moment) -> None:  # noqa: B027
        """Change `moment.weights`, or other parameters of the model, when a step is done.

        It is called after every step, once the masks chosen are at work, without gradients.
        Not for methods that compact: their `moment.weights` are copies.
        """

    def trainings(self, budget: Budget) -> int:
        """How many whole trainings the method takes, one after the other."""
        return 1

    def restart(self, moment: Moment) -> tuple[Mapping[str, Tensor], Masks]:
        """State of `moment.model`, and masks, with which the next training begins."""
        raise NotImplementedError

    def extra_parameters(self, moment: Moment) -> list[nn.Parameter]:
        """Parameters beside the network's that the optimizer is to learn."""
        return []


class Run(ABC):
    """Runs the network under training, in the precision of its settings."""

    @abstractmethod
    def __call__(self, inputs: Tensor, *, pruned: bool = True) -> Tensor:
        """Outputs in float32; of the dense weights where not `pruned`."""

    @abstractmethod
    def cross_entropy(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean loss (nats), with the label smoothing of the settings."""


def everything(moment: Moment) -> Masks:
    """Masks that keep all weights."""
    return {
        name: torch.ones_like(weight, dtype=torch.bool)
        for name, weight in moment.weights.items()
    }

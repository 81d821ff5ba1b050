"""A method of pruning in graphprune's own training loop."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from graphprune.devices import device_named
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks, Method, Run, Sample
from graphprune.sparse_training.pruner import Effort, Pruner
from graphprune.training import Labelled, Settings, train_with
from graphprune.training.checkpoints import Row
from graphprune.training.examples import batches
from graphprune.training.learning import (
    Draw,
    cross_entropy,
    forward,
    new_optimizer,
    right,
    set_rate,
)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network that was pruned while it trained.

    `model` carries masks; `rows` are those of `graphprune.training.train`, of all trainings one
    after the other; `effort` says what they cost. `started` holds the masks of the first step.
    """

    model: nn.Module
    started: Masks
    rows: list[Row]
    effort: Effort


def train_pruned(
    model: nn.Module,
    method: Method,
    budget: Budget,
    data: Labelled,
    settings: Settings,
    *,
    sample: Sample | None = None,
    held_out: Labelled | None = None,
    device: str = "cpu",
    rescale: bool = True,
    compact: bool = False,
    on_epoch: Callable[[Row], None] | None = None,
) -> Trained:
    """Train a network by a method of pruning, in the loop and by the recipe of all others.

    Args:
        model: Dense and untrained; left unchanged.
        method: Says which weights stay, and when to choose again.
        budget: Weights to keep in the end.
        data: Training examples.
        settings: The recipe of each training; its seed is the method's as well.
        sample: A labelled batch for methods that score weights before training.
        held_out: Examples to evaluate after each epoch; they choose nothing.
        device: "cpu", or "auto" for what accelerate finds.
        rescale: As of `Pruner`, and so is `compact`.
        on_epoch: Called with each row of figures as it comes.

    Raises:
        SpecError: The method cannot keep to the budget, or needs a sample and has none.
        TrainingError: The loss or a weight is no longer finite.
    """
    place = device_named(device)
    epoch = batches(len(data), settings.batch_size)
    pruner = Pruner(
        model.to(place),
        method,
        budget,
        steps=settings.epochs * epoch,
        optimizer=partial(new_optimizer, settings=settings),
        steps_an_epoch=epoch,
        sample=None if sample is None else (sample[0].to(place), sample[1].to(place)),
        seed=settings.seed,
        rescale=rescale,
        compact=compact,
    )
    started = {name: mask.bool() for name, mask in pruner.masks.items()}
    learner = PruningLearner(pruner, settings)
    rows: list[Row] = []
    for training in range(method.trainings(budget)):
        if training:
            pruner.again()
        rows += train_with(
            learner, data, settings, held_out=held_out, device=device, on_epoch=on_epoch
        )
    return Trained(pruner.finish(), started, rows, pruner.effort)


class PruningLearner:
    """Steps of a training by a pruner; a `graphprune.training.Learner`."""

    def __init__(self, pruner: Pruner, settings: Settings) -> None:
        """The pruner, and the recipe that its optimizer was made for."""
        self._pruner = pruner
        self._run = NetworkRun(pruner, settings)

    @property
    def model(self) -> nn.Module:
        """The network as it stands."""
        return self._pruner.model

    def step(
        self, draw: Draw, labels: Tensor, rate: float, *, weight: float
    ) -> tuple[Tensor, Tensor]:
        """As `Learner` says."""
        pruner = self._pruner
        set_rate(pruner.optimizer, rate)
        outputs, loss = pruner.method.loss(pruner.moment(), self._run, draw, labels)
        pruner.optimizer.zero_grad()
        (loss * weight).backward()  # type: ignore[no-untyped-call]
        pruner.step()
        return loss.detach(), right(outputs, labels)


class NetworkRun(Run):
    """Runs a pruner's network by the precision and layout of a recipe."""

    def __init__(self, pruner: Pruner, settings: Settings) -> None:
        """Whose network, and the recipe."""
        self._pruner, self._settings = pruner, settings

    def __call__(self, inputs: Tensor, *, pruned: bool = True) -> Tensor:
        """Outputs in float32; of the dense weights where not `pruned`."""
        with self._pruner.switched(on=pruned):
            return forward(self._pruner.model, inputs, self._settings)

    def cross_entropy(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean loss (nats), with the label smoothing of the settings."""
        return cross_entropy(outputs, labels, self._settings)

"""What takes the steps of a training: a network, its optimizer, and a batch."""

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from graphprune.training.settings import Settings

Draw = Callable[[], Tensor]


class Learner(Protocol):
    """A network that learns from one batch after the other."""

    @property
    def model(self) -> nn.Module:
        """The network as it stands."""

    def step(
        self, draw: Draw, labels: Tensor, rate: float, *, weight: float
    ) -> tuple[Tensor, Tensor]:
        """Learn from a batch.

        Args:
            draw: Gives the batch's inputs, augmented afresh at every call.
            labels: int64, shape (batch,).
            rate: Learning rate of this step.
            weight: Factor of the loss that is followed down.

        Returns:
            Mean loss of the batch (nats, detached) and how many labels were right.
        """


class PlainLearner:
    """Cross-entropy, and one step of an optimizer."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        settings: Settings,
    ) -> None:
        """Model and optimizer as `data_parallel.prepared` gives them."""
        self.model = model
        self._accelerator, self._optimizer, self._settings = accelerator, optimizer, settings

    def step(
        self, draw: Draw, labels: Tensor, rate: float, *, weight: float
    ) -> tuple[Tensor, Tensor]:
        """As `Learner` says."""
        set_rate(self._optimizer, rate)
        outputs = forward(self.model, draw(), self._settings)
        loss = cross_entropy(outputs, labels, self._settings)
        self._optimizer.zero_grad()
        self._accelerator.backward(loss * weight)
        self._optimizer.step()
        return loss.detach(), right(outputs, labels)


def forward(model: nn.Module, inputs: Tensor, settings: Settings) -> Tensor:
    """Outputs in float32, computed in the precision and layout that the settings name."""
    if settings.channels_last:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    low = settings.precision == "bf16"
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=low):
        outputs: Tensor = model(inputs)
    return outputs.float()


def cross_entropy(outputs: Tensor, labels: Tensor, settings: Settings) -> Tensor:
    """Mean loss (nats) of a batch."""
    return functional.cross_entropy(outputs, labels, label_smoothing=settings.label_smoothing)


def right(outputs: Tensor, labels: Tensor) -> Tensor:
    """How many outputs are largest at their label."""
    return (outputs.detach().argmax(dim=1) == labels).sum()


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let an optimizer step at a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def new_optimizer(
    parameters: Iterable[nn.Parameter], settings: Settings
) -> torch.optim.Optimizer:
    """The optimizer that the settings name, for some parameters."""
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            parameters, settings.learning_rate, weight_decay=settings.weight_decay
        )
    return torch.optim.SGD(
        parameters,
        settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )

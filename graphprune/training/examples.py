"""What the training loop asks of labelled examples, whatever they show."""

from collections.abc import Iterator
from typing import Protocol, Self

import torch
from torch import Tensor

from graphprune.training.settings import Settings


class Labelled(Protocol):
    """Examples with one label each, on one device.

    A raw batch is what `raw` gives for positions; only this class knows its type.
    """

    @property
    def labels(self) -> Tensor:
        """int64, shape (count,)."""

    def __len__(self) -> int:
        """Number of examples."""

    def to(self, device: torch.device) -> Self:
        """The same examples on another device."""

    def raw(self, chosen: Tensor) -> Tensor:
        """The examples at these positions, int64 of shape (batch,), as they are kept."""

    def inputs(self, raw: Tensor) -> Tensor:
        """What a network takes for a raw batch."""

    def training_inputs(self, raw: Tensor, settings: Settings, rng: torch.Generator) -> Tensor:
        """What a network is trained on for a raw batch; `rng`, a CPU generator, augments."""

    def content(self) -> tuple[Tensor, ...]:
        """The tensors that tell these examples from others."""


def shuffled(
    data: Labelled, batch_size: int, rng: torch.Generator, *, part: int, parts: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order: raw examples and labels of each batch.

    Examples that do not fill the last batch wait for the next epoch's order. With several
    processes each takes its own part of every batch.
    """
    order = torch.randperm(len(data), generator=rng)
    for step in range(batches(len(data), batch_size)):
        chosen = order[step * batch_size : (step + 1) * batch_size][part::parts]
        chosen = chosen.to(data.labels.device)
        yield data.raw(chosen), data.labels[chosen]


def batches(count: int, batch_size: int) -> int:
    """Steps in an epoch: full batches, or one with everything where there is none."""
    return max(1, count // batch_size)

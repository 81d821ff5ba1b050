"""What the training loop does where several processes share it, each with a part of a batch."""

import warnings

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import nn
from torch.optim import Optimizer

from graphprune.devices import device_named
from graphprune.errors import MismatchError, SpecError
from graphprune.processes import from_main


def accelerator_for(device: str, *, batch: int) -> Accelerator:
    """Plain data-parallel training in one precision, whatever a launcher says of it.

    Buffers are not sent around at every step: masks never change, and `average_statistics`
    takes care of the others.

    Args:
        device: "cpu", or "auto" for what accelerate finds.
        batch: Number of examples in a batch, of all processes together.

    Raises:
        SpecError: A batch has fewer than two examples for each of several processes.
    """
    accelerator = Accelerator(
        cpu=device_named(device).type == "cpu",
        mixed_precision="no",
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    parts = accelerator.num_processes
    if parts > 1 and batch < 2 * parts:
        raise SpecError(f"a batch of {batch} is too small for {parts} processes: each needs 2")
    return accelerator


def check_alike(state: str, device: str) -> None:
    """Refuse to train together from different states.

    Args:
        state: Text that tells this process's state from others.
        device: As for `accelerator_for`.

    Raises:
        MismatchError: The main process has another state.
    """
    if from_main(state, device=device) != state:
        raise MismatchError(
            "this process has another network, data, recipe or checkpoint than the main one"
        )


def prepared(
    accelerator: Accelerator, model: nn.Module, optimizer: Optimizer
) -> tuple[nn.Module, Optimizer]:
    """Model and optimizer that train with those of the other processes, if there are any."""
    with warnings.catch_warnings():  # newer torch has another name, which accelerate lacks
        warnings.filterwarnings("ignore", "`broadcast_buffers`", FutureWarning)
        wrapped, stepping = accelerator.prepare(model, optimizer)
    return wrapped, stepping


@torch.no_grad()
def average_statistics(accelerator: Accelerator, model: nn.Module) -> None:
    """Give every process the mean of all, in place, of buffers of floats, as BatchNorm has."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            if buffer.is_floating_point():  # in float64 the mean of equal numbers is exact
                buffer.copy_(accelerator.reduce(buffer.double(), "mean"))

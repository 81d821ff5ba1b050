"""One bare training loop on accelerate, resumable after every epoch."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from graphprune.errors import SpecError, TrainingError
from graphprune.training.checkpoints import Row, load_checkpoint, restore, save_checkpoint
from graphprune.training.data_parallel import (
    accelerator_for,
    average_statistics,
    check_alike,
    prepared,
)
from graphprune.training.examples import Labelled, batches, shuffled
from graphprune.training.learning import Learner, PlainLearner, forward, new_optimizer
from graphprune.training.settings import Settings

EVALUATION_BATCH = 500


@dataclass(frozen=True, slots=True)
class Score:
    """Mean cross-entropy (nats) and accuracy (fraction) over a set of examples."""

    loss: float
    accuracy: float


def train(
    model: nn.Module,
    data: Labelled,
    settings: Settings,
    *,
    held_out: Labelled | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Train a model in place; equal arguments and threads give equal weights on a CPU.

    All random choices of an epoch follow from the seed and the epoch's number, so a training
    resumed from its checkpoint ends with the same weights, bit for bit on a CPU. The global
    random state is left as it was.

    In each of several processes, as `accelerate launch` starts them, it trains on its part of
    every batch, and all end with equal weights. BatchNorm then normalises each part by itself;
    its running statistics are averaged over the processes after every epoch. Augmentation and
    dropout are drawn for each process. The main process writes the checkpoint, all read it.

    Args:
        model: Moved to the device and trained in place.
        data: Training examples.
        settings: The recipe.
        held_out: Examples to evaluate after each epoch; they choose nothing.
        checkpoint: File that holds the state after each epoch; if it exists, it is resumed.
        device: "cpu", or "auto" for what accelerate finds.
        on_epoch: Called with each row of figures as it comes.

    Returns:
        One row an epoch: epoch (from 1), learning_rate (of the last step), train_loss (nats),
        train_accuracy and, with held-out examples, held_out_loss and held_out_accuracy
        (fractions).

    Raises:
        TrainingError: The loss or a weight is no longer finite; the checkpoint holds the last
            good epoch.
        FileError: The checkpoint is damaged or cannot be written.
        MismatchError: The checkpoint belongs to another training, or the processes differ in
            their networks, data or checkpoints.
        SpecError: A batch has fewer than two examples for each of several processes.
    """
    accelerator = accelerator_for(device, batch=min(settings.batch_size, len(data)))
    memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
    model.to(accelerator.device, memory_format=memory_format)  # type: ignore[call-overload]
    fingerprint = _fingerprint(model, data)
    found = None
    if checkpoint is not None and checkpoint.exists():
        found = load_checkpoint(checkpoint, settings=settings, fingerprint=fingerprint)
    rows: list[Row] = [] if found is None else found.rows
    check_alike(f"{fingerprint} {settings} {rows}", device)
    wrapped, optimizer = prepared(
        accelerator, model, new_optimizer(model.parameters(), settings)
    )
    learner = PlainLearner(accelerator, wrapped, optimizer, settings)
    if found is not None:
        restore(found, model, optimizer)
    data = data.to(accelerator.device)
    for epoch in range(len(rows), settings.epochs):
        row = _train_epoch(accelerator, learner, data, settings, epoch)
        average_statistics(accelerator, model)
        _check_finite(model, row, settings, checkpoint)
        if held_out is not None:
            score = evaluate(model, held_out, settings)
            row |= {"held_out_loss": score.loss, "held_out_accuracy": score.accuracy}
        rows.append(row)
        if checkpoint is not None and accelerator.is_main_process:
            save_checkpoint(
                checkpoint,
                model,
                optimizer,
                settings=settings,
                fingerprint=fingerprint,
                rows=rows,
            )
        if on_epoch is not None:
            on_epoch(row)
    return rows


def train_with(
    learner: Learner,
    data: Labelled,
    settings: Settings,
    *,
    held_out: Labelled | None = None,
    device: str = "cpu",
    on_epoch: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Let a learner take the steps of a training, in one process and from its beginning.

    Order, augmentation and learning rates are those of `train` by equal settings.

    Args:
        learner: Takes each step; its model is on the device.
        data: Training examples.
        settings: The recipe.
        held_out: Examples to evaluate after each epoch; they choose nothing.
        device: "cpu", or "auto" for what accelerate finds.
        on_epoch: Called with each row of figures as it comes.

    Returns:
        Rows as of `train`.

    Raises:
        TrainingError: The loss or a weight is no longer finite.
        SpecError: Several processes share this training.
    """
    accelerator = accelerator_for(device, batch=min(settings.batch_size, len(data)))
    if accelerator.num_processes > 1:
        raise SpecError("this training runs in one process alone")
    data = data.to(accelerator.device)
    rows: list[Row] = []
    for epoch in range(settings.epochs):
        row = _train_epoch(accelerator, learner, data, settings, epoch)
        _check_finite(learner.model, row, settings, None)
        if held_out is not None:
            score = evaluate(learner.model, held_out, settings)
            row |= {"held_out_loss": score.loss, "held_out_accuracy": score.accuracy}
        rows.append(row)
        if on_epoch is not None:
            on_epoch(row)
    return rows


def evaluate(model: nn.Module, data: Labelled, settings: Settings) -> Score:
    """Loss and accuracy of a model in eval mode, without augmentation.

    The training mode of each module is put back; masks are applied once for the whole pass.
    """
    device = next(model.parameters()).device
    data = data.to(device)
    training = {module: module.training for module in model.modules()}
    loss, right = 0.0, 0
    try:
        model.eval()
        with torch.no_grad(), parametrize.cached():
            for start in range(0, len(data), EVALUATION_BATCH):
                labels = data.labels[start : start + EVALUATION_BATCH]
                chosen = torch.arange(start, start + len(labels), device=device)
                outputs = forward(model, data.inputs(data.raw(chosen)), settings)
                loss += float(functional.cross_entropy(outputs, labels, reduction="sum"))
                right += int((outputs.argmax(dim=1) == labels).sum())
    finally:
        for module, mode in training.items():
            module.training = mode
    return Score(loss / len(data), right / len(data))


def _train_epoch(
    accelerator: Accelerator,
    learner: Learner,
    data: Labelled,
    settings: Settings,
    epoch: int,
) -> Row:
    steps = batches(len(data), settings.batch_size)
    part, parts = accelerator.process_index, accelerator.num_processes
    rng = torch.Generator().manual_seed(_epoch_seed(settings.seed, epoch, "order"))
    order = shuffled(data, settings.batch_size, rng, part=part, parts=parts)
    chance, own = rng, ""
    if part > 0:  # the parts of a batch share their order, but neither noise nor dropout
        own = f" {part}"
        chance = torch.Generator().manual_seed(_epoch_seed(settings.seed, epoch, "noise" + own))
    even = min(settings.batch_size, len(data)) / parts  # parts may differ by one example
    totals = torch.zeros(3, device=accelerator.device, dtype=torch.float64)
    rate = settings.learning_rate
    with torch.random.fork_rng(_devices(accelerator.device)):
        torch.manual_seed(_epoch_seed(settings.seed, epoch, "dropout" + own))
        learner.model.train()
        for step, (raw, labels) in enumerate(order):
            rate = settings.learning_rate_at((epoch * steps + step) / (settings.epochs * steps))
            draw = partial(data.training_inputs, raw, settings, chance)
            loss, right = learner.step(draw, labels, rate, weight=len(labels) / even)
            seen = torch.tensor(len(labels), device=totals.device)
            totals += torch.stack([loss * len(labels), right, seen])
    loss_sum, right_sum, count = accelerator.reduce(totals).tolist()
    return {
        "epoch": epoch + 1,
        "learning_rate": rate,
        "train_loss": loss_sum / count,
        "train_accuracy": right_sum / count,
    }


def _check_finite(
    model: nn.Module, row: Row, settings: Settings, checkpoint: Path | None
) -> None:
    """Refuse to go on after an epoch whose loss or weights are no longer finite."""
    finite = all(bool(torch.isfinite(p).all()) for p in model.parameters())
    if finite and math.isfinite(row["train_loss"]):
        return
    epoch = int(row["epoch"])
    kept = f"; {checkpoint} holds epoch {epoch - 1}" if checkpoint and epoch > 1 else ""
    raise TrainingError(
        f"training diverged in epoch {epoch}: loss {row['train_loss']}{kept}; "
        f"a learning rate below {settings.learning_rate} may help"
    )


def _devices(device: torch.device) -> list[torch.device]:
    return [] if device.type == "cpu" else [device]


def _epoch_seed(seed: int, epoch: int, purpose: str) -> int:
    digest = hashlib.sha256(f"{seed} {epoch} {purpose}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _fingerprint(model: nn.Module, data: Labelled) -> str:
    """Hash of the untrained weights, masks and data: what a checkpoint must have begun with."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for tensor in data.content():
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()

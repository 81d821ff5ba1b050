"""Running statistics of BatchNorm layers, estimated anew for weights as they are."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from graphprune.training import Labelled, Settings
from graphprune.training.examples import shuffled
from graphprune.training.learning import forward

NAMES = ("running_mean", "running_var")


def statistics_of(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the running means and variances, by their names in the state dict."""
    return {
        f"{prefix}.{name}" if prefix else name: getattr(layer, name).detach().clone()
        for prefix, layer in norm_layers(model)
        for name in NAMES
    }


def norm_layers(model: nn.Module) -> Iterator[tuple[str, _BatchNorm]]:
    """Name and module of each BatchNorm layer that keeps running statistics."""
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None:
            yield name, module


def estimate_statistics(model: nn.Module, data: Labelled, settings: Settings) -> None:
    """Set running statistics, in place, to the mean of those of training batches.

    The batches are one epoch of the recipe's size in an order that its seed gives, without
    augmentation; nothing else of the model changes, and dropout rests.

    Args:
        model: On a device; its training modes are put back.
        data: Training examples.
        settings: Batch size, precision, layout and seed.

    Source: Yu and Huang, arXiv:1903.05134, where statistics after training are exact means.
    """
    data = data.to(next(model.parameters()).device)
    modes = {module: module.training for module in model.modules()}
    momenta = {layer: layer.momentum for _, layer in norm_layers(model)}
    rng = torch.Generator().manual_seed(settings.seed)
    try:
        model.eval()
        for layer in momenta:
            layer.train()
            layer.reset_running_stats()
            layer.momentum = None  # of all batches the same share
        with torch.no_grad(), parametrize.cached():
            for raw, _ in shuffled(data, settings.batch_size, rng, part=0, parts=1):
                forward(model, data.inputs(raw), settings)
    finally:
        for module, mode in modes.items():
            module.training = mode
        for layer, momentum in momenta.items():
            layer.momentum = momentum

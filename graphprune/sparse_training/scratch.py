"""A copy of a network to compute scores on, so that the network itself stays as it is."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from graphprune.errors import TrainingError
from graphprune.sparse_training.protocol import Moment


@contextmanager
def scratch(
    moment: Moment, *, training: bool
) -> Iterator[tuple[nn.Module, dict[str, nn.Parameter]]]:
    """A copy of `moment.model` and its prunable weights by layer name; gradients are on.

    Statistics, modes and gradients of the model do not change, nor does torch's random state:
    dropout draws from the moment's.

    Args:
        moment: Its `weights` are parameters of its `model`.
        training: Whether the copy is in training mode: BatchNorm by the batch's statistics.
    """
    names = {id(each): name for name, each in moment.model.named_parameters()}
    model = copy.deepcopy(moment.model).train(training)
    weights = {
        layer: model.get_parameter(names[id(weight)])
        for layer, weight in moment.weights.items()
    }
    for each in weights.values():
        each.requires_grad_()
    devices = {each.device for each in weights.values() if each.device.type == "cuda"}
    with torch.enable_grad(), torch.random.fork_rng(sorted(devices, key=str)):
        torch.manual_seed(moment.rng.initial_seed())
        yield model, weights


def usable(title: str, scores: Mapping[str, Tensor]) -> None:
    """Refuse scores that rank nothing.

    Raises:
        TrainingError: One is not a number or infinite, or all are zero.
    """
    finite = all(bool(each.isfinite().all()) for each in scores.values())
    if not finite or not any(bool(each.any()) for each in scores.values()):
        raise TrainingError(f"{title}: scores of weights are all zero, or not finite")

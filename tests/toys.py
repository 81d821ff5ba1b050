"""Toy networks and images whose answers a reader works out in their head; a toy full disk."""

import resource
from collections import OrderedDict
from contextlib import contextmanager

import torch
from torch import nn

from graphprune.training import LabelledImages


def linear(*rows):
    """A bias-free linear layer with these rows of weights, in a model as layer "0"."""
    weights = torch.tensor(rows)
    layer = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    with torch.no_grad():
        layer.weight.copy_(weights)
    return nn.Sequential(layer)


def pixels(*values, labels, std=1.0):
    """Images of one pixel each, 255 being 1.0 before it is divided by `std`."""
    return LabelledImages(
        images=torch.tensor(values, dtype=torch.uint8).reshape(-1, 1, 1, 1),
        labels=torch.tensor(labels),
        mean=torch.zeros(1),
        std=torch.tensor([std]),
    )


def pixel_classifier(*weights):
    """Logits weight * pixel, one a class; layers "0" (flatten) and "1" (linear)."""
    return nn.Sequential(nn.Flatten(), *linear(*([weight] for weight in weights)))


def noise(count, *, classes=4, side=8, seed=0):
    """Random images of three channels, labels in turn."""
    rng = torch.Generator().manual_seed(seed)
    return LabelledImages(
        images=torch.randint(0, 256, (count, 3, side, side), generator=rng, dtype=torch.uint8),
        labels=torch.arange(count) % classes,
        mean=torch.full((3,), 0.5),
        std=torch.full((3,), 0.25),
    )


def noisy_network(*, dropout=0.3):
    """Everything that makes a resumed training go wrong: batch statistics and dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )


def image_network(*, classes, in_channels):
    """A network that trains in a second: one prunable convolution, 16 channels wide."""
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(in_channels, 16, 3, padding=1, bias=False),
            norm1=nn.BatchNorm2d(16),
            relu1=nn.ReLU(),
            body=nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False),
            norm2=nn.BatchNorm2d(16),
            relu2=nn.ReLU(),
            pool=nn.AdaptiveMaxPool2d(2),
            flatten=nn.Flatten(),
            classifier=nn.Linear(64, classes),
        )
    )


def too_many_outputs(*, classes, in_channels, size):
    """A network with one output more than there are classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * size**2, classes + 1))


class Tied(nn.Module):
    """Two layers that share one weight, and a plain one between them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.middle = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.classifier = nn.Linear(8, 2)

    def forward(self, input):
        """(batch, 8) -> (batch, 2)."""
        return self.classifier(self.second(self.middle(self.first(input))))


@contextmanager
def files_of_at_most(size):
    """Let no file grow beyond `size` bytes: the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

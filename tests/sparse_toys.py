"""Toys for tests of methods: moments with numbers of one's own, and short trainings."""

import math
from fractions import Fraction
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from graphprune.nn import masks_of
from graphprune.sparse_training import Budget, Moment, Pruner, method_named


def budget(shapes, *, density="1/4", nodes=4):
    """`shapes`: layer name -> shape of its weight."""
    return Budget(dict(shapes), Fraction(density), nodes)


def moment(
    weights, *, density="1/4", nodes=4, masks=None, gradients=None, step=0, steps=100,
    steps_an_epoch=10, seed=0, **more,
):  # fmt: skip
    """A moment whose weights (and gradients) are nested lists or tensors by layer name."""
    held = {
        name: torch.as_tensor(value, dtype=torch.float32) for name, value in weights.items()
    }
    shapes = {name: tuple(value.shape) for name, value in held.items()}
    on = {
        name: torch.ones(shape, dtype=torch.bool)
        if masks is None
        else torch.as_tensor(masks[name], dtype=torch.bool)
        for name, shape in shapes.items()
    }
    slopes = {
        name: torch.as_tensor(value, dtype=torch.float32)
        for name, value in (gradients or {}).items()
    }
    return Moment(
        model=more.pop("model", nn.Identity()),
        budget=budget(shapes, density=density, nodes=nodes),
        weights=held,
        masks=on,
        gradients=slopes,
        step=step,
        steps=steps,
        steps_an_epoch=steps_an_epoch,
        rng=torch.Generator().manual_seed(seed),
        **more,
    )


class SmallNet(nn.Module):
    """Convolution (dense), two prunable convolutions with BatchNorm, a classifier (dense)."""

    def __init__(self, channels=8, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False)
        self.last_norm = nn.BatchNorm2d(2 * channels)
        self.classify = nn.Linear(2 * channels, classes)

    def forward(self, images):
        """(batch, 1, h, w) -> (batch, classes)."""
        seen = torch.relu(self.norm(self.first(torch.relu(self.stem(images)))))
        seen = torch.relu(self.last_norm(self.second(seen)))
        return self.classify(seen.mean(dim=(2, 3)))


LAYERS = ("first", "second")


def small_net(seed=0, channels=8):
    """A `SmallNet` whose weights follow from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SmallNet(channels)


def small_budget(net, *, density="1/4", nodes=8):
    """A budget for the prunable layers of a `SmallNet`."""
    return budget(
        {name: tuple(net.get_submodule(name).weight.shape) for name in LAYERS},
        density=density,
        nodes=nodes,
    )


def examples(count=24, seed=0):
    """Labelled images that a network can learn: (count, 1, 6, 6) and three classes."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randn(count, 1, 6, 6, generator=rng) + labels.reshape(-1, 1, 1, 1)
    return images, labels


def begun(method, *, net=None, density="1/4", nodes=8, steps=30, steps_an_epoch=5, **more):
    """A pruner of a `SmallNet`, SGD with momentum and weight decay."""
    net = small_net() if net is None else net
    return Pruner(
        net,
        method,
        small_budget(net, density=density, nodes=nodes),
        steps=steps,
        steps_an_epoch=steps_an_epoch,
        optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=5e-4),
        sample=more.pop("sample", examples()),
        **more,
    )


def one_step(pruner, images, labels):
    """A training step in a plain loop; gives the loss."""
    loss = functional.cross_entropy(pruner.model(images), labels)
    pruner.optimizer.zero_grad()
    loss.backward()
    pruner.step()
    return loss.item()


def every_step(method, *, steps=30, **more):
    """Train a toy by a method; gives the pruner after each step, from the untrained one on."""
    pruner = begun(method, steps=steps, **more)
    yield pruner
    images, labels = examples()
    images = images.to(next(pruner.model.parameters()).dtype)
    for _ in range(steps):
        one_step(pruner, images, labels)
        yield pruner


def check_static(text, steps=5):
    """Masks of a method stay as they are, within the budget, and what they prune is zero."""
    first = None
    for pruner in every_step(method_named(text), steps=steps):
        first = pruner.masks if first is None else first
        assert sum(kept(pruner.masks).values()) == pruner.budget.total
        for name, mask in pruner.masks.items():
            assert torch.equal(mask, first[name])
            assert not pruner.model.get_submodule(name).weight[~mask].any()
    assert sum(kept(masks_of(pruner.finish())).values()) == pruner.budget.total


def kept(masks):
    """Kept weights by layer."""
    return {name: int((mask != 0).sum()) for name, mask in masks.items()}


def densities(masks):
    """Kept shares by layer."""
    return {name: count / math.prod(masks[name].shape) for name, count in kept(masks).items()}

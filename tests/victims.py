"""Networks to attack: a tiny one trained on digits, and linear ones with known answers."""

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ggt.crafting import correctly_classified
from ggt.pixel_models import PixelModel
from graphprune.data import load


@cache
def digits_victim():
    """A convolutional network on digits (train once, a second), its test images and labels.

    Only test images that it gets right; never change what this returns.
    """
    data = load("digits", None)
    pixels = torch.from_numpy(data.train.images).float() / 255
    labels = torch.from_numpy(data.train.labels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(32 * 16, 10),
        )
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(5):
            for rows in torch.randperm(len(pixels)).split(64):
                loss = functional.cross_entropy(network(pixels[rows] - 0.3), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    optimizer.zero_grad()
    torch.set_num_threads(threads)
    model = PixelModel(network, [0.3], [1.0])
    tests = torch.from_numpy(data.test.images).float() / 255
    answers = torch.from_numpy(data.test.labels)
    right = torch.from_numpy(correctly_classified(model, tests, answers))
    return model, tests[right], answers[right]


def linear_victim(*rows, bias=None, side=2):
    """Logits weight @ flattened pixels + bias, one row of weights a class; one channel."""
    weights = torch.tensor(rows)
    assert weights.shape[1] == side * side
    layer = nn.Linear(side * side, len(rows))
    with torch.no_grad():
        layer.weight.copy_(weights)
        layer.bias.copy_(torch.zeros(len(rows)) if bias is None else torch.tensor(bias))
    return nn.Sequential(nn.Flatten(), layer).eval()


def random_states():
    """torch's and numpy's global random states, as lists that compare."""
    _, keys, *rest = np.random.get_state()  # noqa: NPY002
    return [torch.get_rng_state().tolist(), keys.tolist(), rest]

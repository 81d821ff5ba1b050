"""Recurrent networks: what they read, and the products that torch does not count."""

import math

import pytest
import torch
from torch import nn

from graphprune.nn import count
from signet.convolutional import ResNet1d
from signet.recurrent import CLDNN, Recurrent, cell_macs, network_macs


def frames(count, length=20):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, length, generator=generator)


def test_cell_macs_are_products_with_weights():
    lstm = Recurrent(5, 20, kind="LSTM", hidden=6, polar=True)
    assert cell_macs(lstm, 20) == 20 * (4 * 6 * (2 + 6) + 4 * 6 * (6 + 6))
    gru = Recurrent(5, 20, kind="GRU", hidden=6, polar=False)
    assert cell_macs(gru, 20) == 20 * (3 * 6 * (2 + 6) + 3 * 6 * (6 + 6))
    assert cell_macs(nn.Linear(3, 4), 20) == 0


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_macs_of_a_network_count_cells_once(kind):
    model = Recurrent(5, 20, kind=kind, hidden=6, polar=False)
    assert network_macs(model, frames(1)) == cell_macs(model, 20) + 6 * 5


def test_macs_without_cells_are_those_of_graphprune():
    model = ResNet1d(5, 20, width=4)
    assert network_macs(model, frames(1)) == count(model, frames(1)).macs


def test_cldnn_reads_the_first_and_the_last_convolution():
    model = CLDNN(5, 20, width=4, hidden=6).eval()
    seen = []
    model.cells.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    batch = frames(2)
    model(batch)
    first = model.first(batch)
    wanted = torch.cat([first, model.third(model.second(first))], dim=1)
    torch.testing.assert_close(seen[0], wanted.transpose(1, 2))


def test_polar_reads_magnitude_and_phase():
    model = Recurrent(5, 4, kind="GRU", hidden=3, polar=True).eval()
    seen = []
    model.cells.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(torch.tensor([[[3.0, 0.0, -2.0, 0.0], [4.0, 5.0, 0.0, -1.0]]]))
    angle = math.atan2(4, 3) / math.pi
    wanted = torch.tensor([[[5, angle], [5, 0.5], [2, 1], [1, -0.5]]])
    torch.testing.assert_close(seen[0], wanted)


def test_the_last_state_decides():
    model = Recurrent(5, 20, kind="LSTM", hidden=6, polar=False).eval()
    batch = frames(2)
    states, _ = model.cells(batch.transpose(1, 2))
    torch.testing.assert_close(model(batch), model.classify(states[:, -1]))


def test_polar_has_slopes_where_all_is_silent():
    silent = torch.zeros(1, 2, 4, requires_grad=True)
    Recurrent(5, 4, kind="LSTM", hidden=3, polar=True)(silent).sum().backward()
    assert silent.grad is not None
    assert torch.isfinite(silent.grad).all()

"""Dense rivals of as many parameters, and the plan of a pruned network."""

import pytest

from graphprune.errors import SpecError
from graphprune.monitor import Silent
from signet.contenders import contest_of
from signet.models import NETWORKS
from signet.rivals import rival_of_size
from signet.train_request import TrainRequest

SIZES = {"classes": 11, "in_channels": 2, "size": 128}


def parameters(network):
    return sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize("name", ["signet2", "signet2-250k", "signet2-invariant", "resnet1d"])
@pytest.mark.parametrize("wanted", [3_000, 28_555])
def test_the_width_nearest_in_parameters_is_found(name, wanted):
    found = parameters(rival_of_size(name, wanted, classes=11, length=128)())
    every = [parameters(NETWORKS[name](width=width, **SIZES)) for width in range(1, 60)]
    assert found == min(every, key=lambda each: abs(each - wanted))


def test_a_network_finds_its_own_width():
    own = parameters(NETWORKS["signet2"](**SIZES))
    assert parameters(rival_of_size("signet2", own, classes=11, length=128)()) == own


@pytest.mark.parametrize("name", ["gru", "nothing"])
def test_networks_without_a_width_have_no_rival(name):
    with pytest.raises(SpecError, match=f"can be made narrower, {name} cannot"):
        rival_of_size(name, 1000, classes=11, length=128)


@pytest.mark.parametrize(
    ("changes", "nodes"),
    [({}, 64), ({"ratio": 0.8, "model": "signet2"}, 32), ({"nodes": 48}, 48)],
)
def test_nodes_divide_the_channels_unless_told_otherwise(tmp_path, changes, nodes):
    asked = {"model": "signet2-250k", "ratio": 0.9} | changes
    request = TrainRequest(data=tmp_path, **asked)
    contest = contest_of(request, classes=11, length=128, monitor=Silent())
    assert contest.plan.nodes == nodes
    assert contest.main == "pruned"

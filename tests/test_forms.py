"""The forms of one pruned network: dense twin, agreement, bytes."""

import copy

import pytest
import torch
from torch import nn
from toys import image_network

from graphprune.errors import MismatchError
from graphprune.forms import (
    dense_twin,
    errors_against,
    folder_bytes,
    saved_bytes,
    torch_forms,
)
from graphprune.graph import GraphSpec, ring_lattice
from graphprune.nn import compact, masks_of, plan, prune


@pytest.fixture(scope="module")
def masked():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dense = image_network(classes=10, in_channels=1)
    made = plan(dense, nodes=16, degree=4)
    return prune(dense, made, graph=ring_lattice(GraphSpec(16, 4))).eval()


BATCH = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_the_dense_twin_has_no_zeros_and_all_that_was_kept(masked):
    before = copy.deepcopy(masked.state_dict())
    twin, mask = dense_twin(masked), masks_of(masked)["body"]
    assert twin.body.weight.count_nonzero() == twin.body.weight.numel()
    assert torch.equal(twin.body.weight[mask], masked.body.weight[mask])
    drawn = twin.body.weight[~mask].detach().square().mean().sqrt()
    kept = masked.body.weight[mask].detach().square().mean().sqrt()
    assert float(drawn) == pytest.approx(float(kept), rel=0.1)
    assert torch.equal(twin.stem.weight, masked.stem.weight)
    assert (
        twin.state_dict().keys() == image_network(classes=10, in_channels=1).state_dict().keys()
    )
    assert all(torch.equal(value, before[key]) for key, value in masked.state_dict().items())


def test_equal_seeds_give_equal_twins_and_no_global_randomness_is_used(masked):
    state = torch.get_rng_state()
    weights = [dense_twin(masked, seed=seed).body.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_every_form_but_the_dense_ones_computes_the_same(masked):
    forms = torch_forms(masked, compact(masked))
    assert list(forms) == [
        "dense", "dense_channels_last", "masked", "stripped", "compact_stock", "compact",
    ]  # fmt: skip
    same = {name: model for name, model in forms.items() if not name.startswith("dense")}
    errors = errors_against(masked, same, BATCH)
    assert errors.keys() == same.keys()
    assert errors["masked"] == 0
    assert max(errors.values()) < 1e-5
    weight = forms["dense_channels_last"].body.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weight, forms["dense"].body.weight)


def test_linear_networks_have_no_memory_format():
    dense = nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 4))
    made = plan(dense, nodes=4, degree=2)
    masked = prune(dense, made, graph=ring_lattice(GraphSpec(4, 2)))
    assert "dense_channels_last" not in torch_forms(masked, compact(masked))


def test_a_form_that_disagrees_is_named(masked):
    wrong = copy.deepcopy(masked)
    with torch.no_grad():
        wrong.classifier.bias += 0.1
    with pytest.raises(MismatchError, match=r"^stripped: .* differ by 0\.1"):
        errors_against(masked, {"stripped": wrong}, BATCH)


def test_saved_bytes_are_those_of_weights_and_config(masked):
    kept = sum(parameter.numel() for parameter in compact(masked).parameters())
    dense = sum(parameter.numel() for parameter in dense_twin(masked).parameters())
    buffers = 4 * 4 * 16 + 2 * 8  # running statistics and two counters
    for model, parameters in ((compact(masked), kept), (dense_twin(masked), dense)):
        weights = 4 * parameters + buffers
        assert weights < saved_bytes(model) < weights + 8000
    told = {"model": "x" * 10_000}
    assert saved_bytes(masked, told) - saved_bytes(masked) >= 10_000


def test_bytes_of_a_folder_are_those_of_all_its_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"12")
    assert folder_bytes(tmp_path) == 5

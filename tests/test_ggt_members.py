import json
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from toys import image_network, noise

from ggt import members
from ggt.bank_folder import BankFolder, file_hashes
from ggt.bank_request import BankRequest
from ggt.design import OPTIONS, Design, member_seed
from ggt.growing import grow
from ggt.manifest import Member, Rejected
from ggt.members import (
    MemberTask,
    build_member,
    checkpoint_of,
    design_plan,
    train_member,
)
from ggt.splits import DataRequest
from graphprune.errors import SpecError
from graphprune.mask import owners
from graphprune.models import build_model
from graphprune.nn import compact, expand, masks_of, strip, trainable
from graphprune.nn.layouts import compact_layers
from graphprune.training import Settings, train

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = Settings(epochs=2, batch_size=32, augment=False)


def toy(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return image_network(classes=4, in_channels=3)


def wide():
    """Layers of 32, 64 and 128 channels."""
    return build_model("resnet8-wide", classes=10, in_channels=1, size=8)


def built(family, *, index=0, dense=None, **options):
    dense = dense or toy()
    design = Design(family=family, **options)
    made = design_plan(design, dense)
    return build_member(dense, made, design, seed=1, index=index)


@pytest.mark.parametrize(
    ("options", "nodes"),
    [
        ({}, 32),
        ({"degree": 8}, 32),
        ({"degree": 31}, 64),  # complete on 32 nodes
        ({"degree": 30}, 32),
        ({"degree": 62}, 64),
        ({"degree": 64}, 66),
        ({"family": "gaussian", "degree": 29.5}, 32),
        ({"family": "gaussian", "degree": 30.5}, 64),
        ({"nodes": 20}, 20),
        ({"skip": ("stage1*", "stage2*")}, 64),
    ],
)
def test_nodes_left_out_are_the_width_of_the_narrowest_layer_wide_enough(options, nodes):
    assert design_plan(Design(**options), wide()).nodes == nodes


def test_an_odd_width_loses_a_node_where_an_odd_degree_asks_for_it():
    dense = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 9, 3), torch.nn.Conv2d(9, 9, 3), torch.nn.Linear(9, 2))
    )
    assert design_plan(Design(degree=3), dense).nodes == 8
    assert design_plan(Design(degree=4), dense).nodes == 9
    assert design_plan(Design(family="gaussian", degree=3), dense).nodes == 9


def test_a_degree_beyond_every_layer_is_told():
    with pytest.raises(SpecError, match="degree 127 needs a layer of at least 129 channels"):
        design_plan(Design(degree=127), wide())


def test_dense_members_are_the_network_itself():
    dense = toy()
    assert design_plan(Design(family="dense"), dense) is None
    assert built("dense", dense=dense) == (dense, {})


@pytest.mark.parametrize(
    "family", [f for f, options in OPTIONS.items() if "per_layer" in options]
)
def test_a_mask_is_the_graph_with_channels_in_the_place_of_nodes(family):
    network, graphs = built(family, nodes=8)
    mask = masks_of(network)["body"][:, :, 0, 0]
    owner = owners(16, 8)
    for out in range(16):
        for into in range(16):
            joined = graphs["body"].has_edge(int(owner[out]), int(owner[into]))
            assert bool(mask[out, into]) == joined


def test_random_masks_keep_as_many_weights_as_regular_graphs_do():
    regular, _ = built("regular", dense=wide())
    random, graphs = built("unstructured", dense=wide())
    assert graphs == {}
    assert {name: int(mask.sum()) for name, mask in masks_of(random).items()} == {
        name: int(mask.sum()) for name, mask in masks_of(regular).items()
    }
    one, other = (masks_of(built("unstructured", index=at)[0])["body"] for at in (0, 1))
    assert int((one != other).sum()) > 0
    assert torch.equal(one, masks_of(built("unstructured", index=0)[0])["body"])


def test_fine_tuned_members_keep_the_originals_weights_and_new_ones_are_rescaled():
    dense = toy()
    kept, _ = built("regular", dense=dense, start="fine-tuned")
    scaled, _ = built("regular", dense=dense)
    mask = masks_of(kept)["body"]
    weight = dense.get_submodule("body").weight
    assert torch.equal(strip(kept).get_submodule("body").weight, weight * mask)
    ratio = strip(scaled).get_submodule("body").weight[mask] / weight[mask]
    assert torch.allclose(ratio, torch.full_like(ratio, (16 / 3) ** 0.5))


def test_regular_masks_train_compact_and_others_masked():
    assert compact_layers(trainable(built("regular")[0]))
    assert compact_layers(trainable(built("disjoint", per_layer=True)[0]))
    for family in ("gaussian", "power-law", "unstructured"):
        network = built(family)[0]
        assert trainable(network) is network


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_compact_training_gives_the_weights_of_masked_training(optimizer):
    masked, _ = built("regular", nodes=8)
    small = compact(masked)
    recipe = replace(QUICK, optimizer=optimizer, learning_rate=0.01, epochs=3, noise=0.05)
    images = noise(96)
    losses = [
        [row["train_loss"] for row in train(network, images, recipe)]
        for network in (masked, small)
    ]
    assert np.allclose(*losses, atol=1e-4)
    one, other = (strip(network).state_dict() for network in (masked, expand(small)))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.allclose(value.float(), other[name].float(), atol=2e-3), name


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("members") / "bank"
    grown = grow(
        BankRequest(
            folder=path,
            base="toys:image_network",
            data=DataRequest(train_images=120),
            base_recipe=QUICK,
            recipe=QUICK,
            models=1,
            floor=0.0,
        )
    )
    torch.set_num_threads(before)
    return grown


def task_of(bank, **changes):
    manifest = bank.manifest
    told = {
        "folder": bank.folder,
        "index": 5,
        "design": Design(nodes=8),
        "recipe": QUICK,
        "seed": manifest.seed,
        "data": manifest.data,
        "preprocessing": manifest.preprocessing,
        "least_accuracy": 0.0,
        "base_hash": manifest.base.hash,
        "fingerprint": manifest.fingerprint,
        "builder": "toys:image_network",
    }
    return MemberTask(**(told | changes))


@pytest.mark.parametrize("family", OPTIONS)
@pytest.mark.parametrize("start", ["scratch", "fine-tuned"])
def test_every_design_makes_a_model_that_its_entry_describes(bank, family, start):
    design = Design(family=family, start=start)
    made = train_member(task_of(bank, design=design))
    folder = bank.folder.member("005")
    assert isinstance(made, Member)
    assert (made.name, made.design, made.seed) == ("005", design, member_seed(0, 5))
    assert made.files == file_hashes(folder)
    assert made.bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert 0 <= made.accuracy <= 1
    assert made.seconds > 0
    if "per_layer" in OPTIONS[family]:
        assert len(made.graphs) == 1
        assert made.degree_mean == 3.0
        told = json.loads((folder / "graphs.json").read_text())
        graph = nx.Graph(told["graphs"][made.graphs[0]]["edges"])
        assert told["layers"] == {"body": made.graphs[0]}
        assert made.aspl == pytest.approx(nx.average_shortest_path_length(graph))
    else:
        assert (made.graphs, made.aspl, made.degree_mean) == ((), None, None)
        assert not (folder / "graphs.json").exists()


def test_fine_tuning_begins_where_the_original_is(bank):
    """A step so small that nothing moves leaves the original's kept weights."""
    still = replace(QUICK, learning_rate=1e-12, weight_decay=0.0)
    train_member(task_of(bank, design=Design(family="dense", start="fine-tuned"), recipe=still))
    from graphprune.pretrained import from_pretrained

    build = lambda: image_network(classes=10, in_channels=1)  # noqa: E731
    made = from_pretrained(bank.folder.member("005"), build)
    base = from_pretrained(bank.folder.base, build)
    assert torch.allclose(made.body.weight, base.body.weight, atol=1e-6)


def test_a_model_below_the_floor_is_rejected_and_leaves_no_folder(bank):
    made = train_member(task_of(bank, index=6, least_accuracy=1.1))
    assert isinstance(made, Rejected)
    assert made.reason == f"accuracy {made.accuracy:.4f} is below 1.1000"
    assert not bank.folder.member("006").exists()


def test_a_training_that_diverges_is_rejected_without_an_accuracy(bank):
    made = train_member(task_of(bank, index=7, recipe=replace(QUICK, learning_rate=1e30)))
    assert isinstance(made, Rejected)
    assert (made.accuracy, made.reason) == (None, "the training diverged")


def test_equal_tasks_give_equal_files_whatever_lay_there_before(bank):
    first = train_member(task_of(bank, index=8))
    again = train_member(task_of(bank, index=8))  # its checkpoint is whole
    checkpoint_of(task_of(bank, index=8)).unlink()
    anew = train_member(task_of(bank, index=8))
    assert first.files == again.files == anew.files
    assert train_member(task_of(bank, index=9)).files != first.files


def test_new_weights_and_the_order_of_images_follow_from_the_models_own_seed(bank, monkeypatch):
    seen = {}

    def spy(network, images, settings, **_):
        seen.update(weights=network.stem.weight.clone(), seed=settings.seed)

    monkeypatch.setattr(members, "train", spy)
    own = member_seed(0, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(own)
        expected = image_network(classes=10, in_channels=1)
        torch.manual_seed(99)  # the global state has no say
        train_member(task_of(bank, index=3))
    assert torch.equal(seen["weights"], expected.stem.weight)
    assert seen["seed"] == own


def test_checkpoints_of_other_requests_have_other_names(bank):
    names = {
        checkpoint_of(task_of(bank, **changes)).name
        for changes in (
            {},
            {"index": 4},
            {"seed": 9},
            {"design": Design()},
            {"recipe": replace(QUICK, epochs=9)},
            {"fingerprint": "0" * 64},
            {"base_hash": "0" * 64},
            {"data": DataRequest()},
        )
    }
    assert len(names) == 8
    assert BankFolder(bank.folder.path).checkpoints == checkpoint_of(task_of(bank)).parent

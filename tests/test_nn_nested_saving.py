"""One checkpoint, several levels: each comes back in every form, and damage is told."""

import copy
import json

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nested_toys import DEGREES, toy_graphs, toy_nested
from safetensors.torch import load_file, save_file
from sparse_toys import small_net
from test_nn_loading import WRONG, check_same_state, places, with_value

from graphprune import compact, from_pretrained, save_pretrained, strip
from graphprune.errors import FileError, GraphPruneError, MismatchError, SpecError
from graphprune.graph import aspl, graph_hash
from graphprune.inspection import inspect_saved
from graphprune.mask import adjacency, expand
from graphprune.model_request import ModelRequest
from graphprune.models import build_model
from graphprune.nn import NestedModel, masks_of, plan, prune, saved_levels
from graphprune.nn.level_card import kept_weights
from graphprune.nn.masking import apply_masks
from graphprune.nn.model_card import structure_hash
from graphprune.nn.saved_files import file_sha256, read_saved, saved_config
from graphprune.printing import show_inspected
from graphprune.sparse_training.norm_statistics import statistics_of

pytestmark = pytest.mark.usefixtures("one_thread")

FORMS = {"masked": lambda model: model, "compact": compact, "dense": strip}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that tests only read, and the model in it."""
    model = toy_nested()
    return save_pretrained(model, tmp_path_factory.mktemp("m"), config={"a": 1}), model


def card(folder):
    return json.loads((folder / "config.json").read_text())


def copied(folder, target, *, body=None, tensors=None):
    """The folder's files with another card or other tensors, and the hash of these."""
    body = card(folder) if body is None else body
    if tensors is None:
        tensors = load_file(folder / "model.safetensors")
    save_file(tensors, target / "model.safetensors")
    body["weights"]["sha256"] = file_sha256(target / "model.safetensors")
    (target / "config.json").write_text(json.dumps(body))
    return target


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("degree", DEGREES)
def test_every_level_comes_back_in_every_form(saved, degree, form):
    folder, model = saved
    found = from_pretrained(folder, small_net, form=form, degree=degree)
    check_same_state(found, FORMS[form](model.at(degree)))
    assert not found.training


@pytest.mark.parametrize("form", ["saved", *FORMS])
def test_without_a_degree_the_densest_level_comes_back(saved, form):
    folder, model = saved
    found = from_pretrained(folder, small_net, form=form)
    check_same_state(found, FORMS.get(form, FORMS["masked"])(model.densest))


def test_relational_levels_come_back(tmp_path):
    model = toy_nested(dialect="relational")
    save_pretrained(model, tmp_path)
    for degree in DEGREES:
        check_same_state(from_pretrained(tmp_path, small_net, degree=degree), model.at(degree))


def test_uneven_layers_and_linear_ones_come_back(tmp_path):
    def build():
        return torch.nn.Sequential(torch.nn.Linear(11, 9), torch.nn.Conv1d(9, 13, 2))

    graphs = toy_graphs()
    mask = {"0": (9, 11), "1": (13, 9)}
    joined = adjacency(graphs[6])
    masks = {k: expand(joined, out_channels=o, in_channels=i) for k, (o, i) in mask.items()}
    model = NestedModel(apply_masks(build(), masks), graphs, "rgp", {2: {}, 4: {}})
    save_pretrained(model, tmp_path)
    for degree in DEGREES:
        check_same_state(from_pretrained(tmp_path, build, degree=degree), model.at(degree))


def test_a_loaded_level_is_saved_like_any_other_model(saved, tmp_path):
    folder, model = saved
    save_pretrained(from_pretrained(folder, small_net, degree=4), tmp_path)
    body = card(tmp_path)
    assert body["version"] == 2
    assert "levels" not in body
    check_same_state(from_pretrained(tmp_path, small_net), model.at(4))


def test_weights_are_stored_once_at_the_densest_level(saved):
    folder, model = saved
    found = load_file(folder / "model.safetensors")
    for name, mask in masks_of(model.densest).items():
        assert torch.equal(
            found[f"{name}.weight"], model.densest.get_submodule(name).weight[mask]
        )
    others = found.keys() - small_net().state_dict().keys()
    assert others == {
        f"{layer}.{key}:degree-{degree}"
        for layer in ("norm", "last_norm")
        for key in ("running_mean", "running_var")
        for degree in (2, 4)
    }
    assert torch.equal(
        found["norm.running_var:degree-2"], model.statistics[2]["norm.running_var"]
    )


def test_what_the_card_says(saved):
    folder, _ = saved
    body = card(folder)
    graphs = {degree: graph_hash(graph) for degree, graph in toy_graphs().items()}
    assert (body["format"], body["version"], body["form"]) == ("graphprune-model", 3, "masked")
    assert body["levels"] == {
        "dialect": "rgp",
        "own": sorted(statistics_of(small_net())),
        "degrees": {
            str(d): {"graph": graphs[d], "kept": (576 + 1152) * d // 8, "ratio": 1 - d / 8}
            for d in DEGREES
        },
    }
    assert body["graphs"].keys() == set(graphs.values())
    for layer in body["layers"].values():
        assert layer["mask"] == {"graph": graphs[6], "dialect": "rgp"}
    assert body["structure_sha256"] == structure_hash(body)
    assert saved_config(folder) == {"a": 1}


def test_the_hash_covers_the_levels(saved):
    body = card(saved[0])
    body["levels"]["own"].pop()
    assert structure_hash(body) != body["structure_sha256"]


def test_ordinary_models_keep_their_version(tmp_path):
    save_pretrained(toy_nested().densest, tmp_path)
    body = card(tmp_path)
    assert body["version"] == 2
    assert saved_levels(tmp_path) is None
    assert read_saved(tmp_path).card.levels is None


@given(st.integers(5, 40), st.integers(5, 40), st.sampled_from(["rgp", "relational"]))
@settings(max_examples=20)
def test_kept_weights_are_those_of_the_mask(out, into, dialect):
    graph = nx.circulant_graph(5, [1])
    mask = expand(adjacency(graph, dialect), out_channels=out, in_channels=into)
    assert kept_weights(graph, dialect, (out, into, 3, 2)) == 6 * mask.sum()


@pytest.mark.parametrize("degree", [3, 8, True, "4"])
def test_a_degree_that_is_not_there_is_told_with_those_that_are(saved, degree):
    folder, _ = saved
    with pytest.raises(SpecError) as caught:
        from_pretrained(folder, small_net, degree=degree)
    assert str(caught.value) == (
        f"{folder} has no level of degree {degree!r}; there are 2, 4, 6"
    )


def test_an_ordinary_model_has_no_degrees(tmp_path):
    save_pretrained(toy_nested().densest, tmp_path)
    with pytest.raises(SpecError, match="is no nested model, so degree=6 says nothing"):
        from_pretrained(tmp_path, small_net, degree=6)


def test_another_network_is_named_by_its_layer(saved):
    with pytest.raises(MismatchError, match=r"^first: saved as Conv2d"):
        from_pretrained(saved[0], lambda: small_net(channels=16), degree=2)


def test_shared_statistics_cannot_be_stored(tmp_path):
    model = toy_nested()
    densest = copy.deepcopy(model.densest)
    densest.register_buffer("again", densest.norm.running_mean)  # comes first by its name
    shared = NestedModel(densest, model.graphs, "rgp", model.statistics)
    with pytest.raises(SpecError, match=r"norm\.running_mean: the model shares it"):
        save_pretrained(shared, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_saving_over_another_model_leaves_the_new_one_alone(tmp_path):
    save_pretrained(toy_nested().densest, tmp_path)
    model = toy_nested(seed=1)
    save_pretrained(model, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    check_same_state(from_pretrained(tmp_path, small_net, degree=2), model.at(2))


def test_every_flipped_byte_of_the_weights_is_noticed(saved, tmp_path):
    copied(saved[0], tmp_path)
    weights = (saved[0] / "model.safetensors").read_bytes()
    for place in range(0, len(weights), 997):
        flipped = bytearray(weights)
        flipped[place] ^= 1
        (tmp_path / "model.safetensors").write_bytes(flipped)
        with pytest.raises(FileError, match="damaged, its hash is another"):
            from_pretrained(tmp_path, small_net, degree=2)


@pytest.mark.parametrize("hashed", [False, True])
def test_no_field_of_the_levels_can_be_changed_unnoticed(saved, tmp_path, hashed):
    copied(saved[0], tmp_path)
    body = card(tmp_path)
    paths = [path for path in places(body) if path and path[0] in ("levels", "version", "form")]
    assert len(paths) > 15
    for path in paths:
        for value in WRONG if hashed else WRONG[:2]:
            other = with_value(body, path, value)
            if other == body:
                continue
            if hashed:
                other["structure_sha256"] = structure_hash(other | {"form": other.get("form")})
            (tmp_path / "config.json").write_text(json.dumps(other))
            with pytest.raises(GraphPruneError) as caught:
                from_pretrained(tmp_path, small_net)
            assert isinstance(caught.value, FileError | MismatchError), (path, value)
            assert "\n" not in str(caught.value)


def changed(change):
    """A change of the card, with its hash."""

    def make(body):
        change(body)
        body["structure_sha256"] = structure_hash(body)
        return body

    return make


def levels(body):
    return body["levels"]["degrees"]


def swapped(body):
    levels(body)["2"], levels(body)["4"] = levels(body)["4"], levels(body)["2"]


def added(body):
    levels(body)["8"] = levels(body)["6"]


def alone(body):
    for degree in ("2", "4"):
        del levels(body)[degree]


def without_top(body):
    del levels(body)["6"]


def kept(body):
    levels(body)["4"]["kept"] += 1


def ratio(body):
    levels(body)["4"]["ratio"] += 0.01


def weights_too(body):
    body["levels"]["own"] = sorted([*body["levels"]["own"], "first.weight"])


def twice(body):
    body["levels"]["own"].append(body["levels"]["own"][-1])


def self_edges(body):
    body["levels"]["dialect"] = "relational"


def unknown_own(body):
    body["levels"]["own"] = ["zzz"]


def fewer_kept(body):
    body["layers"]["first"] |= {"kept": 0, "ratio": 1.0}


def a_layout(body):
    body["layers"]["first"] |= {"layout": "dense", "fallback": "dense"}


def an_ordinary_one(body):
    body["version"] = 2


def no_degree(body):
    levels(body)["two"] = levels(body).pop("2")


CARDS = {
    "the graph of degree 2 has degree 4": swapped,
    "the graph of degree 8 has degree 6": added,
    "needs at least two degrees, got 1": alone,
    "is not pruned by the graph of degree 4": without_top,
    "kept must be 864": kept,
    "kept must be 864, as its graph says, with its ratio": ratio,
    "first.weight is no tensor that levels have their own of": weights_too,
    "own must be sorted names, each listed once": twice,
    "kept must be 648": self_edges,
    "zzz is no tensor that levels have their own of": unknown_own,
    "first is not pruned by the graph of degree 6": fewer_kept,
    "first is not pruned by the graph of degree 6$": a_layout,
    "degree-[24]: the saved model has it, the network built has not": an_ordinary_one,
    "'two' is no degree": no_degree,
}


@pytest.mark.parametrize("message", CARDS)
def test_cards_that_contradict_themselves_are_refused(saved, tmp_path, message):
    body = changed(CARDS[message])(card(saved[0]))
    copied(saved[0], tmp_path, body=body)
    with pytest.raises((FileError, MismatchError), match=message) as caught:
        from_pretrained(tmp_path, small_net)
    assert "\n" not in str(caught.value)


KEY = "norm.running_var:degree-4"
TENSORS = {
    "missing": (KEY, None),
    "short": (KEY, torch.ones(3)),
    "of integers": (KEY, torch.ones(8, dtype=torch.int64)),
    "of no level": ("norm.running_var:degree-8", torch.ones(8)),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_of_levels_that_do_not_fit_are_refused(saved, tmp_path, case):
    held = load_file(saved[0] / "model.safetensors")
    key, value = TENSORS[case]
    held.pop(key, None)
    if value is not None:
        held[key] = value
    copied(saved[0], tmp_path, tensors=held)
    with pytest.raises((FileError, MismatchError), match="running_var") as caught:
        from_pretrained(tmp_path, small_net, degree=2)
    assert "\n" not in str(caught.value)


def test_a_huge_claim_asks_for_no_memory(saved, tmp_path):
    def huge(body):
        body["layers"]["first"] |= {"shape": [10**9, 10**9], "kept": 6 * 10**18 // 8}
        body["layers"]["first"]["ratio"] = 0.25

    copied(saved[0], tmp_path, body=changed(huge)(card(saved[0])))
    with pytest.raises(FileError, match="kept must be"):
        from_pretrained(tmp_path, small_net, degree=2)


def nested_mlp():
    dense = build_model("mlp", classes=3, in_channels=1, size=4)
    top = prune(dense, plan(dense, nodes=8, degree=6), graph=toy_graphs()[6])
    own = {key: value + 1 for key, value in statistics_of(top).items()}
    return NestedModel(top.eval(), toy_graphs(), "rgp", {2: own, 4: own})


CONFIG = {"model": "mlp", "classes": 3, "in_channels": 1, "size": 4}


def test_a_network_of_our_own_needs_no_builder(tmp_path):
    model = nested_mlp()
    save_pretrained(model, tmp_path, config=CONFIG)
    for degree in DEGREES:
        check_same_state(from_pretrained(tmp_path, degree=degree), model.at(degree))


def test_inspect_lists_the_levels(tmp_path, capsys):
    save_pretrained(nested_mlp(), tmp_path, config=CONFIG)
    record = inspect_saved(ModelRequest(source=str(tmp_path)))
    rows = record.values["levels"]
    assert [row["degree"] for row in rows] == [2, 4, 6]
    assert [row["ratio"] for row in rows] == [0.75, 0.5, 0.25]
    assert [row["kept"] / row["weights"] for row in rows] == [0.25, 0.5, 0.75]
    assert [row["aspl"] for row in rows] == [aspl(graph) for graph in toy_graphs().values()]
    assert record.values["pruning"]["ratio"] == 0.25
    show_inspected(record, as_json=False)
    shown = capsys.readouterr().out
    assert "levels, each within the next" in shown
    assert "75.0%" in shown
    assert shown.splitlines()[-1] == "everything above is said of the last level"

"""Saved models come back as they were, in any form; nothing else comes back at all."""

import copy
import functools
import json

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn
from toys import Tied, image_network

from graphprune import from_pretrained, save_pretrained
from graphprune.errors import FileError, GraphPruneError, MismatchError, SpecError
from graphprune.mask import adjacency, expand
from graphprune.nn import compact, compaction_report, masks_of, plan, prune, strip
from graphprune.nn import expand as expand_model
from graphprune.nn.masking import apply_masks
from graphprune.nn.model_card import structure_hash
from graphprune.nn.saved_files import file_sha256

FORMS = {
    "masked": lambda masked: masked,
    "compact": compact,
    "expanded": lambda masked: expand_model(compact(masked)),
    "dense": strip,
}


def check_same_state(found, expected):
    found, expected = found.state_dict(), expected.state_dict()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype, key
        whole = torch.broadcast_shapes(found[key].shape, value.shape)  # of masks, kernel axes
        assert torch.equal(found[key].expand(whole), value.expand(whole)), key
        assert found[key].shape == value.shape or key.endswith("mask")


def seeded(build, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


@st.composite
def layers(draw):
    """A layer's builder and a mask for it: graphs, even or not, blocks, single weights."""
    kind = draw(st.sampled_from([nn.Linear, nn.Conv1d, nn.Conv2d]))
    out, channels = draw(st.integers(4, 14)), draw(st.integers(4, 14))
    kernel = draw(st.integers(1, 3)) if kind is not nn.Linear else 1
    options = {} if kind is nn.Linear else {"kernel_size": kernel, "padding": 1}
    options["bias"] = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    style = draw(st.sampled_from(["rgp", "relational", "blocks", "channels", "weights"]))
    if style in ("rgp", "relational"):
        nodes = draw(st.integers(3, min(out, channels)))
        joined = adjacency(nx.cycle_graph(nodes), style)
        mask = expand(joined, out_channels=out, in_channels=channels)
    elif style == "blocks":
        tiles = rng.random((2, 3)) < 0.6
        out, channels = 2 * (out // 2), 3 * (channels // 3)
        mask = tiles.repeat(out // 2, 0).repeat(channels // 3, 1)
    else:
        axes = {nn.Linear: 0, nn.Conv1d: 1, nn.Conv2d: 2}[kind]
        extra = (kernel,) * axes if style == "weights" else ()
        mask = rng.random((out, channels, *extra)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    return functools.partial(kind, channels, out, **options), mask


def an_input(layer, dtype):
    sizes = {nn.Linear: (), nn.Conv1d: (5,), nn.Conv2d: (4, 5)}[type(layer)]
    channels = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    rng = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, *sizes, generator=rng).to(dtype)


@settings(max_examples=40)
@given(
    parts=st.lists(layers(), min_size=1, max_size=3),
    form=st.sampled_from(sorted(FORMS)),
    wanted=st.sampled_from(["saved", "masked", "compact", "dense"]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
)
def test_any_model_comes_back_in_any_form(tmp_path_factory, parts, form, wanted, dtype):
    folder = tmp_path_factory.mktemp("model")

    def build():
        return nn.ModuleList(make() for make, _ in parts)

    masks = {str(i): mask for i, (_, mask) in enumerate(parts)}
    masked = apply_masks(seeded(build), masks).to(dtype).eval()
    model = FORMS[form](masked)
    save_pretrained(model, folder)
    if form == "dense" and wanted in ("masked", "compact"):
        with pytest.raises(SpecError, match=f"dense model, which has no {wanted} form"):
            from_pretrained(folder, build, form=wanted)
        return
    found = from_pretrained(folder, build, form=wanted)
    expected = {"saved": model, "masked": masked, "compact": None, "dense": strip(masked)}
    check_same_state(found, expected[wanted] or compact(masked))
    for i, layer in enumerate(build()):
        example = an_input(layer, dtype)
        assert torch.allclose(found[i](example), masked[i](example), atol=1e-5, rtol=1e-2)
    if wanted == "saved":
        assert compaction_report(found) == compaction_report(model)
        for i, layer in enumerate(build()):
            example = an_input(layer, dtype)
            assert torch.equal(found[i](example), model[i].eval()(example))


def encoder():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


@pytest.mark.parametrize("form", FORMS)
def test_a_transformer_comes_back(tmp_path, form):
    dense = seeded(encoder)
    model = FORMS[form](prune(dense, plan(dense, nodes=8, degree=2)).eval()).eval()
    found = from_pretrained(save_pretrained(model, tmp_path), encoder)
    check_same_state(found, model)
    tokens = torch.linspace(-1, 1, 2 * 3 * 16).reshape(2, 3, 16)
    with torch.no_grad():
        assert torch.equal(found(tokens), model(tokens))


def small_network():
    return image_network(classes=4, in_channels=1)


def small_pruned():
    model = seeded(small_network)
    return prune(model, plan(model, nodes=8, degree=2), graph=nx.cycle_graph(8)).eval()


def test_layouts_set_by_hand_come_back_with_their_reasons(tmp_path):
    small = compact(small_pruned(), layouts={"body": "grouped"})
    small.body.fallback, small.body.reason = "dense", "measured here"
    found = from_pretrained(save_pretrained(small, tmp_path), small_network)
    assert compaction_report(found) == compaction_report(small)
    assert found.body.layout == "grouped"
    assert (found.body.fallback, found.body.reason) == ("dense", "measured here")


def test_a_loaded_model_trains_like_the_saved_one(tmp_path):
    model = small_pruned()
    found = from_pretrained(save_pretrained(model, tmp_path), small_network)
    images = torch.linspace(-1, 1, 128).reshape(2, 1, 8, 8)
    for one in (model, found):
        one.train()
        optimizer = torch.optim.SGD(one.parameters(), 0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            one(images).square().sum().backward()
            optimizer.step()
    check_same_state(found, model)
    assert (found.body.weight[~masks_of(found)["body"]] == 0).all()


def test_two_models_from_one_folder_share_nothing(tmp_path):
    save_pretrained(small_pruned(), tmp_path)
    first, second = (from_pretrained(tmp_path, small_network) for _ in range(2))
    with torch.no_grad():
        for value in first.state_dict().values():
            value.zero_()
    check_same_state(second, small_pruned())


def test_the_network_built_and_the_random_state_are_left_unchanged(tmp_path):
    save_pretrained(small_pruned(), tmp_path)
    own = small_network()
    before, state = copy.deepcopy(own), torch.get_rng_state()
    found = from_pretrained(tmp_path, lambda: (torch.rand(3), own)[1])
    assert torch.equal(torch.get_rng_state(), state)
    check_same_state(own, before)
    assert not found.training


def test_tied_weights_come_back_tied(tmp_path):
    model = seeded(Tied)
    masked = apply_masks(model, {"middle": np.eye(8, dtype=bool)})
    found = from_pretrained(save_pretrained(masked, tmp_path), Tied)
    assert found.first.weight is found.second.weight
    check_same_state(found, masked)


def test_tied_weights_come_back_apart_where_the_network_built_has_them_apart(tmp_path):
    def apart():
        model = Tied()
        model.second = nn.Linear(8, 8)
        return model

    model = apply_masks(seeded(Tied), {"middle": np.eye(8, dtype=bool)})
    found = from_pretrained(save_pretrained(model, tmp_path), apart)
    check_same_state(found, model)
    with torch.no_grad():
        found.first.weight.zero_()
    assert torch.equal(found.second.weight, model.second.weight)


def twice():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


@pytest.mark.parametrize("form", ["masked", "compact"])
def test_a_pruned_layer_used_twice_comes_back_as_one(tmp_path, form):
    model = FORMS[form](apply_masks(seeded(twice), {"0": np.eye(4, dtype=bool)}))
    found = from_pretrained(save_pretrained(model, tmp_path), twice)
    assert found[0] is found[2]
    check_same_state(found, model)


def test_a_model_that_is_one_layer_comes_back(tmp_path):
    for mask in (np.eye(4, dtype=bool), np.triu(np.ones((4, 4), bool))):
        masked = apply_masks(seeded(lambda: nn.Linear(4, 4)), {"": mask})
        found = from_pretrained(save_pretrained(masked, tmp_path), lambda: nn.Linear(4, 4))
        check_same_state(found, masked)


class Buffers(nn.Module):
    """A layer beside a buffer in the state dict and one outside of it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("stored", torch.tensor([1, 2]))
        self.register_buffer("made", torch.ones(4), persistent=False)

    def forward(self, input):
        return self.layer(input + self.made)


@pytest.mark.parametrize("form", ["masked", "compact"])
def test_buffers_outside_the_state_are_those_of_the_network_built(tmp_path, form):
    model = FORMS[form](apply_masks(Buffers(), {"layer": np.eye(4, dtype=bool)})).bfloat16()
    model.stored.add_(5)
    assert "made" not in load_file(save_pretrained(model, tmp_path) / "model.safetensors")
    found = from_pretrained(tmp_path, Buffers)
    assert found.stored.tolist() == [6, 7]
    assert torch.equal(found.made, torch.ones(4, dtype=torch.bfloat16))
    example = torch.ones(1, 4, dtype=torch.bfloat16)
    assert torch.equal(found(example), model.eval()(example))


def test_masks_of_layers_that_cannot_be_compact_come_back(tmp_path):
    def build():
        return nn.Sequential(nn.ConvTranspose2d(4, 4, 2))

    masked = apply_masks(seeded(build), {"0": np.eye(4, dtype=bool)})
    check_same_state(from_pretrained(save_pretrained(masked, tmp_path), build), masked)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_model_is_put_on_the_device_asked_for(tmp_path):
    model = small_pruned()
    save_pretrained(model.to("cuda"), tmp_path)
    images = torch.linspace(-1, 1, 128).reshape(2, 1, 8, 8)
    for form in ("masked", "compact", "dense"):
        found = from_pretrained(tmp_path, small_network, form=form, device="cuda")
        assert {value.device.type for value in found.state_dict().values()} == {"cuda"}
        outputs = found(images.cuda()).cpu()
        torch.testing.assert_close(outputs, model.cpu()(images), atol=1e-3, rtol=1e-3)


def wider():
    model = small_network()
    model.body = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
    return model


def changed(**parts):
    def build():
        model = small_network()
        for name, part in parts.items():
            setattr(model, name, part)
        return model

    return build


def tied():
    model = small_network()
    model.norm2 = model.norm1
    return model


OTHERS = {
    "body: saved as Conv2d with weight .16, 16, 3, 3., the network built has .*32": wider,
    "body: saved as Conv2d with weight .16, 16, 3, 3., .* has ConvTranspose2d": changed(
        body=nn.ConvTranspose2d(16, 16, 3)
    ),
    "body: the network built has no plain weight there": changed(body=nn.Identity()),
    "body: the network built has no such layer": lambda: nn.Sequential(nn.Linear(2, 2)),
    r"body\.bias: the network built has it, the saved model has not": changed(
        body=nn.Conv2d(16, 16, 3)
    ),
    r"norm2\.bias: the saved model has it, the network built has not": changed(
        norm2=nn.Identity()
    ),
    r"classifier\.weight: saved as torch\.float32 of shape \(4, 64\)": changed(
        classifier=nn.Linear(64, 5)
    ),
    r"norm2\.weight: the network built shares it with norm1\.weight": tied,
}


@pytest.mark.parametrize("message", OTHERS)
def test_another_network_is_named_by_its_layer(tmp_path, message):
    save_pretrained(small_pruned(), tmp_path)
    with pytest.raises(MismatchError, match=f"^{message}"):
        from_pretrained(tmp_path, OTHERS[message])


REFUSED = {
    "form must be one of saved, masked, compact, dense, got 'small'": {"form": "small"},
    "device 'warp' is not there": {"device": "warp"},
    "build must return a torch.nn.Module, got int": {"build": lambda: 3},
    "build must give the dense network, got a pruned one": {"build": small_pruned},
    "has no values: it is on the device 'meta'": {"build": lambda: small_network().to("meta")},
}


@pytest.mark.parametrize("message", REFUSED)
def test_requests_that_cannot_be_met_are_refused(tmp_path, message):
    save_pretrained(small_pruned(), tmp_path)
    with pytest.raises(SpecError, match=message) as caught:
        from_pretrained(tmp_path, **{"build": small_network, **REFUSED[message]})
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Saved models with a graph, tiles and single weights, and what builds them."""
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    masks = {
        "0": adjacency(nx.cycle_graph(6)),
        "1": np.array([[1, 0], [1, 1], [0, 1]], bool).repeat(2, 0).repeat(3, 1),
        "2": rng.random((6, 6, 3)) < 0.5,
    }

    def build():
        return nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6), nn.Conv1d(6, 6, 3), Buffers())

    masked = apply_masks(seeded(build), masks)
    save_pretrained(compact(masked), folder / "m", config={"a": 1})
    return folder / "m", build


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(folder, build):
    """The one line with which a folder is refused in all forms."""
    lines = set()
    for form in ("saved", "masked", "dense"):
        with pytest.raises(FileError) as caught:
            from_pretrained(folder, build, form=form)
        lines.add(str(caught.value))
    (line,) = lines
    assert "\n" not in line
    assert str(folder) in line
    return line


def test_every_flipped_byte_of_the_weights_is_noticed(tmp_path, folders):
    source, build = folders
    files = read_all(source)
    weights = files["model.safetensors"]
    (tmp_path / "config.json").write_bytes(files["config.json"])
    for place in range(0, len(weights), 97):
        flipped = bytearray(weights)
        flipped[place] ^= 1
        (tmp_path / "model.safetensors").write_bytes(flipped)
        assert "model.safetensors: damaged, its hash is another" in refused(tmp_path, build)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("length", [None, 0, 7, 100, -1])
def test_missing_and_truncated_files_are_named(tmp_path, folders, name, length):
    source, build = folders
    for file, content in read_all(source).items():
        cut = content[: -2 if length == -1 else length] if file == name else content
        if file != name or length is not None:
            (tmp_path / file).write_bytes(cut)
    assert name in refused(tmp_path, build)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a graphprune-model file"),
        ('{"model_type": "bert"}', "not a graphprune-model file"),
        ('{"format": "graphprune-model"}', "format version None is not supported"),
        ('{"format": "graphprune-model", "version": 4}', "format version 4 is not supported"),
        ('{"format": "graphprune-model", "version": 3}', "form must be a text"),
        ('{"format": "graphprune-model", "version": true}', "version True is not supported"),
        ('{"format": "graphprune-model", "version": 2}', "form must be a text"),
        ("[" * 100_000, "not JSON"),
        ("\xff", "not"),
    ],
)
def test_foreign_configs_are_told(tmp_path, folders, text, message):
    source, build = folders
    (tmp_path / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    assert message in refused(tmp_path, build)


def places(value, path=()):
    """Path to every value in nested objects and lists."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = list(enumerate(value))[:2] if isinstance(value, list) else items
    for key, part in items:
        yield from places(part, (*path, key))


def with_value(body, path, value):
    """The body with another value at one place; the place removed where it is `...`."""
    changed = copy.deepcopy(body)
    part = changed
    for key in path[:-1]:
        part = part[key]
    if value is ...:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return changed


WRONG = [..., None, -1, 7, 2**70, float("nan"), "x", "\n\ud800", {}, {"a": {}}]
WRONG += [True, [5, 0], [[0, 99]], [10**12, 10**12]]
FREE = ("config", "versions", "achieved")  # what loading does not depend on


@pytest.mark.parametrize("hashed", [False, True])
def test_no_field_can_be_changed_unnoticed(tmp_path, folders, hashed):
    source, build = folders
    body = json.loads((source / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    expected = from_pretrained(source, build)
    paths = [path for path in places(body) if path and path[0] not in FREE]
    assert len(paths) > 60
    accepted = set()
    for path in paths:
        for value in WRONG if hashed else WRONG[:2]:
            other = with_value(body, path, value)
            if other == body:
                continue
            if hashed and {"form", "layers", "graphs", "shared", "buffers"} <= other.keys():
                other["structure_sha256"] = structure_hash(other)
            (tmp_path / "config.json").write_text(json.dumps(other))
            try:
                found = from_pretrained(tmp_path, build)
            except GraphPruneError as error:
                assert isinstance(error, FileError | MismatchError)
                assert "\n" not in str(error)
            else:
                assert hashed
                accepted.add(path[-1])
                check_same_state(found, expected)
    # With a new hash: words and figures for people, and dtypes of buffers that are not stored.
    people = {"reason", "groups", "width", "fan_in"}
    assert accepted == (people | {"buffers", "3.made", "structure_sha256"} if hashed else set())


TENSORS = {
    "a missing weight": ("0.weight", None),
    "a short weight": ("0.weight", torch.zeros(3)),
    "integer weights": ("0.weight", torch.zeros(12, dtype=torch.int64)),
    "missing bits": ("1.weight:kept", None),
    "other bits": ("1.weight:kept", torch.zeros(1, dtype=torch.uint8)),
    "bits of floats": ("1.weight:kept", torch.zeros(1)),
    "too many bits": ("2.weight:kept", torch.zeros(99, dtype=torch.uint8)),
    "a foreign tensor": ("9.weight", torch.zeros(3)),
    "a missing bias": ("0.bias", None),
    "an integer bias": ("0.bias", torch.zeros(6, dtype=torch.int64)),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_contradict_the_card_are_refused(tmp_path, folders, case):
    source, build = folders
    held = load_file(source / "model.safetensors")
    key, value = TENSORS[case]
    held.pop(key, None)
    if value is not None:
        held[key] = value
    save_file(held, tmp_path / "model.safetensors")
    body = json.loads((source / "config.json").read_text())
    body["weights"]["sha256"] = file_sha256(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(body))
    with pytest.raises((FileError, MismatchError)) as e:
        from_pretrained(tmp_path, build)
    assert key.split(".")[0] in str(e.value)
    assert "\n" not in str(e.value)

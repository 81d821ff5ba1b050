import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggt.design import Design
from ggt.manifest import Manifest, Member, Original, Preprocessing, Rejected
from ggt.splits import DataRequest
from graphprune.errors import FileError, GraphPruneError, MismatchError
from graphprune.training import Settings

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def member(index, **changes):
    told = {
        "index": index,
        "design": Design(family="gaussian", degree=3.5, skip=("stage1*",)),
        "seed": 7,
        "recipe": Settings(epochs=3),
        "graphs": (A,),
        "aspl": 2.5,
        "degree_mean": 3.5,
        "accuracy": 0.75,
        "files": {"config.json": B, "model.safetensors": C},
        "bytes": 1200,
        "seconds": 4.5,
    }
    return Member(**(told | changes))


def manifest(**changes):
    told = {
        "base": Original(
            model="mlp",
            classes=("cat", "dog"),
            origin="",
            recipe=Settings(),
            accuracy=0.5,
            files={"config.json": A},
            bytes=900,
            seconds=1.0,
        ),
        "preprocessing": Preprocessing(channels=1, size=8, mean=(0.25,), std=(0.5,)),
        "data": DataRequest(train_images=200),
        "fingerprint": C,
        "floor": 0.9,
        "seed": 3,
        "members": (
            member(0),
            member(2, design=Design(family="dense"), graphs=(), aspl=None, degree_mean=None),
        ),
        "rejected": (
            Rejected(
                index=1,
                design=Design(),
                seed=8,
                recipe=Settings(),
                accuracy=None,
                reason="the training diverged",
                seconds=0.5,
            ),
        ),
    }
    return Manifest(**(told | changes))


def body():
    return json.loads(manifest().to_json())


def changed(path, value):
    """The manifest's text with one value replaced, or removed where `value` is `...`."""
    told = body()
    place = told
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(told)


def test_what_is_written_is_read_back(tmp_path):
    manifest().write(tmp_path / "bank.json")
    assert Manifest.read(tmp_path / "bank.json") == manifest()
    copied = replace(manifest().base, origin=A, recipe=None, seconds=None)
    other = manifest(base=copied, members=(), rejected=(), data=DataRequest())
    assert Manifest.from_json(other.to_json()) == other


def test_the_file_tells_range_names_and_hashes():
    told = body()
    assert told["range"] == [0, 1]
    assert [entry["name"] for entry in told["members"]] == ["000", "002"]
    assert told["members"][0]["hash"] == manifest().members[0].hash
    assert told["hash"] == manifest().hash


def test_the_hash_follows_original_preprocessing_and_models_in_order():
    first, second = manifest().members
    other_files = replace(first, files={"config.json": A})
    scale = replace(manifest().preprocessing, mean=(0.5,))
    base = replace(manifest().base, files={"config.json": B})
    hashes = {
        one.hash
        for one in (
            manifest(),
            manifest(members=(first,)),
            manifest(members=(other_files, second)),
            manifest(members=(second, other_files)),
            manifest(preprocessing=scale),
            manifest(base=base),
        )
    }
    assert len(hashes) == 6


def test_the_hash_does_not_follow_what_no_vote_depends_on():
    slower = tuple(replace(one, seconds=9.0, accuracy=0.5) for one in manifest().members)
    assert manifest(members=slower, rejected=(), floor=0.1).hash == manifest().hash


def test_results_go_where_their_index_says():
    made = manifest(members=(), rejected=())
    for one in (member(2), manifest().rejected[0], member(0)):
        made = made.with_result(one)
    assert [one.index for one in made.members] == [0, 2]
    assert list(made.tried()) == [0, 1, 2]
    assert made.tried()[1] == manifest().rejected[0]


def test_the_least_accuracy_is_a_share_of_the_originals():
    assert manifest().least_accuracy == 0.9 * 0.5


def test_options_that_a_later_version_adds_take_their_defaults():
    text = changed(["members", 0, "recipe", "noise"], ...)
    assert Manifest.from_json(text) == manifest()


DAMAGE = [
    (["format"], "graphprune-record"),
    (["version"], 2),
    (["range"], [0, 255]),
    (["hash"], ...),
    (["seed"], -1),
    (["seed"], 1.5),
    (["floor"], 1.5),
    (["floor"], "much"),
    (["fingerprint"], "abc"),
    (["other"], 1),
    (["data"], None),
    (["data", "held_out"], 2.0),
    (["data", "held_out"], float("nan")),
    (["data", "train_images"], True),
    (["data", "name"], 5),
    (["base", "files"], {}),
    (["base", "files"], {"../secret": A}),
    (["base", "files"], {".lock": A}),
    (["base", "origin"], A),
    (["base", "accuracy"], 2),
    (["base", "classes"], "cat"),
    (["base", "extra"], "cat"),
    (["preprocessing", "mean"], [0.1, 0.2]),
    (["preprocessing", "mean"], ["x"]),
    (["preprocessing", "std"], [0.0]),
    (["preprocessing", "channels"], 0),
    (["members"], {}),
    (["members"], [3]),
    (["members", 0, "index"], 2),
    (["members", 0, "index"], 1),
    (["members", 0, "name"], "../../etc"),
    (["members", 0, "aspl"], None),
    (["members", 0, "design", "family"], "petersen"),
    (["members", 0, "design", "degree"], "3"),
    (["members", 0, "design", "skip"], "stage1"),
    (["members", 0, "design", "depth"], 4),
    (["members", 0, "recipe", "epochs"], "3"),
    (["members", 0, "recipe", "epochs"], 0),
    (["members", 0, "recipe", "epochs"], True),
    (["members", 0, "files", "config.json"], "B" * 64),
    (["rejected", 0, "reason"], "two\nlines"),
    (["rejected", 0, "index"], 0),
]


@pytest.mark.parametrize(("path", "value"), DAMAGE)
def test_damage_is_told_in_one_line(path, value):
    with pytest.raises(FileError) as caught:
        Manifest.from_json(changed(path, value), name="bank.json")
    assert "\n" not in str(caught.value)
    assert "bank.json" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["hash"], A),
        (["members", 0, "files", "config.json"], A),
        (["preprocessing", "std"], [0.4]),
        (["base", "files", "config.json"], C),
    ],
)
def test_parts_that_were_changed_one_by_one_do_not_belong_together(path, value):
    with pytest.raises(MismatchError, match="its hash is not that of the parts"):
        Manifest.from_json(changed(path, value))


def test_a_missing_file_and_no_json_are_told(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        Manifest.read(tmp_path / "bank.json")
    with pytest.raises(FileError, match="not JSON"):
        Manifest.from_json("{")


def places(value, path=()):
    """Every path into a JSON value."""
    yield from [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in items if isinstance(value, dict | list) else []:
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))
        else:
            yield (*path, key)


JUNK = st.sampled_from([..., None, True, -1, 2.5, 10**400, "", "x", [], [[]], {}, {"a": 1}])


@given(st.sampled_from(sorted(places(body()), key=str)), JUNK)
def test_no_change_to_the_file_raises_anything_but_its_own_errors(path, value):
    text = changed(list(path), value)
    try:
        read = Manifest.from_json(text)
    except GraphPruneError as error:
        assert "\n" not in str(error)
    else:
        assert Manifest.from_json(read.to_json()) == read


def test_the_examples_above_do_not_share_state():
    before = copy.deepcopy(body())
    changed(["seed"], 9)
    assert body() == before

import subprocess
import sys

import pytest
from signet_runs import Package

from graphprune.data import (
    DATASETS,
    SHAPES,
    Dataset,
    check_name,
    load,
    registry,
    shape_of,
)
from graphprune.errors import SpecError


def test_the_names_are_fixed():
    assert list(DATASETS) == ["digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"]


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(SpecError, match=r"'imagenet'; there are digits, mnist, .*, svhn"):
        load("imagenet")


def test_the_folder_reaches_the_reader_as_a_path(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setitem(registry.DATASETS, "toy", asked.append)
    load("toy")
    load("toy", str(tmp_path))
    load("toy", "~/data")
    assert asked[:2] == [None, tmp_path]
    assert "~" not in asked[2].parts and asked[2].name == "data"


def test_a_data_set_bears_the_name_it_is_loaded_by():
    found = load("digits")
    assert isinstance(found, Dataset)
    assert found.name == "digits"


def test_importing_the_package_loads_nothing_heavy():
    check = (
        "import sys, graphprune.data; "
        "print([m for m in ('torch', 'sklearn', 'scipy', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_reader_of_another_package_gets_the_place_and_the_folder(tmp_path, monkeypatch):
    asked = []

    def reader(place, data_dir=None):
        asked.append((place, data_dir))
        return load("digits")

    package = Package(monkeypatch)
    package.offer("graphprune.data", {"frames": reader, "digits": None})
    load("frames:some/run:2", str(tmp_path))
    load("frames:x")
    assert asked == [("some/run:2", tmp_path), ("x", None)]
    assert shape_of("frames:x") == SHAPES["digits"] == shape_of("digits")
    assert len(asked) == 3
    assert load("digits").name == "digits"


@pytest.mark.parametrize("name", ["imagenet", "frames", "frames:", ":x", "other:x"])
def test_an_unknown_name_is_answered_with_built_in_sets_and_readers(name, monkeypatch):
    Package(monkeypatch).offer("graphprune.data", {"frames": None})
    for call in (check_name, load, shape_of):
        with pytest.raises(SpecError, match=r"there are digits, .*, svhn, frames:PLACE"):
            call(name)
    check_name("frames:anything")

"""Names that installed packages add: found without an import, loaded when asked for."""

import pytest
from signet_runs import Package

from graphprune.errors import SpecError
from graphprune.installed import Catalogue
from graphprune.models import BUILTIN, MODELS, build_model

GROUP = "toys.shelf"


@pytest.fixture
def package(monkeypatch):
    return Package(monkeypatch)


def test_built_in_names_come_first_and_win(package):
    package.offer(GROUP, {"b": "theirs", "a": "new"})
    package.offer("another.shelf", {"c": "elsewhere"})
    found = Catalogue(GROUP, {"z": 26, "b": 2})
    assert list(found) == ["z", "b", "a"] and len(found) == 3
    assert (found["b"], found["a"]) == (2, "new")
    assert "a" in found and "c" not in found and None not in found
    assert sorted(found) == ["a", "b", "z"]
    with pytest.raises(KeyError):
        _ = found["c"]


@pytest.mark.parametrize("error", [ImportError("no\nsuch module"), SystemExit("3")])
def test_a_package_that_cannot_be_imported_is_told_in_one_line(package, error):
    package.offer(GROUP, {"broken": error})
    found = Catalogue(GROUP, {"own": 1})
    assert "broken" in found and list(found) == ["own", "broken"]
    assert found["own"] == 1
    with pytest.raises(
        SpecError, match=r"'broken' .* somewhere:broken, which cannot"
    ) as caught:
        _ = found["broken"]
    assert "\n" not in str(caught.value)


def test_what_is_installed_now_is_read_through_the_real_entry_points():
    assert "pip" in Catalogue("console_scripts", {}) or "pytest" in Catalogue(
        "console_scripts", {}
    )
    assert list(Catalogue("no.such.group", {"a": 1})) == ["a"]


def test_networks_of_packages_are_built_by_name_with_the_keywords_they_take(package):
    from torch import nn

    asked = {}

    def builder(*, classes, size):
        asked.update(classes=classes, size=size)
        return nn.Linear(size, classes)

    package.offer("graphprune.models", {"toy-net": builder, "mlp": None})
    assert MODELS["mlp"] is BUILTIN["mlp"]
    built = build_model("toy-net", classes=3, in_channels=2, size=16)
    assert isinstance(built, nn.Linear) and asked == {"classes": 3, "size": 16}
    with pytest.raises(SpecError, match=r"'toynet' \(did you mean 'toy-net'\?\)"):
        build_model("toynet", classes=3, in_channels=2, size=16)

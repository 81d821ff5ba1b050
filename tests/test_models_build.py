"""Networks by name: which keywords a function gets, and one line for every mistake."""

import sys
from pathlib import Path

import pytest
from torch import nn

from graphprune.errors import SpecError
from graphprune.models import MODELS, build_model

OWN_MODELS = """
from torch import nn

seen = {}

def some(*, classes, size=5, other=2):
    seen["some"] = (classes, size, other)
    return nn.Linear(size, classes)

def everything(**counts):
    seen["everything"] = counts
    return nn.Identity()

def nothing():
    return nn.Identity()

def by_position(size=5, /, *classes):
    return nn.Linear(size, 1 + len(classes))

class Net(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.in_channels = in_channels

def needs_more(classes, depth):
    return nn.Identity()

def two_lines():
    raise TypeError("first" + chr(10) + "second")

def number(classes):
    return classes

def late():
    import {module}_late
    return nn.Identity()

def bug():
    raise ZeroDivisionError("a bug keeps its traceback")

width = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """Name of an importable module of its own in the current folder."""
    name = f"own_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(OWN_MODELS.replace("{module}", name))
    (tmp_path / f"{name}_late.py").write_text("")
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)
    sys.modules.pop(f"{name}_late", None)


def build(name):
    return build_model(name, classes=4, in_channels=1, size=8)


@pytest.mark.parametrize("name", ["mlp", "resnet8-wide"])
def test_a_known_name_is_built_with_the_counts_asked_for(name):
    model = build(name)
    first = next(p for p in model.parameters() if p.ndim > 1)
    assert first.shape[1] == {"mlp": 64, "resnet8-wide": 1}[name]
    assert model.classifier.out_features == 4


def test_a_function_gets_the_keywords_that_it_names(module):
    model = build(f"{module}:some")
    assert sys.modules[module].seen["some"] == (4, 8, 2)
    assert (model.in_features, model.out_features) == (8, 4)


def test_a_function_with_open_keywords_gets_all(module):
    build(f"{module}:everything")
    expected = {"classes": 4, "in_channels": 1, "size": 8}
    assert sys.modules[module].seen["everything"] == expected


def test_a_function_without_keywords_and_a_class_work_too(module):
    assert isinstance(build(f"{module}:nothing"), nn.Identity)
    assert build(f"{module}:Net").in_channels == 1
    assert build(f"{module}:by_position").weight.shape == (1, 5)


def test_the_current_folder_is_importable_during_the_call_only(module):
    path = list(sys.path)
    assert isinstance(build(f"{module}:late"), nn.Identity)
    assert sys.path == path
    with pytest.raises(SpecError):
        build("no_such_module_here:f")
    assert sys.path == path
    assert str(Path.cwd()) not in sys.path


def test_an_unknown_name_gets_the_list_and_a_suggestion():
    with pytest.raises(SpecError) as caught:
        build("resnet-20")
    message = str(caught.value)
    assert message.startswith("unknown model 'resnet-20' (did you mean 'resnet20'?); known: ")
    assert all(name in message for name in MODELS)
    assert "package.module:function" in message


@pytest.mark.parametrize("name", ["", ":", "module:", ":function", "zzz"])
def test_half_a_name_is_unknown(name):
    with pytest.raises(SpecError, match=r"^unknown model .*; known: .*mlp, resnet18") as caught:
        build(name)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("som", r"no function 'som' \(did you mean 'some'\?\); it has: .*everything.*some"),
        ("width", "width is int, not a function"),
        ("needs_more", r"call with \(classes=4\) failed: TypeError: .*'depth'"),
        ("two_lines", r"call with \(\) failed: TypeError: first second"),
        ("number", "must return a torch.nn.Module, got int"),
    ],
)
def test_a_wrong_function_is_told_in_one_line(module, function, message):
    with pytest.raises(SpecError, match=message) as caught:
        build(f"{module}:{function}")
    assert f"'{module}:{function}'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_function_without_signature_is_refused():
    with pytest.raises(SpecError, match=r"'builtins:min'.*signature"):
        build("builtins:min")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 +", "SyntaxError: "),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_imported_quotes_the_reason(module, source, reason):
    Path(f"{module}.py").write_text(source)
    with pytest.raises(SpecError, match=f"cannot import {module}: {reason}") as caught:
        build(f"{module}:some")
    assert "\n" not in str(caught.value)


def test_refusals_and_bugs_of_a_builder_pass_unchanged(module):
    with pytest.raises(SpecError, match=r"^classes must be at least 2, got classes=1$"):
        build_model("resnet20", classes=1, in_channels=3, size=32)
    with pytest.raises(ZeroDivisionError):
        build(f"{module}:bug")

"""What must hold of the tree as a whole: light imports, no forbidden habits, sizes."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("graphprune", "ggt", "signet")
SOURCES = [
    ROOT / "cli.py",
    *(path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))),
]
HEAVY = {
    "torch",
    "numpy",
    "networkx",
    "numba",
    "scipy",
    "matplotlib",
    "sklearn",
    "accelerate",
    "foolbox",
    "h5py",
    "sigmf",
    "plotly",
    "pyarrow",
    "ray",
}


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


HELP = [
    ("graphprune", []),
    ("graphprune", ["rgp"]),
    ("graphprune", ["graph"]),
    ("graphprune", ["study"]),
    ("graphprune", ["study", "resume"]),
    ("graphprune", ["report"]),
    *(("ggt", [name] if name else []) for name in ("", "train", "attack", "detect", "bench")),
    *(("signet", [name] if name else []) for name in ("", "generate", "train", "classify")),
]


@pytest.mark.parametrize(("package", "command"), HELP)
def test_help_loads_nothing_heavy(package, command):
    code = (
        f"from click.testing import CliRunner; from {package}.commands import main\n"
        f"assert CliRunner().invoke(main, {[*command, '--help']}).exit_code == 0"
    )
    assert not loaded_by(code) & HEAVY


def test_import_of_the_package_loads_nothing_heavy():
    assert not loaded_by("import graphprune, ggt, signet, cli") & HEAVY


def test_graph_half_and_graph_command_load_no_torch():
    code = "import graphprune.graph, graphprune.mask, graphprune.allocation"
    assert "torch" not in loaded_by(code)
    assert "torch" not in loaded_by("import graphprune.graph_search, graphprune.printing")


@pytest.mark.parametrize("name", PACKAGES)
def test_lazy_names_exist_and_unknown_ones_are_refused(name):
    package = importlib.import_module(name)
    assert set(package.__all__) <= set(dir(package))
    assert all(callable(getattr(package, name)) for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'prunes'"):
        _ = package.prunes


def test_the_detector_arithmetic_loads_no_torch():
    assert "torch" not in loaded_by("import ggt.detector, ggt.votes")


def test_no_file_has_a_name_that_says_nothing():
    assert not [p for p in SOURCES if p.stem in {"utils", "helpers", "common", "misc"}]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_keeps_the_house_rules(path):
    text = path.read_text()
    assert text.count("\n") <= 300
    assert not re.search(r"np\.random\.(seed|rand|randint|choice|permutation)\(", text)
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    assert "import pickle" not in text or path.name == "pickles.py"
    tree = ast.parse(text)
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None)
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno <= 80, f"{node.name} is too long"
    for node in public_definitions(tree):
        assert ast.get_docstring(node), f"{node.name} has no docstring"


def public_definitions(tree):
    """Functions, classes and methods that others may use."""
    kinds = ast.FunctionDef | ast.ClassDef
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    part
                    for part in node.body
                    if isinstance(part, kinds) and not part.name.startswith("_")
                )


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests").glob("test_*.py")), ids=lambda p: p.name
)
def test_every_test_can_fail(path):
    signs = ("assert", "raises", "check")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            assert any(sign in ast.unparse(node) for sign in signs), node.name


def test_a_module_and_what_it_exports_never_share_a_name():
    inits = [init for name in PACKAGES for init in (ROOT / name).rglob("__init__.py")]
    for init in inits:
        modules = {p.stem for p in init.parent.glob("*.py")}
        exported = re.findall(r"import \w+ as (\w+)", init.read_text())
        assert not modules & set(exported), init

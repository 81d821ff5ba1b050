"""The notebooks: lessons of one form, which run, and whose stored outputs are of their code."""

import ast
import base64
import hashlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image, ImageChops

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
LESSONS = ("01-graphs", "02-pruning", "03-testing", "04-signals")
MOST_BYTES = 400_000
PNG = "image/png"
each = pytest.mark.parametrize("name", LESSONS)


def stored(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def outputs_of(notebook):
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]


def text_of(output):
    """All that an output says in words."""
    parts = [str(output.get("text", "")), "\n".join(output.get("traceback", []))]
    shown = output.get("data", {})
    return "\n".join(parts + [str(shown[kind]) for kind in shown if kind.startswith("text/")])


def check_outputs(notebook):
    """No cell raised or grumbled aloud, and there is something to look at."""
    outputs = outputs_of(notebook)
    assert not [one for one in outputs if one.output_type == "error"]
    assert not [one for one in outputs if "Traceback" in text_of(one)]
    assert [one for one in outputs if PNG in one.get("data", {})]
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "cells were not run once and in order"


def run_script(*arguments, home, cwd):
    """`notebooks/run.py` with an own, empty home and no hint where kernels are."""
    kept = {name: each for name, each in os.environ.items() if not name.startswith("JUPYTER")}
    return subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), *map(str, arguments)],
        env=kept | {"HOME": str(home)},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_lessons_are_these():
    assert tuple(sorted(path.stem for path in FOLDER.glob("*.ipynb"))) == LESSONS


@each
def test_a_lesson_asks_first_and_answers_last(name):
    notebook = stored(name)
    nbformat.validate(notebook)
    first, last = notebook.cells[0], notebook.cells[-1]
    assert first.cell_type == last.cell_type == "markdown"
    assert first.source.startswith("# ") and "?" in first.source
    assert last.source.startswith("## The answer")


@each
def test_settings_come_first_and_are_plain_values(name):
    settings = stored(name).cells[1]
    assert settings.cell_type == "code" and settings.source.startswith("# Settings.")
    for line in ast.parse(settings.source).body:
        assert isinstance(line, ast.Assign)
        ast.literal_eval(line.value)


@each
def test_a_lesson_defines_nothing_but_models_and_imports_nothing_private(name):
    for node in ast.parse("\n".join(code_of(stored(name)))).body:
        assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.ClassDef):
            assert [ast.unparse(base) for base in node.bases] == ["nn.Module"]
        if isinstance(node, ast.ImportFrom):
            parts = [*str(node.module).split("."), *(alias.name for alias in node.names)]
            assert not [part for part in parts if part.startswith("_")]


@each
def test_a_lesson_depends_on_no_environment_and_one_thread(name):
    code = "\n".join(code_of(stored(name)))
    assert "environ" not in code and "getenv" not in code
    assert "import torch" not in code or "torch.set_num_threads(1)" in code


@each
def test_prose_quotes_no_number_that_another_run_would_change(name):
    prose = [cell.source for cell in stored(name).cells if cell.cell_type == "markdown"]
    for text in prose:
        assert not re.search(r"\d\.\d|\d ?%|\d ?ms\b", text), text
        assert "RML2016" not in text


@each
def test_stored_outputs_are_those_of_the_stored_code(name):
    notebook = stored(name)
    digest = hashlib.sha256("\0".join(code_of(notebook)).encode()).hexdigest()
    assert notebook.metadata.sources == digest, "run notebooks/run.py again"
    check_outputs(notebook)


@each
def test_what_is_stored_is_small_and_tells_nothing_of_a_machine(name):
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size <= MOST_BYTES
    notebook = stored(name)
    assert not [cell for cell in notebook.cells if cell.metadata]
    assert set(notebook.metadata) == {"kernelspec", "language_info", "sources"}
    assert not [one for one in outputs_of(notebook) if one.get("name") == "stderr"]
    for text in [
        *map(text_of, outputs_of(notebook)),
        *(cell.source for cell in notebook.cells),
    ]:
        found = re.search(r"(?<![\w.*/])/\w[\w.-]*/|\b[A-Za-z]:\\|file://", text)
        assert not found, text[max(0, found.start() - 40) : found.end() + 40]


def test_it_runs_on_this_interpreter_whatever_kernels_are_installed(tmp_path):
    kernel = tmp_path / ".local" / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        '{"argv": ["false"], "display_name": "broken", "language": "python"}'
    )
    code = "import os, sys\nprint(sys.executable, os.listdir(), file=sys.stdout)"
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    before = path.read_text()

    done = run_script(path, "--out", tmp_path / "ran", home=tmp_path, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    ran = nbformat.read(tmp_path / "ran" / "small.ipynb", as_version=4)
    assert outputs_of(ran)[0].text == f"{sys.executable} []\n"
    assert path.read_text() == before


PICTURE = """from IPython.display import display
from PIL import Image
picture = Image.linear_gradient("L").convert("RGB")
for place, colour in enumerate([(213, 94, 0), (0, 114, 178), (90, 40, 130)]):
    picture.putpixel((3 * place, 7), colour)
display(picture)"""


def test_stored_pictures_look_as_drawn_in_rare_colours_too(tmp_path):
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PICTURE)]), path)
    drawn = {}
    exec(PICTURE, drawn)  # outside of a notebook, display prints a line

    done = run_script(path, home=tmp_path, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    shown = outputs_of(nbformat.read(path, as_version=4))[0].data[PNG]
    found = Image.open(io.BytesIO(base64.b64decode(shown))).convert("RGB")
    apart = ImageChops.difference(found, drawn["picture"]).getextrema()
    assert max(most for _, most in apart) <= 12


def test_a_cell_that_raises_is_told_and_nothing_is_stored(tmp_path):
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)

    done = run_script(path, "--out", tmp_path / "ran", home=tmp_path, cwd=tmp_path)

    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
@each
def test_a_lesson_runs(name, tmp_path):
    done = run_script(FOLDER / f"{name}.ipynb", "--out", tmp_path, home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ran = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    check_outputs(ran)
    assert code_of(ran) == code_of(stored(name))

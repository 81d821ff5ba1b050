"""What a command may be asked to work on, and where the files of a saved model lie."""

import pytest

from graphprune.errors import FileError, SpecError
from graphprune.model_request import ModelRequest, is_path, model_folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": ()}, "counts of at least 1, got"),
        ({"shape": (3, 0, 8)}, "counts of at least 1, got"),
        ({"ratio": 0.9, "degree": 6, "nodes": 64}, "a ratio or a degree, not both"),
        ({"degree": 6}, "degree 6 of how many nodes"),
        ({"builder": "m:f"}, "no folder is given"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        ModelRequest(source="mlp", **options)


@pytest.mark.parametrize("option", [{"ratio": 0.5}, {"nodes": 8}, {"data": "digits"}])
def test_a_folder_is_not_pruned_again(tmp_path, option):
    with pytest.raises(SpecError, match=f"is pruned already: --{next(iter(option))} has no"):
        ModelRequest(source=str(tmp_path), **option)


def test_sources_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet20").mkdir()
    assert ModelRequest(source="resnet20").folder is not None
    assert ModelRequest(source="mlp").folder is None
    assert [is_path(text) for text in ("resnet20", "mlp", "m:f", "runs/x", ".")] == [
        True, False, False, True, True,
    ]  # fmt: skip
    assert ModelRequest(source="own.nets:small").name == "own.nets.small"
    assert ModelRequest(source=str(tmp_path)).name == tmp_path.name


def test_a_run_folder_and_a_saved_model_are_found(tmp_path):
    run, saved = tmp_path / "run", tmp_path / "saved"
    for folder in (run / "model", saved):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    assert model_folder(run) == run / "model"
    assert model_folder(str(saved)) == saved


def test_what_holds_no_model_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text("{}")
    for name, message in (
        ("absent", "absent: no such folder"),
        ("file", "file: a file, wanted is a run folder"),
        ("run", r"run: a run folder without model/config\.json"),
        ("", "neither a run folder"),
    ):
        with pytest.raises(FileError, match=message):
            model_folder(tmp_path / name)

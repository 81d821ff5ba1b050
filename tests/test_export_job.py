"""The job of exporting: names that cannot be written are refused before any work."""

import pytest

from graphprune import export_job
from graphprune.errors import FileError, SpecError
from graphprune.export_job import ExportRequest, export_model
from graphprune.model_request import ModelRequest

MODEL = ModelRequest(source="toys:image_network", data="digits", nodes=16, degree=4)


def test_counts_out_of_range_are_refused(tmp_path):
    with pytest.raises(SpecError, match="batch must be at least 1, got 0"):
        ExportRequest(model=MODEL, path=tmp_path / "m.onnx", batch=0)


@pytest.mark.parametrize("force", [False, True])
def test_names_that_cannot_be_written_are_refused_before_any_work(tmp_path, monkeypatch, force):
    def never(_request):
        raise AssertionError("the model was read")

    monkeypatch.setattr(export_job, "load_subject", never)
    with pytest.raises(FileError, match="a folder, wanted is the name of a file"):
        export_model(ExportRequest(model=MODEL, path=tmp_path, force=force))
    (tmp_path / "m.onnx").write_text("x")
    request = ExportRequest(model=MODEL, path=tmp_path / "m.onnx", force=force)
    error, message = (AssertionError, "was read") if force else (FileError, "add --force")
    with pytest.raises(error, match=message):
        export_model(request)


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    request = ExportRequest(model=MODEL, path=tmp_path / "m.onnx", dry_run=True)
    values = export_model(request).values
    assert values["parameters_kept"] < values["parameters_dense"]
    assert "onnx" not in values
    assert list(tmp_path.iterdir()) == []

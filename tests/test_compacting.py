"""The job of compacting: requests, and folders that are whole."""

import pytest
from toys import files_of_at_most

from graphprune import compacting
from graphprune.compacting import CompactRequest, compact_model
from graphprune.errors import FileError, SpecError
from graphprune.model_request import ModelRequest

MODEL = ModelRequest(source="toys:image_network", data="digits", nodes=16, degree=4)


@pytest.mark.parametrize("name", ["threads", "batch"])
def test_counts_out_of_range_are_refused(name):
    with pytest.raises(SpecError, match=f"{name} must be at least 1, got 0"):
        CompactRequest(model=MODEL, **{name: 0})


def test_a_full_disk_leaves_nothing(tmp_path):
    request = CompactRequest(model=MODEL, out=tmp_path / "small")
    with files_of_at_most(100), pytest.raises(FileError):
        compact_model(request)
    assert list(tmp_path.iterdir()) == []


def test_the_stages_are_told_and_the_record_holds_the_request(tmp_path):
    class Listener:
        def __init__(self):
            self.stages = []

        def stage(self, text):
            self.stages.append(text)

        def progress(self, share, note):
            assert 0 <= share <= 1, note

    monitor = Listener()
    record = compact_model(CompactRequest(model=MODEL, out=tmp_path / "small"), monitor)
    assert monitor.stages == [
        "reading toys:image_network", "comparing outputs", "saving",
    ]  # fmt: skip
    assert record.settings["model"]["source"] == "toys:image_network"
    assert record.settings["out"] == str(tmp_path / "small")


def test_a_taken_name_is_refused_before_the_model_is_read(tmp_path, monkeypatch):
    def never(_request):
        raise AssertionError("the model was read")

    monkeypatch.setattr(compacting, "load_subject", never)
    with pytest.raises(FileError, match="exists already"):
        compact_model(CompactRequest(model=MODEL, out=tmp_path))

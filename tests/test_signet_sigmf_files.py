import json

import numpy as np
import pytest
import sigmf
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.errors import FileError, SpecError
from signet.sample_types import sample_type
from signet.sigmf_files import Annotation, read_sigmf, sample_count, write_meta


def made(folder, *, datatype="cf32_le", count=100, notes=(), **fields):
    """A recording whose metadata the library wrote; a field None is left out."""
    meta = sigmf.SigMFFile(global_info={"core:datatype": datatype, "core:sample_rate": 1e6})
    meta.add_capture(0)
    for start, length, entry in notes:
        meta.add_annotation(start, length, dict(entry))
    body = json.loads(meta.dumps())
    for key, value in fields.items():
        body["global"].pop(f"core:{key}", None)
        if value is not None:
            body["global"][f"core:{key}"] = value
    size = 8 if datatype.startswith("cf32") else 4 if "16" in datatype else 2
    (folder / "a.sigmf-data").write_bytes(bytes(count * size))
    (folder / "a.sigmf-meta").write_text(json.dumps(body))
    return folder / "a.sigmf-meta"


def test_metadata_of_the_library_are_read_from_either_file(tmp_path):
    notes = [
        (10, 20, {"core:label": "BPSK", "signet:snr": 4}),
        (40, None, {"core:comment": "x"}),
    ]
    path = made(tmp_path, notes=notes)
    for name in (path, tmp_path / "a.sigmf-data"):
        found = read_sigmf(name)
        assert (found.samples, found.sample_rate) == (100, 1e6)
        assert (found.type.name, found.data) == ("cf32_le", tmp_path / "a.sigmf-data")
        assert found.annotations == (
            Annotation(start=10, count=20, label="BPSK", fields={"signet:snr": 4}),
            Annotation(start=40, fields={"core:comment": "x"}),
        )
        assert found.info["core:sample_rate"] == 1e6
    assert read_sigmf(made(tmp_path, sample_rate=None)).sample_rate is None


@pytest.mark.parametrize("name", ["cf32_le", "cf32_be", "ci16_le", "ci16_be", "ci8", "cu8"])
def test_every_datatype_counts_its_samples(tmp_path, name):
    found = read_sigmf(made(tmp_path, datatype=name, count=33))
    assert (found.samples, found.type.name) == (33, name)


def test_samples_may_lie_in_a_file_that_the_metadata_name_beside_them(tmp_path):
    path = made(tmp_path, dataset="capture.raw")
    (tmp_path / "a.sigmf-data").rename(tmp_path / "capture.raw")
    assert read_sigmf(path).data == tmp_path / "capture.raw"
    for name in ("../capture.raw", "/etc/passwd", "", 5):
        with pytest.raises(FileError, match="core:dataset must name a file beside it"):
            read_sigmf(made(tmp_path, dataset=name))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"datatype": "rf32_le"}, "core:datatype must be one of cf32_le, .*got 'rf32_le'"),
        ({"num_channels": 2}, "core:num_channels is 2"),
        ({"trailing_bytes": 8}, "core:trailing_bytes is 8"),
        ({"offset": 4}, "core:offset is 4"),
        ({"metadata_only": True}, "there are no samples"),
        ({"sample_rate": -1}, "core:sample_rate must be above 0 Hz, got -1"),
        ({"sample_rate": "fast"}, "core:sample_rate must be above 0 Hz"),
        ({"sample_rate": float("nan")}, "core:sample_rate must be above 0 Hz"),
    ],
)
def test_metadata_that_are_not_understood_are_refused(tmp_path, field, words):
    with pytest.raises(FileError, match=rf"a\.sigmf-meta: .*{words}"):
        read_sigmf(made(tmp_path, **field))


def test_metadata_without_a_datatype_are_refused(tmp_path):
    path = made(tmp_path)
    body = json.loads(path.read_text())
    del body["global"]["core:datatype"]
    path.write_text(json.dumps(body))
    with pytest.raises(FileError, match=r"core:datatype must be one of .* got None"):
        read_sigmf(path)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"core:sample_start": 90, "core:sample_count": 11}, "11 samples from 90 reach past"),
        ({"core:sample_start": 101}, "0 samples from 101 reach past the end, there are 100"),
        ({"core:sample_start": -1}, "core:sample_start must be a whole number"),
        ({"core:sample_count": 3}, "core:sample_start must be a whole number .* got None"),
        ({"core:sample_start": 0, "core:sample_count": 1.5}, "core:sample_count must be"),
        ({"core:sample_start": 0, "core:sample_count": None}, "core:sample_count must be"),
        ({"core:sample_start": 0, "core:label": 3}, "core:label must be text"),
    ],
)
def test_annotations_that_do_not_fit_are_refused_by_number(tmp_path, entry, words):
    path = made(tmp_path, notes=[(0, 100, {})])
    body = json.loads(path.read_text())
    body["annotations"].append(entry)
    path.write_text(json.dumps(body))
    with pytest.raises(FileError, match=f"annotation 1: .*{words}"):
        read_sigmf(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "{}", '{"global": 3}', '{"global": {}, "captures": 3}',
             '{"global": {}, "captures": [], "annotations": {}}',
             '{"global": {}, "captures": [1], "annotations": []}']
)  # fmt: skip
def test_damaged_metadata_are_refused(tmp_path, text):
    path = made(tmp_path)
    path.write_text(text)
    with pytest.raises(FileError, match=r"a\.sigmf-meta: no sound SigMF metadata"):
        read_sigmf(path)


def test_missing_files_and_files_cut_off_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.sigmf-meta: No such file"):
        read_sigmf(tmp_path / "none.sigmf-meta")
    path = made(tmp_path)
    data = tmp_path / "a.sigmf-data"
    data.write_bytes(bytes(803))
    with pytest.raises(FileError, match="cut off, 803 bytes are no whole number of cf32_le"):
        read_sigmf(path)
    data.write_bytes(b"")
    with pytest.raises(FileError, match=r"a\.sigmf-data: is empty"):
        read_sigmf(path)
    data.unlink()
    with pytest.raises(FileError, match=r"samples of a\.sigmf-meta are missing"):
        read_sigmf(path)
    data.mkdir()
    with pytest.raises(FileError, match="are missing"):
        read_sigmf(path)
    with pytest.raises(FileError, match="No such file"):
        sample_count(tmp_path / "none", sample_type("cu8"))


ANNOTATIONS = st.builds(
    Annotation,
    start=st.integers(0, 50),
    count=st.none() | st.integers(0, 50),
    label=st.none() | st.text(),
    fields=st.dictionaries(
        st.sampled_from(["core:comment", "signet:top", "other:x"]), st.text() | st.none()
    ).filter(lambda fields: fields.get("core:comment", "") is not None),
)


@settings(max_examples=20)  # the library takes its time to validate
@given(st.lists(ANNOTATIONS, max_size=5), st.none() | st.floats(1, 1e10))
def test_what_is_written_is_valid_and_comes_back_by_start(tmp_path_factory, entries, rate):
    folder = tmp_path_factory.mktemp("sigmf", numbered=True)
    (folder / "a.sigmf-data").write_bytes(bytes(400))
    path = folder / "a.sigmf-meta"
    info = {"core:description": "toy", "signet:model": "m"}
    write_meta(path, datatype="cs16", sample_rate=rate, annotations=entries, info=info)

    sigmf.sigmffile.fromfile(path).validate()
    found = read_sigmf(path)

    assert found.annotations == tuple(sorted(entries, key=lambda entry: entry.start))
    assert (found.type.name, found.sample_rate) == ("ci16_le", rate)
    assert found.info["signet:model"] == "m"
    declared = {entry["name"] for entry in found.info["core:extensions"]}
    used = {key.partition(":")[0] for entry in entries for key in entry.fields}
    assert declared == (used | {"signet"}) - {"core"}


def test_an_unknown_datatype_is_not_written(tmp_path):
    with pytest.raises(SpecError, match="dtype must be one of"):
        write_meta(tmp_path / "a.sigmf-meta", datatype="cf16")
    assert not list(tmp_path.iterdir())


def test_samples_that_the_library_wrote_are_found(tmp_path):
    samples = np.arange(40, dtype=np.complex64)
    samples.tofile(tmp_path / "a.sigmf-data")
    meta = sigmf.SigMFFile(
        data_file=tmp_path / "a.sigmf-data", global_info={"core:datatype": "cf32_le"}
    )
    meta.add_capture(0)
    meta.tofile(tmp_path / "a.sigmf-meta")
    assert read_sigmf(tmp_path / "a.sigmf-meta").samples == 40

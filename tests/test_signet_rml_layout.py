import io
import pickle
import pickletools

import numpy as np
import pytest
from frame_sets import toy_frames
from hypothesis import given
from hypothesis import strategies as st

from graphprune.data import pickles
from graphprune.errors import SpecError
from signet import rml_layout
from signet.frame_columns import Columns
from signet.rml_layout import cells, write_rml
from signet.spooling import Spooled


def spooled(frames):
    columns = Columns(classes=frames.classes, labels=frames.labels, snr=frames.snr)
    return Spooled(frames.read, frames.length, columns, {})


def written(frames):
    file = io.BytesIO()
    write_rml(file, spooled(frames))
    return file.getvalue()


def test_every_cell_is_what_the_library_reads(monkeypatch):
    monkeypatch.setattr(rml_layout, "_BLOCK", 2)
    frames = toy_frames(40)
    found = pickle.loads(written(frames), encoding="latin1")
    expected = {}
    for frame, label, snr in zip(frames.iq, frames.labels, frames.snr, strict=True):
        expected.setdefault((frames.classes[label], int(snr)), []).append(frame)
    assert found.keys() == expected.keys()
    for key, cell in found.items():
        assert type(key[1]) is int
        assert (cell.dtype, cell.flags.writeable) == (np.float32, True)
        assert np.array_equal(cell, np.stack(expected[key]))


def test_it_is_protocol_2_and_names_only_what_the_published_file_names():
    opcodes = [
        (code.name, value) for code, value, _ in pickletools.genops(written(toy_frames()))
    ]
    assert opcodes[0] == ("PROTO", 2)
    assert {value for name, value in opcodes if name == "GLOBAL"} == {
        "numpy.core.multiarray _reconstruct",
        "numpy ndarray",
        "numpy dtype",
    }
    assert not {"BINUNICODE", "BINBYTES", "SHORT_BINBYTES"} & {name for name, _ in opcodes}
    assert max(code.proto for code, *_ in pickletools.genops(written(toy_frames()))) == 2


@given(
    st.lists(st.sampled_from([-20.0, -0.5, 0.0, 18.0, 2.0**40]), min_size=1, max_size=8),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1, max_size=300),
)
def test_any_snr_and_any_latin_name_come_back_through_the_restricted_reader(snr, name):
    columns = Columns(classes=(name,), labels=np.zeros(len(snr), np.int64), snr=np.array(snr))
    iq = np.arange(len(snr) * 16, dtype=np.float32).reshape(-1, 2, 8)
    file = io.BytesIO()
    write_rml(file, Spooled(iq.__getitem__, 8, columns, {}))
    found = pickles.loads(file.getvalue(), "toy")
    assert {key: len(cell) for key, cell in found.items()} == {
        (name, value): snr.count(value) for value in set(snr)
    }
    for value in set(snr):
        assert np.array_equal(found[name, value], iq[np.array(snr) == value])


def test_what_has_no_place_is_refused(monkeypatch):
    frames = toy_frames(classes=("Ω", "b", "c"))
    with pytest.raises(SpecError, match=r"class 'Ω' cannot be written to a \.pkl file"):
        written(frames)
    monkeypatch.setattr(rml_layout, "_MOST_BYTES", 200)
    with pytest.raises(SpecError, match=r"a cell of \d+ frames is too large"):
        written(toy_frames())


def test_cells_keep_the_order_within_and_leave_none_out():
    labels = np.array([1, 0, 1, 1, 0])
    snr = np.array([2.0, 0.0, -2.0, 2.0, 0.0])
    found = [(label, value, chosen.tolist()) for label, value, chosen in cells(labels, snr)]
    assert found == [(0, 0.0, [1, 4]), (1, -2.0, [2]), (1, 2.0, [0, 3])]

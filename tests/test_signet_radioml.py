import os
import pickle
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from graphprune.errors import FileError, SpecError
from signet import radioml
from signet.radioml import RML2018_CLASSES, read_radioml

DATA = os.environ.get("GRAPHPRUNE_DATA", "")
REFERENCE = Path(DATA) / "rml-gnuradio" / "rml2016a_faithful_n40.pkl"


def cells(names=("WBFM", "8PSK"), snrs=(2, -20), count=3, length=16):
    rng = np.random.default_rng(0)
    return {
        (name, snr): rng.standard_normal((count, 2, length)).astype(np.float32)
        for name in names
        for snr in snrs
    }


def saved(tmp_path, value, name="set.pkl", protocol=2):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("name", ["set.pkl", "RML2016.10b.dat", "SET.PKL"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_cells_of_a_pickle_come_sorted_by_class_and_snr(tmp_path, protocol, name):
    value = cells()
    found = read_radioml(saved(tmp_path, value, name, protocol))
    assert found.classes == ("8PSK", "WBFM")
    assert found.labels.tolist() == [0] * 6 + [1] * 6
    assert found.snr.tolist() == ([-20] * 3 + [2] * 3) * 2
    assert found.runs is None
    order = [("8PSK", -20), ("8PSK", 2), ("WBFM", -20), ("WBFM", 2)]
    assert np.array_equal(found.iq, np.concatenate([value[key] for key in order]))


def python_2(value, protocol):
    """The bytes that Python 2 and numpy 1 write for one cell, {(name, snr): frames}."""
    ((name, snr), frames) = value
    shape = ", ".join(map(str, frames.shape))
    raw = frames.astype("<f4").tobytes()
    if protocol == 0:  # text: strings are quoted, numbers spelt out
        sides = "".join(f"I{side}\n" for side in frames.shape)
        text = repr(raw)[1:]
        return (
            f"(dp0\n(S'{name}'\np1\nI{snr}\ntp2\ncnumpy.core.multiarray\n_reconstruct\np3\n"
            f"(cnumpy\nndarray\np4\n(I0\ntp5\nS'b'\np6\ntp7\nRp8\n(I1\n({sides}tp9\n"
            f"cnumpy\ndtype\np10\n(S'f4'\np11\nI0\nI1\ntp12\nRp13\n(I3\nS'<'\np14\nNNN"
            f"I-1\nI-1\nI0\ntp15\nbI00\nS{text}\np16\ntp17\nbs."
        ).encode("latin1")
    assert shape and protocol == 2
    sides = b"".join(b"K" + bytes([side]) for side in frames.shape)
    return (
        b"\x80\x02}q\x00U" + bytes([len(name)]) + name.encode("latin1") + b"q\x01J"
        + snr.to_bytes(4, "little", signed=True)
        + b"\x86q\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04"
        b"K\x00\x85U\x01b\x87Rq\x05(K\x01" + sides + b"\x87cnumpy\ndtype\nq\x06U\x02f4K\x00"
        b"K\x01\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(raw).to_bytes(4, "little") + raw + b"tbs."
    )  # fmt: skip


def test_classes_are_sorted_by_name(tmp_path):
    names = [f"{number}PSK" for number in range(20, 60)]
    assert read_radioml(saved(tmp_path, cells(names[::-1], (0,), 1))).classes == tuple(names)


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_pickle_of_python_2_with_a_latin_name_is_read(tmp_path, protocol):
    name = "Über" if protocol == 2 else "AM-SSB"
    frames = cells(("x",), (0,), count=2)["x", 0]
    path = tmp_path / "set.pkl"
    path.write_bytes(python_2(((name, -20), frames), protocol))
    with path.open("rb") as file:  # the hand-made bytes are what the library understands, too
        assert list(pickle.load(file, encoding="latin1")) == [(name, -20)]

    found = read_radioml(path)

    assert (found.classes, found.snr.tolist()) == ((name,), [-20, -20])
    assert np.array_equal(found.iq, frames)


def test_numbers_of_numpy_bytes_as_names_and_float64_are_read(tmp_path):
    frames = cells(("x",), (0,))["x", 0]
    found = read_radioml(saved(tmp_path, {(b"BPSK", np.int64(4)): frames.astype(np.float64)}))
    assert (found.classes, found.snr.tolist()) == (("BPSK",), [4, 4, 4])
    assert np.array_equal(found.iq, frames)


def test_the_order_of_classes_can_be_given(tmp_path):
    path = saved(tmp_path, cells())
    found = read_radioml(path, classes=("WBFM", "none", "8PSK"))
    assert found.classes == ("WBFM", "none", "8PSK")
    assert found.labels.tolist() == [2] * 6 + [0] * 6
    assert np.array_equal(found.iq, read_radioml(path).iq)
    for classes in (("WBFM",), ("8PSK", "WBFM", "8PSK")):
        with pytest.raises(SpecError, match="different names that include 8PSK, WBFM"):
            read_radioml(path, classes=classes)


class Evil:
    def __reduce__(self):
        return os.system, ("echo caught > evidence",)


def test_an_evil_pickle_is_refused_and_does_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (Evil(), {("BPSK", 0): Evil()}, {(Evil(), 0): 1}):
        path = saved(tmp_path, place)
        with pytest.raises(FileError, match=r"foreign pickle: it names \w+\.system"):
            read_radioml(path)
    assert [found.name for found in tmp_path.iterdir()] == ["set.pkl"]


GOOD = np.ones((3, 2, 16), np.float32)
NAN = GOOD.copy()
NAN[1, 1, 3] = np.nan


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1], "holds no dictionary"),
        ({}, "holds no dictionary"),
        ({("BPSK", 0): GOOD[:0]}, "holds no frames"),
        ({"BPSK": GOOD}, "needed are keys .class, SNR in dB., got 'BPSK'"),
        ({("BPSK", "0"): GOOD}, "needed are keys"),
        ({("BPSK", float("nan")): GOOD}, "needed are keys"),
        ({(5, 0): GOOD}, "needed are keys"),
        ({("BPSK", 0): GOOD.transpose(0, 2, 1)}, r"cell \('BPSK', 0.0\) .*look swapped"),
        ({("BPSK", 0): GOOD[0]}, r"cell .* must be float32 of shape"),
        ({("BPSK", 0): GOOD.astype(np.int16)}, r"cell .* got int16"),
        ({("BPSK", 0): GOOD[:, 0] + 1j * GOOD[:, 1]}, r"cell .* got complex64"),
        ({("BPSK", 0): [1, 2]}, r"cell .* got <class 'list'>"),
        ({("BPSK", 0): NAN}, r"cell .* frame 1 holds NaN"),
        ({("BPSK", 0): GOOD.astype(np.float64) * 1e300}, r"frame 0 holds NaN or infinity"),
        ({("BPSK", 0): GOOD, ("BPSK", 2): GOOD[:, :, :8]}, r"different lengths, \[8, 16\]"),
        ({("BPSK", 0): GOOD, (b"BPSK", 0): GOOD}, "twice"),
    ],
)
def test_a_bad_pickle_is_refused(tmp_path, value, words):
    with pytest.raises(FileError, match=words) as caught:
        read_radioml(saved(tmp_path, value))
    assert "set.pkl" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_empty_cut_off_and_misnamed_files_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.pkl: No such file"):
        read_radioml(tmp_path / "none.pkl")
    path = saved(tmp_path, cells())
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FileError, match="no sound pickle"):
        read_radioml(path)
    path.write_bytes(b"")
    with pytest.raises(FileError, match="is empty"):
        read_radioml(path)
    with pytest.raises(SpecError, match=r"ends in \.pkl, .*got '\.csv'"):
        read_radioml(tmp_path / "set.csv")


def hdf5(tmp_path, count=50, length=32, **changed):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 24, count)
    parts = {
        "X": rng.standard_normal((count, length, 2)).astype(np.float32),
        "Y": np.eye(24, dtype=np.int64)[labels],
        "Z": rng.integers(-10, 15, (count, 1)) * 2,
        **changed,
    }
    path = tmp_path / "GOLD_XYZ_OSC.0001_1024.hdf5"
    with h5py.File(path, "w") as file:
        for key, values in parts.items():
            file[key] = values
    return path, parts, labels


def test_rml2018_is_read_at_any_positions_with_i_and_q_first(tmp_path, monkeypatch):
    monkeypatch.setattr(radioml, "_BLOCK", 7)
    path, parts, labels = hdf5(tmp_path)
    found = read_radioml(path)
    assert (len(found), found.length, found.runs) == (50, 32, None)
    assert found.labels.tolist() == labels.tolist()
    assert found.snr.tolist() == parts["Z"][:, 0].tolist()
    chosen = np.array([40, 3, 3, 0, 49, 17])
    read = found.read(chosen)
    assert (read.dtype, read.flags.c_contiguous) == (np.float32, True)
    for place, at in enumerate(chosen):
        assert np.array_equal(read[place, 0], parts["X"][at, :, 0])
        assert np.array_equal(read[place, 1], parts["X"][at, :, 1])


def test_the_names_of_rml2018_are_those_of_the_paper_and_no_other_than_the_list():
    # The list file of the first release: the same 24 names, in a wrong order.
    listed = {
        *("32PSK", "16APSK", "32QAM", "FM", "GMSK", "32APSK", "OQPSK", "8ASK", "BPSK", "8PSK"),
        *("AM-SSB-SC", "4ASK", "16PSK", "64APSK", "128QAM", "128APSK", "AM-DSB-SC"),
        *("AM-SSB-WC", "64QAM", "QPSK", "256QAM", "AM-DSB-WC", "OOK", "16QAM"),
    }
    assert (set(RML2018_CLASSES), len(RML2018_CLASSES)) == (listed, 24)
    assert RML2018_CLASSES[:6] == ("OOK", "4ASK", "8ASK", "BPSK", "QPSK", "8PSK")
    assert RML2018_CLASSES[17:] == (
        "AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "FM", "GMSK", "OQPSK"
    )  # fmt: skip


def test_rml2018_takes_other_names_and_as_many_as_columns(tmp_path):
    names = tuple(f"class {number}" for number in range(24))
    assert read_radioml(hdf5(tmp_path)[0], classes=names).classes == names
    with pytest.raises(SpecError, match="Y has 24 columns, but there are 2 classes"):
        read_radioml(hdf5(tmp_path)[0], classes=("a", "b"))


def test_rml2018_never_holds_all_samples(tmp_path):
    path, parts, _ = hdf5(tmp_path, count=4000, length=256)  # 8 MB of samples
    tracemalloc.start()
    found = read_radioml(path)
    total = sum(float(found.read(np.arange(at, at + 100)).sum()) for at in range(0, 4000, 100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == pytest.approx(parts["X"].sum(), rel=1e-3)
    assert peak < parts["X"].nbytes / 3


X = np.zeros((50, 32, 2), np.float32)
TWO_HOT = np.eye(24)[np.zeros(50, int)]
TWO_HOT[31, 5] = 1
PART_HOT = np.eye(24)[np.zeros(50, int)]
PART_HOT[49, 5] = 0.5


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"X": X.transpose(0, 2, 1)}, r"X must have shape .*got \(50, 2, 32\); .*swapped"),
        ({"X": X[..., 0]}, r"X must have shape"),
        ({"X": X.astype(np.int16)}, "real numbers, got int16"),
        ({"X": X[:, :4]}, "at least 8 samples"),
        ({"Y": TWO_HOT}, "row 31 of Y is not one-hot"),
        ({"Y": PART_HOT}, "row 49 of Y is not one-hot"),
        ({"Y": np.zeros((50, 24))}, "row 0 of Y is not one-hot"),
        ({"Y": np.eye(24)[np.zeros(49, int)]}, "Y must have shape"),
        ({"Z": np.zeros((50, 2))}, r"Z must have shape \(50, 1\)"),
        ({"Z": np.full((50, 1), np.nan)}, "frame 0 has no finite snr"),
    ],
)
def test_a_bad_rml2018_file_is_refused(tmp_path, changed, words):
    with pytest.raises(FileError, match=words):
        read_radioml(hdf5(tmp_path, **changed)[0])


def test_rml2018_without_a_part_or_with_nan_is_refused(tmp_path):
    path, _, _ = hdf5(tmp_path)
    with h5py.File(path, "a") as file:
        file["X"][7, 3, 1] = np.inf
    with pytest.raises(FileError, match="frame 7 holds NaN or infinity"):
        read_radioml(path).read(np.arange(5, 9))
    with h5py.File(path, "a") as file:
        del file["Z"]
    with pytest.raises(FileError, match="lacks the data set Z; it has X, Y"):
        read_radioml(path)


@pytest.mark.data
@pytest.mark.skipif(not REFERENCE.exists(), reason="GRAPHPRUNE_DATA names no folder with it")
def test_the_set_regenerated_with_gnu_radio_is_read_whole():
    found = read_radioml(REFERENCE)
    names = "8PSK AM-DSB AM-SSB BPSK CPFSK GFSK PAM4 QAM16 QAM64 QPSK WBFM"
    assert " ".join(found.classes) == names
    assert (len(found), found.length) == (11 * 20 * 40, 128)
    assert sorted(set(found.snr)) == list(range(-20, 20, 2))
    counts = np.unique(np.stack([found.labels, found.snr]), axis=1, return_counts=True)[1]
    assert set(counts) == {40}
    # The set's own normalisation: magnitudes of a frame sum to 1.
    magnitudes = np.hypot(found.iq[:, 0], found.iq[:, 1]).sum(axis=1)
    assert np.allclose(magnitudes, 1, atol=1e-4)
    with REFERENCE.open("rb") as file:
        whole = pickle.load(file, encoding="latin1")
    assert np.array_equal(found.iq[:40], whole["8PSK", -20])
    assert np.array_equal(found.iq[-40:], whole["WBFM", 18])

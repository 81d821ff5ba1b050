"""Arrays come back as saved; damage, lies about size and Python objects are refused."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggt import array_files
from ggt.array_files import archived_arrays, stored_array, streamed_array
from graphprune.errors import FileError

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(descr="<f4", shape=(2, 3, 4), fortran=False, version=(1, 0)):
    """Bytes of a .npy header that says what it is told to say."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text.encode()


def archive(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as whole:
        for name, data in members.items():
            whole.writestr(name, data)
    return file.getvalue()


def all_ways(data, tmp_path):
    """Read .npy bytes from a file, from a stream and from an archive."""
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    yield lambda: stored_array(path).read()
    yield lambda: streamed_array(io.BytesIO(data), len(data), "pipe").read()
    packed = archive({"x.npy": data})
    yield lambda: archived_arrays(io.BytesIO(packed), "z.npz")["x"].read()


@pytest.mark.parametrize(
    "array", [VALUES, np.asfortranarray(VALUES), VALUES.astype(">f8"), VALUES[:0], np.array(7)]
)
def test_every_way_gives_the_array(array, tmp_path):
    for read in list(all_ways(npy(array), tmp_path))[0 if array.size else 1 :]:
        found = read()
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_in_one_line(data):
    for call in (
        lambda: streamed_array(io.BytesIO(data), len(data), "pipe"),
        lambda: archived_arrays(io.BytesIO(data), "pipe"),
        lambda: archived_arrays(io.BytesIO(archive({"x.npy": data})), "pipe"),
    ):
        with pytest.raises(FileError, match="pipe") as caught:
            call()
        assert "\n" not in str(caught.value)


@given(st.integers(0, 175), st.integers(0, 255))
def test_a_changed_byte_of_an_archive_gives_an_array_or_a_file_error(place, value):
    data = bytearray(archive({"x.npy": npy(VALUES[0])}))
    data[place] = value
    try:
        found = {k: a.read() for k, a in archived_arrays(io.BytesIO(bytes(data)), "z").items()}
    except FileError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.array_equal(array, VALUES[0]) for array in found.values())


def test_a_header_is_judged_without_its_data(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, VALUES)
    stored = stored_array(path)
    assert (stored.shape, stored.dtype, stored.name) == ((2, 3, 4), np.float32, str(path))
    assert isinstance(stored.read(), np.memmap)
    assert not stored.read().flags.writeable


@pytest.mark.parametrize("cut", [1, 40, 96, 97, 120, 130, 150])
def test_what_is_cut_off_is_refused(cut, tmp_path):
    for read in all_ways(npy(VALUES)[:-cut], tmp_path):
        with pytest.raises(FileError, match=r"cut off|not a sound"):
            read()


def test_a_cut_array_is_named_with_its_bytes(tmp_path):
    for read in all_ways(npy(VALUES)[:-5], tmp_path):
        with pytest.raises(FileError, match=r"cut off, 91 of the 96 bytes .* \(2, 3, 4\)"):
            read()


def test_what_follows_an_array_is_refused(tmp_path):
    for read in all_ways(npy(VALUES) + npy(VALUES), tmp_path):
        with pytest.raises(FileError, match=r"224 bytes follow the array of shape \(2, 3, 4\)"):
            read()


class Trap:
    """Says so where it is unpickled."""

    sprung = False

    def __reduce__(self):
        return Trap.spring, ()

    @staticmethod
    def spring():
        Trap.sprung = True
        return Trap()


def test_a_pickle_is_refused_and_does_not_run(tmp_path):
    data = npy(np.array([Trap(), Trap()], dtype=object))
    for read in all_ways(data, tmp_path):
        with pytest.raises(FileError, match="holds Python objects, which are never loaded"):
            read()
    plain = pickle.dumps(Trap())
    for read in all_ways(plain, tmp_path):
        with pytest.raises(FileError, match=r"not a sound \.npy array"):
            read()
    pickled = archive({"x.npy": npy(VALUES), "y.npy": data})
    with pytest.raises(FileError, match="array 'y': holds Python objects"):
        archived_arrays(io.BytesIO(pickled), "z")
    assert not Trap.sprung
    pickle.loads(plain)
    assert Trap.sprung  # the trap works


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header(shape=(-2, 3, 4)), r"not a sound .npy array \(shape \(-2, 3, 4\)\)"),
        (header(shape=(10**9, 10**9)), r"cut off, 0 of the 4,000,000,000,000,000,000 bytes"),
        (header(shape="x"), "not a sound"),
        (header(descr="<f3"), "not a sound"),
        (header(descr="|O"), "Python objects"),
        (header(descr=[("a", "|O")]), "Python objects"),
        (header(version=(3, 0)), r"format \(3, 0\) is not supported"),
        (header(version=(9, 0)), r"not a sound|not supported"),
        (header(shape=(1,) * 9000), "not a sound"),
        (b"\x93NUMPY\x01\x00\xff\xff", "not a sound"),
        (header().replace(b"'<f4'", b"f()  "), "not a sound"),
        (b"", "not a sound"),
        (b"\x93NUM", "not a sound"),
    ],
)
def test_headers_that_lie_are_refused(data, message, tmp_path):
    for read in all_ways(data, tmp_path):
        with pytest.raises(FileError, match=message) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_headers_of_both_versions_and_of_python_2_are_read(tmp_path):
    for data in (
        header(version=(2, 0)) + VALUES.tobytes(),
        header().replace(b"(2, 3, 4)", b"(2L, 3, 4)").replace(b"v", b"u", 0) + VALUES.tobytes(),
    ):
        fixed = data
        if b"2L" in data:  # one byte longer, so its length must follow
            fixed = data[:8] + struct.pack("<H", len(data) - 10 - VALUES.nbytes) + data[10:]
        for read in all_ways(fixed, tmp_path):
            assert np.array_equal(read(), VALUES)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(array_files, "MAX_BYTES", 10**6)
    packed = archive({"images.npy": header(shape=(10**6,)) + bytes(4 * 10**6)})
    assert len(packed) < 10**4
    with pytest.raises(FileError, match=r"'images': unpacks to 4,000,0\d\d bytes; at most 1,0"):
        archived_arrays(io.BytesIO(packed), "z")


def test_an_archive_that_lies_about_a_size_is_refused():
    data = npy(np.arange(9000.0))
    packed = archive({"x.npy": data}, zipfile.ZIP_STORED)
    for size in (0, 50, 150, 60_000, 80_000):
        lie = packed.replace(struct.pack("<I", len(data)), struct.pack("<I", size))
        with pytest.raises(FileError, match=r"cut off|not a sound|damaged|follow"):
            archived_arrays(io.BytesIO(lie), "z")["x"].read()


def test_a_wrong_checksum_is_refused():
    packed = bytearray(archive({"x.npy": npy(np.arange(9000.0))}, zipfile.ZIP_STORED))
    place = packed.find(np.float64(8999).tobytes())
    packed[place] ^= 1
    stored = archived_arrays(io.BytesIO(bytes(packed)), "z")["x"]
    with pytest.raises(FileError, match=r"z, array 'x': damaged .*CRC"):
        stored.read()


def test_an_archive_lists_its_arrays_and_ignores_the_rest():
    packed = archive({"b.npy": npy(VALUES), "a.npy": npy(np.array(1)), "notes.txt": b"hello"})
    found = archived_arrays(io.BytesIO(packed), "z")
    assert {key: array.shape for key, array in found.items()} == {"b": (2, 3, 4), "a": ()}


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.npy: No such file"):
        stored_array(tmp_path / "none.npy")
    with pytest.raises(FileError, match=r"none\.npz: No such file"):
        archived_arrays(tmp_path / "none.npz", "none.npz")


def test_a_file_cut_after_its_header_was_judged_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, VALUES)
    stored = stored_array(path)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(FileError, match="cannot be read"):
        stored.read()

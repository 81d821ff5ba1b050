import codecs
import collections
import os
import pickle

import numpy as np
import pytest

from graphprune.data import pickles
from graphprune.errors import FileError


class Evil:
    def __reduce__(self):
        return os.system, ("echo caught > evidence",)


# What Python 2 and numpy 1 wrote for {'data': array([[1, 2], [3, 4]], uint8), 'x': 'ab'}: the
# old module name, 0 and 1 for flags, byte strings without a type of their own.
OLD = (
    b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    b"K\x00\x85U\x01b\x87R(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
    b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x01\x02\x03\xfetb"
    b"U\x01xU\x02abu."
)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_values_and_arrays_come_back(protocol):
    array = np.arange(250, 256, dtype=np.uint8).reshape(2, 3)
    data = pickle.dumps({"data": array, "labels": [6, 9], b"raw": b"\xff"}, protocol)

    found = pickles.loads(data, "toy")

    assert found["data"].tolist() == [[250, 251, 252], [253, 254, 255]]
    assert found["data"].dtype == np.uint8
    assert found["labels"] == [6, 9]
    assert found[b"raw"] == b"\xff"


@pytest.mark.parametrize("flags", [b"K\x00K\x01\x87R", b"K\x00K\x00\x87R"])
@pytest.mark.filterwarnings("error")
def test_a_pickle_of_python_2_and_numpy_1_is_read_without_warning(flags):
    found = pickles.loads(OLD.replace(b"K\x00K\x01\x87R", flags), "toy")
    assert found["data"].tolist() == [[1, 2], [3, 254]]
    assert found["data"].flags.writeable
    assert found["x"] == "ab"


def test_an_evil_pickle_is_refused_and_does_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=r"batch is a foreign pickle: it names \w+\.system"):
        pickles.loads(pickle.dumps({"data": Evil()}), "batch")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (eval, r"builtins\.eval"),
        (getattr, r"builtins\.getattr"),
        (collections.OrderedDict(), r"collections\.OrderedDict"),
        (np.load, r"numpy\.load"),
        (codecs.open, r"codecs\.open"),
    ],
)
def test_every_other_name_is_refused(value, name):
    with pytest.raises(FileError, match=name):
        pickles.loads(pickle.dumps(value), "batch")


def test_a_dotted_path_through_an_allowed_name_is_refused():
    with pytest.raises(FileError, match=r"numpy\.ndarray\.tofile"):
        pickles.loads(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "batch")


@pytest.mark.parametrize("data", [b"", b"nonsense", OLD[:60], b"\x80\x02K\x01K\x02R.", b"]Q."])
def test_a_damaged_pickle_is_a_file_error(data):
    with pytest.raises(FileError, match="batch is no sound pickle"):
        pickles.loads(data, "batch")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1 + 2j, 3], np.complex64),
        np.array(["ab", "c"]),
        np.array([], np.float32),
        np.array(7.5),
    ],
    ids=["big-endian", "fortran", "complex", "strings", "empty", "no axes"],
)
def test_any_plain_array_comes_back_and_may_be_written_to(array, protocol):
    found = pickles.loads(pickle.dumps([array, (array,)], protocol), "toy")[1][0]
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tolist() == array.tolist()
    assert found.flags.writeable


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_numbers_of_numpy_come_back_also_as_keys(protocol):
    data = pickle.dumps({("BPSK", np.int64(-20)): np.float32(0.5)}, protocol)
    assert pickles.loads(data, "toy") == {("BPSK", -20): 0.5}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, []], dtype=object),
        np.zeros(2, [("x", "f4")]),
        np.zeros(2, "M8[s]"),
    ],
    ids=["objects", "fields", "dates"],
)
def test_arrays_of_anything_but_numbers_and_strings_are_refused(array, protocol):
    with pytest.raises(FileError, match="only numbers and strings are read"):
        pickles.loads(pickle.dumps(array, protocol), "toy")


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
F4 = b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"cnumpy\nndarray\nK\x05\x85R.", "bare class"),
        (RECONSTRUCT + b"N}U\x0c__defaults__K\x01s\x86b.", "state is given to a function"),
        (b"cnumpy\nndarray\n.", "no value"),
        (F4 + b".", "no value"),
        (b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.", "'O8'"),
        (b"c_codecs\nencode\nU\x01aU\x03hex\x86R.", "'hex'"),
        (RECONSTRUCT + b"NNN\x87R(K\x01K\x02\x85" + F4 + b"\x89U\x04abcdtb.", "4 bytes"),
        (RECONSTRUCT + b"NNN\x87R(K\x01J\xff\xff\xff\xff\x85" + F4 + b"\x89U\x00tb.", "bytes"),
        (RECONSTRUCT + b"NNN\x87R.", "value"),
        (b"]q\x00h\x00a.", "recursion"),
    ],
)
def test_a_pickle_that_would_bend_numpy_is_refused(body, words):
    with pytest.raises(FileError, match=words):
        pickles.loads(b"\x80\x02" + body, "batch")
    assert pickles.loads(OLD, "toy")["data"].tolist() == [[1, 2], [3, 254]]

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


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
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

import json
import sys

import pytest

from graphprune.errors import SpecError
from signet.optional import library


def test_a_library_that_is_there_is_given():
    assert library("json", needed_by="this") is json


def test_a_missing_one_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SpecError, match=r"x\.h5 needs h5py: pip install graphprune\[signal\]"):
        library("h5py", needed_by="reading x.h5")

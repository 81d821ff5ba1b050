import numpy as np
import pytest

from graphprune.errors import FileError
from signet.frame_columns import checked_columns

GOOD = {
    "count": 3,
    "classes": ["a", b"b\xc3\xa4"],
    "labels": np.array([0, 1, 1], np.uint8),
    "snr": np.array([-2, 0, 2], np.int16),
    "runs": np.array([5, 5, 6], np.int32),
    "true_snr": np.array([-np.inf, 0, 1], np.float32),
}


def test_types_become_those_of_frames():
    found = checked_columns("toy", **GOOD)
    assert found.classes == ("a", "bä")
    assert len(found) == 3
    kinds = {"labels": np.int64, "snr": np.float64, "runs": np.int64, "true_snr": np.float64}
    for key, kind in kinds.items():
        assert getattr(found, key).dtype == kind
        assert getattr(found, key).tolist() == GOOD[key].tolist()
    bare = checked_columns("toy", **{**GOOD, "runs": None, "true_snr": None})
    assert (bare.runs, bare.true_snr) == (None, None)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"classes": []}, "classes must be different names"),
        ({"classes": ["a", "a"]}, "classes must be different names"),
        ({"labels": np.array([0.0, 1, 1])}, "labels must be whole numbers"),
        ({"labels": np.array([0, 1])}, r"labels must be whole numbers of shape \(3,\)"),
        ({"labels": np.array([0, 1, 2])}, r"labels must be in \[0, 2\), got 0 to 2"),
        ({"labels": np.array([-1, 1, 1])}, r"got -1 to 1"),
        ({"snr": np.array([0, np.nan, np.inf])}, "frame 1 has no finite snr"),
        ({"snr": np.array(["a", "b", "c"])}, "snr must be numbers"),
        ({"runs": np.array([0.5, 1, 2])}, "runs must be whole numbers"),
        ({"true_snr": np.array([0, 1, np.nan])}, "frame 2 has true_snr NaN"),
        ({"true_snr": np.zeros((3, 1))}, r"true_snr must be numbers of shape \(3,\)"),
    ],
)
def test_columns_that_do_not_fit_are_refused(changed, words):
    with pytest.raises(FileError, match=f"^toy: .*{words}"):
        checked_columns("toy", **{**GOOD, **changed})

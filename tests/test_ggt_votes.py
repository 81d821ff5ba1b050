"""Votes: what the arrays say, cutting and joining them, and the .npz file."""

import numpy as np
import pytest

from ggt.votes import Votes, join_votes
from graphprune.errors import FileError, SpecError


def votes(samples=5, models=3, classes=4, *, seed=0, split="clean"):
    rng = np.random.default_rng(seed)
    return Votes(
        base=rng.dirichlet(np.ones(classes), samples).astype(np.float32),
        bank=rng.dirichlet(np.ones(classes), (samples, models)).astype(np.float32),
        split=np.full(samples, split),
        models=tuple(f"m{i}" for i in range(models)),
        bank_hash="abc",
    )


def test_labels_and_shares_by_hand():
    nan = [np.nan, np.nan]
    found = Votes(
        base=np.array([[0.9, 0.1], [0.3, 0.7]], np.float32),
        bank=np.array([[[0.8, 0.2], [0.4, 0.6]], [[0.5, 0.5], nan]], np.float32),
    )
    assert found.base_labels.tolist() == [0, 1]
    assert found.labels.tolist() == [[0, 1], [0, -1]]
    assert found.labels.dtype == np.int16
    assert found.asked.tolist() == [[True, True], [True, False]]
    np.testing.assert_array_equal(found.shares, np.float32([[0.8, 0.4], [0.5, np.nan]]))
    assert found.models == ("000", "001") and found.split.tolist() == ["", ""]


def test_labels_are_those_of_a_slow_twin():
    found = votes(samples=20, models=6)
    for sample in range(20):
        own = max(range(4), key=lambda c: found.base[sample, c])
        assert found.base_labels[sample] == own
        for model in range(6):
            row = found.bank[sample, model].tolist()
            assert found.labels[sample, model] == row.index(max(row))
            assert found.shares[sample, model] == np.float32(row[own])


@pytest.mark.parametrize(
    ("base", "bank", "said"),
    [
        ((3,), (3, 2, 2), "base"),
        ((3, 2), (3, 2), "bank"),
        ((3, 2), (4, 2, 2), r"\(3, 2\)"),
        ((3, 2), (3, 2, 5), r"\(3, 2, 5\)"),
    ],
)
def test_arrays_that_do_not_line_up_are_refused(base, bank, said):
    with pytest.raises(SpecError, match=said):
        Votes(base=np.zeros(base, np.float32), bank=np.zeros(bank, np.float32))


def test_wrong_counts_of_tags_or_names_are_refused():
    arrays = {"base": np.zeros((2, 2), np.float32), "bank": np.zeros((2, 1, 2), np.float32)}
    with pytest.raises(SpecError, match="3 tags"):
        Votes(**arrays, split=np.array(["a", "b", "c"]))
    with pytest.raises(SpecError, match="2 names"):
        Votes(**arrays, models=("x", "y"))


def test_parts_join_to_the_whole():
    whole = votes(samples=7)
    order = np.array([4, 1])
    assert whole.take(order).base_labels.tolist() == whole.base_labels[order].tolist()
    joined = join_votes([whole.take(np.arange(7) < 3), whole.take(np.arange(7) >= 3)])
    for name in ("base", "bank", "split"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert joined.models == whole.models and joined.bank_hash == "abc"
    assert whole.first(2).models == ("m0", "m1")
    np.testing.assert_array_equal(whole.first(2).labels, whole.labels[:, :2])
    assert len(joined) == 7


def test_votes_of_other_models_do_not_join():
    with pytest.raises(SpecError, match="other models"):
        join_votes([votes(models=3), votes(models=2)])
    with pytest.raises(SpecError, match="no votes"):
        join_votes([])


def test_a_file_holds_everything_and_the_labels_for_others(tmp_path):
    before = votes()
    before.bank[0, 1] = np.nan
    before.save(tmp_path / "votes.npz")
    after = Votes.load(tmp_path / "votes.npz")
    for name in ("base", "bank", "split", "labels", "shares"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (after.models, after.bank_hash) == (before.models, before.bank_hash)
    with np.load(tmp_path / "votes.npz", allow_pickle=False) as file:
        assert file["labels"].dtype == np.int16
        np.testing.assert_array_equal(file["base_labels"], before.base_labels)
    assert [path.name for path in tmp_path.iterdir()] == ["votes.npz"]


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "votes.npz"
    with pytest.raises(FileError, match="No such file"):
        Votes.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(FileError, match="not a file of votes"):
        Votes.load(path)
    np.savez(path, base=np.zeros((1, 2)))
    with pytest.raises(FileError, match="format graphprune-votes-1"):
        Votes.load(path)
    votes().save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FileError, match="not a file of votes"):
        Votes.load(path)


def test_a_file_whose_arrays_disagree_is_refused(tmp_path):
    path = tmp_path / "votes.npz"
    votes().save(path)
    with np.load(path, allow_pickle=False) as file:
        parts = dict(file)
    parts["bank"] = parts["bank"][:-1]
    np.savez(path, **parts)
    with pytest.raises(FileError, match=r"b\w+ has shape"):
        Votes.load(path)


def test_a_file_of_objects_is_refused_and_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    path = tmp_path / "votes.npz"
    np.savez(path, format=np.array([Evil()], dtype=object))
    with pytest.raises(FileError, match="not a file of votes"):
        Votes.load(path)
    assert not (tmp_path / "ran").exists()

"""Splits: counts by hand, whole runs, nested fractions, files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import FileError, MismatchError, SpecError
from signet.iq import Frames
from signet.splits import SPLIT_BY, Split, load_split, save_split, split_frames


def set_of(cells, runs=None):
    """Frames of these cells, each (class, label), in this order; the samples do not matter."""
    count = len(cells)
    return Frames(
        iq=np.zeros((count, 2, 8), np.float32),
        labels=np.array([cell[0] for cell in cells], np.int64),
        snr=np.array([cell[1] for cell in cells], np.float64),
        classes=("a", "b", "c", "d"),
        runs=None if runs is None else np.array(runs, np.int64),
    )


def counted(source, part):
    """Frames of each cell in a part, in a dictionary."""
    found = {}
    for at in part:
        cell = (int(source.labels[at]), float(source.snr[at]))
        found[cell] = found.get(cell, 0) + 1
    return found


cell = st.tuples(st.integers(0, 3), st.sampled_from([-4.0, 0.0, 8.0]))
runs_of_cells = st.lists(st.tuples(cell, st.integers(1, 6)), min_size=5, max_size=40)


@pytest.mark.parametrize(
    ("frames", "counts"),
    [
        (10, (6, 2, 2)),
        (7, (4, 2, 1)),  # 4.2, 1.4, 1.4: the tie goes to the earlier part
        (8, (5, 2, 1)),  # 4.8, 1.6, 1.6: training first, then validation
        (5, (3, 1, 1)),
        (3, (2, 1, 0)),  # 1.8, 0.6, 0.6
        (2, (1, 1, 0)),
        (1, (1, 0, 0)),
    ],
)
@pytest.mark.parametrize("by", ["cell", "contiguous"])
def test_counts_of_a_cell_by_hand(frames, counts, by):
    source = set_of([(0, 0.0)] * frames + [(1, 2.0)] * 10)
    split = split_frames(source, by=by)
    assert tuple(counted(source, part).get((0, 0.0), 0) for part in split.parts) == counts
    assert [counted(source, part)[1, 2.0] for part in split.parts] == [6, 2, 2]


def test_a_small_cell_gives_training_one_frame_whatever_the_shares():
    source = set_of([(0, 0.0)] + [(1, 0.0)] * 10)
    split = split_frames(source, shares=(0.1, 0.1, 0.8))
    assert counted(source, split.train) == {(0, 0.0): 1, (1, 0.0): 1}
    assert counted(source, split.test) == {(1, 0.0): 8}


def test_remainders_that_tie_go_to_the_earlier_part():
    source = set_of([(0, 0.0)] * 2 + [(1, 0.0)] * 10)
    split = split_frames(source, shares=(0.7, 0.2, 0.1))  # of two frames 1.4, 0.4, 0.2
    assert counted(source, split.train) == {(0, 0.0): 2, (1, 0.0): 7}


def test_the_only_run_of_a_cell_trains_whatever_the_shares():
    cells = [(0, 0.0)] * 5 + [(1, 0.0)] * 50
    source = set_of(cells, [number // 5 for number in range(55)])
    split = split_frames(source, by="run", shares=(0.2, 0.2, 0.6))
    assert counted(source, split.train) == {(0, 0.0): 5, (1, 0.0): 10}


def test_contiguous_keeps_the_order_of_the_file_when_cells_are_mixed():
    source = set_of([(0, 0.0), (1, 0.0)] * 5)
    split = split_frames(source, by="contiguous")
    assert split.train.tolist() == [0, 1, 2, 3, 4, 5]
    assert split.validation.tolist() == [6, 7]
    assert split.test.tolist() == [8, 9]


def test_random_cells_differ_by_seed_and_repeat_by_seed():
    source = set_of([(0, 0.0)] * 40)
    first, again, other = (split_frames(source, seed=seed) for seed in (3, 3, 4))
    assert first.train.tolist() == again.train.tolist()
    assert first.test.tolist() == again.test.tolist()
    assert first.train.tolist() != other.train.tolist()
    assert first.train.tolist() != split_frames(source, by="contiguous").train.tolist()


def test_a_share_of_zero_leaves_its_part_empty():
    split = split_frames(set_of([(0, 0.0)] * 10), shares=(0.8, 0.0, 0.2))
    assert [len(part) for part in split.parts] == [8, 0, 2]


@given(runs_of_cells, st.sampled_from(SPLIT_BY), st.integers(0, 9), st.sampled_from([1.0, 0.3]))
def test_parts_cover_the_set_once_and_every_cell_trains(stretches, by, seed, fraction):
    cells = [cell for cell, count in stretches for _ in range(count)]
    runs = [number for number, (_, count) in enumerate(stretches) for _ in range(count)]
    source = set_of(cells, runs)
    try:
        split = split_frames(source, by=by, seed=seed, fraction=fraction)
    except SpecError as error:
        assert "leave no frame for" in str(error)
        return
    every = np.concatenate(split.parts)
    assert len(np.unique(every)) == len(every)
    if fraction == 1.0:
        assert sorted(every.tolist()) == list(range(len(source)))
    assert counted(source, split.train).keys() == set(cells)


@given(runs_of_cells, st.integers(0, 9), st.booleans())
def test_no_run_is_in_two_parts(stretches, seed, spanning):
    cells = [cell for cell, count in stretches for _ in range(count)]
    each = [number for number, (_, count) in enumerate(stretches) for _ in range(count)]
    runs = [number // 2 for number in each] if spanning else each  # two cells may share a run
    source = set_of(cells, runs)
    try:
        split = split_frames(source, by="run", seed=seed)
    except SpecError:
        return
    held = [set(source.runs[part].tolist()) for part in split.parts]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]


def test_equal_runs_are_stratified_as_exactly_as_frames():
    cells = [(kind, label) for kind in (0, 1) for label in (0.0, 4.0) for _ in range(20)]
    source = set_of(cells, [number // 2 for number in range(len(cells))])
    split = split_frames(source, by="run", seed=1)
    for part, count in zip(split.parts, (12, 4, 4), strict=True):
        assert set(counted(source, part).values()) == {count}


def test_two_runs_a_cell_still_fill_every_part():
    cells = [(kind, 0.0) for kind in range(4) for _ in range(10)]
    source = set_of(cells, [number // 5 for number in range(len(cells))])
    split = split_frames(source, by="run")
    assert [len(part) for part in split.parts] == [20, 10, 10]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.sampled_from(SPLIT_BY))
def test_fractions_are_nested_and_rounded_in_every_cell(sizes, by):
    cells = [
        (number % 4, float(number)) for number, size in enumerate(sizes) for _ in range(size)
    ]
    source = set_of(cells + [(0, 9.0)] * 20, range(len(cells) + 20))
    whole = split_frames(source, by=by, seed=5)
    last = set()
    for fraction in (0.01, 0.1, 0.25, 0.5, 1.0):
        split = split_frames(source, by=by, seed=5, fraction=fraction)
        kept = set(split.train.tolist())
        assert last <= kept <= set(whole.train.tolist())
        assert split.test.tolist() == whole.test.tolist()
        assert split.validation.tolist() == whole.validation.tolist()
        all_of, some_of = counted(source, whole.train), counted(source, split.train)
        for cell, count in all_of.items():
            assert some_of[cell] == max(int(fraction * count + 0.5), 1)
        last = kept


def test_one_per_cent_is_not_simply_the_first_frames():
    source = set_of([(0, 0.0)] * 1000)
    assert split_frames(source, by="contiguous", fraction=0.01).train.max() > 100


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shares": (0.6, 0.6, 0.2)}, "sum to 1"),
        ({"shares": (0.0, 0.5, 0.5)}, "first above 0"),
        ({"shares": (1.2, -0.1, -0.1)}, r"in \[0, 1\]"),
        ({"shares": (0.5, 0.5)}, "three numbers"),
        ({"by": "class"}, "cell, contiguous, run, got 'class'"),
        ({"fraction": 0.0}, r"fraction must be in \(0, 1\], got 0.0"),
        ({"fraction": float("nan")}, "fraction"),
        ({"by": "run"}, "split by 'run' needs the run of each frame"),
    ],
)
def test_requests_that_are_refused(options, said):
    with pytest.raises(SpecError, match=said):
        split_frames(set_of([(0, 0.0)] * 10), **options)


def test_empty_sets_and_empty_parts_are_refused():
    with pytest.raises(SpecError, match="no frames to split"):
        split_frames(set_of([]))
    with pytest.raises(SpecError, match="no frame for validation: the set has 2 frames in 2"):
        split_frames(set_of([(0, 0.0), (1, 0.0)]))
    with pytest.raises(SpecError, match=r"no frame for validation.* 1 runs"):
        split_frames(set_of([(0, 0.0)] * 20, [7] * 20), by="run")


def test_a_split_refuses_what_is_none():
    part = {
        name: np.arange(at, at + 3)
        for name, at in (("train", 0), ("validation", 3), ("test", 6))
    }
    assert Split(**part).by == "cell"
    for wrong, said in (
        ({"test": np.array([2, 8])}, "frame 2 is in two parts"),
        ({"test": np.array([8, 7])}, "test must hold ascending"),
        ({"test": np.array([7, 7])}, "each once"),
        ({"train": np.array([-1, 0])}, "train must hold ascending"),
        ({"train": np.array([0.0])}, "train must be int64"),
    ):
        with pytest.raises(SpecError, match=said):
            Split(**part | wrong)


@pytest.mark.parametrize("by", SPLIT_BY)
def test_a_saved_split_comes_back(tmp_path, by):
    source = set_of([(number % 3, 2.0) for number in range(90)], [n // 5 for n in range(90)])
    split = split_frames(source, by=by, shares=(0.8, 0.0, 0.2), fraction=0.5, seed=9)
    save_split(tmp_path / "new" / "split.json", split, "abc")
    found = load_split(tmp_path / "new" / "split.json", "abc")
    for one, two in zip(split.parts, found.parts, strict=True):
        assert one.dtype == two.dtype == np.int64 and one.tolist() == two.tolist()
    said = ("by", "shares", "fraction", "seed")
    assert [getattr(found, name) for name in said] == [getattr(split, name) for name in said]


def test_long_stretches_are_saved_in_short(tmp_path):
    split = split_frames(set_of([(0, 0.0)] * 5000), by="contiguous")
    save_split(tmp_path / "s.json", split, "f")
    assert json.loads((tmp_path / "s.json").read_text())["train"] == {"stretches": [[0, 3000]]}


def test_a_split_of_another_set_does_not_load(tmp_path):
    save_split(tmp_path / "s.json", split_frames(set_of([(0, 0.0)] * 10)), "one")
    with pytest.raises(MismatchError, match=r"s.json: .* fingerprint one, not two"):
        load_split(tmp_path / "s.json", "two")


@pytest.mark.parametrize(
    "damage",
    [
        {"train": None},
        {"train": {}},
        {"train": {"positions": [0, "1"]}},
        {"train": {"positions": [0, -1]}},
        {"train": {"positions": [1, 0]}},
        {"train": {"stretches": [[0, 10**15]]}},
        {"train": {"stretches": [[0]]}},
        {"test": {"positions": [0]}},
        {"by": "luck"},
        {"shares": [1]},
        {"seed": None},
        {"format": "other"},
        {"version": 2},
    ],
)
def test_damaged_files_are_refused(tmp_path, damage):
    path = tmp_path / "s.json"
    save_split(path, split_frames(set_of([(0, 0.0)] * 10), by="contiguous"), "f")
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(FileError, match=r"s\.json"):
        load_split(path, "f")

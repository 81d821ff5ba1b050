"""A run's frames as images: its own split, its normalisation, its file and no other."""

import json
import shutil

import numpy as np
import pytest
from signet_runs import CLASSES, SCALE, toy_signals, write_run, write_set

from graphprune.errors import FileError, MismatchError
from signet.frame_files import fingerprint, open_frames
from signet.frame_images import load_images
from signet.iq import normalised
from signet.splits import load_split


@pytest.fixture
def made(tmp_path):
    """Frames, the file that they lie in, and the folder of a run on them."""
    frames = toy_signals(20)
    path = write_set(tmp_path / "data" / "set.npz", frames)
    return frames, path, write_run(tmp_path / "run", path, epochs=0)


def test_the_parts_are_those_of_the_split_as_the_network_takes_them(made):
    frames, path, run = made
    found = load_images(str(run))
    split = load_split(run / "split.json", fingerprint(open_frames(path)))
    assert (found.classes, found.flip) == (CLASSES, False)
    assert (found.signal.scale, found.signal.normalise) == (SCALE, "power")
    parts = (found.train, found.held_out, found.test)
    for part, positions in zip(parts, split.parts, strict=True):
        assert part.images.dtype == np.float32
        assert part.images.shape == (len(positions), 2, 64, 1)
        assert part.labels.tolist() == frames.labels[positions].tolist()
        expected = 0.5 + normalised(frames.iq[positions], "power") / (2 * SCALE)
        np.testing.assert_allclose(part.images[..., 0], expected, atol=1e-6)
    assert len(found.train) > len(found.held_out) > len(found.test) > 0
    assert (found.size, found.channels) == (64, 2)
    assert found.mean.tolist() == [0.5, 0.5] and found.std.tolist() == [1 / (2 * SCALE)] * 2


@pytest.mark.parametrize("kind", ["none", "l1", "peak"])
def test_every_normalisation_is_the_runs(made, tmp_path, kind):
    frames, path, _ = made
    scale = {"none": 0.02, "l1": 4 / 64, "peak": 1.0}[kind]
    run = write_run(tmp_path / "other", path, epochs=0, normalise=kind, signal_scale=scale)
    found = load_images(str(run))
    split = load_split(run / "split.json", fingerprint(open_frames(path)))
    back = found.signal.iq(found.test.images)
    np.testing.assert_allclose(back, normalised(frames.iq[split.test], kind), atol=scale * 1e-5)


def test_a_moved_file_is_found_by_its_folder(made, tmp_path):
    _, path, run = made
    expected = load_images(str(run)).test.images
    place = tmp_path / "moved"
    place.mkdir()
    shutil.move(path, place / path.name)
    with pytest.raises(FileError, match=r"set\.npz: the frames of .* are gone.*--data-dir"):
        load_images(str(run))
    with pytest.raises(FileError, match="are gone"):
        load_images(str(run), data_dir=tmp_path)
    np.testing.assert_array_equal(load_images(str(run), data_dir=place).test.images, expected)


def test_a_data_dir_without_the_file_does_not_hide_it(made, tmp_path):
    assert len(load_images(str(made[2]), data_dir=tmp_path / "nowhere").test)


def test_other_frames_in_the_file_are_refused(made):
    _, path, run = made
    write_set(path, toy_signals(20, seed=1))
    with pytest.raises(MismatchError, match=r"set\.npz: not the frames that"):
        load_images(str(run))


@pytest.mark.parametrize("gone", ["record.json", "frames.json", "split.json", "model"])
def test_a_folder_that_lacks_a_part_is_told(made, gone):
    run = made[2]
    if gone == "model":
        shutil.rmtree(run / gone)
    else:
        (run / gone).unlink()
    with pytest.raises(FileError, match=gone):
        load_images(str(run))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"signal_scale": 0.0}, r"signal_scale must be a number above 0"),
        ({"signal_scale": "4"}, r"config\.json: signal_scale must be"),
        ({"normalise": "rms"}, r"config\.json: normalise must be one of"),
    ],
)
def test_a_config_that_does_not_tell_the_scale_is_refused(made, change, complaint):
    run = write_run(made[2].parent / "other", made[1], epochs=0, **change)
    with pytest.raises(FileError, match=complaint):
        load_images(str(run))


def test_a_split_beyond_the_set_is_refused(made):
    run = made[2]
    split = json.loads((run / "split.json").read_text())
    split["test"] = {"positions": [7000]}
    (run / "split.json").write_text(json.dumps(split))
    with pytest.raises(FileError, match="names frame 7000, the set has 60"):
        load_images(str(run))

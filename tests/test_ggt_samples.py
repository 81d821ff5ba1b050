"""Samples come out alike whatever they came in as, and what needs a guess is refused."""

import hashlib
import io
import os
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from ggt import array_files
from ggt.samples import Samples, data_hash, read_samples, write_samples
from graphprune.errors import FileError, GraphPruneError, SpecError

SHAPE = (3, 4, 5)
BYTES = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), np.uint8)
PIXELS = BYTES / np.float32(255)
FLOATS = st.floats(0, 1, width=32)


def stream(save, *values, **named):
    file = io.BytesIO()
    save(file, *values, **named)
    return io.BytesIO(file.getvalue())


def folder(path, pixels=BYTES):
    path.mkdir()
    for index, image in enumerate(pixels):
        Image.fromarray(image.transpose(1, 2, 0)).save(path / f"{index}.png")
    return path


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("values", [BYTES, PIXELS, PIXELS.astype("f8"), PIXELS.astype(">f4")])
def test_all_sources_give_the_same_samples(values, fortran, last, tmp_path):
    given = values.transpose(0, 2, 3, 1) if last else values
    given = np.asfortranarray(given) if fortran else np.ascontiguousarray(given)
    np.save(tmp_path / "a.npy", given)
    np.savez(tmp_path / "a.npz", images=given, other=given)
    np.savez_compressed(tmp_path / "b.npz", x=given, labels=np.arange(6))
    found = [read_samples(tmp_path / name, shape=SHAPE) for name in ("a.npy", "a.npz", "b.npz")]
    found += [
        read_samples("-", shape=SHAPE, stdin=stream(save, given))
        for save in (np.save, np.savez, np.savez_compressed)
    ]
    for samples in found:
        assert samples.images.dtype == np.float32
        assert samples.images.flags.c_contiguous
        assert np.array_equal(samples.images, PIXELS)
        assert samples.names is None
        assert len(samples) == 6
    assert found[2].labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert found[0].source == str(tmp_path / "a.npy")
    assert found[3].source == "standard input"


def test_folder_image_and_list_give_the_same_samples(tmp_path):
    place = folder(tmp_path / "images")
    found = read_samples(str(place), shape=SHAPE)
    assert np.array_equal(found.images, PIXELS)
    assert found.names == tuple(f"{index}.png" for index in range(6))
    paths = [str(place / f"{index}.png") for index in (3, 1, 3)]
    listed = io.BytesIO("\r\n".join(["", *paths, "  ", ""]).encode())
    samples = read_samples("-", shape=SHAPE, stdin=listed)
    assert np.array_equal(samples.images, PIXELS[[3, 1, 3]])
    assert samples.names == tuple(paths)
    one = read_samples(place / "2.png", shape=SHAPE)
    assert np.array_equal(one.images, PIXELS[2:3])
    assert one.names == (str(place / "2.png"),)


def test_standard_input_is_the_default_stream(monkeypatch):
    file = type("Standard", (), {"buffer": stream(np.save, BYTES)})()
    monkeypatch.setattr("sys.stdin", file)
    assert np.array_equal(read_samples("-", shape=SHAPE).images, PIXELS)


def test_a_named_pipe_is_read_as_a_stream(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found = []
    acts = (
        lambda: path.write_bytes(stream(np.save, BYTES).read()),
        lambda: found.append(read_samples(path, shape=SHAPE)),
    )
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)  # a second opening would wait for ever
    assert np.array_equal(found[0].images, PIXELS)


def test_the_layout_settles_what_fits_twice(tmp_path):
    cubes = np.random.default_rng(0).random((2, 3, 3, 3), np.float32)
    path = tmp_path / "a.npy"
    np.save(path, cubes)
    with pytest.raises(SpecError, match=r"a\.npy: .* give the layout, nchw or nhwc"):
        read_samples(path, shape=(3, 3, 3))
    first = read_samples(path, shape=(3, 3, 3), layout="nchw")
    last = read_samples(path, shape=(3, 3, 3), layout="nhwc")
    assert np.array_equal(first.images, cubes)
    assert np.array_equal(last.images, cubes.transpose(0, 3, 1, 2))


@given(arrays(np.float32, (2, 1, 2, 3), elements=FLOATS))
def test_written_samples_come_back_to_the_bit(tmp_path_factory, images):
    place = tmp_path_factory.mktemp("w")
    for name in ("deep/a.npy", "deep/a.npz"):
        write_samples(place / name, images)
        found = read_samples(place / name, shape=(1, 2, 3))
        assert found.images.tobytes() == images.tobytes()
        assert data_hash(found.images) == data_hash(images)


def test_a_npz_carries_labels_indices_and_split(tmp_path):
    path = tmp_path / "a.npz"
    split = ["clean", "fgsm", "placebo", "", "x", "y"]
    labels = np.arange(6, dtype=np.int16)
    write_samples(path, PIXELS, labels=labels, indices=[9, 8, 7, 6, 5, 4], split=split)
    found = read_samples(path, shape=SHAPE)
    assert found.labels.dtype == found.indices.dtype == np.int64
    assert found.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.indices.tolist() == [9, 8, 7, 6, 5, 4]
    assert found.split.tolist() == split
    write_samples(tmp_path / "a.npy", PIXELS, labels=labels)
    assert read_samples(tmp_path / "a.npy", shape=SHAPE).labels is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"labels": np.arange(5)}, r"`labels` must be whole numbers of shape \(6,\), got int64 "
         r"of shape \(5,\)"),
        ({"labels": np.zeros(6)}, "got float64"),
        ({"labels": np.zeros((6, 10), int)}, r"of shape \(6, 10\)"),
        ({"indices": np.zeros(6, bool)}, "`indices` must be whole numbers"),
        ({"split": np.zeros(6, int)}, r"`split` must be text of shape \(6,\)"),
    ],
)  # fmt: skip
def test_labels_of_another_kind_are_refused_both_ways(more, message, tmp_path):
    np.savez(tmp_path / "a.npz", images=PIXELS, **more)
    with pytest.raises(SpecError, match=message):
        read_samples(tmp_path / "a.npz", shape=SHAPE)
    with pytest.raises(SpecError, match=message):
        write_samples(tmp_path / "b.npz", PIXELS, **more)
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize(
    ("name", "images", "message"),
    [
        ("a.txt", PIXELS, r"a\.txt: samples are written as \.npy or \.npz"),
        ("a", PIXELS, r"written as \.npy or \.npz"),
        ("a.npy", PIXELS[0], r"samples are floats of shape .*, got float32 of shape \(3, 4, 5"),
        ("a.npy", BYTES, "got uint8"),
        ("a.npy", PIXELS * np.nan, "sample 0 holds NaN"),
        ("a.npz", PIXELS * 2, r"values reach 2; floats must lie in \[0, 1\]"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(name, images, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        write_samples(tmp_path / name, images)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    write_samples(path, PIXELS)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(FileError, match=r"a\.npz: cannot be written \(No space left"):
        write_samples(path, PIXELS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


REFUSED = {
    "wrong shape": (np.zeros((2, 3, 4, 4), np.uint8), SpecError, r"shape \(2, 3, 4, 4\) do"),
    "no sample": (np.zeros((0, 3, 4, 5)), SpecError, "holds no sample"),
    "normalised": (PIXELS * 4 - 2, SpecError, r"values go from -2 to 2; .* before normalisa"),
    "floats to 255": (PIXELS * 255, SpecError, "values reach 255; .*, or give uint8"),
    "int64": (BYTES.astype(int), SpecError, "cast to uint8"),
    "bool": (BYTES > 9, SpecError, "give uint8"),
    "text": (np.full((6, *SHAPE), "x"), SpecError, "no pixels"),
    "complex": (PIXELS + 0j, SpecError, "no pixels"),
    "objects": (np.full((6, *SHAPE), None), FileError, "holds Python objects, which are never"),
    "NaN": (np.where(np.arange(6)[:, None, None, None] == 4, np.nan, PIXELS), SpecError,
            "sample 4 holds NaN"),
    "one number": (np.float32(1), SpecError, r"shape \(\) does not fit"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_unusable_arrays_end_with_status_two_and_one_line(what, tmp_path):
    array, error, message = REFUSED[what]
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", images=array)
    calls = [
        lambda: read_samples(tmp_path / "a.npy", shape=SHAPE),
        lambda: read_samples(tmp_path / "a.npz", shape=SHAPE),
        lambda: read_samples("-", shape=SHAPE, stdin=stream(np.save, array)),
    ]
    for call, name in zip(calls, (r"a\.npy", r"a\.npz, array 'images'", "stand"), strict=True):
        with pytest.raises(error, match=f"{name}.*{message}") as caught:
            call()
        assert caught.value.exit_status == 2
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "standard input: empty"),
        (b" \n\n", "standard input: empty"),
        (b"\x89PNG\r\n\x1a\n\x00", "neither .npy, .npz nor a list"),
        (b"a\x00b.png", "neither .npy, .npz nor a list"),
        (b"missing.png\n", "missing.png: no such file"),
        (
            b"PK\x05\x06" + bytes(18),
            "an array `images` or one of four axes; holds nothing",
        ),
        (b"PK\x03\x04 and no more", "standard input: "),
    ],
)
def test_streams_without_samples_are_refused(data, message):
    with pytest.raises(GraphPruneError, match=message):
        read_samples("-", shape=SHAPE, stdin=io.BytesIO(data))


def test_an_archive_with_a_doubt_names_its_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", x=BYTES, y=BYTES, z=np.arange(3))
    with pytest.raises(SpecError, match=r"holds x \(6, 3, 4, 5\), y \(6, 3, 4, 5\), z \(3,\)"):
        read_samples(tmp_path / "a.npz", shape=SHAPE)
    np.savez(tmp_path / "b.npz", z=np.arange(3))
    with pytest.raises(SpecError, match=r"needs an array `images` or one of four axes; hol"):
        read_samples(tmp_path / "b.npz", shape=SHAPE)


def test_other_files_and_missing_ones_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,3")
    with pytest.raises(FileError, match=r"a\.csv: not a \.npy or \.npz file, an image or a f"):
        read_samples(tmp_path / "a.csv", shape=SHAPE)
    with pytest.raises(FileError, match="file name too long"):
        read_samples("x" * 300, shape=SHAPE)
    with pytest.raises(FileError, match=r"none\.npy: no such file or directory"):
        read_samples(tmp_path / "none.npy", shape=SHAPE)
    with pytest.raises(FileError, match=r"none\.png: no such file"):
        read_samples(tmp_path / "none.png", shape=SHAPE)


def test_the_limit_holds_for_every_source(tmp_path, monkeypatch):
    place = folder(tmp_path / "images")
    np.save(tmp_path / "a.npy", BYTES)
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((6, *SHAPE), np.uint8))
    monkeypatch.setattr(array_files, "MAX_BYTES", 6 * 3 * 4 * 5 * 4 - 1)
    for source in (place, tmp_path / "a.npy", tmp_path / "a.npz"):
        with pytest.raises(FileError, match="6 samples take 1,440 bytes, at most 1,439 are"):
            read_samples(source, shape=SHAPE)
    monkeypatch.setattr(array_files, "MAX_BYTES", 100)
    with pytest.raises(FileError, match="standard input: more than 100 bytes; write a file"):
        read_samples("-", shape=SHAPE, stdin=stream(np.save, BYTES))


def test_a_bomb_of_another_shape_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.zeros((1000, 9, 9, 9), np.uint8))
    opened = []
    before = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda self, n=-1: opened.append(n) or before(self, n)
    )
    with pytest.raises(SpecError, match=r"shape \(1000, 9, 9, 9\) does not fit"):
        read_samples(path, shape=SHAPE)
    assert sum(opened) < 1000
    assert all(size >= 0 for size in opened)


def test_the_hash_is_over_shape_type_and_bytes():
    expected = hashlib.sha256(b"(6, 3, 4, 5) <f4\n" + PIXELS.tobytes()).hexdigest()
    assert data_hash(PIXELS) == expected
    assert data_hash(np.asfortranarray(PIXELS)) == expected
    assert data_hash(PIXELS[::-1]) != expected
    assert data_hash(PIXELS.reshape(6, 3, 5, 4)) != expected
    assert data_hash(PIXELS.view(np.int32)) != expected


@given(st.integers(1, 9), st.integers(0, 10))
def test_names_and_labels_are_as_many_as_images(images, names):
    pixels = np.zeros((images, 1, 1, 1), np.float32)
    for key, part in (("names", ("a",) * names), ("labels", np.zeros(names, np.int64))):
        if names == images:
            assert len(Samples(images=pixels, source="s", **{key: part})) == images
        else:
            with pytest.raises(SpecError, match=f"s: {images} images, but {names} {key}"):
                Samples(images=pixels, source="s", **{key: part})

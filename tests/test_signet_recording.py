import json
import tracemalloc

import numpy as np
import pytest
import sigmf
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import FileError, SpecError
from signet.recording import open_recording


def signal(count=100, seed=0):
    rng = np.random.default_rng(seed)
    parts = rng.uniform(-1, 1, (2, count)).astype(np.float32)
    return parts[0] + 1j * parts[1]


def whole(recording, size=7):
    return np.concatenate(list(recording.blocks(size)))


@pytest.mark.parametrize("name", ["a.cf32", "a.FC32", "a.cfile", "a.iq", "a.bin"])
def test_raw_complex_samples_come_in_blocks(tmp_path, name):
    samples = signal()
    samples.tofile(tmp_path / name)
    known = name.endswith(("iq", "bin"))
    found = open_recording(tmp_path / name, dtype="cf32" if known else None, rate=2e6)
    assert (found.samples, found.sample_rate, found.datatype) == (100, 2e6, "cf32_le")
    assert (found.frames, found.annotations) == (None, ())
    assert [len(block) for block in found.blocks(30)] == [30, 30, 30, 10]
    assert np.array_equal(whole(found), samples)
    assert np.array_equal(np.concatenate(list(found.blocks(30, start=55))), samples[55:])
    assert list(found.blocks(5, start=100)) == []
    assert np.array_equal(found.read(3, 4), samples[3:7])


@pytest.mark.parametrize(
    ("suffix", "kind", "zero", "full"),
    [("cs16", "<i2", 0, 32768), ("cs8", "i1", 0, 128), ("cu8", "u1", 127.5, 127.5)],
)
def test_integers_are_scaled_to_one(tmp_path, suffix, kind, zero, full):
    rng = np.random.default_rng(0)
    limits = np.iinfo(kind)
    raw = rng.integers(limits.min, limits.max, 80, kind, endpoint=True)
    raw[:4] = [limits.min, limits.max, limits.max, limits.min]
    raw.tofile(tmp_path / f"a.{suffix}")
    found = whole(open_recording(tmp_path / f"a.{suffix}"))
    for place in range(40):
        i, q = ((float(raw[2 * place + part]) - zero) / full for part in (0, 1))
        assert found[place] == pytest.approx(i + 1j * q, abs=1e-6)
    assert abs(found.real).max() == 1


def test_a_given_dtype_goes_before_the_name(tmp_path):
    np.array([16384, -32768], "<i2").tofile(tmp_path / "a.cf32")
    found = open_recording(tmp_path / "a.cf32", dtype="ci16_le")
    assert whole(found).tolist() == [0.5 - 1j]


@pytest.mark.parametrize("datatype", ["cf32_le", "cf32_be", "ci16_le", "ci16_be", "ci8"])
def test_sigmf_is_read_as_the_library_reads_it(tmp_path, datatype):
    kind = {"cf32": "f4", "ci16": "i2", "ci8": "i1"}[datatype.partition("_")[0]]
    order = ">" if datatype.endswith("be") else "<"
    raw = np.random.default_rng(0).integers(-128, 128, 200).astype(order + kind)
    raw.tofile(tmp_path / "a.sigmf-data")
    about = {"core:datatype": datatype, "core:sample_rate": 250_000}
    meta = sigmf.SigMFFile(data_file=tmp_path / "a.sigmf-data", global_info=about)
    meta.add_capture(0)
    meta.add_annotation(5, 20, {"core:label": "FM"})
    meta.tofile(tmp_path / "a.sigmf-meta")

    found = open_recording(tmp_path / "a.sigmf-meta", rate=250e3, dtype=datatype)

    assert (found.samples, found.sample_rate, found.datatype) == (100, 250e3, datatype)
    assert [entry.label for entry in found.annotations] == ["FM"]
    expected = sigmf.sigmffile.fromfile(tmp_path / "a.sigmf-meta").read_samples()
    assert np.array_equal(whole(found), expected)
    with pytest.raises(SpecError, match=r"says 250000 Hz, but rate=1e\+06 was given"):
        open_recording(tmp_path / "a.sigmf-data", rate=1e6)
    with pytest.raises(SpecError, match="but dtype='cu8' was given"):
        open_recording(tmp_path / "a.sigmf-data", dtype="cu8")


def test_a_rate_is_taken_where_sigmf_says_none(tmp_path):
    signal().tofile(tmp_path / "a.sigmf-data")
    body = {"global": {"core:datatype": "cf32_le"}, "captures": [], "annotations": []}
    (tmp_path / "a.sigmf-meta").write_text(json.dumps(body))
    assert open_recording(tmp_path / "a.sigmf-meta").sample_rate is None
    assert open_recording(tmp_path / "a.sigmf-meta", rate=5).sample_rate == 5


def of_form(form, samples):
    """The same samples in another array."""
    iq = np.stack([samples.real, samples.imag], axis=-2)
    return {"complex": samples, "complex128": samples.astype(np.complex128), "iq": iq,
            "float64": iq.astype(np.float64), "big": iq.astype(">f4"),
            "fortran": np.asfortranarray(iq)}[form]  # fmt: skip


FORMS = st.sampled_from(["complex", "complex128", "iq", "float64", "big", "fortran"])


@given(
    FORMS,
    st.sampled_from([".npy", ".npz"]),
    st.sampled_from([(60,), (1, 60), (6, 10), (2, 3, 10)]),
    st.integers(1, 70),
    st.integers(0, 60),
)
def test_arrays_of_every_form_give_the_samples_in_order(
    tmp_path_factory, form, suffix, shape, size, start
):
    samples = signal(60)
    path = tmp_path_factory.mktemp("array") / f"a{suffix}"
    array = of_form(form, samples.reshape(shape))
    np.save(path, array) if suffix == ".npy" else np.savez(path, array)

    found = open_recording(path, rate=1e3)

    several = len(shape) > 1 and shape[0] > 1
    assert (found.samples, found.sample_rate) == (60, 1e3)
    assert found.frame_length == (10 if several else None)
    assert found.frames == (6 if several else None)
    blocks = list(found.blocks(size, start))
    assert all(len(block) == size for block in blocks[:-1])
    assert np.array_equal(np.concatenate([*blocks, []]), samples[start:])
    if several:
        frames = np.concatenate(list(found.frame_blocks(size)))
        assert (frames.dtype, frames.shape) == (np.float32, (6, 2, 10))
        assert np.array_equal((frames[:, 0] + 1j * frames[:, 1]).reshape(-1), samples)
    else:
        with pytest.raises(SpecError, match="is one signal, no set of frames"):
            found.frame_blocks(size)


def test_a_set_of_frames_in_an_archive_is_taken_by_its_name(tmp_path):
    iq = np.zeros((3, 2, 16), np.float32)
    np.savez(tmp_path / "a.npz", labels=np.zeros(3), iq=iq)
    assert open_recording(tmp_path / "a.npz").frames == 3
    np.savez(tmp_path / "a.npz", x=iq, y=iq)
    with pytest.raises(FileError, match="one array, or one called iq, got x, y"):
        open_recording(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.cf32", "a.cs16", "a.npy"])
def test_memory_is_that_of_a_block_whatever_the_length(tmp_path, name):
    count = 1_000_000
    if name == "a.npy":
        np.save(tmp_path / name, np.zeros((2, count), np.float32))
    else:
        (tmp_path / name).write_bytes(bytes(count * (8 if name == "a.cf32" else 4)))
    tracemalloc.start()
    seen = sum(len(block) for block in open_recording(tmp_path / name).blocks(10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == count
    assert peak < 1_000_000  # bytes; a block takes 80,000


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(50, np.float32), "complex samples, or real ones .* got float32 of shape"),
        (np.zeros((2, 50), np.int16), "complex samples, or real ones .* got int16"),
        (np.zeros((50, 2), np.float32), "last two axes look swapped"),
        (np.zeros((5, 50, 2), np.float32), "last two axes look swapped"),
        (np.zeros((3, 50), np.float32), r"must have shape \(..., 2, length\), got \(3, 50\)$"),
        (np.complex64(1), "complex samples"),
        (np.zeros(0, np.complex64), "is empty"),
        (np.zeros((0, 2, 128), np.float32), "is empty"),
        (np.array(["a"]), "complex samples"),
        (np.array([None]), "not a sound .np. "),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_of_another_form_are_refused(tmp_path, array, words, suffix):
    path = tmp_path / f"a{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, array)
    with pytest.raises(FileError, match=words) as caught:
        open_recording(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.cf32"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1j * np.nan])
def test_nan_is_refused_in_its_block_and_the_sample_named(tmp_path, name, bad):
    samples = signal()
    samples[42] = bad
    path = tmp_path / name
    {"a.npy": np.save, "a.npz": np.savez}.get(name, lambda _, s: s.tofile(path))(path, samples)
    blocks = open_recording(path).blocks(20)
    assert [len(next(blocks)) for _ in range(2)] == [20, 20]
    with pytest.raises(FileError, match="sample 42 is NaN or infinite"):
        next(blocks)


def test_values_beyond_float32_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([1, 1e300], np.complex128))
    with pytest.raises(FileError, match="sample 1 is NaN or infinite"):
        whole(open_recording(tmp_path / "a.npy"))


def test_files_cut_off_are_refused(tmp_path):
    (tmp_path / "a.cf32").write_bytes(bytes(804))
    with pytest.raises(FileError, match="cut off, 804 bytes are no whole number of cf32_le"):
        open_recording(tmp_path / "a.cf32")
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, signal())
        content = (tmp_path / name).read_bytes()
        for length in (len(content) - 8, 100, 5, 0):
            (tmp_path / name).write_bytes(content[:length])
            with pytest.raises(FileError, match=r"not a sound \.np|is empty"):
                open_recording(tmp_path / name)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    signal().tofile(tmp_path / "a.cf32")
    found = open_recording(tmp_path / "a.cf32")
    (tmp_path / "a.cf32").write_bytes(bytes(85))
    with pytest.raises(FileError, match="cut off while it was read"):
        found.read(0, 100)
    (tmp_path / "a.cf32").unlink()
    with pytest.raises(FileError, match="cannot be read"):
        found.read(0, 100)


def test_other_bad_requests_are_refused(tmp_path):
    for name in ("none.cf32", "none.iq", "none.npy", "none.npz", "none.sigmf-meta"):
        with pytest.raises(FileError, match="No such file"):
            open_recording(tmp_path / name)
    with pytest.raises(FileError, match="is a folder, no recording"):
        open_recording(tmp_path)
    (tmp_path / "a.cu8").write_bytes(b"")
    with pytest.raises(FileError, match=r"a\.cu8: is empty"):
        open_recording(tmp_path / "a.cu8")
    (tmp_path / "a.iq").write_bytes(bytes(80))
    with pytest.raises(SpecError, match="name does not say the datatype; give dtype"):
        open_recording(tmp_path / "a.iq")
    with pytest.raises(SpecError, match="dtype must be one of cf32_le"):
        open_recording(tmp_path / "a.iq", dtype="cf99")
    with pytest.raises(FileError, match="is an archive"):
        open_recording(tmp_path / "a.sigmf")
    with pytest.raises(SpecError, match="says its own dtype"):
        open_recording(tmp_path / "a.npy", dtype="cf32")
    for rate in (0, -1, float("nan"), float("inf")):
        with pytest.raises(SpecError, match="rate must be above 0 Hz"):
            open_recording(tmp_path / "a.iq", dtype="cu8", rate=rate)


@pytest.mark.parametrize("form", ["pickle", "archive"])
def test_an_array_file_that_is_something_else_runs_nothing(tmp_path, form):
    path = tmp_path / "a.npy"
    if form == "pickle":
        path.write_bytes(b"\x80\x02cos\nsystem\nU\x04exit\x85R.")
    else:
        np.savez(tmp_path / "b.npz", signal())
        (tmp_path / "b.npz").rename(path)
    with pytest.raises(FileError, match=r"not a sound \.npy array"):
        open_recording(path)


@pytest.mark.parametrize(("start", "count"), [(-1, 2), (0, 101), (101, 0), (0, -1)])
def test_samples_outside_are_refused(tmp_path, start, count):
    signal().tofile(tmp_path / "a.cf32")
    found = open_recording(tmp_path / "a.cf32")
    with pytest.raises(SpecError, match="are not all in"):
        found.read(start, count)
    for size, at in ((0, 0), (5, -1), (5, 101)):
        with pytest.raises(SpecError, match="blocks need a size"):
            found.blocks(size, at)

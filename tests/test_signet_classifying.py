"""A recording is classified as its windows are one by one; refused where it cannot be."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from graphprune.errors import MismatchError, SpecError
from signet.classifying import classify_stream, fast_normalised, mean_power
from signet.iq import NORMALISATIONS, normalised
from signet.windows import Cut

CLASSES = ("a", "b", "c", "d")
RNG = np.random.default_rng(0)
SAMPLES = (RNG.normal(size=1000) + 1j * RNG.normal(size=1000)).astype(np.complex64)


class Toy(nn.Module):
    """A linear network with dropout, which only evaluation mode leaves out."""

    def __init__(self, length=16, classes=4):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.line = nn.Linear(2 * length, classes)
        self.drop = nn.Dropout(0.5)

    def forward(self, frames):
        return self.line(self.drop(frames.flatten(1)))


class Says(nn.Module):
    """Logits that are the first samples of the frame, I then Q."""

    def forward(self, frames):
        return frames[:, 0, :4]


class Tied(nn.Module):
    """One logit for 20 of 40 classes, and another for the other 20."""

    def forward(self, frames):
        return (torch.arange(40) % 2).float().expand(len(frames), 40)


def classified(model, samples=SAMPLES, **asked):
    asked = {"length": 16, "classes": CLASSES, "normalise": "none"} | asked
    return list(classify_stream(model, [samples[:333], samples[333:]], **asked))


@pytest.mark.parametrize("normalise", NORMALISATIONS)
@pytest.mark.parametrize(("hop", "batch"), [(16, 7), (5, 256), (40, 3)])
def test_windows_get_what_the_network_says_of_each_alone(normalise, hop, batch):
    model = Toy()
    batches = classified(model, normalise=normalise, hop=hop, batch=batch, top=4)
    starts = np.concatenate([b.starts for b in batches])
    assert starts.tolist() == list(range(0, 1000 - 15, hop))
    assert all(len(b) == batch for b in batches[:-1])
    assert model.training and model.drop.training
    model.eval()
    shares = np.concatenate([b.confidences for b in batches])
    order = np.concatenate([b.classes for b in batches])
    power = np.concatenate([b.power_db for b in batches])
    for row, start in enumerate(starts):
        window = SAMPLES[start : start + 16]
        iq = np.stack([window.real, window.imag])
        with torch.no_grad():
            logits = model(torch.from_numpy(normalised(iq, normalise))[None])[0].numpy()
        alone = np.exp(logits) / np.exp(logits).sum()
        assert order[row].tolist() == np.argsort(-alone).tolist()
        assert shares[row] == pytest.approx(alone[order[row]], abs=1e-5)
        assert power[row] == pytest.approx(
            10 * np.log10(np.mean(np.abs(window) ** 2)), abs=1e-4
        )
        part = batches[row // batch]
        assert np.array_equal(part.iq[row % batch], iq)
        assert part.length == 16
    assert not any(b.unknown.any() for b in batches)


def test_the_surest_come_first_and_equal_ones_in_order():
    samples = np.zeros(16, np.complex64)
    samples[:4] = [1, 3, 3, 2]
    (batch,) = classified(Says(), samples, length=16, top=3)
    assert batch.classes.tolist() == [[1, 2, 3]]
    total = np.exp([1, 3, 3, 2]).sum()
    assert batch.confidences[0] == pytest.approx(np.exp([3, 3, 2]) / total)
    assert batch.classes.dtype == np.int64
    (batch,) = classified(
        Tied(), samples, length=16, classes=[str(k) for k in range(40)], top=40
    )
    assert batch.classes.tolist() == [[*range(1, 40, 2), *range(0, 40, 2)]]
    (batch,) = classified(Says(), samples, length=16, top=9)
    assert batch.classes.shape == batch.confidences.shape == (1, 4)


def test_unsure_quiet_and_silent_windows_are_unknown():
    rows = np.zeros((4, 16), np.complex64)
    rows[0, 0] = 4  # sure, mean power 1
    rows[1, 0] = 0.4  # unsure, mean power 0.01: -20 dB
    rows[2, 1] = 3j  # unsure, loud
    samples = rows.reshape(-1)
    found = {
        name: classified(Says(), samples, **asked)[0]
        for name, asked in {
            "neither": {},
            "threshold": {"threshold": 0.5},
            "floor": {"noise_floor": -19.9},
            "low floor": {"noise_floor": -20.1},
        }.items()
    }
    unknown = {name: batch.unknown.tolist() for name, batch in found.items()}
    assert unknown == {
        "neither": [False, False, False, True],
        "threshold": [False, True, True, True],
        "floor": [False, True, False, True],
        "low floor": [False, False, False, True],
    }
    assert found["neither"].power_db[:2].tolist() == pytest.approx([0, -20], abs=1e-5)
    assert found["neither"].power_db[3] == -np.inf
    assert found["threshold"].labels.tolist() == [0, -1, -1, -1]


@given(
    arrays(np.float32, (3, 2, 8), elements=st.floats(-8, 8, width=16)),
    st.lists(
        st.sampled_from([0, 1e-38, 1e-25, 1e-9, 1, 1e9, 1e18, 1e30]), min_size=3, max_size=3
    ),
    st.sampled_from(NORMALISATIONS),
)
def test_fast_normalisation_agrees_with_the_careful_one(iq, scales, kind):
    iq = iq * np.array(scales, np.float32)[:, None, None]
    power = mean_power(Cut(np.arange(3, dtype=np.int64), iq))
    exact = np.square(iq, dtype=np.float64).sum(axis=(1, 2)) / 8
    assert power == pytest.approx(exact, rel=1e-5, abs=1e-90)
    before = iq.copy()
    found = fast_normalised(iq, kind, power)
    assert found.dtype == np.float32
    assert np.array_equal(iq, before)
    np.testing.assert_allclose(found, normalised(iq, kind), rtol=2e-6, atol=1e-6)


def test_what_was_read_is_counted_and_memory_is_that_of_a_batch():
    taken = []

    def blocks():
        for number in range(5):
            taken.append(number)
            yield SAMPLES[:100]

    stream = classify_stream(
        Toy(), blocks(), length=16, classes=CLASSES, normalise="power", batch=4
    )
    assert taken == []
    first = next(stream)
    assert (len(first), taken, stream.windows, stream.samples) == (4, [0], 4, 100)
    assert sum(len(batch) for batch in stream) == 27
    assert (stream.windows, stream.samples, stream.rest) == (31, 500, 4)


def test_modes_and_threads_are_put_back_even_after_an_error():
    model, before = Toy(), torch.get_num_threads()
    seen = []
    model.line.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    bad = SAMPLES.copy()
    bad[900] = np.nan
    model.drop.eval()
    with pytest.raises(SpecError):
        classified(model, bad, batch=8, threads=before + 1)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before
    assert model.training and not model.drop.training
    with pytest.raises(SpecError, match="does not take"):
        classified(model, length=20, threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, complex(0, -np.inf)])
def test_samples_that_are_no_numbers_are_named(bad):
    samples = SAMPLES.copy()
    samples[777] = bad
    with pytest.raises(SpecError, match=r"NaN or infinity at sample 777$"):
        classified(Toy(), samples, batch=9)


def test_recordings_and_networks_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match="has 15 samples; one window needs 16"):
        classified(Toy(), SAMPLES[:15])
    with pytest.raises(SpecError, match="does not take windows of 20 samples"):
        classified(Toy(), length=20)
    with pytest.raises(MismatchError, match="has 4 classes, but 3 names are given"):
        classified(Toy(), classes="abc")
    broken = Toy()
    broken.line.bias.data[1] = np.nan
    with pytest.raises(SpecError, match="gives NaN or infinity"):
        classified(broken)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"normalise": "loud"}, "normalise must be one of none, l1, power, peak, got 'loud'"),
        ({"threshold": 1.5}, "threshold must be a share"),
        ({"noise_floor": np.nan}, "noise_floor must be finite"),
        ({"top": 0}, "top must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"classes": ()}, "classes must be at least 1, got 0"),
        ({"hop": 0}, "hop must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_read(wrong, said):
    asked = {"length": 16, "classes": CLASSES, "normalise": "none"} | wrong
    with pytest.raises(SpecError, match=said):
        classify_stream(Toy(), iter(()), **asked)

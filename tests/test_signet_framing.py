"""Frames cut from runs: where they start and how far apart they lie."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from signet.framing import cut_runs


@given(
    frames=st.integers(1, 200),
    length=st.integers(8, 300),
    run_length=st.integers(6000, 60_000),
    seed=st.integers(0, 99),
)
def test_starts_and_hops_are_those_of_the_published_set(frames, length, run_length, seed):
    rng = np.random.default_rng(seed)
    cuts = cut_runs(frames, length=length, run_length=run_length, rng=rng)
    assert len(cuts.run) == len(cuts.start) == frames and cuts.run[0] == 0
    begun = np.flatnonzero(np.diff(cuts.run, prepend=-1))
    assert np.all(np.diff(cuts.run) >= 0) and cuts.runs == len(begun)
    assert np.all((cuts.start[begun] >= 50) & (cuts.start[begun] <= 500))
    hops = np.diff(cuts.start)[np.diff(cuts.run) == 0]
    assert np.all((hops >= length) & (hops <= round(0.05 * run_length)))
    assert np.all(cuts.start + length < run_length)


def test_a_run_gives_about_forty_frames():
    rng = np.random.default_rng(0)
    cuts = cut_runs(2000, length=128, run_length=80_000, rng=rng)
    assert 36 < 2000 / cuts.runs < 42
    assert cuts.start[np.diff(cuts.run, append=99) == 0].mean() > 30_000

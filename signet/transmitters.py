"""The transmitted windows of a cell: of fresh signals, or of the runs of a faithful set."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from signet import analogue, modulate
from signet.specs import SetSpec
from signet.speech import FULL_SCALE, speech

Windows = NDArray[np.complex64]
RUN_BITS = {"QAM16": 20_000, "QAM64": 30_000}  # of a faithful run, else:
_RUN_ITEMS = 10_000  # bits or audio samples
_RECORDING = 6  # seed of the one recording that every faithful run begins anew
_SLOT = 64  # audio samples of fresh speech a frame, so that frames share none
_LEAST_SPEECH = 44_100  # audio samples: 1 s
_ROLL_OFF_STEPS = 50


def run_length(name: str) -> int:
    """Samples of one run of a faithful set."""
    if name in analogue.ANALOGUE:
        return len(_recorded(name))
    bits = modulate.DIGITAL[name].bits
    return RUN_BITS.get(name, _RUN_ITEMS) // bits * 8


LONGEST_RUN = 8 * _RUN_ITEMS


@lru_cache(maxsize=3)
def _recorded(name: str) -> Windows:
    rng = np.random.default_rng(_RECORDING)
    audio = speech(_RUN_ITEMS, rng, quiet_start=True) / FULL_SCALE
    return analogue.whole_run(name, audio)


def run_windows(
    name: str,
    spec: SetSpec,
    run: NDArray[np.int64],
    first: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
) -> Windows:
    """Windows of the runs of a faithful set.

    Args:
        name: Of the class.
        spec: The set.
        run: Of each window, counted from 0; shape (batch,).
        first: First sample of each window in its run; shape (batch,).
        count: Samples of a window.
        rng: Source of the symbols; the audio is always the same.

    Returns:
        Shape (batch, count).
    """
    if name in analogue.ANALOGUE:
        whole = np.pad(_recorded(name), (0, count))
        found: Windows = whole[first[:, None] + np.arange(count)]
        return found
    modulation = modulate.DIGITAL[name]
    sps = spec.samples_per_symbol
    symbols = rng.integers(
        len(modulation.points), size=(int(run[-1]) + 1, run_length(name) // sps)
    )
    form = modulate.shaping(modulation.shape, modulation.index, spec.roll_off[0], sps, count)
    return modulate.run_windows(modulation, modulation.points[symbols], run, first, sps, form)


def fresh_windows(
    name: str, spec: SetSpec, batch: int, count: int, rng: np.random.Generator
) -> Windows:
    """Windows of `batch` transmissions, each its own, long after its start.

    Args:
        name: Of the class.
        spec: The set.
        batch: Number of windows.
        count: Samples of a window.
        rng: Source of symbols, timing, roll-off, phase and speech.

    Returns:
        Shape (batch, count).
    """
    if name in analogue.ANALOGUE:
        return _fresh_audio(name, batch, count, rng)
    modulation = (modulate.DIGITAL if spec.fading else modulate.SECOND)[name]
    offset = rng.integers(spec.samples_per_symbol, size=batch)
    low, high = spec.roll_off
    if not modulation.linear or low == high:
        return _fresh_symbols(modulation, spec, offset, low, count, rng)
    found = np.empty((batch, count), dtype=np.complex64)
    step = np.sort(rng.integers(_ROLL_OFF_STEPS + 1, size=batch))
    for value in np.unique(step):
        chosen = np.flatnonzero(step == value)
        roll_off = low + (high - low) * float(value) / _ROLL_OFF_STEPS
        found[chosen] = _fresh_symbols(modulation, spec, offset[chosen], roll_off, count, rng)
    return found


def _fresh_symbols(
    modulation: modulate.Digital,
    spec: SetSpec,
    offset: NDArray[np.int64],
    roll_off: float,
    count: int,
    rng: np.random.Generator,
) -> Windows:
    form = modulate.shaping(
        modulation.shape, modulation.index, roll_off, spec.samples_per_symbol, count
    )
    picked = rng.integers(
        len(modulation.points), size=(len(offset), form.reach), dtype=np.uint8
    )
    return modulate.windows(modulation, modulation.points[picked], offset, form)


def _fresh_audio(name: str, batch: int, count: int, rng: np.random.Generator) -> Windows:
    need = analogue.need(name, count)
    lead = analogue.lead(name)
    fresh = need - lead  # samples that a window itself covers
    slot = max(_SLOT, fresh)
    samples = max(_LEAST_SPEECH, lead + (batch + 1) * slot)
    audio = (speech(samples, rng) / FULL_SCALE).astype(np.float32)
    slots = rng.permutation((samples - lead) // slot - 1)[:batch]
    begin = slots * slot + rng.integers(slot - fresh + 1, size=batch)
    return analogue.windows(name, audio[begin[:, None] + np.arange(need)], count)

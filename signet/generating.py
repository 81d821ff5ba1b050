"""Generated sets of frames: cell by cell, reproducible, on as many processes as wanted."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from signet import channel, transmitters
from signet.framing import cut_runs
from signet.iq import NORMALISATIONS, Frames, Normalisation, as_iq, join, normalised
from signet.specs import MODES, SPECS, SetSpec, named_spec

Mode = Literal["corrected", "faithful"]
BLOCK = 1024  # frames made at once, of one class and label
_BATCH = 64  # frames that go through the channel together, few enough for the cache
_WAITING = 4  # blocks a process that may wait to be read


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """What is to be generated.

    `frames` counts frames of each class and label; `snr` and `classes` pick some of the set's
    labels in dB and classes, None means all; `seed` fixes every random choice.

    Raises:
        SpecError: Names an option that no set has, and what is allowed.
    """

    spec: str = "rml2016a"
    mode: str = "corrected"
    frames: int = 200
    snr: tuple[float, ...] | None = None
    classes: tuple[str, ...] | None = None
    seed: int = 0
    normalise: str = "l1"

    def __post_init__(self) -> None:
        known = named_spec(self.spec)
        if self.mode not in known.modes:
            raise SpecError(
                f"mode of {self.spec} must be {' or '.join(known.modes)}, got {self.mode!r}"
            )
        if self.frames < 1:
            raise SpecError(f"frames must be at least 1, got {self.frames}")
        if self.seed < 0:
            raise SpecError(f"seed must be at least 0, got {self.seed}")
        if self.normalise not in NORMALISATIONS:
            raise SpecError(
                f"normalise must be one of {', '.join(NORMALISATIONS)}, got {self.normalise!r}"
            )
        _check_picked("class", self.classes, known.classes)
        _check_picked("snr", self.snr, known.snr)

    @property
    def set_spec(self) -> SetSpec:
        """The set."""
        return SPECS[self.spec]

    @property
    def labels(self) -> tuple[float, ...]:
        """Labels of SNR in dB, rising."""
        return tuple(sorted(float(label) for label in self.snr or self.set_spec.snr))

    @property
    def names(self) -> tuple[str, ...]:
        """Classes, sorted."""
        return tuple(sorted(self.classes or self.set_spec.classes))


def _check_picked(
    what: str, picked: tuple[object, ...] | None, allowed: tuple[object, ...]
) -> None:
    if picked is None:
        return
    for one in picked:
        if one not in allowed:
            raise SpecError(
                f"{what} must be among {', '.join(str(name) for name in allowed)}, got {one!r}"
            )
    if not picked or len(set(picked)) < len(picked):
        raise SpecError(f"{what} must name each once and at least one, got {list(picked)}")


@dataclass(frozen=True, slots=True)
class _Block:
    """One task: `count` frames of a class and label, the first being `begin` of its cell."""

    request: GenerateRequest
    name: str
    label: float
    begin: int
    count: int
    first_run: int


def _blocks(request: GenerateRequest) -> list[_Block]:
    """Every block in order; run ids of different blocks are kept apart."""
    spec = request.set_spec
    found = []
    for name in request.names:
        for label in request.labels:
            cell = spec.classes.index(name) * len(spec.snr) + spec.snr.index(int(label))
            for begin in range(0, request.frames, BLOCK):
                count = min(BLOCK, request.frames - begin)
                first_run = cell * request.frames + begin
                found.append(_Block(request, name, label, begin, count, first_run))
    return found


def _rng(block: _Block) -> np.random.Generator:
    """Random numbers that depend on the cell and block alone, not on what else is made."""
    request = block.request
    spec = request.set_spec
    key = (
        sorted(SPECS).index(request.spec),
        MODES.index(request.mode),
        spec.classes.index(block.name),
        spec.snr.index(int(block.label)),
        block.begin // BLOCK,
    )
    return np.random.default_rng(np.random.SeedSequence(request.seed, spawn_key=key))


def make_block(block: _Block) -> Frames:
    """The frames of one block."""
    rng = _rng(block)
    make = _faithful if block.request.mode == "faithful" else _corrected
    samples, runs, true = make(block, rng)
    names = block.request.names
    iq = normalised(as_iq(samples), _kind(block.request.normalise))
    return Frames(
        iq=iq,
        labels=np.full(block.count, names.index(block.name), dtype=np.int64),
        snr=np.full(block.count, block.label),
        classes=names,
        runs=runs + block.first_run,
        true_snr=true,
    )


def _kind(name: str) -> Normalisation:
    for kind in get_args(Normalisation):
        if kind == name:
            found: Normalisation = kind
            return found
    raise AssertionError(name)


_Made = tuple[NDArray[np.complex64], NDArray[np.int64], NDArray[np.float64]]


def _faithful(block: _Block, rng: np.random.Generator) -> _Made:
    spec = block.request.set_spec
    fixed = channel.fixed_channel(spec, transmitters.LONGEST_RUN)
    length = transmitters.run_length(block.name)
    cuts = cut_runs(block.count, length=spec.length, run_length=length, rng=rng)
    sent = transmitters.run_windows(
        block.name, spec, cuts.run, fixed.first(cuts.start, spec), channel.window(spec), rng
    )
    through = fixed.realisation(cuts.start, spec)
    signal = channel.received(sent, through, spec)
    noise = through.noise * np.float32(10 ** (-block.label / 10))
    return signal + noise, cuts.run, _ratio(_power(signal), _power(noise))


def _corrected(block: _Block, rng: np.random.Generator) -> _Made:
    spec = block.request.set_spec
    sent = transmitters.fresh_windows(block.name, spec, block.count, channel.window(spec), rng)
    found = np.empty((block.count, spec.length), dtype=np.complex64)
    true = np.empty(block.count)
    for begin in range(0, block.count, _BATCH):
        some = slice(begin, min(begin + _BATCH, block.count))
        through = channel.random_channels(spec, some.stop - begin, rng)
        signal = channel.received(sent[some], through, spec)
        power = _power(signal)
        amplitude = np.sqrt(power) * 10 ** (-block.label / 20)
        noise = through.noise * amplitude.astype(np.float32)[:, None]
        found[some] = signal + noise
        true[some] = _ratio(power, _power(noise))
    return found, np.arange(block.count), true


def _power(samples: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Mean power of each row."""
    flat = samples.view(np.float32)
    total: NDArray[np.float64] = np.einsum("ij,ij->i", flat, flat).astype(np.float64)
    total /= samples.shape[1]
    return total


def _ratio(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratio in dB, -inf without a signal."""
    found = np.full(len(signal), -np.inf)
    sent = signal > 0
    found[sent] = 10 * np.log10(signal[sent] / noise[sent])
    return found


def generated_blocks(
    request: GenerateRequest,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Frames]:
    """Frames of a request in blocks of one class and label, for a writer to stream.

    Args:
        request: What is wanted.
        jobs: Processes to share the work; the frames do not depend on it.
        progress: Called after each block with the frames done and the frames in all.

    Yields:
        At most 1024 frames at a time, class by class and in each label by label.

    Raises:
        SpecError: `jobs` is below 1.
    """
    if jobs < 1:
        raise SpecError(f"jobs must be at least 1, got {jobs}")
    blocks = _blocks(request)
    total = sum(block.count for block in blocks)
    done = 0
    for frames in _made(blocks, jobs):
        done += len(frames)
        yield frames
        if progress is not None:
            progress(done, total)


def _made(blocks: list[_Block], jobs: int) -> Iterator[Frames]:
    """Blocks in order; with several processes only few are ahead of the reader."""
    if jobs == 1:
        yield from map(make_block, blocks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = []
        try:
            for block in blocks:
                waiting.append(pool.submit(make_block, block))
                if len(waiting) >= jobs * _WAITING:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for late in waiting:
                late.cancel()


def generate(
    spec: str = "rml2016a",
    *,
    mode: Mode = "corrected",
    frames: int = 200,
    snr: tuple[float, ...] | None = None,
    classes: tuple[str, ...] | None = None,
    seed: int = 0,
    normalise: Normalisation = "l1",
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Frames:
    """Generate a set of labelled frames in memory.

    Args:
        spec: "rml2016a", "rml2016c" or "sig12".
        mode: "faithful" has the defects of the published set: labels that are not the SNR, one
            channel and noise for every run, silent AM-SSB, transients. "corrected" has none:
            each frame comes from its own run and channel, and its SNR is its label.
        frames: Frames of each class and label.
        snr: Labels in dB, None for all of the set.
        classes: Names, None for all of the set.
        seed: Fixes every random choice.
        normalise: How large frames are made, as `iq.normalised` has it.
        jobs: Processes; the result does not depend on it.
        progress: Called after each block with the frames done and the frames in all.

    Returns:
        Class by class and in each label by label; with run ids and the measured SNR.

    Raises:
        SpecError: There is no such set, mode, class, label or normalisation.
    """
    request = GenerateRequest(
        spec=spec,
        mode=mode,
        frames=frames,
        snr=None if snr is None else tuple(snr),
        classes=None if classes is None else tuple(classes),
        seed=seed,
        normalise=normalise,
    )
    return join(list(generated_blocks(request, jobs=jobs, progress=progress)))

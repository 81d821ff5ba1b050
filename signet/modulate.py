"""Digital modulations: symbols in, windows of complex samples out, over whole batches."""

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from signet import pulses

GFSK_SENSITIVITY = 0.1  # rad a sample
GFSK_BT = 0.35
GFSK_AMPLITUDE = 0.999
CPFSK_INDEX = 0.5
Shape = Literal["rrc", "rc", "offset", "gaussian", "straight"]
_LINEAR = ("rrc", "rc", "offset")


@dataclass(frozen=True, slots=True, eq=False)
class Digital:
    """A digital modulation.

    `points` are the values of its symbols, complex for linear modulations, real ones for
    frequency keying; `shape` is the pulse: root raised cosine, raised cosine, the same with Q
    half a symbol late, or a Gaussian or straight step of phase of modulation index `index`.
    """

    points: NDArray[np.complex64]
    shape: Shape = "rrc"
    amplitude: float = 1.0
    index: float = CPFSK_INDEX

    @property
    def linear(self) -> bool:
        """Whether symbols are sent as values, not as frequencies."""
        return self.shape in _LINEAR

    @property
    def bits(self) -> int:
        """Bits a symbol."""
        return len(self.points).bit_length() - 1


def _unit_magnitude(points: NDArray[np.complex128]) -> NDArray[np.complex64]:
    """Points scaled to a mean magnitude of 1."""
    found: NDArray[np.complex64] = (points / np.abs(points).mean()).astype(np.complex64)
    return found


def _circle(count: int, turn: float = 0.0) -> NDArray[np.complex64]:
    angle = 2 * np.pi * np.arange(count) / count + turn
    found: NDArray[np.complex64] = np.exp(1j * angle).astype(np.complex64)
    return found


def _line(count: int) -> NDArray[np.complex64]:
    return _unit_magnitude((2.0 * np.arange(count) - count + 1).astype(np.complex128))


def _grid(side: int, *, corner: int = 0) -> NDArray[np.complex64]:
    """A square grid, without `corner` x `corner` points at each corner."""
    level = 2.0 * np.arange(side) - side + 1
    points = (level[:, None] + 1j * level).reshape(-1)
    edge = side - 1 - 2 * corner
    kept = (np.abs(points.real) <= edge) | (np.abs(points.imag) <= edge)
    return _unit_magnitude(points[kept])


def _levels(count: int) -> NDArray[np.complex64]:
    return (2.0 * np.arange(count) - count + 1).astype(np.complex64)


DIGITAL: MappingProxyType[str, Digital] = MappingProxyType(
    {
        "BPSK": Digital(_circle(2)),
        "QPSK": Digital(_circle(4, np.pi / 4)),
        "8PSK": Digital(_circle(8)),
        "PAM4": Digital(_line(4)),
        "QAM16": Digital(_grid(4)),
        "QAM64": Digital(_grid(8)),
        "GFSK": Digital(_levels(2), "gaussian", GFSK_AMPLITUDE),
        "CPFSK": Digital(_levels(2), "straight"),
    }
)
# The second set: raised cosine pulses; frequency keying of index 0.5 keeps 8 tones in band.
SECOND: MappingProxyType[str, Digital] = MappingProxyType(
    {
        "BPSK": Digital(_circle(2), "rc"),
        "QPSK": Digital(_circle(4, np.pi / 4), "rc"),
        "8PSK": Digital(_circle(8), "rc"),
        "OQPSK": Digital(_circle(4, np.pi / 4), "offset"),
        "4PAM": Digital(_line(4), "rc"),
        "8PAM": Digital(_line(8), "rc"),
        "16QAM": Digital(_grid(4), "rc"),
        "32QAM": Digital(_grid(6, corner=1), "rc"),
        "64QAM": Digital(_grid(8), "rc"),
        "2FSK": Digital(_levels(2), "straight"),
        "4FSK": Digital(_levels(4), "straight"),
        "8FSK": Digital(_levels(8), "straight"),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Shaping:
    """Matrices that shape symbols into windows of `count` samples.

    `span` counts the symbols of a pulse and `reach` those that bear on a window; `settled` is
    the phase in rad that a symbol +1 leaves behind, 0 for linear modulations.
    """

    matrices: tuple[NDArray[np.float32], ...]
    count: int
    span: int
    reach: int
    settled: float


@lru_cache(maxsize=256)
def shaping(
    shape: Shape, index: float, roll_off: float, samples_per_symbol: int, count: int
) -> Shaping:
    """How symbols of a modulation become windows of `count` samples.

    Args:
        shape: Of the pulse.
        index: Modulation index, of straight phase steps only.
        roll_off: Of cosine pulses only.
        samples_per_symbol: Samples a symbol.
        count: Samples of a window.
    """
    sps = samples_per_symbol
    settled = 0.0
    if shape == "gaussian":
        pulse = pulses.gaussian_phase(GFSK_SENSITIVITY, GFSK_BT, sps)
        settled = float(pulse[-1])
    elif shape == "straight":
        pulse = pulses.straight_phase(index, sps)
        settled = float(pulse[-1])
    elif shape == "rrc":
        pulse = pulses.root_raised_cosine(roll_off, sps)
    else:
        pulse = pulses.raised_cosine(roll_off, sps)
    made = [pulse]
    if shape == "offset":
        late = sps // 2
        made = [np.pad(pulse, (0, sps)), np.pad(pulse, (late, sps - late))]
    return Shaping(
        matrices=tuple(pulses.shaping_matrix(one, count, sps, rest=settled) for one in made),
        count=count,
        span=len(made[0]) // sps,
        reach=pulses.reach(made[0], count, sps),
        settled=settled,
    )


def windows(
    modulation: Digital,
    context: NDArray[np.complex64],
    offset: NDArray[np.int64],
    form: Shaping,
    before: NDArray[np.float64] | None = None,
) -> NDArray[np.complex64]:
    """Windows of a modulated signal.

    Args:
        modulation: Which.
        context: Values of the symbols that reach into each window; shape (batch, reach).
        offset: Samples that each window starts after its newest first symbol; shape (batch,).
        form: Of `shaping`.
        before: Phase in rad that earlier symbols have left, of frequency keying; shape
            (batch,), 0 if None.

    Returns:
        Shape (batch, count).
    """
    found = np.empty((len(context), form.count), dtype=np.complex64)
    if not modulation.linear:
        levels = np.ascontiguousarray(context.real)
        phase = pulses.shaped(levels, offset, form.matrices[0], form.count)
        if before is not None:
            phase += np.mod(before, 2 * np.pi).astype(np.float32)[:, None]
        np.cos(phase, out=found.real)
        np.sin(phase, out=found.imag)
        if modulation.amplitude != 1.0:
            found *= np.float32(modulation.amplitude)
        return found
    first, last = form.matrices[0], form.matrices[-1]
    if first is last:
        parts = np.stack([context.real, context.imag], axis=1)
        both = pulses.shaped(parts, offset, first, form.count)
        found.real, found.imag = both[:, 0], both[:, 1]
    else:
        found.real = pulses.shaped(context.real, offset, first, form.count)
        found.imag = pulses.shaped(context.imag, offset, last, form.count)
    return found


def run_windows(
    modulation: Digital,
    symbols: NDArray[np.complex64],
    run: NDArray[np.int64],
    first: NDArray[np.int64],
    samples_per_symbol: int,
    form: Shaping,
) -> NDArray[np.complex64]:
    """Windows out of whole runs, the silence before their start included.

    Args:
        modulation: Which.
        symbols: Of each run from its start on; shape (runs, symbols).
        run: Of each window; shape (batch,).
        first: First sample of each window in its run, at least 0; shape (batch,).
        samples_per_symbol: Samples a symbol.
        form: Of `shaping`.

    Returns:
        Shape (batch, count).
    """
    newest, offset = np.divmod(first, samples_per_symbol)
    padded = np.pad(symbols, ((0, 0), (form.span - 1, form.reach)))
    at = newest[:, None] + np.arange(form.reach)
    before = None
    if not modulation.linear:
        # Symbols older than the context have left their full phase behind.
        total = np.cumsum(padded.real.astype(np.float64), axis=1)
        total = np.pad(total, ((0, 0), (1, 0)))
        before = form.settled * total[run, newest]
    return windows(modulation, padded[run[:, None], at], offset, form, before)

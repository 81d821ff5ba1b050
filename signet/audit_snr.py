"""Checks of SNR labels: noise measured beside the signal, classes that are noise only.

Most signals leave part of the band free. The quietest quarter of a cell's mean spectrum then
holds noise only, and the noise is four times what lies there. A signal whose skirts reach into
that quarter makes it uneven, and the cell is passed over. The kurtosis of the samples tells
noise from a signal that fills the band: it is 2 for Gaussian noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signet.audit_frames import common
from signet.findings import Finding, Grid, Positions, Severity, low_fence, medians, named
from signet.frame_table import BANDS, LEAST_SEGMENT, FrameTable, freedom, segment

_QUARTER = BANDS // 4
_LEAST_FRAMES = 4  # a cell; a mean spectrum of fewer says little
_RANGE = (-3.0, 30.0)  # dB in which the estimate is good
_UNEVEN = 0.15  # standard deviation over mean of the noise across the quiet quarter
_APART = 3.0  # dB between label and estimate: a fading channel's median lies 1.6 below its mean
_STORED_APART = 1.0  # dB between label and stored value
_SLOPE = 0.3  # dB a dB that the estimate may grow more or less than the label
_LOUD = 6.0  # dB of label at which even an unfiltered label of a symbol shows its signal
_GAUSSIAN = 0.1  # of kurtosis around that of noise
_NOISY, _USUAL = 0.6, 0.2  # noise in the power of a frame, and of the cell it stands out from
_FENCE = 3.0  # quartile ranges of the SNR in dB
_RUN = 5  # frames of a fade, where the runs are not known


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CellNoise:
    """What the spectra say of each cell; all of shape (cells,).

    `snr` is the estimate over the whole band in dB, nan where it cannot be told. `noise` is the
    median share of noise in a frame's power, `error` the standard error of `snr` in dB that
    fading leaves. `white`: the cell looks like noise only.
    `frame_noise`, shape (frames looked at,), is the share of noise in the power of each frame.
    """

    snr: NDArray[np.float64]
    noise: NDArray[np.float64]
    error: NDArray[np.float64]
    white: NDArray[np.bool_]
    frame_noise: NDArray[np.float64]


def measure_noise(
    table: FrameTable, grid: Grid, length: int, runs: Positions | None = None
) -> CellNoise:
    """Noise and SNR of every cell.

    Args:
        table: What was measured of the frames.
        grid: Their cells.
        length: Samples a frame.
        runs: Run of each frame looked at, shape (frames,), None where it is not known.
    """
    cells = len(grid.cells)
    snr, noise, error = (np.full(cells, np.nan) for _ in range(3))
    white, frame_noise = np.zeros(cells, np.bool_), np.full(len(table), np.nan)
    usable = table.sound & (table.bands.sum(axis=1) > 0)
    free = freedom(length)
    for cell, members in enumerate(grid.members()):
        at = members[usable[members]]
        if len(at) < _LEAST_FRAMES or segment(length) < LEAST_SEGMENT:
            continue
        bands = table.bands[at].astype(np.float64)
        mean = bands.mean(axis=0)
        around = (int(quietest(mean)) + np.arange(_QUARTER)) % BANDS
        shares = bands[:, around].sum(axis=1) * BANDS / _QUARTER
        frame_noise[at] = shares
        # The median of a mean of n exponential values lies 1 / (3 n) below its mean.
        noise[cell] = np.median(shares) / (1 - 4 / (3 * free))
        rough = mean[around].std() / mean[around].mean()
        if rough <= max(_UNEVEN, 3 / np.sqrt(len(at) * free / BANDS)):
            snr[cell] = 10 * np.log10(max(1 / noise[cell] - 1, 1e-9))
        error[cell] = _error(shares, None if runs is None else runs[at])
        kurtosis = table.kurtosis[at].mean(dtype=np.float64) * (length + 1) / length
        level = 5 / np.sqrt(len(at) * free / BANDS) + 0.05
        spread = 6 * 2 / np.sqrt(len(at) * length)
        white[cell] = mean.max() * BANDS < 1 + level and abs(kurtosis - 2) < max(
            _GAUSSIAN, spread
        )
    return CellNoise(snr=snr, noise=noise, error=error, white=white, frame_noise=frame_noise)


def _error(shares: NDArray[np.float64], runs: Positions | None) -> float:
    """Standard error of a cell's SNR in dB, by the spread of its frames' shares of noise."""
    level = 10 * np.log10(np.maximum(1 / shares - 1, 1e-2))
    low, high = np.quantile(level, (0.25, 0.75))
    apart = len(shares) / _RUN if runs is None else len(np.unique(runs))
    return float((high - low) / 1.35 / np.sqrt(max(apart, 1)))


def quietest(bands: NDArray[np.float64]) -> np.int64:
    """First of the adjacent bands, a quarter of all and around the end, of the least power."""
    around = np.append(bands, bands[: _QUARTER - 1])
    return np.argmin(np.convolve(around, np.ones(_QUARTER), "valid"))


def silent_findings(noise: CellNoise, grid: Grid) -> list[Finding]:
    """Classes and cells of high label in which there is nothing but noise."""
    levels = np.array([level for _, level in grid.cells])
    names = np.array([name for name, _ in grid.cells])
    loud = (levels >= _LOUD) & ~np.isnan(noise.noise)
    bare = noise.white & loud
    if not bare.any():
        return []
    whole = [name for name in dict.fromkeys(names[bare]) if bare[loud & (names == name)].all()]
    cells = bare | np.isin(names, whole)
    what = f"{', '.join(whole)} is noise at every label" if whole else ""
    partly = named(
        [c for c, bad in zip(grid.cells, bare, strict=True) if bad and c[0] not in whole]
    )
    more = f"some cells of {partly} are noise" if partly else ""
    why = f"{' and '.join(filter(None, (what, more)))}: a white spectrum and Gaussian samples"
    return [grid.finding("silent class", "error", cells[grid.here], why)]


def noisy_findings(noise: CellNoise, grid: Grid) -> list[Finding]:
    """Frames that are mostly noise in a cell whose other frames are mostly signal."""
    usual = noise.noise <= _USUAL
    judged = usual[grid.here]
    with np.errstate(invalid="ignore"):
        bad = judged & (noise.frame_noise >= _NOISY)
    with np.errstate(invalid="ignore", divide="ignore"):
        level = 10 * np.log10(np.maximum(1 / noise.frame_noise - 1, 1e-3))
    bad &= level < low_fence(level, grid, judged & np.isfinite(level), _FENCE)
    if not bad.any():
        return []
    count = int(bad.sum())
    why = f"{count} frames are mostly noise while their cell is mostly signal"
    severity: Severity = "warning" if common(count, int(judged.sum())) else "note"
    return [grid.finding("noise only", severity, bad, why)]


def snr_findings(noise: CellNoise, grid: Grid) -> list[Finding]:
    """Labels that are not the SNR that the spectra show."""
    with np.errstate(invalid="ignore"):
        told = (noise.snr >= _RANGE[0]) & (noise.snr <= _RANGE[1])
    names = np.array([name for name, _ in grid.cells])
    levels = np.array([level for _, level in grid.cells])
    for name in dict.fromkeys(names):
        here = names == name
        best = np.max(noise.snr[here], initial=-np.inf, where=~np.isnan(noise.snr[here]))
        # Skirts of the signal pass for noise and limit the estimate: only well below the
        # limit does it say that a label is too high.
        told &= ~here | (noise.snr >= levels) | (noise.snr <= best - _APART)
    return _apart(noise.snr, told & ~noise.white, grid, "snr", _APART + 3 * noise.error)


def stored_findings(true_snr: NDArray[np.float64], grid: Grid) -> list[Finding]:
    """Labels that are not the SNR that the set itself holds, shape (frames looked at,)."""
    middle = medians(true_snr, grid, np.isfinite(true_snr))
    return _apart(
        middle, np.isfinite(middle), grid, "stored snr", np.full(len(middle), _STORED_APART)
    )


def _apart(
    found: NDArray[np.float64],
    told: NDArray[np.bool_],
    grid: Grid,
    check: str,
    most: NDArray[np.float64],
) -> list[Finding]:
    """Cells whose SNR is more than `most` dB from the label, and what they have in common."""
    levels = np.array([level for _, level in grid.cells])
    with np.errstate(invalid="ignore"):
        wrong = told & (np.abs(found - levels) > most)
    if not wrong.any():
        return []
    off = (found - levels)[told]
    slope, offset = line(levels[told], found[told])
    severity: Severity = "error"
    if abs(slope - 1) > _SLOPE:
        what = f"the true SNR is about {slope:.2g} x label {offset:+.1f} dB"
    elif wrong.sum() > told.sum() / 2 and np.ptp(off) < 2 * _APART:
        severity = "warning"
        what = f"the true SNR over the whole band is the label {np.median(off):+.1f} dB"
    else:
        worst = int(np.argmax(np.where(wrong, np.abs(found - levels), 0)))
        name, level = grid.cells[worst]
        what = f"{name} at label {level:g} dB has {found[worst]:.1f} dB, the farthest off"
    count = f"{int(wrong.sum())} of {int(told.sum())} cells"
    why = f"{count} that can be told have another SNR than their label: {what}"
    return [grid.finding(check, severity, wrong[grid.here], why)]


def line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of the line through points by the median of slopes (Theil-Sen).

    Slope 1 where the points have one x only.

    Source:
        Sen, 1968, doi 10.1080/01621459.1968.10480934.
    """
    one, two = np.triu_indices(len(x), 1)
    apart = x[two] != x[one]
    slope = 1.0
    if apart.any():
        slope = float(np.median(((y[two] - y[one])[apart]) / (x[two] - x[one])[apart]))
    return slope, float(np.median(y - slope * x))


def cell_rows(noise: CellNoise, grid: Grid) -> Sequence[tuple[str, float, int, float | None]]:
    """Class, label in dB, frames looked at, and SNR in dB, None where it cannot be told."""
    counts: Positions = np.bincount(grid.here, minlength=len(grid.cells))
    rows = []
    for (name, level), count, snr in zip(
        grid.cells, counts.tolist(), noise.snr.tolist(), strict=True
    ):
        told = _RANGE[0] <= snr <= _RANGE[1]
        rows.append((name, level, count, snr if told else None))
    return rows

"""A whole recording on one page: power in time and frequency, labels, samples of each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from signet.iq import as_complex
from signet.segments import WindowBatch

_BINS = 256  # most frequencies
_LOOKS = 8  # windows transformed for a column
_RUN = 16  # neighbouring windows shown of a label


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Page:
    """What a picture of a recording needs.

    `power_db` is the mean power in each cell of frequency and time in dB of full scale,
    float32, shape (frequencies, columns), the lowest frequency first and 0 Hz in the middle,
    NaN where no window lies. `shares` says which share of a column's windows has each label,
    float64, shape (classes + 1, columns), the unknown ones last. `shown` are samples by label,
    complex64, of up to 16 neighbouring windows, scaled to mean power 1.
    """

    power_db: NDArray[np.float32]
    shares: NDArray[np.float64]
    shown: Mapping[int, NDArray[np.complex64]]


class Overview:
    """Gathers a page while batches of windows pass; its memory does not grow with them."""

    def __init__(
        self, *, samples: int, classes: int, length: int, hop: int, columns: int = 500
    ) -> None:
        """Start an empty page.

        Args:
            samples: Samples of the recording.
            classes: Count of classes.
            length: Samples a window.
            hop: Samples from one window to the next.
            columns: Columns of the page; fewer where there are fewer windows.

        Raises:
            SpecError: A number is below 1, or the recording shorter than a window.
        """
        numbers = {"classes": classes, "length": length, "hop": hop, "columns": columns}
        for name, value in numbers.items():
            if value < 1:
                raise SpecError(f"{name} must be at least 1, got {value}")
        if samples < length:
            raise SpecError(f"{samples} samples hold no window of {length}")
        windows = (samples - length) // hop + 1
        columns = min(columns, windows)
        self._windows, self._every = windows, max(1, windows // (columns * _LOOKS))
        self._bins, self._seen = min(length, _BINS), 0
        self._taper = np.hanning(self._bins + 1)[:-1].astype(np.float32)
        self._power = np.zeros((columns, self._bins))
        self._looks = np.zeros(columns, np.int64)
        self._counts = np.zeros((classes + 1, columns), np.int64)
        self._shown: dict[int, tuple[float, NDArray[np.complex64]]] = {}

    def watch(self, batches: Iterable[WindowBatch]) -> Iterator[WindowBatch]:
        """The batches unchanged, gathered on the way."""
        for batch in batches:
            self.add(batch)
            yield batch

    def add(self, batch: WindowBatch) -> None:
        """Gather a batch; batches come in the order of the recording."""
        number = self._seen + np.arange(len(batch))
        self._seen += len(batch)
        columns = number * len(self._looks) // self._windows
        np.add.at(self._counts, (batch.labels, columns), 1)
        chosen = number % self._every == 0
        self._add_power(as_complex(batch.iq[chosen]), columns[chosen])
        self._show(batch)

    def page(self) -> Page:
        """What was gathered so far."""
        with np.errstate(divide="ignore", invalid="ignore"):
            power = 10 * np.log10(self._power / self._looks[:, None])
            shares = self._counts / self._counts.sum(axis=0)
        return Page(
            power_db=power.T.astype(np.float32),
            shares=np.nan_to_num(shares),
            shown={label: samples for label, (_, samples) in sorted(self._shown.items())},
        )

    def _add_power(self, windows: NDArray[np.complex64], columns: NDArray[np.int64]) -> None:
        """Periodograms of the windows, whose sum over frequencies is the mean power."""
        parts = windows.shape[1] // self._bins
        cut = windows[:, : parts * self._bins].reshape(len(windows), parts, self._bins)
        spectra = np.fft.fftshift(np.fft.fft(cut * self._taper, axis=2), axes=2)
        power = np.square(np.abs(spectra)).mean(axis=1)
        power /= self._bins * np.square(self._taper).sum()
        np.add.at(self._power, columns, power)
        np.add.at(self._looks, columns, 1)

    def _show(self, batch: WindowBatch) -> None:
        """Keep, for each label, the neighbouring windows that are surest of it."""
        labels = batch.labels
        first = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1))
        for start, end in zip(first, [*first[1:], len(labels)], strict=True):
            run = slice(start, min(end, start + _RUN))
            label, score = int(labels[start]), float(batch.confidences[run, 0].sum())
            if score <= self._shown.get(label, (0.0,))[0]:
                continue
            samples = as_complex(batch.iq[run]).reshape(-1)
            scale = np.sqrt(np.square(np.abs(samples)).mean()) or 1.0
            self._shown[label] = score, (samples / scale).astype(np.complex64)

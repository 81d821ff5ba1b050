"""What is known of each frame of a set beside its samples, checked for every file form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError
from signet.iq import Labels


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Columns:
    """Labels and the like of a set of frames, one value a frame; meanings as in `Frames`.

    All arrays have shape (count,).
    """

    classes: tuple[str, ...]
    labels: Labels
    snr: NDArray[np.float64]
    runs: Labels | None = None
    true_snr: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.labels)


def checked_columns(
    name: str,
    *,
    count: int,
    classes: Sequence[Any],
    labels: NDArray[Any],
    snr: NDArray[Any],
    runs: NDArray[Any] | None = None,
    true_snr: NDArray[Any] | None = None,
) -> Columns:
    """Columns as a file has them, of the right types.

    Args:
        name: What to call the file in an error.
        count: Number of frames that there are samples of.
        classes: Names, as text or UTF-8 bytes.
        labels: Whole numbers, shape (count,).
        snr: In dB, shape (count,).
        runs: Whole numbers, shape (count,), or None.
        true_snr: In dB, shape (count,), -inf where there is no signal, or None.

    Raises:
        FileError: They do not line up, are of another type or out of range.
    """
    names = tuple(
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
        for item in classes
    )
    if not names or len(set(names)) < len(names):
        raise FileError(f"{name}: classes must be different names, got {list(names)}")
    found = Columns(
        classes=names,
        labels=_column(labels, "labels", "iu", count, name).astype(np.int64),
        snr=_column(snr, "snr", "iuf", count, name).astype(np.float64),
        runs=None
        if runs is None
        else _column(runs, "runs", "iu", count, name).astype(np.int64),
        true_snr=None
        if true_snr is None
        else _column(true_snr, "true_snr", "iuf", count, name).astype(np.float64),
    )
    if count and not 0 <= found.labels.min() <= found.labels.max() < len(names):
        raise FileError(
            f"{name}: labels must be in [0, {len(names)}), got {found.labels.min()} to "
            f"{found.labels.max()}"
        )
    if not np.isfinite(found.snr).all():
        raise FileError(f"{name}: frame {np.argmin(np.isfinite(found.snr))} has no finite snr")
    if found.true_snr is not None and np.isnan(found.true_snr).any():
        raise FileError(f"{name}: frame {np.argmax(np.isnan(found.true_snr))} has true_snr NaN")
    return found


def _column(array: NDArray[Any], what: str, kinds: str, count: int, name: str) -> NDArray[Any]:
    if array.dtype.kind not in kinds or array.shape != (count,):
        numbers = "whole numbers" if kinds == "iu" else "numbers"
        raise FileError(
            f"{name}: {what} must be {numbers} of shape ({count},), one a frame, got "
            f"{array.dtype} of shape {array.shape}"
        )
    return array

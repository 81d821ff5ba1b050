"""Small sets of frames for tests of files."""

import numpy as np

from signet.iq import Frames

CLASSES = ("BPSK", "AM-DSB", "QPSK/4")  # not sorted, one with a character that paths mind


def toy_frames(count=30, length=16, *, seed=0, classes=CLASSES, known=True):
    """Frames of every class at -2, 0 and 2 dB in mixed order; `known` adds runs, true SNR."""
    rng = np.random.default_rng(seed)
    true = np.where(np.arange(count) % 5 == 4, -np.inf, rng.normal(size=count))
    return Frames(
        iq=rng.standard_normal((count, 2, length)).astype(np.float32),
        labels=rng.integers(0, len(classes), count),
        snr=rng.integers(-1, 2, count) * 2.0,
        classes=classes,
        runs=rng.integers(0, 4, count) if known else None,
        true_snr=true if known else None,
    )


def rows(frames):
    """Every frame with all that is known of it, in an order that no file form changes."""
    columns = [frames.snr, frames.runs, frames.true_snr]
    columns = [[None] * len(frames) if column is None else column for column in columns]
    names = [frames.classes[label] for label in frames.labels]
    found = zip(names, *columns, (frame.tobytes() for frame in frames.iq), strict=True)
    return sorted(found, key=lambda row: row[-1])


def same(first, second):
    """Whether two sets are equal, frame by frame and in order."""
    pairs = [(getattr(first, key), getattr(second, key)) for key in ("runs", "true_snr")]
    return (
        first.classes == second.classes
        and np.array_equal(first.iq, second.iq)
        and np.array_equal(first.labels, second.labels)
        and np.array_equal(first.snr, second.snr)
        and all(
            (a is None) == (b is None) and np.array_equal(a, b) for a, b in pairs if a is not b
        )
    )

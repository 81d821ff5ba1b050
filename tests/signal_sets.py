"""Small sets of signals that tests share: four classes that a small network tells apart."""

import numpy as np

from signet.iq import Frames, as_iq

CLASSES = ("BPSK", "CW", "QPSK", "noise")


def small_set(count=12, *, length=32, labels=(-4.0, 10.0), seed=0, runs=3):
    """`count` frames of every class and label, cut from `runs` runs."""
    rng = np.random.default_rng(seed)
    rows, classes, snr, run_ids = [], [], [], []
    for index, name in enumerate(CLASSES):
        for cell, label in enumerate(labels):
            for number in range(count):
                signal = _signal(name, length, rng)
                noise = rng.normal(size=(2, length)) * np.sqrt(0.5)
                rows.append(as_iq(signal) * 10 ** (label / 20) + noise)
                classes.append(index)
                snr.append(label)
                run_ids.append((index * len(labels) + cell) * runs + number * runs // count)
    return Frames(
        iq=np.array(rows, np.float32),
        labels=np.array(classes),
        snr=np.array(snr),
        classes=CLASSES,
        runs=np.array(run_ids) if runs else None,
    )


def _signal(name, length, rng):
    if name == "noise":
        return np.zeros(length, complex)
    if name == "CW":
        symbols = np.ones(length)
    elif name == "BPSK":
        symbols = np.repeat(rng.choice([-1, 1], length // 4), 4)
    else:
        symbols = np.repeat(np.exp(0.5j * np.pi * rng.integers(0, 4, length // 4)), 4)
    return symbols * np.exp(2j * np.pi * rng.random())

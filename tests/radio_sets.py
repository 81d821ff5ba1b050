"""Small honest sets of signals in noise, made independently of the package's generator."""

import numpy as np

from signet.iq import Frames, as_iq

POINTS = {
    "BPSK": np.array([-1, 1], complex),
    "QPSK": np.array([1, 1j, -1, -1j]),
    "QAM16": np.array([a + 1j * b for a in (-3, -1, 1, 3) for b in (-3, -1, 1, 3)]),
}
SIGNALS = (*POINTS, "CPFSK", "AM")


def pulse(per_symbol=8, roll=0.35, span=11):
    """Root-raised-cosine pulse of unit energy."""
    t = (np.arange(span * per_symbol) - (span * per_symbol - 1) / 2) / per_symbol
    top = np.sin(np.pi * t * (1 - roll)) + 4 * roll * t * np.cos(np.pi * t * (1 + roll))
    found = top / (np.pi * t * (1 - (4 * roll * t) ** 2))
    return found / np.linalg.norm(found)


def signal(name, count, rng):
    """Unit-power samples of one kind; "noise" is white, "square" has unfiltered symbols."""
    if name == "noise":
        found = rng.normal(size=count) + 1j * rng.normal(size=count)
    elif name == "square":
        found = np.repeat(rng.choice(POINTS["QPSK"], count // 8 + 1), 8)[:count]
    elif name == "CPFSK":
        steps = np.repeat(rng.choice([-1, 1], count // 8 + 1), 8)[:count]
        found = np.exp(1j * np.pi / 16 * np.cumsum(steps))
    elif name == "AM":
        slow = np.convolve(rng.normal(size=count + 200), np.hanning(150), "same")[:count]
        found = 1 + 0.1 * slow / slow.std() + 0j
    else:
        train = np.zeros((count // 8 + 24) * 8, complex)
        train[::8] = rng.choice(POINTS[name], len(train) // 8)
        found = np.convolve(train, pulse(), "valid")[:count]
    return found / np.sqrt(np.mean(np.abs(found) ** 2))


def made(names=("BPSK", "CPFSK"), labels=(0, 6, 12, 18), *, frames=20, run=5, **options):
    """An honest set: runs of a few frames with gaps between them, SNR over the whole band.

    Options: length 128, seed 0, true (SNR in dB of a label), fade (draws the gain of a run),
    scale (of a frame: "none", "l1" or "power").
    """
    length, true = options.get("length", 128), options.get("true", lambda label: label)
    fade, scale = options.get("fade", lambda rng: 1), options.get("scale", "none")
    rng = np.random.default_rng(options.get("seed", 0))
    hop, rows, cells, runs = length + 40, [], [], []
    for number, name in enumerate(names):
        for label in labels:
            for _ in range(frames // run):
                clean = signal(name, hop * run, rng) * fade(rng) * np.exp(6j * rng.random())
                noise = rng.normal(size=(2, hop * run)) * 10 ** (-true(label) / 20) / np.sqrt(2)
                taken = clean + noise[0] + 1j * noise[1]
                rows.append(taken.reshape(run, hop)[:, :length])
                cells += [(number, label)] * run
                runs += [len(rows) - 1] * run
    samples = np.concatenate(rows)
    if scale == "l1":
        samples /= np.abs(samples).sum(axis=1, keepdims=True)
    elif scale == "power":
        samples /= np.sqrt(np.mean(np.abs(samples) ** 2, axis=1, keepdims=True))
    return Frames(
        iq=as_iq(samples),
        labels=np.array([cell[0] for cell in cells]),
        snr=np.array([cell[1] for cell in cells], float),
        classes=tuple(names),
        runs=np.array(runs),
    )


def changed(frames, *, iq=None, **others):
    """The same frames with some fields replaced."""
    names = ("iq", "labels", "snr", "classes", "runs", "true_snr")
    return Frames(
        **{name: getattr(frames, name) for name in names}
        | others
        | ({} if iq is None else {"iq": iq})
    )


class Lying:
    """A source that holds what `Frames` would refuse, NaN say, and counts what is read."""

    def __init__(self, frames, iq):
        self._iq, self.largest = iq, 0
        self.classes, self.labels, self.snr = frames.classes, frames.labels, frames.snr
        self.runs, self.length = frames.runs, frames.length

    def __len__(self):
        return len(self._iq)

    def read(self, chosen):
        self.largest = max(self.largest, len(chosen))
        return self._iq[chosen]

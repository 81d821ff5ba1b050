"""Run folders of signet in little, and packages that offer things by entry points."""

import json

import numpy as np
import torch

from graphprune.nn import save_pretrained
from graphprune.records import Record
from graphprune.training import Settings, train
from signet.frame_files import fingerprint, open_frames
from signet.iq import Frames
from signet.labelled import Augmentation, LabelledFrames
from signet.models import NETWORKS
from signet.splits import save_split, split_frames

CLASSES = ("BPSK", "FSK", "QPSK")
SCALE = 4.0


class Package:
    """An installed package that offers objects by name, through faked entry points."""

    def __init__(self, monkeypatch):
        self.objects = {}
        monkeypatch.setattr("graphprune.installed.entry_points", self.points)

    def offer(self, group, objects):
        """Offer more objects in a group, by name."""
        self.objects |= {(group, name): value for name, value in objects.items()}

    def points(self, *, group):
        """As `importlib.metadata.entry_points`."""
        return [
            Point(name, value)
            for (where, name), value in self.objects.items()
            if where == group
        ]


class Point:
    """An entry point whose object is at hand; an exception is raised instead."""

    def __init__(self, name, found):
        self.name, self.value, self.found = name, f"somewhere:{name}", found

    def load(self):
        """The object."""
        if isinstance(self.found, BaseException):
            raise self.found
        return self.found


def toy_signals(each=60, length=64, *, noise=0.1, seed=0):
    """BPSK, FSK and QPSK of 8 samples a symbol and any phase, in white noise."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(CLASSES)), each)
    symbols = np.repeat(rng.integers(0, 4, (len(labels), length // 8)), 8, axis=1)
    made = [
        2.0 * (symbols % 2) - 1,
        np.exp(1j * np.cumsum(0.15 * np.pi * (2 * (symbols % 2) - 1), axis=1)),
        np.exp(0.5j * np.pi * symbols),
    ]
    signal = np.choose(labels[:, None], made)
    signal = signal * np.exp(2j * np.pi * rng.random((len(labels), 1)))
    drawn = rng.normal(0, noise, (2, *signal.shape))
    iq = np.stack([signal.real + drawn[0], signal.imag + drawn[1]], axis=1) * 0.01
    return Frames(
        iq=iq.astype(np.float32),
        labels=labels.astype(np.int64),
        snr=np.full(len(labels), 10.0),
        classes=CLASSES,
    )


def write_set(path, frames):
    """A set of frames as a .npz file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, iq=frames.iq, labels=frames.labels, snr=frames.snr, classes=frames.classes)
    return path


def write_run(place, path, *, model="resnet1d-10k", normalise="power", epochs=6, **config):
    """What `signet train` leaves of a set in a file, as far as others read it.

    More keywords change the model's config.
    """
    source = open_frames(path)
    mark = fingerprint(source)
    split = split_frames(source, shares=(0.5, 0.3, 0.2), seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"classes": len(source.classes), "in_channels": 2, "size": source.length}
        network = NETWORKS[model](**sizes)
    if epochs:
        data = LabelledFrames(
            source, split.train, normalise=normalise, augmentation=Augmentation(rotate=True)
        )
        recipe = Settings(epochs=epochs, batch_size=16, optimizer="adamw", learning_rate=0.01)
        train(network, data, recipe)
    card = {
        "model": model,
        "classes": list(source.classes),
        "in_channels": 2,
        "size": source.length,
        "normalise": normalise,
        "signal_scale": SCALE,
        "mean": [0.5, 0.5],
        "std": [1 / (2 * SCALE)] * 2,
    }
    save_pretrained(network.eval(), place / "model", config=card | config)
    save_split(place / "split.json", split, mark)
    body = {"format": "signet-run-frames", "version": 1, "path": str(path)}
    (place / "frames.json").write_text(json.dumps(body | {"fingerprint": mark}))
    values = {"images": {"reader": "frames"}}
    record = Record(command="signet train", settings={}, values=values, seconds=1.0)
    (place / "record.json").write_text(record.to_json())
    return place

"""The frames of a run as images, for tools that know images but no radio: an entry point.

The package offers `load_images` as "frames" in the group "graphprune.data", so that the name
"frames:RUN" is a data set wherever data sets have names.
"""

from pathlib import Path

import numpy as np

from graphprune.data import Dataset, Images, Signal
from graphprune.errors import FileError
from signet.findings import Positions
from signet.iq import FrameSource, normalised
from signet.saved_runs import (
    read_card,
    read_record,
    recorded_frames,
    recorded_place,
    recorded_split,
)

_BLOCK = 4096  # frames normalised at a time


def load_images(folder: str, data_dir: Path | None = None) -> Dataset:
    """The frames that a run was trained and tested on, as images.

    Every frame is normalised as the run's network takes it. A pixel p stands for the I/Q value
    (2 p - 1) * scale, the run's scale: four root mean squares where frames have a mean power
    of 1. Beyond it values are clipped: one in 60 million of Gaussian noise, more of bursts.

    Args:
        folder: What `signet train` wrote.
        data_dir: Where the set's file is looked for first, by its own name, if it is no longer
            where the run found it.

    Returns:
        float32 images of shape (count, 2, length, 1), I then Q: those of the run's own split.
        What it trained on, what chose the network (`held_out`), and what judged it (`test`).

    Raises:
        FileError: The folder or the set's file is missing or damaged.
        MismatchError: The file holds other frames than the run was trained on.
    """
    run = Path(folder)
    read_record(run)
    source, mark = recorded_frames(run, _moved(run, data_dir))
    split, card = recorded_split(run, mark), read_card(run)
    signal = Signal(scale=card.signal_scale, normalise=card.normalise)
    train, held_out, test = (_images(source, part, signal) for part in split.parts)
    return Dataset(
        name=f"frames:{folder}",
        classes=source.classes,
        train=train,
        test=test,
        flip=False,
        held_out=held_out,
        signal=signal,
    )


def _moved(run: Path, data_dir: Path | None) -> Path | None:
    """The set's file in a folder, if it is there."""
    if data_dir is None:
        return None
    path = data_dir / recorded_place(run).name
    return path if path.exists() else None


def _images(source: FrameSource, chosen: Positions, signal: Signal) -> Images:
    """The frames at some positions, block by block."""
    if len(chosen) and chosen[-1] >= len(source):
        raise FileError(f"the split names frame {chosen[-1]}, the set has {len(source)}")
    images = np.empty((len(chosen), 2, source.length, 1), np.float32)
    for start in range(0, len(chosen), _BLOCK):
        part = slice(start, start + _BLOCK)
        frames = normalised(source.read(chosen[part]), signal.normalise)
        images[part] = signal.pixels(frames)
    return Images(images, source.labels[chosen])

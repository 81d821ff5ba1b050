"""Which images trained the original and the bank, judge models, calibrate, and only test."""

from dataclasses import dataclass
from pathlib import Path

from graphprune.data import Dataset, Images, divided, load, split
from graphprune.errors import SpecError

JUDGE_SHARE = 1 / 3  # of the held-out images, for accuracies and the floor


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """A data set and how its training images are divided.

    `train_images` is a class-balanced subset's size (None: all), drawn first; `held_out` the
    share of it that trains nothing; `seed` fixes both choices. They are those of the
    original's own training, so that it has seen none of the held-out images either. A data set
    that comes with held-out images of its own is not divided.

    Raises:
        SpecError: A value is out of range.
    """

    name: str = "digits"
    seed: int = 0
    held_out: float = 0.3
    train_images: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise SpecError(f"held-out share must be in [0, 1), got {self.held_out}")
        if self.train_images is not None and self.train_images < 1:
            raise SpecError(f"train images must be at least 1, got {self.train_images}")


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Four sets that share no image.

    `train` trains; `judge` gives accuracies and decides whether a model is kept; `clean`
    calibrates detectors; `test` is for final figures and for attacks only. `judge` and `clean`
    are empty where nothing was held out.
    """

    dataset: Dataset
    train: Images
    judge: Images
    clean: Images
    test: Images


def load_splits(request: DataRequest, data_dir: Path | None = None) -> Splits:
    """Load a data set and divide it; equal requests give equal parts.

    Raises:
        SpecError: Unknown data set, more images asked for than there are, or none left that
            trains.
        FileError: A file of the data set is missing or damaged.
    """
    dataset = load(request.name, data_dir)
    kept, held = divided(
        dataset,
        held_out=request.held_out,
        train_images=request.train_images,
        seed=request.seed,
    )
    if not len(kept):
        raise SpecError(f"held-out share {request.held_out} leaves no image to train on")
    clean, judge = split(held, JUDGE_SHARE, request.seed + 1)
    return Splits(dataset, kept, judge, clean, dataset.test)

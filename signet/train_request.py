"""What a run of `signet train` is asked to do, as one frozen value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from graphprune.errors import SpecError
from signet.iq import NORMALISATIONS, Normalisation

CONTROLS = (
    "dense", "random-regular", "ring-lattice", "unstructured", "magnitude", "small-dense",
)  # fmt: skip
"""Networks trained beside a pruned one; "small-dense" is as large as what is left of it."""

SplitWish = Literal["auto", "cell", "contiguous", "run"]
SPLITS: tuple[str, ...] = get_args(SplitWish)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """Everything about a run except the recipe of its training.

    `data` is a file of frames, `model` a name of `signet.models.NETWORKS`. `split` divides the
    set: "run" by runs, "contiguous" in order, "cell" at random within a class and label,
    "auto" by runs where every class and label has enough of them, else contiguously; `shares`
    are those of training, validation and test. `fraction` of the training frames are trained
    on. `ratio` is the share to prune by a graph of `nodes` (None: dense); `trained` says
    whether the dense network is trained before it is pruned. `controls` names networks trained
    beside a pruned one. `batch` is the number of frames in a timed pass.

    Raises:
        SpecError: A value is out of range.
    """

    data: Path
    model: str = "signet2"
    normalise: Normalisation = "power"
    augment: tuple[str, ...] = ("rotate", "conjugate")
    split: SplitWish = "auto"
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    fraction: float = 1.0
    ratio: float | None = None
    nodes: int | None = None
    skip: tuple[str, ...] = ()
    trained: bool = False
    controls: tuple[str, ...] = ()
    batch: int = 16
    seed: int = 0
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("normalise", self.normalise, NORMALISATIONS),
            ("split", self.split, SPLITS),
            ("device", self.device, ("cpu", "auto")),
        ):
            if value not in allowed:
                raise SpecError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        for name in self.controls:
            if name not in CONTROLS:
                raise SpecError(
                    f"unknown control {name!r}; allowed: {', '.join(CONTROLS)} or none"
                )
        if self.ratio is None and (self.controls or self.nodes or self.skip or self.trained):
            raise SpecError(
                "controls, nodes, skip and trained have a meaning with a ratio only"
            )
        if self.ratio is not None and not 0 < self.ratio < 1:
            raise SpecError(f"ratio must be in (0, 1), got {self.ratio}")
        if not 0 < self.fraction <= 1:
            raise SpecError(f"fraction must be in (0, 1], got {self.fraction}")
        for name in ("batch", "threads"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise SpecError(f"seed must be at least 0, got {self.seed}")

    @property
    def name(self) -> str:
        """Short name for the run's folder."""
        wanted = "" if self.ratio is None else f"-{self.ratio}"
        few = "" if self.fraction == 1 else f"-fraction{self.fraction:g}"
        return f"signet-{self.data.stem}-{self.model}{wanted}{few}-seed{self.seed}"

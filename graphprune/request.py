"""What a run of `graphprune rgp` is asked to do, as one frozen value."""

from dataclasses import dataclass
from pathlib import Path

from graphprune.errors import SpecError
from graphprune.mask import Dialect

CONTROLS = ("dense", "random-regular", "ring-lattice", "unstructured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything about a run except the recipe of its training.

    `ratio` is the share to prune (None: as the graph file has it); `graph` a graph file to
    use instead of a search of `search_steps` swaps (None: about a second). `controls` names
    the networks trained beside the pruned one. `held_out` is the share of training images
    that only draws curves, `train_images` a class-balanced subset's size (None: all).
    `latency_batch` is the number of images in a timed pass, `threads` counts CPU threads.

    Raises:
        SpecError: A value is out of range.
    """

    ratio: float | None = 0.9
    data: str = "digits"
    data_dir: Path | None = None
    model: str = "resnet8-wide"
    nodes: int | None = None
    skip: tuple[str, ...] = ()
    dialect: Dialect = "rgp"
    graph: Path | None = None
    search_steps: int | None = None
    controls: tuple[str, ...] = ("dense", "random-regular")
    rescale: bool = True
    held_out: float = 0.1
    train_images: int | None = None
    latency_batch: int = 16
    seed: int = 0
    threads: int = 2
    device: str = "cpu"

    def __post_init__(self) -> None:
        if unknown := [name for name in self.controls if name not in CONTROLS]:
            raise SpecError(
                f"unknown control {unknown[0]!r}; allowed: {', '.join(CONTROLS)} or none"
            )
        if self.device not in ("cpu", "auto"):
            raise SpecError(f"device must be cpu or auto, got {self.device!r}")
        if not 0 <= self.held_out < 1:
            raise SpecError(f"held-out share must be in [0, 1), got {self.held_out}")
        for name, value in (
            ("threads", self.threads),
            ("latency batch", self.latency_batch),
            ("train images", self.train_images),
        ):
            if value is not None and value < 1:
                raise SpecError(f"{name} must be at least 1, got {value}")
        if self.ratio is None and self.graph is None:
            raise SpecError("a run needs a ratio or a graph file")

    @property
    def name(self) -> str:
        """Short name for the run's folder."""
        model = self.model.replace(":", ".")
        wanted = self.graph.stem if self.ratio is None and self.graph else f"{self.ratio}"
        return f"rgp-{self.data}-{model}-{wanted}-seed{self.seed}"

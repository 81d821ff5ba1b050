"""What `signet bench` is asked to compare, as one frozen value."""

from dataclasses import dataclass
from pathlib import Path

from graphprune.errors import SpecError

FEATURES = ("boosting", "extra-trees")
"""Baselines on features of frames, beside the networks of `graphprune.models`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """Finished runs to compare on the test parts of their sets, and baselines beside them.

    Baselines are trained as the first run was, on its training frames, once for each of
    `seeds` seeds: names of networks, or of `FEATURES`. `fractions` of the training frames draw
    the few-shot curve of the first run's network and of the baselines; none, no curve. `data`
    tells where the set lies now, if it was moved.

    Raises:
        SpecError: A value is out of range.
    """

    runs: tuple[Path, ...]
    baselines: tuple[str, ...] = ("extra-trees",)
    fractions: tuple[float, ...] = ()
    seeds: int = 1
    data: Path | None = None
    epochs: int | None = None
    batch: int = 16
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.runs:
            raise SpecError("give at least one run folder of signet train")
        for name in ("runs", "baselines", "fractions"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise SpecError(f"{name} are given twice: {', '.join(map(str, values))}")
        for share in self.fractions:
            if not 0 < share <= 1:
                raise SpecError(f"fractions must be in (0, 1], got {share}")
        for name in ("seeds", "batch", "threads"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.epochs is not None and self.epochs < 1:
            raise SpecError(f"epochs must be at least 1, got {self.epochs}")

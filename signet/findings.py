"""What an audit says of a set: findings, and the cells of class and label they lie in."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from signet.iq import FrameSource

Severity = Literal["error", "warning", "note"]
Positions = NDArray[np.int64]
Cell = tuple[str, float]

EXAMPLES = 8  # positions a finding shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found wrong, or worth knowing, about a set.

    `check` names what was looked for. `frames` counts the frames concerned, `share` is their
    fraction of the frames looked at. `cells` are the pairs of class name and SNR label in dB
    they lie in, `examples` the positions of the first of them. `why` is one sentence.
    """

    check: str
    severity: Severity
    frames: int
    share: float
    cells: tuple[Cell, ...]
    examples: tuple[int, ...]
    why: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON types."""
        found = asdict(self)
        found["cells"] = [list(cell) for cell in self.cells]
        found["examples"] = list(self.examples)
        return found


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Grid:
    """The cells of a set, and which of its frames are looked at.

    `cells` are sorted by class, then by label. `of` is int64, shape (frames of the set,), the
    cell of each. `chosen` is int64, shape (frames looked at,): ascending positions in the set.
    """

    cells: tuple[Cell, ...]
    of: Positions
    chosen: Positions

    @classmethod
    def build(cls, source: FrameSource, chosen: Positions | None = None) -> Self:
        """Cells of a source; all frames are looked at unless `chosen` names some."""
        cells, of = cells_of(source)
        return cls(cells=cells, of=of, chosen=np.arange(len(of)) if chosen is None else chosen)

    @property
    def here(self) -> Positions:
        """Cell of each frame looked at; shape (frames looked at,)."""
        return self.of[self.chosen]

    def members(self) -> list[Positions]:
        """For each cell, which of the frames looked at lie in it."""
        here = self.here
        order = np.argsort(here, kind="stable")
        return np.split(order, np.searchsorted(here[order], np.arange(1, len(self.cells))))

    def finding(
        self,
        check: str,
        severity: Severity,
        which: Positions | NDArray[np.bool_],
        why: str,
    ) -> Finding:
        """A finding about some of the frames looked at.

        Args:
            check: Name of the check.
            severity: How bad it is.
            which: Numbers of frames among those looked at, or a mask over them.
            why: One sentence.
        """
        at = np.sort(self.chosen[which])
        return Finding(
            check=check,
            severity=severity,
            frames=len(at),
            share=len(at) / max(len(self.chosen), 1),
            cells=tuple(self.cells[cell] for cell in np.unique(self.of[at])),
            examples=tuple(at[:EXAMPLES].tolist()),
            why=why,
        )


def cells_of(source: FrameSource) -> tuple[tuple[Cell, ...], Positions]:
    """Pairs of class name and label that have frames, by class, and the pair of each frame."""
    levels, level = np.unique(source.snr, return_inverse=True)
    both = source.labels * max(len(levels), 1) + level
    kinds, of = np.unique(both, return_inverse=True)
    cells = tuple(
        (source.classes[kind // len(levels)], float(levels[kind % len(levels)]))
        for kind in kinds.tolist()
    )
    return cells, of.astype(np.int64)


def low_fence(
    values: NDArray[np.float64], grid: Grid, usable: NDArray[np.bool_], ranges: float
) -> NDArray[np.float64]:
    """How low a value may be that still belongs to its cell.

    Deviations from the medians of the cells are pooled over the cells of a label, for a
    channel fades alike in all of them, and few runs tell little of its fades.

    Args:
        values: On a scale of logarithms, shape (frames looked at,).
        grid: Cells of the frames.
        usable: Frames to judge by.
        ranges: Quartile ranges below the lower quartile.

    Returns:
        For each frame the fence of its cell; -inf where no frame of the cell is usable.
    """
    fence = np.full(len(values), -np.inf)
    middle = medians(values, grid, usable)[grid.here]
    levels = np.array([level for _, level in grid.cells])[grid.here]
    for level in np.unique(levels):
        here = levels == level
        pool = (values - middle)[here & usable]
        if len(pool):
            low, high = np.quantile(pool, (0.25, 0.75))
            fence[here] = middle[here] + low - ranges * (high - low)
    return np.where(np.isnan(fence), -np.inf, fence)


def medians(
    values: NDArray[np.float64], grid: Grid, usable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Median of each cell's usable frames, nan where there is none; shape (cells,)."""
    found = np.full(len(grid.cells), np.nan)
    for cell, members in enumerate(grid.members()):
        at = members[usable[members]]
        if len(at):
            found[cell] = np.median(values[at])
    return found


def named(cells: Sequence[Cell]) -> str:
    """Names of the classes of some cells, in a sentence."""
    return ", ".join(dict.fromkeys(name for name, _ in cells))

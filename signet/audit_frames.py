"""Checks of single frames, of how they are scaled, and of how many each cell has."""

import numpy as np
from numpy.typing import NDArray

from signet.findings import Finding, Grid, Severity, low_fence, medians, named
from signet.frame_table import FrameTable, Reals
from signet.iq import FrameSource

_QUIET = 0.1  # of the cell's median power
_NONE = 1e-4  # of the cell's median power: no signal and no noise
_RARE = 0.002  # share of frames that may fade so far
_FENCE = 4.0  # quartile ranges of log power; a fading channel's deep fades stay inside
_EMPTY = 0.25  # of a frame, in one stretch of zeros
_UNEVEN = 1.5  # largest cell over the smallest
_EQUAL = 1e-3  # relative; a size that varies less was made equal
_ALL, _SOME = 0.99, 0.01  # shares of frames of one scaling: the set's, or a part's
_START = 0.3  # power of the first eighth, against the frame's
_SURE = 6.0  # standard errors


def frame_findings(table: FrameTable, grid: Grid) -> list[Finding]:
    """Frames that are no signal at all, or a damaged one."""
    silent, quiet = _depths(table, grid)
    often = common(int(quiet.sum()), len(table))
    empty = table.finite & ~silent & (table.empty >= _EMPTY)
    constant = table.finite & table.constant & ~silent
    said: tuple[tuple[str, Severity, NDArray[np.bool_], str], ...] = (
        ("nan", "error", ~table.finite, "hold NaN or infinity"),
        ("silent", "error", silent, "have no power, or next to none beside their cell"),
        ("constant", "error", constant, "hold one value throughout"),
        (
            "gaps",
            "warning",
            empty,
            f"are zero for {_EMPTY:.0%} of their length or more at once",
        ),
        (
            "quiet",
            "warning" if often else "note",
            quiet,
            "have less than a tenth of the power of their cell",
        ),
        (
            "clipped",
            "warning",
            table.clipped & table.sound,
            "sit at the largest value of I or Q",
        ),
    )
    return [
        grid.finding(check, severity, mask, f"{int(mask.sum())} frames {what}")
        for check, severity, mask, what in said
        if mask.any()
    ]


def common(count: int, frames: int) -> bool:
    """Whether more frames than a fading channel explains, and chance, are so weak."""
    expected = _RARE * frames
    return bool(count > expected + 3 * np.sqrt(expected))


def _depths(table: FrameTable, grid: Grid) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Frames with next to none of the power of their cell, and others with far too little."""
    usable = table.sound & (table.power > 0)
    levels = np.log(np.where(table.power > 0, table.power, 1).astype(np.float64))
    middle = medians(levels, grid, usable)[grid.here]
    with np.errstate(invalid="ignore"):
        silent = usable & (levels < middle + np.log(_NONE))
        fence = np.minimum(low_fence(levels, grid, usable, _FENCE), middle + np.log(_QUIET))
        quiet = usable & ~silent & (levels < fence)
    return silent | (table.finite & (table.power == 0)), quiet


def scaling(table: FrameTable) -> tuple[str, NDArray[np.int64]]:
    """How the frames were scaled: by a size that all of them share.

    Returns:
        "l1", "power", "peak" or "none" where one holds for 99 % of the sound frames, else
        "mixed"; and for each frame the position of its size in ("l1", "power", "peak"), 3
        where none is that of many others.
    """
    sizes = (table.l1, table.power, table.peak)
    kind = np.full(len(table), len(sizes))
    sound = np.flatnonzero(table.sound)
    shares = []
    for number, size in enumerate(sizes):
        same = sound[_common(size[sound])]
        fresh = same[kind[same] == len(sizes)]
        kind[fresh] = number
        shares.append(len(same) / max(len(sound), 1))
    names = ("l1", "power", "peak")
    if max(shares) >= _ALL:
        return names[int(np.argmax(shares))], kind
    return ("none" if max(shares) < _SOME else "mixed"), kind


def _common(size: Reals) -> NDArray[np.bool_]:
    """Which of the values lie within a narrow window that holds the most of them."""
    order = np.argsort(size, kind="stable")
    ranked = size[order].astype(np.float64)
    ends = np.searchsorted(ranked, ranked * (1 + _EQUAL), side="right")
    found = np.zeros(len(size), np.bool_)
    if len(size):
        first = int(np.argmax(ends - np.arange(len(size))))
        # A smooth spread of sizes has a densest window too; a made one holds far more.
        if ends[first] - first >= max(_SOME * len(size), 2) and _heaped(ranked, first, ends):
            found[order[first : ends[first]]] = True
    return found


def _heaped(ranked: NDArray[np.float64], first: int, ends: NDArray[np.int64]) -> bool:
    """Whether a window holds ten times what the one ten times as wide would lead to expect."""
    low, high = ranked[first] * (1 - 10 * _EQUAL), ranked[first] * (1 + 11 * _EQUAL)
    wide = np.searchsorted(ranked, high, side="right") - np.searchsorted(ranked, low)
    inside = int(ends[first]) - first
    return bool(inside > 10 * (wide - inside) / 20 + 2)


def scaling_findings(table: FrameTable, grid: Grid) -> tuple[str, list[Finding]]:
    """How the set is scaled, and the frames scaled otherwise than the most are."""
    name, kind = scaling(table)
    if name != "mixed":
        return name, []
    sound = table.sound
    counts = np.bincount(kind[sound], minlength=4)
    names = ("l1", "power", "peak", "none")
    other = sound & (kind != np.argmax(counts))
    parts = ", ".join(
        f"{count} frames {what}" for what, count in zip(names, counts, strict=True) if count
    )
    why = f"frames are scaled in different ways: {parts}"
    return name, [grid.finding("scaling", "warning", other, why)]


def start_findings(table: FrameTable, grid: Grid, classes: NDArray[np.int64]) -> list[Finding]:
    """Classes whose frames start quieter or louder than they go on.

    Args:
        table: What was measured.
        grid: Cells of the frames.
        classes: Class of each frame looked at, shape (frames,).
    """
    late = np.zeros(len(table), np.bool_)
    for one in np.unique(classes).tolist():
        at = np.flatnonzero((classes == one) & table.sound)
        if len(at) < 2:
            continue
        start = table.start[at].astype(np.float64)
        off, error = start.mean() - 1, start.std(ddof=1) / np.sqrt(len(at))
        if abs(off) > max(_START, _SURE * error):
            late[at] = True
    if not late.any():
        return []
    at = grid.chosen[late]
    who = named([grid.cells[cell] for cell in np.unique(grid.of[at])])
    why = f"frames of {who} start quieter or louder than they go on: a filter filling up"
    return [grid.finding("start", "warning", late, why)]


def cell_findings(source: FrameSource, grid: Grid) -> list[Finding]:
    """Classes and labels without frames together, and cells of unequal size."""
    found = []
    have = set(grid.cells)
    levels = sorted({level for _, level in grid.cells})
    missing = tuple(
        (name, level)
        for name in source.classes
        for level in levels
        if (name, level) not in have
    )
    none = np.empty(0, np.int64)
    if missing:
        why = f"{len(missing)} of {len(source.classes) * len(levels)} cells have no frame"
        found.append(("missing cells", missing, why))
    counts = np.bincount(grid.of, minlength=len(grid.cells))
    if len(counts) and counts.max() > _UNEVEN * counts.min():
        few = tuple(
            grid.cells[cell] for cell in np.flatnonzero(counts * _UNEVEN < counts.max())
        )
        why = f"cells hold {counts.min()} to {counts.max()} frames"
        found.append(("unequal cells", few, why))
    return [
        Finding(
            check=check,
            severity="warning",
            frames=len(none),
            share=0.0,
            cells=cells,
            examples=(),
            why=why,
        )
        for check, cells, why in found
    ]

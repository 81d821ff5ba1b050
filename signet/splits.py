"""Training, validation and test frames of a set: by class and label, by run, saved."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.records import read_json_object, read_text, write_text
from signet.findings import Positions, cells_of
from signet.iq import FrameSource

SplitBy = Literal["cell", "contiguous", "run"]
SPLIT_BY: tuple[str, ...] = get_args(SplitBy)
PARTS = ("train", "validation", "test")
FORMAT = "signet-split"
FORMAT_VERSION = 1
_MOST = 1 << 31  # frames a set; a damaged file asks for no more memory than that

Shares = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Split:
    """Which frames of a set train, choose and judge.

    `train`, `validation` and `test` are int64, shape (frames,): ascending positions in the
    set, none in two parts. `by`, `shares`, `fraction` and `seed` say how they were chosen.

    Raises:
        SpecError: Positions are not ascending, or are in two parts.
    """

    train: Positions
    validation: Positions
    test: Positions
    by: SplitBy = "cell"
    shares: Shares = (0.6, 0.2, 0.2)
    fraction: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, part in zip(PARTS, self.parts, strict=True):
            if part.dtype != np.int64 or part.ndim != 1:
                raise SpecError(
                    f"{name} must be int64 of shape (frames,), got {part.dtype} {part.shape}"
                )
            if len(part) and (part[0] < 0 or (np.diff(part) <= 0).any()):
                raise SpecError(f"{name} must hold ascending positions from 0, each once")
        every = np.sort(np.concatenate(self.parts))
        twice = every[:-1][np.diff(every) == 0]
        if len(twice):
            raise SpecError(f"frame {twice[0]} is in two parts of the split")

    @property
    def parts(self) -> tuple[Positions, Positions, Positions]:
        """Training, validation and test positions."""
        return self.train, self.validation, self.test


def split_frames(
    source: FrameSource,
    *,
    shares: Shares = (0.6, 0.2, 0.2),
    by: SplitBy = "cell",
    fraction: float = 1.0,
    seed: int = 0,
) -> Split:
    """Divide a set into training, validation and test frames, by class and label.

    A cell, the frames of one class and label, of n frames gives n times each share, rounded
    down; what is left goes one by one to the parts with the largest remainders, the earlier
    part first where they tie. A cell gives at least one frame to training.

    Args:
        source: The set.
        shares: Of training, validation and test; they sum to 1. A part whose share is 0 is
            empty.
        by: "cell" draws at random in each cell; "contiguous" takes the first, next and last
            frames of each cell in the order of the set, which keeps overlapping neighbours
            together but for those at the borders; "run" gives whole runs to one part, which
            leaks nothing, with counts as near to those above as whole runs allow.
        fraction: Share of the training frames of every cell to keep, in (0, 1], rounded, at
            least one a cell. A smaller fraction keeps a subset of what a larger one keeps.
        seed: Fixes every random choice.

    Raises:
        SpecError: A share, the fraction or `by` is unknown or out of range, the set has no
            runs to split by, or a part would be empty.
    """
    _check(source, shares, by, fraction)
    _, cell = cells_of(source)
    rng = np.random.default_rng([seed, 0])
    if by == "run":
        part = _by_run(source, cell, shares, rng)
    else:
        part = _by_cell(cell, shares, rng if by == "cell" else None)
    for number, (name, share) in enumerate(zip(PARTS, shares, strict=True)):
        if share > 0 and not (part == number).any():
            raise SpecError(
                f"shares {shares} by {by!r} leave no frame for {name}: the set has "
                f"{len(source)} frames in {int(cell.max()) + 1} cells"
                + (
                    f" and {len(set(source.runs.tolist()))} runs"
                    if source.runs is not None
                    else ""
                )
            )
    train = _kept(np.flatnonzero(part == 0), cell, fraction, np.random.default_rng([seed, 1]))
    return Split(
        train=train,
        validation=np.flatnonzero(part == 1),
        test=np.flatnonzero(part == 2),
        by=by,
        shares=shares,
        fraction=fraction,
        seed=seed,
    )


def save_split(path: Path, split: Split, fingerprint: str) -> None:
    """Write a split and the fingerprint of its set as JSON, whole or not at all.

    Raises:
        FileError: The file cannot be written.
    """
    body = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "fingerprint": fingerprint,
        "by": split.by,
        "shares": list(split.shares),
        "fraction": split.fraction,
        "seed": split.seed,
        **{name: _packed(part) for name, part in zip(PARTS, split.parts, strict=True)},
    }
    write_text(path, json.dumps(body) + "\n")


def load_split(path: Path, fingerprint: str) -> Split:
    """Read what `save_split` wrote.

    Args:
        path: The file.
        fingerprint: That of the set at hand.

    Raises:
        FileError: The file is missing, damaged or foreign.
        MismatchError: The split belongs to another set.
    """
    body = read_json_object(
        read_text(path), name=str(path), format=FORMAT, version=FORMAT_VERSION
    )
    try:
        first, second, third = (float(share) for share in body["shares"])
        by, stored = str(body["by"]), str(body["fingerprint"])
        parts = [_unpacked(body[name]) for name in PARTS]
        fraction, seed = float(body["fraction"]), int(body["seed"])
        if by not in SPLIT_BY:
            raise ValueError(f"unknown kind {by!r}")
        found = Split(
            train=parts[0],
            validation=parts[1],
            test=parts[2],
            by=by,  # type: ignore[arg-type]  # one of SPLIT_BY
            shares=(first, second, third),
            fraction=fraction,
            seed=seed,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(f"{path}: damaged split ({error})") from error
    if stored != fingerprint:
        raise MismatchError(
            f"{path}: the split belongs to a set of fingerprint {stored}, not {fingerprint}"
        )
    return found


def _check(source: FrameSource, shares: Sequence[float], by: str, fraction: float) -> None:
    fits = len(shares) == len(PARTS) and all(0 <= share <= 1 for share in shares)
    if not fits or abs(sum(shares) - 1) > 1e-9 or shares[0] <= 0:
        raise SpecError(
            "shares of training, validation and test must be three numbers in [0, 1] that sum "
            f"to 1, the first above 0, got {shares}"
        )
    if by not in SPLIT_BY:
        raise SpecError(f"split by must be one of {', '.join(SPLIT_BY)}, got {by!r}")
    if not 0 < fraction <= 1:
        raise SpecError(f"fraction must be in (0, 1], got {fraction}")
    if not len(source):
        raise SpecError("there are no frames to split")
    if by == "run" and source.runs is None:
        raise SpecError(
            "split by 'run' needs the run of each frame, which the set does not know; "
            "split by 'contiguous' or 'cell'"
        )


def _counts(frames: int, shares: Sequence[float]) -> Positions:
    """Frames of each part, by largest remainder; at least one for training."""
    exact = frames * np.asarray(shares)
    counts: Positions = np.floor(exact).astype(np.int64)
    # Rounded, for 2 * 0.7 leaves less than 2 * 0.2 in binary.
    order = np.argsort(-np.round(exact - counts, 9), kind="stable")
    counts[order[: frames - int(counts.sum())]] += 1
    if frames and not counts[0]:
        counts[np.argmax(counts)] -= 1
        counts[0] = 1
    return counts


def _members(cell: Positions) -> Iterator[Positions]:
    """Positions of the frames of each cell that has any, ascending."""
    order = np.argsort(cell, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(cell[order])) + 1)


def _by_cell(cell: Positions, shares: Shares, rng: np.random.Generator | None) -> Positions:
    """Part of each frame; in the order of the set where there is no generator."""
    part = np.empty(len(cell), np.int64)
    for at in _members(cell):
        order = at if rng is None else rng.permutation(at)
        part[order] = np.repeat(np.arange(len(PARTS)), _counts(len(at), shares))
    return part


def _by_run(
    source: FrameSource, cell: Positions, shares: Shares, rng: np.random.Generator
) -> Positions:
    """Part of each frame: whole runs, the longest first, each where most is missing."""
    assert source.runs is not None
    _, run = np.unique(source.runs, return_inverse=True)
    cells, runs = int(cell.max()) + 1, int(run.max()) + 1
    pairs, frames = np.unique(run * cells + cell, return_counts=True)
    sizes = np.bincount(run)
    of_run = np.split(np.arange(len(pairs)), np.searchsorted(pairs, np.arange(1, runs) * cells))
    wanted = np.array([_counts(count, shares) for count in np.bincount(cell)]).T
    missing = wanted.copy()  # shape (parts, cells)
    part = np.zeros(runs, np.int64)
    allowed = np.flatnonzero(np.asarray(shares) > 0)
    shuffled = rng.permutation(runs)
    for number in shuffled[np.argsort(-sizes[shuffled], kind="stable")].tolist():
        at = pairs[of_run[number]] % cells
        added = frames[of_run[number]]
        # What the sum of squared misses grows by, less what is the same for every part;
        # where that ties, the part that lacks most over all cells.
        growth = -(missing[:, at] * added).sum(axis=1)
        total = missing[allowed].sum(axis=1)
        part[number] = allowed[np.lexsort((-total, growth[allowed]))[0]]
        missing[part[number], at] -= added
    for bare in np.flatnonzero(wanted[0] - missing[0] == 0).tolist():
        holders = pairs[pairs % cells == bare] // cells
        if not (part[holders] == 0).any():
            part[holders[np.argmin(sizes[holders])]] = 0
    found: Positions = part[run]
    return found


def _kept(
    train: Positions, cell: Positions, fraction: float, rng: np.random.Generator
) -> Positions:
    """The share of the training frames of each cell, drawn in an order that it shares."""
    kept = []
    for at in _members(cell[train]):
        order = rng.permutation(train[at])
        kept.append(order[: max(int(len(at) * fraction + 0.5), 1)])
    return np.sort(np.concatenate(kept))


def _packed(part: Positions) -> dict[str, Any]:
    """Positions as stretches (first, count) where that is shorter than a list of them."""
    stretches = np.split(part, np.flatnonzero(np.diff(part) != 1) + 1) if len(part) else []
    if 2 * len(stretches) < len(part):
        return {"stretches": [[int(piece[0]), len(piece)] for piece in stretches]}
    return {"positions": part.tolist()}


def _unpacked(packed: dict[str, Any]) -> Positions:
    """Positions that `_packed` wrote; TypeError, KeyError or ValueError where it did not."""
    if "positions" in packed:
        flat, rows = packed["positions"], []
    else:
        rows = packed["stretches"]
        flat = [number for first, count in rows for number in (first, count)]
    if any(type(number) is not int or not 0 <= number < _MOST for number in flat):
        raise ValueError(f"positions must be whole numbers below {_MOST}")
    if rows:
        return np.concatenate([np.arange(a, a + n, dtype=np.int64) for a, n in rows])
    return np.array(flat, np.int64)

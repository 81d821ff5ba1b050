"""Where frames lie in the runs of a generator."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIRST = (50, 500)  # samples into a run: first and last possible start of its first frame
HOP = 0.05  # of a run: the longest way from one frame to the next


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Run and first sample of each frame, both int64 of shape (frames,); runs count from 0."""

    run: NDArray[np.int64]
    start: NDArray[np.int64]

    @property
    def runs(self) -> int:
        """Number of runs begun."""
        return int(self.run[-1]) + 1


def cut_runs(frames: int, *, length: int, run_length: int, rng: np.random.Generator) -> Cuts:
    """Cut frames from run after run, as RML2016 does.

    The first frame of a run starts 50 to 500 samples in, each further one `length` samples to
    5 % of the run later, until the run ends and a new one begins.

    Args:
        frames: How many, at least 1.
        length: Samples a frame.
        run_length: Samples a run, more than 500 + length.
        rng: Source of the starts and hops.
    """
    assert run_length > FIRST[1] + length and round(run_length * HOP) >= length
    run = np.empty(frames, dtype=np.int64)
    start = np.empty(frames, dtype=np.int64)
    runs, at = 0, int(rng.integers(FIRST[0], FIRST[1] + 1))
    for frame in range(frames):
        if at + length >= run_length:
            runs += 1
            at = int(rng.integers(FIRST[0], FIRST[1] + 1))
        run[frame], start[frame] = runs, at
        at += int(rng.integers(length, round(run_length * HOP) + 1))
    return Cuts(run, start)

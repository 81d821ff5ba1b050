"""How long a search runs, and how."""

import math
from dataclasses import dataclass
from typing import Literal

from graphprune.errors import SpecError

Method = Literal["anneal", "descend"]
METHODS: tuple[Method, ...] = ("anneal", "descend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long and how a search runs: by `steps` (swaps a thread), by `seconds`, or whichever
    ends first where both are given.

    Raises:
        SpecError: Neither is given, or a value is out of range.
    """

    seconds: float | None = None
    steps: int | None = None
    seed: int = 0
    threads: int = 1
    method: Method = "anneal"

    def __post_init__(self) -> None:
        if self.seconds is None and self.steps is None:
            raise SpecError("a search needs seconds or steps")
        if self.seconds is not None and not 0 <= self.seconds < math.inf:
            raise SpecError(f"seconds must be at least 0 and finite, got {self.seconds}")
        if self.steps is not None and self.steps < 0:
            raise SpecError(f"steps must be at least 0, got {self.steps}")
        if self.seed < 0:
            raise SpecError(f"seed must be at least 0, got {self.seed}")
        if self.threads < 1:
            raise SpecError(f"threads must be at least 1, got {self.threads}")
        if self.method not in METHODS:
            raise SpecError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")

    def share_done(self, tried: int, seconds: float) -> float:
        """Share of the search that is over, in [0, 1], by steps or by the clock."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(tried / self.steps if self.steps else 1.0)
        if self.seconds is not None:
            shares.append(seconds / self.seconds if self.seconds else 1.0)
        return min(1.0, max(shares))


def usual_steps(nodes: int, degree: int) -> int:
    """Steps of a search that takes about a second or two, from 2,000 to a million."""
    work = nodes * degree * ((nodes + 63) // 64)
    return max(2_000, min(1_000_000, 2_000_000_000 // work))

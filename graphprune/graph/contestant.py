"""Who takes part in a race, and where each stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphprune.graph.chain import Chain
from graphprune.graph.snapshot import snapshot

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way to search.

    `make(seed=...)` gives a chain; `length` is the number of proposals that a run takes where
    there is time for more than one. The best of each `family` stays in the race to the last
    round; a `favourite` gets half of the time. A finisher joins in the last round and starts
    from the best graph of all, which `make` is given as `start`.
    """

    name: str
    make: Callable[..., Chain]
    length: int
    family: str = ""
    favourite: bool = False
    finisher: bool = False


@dataclass(slots=True)
class Entry:
    """A contestant in the race: its chains, one a thread, and what they do in this round.

    A round lasts until each chain has `until` runs behind it, those of this round with `length`
    proposals each; `saved` holds each chain as it was after its last whole run. `rate` is in
    proposals a second.
    """

    contestant: Contestant
    chains: list[Chain]
    until: int = 0
    length: int = 0
    rate: float = 0.0
    saved: list[State] = field(init=False)

    def __post_init__(self) -> None:
        self.saved = [snapshot(chain) for chain in self.chains]

    @property
    def leader(self) -> Chain:
        """The chain whose graph is the best."""
        return min(self.chains, key=lambda chain: chain.away)

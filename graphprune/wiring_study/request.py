"""What a study of many runs is asked to compare, as one frozen value."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec

Family = Literal["random-regular", "ring", "small-world", "searched"]
Control = Literal["dense", "random-regular", "ring", "unstructured"]
FAMILIES: tuple[Family, ...] = get_args(Family)
CONTROLS: tuple[Control, ...] = get_args(Control)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """Families of graphs, degrees, path lengths and seeds; each combination is a run.

    `levels` counts the path lengths that "small-world" and "searched" graphs are made for, at
    each degree; the other families have one path length. The runs of a family differ in
    `seeds` seeds from `first_seed` on. Controls are always in. `search_steps` is the number of
    swaps that a search for one graph proposes (None: about a second's worth).

    Raises:
        SpecError: No such graph exists, or a value is out of range, unknown or listed twice.
    """

    nodes: int
    degrees: tuple[int, ...]
    levels: int = 6
    families: tuple[Family, ...] = FAMILIES
    seeds: int = 3
    first_seed: int = 0
    search_steps: int | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.families if name not in FAMILIES]:
            raise SpecError(f"families must be of {', '.join(FAMILIES)}, got {unknown[0]!r}")
        check_list("families", self.families)
        check_list("degrees", self.degrees)
        for name, value, least in (
            ("levels", self.levels, 1),
            ("seeds", self.seeds, 1),
            ("first seed", self.first_seed, 0),
            ("search steps", self.search_steps, 0),
        ):
            if value is not None and value < least:
                raise SpecError(f"{name} must be at least {least}, got {value}")
        for degree in self.degrees:
            GraphSpec(self.nodes, degree)

    @property
    def all_seeds(self) -> range:
        """Seed of each repetition, in order."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def density(self, degree: int) -> float:
        """Share of a pruned layer's weights that a graph of this degree keeps, in (0, 1)."""
        return GraphSpec(self.nodes, degree).density


def check_list(name: str, values: Sequence[object]) -> None:
    """Refuse a list that is empty or names something twice.

    Raises:
        SpecError: It does.
    """
    if not values:
        raise SpecError(f"{name} must name at least one")
    if twice := _repeated(values):
        raise SpecError(f"{name} must differ, got {twice[0]} twice")


def _repeated(values: Iterable[object]) -> list[object]:
    return [value for value, count in Counter(values).items() if count > 1]

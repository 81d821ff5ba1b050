"""What a comparison of methods is asked for, as one frozen value."""

from dataclasses import dataclass

from graphprune.errors import SpecError
from graphprune.wiring_study.request import check_list

ALLOCATIONS = ("one", "uniform", "erk")
UNITS = ("weights", "macs")
DENSE = "dense"  # the network that nothing is pruned of: always in


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """Methods x ratios x seeds; each combination is a run, beside the dense network.

    `methods` are titles with options, as "rigl:alpha=0.2"; `longer=2.5` among the options
    trains for so many times the epochs. At every ratio all methods keep equally many weights:
    as many as the largest degree leaves that prunes at least the ratio, on `nodes` nodes (None:
    the narrowest layer that can be pruned), or with `exact` the ratio itself. `allocation`
    gives every layer its own nodes and degree instead ("uniform", "erk"), in all as near the
    ratio as whole degrees allow; the ratio is then one of weights or, with `unit` "macs", of
    multiply-accumulates.

    Raises:
        SpecError: A value is out of range, unknown or listed twice.
    """

    methods: tuple[str, ...]
    ratios: tuple[float, ...]
    nodes: int | None = None
    allocation: str = "one"
    exact: bool = False
    unit: str = "weights"
    seeds: int = 3
    first_seed: int = 0

    def __post_init__(self) -> None:
        check_list("methods", self.methods)
        check_list("ratios", self.ratios)
        for ratio in self.ratios:
            if not 0 < ratio < 1:
                raise SpecError(f"ratios must be in (0, 1), got {ratio:g}")
        if self.allocation not in ALLOCATIONS:
            raise SpecError(
                f"allocation must be one of {', '.join(ALLOCATIONS)}, got {self.allocation!r}"
            )
        if self.allocation != "one" and (self.exact or self.nodes is not None):
            raise SpecError("--exact and --nodes are for --allocation one")
        if self.unit not in UNITS:
            raise SpecError(f"unit must be one of {', '.join(UNITS)}, got {self.unit!r}")
        if self.unit != "weights" and self.allocation == "one":
            raise SpecError("--unit macs is for --allocation uniform or erk")
        if self.nodes is not None and self.nodes < 3:
            raise SpecError(f"nodes must be at least 3, got {self.nodes}")
        for name, value, least in (
            ("seeds", self.seeds, 1),
            ("first seed", self.first_seed, 0),
        ):
            if value < least:
                raise SpecError(f"{name} must be at least {least}, got {value}")

    @property
    def all_seeds(self) -> range:
        """Seed of each repetition, in order."""
        return range(self.first_seed, self.first_seed + self.seeds)

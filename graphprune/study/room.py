"""How many runs fit on a cluster at once."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from graphprune.errors import SpecError


def check_shares(threads: int, gpus: float) -> None:
    """Refuse what no run can get.

    Raises:
        SpecError: `threads` is below 1, or `gpus` is negative or above 1 and not whole.
    """
    if threads < 1:
        raise SpecError(f"threads must be at least 1, got {threads}")
    if not 0 <= gpus < math.inf or (gpus > 1 and gpus % 1):
        raise SpecError(
            f"GPUs a run must be a share of one (0.25, say) or a whole number, got {gpus:g}"
        )


def room(
    nodes: Iterable[Mapping[str, Any]], *, threads: int, gpus: float = 0.0
) -> dict[str, int]:
    """Runs that each node can hold at once, whoever uses it now.

    Args:
        nodes: As `ray.nodes()` gives them.
        threads: CPUs that a run takes.
        gpus: GPUs that a run takes; a share below 1 is of one GPU, never of two.

    Returns:
        Id of the node -> number of runs; nodes that are gone or too small are left out.
    """
    found = {}
    for node in nodes:
        has = node["Resources"] if node["Alive"] else {}
        runs = math.floor(has.get("CPU", 0) / threads)
        if gpus:
            runs = min(runs, _on_gpus(math.floor(has.get("GPU", 0)), gpus))
        if runs:
            found[node["NodeID"]] = runs
    return found


def _on_gpus(count: int, each: float) -> int:
    if each > 1:
        return count // round(each)
    return count * math.floor(1 / each)
